"""``python -m flowmusic.apps.build --corpus DIR --out DIR``: latents and controls of a corpus for field training."""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.data.build import DrumExtractor
    from flowmusic.types import Codec


def make(codec_name: str) -> tuple[Codec, DrumExtractor]:
    """Codec and drum extractor of a worker process."""
    from feature_extractors.drums import Drums
    from flowmusic.interop.bundle import load_codec

    return load_codec(codec_name), Drums(separate=False)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m flowmusic.apps.build", description=__doc__)
    parser.add_argument("--corpus", required=True, metavar="DIR", help="written by flowmusic corpus --stems drums")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the store")
    parser.add_argument("--codec", default="nano_codec", metavar="NAME|DIR", help="codec bundle (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = parser().parse_args(argv)
    if args.workers < 1:
        print(f"error: --workers must be at least 1, got {args.workers}", file=sys.stderr)
        return 2
    from flowmusic.data.build import build
    from flowmusic.interop.bundle import ModelError

    try:
        build(args.corpus, args.out, functools.partial(make, args.codec), workers=args.workers)
    except (FileNotFoundError, ModelError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(args.out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
