"""Our own separator: drums against the rest by the small network of ``separator_net``, on any machine, offline."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import torch

from feature_extractors import separator_net, signals
from feature_extractors.stems import Stems
from flowmusic import audio as audio_io
from flowmusic.types import Audio


@dataclass(frozen=True)
class DrumSeparator:
    """Drums and rest by :class:`~feature_extractors.separator_net.SeparatorNet`; they sum to the input.

    Each channel is separated by itself.  The network hears up to 16 kHz; what lies above stays in the rest.

    Args:
        weights: a file of ``train_separator``; None takes the one that comes with the package.
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
        if signals.is_silent(samples.numpy()):
            drums = torch.zeros_like(samples)
        else:
            flat = Audio(samples.reshape(-1, samples.shape[-1]), audio.rate)
            net = separator_net.load(self.weights or separator_net.WEIGHTS)
            heard = separator_net.separate(audio_io.resample(flat, separator_net.RATE).samples, net)
            back = audio_io.resample(Audio(heard, separator_net.RATE), audio.rate)
            drums = audio_io.fit(back, samples.shape[-1]).samples.reshape(samples.shape).clone()
        return Stems({"drums": replace(audio, samples=drums), "rest": replace(audio, samples=samples - drums)})
