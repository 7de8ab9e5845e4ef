"""The timeline as a component of a Gradio page: annotations drawn, edited and sent back.

Its script, style and markup are ours (``static/timeline``); the value is that of
:mod:`flowmusic.page.timeline_value`, checked on its way in and out.
"""

from __future__ import annotations

import json
from functools import wraps
from typing import Any

import gradio as gr

from flowmusic.annotations.annotation import Annotations
from flowmusic.controls.vocabulary import LABELS
from flowmusic.page.timeline_script import script, style
from flowmusic.page.timeline_value import Edited, TimelineError, read, read_chords, to_value

__all__ = ["Edited", "Timeline", "timeline"]

EMPTY_SECONDS = 10.0
"""Length of the timeline before anything is put on it: what the small models make."""

_ON_LOAD = f"""
window.flowmusicTimeline.mount(element, {{ props, trigger, server, watch, chordNames: {json.dumps(LABELS)} }});
"""


class Timeline(gr.HTML):
    """Annotations on a time line: the value is a dict of :func:`flowmusic.page.timeline_value.to_value`.

    A listener of ``input`` is called after every edit by the person, one of ``change`` also after changes from Python.
    As an input it hands over a value that was checked, so :func:`~flowmusic.page.timeline_value.read` and
    :func:`~flowmusic.page.timeline_value.from_value` do not fail on it.
    """

    @wraps(gr.HTML.input)
    def input(self, *arguments: Any, **settings: Any) -> Any:  # type: ignore[override]
        """As of every component, but of edits that come while a listener is at work it gets the last."""
        return super().input(*arguments, **{"trigger_mode": "always_last", **settings})

    def preprocess(self, payload: Any) -> dict[str, Any]:  # type: ignore[override]
        """Raises: gr.Error with the message for a value that cannot be used."""
        if payload in (None, ""):
            return empty()
        try:
            read(payload)
        except TimelineError as error:
            raise gr.Error(str(error), print_exception=False) from None
        found: dict[str, Any] = payload
        return found

    def postprocess(self, value: Any) -> dict[str, Any]:  # type: ignore[override]
        """None is an empty timeline.  Raises: TimelineError."""
        if value is None:
            return empty()
        read(value)
        found: dict[str, Any] = value
        return found

    def api_info(self) -> dict[str, Any]:
        return {"type": "object", "description": "a timeline: annotations, seconds, bpm, beats_per_bar, region"}

    def example_payload(self) -> Any:
        return empty()

    def example_value(self) -> Any:
        return empty()


def empty(seconds: float = EMPTY_SECONDS) -> dict[str, Any]:
    """The value of a timeline on which nothing is asked for."""
    return to_value(Annotations(), seconds=seconds)


def timeline(
    label: str = "Timeline", elem_id: str | None = None, value: dict[str, Any] | None = None, **settings: Any
) -> Timeline:
    """A timeline for the page that is being built.

    Args:
        label: what screen readers call it.
        elem_id: its id in the page.
        value: what it shows first; by default an empty one.
        settings: further ones of Gradio's HTML component, such as ``visible``.
    """
    return Timeline(
        value=value,
        label=label,
        elem_id=elem_id,
        # Without a value in it, so that Gradio never draws over what the script has drawn.
        html_template='<div class="tl-place"></div>',
        css_template="",
        js_on_load=_ON_LOAD,
        head=f"<style>{style()}</style><script>{script()}</script>",
        apply_default_css=False,
        server_functions=[read_chords],
        **settings,
    )
