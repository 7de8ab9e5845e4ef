"""Notices to the person: warnings that say what was taken differently from what was asked."""

from __future__ import annotations

import math
import warnings

from flowmusic import limits


class ControlNotice(UserWarning):
    """Something asked for is taken differently: a chord reduced, a note folded, a control cut at the clip's end."""


def late(first: float, seconds: float) -> str:
    """What is wrong with notes or hits of which none is heard, as the end of a sentence that names them.

    >>> late(12.0, seconds=10.0)
    "would only begin at 12 s, after the clip's end at 10 s; ask for a longer clip (--seconds 16), or cut ..."
    """
    enough = math.ceil(first + 4.0)
    longer = f"ask for a longer clip (--seconds {enough}), or " if enough <= limits.limit("seconds").high else ""
    return f"would only begin at {first:.4g} s, after the clip's end at {seconds:g} s; {longer}cut what comes before"


def notice(message: str) -> None:
    """Warn with the message (``warnings.catch_warnings(record=True)`` collects them)."""
    warnings.warn(message, ControlNotice, stacklevel=3)
