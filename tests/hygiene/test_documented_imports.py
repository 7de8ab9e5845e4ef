"""What pages and notebooks tell people to import is there."""

from __future__ import annotations

import ast
import importlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OURS = ("flowmusic", "feature_extractors", "tools")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "notebooks").glob("*.ipynb"))]


def code_of(page: Path) -> Iterator[str]:
    """Python of a page: its fenced blocks, or the cells of a notebook."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".md":
        yield from re.findall(r"```py(?:thon)?\n(.*?)```", text, re.DOTALL)
        return
    for cell in json.loads(text)["cells"]:
        if cell["cell_type"] == "code":
            yield "".join(cell["source"])


def imports_of(code: str) -> Iterator[tuple[str, str | None]]:
    """Module and name of every import of ours."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_imports_are_there(page: Path) -> None:
    for code in code_of(page):
        for module, name in imports_of(code):
            if module.partition(".")[0] not in OURS:
                continue
            found = importlib.import_module(module)
            if name is not None and not hasattr(found, name):
                importlib.import_module(f"{module}.{name}")


def test_commands_are_there() -> None:
    """``python -m flowmusic.a.b`` in a page names a module that is a command."""
    named = {
        (page.name, match[1])
        for page in PAGES
        for match in re.finditer(
            r"python -m ((?:flowmusic|feature_extractors|tools|benchmarks)[\w.]*)", page.read_text()
        )
    }
    assert len(named) > 5
    for page, module in sorted(named):
        path = ROOT.joinpath(*module.rstrip(".").split("."))
        assert path.with_suffix(".py").is_file() or (path / "__main__.py").is_file(), f"{page} names {module}"
