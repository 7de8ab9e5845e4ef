"""What a picture is like, in seven numbers from 0 to 1; what it shows is not looked at, and faces are not judged.

Lightness and colour are those of CIELAB (D65), in which equal steps look about equal.

>>> grey = measure(np.full((16, 16, 3), 0.5))
>>> round(grey.brightness, 2), round(grey.saturation, 2), round(grey.contrast, 2), grey.texture
(0.53, 0.0, 0.0, 0.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.float64]
FULL_CHROMA = 80.0
"""Mean chroma of a picture that is taken for fully saturated; paintings reach half of it."""
FULL_CONTRAST = 40.0
"""Standard deviation of lightness of a picture of black and white halves is 50, of a stark painting about 30."""
FULL_TEXTURE = 30.0
"""Mean step of lightness between neighbours, in the picture as it is looked at; noise has some 30."""
HUES = 12


@dataclass(frozen=True)
class Measures:
    """Each from 0 to 1.

    Attributes:
        brightness: mean lightness.
        saturation: mean strength of colour.
        warmth: 1 is red, orange and yellow, 0 is green, blue and violet, 0.5 grey or balanced; weighed by strength.
        contrast: how far lightness spreads.
        texture: how much lightness changes from each pixel to the next.
        variety: over how many hues the colour spreads (their entropy), 0 where there is none.
        openness: share of the picture that is nearly even, such as sky, water or a wall.
    """

    brightness: float
    saturation: float
    warmth: float
    contrast: float
    texture: float
    variety: float
    openness: float


def measure(colours: Pixels) -> Measures:
    """Measure colours ``[H, W, 3]`` in 0..1 (sRGB)."""
    lab = to_lab(colours)
    lightness, a, b = lab[..., 0], lab[..., 1], lab[..., 2]
    chroma = np.hypot(a, b)
    # The warm side of the circle has its middle at orange, 60 degrees in a and b.
    warm = np.cos(np.arctan2(b, a) - np.pi / 3)
    weight = float(chroma.mean())
    steps = np.concatenate([np.abs(np.diff(lightness, axis=0)).ravel(), np.abs(np.diff(lightness, axis=1)).ravel()])
    across, down = np.abs(np.diff(lightness, axis=1))[:-1], np.abs(np.diff(lightness, axis=0))[:, :-1]
    return Measures(
        brightness=_share(lightness.mean() / 100.0),
        saturation=_share(weight / FULL_CHROMA),
        # Where there is hardly any colour, its hue is chance.
        warmth=_share(0.5 + 0.5 * float((chroma * warm).mean()) / max(weight, 8.0)),
        contrast=_share(lightness.std() / FULL_CONTRAST),
        texture=_share(steps.mean() / FULL_TEXTURE),
        variety=_variety(a, b, chroma),
        openness=_share(float(((across < 1.5) & (down < 1.5)).mean())),
    )


def _variety(a: Pixels, b: Pixels, chroma: Pixels) -> float:
    if chroma.mean() < 4.0:
        return 0.0
    place = np.floor((np.arctan2(b, a) / (2 * np.pi) % 1.0) * HUES).astype(int) % HUES
    shares = np.bincount(place.ravel(), weights=chroma.ravel(), minlength=HUES)
    shares = shares / shares.sum()
    there = shares[shares > 0]
    return _share(float(-(there * np.log(there)).sum() / np.log(HUES)))


def _share(value: float) -> float:
    return float(min(1.0, max(0.0, value)))


def to_lab(colours: Pixels) -> Pixels:
    """sRGB (IEC 61966-2-1) to CIELAB under D65.

    >>> [round(float(value)) for value in to_lab(np.array([[[1.0, 1.0, 1.0]]]))[0, 0]]
    [100, 0, 0]
    """
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([
        [0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041],
    ])  # fmt: skip
    xyz = linear @ to_xyz.T / np.array([0.95047, 1.0, 1.08883])
    cube = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = cube[..., 0], cube[..., 1], cube[..., 2]
    lab: Pixels = np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)
    return lab
