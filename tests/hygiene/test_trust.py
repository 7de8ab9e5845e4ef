"""No reader that runs what it reads, and no package that was published by an intruder."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for name in ("flowmusic", "feature_extractors") for path in (ROOT / name).rglob("*.py"))

RUN = {
    "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.load", "marshal.loads", "joblib.load", "dill.load",
    "dill.loads", "shelve.open", "eval", "exec", "os.system", "os.popen", "yaml.unsafe_load", "yaml.full_load",
    "torch.hub.load", "torch.jit.load", "pd.read_pickle",
}  # fmt: skip
"""Calls that run what they read."""
NEEDED = {
    "torch.load": ("weights_only", True),
    "np.load": ("allow_pickle", False),
    "numpy.load": ("allow_pickle", False),
}
"""Calls that would, or once did, without a word against it."""
REFUSED = {("weights_only", False), ("allow_pickle", True), ("trust_remote_code", True), ("shell", True)}

EXCEPTIONS = {
    # Rows between processes of one build, which it has made itself.
    "flowmusic/datasets/build_ray.py": {"pickle.loads"},
    # Our own checkpoints hold Lightning's state, which is more than tensors.
    "tools/pack_run.py": {"torch.load", "weights_only=False"},
    "flowmusic/train/run.py": {"weights_only=False"},
}


def breaches(text: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        given = {word.arg: ast.unparse(word.value) for word in node.keywords if word.arg}
        if name in RUN:
            yield name
        if name in NEEDED and given.get(NEEDED[name][0]) != str(NEEDED[name][1]):
            yield name
        yield from (f"{word}={value}" for word, value in REFUSED if given.get(word) == str(value))
        if name == "yaml.load" and given.get("Loader") not in ("yaml.SafeLoader", "yaml.CSafeLoader", "loader"):
            yield name  # plain.yaml_of has either of the two as `loader`
        if name.endswith(".extractall") and given.get("filter") != "'data'":
            yield name


def test_nothing_that_is_read_is_run() -> None:
    found = {path.relative_to(ROOT).as_posix(): set(breaches(path.read_text(encoding="utf-8"))) for path in SOURCES}
    unexpected = {file: calls - EXCEPTIONS.get(file, set()) for file, calls in found.items()}
    assert {file: calls for file, calls in unexpected.items() if calls} == {}


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(path)", "torch.load(path, weights_only=False)", "np.load(path)", "pickle.load(file)", "eval(text)",
        "subprocess.run(command, shell=True)", "AutoModel.from_pretrained(name, trust_remote_code=True)",
        "tar.extractall(folder)", "yaml.load(text, Loader=yaml.Loader)", "yaml.load(text)",
    ],
)  # fmt: skip
def test_the_rule_finds(text: str) -> None:
    assert list(breaches(text))


def test_compromised_releases_are_excluded() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (lightning,) = (Requirement(line) for line in project["dependencies"] if line.startswith("lightning"))
    assert not lightning.specifier.contains("2.6.2") and not lightning.specifier.contains("2.6.3")
    (pinned,) = re.findall(r"^lightning==(\S+)$", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)
    assert lightning.specifier.contains(pinned)
