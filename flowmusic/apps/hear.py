"""``python -m flowmusic.apps.hear --store DIR --corpus DIR``: what a text-audio model makes of the clips of a store.

For training with text=mixed or text=audio, where the sound of a clip stands for captions that it lacks.  A split that
was heard by the same model is left as it is.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from flowmusic.apps import flags
from flowmusic.apps.cli import Parser
from flowmusic.apps.errors import DONE, UsageError, guarded, reading_input

SPLITS = ("train", "validation")


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m flowmusic.apps.hear", description=__doc__)
    add = parser.add_argument
    add("--store", required=True, type=flags.existing_path, metavar="DIR", help="of python -m flowmusic.apps.build")
    add("--corpus", required=True, type=flags.existing_path, metavar="DIR", help="that the store was built from")
    add("--model", default="nano_text_audio", metavar="NAME|DIR|clap:DIR", help="text-audio model (%(default)s)")
    add("--threads", type=flags.integer(1, 1024), metavar="N", help="CPU threads")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("hear", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Write ``heard-<split>.safetensors`` into the store and print each file."""
    import torch
    from tqdm import tqdm

    from flowmusic import audio
    from flowmusic.data import corpus, heard
    from flowmusic.interop import joint
    from flowmusic.model.joint import WINDOW_SECONDS, hear

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    with reading_input():
        network = joint.load(args.model)
        settings = {
            "model": args.model,
            "sha256": joint.fingerprint(args.model),
            "window_seconds": WINDOW_SECONDS,
        }
        splits = [split for split in SPLITS if (args.store / f"{split}.json").is_file()]
        if not splits:
            raise UsageError(f"{args.store} is no store of latents; make one with python -m flowmusic.apps.build")
    for split in splits:
        ids = [clip["id"] for clip in json.loads((args.store / f"{split}.json").read_text(encoding="utf-8"))["clips"]]
        before = heard.HeardClips.read(args.store, split, ids)
        path = heard.path_of(args.store, split)
        if before is None or before.settings != settings or None in before.vectors:
            with reading_input():
                files = {clip.id: clip.audio for clip in corpus.clips(args.corpus, split)}
                strangers = [name for name in ids if name not in files]
                if strangers:
                    raise UsageError(
                        f"the {split} split of {args.corpus} has no clip {strangers[0]!r} of the store; "
                        "give the corpus that the store was built from"
                    )
            progress = tqdm(ids, desc=f"hearing {split}", file=sys.stderr)
            vectors = {name: hear(network, audio.read(files[name])) for name in progress}
            heard.write(args.store, split, vectors, settings)
        print(path)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
