"""flowmusic: music you can steer.  Public names load on first use, so ``import flowmusic`` is light."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Audio": "flowmusic.audio",
    "Controls": "flowmusic.types",
    "FrameGrid": "flowmusic.types",
    "Generation": "flowmusic.types",
    "Guidance": "flowmusic.types",
    "Style": "flowmusic.types",
    "Track": "flowmusic.types",
    "Generator": "flowmusic.generate.generator",
    "load": "flowmusic.interop.bundle",
    "request": "flowmusic.controls.request",
}

if TYPE_CHECKING:
    from flowmusic.audio import Audio as Audio
    from flowmusic.controls.request import request as request
    from flowmusic.generate.generator import Generator as Generator
    from flowmusic.interop.bundle import load as load
    from flowmusic.types import Controls as Controls
    from flowmusic.types import FrameGrid as FrameGrid
    from flowmusic.types import Generation as Generation
    from flowmusic.types import Guidance as Guidance
    from flowmusic.types import Style as Style
    from flowmusic.types import Track as Track

__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(
            f"module 'flowmusic' has no attribute {name!r}; public names: {', '.join(sorted(_PUBLIC))}"
        )
    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
