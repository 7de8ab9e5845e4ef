"""Which of several takes to keep: one score for how closely a take followed all that was asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowmusic.evaluate.adherence import Adherence

WEIGHTS = {"chord_acc": 1.0, "onset_f1": 1.0, "melody_pc": 1.0, "beat_f1": 0.5}
"""One metric a control.  Beats count half: they were often asked for only to place the chords."""
TRIES = 8
"""How many takes ``--min-adherence`` makes at most, unless ``--best-of`` says."""


def score(adherence: Adherence) -> float | None:
    """Weighted mean of the scores that could be judged, in 0..1; None if there are none."""
    judged = {key: value for key, value in adherence.scores.items() if key in WEIGHTS and value is not None}
    total = sum(WEIGHTS[key] for key in judged)
    return sum(WEIGHTS[key] * value for key, value in judged.items()) / total if total else None


def record(scores: Mapping[int, float], least: float | None) -> dict[str, object]:
    """The choice as take.json keeps it: score by seed, which take was kept, and what was demanded."""
    best = max(scores, key=scores.__getitem__)
    found: dict[str, object] = {
        "takes": len(scores),
        "score": round(scores[best], 4),
        "by_seed": {str(seed): round(value, 4) for seed, value in scores.items()},
    }
    return found if least is None else {**found, "min_adherence": least, "reached": scores[best] >= least}


def told(choice: Mapping[str, Any], seed: int) -> str:
    """The choice in a sentence."""
    count = choice["takes"]
    sentence = (
        f"of {count} take{'s' if count > 1 else ''} the one of seed {seed} follows closest, {choice['score']:.2f}"
    )
    if choice.get("reached") is False:
        return f"{sentence}, which is less than --min-adherence {choice['min_adherence']:g}"
    return sentence
