"""The latent store, its crops, and building it from a corpus folder."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from flowmusic.controls import drums
from flowmusic.corpus import reader
from flowmusic.data.crops import WaveCrops
from flowmusic.data.latents import LatentCrops, LatentStore, as_onsets, outside
from flowmusic.data.module import LatentData
from flowmusic.data.steps import Steps
from flowmusic.data.store_files import read_store
from flowmusic.types import FrameGrid
from tests.data.small_build import HOP, RATE, build


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four clips of two seconds with clicks as drums."""
    rng = np.random.default_rng(1)
    lines = []
    for split, count in (("train", 3), ("validation", 1)):
        (tmp_path / split).mkdir()
        for index in range(count):
            name = f"{split}/{split}{index}"
            click = np.zeros(2 * RATE)
            click[RATE // 2 :: RATE] = 0.9
            soundfile.write(tmp_path / f"{name}.flac", 0.1 * rng.standard_normal(2 * RATE), RATE)
            soundfile.write(tmp_path / f"{name}.drums.flac", click, RATE)
            labels = {
                "seconds": 2.0,
                "chords": [[0.0, 1.0, "C"], [1.0, 2.0, "Am7"]],
                "melody": [[0.5, 1.0, 60]],
                "beats": [0.0, 0.5, 1.0, 1.5],
                "downbeats": [0.0],
                "captions": ["a click", "clicks"],
            }
            (tmp_path / f"{name}.json").write_text(json.dumps(labels))
            lines.append(json.dumps({"path": f"{name}.flac", "split": split}))
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines))
    return tmp_path


def test_build_then_crop_gives_what_the_labels_say(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    build(folder, out, clips_per_shard=2)
    store = read_store(out, "train")
    assert [c["frames"] for c in store.clips] == [50, 50, 50] and store.frame_rate == 25
    latents, tracks = store.crop(1, 10, 30)
    wave, _ = soundfile.read(folder / "train/train1.flac", dtype="float32")
    torch.testing.assert_close(latents.flatten(), torch.from_numpy(wave[10 * HOP : 40 * HOP]), atol=1e-3, rtol=1e-2)
    from flowmusic.controls.vocabulary import label_id

    assert tracks["chords"].values.tolist() == [label_id("C")] * 15 + [label_id("Am7")] * 15
    assert tracks["melody"].values.argmax(-1)[5].item() == 60 - 43 and tracks["melody"].values[20].sum() == 0
    assert drums.onsets_from_track(store.crop(1, 0, 50)[1]["drums"]) == pytest.approx([0.5, 1.5], abs=0.015)
    assert set(store.tensors) == {"latents", *(name + end for name in store.names for end in ("", ".known"))}


def test_crops_are_a_function_of_seed_and_step(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "store"
    build(folder, out)
    crops = LatentCrops(read_store(out, "train"), 1.0, batch=3, seed=4)
    one, two, other = crops(5), crops(5), crops(6)
    assert torch.equal(one.latents, two.latents) and one.controls.text == two.controls.text
    assert not torch.equal(one.latents, other.latents)
    assert one.latents.shape == (3, 25, HOP) and set(one.controls.tracks) == {"chords", "melody", "drums", "beats"}
    waves = WaveCrops(reader.clips(folder, "train"), RATE, 4000, batch=2, seed=0)
    assert torch.equal(waves(3), waves(3)) and waves(3).shape == (2, 4000)


def test_missing_things_are_explained(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"flowmusic build corpus=DIR"):
        read_store(tmp_path, "train")
    with pytest.raises(FileNotFoundError, match=r"manifest.jsonl.*flowmusic corpus"):
        reader.clips(folder / "train", "train")
    with pytest.raises(ValueError, match=r"'dev'.*train, validation, test"):
        reader.clips(folder, "dev")
    with pytest.raises(FileNotFoundError, match=r"--stems bass"):
        reader.clips(folder, "train")[0].stem("bass")
    build(folder, tmp_path / "store")
    with pytest.raises(ValueError, match=r"window of 30"):
        LatentCrops(read_store(tmp_path / "store", "train"), 30.0, 1, 0)


def test_stream_begins_anywhere() -> None:
    assert list(Steps(lambda k: k * k, 3, 7)) == [9, 16, 25, 36]
    assert list(islice(iter(Steps(lambda k: k, 10)), 3)) == [10, 11, 12]


def test_drums_without_bands_keep_their_times() -> None:
    grid = FrameGrid(Fraction(25), 20)
    drawing = torch.zeros(3, 80)
    drawing[0, 5], drawing[2, 40] = 1.0, 1 / 3
    track = drums.from_drawing(drawing, grid)
    plain = drums.to_drawing(as_onsets(track))
    assert torch.equal(plain[0], plain[1]) and plain[:, 5].tolist() == pytest.approx([2 / 3] * 3)
    assert plain.count_nonzero() == 6


@given(st.integers(1, 400), st.integers(0, 399), st.integers(1, 400), st.integers(1, 120), st.integers(0, 99))
def test_an_excerpt_never_shares_a_frame_with_its_window(
    frames: int, first: int, length: int, excerpt: int, seed: int
) -> None:
    first, length = min(first, frames - 1), min(length, frames)
    first = min(first, frames - length)
    begin = outside(frames, first, length, excerpt, np.random.default_rng(seed))
    fits = excerpt <= first or excerpt <= frames - first - length
    assert (begin is not None) == fits
    if begin is not None:
        assert begin >= 0 and begin + excerpt <= frames
        assert begin + excerpt <= first or begin >= first + length


def test_excerpts_come_from_the_same_clip_outside_the_window(folder: Path, tmp_path: Path) -> None:
    """Every latent frame tells its clip and place, so an overlap would show."""
    build(folder, tmp_path / "store")
    store = read_store(tmp_path / "store", "train")
    place = torch.arange(len(store.tensors["latents"]), dtype=torch.float32)[:, None].expand(-1, 3)
    store.tensors["latents"] = place.contiguous()
    crops = LatentCrops(store, 0.8, 8, 0, style_seconds=(0.2, 0.5))
    per_clip, lengths = store.clips[0]["frames"], set()
    for step in range(20):
        batch = crops(step)
        plain = LatentCrops(store, 0.8, 8, 0)(step)
        assert torch.equal(batch.latents, plain.latents) and plain.controls.style == ()
        for window, style in zip(batch.latents[..., 0], batch.controls.style, strict=True):
            assert style is not None
            excerpt = style.features[:, 0]
            lengths.add(len(excerpt))
            assert not set(window.tolist()) & set(excerpt.tolist())
            assert {int(f) // per_clip for f in excerpt.tolist()} == {int(window[0]) // per_clip}
    assert lengths <= set(range(5, 13)) and len(lengths) > 3
    with pytest.raises(ValueError, match="style_seconds must be two ascending"):
        LatentCrops(store, 0.8, 8, 0, style_seconds=(2.0, 1.0))


def test_pairs_are_other_clips_with_their_own_text_and_excerpt(folder: Path, tmp_path: Path) -> None:
    build(folder, tmp_path / "store")
    store = read_store(tmp_path / "store", "train")
    for index, clip in enumerate(store.clips):
        clip["captions"] = [f"clip {index}"]
    place = torch.arange(len(store.tensors["latents"]), dtype=torch.float32)[:, None].expand(-1, 3)
    store.tensors["latents"] = place.contiguous()
    pairs = LatentCrops(store, 0.8, 2, 0, style_seconds=(0.2, 0.5), pairs=3)(1).pairs
    assert sorted(text for text in pairs.words if text) == ["clip 0", "clip 1", "clip 2"]
    for text, style in zip(pairs.text, pairs.style, strict=True):
        assert style is not None
        assert {int(f) // store.clips[0]["frames"] for f in style.features[:, 0].tolist()} == {int(str(text)[-1])}
    assert LatentCrops(store, 0.8, 2, 0, style_seconds=(0.2, 0.5))(1).pairs.batch == 0
    whole = LatentCrops(store, 0.8, 2, 0, style_seconds=(9.0, 9.0), pairs=2)(1).pairs  # longer than the clips
    assert [len(style.features) for style in whole.style if style] == [store.clips[0]["frames"]] * 2
    with pytest.raises(ValueError, match="pairs=3 of text and style need style_seconds"):
        LatentCrops(store, 0.8, 2, 0, pairs=3)


def test_stores_join_and_a_split_may_be_missing(folder: Path, tmp_path: Path) -> None:
    lines = (folder / "manifest.jsonl").read_text().splitlines()
    build(folder, tmp_path / "one")
    (folder / "manifest.jsonl").write_text("\n".join(line for line in lines if '"train"' in line))
    build(folder, tmp_path / "two")
    assert not (tmp_path / "two" / "validation.index.json").exists()
    data = LatentData(str(tmp_path / "one"), more=[str(tmp_path / "two")])
    data.setup("fit")
    assert len(data.train_store.clips) == 6 and len(data.validation_store.clips) == 1
    one, both = read_store(tmp_path / "one", "train"), data.train_store
    for name in ("chords", "melody"):
        assert torch.equal(both.crop(4, 10, 20)[1][name].values, one.crop(1, 10, 20)[1][name].values)
    texts = [dict(clip, captions=[]) for clip in one.clips]
    quiet = LatentCrops(LatentStore(one.frame_rate, texts, one.tensors), 0.8, 2, 0, style_seconds=(0.2, 0.5), pairs=3)(
        1
    )
    assert quiet.controls.text == (None, None) and quiet.pairs.batch == 0  # nobody wrote a caption
    other = LatentStore(both.frame_rate, one.clips, {**one.tensors, "latents": one.tensors["latents"][:, :5]})
    with pytest.raises(ValueError, match="do not go together; build both with one codec"):
        LatentStore.joined([one, other])
    (folder / "manifest.jsonl").write_text("")
    with pytest.raises(ValueError, match="no clip to build in train, validation, test"):
        build(folder, tmp_path / "three")
