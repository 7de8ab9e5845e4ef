"""Overrides as people type them, as Hydra's grammar wants them.

Hydra reads a value as an expression: a comma sweeps, ``(``, ``=``, ``#`` or ``ü`` ends in an error, and a file called
``123`` is a number.  Paths hold all of these, so the values of keys that name files are put into quotes before Hydra
sees them, as one would have to by hand.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

PATH_KEYS = frozenset(
    "adapter base codec codec_name corpus dirpath fad_reference fadtk_python folder latents location manifest model "
    "more_corpora more_latents name out path prompts save_dir shards source style_features text_audio train_corpus "
    "train_latents".split()
)
"""Last names of keys whose values are files, folders or names of models."""
TEXT_KEYS = frozenset({"licence", "note"})
"""Keys that hold words for people."""
_PLAIN = re.compile(r"[\w./:%+@?|*$-]*", re.ASCII)
"""Values that mean to Hydra what they say, if they are no :data:`_OTHER`."""
_OTHER = re.compile(r"[+-]?(\d[\d_]*\.?[\d_]*(e[+-]?\d+)?|\.\d+|inf|nan)|true|false", re.ASCII | re.IGNORECASE)
"""Numbers and truth values."""
_CALL = re.compile(r"\s*(choice|range|interval|glob|shuffle|sort|tag)\s*\(.*\)\s*", re.DOTALL)
_MULTIRUN = ("-m", "--multirun")
ADVICE = "put a value with such characters into quotes, as in note='\"a, b\"'"


def quoted(overrides: Sequence[str]) -> list[str]:
    """The arguments of a command with the values of paths in Hydra's quotes where they need them.

    A path that is there is one value whatever it holds, and so is ``out``, below which every point of a sweep has its
    own folder.  Of another one, commas separate the points of a sweep where the command is one (``-m model=a,b``);
    lists in ``[...]`` are quoted item by item; values that are in quotes already, null, and Hydra's functions stay.

    >>> quoted(["corpus=/a b/c=d (1),ü", "clips=2"])
    ["corpus='/a b/c=d (1),ü'", 'clips=2']
    >>> quoted(["-m", "model=x,a (1)"])
    ['-m', "model=x,'a (1)'"]
    """
    sweeps = any(argument in _MULTIRUN for argument in overrides)
    return [_quoted(override, sweeps) for override in overrides]


def _quoted(override: str, sweeps: bool) -> str:
    key, equals, value = override.partition("=")
    name = key.lstrip("+~").partition("@")[0].rpartition(".")[2]
    if not equals or key.startswith("-") or not re.fullmatch(r"[\w.@/:-]+", key.lstrip("+~"), re.ASCII):
        return override
    if (name in PATH_KEYS or "/" in value) and os.path.exists(value):
        return key + equals + _value(value, literal=True)
    if name in PATH_KEYS and _CALL.fullmatch(value) is None:
        several = sweeps and name != "out"
        return key + equals + (_listed(value) if value[:1] == "[" and value[-1:] == "]" else _swept(value, several))
    if name in TEXT_KEYS:
        return key + equals + _value(value)
    return override


def _there(value: str) -> int:
    """How much of a path is there: the length of the longest part from its beginning that exists."""
    while value and not os.path.lexists(value):
        value = value.rpartition("/")[0]
    return len(value)


def _listed(value: str) -> str:
    items = _parts(value[1:-1])
    return f"[{','.join(_value(item.strip()) for item in items)}]" if value[1:-1].strip() else value


def _swept(value: str, sweeps: bool) -> str:
    return ",".join(_value(item) for item in _parts(value)) if sweeps else _value(value)


def _parts(value: str) -> list[str]:
    """At the commas outside of quotes."""
    parts, quote = [""], ""
    for letter in value:
        if letter == "," and not quote:
            parts.append("")
            continue
        if letter == quote:
            quote = ""
        elif letter in "'\"" and not quote and not parts[-1].strip():
            quote = letter
        parts[-1] += letter
    return parts


def _value(value: str, literal: bool = False) -> str:
    """One value: as it is where Hydra takes it for the text that it is, else in quotes."""
    if not literal and (value == "null" or (len(value) > 1 and value[0] in "'\"" and value[-1] == value[0])):
        return value
    if not value or (_PLAIN.fullmatch(value) and not _OTHER.fullmatch(value) and "${" not in value):
        return value
    # What reads like an interpolation is a name where it is one: in a folder that is there.
    there = _there(value)
    value = re.sub(r"(\\*)\$\{", lambda found: found[1] * 2 + "\\${", value[:there]) + value[there:]
    # Hydra takes a backslash as one only before a quote, where each is written twice.
    inner = re.sub(r"(\\*)'", lambda found: found[1] * 2 + "\\'", value)
    inner = re.sub(r"\\+$", lambda found: found[0] * 2, inner)
    return f"'{inner}'"
