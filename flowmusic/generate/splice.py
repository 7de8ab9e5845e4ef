"""Put what was made into a recording: sample by sample the recording outside of the regions, the new music in them.

Where a region begins, two ways to keep the waveform whole are used by halves.  Fading the old music out and the new one
in softens the attack of a downbeat there; playing the new one at full strength, and fading out the difference of both
just before the line, mirrored into the region, leaves the attack as it is and its onset a little sharper than those of
other bars, as nothing of it sounds before the line.  Half of each keeps the attack within a decibel or so, and the
onset among the others (figures in docs/editing.md).  Where there is no old music to be faded, as after its end, all
is the mirrored difference.  Where a region ends, the old music before the line is faded in, and the next downbeat is
the recording's own.  All fades are raised cosines of 20 ms.

>>> old, new = torch.ones(1, 8), torch.zeros(1, 8)
>>> splice(old, new, [(2, 6)], fade=2)
tensor([[1.0000, 1.0000, 0.8536, 0.1464, 0.1464, 0.8536, 1.0000, 1.0000]])
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

FADE_SECONDS = 0.02


def splice(old: Tensor, new: Tensor, regions: Sequence[tuple[int, int]], fade: int, offset: int = 0) -> Tensor:
    """The recording with new music in the regions.

    Args:
        old: the recording, ``[C, N]``.
        new: music of one or as many channels at the same rate, ``[C, M]``; it may begin before the recording and end
            after it, where a region is to cover all that the recording does not.
        regions: first sample and the one after the last, counted in ``new``, apart from each other.
        fade: samples over which the edges are smoothed, inside the regions.
        offset: the sample of ``new`` where the recording begins.

    Returns: ``[C, M]``; what lies outside of the regions is the recording's, bit by bit.
    """
    total, begin, end = new.shape[-1], offset, offset + old.shape[-1]
    new = new.to(old).expand(old.shape[0], -1)
    placed = new.clone()
    placed[:, begin : min(end, total)] = old[:, : max(0, total - begin)]
    out = placed.clone()
    for first, last in regions:
        out[:, first:last] = new[:, first:last]
        count = min(fade, (last - first) // 2)
        # 1 at the line, 0 inside; half a step off, as no sample is on the line.
        falling = 0.5 + 0.5 * torch.cos(math.pi * (torch.arange(count, dtype=out.dtype) + 0.5) / max(count, 1))
        if first - count >= begin:
            fading = (placed[:, first - count : first] - new[:, first - count : first]).flip(-1)
            if first + count <= end:
                fading = 0.5 * (fading + placed[:, first : first + count] - new[:, first : first + count])
            out[:, first : first + count] += falling * fading
        if begin <= last - count and last <= end:
            here = slice(last - count, last)
            out[:, here] += falling.flip(-1) * (placed[:, here] - new[:, here])
        elif last >= begin and last + count <= end:
            after = placed[:, last : last + count] - new[:, last : last + count]
            out[:, last - count : last] += falling.flip(-1) * after.flip(-1)
    return out
