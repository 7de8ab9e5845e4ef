"""Seeded mutations of bytes and of plain data, which the kinds of inputs share."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

NUMBERS = (
    0,
    1,
    2,
    7,
    0x7F,
    0x80,
    0xFF,
    0x7FFF,
    0xFFFF,
    2**31 - 1,
    2**31,
    2**32 - 1,
    2**48,
    2**60,
    2**63 - 1,
    2**64 - 1,
)
"""Where counters turn over, and where memory ends."""


def mutated(data: bytes, rng: random.Random, places: range | None = None) -> bytes:
    """Bytes with one to eight changes: flips, numbers of 1 to 8 bytes, cuts, insertions, repetitions.

    Args:
        places: where changes begin; None for anywhere.
    """
    found = bytearray(data)
    for _ in range(rng.randrange(1, 9)):
        if not found:
            return bytes(found)
        at = min(rng.choice(places) if places else rng.randrange(len(found)), len(found) - 1)
        change = rng.randrange(7)
        if change == 0:
            found[at] ^= 1 << rng.randrange(8)
        elif change == 1:
            width = rng.choice((1, 2, 4, 8))
            number = rng.choice(NUMBERS) & (1 << 8 * width) - 1
            found[at : at + width] = number.to_bytes(width, rng.choice(("little", "big")))
        elif change == 2:
            del found[at : at + rng.randrange(1, 64)]
        elif change == 3:
            found[at:at] = rng.randbytes(rng.randrange(1, 32))
        elif change == 4:
            found[at:at] = found[at : at + rng.randrange(1, 256)] * rng.randrange(1, 5)
        elif change == 5:
            found[at : at + 16] = bytes([rng.choice((0, 0x20, 0xFF))]) * 16
        elif rng.random() < 0.3:
            del found[at:]
    return bytes(found)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


VALUES: tuple[Callable[[random.Random], Any], ...] = (
    lambda rng: None,
    lambda rng: rng.random() < 0.5,
    lambda rng: rng.choice((-1, 1)) * rng.choice(NUMBERS),
    lambda rng: rng.choice((0.0, -0.0, 1e-300, 1e308, -1e308, 0.5, float("nan"), float("inf"), float("-inf"))),
    lambda rng: "",
    lambda rng: rng.choice(("/dev/zero", "/etc/passwd", "../../x", "pipe:touch x", "a;b", "-", "~")),
    lambda rng: rng.choice(("x" * 5000, "9" * 400)),
    lambda rng: rng.choice(("\0", "\ud800", "\u202e", "é\n\r", "C", "train", "1e999999", "${a.b}", "NaN", "🎵" * 50)),
    lambda rng: [],
    lambda rng: {},
    lambda rng: [0] * rng.choice((1, 3, 100_000)),
    lambda rng: _nested(rng.choice((3, 70, 200))),
    lambda rng: {rng.choice(("a", "", "__class__", "path", "0")): rng.choice((1, [], {}))},
)  # fmt: skip
"""What may stand in the place of any value."""


def changed(value: Any, rng: random.Random) -> Any:
    """Plain data with one to four places changed: another value, a key lost, added or renamed, an item doubled."""
    found = copy.deepcopy(value)
    for _ in range(rng.randrange(1, 5)):
        found = _changed(found, rng)
    return found


def _changed(root: Any, rng: random.Random) -> Any:
    places = list(_places(root))
    if not places or rng.random() < 0.03:
        return rng.choice(VALUES)(rng)
    box, key = rng.choice(places)
    change = rng.randrange(6)
    if change < 3 or not isinstance(box, dict):
        box[key] = rng.choice(VALUES)(rng)
    elif change == 3:
        del box[key]
    elif change == 4:
        box[rng.choice(("more", "", "__class__", "a" * 2000))] = box[key]
    else:
        box[str(key)[::-1]] = box.pop(key)
    if isinstance(box, list) and rng.random() < 0.2:
        box.extend(box[: rng.randrange(1, 4)])
    return root


def _places(root: Any) -> list[tuple[Any, Any]]:
    """Every container with every key of it, a few hundred at most."""
    found: list[tuple[Any, Any]] = []
    waiting = [root]
    while waiting and len(found) < 300:
        box = waiting.pop()
        keys = list(box) if isinstance(box, dict) else list(range(min(len(box), 20))) if isinstance(box, list) else []
        found += [(box, key) for key in keys]
        waiting += [box[key] for key in keys if isinstance(box[key], dict | list)]
    return found
