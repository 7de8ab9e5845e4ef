"""``flowmusic generate``: text and controls in; a take, its record and its adherence out."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic import curves, disk, options, progress
from flowmusic.apps import take_flags
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.options import check_device

if TYPE_CHECKING:
    from flowmusic.inputs.story import Script
    from flowmusic.types import Generation, Progress

DEFAULT_SECONDS = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music from a text and, if you like, chords, a melody and drums.

Chords, in bars of --bpm:  "C Am F G"    "C Am | F / G / | %"    "|: C | F :| x3"    (the progression repeats)
Chords, at seconds:        "0:C 2.5:Am7 4:F/A"    (the last one holds)
Curves, value@time:        "0@0 4@10"    "1@bar1 0.5@bar9"    (straight lines between, held outside)
Story, a section a line:   0:15 | waking up, gentle piano | chords=C G Am F guidance.text=2"""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    add = parser.add_argument
    add("text", nargs="?", type=options.words, metavar="TEXT", help='what it should sound like; "" for no text')
    take_flags.add_request(parser)
    add("--seconds", type=options.seconds, metavar="N", help="length (10, or that of the story); any, in flat memory")
    add("--story", type=options.existing_file, metavar="FILE", help="sections, each with words, chords, ... of its own")
    add("--fade", type=options.limited("short_time"), metavar="N", help="seconds of a story's changes (a bar, or 2)")
    add("--blur", type=options.blur, metavar="K=V,...", help="seconds by which controls are less exact; may be curves")
    take_flags.add_sampling(parser, over_time=True)
    take_flags.add_model(parser)
    take_flags.add_output(parser)


def run(args: argparse.Namespace) -> int:
    """Read, load, generate ``--count`` takes, and write and judge each as soon as it is there."""
    from flowmusic.controls import chords

    script = _story(args)
    if args.seconds is None and script is None:
        args.seconds = DEFAULT_SECONDS
    with reading_input():
        if args.chords is not None:
            # What is wrong with the text itself shows before torch is loaded.
            chords.parse(args.chords, args.seconds or DEFAULT_SECONDS)
    progress.starting("flowmusic generate")
    from flowmusic.inputs import concepts, over_time
    from flowmusic.inputs import request as asking
    from flowmusic.inputs import story as stories
    from flowmusic.interop import model_files
    from flowmusic.takes import long, record
    from flowmusic.takes.making import Takes, check_record

    with reading_input():
        check_device(args.device)
        model_files.find(args.model)
        check_record(args.out)
        sections = None if script is None else stories.settle(script, args)
        asked = asking.read(args if sections is None else sections.whole(args))
    generator = take_flags.load(args)
    from flowmusic.generate.generator import draw_seed
    from flowmusic.generate.piece import Piece

    grid = generator.grid(asked.seconds)
    with reading_input():
        concepts.register(args.concept, generator, asked if sections is None else sections.all_words(asked))
        details = record.details(args, asked)
        written = asking.to_controls(asked, grid)
        if sections is not None:
            written = stories.written(sections, written, grid)
            details["story"] = sections.record()
        controls = asking.for_model(asked, written, generator)
        bars = over_time.bars(controls, sections)
        weights = curves.placed(args.guidance or generator.defaults.guidance, bars)
        guidance = generator.defaults.guide_over_time(weights, args.guidance_interval, args.apg)
        sampling = generator.sampling(args.solver, args.steps, args.time_grid)
        story = None
        if sections is not None:
            story = stories.for_model(sections, controls, generator, grid, guidance, args.fade)
        controls = over_time.with_blur(controls, over_time.spans(args.blur, bars, asked.seconds, sections))
        # Two bytes a sample, and what else a take leaves; a long one lies there in floats as well while it is made.
        size = (6 if asked.seconds > long.LONG_SECONDS else 2) * asked.seconds * generator.codec.rate
        check_output(args.out, args.count * round(size) + disk.PROBE)
        remove_stale(args.out.parent)
    if not args.quiet:
        for notice in asked.notices:
            print(f"note: {notice}", file=sys.stderr)

    def begin(seed: int) -> Piece:
        if story is None:
            return Piece(generator, controls, grid, guidance=guidance, sampling=sampling, seed=seed)
        told = replace(story, controls=replace(story.controls, tracks=controls.tracks))
        return Piece(
            generator,
            told.controls,
            grid,
            guidance=guidance,
            ask=told.ask,
            cuts=told.cuts,
            sampling=sampling,
            seed=seed,
        )

    takes = Takes(generator, asked, written, weights, details, keep_latents=not args.no_latents, quiet=args.quiet)
    seed = draw_seed() if args.seed is None else args.seed
    chosen = args.best_of is not None or args.min_adherence is not None
    if asked.seconds > long.LONG_SECONDS and not chosen:
        long.produce(takes, begin, args.out, seed=seed, count=args.count)
        return DONE

    def make(seed: int, report: Progress) -> Generation:
        return begin(seed).whole(report)

    takes.produce(make, args.out, seed=seed, count=args.count, best_of=args.best_of, least=args.min_adherence)
    return DONE


def _story(args: argparse.Namespace) -> Script | None:
    """The story file, if there is one.  Raises: UsageError where neither it nor words are given."""
    if args.story is None:
        if args.text is None:
            raise UsageError('TEXT is missing: say what it should sound like ("" for no text), or give --story FILE')
        if args.fade is not None:
            raise UsageError("--fade is about the changes of a --story, which is not given")
        return None
    from flowmusic.inputs.story import read

    with reading_input():
        return read(args.story)
