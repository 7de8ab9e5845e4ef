"""LAION-CLAP (Wu et al. 2023, arXiv 2211.06687) as a judge of words, beside our own small one.

Its figures can be compared with those of papers that name the same weights, ours cannot.  transformers' ``ClapModel``
runs it.

Letters: B recordings, N texts, E embedding.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import plain, tensors
from flowmusic.interop import hub, hub_config
from flowmusic.interop.fitting import ModelError
from flowmusic.interop.pickles import read_pickle, tensors_of

PREFIX = "clap:"
"""In front of a folder or hub id, where a text-audio model is named."""

HUB_NAME = "laion/larger_clap_music"
RATE = 48_000

WEIGHTS = ("model.safetensors", "pytorch_model.bin")

FILES: hub.Wanted = (
    "config.json",
    "preprocessor_config.json",
    ("tokenizer.json", "vocab.json"),
    WEIGHTS,
)


class Clap:
    """Recordings and texts in one space, as :class:`flowmusic.metrics.text_audio.TextAudio` asks for it.

    Unlike our own model it hears the level of a recording.

    Args:
        source: folder in the hub's layout, or a hub id; one that is not in the cache is downloaded.

    Raises: ModelError for weights that are not there, or not CLAP's.
    """

    rate = RATE

    def __init__(self, source: str | Path = HUB_NAME) -> None:
        folder = hub.locate(source, FILES)
        self.model, self.features, self.tokenizer = _load(folder)

    @torch.no_grad()
    def embed_samples(self, samples: Tensor) -> Tensor:
        """Shape: ``[B, N]`` at 48 kHz, at most the 10 s that CLAP was trained on, ``-> [B, E]`` of unit length."""
        heard = self.features([wave.numpy() for wave in samples], sampling_rate=RATE, return_tensors="pt")
        return _unit(self.model.get_audio_features(**heard))

    @torch.no_grad()
    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Shape: N texts to ``[N, E]`` of unit length; what is longer than CLAP reads is cut."""
        read = self.tokenizer(list(texts), padding=True, truncation=True, return_tensors="pt")
        return _unit(self.model.get_text_features(**read))


def _unit(found: Any) -> Tensor:
    # transformers 5 wraps the vectors.
    vectors = found if isinstance(found, Tensor) else found.pooler_output
    return torch.nn.functional.normalize(vectors.float(), dim=-1)


def _load(folder: Path) -> tuple[Any, Any, Any]:
    """Model, feature extractor and tokenizer, each of the one class that CLAP has.

    transformers builds them and opens no weights: those are read by our guards, which say what to do.
    """
    from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, RobertaTokenizer

    described = hub_config.read(folder / "config.json")
    given = _weights(folder)
    # Exception: shapes, numbers and vocabularies fail with what each package has for that.
    try:
        if described.get("model_type") != "clap":
            raise ValueError(f"model_type is {described.get('model_type')!r}")
        config = ClapConfig.from_dict(described)
        features = ClapFeatureExtractor.from_pretrained(folder, local_files_only=True)
        tokenizer = RobertaTokenizer.from_pretrained(folder, local_files_only=True)
        with _silent():
            loaded: Any = ClapModel.from_pretrained(None, config=config, state_dict=given, output_loading_info=True)
    except Exception as error:
        raise ModelError(f"{folder} does not hold a CLAP ({plain.reason(error)}); use {PREFIX}{HUB_NAME}") from error
    model, report = loaded
    missing = sorted(report["missing_keys"])
    if missing:
        raise ModelError(f"the weights in {folder} are not those of a CLAP: missing {missing[:3]}")
    if features.sampling_rate != RATE:
        raise ModelError(f"{folder} hears audio at {features.sampling_rate} Hz; CLAP hears {RATE} Hz")
    return model.eval().requires_grad_(False), features, tokenizer


def _weights(folder: Path) -> dict[str, Tensor]:
    """Raises: ModelError for files that are damaged, hold anything but tensors, or values that are not finite."""
    path = next(folder / name for name in WEIGHTS if (folder / name).is_file())
    try:
        found = tensors_of(read_pickle(path), path) if path.suffix == ".bin" else tensors.read(path)[0]
        tensors.check_finite(found, path)
    except (tensors.TensorsError, plain.PlainError) as error:
        raise ModelError(f"{folder} does not hold a CLAP ({error}); use {PREFIX}{HUB_NAME}") from None
    return found


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Without the loading bar and report of transformers, whose content is an error here."""
    from transformers.utils import logging

    bars, level = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
