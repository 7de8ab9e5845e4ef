"""``flowmusic invert``: recordings in, a pseudoword for their feel out (textual inversion)."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.apps import flags
from flowmusic.apps.errors import DONE, UsageError, reading_input
from flowmusic.paths import beside

if TYPE_CHECKING:
    from flowmusic.train.invert import Inversion, Look, Report

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
    add("clips", nargs="+", type=flags.existing_file, metavar="CLIP", help="recordings of at least 3 s each")
    add("--token", type=token, required=True, metavar="NAME", help="the pseudoword: letters, digits, _ and -")
    add("--vectors", type=flags.integer("vectors"), default=2, metavar="K", help="vectors to learn (2)")
    add("--steps", type=flags.steps, default=400, metavar="N", help="at most; fewer if it learns no more (400)")
    add("--seed", type=flags.seed, default=0, metavar="S", help="of everything random (0)")
    add("--init", type=flags.words, default="music", metavar="WORD", help="the word to start from (music)")
    add("--model", default="nano", metavar="NAME|DIR", help="see `flowmusic models` (nano)")
    add("--device", type=flags.device, default="cpu", metavar="D", help="cpu, cuda, cuda:1, mps (cpu)")
    add("--out", type=flags.output((SUFFIX,)), metavar="FILE", help="default: NAME.safetensors")
    add("--quiet", action="store_true", help="no progress or losses; only the name of the file")


def run(args: argparse.Namespace) -> int:
    """Read the clips, learn, write the file and print its name."""
    from flowmusic import audio
    from flowmusic.apps.generate import check_device, load
    from flowmusic.interop import bundle, concept
    from flowmusic.train.excerpts import MIN_SECONDS
    from flowmusic.train.invert import DamagedState, Settings, check_model, invert

    with reading_input():
        check_device(args.device)
        bundle.find(args.model)
        out = args.out or default_output(args.token)
        clips = [audio.read(path, min_seconds=MIN_SECONDS) for path in args.clips]
        for path, clip in zip(args.clips, clips, strict=True):
            if not bool(clip.samples.any()):
                raise ValueError(f"{path} is silent; give a recording with music")
    generator = load(args)
    with reading_input():
        check_model(generator).word_embedding(args.init)
    partial = beside(out, PARTIAL)
    if partial.exists() and not args.quiet:
        print(f"note: {partial} is continued if it is of the same run", file=sys.stderr)
    numbers = (args.vectors, args.steps, args.seed)
    settings = Settings(init=args.init)
    try:
        with Bar(f"<{args.token}>", args.quiet) as report:
            found = invert(generator, clips, args.token, *numbers, settings=settings, partial=partial, report=report)
    except DamagedState as error:
        raise UsageError(str(error)) from error
    if not args.quiet:
        print(summary(found), file=sys.stderr)
    concept.write(out, found.concept)
    partial.unlink(missing_ok=True)
    print(out)
    return DONE


def default_output(name: str) -> Path:
    """NAME.safetensors here.  Raises: UsageError if that cannot be written."""
    try:
        return flags.output((SUFFIX,))(name + SUFFIX)
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


class Bar:
    """A progress bar on stderr with the training and the held-out loss; None when quiet."""

    def __init__(self, label: str, quiet: bool) -> None:
        self.label, self.quiet = label, quiet

    def __enter__(self) -> Report | None:
        if self.quiet:
            return None
        from tqdm import tqdm

        self.tqdm: Any = tqdm(desc=self.label, unit="step", file=sys.stderr, leave=False, dynamic_ncols=True)

        def report(done: int, total: int, loss: float, look: Look) -> None:
            self.tqdm.total = total
            self.tqdm.set_postfix_str(f"loss {loss:.4f}, held out {look.held_out:.4f}", refresh=False)
            self.tqdm.update(done - self.tqdm.n)

        return report

    def __exit__(self, *_: object) -> None:
        if not self.quiet:
            self.tqdm.close()
