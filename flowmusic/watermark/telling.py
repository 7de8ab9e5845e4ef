"""What a search for a mark found, for people and for programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowmusic import publishable
from flowmusic.watermark.detect import Detection

_SAME_SPEED = 0.004

_SAME_SPEED = 0.004


def plain(found: Detection, path: Path) -> dict[str, Any]:
    """Of a file, for JSON; ``marks`` is empty where nothing is found."""
    return {
        "file": publishable.place(path.name),
        "seconds": round(found.seconds, 3),
        "found": found.found,
        "score": round(found.best.score, 3),
        "threshold": round(found.threshold, 3),
        "false_alarm": found.false_alarm,
        "marks": [
            {
                "id": f"{ident:04x}",
                "score": round(best.score, 3),
                "speed": best.speed,
                "parts": [[round(start, 3), round(end, 3)] for start, end in parts],
            }
            for ident, (best, parts) in found.marks.items()
        ],
    }


def line(found: Detection) -> str:
    """The same in words, a line per mark.

    >>> from flowmusic.watermark.detect import Found
    >>> line(Detection(Found(0.0, 5.0, 7, 4.2, 1.0), 1.0, 7.4, {}, 5.0))
    'not found: the best match scores 4.2, and a mark is found from 7.4 on'
    """
    if not found.marks:
        return (
            f"not found: the best match scores {found.best.score:.1f}, and a mark is found from "
            f"{found.threshold:.1f} on"
        )
    lines = []
    for ident, (best, parts) in found.marks.items():
        where = ", ".join(f"{start:.1f}-{end:.1f} s" for start, end in parts)
        # Speeds that lie next to each other can hardly be told apart.
        speed = f", played at {best.speed:.3f} of its speed" if abs(best.speed - 1.0) > _SAME_SPEED else ""
        lines.append(
            f"found: id {ident:04x}, score {best.score:.1f} (from {found.threshold:.1f} on), in {where}{speed}"
        )
    return "\n".join(lines)
