"""What is heard in a take: each judge returns plain data, which is kept, so that nobody listens twice."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from flowmusic.audio import Audio
from flowmusic.evaluate.cache import Store, Take, key_of
from flowmusic.evaluate.conditions import ALONE, MODEL, Condition
from flowmusic.evaluate.test_set import LabelledClip
from flowmusic.evaluate.training_index import TrainingIndex
from flowmusic.metrics.adherence import Detectors, measure, remembering
from flowmusic.metrics.report import CODEC, SHUFFLED
from flowmusic.metrics.spectrum import balance, fidelity
from flowmusic.metrics.text_match import TextMatch
from flowmusic.types import TEXT

VERSION = 1
"""Raised when the same recording is to give other scores."""


class Scorer(Protocol):
    """Listens for one thing.  ``key`` holds all that its answer depends on beside the take and the clip."""

    def key(self, system: Condition) -> Sequence[Any]: ...

    def applies(self, system: Condition) -> bool: ...

    def __call__(self, audio: Audio, clip: LabelledClip, system: Condition) -> Mapping[str, Any]: ...


@dataclass(frozen=True)
class TakeScores:
    """Of one take: scores by metric, the chords that were recognised (None: nobody listened), the nearest copy."""

    scores: Mapping[str, float]
    chords: Sequence[Sequence[Any]] | None = None
    nearest: str | None = None


@dataclass(frozen=True)
class AdherenceScorer:
    """How closely the controls that a system is scored on were followed, and which chords were recognised.

    Args:
        described: what listens, in words; other listeners have other words.
    """

    listeners: Detectors
    described: Mapping[str, str]

    def key(self, system: Condition) -> Sequence[Any]:
        return ["adherence", dict(self.described), sorted(system.scored - {TEXT})]

    def applies(self, system: Condition) -> bool:
        return bool(system.scored - {TEXT})

    def __call__(self, audio: Audio, clip: LabelledClip, system: Condition) -> Mapping[str, Any]:
        requested = clip.asking_only(*sorted(system.scored)).requested
        ears = remembering(audio, self.listeners)
        with warnings.catch_warnings():
            # A score that is nan (nothing to compare) is left out of the means, and the counts show it.
            warnings.simplefilter("ignore", UserWarning)
            scores = measure(audio, requested, ears)
        found: dict[str, Any] = {"scores": {key: value for key, value in scores.items() if value == value}}
        if requested.chords and ears.chords is not None:
            found["chords"] = [[round(float(s), 4), round(float(e), 4), str(name)] for s, e, name in ears.chords(audio)]
        return found


@dataclass(frozen=True)
class SoundScorer:
    """How a take's spectrum compares with the clip's: bin by bin for the codec's round trip, by balance for takes."""

    def key(self, system: Condition) -> Sequence[Any]:
        return ["sound", system.row == CODEC]

    def applies(self, system: Condition) -> bool:
        return system.row in (MODEL, CODEC)

    def __call__(self, audio: Audio, clip: LabelledClip, system: Condition) -> Mapping[str, Any]:
        found = fidelity(audio, clip.audio) if system.row == CODEC else balance(audio, clip.audio)
        return {"scores": {name: value for name, value in found.items() if math.isfinite(value)}}


@dataclass(frozen=True)
class TextScorer:
    """How well a take matches its words.  ``choices``: the words of every attribute over the test set."""

    match: TextMatch
    choices: Mapping[str, Sequence[str]]

    def key(self, system: Condition) -> Sequence[Any]:
        return ["text", self.match.name, {name: list(words) for name, words in self.choices.items()}]

    def applies(self, system: Condition) -> bool:
        return TEXT in system.scored

    def __call__(self, audio: Audio, clip: LabelledClip, system: Condition) -> Mapping[str, Any]:
        return {"scores": self.match.scores(audio, clip.text, clip.attributes, self.choices)}


@dataclass(frozen=True)
class CopyScorer:
    """How close the nearest training clip is."""

    library: TrainingIndex

    def key(self, system: Condition) -> Sequence[Any]:
        return ["copy", self.library.fingerprint]

    def applies(self, system: Condition) -> bool:
        return system.row not in (SHUFFLED, ALONE)

    def __call__(self, audio: Audio, clip: LabelledClip, system: Condition) -> Mapping[str, Any]:
        found = self.library.look_up(audio)
        scores = {"copy": found.similarity}
        if found.tokens is not None:
            scores["copy_tokens"] = found.tokens
        return {"scores": scores, "nearest": found.song}


def listen(store: Store, judges: Sequence[Scorer], system: Condition, clip: LabelledClip, take: Take) -> TakeScores:
    """Everything that the judges hear in a take."""
    scores: dict[str, float] = {}
    chords, nearest = None, None
    for judge in judges:
        if not judge.applies(system):
            continue
        key = key_of(VERSION, take.key, *judge.key(system))
        found = store.heard(system.name, clip.id, key, lambda judge=judge: judge(take.audio(), clip, system))  # type: ignore[misc]
        scores.update(found["scores"])
        chords, nearest = found.get("chords", chords), found.get("nearest", nearest)
    return TakeScores(scores, chords, nearest)


def choices_of(clips: Sequence[LabelledClip]) -> dict[str, list[str]]:
    """Every attribute's words in a test set."""
    found: dict[str, set[str]] = {}
    for clip in clips:
        for name, word in clip.attributes.items():
            found.setdefault(name, set()).add(word)
    return {name: sorted(words) for name, words in sorted(found.items())}
