"""The language of a prompt, where it is not English, by its common words: no model, a few words of ten languages.

>>> of("musique douce pour piano et violon".split()), of("warm lo-fi beat".split())
('fr', None)
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from flowmusic.inputs.words.elsewhere import ALSO_ENGLISH, COMMON, LANGUAGES
from flowmusic.inputs.words.senses import folded, senses

_ENGLISH = frozenset(
    "the and with of in on for to by from at is are was be this that it its like some very more no not without but "
    "an a or as "
    "into over about my your his her our their you me we they when where how what who which have has do does make "
    "made "
    "sounds sound feels feel style inspired music song piece track tune melody background".split()
)
_NO_CONTENT = _ENGLISH | frozenset(
    "instrumental recording version theme loop sample intro outro verse chorus bridge hook section part parts start "
    "end "
    "beginning ending feature features featuring featured play plays played playing music musical sound sounds "
    "sounding "
    "please want would could should something nice good great best cool beautiful amazing lovely pretty bit little "
    "lot "
    "touch hint feel feeling vibe vibes mood moods atmosphere style styles genre tempo rhythm rhythms groove grooves "
    "harmony "
    "harmonies chord chords progression melodies melodic lead leads backing accompaniment accompanied accompanying "
    "key minor "
    "major scale note notes bar bars time signature minutes minute seconds second long short simple complex modern "
    "vintage "
    "retro classic traditional new old young big small high low deep light heavy loud full rich warm cold clean "
    "clear simple "
    "under upon between through during after before then than also only just even still again along around across "
    "with "
    "while until around plus using made based like influences influence influenced elements element inspired type "
    "kind "
    "think imagine write create generate compose give make quality stereo mono song songs tracks pieces scene video "
    "film "
    "movie game background walking driving dancing studying working sleeping reading people person friend everything "
    "every "
    "each both other another one two three four five six seven eight first last next main slightly few many much most "
    "really quite rather somewhat almost always never sometimes soon later early late today tonight plays carries "
    "takes "
    "takes tune built laid down behind keeps keep drone".split()
)
_LEAST_SHARE = 0.2


def of(words: Sequence[str]) -> str | None:
    """The language of some words (small letters without accents), None for English or where nothing tells.

    A language counts by the words that are its own; two are needed, or one beside no English word, and a fifth of all.
    """
    said = [word for word in words if word[:1].isalpha()]
    english = sum(word in _ENGLISH for word in said)
    counts = {tongue: sum(word in common for word in said) for tongue, common in _common().items()}
    tongue = max(counts, key=lambda name: counts[name], default=None)
    if tongue is None or counts[tongue] == 0 or counts[tongue] < _LEAST_SHARE * len(said):
        return None
    if counts[tongue] <= english or (counts[tongue] == 1 and english):
        return None
    return tongue


def name(tongue: str) -> str:
    """Its English name."""
    return LANGUAGES[tongue]


def is_content(word: str) -> bool:
    """Whether a word may have a meaning of its own in a prompt: no article, and none of the words of every prompt."""
    return len(word) > 3 and word.isalpha() and word not in _NO_CONTENT


@cache
def _common() -> dict[str, frozenset[str]]:
    """For each language its common words, and its words of the list, that are no English ones."""
    found = {}
    for tongue, listed in COMMON.items():
        own = {folded(word) for word in listed.split()} - ALSO_ENGLISH - _ENGLISH
        of_list = {
            phrase[0]
            for phrase, choice in senses().items()
            if len(phrase) == 1 and any(s.language == tongue for s in choice)
        }
        found[tongue] = frozenset(own | (of_list - ALSO_ENGLISH - _ENGLISH))
    return found
