"""Values that change over the time of a piece, as a person writes them: moments, curves, guidance over time.

Plain data, no tensors.  A moment is in seconds (``15``, ``1:05``) or at the beginning of a bar, counted from 1
(``bar 9``).

>>> curve = Curve.of("0@0 4@10")
>>> curve.at(-1.0), curve.at(2.5), curve.at(60.0)
(0.0, 1.0, 4.0)
>>> Curve.of("1@bar1 2@bar3").placed([0.0, 2.0, 4.0, 6.0]).at(3.0)
1.75
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from flowmusic import limits
from flowmusic.guidance import Guidance

_SECONDS = re.compile(r"(?:(\d{1,4}):([0-5]?\d(?:\.\d{1,6})?)|(\d{1,6}(?:\.\d{1,6})?))s?")
_BAR = re.compile(r"bar ?(\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
MOMENTS = "seconds (15, 1:05) or a bar counted from 1 (bar 9)"
MOST_KNOTS = 1000


@dataclass(frozen=True)
class Moment:
    """A time of a piece: seconds, or bars from 1, of which 1.5 is the middle of the first."""

    value: float
    in_bars: bool = False

    @staticmethod
    def of(text: str) -> Moment:
        """Read one.

        >>> Moment.of("1:05.5"), Moment.of("bar 9")
        (Moment(value=65.5, in_bars=False), Moment(value=9.0, in_bars=True))

        Raises: ValueError for anything else.
        """
        text = text.strip()
        if bar := _BAR.fullmatch(text):
            if float(bar[1]) < 1.0:
                raise ValueError(f"{limits.shown(text)}: bars are counted from 1")
            return Moment(float(bar[1]), True)
        if found := _SECONDS.fullmatch(text):
            minutes, rest, alone = found.groups()
            return Moment(float(alone) if alone is not None else 60.0 * float(minutes) + float(rest))
        raise ValueError(f"{limits.shown(text)} is no time; write {MOMENTS}")

    def seconds(self, bars: Sequence[float]) -> float:
        """When it is, where bars begin at ``bars``; behind the last one they go on as long as it was.

        Raises: ValueError for a bar where fewer than two are known.
        """
        if not self.in_bars:
            return self.value
        if len(bars) < 2:
            raise ValueError(f"{self} needs bars, and none are known here; give --bpm, or write seconds")
        place = self.value - 1.0
        at = min(int(place), len(bars) - 2)
        return bars[at] + (place - at) * (bars[at + 1] - bars[at])

    def __str__(self) -> str:
        return f"bar {self.value:g}" if self.in_bars else f"{self.value:g} s"


@dataclass(frozen=True)
class Curve:
    """Values at moments, linear between them and held outside.

    Raises: ValueError for no knots, and for moments in seconds, or in bars, that do not ascend.
    """

    knots: tuple[tuple[Moment, float], ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.knots) <= MOST_KNOTS:
            raise ValueError(f"a curve has 1 to {MOST_KNOTS} points, got {len(self.knots)}")
        for (before, _), (after, _) in zip(self.knots, self.knots[1:], strict=False):
            if before.in_bars == after.in_bars and after.value <= before.value:
                raise ValueError(f"the times of a curve must ascend, but {after} follows {before}")

    @staticmethod
    def of(text: str, limit: str = "number") -> Curve:
        """``VALUE@TIME VALUE@TIME ...``; a single VALUE holds throughout.

        Args:
            limit: the row of the table of limits for the values.

        Raises: ValueError naming the point that is wrong.
        """
        knots = []
        parts = re.sub(r"(?i)bar\s+(?=\d)", "bar", text).split()
        for part in parts:
            value, mark, moment = part.partition("@")
            if not mark and len(parts) > 1:
                raise ValueError(f"{limits.shown(part)} has no time; write VALUE@TIME for each point, as in 0@0 4@10")
            knots.append((Moment.of(moment) if mark else Moment(0.0), limits.of_text(limit, value, "a point")))
        return Curve(tuple(knots))

    def placed(self, bars: Sequence[float]) -> Curve:
        """With every moment in seconds.  Raises: ValueError as :meth:`Moment.seconds`, and where they do not ascend."""
        return replace(self, knots=tuple((Moment(moment.seconds(bars)), value) for moment, value in self.knots))

    def at(self, seconds: float) -> float:
        """Its value at a time; its moments must be in seconds."""
        times = [moment.value for moment, _ in self.knots]
        after = bisect_right(times, seconds)
        if after in (0, len(times)):
            return self.knots[0 if after == 0 else -1][1]
        (before, low), (behind, high) = self.knots[after - 1], self.knots[after]
        return low + (high - low) * (seconds - before.value) / (behind.value - before.value)

    def plain(self) -> list[list[float]]:
        """Rows of seconds and value, for a record."""
        return [[round(moment.value, 4), value] for moment, value in self.knots]

    def __str__(self) -> str:
        return " ".join(f"{value:g}@{str(moment).removesuffix(' s').replace(' ', '')}" for moment, value in self.knots)


Value = float | Curve
"""One for the whole piece, or a curve."""


def placed(values: Mapping[str, Value], bars: Sequence[float]) -> dict[str, Value]:
    """Values by name, those that are curves with moments in seconds.  Raises: ValueError with the name."""
    found: dict[str, Value] = {}
    for name, value in values.items():
        try:
            found[name] = value.placed(bars) if isinstance(value, Curve) else value
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return found


def value_at(value: Value, seconds: float) -> float:
    """Of a number, itself."""
    return value.at(seconds) if isinstance(value, Curve) else value


def told(values: Mapping[str, Value]) -> dict[str, Any]:
    """For a record: numbers as they are, curves as text and as rows of seconds and value."""
    return {
        name: {"curve": str(value), "knots": value.plain()} if isinstance(value, Curve) else value
        for name, value in values.items()
    }


@dataclass(frozen=True)
class GuidanceOverTime:
    """Guidance whose weights may be curves; see :meth:`flowmusic.guidance.Guidance.of` for all three.

    >>> curve = GuidanceOverTime({"all": Curve.of("1@0 3@10")})
    >>> [term.weight for term in curve.at(5.0).terms]
    [2.0, -1.0]
    """

    weights: Mapping[str, Value]
    interval: Sequence[float] | None = None
    apg: Mapping[str, float | None] | None = None

    @property
    def changes(self) -> bool:
        """Whether any weight is not the same throughout."""
        return any(
            isinstance(value, Curve) and len({each for _, each in value.knots}) > 1 for value in self.weights.values()
        )

    def at(self, seconds: float) -> Guidance:
        """The guidance at a time.  Raises: ValueError for weights that make no sense together."""
        weights = {name: value_at(value, seconds) for name, value in self.weights.items()}
        return Guidance.of(weights, self.interval, self.apg)
