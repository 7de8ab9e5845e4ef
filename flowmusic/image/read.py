"""Pictures out of files that anyone may have made: of few kinds, of bounded size, and small once they are read."""

from __future__ import annotations

import hashlib
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowmusic import plain
from flowmusic.plain import shown

KINDS = ("PNG", "JPEG", "WEBP")
MOST_BYTES = 64 * plain.MIB
MOST_PIXELS = 64_000_000
"""Before anything is decoded: 8 000 by 8 000, 192 MB of colours."""
LEAST_SIDE, SIDE = 8, 256
"""Pixels; a picture is looked at in at most ``SIDE`` of them to each side."""


class ImageError(ValueError):
    """A file that is no picture of ours; the message names it and says what is read."""


@dataclass(frozen=True)
class Picture:
    """A picture as it is looked at: colours ``[H, W, 3]`` in 0..1 (sRGB), and what it is told by."""

    colours: NDArray[np.float64]
    name: str
    sha256: str
    width: int
    height: int


def read(path: str | Path) -> Picture:
    """Read a picture, turned as its camera says, on white where it lets through.

    Raises: ImageError, PlainError, OSError.
    """
    path = Path(path)
    plain.check_file(path, MOST_BYTES)
    import io

    from PIL import Image, ImageOps, UnidentifiedImageError

    data = path.read_bytes()
    reads = f"{', '.join(KINDS)} of at most {MOST_PIXELS // 1_000_000} million pixels are read"
    try:
        # The size in the header is judged before a pixel is decoded; beyond twice its own bound Pillow refuses itself.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture: Any = Image.open(io.BytesIO(data), formats=KINDS)
    except Image.DecompressionBombError:
        raise ImageError(f"{shown(path)} has too many pixels; {reads}: make it smaller") from None
    except UnidentifiedImageError:
        raise ImageError(f"{shown(path)} is no picture that is read here; {reads}") from None
    except Exception as error:  # Pillow's readers of headers fail with whatever they meet
        raise ImageError(f"{shown(path)} cannot be read ({plain.reason(error)}); {reads}") from None
    with picture:
        width, height = picture.size
        if width * height > MOST_PIXELS:
            raise ImageError(f"{shown(path)} has {width} x {height} pixels; {reads}: make it smaller")
        if min(width, height) < LEAST_SIDE:
            raise ImageError(
                f"{shown(path)} has {width} x {height} pixels, at least {LEAST_SIDE} to each side are needed"
            )
        try:
            picture.draft("RGB", (2 * SIDE, 2 * SIDE))  # a JPEG is decoded no larger than it is looked at
            small = ImageOps.exif_transpose(picture)
            small.thumbnail((2 * SIDE, 2 * SIDE), Image.Resampling.BOX)
            small = small.convert("RGBA")
            small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
        except Exception as error:  # a file that breaks off, or a colour table that is none
            raise ImageError(
                f"{shown(path)} breaks off or is damaged ({plain.reason(error)}); get a whole copy"
            ) from None
    pixels = np.asarray(small, np.float64) / 255.0
    opaque = pixels[..., 3:]
    colours = pixels[..., :3] * opaque + (1.0 - opaque)
    return Picture(colours, path.name, hashlib.sha256(data).hexdigest(), width, height)
