"""What the page tells a person who asked for something that cannot be, or in words that mean something else there."""

from __future__ import annotations

import re
import traceback
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, NoReturn

import gradio as gr

from flowmusic import limits
from flowmusic.errors import UsageError, one_line
from flowmusic.plain import shortened


def named(message: str, files: Sequence[Path]) -> str:
    """A message of a command for this page: files by their names alone, and flags as words."""
    for path in files:
        message = message.replace(str(path), path.name)
    message = re.sub(r"\S*/flowmusic-\w+/?(?:controls\.json|story\.txt)?", "the timeline", message)
    return re.sub(r"(?<!\S)--([a-z][a-z-]*)", lambda flag: f"“{flag[1].replace('-', ' ')}”", message)


def fail(error: BaseException, files: Sequence[Path] = ()) -> NoReturn:
    """Tell a person what is wrong, as text on one line.

    Raises: gr.Error.  What no person has caused is told in full where the page was started, too.
    """
    if isinstance(error, gr.Error):
        raise error
    if not isinstance(error, UsageError | ValueError | OSError):
        traceback.print_exception(error)
    # Gradio shows messages as markup.
    message = escape(shortened(named(one_line(error), files)), quote=False)
    raise gr.Error(message, duration=20, print_exception=False) from None


class telling:
    """Around an act: what goes wrong is told by :func:`fail`."""

    def __init__(self, *files: str) -> None:
        self.files = [Path(file) for file in files]

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: BaseException | None, _: Any) -> None:
        if isinstance(error, Exception):
            fail(error, self.files)


def given(name: str, value: str | float | None, place: str) -> float | None:
    """A number of a field that may be empty.  Raises: LimitError."""
    if value is None or not str(value).strip():
        return None
    return limits.of_text(name, str(value).strip(), place)


def whole(name: str, value: str | float | None, place: str) -> int | None:
    found = given(name, value, place)
    return None if found is None else limits.whole(name, found, place)
