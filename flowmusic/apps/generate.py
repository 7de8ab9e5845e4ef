"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from flowmusic import disk, options, progress
from flowmusic.apps import fact_flags, loop_flags, take_flags
from flowmusic.errors import DONE, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.flow import time_grids
from flowmusic.options import check_device
from flowmusic.paths import sibling

if TYPE_CHECKING:
    from flowmusic.types import Controls, Generation, Guidance, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F / G / | %"    "|: C | F :| x3"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)"""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    add = parser.add_argument
    add("text", type=options.words, metavar="TEXT", help='what it should sound like; "" for no text')
    take_flags.add_request(parser)
    fact_flags.add(parser)
    add("--seconds", type=options.seconds, metavar="N", help="length (10)")
    loop_flags.add(parser)
    take_flags.add_sampling(parser)
    take_flags.add_model(parser)
    take_flags.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.controls import chords
    from flowmusic.inputs import facts

    with reading_input():
        said = loop_flags.settle(args)
        if args.chords is not None:
            chords.parse(args.chords, args.seconds)  # what is wrong with the text itself shows before torch is loaded
        facts.of_flags(args)
    progress.starting("flowmusic generate")
    from flowmusic.inputs import concepts
    from flowmusic.inputs import request as asking
    from flowmusic.interop import model_files
    from flowmusic.takes import record
    from flowmusic.takes.making import Takes, check_record

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        check_record(args.out)
        asked = asking.read(args)
        asked.notices.extend(said)
    generator = take_flags.load(args)
    from flowmusic.generate.generator import draw_seed
    from flowmusic.generate.loops import loop
    from flowmusic.generate.parts import EMPTY
    from flowmusic.generate.parts import guidance as guidance_of

    with reading_input():
        concepts.register(args.concept, generator, asked)
        details = record.details(args, asked)
        length = loop_flags.length(args, generator)
        if length is not None:
            asked = replace(asked, seconds=length.samples / length.rate)
            details["loop"] = {"bars": args.bars, "samples": length.samples}
        grid = generator.grid(asked.seconds)
        written = asking.to_controls(asked, grid)
        controls = asking.for_model(asked, written, generator)
        negative = asking.negative_for(asked, generator)
        parts = loop_flags.parts(args, controls, grid, generator)
        # Two bytes a sample, and what else a take leaves.
        check_output(args.out, len(parts) * args.count * round(2 * asked.seconds * generator.codec.rate) + disk.PROBE)
        remove_stale(args.out.parent)
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)
    weights: Mapping[str, float] = args.guidance or generator.defaults.guidance
    with reading_input():
        generator.defaults.guide(weights, args.guidance_interval, args.apg)
        time_grids.named(args.time_grid or generator.defaults.time_grid, args.steps or generator.defaults.steps)

    def make(controls: Controls, guidance: Guidance, seed: int, report: Progress) -> Generation:
        if length is not None:
            sampling = generator.sampling(args.solver, args.steps, args.time_grid)
            return loop(
                generator,
                controls,
                length,
                guidance=guidance,
                sampling=sampling,
                seed=seed,
                negative=negative,
                progress=report,
            )
        return generator.generate(
            controls,
            grid=grid,
            guidance=guidance,
            solver=args.solver,
            steps=args.steps,
            time_grid=args.time_grid,
            seed=seed,
            negative=negative,
            progress=report,
        )

    seed = draw_seed() if args.seed is None else args.seed
    for name, wanted in parts.items():
        asking_for = replace(asked, text=wanted.words[0]) if name else asked
        # What a part leaves out is not judged.
        heard = written.only({*written.names()} - {*EMPTY.get(name, ())})
        weighted = guidance_of(weights, name)
        takes = Takes(
            generator, asking_for, heard, weighted, details, keep_latents=not args.no_latents, quiet=args.quiet
        )
        takes.produce(
            partial(make, wanted, generator.defaults.guide(weighted, args.guidance_interval, args.apg)),
            sibling(args.out, f"-{name}{args.out.suffix}") if name else args.out,
            seed=seed,
            count=args.count,
            best_of=args.best_of,
            least=args.min_adherence,
            label=f"generating {name}".rstrip(),
        )
    return DONE
