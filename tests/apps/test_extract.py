"""`flowmusic extract`: a folder that is whole, that replaces an old one, and that `generate` takes."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from feature_extractors import separators
from flowmusic.annotations import plot
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.apps import extract
from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator
from tests.apps.conftest import RATE, clicks, tone

Write = Callable[[str, torch.Tensor], Path]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The light recognisers: what is tested here is the command, not the recognition."""
    from feature_extractors import run, stems
    from feature_extractors.madmom import compat
    from feature_extractors.melody import Melody

    monkeypatch.setattr(compat, "available", lambda: False)
    monkeypatch.setattr(separators, "best_available", stems.HarmonicPercussive)
    monkeypatch.setattr(run, "Melody", lambda: Melody(model="harmonic"))


def song(seconds: float = 3.0) -> torch.Tensor:
    chord = 0.15 * (tone(261.63, seconds) + tone(329.63, seconds) + tone(392.0, seconds))
    return chord + 0.7 * clicks([0.5 * n for n in range(int(2 * seconds))], seconds)


pytestmark = pytest.mark.usefixtures("quick")


def test_a_folder_with_json_stem_and_picture(here: Path, wav: Write, capsys: pytest.CaptureFixture[str]) -> None:
    wav("song.wav", song())
    assert main(["extract", "song.wav"]) == 0
    out, err = capsys.readouterr()
    folder = Path("song.controls")
    files = ["controls.json", "drums.wav", "controls.png"]
    assert out.splitlines() == [str(folder / name) for name in files]
    assert sorted(path.name for path in folder.iterdir()) == sorted(files)
    assert sorted(path.name for path in here.iterdir()) == ["song.controls", "song.wav"]
    data = json.loads((folder / "controls.json").read_text())
    assert data["source"] == "song.wav" and data["seconds"] == 3.0 and data["frame_rate"] == 25
    assert data["drums"]["stem"] == "drums.wav" and len(data["drums"]["onsets"]) >= 5
    assert data["chords"][0][2].startswith("C") and "note: " not in err  # chords need no extra package
    assert (folder / "controls.png").read_bytes().startswith(b"\x89PNG")
    assert ControlsFile.read(folder).annotations.seconds == 3.0


def test_what_was_extracted_can_be_used(
    here: Path, wav: Write, model: Generator, ears: object, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("song.wav", song())
    assert main(["extract", "song.wav", "--out", "controls"]) == 0
    assert main(["generate", "t", "--controls", "controls", "--use", "drums", "--seconds", "2", "--quiet"]) == 0
    record = json.loads(Path("take.json").read_text())
    assert len(record["controls"]["drums"]["onsets"]) >= 3
    assert record["controls"]["sources"] == {"drums": os.path.join("controls", "drums.wav")}


def test_an_old_folder_is_replaced_file_by_file(here: Path, wav: Write) -> None:
    wav("song.wav", song())
    assert main(["extract", "song.wav", "--out", "c"]) == 0
    (here / "c" / "notes.txt").write_text("mine")
    wav("quiet.wav", torch.zeros(RATE))
    assert main(["extract", "quiet.wav", "--out", "c"]) == 0
    # No drums in silence: the stem of the song before must not stay beside the new JSON.
    assert sorted(path.name for path in (here / "c").iterdir()) == ["controls.json", "controls.png", "notes.txt"]
    data = json.loads((here / "c" / "controls.json").read_text())
    assert data["source"] == "quiet.wav" and data["drums"] == {"onsets": [], "stem": None}


def test_a_failure_leaves_nothing(
    here: Path, wav: Write, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    wav("song.wav", song(1.0))

    def fail(picture: object, path: object) -> Path:
        raise RuntimeError("no ink")

    monkeypatch.setattr(plot, "draw", fail)
    assert main(["extract", "song.wav"]) == 1
    assert "no ink" in capsys.readouterr().err
    assert [path.name for path in here.iterdir()] == ["song.wav"]


def test_stereo_at_another_rate(here: Path) -> None:
    import soundfile

    samples = song(1.0).numpy()
    soundfile.write("stereo.flac", np.stack([samples, 0.5 * samples], 1), 22_050)
    assert main(["extract", "stereo.flac"]) == 0
    data = json.loads(Path("stereo.controls/controls.json").read_text())
    assert data["seconds"] == pytest.approx(RATE / 22_050, abs=1e-3)


def test_default_folder_of_a_bare_name() -> None:
    assert extract.default_folder(Path("song.tar.wav")) == Path("song.tar.controls")


# The picture


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ("C", "C7", True),
        ("C", "Cm", False),
        ("Db", "C#", True),
        ("N", "C", False),
        ("Cmaj7", "C", True),
        ("G", "D", False),
    ],
)
def test_chord_colours(first: str, second: str, same: bool) -> None:
    assert (plot.colour_of(first) == plot.colour_of(second)) is same


def test_chord_colours_are_told_apart() -> None:
    roots = ["C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B"]
    colours = [np.array(plot.colour_of(root + suffix)) for root in roots for suffix in ("", "m")]
    gaps = [abs(a - b).max() for i, a in enumerate(colours) for b in colours[:i]]
    assert min(gaps) > 0.05


@pytest.mark.parametrize("seconds", [0.2, 10.0, 700.0])
def test_pictures_of_any_length(seconds: float, here: Path) -> None:
    import matplotlib.image

    chords = ((0.0, seconds / 2, "Am7/G"), (seconds / 2, seconds, "N"))
    drums = DrumHits((0.1,))
    known = Annotations(
        seconds, beats=(0.0,), downbeats=(0.0,), chords=chords, melody=((0.0, seconds, 95),), drums=drums
    )
    path = plot.draw(plot.Picture("a_$b$.wav", known), "p.png")
    pixels = matplotlib.image.imread(path)
    assert pixels.shape[0] > 500 and pixels.shape[1] <= 60 * 110
    assert pixels[..., :3].std() > 0.02
    assert [p.name for p in here.iterdir()] == ["p.png"]


def test_an_empty_picture_says_so(here: Path) -> None:
    plot.draw(plot.Picture("nothing", Annotations(1.0)), "p.png")
    with pytest.raises(ValueError, match=r"got 0\.0 s"):
        plot.draw(plot.Picture("nothing", Annotations(0.0)), "q.png")
    assert not Path("q.png").exists()


def test_a_midi_file_says_exactly_what_it_holds(
    here: Path, capsys: pytest.CaptureFixture[str], model: Generator, ears: object
) -> None:
    from tests.controls import midi_bytes as b

    kit = b"".join(b.note(pitch, 480, channel=9) for pitch in (36, 38) * 4)
    (here / "tune.kar").write_bytes(b.smf(b.signature(3, 4) + b.tempo(90), b.name("Melody") + b.tune(), kit))
    (here / "tune.controls").mkdir()
    (here / "tune.controls" / "drums.wav").write_bytes(b"of another file")
    assert main(["extract", "tune.kar"]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == ["tune.controls/controls.json", "tune.controls/controls.png"]
    assert "note: the melody of tune.kar is the track 'Melody', which says" in err
    sheet = ControlsFile.read("tune.controls")
    assert sorted(path.name for path in Path("tune.controls").iterdir()) == ["controls.json", "controls.png"]
    beat = 60 / 90
    known = sheet.annotations
    assert (known.bpm, known.confidence, known.chords, sheet.source) == (90.0, {"bpm": 1.0}, None, "tune.kar")
    assert known.beats == pytest.approx([beat * n for n in range(9)], abs=1e-3)
    assert known.downbeats == pytest.approx([0.0, 3 * beat, 6 * beat], abs=1e-3)
    assert known.melody is not None and [row[2] for row in known.melody] == list(b.PITCHES)
    assert known.drums is not None and known.drums.onsets == pytest.approx([beat * n for n in range(8)], abs=1e-3)
    assert known.drums.classes is not None and len(known.drums.classes["kick"]) == 4
    assert main(["generate", "t", "--controls", "tune.controls", "--seconds", "2", "--quiet"]) == 0
    (here / "film.mid").write_bytes(b.smf(b.tune(500), division=0xE728))  # 40 parts of 25 frames a second
    assert main(["extract", "film.mid"]) == 0
    film = ControlsFile.read("film.controls").annotations
    assert (film.bpm, film.beats, film.melody and film.melody[1]) == (None, None, (0.5, 1.0, 69))
    assert "film.mid tells no beats, so no tempo is taken" in capsys.readouterr().err
    (here / "bad.mid").write_bytes(b"MThd")
    assert main(["extract", "bad.mid"]) == 2
    assert "cannot read bad.mid as MIDI: it ends within its header" in capsys.readouterr().err
    assert not (here / "bad.controls").exists()
