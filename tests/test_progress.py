"""What a command says while it works."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmusic import progress
from flowmusic.progress import Bar, TimeLeft, in_words, over, quieted


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    fake = Clock()
    monkeypatch.setattr(progress, "clock", fake)
    return fake


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_no_time_left_is_told_from_the_first_steps_and_it_never_jumps(clock: Clock) -> None:
    """A first step of a minute (of 100) would make an hour and a half of what takes 99 s."""
    left = TimeLeft()
    clock.now += 60.0
    left.seen(1)
    estimates = []
    for step in range(2, 101):
        clock.now += 1.0
        left.seen(step)
        estimates.append(left.seconds(100))
    assert estimates[:2] == [None, None] and estimates[2] == pytest.approx(96.0)
    assert estimates[2:] == [pytest.approx(100.0 - step) for step in range(4, 101)]
    assert left.seconds(None) is None


@given(st.lists(st.floats(0.5, 2.0), min_size=30, max_size=400), st.floats(0.0, 100.0))
def test_a_time_left_stays_near_the_truth(steps: list[float], first_s: float) -> None:
    """Steps of 0.5 to 2 s: no estimate is beyond four times what is really left, whatever the first step took."""
    clock = Clock()
    before, progress.clock = progress.clock, clock
    try:
        left = TimeLeft()
        clock.now += first_s
        left.seen(1)
        for n, step in enumerate(steps, start=2):
            clock.now += step
            left.seen(n)
            told, truth = left.seconds(len(steps) + 1), sum(steps[n - 1 :])
            assert told is None or truth / 4 - 1e-6 <= told <= truth * 4 + 1e-6
    finally:
        progress.clock = before
    assert len(left.samples) <= progress.SAMPLES


def test_a_change_of_pace_is_followed(clock: Clock) -> None:
    """What lay ready is counted in no time; then each clip takes 10 s."""
    left = TimeLeft()
    left.seen(500)
    for step in range(501, 521):
        clock.now += 10.0
        left.seen(step)
    assert left.seconds(620) == pytest.approx(1000.0)


def test_times_in_words() -> None:
    assert [in_words(s) for s in (0.1, 5, 31, 61, 600, 5400, 9100, 36000)] == [
        "5 s", "5 s", "35 s", "2 min", "10 min", "1.5 h", "2.5 h", "10 h",
    ]  # fmt: skip


def test_a_log_gets_a_line_now_and_then(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("rendering", "clip", 600) as bar:
        for _ in range(600):
            clock.now += 1.0
            bar.note("2 x real time")
            bar.update()
    err = capsys.readouterr().err
    assert "\r" not in err
    lines = err.splitlines()
    # After 5, 15, 35, 75 seconds, then every minute, and at the end.
    assert len(lines) == 4 + 8 + 1
    assert lines[0] == "rendering: 5/600 clips, 2 x real time, about 10 min left"
    assert lines[-1] == "rendering: 600 clips in 10 min"


def test_what_is_soon_over_leaves_no_line(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with Bar("generating", "eval") as bar:
        for done in range(1, 5):
            clock.now += 1.0
            bar.to(done, 4)
    assert list(over([1, 2, 3], "reading", "file")) == [1, 2, 3]
    with pytest.raises(ValueError), Bar("reading", "file", ends=True):
        raise ValueError("an error has the last word")
    assert capsys.readouterr().err == ""
    with Bar("looking", "file", 2, ends=True) as bar:
        bar.update(2)
    assert capsys.readouterr().err == "looking: 2 files in 0 s\n"


def test_a_terminal_gets_a_bar_that_goes_away(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with Bar("generating", "eval") as bar:
        bar.to(1, 12)
        bar._drawn.refresh()
        first = terminal.getvalue()
        for done in range(2, 12):
            clock.now += 1.0
            bar.to(done)
        bar.note("loss 1.5")
        bar._drawn.refresh()
    assert "1/12 eval" in first and "left" not in first
    assert "11/12 eval" in terminal.getvalue() and ", about 5 s left, loss 1.5]" in terminal.getvalue()
    assert terminal.getvalue().rstrip(" ").endswith("\r")


def test_quiet_is_quiet_also_for_libraries_and_children(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="told later"), quieted():
        print("a notice", file=sys.stderr)
        os.write(2, b"a library in C\n")
        subprocess.run([sys.executable, "-c", "import sys; sys.stderr.write('a child')"], check=True)
        print("a result")
        with Bar("work", "step", 3):
            raise ValueError("told later")
    print("an error", file=sys.stderr)
    with quieted(False):
        os.write(2, b"a warning\n")
    out, err = capfd.readouterr()
    assert (out, err) == ("a result\n", "an error\na warning\n")


LONG = (
    ["generate", "a beat", "--seconds", "1", "--out", "take.wav"],
    ["extract", "tone.wav"],
    ["invert", "tone.wav", "--token", "dusk"],
    ["data", "scan", "."],
    ["build", "manifest=manifest.jsonl", "out=shards"],
    ["evaluate", "model=nano", "data=folder", "corpus=.", "out=eval"],
    ["train", "experiment=nano", "latents=latents", "dry_run=true"],
    ["corpus", "--hours", "0.01", "--seed", "1", "--out", "corpus"],
)

CHECK = """
import sys
class Heavy:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "numpy") or name.startswith("multiprocessing.popen"):
            sys.stderr.write(f"{name} is loaded\\n")
            sys.stderr.flush()
            import os
            os._exit(9)
sys.meta_path.insert(0, Heavy())
from flowmusic.apps.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("argv", LONG, ids=lambda argv: argv[0])
def test_a_long_command_speaks_before_anything_heavy_is_loaded(argv: list[str], tmp_path: Path, root: Path) -> None:
    (tmp_path / "tone.wav").write_bytes(b"RIFF")
    (tmp_path / "manifest.jsonl").write_text("")
    done = subprocess.run(
        [sys.executable, "-c", CHECK, *argv], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(root)},
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 9, done.stderr
    lines = done.stderr.splitlines()
    assert lines[0] == f"flowmusic {argv[0]}: loading libraries, which takes some seconds"
    assert lines[1].endswith(" is loaded") and done.stdout == ""
