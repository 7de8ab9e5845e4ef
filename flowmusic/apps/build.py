"""``python -m flowmusic.apps.build --corpus DIR --out DIR``: latents and controls of a corpus for field training.

With ``--drums codes`` the drum control is JASCO's, the first codebook of the codec: one of ours, or an EnCodec, whose
latents are then stored.
With ``--style-features mert:SOURCE`` MERT features are stored as well, for models whose style hears them.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.apps import flags
from flowmusic.apps.cli import Parser
from flowmusic.apps.errors import DONE, UsageError, guarded, reading_input

if TYPE_CHECKING:
    from flowmusic.codec.encodec import EncodecCodec
    from flowmusic.codec.latent import LatentCodec
    from flowmusic.data.build import DrumExtractor, StyleSource
    from flowmusic.types import Audio, Codec, FrameGrid, Track


@dataclass(frozen=True)
class DrumCodes:
    """JASCO's drum control of a drum stem."""

    codec: EncodecCodec | LatentCodec

    def __call__(self, audio: Audio, grid: FrameGrid) -> Track:
        from flowmusic.controls.drums import codes_to_track

        return codes_to_track(self.codec.first_codes(audio)[0], grid)


def make(codec_name: str, drums: str) -> tuple[Codec, DrumExtractor]:
    """Codec and drum extractor of a worker process.  Raises: ModelError."""
    from feature_extractors.drums import Drums
    from flowmusic.interop import bundle, encodec, jasco

    if drums == "onsets":
        return bundle.load_codec(codec_name), Drums(separate=False)
    ours = codec_name in bundle.available() or (Path(codec_name) / "config.yaml").is_file()
    codec = bundle.load_codec(codec_name) if ours else encodec.load(codec_name, jasco.LATENT_MEAN, jasco.LATENT_STD)
    return codec, DrumCodes(codec)


def style_source(given: str | None, layer: int | None) -> StyleSource | None:
    """What ``--style-features`` and ``--style-layer`` ask for, once its weights are known to be good.

    Raises: UsageError for another kind, or a layer of nothing; ModelError.
    """
    from flowmusic.data.build import StyleSource
    from flowmusic.interop.mert import HUB_NAME, KIND, Mert

    if given is None:
        if layer is not None:
            raise UsageError("--style-layer is for --style-features, which is not given")
        return None
    kind, _, source = given.partition(":")
    if kind != KIND or not source:
        raise UsageError(f"--style-features must be {KIND}:SOURCE, such as {KIND}:{HUB_NAME}, got {given!r}")
    Mert(source, layer).load()
    settings = {"kind": kind, "source": source, "layer": layer}
    return StyleSource(settings, functools.partial(Mert, source, layer, quiet=True))


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m flowmusic.apps.build", description=__doc__)
    parser.add_argument("--corpus", required=True, metavar="DIR", help="written by flowmusic corpus --stems drums")
    parser.add_argument("--out", required=True, type=flags.output_folder, metavar="DIR", help="folder of the store")
    parser.add_argument("--codec", default="nano_codec", metavar="NAME|DIR", help="default: %(default)s")
    parser.add_argument("--drums", choices=("onsets", "codes"), default="onsets", help="drum control (onsets)")
    parser.add_argument("--style-features", metavar="mert:SOURCE", help="what style hears: MERT, folder or hub id")
    parser.add_argument("--style-layer", type=flags.integer(0, 1024), metavar="N", help="of MERT (the last)")
    parser.add_argument("--workers", type=flags.integer(1, 1024), default=2, metavar="N", help="processes (2)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("build", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Write the store and print its folder."""
    from flowmusic.data.build import build

    with reading_input():
        style = style_source(args.style_features, args.style_layer)
        maker = functools.partial(make, args.codec, args.drums)
        build(args.corpus, args.out, maker, workers=args.workers, style=style)
    print(args.out)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
