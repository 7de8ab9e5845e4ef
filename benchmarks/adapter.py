"""What an adapter gives on the material it was trained on, and what it costs elsewhere.

``python benchmarks/adapter.py NAME=MODEL[,ADAPTER[:SCALE]...] ... --new DIR --other DIR --new-latents DIR
--other-latents DIR --reference DIR --out DIR`` compares models, the first of which is the base.  New and other are test
corpora (``flowmusic corpus --stems drums``), the latents hold validation clips, and the reference is a further test
corpus of the new material that no take is asked from.  It can be stopped: takes are kept in OUT.

Control scores are normalised by the base's no-skill takes and the reference recordings of the same clips
(docs/evaluate.md).  ``nearer`` is the share of takes whose nearest recording, by the statistics of their log-mel
spectra (no trained judge), is one of the reference and not one of as many of the other corpus; ``text-audio`` is the
cosine of nano_text_audio, which never heard the new material, with the mean of the reference, both less the mean
of the other.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.data.module import LatentData
from flowmusic.evaluate import adherence
from flowmusic.evaluate.cache import Store, Take, key_of
from flowmusic.evaluate.conditions import MODEL, TEXT_ONLY, Condition, Sampling
from flowmusic.evaluate.detectors import describe
from flowmusic.evaluate.generate import TakeGenerator
from flowmusic.evaluate.scorers import AdherenceScorer, listen
from flowmusic.evaluate.test_set import LabelledClip, read_clips
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, model_files
from flowmusic.interop.adapter import AdapterUse
from flowmusic.interop.model_files import codec_fingerprint
from flowmusic.metrics import fad, style
from flowmusic.metrics.normalise import Interval, bootstrap, bootstrap_norm
from flowmusic.metrics.report import SHUFFLED, TRUTH
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.train.dropout import Dropout
from flowmusic.train.flow import LitFlow
from flowmusic.types import TEXT

TRACKS = ("chords", "drums", "melody")
METRICS = ("chord_acc", "onset_f1", "melody_pc")
CONTROLS = frozenset({TEXT, *TRACKS, "beats"})
LOSS_WINDOWS = 48
DROPOUT = Dropout(0.1, 0.1, 0.15, {"chords": 0.3, "melody": 0.3, "drums": 0.3, "beats": 0.3}, feel_only=0.2)


@dataclass(frozen=True)
class Compared:
    """A row of the table: a model and what is added to it."""

    name: str
    model: str
    adapters: tuple[AdapterUse, ...]

    @staticmethod
    def parse(text: str) -> Compared:
        name, equals, rest = text.partition("=")
        model, *files = rest.split(",")
        if not equals or not model:
            raise argparse.ArgumentTypeError(f"{text!r} is not NAME=MODEL[,ADAPTER[:SCALE]...]")
        return Compared(name, model, tuple(options.adapter(file) for file in files))

    def load(self, precision: str) -> Generator:
        return bundle.load(self.model, precision=precision, adapters=self.adapters)

    def weights(self, generator: Generator) -> tuple[str, ...]:
        """All that a take depends on; scale 0 is the base."""
        applied = [f"{each['hash']}:{each['scale']:g}" for each in generator.adapters if each["scale"]]
        return (model_files.fingerprint(self.model), codec_fingerprint(generator.codec), *applied)


def losses(generator: Generator, latents: Path, windows: int) -> dict[str, list[float]]:
    """Flow-matching loss of single validation windows; the same windows, noise and dropout for every model."""
    shell = LitFlow(generator.encoder, generator.field, DROPOUT, torch.optim.SGD)  # type: ignore[arg-type]
    data = LatentData(str(latents), batch=1, validation_batches=windows, style_seconds=[1.5, 4.5])
    data.setup("fit")
    generator.encoder.text.remember(data.validation_store.captions(), latents)  # type: ignore[union-attr, operator]
    found = []
    with torch.no_grad():
        for number, batch in enumerate(data.val_dataloader()):
            found.append(float(shell.loss(batch, torch.Generator().manual_seed(number))))
    return {"losses": found}


class Ears:
    """How like the new material a recording sounds.

    Args:
        new, other: recordings to compare with, as many of each.
    """

    def __init__(self, new: Sequence[Audio], other: Sequence[Audio]) -> None:
        self.text_audio = TextAudio.load()
        names = [f"new {n}" for n in range(len(new))] + [f"other {n}" for n in range(len(other))]
        sounds = torch.stack([style.mel_stats(each) for each in (*new, *other)])
        self.reference = style.Reference.of(sounds, names)
        vectors = [self.text_audio.embed_audio(list(each)).mean(0) for each in (new, other)]
        self.middle, self.direction = vectors[1], vectors[0] - vectors[1]

    def nearer(self, audio: Audio) -> float:
        nearest = self.reference.songs[int(self.reference.order(style.mel_stats(audio))[0])]
        return float(nearest.startswith("new"))

    def words(self, audio: Audio) -> float:
        vector: Tensor = self.text_audio.embed_audio(audio)[0] - self.middle
        return float(torch.nn.functional.cosine_similarity(vector, self.direction, dim=0))


def recordings(folder: Path, count: int, seconds: float, rate: int) -> list[Audio]:
    """The beginnings of test clips, mono."""
    found = []
    for clip in reader.clips(folder, "test", count):
        sound = audio_tools.mono(audio_tools.read(clip.audio, rate=rate))
        found.append(Audio(sound.samples[..., : round(seconds * rate)], rate))
    return found


def sampling_of(generator: Generator) -> Sampling:
    given = generator.defaults
    return Sampling(dict(given.guidance), given.solver, given.steps, given.time_grid)


@dataclass(frozen=True)
class Judged:
    """What a corpus' clips gave: scores by clip, and takes, for a model's rows."""

    scores: Mapping[str, Sequence[Mapping[str, float]]]
    takes: Mapping[str, Sequence[Take]]


def judge(
    compared: Compared,
    generator: Generator,
    precision: str,
    clips: Sequence[LabelledClip],
    store: Store,
    floors: bool,
) -> Judged:
    """Takes with all controls (scored) and with words alone; with ``floors`` also no-skill takes and the truth."""
    weights = compared.weights(generator)
    studio = TakeGenerator(generator, weights, clips, generator.grid(), 0, 8, precision, store)
    ears = adherence.chord_recogniser(None)
    judges = [AdherenceScorer(adherence.listeners(ears), describe(chords=ears))]
    sampling, scored = sampling_of(generator), CONTROLS - {TEXT}
    systems = [Condition(MODEL, scored, CONTROLS, sampling=sampling)]
    systems += [Condition(TEXT_ONLY, frozenset(), frozenset({TEXT}), sampling=sampling)]
    if floors:
        systems += [Condition(SHUFFLED, frozenset({name}), CONTROLS, name, sampling) for name in TRACKS]
        systems += [Condition(TRUTH, scored)]
    scores: dict[str, list[dict[str, float]]] = {}
    takes: dict[str, list[Take]] = {}
    for system in systems:
        made = studio.record(system, range(len(clips)), lambda count: None)
        takes.setdefault(system.row, []).extend(made[row] for row in sorted(made))
        rows = scores.setdefault(system.row, [{} for _ in clips])
        for row, take in made.items():
            rows[row].update(listen(store, judges, system, clips[row], take).scores)
        print(f"{compared.name}: {system.name}", flush=True)
    return Judged(scores, takes)


def shown(interval: Interval | None, digits: int = 2) -> str:
    if interval is None or math.isnan(interval.mean):
        return "–"
    return f"{interval.mean:.{digits}f} [{interval.low:.{digits}f}, {interval.high:.{digits}f}]"


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("compared", nargs="+", type=Compared.parse, metavar="NAME=MODEL[,ADAPTER[:SCALE]...]")
    for name in ("new", "other", "reference", "new-latents", "other-latents"):
        parser.add_argument(f"--{name}", type=options.existing_path, required=True, metavar="DIR")
    parser.add_argument("--clips", type=options.integer("clips"), default=24, metavar="N", help="of each corpus (24)")
    parser.add_argument("--recordings", type=options.integer("clips"), default=40, metavar="N", help="references (40)")
    parser.add_argument("--windows", type=options.integer("clips"), default=LOSS_WINDOWS, metavar="N", help="of losses")
    parser.add_argument("--out", type=options.output_folder, required=True, metavar="DIR")
    parser.add_argument("--precision", choices=bundle.PRECISIONS, default="fp32", help="of the takes (fp32)")
    parser.add_argument("--losses-only", action="store_true", help="no takes")
    parser.add_argument("--threads", type=options.integer("threads"), default=1, metavar="N")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)

    first = args.compared[0].load(args.precision)
    grid, rate = first.grid(), int(first.codec.rate)  # type: ignore[attr-defined]
    clips = {name: read_clips(getattr(args, name), "test", args.clips, grid, rate) for name in ("new", "other")}
    load = partial(recordings, seconds=grid.seconds, rate=rate)
    # Not the clips that takes are asked from: nothing is to be compared with itself.
    new, other = load(args.reference, args.recordings), load(args.other, args.clips + args.recordings)[args.clips :]
    few = min(len(new), len(other))
    ears = Ears(new[:few], other[:few])
    targets = {
        "new": [fad.mfcc_patches(each) for each in new],
        "other": [fad.mfcc_patches(clip.audio) for clip in clips["other"]],
    }
    base: dict[str, Judged] = {}
    base_losses: dict[str, list[float]] = {}
    content: list[tuple[list[str], list[str], list[str]]] = []
    for compared in args.compared:
        generator = compared.load(args.precision)
        loss_row, new_row, other_row = [compared.name], [compared.name], [compared.name]
        for kind in ("new", "other"):
            latents = getattr(args, f"{kind}_latents")
            key = key_of("loss", compared.weights(generator), latents.name, args.windows)
            kept = Store(args.out / kind)
            found = kept.heard("loss", compared.name, key, partial(losses, generator, latents, args.windows))["losses"]
            base_losses.setdefault(kind, found)
            change = bootstrap([a - b for a, b in zip(found, base_losses[kind], strict=True)])
            loss_row += [f"{np.mean(found):.4f}", shown(change, 4)]
        for kind, row in () if args.losses_only else (("new", new_row), ("other", other_row)):
            store = Store(args.out / kind)
            judged = judge(compared, generator, args.precision, clips[kind], store, kind not in base)
            base.setdefault(kind, judged)
            for keep in (MODEL, TEXT_ONLY):
                sounds = [take.audio() for take in judged.takes[keep]]
                row.append(shown(fad.fad([fad.mfcc_patches(each) for each in sounds], targets[kind]), 1))
                if kind == "new":
                    row += [shown(bootstrap([heard(each) for each in sounds])) for heard in (ears.nearer, ears.words)]
            for metric in METRICS:
                made, floor, best = (
                    [clip.get(metric, math.nan) for clip in scores]
                    for scores in (judged.scores[MODEL], base[kind].scores[SHUFFLED], base[kind].scores[TRUTH])
                )
                row.append(shown(bootstrap_norm(made, floor, best)))
        content.append((loss_row, new_row, other_row))
        for row in content[-1]:
            print("  ".join(row), flush=True)
    if args.losses_only:
        return
    anchors = {
        "truth": [take.audio() for take in base["new"].takes[TRUTH]],
        "other": [clip.audio for clip in clips["other"]],
    }
    told = [
        [name, shown(fad.fad([fad.mfcc_patches(each) for each in sounds], targets["new"]), 1)]
        + [shown(bootstrap([heard(each) for each in sounds])) for heard in (ears.nearer, ears.words)]
        for name, sounds in anchors.items()
    ]
    heads = (
        ["", "loss, new", "change", "loss, other", "change"],
        ["new", "FAD", "nearer", "text-audio", "FAD, text only", "nearer", "text-audio", *METRICS],
        ["other", "FAD", "FAD, text only", *METRICS],
    )
    tables = [table(head, [rows[n] for rows in content]) for n, head in enumerate(heads)]
    tables.append(table(["recordings", "FAD to new", "nearer", "text-audio"], told))
    text = "\n\n".join(tables)
    (args.out / "adapter.md").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
