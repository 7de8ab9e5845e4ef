"""The ``config.json`` of a folder in the hub's layout, as plain data.

It describes a network; transformers also lets it choose code: an attention kernel from the hub (``org/kernel``), a
quantiser with a package of its own, classes in files beside it.  Those entries are left out, so that what is built is
the class that we name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowmusic import limits, plain
from flowmusic.interop.fitting import ModelError

LEFT_OUT = frozenset(
    {"auto_map", "attn_implementation", "_attn_implementation", "_attn_implementation_internal",
     "experts_implementation", "quantization_config", "custom_pipelines"}
)  # fmt: skip
MOST, MOST_LAYERS = 10_000_000, 1_000
"""Of any number in a description (the largest is a vocabulary), and of one that counts layers."""


def read(path: Path) -> dict[str, Any]:
    """The description without what chooses code.

    Raises: ModelError for what is no JSON object, or describes a network without end.
    """
    try:
        found = plain.read_json(path, plain.MIB)
    except (OSError, plain.PlainError) as error:
        raise ModelError(f"{error}; fetch it again") from None
    if not isinstance(found, dict):
        raise ModelError(f"{path} is not a description of a model; fetch it again")
    kept: dict[str, Any] = _kept(found)
    wrong = next(limits.oversized(kept, MOST, MOST_LAYERS), None)
    if wrong is not None:
        raise ModelError(f"{path} asks for {wrong}, which no model of this kind has; fetch it again")
    return kept


def _kept(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _kept(part) for key, part in value.items() if key not in LEFT_OUT}
    return [_kept(part) for part in value] if isinstance(value, list) else value
