"""A picture of one recording: its mel spectrogram, with requested and recognised chords on the same time axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowmusic import caches
from flowmusic.annotations.plot import INK, PAPER, colour_of, save
from flowmusic.audio import Audio

RATE, SIZE, HOP, BANDS, RANGE_DB = 32_000, 2048, 512, 96, 70.0
WIDTH, HEIGHT = 5.2, 2.1


def draw(
    audio: Audio,
    requested: Sequence[Sequence[Any]] | None,
    recognised: Sequence[Sequence[Any]] | None,
    path: Path,
) -> Path:
    """Write the picture as PNG, whole or not at all.

    Args:
        audio: one recording ``[C, N]``.
        requested, recognised: chord changes ``(start, end, label)``; None leaves the strip out.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    strips = [(name, spans) for name, spans in (("asked", requested), ("heard", recognised)) if spans is not None]
    figure = Figure(
        figsize=(WIDTH, HEIGHT), dpi=110, facecolor=PAPER, layout=ConstrainedLayoutEngine(hspace=0.02, h_pad=0.02)
    )
    FigureCanvasAgg(figure)
    rows = figure.subplots(1 + len(strips), 1, sharex=True, squeeze=False, height_ratios=[6.0, *[1.0] * len(strips)])
    top = rows[0, 0]
    level = mel_db(audio)
    hertz = [200, 1000, 5000]
    top.imshow(
        level,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(0.0, audio.seconds, 0.0, BANDS),
        vmin=-RANGE_DB,
        vmax=0,
    )
    top.set_yticks([_band_of(f) for f in hertz], [f"{f / 1000:g} kHz" for f in hertz])
    for (name, spans), axes in zip(strips, rows[1:, 0], strict=True):
        _strip(axes, name, spans, audio.seconds)
    for axes in rows[:, 0]:
        axes.set_xlim(0.0, audio.seconds)
        axes.tick_params(colors=INK, labelsize=7, length=0)
        for side in axes.spines.values():
            side.set_visible(False)
    return save(figure, path)


def mel_db(audio: Audio) -> Any:
    """Log-mel spectrogram in dB below its loudest moment.  Shape: ``[BANDS, F]``."""
    librosa = caches.librosa()

    from flowmusic import audio as audio_tools

    samples = audio_tools.mono(audio_tools.resample(audio, RATE)).samples.reshape(-1).float().cpu().numpy()
    power = librosa.feature.melspectrogram(y=samples, sr=RATE, n_fft=SIZE, hop_length=HOP, n_mels=BANDS, fmin=30.0)
    # Silence has no loudest moment: it is drawn as the floor.
    return librosa.power_to_db(power, ref=max(float(power.max()), 1e-6), amin=1e-12, top_db=None).clip(-RANGE_DB, 0.0)


def _band_of(hertz: float) -> float:
    """Where a frequency lies among the bands."""
    librosa = caches.librosa()
    import numpy as np

    centres = librosa.mel_frequencies(BANDS + 2, fmin=30.0, fmax=RATE / 2)[1:-1]
    return float(np.interp(hertz, centres, np.arange(BANDS) + 0.5))


def _strip(axes: Any, name: str, spans: Sequence[Sequence[Any]], seconds: float) -> None:
    axes.set_ylim(0, 1)
    axes.set_yticks([0.5], [name])
    for start, end, label in spans:
        axes.barh([0.5], [end - start], left=[start], height=1.0, color=[colour_of(str(label))], edgecolor=PAPER)
        # A label wider than its block would run into the next one.
        if end - start > 0.022 * seconds * max(1, len(str(label)) / 1.6):
            axes.text((start + end) / 2, 0.44, label, ha="center", va="center", fontsize=7, color=INK, parse_math=False)
