"""Style of a model on a corpus: ``python -m flowmusic.apps.style_table --model DIR --corpus DIR --out DIR``.

For each clip an excerpt is the style, and what is generated is compared with it.  Rows: ``text only`` (the clip's own
caption), ``style 1`` to ``style 6`` (the excerpt through so many levels of the bottleneck, without words),
``reference`` (another part of the same clip: the bound), ``other clip`` (the next clip: the floor).
Columns: similarity of the embedding, ``knn_common`` and ``knn_overfit`` (see ``flowmusic.metrics.style``).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmusic.apps import flags
from flowmusic.apps.cli import Parser
from flowmusic.apps.errors import DONE, UsageError, guarded, reading_input

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.style import Reference
    from flowmusic.types import Audio, Controls, Guidance

METRICS = ("similarity", "knn_common", "knn_overfit")
TEXT_ONLY, BOUND, FLOOR = "text only", "reference", "other clip"


@dataclass(frozen=True)
class Case:
    """A clip: its name and caption, the excerpt that is its style, and another part of it."""

    name: str
    caption: str
    excerpt: Audio
    rest: Audio


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m flowmusic.apps.style_table", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="nano", metavar="NAME|DIR")
    add("--corpus", type=flags.existing_path, required=True, metavar="DIR")
    add("--split", choices=("train", "validation", "test"), default="test")
    add("--clips", type=flags.integer(2, 10_000), default=24, metavar="N", help="clips whose style is asked for (24)")
    add("--reference-clips", type=flags.integer(2, 100_000), default=10_000, metavar="N", help="of the split (all)")
    add("--details", type=flags.names(tuple("123456")), default=frozenset("123456"), metavar="LIST", help="levels")
    add("--neighbours", type=flags.integer(1, 1000), default=10, metavar="K", help="of knn_common (10)")
    add("--guidance", type=flags.guidance, metavar="K=V,...")
    add("--steps", type=flags.steps)
    add("--batch", type=flags.integer(1, 256), default=8)
    add("--seed", type=flags.seed, default=0)
    add("--out", type=flags.output_folder, required=True, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("style_table", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Generate, compare, and write OUT/style.json and OUT/style.md."""
    from flowmusic.data import corpus
    from flowmusic.interop import bundle
    from flowmusic.metrics import report
    from flowmusic.metrics.style import CHUNK_SECONDS, EMBEDDING

    with reading_input():
        generator = bundle.load(args.model)
        if not generator.has_style:
            raise UsageError(f"{args.model} has no style control; train one with experiment=nano")
        clips = corpus.clips(args.corpus, args.split, args.reference_clips)
        if len(clips) < args.clips:
            raise UsageError(f"the {args.split} split has {len(clips)} clips, --clips asks for {args.clips}")
        reference = read_reference(clips)
        cases = [read_case(clip, generator.codec.rate) for clip in clips[: args.clips]]
    rows = compare(generator, cases, reference, args)
    details = "".join(sorted(args.details))
    notes = {
        "model": f"{args.model}, noise from seed {args.seed} upwards",
        "embedding": f"{EMBEDDING} on chunks of {CHUNK_SECONDS:g} s, cosine on the corpus' scale",
        "corpus": f"{len(reference.songs)} chunks of {len(set(reference.songs))} clips of {args.split}",
        "neighbours": f"K = {args.neighbours}; the excerpt's own clip is no neighbour of either",
        "style": f"3 s excerpts, levels {', '.join(details)}, no words; text only: the clip's own caption",
    }
    summary = report.table(rows, notes)
    args.out.mkdir(exist_ok=True)
    print(report.write(summary, args.out, "style", {"metrics": list(METRICS)}).read_text(encoding="utf-8"))
    return DONE


def read_reference(clips: Sequence) -> Reference:
    """Every chunk of every clip."""
    import torch
    from tqdm import tqdm

    from flowmusic import audio as audio_tools
    from flowmusic.metrics.style import Reference, chunks, mel_stats

    rows, songs = [], []
    for clip in tqdm(clips, desc="reference", file=sys.stderr):
        for part in chunks(audio_tools.mono(audio_tools.read(clip.audio))):
            rows.append(mel_stats(part))
            songs.append(clip.id)
    return Reference.of(torch.stack(rows), songs)


def read_case(clip, rate: int) -> Case:  # type: ignore[no-untyped-def]
    """The excerpt is the second chunk of 3 s; the other part begins a chunk after it."""
    from flowmusic import audio as audio_tools
    from flowmusic.metrics.style import chunks

    parts = chunks(audio_tools.mono(audio_tools.read(clip.audio, rate=rate)))
    if len(parts) < 4:
        raise UsageError(f"{clip.audio} has {len(parts)} chunks of 3 s; 4 are needed")
    captions = clip.labels["captions"]
    return Case(clip.id, captions[0], parts[1], parts[3])


def compare(
    generator: Generator, cases: Sequence[Case], reference: Reference, args: argparse.Namespace
) -> dict[str, list[dict[str, float]]]:
    """Scores of every system, one mapping a clip."""
    from flowmusic.metrics.style import chunks, mel_stats
    from flowmusic.types import Controls, Guidance, Style

    latents = style_features(generator, cases)
    guidance = Guidance.of(args.guidance or generator.defaults.guidance)
    wanted = {TEXT_ONLY: [Controls((case.caption,)) for case in cases]}
    for detail in sorted(args.details):
        wanted[f"style {detail}"] = [Controls((None,), {}, (Style(z, int(detail)),)) for z in latents]
    conditions = [mel_stats(case.excerpt) for case in cases]
    rows: dict[str, list[dict[str, float]]] = {}
    for system, controls in wanted.items():
        takes = generate(generator, controls, guidance, args, system)
        rows[system] = [
            _average(
                [_score(reference, condition, mel_stats(part), case.name, args.neighbours) for part in chunks(take)]
            )
            for condition, take, case in zip(conditions, takes, cases, strict=True)
        ]
    rows[BOUND] = [
        _score(reference, condition, mel_stats(case.rest), case.name, args.neighbours)
        for condition, case in zip(conditions, cases, strict=True)
    ]
    rows[FLOOR] = [
        _score(reference, condition, mel_stats(cases[(n + 1) % len(cases)].rest), case.name, args.neighbours)
        for n, (condition, case) in enumerate(zip(conditions, cases, strict=True))
    ]
    return rows


def style_features(generator: Generator, cases: Sequence[Case]) -> list[Tensor]:
    """What the model hears of each excerpt: latents ``[T', D]``."""
    from flowmusic.types import Audio

    return [generator.codec.encode(Audio(case.excerpt.samples[None], case.excerpt.rate))[0] for case in cases]


def generate(
    generator: Generator, controls: Sequence[Controls], guidance: Guidance, args: argparse.Namespace, name: str
) -> list[Audio]:
    """A take ``[C, N]`` per request; take n starts from noise of ``args.seed + n``.  ``name`` labels the bar."""
    from tqdm import tqdm

    from flowmusic.types import Audio, Controls

    takes: list[Audio] = []
    for first in tqdm(range(0, len(controls), args.batch), desc=name, file=sys.stderr):
        batch = Controls.stack(controls[first : first + args.batch])
        take = generator.generate(batch, guidance=guidance, steps=args.steps, seed=args.seed + first)
        takes += [Audio(samples, take.audio.rate) for samples in take.audio.samples]
    return takes


def _score(reference: Reference, condition: Tensor, output: Tensor, song: str, k: int) -> dict[str, float]:
    from flowmusic.metrics import style

    return {
        "similarity": style.similarity(reference, condition, output),
        "knn_common": style.knn_common(reference, condition, output, song, k),
        "knn_overfit": style.knn_overfit(reference, output, song),
    }


def _average(scores: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: sum(score[key] for score in scores) / len(scores) for key in METRICS}


if __name__ == "__main__":
    sys.exit(main())
