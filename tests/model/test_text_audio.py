"""The text-audio network: what it must not hear, what it may be given, and how large it is."""

from __future__ import annotations

import pytest
import torch

from flowmusic.model.text_audio import LogMel, TextAudioNet, level_free


@pytest.fixture(scope="module")
def network() -> TextAudioNet:
    torch.manual_seed(0)
    return TextAudioNet().eval()


def noise(seconds: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(1, round(seconds * 32_000), generator=generator)


def test_small_enough_to_ship(network: TextAudioNet) -> None:
    assert sum(p.numel() for p in network.parameters()) <= 450_000
    assert not any(name.startswith("log_mel") for name in network.state_dict())


def test_frames_and_pitch_of_the_spectrogram() -> None:
    log_mel = LogMel(bands=40)
    time = torch.arange(32_000) / 32_000
    low, high = (log_mel(torch.sin(2 * torch.pi * hz * time)) for hz in (200.0, 4000.0))
    assert low.shape == (1 + 32_000 // 1024, 40)
    assert low[10].argmax() < high[10].argmax()
    assert torch.isfinite(log_mel(torch.zeros(32_000))).all()


@torch.no_grad()
def test_level_is_not_heard_but_balance_is(network: TextAudioNet) -> None:
    samples = noise(2.0)
    plain, quiet = network.embed_samples(samples), network.embed_samples(samples * 0.03)
    assert torch.allclose(plain, quiet, atol=1e-3)
    treble = samples - torch.nn.functional.avg_pool1d(samples, 9, 1, 4)
    assert (plain * network.embed_samples(treble)).sum() < 0.999


def test_what_lies_far_below_the_level_is_silence() -> None:
    log_mel = torch.zeros(1, 4, 8)
    log_mel[:, :, 0] = -20.0
    other = log_mel.clone()
    other[:, :, 0] = -15.0
    assert torch.equal(level_free(log_mel)[..., 0], level_free(other)[..., 0])


@torch.no_grad()
@pytest.mark.parametrize("seconds", [1.0, 3.3, 10.0])
def test_any_length_gives_unit_vectors(network: TextAudioNet, seconds: float) -> None:
    embedding = network.embed_samples(torch.cat([noise(seconds), noise(seconds, 1)]))
    assert embedding.shape == (2, network.dim)
    assert torch.allclose(embedding.norm(dim=-1), torch.ones(2))


@torch.no_grad()
def test_texts_are_told_apart_and_padding_does_not_count(network: TextAudioNet) -> None:
    texts = ["jazz", "a slow ambient piece without any drums at all"]
    both = network.embed_texts(texts)
    assert torch.allclose(both[0], network.embed_texts(texts[:1])[0], atol=1e-5)
    assert torch.allclose(both.norm(dim=-1), torch.ones(2), atol=1e-5)
    assert both[0] @ both[1] < 0.99


@torch.no_grad()
def test_unread_words_change_a_text_but_never_empty_it(network: TextAudioNet) -> None:
    torch.manual_seed(0)
    texts = ["slow jazz with piano and drums"]
    whole = network.embed_texts(texts)
    parts = torch.cat([network.embed_texts(texts, word_dropout=0.5) for _ in range(8)])
    assert (parts @ whole[0]).min() < 0.99
    assert torch.allclose(network.embed_texts(texts, word_dropout=1.0), whole, atol=1e-5)


def test_width_and_heads_must_agree() -> None:
    with pytest.raises(ValueError, match="multiple of heads=4"):
        TextAudioNet(width=10)
