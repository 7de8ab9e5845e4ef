"""Many requests of a file, one a line: judged before anything is made, drawn together, and gone on with after a stop.

A line is a JSON object whose keys are the names of ``generate``'s flags and ``text``; flags of the command hold for
every line that does not say otherwise.  What is finished is kept in ``batch.json`` beside the takes, by a hash of the
request, so a line that has changed is made again and one that has moved is not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
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
from flowmusic.hashes import of_file
from flowmusic.options import AUDIO_SUFFIXES
from flowmusic.paths import sibling
from flowmusic.takes import long, order
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
OF_THE_COMMAND = frozenset(
    "batch keep_going model adapter device precision threads quiet help command run no_latents".split()
)
"""What holds for all lines, or is no part of a request."""


@dataclass
class Line:
    """One request: its number in the file, its flags, its name in the record, and how its takes are called."""

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
        self.kept = 0

    def run(self, load: Callable[[], Generator]) -> int:
        """Judge, load, and make what is not finished.  Returns the exit code.

        Raises: UsageError for the first line that is wrong, unless the flags say to keep going.
        """
        lines = self._lines()
        if not lines and not self.failed:
            raise UsageError(f"{plain.shown(self.path)} holds no request; write one JSON object a line")
        finished = self._finished()
        waiting = [line for line in lines if not self._is_finished(finished, line)]
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
            self._make(fit, generator, finished)
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

    def _finished(self) -> dict[str, Any]:
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

    def _is_finished(self, finished: dict[str, Any], line: Line) -> bool:
        row = finished.get(line.key)
        names = row.get("files") if isinstance(row, dict) else None
        return isinstance(names, list) and bool(names) and all(
            isinstance(name, str) and (self.out / Path(name).name).is_file() for name in names
        )  # fmt: skip

    def _make(self, lines: list[Line], generator: Generator, finished: dict[str, Any]) -> None:
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
            else:
                self._draw([(line, settled, seeds[line.number]) for line, settled in orders])
            for line in several:
                if line.number not in self.failed:
                    files = [path.name for path in outputs(line.args)]
                    finished[line.key] = {"line": line.number, "seed": seeds[line.number], "files": files}
            write_readable_json(self.out / RECORD, {"requests": finished})

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

        takes = self._tried(orders[0][0].number, drawn, making=True)
        if takes is None:
            self.failed.update({line.number: self.failed[orders[0][0].number] for line, _, _ in orders})
            return
        for (line, settled, _, number), take in zip(rows, takes, strict=True):
            out, count = settled.args.out, settled.args.count
            path = out if count == 1 else sibling(out, f"-{number + 1}{out.suffix}")
            writer = settled.takes(self.quiet)
            self._tried(line.number, partial(writer.write, take, path), making=True)


def outputs(args: argparse.Namespace) -> list[Path]:
    """The recordings that a request ends in."""
    out: Path = args.out
    ends = [f"-{number + 1}" for number in range(args.path)] if args.path else [""]
    if args.parts is not None:
        ends = [f"-{name}" for name in sorted(args.parts)]
    if args.count > 1:
        ends = [f"{end}-{number + 1}" for end in ends for number in range(args.count)]
    return [sibling(out, f"{end}{out.suffix}") if end else out for end in ends]


def argv_of(wanted: dict[str, Any]) -> list[str]:
    """The request of a line as flags.

    >>> argv_of({"text": "-slow", "bpm": 90, "no_drums": True, "guidance": {"all": 2, "text": 1}, "use": ["chords"]})
    ['--bpm=90', '--no-drums', '--guidance=all=2,text=1', '--use=chords', '--', '-slow']

    Raises: ValueError for a key that belongs to the command, or a value that no flag has.
    """
    flags: list[str] = []
    for key, value in wanted.items():
        name = key.replace("-", "_")
        if name == "text":
            continue
        if name in OF_THE_COMMAND:
            raise ValueError(f"{plain.shown(key)} holds for the whole batch; give --{name.replace('_', '-')} itself")
        if not name.isidentifier():
            raise ValueError(f"{plain.shown(repr(key))} is no name of a flag")
        flags += _flag("--" + name.replace("_", "-"), value)
    text = wanted.get("text")
    if text is not None and not isinstance(text, str):
        raise ValueError("text must be a string")
    return [*flags, *(["--", text] if text is not None else [])]


def _flag(flag: str, value: Any) -> list[str]:
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    if isinstance(value, dict):
        return [f"{flag}={','.join(f'{key}={_word(each, flag)}' for key, each in value.items())}"]
    if isinstance(value, list):
        words = [_word(each, flag) for each in value]
        if flag in ("--concept",):
            return [f"{flag}={word}" for word in words]
        return [flag, *words] if flag.startswith("--blend") else [f"{flag}={','.join(words)}"]
    return [f"{flag}={_word(value, flag)}"]


def _word(value: Any, flag: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{flag[2:]}: must be text, a number, or a list of these, got {plain.shown(repr(value))}")
    return str(value)


def key_of(args: argparse.Namespace) -> str:
    """A hash of everything that a request is made of: its flags, its files' content, the model's name."""
    told: dict[str, Any] = {}
    for name, value in sorted(vars(args).items()):
        if name in ("batch", "keep_going", "threads", "quiet", "command", "run", "device"):
            continue
        told[name] = Path(value).name if name == "out" else _told(value)
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode("utf-8", "backslashreplace")).hexdigest()[:24]


def _told(value: Any) -> Any:
    if isinstance(value, Path):
        return of_file(value) if value.is_file() else str(value)
    if isinstance(value, list | tuple):
        return [_told(each) for each in value]
    return sorted(map(str, value)) if isinstance(value, frozenset) else str(value)


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
    if any(each is not None for each in by_itself) or curved or settled.request.seconds > long.LONG_SECONDS:
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
