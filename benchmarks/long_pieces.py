"""Long pieces: which scheme drifts least, follows its controls to the end, and shows its seams least?

Composed pieces of the corpus (labels alone, nothing is rendered) are asked for with their words, chords, drums and
beats.  Schemes:

- left to right: each window continues the one before it; parts end on bar lines (what the package does);
- steady: the same, the music before moved to the mean of the opening (flowmusic/generate/opening.py);
- untold: left to right, the music before held on its path alone, without being told to the encoder;
- steady, untold: both;
- plain edges: left to right without bar lines, as the windows fall;
- noise 0.05: what is told to the encoder as the music before has noise of that deviation (against errors that add up);
- skeleton: windows apart from each other first, in batches, then those between them with both sides known;
- two passes: the same as the package has it, each window of the first kind moved to the mean of the first one, and
  windows of the second kind that see 1.5 s on either side, where the others see 2.5 s;
- skeleton, style: the same, the later windows of the first kind in the style of the first one (detail 2);
- rendered: no scheme, the composition played by the corpus' synthesiser and led through the codec, for comparison.

Prints Markdown: loudness drift (last minute less first, dB, mean of absolute values), distance of the mean spectra of
the first and the last minute (dB), adherence of both, the seam's onset strength and jump in level as percentiles among
the piece's other bar lines (50 is like any other), and processor time for ten seconds.

A second table is about the timbre.  Its distance is that of mean log-mel spectra without their level (dB, root mean
square over 64 bands): 2.5 s before and 2.5 s behind a seam, the same at bar lines that far from any seam, and blocks of
10 s, the halves of one, neighbours, and all pairs.  Beside them the cosine distance of the same blocks by
our text-audio model, which hears instruments and genre.

    python benchmarks/long_pieces.py [--seconds 120] [--pieces 4] [--seed 0] [--schemes NAME ...]

``--raw FILE`` keeps the numbers, and ``--of FILE ...`` prints the table of several such files: pieces of one table may
be made by several processes (``--seed 2000 --pieces 2`` makes the last two of ``--pieces 4``).
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_extractors import flux
from flowmusic import audio as audio_tools
from flowmusic import options
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls.drums import BAND_OF_CLASS
from flowmusic.controls.tracks import batched
from flowmusic.corpus.compose import compose
from flowmusic.corpus.fonts import choose_fonts
from flowmusic.corpus.piece import Piece
from flowmusic.corpus.record import drum_labels
from flowmusic.corpus.render import SAMPLE_RATE, render
from flowmusic.corpus.synth import FontSynth
from flowmusic.evaluate.adherence import listeners
from flowmusic.generate import long, scheme, skeleton
from flowmusic.generate.draw import draw
from flowmusic.generate.generator import Generator
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import SeededNoise
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import measure
from flowmusic.metrics.mel import BANDS
from flowmusic.metrics.style import mel_stats
from flowmusic.metrics.text_audio import TextAudio
from flowmusic.types import Controls, FrameGrid

SHOWN = {"chord_acc": "chords", "onset_f1": "drums", "beat_f1": "beats"}
TIMBRE = ("seams", "elsewhere", "halves", "neighbours", "all pairs", "heard, neighbours", "heard, all pairs")
MINUTE_S, SIDE_S, BLOCK_S = 60.0, 2.5, 10.0
GROUP = 8
"""Windows of a skeleton in one batch."""


@dataclass(frozen=True)
class Asked:
    """One long request, its labels, and its seams' candidates."""

    controls: Controls
    labels: Annotations
    grid: FrameGrid
    piece: Piece


@dataclass
class Made:
    """The sound ``[C, N]``, and the frames at which parts meet."""

    sound: Audio
    seams: list[int]


Scheme = Callable[[Generator, Asked, int], Made]


def asked(model: Generator, seed: int, seconds: float) -> Asked:
    """The request of the first composition from ``seed`` on that has drums and chords, in 4/4 or not."""
    piece = next(
        each
        for number in range(1000)
        if (each := compose(seed + number, "test", seconds)).part("drums") and len(each.chords) > 8
    )
    hits = drum_labels(piece.part("drums"), seconds)
    labels = Annotations(
        seconds,
        beats=piece.beats,
        downbeats=piece.downbeats,
        chords=tuple(piece.chords),
        drums=DrumHits(
            tuple(hits["onsets"]), classes={k: tuple(v) for k, v in hits["classes"].items() if k in BAND_OF_CLASS}
        ),
    )
    grid = model.grid(seconds)
    tracks = {name: batched(track) for name, track in to_tracks(labels, grid).items()}
    return Asked(Controls((piece.captions[0],), tracks), labels, grid, piece)


def left_to_right(
    model: Generator,
    wanted: Asked,
    seed: int,
    lines: bool = True,
    noise: float = 0.0,
    steady: bool = False,
    told: bool = True,
) -> Made:
    parts = model.parts(wanted.grid, wanted.controls if lines else wanted.controls.only({"text"}))
    ask = long.asking(wanted.controls, model.defaults.guide())
    named = _With(model, model.encoder if not noise else _NoisyContext(model.encoder, noise, seed))
    noises = SeededNoise([seed])
    drawn = list(long.left_to_right(named, ask, parts, noises, model.sampling(), steady=steady, told=told))
    return Made(sound_of(model, torch.cat([latents for latents, _ in drawn], 1)), [part.start for part in parts[1:]])


class _With:
    """A model with another encoder."""

    def __init__(self, model: Generator, encoder: torch.nn.Module) -> None:
        self.field, self.codec, self.autocast, self.device = model.field, model.codec, model.autocast, model.device
        self.encoder, self.defaults = encoder, model.defaults


class _NoisyContext(torch.nn.Module):
    """Adds noise to what is told of the music before; what is held on its path stays clean."""

    def __init__(self, encoder: torch.nn.Module, deviation: float, seed: int) -> None:
        super().__init__()
        self.inner, self.deviation = encoder, deviation
        self.generator = torch.Generator().manual_seed(seed)

    def forward(self, controls: Controls, grid: FrameGrid, context: tuple[Tensor, Tensor] | None = None) -> object:
        if context is not None:
            noise = torch.randn(context[0].shape, generator=self.generator)
            context = (context[0] + self.deviation * noise.to(context[0]), context[1])
        return self.inner(controls, grid, context=context)


def windows_apart(model: Generator, wanted: Asked, seed: int, style: bool = False) -> Made:
    """Every other part first, in batches; those between are drawn with what is known on both sides."""
    window = model.grid().length
    length, around = wanted.grid.length, round(long.OVERLAP_SECONDS * float(wanted.grid.frame_rate))
    lines, edges, start = long.bar_lines(wanted.controls), [0], 0
    while start < length:
        room = window if len(edges) % 2 else window - 2 * around
        start = min(length, long.last_line(lines, start, start + room))
        edges.append(start)
    spans = list(zip(edges, edges[1:], strict=False))
    guidance, sampling = model.defaults.guide(), model.sampling()
    noise = [SeededNoise([seed + 1000 * n]).draw(window, model.codec.dim) for n in range(len(spans))]
    known = torch.zeros(1, length, model.codec.dim)
    there = torch.zeros(1, length, dtype=torch.bool)
    controls = wanted.controls

    def draw_all(numbers: list[int]) -> None:
        windows = []
        for number in numbers:
            a, b = spans[number]
            first = a if number % 2 == 0 else (a + b - window) // 2
            windows.append(Window(max(0, min(first, length - window)), max(0, min(first, length - window)) + window))
        batch = Controls.stack([cut_controls(controls, each) for each in windows])
        given = (
            torch.cat([known[:, each.start : each.stop] for each in windows]),
            torch.cat([there[:, each.start : each.stop] for each in windows]),
        )
        solution = draw(
            model, [Passage(batch, guidance)], torch.cat([noise[n] for n in numbers]), sampling, given=given
        )
        for number, each, z in zip(numbers, windows, solution.z, strict=True):
            a, b = spans[number]
            known[0, a:b] = z[a - each.start : b - each.start]
        for number in numbers:
            there[0, slice(*spans[number])] = True

    even, odd = list(range(0, len(spans), 2)), list(range(1, len(spans), 2))
    if style:
        draw_all(even[:1])
        even = even[1:]
        sound = model.codec.decode(known[:, : spans[0][1]])
        excerpt = audio_tools.loudest(Audio(sound.samples[0], sound.rate), 3.0)[0]
        controls = replace(controls, style=(model.style(excerpt, 2),))
    for numbers in (even, odd):
        for n in range(0, len(numbers), GROUP):
            draw_all(numbers[n : n + GROUP])
    return Made(sound_of(model, known), edges[1:-1])


def two_passes(model: Generator, wanted: Asked, seed: int) -> Made:
    """As long takes are made."""
    window = model.grid().length
    assert scheme.apart(wanted.controls, wanted.grid, window)
    around = round(scheme.AROUND_SECONDS * float(wanted.grid.frame_rate))
    parts = skeleton.skeleton(wanted.grid.length, window, around, long.bar_lines(wanted.controls))
    ask = long.asking(wanted.controls, model.defaults.guide())
    drawn = list(skeleton.in_two_passes(model, ask, parts, SeededNoise([seed]), model.sampling()))
    return Made(sound_of(model, torch.cat([latents for latents, _ in drawn], 1)), [part.start for part in parts[1:]])


def rendered(model: Generator, wanted: Asked, seed: int) -> Made:
    """The composition itself, in the first soundfont."""
    fonts, _ = choose_fonts([], None)
    samples = render(wanted.piece, FontSynth(fonts[0].path)).mix.astype(np.float32) / 32768
    sound = audio_tools.resample(Audio(torch.from_numpy(samples)[None, None], SAMPLE_RATE), model.codec.rate)
    size = round(MINUTE_S * sound.rate)
    with torch.no_grad():
        latents = [model.codec.encode(Audio(part, sound.rate)) for part in sound.samples.split(size, -1)]
        return Made(sound_of(model, torch.cat(latents, 1)), [])


SCHEMES: dict[str, Scheme] = {
    "left to right": left_to_right,
    "steady": lambda model, wanted, seed: left_to_right(model, wanted, seed, steady=True),
    "untold": lambda model, wanted, seed: left_to_right(model, wanted, seed, told=False),
    "steady, untold": lambda model, wanted, seed: left_to_right(model, wanted, seed, steady=True, told=False),
    "plain edges": lambda model, wanted, seed: left_to_right(model, wanted, seed, lines=False),
    "noise 0.05": lambda model, wanted, seed: left_to_right(model, wanted, seed, noise=0.05),
    "skeleton": windows_apart,
    "two passes": two_passes,
    "skeleton, style": lambda model, wanted, seed: windows_apart(model, wanted, seed, style=True),
    "rendered": rendered,
}


def sound_of(model: Generator, latents: Tensor) -> Audio:
    samples = [part.samples for part in long.decoded(model.codec, iter([latents]))]
    return Audio(torch.cat(samples, -1)[0], model.codec.rate)


def minute(sound: Audio, number: int) -> Audio:
    size = round(MINUTE_S * sound.rate)
    return Audio(sound.samples[:, number * size : (number + 1) * size].contiguous(), sound.rate)


def spectrum_db(sound: Audio) -> Tensor:
    """Mean power in thirds of an octave from 100 Hz to 10 kHz, in dB."""
    power = (
        torch.stft(sound.samples[0], 4096, window=torch.hann_window(4096), return_complex=True).abs().square().mean(1)
    )
    hz = torch.fft.rfftfreq(4096, 1 / sound.rate)
    edges = 100.0 * 2.0 ** (torch.arange(21) / 3.0)
    bands = [power[(hz >= low) & (hz < high)].mean() for low, high in zip(edges, edges[1:], strict=False)]
    return 10.0 * torch.log10(torch.stack(bands) + 1e-8)


def seam_percentiles(sound: Audio, seams: list[float], lines: list[float]) -> Iterator[tuple[float, float]]:
    """Onset strength and jump in level of each seam, among bar lines that are no seams."""
    heard = audio_tools.resample(sound, flux.RATE).samples[0].numpy()
    strength = flux.strength(heard)
    wave, size = sound.samples[0].numpy().astype(float), round(0.1 * sound.rate)

    def onset(at: float) -> float:
        centre, near = round(at * flux.FPS), round(0.05 * flux.FPS)
        return float(strength[max(0, centre - near) : centre + near + 1].max(initial=0.0))

    def jump(at: float) -> float:
        centre = round(at * sound.rate)
        before, behind = (
            np.square(part).mean() + 1e-8 for part in (wave[centre - size : centre], wave[centre:][:size])
        )
        return abs(10.0 * math.log10(behind / before))

    others = [at for at in lines if 1.0 < at < sound.seconds - 1.0 and min(abs(at - seam) for seam in seams) > 0.2]
    for of in seams:
        yield tuple(  # type: ignore[misc]
            100.0 * statistics.mean(float(measured(at) < measured(of)) for at in others) for measured in (onset, jump)
        )


def timbre(sound: Audio, seams: list[float], lines: list[float], listener: TextAudio) -> dict[str, list[float]]:
    """Distances of timbre (dB) and of what our text-audio model hears, by the names of :data:`TIMBRE`."""

    def spectrum(start: float, seconds: float) -> Tensor:
        first = round(start * sound.rate)
        part = sound.samples[:, first : first + round(seconds * sound.rate)]
        mean = mel_stats(Audio(part.contiguous(), sound.rate))[:BANDS] * (20.0 / math.log(10.0))
        return mean - mean.mean()

    def step(at: float) -> float:
        return apart(spectrum(at - SIDE_S, SIDE_S), spectrum(at, SIDE_S))

    def apart(one: Tensor, other: Tensor) -> float:
        return float((one - other).square().mean().sqrt())

    inside = [at for at in lines if SIDE_S <= at <= sound.seconds - SIDE_S]
    inside = [at for at in inside if min((abs(at - seam) for seam in seams), default=math.inf) >= SIDE_S]
    starts = [BLOCK_S * n for n in range(int(sound.seconds // BLOCK_S))]
    blocks = [spectrum(start, BLOCK_S) for start in starts]
    size = round(BLOCK_S * sound.rate)
    cut = [Audio(sound.samples[:, round(at * sound.rate) :][:, :size].contiguous(), sound.rate) for at in starts]
    heard = listener.embed_audio(cut)
    pairs = [(a, b) for b in range(len(starts)) for a in range(b)]
    found = {
        "seams": [step(at) for at in seams if SIDE_S <= at <= sound.seconds - SIDE_S],
        "elsewhere": [step(at) for at in inside],
        "halves": [apart(spectrum(at, BLOCK_S / 2), spectrum(at + BLOCK_S / 2, BLOCK_S / 2)) for at in starts],
        "neighbours": [apart(one, other) for one, other in zip(blocks, blocks[1:], strict=False)],
        "all pairs": [apart(blocks[a], blocks[b]) for a, b in pairs],
        "heard, neighbours": [1.0 - float(heard[n] @ heard[n + 1]) for n in range(len(starts) - 1)],
        "heard, all pairs": [1.0 - float(heard[a] @ heard[b]) for a, b in pairs],
    }
    # One number a piece: pieces are what vary, and not all have as many seams.
    return {name: [statistics.mean(values)] for name, values in found.items() if values}


Found = dict[str, dict[str, list[float]]]
"""Numbers by scheme and by what was measured."""


def study(model: Generator, args: argparse.Namespace) -> Found:
    """Make every piece by every scheme, in turn, so that the machine's noise falls on all of them."""
    ears, listener = listeners(), TextAudio.load()
    found: Found = {name: {} for name in args.schemes}
    last = int(args.seconds // MINUTE_S) - 1
    short = asked(model, args.seed, 10.0).controls
    model.generate(short, seed=0)  # what only the first take pays for
    base = time.process_time()
    model.generate(short, seed=0)
    base = time.process_time() - base
    for number in range(args.pieces):
        seed = args.seed + 1000 * number
        wanted = asked(model, seed, args.seconds)
        for name in args.schemes:
            note: dict[str, list[float]] = {"base": [base]}
            began = time.process_time()
            made = SCHEMES[name](model, wanted, seed)
            sound = made.sound
            note["cost"] = [(time.process_time() - began) / (args.seconds / 10.0)]
            first, final = minute(sound, 0), minute(sound, last)
            note["drift"] = [abs(audio_tools.rms_db(final.samples) - audio_tools.rms_db(first.samples))]
            note["spectrum"] = [float((spectrum_db(final) - spectrum_db(first)).abs().mean())]
            for label, at in () if args.timbre_only else (("first", 0), ("last", last)):
                requested = wanted.labels.part(at * MINUTE_S, MINUTE_S)
                for key, value in measure(minute(sound, at), requested, ears).items():
                    if key in SHOWN and not math.isnan(value):
                        note[f"{label} {key}"] = [value]
            seams = [frame / float(wanted.grid.frame_rate) for frame in made.seams]
            pairs = list(seam_percentiles(sound, seams, list(wanted.labels.downbeats or ()))) if seams else []
            if pairs:
                note["onset"], note["jump"] = [onset for onset, _ in pairs], [jump for _, jump in pairs]
            note |= timbre(sound, seams, list(wanted.labels.downbeats or ()), listener)
            for key, values in note.items():
                found[name].setdefault(key, []).extend(values)
            print(seed, name, {key: round(statistics.mean(values), 3) for key, values in note.items()}, flush=True)
    return found


def table(found: Found) -> str:
    """In Markdown, a row per scheme."""
    shown = " | ".join(f"{label}, first and last minute" for label in SHOWN.values())
    lines = [
        f"| scheme | pieces | loudness drift (dB) | spectrum (dB) | {shown} | seam onset | level | processor time |",
        f"|---|---|---|---|{'---|' * len(SHOWN)}---|---|---|",
    ]
    for name, note in found.items():
        if note:
            mean = {key: statistics.mean(values) for key, values in note.items()}
            judged = [f"{label} {key}" for label in ("first", "last") for key in SHOWN]
            mean |= {key: mean.get(key, math.nan) for key in ("onset", "jump", *judged)}
            pairs = " | ".join(f"{mean[f'first {key}']:.3f}, {mean[f'last {key}']:.3f}" for key in SHOWN)
            lines.append(
                f"| {name} | {len(note['drift'])} | {mean['drift']:.2f} | {mean['spectrum']:.2f} | {pairs} | "
                f"{mean['onset']:.0f} | {mean['jump']:.0f} | {mean['cost']:.2f} s, "
                f"{mean['cost'] / mean['base']:.2f} of a 10 s take |"
            )
    lines += ["", f"| scheme | {' | '.join(TIMBRE)} |", f"|---|{'---|' * len(TIMBRE)}"]
    for name, note in found.items():
        if TIMBRE[-1] in note:
            cells = [f"{statistics.mean(note[key]):.3g}" if key in note else "-" for key in TIMBRE]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Study, or print what studies found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--seconds", type=options.seconds, default=120.0, metavar="N", help="of a piece (%(default)s)")
    parser.add_argument("--pieces", type=options.integer("takes"), default=4, metavar="N")
    parser.add_argument("--seed", type=options.seed, default=0, metavar="N")
    parser.add_argument("--schemes", nargs="+", choices=tuple(SCHEMES), default=list(SCHEMES), metavar="NAME")
    parser.add_argument("--timbre-only", action="store_true", help="nobody listens for chords, drums and beats")
    parser.add_argument("--raw", type=Path, metavar="FILE")
    parser.add_argument("--of", type=options.existing_file, nargs="+", default=[], metavar="FILE")
    args = parser.parse_args()
    if not args.of:
        torch.set_num_threads(1)
        found = study(bundle.load(args.model), args)
        if args.raw is not None:
            args.raw.write_text(json.dumps(found), encoding="utf-8")
        print(table(found))
        return
    joined: Found = {name: {} for name in args.schemes}
    for file in args.of:
        for name, note in json.loads(file.read_text(encoding="utf-8")).items():
            for key, values in note.items():
                joined[name].setdefault(key, []).extend(values)
    print(table(joined))


if __name__ == "__main__":
    main()
