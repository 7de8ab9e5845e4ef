"""Which prompt a window gets: a caption, what its clip sounds like, or none."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch

from flowmusic.data import audio_prompts
from flowmusic.data.audio_prompts import ClipVectors, Prompts
from flowmusic.data.latents import LatentCrops, LatentStore
from flowmusic.data.shards import ClipSample, ShardIndex, write_shard
from flowmusic.data.store_files import read_store
from flowmusic.types import AudioPrompt

SETTINGS = {"model": "fake", "sha256": "0" * 64, "window_seconds": 10.0}
FRAMES = 1000


def store(captions: list[list[str]], vectors: tuple[torch.Tensor | None, ...] | None = None) -> LatentStore:
    clips = [{"id": str(n), "frames": FRAMES, "captions": each} for n, each in enumerate(captions)]
    latents = torch.zeros(FRAMES * len(clips), 2)
    return LatentStore(
        Fraction(25), clips, {"latents": latents}, heard=None if vectors is None else ClipVectors(SETTINGS, vectors)
    )


def kinds(crops: LatentCrops, steps: int = 20) -> dict[str, int]:
    texts = [text for step in range(steps) for text in crops(step).controls.text]
    names = ["none" if text is None else "audio" if isinstance(text, AudioPrompt) else "words" for text in texts]
    return {name: names.count(name) for name in sorted(set(names))}


def test_a_clip_without_captions_has_no_text() -> None:
    found = LatentCrops(store([["a"], []]), 2.0, 8, 0, style_seconds=(1.0, 2.0), pairs=2)
    assert set(kinds(found)) == {"none", "words"}
    # A clip that nothing is said of makes no pair.
    assert found(0).pairs.text == ("a",) and len(found(0).pairs.style) == 1


def test_audio_stands_in_as_it_was_asked_to() -> None:
    given = store([["a"], [], ["b"]], (torch.eye(3), torch.eye(3), None))
    audio = LatentCrops(given, 2.0, 8, 0, prompts=Prompts("audio"))
    assert set(kinds(audio)) == {"audio", "none"}
    filled = LatentCrops(given, 2.0, 8, 0, prompts=Prompts("mixed", 0.0))
    texts = [text for step in range(20) for text in filled(step).controls.text]
    assert {text for text in texts if isinstance(text, str)} == {"a", "b"} and None not in texts
    half = kinds(LatentCrops(store([["a"]], (torch.eye(3),)), 2.0, 8, 0, prompts=Prompts("mixed", 0.5)), 50)
    assert 150 < half["audio"] < 250
    plain = LatentCrops(given, 2.0, 8, 0)
    assert all(torch.equal(plain(k).latents, filled(k).latents) for k in range(3))
    assert not Prompts().listens and set(kinds(plain)) == {"none", "words"}


def test_the_window_nearest_to_the_crop_is_heard() -> None:
    clips = ClipVectors(SETTINGS, (torch.eye(7),))
    # 40 s in seven windows of 10 s: their middles are at 5, 10, ... 35 s.
    for seconds, window in ((0.0, 0), (5.0, 0), (9.0, 1), (20.0, 3), (36.0, 6), (40.0, 6)):
        found = clips.window(0, 1000, seconds * 25, 25.0)
        assert found is not None and int(found.vector.argmax()) == window, seconds
    short = ClipVectors(SETTINGS, (torch.eye(7)[:1],)).window(0, 100, 90.0, 25.0)
    assert short is not None and short.vector[0] == 1.0


def test_vectors_come_with_their_clips_from_shards(tmp_path: Path) -> None:
    latents = torch.zeros(50, 2).half()
    samples = [
        ClipSample("a", {"latents": latents, audio_prompts.HEARD: torch.eye(4)[:2].half()}, {"captions": []}),
        ClipSample("b", {"latents": latents}, {"captions": ["b"]}),
    ]
    shard = write_shard(tmp_path / "train-000000.tar", samples)
    ShardIndex("train", Fraction(25), (shard,), {audio_prompts.HEARD: SETTINGS}).write(tmp_path)
    found = read_store(tmp_path, "train")
    assert found.heard is not None and found.heard.settings == SETTINGS and audio_prompts.HEARD not in found.tensors
    assert found.heard.vectors[1] is None and torch.equal(found.heard.vectors[0], torch.eye(4)[:2].half())
    one = found.audio_prompt_at(0, 0.0)
    assert one is not None and one.vector.tolist() == [1.0, 0.0, 0.0, 0.0] and found.audio_prompt_at(1, 0.0) is None


def test_vectors_are_joined_across_stores() -> None:
    found = ClipVectors(SETTINGS, (torch.eye(4)[2:3], None, torch.eye(4)[:2]))
    assert ClipVectors.joined([None, None], [2, 3]) is None
    joined = ClipVectors.joined([None, found], [2, 3])
    assert joined is not None and joined.vectors[:2] == (None, None) and len(joined.vectors) == 5
    other = ClipVectors({**SETTINGS, "sha256": "1" * 64}, found.vectors)
    with pytest.raises(ValueError, match="heard by different text-audio models"):
        ClipVectors.joined([found, other], [3, 3])


def test_a_share_of_the_clips_keeps_its_captions() -> None:
    thousand = store([["a"]] * 20)
    kept = [bool(clip["captions"]) for clip in thousand.captioned(0.1).clips]
    assert sum(kept) == 2 and all(clip["captions"] for clip in thousand.clips)
    assert sum(bool(clip["captions"]) for clip in thousand.captioned(0.0).clips) == 0
    assert thousand.captioned(1.0).clips == thousand.clips
    with pytest.raises(ValueError, match="from 0 to 1, got 10"):
        thousand.captioned(10)


def test_bad_settings_are_explained(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="captions, audio, mixed, got 'sound'"):
        Prompts("sound")
    with pytest.raises(ValueError, match="audio_text is a share"):
        Prompts("mixed", 50)
    with pytest.raises(FileNotFoundError, match="one text per line"):
        audio_prompts.read_prompts(tmp_path / "none.txt")
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(ValueError, match="holds no text"):
        audio_prompts.read_prompts(tmp_path / "empty.txt")
    (tmp_path / "two.txt").write_text("one\n\n two \n")
    assert audio_prompts.read_prompts(tmp_path / "two.txt") == ["one", "two"]
    assert isinstance(Prompts("audio")("words", None, np.random.default_rng(0)), type(None))
