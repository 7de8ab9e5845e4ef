"""Tensors and arrays out of files that anyone may have written: never by pickle, and judged before they are used.

A safetensors file says how long its tensors are, and its reader compares that with the bytes that are there; what is
left to judge is its size, its metadata and its values.  A numpy file may claim any shape: memory for it is taken before
the first byte is read, so the claim is compared with the file first.
"""

from __future__ import annotations

import functools
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from flowmusic.paths import in_utf8
from flowmusic.plain import MIB, check_file, reason, shown

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

MOST_ARRAYS = 2048 * MIB
"""Bytes that the arrays of one numpy file come to."""


class TensorsError(ValueError):
    """A file of tensors cannot be used; the message names the file, and the tensor where it is one."""


@contextmanager
def without_memory() -> Iterator[None]:
    """Modules made in here have names and shapes, and neither values nor memory (torch's device ``meta``).

    torch computes there by code that imports its compiler, which takes seconds; so nothing is drawn or counted, and
    what comes of tensors and numbers by arithmetic is an empty tensor of its shape.
    """
    import torch

    with torch.device("meta"), _shapes_only()():
        yield


@functools.cache
def _shapes_only() -> Any:
    import numpy as np
    import torch
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    draws = {Tensor.normal_, Tensor.uniform_, Tensor.exponential_, Tensor.bernoulli_, Tensor.random_}
    drawn = {torch.randn, torch.rand}
    divides = {Tensor.div, Tensor.__rdiv__}
    arithmetic = {Tensor.add, Tensor.sub, Tensor.mul, Tensor.__rsub__, Tensor.pow, *divides}
    alone = {torch.sin, torch.cos, Tensor.square, Tensor.clamp}

    class ShapesOnly(TorchFunctionMode):
        """Leaves out what would only compute values."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = dict(kwargs or {})
            if func in draws or getattr(func, "__module__", None) == "torch.nn.init":
                return args[0] if args else kwargs["tensor"]
            if func in drawn:
                kwargs.pop("generator", None)
                return torch.empty(*args, **kwargs)
            if func is torch.arange and len(args) == 1:
                return torch.empty(args[0], dtype=kwargs.get("dtype") or torch.int64)
            if func is torch.full:
                return torch.empty(args[0])
            if func is torch.eye:
                return torch.empty(args)
            if func is torch.polar:
                return torch.empty(args[0].shape, dtype=torch.complex64)
            if func in alone:
                return torch.empty(args[0].shape, dtype=args[0].dtype)
            if func in arithmetic and not kwargs:
                kind, other = torch.result_type(args[0], args[1]), args[1]
                whole = not (kind.is_floating_point or kind.is_complex)
                # Not by torch.broadcast_shapes, which imports sympy.
                shape = np.broadcast_shapes(args[0].shape, other.shape if isinstance(other, Tensor) else ())
                return torch.empty(shape, dtype=torch.get_default_dtype() if whole and func in divides else kind)
            return func(*args, **kwargs)

    return ShapesOnly


def not_finite(tensors: Mapping[str, Tensor]) -> str | None:
    """The name of the first tensor that holds NaN or infinity; None if all are finite."""
    import torch

    for name in sorted(tensors):
        tensor = tensors[name]
        if not (tensor.is_floating_point() or tensor.is_complex()):
            continue
        # Types of 8 bits know no arithmetic of their own.
        wide = tensor.float() if tensor.element_size() == 1 else tensor
        if not bool(torch.isfinite(wide).all()):
            return name
    return None


def check_finite(tensors: Mapping[str, Tensor], place: object) -> None:
    """Raises: TensorsError naming the file and the tensor that holds NaN or infinity."""
    wrong = not_finite(tensors)
    if wrong is not None:
        raise TensorsError(
            f"{shown(place)}: the tensor {shown(wrong)!r} holds NaN or infinite values; fetch or make it again"
        )


def read(path: str | Path, most: int | None = None) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file; their values are not judged.

    Args:
        path: the file.
        most: bytes that one of its kind has; None for any number.

    Raises: FileNotFoundError; PlainError for a device, a folder, or a file that is too large; TensorsError.
    """
    from safetensors import SafetensorError, safe_open

    check_file(path, most)
    try:
        with in_utf8(path) as name, safe_open(name, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
            return tensors, dict(file.metadata() or {})
    except (SafetensorError, OSError, ValueError, RuntimeError, TypeError) as error:
        # The last two: torch's, for shapes and types that it has not.
        raise TensorsError(f"{shown(path)} cannot be read: damaged, or no safetensors file ({reason(error)})") from None


def loads(data: bytes, place: object) -> dict[str, Tensor]:
    """Tensors out of the bytes of a safetensors file.  Raises: TensorsError."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(data)
    except (SafetensorError, ValueError, RuntimeError, TypeError, KeyError) as error:
        raise TensorsError(f"{shown(place)} is damaged, or holds no safetensors ({reason(error)})") from None


def read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    """The arrays of an ``.npz`` file, or that of an ``.npy`` file under the name ``""``.

    Raises: FileNotFoundError; PlainError; TensorsError for anything that needs pickle, or claims more than
        :data:`MOST_ARRAYS` or than its bytes hold.
    """
    import numpy as np

    size = check_file(path)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                total = 0
                for member in archive.infolist():
                    with archive.open(member) as file:
                        total += _claimed(file, member.file_size)
            if total > MOST_ARRAYS:
                raise TensorsError(f"its arrays come to {total // MIB} MiB, at most {MOST_ARRAYS // MIB} are read")
            with np.load(path, allow_pickle=False) as entry:
                return {name: entry[name] for name in entry.files}
        with open(path, "rb") as file:
            _claimed(file, size)
        return {"": np.load(path, allow_pickle=False)}
    except Exception as error:
        # zipfile, zlib and numpy each have exceptions of their own, and share none.
        raise TensorsError(f"{shown(path)} is damaged, or no file of plain arrays ({reason(error)})") from None


def _claimed(file: BinaryIO | Any, size: int) -> int:
    """Bytes of the array that a header announces.  Raises: ValueError for more than the file has."""
    from numpy.lib import format as npy

    version = npy.read_magic(file)
    shape, _, dtype = npy.read_array_header_1_0(file) if version == (1, 0) else npy.read_array_header_2_0(file)
    claimed = math.prod(shape) * dtype.itemsize
    if dtype.hasobject or claimed > size:
        raise ValueError("it needs pickle" if dtype.hasobject else f"it claims {claimed} bytes and has {size}")
    return claimed
