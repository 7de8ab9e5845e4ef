"""From a trained network that extracts features to the file that its extractor reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from flowmusic import eight_bit, publishable
from flowmusic.files import replacing


def export_network(path: str, module: Any, data: Any, run: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write the network's weights; for arguments see :func:`flowmusic.train.export.export_codec`."""
    return save_weights(module.network.state_dict(), Path(path))


def export_separator(path: str, module: Any, data: Any, run: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write the separator's weights, and in the file's metadata what they were trained on and how well they do."""
    figures = {part: run["metrics"].get(f"validation/si_sdr_{part}_db", math.nan) for part in ("drums", "rest")}
    said = (
        f"SI-SDR of drums {figures['drums']:.2f} dB, of the rest {figures['rest']:.2f} dB, {len(data.validation)} clips"
    )
    return _save_with_facts(module, path, run, settings, data.described, said)


def export_enhance(path: str, module: Any, data: Any, run: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write the weights of bandwidth extension, with what they were trained on and how well they do."""
    described = f"{len(data.train_crops.waves)} clips of {Path(data.folder).resolve().name}"
    return _save_with_facts(module, path, run, settings, described, _figures(run))


def export_notes(path: str, module: Any, data: Any, run: Mapping[str, Any], settings: Mapping[str, Any]) -> Path:
    """Write the weights of the note network, with what they were trained on and how well they do."""
    return _save_with_facts(module, path, run, settings, data.described, _figures(run))


def _figures(run: Mapping[str, Any]) -> dict[str, float]:
    return {k: round(v, 3) for k, v in run["metrics"].items() if k.startswith("validation/")}


def _save_with_facts(
    module: Any, path: str, run: Mapping[str, Any], settings: Mapping[str, Any], data: str, validation: Any
) -> Path:
    facts = {
        "data": data,
        "steps": run["steps"],
        "of_steps": settings["model"]["total_steps"],
        "seed": run["seed"],
        "minutes": round(run["wall_s"] / 60.0, 1),
        "validation": validation,
        "licence": "Apache-2.0",
    }
    return save_weights(module.network.state_dict(), Path(path), facts, eight_bits=True)


def save_weights(
    weights: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any] | None = None, eight_bits: bool = False
) -> Path:
    """A network's tensors as safetensors in half precision, integers as they are.

    Args:
        weights: by name.
        path: the file.
        facts: plain data about the training, kept in the file's metadata under ``training``.
        eight_bits: store large matrices in 8 bits (:mod:`flowmusic.eight_bit`).
    """
    from safetensors.torch import save_file

    packed = eight_bit.pack(weights) if eight_bits else weights
    halved = {
        k: v.half() if v.is_floating_point() and not k.endswith(eight_bit.SCALE) else v for k, v in packed.items()
    }
    stored = {name: tensor.cpu().contiguous() for name, tensor in halved.items()}
    told = None if facts is None else {"training": json.dumps(publishable.cleaned(facts))}
    with replacing(path) as temporary:
        save_file(stored, temporary, metadata=told)
    return path
