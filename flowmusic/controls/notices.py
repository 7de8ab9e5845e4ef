"""Notices to the person: warnings that say what was taken differently from what was asked."""

from __future__ import annotations

import warnings


class ControlNotice(UserWarning):
    """Something asked for is taken differently: a chord reduced, a note folded, a control cut at the clip's end."""


def notice(message: str) -> None:
    """Warn with the message (``warnings.catch_warnings(record=True)`` collects them)."""
    warnings.warn(message, ControlNotice, stacklevel=3)
