"""Text-audio models by name, as conditions and judges: ours, a folder of one, or LAION-CLAP (``clap:FOLDER_OR_ID``)."""

from __future__ import annotations

import os
from pathlib import Path

from flowmusic.hashes import of_unchanged
from flowmusic.interop import clap, hub, model_files, ways
from flowmusic.interop.fitting import ModelError
from flowmusic.interop.model_files import build, read
from flowmusic.model.encode import ConditionEncoder
from flowmusic.model.text_audio import TextAudioNet
from flowmusic.types import TextAudioNetwork


def load_text_audio(name: str | Path = "nano_text_audio") -> TextAudioNet:
    """A contrastive text-audio model of ours by shipped name or folder, on the CPU.

    Raises: ModelError, CorruptWeights.
    """
    bundle = read(name)
    network: TextAudioNet = build({"text_audio": lambda settings: TextAudioNet(**settings)}, bundle)
    return network.requires_grad_(False)


def load(name: str | Path) -> TextAudioNetwork:
    """Raises: ModelError, CorruptWeights."""
    if str(name).startswith(clap.PREFIX):
        return clap.Clap(str(name).removeprefix(clap.PREFIX))
    return load_text_audio(name)


def fingerprint(name: str | Path) -> str:
    """sha256 of a text-audio model's weights.  Raises: ModelError."""
    if not str(name).startswith(clap.PREFIX):
        return model_files.fingerprint(name)
    folder = hub.locate(str(name).removeprefix(clap.PREFIX), clap.FILES)
    weights = next(folder / file for file in clap.WEIGHTS if (folder / file).is_file())
    return of_unchanged(weights)


def attach(encoder: ConditionEncoder, folder: Path | None = None) -> None:
    """Load the text-audio model that an encoder was made for, if it was made for one; its weights are checked.

    Args:
        folder: of the bundle, from which a relative path leads to the model.

    Raises: ModelError, CorruptWeights.
    """
    joint = encoder.joint
    if joint is None:
        return
    name = _found(joint.model, folder)
    network = load(name)
    if isinstance(network, TextAudioNet):
        # The same frozen encoder twice: one is enough, and what pseudowords stand for holds for both.
        network.words = encoder.text
    try:
        joint.attach(network, fingerprint(name))
    except ValueError as error:
        raise ModelError(str(error)) from None


def stored_name(name: str, folder: str | Path) -> str:
    """How a bundle in ``folder`` names a text-audio model: a folder by the way there, anything else as it is."""
    prefix = clap.PREFIX if name.startswith(clap.PREFIX) else ""
    place = name.removeprefix(prefix)
    ours = not prefix and place in model_files.available()
    if ours or not Path(place).is_dir():
        return name
    return prefix + os.path.join(os.curdir, ways.to(place, folder).removeprefix(f"{os.curdir}{os.sep}"))


def _found(name: str, folder: Path | None) -> str:
    prefix = clap.PREFIX if name.startswith(clap.PREFIX) else ""
    place = name.removeprefix(prefix)
    return prefix + str((folder / place).resolve()) if folder is not None and place.startswith(os.curdir) else name
