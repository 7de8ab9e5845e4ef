"""Adherence of a model: ``python -m flowmusic.evaluate.adherence_table --model nano --corpus DIR --out DIR``.

Rows: ``model`` (all controls given), ``shuffled`` (generated again with only one control swapped for another clip's,
everything else and the noise equal, and scored against the original request), ``truth`` (the corpus audio itself) and
``codec`` (its round trip).  Every clip is cached in OUT/clips, so a stopped run goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options, plain, progress
from flowmusic.errors import DONE, UsageError, guarded, reading_input
from flowmusic.flow import time_grids
from flowmusic.flow.solve import SOLVERS
from flowmusic.flow.time_grids import GRIDS
from flowmusic.interop import fitting
from flowmusic.options import Parser

if TYPE_CHECKING:
    from flowmusic.audio import Audio
    from flowmusic.evaluate.test_set import LabelledClip
    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.adherence import Detectors
    from flowmusic.types import Controls, Generation, Guidance

SWAPPABLE = ("chords", "drums", "melody", "beats")
SYSTEMS = ("model", "shuffled", "codec", "truth")
Scores = dict[str, dict[str, float]]
"""Metric scores of one clip by system."""


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(prog="python -m flowmusic.evaluate.adherence_table", description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--model", default="nano", metavar="NAME|DIR")
    add("--corpus", type=options.existing_path, required=True, metavar="DIR", help="written with --stems drums")
    add("--split", choices=("train", "validation", "test"), default="test")
    add("--clips", type=options.integer("clips"), default=32, metavar="N", help="the first N of the split (32)")
    add("--seed", type=options.seed, default=0, help="clip i starts from noise of seed + i (0)")
    add("--out", type=options.output_folder, required=True, metavar="DIR")
    add("--batch", type=options.integer("batch"), default=8, help="clips generated at once (8)")
    add("--swap", type=options.names(SWAPPABLE), default=frozenset({"chords", "drums", "melody"}), metavar="LIST")
    add("--steps", type=options.steps)
    add("--solver", choices=tuple(SOLVERS))
    add("--time-grid", choices=tuple(GRIDS))
    add("--guidance", type=options.guidance, metavar="K=V,...")
    add("--guidance-interval", type=options.guidance_interval, metavar="LO,HI")
    add("--apg", type=options.apg, metavar="K=V,...")
    add("--chord-detector", choices=options.CHORD_DETECTORS, help="who hears chords (ours)")
    add("--device", type=options.device, default="cpu")
    add("--no-codec-row", action="store_true")
    add("--audio", action="store_true", help="keep the model's takes as OUT/audio/ID.wav")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("adherence_table", lambda: run(build_parser().parse_args(arguments)))


def run(args: argparse.Namespace) -> int:
    """Generate, score, and write OUT/report.json and OUT/report.md."""
    from flowmusic.evaluate.adherence import chord_recogniser, listeners
    from flowmusic.evaluate.test_set import drum_control, read_clips
    from flowmusic.interop import bundle

    try:
        generator = bundle.load(args.model, device=args.device)
    except fitting.ModelError as error:
        raise UsageError(str(error)) from error
    with reading_input():
        drums = drum_control(generator)
        clips = read_clips(args.corpus, args.split, args.clips, generator.grid(), generator.codec.rate, drums=drums)
    weights = dict(args.guidance or generator.defaults.guidance)
    steps, grid = args.steps or generator.defaults.steps, args.time_grid or generator.defaults.time_grid
    with reading_input():
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        time_grids.named(grid, steps)
    settings = {
        "model": str(args.model),
        "weights_sha256": _fingerprint(args.model),
        "solver": args.solver or generator.defaults.solver,
        "steps": steps,
        "time_grid": grid,
        "guidance": weights,
        "guidance_interval": list(guidance.interval),
        "apg": None if guidance.projection is None else asdict(guidance.projection),
        "seed": args.seed,
        "split": args.split,
        "swap": sorted(args.swap),
        "codec_row": not args.no_codec_row,
        "clips": [clip.id for clip in clips],
    }
    chords = chord_recogniser(args.chord_detector)
    settings["chord_detector"] = chords.resolved()
    cache = open_cache(args.out, settings)
    ears = listeners(chords)
    with progress.Bar("adherence", "clip", len(clips)) as bar:
        for first in range(0, len(clips), args.batch):
            rows = range(first, min(first + args.batch, len(clips)))
            if not all(cache.joinpath(f"{clips[row].id}.json").exists() for row in rows):
                _evaluate(generator, clips, rows, guidance, settings, ears, cache, args)
            bar.update(len(rows))
    print(report(args.out, cache, settings))
    return DONE


def _evaluate(
    generator: Generator,
    clips: Sequence[LabelledClip],
    rows: range,
    guidance: Guidance,
    settings: Mapping[str, Any],
    ears: Detectors,
    cache: Path,
    args: argparse.Namespace,
) -> None:
    """Generate and score one batch, and write a file per clip."""
    from flowmusic.audio import Audio
    from flowmusic.evaluate.test_set import other, round_trip, swap
    from flowmusic.types import Controls

    def generate(items: Sequence[Controls]) -> Generation:
        return generator.generate(
            Controls.stack(items),
            guidance=guidance,
            solver=settings["solver"],
            steps=settings["steps"],
            time_grid=settings["time_grid"],
            seed=settings["seed"] + rows.start,
        )

    batch = [clips[row] for row in rows]
    began = time.perf_counter()
    takes = generate([clip.controls for clip in batch])
    seconds = (time.perf_counter() - began) / len(batch)
    swapped = {
        name: generate([swap(clips, row, name) for row in rows]) for name in SWAPPABLE if name in settings["swap"]
    }
    for place, clip in enumerate(batch):
        sounds: dict[str, Audio] = {"model": item(takes.audio, place), "truth": clip.audio}
        if settings["codec_row"]:
            sounds["codec"] = round_trip(generator.codec, clip.audio, generator.device)
        scores: Scores = {system: _score(sound, clip, ears) for system, sound in sounds.items()}
        scores["shuffled"] = {}
        for name, generation in swapped.items():
            if name in clip.requested_names and other(clips, rows[place], name) is not None:
                scores["shuffled"].update(_score(item(generation.audio, place), clip.asking_only(name), ears))
        if args.audio:
            folder = args.out / "audio"
            folder.mkdir(exist_ok=True)
            Audio(sounds["model"].samples, sounds["model"].rate).write(folder / f"{clip.id}.wav")
        from flowmusic.files import write_readable_json

        plain = {system: {k: v for k, v in row.items() if v == v} for system, row in scores.items()}
        found = {"scores": plain, "seconds_per_clip": seconds, "num_evals": takes.num_evals}
        write_readable_json(cache / f"{clip.id}.json", found)


def item(audio: Audio, place: int) -> Audio:
    """One recording of a batch.  Shape: ``[B, C, N] -> [C, N]``."""
    from flowmusic.audio import Audio

    return Audio(audio.samples[place], audio.rate)


def _score(sound: Audio, clip: LabelledClip, ears: Detectors) -> dict[str, float]:
    import warnings

    from flowmusic.metrics.adherence import measure

    with warnings.catch_warnings():
        # A score that is nan (nothing to compare) is left out of the means, and the counts show it.
        warnings.simplefilter("ignore", UserWarning)
        return measure(sound, clip.requested, ears)


def open_cache(out: Path, settings: Mapping[str, Any], name: str = "clips") -> Path:
    """The folder OUT/NAME of finished results, whose settings are kept in OUT/settings.json.

    Raises: UsageError if it holds results with other settings.
    """
    from flowmusic.files import write_readable_json

    cache = out / name
    cache.mkdir(parents=True, exist_ok=True)
    file = out / "settings.json"
    if file.exists():
        found = plain.read_json(file)
        other_keys = sorted(key for key in settings if found.get(key) != settings[key])
        if other_keys:
            raise UsageError(
                f"{out} holds results with other settings ({', '.join(other_keys)}); give another --out, or remove it"
            )
    else:
        write_readable_json(file, settings)
    return cache


def _fingerprint(model: str) -> str:
    from flowmusic.interop import model_files

    return model_files.fingerprint(model)


def report(out: Path, cache: Path, settings: Mapping[str, Any]) -> str:
    """Gather the cached clips into OUT/report.json and OUT/report.md; returns the markdown."""
    from feature_extractors.chords import Chords
    from flowmusic.evaluate.detectors import describe
    from flowmusic.guidance import in_words
    from flowmusic.metrics import report as reports

    results = [plain.read_json(cache / f"{name}.json") for name in settings["clips"]]
    systems = [s for s in SYSTEMS if s != "codec" or settings["codec_row"]]
    scores = {system: [result["scores"][system] for result in results] for system in systems}
    mean_seconds = sum(result["seconds_per_clip"] for result in results) / len(results)
    drawn = f"{settings['solver']}, {settings['steps']} steps, {settings['time_grid']} grid"
    guidance = in_words(settings["guidance"], settings["guidance_interval"], settings["apg"])
    notes = {
        "model": f"{settings['model']}, {drawn}, guidance {guidance}",
        "clips": f"the first {len(results)} of {settings['split']}, noise from seed {settings['seed']} upwards",
        "shuffled": f"only one control swapped for the next clip's, one after the other: {', '.join(settings['swap'])}",
        "time": f"{mean_seconds:.2f} s a clip for one generation, {results[0]['num_evals']} field evaluations",
        **describe(chords=Chords(settings["chord_detector"])),
    }
    summary = reports.table(scores, notes)
    extra = {"settings": dict(settings), "seconds_per_clip": mean_seconds, "num_evals": results[0]["num_evals"]}
    return reports.write(summary, out, extra=extra).read_text(encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
