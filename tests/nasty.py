"""Names of files that are hard to handle: letters of any script, signs that mean something to somebody, any byte."""

from __future__ import annotations

import os

import pytest

from flowmusic.paths import fitted

SIGNS = "-é日 c=d (1),[x]{y}#&'\"`$HOME $x_1$ ~@%;*?!|<b>"
BYTES = os.fsdecode(b"caf\xe9 \xff\xfe.x")
LONG = "長い名前" * 21 + "abc"
FURTHER = {
    "scripts": "Ωмир עברית نص 🎹",
    "quotes": "it's \"x\" \\'y\\",
    "mathtext": "$\\frac{a",
    "number": "123",
    "nan": "nan",
}

NAMES = [
    pytest.param(SIGNS, id="signs"),
    pytest.param(BYTES, id="bytes"),
    pytest.param(LONG, id="long"),
    *(pytest.param(name, id=kind, marks=pytest.mark.slow) for kind, name in FURTHER.items()),
]
TRAINED = [
    pytest.param(BYTES, id="bytes"),
    *(pytest.param(name, id=str(n), marks=pytest.mark.slow) for n, name in enumerate([SIGNS, LONG, *FURTHER.values()])),
]
"""For what takes longer: the hardest of them alone."""


def file(name: str, ending: str) -> str:
    """A name with an ending that fits."""
    return fitted(name, ending)
