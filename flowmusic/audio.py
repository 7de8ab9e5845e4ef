"""Read, write, resample and level audio.

Anything that libsndfile reads is read directly; the rest is decoded by ffmpeg where it is installed.
Rates are Hz, samples are float32 ``[C, N]``, levels are dB relative to full scale.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.atomic import replacing
from flowmusic.types import Audio

if TYPE_CHECKING:
    import soundfile

MIN_SECONDS = 0.05
"""Shorter input cannot carry a beat, a note or a chord."""


class AudioError(ValueError):
    """The file is not usable audio; the message names the file and the reason."""


def read(
    path: str | Path,
    rate: int | None = None,
    min_seconds: float = MIN_SECONDS,
    start: float = 0.0,
    seconds: float | None = None,
) -> Audio:
    """Read an audio file, or a part of it.

    Args:
        path: any format of libsndfile, or of ffmpeg where it is installed.
        rate: resample to this rate; None keeps the file's.
        min_seconds: what is shorter is refused.
        start, seconds: the part that is meant, of which the file may hold less; only that is decoded where the format
            can seek.  None is all that follows.

    Returns: Audio with samples ``[C, N]``.
    Raises: AudioError if the file is missing, unreadable, empty, too short or holds NaN or infinity.
    """
    path = Path(path)
    if not path.exists():
        raise AudioError(f"audio file not found: {path}")
    if path.is_dir():
        raise AudioError(f"expected an audio file, got a folder: {path}")
    if path.stat().st_size == 0:
        raise AudioError(f"audio file is empty: {path}")
    audio = _decode(path, start, seconds)
    if audio.samples.shape[-1] == 0:
        raise AudioError(f"audio file holds no samples: {path}")
    if not torch.isfinite(audio.samples).all():
        raise AudioError(f"audio file holds NaN or infinite samples: {path}; export it again")
    if audio.seconds < min_seconds:
        raise AudioError(f"audio is too short: {path} lasts {audio.seconds:.3f} s, at least {min_seconds} s is needed")
    return audio if rate is None else resample(audio, rate)


def _decode(path: Path, start: float = 0.0, seconds: float | None = None) -> Audio:
    import soundfile

    try:
        with soundfile.SoundFile(os.fsencode(path)) as file:
            _check_header(file, path)
            # Seeking even to the beginning fails on what cannot seek.
            if start > 0.0:
                file.seek(min(round(start * file.samplerate), file.frames))
            count = -1 if seconds is None else round(seconds * file.samplerate)
            samples, rate = file.read(count, dtype="float32", always_2d=True), file.samplerate
        return Audio(torch.from_numpy(samples.T.copy()), rate)
    except soundfile.LibsndfileError as error:
        ffmpeg = shutil.which("ffmpeg")
        if ffmpeg is None:
            raise AudioError(
                f"cannot read {path} as audio ({error.error_string.strip()}); "
                "use WAV, FLAC, OGG or MP3, or install ffmpeg for other formats"
            ) from None
        with tempfile.TemporaryDirectory() as folder:
            wav = Path(folder) / "decoded.wav"
            part = ["-ss", f"{start:.6f}"] if start > 0.0 else []
            part += [] if seconds is None else ["-t", f"{seconds:.6f}"]
            command = [ffmpeg, "-v", "error", *part, "-i", str(path), "-vn", "-c:a", "pcm_f32le", str(wav)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL)
            if done.returncode != 0 or not wav.exists():
                lines = done.stderr.strip().splitlines() or ["unknown format"]
                raise AudioError(f"cannot read {path} as audio (ffmpeg: {lines[-1]})") from None
            samples, rate = soundfile.read(os.fsencode(wav), dtype="float32", always_2d=True)
        return Audio(torch.from_numpy(samples.T.copy()), rate)


def _check_header(file: soundfile.SoundFile, path: Path) -> None:
    try:
        limits.sound(file.samplerate, file.channels, file.frames, f"cannot read {path}")
    except limits.LimitError as error:
        raise AudioError(str(error)) from None


def write(audio: Audio, path: str | Path) -> Path:
    """Write 16-bit PCM (format by suffix: .wav, .flac, .ogg), to a temporary name first.

    Samples beyond full scale are scaled down as a whole, never clipped.
    Raises: AudioError if the folder does not exist or the suffix is unknown.
    """
    import soundfile

    path = Path(path)
    if not path.parent.is_dir():
        raise AudioError(f"output folder does not exist: {path.parent}; create it first")
    suffix = path.suffix.lower().lstrip(".")
    formats = {"wav": "PCM_16", "flac": "PCM_16", "ogg": "VORBIS"}
    if suffix not in formats:
        raise AudioError(
            f"cannot write {path.name!r}: the name must end in one of {', '.join('.' + f for f in formats)}"
        )
    samples = audio.samples.detach().cpu().float()
    if samples.ndim != 2:
        raise AudioError(f"can only write audio of shape [channels, samples], got {tuple(samples.shape)}")
    peak = float(samples.abs().max()) if samples.numel() else 0.0
    if peak > 1.0:
        samples = samples / peak
    with replacing(path) as temporary:
        soundfile.write(os.fsencode(temporary), samples.T.numpy(), audio.rate, subtype=formats[suffix])
    return path


def resample(audio: Audio, rate: int) -> Audio:
    """Band-limited resampling (soxr, high quality).  Shape: ``[*, C, N] -> [*, C, about N * rate / audio.rate]``."""
    if audio.rate == rate:
        return audio
    import soxr

    flat = audio.samples.reshape(-1, audio.samples.shape[-1]).detach().cpu().float()
    out = torch.from_numpy(soxr.resample(flat.T.numpy(), audio.rate, rate).T.copy())
    return Audio(out.reshape(*audio.samples.shape[:-1], -1).to(audio.samples.device), rate)


def mono(audio: Audio) -> Audio:
    """Average the channels.  Shape: ``[*, C, N] -> [*, 1, N]``."""
    return replace(audio, samples=audio.samples.mean(-2, keepdim=True))


def fit(audio: Audio, num_samples: int) -> Audio:
    """Cut, or pad with silence at the end, to exactly ``num_samples``."""
    have = audio.samples.shape[-1]
    if have >= num_samples:
        return replace(audio, samples=audio.samples[..., :num_samples])
    return replace(audio, samples=torch.nn.functional.pad(audio.samples, (0, num_samples - have)))


def rms_db(samples: Tensor) -> float:
    """Level of all samples together, dBFS; silence is -120."""
    power = float(samples.float().pow(2).mean()) if samples.numel() else 0.0
    return float(10.0 * torch.log10(torch.tensor(max(power, 1e-12))))


def loudest(audio: Audio, seconds: float) -> tuple[Audio, float]:
    """The loudest stretch of one recording, in steps of a quarter of a second, and where it begins in seconds.

    A recording that is shorter is given back whole.  Shape: ``[C, N] -> [C, n]``.
    """
    size, step = min(round(seconds * audio.rate), audio.samples.shape[-1]), audio.rate // 4
    levels = [rms_db(part) for part in audio.samples.unfold(-1, size, step).unbind(-2)]
    first = step * max(range(len(levels)), key=levels.__getitem__)
    return Audio(audio.samples[..., first : first + size], audio.rate), first / audio.rate
