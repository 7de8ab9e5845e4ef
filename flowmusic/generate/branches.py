"""From guidance terms to the fewest branches that have to be evaluated."""

from __future__ import annotations

from flowmusic.types import ALL, FACTS, STYLE, TEXT, WORDLESS, Controls, Guidance, Term


def present(controls: Controls) -> frozenset[str]:
    """Names that carry anything: a text, a style, facts, or a track that is known on at least one frame."""
    tracks = {name for name, track in controls.tracks.items() if bool(track.known.any())}
    return frozenset(tracks | (controls.names() & {TEXT, STYLE, FACTS}))


def merge(guidance: Guidance, controls: Controls) -> tuple[Term, ...]:
    """Terms with explicit names, one per distinct set of effective controls, weights added up, zeros left out.

    Two terms that keep different names but the same *present* controls have equal fields, so they are one branch: with
    text alone, ``all=2, text=1`` is a single branch of weight 3 beside the unconditional one.

    >>> merge(Guidance.of({"all": 2.0, "text": 1.0}), Controls(("a slow waltz",)))
    (Term(keep=frozenset({'text'}), weight=3.0), Term(keep=frozenset(), weight=-2.0))
    """
    here = present(controls)
    weights: dict[frozenset[str], float] = {}
    for term in guidance.terms:
        keep = here if term.keep == ALL else here - {TEXT} if term.keep == WORDLESS else term.keep & here
        weights[keep] = weights.get(keep, 0.0) + term.weight
    return tuple(Term(keep, weight) for keep, weight in weights.items() if abs(weight) > 1e-12)
