"""The drum control of JASCO: codes of a codec's first codebook, heard in a drum stem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from flowmusic.audio import Audio
from flowmusic.types import FrameGrid, Track


class FirstCodes(Protocol):
    """What is needed of a codec."""

    def first_codes(self, audio: Audio, /) -> Tensor:
        """The first codebook's ids ``[B, T]``."""
        ...


@dataclass(frozen=True)
class DrumCodes:
    """JASCO's drum control of a drum stem."""

    codec: FirstCodes

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        from flowmusic.controls.drums import codes_to_track

        return codes_to_track(self.codec.first_codes(audio)[0], grid)
