"""What `flowmusic extract` takes for recordings of any length: a Markdown table for docs/build.md.

``python benchmarks/long_recordings.py CORPUS [--minutes 1 5 20 60] [--rate 44100] [--folder DIR]``

The mixes of a corpus end to end, in stereo, as one FLAC file of each length.  Peak memory is the resident set of the
whole process at its highest; the first row is a process that has loaded everything and heard two seconds.  Time is
that of the processor, which a busy machine hardly changes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from itertools import cycle
from pathlib import Path

import numpy as np
import soundfile

from flowmusic import audio as audio_tools


def render(mixes: list[Path], seconds: float, rate: int, path: Path) -> None:
    """So many seconds of mixes, each turned a little to one side."""
    left = round(seconds * rate)
    with soundfile.SoundFile(path, "w", rate, 2, subtype="PCM_16") as file:
        for number, mix in enumerate(cycle(mixes)):
            samples = audio_tools.mono(audio_tools.read(mix, rate=rate)).samples[0].numpy()[:left]
            side = 0.1 * np.sin(number)
            file.write(np.stack([(1.0 - side) * samples, (1.0 + side) * samples], 1))
            left -= len(samples)
            if left <= 0:
                return


def measure(path: Path, out: Path) -> tuple[float, float, dict]:
    """Peak resident set in MB, processor time in seconds, and the controls of one extraction."""
    command = [sys.executable, "-m", "flowmusic.apps.cli", "extract", str(path), "--out", str(out)]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"extract failed on {path}")
    return usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, json.loads((out / "controls.json").read_text())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of `flowmusic corpus`")
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 5, 20, 60])
    parser.add_argument("--rate", type=int, default=44_100)
    parser.add_argument("--folder", type=Path, help="where to work; default: a temporary one")
    options = parser.parse_args()
    mixes = sorted(path for path in options.corpus.rglob("*.flac") if "." not in path.stem)
    if not mixes:
        raise SystemExit(f"no mixes under {options.corpus}; make some with flowmusic corpus")
    print("| minutes | peak memory | more than for 2 s | processor time | for a minute | chords, notes, onsets |")
    print("|---|---|---|---|---|---|")
    least = 0.0
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for minutes in [2 / 60, *options.minutes]:
            path = Path(folder) / f"{minutes:g}.flac"
            render(mixes, 60 * minutes, options.rate, path)
            peak, seconds, found = measure(path, Path(folder) / f"{minutes:g}.controls")
            least = least or peak
            counts = f"{len(found['chords'])}, {len(found['melody'])}, {len(found['drums']['onsets'])}"
            print(
                f"| {minutes:.3g} | {peak:.0f} MB | {peak - least:.0f} MB | {seconds:.0f} s | "
                f"{seconds / minutes:.1f} s | {counts} |",
                flush=True,
            )
            path.unlink()


if __name__ == "__main__":
    main()
