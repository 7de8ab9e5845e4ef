"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import disk, options, progress
from flowmusic.apps import choose, fact_flags
from flowmusic.controls import TRACKS
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.flow import time_grids
from flowmusic.flow.solve import SOLVERS
from flowmusic.flow.time_grids import GRIDS
from flowmusic.options import check_device
from flowmusic.paths import sibling

if TYPE_CHECKING:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.audio import Audio
    from flowmusic.evaluate.adherence import Adherence
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.types import Controls, Generation

NOTHING_TO_JUDGE = (
    "--best-of and --min-adherence choose by chords, drums, melody or beats, and none of them was asked for or can be "
    "recognised here; leave them out, or ask for one"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F / G / | %"    "|: C | F :| x3"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)"""
    keys = ", ".join(options.GUIDANCE_KEYS)
    parser.epilog = f"""Guidance keys: {keys}.  all=A,text=B is A v(all) + B v(text) + (1 - A - B) v(nothing);
alpha=A,beta=B follows style and other controls by A, and within that the words by B (double guidance).
Exit codes: 0 done, 2 the input or the flags are wrong, 1 anything else."""
    add = parser.add_argument
    add("text", type=options.words, metavar="TEXT", help='what it should sound like; "" for no text')
    add("--chords", type=options.words, metavar="S", help="chord text, in bars or at seconds")
    add(
        "--bpm",
        type=options.bpm,
        metavar="N",
        help="beats a minute: places chords in bars, sets the beat grid (that of a MIDI file, or 120); counts quarter "
        "notes in 4/4, 3/4, 6/4, dotted quarters in 6/8, 9/8, 12/8, halves in 2/2, eighths in 3/8, 5/8, 7/8",
    )
    add("--meter", type=options.words, metavar="M", help="time signature of the bars (that of a MIDI file, or 4/4)")
    add("--melody", type=options.existing_file, metavar="FILE", help="one voice: audio, or a MIDI file")
    add(
        "--drums",
        type=options.existing_file,
        metavar="FILE",
        help="a drum loop, music whose drums to take, or MIDI drums",
    )
    add("--stretch", action="store_true", help="play the drums at the tempo of the beat grid, where theirs is another")
    add("--loop-bpm", type=options.bpm, metavar="N", help="tempo of the drums, where it is not heard rightly")
    add("--style", type=options.existing_file, metavar="FILE", help="music whose feel to take")
    add(
        "--style-seconds",
        type=options.style_seconds,
        default=3.0,
        metavar="N",
        help="of its loudest part (3), as loud as it is",
    )
    add("--style-detail", type=options.style_detail, metavar="N", help="how close: 1, a hint, to 6 (the model's own)")
    add(
        "--concept",
        type=options.existing_file,
        action="append",
        default=[],
        metavar="FILE",
        help="a pseudoword of `flowmusic invert`, for <name> or <name>:0.6 in TEXT; may be repeated",
    )
    fact_flags.add(parser)
    add("--controls", type=options.existing_path, metavar="DIR|JSON", help="controls that `flowmusic extract` wrote")
    add("--use", type=options.names(TRACKS), metavar="LIST", help=f"which of --controls: {', '.join(TRACKS)} (all)")
    add("--guidance", type=options.guidance, metavar="K=V,...", help="weights of the controls (the model's own)")
    add(
        "--guidance-interval",
        type=options.guidance_interval,
        metavar="LO,HI",
        help="part of the way from 0, noise, to 1, music, where the weights apply (the model's own)",
    )
    add(
        "--apg",
        type=options.apg,
        metavar="K=V,...",
        help="projected guidance: eta (0; 1 is plain), norm, momentum (the model's own)",
    )
    add("--seconds", type=options.seconds, default=10.0, metavar="N", help="length (10)")
    add("--steps", type=options.steps, metavar="N", help="solver steps (the model's own)")
    add("--solver", choices=tuple(SOLVERS), metavar="NAME", help=f"{', '.join(SOLVERS)} (the model's own)")
    add("--time-grid", choices=tuple(GRIDS), metavar="NAME", help=f"{', '.join(GRIDS)} (the model's own)")
    add("--seed", type=options.seed, metavar="N", help="repeats a take; drawn and recorded if left out")
    add("--count", type=options.count, default=1, metavar="N", help="takes, with seeds from --seed upwards (1)")
    add(
        "--best-of",
        type=options.count,
        metavar="N",
        help="make N takes for each one, and keep what follows closest (1)",
    )
    add(
        "--min-adherence",
        type=options.share,
        metavar="X",
        help="try again until a take scores X in 0..1, at most 8 times",
    )
    add("--model", default="nano", metavar="NAME|DIR|HUBID", help="see `flowmusic models` (nano)")
    add(
        "--adapter",
        type=options.adapter,
        action="append",
        default=[],
        metavar="FILE[:SCALE]",
        help="of `flowmusic train experiment=lora`, from -2 to 2 times as strong (1); several add up",
    )
    add("--device", type=options.device, default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps (cpu)")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="of the model's matrix products (fp32)")
    options.add_threads(parser)
    add("--out", type=options.audio_output, default="take.wav", metavar="FILE", help="take.wav; also .flac, .ogg")
    add("--quiet", action="store_true", help="no progress, notices or scores; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.controls import chords
    from flowmusic.inputs import facts

    with reading_input():
        if args.chords is not None:
            chords.parse(args.chords, args.seconds)  # what is wrong with the text itself shows before torch is loaded
        facts.of_flags(args)
    progress.starting("flowmusic generate")
    from flowmusic.apps import take as recording
    from flowmusic.inputs import concepts
    from flowmusic.inputs import request as asking
    from flowmusic.interop import model_files

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        check_record(args.out)
        asked = asking.read(args)
    generator = load(args)
    from flowmusic.generate.generator import draw_seed

    with reading_input():
        concepts.register(args.concept, generator, asked)
        details = recording.details(args, asked)
        written = asking.to_controls(asked, generator.grid(asked.seconds))
        controls = asking.for_model(asked, written, generator)
        negative = asking.negative_for(asked, generator)
        more: dict[str, Any] = {} if negative is None else {"negative": negative}
        # Two bytes a sample, and what else a take leaves.
        check_output(args.out, args.count * round(2 * asked.seconds * generator.codec.rate) + disk.PROBE)
        remove_stale(args.out.parent)
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)
    weights: Mapping[str, float] = args.guidance or generator.defaults.guidance
    with reading_input():
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        time_grids.named(args.time_grid or generator.defaults.time_grid, args.steps or generator.defaults.steps)
    seed = draw_seed() if args.seed is None else args.seed
    tries = args.best_of or (1 if args.min_adherence is None else choose.TRIES)
    chosen = tries > 1 or args.min_adherence is not None
    if chosen and not written.tracks:
        raise UsageError(NOTHING_TO_JUDGE)

    def make(number: int, label: str) -> Generation:
        with progress.Bar(label, "eval") as bar:
            return generator.generate(
                controls,
                grid=generator.grid(asked.seconds),
                guidance=guidance,
                solver=args.solver,
                steps=args.steps,
                time_grid=args.time_grid,
                seed=seed + number,
                progress=bar.to,
                **more,
            )

    for number in range(args.count):
        label = f"take {number + 1}/{args.count}" if args.count > 1 else "generating"
        out = args.out if args.count == 1 else sibling(args.out, f"-{number + 1}{args.out.suffix}")
        judged: Adherence | None = None
        choice: dict[str, Any] | None = None
        if not chosen:
            take = make(number, label)
        else:
            takes = (make(number * tries + n, f"{label}, try {n + 1} of at most {tries}") for n in range(tries))
            take, judged, choice = _best(takes, asked, written, args.min_adherence)
            if not args.quiet:
                print(f"note: {choose.told(choice, take.seed)}", file=sys.stderr)
        _finish(take, out, asked, generator, weights, written, judged, choice, details, quiet=args.quiet)
    return DONE


def _best(
    takes: Iterable[Generation], asked: GenerateRequest, written: Controls, least: float | None
) -> tuple[Generation, Adherence, dict[str, Any]]:
    """The take that follows closest, or the first that follows closely enough.

    Raises: UsageError if nothing that was asked for can be judged.
    """
    best: tuple[float, Generation, Adherence] | None = None
    scores: dict[int, float] = {}
    for take in takes:
        judged = _listen(take, asked, written)
        value = choose.score(judged)
        if value is None:
            raise UsageError(NOTHING_TO_JUDGE)
        scores[take.seed] = value
        if best is None or value > best[0]:
            best = (value, take, judged)
        if least is not None and value >= least:
            break
    assert best is not None
    return best[1], best[2], choose.record(scores, least)


def _sound(take: Generation, asked: GenerateRequest) -> Audio:
    from flowmusic import audio
    from flowmusic.audio import Audio

    return audio.fit(Audio(take.audio.samples[0], take.audio.rate), round(asked.seconds * take.audio.rate))


def _listen(take: Generation, asked: GenerateRequest, written: Controls) -> Adherence:
    """Judge a take in the terms of the request: a model may read the drums as codes."""
    from flowmusic.evaluate.adherence import judge

    return judge(_sound(take, asked), _requested(take, asked, written))


def _requested(take: Generation, asked: GenerateRequest, written: Controls) -> Annotations:
    """What was asked of a take, of the controls that its model reads."""
    from flowmusic.annotations.tracks import from_tracks

    return from_tracks(written.only(take.controls.names()), asked.seconds)


def check_record(out: Path) -> None:
    """Raise UsageError where something else is in the way of the record beside a take."""
    record = sibling(out, ".json")
    if record.is_dir():
        raise UsageError(f"cannot write {record}, the record of {out}: it is a folder; choose another name with --out")


def load(args: argparse.Namespace) -> Generator:
    """The model of --model, on --device; in --precision and with --adapter where the command has them.

    Raises: UsageError.
    """
    from flowmusic.interop import bundle, fitting
    from flowmusic.interop.adapter import AdapterError

    adapters = getattr(args, "adapter", [])
    more: dict[str, Any] = {"adapters": adapters} if adapters else {}
    try:
        return bundle.load(args.model, device=args.device, precision=getattr(args, "precision", "fp32"), **more)
    except (fitting.ModelError, AdapterError) as error:
        raise UsageError(str(error)) from error


def _finish(
    take: Generation,
    out: Path,
    asked: GenerateRequest,
    generator: Generator,
    weights: Mapping[str, float],
    written: Controls,
    judged: Adherence | None,
    choice: Mapping[str, Any] | None,
    details: Mapping[str, Any],
    *,
    quiet: bool,
) -> None:
    """Write the audio, listen to it unless that was done, write the record, and print what there is.

    Raises: OSError for what cannot be written, with the seed that gives the take again.
    """
    from flowmusic import audio
    from flowmusic.apps.take import record, table
    from flowmusic.files import write_readable_json

    sound = _sound(take, asked)
    requested = _requested(take, asked, written)

    def content(adherence: Adherence | None) -> dict[str, Any]:
        return record(
            take,
            model=generator.name,
            asked=asked,
            guidance=weights,
            sample_rate=sound.rate,
            written=written,
            requested=requested,
            adherence=adherence,
            choice=choice,
            adapters=generator.adapters,
            weights=generator.weights,
            details=details,
        )

    again = f"--seed {take.seed} makes this take again"
    described = sibling(out, ".json")
    try:
        audio.write(sound, out)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({again})", error.filename) from error
    try:
        # Before anyone listens: should a recogniser fail, the take can still be repeated.
        write_readable_json(described, content(judged))
        print(out, flush=True)
        adherence = _listen(take, asked, written) if judged is None else judged
        print(write_readable_json(described, content(adherence)), flush=True)
    except OSError as error:
        raise OSError(error.errno, f"{error.strerror} ({out} is written; {again})", error.filename) from error
    if not quiet:
        print("\n".join(table(adherence)), end="\n" if adherence.scores else "", flush=True)
