"""What a caption can say of a clip, as questions with a few answers: genre, tempo, energy, mood, drums, lead.

Each answer has wordings that captions use, and is known exactly for clips of the corpus.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Labels = Mapping[str, Any]
"""The parsed ``ID.json`` of a corpus clip."""


@dataclass(frozen=True)
class Attribute:
    """A family of answers: the wordings of each, and which one is true of a clip (None: not known)."""

    name: str
    wordings: Mapping[str, tuple[str, ...]]
    truth: Callable[[Labels], str | None]


GENRES = {
    "pop": ("pop", "catchy pop"), "rock": ("rock", "rock band"), "jazz": ("jazz", "jazz combo"),
    "bossa nova": ("bossa nova",), "funk": ("funk", "funky groove"), "soul": ("soul", "r&b"),
    "lo-fi": ("lo-fi", "lo-fi hip hop"), "hip hop": ("hip hop", "rap beat"), "house": ("house", "deep house"),
    "techno": ("techno", "electronic music"), "drum and bass": ("drum and bass", "jungle"),
    "synthwave": ("synthwave", "80s synth pop"), "disco": ("disco", "70s disco"),
    "ambient": ("ambient", "atmospheric music"), "ballad": ("ballad", "love song"),
    "folk": ("folk", "acoustic folk"), "country": ("country", "americana"), "celtic": ("celtic", "irish folk"),
    "reggae": ("reggae", "roots reggae"), "latin": ("latin", "salsa"), "afrobeat": ("afrobeat", "afropop"),
    "metal": ("metal", "heavy metal"), "blues": ("blues", "electric blues"),
    "classical": ("classical", "chamber music"), "cinematic": ("cinematic", "film score"),
    "video game": ("video game music", "chiptune"), "world": ("world music", "ethnic fusion"),
}  # fmt: skip
TEMPOS = {
    "slow": ("slow", "slow-moving piece"),
    "medium": ("mid-tempo", "moderately paced piece"),
    "fast": ("fast", "up-tempo piece"),
}
ENERGIES = {
    "calm": ("calm", "relaxed and gentle"),
    "steady": ("steady", "easygoing and flowing"),
    "lively": ("lively", "energetic and driving"),
}
MOODS = {
    "bright": ("happy", "bright and cheerful"),
    "dark": ("sad", "dark and melancholic"),
    "mixed": ("bittersweet", "thoughtful"),
    "restless": ("restless", "strange and wandering"),
}
DRUMS = {"drums": ("with drums", "drums"), "no drums": ("no drums", "no percussion")}

# Families of General MIDI programs: eight programs each (_BY_EIGHT), but for some (_SINGLE).
LEADS = {
    "keyboard": ("piano plays the melody", "piano or electric piano"),
    "mallets": ("marimba plays the melody", "bells or mallets"),
    "organ or accordion": ("accordion plays the melody", "organ, accordion or harmonica"),
    "guitar": ("guitar plays the melody", "electric guitar"),
    "bass": ("bass guitar plays the melody",),
    "strings": ("violin plays the melody", "violin, viola or cello"),
    "voice": ("choir plays the melody", "wordless voice"),
    "brass": ("trumpet plays the melody", "trumpet, trombone or brass"),
    "saxophone": ("saxophone plays the melody", "saxophone"),
    "reeds": ("oboe plays the melody", "oboe, clarinet or bassoon"),
    "flutes": ("flute plays the melody", "flute or recorder"),
    "synth lead": ("synth lead plays the melody", "sawtooth synth"),
    "folk": ("koto plays the melody", "shamisen, koto or sitar"),
}
_BY_EIGHT = (
    "keyboard", "mallets", "organ or accordion", "guitar", "bass", "strings", "strings", "brass",
    "saxophone", "flutes", "synth lead", None, None, "folk",
)  # fmt: skip
_SINGLE = {
    52: "voice", 53: "voice", 54: "voice", 68: "reeds", 69: "reeds", 70: "reeds", 71: "reeds", 108: "mallets",
    110: "strings", 111: "reeds",
}  # fmt: skip


def _mood(among: Mapping[str, tuple[str, ...]]) -> Callable[[Labels], str | None]:
    return lambda labels: next((word for word in labels["tags"]["mood"] if word in among), None)


def _genre(labels: Labels) -> str | None:
    # "other" is a clip that no genre fits, for which captions have no word.
    return labels["tags"]["genre"] if labels["tags"]["genre"] in GENRES else None


def _lead(labels: Labels) -> str | None:
    part = labels["programs"].get("melody")
    if part is None:
        return None
    program = int(part["program"])
    return _SINGLE.get(program) or (_BY_EIGHT[program // 8] if program // 8 < len(_BY_EIGHT) else None)


ATTRIBUTES = (
    Attribute("genre", GENRES, _genre),
    Attribute("tempo", TEMPOS, lambda labels: labels["tags"]["tempo"]),
    Attribute("energy", ENERGIES, _mood(ENERGIES)),
    Attribute("mood", MOODS, _mood(MOODS)),
    Attribute("drums", DRUMS, lambda labels: "drums" if "drums" in labels["programs"] else "no drums"),
    Attribute("lead", LEADS, _lead),
)


def balanced(heard: Sequence[str], true: Sequence[str | None], answers: int) -> float:
    """Accuracy with every true answer counting alike, on a scale from chance (0) to always right (1).

    (a - 1/K) / (1 - 1/K), where a is the mean over the answers that occur of the share recognised, and K the number of
    answers to choose from: a listener that always gives one answer, or guesses, is at 0 or near it.

    Args:
        heard, true: one answer per clip; clips without a true one are left out.
        answers: K, at least 2.

    Returns: nan if no clip has a true answer.
    Raises: ValueError if the lengths differ, or for fewer than two answers.

    >>> balanced(["slow", "slow", "fast"], ["slow", "fast", "fast"], answers=2)  # recalls of 1 and a half
    0.5
    """
    if len(heard) != len(true) or answers < 2:
        raise ValueError(
            f"need an answer heard per clip and at least 2 to choose from, got {len(heard)} heard, {len(true)} true, "
            f"{answers} answers"
        )
    shares = [
        np.mean([guess == value for guess, truth in zip(heard, true, strict=True) if truth == value])
        for value in sorted({value for value in true if value is not None})
    ]
    if not shares:
        return math.nan
    return (float(np.mean(shares)) - 1 / answers) / (1 - 1 / answers)
