"""A picture as words and settings in the fields, which a person sees and can change before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from flowmusic.page.messages import named, telling
from flowmusic.page.parts import status

FILES = [".png", ".jpg", ".jpeg", ".webp"]


def see_picture(picture: str | None, text: str) -> tuple[Any, Any, Any, Any, Any, Any, Any, Any]:
    """What a picture asks for (docs/images.md): words, instruments, no drums, mood, energy, key, tempo, and why.

    Words that were written before stay in front.
    """
    if not picture:
        return (gr.skip(),) * 8
    from flowmusic.image import to_settings

    with telling(picture):
        found = to_settings(picture)
        facts, words = found.facts, ", ".join(each for each in ((text or "").strip(), found.prompt()) if each)
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in vars(found.measures).items())
        told = status("the picture is in the fields: change what you like", notes=[named(numbers, [Path(picture)])])
        return (
            words,
            sorted(facts.instruments or ()),
            facts.drums is False,
            facts.mood or "",
            facts.energy or "",
            facts.key or "",
            f"{found.bpm:g}",
            told,
        )
