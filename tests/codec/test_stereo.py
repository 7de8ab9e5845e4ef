"""The stereo head: the mono sum is kept, cues are what they are called, a codec with one decodes two channels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.codec.spectral import SpectralCodec
from flowmusic.codec.stereo import Cues, StereoHead
from flowmusic.corpus.reader import Clip
from flowmusic.data.stereo_crops import StereoCrops
from flowmusic.interop import bundle, model_files
from flowmusic.train.command import WrongSettings
from flowmusic.train.stereo import LitStereoHead

RATE, HOP = 32_000, 1280
STEREO = {"bands": 8, "width": 8, "n_fft": 2048, "hop": 640}


@pytest.fixture
def codec() -> SpectralCodec:
    torch.manual_seed(0)
    made = SpectralCodec(width=16, encoder_blocks=1, decoder_blocks=1, dim=6, stereo=STEREO)
    return made.eval()


@pytest.fixture
def head() -> StereoHead:
    return StereoHead(6, HOP, RATE, **STEREO)


def noise(seed: int, seconds: float = 2.56) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return 0.1 * torch.randn(1, round(seconds * RATE), generator=generator)


@pytest.mark.parametrize(("db", "coherence"), [(0.0, 1.0), (6.0, 0.9), (-12.0, 0.5), (0.0, 0.0), (3.0, 0.3)])
def test_what_is_asked_for_is_what_is_measured(head, db, coherence):
    """On noise, whose decorrelated copy is as good as independent of it."""
    middle = noise(1)
    shape = (1, middle.shape[1] // 640, 8)
    side = head.side(middle, Cues(torch.full(shape, db), torch.full(shape, coherence)))
    cues, sounds = head.measure(torch.stack([middle + side, middle - side], dim=1))
    inside = slice(8, -8)
    assert bool(sounds.bool().all())
    assert cues.level_db[:, inside].mean() == pytest.approx(db, abs=0.6)
    assert cues.coherence[:, inside].mean() == pytest.approx(coherence, abs=0.08)


def test_identical_channels_are_coherent_and_silence_has_no_direction(head):
    both = noise(2)[:, None].expand(-1, 2, -1)
    cues, _ = head.measure(both)
    assert cues.level_db.abs().max() < 1e-3 and cues.coherence.min() > 0.999
    assert not bool(head.measure(torch.zeros(1, 2, RATE // 10 * 4))[1].any())


def test_the_mean_of_the_channels_is_the_mono_decode(codec):
    latents = torch.randn(2, 20, 6, generator=torch.Generator().manual_seed(3))
    stereo = codec.decode(latents).samples
    assert codec.channels == 2 and stereo.shape == (2, 2, 20 * HOP)
    codec.mono = True
    mono = codec.decode(latents).samples
    assert codec.channels == 1 and mono.shape == (2, 1, 20 * HOP)
    # Two roundings of single precision.
    assert (stereo.mean(1, keepdim=True) - mono).abs().max() <= 2.4e-7 * stereo.abs().max()
    assert (stereo[:, 0] - stereo[:, 1]).abs().max() > 1e-4


@pytest.mark.parametrize("name", [name for name in model_files.available() if "codec" in name])
def test_shipped_heads_are_small_and_keep_the_mono_sound(name):
    codec = bundle.load_codec(name)
    latents = torch.randn(1, 20, codec.dim, generator=torch.Generator().manual_seed(3))
    mono, reach = codec.decode(latents).samples, codec.context_frames
    assert mono.shape[1] == 1, "as loaded, it is mono"
    codec.mono = False
    stereo = codec.decode(latents).samples
    assert (stereo.mean(1, keepdim=True) - mono).abs().max() <= 2.4e-7 * stereo.abs().max().clamp_min(1.0)
    assert (stereo[:, 0] - stereo[:, 1]).abs().max() > 1e-3 and codec.context_frames > reach
    assert (model_files.find(name) / "stereo.safetensors").stat().st_size < 150 * 1024


def test_chunks_equal_the_whole(codec):
    latents = torch.randn(1, 60, 6, generator=torch.Generator().manual_seed(4))
    whole = codec.decode(latents).samples
    pieces = torch.cat([piece.samples for piece in codec.decode_chunks(latents, 16)], dim=-1)
    assert (whole - pieces).abs().max() < 1e-4 * whole.abs().max().clamp_min(1.0)


@pytest.fixture
def clips(tmp_path: Path) -> list[Clip]:
    """Two clips of noise whose left channel is 6 dB above the right, and a mono one."""
    found = []
    for index, gains in enumerate(((1.0, 0.5), (1.0, 0.5), (1.0,))):
        samples = noise(index, 4.0).T.numpy() * np.array(gains)
        path = tmp_path / f"{index}.wav"
        soundfile.write(path, samples, RATE)
        found.append(Clip(str(index), "train", path))
    return found


def test_training_lowers_the_distance_of_the_cues_and_touches_nothing_else(codec, clips):
    module = LitStereoHead(codec, torch.optim.AdamW, total_steps=40)
    module.train()
    crops = StereoCrops(clips[:2], RATE, HOP, 40, 4, 0, module.hear)
    batch = crops(0)
    assert [each.shape for each in batch] == [(4, 6, 40), *[(4, 80, 8)] * 3]
    # Sides are never swapped: they are what is learnt.
    assert batch[1].numpy() == pytest.approx(6.0, abs=0.1)
    assert all(torch.equal(one, other) for one, other in zip(crops(0), batch, strict=True))
    before = {k: v.clone() for k, v in codec.state_dict().items() if not k.startswith("stereo.")}
    first = module.loss(batch, 0).item()
    optimizer = torch.optim.AdamW(module.head.parameters(), lr=5e-3)
    for step in range(40):
        optimizer.zero_grad()
        module.loss(crops(step), step).backward()
        optimizer.step()
    assert module.loss(batch, 0).item() < 0.9 * first
    assert all(torch.equal(codec.state_dict()[k], v) for k, v in before.items())


def test_mono_clips_have_two_equal_channels(codec, clips):
    module = LitStereoHead(codec, torch.optim.AdamW)
    _, level, coherence, loud = StereoCrops(clips[2:], RATE, HOP, 8, 2, 0, module.hear)(0)
    assert not level.any() and coherence.min() > 0.999 and bool(loud.all())
    with pytest.raises(ValueError, match="no clip is as long"):
        StereoCrops(clips[2:], RATE, HOP, 200, 2, 0, module.hear)


def test_a_codec_without_a_head_cannot_be_trained_here():
    plain = SpectralCodec(width=16, encoder_blocks=1, decoder_blocks=1, dim=6)
    assert plain.channels == 1
    with pytest.raises(WrongSettings, match="bundle_stereo"):
        LitStereoHead(plain, torch.optim.AdamW)
