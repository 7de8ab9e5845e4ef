"""T5 as a frozen text encoder: what JASCO reads its prompts with (Raffel et al. 2020, arXiv 1910.10683)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flowmusic.model.text import FrozenText, TextWeightsError

HUB_NAMES = ("google-t5/t5-base", "t5-base")
"""Where the published weights are: the model's name on the hub, now and formerly."""


class T5Encoder(FrozenText):
    """Last hidden states of T5's encoder, end-of-sequence token included, prompts of any length.

    Args:
        source: a folder in the hub's layout (config.json, weights, tokenizer files), or None for ``t5-base`` from the
            local hub cache.  Nothing is downloaded here.
        dim: width of the states (768 for the base size).
    """

    reads = "English and some German, French and Romanian words"

    def __init__(self, source: str | Path | None = None, dim: int = 768) -> None:
        super().__init__()
        self.source = None if source is None else str(source)
        self.dim = dim

    @property
    def fingerprint(self) -> str:
        return "t5-base" if self.source is None else Path(self.source).name

    def _load(self) -> tuple[Any, Any]:
        from transformers import AutoTokenizer, T5Config, T5EncoderModel
        from transformers.utils import logging

        logging.disable_progress_bar()  # it takes a second, and the command has a bar of its own
        candidates = HUB_NAMES if self.source is None else (self.source,)
        reasons = []
        for name in candidates:
            try:
                # A folder describes a network, and could name code beside it, or a kernel: neither is loaded.
                config = T5Config.from_pretrained(name, local_files_only=True)
                if getattr(config, "quantization_config", None) is not None:
                    raise ValueError("its weights are quantised; fetch the published ones")
                tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=True, trust_remote_code=False)
                model = T5EncoderModel.from_pretrained(
                    name, config=config, local_files_only=True, use_safetensors=True, attn_implementation="sdpa"
                )
            except (OSError, ValueError) as error:
                reasons.append(f"{name}: {str(error).splitlines()[0]}")
                continue
            model = model.float().eval().requires_grad_(False)
            if model.config.d_model != self.dim:
                raise TextWeightsError(
                    f"{name} has states of width {model.config.d_model}, this model reads {self.dim}"
                )
            return model, tokenizer
        raise TextWeightsError(
            f"the text encoder T5 was not found ({'; '.join(reasons)}); fetch google-t5/t5-base once while connected "
            "(hf download google-t5/t5-base), or put its folder beside the checkpoint as t5-base/"
        )

    def _token_ids(self, text: str) -> list[int]:
        ids: list[int] = self.loaded()[1](text).input_ids
        return ids

    def pieces(self, word: str) -> list[str]:
        tokenizer = self.loaded()[1]
        ids = tokenizer(word, add_special_tokens=False).input_ids
        found = tokenizer.convert_ids_to_tokens(ids)
        return ["" if token == tokenizer.unk_token_id else piece for token, piece in zip(ids, found, strict=True)]
