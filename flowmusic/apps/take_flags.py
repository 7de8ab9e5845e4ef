"""Flags that the commands which make takes share, and the model that they name."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options
from flowmusic.controls import TRACKS
from flowmusic.errors import UsageError
from flowmusic.flow.solve import SOLVERS
from flowmusic.flow.time_grids import GRIDS

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator

GUIDANCE_KEYS = f"""Guidance keys: {", ".join(options.GUIDANCE_KEYS)}.
all=A,text=B is A v(all) + B v(text) + (1 - A - B) v(nothing);
alpha=A,beta=B follows style and other controls by A, and within that the words by B (double guidance)."""
EXIT_CODES = "Exit codes: 0 done, 2 the input or the flags are wrong, 1 anything else."


def add_request(parser: argparse.ArgumentParser) -> None:
    """What is asked for beyond the words: chords, tempo, melody, drums, style, pseudowords, a file of controls."""
    add = parser.add_argument
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
        "--style-timbre",
        type=options.style_timbre,
        metavar="S",
        help="how far the timbre is brought to that of --style, beyond what the model hears: 0 to 1 (the model's own)",
    )
    add(
        "--concept",
        type=options.existing_file,
        action="append",
        default=[],
        metavar="FILE",
        help="a pseudoword of `flowmusic invert`, for <name> or <name>:0.6 in TEXT; may be repeated",
    )
    add("--controls", type=options.existing_path, metavar="DIR|JSON", help="controls that `flowmusic extract` wrote")
    add("--use", type=options.names(TRACKS), metavar="LIST", help=f"which of --controls: {', '.join(TRACKS)} (all)")


def add_sampling(parser: argparse.ArgumentParser, over_time: bool = False) -> None:
    """Guidance and how the flow is integrated, seeds, and how many takes are made and kept.

    Args:
        over_time: weights may be curves.
    """
    add = parser.add_argument
    weights = options.guidance_over_time if over_time else options.guidance
    curves = "; a weight may be a curve, as in 'all=3, chords=0@0 4@10'" if over_time else ""
    add("--guidance", type=weights, metavar="K=V,...", help=f"weights of the controls (the model's own){curves}")
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


def add_blend(parser: argparse.ArgumentParser) -> None:
    """Two ends, and places between them."""
    add = parser.add_argument
    prompts, files = ("PROMPT", "PROMPT"), ("FILE", "FILE")
    add("--blend", type=options.words, nargs=2, metavar=prompts, help="between two prompts, instead of TEXT")
    add("--blend-seeds", type=options.seed, nargs=2, metavar=("N", "N"), help="between the noise of two seeds")
    add("--blend-styles", type=options.existing_file, nargs=2, metavar=files, help="between two styles")
    add("--at", type=options.share, metavar="X", help="where: 0, the first of the two, to 1 (0.5)")
    add("--path", type=options.integer("takes", low=2), metavar="N", help="N takes instead, at even places from 0 to 1")


def add_model(parser: argparse.ArgumentParser) -> None:
    """Which model, and where it runs."""
    add = parser.add_argument
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


def add_output(parser: argparse.ArgumentParser, folder: bool = False) -> None:
    """Where a take is written, and what is told of it; ``folder``: judged later, as it may be one of several takes."""
    add = parser.add_argument
    add(
        "--out",
        type=str if folder else options.audio_output,
        default="take.wav",
        metavar="FILE",
        help="take.wav; also .flac, .ogg" + ("; with --batch a folder" if folder else ""),
    )
    add("--no-latents", action="store_true", help="keep no take.latents, which edit, extend and vary start from")
    add_mono(parser)
    add_watermark(parser)
    add("--quiet", action="store_true", help="no progress, notices or scores; only the names of the files")


def add_mono(parser: argparse.ArgumentParser) -> None:
    """Whether the model's stereo head is left out."""
    parser.add_argument(
        "--mono", action="store_true", help="one channel, the mean of the two that a codec with a stereo head makes"
    )


def add_watermark(parser: argparse.ArgumentParser) -> None:
    """Whether what is made is marked."""
    how = argparse.BooleanOptionalAction
    parser.add_argument(
        "--watermark", action=how, default=True, help="an inaudible mark in what is made, for `flowmusic detect` (on)"
    )


def settle_output(args: argparse.Namespace) -> None:
    """Judge ``--out``: a recording, or with ``--batch`` a folder.  Raises: UsageError."""
    if args.keep_going and args.batch is None:
        raise UsageError("--keep-going is about the lines of a --batch, which is not given")
    if args.batch is not None and Path(args.out).suffix.lower() in options.AUDIO_SUFFIXES:
        raise UsageError("--batch makes several takes; name a folder for them, as in --out takes")
    if args.batch is not None and (args.stems or args.midi):
        raise UsageError("--stems and --midi are for single takes; carry those of a --batch on by `flowmusic export`")
    judge = options.audio_output if args.batch is None else options.output_folder
    try:
        args.out = judge(str(args.out))
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"argument --out: {error}") from None


def load(args: argparse.Namespace) -> Generator:
    """The model of --model, on --device; in --precision and with --adapter where the command has them.

    Where the codec has a stereo head, it makes two channels for commands with --mono that are not given it, and for
    those with --stereo that are.  A program that runs commands keeps models itself, and sets ``args.load_model``.

    Raises: UsageError.
    """
    from flowmusic.interop import bundle, fitting
    from flowmusic.interop.adapter import AdapterError
    from flowmusic.precision import usable

    if hasattr(args, "precision"):
        args.precision = usable(args.precision, args.device)  # as the take's record is to say
    more: dict[str, Any] = {"adapters": args.adapter} if getattr(args, "adapter", None) else {}
    load = getattr(args, "load_model", bundle.load)
    try:
        generator = load(args.model, device=args.device, precision=getattr(args, "precision", "fp32"), **more)
    except (fitting.ModelError, AdapterError) as error:
        raise UsageError(str(error)) from error
    # A model that stayed loaded may have been asked for the other before.
    generator.in_stereo(getattr(args, "stereo", not getattr(args, "mono", True)))
    return generator
