"""take.json: everything needed to repeat a take, what it was asked for, and how well it followed.

A take is passed on, so the record tells files by name and by the hash of their content, and no place on this machine
(:mod:`flowmusic.publishable`).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import curves, publishable

if TYPE_CHECKING:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.curves import Value
    from flowmusic.evaluate.adherence import Adherence
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.metrics.bars import Bar
    from flowmusic.types import Controls, Generation


def record(
    take: Generation,
    *,
    model: str,
    asked: GenerateRequest,
    guidance: Mapping[str, Value],
    sample_rate: int,
    channels: int,
    written: Controls,
    requested: Annotations,
    adherence: Adherence | None,
    choice: Mapping[str, Any] | None = None,
    by_model: Mapping[str, Any] | None = None,
    adapters: Sequence[Mapping[str, Any]] = (),
    weights: Mapping[str, str] | None = None,
    details: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The content of take.json as plain data; times are seconds.

    ``written`` are the controls before a model left some out; ``adherence`` is None before anyone has listened;
    ``choice`` says among which takes this one was the best (``flowmusic.takes.choose``); ``by_model`` is what
    the model decides alone (``GenerationDefaults.recorded``); ``adapters`` are those in the model's weights, by name,
    hash and scale; ``weights`` are hashes of the model and its codec, where they are known;
    ``details`` are of :func:`details`.
    """
    more: dict[str, Any] = dict(details or {})
    told_facts, prompt = asked.facts.plain(), take.controls.text[0]
    inputs: dict[str, Any] = {key: more.pop(key) for key in ("sha256", "use", "style") if key in more}
    content = {
        "model": model,
        **({"weights": dict(weights)} if weights else {}),
        **more,
        **({"adapters": [dict(each) for each in adapters]} if adapters else {}),
        "seed": take.seed,
        "solver": take.solver,
        "steps": take.steps,
        "time_grid": take.time_grid,
        "num_evals": take.num_evals,
        "guidance": curves.told(guidance),
        "guidance_interval": list(take.guidance.interval),
        "apg": None if take.guidance.projection is None else asdict(take.guidance.projection),
        **(by_model or {"guided_channels": None}),
        "seconds": asked.seconds,
        "sample_rate": sample_rate,
        "channels": channels,
        "text": asked.text,
        **({"facts": {**told_facts, **({"prompt": prompt} if prompt != asked.text else {})}} if told_facts else {}),
        "controls": {
            "chords_text": asked.chords,
            "chords": _rows(requested.chords),
            "bpm": asked.bpm or _bpm(written),
            "meter": asked.meter,
            "beats": _times(requested.beats),
            "downbeats": _times(requested.downbeats),
            "melody": _rows(requested.melody),
            "drums": None if requested.drums is None else {"onsets": _times(requested.drums.onsets)},
            "sources": dict(asked.sources),
            **inputs,
            "warnings": list(asked.notices),
        },
        "adherence": None
        if adherence is None
        else {
            **adherence.scores,
            "reasons": dict(adherence.reasons),
            "detectors": dict(adherence.detectors),
            **({"bars": [_bar(bar) for bar in adherence.bars]} if adherence.bars else {}),
            **({"parts": [_part(*part) for part in adherence.parts]} if adherence.parts else {}),
        },
    }
    content = content if choice is None else {**content, "choice": dict(choice)}
    told: dict[str, Any] = publishable.cleaned(
        content, own=("text", "chords_text", "prompt", "words"), known=asked.sources.values()
    )
    return told


def details(args: argparse.Namespace, asked: GenerateRequest) -> dict[str, Any]:
    """What else decides a take, beyond the defaults: ``precision``; of the inputs ``sha256``, ``use`` and ``style``."""
    found: dict[str, Any] = {} if args.precision == "fp32" else {"precision": args.precision}
    if asked.sources:
        found["sha256"] = {name: _content_hash(Path(source)) for name, source in asked.sources.items()}
    if args.use is not None:
        found["use"] = sorted(args.use)
    if getattr(args, "picture", None) is not None:
        found["image"] = args.picture.plain()
    if args.style is not None:
        found["style"] = {"seconds": args.style_seconds, "detail": args.style_detail, "timbre": args.style_timbre}
    return found


def _content_hash(source: Path) -> str | None:
    """SHA-256 of a file, or of the controls in a folder; None for what has gone since it was read."""
    from flowmusic.annotations.json_file import NAME
    from flowmusic.hashes import of_file

    try:
        return of_file(source / NAME if source.is_dir() else source)
    except OSError:
        return None


def table(adherence: Adherence) -> list[str]:
    """A line per score, for a terminal."""
    lines = []
    for metric, score in adherence.scores.items():
        shown = f"{score:.2f}" if score is not None else f"-     ({adherence.reasons[metric]})"
        lines.append(f"{metric:<11} {shown}")
    if len(adherence.parts) > 1:
        keys = list(adherence.scores)
        lines.append(f"{'part':<14}" + "".join(f"{key:>12}" for key in keys))
        for start, end, scores in adherence.parts:
            values = "".join(f"{'-' if (score := scores.get(key)) is None else f'{score:.2f}':>12}" for key in keys)
            lines.append(f"{_clock(start)}-{_clock(end)}".ljust(14) + values)
    if adherence.bars:
        lines.append("bar  chords          heard           agreement")
    for bar in adherence.bars:
        share = "-" if bar.agreement is None else f"{bar.agreement:.2f}"
        lines.append(f"{bar.number:>3}  {_shown(bar.asked):<15} {_shown(bar.heard):<15} {share}")
    return lines


def _clock(seconds: float) -> str:
    return f"{int(seconds // 60)}:{seconds % 60:04.1f}"


def _shown(labels: Sequence[str], most: int = 3) -> str:
    """A few labels; the rest as an ellipsis."""
    return " ".join(labels[:most]) + (" ..." if len(labels) > most else "")


def _bar(bar: Bar) -> dict[str, Any]:
    agreement = None if bar.agreement is None else round(bar.agreement, 4)
    asked, heard = list(bar.asked), list(bar.heard)
    return {
        "bar": bar.number,
        "start": round(bar.start, 4),
        "end": round(bar.end, 4),
        "asked": asked,
        "heard": heard,
        "agreement": agreement,
    }


def _part(start: float, end: float, scores: Mapping[str, float | None]) -> dict[str, Any]:
    return {"start": round(start, 4), "end": round(end, 4), **scores}


def _bpm(written: Controls) -> float | None:
    """Tempo of the beat grid, which chords in bars set as well."""
    from flowmusic.controls.beats import tempo

    bpm = tempo(written.tracks["beats"]) if "beats" in written.tracks else None
    return None if bpm is None else round(bpm, 2)


def _times(times: Any) -> list[float] | None:
    return None if times is None else [round(float(time), 4) for time in times]


def _rows(rows: Any) -> list[list[Any]] | None:
    return None if rows is None else [[round(float(start), 4), round(float(end), 4), what] for start, end, what in rows]
