"""Style against words: ``python -m benchmarks.guidance_map --model DIR --corpus DIR --clips N --out DIR``.

Each take gets the style excerpt of one clip and the caption of another, so the two pull in different directions, and
double guidance (MusicGen-Style, arXiv 2407.12563) says which is followed: alpha weighs both, beta the words within.
A cell of the map is one pair of weights, with the same excerpts, captions and noise as every other.

- ``style``: similarity of take and excerpt (``flowmusic.metrics.style``)
- ``text``: cosine of take and caption, minus its cosine with the caption of a third clip (``text_cos``)

Every cell is cached in OUT/cells, so a stopped run goes on where it was, and weights can be added later.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options, plain
from flowmusic.errors import DONE, guarded
from flowmusic.options import Parser

if TYPE_CHECKING:
    from torch import Tensor

    from benchmarks.style_table import Case
    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.style import Reference
    from flowmusic.metrics.text_audio import TextAudio
    from flowmusic.types import Controls

STYLE, TEXT = "style", "text"
OWN, OTHER = "the clip itself", "another clip"
LEAST_CLIPS = 4
"""One gives the excerpt, one the caption, one the caption that nobody asked for, and one neither."""
Scores = dict[str, float]


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.guidance_map", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="nano", metavar="NAME|DIR")
    add("--corpus", type=options.existing_path, required=True, metavar="DIR")
    add("--split", choices=("train", "validation", "test"), default="test")
    add("--clips", type=options.integer("clips", LEAST_CLIPS), default=24, metavar="N", help="takes a cell (24)")
    add("--reference-clips", type=options.integer("clips"), default=10_000, metavar="N", help="of the split (all)")
    add("--alphas", type=options.numbers("guidance"), default=(1.0, 2.0, 3.0, 5.0), metavar="LIST", help="1,2,3,5")
    add(
        "--betas", type=options.numbers("guidance"), default=(0.0, 1.0, 3.0, 5.0, 8.0), metavar="LIST", help="0,1,3,5,8"
    )
    add(
        "--detail",
        type=options.style_detail,
        metavar="N",
        help="levels of the style that pass, 1 to 6 (the model's own)",
    )
    add("--listener", default="nano_text_audio", metavar="NAME|DIR", help="text-audio model (nano_text_audio)")
    add("--steps", type=options.steps)
    add("--batch", type=options.integer("batch"), default=8)
    add("--seed", type=options.seed, default=0, help="take n of every cell starts from noise of seed + n (0)")
    add("--out", type=options.output_folder, required=True, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("guidance_map", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Generate, measure, and write OUT/guidance.json, OUT/guidance.md and OUT/guidance.png."""
    from benchmarks.style_table import generate, load
    from flowmusic.evaluate.adherence_table import open_cache
    from flowmusic.files import write_readable_json
    from flowmusic.interop import model_files
    from flowmusic.types import Guidance

    generator, listener, cases, reference = load(args)
    assert listener is not None  # --listener has a default
    settings = {
        "model": str(args.model),
        "weights_sha256": model_files.fingerprint(args.model),
        "listener": str(args.listener),
        "listener_sha256": model_files.fingerprint(args.listener),
        "split": args.split,
        "clips": [case.name for case in cases],
        "chunks": len(reference.songs),
        "detail": args.detail,
        "steps": args.steps or generator.defaults.steps,
        "solver": generator.defaults.solver,
        "seed": args.seed,
    }
    cache = open_cache(args.out, settings, "cells")
    cells = {(alpha, beta): cache / f"alpha{alpha:g}_beta{beta:g}.json" for alpha in args.alphas for beta in args.betas}
    said = listener.embed_text([case.caption for case in cases])
    missing = any(not file.exists() for file in cells.values())
    wanted = requests(generator, cases, args.detail) if missing else []
    for number, ((alpha, beta), file) in enumerate(cells.items(), start=1):
        if not file.exists():
            name = f"cell {number} of {len(cells)}, alpha {alpha:g}, beta {beta:g}"
            takes = generate(generator, wanted, Guidance.double(alpha, beta), args, name)
            write_readable_json(file, {"scores": measure(listener.embed_audio(takes), said, takes, cases, reference)})
    print(_report(args, cells, bounds(listener, said, cases, reference), settings))
    return DONE


def partner(case: int, count: int) -> tuple[int, int]:
    """Whose caption a take gets, and whose caption it is compared with beside: the next clip and the one after."""
    return (case + 1) % count, (case + 2) % count


def requests(generator: Generator, cases: Sequence[Case], detail: int | None) -> list[Controls]:
    """The style of every case with the words of its partner, the same for every cell."""
    from flowmusic.types import Controls

    words = [cases[partner(n, len(cases))[0]].caption for n in range(len(cases))]
    return [
        Controls((text,), {}, (generator.style(case.excerpt, detail),)) for text, case in zip(words, cases, strict=True)
    ]


def measure(
    heard: Tensor, said: Tensor, takes: Sequence[Audio], cases: Sequence[Case], reference: Reference
) -> list[Scores]:
    """``style`` and ``text`` of take n, which has the style of case n and the words of its partner.

    Args:
        heard, said: takes and captions as the listener embeds them, ``[N, E]`` of unit length.
    """
    from flowmusic.metrics.style import chunks, mel_stats, similarity

    rows = []
    for n, (take, case) in enumerate(zip(takes, cases, strict=True)):
        alike = [similarity(reference, case.sounds, mel_stats(part)) for part in chunks(take)]
        own, other = (float(heard[n] @ said[index]) for index in partner(n, len(cases)))
        rows.append({STYLE: sum(alike) / len(alike), TEXT: own - other})
    return rows


def bounds(listener: TextAudio, said: Tensor, cases: Sequence[Case], reference: Reference) -> dict[str, list[Scores]]:
    """What to compare cells with: recordings that do what both asked for, and recordings that do neither.

    ``the clip itself``: another part of the excerpt's clip for style, of the caption's clip for text.
    ``another clip``: a part of the clip after these two.
    """
    count = len(cases)
    heard = listener.embed_audio([case.rest for case in cases])

    def scores(whose: Sequence[int]) -> list[Scores]:
        return measure(heard[list(whose)], said, [cases[n].rest for n in whose], cases, reference)

    strangers = scores([(n + 3) % count for n in range(count)])
    styled, worded = scores(range(count)), scores([partner(n, count)[0] for n in range(count)])
    own = [{STYLE: s[STYLE], TEXT: w[TEXT]} for s, w in zip(styled, worded, strict=True)]
    return {OWN: own, OTHER: strangers}


def _report(
    args: argparse.Namespace,
    cells: Mapping[tuple[float, float], Path],
    beside: Mapping[str, list[Scores]],
    settings: Mapping[str, Any],
) -> str:
    """Gather the cells into JSON, markdown and the picture; returns the markdown."""
    from benchmarks.heat_map import Panel, draw
    from flowmusic.metrics import report
    from flowmusic.metrics.style import CHUNK_SECONDS, EMBEDDING

    scores = {cell: plain.read_json(file)["scores"] for cell, file in cells.items()}
    systems = {f"alpha {alpha:g}, beta {beta:g}": rows for (alpha, beta), rows in scores.items()}
    levels = f"{args.detail} levels" if args.detail else "the model's own levels"
    notes = {
        "model": f"{args.model}, {settings['solver']}, {settings['steps']} steps, noise from seed {args.seed} upwards",
        "requests": f"the excerpts of the first {args.clips} clips of {args.split} ({levels}), each with the caption "
        "of the clip after it",
        STYLE: f"similarity to the excerpt: {EMBEDDING} on chunks of {CHUNK_SECONDS:g} s, cosine on the corpus' scale",
        TEXT: f"cosine with the caption minus cosine with the one of the next clip but one, by {args.listener}",
        OWN: "another part of the excerpt's clip (style) and of the caption's clip (text)",
        OTHER: "a part of a clip that gives neither",
        "intervals": "95 % bootstrap over clips",
    }
    summary = report.table({**systems, **beside}, notes)
    means = {name: {key: cell.raw.mean for key, cell in row.items()} for name, row in summary.cells.items()}
    panels = [
        Panel(
            f"{title} (the clip itself {means[OWN][key]:.2f}, another {means[OTHER][key]:.2f})",
            [[means[f"alpha {alpha:g}, beta {beta:g}"][key] for beta in args.betas] for alpha in args.alphas],
        )
        for key, title in ((STYLE, "follows the style"), (TEXT, "follows the words"))
    ]
    extra = {"settings": dict(settings), "alphas": list(args.alphas), "betas": list(args.betas)}
    written = report.write(summary, args.out, "guidance", extra)
    draw(panels, ("alpha", args.alphas), ("beta", args.betas), args.out / "guidance.png", "Style against words")
    return written.read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
