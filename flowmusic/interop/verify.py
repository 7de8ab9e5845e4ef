"""``python -m flowmusic.interop.verify FILE.safetensors ...``: do our models compute what the reference computed?

A file holds weights (``w.*``), inputs (``in.*``) and results of a model, with its sizes in the metadata.  The model is
built from them, every result is computed again, and one line tells of each tensor: name, largest absolute error,
tolerance, verdict.  A tensor that we compute in two ways counts with the worse.

Exit code 0 if everything agrees, 1 if a tensor is off, is missing or could not be computed, 2 for files that are not of
this layout.
"""

from __future__ import annotations

import argparse
import math
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from flowmusic.interop.parity import codec, double, flow, preprocessing, style
from flowmusic.paths import in_utf8

Recompute = Callable[[Mapping[str, Tensor], Mapping[str, str]], dict[str, list[Tensor]]]
KINDS: Mapping[str, Recompute] = {
    module.KIND: module.recompute
    for module in (flow, preprocessing, codec, double, style)  # type: ignore[attr-defined]
}
GIVEN = re.compile(r"(w|in|train\.before)\..*|.*\.in|.*\.salience_in|time\.t|train\.x")
"""Names of what is given, not computed."""
FIXED, LOSS, GRADIENT = 1e-4, 1e-5, 1e-4
ADAPTIVE = ((1e-5, 1e-3), (math.inf, 2e-2))
"""(solver tolerance up to, allowed error) of adaptive samples: another step controller is legitimate."""


class NotGolden(ValueError):
    """The file is not of the layout of golden files."""


@dataclass(frozen=True)
class Check:
    """One stored tensor: its largest absolute error (nan: not computed), and what is allowed."""

    name: str
    error: float
    tolerance: float
    informative: bool = False
    note: str = ""

    @property
    def passed(self) -> bool:
        return self.informative or self.error <= self.tolerance

    def __str__(self) -> str:
        verdict = "info" if self.informative else "ok" if self.passed else "FAIL"
        text = f"{self.name:<56} {self.error:>10.3e} {self.tolerance:>10.1e} {verdict}"
        return f"{text}  ({self.note})" if self.note else text


def tolerance(name: str, stored: Tensor) -> float:
    """The error allowed for a tensor."""
    if not stored.is_floating_point() or name.endswith((".out_argmax1", ".mask")):
        return 0.0
    size = float(stored.abs().max()) if stored.numel() else 0.0
    if adaptive := re.search(r"sample_dopri5_([0-9.]+(?:e-?\d+)?)", name):
        return next(allowed for upto, allowed in ADAPTIVE if float(adaptive[1]) <= upto)
    if re.fullmatch(r"out\.loss_(increasing|uniform|decreasing)|train\.penalty", name):
        return LOSS * size
    if name == "train.grad_x":
        return GRADIENT * size
    if name.startswith("grad.") or "grad_norm" in name:
        return GRADIENT * max(1.0, size)
    return FIXED


def compare(tensors: Mapping[str, Tensor], results: Mapping[str, list[Tensor]]) -> Iterator[Check]:
    """A check for every stored tensor that is not an input, by name."""
    for name, stored in sorted(tensors.items()):
        if GIVEN.fullmatch(name):
            continue
        allowed, counts = tolerance(name, stored), "dopri5_nfe" in name
        ours = results.get(name)
        if ours is None:
            yield Check(name, math.nan, allowed, counts, "not computed")
            continue
        shapes = {tuple(value.shape) for value in ours}
        if shapes != {tuple(stored.shape)}:
            yield Check(name, math.nan, allowed, counts, f"shape {sorted(shapes)}, stored {tuple(stored.shape)}")
            continue
        errors = [float((value.double() - stored.double()).abs().max()) if stored.numel() else 0.0 for value in ours]
        note = f"ours {ours[0].tolist()}, stored {stored.tolist()}" if counts else ""
        # max() would pass over a NaN.
        error = math.nan if any(math.isnan(e) for e in errors) else max(errors)
        yield Check(name, error, allowed, counts, note)


def read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata.  Raises: NotGolden."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise NotGolden(f"file not found: {path}")
    try:
        with in_utf8(path) as name, safe_open(name, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise NotGolden(f"{path} is not a safetensors file ({error})") from None
    if "kind" not in metadata:
        raise NotGolden(f"{path} does not say in its metadata what kind of file it is; known: {', '.join(KINDS)}")
    return tensors, metadata


def verify(path: Path) -> list[Check]:
    """All checks of a file.

    Raises: NotGolden for a file that is not of this layout, or describes a model that cannot be built.
    """
    tensors, metadata = read(path)
    kind = metadata["kind"]
    if kind not in KINDS:
        raise NotGolden(f"{path} is of the kind {kind!r}, which cannot be computed; known: {', '.join(KINDS)}")
    try:
        results = KINDS[kind](tensors, metadata)
    except (KeyError, ValueError) as error:
        raise NotGolden(f"{path}: {error}") from error
    return list(compare(tensors, results))


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m flowmusic.interop.verify", description=__doc__.split("\n\n")[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE.safetensors")
    paths: list[Path] = parser.parse_args(argv).files
    torch.manual_seed(0)
    failed = total = informative = 0
    code = 0
    for path in paths:
        print(f"{path}:")
        try:
            checks = verify(path)
        except NotGolden as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
            continue
        for check in checks:
            print(f"  {check}")
        total += len(checks)
        informative += sum(check.informative for check in checks)
        failed += sum(not check.passed for check in checks)
    print(f"{total} tensors: {total - failed - informative} agree, {failed} do not, {informative} for information")
    return code or int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
