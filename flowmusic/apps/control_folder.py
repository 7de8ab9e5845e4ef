"""The folder that ``flowmusic extract`` writes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from flowmusic import disk
from flowmusic.files import temporary_folder

STEM, PICTURE = "drums.wav", "controls.png"


@contextmanager
def placed(out: Path) -> Iterator[Path]:
    """A temporary folder for what is extracted; when the block ends well, its files take their places in ``out``."""
    from flowmusic.annotations.json_file import NAME

    with temporary_folder(out) as temporary, disk.naming(out, temporary):
        yield temporary
        os.chmod(temporary, 0o755)
        if not out.exists():
            os.replace(temporary, out)
            return
        # A stem or a picture of an earlier run would belong to another JSON.
        for file in (STEM, PICTURE, NAME):
            if (temporary / file).exists():
                os.replace(temporary / file, out / file)
            elif file != NAME:
                (out / file).unlink(missing_ok=True)


def written(out: Path) -> list[Path]:
    """The files of an extraction that are in a folder, controls.json first."""
    from flowmusic.annotations.json_file import NAME

    return [out / file for file in (NAME, STEM, PICTURE) if (out / file).exists()]
