"""Pictures that are drawn here, each plainly of one kind: colours ``[H, W, 3]`` in 0..1."""

from __future__ import annotations

import numpy as np

SIZE = 128


def _even(*colour: float) -> np.ndarray:
    return np.broadcast_to(np.array(colour), (SIZE, SIZE, 3)).copy()


def _fade(top: tuple[float, float, float], bottom: tuple[float, float, float]) -> np.ndarray:
    share = np.linspace(0.0, 1.0, SIZE)[:, None, None]
    return np.broadcast_to((1 - share) * np.array(top) + share * np.array(bottom), (SIZE, SIZE, 3)).copy()


def _patches(level: float, spread: float, seed: int = 0, side: int = 8) -> np.ndarray:
    """Squares of many colours."""
    random = np.random.default_rng(seed)
    small = np.clip(level + spread * random.standard_normal((SIZE // side, SIZE // side, 3)), 0.0, 1.0)
    return small.repeat(side, 0).repeat(side, 1)


def _noise(level: float, spread: float) -> np.ndarray:
    random = np.random.default_rng(0)
    return np.clip(np.repeat(level + spread * random.standard_normal((SIZE, SIZE, 1)), 3, axis=2), 0.0, 1.0)


PICTURES = {
    "a warm dark room": _fade((0.10, 0.04, 0.02), (0.35, 0.16, 0.06)),
    "a candle in it": np.clip(
        _fade((0.06, 0.03, 0.01), (0.18, 0.08, 0.03))
        + np.exp(-((np.indices((SIZE, SIZE)) - SIZE / 2) ** 2).sum(0) / 200.0)[..., None] * np.array([0.95, 0.7, 0.25]),
        0.0, 1.0,
    ),
    "a night sky": _fade((0.01, 0.02, 0.07), (0.03, 0.06, 0.18)),
    "grey fog": _fade((0.55, 0.56, 0.58), (0.68, 0.69, 0.70)),
    "a bright blue sky": _fade((0.45, 0.70, 0.98), (0.85, 0.93, 1.00)),
    "a summer field": np.concatenate([
        _fade((0.5, 0.75, 1.0), (0.8, 0.9, 1.0))[:64], _fade((0.95, 0.85, 0.3), (0.9, 0.7, 0.1))[64:],
    ]),
    "orange and red, even": _even(0.95, 0.40, 0.10),
    "patches of colour": _patches(0.5, 0.4),
    "black and white noise": _noise(0.5, 0.5),
    "soft grey noise": _noise(0.5, 0.05),
    "black": _even(0.0, 0.0, 0.0),
    "white": _even(1.0, 1.0, 1.0),
}  # fmt: skip
