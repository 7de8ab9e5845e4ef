"""Average the weights of bundles that were trained on from one another, as one model that costs no more than each.

    python -m tools.average_weights --out FOLDER [--eight-bits] nano:0.5 runs/second/bundle:0.3 runs/first/bundle:0.2

Between a model and what further training made of it the loss has hardly a wall, and on the way there lie models that
have what the training brought and keep what it lost (Wortsman et al. 2022, arXiv 2109.01903 and arXiv 2203.05482).
Shares add up to 1.  Settings and card are those of the first bundle, with a line on the shares.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.interop import fitting, model_files

ALIKE = ("encoder", "field", "codec")
"""Settings that must be the same."""


def share(text: str) -> tuple[str, float]:
    """``NAME:SHARE``.

    >>> share("models/first:0.25")
    ('models/first', 0.25)
    """
    name, colon, number = text.rpartition(":")
    try:
        found = float(number)
    except ValueError:
        found = -1.0
    if not (colon and name and 0.0 < found < 1.0):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME:SHARE with a share between 0 and 1, such as nano:0.5")
    return name, found


def averaged(parts: Sequence[tuple[model_files.Bundle, float]]) -> dict[str, Tensor]:
    """The weighted mean of each tensor; of whole numbers those of the first.

    Raises: ValueError for bundles of other settings, other tensors or other shapes, and shares that do not add up to 1.
    """
    total = sum(weight for _, weight in parts)
    if abs(total - 1.0) > 1e-6:
        raise ValueError(f"the shares add up to {total:g}; they must add up to 1")
    first = parts[0][0]
    for other, _ in parts[1:]:
        for key in ALIKE:
            if first.config["settings"].get(key) != other.config["settings"].get(key):
                raise ValueError(f"{other.folder} and {first.folder} differ in {key}; only one model's weights average")
        odd = sorted(chain.from_iterable(fitting.differences(first.tensors, other.tensors)))
        if odd:
            raise ValueError(f"{other.folder} and {first.folder} differ in the weights {', '.join(odd[:3])}")
    return {
        key: sum((weight * bundle.tensors[key].float() for bundle, weight in parts), torch.zeros(tensor.shape))
        if tensor.is_floating_point()
        else tensor
        for key, tensor in first.tensors.items()
    }


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--eight-bits", action="store_true", help="store large matrices in 8 bits, as nano's are")
    parser.add_argument("parts", type=share, nargs="+", metavar="NAME:SHARE")
    args = parser.parse_args(argv)
    try:
        parts = [(model_files.read(name), weight) for name, weight in args.parts]
        tensors = averaged(parts)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    first = parts[0][0]
    told = ", ".join(f"{weight:g} of {Path(name).parent.name or name}" for name, weight in args.parts)
    # The hash of the first one's weights is not that of the mean; the new one is written below the card.
    lines = [line for line in (first.folder / "card.md").read_text().splitlines() if not line.startswith("sha256 of")]
    card = "\n".join([*lines, f"- Weights averaged: {told}.", ""])
    config = {key: first.config[key] for key in ("kind", "settings")}
    print(model_files.write(args.out, config, tensors, card, eight_bits=args.eight_bits))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
