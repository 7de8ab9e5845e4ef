"""Keep the balance of the opening: between bass, chords and cymbals in the music that the next bars are told of.

A field continues what it hears.  Where cymbals happened to be loud in one bar they are loud in the next few, so the
balance wanders although what is asked for stays (docs/stream.md).  What is told as the music before is therefore heard
through a filter that gives its bands the shares of power that they had in the opening, and a little more or less of
each to make up for what the last seconds had too little or too much of.  What somebody listens to is never filtered: it
is what the field makes of that.

>>> hiss = torch.randn(1, 8000, generator=torch.Generator().manual_seed(0))
>>> gains = torch.tensor([0.0, 0.0, 0.0, 0.0, -6.0])
>>> (levels_db(filtered(hiss, gains, 8000), 8000) - levels_db(hiss, 8000)).round().abs().tolist()
[0.0, 0.0, 0.0, 1.0, 5.0]
"""

from __future__ import annotations

import torch
from torch import Tensor

from flowmusic.audio import Audio, rms_db
from flowmusic.types import Codec

EDGES_HZ = (250.0, 500.0, 1000.0, 2000.0, 4000.0, 8000.0)
"""Between bands of an octave; the first reaches from 0 Hz and the last to half of the rate."""
MOST_DB = 6.0
"""No band is moved further than that: music that differs more does so on purpose."""
SILENCE_DB = -80.0
"""Of music and of a band; whatever is quieter counts as that."""
FRAME_SECONDS = 0.064
RECENT_SECONDS, REPAID = 16.0, 4.0
"""Over how much of the present the balance is compared beside that of what is told, and how strongly that counts.

Bars are told alike, so they differ by chance alone.  A mean over many of them would still wander by their deviation
over the root of their number; a debt that is paid back makes it wander by 1 / (1 + a REPAID) of that, where a field
takes over a share a of what it is told.
"""


class OpeningBalance:
    """The levels of an opening's bands, relative to its own level, and how to give them to other music.

    Args:
        codec: of the latents.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._wanted: Tensor | None = None
        self._recent: Tensor | None = None

    def begin(self, opening: Tensor) -> None:
        """Take it from latents ``[1, T, D]``; an opening of silence has none."""
        sound = self._sound(opening)
        heard = rms_db(sound) > SILENCE_DB
        self._wanted = _shares(sound, self._codec.rate) if heard else None
        self._recent = self._wanted

    def shift(self, music: Tensor, new_seconds: float) -> Tensor | float:
        """What to add to latents ``[1, T, D]`` to give them the balance of the opening; 0 before there is one.

        It is the difference of two encodings, so music that is balanced already stays as it is, whatever is lost by
        the codec.

        Args:
            music: what is to be told.
            new_seconds: how much of it was not there the last time.
        """
        if self._wanted is None or self._recent is None:
            return 0.0
        rate, sound = self._codec.rate, self._sound(music)
        now = _shares(sound, rate)
        self._recent = self._recent + (now - self._recent) * min(1.0, new_seconds / RECENT_SECONDS)
        gains = _db(self._wanted / now) + REPAID * _db(self._wanted / self._recent)
        gains = gains.clamp(-MOST_DB, MOST_DB)
        heard, plain = (
            self._codec.encode(Audio(each[None], rate))[:, : music.shape[1]]
            for each in (filtered(sound, gains, rate), sound)
        )
        return (heard - plain).to(music)

    def _sound(self, latents: Tensor) -> Tensor:
        return self._codec.decode(latents).samples[0].float().cpu()


def levels_db(sound: Tensor, rate: int) -> Tensor:
    """Mean power by band in dB, at least that of silence.  Shape: ``[C, N] -> [bands]``."""
    return _db(_powers(sound, rate))


def filtered(sound: Tensor, gains_db: Tensor, rate: int) -> Tensor:
    """Sound whose bands are louder by so much; gains run straight between the bands' middles.  Shape: ``[C, N]``."""
    spectrum = _spectrum(sound, rate)
    octave = torch.log2(_hz(spectrum.shape[1], rate).clamp(min=1.0) / EDGES_HZ[0]) + 0.5
    place = octave.clamp(0.0, len(gains_db) - 1.0)
    low = place.floor().long().clamp(max=max(0, len(gains_db) - 2))
    share = place - low
    gain = gains_db[low] * (1.0 - share) + gains_db[(low + 1).clamp(max=len(gains_db) - 1)] * share
    return torch.istft(
        spectrum * (10.0 ** (gain / 20.0))[None, :, None],
        _frame(rate),
        window=torch.hann_window(_frame(rate)),
        length=sound.shape[-1],
    )


def _powers(sound: Tensor, rate: int) -> Tensor:
    """Mean power by band, at least that of silence.  Shape: ``[C, N] -> [bands]``."""
    power = _spectrum(sound, rate).abs().square().mean((0, 2))
    band = _bands(len(power), rate)
    sums = torch.zeros(int(band[-1]) + 1).index_add_(0, band, power)
    # By Parseval, of a frame of n samples under a Hann window, whose mean square is 3/8; half of the bins are there.
    return (sums * 2.0 / (0.375 * _frame(rate) ** 2)).clamp(min=10.0 ** (SILENCE_DB / 10.0))


def _shares(sound: Tensor, rate: int) -> Tensor:
    powers = _powers(sound, rate)
    return powers / powers.sum()


def _db(powers: Tensor) -> Tensor:
    return 10.0 * torch.log10(powers)


def _frame(rate: int) -> int:
    return 2 * round(FRAME_SECONDS * rate / 2)


def _hz(bins: int, rate: int) -> Tensor:
    return torch.linspace(0.0, rate / 2.0, bins)


def _bands(bins: int, rate: int) -> Tensor:
    """The band of each bin."""
    edges = torch.tensor([edge for edge in EDGES_HZ if edge < rate / 2.0])
    return torch.bucketize(_hz(bins, rate), edges, right=True)


def _spectrum(sound: Tensor, rate: int) -> Tensor:
    size = _frame(rate)
    return torch.stft(sound, size, size // 4, window=torch.hann_window(size), return_complex=True)
