"""Edits and extensions in figures: adherence, seams, drift, and what stays as it is.

For every clip of a corpus a take is made by its controls, written, and then

- two bars are edited to the chords of another clip (its tune let go), and the same request is generated freely: do the
  chords come as closely inside as they do freely, and do the seams stand out among the other bar lines?
- the same edit of two bars in the clip's own recording, which has to be encoded;
- ten edits of bars drawn by chance follow one another, on its own request: do loudness and the Frechet distance stay?
- it is extended by five seconds, on its own chords, with and without the style of its end, and to other chords;
- a take of twice the length has a region as long as a window, whose last window sees what follows, or does not.

    python benchmarks/editing.py --corpus DIR [--clips 16] [--studies edit,recording,chain,extend,long]
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from feature_extractors import flux
from flowmusic import audio as tools
from flowmusic.annotations.tracks import from_tracks
from flowmusic.audio import Audio
from flowmusic.controls.beats import from_track
from flowmusic.evaluate.adherence import chord_recogniser
from flowmusic.evaluate.detectors import default_listeners
from flowmusic.evaluate.test_set import LabelledClip, read_clips
from flowmusic.generate.edit import Span, edit, fill, frames, inside
from flowmusic.generate.extend import continued, extend
from flowmusic.generate.generator import Generator
from flowmusic.generate.windows import Window, cut_controls
from flowmusic.interop import bundle
from flowmusic.metrics.adherence import Detectors, measure_parts
from flowmusic.metrics.fad import fad, mfcc_patches
from flowmusic.metrics.normalise import bootstrap, mean
from flowmusic.takes import exact, stored
from flowmusic.takes.editing import replaced
from flowmusic.types import Controls, Generation

NEAR_S = 0.04
"""An onset this near to a bar line is on it."""
EDITS = 10
ADDED_S = 5.0
CHORDS = "chord_acc"
Rows = dict[str, list[float]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split and drum stems")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--model", default="nano")
    parser.add_argument(
        "--studies", default=",".join(("edit", "recording", "chain", "extend", "long")), help="which, with commas"
    )
    args = parser.parse_args()
    generator = bundle.load(args.model)
    try:
        clips = read_clips(args.corpus, "test", args.clips, generator.grid(), generator.codec.rate)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(clips)} clips of {args.corpus.name}, {generator.name}, seeds 0 and up")
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(generator, clips, Path(folder))
        for study in args.studies.split(","):
            print(f"\n{study}", flush=True)
            STUDIES[study](bench)
    return 0


class Bench:
    """Takes of the clips, each written as a file and read back, and the listeners."""

    def __init__(self, generator: Generator, clips: Sequence[LabelledClip], folder: Path) -> None:
        self.generator, self.clips, self.folder = generator, clips, folder
        ears = default_listeners(chords=chord_recogniser("ours"))
        self.ears = Detectors(**{**ears, "melody": None, "beats": None})
        self.takes = [generator.generate(clip.controls, seed=seed) for seed, clip in enumerate(clips)]
        self.files = []
        for number, take in enumerate(self.takes):
            path = Audio(take.audio.samples[0], take.audio.rate).write(folder / f"{number}.wav")
            self.files.append(exact.read(path, take.audio))

    def lines(self, row: int) -> list[float]:
        """Bar lines well inside a clip."""
        times = from_track(self.clips[row].controls.tracks["beats"]).downbeats
        return [time for time in times if 1.0 <= time <= self.generator.seconds - 1.0]

    def region(self, row: int) -> Span | None:
        """Two bars in the middle, or one where there are no more lines."""
        lines = self.lines(row)
        first = max(0, (len(lines) - 3) // 2)
        return (lines[first], lines[min(first + 2, len(lines) - 1)]) if len(lines) > 1 else None

    def other_chords(self, row: int, step: int = 1) -> Controls:
        return self.clips[(row + step) % len(self.clips)].controls.only({"chords"})

    def heard(self, sound: Audio, controls: Controls, part: Span) -> dict[str, float]:
        wanted = from_tracks(controls, sound.seconds)
        return measure_parts(sound, wanted, self.ears, [part])

    def spliced(self, row: int, old: exact.Samples, take: Generation, regions: Sequence[Span]) -> exact.Samples:
        """The file with the regions of a take, as the command writes it."""
        made = tools.mono(tools.resample(Audio(take.audio.samples[0], take.audio.rate), old.rate))
        return replaced(old, tools.fit(made, len(old.values)).samples, regions)


def edits(bench: Bench) -> None:
    rows: Rows = {}
    for row, clip in enumerate(bench.clips):
        region = bench.region(row)
        if region is None:
            continue
        grid = bench.generator.grid()
        asked = inside(clip.controls, bench.other_chords(row), [region], grid, free={"melody"})
        take = edit(bench.generator, bench.takes[row].latents, asked, [region], seed=100 + row)
        context = edit(bench.generator, bench.takes[row].latents, asked, [region], told=True, seed=100 + row)
        free = bench.generator.generate(asked, seed=100 + row)
        old = bench.files[row]
        new = bench.spliced(row, old, take, [region])
        compare(bench, rows, row, old, new, asked, region)
        scores = bench.heard(Audio(context.audio.samples[0], context.audio.rate), asked, region)
        add(rows, {f"told the context {CHORDS}": scores.get(CHORDS, math.nan)})
        scores = bench.heard(Audio(free.audio.samples[0], free.audio.rate), asked, region)
        add(rows, {f"free {key}": scores.get(key, math.nan) for key in (CHORDS, "onset_f1")})
    show(rows)
    ratio(rows, f"edit {CHORDS}", f"free {CHORDS}")
    ratio(rows, "edit onset_f1", "free onset_f1")


def recordings(bench: Bench) -> None:
    """The same in the clips' own recordings, whose latents come from encoding."""
    rows: Rows = {}
    for row, clip in enumerate(bench.clips):
        region = bench.region(row)
        if region is None:
            continue
        asked = inside(clip.controls, bench.other_chords(row), [region], bench.generator.grid(), free={"melody"})
        latents = bench.generator.codec.encode(Audio(clip.audio.samples[None], clip.audio.rate))
        take = edit(bench.generator, latents, asked, [region], seed=100 + row)
        old = exact.read(clip.audio.write(bench.folder / "recording.wav"), clip.audio)
        compare(bench, rows, row, old, bench.spliced(row, old, take, [region]), asked, region)
    show(rows)


def compare(
    bench: Bench, rows: Rows, row: int, old: exact.Samples, new: exact.Samples, asked: Controls, region: Span
) -> None:
    """What an edit did: adherence inside, seams, level, and the samples outside."""
    before, after = (Audio(each.floats().float(), each.rate) for each in (old, new))
    scores = bench.heard(after, asked, region)
    stale = bench.heard(before, asked, region)
    first, last = (round(time * old.rate) for time in region)
    outside = np.ones(len(old.values), bool)
    outside[first:last] = False
    level = tools.rms_db(after.samples[:, first:last]) - tools.rms_db(before.samples[:, first:last])
    strength = onsets(after)
    inner = [at(onsets(before), line) for line in bench.lines(row)]
    seams = [at(strength, line) for line in region]
    usual = max(mean(inner), 1e-6)
    add(rows, {f"edit {key}": scores.get(key, math.nan) for key in (CHORDS, "onset_f1")})
    add(rows, {f"unedited {CHORDS}": stale.get(CHORDS, math.nan), "level inside, dB": level})
    add(rows, {"samples changed outside": float((old.values[outside] != new.values[outside]).sum())})
    add(rows, {"seam at the start": seams[0] / usual, "seam at the end": seams[1] / usual})
    rows.setdefault("interior bar lines", []).extend(value / usual for value in inner)


def onsets(sound: Audio) -> np.ndarray:
    samples = tools.mono(tools.resample(sound, flux.RATE)).samples[0].numpy()
    return flux.strength(samples)


def at(strength: np.ndarray, time: float) -> float:
    """The strongest onset at a line."""
    centre, reach = round((time - flux.OFFSET_S) * flux.FPS), math.ceil(NEAR_S * flux.FPS)
    return float(strength[max(0, centre - reach) : centre + reach + 1].max(initial=0.0))


def chain(bench: Bench) -> None:
    """Ten edits after one another, of one or two bars drawn by chance, each on the request that there is.

    (With other chords and no tune in the regions, as in :func:`edits`, they become softer by what the tune was.)
    """
    real = [mfcc_patches(clip.audio) for clip in bench.clips]
    takes = [Audio(file.floats().float(), file.rate) for file in bench.files]
    whole = (0.0, bench.generator.seconds)
    heard = [
        bench.heard(take, clip.controls, whole).get(CHORDS, math.nan)
        for take, clip in zip(takes, bench.clips, strict=True)
    ]
    show({f"takes {CHORDS}": heard})
    frechet("takes", takes, real)
    for told in (False, True):
        print(f"  the encoder {'told' if told else 'not told'} what is beside a region")
        draw = np.random.default_rng(0)
        rows: Rows = {}
        finals = []
        for row, clip in enumerate(bench.clips):
            finals.append(edited_often(bench, row, draw, told))
            scores = bench.heard(finals[-1], clip.controls, whole)
            add(rows, {f"after {EDITS} {CHORDS}": scores.get(CHORDS, math.nan)})
            add(rows, {"level, dB": tools.rms_db(finals[-1].samples) - tools.rms_db(takes[row].samples)})
        show(rows)
        frechet(f"after {EDITS} edits", finals, real)


def edited_often(bench: Bench, row: int, draw: np.random.Generator, told: bool) -> Audio:
    lines = [0.0, *bench.lines(row), bench.generator.seconds]
    controls, latents, file = bench.clips[row].controls, bench.takes[row].latents, bench.files[row]
    for number in range(EDITS):
        first = int(draw.integers(0, len(lines) - 1))
        region = (lines[first], lines[min(first + int(draw.integers(1, 3)), len(lines) - 1)])
        take = edit(bench.generator, latents, controls, [region], told=told, seed=1000 + EDITS * row + number)
        file = bench.spliced(row, file, take, [region])
        # As a take is kept between two commands, in half precision.
        kept = stored.write(bench.folder / "chain.latents", take.latents, controls, {})
        latents = stored.read(kept).latents
    return Audio(file.floats().float(), file.rate)


def frechet(name: str, sounds: Sequence[Audio], real: Sequence[np.ndarray]) -> None:
    score = fad([mfcc_patches(sound) for sound in sounds], real)
    print(f"  Frechet distance, {name:<20} {score.mean:6.2f} [{score.low:.2f}, {score.high:.2f}]", flush=True)


def extensions(bench: Bench) -> None:
    generator = bench.generator
    rows: Rows = {}
    known = generator.grid().length
    grid = generator.grid(generator.seconds + ADDED_S)
    part = (generator.seconds, generator.seconds + ADDED_S)
    for row, clip in enumerate(bench.clips):
        take = bench.takes[row]
        source = Audio(take.audio.samples[0], take.audio.rate)
        longer = continued(clip.controls, clip.controls.tracks["beats"], grid)
        end = Audio(source.samples[:, -3 * source.rate :], source.rate)
        latents = torch.nn.functional.pad(take.latents, (0, 0, 0, grid.length - known))
        other = continued(bench.other_chords(row), None, grid).only({"chords"})
        turned = inside(longer, other, [part], grid)
        style = (generator.style(end),)
        ways: Mapping[str, Controls] = {
            "plain": longer,
            "in style": replace(longer, style=style),
            "other chords": turned,
        }
        tail = mfcc_patches(Audio(source.samples[:, -5 * source.rate :], source.rate)).mean(0)
        for name, controls in ways.items():
            told = "other" not in name
            made = extend(generator, latents, controls, known=known, told=told, seed=200 + row)
            sound = Audio(made.audio.samples[0], made.audio.rate)
            scores = bench.heard(sound, controls, part)
            new = Audio(sound.samples[:, source.samples.shape[-1] :], sound.rate)
            add(rows, {f"{name}: {key}": scores.get(key, math.nan) for key in (CHORDS, "onset_f1")})
            add(rows, {f"{name}: level, dB": tools.rms_db(new.samples) - tools.rms_db(source.samples)})
            far = float(np.abs(mfcc_patches(new).mean(0) - tail).mean())
            add(rows, {f"{name}: distance of timbre": far})
            inner = [at(onsets(sound), line) for line in bench.lines(row)]
            add(rows, {f"{name}: join": at(onsets(sound), part[0]) / max(mean(inner), 1e-6)})
        free = generator.generate(replace(turned, style=()), seed=200 + row)
        scores = bench.heard(Audio(free.audio.samples[0], free.audio.rate), turned, part)
        add(rows, {f"free: other {CHORDS}": scores.get(CHORDS, math.nan)})
        apart = np.abs(mfcc_patches(new).mean(0) - _tail(bench, row + 1)).mean()
        add(rows, {"of another clip: distance of timbre": float(apart)})
    show(rows)
    ratio(rows, f"other chords: {CHORDS}", f"free: other {CHORDS}")


def long_regions(bench: Bench) -> None:
    """Regions as long as a window: does the last of their windows gain by what follows the region?"""
    generator, rows = bench.generator, Rows()
    grid = generator.grid(2 * generator.seconds)
    for row, clip in enumerate(bench.clips[: len(bench.clips) // 2]):
        controls = continued(
            clip.controls.only(clip.controls.names() - {"melody"}), clip.controls.tracks["beats"], grid
        )
        lines = [round(t, 6) for t in from_track(controls.tracks["beats"]).downbeats if 1.0 <= t <= grid.seconds - 1.0]
        start = min(lines, key=lambda line: abs(line - 0.5 * generator.seconds))
        end = min(lines, key=lambda line: abs(line - 1.5 * generator.seconds))
        source = generator.generate(controls, seed=row)
        old = exact.read(
            Audio(source.audio.samples[0], source.audio.rate).write(bench.folder / "long.wav"), source.audio
        )
        whole = edit(generator, source.latents, controls, [(start, end)], seed=300 + row)
        # As if the piece ended with the region.
        span = frames((start, end), grid)
        cut = cut_controls(controls, Window(0, span.stop))
        alone = fill(generator, source.latents[:, : span.stop], cut, [span], seed=300 + row).latents
        latents = torch.cat([alone, source.latents[:, span.stop :]], 1)
        blind = replace(whole, latents=latents, audio=generator.codec.decode(latents))
        inner = mean([at(onsets(Audio(source.audio.samples[0], source.audio.rate)), line) for line in lines])
        for name, take in (("sees what follows", whole), ("does not", blind)):
            sound = bench.spliced(row, old, take, [(start, end)])
            strength = onsets(Audio(sound.floats().float(), sound.rate))
            add(rows, {f"{name}: seam at the end": at(strength, end) / max(inner, 1e-6)})
            heard = bench.heard(Audio(sound.floats().float(), sound.rate), controls, (start, end))
            add(rows, {f"{name}: {CHORDS}": heard.get(CHORDS, math.nan)})
            add(rows, {f"{name}: flux after the end": _flux(take.latents, span.stop)})
    show(rows)


def _flux(latents: torch.Tensor, frame: int) -> float:
    """The step of the latents at a frame, beside the mean step."""
    steps = latents[0].diff(dim=0).norm(dim=-1)
    return float(steps[frame - 1] / steps.mean())


def _tail(bench: Bench, row: int) -> np.ndarray:
    sound = bench.takes[row % len(bench.takes)].audio
    return np.asarray(mfcc_patches(Audio(sound.samples[0, :, -5 * sound.rate :], sound.rate)).mean(0))


def add(rows: Rows, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        rows.setdefault(name, []).append(value)


def show(rows: Rows) -> None:
    for name, values in rows.items():
        told = bootstrap(values)
        high = np.percentile([v for v in values if not math.isnan(v)] or [math.nan], 75)
        print(f"  {name:<40} {told.mean:7.3f} [{told.low:.3f}, {told.high:.3f}]  75th percentile {high:.3f}")
    sys.stdout.flush()


def ratio(rows: Rows, one: str, other: str) -> None:
    """Mean over mean, with a bootstrap interval over the clips."""
    pairs = np.array([(a, b) for a, b in zip(rows[one], rows[other], strict=True) if not math.isnan(a + b)])
    picks = np.random.default_rng(0).integers(0, len(pairs), (1000, len(pairs)))
    means = pairs[picks].mean(1)
    low, high = np.percentile(means[:, 0] / means[:, 1], [2.5, 97.5])
    print(f"  {one} / {other}: {pairs[:, 0].mean() / pairs[:, 1].mean():.3f} [{low:.3f}, {high:.3f}]", flush=True)


STUDIES: Mapping[str, Callable[[Bench], None]] = {
    "edit": edits,
    "recording": recordings,
    "chain": chain,
    "extend": extensions,
    "long": long_regions,
}


if __name__ == "__main__":
    sys.exit(main())
