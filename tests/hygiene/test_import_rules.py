"""Who may import whom, read from the source: an import inside a function or under TYPE_CHECKING counts too."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("flowmusic", "feature_extractors", "tools")

BASE = frozenset(
    "audio audio_files beside caches curves disk eight_bit errors facts files guidance hashes lazily limits locks "
    "paths plain precision progress publishable tensors text_files threads types units".split()
)
EXTRACTORS = "feature_extractors"

# Layer -> the layers it may import beside itself and BASE.  The commands and the tools use all of them.
ALLOWED: dict[str, frozenset[str]] = {
    **{name: frozenset() for name in (*BASE, "codec", "controls", "flow", "embedded")},
    # What is written about a recording becomes tensors on a grid there, and comes back from them.
    "annotations": frozenset({"controls"}),
    # JASCO's conditioner holds a bottleneck of its own: its drums are blurred inside the model.
    "model": frozenset({"controls"}),
    # A lead sheet is annotations in bars.
    "sheets": frozenset({"annotations", "controls"}),
    # A mark is put into samples and found in files, whatever made them.
    "watermark": frozenset(),
    # Chunks, tags and names of files that are handed on; a recording is taken apart for it.
    "studio": frozenset({"annotations", "controls", "sheets", EXTRACTORS}),
    "generate": frozenset({"flow", "model", "codec", "controls", "annotations"}),
    # Bandwidth extension works on the codec's short-time spectrum, with its blocks.
    "enhance": frozenset({"codec"}),
    # The parity command recomputes everything that a foreign model's files hold: controls, flow and losses too.
    "interop": frozenset({"model", "codec", "generate", "controls", "flow"}),
    # A learned metric is a bundle of ours, which the reader of bundles loads.
    "metrics": frozenset({"controls", "annotations", "interop"}),
    "corpus": frozenset({"controls", "annotations"}),
    # A picture as facts and words.
    "image": frozenset(),
    # A page for listeners: loudness is measured as that of the corpus is.
    "listening": frozenset({"corpus", "options"}),
    "data": frozenset({"controls", "annotations", "corpus"}),
    # A run ends in a bundle of its own; the networks of the extractors are trained here too.  What a control's values
    # mean is known where it is made, and dropping a part of them needs it.
    "train": frozenset(
        {"data", "model", "flow", "generate", "metrics", "codec", "interop", "controls", "enhance", EXTRACTORS}
    ),
    EXTRACTORS: frozenset({"controls", "annotations"}),
    # Flags and their checks, which settings files use too: an adapter's scale is one of them.
    "options": frozenset({"interop"}),
    # What builds shards needs whatever makes what is in them.
    "datasets": frozenset({"annotations", "controls", "corpus", "data", "interop", "model", "options", EXTRACTORS}),
    # A lead sheet is a request in bars.
    "inputs": frozenset({"annotations", "controls", "generate", "interop", "model", "options", "sheets", EXTRACTORS}),
    # A take is judged, written with what it was asked for, and read back as the source of the next.
    # Its file carries tags and a mark.  A batch of requests reads flags, and asks which solvers go by the whole batch.
    "takes": frozenset(
        {"annotations", "controls", "evaluate", "flow", "generate", "image", "inputs", "interop", "metrics"}
        | {"options", "studio", "watermark", EXTRACTORS}
    ),
    # Forms become the arguments of commands, which the page runs as the command line does.
    "page": frozenset(
        {"annotations", "apps", "controls", "corpus", "generate", "image", "inputs", "interop", "options", "sheets"}
        | {"studio", "takes", EXTRACTORS}
    ),
    "evaluate": frozenset(
        {"annotations", "controls", "corpus", "data", "datasets", "flow", "generate", "interop", "metrics", "options"}
        | {EXTRACTORS}
    ),
}
COMMANDS = ("apps", "tools")

# Package from elsewhere -> where it may be imported (a file, or a folder that ends in a slash).
CONFINED: dict[str, tuple[str, ...]] = {
    "lightning": ("flowmusic/train/", "flowmusic/data/module.py"),
    "pytorch_lightning": (),  # one name for one package
    "hydra": ("flowmusic/apps/", "flowmusic/train/", "tools/"),
    "omegaconf": ("flowmusic/apps/", "flowmusic/train/", "tools/"),
    "torchdiffeq": ("flowmusic/flow/solve.py",),
    "ray": ("flowmusic/datasets/build_ray.py",),
    "librosa": ("flowmusic/caches.py",),  # whose cache of compiled functions may end whatever runs
    "tqdm": ("flowmusic/progress.py",),  # one helper draws every bar
    "peft": ("flowmusic/model/lora.py",),
    "gradio": ("flowmusic/page/",),  # an extra, and seconds to import
}
MAX_FILES = {"demucs": 1, "torchcrepe": 1, "encodec": 1, "madmom": 2, "ray": 1}
IN_FUNCTIONS = frozenset({"demucs", "torchcrepe", "madmom", "librosa", "encodec", "transformers", "matplotlib"})


@dataclass(frozen=True)
class Import:
    """One imported module: the file that imports it, its dotted name, and whether this happens at import time."""

    file: str
    line: int
    module: str
    at_import_time: bool

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.module}"


def sources(root: Path) -> list[Path]:
    return sorted(path for package in PACKAGES for path in (root / package).rglob("*.py"))


def imports_of(path: Path, root: Path) -> Iterator[Import]:
    """Every import of a file.  ``from a import b`` is ``a.b``: whether b is a module is settled by :func:`layer_of`."""
    file = path.relative_to(root).as_posix()
    folder = path.relative_to(root).parent.parts

    def visit(node: ast.AST, eager: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name, eager)
        elif isinstance(node, ast.ImportFrom):
            start = ".".join(folder[: len(folder) - node.level + 1]) if node.level else ""
            base = ".".join(part for part in (start, node.module) if part)
            for alias in node.names:
                yield Import(file, node.lineno, f"{base}.{alias.name}", eager)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            eager = False
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            eager = False
        for child in ast.iter_child_nodes(node):
            yield from visit(child, eager)

    yield from visit(ast.parse(path.read_text(encoding="utf-8")), True)


def layer_of(module: str) -> str | None:
    """The layer of a dotted name of ours, ``""`` for the bare package, or None for a package from elsewhere."""
    head, _, rest = module.partition(".")
    if head in (EXTRACTORS, "tools"):
        return head
    return rest.partition(".")[0] if head == "flowmusic" else None


def layer_of_file(file: str) -> str:
    parts = Path(file).with_suffix("").parts
    return parts[1] if parts[0] == "flowmusic" else parts[0]


def layer_breaches(found: list[Import]) -> list[str]:
    breaches = []
    for item in found:
        source, target = layer_of_file(item.file), layer_of(item.module)
        if target in (None, "", "__version__", source) or source in (*COMMANDS, "__init__", "__main__"):
            continue
        if source not in ALLOWED:
            breaches.append(f"{item.file} is in no layer; known: {', '.join(sorted(ALLOWED))}")
        elif target not in ALLOWED[source] | BASE:
            breaches.append(f"{item}, but {source} may import only {', '.join(sorted(ALLOWED[source] | BASE))}")
    return breaches


def confinement_breaches(found: list[Import]) -> list[str]:
    breaches = []
    files: dict[str, set[str]] = defaultdict(set)
    for item in found:
        head = item.module.partition(".")[0]
        if head in CONFINED and not any(
            item.file == p or p.endswith("/") and item.file.startswith(p) for p in CONFINED[head]
        ):
            breaches.append(f"{item}; allowed in: {', '.join(CONFINED[head]) or 'nowhere'}")
        if head in MAX_FILES:
            files[head].add(item.file)
        if head in IN_FUNCTIONS and item.at_import_time and item.file.startswith(EXTRACTORS):
            breaches.append(f"{item} at import time; import it inside the function that needs it")
    for head, where in files.items():
        if len(where) > MAX_FILES[head]:
            breaches.append(
                f"{head} is imported in {len(where)} files, at most {MAX_FILES[head]}: {', '.join(sorted(where))}"
            )
    return breaches


@pytest.fixture(scope="module")
def found() -> list[Import]:
    return [item for path in sources(ROOT) for item in imports_of(path, ROOT)]


def test_layers_import_only_what_they_may(found: list[Import]) -> None:
    assert len(found) > 100, "the reader of imports found next to nothing"
    assert layer_breaches(found) == []


def test_packages_from_elsewhere_stay_where_they_belong(found: list[Import]) -> None:
    assert confinement_breaches(found) == []


def read(tmp_path: Path, file: str, text: str) -> list[Import]:
    path = tmp_path / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return list(imports_of(path, tmp_path))


@pytest.mark.parametrize(
    "text",
    [
        "import flowmusic.model.field",
        "from flowmusic import model",
        "from flowmusic.model.field import VectorField",
        "from ..model import field",
        "def f():\n    from flowmusic.model import field",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from flowmusic.model import field",
        "import feature_extractors.chords",
    ],
)
def test_the_layer_rule_catches_every_way_to_import(tmp_path: Path, text: str) -> None:
    assert len(layer_breaches(read(tmp_path, "flowmusic/codec/spectral.py", text))) == 1
    assert layer_breaches(read(tmp_path, "flowmusic/apps/cli.py", text)) == []


def test_the_layer_rule_lets_the_base_and_the_own_layer_through(tmp_path: Path) -> None:
    lines = [
        "import torch, flowmusic",
        "from flowmusic import units",
        "from flowmusic.types import Audio",
        "from . import rvq",
    ]
    assert layer_breaches(read(tmp_path, "flowmusic/codec/spectral.py", "\n".join(lines))) == []


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("flowmusic/flow/guide.py", "from torchdiffeq import odeint", "flow/solve.py"),
        ("flowmusic/generate/generator.py", "def f():\n    import lightning", "flowmusic/train/"),
        ("flowmusic/codec/a.py", "from omegaconf import OmegaConf", "flowmusic/apps/"),
        ("feature_extractors/stems.py", "import demucs.api", "inside the function"),
    ],
)
def test_the_confinement_rule_catches(tmp_path: Path, file: str, text: str, message: str) -> None:
    (breach,) = confinement_breaches(read(tmp_path, file, text))
    assert message in breach


def test_the_confinement_rule_counts_files(tmp_path: Path) -> None:
    lazy = "def f():\n    import torchcrepe\n    import torchcrepe.core"
    one = read(tmp_path, "feature_extractors/melody.py", lazy)
    two = read(tmp_path, "feature_extractors/pitch.py", lazy)
    assert confinement_breaches(one) == []
    assert len(confinement_breaches(one + two)) == 1
