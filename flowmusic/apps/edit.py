"""``flowmusic edit``: some bars or seconds of a take, or of any recording, made anew; the rest stays as it is."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from flowmusic import disk, options, progress
from flowmusic.apps import source_flags, take_flags
from flowmusic.controls import chords
from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.files import remove_stale
from flowmusic.inputs import lead_sheet, regions

if TYPE_CHECKING:
    from flowmusic.types import Generation, Progress


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = """Make some bars or seconds of a piece anew, and leave every other sample as it is.

New words, chords, melody, drums and style hold in the regions alone; what is not given is kept from SOURCE.
Chords, melody and drums begin with the first bar of each region:  --bars 5-8 --chords "Dm7 G7 | C"."""
    parser.epilog = f"{take_flags.GUIDANCE_KEYS}\n{take_flags.EXIT_CODES}"
    source_flags.add_source(parser)
    add: Any = parser.add_argument
    add(
        "--bars",
        type=regions.bars,
        action="append",
        default=[],
        metavar="N-M",
        help="5-8, or 3, or 5-8,13, counted from 1; -1 is the last; may be repeated",
    )
    seconds = {"type": options.limited("time"), "action": "append", "default": []}
    add("--start", **seconds, metavar="S", help="seconds; may be repeated, with --end (0)")
    add("--end", **seconds, metavar="S", help="seconds; -1 is the end (-1)")
    source_flags.add_making(parser, out="edit.wav")


def run(args: argparse.Namespace) -> int:
    """Read the source, settle regions and request, and make, write and judge ``--count`` takes of them."""
    with reading_input():
        if bool(args.bars) == bool(args.start or args.end):
            raise UsageError("say which part is made anew: --bars 5-8, or --start 12 --end 20 (seconds), and not both")
        if args.chords is not None:
            chords.parse(args.chords, 60.0)
        args.lead = lead_sheet.read(args)
    progress.starting("flowmusic edit")
    from flowmusic.generate.edit import edit
    from flowmusic.generate.generator import draw_seed
    from flowmusic.inputs import within
    from flowmusic.takes import editing, exact

    generator, source = source_flags.opened(args)
    with reading_input():
        piece = editing.piece(source, generator, args.bpm, args.meter)
        spans, starts = editing.spans(args, piece)
        asked = within.read(args, piece, spans, starts)
        recorded, details = editing.settled(args, asked, source, generator)
        piece = within.merged(asked, piece, spans, starts, generator, source_flags.free(args))
        samples = exact.read(source.path, source.audio)
        check_output(args.out, args.count * samples.values.nbytes + disk.PROBE)
        remove_stale(args.out.parent)
        weights = args.guidance or generator.defaults.guidance
        guidance = generator.defaults.guide(weights, args.guidance_interval, args.apg)
        sampling = generator.sampling(args.solver, args.steps, args.time_grid)
    source_flags.tell(args, asked, editing.notices(source, generator, samples, args.out))

    def make(seed: int, report: Progress) -> Generation:
        take = edit(
            generator,
            source.latents,
            piece.controls,
            spans,
            guidance=guidance,
            sampling=sampling,
            seed=seed,
            progress=report,
        )
        return editing.prompted(take, source)

    takes = editing.Edits(
        generator,
        recorded,
        piece.written,
        weights,
        details,
        keep_latents=not args.no_latents,
        quiet=args.quiet,
        watermark=args.watermark,
        source=source,
        samples=samples,
        regions=spans,
        edit=editing.told(args, {"edit": [[round(time, 4) for time in span] for span in spans]}),
        gain=editing.gain_of(source, generator),
    )
    seed = draw_seed() if args.seed is None else args.seed
    takes.produce(make, args.out, seed=seed, count=args.count, best_of=args.best_of, least=args.min_adherence)
    return DONE
