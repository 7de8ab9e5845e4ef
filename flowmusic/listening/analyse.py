"""What the answers of listeners show, as plain data and as lines for a terminal."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from flowmusic.listening import statistics
from flowmusic.listening.results import Answers, Choice, Rating
from flowmusic.listening.spec import RESERVED
from flowmusic.listening.statistics import Array, estimate, interval

FEW = 6
"""Listeners below which intervals are rough."""


def analyse(answers: Answers, seed: int = 0, keep_all: bool = False, draws: int = statistics.DRAWS) -> dict[str, Any]:
    """Leave out who fails the hidden reference, and judge each question by itself.

    Args:
        answers: of all listeners.
        seed: of the bootstrap.
        keep_all: leave out nobody.
        draws: of the bootstrap.

    Returns: plain data: ``listeners``, ``left_out``, ``notices``; by question ``ratings``, ``preferences``, ``abx``.
    """
    out = [] if keep_all else failed(answers.ratings)
    kept = answers.without(each["listener"] for each in out)
    notices = list(kept.notices)
    listeners = kept.listeners()
    if not listeners:
        notices.append("all listeners are left out; --keep-all shows what they answered")
    elif len(listeners) < FEW:
        notices.append(f"{len(listeners)} listeners are few: with fewer than {FEW} the intervals are rough")
    return {
        "test": answers.test,
        "listeners": len(listeners),
        "left_out": out,
        "notices": notices,
        "ratings": {name: _ratings(rows, seed, draws) for name, rows in _by_question(kept.ratings).items()},
        "preferences": {name: _preferences(rows, seed, draws) for name, rows in _by_question(kept.choices).items()},
        "abx": {name: _recognised(rows) for name, rows in _by_question(kept.recognised).items()},
    }


def failed(ratings: Iterable[Rating]) -> list[dict[str, Any]]:
    """Who fails the hidden reference, and how often."""
    scores: dict[str, list[float]] = defaultdict(list)
    for each in ratings:
        if each.hidden:
            scores[each.listener].append(each.value)
    return [
        {"listener": name, "trials": len(given), "below": sum(each < statistics.HIDDEN_LEAST for each in given)}
        for name, given in sorted(scores.items())
        if statistics.misses_reference(given)
    ]


def _by_question(rows: Iterable[Any]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for each in rows:
        found[each.question].append(each)
    return dict(sorted(found.items()))


def _ratings(rows: Sequence[Rating], seed: int, count: int) -> dict[str, Any]:
    names = list(dict.fromkeys(each.condition for each in rows))
    values, shape = _table(rows, [(each.condition, each.value) for each in rows], names)
    draws = statistics.resampled(values, seed, count)
    own = [name for name in names if name not in RESERVED]
    pairs = []
    for a, b in itertools.combinations(own, 2):
        first, second = names.index(a), names.index(b)
        found = estimate(values[..., first] - values[..., second], draws[:, first] - draws[:, second])
        pairs.append({"a": a, "b": b, "difference": found.pop("mean"), **found})
    means: dict[str, Any] = {}
    for place, name in enumerate(names):
        means[name] = estimate(values[..., place], draws[:, place])
        del means[name]["p"]
        means[name]["answers"] = int((~np.isnan(values[..., place])).sum())
    return {**shape, "conditions": means, "pairs": _corrected(pairs)}


def _preferences(rows: Sequence[Choice], seed: int, count: int) -> dict[str, Any]:
    pairs = sorted({(each.first, each.second) for each in rows})
    values, shape = _table(rows, [((each.first, each.second), each.score) for each in rows], pairs)
    draws = statistics.resampled(values, seed, count)
    told = []
    for place, (a, b) in enumerate(pairs):
        scores = values[..., place]
        there = scores[~np.isnan(scores)]
        # Half of the choices each is no preference.
        found = estimate(scores - 0.5, draws[:, place] - 0.5)
        told.append({
            "a": a, "b": b, "share": found["mean"] + 0.5, "low": max(0.0, found["low"] + 0.5),
            "high": min(1.0, found["high"] + 0.5), "p": found["p"], "answers": int(there.size),
            "undecided": int((there == 0.5).sum()),
        })  # fmt: skip
    return {**shape, "pairs": _corrected(told), "strengths": _strengths(values, pairs, seed, min(count, 1000))}


def _strengths(values: Array, pairs: Sequence[tuple[str, str]], seed: int, count: int) -> dict[str, Any]:
    names = sorted({name for pair in pairs for name in pair})
    won, there = np.where(np.isnan(values), 0.0, values), (~np.isnan(values)).astype(float)
    listeners, items = statistics.drawn_counts(values.shape[0], values.shape[1], seed, count)
    whole = [np.ones((1, size)) for size in values.shape[:2]]

    def wins(of_listeners: Array, of_items: Array) -> Array:
        scores = np.einsum("dl,di,lip->dp", of_listeners, of_items, won, optimize=True)
        counts = np.einsum("dl,di,lip->dp", of_listeners, of_items, there, optimize=True)
        table = np.zeros((len(scores), len(names), len(names)))
        for place, (a, b) in enumerate(pairs):
            table[:, names.index(a), names.index(b)] = scores[:, place]
            table[:, names.index(b), names.index(a)] = (counts - scores)[:, place]
        return table

    found, draws = statistics.strengths(wins(*whole))[0], statistics.strengths(wins(listeners, items))
    told = {}
    for place, name in enumerate(names):
        low, high = interval(draws[:, place])
        told[name] = {"strength": float(found[place]), "low": low, "high": high}
    return dict(sorted(told.items(), key=lambda each: -each[1]["strength"]))


def _recognised(rows: Sequence[Any]) -> dict[str, Any]:
    told = []
    for name in dict.fromkeys(each.condition for each in rows):
        heard = [each.correct for each in rows if each.condition == name]
        low, high = statistics.share_interval(sum(heard), len(heard))
        told.append({
            "condition": name, "correct": sum(heard), "trials": len(heard), "share": sum(heard) / len(heard),
            "low": low, "high": high, "p": statistics.recognition(sum(heard), len(heard)),
        })  # fmt: skip
    return {**_shape(rows), "conditions": _corrected(told)}


def _table(rows: Sequence[Any], values: Sequence[tuple[Any, float]], columns: Sequence[Any]) -> tuple[Array, Any]:
    """Answers as ``[listeners, items, columns]``, nan where there is none."""
    listeners = sorted({each.listener for each in rows})
    items = sorted({each.item for each in rows})
    found = np.full((len(listeners), len(items), len(columns)), math.nan)
    at = [{name: place for place, name in enumerate(names)} for names in (listeners, items, columns)]
    for each, (column, value) in zip(rows, values, strict=True):
        found[at[0][each.listener], at[1][each.item], at[2][column]] = value
    return found, _shape(rows)


def _shape(rows: Sequence[Any]) -> dict[str, int]:
    return {"listeners": len({each.listener for each in rows}), "items": len({each.item for each in rows})}


def _corrected(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of one family with ``p_holm`` beside ``p``."""
    for row, value in zip(rows, statistics.holm([row["p"] for row in rows]), strict=True):
        row["p_holm"] = value
    return rows


def told(found: Mapping[str, Any]) -> list[str]:
    """Lines for a terminal."""
    lines = [f"{found['test'] or 'test'}: {found['listeners']} listeners"]
    for each in found["left_out"]:
        lines.append(
            f"left out: {each['listener']} (hidden reference below {statistics.HIDDEN_LEAST:g} in {each['below']} of "
            f"{each['trials']} trials)"
        )
    lines += [f"note: {notice}" for notice in found["notices"]]
    for name, part in found["ratings"].items():
        lines += ["", f"{name}: {part['listeners']} listeners, {part['items']} items; mean [95 % interval]"]
        for condition, row in sorted(part["conditions"].items(), key=lambda each: -each[1]["mean"]):
            lines.append(f"  {condition:<24} {row['mean']:7.2f} [{row['low']:.2f}, {row['high']:.2f}]")
        lines += [
            f"  {row['a']} - {row['b']}: {row['difference']:+.2f} [{row['low']:+.2f}, {row['high']:+.2f}], {_p(row)}"
            for row in part["pairs"]
        ]
    for name, part in found["preferences"].items():
        lines += ["", f"{name}: {part['listeners']} listeners, {part['items']} items; share of choices, strengths"]
        lines += [
            f"  {row['a']} over {row['b']}: {row['share']:.2f} [{row['low']:.2f}, {row['high']:.2f}] of "
            f"{row['answers']}, {_p(row)}"
            for row in part["pairs"]
        ]
        for condition, row in part["strengths"].items():
            lines.append(f"  {condition:<24} {row['strength']:+7.2f} [{row['low']:+.2f}, {row['high']:+.2f}]")
    for name, part in found["abx"].items():
        lines += ["", f"{name}: {part['listeners']} listeners, {part['items']} items; told from the reference"]
        lines += [
            f"  {row['condition']:<24} {row['correct']} of {row['trials']}, {row['share']:.2f} [{row['low']:.2f}, "
            f"{row['high']:.2f}], {_p(row)}"
            for row in part["conditions"]
        ]
    return lines


def _p(row: Mapping[str, float]) -> str:
    return f"p {row['p']:.3f}, by Holm {row['p_holm']:.3f}"
