"""The parity command, on the committed golden files, on damaged ones, and on files made here with other sizes."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from flowmusic.interop import verify

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = ("jasco_flow_skip_small", "encodec", "double_cfg", "style_conditioner")
Tensors = dict[str, torch.Tensor]


def contents(name: str) -> tuple[Tensors, dict[str, str]]:
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        return {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118


@pytest.mark.parametrize("name", FILES)
def test_the_reference_is_reproduced(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    path = GOLDEN / f"{name}.safetensors"
    assert verify.main([str(path)]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    tensors, _ = contents(name)
    results = [key for key in tensors if not verify.GIVEN.fullmatch(key)]
    assert len(lines) == len(results) + 2
    assert lines[-1].startswith(f"{len(results)} tensors: ") and ", 0 do not," in lines[-1]


def test_preprocessing_is_reproduced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The committed file is cut to what matters; here it is filled up to the layout of the reference's."""
    stored, metadata = contents("jasco_aux_small")
    tensors = {name: value.long() if "frame_ids" in name else value for name, value in stored.items()}
    for index, case in enumerate(json.loads(metadata["melody_cases"])):
        salience = stored.get(f"melody.{index}.salience_in", torch.zeros(53, 5))
        before = math.floor(case["offset"] * 86)
        tensors[f"melody.{index}.salience_in"] = torch.nn.functional.pad(salience, (before, 0), value=1.0)
        for kind in ("out_argmax0", "out_argmax1"):
            cut = stored.get(f"melody.{index}.{kind}", torch.zeros(53, 0)).float()
            tensors[f"melody.{index}.{kind}"] = torch.nn.functional.pad(cut, (0, 500 - cut.shape[1]))
    tensors["melody.0.salience_in"].zero_()
    tensors["pos.dim4_T3"] = torch.tensor(
        [[math.cos(n), math.cos(n / 1e4), math.sin(n), math.sin(n / 1e4)] for n in range(3)]
    )
    save_file(tensors, tmp_path / "aux.safetensors", metadata)
    assert verify.main([str(tmp_path / "aux.safetensors")]) == 0, capsys.readouterr().out


Change = Callable[[Tensors, dict[str, str]], None]


def _nudge(name: str, by: float) -> Change:
    def change(tensors: Tensors, metadata: dict[str, str]) -> None:
        tensors[name] = tensors[name] + by

    return change


def _set(name: str, value: torch.Tensor) -> Change:
    def change(tensors: Tensors, metadata: dict[str, str]) -> None:
        tensors[name] = value

    return change


@pytest.mark.parametrize(
    ("name", "change", "says"),
    [
        ("jasco_flow_skip_small", _nudge("out.v_theta", 2e-4), "out.v_theta .*FAIL"),
        ("jasco_flow_skip_small", _nudge("w.linear.weight", 1e-2), "out.v_cfg .*FAIL"),
        ("jasco_flow_skip_small", _nudge("grad.emb.weight", 1e-3), "grad.emb.weight .*FAIL"),
        ("jasco_flow_skip_small", _nudge("out.loss_increasing", 1e-3), "out.loss_increasing .*FAIL"),
        ("jasco_flow_skip_small", _set("out.new_thing", torch.zeros(2)), "out.new_thing .*not computed"),
        ("jasco_flow_skip_small", _set("out.v_theta", torch.zeros(1)), "out.v_theta .*shape"),
        ("encodec", _nudge("reflect.codes", 1), "reflect.codes .*FAIL"),
        ("double_cfg", _nudge("in.logits_full_style_null", 0.0), ", 0 do not,"),
    ],
)
def test_what_is_off_is_named(
    name: str, change: Change, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tensors, metadata = contents(name)
    change(tensors, metadata)
    save_file(tensors, tmp_path / "other.safetensors", metadata)
    code = verify.main([str(tmp_path / "other.safetensors")])
    out = capsys.readouterr().out
    assert re.search(says, out), out
    assert code == (0 if "0 do not" in says else 1)


def test_the_number_of_evaluations_is_informative() -> None:
    check = verify.Check("out.dopri5_nfe_1e-5", 4.0, 0.0, informative=True)
    assert check.passed and "info" in str(check)
    assert not verify.Check("out.x", float("nan"), 1.0).passed


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (lambda path: None, "file not found"),
        (lambda path: path.write_bytes(b"no"), "not a safetensors file"),
        (lambda path: save_file({"a": torch.zeros(1)}, path), "what kind of file"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"kind": "drawing"}), "kind 'drawing'"),
        (lambda path: save_file({"a": torch.zeros(1)}, path, {"kind": "jasco_flow"}), "config"),
        (
            lambda path: save_file({"a": torch.zeros(1)}, path, {"kind": "jasco_flow", "config": '{"norm": "rms"}'}),
            "not JASCO's architecture",
        ),
    ],
)
def test_other_files_are_refused(
    write: Callable[[Path], None], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.safetensors"
    write(path)
    assert verify.main([str(path)]) == 2
    assert says in capsys.readouterr().err


def test_tolerances() -> None:
    big = torch.full((3,), 7.0)
    assert verify.tolerance("out.sample_dopri5_1e-3", big) == 2e-2
    assert verify.tolerance("out.sample_dopri5_1e-5_noguidance", big) == 1e-3
    assert verify.tolerance("out.sample_euler10", big) == verify.tolerance("mid.layer0", big) == 1e-4
    assert verify.tolerance("out.loss_uniform", big) == pytest.approx(7e-5)
    assert verify.tolerance("reflect.codes", torch.zeros(2, dtype=torch.int64)) == 0.0
    assert verify.tolerance("melody.0.out_argmax1", big) == 0.0
