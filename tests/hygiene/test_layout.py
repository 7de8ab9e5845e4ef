"""The shape of the code: no circles of imports between files, thin commands, no folder that holds everything."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path

import pytest

from tests.hygiene.test_import_rules import ROOT, imports_of, sources

MOST_OF_A_FOLDER = 0.125
"""Share of all lines that one folder may hold, without the folders in it."""
MOST_OF_COMMANDS = 2500
"""Lines of flowmusic/apps together: a command reads its flags and calls what does the work."""


def module_of(path: Path, root: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def graph(root: Path) -> dict[str, set[str]]:
    """Module -> modules of ours that it imports, wherever in the file.  A package that lists names is not followed."""
    files = {module_of(path, root): path for path in sources(root)}
    edges: dict[str, set[str]] = defaultdict(set)
    for module, path in files.items():
        for item in imports_of(path, root):
            # ``from a import b`` is a.b, where b may be a module or a name in a.
            target = item.module if item.module in files else item.module.rpartition(".")[0]
            if target in files and files[target].name != "__init__.py":
                edges[module].add(target)
    return edges


def circles(edges: Mapping[str, Iterable[str]]) -> list[list[str]]:
    """Groups of modules each of which leads to all the others, or to itself (strongly connected, Tarjan 1972)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        index[module] = low[module] = len(index)
        stack.append(module)
        for target in edges.get(module, ()):
            if target not in index:
                visit(target)
                low[module] = min(low[module], low[target])
            elif target in stack:
                low[module] = min(low[module], index[target])
        if low[module] == index[module]:
            group = stack[stack.index(module) :]
            del stack[stack.index(module) :]
            if len(group) > 1 or module in edges.get(module, ()):
                found.append(sorted(group))

    for module in list(edges):
        if module not in index:
            visit(module)
    return found


def test_no_circle_of_imports() -> None:
    edges = graph(ROOT)
    assert len(edges) > 200, "the reader of imports found next to nothing"
    assert circles(edges) == []


@pytest.mark.parametrize(
    "late",
    [
        "from flowmusic import first",
        "import flowmusic.first",
        "def f():\n    from flowmusic.first import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flowmusic.first import x",
    ],
)
def test_a_circle_is_seen_wherever_the_import_stands(late: str, tmp_path: Path) -> None:
    (tmp_path / "flowmusic").mkdir()
    (tmp_path / "flowmusic" / "first.py").write_text("from flowmusic.second import y\nx = 1\n")
    (tmp_path / "flowmusic" / "second.py").write_text("from flowmusic.third import z\ny = 2\n")
    (tmp_path / "flowmusic" / "third.py").write_text(f"{late}\nz = 3\n")
    assert circles(graph(tmp_path)) == [["flowmusic.first", "flowmusic.second", "flowmusic.third"]]
    (tmp_path / "flowmusic" / "third.py").write_text("z = 3\n")
    assert circles(graph(tmp_path)) == []
    (tmp_path / "flowmusic" / "third.py").write_text("from flowmusic import third\nz = 3\n")
    assert circles(graph(tmp_path)) == [["flowmusic.third"]]


def lines_by_folder() -> Counter[str]:
    lines: Counter[str] = Counter()
    for path in sources(ROOT):
        lines[path.parent.relative_to(ROOT).as_posix()] += len(path.read_text(encoding="utf-8").splitlines())
    return lines


def test_no_folder_holds_everything() -> None:
    lines = lines_by_folder()
    most = MOST_OF_A_FOLDER * lines.total()
    assert {folder: count for folder, count in lines.items() if count > most} == {}


def test_commands_are_thin() -> None:
    assert lines_by_folder()["flowmusic/apps"] <= MOST_OF_COMMANDS
