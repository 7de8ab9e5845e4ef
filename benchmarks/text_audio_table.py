"""A text-audio model on a corpus: ``python -m benchmarks.text_audio_table --corpus DIR --out DIR``.

Rows: ``truth`` (each clip with its own captions), ``shuffled`` (with those of the next clip: the floor) and, with
``--codec``, ``codec`` (round trips of the clips: what a generator's takes have at best).
Columns: ``text_cos``, and ``recall_at_1`` and ``recall_at_10`` of finding a clip by its caption among all clips, each
the mean over a clip's captions.  Below the table stands ``text_attr`` by attribute.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flowmusic import options
from flowmusic.errors import DONE, UsageError, guarded, reading_input
from flowmusic.options import Parser

if TYPE_CHECKING:
    from flowmusic.audio import Audio
    from flowmusic.metrics.text_audio import TextAudio

KS = (1, 10)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.text_audio_table", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="nano_text_audio", metavar="NAME|DIR")
    add("--corpus", type=options.existing_path, required=True, metavar="DIR")
    add("--split", choices=("train", "validation", "test"), default="test")
    add("--clips", type=options.integer("clips"), metavar="N", help="the first N clips of the split (all)")
    add("--codec", metavar="NAME|DIR", help="also judge the clips after this codec's round trip")
    add("--out", type=options.output_folder, required=True, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("text_audio_table", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Judge, and write OUT/text_audio.json and OUT/text_audio.md."""
    from flowmusic.corpus import reader
    from flowmusic.evaluate.test_set import round_trip
    from flowmusic.interop import bundle, model_files
    from flowmusic.metrics import report
    from flowmusic.metrics.normalise import derange
    from flowmusic.metrics.text_audio import TextAudio

    with reading_input():
        judge = TextAudio.load(args.model)
        codec = None if args.codec is None else bundle.load_codec(args.codec)
        clips = reader.clips(args.corpus, args.split, args.clips)
        if len(clips) < max(2, args.clips or 0):
            raise UsageError(f"the {args.split} split has {len(clips)} clips, {max(2, args.clips or 0)} are needed")
        labels = [clip.labels for clip in clips]
        audio = [_read(clip.audio) for clip in clips]
    others = derange(labels)
    systems = {report.TRUTH: (audio, labels), report.SHUFFLED: (audio, others)}
    if codec is not None:
        systems[report.CODEC] = ([round_trip(codec, take) for take in audio], labels)
    rows, attributes = {}, {}
    for system, (takes, wanted) in systems.items():
        rows[system], attributes[system] = score(judge, takes, wanted)
    notes = {
        "model": f"{args.model}, weights {model_files.fingerprint(args.model)[:12]}",
        "clips": f"{len(clips)} of {args.split}, whole; chance of recall_at_k is k / {len(clips)}",
        "text_attr": "balanced accuracy of recognised attributes, 0 is chance and 1 always right",
        **{
            f"text_attr of {system}": ", ".join(f"{name} {value:.2f}" for name, value in found.items())
            for system, found in attributes.items()
        },
    }
    args.out.mkdir(exist_ok=True)
    plain = {s: {k: v if v == v else None for k, v in found.items()} for s, found in attributes.items()}
    written = report.write(report.table(rows, notes), args.out, "text_audio", {"text_attr": plain})
    print(written.read_text(encoding="utf-8"))
    return DONE


def _read(path: Any) -> Audio:
    from flowmusic import audio as audio_tools

    return audio_tools.mono(audio_tools.read(path))


def score(
    judge: TextAudio, takes: Sequence[Audio], labels: Sequence[dict[str, Any]]
) -> tuple[list[dict[str, float]], dict[str, float]]:
    """Cosine and recall per take, and ``text_attr`` of all, where take n is wanted to be as labels n say."""
    import torch

    from flowmusic.metrics.text_audio import attribute_scores, hits

    heard = judge.embed_audio(takes)
    count = min(len(row["captions"]) for row in labels)
    columns = [judge.embed_text([row["captions"][n] for row in labels]) @ heard.T for n in range(count)]
    figures = {"text_cos": torch.stack([cosines.diagonal() for cosines in columns]).mean(0)}
    for k in KS:
        figures[f"recall_at_{k}"] = torch.stack([hits(cosines, k) for cosines in columns]).mean(0)
    rows = [{key: float(values[n]) for key, values in figures.items()} for n in range(len(takes))]
    return rows, attribute_scores(judge.nearest_answers(heard), labels)


if __name__ == "__main__":
    sys.exit(main())
