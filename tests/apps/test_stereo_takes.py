"""Takes of a codec with a stereo head: two channels whose mean is the mono take; edits keep what they keep."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from flowmusic.apps.cli import main
from flowmusic.audio import Audio
from flowmusic.generate.generator import Generator
from tests.generate.local import RATE, LocalCodec, local_generator

pytestmark = pytest.mark.usefixtures("ears")


class WideCodec(LocalCodec):
    """With a head that leans the sound to one side by what a channel of the latents says."""

    stereo, mono = "a head", True

    @property
    def channels(self) -> int:  # type: ignore[override]
        return 1 if self.mono else 2

    def decode(self, latents: torch.Tensor) -> Audio:
        middle = super().decode(latents).samples
        if self.mono:
            return Audio(middle, RATE)
        side = 0.5 * middle * torch.tanh(latents[..., 0]).repeat_interleave(self.hop, dim=-1)[:, None]
        return Audio(torch.cat([middle + side, middle - side], 1), RATE)


@pytest.fixture
def wide(model: Generator, monkeypatch: pytest.MonkeyPatch) -> Generator:
    """What every model name loads; one model for all commands, as a page keeps it."""
    from flowmusic.interop import bundle

    generator = local_generator()
    generator.codec, generator.name = WideCodec(), "nano"
    monkeypatch.setattr(bundle, "load", lambda name, **how: generator)
    return generator


def made(name: str, *argv: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Samples ``[N, C]`` and record of what a command makes."""
    assert main([*argv, "--quiet", "--no-watermark", "--out", name]) == 0
    record: dict[str, Any] = json.loads(Path(name).with_suffix(".json").read_text())
    samples = soundfile.read(name, dtype="int16", always_2d=True)[0].astype(int)
    assert record["channels"] == samples.shape[1]
    return samples, record


ASKED = ("generate", "warm", "--chords", "C Am", "--bpm", "120", "--seed", "4")


@pytest.mark.parametrize("more", [("--seconds", "4"), ("--seconds", "70"), ("--loop", "--bars", "1"), ("--preview",)])
def test_the_mean_of_both_channels_is_the_mono_take(here: Path, wide: Generator, more: tuple[str, ...]) -> None:
    """To the rounding of three numbers; a model that stays loaded is in stereo again, and mono again."""
    two, _ = made("two.wav", *ASKED, *more)
    one, _ = made("one.wav", *ASKED, *more, "--mono")
    again, _ = made("again.wav", *ASKED, *more)
    assert two.shape == (len(one), 2) and one.shape[1] == 1 and np.array_equal(two, again)
    assert np.abs(two.mean(1) - one[:, 0]).max() <= 1 and np.abs(two[:, 0] - two[:, 1]).max() > 100


def test_edits_and_extensions_of_a_stereo_take_keep_the_rest_bit_by_bit(here: Path, wide: Generator) -> None:
    old, _ = made("take.wav", *ASKED, "--seconds", "6")
    new, record = made("edit.wav", "edit", "take.wav", "--start", "2", "--end", "4", "--seed", "9")
    assert "codec_error_db" not in record["source"], "the stored latents are those of the stereo file"
    assert np.array_equal(new[: 2 * RATE], old[: 2 * RATE]) and np.array_equal(new[4 * RATE :], old[4 * RATE :])
    inside = new[2 * RATE : 4 * RATE]
    assert not np.array_equal(inside, old[2 * RATE : 4 * RATE]) and np.abs(inside[:, 0] - inside[:, 1]).max() > 100
    longer, _ = made("long.wav", "extend", "take.wav", "--seconds", "2", "--seed", "9")
    assert longer.shape == (8 * RATE, 2) and np.array_equal(longer[: 6 * RATE], old)
    flat, _ = made("flat.wav", "edit", "take.wav", "--start", "2", "--end", "4", "--seed", "9", "--mono")
    middle = flat[2 * RATE + 100 : 4 * RATE - 100]
    assert flat.shape == old.shape and np.array_equal(middle[:, 0], middle[:, 1])
    assert np.array_equal(flat[: 2 * RATE], old[: 2 * RATE])


def test_a_mono_take_stays_mono_where_it_is_edited_and_not_where_it_is_varied(here: Path, wide: Generator) -> None:
    old, _ = made("take.wav", *ASKED, "--seconds", "4", "--mono")
    new, record = made("edit.wav", "edit", "take.wav", "--start", "2", "--seed", "9")
    assert new.shape == old.shape and np.array_equal(new[: 2 * RATE], old[: 2 * RATE])
    assert "codec_error_db" not in record["source"]
    varied, _ = made("vary.wav", "vary", "take.wav", "--strength", "0.5", "--seed", "9")
    assert varied.shape == (len(old), 2)
    same, _ = made("same.wav", "vary", "take.wav", "--strength", "0")
    assert np.array_equal(same, old)


def test_a_batch_is_in_stereo_or_mono_as_a_whole(here: Path, wide: Generator, capsys: pytest.CaptureFixture) -> None:
    lines = [{"text": "warm", "seconds": 2, "seed": seed} for seed in (1, 2)]
    Path("lines.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    for flags, channels in ((), 2), (("--mono",), 1):
        assert main(["generate", "--batch", "lines.jsonl", "--out", f"of{channels}", "--quiet", *flags]) == 0
        assert {soundfile.info(f"of{channels}/{n:04}.wav").channels for n in (1, 2)} == {channels}
    Path("lines.jsonl").write_text(json.dumps({**lines[0], "mono": True}))
    assert main(["generate", "--batch", "lines.jsonl", "--out", "other", "--quiet"]) == 2
    assert "mono holds for the whole batch" in capsys.readouterr().err


@pytest.mark.parametrize(("flags", "channels"), [((), 1), (("--stereo",), 2)])
def test_a_stream_is_in_stereo_where_it_is_asked_to_be(
    here: Path, wide: Generator, flags: tuple[str, ...], channels: int
) -> None:
    """Samples on standard output are played by programs that were told of one channel."""
    argv = ["stream", "warm", "--bpm", "240", "--seconds", "3", "--seed", "1", "--quiet", "--out", "s.wav"]
    assert main([*argv, *flags]) == 0
    info = soundfile.info("s.wav")
    assert (info.channels, info.frames) == (channels, 3 * RATE)
