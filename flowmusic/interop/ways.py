"""How a bundle names a folder that it needs and does not hold: by the way there, which moves with both."""

from __future__ import annotations

import os
from pathlib import Path

from flowmusic import publishable


def to(target: str | Path, folder: str | Path) -> str:
    """The relative path from a bundle's folder to another one; it begins with a dot.

    Where such a path would tell where on this machine the two lie, a link beside the bundle leads there: the link stays
    here when the bundle is passed on, and whoever gets it puts the other folder in its place.

    Raises: OSError if the link cannot be made.
    """
    way = publishable.way(target, folder)
    if way is None:
        link = _link(Path(os.path.abspath(target)), Path(os.path.abspath(folder)).parent)
        way = os.path.join(os.pardir, link.name)
    return way if way.startswith(os.pardir) else os.path.join(os.curdir, way)


def _link(target: Path, beside: Path) -> Path:
    """A link to a folder, of a name that nothing else has; one that leads there already is kept."""
    beside.mkdir(parents=True, exist_ok=True)
    name, count = f"needed-{publishable.place(target)}", 1
    while os.path.lexists(link := beside / (name if count == 1 else f"{name}-{count}")):
        if link.is_symlink() and link.resolve() == target.resolve():
            return link
        count += 1
    link.symlink_to(target, target_is_directory=True)
    return link
