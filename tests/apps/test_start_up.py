"""What a take does not load: a short one must not wait for libraries that it does not need."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from flowmusic import lazily
from flowmusic.tensors import without_memory

ROOT = Path(__file__).resolve().parents[2]
NOT_NEEDED = (
    "transformers",
    "torchdiffeq",
    "scipy",
    "sympy",
    "torch._dynamo",
    "torchaudio.functional",
    "feature_extractors",
)


def test_what_a_take_does_not_load(tmp_path: Path) -> None:
    words = ["generate", "jazz", "--seconds", "1", "--steps", "1", "--seed", "0", "--quiet", "--out", "take.wav"]
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from flowmusic.apps.cli import main; "
        f"assert main({words!r}) == 0; print([name for name in {NOT_NEEDED!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]", done.stdout


def test_a_library_is_loaded_when_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_library.py").write_text("loaded = True\n")
    (tmp_path / "hasty_library.py").write_text("import slow_library\ndef use():\n    return slow_library.loaded\n")
    monkeypatch.syspath_prepend(tmp_path)
    before = list(sys.meta_path)
    with lazily.loaded("slow_library"):
        hasty = importlib.import_module("hasty_library")
    assert sys.meta_path == before
    assert "loaded" not in object.__getattribute__(sys.modules["slow_library"], "__dict__")
    assert hasty.use() is True
    assert "loaded" in vars(sys.modules["slow_library"])
    with pytest.raises(ModuleNotFoundError), lazily.loaded("no_such_library"):
        importlib.import_module("no_such_library")


class Made(nn.Module):
    """Everything that constructors of ours do with tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.linear = nn.Embedding(10**9, 64), nn.Linear(3, 10**8)
        self.table = nn.Parameter(torch.randn(6, 4) / 4**0.5)
        self.drawn = nn.Parameter(torch.rand(2, generator=torch.Generator()) * 0.1 - 1)
        self.register_buffer("shares", torch.arange(3).square() / 3)
        self.register_buffer("phases", 2.0 * torch.arange(3))
        self.register_buffer("numbers", 1.0 - 2 / (1 + torch.zeros(3)) ** 2)
        wave = torch.sin(torch.arange(5, dtype=torch.float64) + 0.5)
        self.register_buffer("outer", (wave[:, None] * torch.cos(torch.arange(3).clamp(0, 1))[None]).float())
        self.register_buffer("chirp", torch.polar(torch.full((3,), 0.5), torch.arange(3).square() / 3))
        self.unit = nn.Parameter(torch.eye(2, 3) / 0.5)
        nn.init.trunc_normal_(tensor=self.drawn)


def test_a_module_without_memory_has_its_names_and_shapes() -> None:
    before = torch.random.get_rng_state()
    with without_memory():
        made = Made()
    shapes = {name: tuple(tensor.shape) for name, tensor in made.state_dict().items()}
    assert shapes == {
        "words.weight": (10**9, 64),
        "linear.weight": (10**8, 3),
        "linear.bias": (10**8,),
        "table": (6, 4),
        "drawn": (2,),
        "shares": (3,),
        "phases": (3,),
        "numbers": (3,),
        "outer": (5, 3),
        "chirp": (3,),
        "unit": (2, 3),
    }
    assert made.chirp.is_complex() and made.outer.dtype == torch.float32
    assert made.shares.is_floating_point() and made.phases.is_floating_point()
    assert all(tensor.is_meta for tensor in made.state_dict().values())
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.randn(2).device.type == "cpu" and float(torch.ones(1) / 2) == 0.5
