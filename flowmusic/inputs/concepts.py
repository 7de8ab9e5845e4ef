"""Pseudowords of a ``generate`` command: read from their files, and the prompt checked against them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.request import GenerateRequest


def register(files: Sequence[Path], generator: Generator, asked: GenerateRequest) -> None:
    """Teach the model's text encoder the concepts in the files, and note where each came from.

    ``asked.sources`` gets ``<name>`` with the file; the brackets keep a pseudoword "melody" apart from the control.

    Raises: ValueError for a file that does not fit the model, a name given twice, or a prompt that mentions another.
    """
    from flowmusic.interop import concept
    from flowmusic.model.pseudowords import mentioned
    from flowmusic.model.text import FrozenText, TextEncoder

    text = getattr(generator.encoder, "text", None)
    if not isinstance(text, FrozenText):
        if files:
            raise ValueError(f"{files[0]}: {generator.name} has no text encoder, so no pseudowords")
        return
    for file in files:
        found = concept.read(file, text)
        source = f"<{found.name}>"
        if source in asked.sources:
            raise ValueError(f"{file} and {asked.sources[source]} both hold {source}; give one of them")
        assert isinstance(text, TextEncoder)  # or read would have refused it
        text.concepts[found.name] = found
        asked.sources[source] = str(file)
        if asked.text is None or found.name not in mentioned(asked.text):
            asked.notices.append(f"the prompt does not mention {source} of {file}, so it does nothing")
        learned_on = found.record.get("model")
        if learned_on != generator.name:
            asked.notices.append(f"{source} was learned with {learned_on}; {generator.name} may hear it differently")
    if asked.text is not None:
        text.check(asked.text)
