"""What an edit starts from: a take's own latents and controls, or a recording that is encoded and listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
import soundfile
import torch

from flowmusic.apps.cli import build_parser, main
from flowmusic.errors import UsageError
from flowmusic.facts import Facts
from flowmusic.generate.generator import Generator
from flowmusic.takes import source, stored
from flowmusic.types import Controls, FrameGrid, Style, Track
from tests.generate.tiny import RATE

pytestmark = pytest.mark.usefixtures("ears")


def generated(*flags: str) -> None:
    assert main(["generate", "warm", "--chords", "C Am", "--seconds", "2", "--seed", "4", "--quiet", *flags]) == 0


def test_stored_controls_come_back_as_they_were(tmp_path: Path) -> None:
    grid = FrameGrid.of_seconds(2, 25)
    known = torch.arange(50)[None] < 40
    tracks = {
        "chords": Track(torch.arange(50)[None] * 4, known, grid),
        "drums": Track(torch.rand(1, 50, 12), known, grid),
        "melody": Track(torch.eye(50, 53)[None], known, grid),
    }
    controls = Controls(
        ("soft “rain”",), tracks, (Style(torch.rand(7, 4), 3, 0.1),), (Facts(drums=False, genre="jazz"),)
    )
    latents = torch.randn(1, 50, 8)
    back = stored.read(stored.write(tmp_path / "a.latents", latents, controls, {"codec": "abc"}))
    torch.testing.assert_close(back.latents, latents, atol=2e-3, rtol=1e-3)
    assert back.codec == "abc" and back.controls.text == controls.text and back.controls.facts == controls.facts
    for name, track in tracks.items():
        assert torch.equal(back.controls.tracks[name].values, track.values), name
        assert torch.equal(back.controls.tracks[name].known, known)
    (style,) = back.controls.style
    assert (
        style is not None
        and (style.detail, style.timbre) == (3, 0.1)
        and torch.equal(style.features, controls.style[0].features)
    )  # type: ignore[union-attr]
    assert (tmp_path / "a.latents").stat().st_size < 20_000


@pytest.mark.parametrize("command", ["edit", "extend", "vary"])
def test_words_stand_before_flags_or_behind_them(here: Path, command: str) -> None:
    Path("take.wav").touch()
    parser, flags = build_parser(), ["--seed", "3", "--mono"]
    for order in (
        ["take.wav", "calm piano", *flags],
        ["take.wav", *flags, "calm piano"],
        [*flags, "take.wav", "calm piano"],
    ):
        asked = parser.parse_args([command, *order])
        assert (asked.source, asked.text, asked.seed, asked.mono) == (Path("take.wav"), "calm piano", 3, True), order
    assert parser.parse_args([command, *flags, "take.wav"]).text is None
    with pytest.raises(UsageError, match="required: SOURCE"):
        parser.parse_args([command, *flags])
    with pytest.raises(UsageError, match="unrecognized arguments: fast"):
        parser.parse_args([command, "take.wav", *flags, "calm", "fast"])


@pytest.mark.parametrize("named", ["take.wav", "take.json", "take.latents"])
def test_a_take_gives_its_own_latents_and_request(here: Path, model: Generator, named: str) -> None:
    generated()
    found = source.read(Path(named), model)
    assert found.codec_error_db is None and found.notices == ()
    assert found.record["seed"] == 4 and found.text == "warm"
    assert found.latents.shape == (1, 50, 4) and found.grid.length == 50
    assert sorted(found.controls.tracks) == ["beats", "chords"] and found.bpm == pytest.approx(120.0, abs=0.5)
    assert found.audio.samples.shape == (1, 2 * RATE)


def test_a_take_that_was_changed_is_a_recording(here: Path, model: Generator, extracted: list[str]) -> None:
    generated()
    samples, rate = soundfile.read("take.wav")
    soundfile.write("take.wav", samples[::-1], rate)
    found = source.read(Path("take.wav"), model)
    assert found.codec_error_db is not None and "was changed after it was made" in found.notices[0]
    assert extracted == ["take.wav"]


def test_latents_that_are_damaged_or_of_another_codec_are_left(
    here: Path, model: Generator, extracted: list[str]
) -> None:
    generated()
    file = Path("take.latents")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2])
    assert "damaged" in source.read(Path("take.wav"), model).notices[0]
    kept = Controls((None,), {})
    stored.write(file, torch.zeros(1, 50, 4), kept, {"codec": "other"})
    model.weights["codec"] = "ours"
    assert "another codec" in source.read(Path("take.wav"), model).notices[0]
    assert len(extracted) == 2


def test_what_is_no_source(here: Path, model: Generator) -> None:
    with pytest.raises(UsageError, match=r"no lost\.wav"):
        source.read(Path("lost.json"), model)
    generated()
    Path("take.json").write_text("{")
    with pytest.raises(UsageError, match=r"record of take\.wav cannot be read"):
        source.read(Path("take.wav"), model)


@pytest.fixture
def extracted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stands in for extraction, which has tests of its own: chords of C all along."""
    from feature_extractors import run
    from flowmusic.annotations.annotation import Annotations

    calls: list[str] = []

    class Found(run.Extraction):
        annotations = Annotations(2.0, chords=((0.0, 2.0, "C"),))  # type: ignore[assignment]

    def extract(
        audio: object, extractors: object, use: Iterable[str], progress: Callable[[str], None]
    ) -> run.Extraction:
        assert set(use) <= set(run.TRACKS), "what cannot be heard is not listened for"
        calls.append("take.wav")
        return Found(2.0, None, None, None, None, None)

    monkeypatch.setattr(run, "extract", extract)
    return calls
