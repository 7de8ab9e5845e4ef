"""``take.latents``: the latents of a take and the controls that its model was given, small, beside its record.

A take that is edited, continued or varied starts from these: its audio encoded again would add the codec's error at
every turn.  The file is a safetensors file whatever its name: ``latents [T, D]`` in half precision (a thousandth of
what the codec's own noise is), tracks as bytes where they hold small whole numbers, style features as they are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.files import replacing
from flowmusic.paths import sibling
from flowmusic.plain import shown

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.types import Controls

SUFFIX = ".latents"
FORMAT = "1"


class StoredError(ValueError):
    """A file of latents that is damaged, or of another model."""


@dataclass(frozen=True)
class Stored:
    """What a take is remembered by.

    Attributes:
        latents: ``[1, T, D]``, fp32.
        controls: as the model was given them, a batch of one; the text is None where it was a recording.
        codec: sha256 of the codec that the latents are of, where it is known.
    """

    latents: Tensor
    controls: Controls
    codec: str | None


def path_beside(audio: Path) -> Path:
    """Where the latents of a take lie.

    >>> path_beside(Path("out/take.wav")).as_posix()
    'out/take.latents'
    """
    return sibling(audio, SUFFIX)


def write(path: Path, latents: Tensor, controls: Controls, weights: Mapping[str, str]) -> Path:
    """Latents ``[1, T, D]`` and their controls; whole or not at all.  ``weights`` are a take record's hashes."""
    import torch
    from safetensors.torch import save_file

    frame_rates = {str(track.grid.frame_rate) for track in controls.tracks.values()}
    tensors = {"latents": latents[0].to(torch.float16).contiguous()}
    for name, track in controls.tracks.items():
        tensors[f"track.{name}.values"] = _small(track.values[0].cpu())
        tensors[f"track.{name}.known"] = track.known[0].cpu().clone()
    style = controls.style[0] if controls.style else None
    facts = controls.facts[0] if controls.facts else None
    if style is not None:
        tensors["style"] = style.features.cpu().contiguous()
    about = {
        "format": FORMAT,
        "codec": weights.get("codec", ""),
        "frame_rate": next(iter(frame_rates), ""),
        "text": json.dumps(controls.text[0] if isinstance(controls.text[0], str) else None),
        "facts": json.dumps(None if facts is None else facts.said()),
        "style_detail": "" if style is None or style.detail is None else str(style.detail),
        "style_timbre": "" if style is None or style.timbre is None else repr(float(style.timbre)),
        "floats": json.dumps([name for name, track in controls.tracks.items() if track.values.is_floating_point()]),
    }
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=about)
    return path


def read(path: Path) -> Stored:
    """What :func:`write` wrote.  Raises: StoredError for a damaged file, OSError for one that cannot be read."""
    from safetensors import SafetensorError, safe_open

    from flowmusic.facts import Facts
    from flowmusic.types import Controls, FrameGrid, Style, Track

    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, str] = file.metadata() or {}
            if about.get("format") != FORMAT:
                raise StoredError(
                    f"{shown(path)} is of format {about.get('format')!r}, and this version reads {FORMAT!r}"
                )
            names = list(file.keys())
            tensors = {name: file.get_tensor(name) for name in names}
        latents = tensors["latents"].float()[None]
        floats: list[str] = json.loads(about["floats"])
        tracks = {}
        for key in tensors:
            if key.startswith("track.") and key.endswith(".known"):
                name = key.removeprefix("track.").removesuffix(".known")
                values = tensors[f"track.{name}.values"]
                grid = FrameGrid(Fraction(about["frame_rate"]), latents.shape[1])
                values = values.float() if name in floats else values.long()
                tracks[name] = Track(values[None], tensors[key][None], grid)
        detail = about["style_detail"]
        timbre = about.get("style_timbre", "0")  # a file from before it was said is of a take without
        closely = (int(detail) if detail else None, float(timbre) if timbre else None)
        style = (Style(tensors["style"], *closely),) if "style" in tensors else ()
        said = json.loads(about["facts"])
        facts = () if said is None else (Facts.of(said),)
        controls = Controls((json.loads(about["text"]),), tracks, style, facts)
    except (SafetensorError, KeyError, ValueError, IndexError, TypeError) as error:
        if isinstance(error, StoredError):
            raise
        raise StoredError(f"{shown(path)} is damaged; delete it, and the take's audio is used instead") from None
    return Stored(latents, controls, about.get("codec") or None)


def _small(values: Tensor) -> Tensor:
    """A byte per value where all are whole numbers within 0..255."""
    import torch

    if bool(((values >= 0) & (values <= 255) & (values == values.round())).all()):
        return values.to(torch.uint8).contiguous()
    return values.contiguous()
