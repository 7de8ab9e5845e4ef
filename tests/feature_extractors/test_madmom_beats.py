"""What runs in madmom's place in beat tracking, against madmom itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from feature_extractors.madmom import compat
from feature_extractors.madmom.bar_decoder import BarDecoder
from feature_extractors.madmom.recurrent import to_numpy

pytestmark = pytest.mark.skipif(not compat.available(), reason="the extra 'madmom' is not installed")


def _activation(frames: int, interval: float, noise: float, seed: int) -> np.ndarray:
    """Beats every ``interval`` frames, every third of them a downbeat, in noise.  Shape: ``[T, 2]``."""
    rng = np.random.default_rng(seed)
    found = rng.uniform(1e-3, noise, (frames, 2))
    beats = np.arange(5.0, frames, interval).round().astype(int)
    beats = beats[beats < frames]
    found[beats, 0] = rng.uniform(0.2, 0.45, len(beats))
    found[beats[::3], 1] = rng.uniform(0.2, 0.45, len(beats[::3]))
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def models() -> Any:
    decoder = compat.module("features.downbeats").DBNDownBeatTrackingProcessor
    return decoder(beats_per_bar=[4, 3], min_bpm=55.0, max_bpm=215.0, fps=100).hmms


@pytest.mark.parametrize(
    "activation",
    [
        _activation(900, 57.3, 0.05, seed=0),
        _activation(400, 31.0, 0.5, seed=1),
        _activation(20, 40.0, 0.1, seed=2),
        _activation(1, 40.0, 0.1, seed=3),
    ],
    ids=["clear", "noisy", "shorter than a beat", "one frame"],
)
def test_paths_and_probabilities_are_madmoms(models: Any, activation: np.ndarray) -> None:
    for model in models:
        path, log_probability = model.viterbi(activation)
        found, ours = BarDecoder(model).viterbi(activation)
        assert np.array_equal(found, path)
        assert ours == log_probability


def test_probabilities_that_add_up_to_more_than_one(models: Any) -> None:
    activation = _activation(300, 50.0, 0.05, seed=4)
    activation[105] = 0.7
    path, log_probability = BarDecoder(models[1]).viterbi(activation)
    assert len(path) == 300
    assert np.isfinite(log_probability)


def test_no_path_where_nothing_is_possible(models: Any) -> None:
    path, log_probability = BarDecoder(models[1]).viterbi(np.full((3, 2), np.nan, np.float32))
    assert len(path) == 0
    assert log_probability == -np.inf


def test_networks_side_by_side_give_madmoms_numbers() -> None:
    ensemble = compat.module("features.downbeats").RNNDownBeatProcessor().processors[1]
    networks = ensemble.processors[0].processors
    features = np.random.default_rng(0).uniform(0.0, 1.0, (150, 314)).astype(np.float32)
    found = to_numpy(networks)(features)
    assert found.shape == (150, 3)
    assert found == pytest.approx(np.asarray(ensemble(features)), abs=1e-5)


@pytest.mark.parametrize("layers", [[], ["FeedForwardLayer"]], ids=["none", "not recurrent"])
def test_networks_of_another_kind_are_refused(layers: list[str]) -> None:
    softmax = type("FeedForwardLayer", (), {"activation_fn": staticmethod(type("_", (), {"__name__": "tanh"}))})
    network = type("Network", (), {"layers": [type(name, (), {})() for name in layers] + [softmax()]})
    with pytest.raises(ValueError, match=r"softmax|known: BidirectionalLayer"):
        to_numpy([network, network])
