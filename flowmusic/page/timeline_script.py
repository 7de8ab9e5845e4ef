"""The script of the timeline: its ES modules, which a browser could load one by one, as one text for a page.

Gradio puts a component's script into the page as text, where modules cannot import one another by file.  So each
module becomes a function that returns what it exports, called in an order in which all it imports is there.  Our own
modules keep to two forms, which is all that is read: ``import { a, b } from './name.js'`` and ``export`` before
``function``, ``async function`` and ``const``.

>>> print(assembled("top", {"top": "import { one } from './low.js';\\nexport const two = 2 * one;",
...                         "low": "export const one = 1;"}.__getitem__))
const low_js = (() => {
const one = 1;
return { one };
})();
const top_js = (() => {
const { one } = low_js;
const two = 2 * one;
return { two };
})();
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent / "static" / "timeline"

_IMPORT = re.compile(r"^import\s*\{([^}]*)\}\s*from\s*'\./(\w+)\.js';$", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function|const) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^\s*(?:import|export)\b", re.MULTILINE)


def source(name: str) -> str:
    """The text of a module by its name."""
    return (FOLDER / f"{name}.js").read_text(encoding="utf-8")


def assembled(top: str, read: Callable[[str], str] = source) -> str:
    """A module and all it imports as one script that defines ``NAME_js`` for each.

    Raises: ValueError for a circle of imports, and for an import or export of another form.
    """
    done: dict[str, str] = {}

    def visit(name: str, above: tuple[str, ...]) -> None:
        if name in done:
            return
        if name in above:
            raise ValueError(f"{name}.js imports itself: {' -> '.join((*above, name))}")
        text = read(name)
        for _, other in _IMPORT.findall(text):
            visit(other, (*above, name))
        exported = [match[1] for match in _EXPORT.finditer(text)]
        body = _EXPORT.sub("", _IMPORT.sub(r"const {\1} = \2_js;", text)).rstrip()
        if odd := _LEFT.search(body):
            line = body[odd.start() :].strip().partition("\n")[0]
            raise ValueError(f"{name}.js has an import or export of another form than those that are read: {line}")
        done[name] = f"const {name}_js = (() => {{\n{body}\nreturn {{ {', '.join(exported)} }};\n}})();"

    visit(top, ())
    return "\n".join(done.values())


@cache
def script() -> str:
    """A script that gives the page ``window.flowmusicTimeline``, whose ``mount`` makes a timeline of an element."""
    return f"(() => {{\n'use strict';\n{assembled('timeline')}\nwindow.flowmusicTimeline = timeline_js;\n}})();"


@cache
def style() -> str:
    """The style sheet of the timeline."""
    return (FOLDER / "timeline.css").read_text(encoding="utf-8")
