"""What is compared: which controls each row of a report is generated from, and what it is scored on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowmusic.evaluate.test_set import TOLD, LabelledClip, other, swap
from flowmusic.guidance import in_words
from flowmusic.metrics.report import CODEC, SHUFFLED, TRUTH
from flowmusic.types import FACTS, TEXT, Controls, Guidance

MODEL, ALONE, TEXT_ONLY, OTHER_TEXT, DROPPED = "model", "alone", "text only", "text only shuffled", "dropped"
UNTOLD, TEXT_AND_FACTS = "without facts", "text and facts"
ROWS = (MODEL, UNTOLD, ALONE, TEXT_AND_FACTS, TEXT_ONLY, OTHER_TEXT, DROPPED, SHUFFLED, CODEC, TRUTH)
"""Rows of a report, in its order."""


@dataclass(frozen=True)
class Sampling:
    """How takes are drawn."""

    guidance: Mapping[str, float] = field(hash=False)
    solver: str
    steps: int
    time_grid: str
    interval: tuple[float, ...] | None = None
    apg: Mapping[str, float | None] | None = field(default=None, hash=False)

    def guide(self) -> Guidance:
        """Raises: ValueError for what makes no guidance."""
        return Guidance.of(self.guidance, self.interval, self.apg)

    def guidance_in_words(self) -> str:
        return in_words(self.guidance, self.interval, self.apg)


@dataclass(frozen=True)
class Condition:
    """One way to make a recording of a clip.

    Args:
        row: the row of the report that it belongs to; ``shuffled`` and ``alone`` gather one system per control.
        scored: controls that it is scored on, ``text`` among them if the words are.
        keep: controls that the model is given; None for recordings that no model generates.
        control: the one that is another clip's (``shuffled``; ``text only shuffled``, where nothing else is given), or
            given without the others (``alone``).
        sampling: how it is drawn; None without a model.
    """

    row: str
    scored: frozenset[str]
    keep: frozenset[str] | None = None
    control: str | None = None
    sampling: Sampling | None = None

    @property
    def name(self) -> str:
        """Row and, where a row has several systems, the control."""
        return self.row if self.control is None or self.row == OTHER_TEXT else f"{self.control} {self.row}"

    @property
    def swapped(self) -> str | None:
        """The control that is another clip's."""
        return self.control if self.row in (SHUFFLED, OTHER_TEXT) else None

    def applies(self, clips: Sequence[LabelledClip], row: int) -> bool:
        """Whether the clip has the control that this is about, and another clip has it too where it is swapped."""
        if self.control is None:
            return True
        swappable = self.swapped is None or other(clips, row, self.control) is not None
        return clips[row].has(self.control) and swappable

    def controls(self, clips: Sequence[LabelledClip], row: int) -> Controls:
        """What the model is given for a clip.  Raises: ValueError for a system without a model."""
        if self.keep is None:
            raise ValueError(f"{self.name} is not generated")
        given = clips[row].controls if self.swapped is None else swap(clips, row, self.swapped)
        return given.only(self.keep)

    def donor(self, clips: Sequence[LabelledClip], row: int) -> LabelledClip | None:
        """The clip that the swapped control comes from."""
        index = None if self.swapped is None else other(clips, row, self.swapped)
        return None if index is None else clips[index]

    def drawn(self, sampling: Sampling) -> Condition:
        """The same system, drawn in another way."""
        return replace(self, sampling=sampling)


def systems(controls: Sequence[str], sampling: Sampling, *, alone: bool, score_text: bool) -> list[Condition]:
    """All systems of an evaluation.

    Args:
        controls: the chosen ones, ``text`` among them if there are to be words.
        alone: also every control by itself (with the text).
        score_text: whether somebody can judge the words; the text is swapped too, then, beside the other controls and
            without them, for tracks may tell tempo and energy as well as words do.

    Facts and who plays (:data:`TOLD`) are given wherever everything is, and have rows of their own.
    """
    text = frozenset({TEXT}) & frozenset(controls)
    tracks = [name for name in controls if name not in (TEXT, *TOLD)]
    everything = frozenset(controls)
    scored = everything - frozenset(TOLD) - (frozenset() if score_text else {TEXT})
    found = [Condition(MODEL, scored, everything, sampling=sampling)]
    if everything & frozenset(TOLD):
        found.append(Condition(UNTOLD, scored, everything - frozenset(TOLD), sampling=sampling))
    if text and FACTS in everything:
        found.append(Condition(TEXT_AND_FACTS, scored, text | {FACTS}, sampling=sampling))
    if alone and len(tracks) > 1:
        found += [Condition(ALONE, frozenset({name}), text | {name}, name, sampling) for name in tracks]
    if text and everything > text:  # without other controls the model's own row is that
        found.append(Condition(TEXT_ONLY, scored, text, sampling=sampling))
    if text and tracks and score_text:
        found.append(Condition(OTHER_TEXT, text, text, TEXT, sampling))
    found.append(Condition(DROPPED, scored, frozenset(), sampling=sampling))
    swappable = [*tracks, *(text if score_text else ())]
    found += [Condition(SHUFFLED, frozenset({name}), everything, name, sampling) for name in swappable]
    return [*found, Condition(CODEC, scored), Condition(TRUTH, scored)]
