"""madmom's beat networks run side by side: the same weights and numbers to rounding, several times faster.

Eight networks of bidirectional LSTM layers hear the same features.  madmom runs one frame of one direction of one
network at a time; here a frame of all of them is one product.  The original stays the oracle: a test compares the two.

Letters: T frames, N networks, C cells (networks by direction), F features, U units.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

GATES = ("input_gate", "forget_gate", "output_gate", "cell")
"""In this order the first three, which are sigmoids, and the first two, which look back at the state, lie together."""


def to_numpy(networks: Sequence[Any]) -> Callable[[np.ndarray], np.ndarray]:
    """Several madmom networks of one shape, bidirectional LSTM layers and a last softmax layer, as one function.

    Returns: a function ``[T, F] -> [T, classes]``, the mean over the networks.
    Raises: ValueError for layers of another kind.
    """
    depths = {len(each.layers) for each in networks}
    if len(depths) != 1:
        raise ValueError(f"the networks must have as many layers, got {sorted(depths)}")
    *recurrent, last = zip(*(each.layers for each in networks), strict=True)
    layers = [_Layer(both) for both in recurrent]
    if any(type(each).__name__ != "FeedForwardLayer" or each.activation_fn.__name__ != "softmax" for each in last):
        raise ValueError("the last layer of a beat network must be a softmax")
    weights = np.stack([each.weights for each in last]).astype(np.float32)
    shift = np.stack([each.bias for each in last]).astype(np.float32)[:, None]

    def run(features: np.ndarray) -> np.ndarray:
        x = np.broadcast_to(features.astype(np.float32), (len(networks), *features.shape))
        for layer in layers:
            x = layer(x)
        scores = np.exp(x @ weights + shift)
        mean: np.ndarray = (scores / scores.sum(-1, keepdims=True)).mean(0)
        return mean

    return run


class _Layer:
    """A bidirectional LSTM layer with peepholes (Gers & Schmidhuber 2000) of every network."""

    def __init__(self, layers: Sequence[Any]) -> None:
        for each in layers:
            kinds = [type(each).__name__, *(type(getattr(each, side, None)).__name__ for side in _SIDES)]
            if kinds != ["BidirectionalLayer", "LSTMLayer", "LSTMLayer"]:
                raise ValueError(f"cannot run madmom layers {kinds}; known: BidirectionalLayer of two LSTMLayer")
        cells = [getattr(each, side) for each in layers for side in _SIDES]

        def stacked(name: str, gates: Sequence[str] = GATES) -> np.ndarray:
            rows = [[np.asarray(getattr(getattr(cell, gate), name), np.float32) for gate in gates] for cell in cells]
            return np.stack([np.concatenate(row, -1) for row in rows])

        self._weights, self._bias = stacked("weights"), stacked("bias")[:, None]
        self._recurrent = stacked("recurrent_weights")
        self._back, self._out = stacked("peephole_weights", GATES[:2]), stacked("peephole_weights", GATES[2:3])
        self._start = np.stack([np.asarray(cell.init, np.float32) for cell in cells])
        self._state = np.stack([np.asarray(cell.cell_init, np.float32) for cell in cells])

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Shape: ``[N, T, F] -> [N, T, 2 U]``."""
        count, frames, _ = x.shape
        units = self._start.shape[-1]
        # The second cell of a network hears the music backwards.
        both = np.stack([x, x[:, ::-1]], 1).reshape(2 * count, frames, -1)
        inputs = np.ascontiguousarray((both @ self._weights + self._bias).transpose(1, 0, 2))
        heard = np.empty((frames, 2 * count, units), np.float32)
        before, state = self._start[:, None], self._state
        for frame, given in enumerate(inputs):
            given += (before @ self._recurrent)[:, 0]
            given[:, : 2 * units] += self._back * np.concatenate([state, state], 1)
            let_in, kept = _sigmoid(given[:, : 2 * units]).reshape(-1, 2, units).transpose(1, 0, 2)
            state = np.tanh(given[:, 3 * units :]) * let_in + state * kept
            let_out = _sigmoid(given[:, 2 * units : 3 * units] + self._out * state)
            heard[frame] = np.tanh(state) * let_out
            before = heard[frame][:, None]
        forwards, backwards = heard[:, 0::2], heard[::-1, 1::2]
        return np.concatenate([forwards, backwards], -1).transpose(1, 0, 2)


_SIDES = ("fwd_layer", "bwd_layer")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    found: np.ndarray = 0.5 * np.tanh(0.5 * x) + np.float32(0.5)
    return found
