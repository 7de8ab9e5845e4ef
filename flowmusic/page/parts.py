"""The list of takes and the pads as components of a Gradio page; their scripts and styles are ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr

FOLDER = Path(__file__).parent / "static"
MOST_HITS = 2000


@cache
def _text(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


def style() -> str:
    """The style sheet of the page."""
    return _text("page.css")


def head() -> str:
    """What stands in the head of the page."""
    return f"<style>{_text('phone.css')}</style>"


class Takes(gr.HTML):
    """Takes to choose from.  In: the name of the chosen one, ``""`` for none.  Out: ``(rows, chosen)``.

    Rows are :meth:`flowmusic.page.shelf.Take.row`.  ``select`` is told when a take is chosen, ``like`` for a star.
    """

    def preprocess(self, payload: Any) -> str:  # type: ignore[override]
        chosen = payload.get("chosen") if isinstance(payload, Mapping) else payload
        return chosen if isinstance(chosen, str) else ""

    def postprocess(self, value: Any) -> dict[str, Any]:  # type: ignore[override]
        rows, chosen = value or ((), "")
        return {"takes": list(rows), "chosen": chosen}

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "in: the name of a take; out: takes and the name of the chosen one"}

    def example_payload(self) -> Any:
        return ""

    def example_value(self) -> Any:
        return ((), "")


class Pads(gr.HTML):
    """Taps: ``{"taps": [s], "hits": [[s, class]]}``.  ``input`` is told of hits, ``submit`` of taps of a tempo."""

    def preprocess(self, payload: Any) -> dict[str, Any]:  # type: ignore[override]
        given = payload if isinstance(payload, Mapping) else {}
        taps, hits = _listed(given.get("taps")), _listed(given.get("hits"))
        if len(taps) + len(hits) > MOST_HITS:
            raise gr.Error(f"at most {MOST_HITS} hits are read; tap a shorter beat", print_exception=False)
        if not all(isinstance(hit, list) and len(hit) == 2 and isinstance(hit[1], str) for hit in hits):
            raise gr.Error("hits must be a list of [seconds, kick, snare or hat]", print_exception=False)
        return {"taps": taps, "hits": hits}

    def postprocess(self, value: Any) -> Any:
        return value or {"taps": [], "hits": []}

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "taps: seconds of a tempo; hits: [seconds, kick, snare or hat]"}

    def example_payload(self) -> Any:
        return {"taps": [0.0, 0.5, 1.0, 1.5], "hits": []}

    def example_value(self) -> Any:
        return self.example_payload()


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def takes() -> Takes:
    """The list."""
    return Takes(
        label="Takes",
        elem_id="takes",
        html_template='<div class="tk-place"></div>',
        js_on_load="window.flowmusicTakes.mount(element, { props, trigger, watch });  // 'select' 'like'",
        head=f"<script>{_text('takes.js')}</script>",
        apply_default_css=False,
    )


def pads() -> Pads:
    """The pads."""
    return Pads(
        label="Pads",
        elem_id="pads",
        html_template='<div class="pd-place"></div>',
        js_on_load="window.flowmusicPads.mount(element, { props, trigger });  // 'input' 'submit'",
        head=f"<script>{_text('pads.js')}</script>",
        apply_default_css=False,
    )


def status(line: str, share: float | None = None, notes: Sequence[str] = (), wrong: bool = False) -> str:
    """Markup that says how far something is, or what came of it; what it says is text."""
    bar = "" if share is None else f'<progress max="1" value="{share:.3f}" aria-label="progress"></progress>'
    rows = "".join(f"<li>{escape(note)}</li>" for note in notes)
    said = f'<div class="{"st-wrong" if wrong else "st-line"}">{escape(line)}</div>' if line else ""
    listed = f"<ul>{rows}</ul>" if rows else ""
    return f'<div class="st" role="status" aria-live="polite">{said}{bar}{listed}</div>'
