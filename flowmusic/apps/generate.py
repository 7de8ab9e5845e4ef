"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic import disk, options, progress
from flowmusic.apps import take_flags
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.options import check_device
from flowmusic.takes import blending

if TYPE_CHECKING:
    from flowmusic.types import Generation, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F / G / | %"    "|: C | F :| x3"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)"""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    add = parser.add_argument
    add("text", type=options.words, nargs="?", metavar="TEXT", help='what it should sound like; "" for no text')
    take_flags.add_request(parser)
    add("--seconds", type=options.seconds, default=10.0, metavar="N", help="length (10)")
    take_flags.add_blend(parser)
    take_flags.add_sampling(parser)
    add("--preview", action="store_true", help="a rough take of the same seed, in a fraction of the time")
    take_flags.add_model(parser)
    take_flags.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.controls import chords

    with reading_input():
        blended = blending.settled(args)
        if args.preview and (args.solver or args.steps or args.time_grid):
            raise UsageError("--preview chooses solver and steps itself; leave --solver, --steps and --time-grid out")
        if args.chords is not None:
            chords.parse(args.chords, args.seconds)  # what is wrong with the text itself shows before torch is loaded
    progress.starting("flowmusic generate")
    from flowmusic.inputs import concepts
    from flowmusic.inputs import request as asking
    from flowmusic.interop import model_files
    from flowmusic.takes import preview, record
    from flowmusic.takes.making import Takes, check_record

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        check_record(args.out)
        asked = asking.read(args)
    generator = take_flags.load(args)
    from flowmusic.generate.generator import draw_seed

    with reading_input():
        said = asked if blended is None or blended.texts is None else replace(asked, text=" ".join(blended.texts))
        concepts.register(args.concept, generator, said)
        written = asking.to_controls(asked, generator.grid(asked.seconds))
        controls = asking.for_model(asked, written, generator)
        other = None if blended is None else blended.second(args, asked, controls, generator)
        details = record.details(args, asked)
        # Two bytes a sample, and what else a take leaves.
        check_output(args.out, (args.path or args.count) * round(2 * asked.seconds * generator.codec.rate) + disk.PROBE)
        remove_stale(args.out.parent)
        if args.preview:
            rough, near = preview.sampling_of(generator)
            note, details["preview"] = preview.told(generator, rough, near)
            asked.notices.append(note)
            args.solver, args.steps, args.time_grid = rough.solver, rough.steps, rough.time_grid
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)
    weights: Mapping[str, float] = args.guidance or generator.defaults.guidance
    with reading_input():
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        sampling = generator.sampling(args.solver, args.steps, args.time_grid)

    def make(seed: int, report: Progress) -> Generation:
        return generator.generate(
            controls,
            grid=generator.grid(asked.seconds),
            guidance=guidance,
            solver=args.solver,
            steps=args.steps,
            time_grid=args.time_grid,
            seed=seed,
            progress=report,
        )

    takes = Takes(generator, asked, written, weights, details, keep_latents=not args.no_latents, quiet=args.quiet)
    seed = draw_seed() if args.seed is None else args.seed
    choice = {"seed": seed, "count": args.count, "best_of": args.best_of, "least": args.min_adherence}
    if blended is None or other is None:
        takes.produce(make, args.out, **choice)
        return DONE
    for at, out in blended.outputs(args.out):
        told = replace(asked, text=blended.text_at(at, asked.text))
        between = blended.maker(generator, controls, other, at, generator.grid(asked.seconds), guidance, sampling)
        replace(takes, asked=told, details={**details, **blended.told(at)}).produce(between, out, **choice)
    return DONE
