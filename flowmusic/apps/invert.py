"""``flowmusic invert``: recordings in, a pseudoword for their feel out (textual inversion)."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.locks import InUse, locked
from flowmusic.paths import fitted, sibling

if TYPE_CHECKING:
    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.train.invert import Inversion, Look

SUFFIX, PARTIAL = ".safetensors", ".partial"


def token(text: str) -> str:
    """``feel`` or ``<feel>`` -> ``feel``."""
    name = text[1:-1] if text.startswith("<") and text.endswith(">") else text
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,32}", name):
        raise argparse.ArgumentTypeError(
            f"{text!r} cannot name a pseudoword; use 1 to 32 of the characters A-Z, a-z, 0-9, _ and -"
        )
    return name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Learn a pseudoword from recordings; the model stays as it is.

  flowmusic invert refs/*.wav --token "<dusk>" --out dusk.safetensors
  flowmusic generate "a slow <dusk> waltz" --concept dusk.safetensors

In a prompt, <dusk>:0.6 is a weaker dusk, <dusk>:0 the plain word it was learned from, <dusk>:1.5 an exaggeration."""
    parser.epilog = """Until the end, the state is kept beside FILE, with the suffix .partial: a run that was stopped
goes on from there when the same command is given again."""
    add = parser.add_argument
    add(
        "clips",
        nargs="+",
        type=options.existing_file,
        metavar="CLIP",
        help="recordings of at least 3 s each; of long ones, 5 minutes",
    )
    add("--token", type=token, required=True, metavar="NAME", help="the pseudoword: letters, digits, _ and -")
    add("--vectors", type=options.integer("vectors"), default=2, metavar="K", help="vectors to learn (2)")
    add("--steps", type=options.steps, default=400, metavar="N", help="at most; fewer if it learns no more (400)")
    add("--seed", type=options.seed, default=0, metavar="S", help="of everything random (0)")
    add("--init", type=options.words, default="music", metavar="WORD", help="the word to start from (music)")
    add("--model", default="nano", metavar="NAME|DIR", help="see `flowmusic models` (nano)")
    add("--device", type=options.device, default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps (cpu)")
    options.add_threads(parser)
    add("--out", type=options.output((SUFFIX,)), metavar="FILE", help="default: NAME.safetensors")
    add("--quiet", action="store_true", help="no progress or losses; only the name of the file")


def run(args: argparse.Namespace) -> int:
    """Read the clips, learn, write the file and print its name."""
    progress.starting("flowmusic invert")
    from flowmusic.apps.take_flags import load
    from flowmusic.interop import model_files
    from flowmusic.options import check_device
    from flowmusic.train.invert import check_model

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        out = args.out or default_output(args.token)
        clips = [clip for path in args.clips for clip in read_clips(path, args.quiet)]
    generator = load(args)
    with reading_input():
        check_model(generator).word_embedding(args.init)
    partial = sibling(out, PARTIAL)
    busy = f"another run goes on in {partial}; wait for it, or give another --out"
    try:
        with locked(partial.with_name(fitted(f".{partial.name}", ".lock")), busy):
            return learn(args, generator, clips, out, partial)
    except InUse as error:
        raise UsageError(str(error)) from None


def learn(args: argparse.Namespace, generator: Generator, clips: Sequence[Audio], out: Path, partial: Path) -> int:
    """Learn, or go on where a run was stopped, and write the file."""
    from flowmusic.interop import concept
    from flowmusic.train.identity import OtherRun
    from flowmusic.train.invert import DamagedState, Settings, invert

    if partial.exists() and not args.quiet:
        print(f"note: going on from {partial}", file=sys.stderr)
    numbers = (args.vectors, args.steps, args.seed)
    settings = Settings(init=args.init)
    try:
        with progress.Bar(f"<{args.token}>", "step") as bar:

            def report(done: int, total: int, loss: float, look: Look) -> None:
                bar.note(f"loss {loss:.4f}, held out {look.held_out:.4f}")
                bar.to(done, total)

            found = invert(generator, clips, args.token, *numbers, settings=settings, partial=partial, report=report)
    except (DamagedState, OtherRun) as error:
        raise UsageError(str(error)) from error
    if not args.quiet:
        print(summary(found), file=sys.stderr)
    concept.write(out, found.concept)
    partial.unlink(missing_ok=True)
    print(out)
    return DONE


def read_clips(path: Path, quiet: bool) -> list[Audio]:
    """A recording, or stretches of a long one, mono.  Raises: AudioError; ValueError for silence."""
    from flowmusic import audio
    from flowmusic.train.excerpts import MIN_SECONDS

    stretches = audio.read_stretches(path, MIN_SECONDS)
    if not any(bool(reading.audio.samples.any()) for _, reading in stretches):
        raise ValueError(f"{path} is silent; give a recording with music")
    notices = list(stretches[0][1].notices)
    if len(stretches) > 1:
        notices.append(f"it is long; {len(stretches)} stretches of {audio.STRETCH_SECONDS:g} s of it are learned from")
    for notice in [] if quiet else notices:
        print(f"note: {path}: {notice}", file=sys.stderr)
    return [reading.audio for _, reading in stretches]


def default_output(name: str) -> Path:
    """NAME.safetensors here.  Raises: UsageError if that cannot be written."""
    try:
        return options.output((SUFFIX,))(name + SUFFIX)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"cannot write the default file: {error}; choose another with --out") from None


def summary(found: Inversion) -> str:
    """What was gained, on one line."""
    first, best, last = found.looks[0], found.best, found.looks[-1]
    if best.step == 0:
        return (
            f"note: in {last.step} steps the held-out loss never fell below the {first.held_out:.4f} of the starting "
            "word, which is kept as it was; longer or more clips may help"
        )
    return f"held-out loss {first.held_out:.4f} -> {best.held_out:.4f} at step {best.step} of {last.step}"
