"""A recording of any length, block by block: what it was, and what is added above its cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from flowmusic.audio import Audio
from flowmusic.audio import resample as resample_audio
from flowmusic.enhance.bands import HOP, LEAST_HZ, LEVEL, MOST_HZ, RATE, SIZE
from flowmusic.enhance.cut import LongTerm, find_cut
from flowmusic.enhance.net import EnhanceNet, load
from flowmusic.enhance.paint import Method, added, context_frames

BLOCK_FRAMES = 1000
"""Frames of a block: 8 seconds."""
SILENT = 1e-5
"""RMS of a recording in which there is nothing to read."""


@dataclass(frozen=True)
class Plan:
    """What is to be done with a recording.

    Attributes:
        cut_hz: from here on is painted; None: nothing is.
        level: RMS of the recording, by which it comes to the common level.
        why: where the cut comes from, or why there is nothing to do, in words.
    """

    cut_hz: float | None
    level: float
    why: str


@dataclass
class Tally:
    """What was limited: samples so far, those at which the added part was turned down, and those beyond full scale."""

    samples: int = 0
    limited: int = 0
    beyond: int = 0


def plan(heard: LongTerm, rate: int, cut_hz: float | None = None) -> Plan:
    """Decide by what was heard of a whole recording.

    Args:
        heard: at :data:`RATE`.
        rate: the recording's own, Hz.
        cut_hz: what was asked for.

    Raises: ValueError for a cut that the recording cannot have, and for a rate under which none lies.
    """
    top = rate / 2.0
    if top < LEAST_HZ:
        raise ValueError(
            f"it has {rate} samples a second and ends at {top:g} Hz; bandwidth extension starts from {LEAST_HZ:g} Hz "
            f"at least, which takes {2 * LEAST_HZ:g} samples a second"
        )
    if cut_hz is not None and not LEAST_HZ <= cut_hz <= min(MOST_HZ, top):
        raise ValueError(
            f"with {rate} samples a second it cannot have a cut at {cut_hz:g} Hz; give one from {LEAST_HZ:g} to "
            f"{min(MOST_HZ, top):g} Hz, or none, to have it found"
        )
    if heard.level < SILENT:
        return Plan(None, heard.level, "it is silent, so there is nothing to paint from")
    if cut_hz is not None:
        return Plan(cut_hz, heard.level, "as asked")
    found = find_cut(heard.spectrum)
    if found is not None:
        return Plan(min(found, top), heard.level, "found in its spectrum")
    if top < MOST_HZ:
        return Plan(0.95 * top, heard.level, f"the end of what {rate} samples a second hold")
    return Plan(None, heard.level, f"its spectrum has no end below {MOST_HZ / 1000:g} kHz, so there is nothing to add")


def blocks(
    parts: Iterable[np.ndarray],
    what: Plan,
    net: EnhanceNet | None = None,
    method: Method = "rectified",
    tally: Tally | None = None,
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """What was there and what is added, ``[n, C]`` each, in step.

    A block is painted with as much around it as it depends on, so how a recording is cut leaves no trace.

    Args:
        parts: ``[n, C]`` at :data:`RATE`, of any lengths.
        what: the cut and the level.
        net: None takes the trained one.
        method: see :func:`flowmusic.enhance.paint.added`.
        tally: counts what was limited.
    """
    tally = Tally() if tally is None else tally
    if what.cut_hz is None:
        for part in parts:
            tally.samples += len(part)
            tally.beyond += int((np.abs(part) > 1.0).any(1).sum())
            yield part, np.zeros_like(part)
        return
    net = load() if net is None else net
    context, size = context_frames(net) * HOP, BLOCK_FRAMES * HOP
    held, begin, done = np.zeros((0, 0), np.float32), 0, 0
    for part, last in _marked(parts):
        held = part if not len(held) else np.concatenate([held, part])
        while (ready := len(held) - (done - begin)) >= size + context or last and ready > 0:
            count = ready if ready < size + context else size
            heard = torch.from_numpy(np.ascontiguousarray(held[: done - begin + count + context].T))
            made = _added(heard, what, begin // HOP, net, method)
            mine = slice(done - begin, done - begin + count)
            tally.samples += count
            kept = _limited(heard, made)
            turned = (kept != made)[:, mine].any(0)
            tally.limited += int(turned.sum())
            was = held[mine]
            tally.beyond += int((np.abs(was) > 1.0).any(1).sum())
            yield was, kept[:, mine].T.numpy()
            done += count
            keep = max(0, done - context)
            held, begin = held[keep - begin :], keep


def _marked(parts: Iterable[np.ndarray]) -> Iterator[tuple[np.ndarray, bool]]:
    """Each part, and whether it is the last one."""
    before: np.ndarray | None = None
    for part in parts:
        if before is not None:
            yield before, False
        before = part
    if before is not None:
        yield before, True


def _added(samples: Tensor, what: Plan, start: int, net: EnhanceNet, method: Method) -> Tensor:
    """Shape: ``[C, n] -> [C, n]``, silence standing behind the end."""
    assert what.cut_hz is not None
    length = samples.shape[1]
    padded = F.pad(samples, (0, max(SIZE - length, 0) if length < SIZE else -length % HOP)) * (LEVEL / what.level)
    with torch.inference_mode():
        return added(padded, what.cut_hz, net, start, method)[:, :length] * (what.level / LEVEL)


def _limited(samples: Tensor, made: Tensor) -> Tensor:
    """What is added, turned down around samples where the sum would leave full scale.

    A factor for each hop, the least that one of its samples asks for; each hop takes the least of its own and its
    neighbours', so that straight lines from the middle of one to the next stay under what every sample asks for.
    Channels share it.  Shape: ``[C, n], [C, n] -> [C, n]``.
    """
    if not bool(((samples + made).abs() > 1.0).any()):
        return made
    room = (1.0 - samples * made.sign()).clamp_min(0.0)
    factor = (room / made.abs().clamp_min(1e-9)).clamp(max=1.0).amin(0)
    length = len(factor)
    least = F.pad(factor, (0, -length % HOP), value=1.0).unflatten(0, (-1, HOP)).amin(1)
    least = -F.max_pool1d(-F.pad(least[None, None], (1, 1), value=1.0), 3, 1)
    smooth = F.interpolate(least, least.shape[-1] * HOP, mode="linear")[0, 0, :length]
    return made * smooth


@dataclass(frozen=True)
class Enhanced:
    """A recording with its treble, what was decided, and what was limited."""

    audio: Audio
    plan: Plan
    tally: Tally


def enhance(audio: Audio, cut_hz: float | None = None, net: EnhanceNet | None = None) -> Enhanced:
    """A recording in memory at 32 kHz with a treble: what lies below the cut stays, what lies above is painted in.

    Args:
        audio: ``[C, N]``.
        cut_hz: where it ends; None finds it.
        net: None takes the trained one.

    Raises: ValueError as :func:`plan`.
    """
    whole = resample_audio(replace(audio, samples=audio.samples.float()), RATE).samples.T.numpy()
    heard = LongTerm()
    heard.add(whole)
    what, tally = plan(heard, audio.rate, cut_hz), Tally()
    made = [was + more for was, more in blocks([whole], what, net, tally=tally)]
    samples = np.concatenate(made) if made else whole
    return Enhanced(Audio(torch.from_numpy(np.ascontiguousarray(samples.T)), RATE), what, tally)
