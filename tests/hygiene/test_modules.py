"""Every module loads, light ones stay light, and public names exist."""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flowmusic", "feature_extractors")
MAX_LINES = 400

SOURCES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def named(paths: list[Path]) -> list[object]:
    return [pytest.param(path, id=dotted(path)) for path in paths]


@pytest.mark.parametrize("path", named(SOURCES))
def test_module_imports_and_says_what_it_is(path: Path) -> None:
    module = importlib.import_module(dotted(path))
    text = path.read_text(encoding="utf-8")
    assert module.__doc__ or not text.strip(), f"{path.name} has no docstring"


def test_files_stay_small() -> None:
    sizes = {dotted(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES}
    assert {name: size for name, size in sizes.items() if size > MAX_LINES} == {}


@pytest.mark.parametrize("module", ["flowmusic", "flowmusic.units", "flowmusic.apps.cli"])
def test_module_is_light(module: str) -> None:
    """--help must answer at once, so nothing heavy may come along with these."""
    heavy = (
        "torch",
        "numpy",
        "scipy",
        "librosa",
        "lightning",
        "hydra",
        "transformers",
        "matplotlib",
        "demucs",
        "madmom",
    )
    code = f"import sys, {module}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_public_names_exist() -> None:
    flowmusic = importlib.import_module("flowmusic")
    for name in flowmusic.__all__:
        assert getattr(flowmusic, name) is not None
    assert set(dir(flowmusic)) == set(flowmusic.__all__)
    with pytest.raises(AttributeError, match=r"'compose'.*public names: .*Generator"):
        _ = flowmusic.compose


def imported_packages(path: Path) -> set[str]:
    heads = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            heads |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            heads.add(node.module.partition(".")[0])
    return heads - set(sys.stdlib_module_names) - set(PACKAGES)


def requirement_name(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def test_every_imported_package_is_required_by_name() -> None:
    """What comes along with another package today may not tomorrow."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    runtime = [*project["dependencies"], *extras["madmom"], *extras["ray"], *extras["play"], *extras["app"]]
    declared = {requirement_name(requirement) for requirement in runtime}
    providers = importlib.metadata.packages_distributions()
    missing: dict[str, list[str]] = {}
    for path in SOURCES:
        for package in imported_packages(path):
            names = {requirement_name(name) for name in providers.get(package, [package])}
            if not names & declared:
                missing.setdefault(package, []).append(dotted(path))
    assert missing == {}
