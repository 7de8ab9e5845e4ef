"""A reader that dies of one file, in a module that other processes import quickly."""

from __future__ import annotations

import os
from pathlib import Path

from flowmusic.datasets.probe import Facts
from flowmusic.datasets.probe_many import look


def crash(path: Path) -> Facts | str:
    """Facts, but for ``bad``, which ends the process."""
    if path.stem == "bad":
        os._exit(1)
    return look(path)
