"""`flowmusic stream`: what it writes, what lines change, how it ends, and what it refuses."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic.apps import stream as command
from flowmusic.apps.cli import main
from flowmusic.facts import Facts
from flowmusic.generate.generator import Generator
from flowmusic.generate.stream import Change, Stream
from flowmusic.inputs.follow import Follower, Wishes, read_line
from flowmusic.studio import tags
from flowmusic.watermark.embed import embed
from flowmusic.watermark.pattern import id_of
from tests.generate.local import RATE, local_generator


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> Generator:
    """A model whose stream is made in no time."""
    from flowmusic.interop import bundle, model_files

    generator = local_generator()
    monkeypatch.setattr(model_files, "find", Path)
    monkeypatch.setattr(bundle, "load", lambda name, **more: generator)
    return generator


class Output(io.TextIOWrapper):
    """Standard output whose bytes are kept, and which is closed after so many."""

    def __init__(self, most: int | None = None) -> None:
        super().__init__(io.BytesIO())
        self.most = most
        self.handle = os.open(os.devnull, os.O_WRONLY)

    @property
    def buffer(self) -> Output:  # type: ignore[override]
        return self

    def write(self, data: bytes) -> int:  # type: ignore[override]
        taken: int = super().buffer.write(data)  # type: ignore[assignment]
        if self.most is not None and len(self.bytes()) > self.most:
            raise BrokenPipeError(32, "Broken pipe")
        return taken

    def bytes(self) -> bytes:
        held = super().buffer
        assert isinstance(held, io.BytesIO)
        return held.getvalue()

    def fileno(self) -> int:
        return self.handle


@pytest.mark.parametrize(("name", "seconds"), [("s.wav", 7.0), ("s.flac", 3.21), ("s.ogg", 5.0)])
def test_a_file_of_exactly_so_many_seconds(name: str, seconds: float, model: Generator, here: Path) -> None:
    assert main(["stream", "lofi", "--seconds", str(seconds), "--seed", "3", "--out", name, "--quiet"]) == 0
    written = soundfile.info(here / name)
    assert (written.frames, written.samplerate) == (round(seconds * RATE), RATE)
    assert [path.name for path in here.iterdir()] == [name]


def test_a_stream_is_marked_as_one_piece(model: Generator, here: Path) -> None:
    for out, more in (("plain.wav", ["--no-watermark"]), ("marked.wav", [])):
        flags = ["--seconds", "6", "--seed", "3", "--quiet", "--out", out]
        assert main(["stream", "lofi", *flags, *more]) == 0
    (old, _), (new, _) = (soundfile.read(name, always_2d=True) for name in ("plain.wav", "marked.wav"))
    whole = embed(old.T, RATE, id_of(model.name, 3)).T
    assert not np.array_equal(old, new) and np.abs(new - whole).max() < 4 / 2**15
    assert tags.read(Path("marked.wav"))["comment"].startswith(f"made by a model: {model.name}, seed 3")


def test_changes_are_made_at_their_bars_and_told(
    model: Generator, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, Change]] = []
    whole = Stream.next_block

    def next_block(self: Stream, change: Change | None = None, *more: object) -> object:
        if change is not None and change != Change():
            seen.append((self.bar, change))
        return whole(self, change, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Stream, "next_block", next_block)
    (here / "lines").write_text("# a remark\n\nchords: Am | F G\n")
    flags = ["--bpm", "240", "--mood-change", "6: dark, no drums", "--mood-change", "9:slow", "--follow", "lines"]
    assert main(["stream", "lofi", "--seconds", "12", "--seed", "3", "--out", "s.wav", *flags]) == 0
    assert [(bar, change.text) for bar, change in seen] == [(0, None), (5, "dark, no drums"), (8, "slow")]
    assert seen[1][1].facts == Facts(drums=False, mood="dark")
    harmony = seen[0][1].harmony
    assert harmony is not None and harmony(1) == ("F", "G")
    told = capsys.readouterr().err
    assert "bar 1: new chords" in told and "bar 6: dark, no drums" in told and "--seed 3" in told


def test_the_tempo_of_the_words_is_that_of_the_stream(
    model: Generator, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, words, more in (("a.wav", "fast lofi", []), ("b.wav", "lofi", ["--bpm", "140"]), ("c.wav", "lofi", [])):
        assert main(["stream", words, "--seconds", "2", "--seed", "3", "--out", name, *more]) == 0
        assert ("fast: the beat grid has 140 beats a minute" in capsys.readouterr().err) == (name == "a.wav")
    fast, said, usual = (soundfile.info(name).frames for name in ("a.wav", "b.wav", "c.wav"))
    assert fast == said == usual
    assert (soundfile.read("a.wav")[0] != soundfile.read("c.wav")[0]).any()


def test_standard_output_is_16_bit_samples_in_time(
    model: Generator, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = Output()
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["stream", "lofi", "--seconds", "1.5", "--seed", "3", "--out", "-", "--quiet"]) == 0
    heard = np.frombuffer(output.bytes(), "<i2")
    assert len(heard) == round(1.5 * RATE) and np.abs(heard).max() > 100
    assert not list(here.iterdir())


def test_a_terminal_is_no_loudspeaker(
    model: Generator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["stream", "lofi", "--out", "-"]) == 2
    assert "aplay" in capsys.readouterr().err


def test_a_reader_that_goes_ends_it(model: Generator, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    output = Output(most=1000)
    monkeypatch.setattr(sys, "stdout", output)
    assert main(["stream", "lofi", "--seed", "3", "--out", "-", "--quiet"]) == 0
    assert threading.active_count() < 10 and "flowmusic stream" not in [each.name for each in threading.enumerate()]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_file_is_whole(
    number: signal.Signals, model: Generator, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, before = Stream.next_block, signal.getsignal(number)

    def next_block(self: Stream, *more: object) -> object:
        if self.bar > 4:
            signal.raise_signal(number)
        return whole(self, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Stream, "next_block", next_block)
    assert main(["stream", "lofi", "--seed", "3", "--out", "s.wav", "--quiet"]) == 0
    assert soundfile.info(here / "s.wav").frames > 4 * RATE
    assert [path.name for path in here.iterdir()] == ["s.wav"] and signal.getsignal(number) is before


def test_stop_ends_a_stream_and_a_bad_line_does_not(
    model: Generator, here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = here / "lines"
    lines.write_text("")
    later = iter([b"", b"bpm: 90\nchords: H", b"\xff", b"m\ntext: rock\n", b"stop\n"])
    whole = Stream.next_block

    def next_block(self: Stream, *more: object) -> object:
        with lines.open("ab") as file:
            file.write(next(later))
        return whole(self, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(Stream, "next_block", next_block)
    assert main(["stream", "lofi", "--seed", "3", "--out", "s.wav", "--follow", "lines"]) == 0
    told = capsys.readouterr().err
    assert "line 1 of lines is passed over: the bpm of a stream stays" in told
    assert "line 2 of lines is passed over" in told and ": rock" in told


def test_standard_input_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    reading, writing = os.pipe()
    follower = Follower("-")
    monkeypatch.setattr(follower, "_handle", reading)
    assert follower.lines() == []
    os.write(writing, b"text: a\nsto")
    assert follower.lines() == [(1, "text: a")]
    os.write(writing, b"p\n")
    os.close(writing)
    assert follower.lines() == [(2, "stop")] and follower.lines() == []
    os.close(reading)


def test_a_line_without_an_end_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"text: " + b"a" * (3 << 20))
    with pytest.raises(ValueError, match=r"line 1 of .* has more than 1048576 bytes"):
        Wishes((), Follower(str(path)))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("bpm: 90", "the bpm of a stream stays"),
        ("meter: 3/4", "the meter of a stream stays"),
        ("louder", "'louder' is not understood; write one of: text: WORDS"),
        ("chords: 0:C 2:Am", "written in bars"),
        ("chords: C Hm", "Hm"),
        ("chords:", "empty"),
        ("stop: now", "not understood"),
    ],
)
def test_lines_that_say_nothing(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_line(line)


BAD: list[tuple[str, list[str], list[str]]] = [
    ("no place", [], ["--out", "--play"]),
    ("two places", ["--out", "-", "--play"], ["--play", "not allowed with"]),
    ("a suffix", ["--out", "s.mp3"], ["s.mp3", ".wav, .flac, .ogg"]),
    ("no folder", ["--out", "no/s.wav"], ["no", "create it first"]),
    ("bpm", ["--bpm", "0", "--out", "s.wav"], ["--bpm", "20", "400"]),
    ("meter", ["--meter", "four", "--out", "s.wav"], ["four", "4/4"]),
    ("slow bars", ["--bpm", "20", "--out", "s.wav"], ["a bar of 12.0 s", "--bpm"]),
    ("timed chords", ["--chords", "0:C", "--out", "s.wav"], ["in bars"]),
    ("unknown chord", ["--chords", "C Hm", "--out", "s.wav"], ["Hm"]),
    ("mood without a bar", ["--mood-change", "darker", "--out", "s.wav"], ["darker", "BAR: WORDS"]),
    ("mood at the beginning", ["--mood-change", "1: darker", "--out", "s.wav"], ["2 or more"]),
    ("mood of an odd digit", ["--mood-change", "²: darker", "--out", "s.wav"], ["BAR: WORDS"]),
    ("mood without words", ["--mood-change", "4:  ", "--out", "s.wav"], ["BAR: WORDS"]),
    ("mood twice", ["--mood-change", "4: a", "--mood-change", "4: b", "--out", "s.wav"], ["twice for one bar"]),
    ("no lines", ["--follow", "none", "--out", "s.wav"], ["file not found", "none"]),
    ("a folder of lines", ["--follow", ".", "--out", "s.wav"], ["folder"]),
    ("a bad line", ["--follow", "lines", "--out", "s.wav"], ["line 2 of lines", "the tempo of a stream stays"]),
    ("seconds", ["--seconds", "0", "--out", "s.wav"], ["--seconds"]),
    ("steps", ["--steps", "0", "--out", "s.wav"], ["--steps"]),
    ("seed", ["--seed", "-1", "--out", "s.wav"], ["--seed"]),
]


@pytest.mark.parametrize(("flags", "said"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_input_is_one_line(
    flags: list[str], said: list[str], model: Generator, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (here / "lines").write_text("text: a\ntempo: 3\n")
    assert main(["stream", "lofi", *flags]) == 2
    told = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(told) == 1 and len(told[0]) <= 500 and all(each in told[0] for each in said), told
    assert [path.name for path in here.iterdir()] == ["lines"]


def test_playing_needs_a_package(
    model: Generator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    assert main(["stream", "lofi", "--play"]) == 2
    assert "pip install 'flowmusic[play]'" in capsys.readouterr().err


def test_playing(model: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[np.ndarray] = []

    class Speaker:
        PortAudioError = OSError

        class OutputStream:
            def __init__(self, samplerate: int, channels: int, dtype: str) -> None:
                assert (samplerate, channels, dtype) == (RATE, 1, "float32")

            def __enter__(self) -> Speaker.OutputStream:
                return self

            def __exit__(self, *_: object) -> None:
                pass

            def write(self, block: np.ndarray) -> None:
                heard.append(block)

    monkeypatch.setattr(command, "_speaker", lambda: Speaker)
    assert main(["stream", "lofi", "--play", "--seconds", "1", "--seed", "2", "--quiet"]) == 0
    assert sum(map(len, heard)) == RATE and heard[0].shape[1] == 1
