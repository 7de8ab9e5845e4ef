"""Clips of a corpus after a codec's round trip, with their labels, as a corpus of its own.

The chord recogniser judges generated audio, which is decoded from a codec's latents; so it is trained on, and compared
by, such audio too.

    python benchmarks/codec_round_trips.py --corpus DIR --out DIR [--split train] [--clips 300] [--codec nano2_codec]
"""

from __future__ import annotations

import argparse
import shutil
import sys
from pathlib import Path

from flowmusic.audio import Audio, mono, resample
from flowmusic.corpus.reader import SPLITS
from flowmusic.evaluate.test_set import round_trip
from flowmusic.interop.bundle import load_codec


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", choices=SPLITS, default="train")
    parser.add_argument("--clips", type=int, default=300, help="the first so many of the split (default: %(default)s)")
    parser.add_argument("--codec", default="nano2_codec")
    args = parser.parse_args()
    paths = sorted((args.corpus / args.split).glob("*.json"))[: args.clips]
    if not paths:
        print(f"error: no clips in {args.corpus / args.split}; give a folder of `flowmusic corpus`", file=sys.stderr)
        return 2
    codec = load_codec(args.codec)
    folder = args.out / args.split
    folder.mkdir(parents=True, exist_ok=True)
    for path in paths:
        label = folder / path.name
        if label.exists():  # written last
            continue
        audio = resample(mono(Audio.read(path.with_suffix(".flac"))), codec.rate)
        round_trip(codec, audio).write(folder / f"{path.stem}.flac")
        shutil.copyfile(path, label)
    print(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
