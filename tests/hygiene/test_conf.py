"""The configuration: everything composes, every target exists, and every key is one that its constructor knows."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CONF = ROOT / "conf"

FILES = sorted(CONF.rglob("*.yaml"))
PRIMARY = sorted(path.stem for path in CONF.glob("*.yaml"))
EXPERIMENTS = sorted(
    path.relative_to(CONF / "experiment").with_suffix("").as_posix() for path in (CONF / "experiment").rglob("*.yaml")
)
HYDRA_KEYS = {"_target_", "_partial_", "_args_", "_recursive_", "_convert_", "defaults"}


def targets(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping with a ``_target_``, however deep."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            yield from targets(child)


def unknown_keys(node: dict[str, Any]) -> list[str]:
    """Keys that the target would refuse."""
    from hydra.utils import get_object

    parameters = inspect.signature(get_object(node["_target_"])).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        return []
    return sorted(node.keys() - HYDRA_KEYS - parameters.keys())


def compose(name: str, *overrides: str) -> dict[str, Any]:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose(name, list(overrides)), resolve=False)  # type: ignore[return-value]


def test_there_is_something_to_check() -> None:
    assert "train" in PRIMARY
    assert EXPERIMENTS


@pytest.mark.parametrize("path", [pytest.param(path, id=path.relative_to(CONF).as_posix()) for path in FILES])
def test_targets_exist_and_know_their_keys(path: Path) -> None:
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    refused = {node["_target_"]: unknown_keys(node) for node in targets(content)}
    assert {target: keys for target, keys in refused.items() if keys} == {}


@pytest.mark.parametrize("name", PRIMARY)
def test_primary_configuration_composes(name: str) -> None:
    assert compose(name)


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_composes_and_is_complete(name: str) -> None:
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"experiment={name}"])
    composed = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    refused = {node["_target_"]: unknown_keys(node) for node in targets(composed)}
    assert refused, "an experiment that instantiates nothing"
    assert {target: keys for target, keys in refused.items() if keys} == {}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_experiment_opens_with_its_command(name: str) -> None:
    text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
    comments = [line for line in text.splitlines()[:6] if line.startswith("#")]
    assert any(f"experiment={name}" in line for line in comments), f"{name}.yaml does not say how to run it"


@pytest.mark.parametrize("name", [name for name in EXPERIMENTS if name.startswith("ablation/") and "field" not in name])
def test_every_value_of_an_ablation_composes(name: str) -> None:
    content = yaml.safe_load((CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8"))
    for key, values in content["hydra"]["sweeper"]["params"].items():
        points = [compose("train", f"experiment={name}", f"{key}={value}") for value in values.split(",")]
        assert len(points) > 1 and all(one != other for one, other in zip(points, points[1:])), key


def test_a_dead_key_is_found() -> None:
    node = {"_target_": "torch.optim.AdamW", "_partial_": True, "lr": 1e-3, "learning_rate": 1e-3}
    assert unknown_keys(node) == ["learning_rate"]
    assert list(targets({"a": [{"b": node}]})) == [node]
