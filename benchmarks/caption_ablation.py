"""What a model learns of words when most clips have none: a table of the runs of ``experiment=ablation/captions``.

    python benchmarks/caption_ablation.py RUNS --latents DIR --corpus TEST [--clips 48] [--out FILE.md]

Words are judged three ways, for the text-audio model that conditions is also the one that gives ``text_cos`` and
``text_attr``, and would praise its own:

- by the field's own loss on validation clips, text alone: how much lower it is with the clip's caption than without any
  (``words``) and than with another clip's (``not another's``), in thousandths; with its own sound (``sound``); and with
  the caption as the text-audio model alone reads it (``words by sound``);
- by signals of takes from words alone, against what the labels of the clip say: does the rate of onsets (spectral flux)
  rise with the tempo and the energy that were asked for (rank correlation), and is there more above 5 kHz where drums
  were asked for (area under the curve, 0.5 is chance)?
- by the text-audio model: cosine with the own caption less that with another clip's, and attributes.

Then the Frechet distance of takes from words alone, and the adherence of takes from all controls.  95 % intervals over
clips.  A run's results are kept in RUN/heard, so that a stopped call goes on.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from flowmusic import options
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.data.latents import LatentStore
from flowmusic.data.store_files import read_store
from flowmusic.errors import UsageError, guarded
from flowmusic.evaluate.test_set import LabelledClip, read_clips
from flowmusic.flow.path import optimal_transport
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle
from flowmusic.metrics import fad
from flowmusic.metrics.caption_attributes import ATTRIBUTES
from flowmusic.metrics.normalise import bootstrap, derange
from flowmusic.metrics.report import write_text
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.types import Controls, Prompt

TIMES = tuple((k + 0.5) / 8 for k in range(8))
ADHERENCE = ("chord_acc", "onset_f1", "melody_pc")
SIGNALS = ("tempo by onsets", "energy by onsets", "drums by treble")
TREBLE_HZ = 5000.0
ENERGY = ("calm", "steady", "lively")
BATCH = 8


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("runs", type=options.existing_path, metavar="RUNS")
    add(
        "--latents",
        type=options.existing_path,
        required=True,
        metavar="DIR",
        help="store with a heard validation split",
    )
    add("--corpus", type=options.existing_path, required=True, metavar="DIR", help="with a test split and drum stems")
    add("--clips", type=options.integer("clips", 4), default=48, metavar="N", help="for words (default: %(default)s)")
    add("--controlled", type=options.integer("clips"), default=16, metavar="N", help="for controls (%(default)s)")
    add("--seed", type=options.seed, default=0)
    add("--out", type=Path, metavar="FILE.md")
    return parser


def caption(labels: Mapping[str, Any]) -> str:
    """The longest: it says most."""
    return max(labels["captions"], key=len)


@torch.no_grad()
def losses(generator: Generator, store: LatentStore, prompts: Sequence[Prompt], seed: int) -> np.ndarray:
    """Flow-matching loss of the middle of every clip with its prompt and nothing else, mean over :data:`TIMES`.

    The same noise and times for every model and prompt.  Shape: ``[clips]``.
    """
    length = min(generator.grid().length, min(clip["frames"] for clip in store.clips))
    found = []
    for first in range(0, len(store.clips), BATCH):
        rows = range(first, min(first + BATCH, len(store.clips)))
        latents, _ = store.windows(rows, [(store.clips[row]["frames"] - length) // 2 for row in rows], length)
        grid = generator.grid(length / float(store.frame_rate))
        condition = generator.encoder(Controls(tuple(prompts[row] for row in rows)), grid)
        draws = torch.Generator().manual_seed(seed + first)
        total = torch.zeros(len(rows))
        for t in TIMES:
            noise = torch.randn(latents.shape, generator=draws)
            point = optimal_transport(noise, latents, torch.full((len(rows),), t))
            error = generator.field(point.z_t, point.t, condition) - point.velocity
            total += error.square().mean((1, 2))
        found.append(total / len(TIMES))
    return torch.cat(found).numpy()


def gains(generator: Generator, store: LatentStore, seed: int) -> dict[str, list[float]]:
    """How much lower the loss is with a prompt, per validation clip, in thousandths."""
    words: list[Prompt] = [caption(clip) for clip in store.clips]
    none = losses(generator, store, [None] * len(words), seed)
    own = losses(generator, store, words, seed)
    rows = {"words": none - own, "not another's": losses(generator, store, derange(words), seed) - own}
    joint: Any = getattr(generator.encoder, "joint", None)
    if joint is not None:
        heard: list[Prompt] = [store.audio_prompt_at(row, clip["frames"] / 2) for row, clip in enumerate(store.clips)]
        rows["sound"] = none - losses(generator, store, heard, seed)
        # What the text-audio model makes of the words, without their tokens.
        read, joint.words = joint.words, False
        rows["words by sound"] = none - losses(generator, store, words, seed)
        joint.words = read
    return {name: (1000.0 * values).tolist() for name, values in rows.items()}


def signals(audio: Audio) -> dict[str, float]:
    """Onsets a second, and the share of power above :data:`TREBLE_HZ`: measures without any trained weights."""
    from feature_extractors.onsets import Onsets

    power = torch.fft.rfft(audio.samples.mean(0).double()).abs().square()
    hertz = torch.linspace(0.0, audio.rate / 2, len(power))
    return {
        "onset_rate": len(Onsets("flux").analyse(audio).times) / audio.seconds,
        "treble": float(power[hertz > TREBLE_HZ].sum() / power.sum().clamp(min=1e-12)),
    }


def correlation(one: Sequence[float], other: Sequence[float]) -> float:
    """Spearman's rank correlation."""
    from scipy.stats import spearmanr

    return float(spearmanr(one, other).statistic)


def area(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Area under the ROC curve: how often a positive one has the larger score."""
    yes = [score for score, flag in zip(scores, positive, strict=True) if flag]
    no = [score for score, flag in zip(scores, positive, strict=True) if not flag]
    wins = [(a > b) + 0.5 * (a == b) for a in yes for b in no]
    return sum(wins) / len(wins) if wins else math.nan


def by_signal(rows: Sequence[Mapping[str, float]], labels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Figures over clips with bootstrap intervals, as :data:`SIGNALS`."""
    energies = [next((ENERGY.index(w) for w in label["tags"]["mood"] if w in ENERGY), None) for label in labels]
    bpm = [float(label["bpm"]) for label in labels]
    drums = ["drums" in label["programs"] for label in labels]

    def figures(picks: Sequence[int]) -> tuple[float, ...]:
        rated = [n for n in picks if energies[n] is not None]
        rate = [rows[n]["onset_rate"] for n in picks]
        return (
            correlation(rate, [bpm[n] for n in picks]),
            correlation([rows[n]["onset_rate"] for n in rated], [float(str(energies[n])) for n in rated]),
            area([rows[n]["treble"] for n in picks], [drums[n] for n in picks]),
        )

    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = np.array([figures(rng.integers(0, len(rows), len(rows)).tolist()) for _ in range(400)])
    low, high = np.nanpercentile(draws, [2.5, 97.5], axis=0)
    whole = figures(range(len(rows)))
    return {name: [whole[n], float(low[n]), float(high[n])] for n, name in enumerate(SIGNALS)}


def generated(
    generator: Generator, requests: Sequence[Controls], seed: int, then: Callable[[int, Audio], Any]
) -> list[Any]:
    """Takes of requests with the model's own defaults, and what is made of each."""
    found = []
    for first in range(0, len(requests), BATCH):
        part = requests[first : first + BATCH]
        takes = generator.generate(Controls.stack(part), grid=generator.grid(), seed=seed + first).audio
        found += [then(first + n, Audio(takes.samples[n], takes.rate)) for n in range(len(part))]
    return found


def judged_words(judge: TextAudio, takes: Sequence[Any], clips: Sequence[reader.Clip]) -> dict[str, Any]:
    """What is said of takes ``(signals, embedding, patches)`` from words alone."""
    labels = [clip.labels for clip in clips]
    words = judge.embed_text([caption(label) for label in labels])
    heard = torch.stack([take[1] for take in takes])
    own = (heard * words).sum(1)
    other = (heard * words.roll(-1, 0)).sum(1)
    answers = judge.nearest_answers(heard)
    right = [
        float(np.mean([row[a.name] == a.truth(label) for a in ATTRIBUTES if a.truth(label) is not None]))
        for row, label in zip(answers, labels, strict=True)
    ]
    return {
        **by_signal([take[0] for take in takes], labels),
        "text_cos": _interval(own.tolist()),
        "less another's": _interval((own - other).tolist()),
        "text_attr": _interval(right),
    }


def _interval(values: Sequence[float]) -> list[float]:
    found = bootstrap(values)
    return [found.mean, found.low, found.high]


def evaluate(folder: Path, args: argparse.Namespace, judge: TextAudio, data: Mapping[str, Any]) -> dict[str, Any]:
    """All figures of one run."""
    from flowmusic.evaluate.adherence import listeners
    from flowmusic.metrics.adherence import measure

    generator = bundle.load(folder / "bundle")
    row: dict[str, Any] = {name: _interval(values) for name, values in gains(generator, data["store"], 0).items()}

    def listened(_: int, audio: Audio) -> Any:
        return signals(audio), judge.embed_audio(audio)[0], fad.mfcc_patches(audio)

    takes = generated(generator, [Controls((caption(clip.labels),)) for clip in data["clips"]], args.seed, listened)
    row |= judged_words(judge, takes, data["clips"])
    distance = fad.fad([take[2] for take in takes], data["reference"])
    row["FAD"] = [distance.mean, distance.low, distance.high]
    clips: list[LabelledClip] = read_clips(
        args.corpus, "test", args.controlled, generator.grid(), generator.codec.rate, tracks=generator.controls
    )
    ears = listeners()

    def scored(place: int, audio: Audio) -> dict[str, float]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return measure(audio, clips[place].requested, ears)

    scores = generated(generator, [clip.controls for clip in clips], args.seed, scored)
    for key in ADHERENCE:
        row[key] = _interval([float(score.get(key, math.nan)) for score in scores])
    return row


def truth(args: argparse.Namespace, judge: TextAudio, data: Mapping[str, Any]) -> dict[str, Any]:
    """The recordings themselves, by the same judges; the distance is that of two halves of them."""
    takes = [
        (signals(audio), judge.embed_audio(audio)[0], patches)
        for audio, patches in zip(data["audio"], data["reference"], strict=True)
    ]
    apart = fad.halves(data["reference"])
    return {**judged_words(judge, takes, data["clips"]), "FAD": [apart.mean, apart.low, apart.high]}


def run(args: argparse.Namespace) -> int:
    folders = sorted(path.parent.parent for path in args.runs.glob("*/bundle/card.md"))
    if not folders:
        raise UsageError(
            f"no finished runs under {args.runs}; make some: flowmusic train -m experiment=ablation/captions"
        )
    judge = TextAudio.load()
    clips = reader.clips(args.corpus, "test", args.clips)
    seconds = bundle.load(folders[0] / "bundle").seconds
    audio = [_beginning(clip, seconds) for clip in clips]
    data = {
        "clips": clips,
        "audio": audio,
        "reference": [fad.mfcc_patches(each) for each in audio],
        "store": read_store(args.latents, "validation"),
    }
    settings = {"clips": args.clips, "controlled": args.controlled, "seed": args.seed}
    rows = {}
    for folder in folders:
        kept = folder / "heard" / "captions.json"
        found = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
        if found.get("settings") != settings:
            print(f"listening to {folder.name}", file=sys.stderr)
            found = {"settings": settings, "row": evaluate(folder, args, judge, data)}
            kept.parent.mkdir(exist_ok=True)
            write_text(kept, json.dumps(found, indent=1))
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))["metrics"]
        rows[folder.name] = {"loss by time": [metrics["by_time/mean"]], **found["row"]}
    rows["the recordings"] = truth(args, judge, data)
    text = "\n".join(markdown(rows)) + "\n"
    print(text, end="")
    if args.out is not None:
        write_text(args.out, text)
    return 0


def _beginning(clip: reader.Clip, seconds: float) -> Audio:
    from flowmusic import audio as audio_tools

    audio = audio_tools.mono(audio_tools.read(clip.audio))
    return audio_tools.fit(audio, round(seconds * audio.rate))


def markdown(rows: Mapping[str, Mapping[str, Sequence[float]]]) -> list[str]:
    """A row per figure, for there are more figures than runs."""
    keys = list(dict.fromkeys(key for row in rows.values() for key in row))
    lines = [f"| | {' | '.join(rows)} |", f"|{'---|' * (len(rows) + 1)}"]
    return lines + [f"| {key} | {' | '.join(_cell(row.get(key)) for row in rows.values())} |" for key in keys]


def _cell(values: Sequence[float] | None) -> str:
    if values is None:
        return "–"
    digits = 3 if abs(values[0]) < 2 else 1
    shown = [f"{value:.{digits}f}" for value in values]
    return shown[0] if len(shown) == 1 else f"{shown[0]} [{shown[1]}, {shown[2]}]"


if __name__ == "__main__":
    sys.exit(guarded("caption_ablation", lambda: run(build_parser().parse_args())))
