"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.apps import flags
from flowmusic.apps.errors import DONE, UsageError, reading_input
from flowmusic.flow.solve import SOLVERS

if TYPE_CHECKING:
    from flowmusic.apps.adherence import Adherence
    from flowmusic.apps.asked import Asked
    from flowmusic.generate.generator import Generator
    from flowmusic.types import Controls, Generation, Progress

CONTROLS = ("chords", "melody", "drums", "beats")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F G | %"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)"""
    keys = ", ".join(flags.GUIDANCE_KEYS)
    parser.epilog = f"""Guidance keys: {keys}.  all=A,text=B is A v(all) + B v(text) + (1 - A - B) v(nothing);
alpha=A,beta=B follows style and other controls by A, and within that the words by B (double guidance).
Exit codes: 0 done, 2 the input or the flags are wrong, 1 anything else."""
    add = parser.add_argument
    add("text", metavar="TEXT", help='what it should sound like; "" for no text')
    add("--chords", metavar="S", help="chord text, in bars or at seconds")
    add(
        "--bpm",
        type=flags.number_text,
        metavar="N",
        help="beats a minute: places chords in bars, sets the beat grid (120)",
    )
    add("--meter", default="4/4", metavar="M", help="time signature (4/4)")
    add("--melody", type=flags.existing_file, metavar="FILE", help="one voice: audio, or a MIDI file")
    add("--drums", type=flags.existing_file, metavar="FILE", help="a drum loop, or music whose drums to take")
    add("--style", type=flags.existing_file, metavar="FILE", help="music whose feel to take")
    add("--style-seconds", type=flags.style_seconds, default=3.0, metavar="N", help="of its loudest part (3)")
    add("--style-detail", type=flags.style_detail, metavar="N", help="how close: 1, a hint, to 6 (the model's own)")
    add(
        "--concept",
        type=flags.existing_file,
        action="append",
        default=[],
        metavar="FILE",
        help="a pseudoword of `flowmusic invert`, for <name> or <name>:0.6 in TEXT; may be repeated",
    )
    add("--controls", type=flags.existing_path, metavar="DIR|JSON", help="controls that `flowmusic extract` wrote")
    add("--use", type=flags.names(CONTROLS), metavar="LIST", help=f"which of --controls: {', '.join(CONTROLS)} (all)")
    add("--guidance", type=flags.guidance, metavar="K=V,...", help="weights of the controls (the model's own)")
    add("--seconds", type=flags.seconds, default=10.0, metavar="N", help="length (10)")
    add("--steps", type=flags.steps, metavar="N", help="solver steps (the model's own)")
    add("--solver", choices=tuple(SOLVERS), metavar="NAME", help=f"{', '.join(SOLVERS)} (the model's own)")
    add("--seed", type=flags.seed, metavar="N", help="repeats a take; drawn and recorded if left out")
    add("--count", type=flags.count, default=1, metavar="N", help="takes, with seeds from --seed upwards (1)")
    add("--model", default="nano", metavar="NAME|DIR|HUBID", help="see `flowmusic models` (nano)")
    add("--device", type=flags.device, default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps (cpu)")
    add("--precision", choices=("fp32", "bf16"), default="fp32", help="of the model's matrix products (fp32)")
    add("--out", type=flags.audio_output, default=Path("take.wav"), metavar="FILE", help="take.wav; also .flac, .ogg")
    add("--quiet", action="store_true", help="no progress, notices or scores; only the names of the files")


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.apps import asked as asking
    from flowmusic.apps import concepts
    from flowmusic.interop import bundle

    with reading_input():
        check_device(args.device)
        bundle.find(args.model)
        asked = asking.read(args)
    generator = load(args)
    from flowmusic.generate.generator import draw_seed
    from flowmusic.types import Guidance

    with reading_input():
        concepts.register(args.concept, generator, asked)
        written = asking.to_controls(asked, generator.grid(asked.seconds))
        controls = asking.for_model(asked, written, generator)
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)
    weights: Mapping[str, float] = args.guidance or generator.defaults.guidance
    with reading_input():
        guidance = Guidance.of(weights)
    seed = draw_seed() if args.seed is None else args.seed
    for number in range(args.count):
        with bar(f"take {number + 1}/{args.count}" if args.count > 1 else "generating", args.quiet) as progress:
            take = generator.generate(
                controls,
                grid=generator.grid(asked.seconds),
                guidance=guidance,
                solver=args.solver,
                steps=args.steps,
                seed=seed + number,
                progress=progress,
            )
        out = args.out if args.count == 1 else args.out.with_stem(f"{args.out.stem}-{number + 1}")
        _finish(take, out, asked, generator, weights, written, quiet=args.quiet)
    return DONE


def check_device(name: str) -> None:
    """Raise UsageError for a device that this machine does not have."""
    import torch

    here = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not here[name.partition(":")[0]] or (":" in name and int(name[5:]) >= torch.cuda.device_count()):
        raise UsageError(f"--device {name} is not on this machine; use --device cpu")


def load(args: argparse.Namespace) -> Generator:
    """The model of --model, on --device, in --precision where the command has it.  Raises: UsageError."""
    from flowmusic.interop import bundle

    try:
        return bundle.load(args.model, device=args.device, precision=getattr(args, "precision", "fp32"))
    except bundle.ModelError as error:
        raise UsageError(str(error)) from error


def _finish(
    take: Generation,
    out: Path,
    asked: Asked,
    generator: Generator,
    weights: Mapping[str, float],
    written: Controls,
    *,
    quiet: bool,
) -> None:
    """Write the audio, listen to it, write the record, and print what there is."""
    from flowmusic import audio
    from flowmusic.apps.adherence import judge, requested_of
    from flowmusic.apps.take import record, table, write_json
    from flowmusic.types import Audio

    sound = audio.fit(Audio(take.audio.samples[0], take.audio.rate), round(asked.seconds * take.audio.rate))

    # In the terms of the request: a model may read the drums as codes.
    requested = requested_of(written.only(take.controls.names()), asked.seconds)

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
        )

    # The record first: should a recogniser fail, the take can still be repeated.
    audio.write(sound, out)
    write_json(content(None), out.with_suffix(".json"))
    print(out, flush=True)
    adherence = judge(sound, requested)
    print(write_json(content(adherence), out.with_suffix(".json")), flush=True)
    if not quiet:
        print("\n".join(table(adherence)), end="\n" if adherence.scores else "", flush=True)


class bar:
    """A progress bar on stderr as a :data:`flowmusic.types.Progress`; None when quiet."""

    def __init__(self, label: str, quiet: bool) -> None:
        self.label, self.quiet = label, quiet

    def __enter__(self) -> Progress | None:
        if self.quiet:
            return None
        from tqdm import tqdm

        self.tqdm = tqdm(desc=self.label, unit="eval", file=sys.stderr, leave=False, dynamic_ncols=True)

        def progress(done: int, total: int) -> None:
            self.tqdm.total = total
            self.tqdm.update(done - self.tqdm.n)

        return progress

    def __exit__(self, *_: object) -> None:
        if not self.quiet:
            self.tqdm.close()
