"""``flowmusic vary``: music like a take or a recording, as near to it as a slider says."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from flowmusic import disk, options, progress
from flowmusic.apps import source_flags, take_flags
from flowmusic.controls import chords
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.takes import varying

if TYPE_CHECKING:
    from pathlib import Path

    from flowmusic.types import Generation, Progress

SLIDER = "0, the source, to 1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = f"""Make music like SOURCE.  One of three ways, each with a slider from 0, SOURCE itself, to 1:

--variation  the same request once more, its noise on the way from the take's own to that of --seed
--strength   SOURCE under so much noise, played anew as asked: its chords, melody, drums and beats hold the tune
--morph      SOURCE moved by what the new request changes in the old one: only the words, only the chords

TEXT and flags replace what SOURCE was asked for, or what is heard in it; --free lets go of some of it.
Presets: {", ".join(f"{name} (--{way} {amount:g})" for name, (way, amount) in varying.PRESETS.items())}."""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    add = parser.add_argument
    source_flags.add_source(parser)
    add("--variation", type=options.share, metavar="V", help=f"{SLIDER}, the take of --seed; takes alone")
    add("--strength", type=options.share, metavar="S", help=f"{SLIDER}, a new take: how much may change")
    add("--morph", type=options.share, metavar="M", help=f"{SLIDER}, the whole way: how much of the change is made")
    add("--preset", choices=tuple(varying.PRESETS), metavar="NAME", help=f"see above ({varying.DEFAULT})")
    source_flags.add_making(parser, out="vary.wav")


def run(args: argparse.Namespace) -> int:
    """Read the source, settle way and request, and make, write and judge ``--count`` takes of them."""
    with reading_input():
        way, amount = varying.chosen({name: getattr(args, name) for name in varying.WAYS}, args.preset)
        if way == "variation":
            _refuse(args)
        if args.chords is not None:
            chords.parse(args.chords, 60.0)
    progress.starting("flowmusic vary")
    from flowmusic.generate import vary
    from flowmusic.generate.generator import draw_seed
    from flowmusic.inputs import concepts
    from flowmusic.inputs import request as asking

    generator, source = source_flags.opened(args, partial(_judge, args, way))
    free = source_flags.free(args)
    args.text, args.seconds = args.text or "", source.audio.seconds
    if args.chords is not None and args.bpm is None:
        args.meter = args.meter or varying.meter_of(source)
    same = amount == 0.0
    with reading_input():
        read = asking.read(args)
        wanted = varying.request(read, source, generator, free)
        asked = wanted.asked
        concepts.register(args.concept, generator, asked)
        details = varying.details(args, asked, source, way, amount, wanted.kept)
        weights = args.guidance or varying.weights(generator, bool(args.text.strip()))
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        sampling = generator.sampling(args.solver, args.steps, args.time_grid)
        if way == "morph" and not varying.changes(wanted, source):
            raise UsageError("--morph moves SOURCE by what changes in its request; give TEXT, --chords, ... or --free")
        how = varying.recorded(source, generator) if way == "variation" else None
        channels, length = source.audio.samples.shape
        check_output(args.out, args.count * (2 * max(channels, generator.codec.channels) * length + disk.PROBE))
        remove_stale(args.out.parent)
    source_flags.tell(args, asked, varying.notices(source, generator, same))
    if how is not None:
        weights, guidance, sampling = how.weights, how.guidance, how.sampling
        with progress.Bar("repeating the source", "eval") as bar:
            varying.check_repeats(source, generator, how, bar.to)

    def make(seed: int, report: Progress) -> Generation:
        if same:
            return generator.finished(source.latents, wanted.controls, guidance, sampling, seed, 0)
        common: dict[str, Any] = {"guidance": guidance, "sampling": sampling, "seed": seed, "progress": report}
        if how is not None:
            length = source.grid.length
            return vary.variation(generator, wanted.controls, amount, first=how.seed, length=length, **common)
        if way == "morph":
            return vary.morph(generator, source.latents, source.controls, wanted.controls, amount, **common)
        return vary.strength(generator, source.latents, wanted.controls, amount, **common)

    takes = varying.Varied(
        generator,
        asked,
        wanted.written,
        weights,
        details,
        keep_latents=not args.no_latents,
        quiet=args.quiet,
        watermark=args.watermark,
        source=source,
        same=same,
    )
    seed = draw_seed() if args.seed is None else args.seed
    takes.produce(make, args.out, seed=seed, count=args.count, best_of=args.best_of, least=args.min_adherence)
    return DONE


REPEATED = "chords bpm meter melody drums style controls free guidance guidance_interval apg steps solver time_grid"


def _refuse(args: argparse.Namespace) -> None:
    """Raise UsageError for what ``--variation`` takes from the record."""
    given = [f"--{name.replace('_', '-')}" for name in REPEATED.split() if getattr(args, name)]
    given = (["TEXT"] if args.text else []) + given
    if given:
        raise UsageError(
            f"--variation asks for the same again, with the take's own settings, so {given[0]} has no place; leave it "
            "out, or use --strength or --morph"
        )


def _judge(args: argparse.Namespace, way: str, path: Path, record: Mapping[str, Any]) -> None:
    """A variation needs the record of a take, and takes its precision from there.  Raises: UsageError without one."""
    if way != "variation":
        return
    if not record:
        raise UsageError(
            f"--variation makes a take again from other noise, and {path.name} is a recording without a take's "
            "record beside it; use --strength"
        )
    if record.get("precision") in ("fp32", "bf16"):
        args.precision = record["precision"]
