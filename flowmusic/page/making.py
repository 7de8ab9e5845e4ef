"""Forms become takes on a shelf, by the commands themselves, with models that stay loaded."""

from __future__ import annotations

import argparse
import tempfile
import threading
from collections import OrderedDict
from dataclasses import dataclass, field, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import options
from flowmusic.annotations.json_file import ControlsFile
from flowmusic.apps import edit, extend, generate, vary
from flowmusic.files import write_text
from flowmusic.page.form import STORY, Arguments, Change, Form
from flowmusic.page.shelf import Shelf, Take

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator

COMMANDS = {"generate": generate, "edit": edit, "extend": extend, "vary": vary}
MOST_MODELS = 2
"""Models, or the same with other adapters, that stay in memory."""
FRAMES = Fraction(25)
"""Frames a second that the timeline's ``controls.json`` tells; its times are in seconds anyway."""


def parser() -> argparse.ArgumentParser:
    """The commands of the page, as the command line reads them."""
    root = options.Parser(prog="flowmusic")
    commands = root.add_subparsers(dest="command", required=True)
    for name, command in COMMANDS.items():
        child = commands.add_parser(name)
        command.add_arguments(child)
        child.set_defaults(run=command.run)
    return root


@dataclass
class Models:
    """Models that stay loaded, the last ones used; each is as good as new whenever it is handed out."""

    device: str = "cpu"
    _kept: OrderedDict[tuple[Any, ...], Generator] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    loaded: int = 0

    def __call__(self, name: str | Path, **how: Any) -> Generator:
        """As :func:`flowmusic.interop.bundle.load`, which it calls once for each model."""
        from flowmusic.interop import bundle

        key = (str(name), *((each, str(value)) for each, value in sorted(how.items())))
        with self._lock:
            if key not in self._kept:
                self._kept[key] = bundle.load(name, **how)
                self.loaded += 1
            self._kept.move_to_end(key)
            while len(self._kept) > MOST_MODELS:
                self._kept.popitem(last=False)
            model = self._kept[key]
        # Words that another person's file taught it.
        taught = getattr(getattr(model.encoder, "text", None), "concepts", None)
        if taught is not None:
            taught.clear()
        return model


@dataclass(frozen=True)
class Made:
    """Takes that were made, the first first, and what a person should know of them."""

    takes: tuple[Take, ...]
    notes: tuple[str, ...]


def make(request: Form | Change, shelf: Shelf, models: Models) -> Made:
    """Do what a form or a change asks for, as its command does.

    Raises: UsageError for what the command refuses; OSError; whatever a listener of progress raises.
    """
    out = shelf.new()
    with tempfile.TemporaryDirectory(prefix="flowmusic-") as folder:
        told = _arguments(request, Path(folder), out)
        args = parser().parse_args(list(told.words))
        args.quiet, args.device, args.load_model = True, models.device, models
        args.run(args)
    count = request.making.count
    names = [out.name] if count == 1 else [f"{out.stem}-{n + 1}{out.suffix}" for n in range(count)]
    takes = tuple(shelf.take(name) for name in names)
    notes = list(told.notes)
    for take in takes:
        notes += [note for note in (take.record.get("controls") or {}).get("warnings") or [] if note not in notes]
    return Made(takes, tuple(notes))


def _arguments(request: Form | Change, folder: Path, out: Path) -> Arguments:
    """The arguments of a request, whose timeline and story are written into a folder."""
    if isinstance(request, Change):
        return request.arguments(out)
    score = story = None
    if request.scored() and request.score is not None:
        length = request.score.seconds or request.seconds
        known = replace(request.score.only(*request.scored()), seconds=length)
        score = ControlsFile("the timeline", FRAMES, known).write(folder)
    if request.mode == STORY:
        if not request.told().strip():
            raise ValueError(
                "a story needs sections: on the timeline, or one a line, as in: 0:15 | waking up, gentle piano"
            )
        story = write_text(folder / "story.txt", request.told())
    return request.arguments(score, story, out)
