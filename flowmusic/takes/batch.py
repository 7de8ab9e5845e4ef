"""Many requests of a file, one a line: judged before anything is made, drawn together, and gone on with after a stop.

A line is a JSON object whose keys are the names of ``generate``'s flags and ``text``; flags of the command hold for
every line that does not say otherwise.  What is finished is kept in ``batch.json`` beside the takes, by a hash of the
request, so a line that has changed is made again and one that has moved is not.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import curves, disk, plain, progress
from flowmusic.beside import file_name
from flowmusic.errors import DONE, USAGE, UsageError, check_output, one_line, reading_input
from flowmusic.files import remove_stale, write_readable_json
from flowmusic.flow.solve import SOLVERS
from flowmusic.options import AUDIO_SUFFIXES
from flowmusic.paths import sibling
from flowmusic.takes import long, order
from flowmusic.takes.batch_lines import argv_of, key_of, outputs
from flowmusic.takes.order import Order

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.types import Generation

Parse = Callable[[Sequence[str], argparse.Namespace], argparse.Namespace]
"""The command's own reading of flags, over those that are given already."""

RECORD = "batch.json"
TOGETHER = 8
"""Takes that are drawn at once."""
MOST_LINES = 100_000
KEPT_READINGS = 64
"""Requests with files whose content stays in memory until it is their turn; of others the files are read twice."""


@dataclass
class Line:
    """One request: its number in the file, its flags, its name in the record, and what was read for it."""

    number: int
    args: argparse.Namespace
    key: str
    reading: order.Reading | None = None


class Batch:
    """The requests of a file, and what went wrong with lines of it.

    Args:
        args: flags of the command.
        parse: reads flags.
    """

    def __init__(self, args: argparse.Namespace, parse: Parse) -> None:
        self.args, self.parse = args, parse
        self.path, self.out, self.quiet = Path(args.batch), Path(args.out), bool(args.quiet)
        self.failed: dict[int, str] = {}
        self.finished: dict[str, Any] = {}
        self.kept = 0

    def run(self, load: Callable[[], Generator]) -> int:
        """Judge, load, and make what is not finished.  Returns the exit code.

        Raises: UsageError for the first line that is wrong, unless the flags say to keep going.
        """
        lines = self._lines()
        if not lines and not self.failed:
            raise UsageError(f"{plain.shown(self.path)} holds no request; write one JSON object a line")
        self.finished = self._recorded()
        waiting = [line for line in lines if not self._is_finished(line)]
        if not self.quiet and len(waiting) < len(lines):
            print(f"note: {len(lines) - len(waiting)} of {len(lines)} requests are finished", file=sys.stderr)
        read = [line for line in waiting if self._tried(line.number, partial(self._read, line))]
        if read:
            self.out.mkdir(exist_ok=True)
            with reading_input():
                check_output(self.out / RECORD)
                remove_stale(self.out)
            generator = load()
            # What a model cannot be asked shows before the first take of another line is made.
            fit = [line for line in read if self._tried(line.number, partial(self._settled, line, generator))]
            self._make(fit, generator)
        return USAGE if self.failed else DONE

    def _tried(self, number: int, action: Callable[[], Any], making: bool = False) -> Any:
        """What an action gives, True for None; None for a line that is wrong, which is told or ends the command."""
        try:
            found = action()
            return True if found is None else found
        except (ValueError, OSError, RuntimeError) as error:
            if not making and isinstance(error, RuntimeError):
                raise
            if making and (not self.args.keep_going or disk.is_of_the_machine(error)):
                raise
            message = plain.shortened(f"{plain.shown(self.path)}, line {number}: {one_line(error)}", 480)
            if not self.args.keep_going:
                raise UsageError(message) from None
            print(f"error: {message}", file=sys.stderr)
            self.failed[number] = message
            return None

    def _lines(self) -> list[Line]:
        """The lines that read as requests, each with names of its own."""
        found: list[Line] = []
        names: dict[str, int] = {}
        with reading_input():
            rows = list(self._rows())
        for number, text in rows:
            line = self._tried(number, partial(self._line, number, text, names))
            if line is not None:
                found.append(line)
        return found

    def _rows(self) -> Iterator[tuple[int, str]]:
        for count, row in enumerate(plain.lines(self.path), start=1):
            if count > MOST_LINES:
                raise UsageError(f"{plain.shown(self.path)} has more than {MOST_LINES} lines; give it in parts")
            yield row

    def _line(self, number: int, text: str, names: dict[str, int]) -> Line:
        place = "the line"
        wanted = plain.json_of(text, place)
        if not isinstance(wanted, dict):
            raise ValueError('must be a JSON object such as {"text": "slow jazz", "chords": "Dm7 G7"}')
        name = file_name(wanted.pop("out", f"{number:04}.wav"), "out")
        base = argparse.Namespace(**vars(self.args))
        if "text" not in wanted and self.args.text is not None:
            wanted["text"] = self.args.text
        args = self.parse(argv_of(wanted), base)
        args.out = self.out / name
        if args.out.suffix.lower() not in AUDIO_SUFFIXES:
            raise ValueError(f"out: {name!r} must end in one of {', '.join(AUDIO_SUFFIXES)}")
        key = key_of(args)
        self._checked(args)
        for path in outputs(args):
            if path.stem in names:
                raise ValueError(f"its take is {path.name}, as that of line {names[path.stem]}; give each its own out")
            names[path.stem] = number
        return Line(number, args, key)

    @staticmethod
    def _checked(args: argparse.Namespace) -> order.Asked:
        """Checked flags; a copy of them, as checking settles some."""
        return order.check(argparse.Namespace(**vars(args)))

    def _read(self, line: Line) -> None:
        reading = order.read(self._checked(line.args))
        if reading.request.sources:
            self.kept += 1
        if not reading.request.sources or self.kept <= KEPT_READINGS:
            line.reading = reading

    def _settled(self, line: Line, generator: Generator) -> Order:
        reading = line.reading or order.read(self._checked(line.args))
        # Notices are added while a request is settled, which happens more than once.
        request = replace(reading.request, notices=list(reading.request.notices))
        return replace(reading, request=request).settle(generator)

    def _recorded(self) -> dict[str, Any]:
        """The record of what is there; none where there is none that can be read."""
        path = self.out / RECORD
        if not path.exists():
            return {}
        with reading_input():
            found = plain.read_json(path)
        requests = found.get("requests") if isinstance(found, dict) else None
        if not isinstance(requests, dict):
            raise UsageError(f"{plain.shown(path)} is no record of a batch; move it away, or use another --out")
        return requests

    def _is_finished(self, line: Line) -> bool:
        row = self.finished.get(line.key)
        names = row.get("files") if isinstance(row, dict) else None
        return isinstance(names, list) and bool(names) and all(
            isinstance(name, str) and (self.out / Path(name).name).is_file() for name in names
        )  # fmt: skip

    def _finish(self, line: Line, seed: int) -> None:
        """Keep that a line is finished, unless it is one that went wrong."""
        if line.number not in self.failed:
            files = [path.name for path in outputs(line.args)]
            self.finished[line.key] = {"line": line.number, "seed": seed, "files": files}
            write_readable_json(self.out / RECORD, {"requests": self.finished})

    def _make(self, lines: list[Line], generator: Generator) -> None:
        from flowmusic.generate.generator import draw_seed

        seeds = {line.number: draw_seed() if line.args.seed is None else line.args.seed for line in lines}
        for several in self._sets(lines, generator):
            orders = [(line, self._settled(line, generator)) for line in several]
            if not self.quiet:
                for line, settled in orders:
                    for notice in settled.request.notices:
                        print(f"note: line {line.number}: {notice}", file=sys.stderr)
            if len(orders) == 1 and (orders[0][1].args.count > TOGETHER or together(orders[0][1]) is None):
                line, settled = orders[0]
                made = partial(settled.produce, seeds[line.number], quiet=self.quiet)
                self._tried(line.number, made, making=True)
                self._finish(line, seeds[line.number])
            else:
                self._draw([(line, settled, seeds[line.number]) for line, settled in orders])

    def _sets(self, lines: list[Line], generator: Generator) -> Iterator[list[Line]]:
        """Lines that are drawn together, in the order of the first of each set."""
        open_sets: dict[Any, list[Line]] = {}
        order_of: list[list[Line]] = []
        for line in lines:
            common = together(self._settled(line, generator))
            some = open_sets.get(common) if common is not None else None
            if some is None or sum(each.args.count for each in some) + line.args.count > TOGETHER:
                some = []
                order_of.append(some)
                if common is not None:
                    open_sets[common] = some
            some.append(line)
        yield from order_of

    def _draw(self, orders: list[tuple[Line, Order, int]]) -> None:
        """Draw takes of several requests at once, and write each as if it had been drawn by itself."""
        rows = [
            (line, settled, seed + number, number)
            for line, settled, seed in orders
            for number in range(settled.args.count)
        ]
        numbers = ", ".join(str(line.number) for line, _, _ in orders)

        def drawn() -> list[Generation]:
            with progress.Bar(f"lines {numbers}" if len(orders) > 1 else f"line {numbers}", "eval") as bar:
                return draw([(settled, seed) for _, settled, seed, _ in rows], bar.to)

        if len(orders) == 1:
            takes = self._tried(orders[0][0].number, drawn, making=True)
            if takes is None:
                return
        else:
            try:
                takes = drawn()
            except RuntimeError:  # one of them diverged, or there is no memory for so many
                for each in orders:
                    self._draw([each])
                return
        for (line, settled, seed, number), take in zip(rows, takes, strict=True):
            out, count = settled.args.out, settled.args.count
            path = out if count == 1 else sibling(out, f"-{number + 1}{out.suffix}")
            writer = settled.takes(self.quiet)
            self._tried(line.number, partial(writer.write, take, path), making=True)
            if number == count - 1:
                self._finish(line, seed - number)


def together(settled: Order) -> Any:
    """What orders must have in common to be drawn in one batch; None for one that is drawn by itself.

    One batch has one length, the same windows, one way to solve and to guide, and controls of the same kinds, so that
    no branch is evaluated for a request that has no use for it.  An adaptive solver chooses its steps by all of it.
    """
    args, generator = settled.args, settled.generator
    by_itself = (
        settled.blend, settled.length, settled.story, settled.negative, args.parts, args.best_of, args.min_adherence
    )  # fmt: skip
    curved = any(isinstance(value, curves.Curve) for value in settled.weights.values())
    # A pseudoword holds for the request that was settled last; a sheet may have sections, at which windows end.
    if (
        any(each is not None for each in by_itself)
        or curved
        or args.concept
        or args.lead is not None
        or settled.request.seconds > long.LONG_SECONDS
    ):
        return None
    if SOLVERS[settled.sampling.solver].evals_per_step is None:
        return None
    from flowmusic.generate.branches import present

    controls = settled.controls
    return (
        settled.grid.length,
        generator.parts(settled.grid, controls),
        tuple(sorted((name, str(value)) for name, value in settled.weights.items())),
        str((args.guidance_interval, args.apg)),
        settled.sampling,
        present(controls),
        # Where padding is heard, only prompts of one text are drawn together.
        controls.text if getattr(generator.encoder, "hears_padding", False) else None,
    )


def draw(rows: Sequence[tuple[Order, int]], tell: Callable[[int, int], None]) -> list[Generation]:
    """Takes of orders that :func:`together` holds for one, each from its seed: as single ones, up to rounding.

    Raises: NotFinite if the solve diverges.
    """
    from flowmusic.audio import Audio
    from flowmusic.generate.sampling import SeededNoise
    from flowmusic.types import Controls

    first = rows[0][0]
    generator, sampling = first.generator, first.sampling
    made = generator.generate(
        Controls.stack([settled.controls for settled, _ in rows]),
        grid=first.grid, guidance=first.guidance(), solver=sampling.solver, steps=sampling.steps,
        time_grid=sampling.time_grid, noise=SeededNoise([seed for _, seed in rows]), seed=rows[0][1], progress=tell,
    )  # fmt: skip
    return [
        replace(
            made,
            audio=Audio(made.audio.samples[row : row + 1], made.audio.rate),
            latents=made.latents[row : row + 1],
            controls=settled.controls,
            seed=seed,
            warnings=tuple(generator.unread(settled.controls.text[0])),
        )
        for row, (settled, seed) in enumerate(rows)
    ]
