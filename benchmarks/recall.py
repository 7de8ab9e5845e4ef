"""How alike does a section return, and does it still follow its chords: two ways of ``--recall``, at some strengths.

Composed pieces of the corpus (labels alone, nothing is rendered) are cut in two at a bar line and asked for in the form
A B A, with their words, chords, drums and beats.  A and B are made once, and the second A in every way:

- path: held until R on the path to the latents of the first A, then let go (flowmusic/generate/recall.py);
- noise: from noise that correlates with that of the first A by R.

Prints Markdown: how alike the second A is to the first (cosine of latents and of log-mel frames, frame by frame, both
less the mean of the piece: 0 is unrelated, 1 the same), and how closely it follows its chords and drums; means over the
pieces.  The row "first" judges the first A itself.

    python benchmarks/recall.py [--pieces 8] [--seed 0] [--amounts 0.25 0.5 0.75 1]
"""

from __future__ import annotations

import argparse
import math
import statistics
from dataclasses import replace

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic import options
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.retime import joined
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls.drums import BAND_OF_CLASS
from flowmusic.controls.tracks import batched
from flowmusic.corpus.compose import compose
from flowmusic.corpus.record import drum_labels
from flowmusic.evaluate.adherence import listeners
from flowmusic.generate import long
from flowmusic.generate.generator import Generator
from flowmusic.generate.recall import METHODS, PATH, Recall, repeats
from flowmusic.generate.sampling import SeededNoise
from flowmusic.interop import bundle
from flowmusic.metrics import mel as mel_filters
from flowmusic.metrics.adherence import Detectors, measure
from flowmusic.types import Controls

SECONDS = 15.0
"""Of a composition, of which A is about a half: it returns within one window."""
SHOWN = {"chord_acc": "chords", "onset_f1": "drums"}
Found = dict[str, dict[str, list[float]]]


def asked(seed: int) -> tuple[str | None, Annotations]:
    """Words, and A B A of the first composition from ``seed`` on that has drums and chords."""
    piece = next(
        each
        for number in range(1000)
        if (each := compose(seed + number, "test", SECONDS)).part("drums") and len(each.chords) > 5
    )
    hits = drum_labels(piece.part("drums"), SECONDS)
    classes = {kind: tuple(times) for kind, times in hits["classes"].items() if kind in BAND_OF_CLASS}
    labels = Annotations(
        SECONDS,
        beats=piece.beats,
        downbeats=piece.downbeats,
        chords=tuple(piece.chords),
        drums=DrumHits(tuple(hits["onsets"]), classes=classes),
    )
    begin, end = min(piece.downbeats), max(line for line in piece.downbeats if line <= SECONDS)
    middle = max(line for line in piece.downbeats if line <= (begin + end) / 2)
    spans = ((begin, middle, "A"), (middle, end, "B"), (begin, middle, "A"))
    parts = [
        replace(labels.part(start, stop - start), sections=((0.0, stop - start, name, ""),))
        for start, stop, name in spans
    ]
    return piece.captions[0], joined(parts)


def alike(one: Tensor, other: Tensor, mean: Tensor) -> float:
    """Mean cosine of frames ``[T, F]`` less a mean ``[F]``."""
    length = min(len(one), len(other))
    return float(torch.cosine_similarity(one[:length] - mean, other[:length] - mean, dim=-1).mean())


def log_mel(sound: Audio) -> Tensor:
    """Log power in mel bands.  Shape: ``[C, N] -> [frames, bands]``."""
    heard = audio_tools.mono(audio_tools.resample(sound, mel_filters.RATE)).samples[0]
    window = torch.hann_window(mel_filters.SIZE)
    power = torch.stft(heard, mel_filters.SIZE, mel_filters.HOP, window=window, return_complex=True).abs().square()
    return torch.log(mel_filters.filters() @ power + 1e-6).T


def study(model: Generator, seed: int, amounts: list[float], ears: Detectors) -> Found:
    """Numbers of one piece, by the way its second A was made."""
    words, labels = asked(seed)
    assert labels.seconds is not None and labels.sections is not None
    grid = model.grid(labels.seconds)
    controls = Controls((words,), {name: batched(track) for name, track in to_tracks(labels, grid).items()})
    sampling, ask = model.sampling(), long.asking(controls, model.defaults.guide())
    sources = repeats([section[:3] for section in labels.sections], labels.beats or (), grid)
    edges = Recall(sources, 0.0, sampling.steps).edges
    parts = model.parts(grid, controls, edges=edges)
    first = [part for part in parts if part.stop <= edges[0]]
    made = list(long.left_to_right(model, ask, first, SeededNoise([seed]), sampling))
    known = torch.cat([latents for latents, _ in made], 1)
    given = torch.zeros(1, grid.length, model.codec.dim)
    given[:, : edges[0]] = known
    keep = torch.arange(grid.length)[None] < edges[0]
    found: Found = {}
    start, end = labels.sections[2][:2]
    length = end - start

    def note(name: str, latents: Tensor, at: float) -> None:
        sound = model.codec.decode(latents).samples[0].float()
        rate, row = model.codec.rate, found.setdefault(name, {})
        here = Audio(sound[:, round(at * rate) : round((at + length) * rate)].contiguous(), rate)
        for key, value in measure(here, labels.part(at, length).only("chords", "drums"), ears).items():
            if key in SHOWN and not math.isnan(value):
                row[key] = [value]
        again = torch.nonzero(sources >= 0).flatten()
        row["latents"] = [alike(latents[0, again], latents[0, sources[again]], latents[0].mean(0))]
        mel = log_mel(Audio(sound, rate))
        frames, shift = round(length * len(mel) / grid.seconds), round(start * len(mel) / grid.seconds)
        row["mel"] = [alike(mel[shift : shift + frames], mel[:frames], mel.mean(0))]

    ways = [
        ("none", PATH, 0.0),
        *((f"{method} {amount:g}", method, amount) for method in METHODS for amount in amounts),
    ]
    for name, method, amount in ways:
        recall, noise = Recall(sources, amount, sampling.steps, method), SeededNoise([seed])
        for part in first:
            recall.begin(part.window.start, noise.draw(part.window.stop - part.window.start, model.codec.dim))
            recall.made(part.start, known[:, part.start : part.stop])
        rest = parts[len(first) :]
        drawn = list(long.left_to_right(model, ask, rest, noise, sampling, given=(given, keep), recall=recall))
        latents = torch.cat([known, *(each for each, _ in drawn)], 1)
        if name == "none":
            note("first", latents, 0.0)
        note(name, latents, start)
        print(seed, name, {key: round(values[0], 3) for key, values in found[name].items()}, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--pieces", type=options.integer("takes"), default=8, metavar="N")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    parser.add_argument("--amounts", type=options.share, nargs="+", default=[0.25, 0.5, 0.75, 1.0], metavar="R")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model, ears = bundle.load(args.model), listeners()
    found: Found = {}
    for number in range(args.pieces):
        for name, row in study(model, args.seed + 1000 * number, args.amounts, ears).items():
            for key, values in row.items():
                found.setdefault(name, {}).setdefault(key, []).extend(values)
        print(table(found), flush=True)


def table(found: Found) -> str:
    """In Markdown, a row per way."""
    lines = [f"| second A | latents | mel | {' | '.join(SHOWN.values())} |", f"|---|---|---|{'---|' * len(SHOWN)}"]
    for name, row in found.items():
        cells = [f"{statistics.mean(row[key]):.2f}" if row.get(key) else "" for key in ("latents", "mel", *SHOWN)]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
