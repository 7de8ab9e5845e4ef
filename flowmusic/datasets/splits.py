"""Which split a recording belongs to: the same on every machine, and never two for what belongs together."""

from __future__ import annotations

import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

VARIOUS = frozenset({"", "various", "various artists", "va", "unknown", "unknown artist", "<unknown>"})
"""Artists that are none."""


KINDS = ("artist:", "album:", "folder:")
"""What binds recordings, by what names a group for good."""


def share_of(name: str) -> float:
    """A number in [0, 1) from a hash of a name."""
    return int.from_bytes(hashlib.sha256(os.fsencode(name)).digest()[:8], "big") / 2**64


def choose(name: str, validation: float, test: float) -> str:
    """The split of a name: test, validation or train by its hash, with these shares."""
    share = share_of(name)
    if share < test:
        return "test"
    return "validation" if share < test + validation else "train"


def check_shares(validation: float, test: float) -> None:
    """Raises: ValueError for shares that leave nothing to train on."""
    if not (validation >= 0 and test >= 0 and validation + test < 1):
        raise ValueError(
            f"shares of validation ({validation:g}) and test ({test:g}) must be 0 or more, together below 1"
        )


def bonds(tags: Mapping[str, str], folder: str, by_folder: bool = False) -> list[str]:
    """Names that a recording shares with those that must not be in another split: artist, album, folder if asked."""
    artist = " ".join(tags.get("artist", "").lower().split())
    by = " ".join(tags.get("albumartist", "").lower().split())
    album = " ".join(tags.get("album", "").lower().split())
    found = [f"artist:{name}" for name in (artist, by) if name not in VARIOUS]
    if album:
        # "Greatest Hits" is the album of many.
        found.append(f"album:{by or artist or folder}:{album}")
    if by_folder:
        found.append(f"folder:{folder}")
    return found


def assign(
    own: Sequence[str],
    shared: Sequence[Iterable[str]],
    given: Sequence[str | None],
    validation: float,
    test: float,
) -> list[str]:
    """A split for every item.

    Args:
        own: a name of each item alone, e.g. the hash of its file, or of the file that it repeats.
        shared: per item, names that bind it to all others with the same name.
        given: splits that were decided elsewhere; they stay, and items bound to one follow the first.
        validation, test: shares of what is undecided, in expectation, for whole groups are drawn.

    A group is drawn by its first artist (else album, else folder, else the least of its items' own names), so more
    recordings of the same artist do not move the earlier ones.
    """
    check_shares(validation, test)
    parent = list(range(len(own)))

    def root(item: int) -> int:
        while parent[item] != item:
            parent[item] = parent[parent[item]]
            item = parent[item]
        return item

    first: dict[str, int] = {}
    for item, names in enumerate(shared):
        for name in names:
            parent[root(item)] = root(first.setdefault(name, item))
    groups: dict[int, list[int]] = defaultdict(list)
    for item in range(len(own)):
        groups[root(item)].append(item)
    splits = [""] * len(own)
    for items in groups.values():
        decided = next((given[item] for item in items if given[item]), None)
        names = {name for item in items for name in shared[item]}
        kinds = (sorted(name for name in names if name.startswith(kind)) for kind in KINDS)
        known = next((each[0] for each in kinds if each), None)
        drawn = decided or choose(known or min(own[item] for item in items), validation, test)
        for item in items:
            splits[item] = given[item] or drawn
    return splits
