"""The YAML that audiocraft keeps inside its checkpoints, as plain data: nothing in it is built or run.

It was written by OmegaConf, so values may point to others as ``${a.b.c}``.  Where a value is nothing but such a
pointer it is followed; other forms are left as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from flowmusic import limits, plain
from flowmusic.interop.fitting import ModelError

_POINTER = re.compile(r"\$\{([\w.]+)\}")
_MAX_HOPS = 32
_REQUIRED = object()


@dataclass(frozen=True)
class StoredConfig:
    """Values by dotted name, e.g. ``transformer_lm.num_heads``; ``source`` names the file in messages."""

    values: dict[str, Any]
    source: str

    @staticmethod
    def parse(text: object, source: str) -> StoredConfig:
        """Raises: ModelError if this is not the text of a YAML mapping, or wants Python objects built."""
        if not isinstance(text, str):
            raise ModelError(f"{source}: expected the training configuration as text, got {type(text).__name__}")
        try:
            values = plain.yaml_of(text, f"{source}: the stored configuration")
        except plain.PlainError as error:
            raise ModelError(str(error)) from None
        if not isinstance(values, dict):
            raise ModelError(f"{source}: the stored configuration is not a mapping of names to values")
        return StoredConfig(values, source)

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a dotted name, pointers followed; ``default`` if there is none, or it is null.

        Raises: ModelError if pointers lead in a circle.
        """
        value = self._follow(name, 0)
        return default if value is None else value

    def number(self, name: str, default: object = _REQUIRED) -> float:
        """A number, also one that YAML reads as text (``1e-5``).  Raises: ModelError."""
        value = self.get(name)
        if value is None:
            if isinstance(default, int | float):
                return default
            raise ModelError(f"{self.source}: the stored configuration has no {name}, which is needed")
        try:
            if isinstance(value, bool):
                raise ValueError
            number = float(value)
        except (TypeError, ValueError, OverflowError):
            raise ModelError(f"{self.source}: {name} must be a number, got {limits.shown(value)}") from None
        try:
            limits.tree({name.rpartition(".")[2]: number})
        except limits.LimitError as error:
            raise ModelError(f"{self.source}: {error}") from None
        return number

    def _follow(self, name: str, hops: int) -> Any:
        if hops > _MAX_HOPS:
            raise ModelError(f"{self.source}: the stored configuration points in a circle at {name}")
        value: Any = self.values
        for part in name.split("."):
            if isinstance(value, str) and (pointer := _POINTER.fullmatch(value.strip())):
                value = self._follow(pointer[1], hops + 1)
            if not isinstance(value, dict):
                return None
            value = value.get(part)
        if isinstance(value, str) and (pointer := _POINTER.fullmatch(value.strip())):
            return self._follow(pointer[1], hops + 1)
        return value
