"""Style of a model on a corpus: ``python -m benchmarks.style_table --model DIR --corpus DIR --out DIR``.

For each clip an excerpt is the style, and what is generated is compared with it.  Rows: ``text only`` (the clip's own
caption), ``style 1`` to ``style 6`` (the excerpt through so many levels of the bottleneck, without words),
``reference`` (another part of the same clip: the bound), ``other clip`` (the next clip: the floor).
With ``--pseudowords STEPS`` also ``pseudoword`` (learned from the clip's first nine seconds, said alone), ``starting
word`` (what it was learned from), ``random vectors`` (of the same norms), and the caption of the next clip without
(``other words``) and with the pseudoword (``other words, pseudoword``).
Columns: similarity of the embedding, ``knn_common`` and ``knn_overfit`` (see ``flowmusic.metrics.style``); with
``--listener`` also ``words``, the cosine with the words (the clip's own caption where none were said) above that with
the other clips' captions (``flowmusic.metrics.text_audio``).
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, guarded, reading_input
from flowmusic.options import Parser

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.style import Reference
    from flowmusic.metrics.text_audio import TextAudio
    from flowmusic.types import Controls, Guidance

METRICS = ("similarity", "knn_common", "knn_overfit")
WORDS = "words"
TEXT_ONLY, BOUND, FLOOR = "text only", "reference", "other clip"
OTHER_WORDS = "other words"
PSEUDOWORD, STARTING, RANDOM = "pseudoword", "starting word", "random vectors"


@dataclass(frozen=True)
class Case:
    """A clip: its name and caption, what a pseudoword learns from, the excerpt that is its style, and another part."""

    name: str
    caption: str
    source: Audio
    excerpt: Audio
    rest: Audio

    @functools.cached_property
    def sounds(self) -> Tensor:
        """What the excerpt sounds like, measured once for all takes that are compared with it."""
        from flowmusic.metrics.style import mel_stats

        return mel_stats(self.excerpt)


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m benchmarks.style_table", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="nano", metavar="NAME|DIR")
    add("--corpus", type=options.existing_path, required=True, metavar="DIR")
    add("--split", choices=("train", "validation", "test"), default="test")
    add("--clips", type=options.integer("clips"), default=24, metavar="N", help="clips whose style is asked for (24)")
    add("--reference-clips", type=options.integer("clips"), default=10_000, metavar="N", help="of the split (all)")
    add("--details", type=options.names(tuple("123456")), default=frozenset("123456"), metavar="LIST", help="levels")
    add("--timbre", type=options.style_timbre, metavar="S", help="how far it is matched (the model's own)")
    add("--pseudowords", type=options.integer("pseudoword_steps"), default=0, metavar="STEPS",
        help="of learning one a clip (0)")  # fmt: skip
    add("--neighbours", type=options.integer("neighbours"), default=10, metavar="K", help="of knn_common (10)")
    add("--listener", metavar="NAME|DIR", help="text-audio model that judges words, such as nano_text_audio")
    add("--guidance", type=options.guidance, metavar="K=V,...")
    add("--steps", type=options.steps)
    add("--batch", type=options.integer("batch"), default=8)
    add("--seed", type=options.seed, default=0)
    add("--out", type=options.output_folder, required=True, metavar="DIR")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("style_table", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Generate, compare, and write OUT/style.json and OUT/style.md."""
    from flowmusic.metrics import report
    from flowmusic.metrics.style import CHUNK_SECONDS, EMBEDDING

    generator, listener, cases, reference = load(args)
    rows = compare(generator, cases, reference, args, listener)
    details = "".join(sorted(args.details))
    notes = {
        "model": f"{args.model}, noise from seed {args.seed} upwards",
        "embedding": f"{EMBEDDING} on chunks of {CHUNK_SECONDS:g} s, cosine on the corpus' scale",
        "corpus": f"{len(reference.songs)} chunks of {len(set(reference.songs))} clips of {args.split}",
        "neighbours": f"K = {args.neighbours}; the excerpt's own clip is no neighbour of either",
        "style": f"3 s excerpts, levels {', '.join(details)}, no words; text only: the clip's own caption",
    }
    if args.pseudowords:
        notes["pseudowords"] = (
            f"at most {args.pseudowords} steps on the first 9 s; other words: the next clip's caption"
        )
    if listener is not None:
        notes[WORDS] = f"{args.listener}: cosine with the words above the mean cosine with the other clips' captions"
    summary = report.table(rows, notes)
    args.out.mkdir(exist_ok=True)
    metrics = [*METRICS, *([] if listener is None else [WORDS])]
    print(report.write(summary, args.out, "style", {"metrics": metrics}).read_text(encoding="utf-8"))
    return DONE


def load(args: argparse.Namespace) -> tuple[Generator, TextAudio | None, list[Case], Reference]:
    """The model, the listener where one is named, the first ``--clips`` cases, and the chunks of the whole split."""
    from flowmusic.corpus import reader
    from flowmusic.interop import bundle
    from flowmusic.metrics.text_audio import TextAudio

    with reading_input():
        generator = bundle.load(args.model)
        if not generator.has_style:
            raise UsageError(f"{args.model} has no style control; train one with experiment=nano")
        listener = None if args.listener is None else TextAudio.load(args.listener)
        clips = reader.clips(args.corpus, args.split, args.reference_clips)
        if len(clips) < args.clips:
            raise UsageError(f"the {args.split} split has {len(clips)} clips, --clips asks for {args.clips}")
        cases = [read_case(clip, generator.codec.rate) for clip in clips[: args.clips]]
        return generator, listener, cases, read_reference(clips)


def read_reference(clips: Sequence) -> Reference:
    """Every chunk of every clip."""
    import torch

    from flowmusic import audio as audio_tools
    from flowmusic.metrics.style import Reference, chunks, mel_stats

    rows, songs = [], []
    for clip in progress.over(clips, "reference", "clip"):
        for part in chunks(audio_tools.mono(audio_tools.read(clip.audio))):
            rows.append(mel_stats(part))
            songs.append(clip.id)
    return Reference.of(torch.stack(rows), songs)


def read_case(clip, rate: int) -> Case:  # type: ignore[no-untyped-def]
    """The excerpt is the second chunk of 3 s, the source the first three; the other part follows them."""
    from flowmusic import audio as audio_tools
    from flowmusic.audio import Audio
    from flowmusic.metrics.style import chunks

    recording = audio_tools.mono(audio_tools.read(clip.audio, rate=rate))
    parts = chunks(recording)
    if len(parts) < 4:
        raise UsageError(f"{clip.audio} has {len(parts)} chunks of 3 s; 4 are needed")
    captions = clip.labels["captions"]
    source = Audio(recording.samples[:, : sum(part.samples.shape[-1] for part in parts[:3])], recording.rate)
    return Case(clip.id, captions[0], source, parts[1], parts[3])


def compare(
    generator: Generator,
    cases: Sequence[Case],
    reference: Reference,
    args: argparse.Namespace,
    listener: TextAudio | None,
) -> dict[str, list[dict[str, float]]]:
    """Scores of every system, one mapping a clip."""
    from flowmusic.types import Controls, Style

    styles = [generator.style(case.excerpt) for case in cases]
    guidance = generator.defaults.guide(args.guidance)
    wanted = {TEXT_ONLY: [Controls((case.caption,)) for case in cases]}
    for detail in sorted(args.details):
        wanted[f"style {detail}"] = [
            Controls((None,), {}, (Style(s.features, int(detail), args.timbre),)) for s in styles
        ]
    if args.pseudowords:
        wanted.update(learned(generator, cases, args.pseudowords, args.seed))
    takes = {system: generate(generator, controls, guidance, args, system) for system, controls in wanted.items()}
    takes[BOUND] = [case.rest for case in cases]
    takes[FLOOR] = [other.rest for other in (*cases[1:], cases[0])]
    rows = {system: similarities(found, cases, reference, args.neighbours) for system, found in takes.items()}
    if listener is not None:
        captions = listener.embed_text([case.caption for case in cases])
        for system, found in takes.items():
            shift = int(system.startswith(OTHER_WORDS))  # whose caption was said
            for row, value in zip(rows[system], heeded(listener.embed_audio(found), captions, shift), strict=True):
                row[WORDS] = value
    return rows


def similarities(
    takes: Sequence[Audio], cases: Sequence[Case], reference: Reference, neighbours: int
) -> list[dict[str, float]]:
    """How alike take n and the excerpt of case n are, on average over the chunks of the take."""
    from flowmusic.metrics.style import chunks, mel_stats

    rows = []
    for take, case in zip(takes, cases, strict=True):
        parts = [_score(reference, case.sounds, mel_stats(part), case.name, neighbours) for part in chunks(take)]
        rows.append({key: sum(part[key] for part in parts) / len(parts) for key in METRICS})
    return rows


def heeded(heard: Tensor, captions: Tensor, shift: int) -> list[float]:
    """Cosine of take n with caption n + shift, above its mean cosine with the other captions.

    Shape: ``[N, E], [N, E]``, of unit length.
    """
    cosines = heard @ captions.T
    count = len(captions)
    own = [float(cosines[n, (n + shift) % count]) for n in range(count)]
    return [mine - (float(cosines[n].sum()) - mine) / (count - 1) for n, mine in enumerate(own)]


def learned(generator: Generator, cases: Sequence[Case], steps: int, seed: int) -> dict[str, list[Controls]]:
    """Requests by pseudowords: each is left among the model's concepts, under a name of its own."""
    import torch

    from flowmusic.train import invert
    from flowmusic.types import Controls

    text = invert.check_model(generator)
    names = (STARTING, RANDOM, PSEUDOWORD, OTHER_WORDS, f"{OTHER_WORDS}, {PSEUDOWORD}")
    rows: dict[str, list[Controls]] = {name: [] for name in names}
    for index, case in enumerate(progress.over(cases, "pseudowords", "case")):
        found = invert.invert(generator, [case.source], f"learned{index}", steps=steps, seed=seed)
        drawn = torch.Generator().manual_seed(seed + index)
        random = invert.random_like(found.concept, f"random{index}", drawn)
        text.concepts.update({concept.name: concept for concept in (found.concept, random)})
        said = f"<{found.concept.name}>"
        words = cases[(index + 1) % len(cases)].caption
        prompts = (f"{said}:0", f"<{random.name}>", said, words, f"{words}, {said}")
        for name, prompt in zip(names, prompts, strict=True):
            rows[name].append(Controls((prompt,)))
    return rows


def generate(
    generator: Generator, controls: Sequence[Controls], guidance: Guidance, args: argparse.Namespace, name: str
) -> list[Audio]:
    """A take ``[C, N]`` per request; take n starts from noise of ``args.seed + n``.  ``name`` labels the bar."""
    from flowmusic.audio import Audio
    from flowmusic.types import Controls

    takes: list[Audio] = []
    for first in progress.over(range(0, len(controls), args.batch), name, "batch"):
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


if __name__ == "__main__":
    sys.exit(main())
