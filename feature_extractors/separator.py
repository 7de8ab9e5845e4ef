"""Our own separator: drums against the rest by the small network of ``separator_net``, on any machine, offline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch

from feature_extractors.networks import separator_net
from feature_extractors.recording import Recording, resampled_blocks
from feature_extractors.stems import Piece, Stems
from flowmusic import audio as audio_io
from flowmusic.audio import Audio


@dataclass(frozen=True)
class DrumSeparator:
    """Drums and rest by :class:`~feature_extractors.networks.separator_net.SeparatorNet`; they sum to the input.

    Each channel is separated by itself.  The network hears up to 16 kHz; what lies above stays in the rest.

    Args:
        weights: a file of ``flowmusic train experiment=separator``; None takes the one that comes with the package.
    """

    weights: Path | None = None
    leaks: ClassVar[bool] = True
    name: ClassVar[str] = "stems-ours"
    version: ClassVar[str] = "1"

    def analyse(self, audio: Audio) -> Stems:
        """Stems ``drums`` and ``rest``.  Shape: samples keep their shape.

        Raises: ValueError for samples that are not finite, or if there is no such weights file.
        """
        samples = audio.samples.detach().float().cpu()
        if not bool(samples.isfinite().all()):
            raise ValueError("audio holds NaN or infinite samples; repair or export it again")
        if not bool(samples.any()):
            drums = torch.zeros_like(samples)
        else:
            flat = Audio(samples.reshape(-1, samples.shape[-1]), audio.rate)
            net = self._net()
            heard = separator_net.separate(audio_io.resample(flat, separator_net.RATE).samples, net)
            back = audio_io.resample(Audio(heard, separator_net.RATE), audio.rate)
            drums = audio_io.fit(back, samples.shape[-1]).samples.reshape(samples.shape).clone()
        return Stems({"drums": replace(audio, samples=drums), "rest": replace(audio, samples=samples - drums)})

    def pieces(self, recording: Recording) -> Iterator[Piece]:
        """The same of a recording that does not fit in memory."""
        mix, done = recording.at(recording.rate), 0
        at_32k = separator_net.separate_rows(recording.at(separator_net.RATE), self._net())
        for part in resampled_blocks(at_32k, separator_net.RATE, recording.rate):
            drums = part[: len(mix) - done]
            yield drums, mix[done : done + len(drums)] - drums
            done += len(drums)
        if done < len(mix):  # resampling may lack a sample at the end
            yield np.zeros(len(mix) - done, np.float32), mix[done:]

    def _net(self) -> separator_net.SeparatorNet:
        return separator_net.load(self.weights or separator_net.WEIGHTS)
