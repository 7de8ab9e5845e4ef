"""A composed and rendered training corpus with exact labels.

`compose` turns a seed into a `Piece` (notes, chords, captions), `render` turns a piece and a
soundfont into stems, `build` does both for many seeds. Run `python -m flowmusic.corpus --help`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowmusic.corpus.build import build_corpus
    from flowmusic.corpus.compose import compose
    from flowmusic.corpus.piece import Piece
    from flowmusic.corpus.render import render

__all__ = ["COMPOSER_VERSION", "Piece", "build_corpus", "compose", "render"]

# Raise whenever the same seed would give different notes, labels or samples.
COMPOSER_VERSION = "2"

_HOMES = {"Piece": "piece", "build_corpus": "build", "compose": "compose", "render": "render"}


def __getattr__(name: str) -> Any:
    """Load public names on first use, so that importing the package stays cheap."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
