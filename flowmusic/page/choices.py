"""What can be chosen on the page: models, adapters and pseudowords that whoever started it offers.

A browser sends names, which are looked up here; so nobody makes the page read another file of the machine.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from flowmusic.errors import UsageError
from flowmusic.paths import shown

T = TypeVar("T")


@dataclass(frozen=True)
class Choices:
    """Names on the page, and what they stand for.

    Args:
        models: name -> what ``--model`` takes; the first is the page's own choice.
        adapters, pseudowords: name -> file.
    """

    models: Mapping[str, str]
    adapters: Mapping[str, Path]
    pseudowords: Mapping[str, Path]

    def model(self, name: str) -> str:
        """Raises: UsageError for one that is not offered."""
        return _among(self.models, name, "model")

    def adapter_files(self, names: Sequence[str]) -> tuple[Path, ...]:
        """Raises: UsageError for one that is not offered."""
        return tuple(_among(self.adapters, name, "adapter") for name in names)

    def pseudoword_files(self, names: Sequence[str]) -> tuple[Path, ...]:
        """Raises: UsageError for one that is not offered."""
        return tuple(_among(self.pseudowords, name, "pseudoword") for name in names)


def _among(offered: Mapping[str, T], name: str, kind: str) -> T:
    if name not in offered:
        has = ", ".join(offered) or "none"
        raise UsageError(f"the page offers no {kind} {shown(str(name)[:80])!r}; it offers: {has}")
    return offered[name]


def gathered(models: Sequence[str], adapters: Path | None, pseudowords: Path | None) -> Choices:
    """What the flags of the command name, and the models that are shipped.

    Args:
        models: names, hub ids or folders; a folder that holds models offers each of them.
        adapters, pseudowords: folders with ``.safetensors`` files.

    Raises: ModelError for a model that is not there.
    """
    from flowmusic.interop import model_files

    found: dict[str, str] = {}
    for name in models:
        inside = _models_in(Path(name))
        for each in inside or [name]:
            if each not in inside:
                model_files.find(each)
            label = each if each in model_files.available() or not Path(each).exists() else Path(each).resolve().name
            found[label if label not in found else each] = each
    for name, folder in model_files.available().items():
        if (folder / "config.yaml").read_text(encoding="utf-8").find("kind: flow") >= 0:
            found.setdefault(name, name)
    return Choices(found, _files(adapters), _files(pseudowords))


def _models_in(folder: Path) -> list[str]:
    """Models that lie side by side in a folder which is none itself."""
    from flowmusic.interop.jasco import CHECKPOINT

    marks = ("config.yaml", CHECKPOINT)
    if not folder.is_dir() or any((folder / mark).is_file() for mark in marks):
        return []
    return [str(each) for each in sorted(folder.iterdir()) if any((each / mark).is_file() for mark in marks)]


def _files(folder: Path | None) -> dict[str, Path]:
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.safetensors"))}
