"""What a mark is made of: a keyed pattern of signs over time and frequency, some of which carry a 16-bit id.

Spread spectrum after Cox et al. (Secure Spread Spectrum Watermarking for Multimedia, 1997) and Kirovski and Malvar
(Spread-Spectrum Watermarking of Audio Signals, 2003): many magnitudes are each changed by very little, up or down as a
keyed sign says, and whoever knows the key sums them all with these signs.

Everything is counted in seconds and Hz, so that the pattern is the same at every sample rate.  A *chip* is a cell of
:data:`CHIP_SECONDS` by :data:`BAND_HZ`; a positive one is louder in its first half and softer in its second.  This
alternation, about 10 a second, lies where the level of music changes least by itself.  The pattern repeats after
:data:`PERIOD_SECONDS`, so that any five seconds of a recording hold nearly all of it.
"""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

VERSION = 1
"""Raised when marks are made in another way."""
KEY = f"flowmusic watermark {VERSION}"
"""The key of every mark that nobody gave another key.  It is public: it is to be found by everyone."""
HALF_SECONDS = 0.048
"""Half of a chip, and the length of a frame of the short-time spectrum."""
CHIP_SECONDS = 2.0 * HALF_SECONDS
CHIPS = 54
"""Chips after which the pattern repeats."""
PERIOD_SECONDS = CHIPS * CHIP_SECONDS
LOW_HZ, BAND_HZ, BANDS = 375.0, 62.5, 114
HIGH_HZ = LOW_HZ + BANDS * BAND_HZ
ID_BITS = 16
IDS = 1 << ID_BITS
CODE_BITS = 64
_GENERATOR = 0o6331141367235453
"""Of the binary BCH code (63, 16), which mends 11 errors (Lin and Costello, Error Control Coding, appendix C)."""


@dataclass(frozen=True)
class Pattern:
    """Signs ``[CHIPS, BANDS]`` of a key, and which bit of the code each is multiplied by, -1 for none.

    Half of the chips, scattered by the key, carry no bit: they tell where the pattern begins.
    """

    signs: NDArray[np.float32]
    bits: NDArray[np.int64]

    def of(self, ident: int) -> NDArray[np.float32]:
        """The signs for an id.  Shape: ``[CHIPS, BANDS]``."""
        word = codebook()[ident].astype(np.float32)
        return np.where(self.bits < 0, self.signs, self.signs * word[np.maximum(self.bits, 0)])


@functools.lru_cache(maxsize=8)
def pattern(key: str = KEY) -> Pattern:
    """The pattern of a key.

    It is taken from SHAKE-256, as a random number generator may give other numbers in its next version.
    """
    count = CHIPS * BANDS
    data = hashlib.shake_256(key.encode("utf-8", "surrogateescape")).digest(9 * count)
    signs = 1.0 - 2.0 * (np.frombuffer(data, np.uint8, count) & 1)
    # A permutation: the order of random numbers.
    order = np.argsort(np.frombuffer(data, np.dtype("<u8"), count, count), kind="stable")
    bits = np.full(count, -1)
    carrying = order[count // 2 :]
    bits[carrying] = np.arange(len(carrying)) % CODE_BITS
    return Pattern(signs.astype(np.float32).reshape(CHIPS, BANDS), bits.reshape(CHIPS, BANDS))


@functools.cache
def codebook() -> NDArray[np.int8]:
    """The word of every id as signs ``[IDS, CODE_BITS]``: a BCH code with a parity bit, of which two differ in 24.

    >>> codebook().shape, int((codebook()[0] != codebook()[1]).sum()) >= 24
    ((65536, 64), True)
    """
    # Multiples of the generator polynomial: its shifts, added as the bits of the id say.
    rows = np.array([[(_GENERATOR << shift) >> place & 1 for place in range(63)] for shift in range(ID_BITS)])
    ids = np.arange(IDS)[:, None] >> np.arange(ID_BITS) & 1
    words = ids.astype(np.float32) @ rows.astype(np.float32) % 2
    parity = words.sum(1, keepdims=True) % 2
    return (1 - 2 * np.concatenate([words, parity], 1)).astype(np.int8)


def id_of(*what: object) -> int:
    """16 bits of a hash: the id of a take, of its model and seed.

    >>> f"{id_of('nano', 7):04x}"
    '3653'
    """
    return int.from_bytes(hashlib.sha256("\n".join(map(str, what)).encode()).digest()[:2], "big")
