"""``python -m feature_extractors PATH [--out DIR] [--use LIST] [--jobs N] [--again]``: audio to controls.

PATH is a file or a folder; one line per result goes to stdout, progress to stderr.  Exit code 2: the input is wrong;
1: a result cannot be written.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m feature_extractors", description="Recordings to controls.")
    parser.add_argument("path", type=Path, help="an audio file, or a folder of them")
    parser.add_argument("--out", type=Path, help="where to write; default: NAME.controls beside each file")
    parser.add_argument("--use", default="chords,melody,drums,beats", help="controls to extract, by commas")
    parser.add_argument("--jobs", type=int, default=1, help="worker processes, for a folder")
    parser.add_argument("--again", action="store_true", help="redo files that are finished")
    options = parser.parse_args(argv)

    from feature_extractors import run
    from flowmusic import disk

    use = tuple(name.strip() for name in options.use.split(",") if name.strip())
    try:
        if options.path.is_dir():
            done = run.extract_folder(options.path, options.out, options.jobs, use, options.again)
        else:
            done = [run.extract_file(options.path, options.out, use=use, progress=lambda s: print(s, file=sys.stderr))]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"error: {disk.told(error)}", file=sys.stderr)
        return 1
    for folder in done:
        print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
