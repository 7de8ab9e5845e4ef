"""What a piece costs by its length: until its file is there, until its scores are, processor time, and memory.

Runs the command as a person does, one length after the other, and prints Markdown.  Other work on the machine shows in
the seconds, hardly in processor time.

    python benchmarks/long_cost.py [--seconds 30 300 900] [MORE FLAGS OF flowmusic generate ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from flowmusic import options

REQUEST = ("warm lo-fi beat, rhodes", "--chords", "C Am F G", "--bpm", "90", "--seed", "3")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=options.seconds, nargs="+", default=[30.0, 300.0, 900.0])
    args, more = parser.parse_known_args()
    print("| length (s) | file after (s) | scores after (s) | processor time (s) | memory at most (GB) |")
    print("|---|---|---|---|---|")
    for seconds in args.seconds:
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "take.wav"
            flags = [*REQUEST, "--seconds", f"{seconds:g}", "--out", str(out), "--quiet", *more]
            began = time.time()
            made = subprocess.Popen([sys.executable, "-m", "flowmusic.apps.cli", "generate", *flags])
            _, status, used = os.wait4(made.pid, 0)
            if status:
                sys.exit(f"flowmusic generate ended with {os.waitstatus_to_exitcode(status)}")
            there, over = out.stat().st_mtime - began, time.time() - began
        spent = used.ru_utime + used.ru_stime
        # Kilobytes, as Linux counts.
        print(f"| {seconds:g} | {there:.0f} | {over:.0f} | {spent:.0f} | {used.ru_maxrss / 1e6:.2f} |", flush=True)


if __name__ == "__main__":
    main()
