"""What guidance is: a weighted sum of branches, when it applies, and what of it is kept.  Plain data, no tensors.

The names are those of :mod:`flowmusic.types`, where everybody finds them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields

from flowmusic import limits

WHOLE = (0.0, 1.0)
"""The interval that leaves guidance on from noise to data."""


@dataclass(frozen=True)
class Term:
    """One branch of guidance: the controls it keeps, and its weight."""

    keep: frozenset[str]
    weight: float


ALL = frozenset({"*"})
"""The ``keep`` of a branch that sees everything."""
WORDLESS = frozenset({"*", "-text"})
"""The ``keep`` of a branch that sees everything but the text."""


@dataclass(frozen=True)
class Projection:
    """Adaptive projected guidance (APG; Sadat et al. 2024, arXiv 2410.02416, algorithm 1): what of an update is kept.

    The update is what guidance adds to the plain branch, all controls with weight 1.  Its part along the plain branch's
    prediction of the data, which is what saturates at high weights, is scaled by ``eta``; the rest is left.

    Args:
        eta: 1 is plain guidance, 0 drops that part.
        norm: most root mean square of the update of the predicted data, in units of the latents; None: no limit.
        momentum: share of the updates before that is added to each; negative ones push away from them.
    """

    eta: float = 0.0
    norm: float | None = None
    momentum: float = 0.0

    def __post_init__(self) -> None:
        limits.number("apg_eta", self.eta, "apg eta")
        if self.norm is not None:
            limits.number("apg_norm", self.norm, "apg norm")
        limits.number("apg_momentum", self.momentum, "apg momentum")

    @staticmethod
    def of(settings: Mapping[str, float | None]) -> Projection:
        """From named numbers.  Raises: ValueError for other names than ``eta, norm, momentum``."""
        allowed = [each.name for each in fields(Projection)]
        unknown = [name for name in settings if name not in allowed]
        if unknown:
            raise ValueError(f"unknown apg setting {unknown[0]!r}; allowed: {', '.join(allowed)}")
        return Projection(**settings)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Guidance:
    """A weighted sum of branches; weights sum to 1.

    v = sum_k w_k v(z, t, controls.only(keep_k)).  Plain classifier-free guidance (Ho & Salimans 2022),
    multi-source guidance (JASCO, arXiv 2406.10970) and double guidance (MusicGen-Style, arXiv 2407.12563)
    are the constructors below.

    Args:
        terms: the branches.
        interval: the times, 0 noise and 1 data, both ends included, in which the weights apply (Kynkaanniemi et al.
            2024, arXiv 2404.07724); at others everything that is given has weight 1 and nothing else is evaluated.
        projection: what is kept of the weighted sum; None: all of it.

    >>> [(sorted(term.keep), term.weight) for term in Guidance.of({"all": 2.0, "text": 1.0}).terms]
    [(['*'], 2.0), (['text'], 1.0), ([], -2.0)]
    >>> [round(term.weight, 2) for term in Guidance.double(3.0, 5.0).terms]
    [15.0, -12.0, -2.0]
    """

    terms: tuple[Term, ...]
    interval: tuple[float, float] = WHOLE
    projection: Projection | None = None

    def __post_init__(self) -> None:
        if not self.terms:
            raise ValueError("Guidance needs at least one term")
        total = sum(term.weight for term in self.terms)
        if not math.isfinite(total) or abs(total - 1.0) > 1e-6:
            raise ValueError(f"guidance weights must be finite and sum to 1, got {[t.weight for t in self.terms]}")
        if len(self.interval) != 2 or not 0.0 <= self.interval[0] < self.interval[1] <= 1.0:
            raise ValueError(
                f"a guidance interval is two times LOW < HIGH within 0 (noise) and 1 (data), got {list(self.interval)}"
            )

    @staticmethod
    def plain(weight: float) -> Guidance:
        """w v(all) + (1 - w) v(none)."""
        return Guidance.split(all=weight)

    @staticmethod
    def split(**weights: float) -> Guidance:
        """Multi-source: ``all=a, text=b, chords=c`` gives a v(all) + b v(text) + c v(chords) + (1-a-b-c) v(none)."""
        _check(weights)
        terms = [Term(ALL if name == "all" else frozenset({name}), float(w)) for name, w in weights.items()]
        rest = 1.0 - sum(t.weight for t in terms)
        return Guidance((*terms, Term(frozenset(), rest)))

    @staticmethod
    def of(
        weights: Mapping[str, float],
        interval: Sequence[float] | None = None,
        apg: Mapping[str, float | None] | None = None,
    ) -> Guidance:
        """From named weights, as a person or a model's defaults give them.

        ``all, text, style, chords, ...``: multi-source, see :meth:`split`.  ``alpha`` and ``beta``: double guidance
        over everything but the text, then the text; further names add w (v(name) - v(none)) to it.

        Args:
            weights: by name.
            interval: LOW, HIGH of :attr:`interval`; None: the whole path.
            apg: settings of :class:`Projection`; None: none.

        Raises: ValueError for ``beta`` without ``alpha``, for ``alpha`` beside ``all``, and for an interval or
            projection that makes no sense.
        """
        low_high = WHOLE if interval is None else tuple(float(time) for time in interval)
        return Guidance(Guidance._named(weights).terms, low_high, None if apg is None else Projection.of(apg))  # type: ignore[arg-type]

    @staticmethod
    def _named(weights: Mapping[str, float]) -> Guidance:
        _check(weights)
        named = dict(weights)
        alpha, beta = named.pop("alpha", None), named.pop("beta", None)
        if alpha is None:
            if beta is not None:
                raise ValueError("guidance beta amplifies the text within alpha; give both, as in alpha=3,beta=5")
            return Guidance.split(**named)
        if "all" in named:
            raise ValueError("guidance alpha and all both weigh everything; give one of them")
        terms = list(Guidance.double(alpha, 1.0 if beta is None else beta, WORDLESS).terms)
        terms += [Term(frozenset({name}), float(w)) for name, w in named.items()]
        terms.append(Term(frozenset(), -sum(named.values())))
        return Guidance(tuple(terms))

    @staticmethod
    def nested(*levels: tuple[Iterable[str], float]) -> Guidance:
        """Each level amplifies what it adds to the one before, and all that comes after it.

        Levels (keep_1, w_1), (keep_2, w_2), ..., of which each keeps more: v(none) + w_1 [ (v_1 - v(none)) +
        w_2 [ (v_2 - v_1) + w_3 [ ... ] ] ].  One level is plain guidance, two are MusicGen-Style's double guidance.
        """
        terms: list[Term] = []
        below, factor = frozenset[str](), 1.0
        for keep, weight in levels:
            limits.number("guidance", weight, "guidance")
            # Everything up to `below` has been counted with `factor`; a further level takes part of it away again.
            terms.append(Term(below, factor * (1.0 - weight)))
            below, factor = frozenset(keep), factor * weight
        terms.append(Term(below, factor))
        return Guidance(tuple(reversed(terms)))

    @staticmethod
    def double(alpha: float, beta: float, first: Iterable[str] = ("style",)) -> Guidance:
        """v(none) + alpha [ v(first) + beta (v(all) - v(first)) - v(none) ] (MusicGen-Style, section 4.3)."""
        return Guidance.nested((first, alpha), (ALL, beta))


def _check(weights: Mapping[str, float]) -> None:
    """Raises: ValueError for a weight that is far from any use."""
    for name, weight in weights.items():
        limits.number("guidance", weight, f"guidance {name}")


def in_words(
    weights: Mapping[str, float], interval: Sequence[float] | None, apg: Mapping[str, float | None] | None
) -> str:
    """What :meth:`Guidance.of` takes, for a reader; what changes nothing is not mentioned."""
    words = ", ".join(f"{name}={weight:g}" for name, weight in weights.items())
    if interval is not None and tuple(interval) != WHOLE:
        words += f" for t in {interval[0]:g}..{interval[1]:g}"
    if apg is not None:
        words += f", projected ({', '.join(f'{name}={value:g}' for name, value in apg.items() if value is not None)})"
    return words
