"""Which musical material belongs to which split.

A model that has memorised a loop, a drum pattern or a lead sound must not be rewarded for it, so
these three are hashed to splits by themselves: the shares of the material are fixed (and therefore
the same in every corpus), while the shares of clips are the user's.
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Mapping, Sequence

SPLITS = ("train", "validation", "test")

_MATERIAL = (("train", 0.8), ("validation", 0.9), ("test", 1.0))


def stream(*key: object) -> random.Random:
    """A random generator that depends on `key` alone.

    Each aspect of a piece draws from a stream of its own, so that aspects are independent and a
    retry in one does not move the others.
    """
    digest = hashlib.sha256("/".join(map(str, key)).encode()).digest()
    return random.Random(int.from_bytes(digest[:8], "big"))


def split_of(material: str) -> str:
    """Split to which a piece of musical material, given in a canonical spelling, belongs."""
    position = int.from_bytes(hashlib.sha256(material.encode()).digest()[:8], "big") / 2**64
    return next(name for name, upper in _MATERIAL if position < upper)


def parse_shares(text: str) -> dict[str, float]:
    """Read "train=0.9,validation=0.05,test=0.05"; the sum must be 1."""
    shares = dict.fromkeys(SPLITS, 0.0)
    for item in text.split(","):
        name, _, value = item.partition("=")
        if name.strip() not in SPLITS:
            raise ValueError(f"unknown split {name.strip()!r} in {text!r}: use {', '.join(SPLITS)}")
        try:
            shares[name.strip()] = float(value)
        except ValueError:
            raise ValueError(f"share of {name.strip()!r} in {text!r} is not a number") from None
    if any(share < 0 for share in shares.values()) or not math.isclose(sum(shares.values()), 1.0, abs_tol=1e-6):
        raise ValueError(f"shares in {text!r} must be positive and sum to 1")
    return shares


def assign(count: int, shares: Mapping[str, float], seed: int) -> Sequence[str]:
    """Split of each of `count` clips: shares rounded, at least one clip for every share above 0."""
    wanted = [name for name in SPLITS if shares[name] > 0]
    sizes = {name: max(1, round(count * shares[name])) for name in wanted}
    largest = max(wanted, key=lambda name: shares[name])
    sizes[largest] = max(1, count - sum(sizes[name] for name in wanted if name != largest))
    names = [name for name in sorted(wanted, key=lambda n: -shares[n]) for _ in range(sizes[name])]
    names = names[:count]
    stream(seed, "splits").shuffle(names)
    return names
