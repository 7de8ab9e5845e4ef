"""``flowmusic extend``: go on with a take, or with any recording, in time, key and feel; or lead up to it."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from typing import TYPE_CHECKING

from flowmusic import disk, options, progress
from flowmusic.apps import source_flags, take_flags
from flowmusic.controls import chords
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.inputs import lead_sheet

if TYPE_CHECKING:
    from flowmusic.types import Generation, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make music that goes on from the end of a piece, or that leads up to its beginning.

The beat runs on.  Without others, the chords and drums of SOURCE repeat, and its words hold.
New chords, melody, drums and sheets begin with the first bar after the join."""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    source_flags.add_source(parser)
    parser.add_argument("--seconds", type=options.seconds, metavar="N", help="how much to add")
    parser.add_argument(
        "--bars", type=options.integer("bars"), metavar="N", help="how much to add, in bars (those of --sheet)"
    )
    parser.add_argument("--before", action="store_true", help="add it before SOURCE, and not after it")
    source_flags.add_making(parser, out="extended.wav")


def run(args: argparse.Namespace) -> int:
    """Read the source, settle length and request, and make, write and judge ``--count`` extensions."""
    with reading_input():
        if (args.seconds is None) == (args.bars is None) and (args.seconds is not None or args.sheet is None):
            raise UsageError("say how much to add: --seconds 20, or --bars 8, or --sheet FILE, and not two of them")
        if args.chords is not None:
            chords.parse(args.chords, 60.0)
        args.lead = lead_sheet.read(args)
    progress.starting("flowmusic extend")
    from flowmusic.generate.extend import extend
    from flowmusic.generate.generator import draw_seed
    from flowmusic.inputs import regions, within
    from flowmusic.takes import editing, exact, extending

    generator, source = source_flags.opened(args)
    with reading_input():
        known = editing.piece(source, generator, args.bpm, args.meter)
        seconds = extending.added(args, known)
        first = math.ceil(round(seconds * float(source.grid.frame_rate), 6)) if args.before else 0
        free = source_flags.free(args)
        piece = extending.longer(known, seconds, first, free)
        span = (0.0, piece.seconds - known.seconds) if args.before else (known.seconds, piece.seconds)
        starts = [extending.next_bar(regions.bar_lines(piece.beats, piece.seconds), span)]
        asked = within.read(args, piece, [span], starts)
        recorded, details = editing.settled(args, asked, source, generator)
        piece = within.merged(asked, piece, [span], starts, generator, free - {"chords", "drums", "melody", "beats"})
        samples = exact.read(source.path, source.audio)
        size = samples.values.nbytes * piece.seconds / known.seconds
        check_output(args.out, args.count * round(size) + disk.PROBE)
        remove_stale(args.out.parent)
        weights = args.guidance or generator.defaults.guidance
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        sampling = generator.sampling(args.solver, args.steps, args.time_grid)
    source_flags.tell(args, asked, editing.notices(source, generator, samples, args.out))
    latents = editing.latents_on(source, piece.grid.length, first)
    # A last frame that the source does not fill is made with what follows.
    kept = source.grid.length if args.before else extending.whole_frames(known)

    def make(seed: int, report: Progress) -> Generation:
        take = extend(
            generator,
            latents,
            piece.controls,
            first=first,
            known=kept,
            guidance=guidance,
            sampling=sampling,
            told=not editing.on_other_chords(asked),
            seed=seed,
            progress=report,
        )
        # The next extension goes on from this one, whose words hold.
        return replace(take, controls=replace(take.controls, style=source.controls.style))

    where = "before" if args.before else "after"
    takes = editing.Edits(
        generator,
        replace(recorded, text=asked.text or source.text),
        piece.written,
        weights,
        details,
        keep_latents=not args.no_latents,
        quiet=args.quiet,
        watermark=args.watermark,
        source=source,
        samples=samples,
        regions=[span],
        edit=editing.told(args, {"extend": where, "seconds": round(span[1] - span[0], 4)}),
        offset=first / float(source.grid.frame_rate),
        gain=editing.gain_of(source, generator),
    )
    seed = draw_seed() if args.seed is None else args.seed
    takes.produce(make, args.out, seed=seed, count=args.count, best_of=args.best_of, least=args.min_adherence)
    return DONE
