"""``python -m tools.pack_text_encoder pack|encode``: captions encoded where the text encoder's 84 MiB cannot go.

pack writes all-MiniLM-L6-v2 in 8 bits, with the rows of its vocabulary that the captions of a corpus use: an eighth of
the size.  encode fills the store of caption states that training reads in place of the encoder.  Only tokens of those
captions are known; others are an error.  What is lost by the 8 bits, pack prints.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from flowmusic import options
from flowmusic.errors import DONE, UsageError, guarded, reading_input
from flowmusic.files import replacing
from flowmusic.options import Parser
from flowmusic.tensors import read as read_tensors

TOKENIZER, ROWS, EMBEDDING = "tokenizer", "rows", "embeddings.word_embeddings.weight"
CONFIG = "config"
"""Of the published encoder, in files of earlier versions; its sizes are those of :class:`MiniLM`."""


def captions(corpora: Sequence[Path]) -> list[str]:
    """Every caption of some corpora once.  Raises: FileNotFoundError for an unfinished corpus."""
    from flowmusic.corpus import reader

    found = (c for folder in corpora for s in ("train", "validation") for c in reader.clips(folder, s))
    return sorted({text for clip in found for text in clip.labels["captions"]})


def small_encoder(texts: Sequence[str]) -> dict[str, Any]:
    """The encoder in 8 bits with the rows that the texts need, as tensors to store."""
    import numpy as np
    import torch

    from flowmusic import eight_bit
    from flowmusic.model.text import TextEncoder, weights_folder

    exact = TextEncoder()
    model, tokenizer = exact.loaded()
    rows = sorted({i for text in [*texts, ""] for i in tokenizer.encode(text).ids})
    tensors = dict(model.state_dict())
    tensors[EMBEDDING] = tensors[EMBEDDING][rows].contiguous()
    stored = {k: v if v.dtype == torch.int8 or v.ndim < 2 else v.half() for k, v in eight_bit.pack(tensors).items()}
    described = (weights_folder() / "tokenizer.json").read_bytes()
    stored[TOKENIZER] = torch.from_numpy(np.frombuffer(described, np.uint8).copy())
    return {**stored, ROWS: torch.tensor(rows)}


def encoder(stored: dict[str, Any]) -> Any:
    """A text encoder from what :func:`small_encoder` made."""
    from tokenizers import Tokenizer

    from flowmusic import eight_bit
    from flowmusic.model.minilm import MiniLM
    from flowmusic.model.text import MAX_TOKENS, TextEncoder

    class SmallEncoder(TextEncoder):
        """all-MiniLM-L6-v2 with the words of a corpus."""

        def _load(self) -> tuple[Any, Any]:
            plain = {k: v for k, v in stored.items() if k not in (TOKENIZER, CONFIG, ROWS)}
            tensors = {k: v.float() if v.is_floating_point() else v for k, v in eight_bit.unpack(plain).items()}
            model = MiniLM(vocabulary=len(stored[ROWS]))
            model.load_state_dict(tensors)
            model.eval().requires_grad_(False)
            tokenizer = Tokenizer.from_str(bytes(stored[TOKENIZER].numpy()).decode())
            tokenizer.no_padding()
            tokenizer.enable_truncation(MAX_TOKENS)
            return model, tokenizer

        def _token_ids(self, text: str) -> list[int]:
            place = {int(row): n for n, row in enumerate(stored[ROWS])}
            ids = self.loaded()[1].encode(text).ids
            unknown = [i for i in ids if i not in place]
            if unknown:
                word = self.loaded()[1].id_to_token(unknown[0])
                raise ValueError(f"the packed encoder lacks {word!r} of {text!r}; pack it with this corpus as well")
            return [place[i] for i in ids]

    return SmallEncoder()


def decibels(stored: dict[str, Any], texts: Sequence[str]) -> float:
    """Power of the exact states over that of the error, on some texts."""
    import torch

    from flowmusic.model.text import TextEncoder

    exact, small = TextEncoder(), encoder(stored)
    pairs = [(exact.states(text), small.states(text)) for text in texts]
    power = sum(float(a.square().sum()) for a, _ in pairs)
    error = sum(float((a - b).square().sum()) for a, b in pairs)
    return float(10 * torch.tensor(power / max(error, 1e-30)).log10())


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.pack_text_encoder",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser("pack", help="a small encoder for the captions of corpora")
    one.add_argument("corpus", nargs="+", type=Path, metavar="CORPUS")
    one.add_argument("--out", required=True, type=options.output((".safetensors",)), metavar="FILE")
    one.set_defaults(run=_pack)
    two = actions.add_parser("encode", help="states of the captions of corpora, where training looks for them")
    two.add_argument("corpus", nargs="+", type=Path, metavar="CORPUS")
    two.add_argument("--encoder", required=True, type=Path, metavar="FILE", help="of pack")
    two.add_argument("--out", required=True, type=Path, nargs="+", metavar="DIR", help="folders of stores")
    two.set_defaults(run=_encode)
    return parser


def _pack(args: argparse.Namespace) -> int:
    from safetensors.torch import save_file

    with reading_input():
        texts = captions(args.corpus)
    if not texts:
        raise UsageError("the corpora have no captions in train and validation; make them longer")
    stored = small_encoder(texts)
    with replacing(args.out) as temporary:
        save_file(stored, temporary)
    level = decibels(stored, texts[:: max(1, len(texts) // 100)])
    print(f"{args.out} {args.out.stat().st_size} bytes, {len(texts)} captions, error {level:.1f} dB below the states")
    return DONE


def _encode(args: argparse.Namespace) -> int:
    with reading_input():
        texts = captions(args.corpus)
        small = encoder(read_tensors(args.encoder)[0])
        for folder in args.out:
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / f"text-{small.fingerprint}.safetensors"
            first = args.out[0] / file.name
            if folder == args.out[0]:
                small.remember(texts, folder)
            elif not file.is_file():
                shutil.copyfile(first, file)
            print(file)
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)

    def command() -> int:
        args = build_parser().parse_args(arguments)
        return int(args.run(args))

    return guarded("words", command)


if __name__ == "__main__":
    sys.exit(main())
