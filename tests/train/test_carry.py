"""A run as parts and back: exact pieces, small checkpoints, and what happens when something is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from flowmusic.errors import UsageError
from flowmusic.train.run import compose, train
from tests.train.tiny_runs import TINY_FLOW
from tools import pack_run, quantise_checkpoint, split_file


def random_file(path: Path, size: int) -> bytes:
    data = torch.randint(256, (size,), generator=torch.Generator().manual_seed(size)).to(torch.uint8).numpy().tobytes()
    path.write_bytes(data)
    return data


def test_parts_join_to_the_file_they_came_from(tmp_path: Path) -> None:
    data = random_file(tmp_path / "a.bin", 2500)
    written = split_file.split(tmp_path / "a.bin", tmp_path / "parts", 1000)
    assert [p.name for p in written] == ["a.bin.000", "a.bin.001", "a.bin.002", "parts.json"]
    assert max(p.stat().st_size for p in written[:-1]) == 1000
    assert split_file.join(tmp_path / "parts", tmp_path / "b.bin").read_bytes() == data
    # Fewer parts the next time leave none of the first behind.
    random_file(tmp_path / "a.bin", 10)
    split_file.split(tmp_path / "a.bin", tmp_path / "parts", 1000)
    assert sorted(p.name for p in (tmp_path / "parts").iterdir()) == ["a.bin.000", "parts.json"]


def test_missing_and_damaged_parts_are_named_and_nothing_is_written(tmp_path: Path) -> None:
    random_file(tmp_path / "a.bin", 2500)
    split_file.split(tmp_path / "a.bin", tmp_path / "parts", 1000)
    target = tmp_path / "b.bin"
    good = (tmp_path / "parts" / "a.bin.001").read_bytes()
    (tmp_path / "parts" / "a.bin.001").write_bytes(bytes([good[0] ^ 1]) + good[1:])
    with pytest.raises(split_file.PartsError, match=r"damaged parts: a.bin.001;"):
        split_file.join(tmp_path / "parts", target)
    (tmp_path / "parts" / "a.bin.001").write_bytes(good[:-1])
    with pytest.raises(split_file.PartsError, match=r"a.bin.001 \(999 bytes of 1000\)"):
        split_file.join(tmp_path / "parts", target)
    (tmp_path / "parts" / "a.bin.001").unlink()
    with pytest.raises(split_file.PartsError, match=r"lacks a.bin.001 of 3"):
        split_file.join(tmp_path / "parts", target)
    index = json.loads((tmp_path / "parts" / "parts.json").read_text())
    index["parts"][0][0] = "../a.bin"
    (tmp_path / "parts" / "parts.json").write_text(json.dumps(index))
    with pytest.raises(split_file.PartsError, match="another folder"):
        split_file.join(tmp_path / "parts", target)
    (tmp_path / "parts" / "parts.json").unlink()
    with pytest.raises(split_file.PartsError, match=r"parts.json is missing"):
        split_file.join(tmp_path / "parts", target)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.bin", "parts"]


def checkpoint() -> dict[str, object]:
    generator = torch.Generator().manual_seed(0)

    def normal(scale: float) -> torch.Tensor:
        return scale * torch.randn(48, 64, generator=generator)

    weights = {"net.weight": normal(0.05), "net.bias": torch.ones(48), "net.quantiser.embed": normal(1.0)}
    square = normal(1e-4).square() * 10 ** torch.empty(48, 1).uniform_(-6, 0, generator=generator)
    square[0] = 0.0
    moments = {"step": torch.tensor(7.0), "exp_avg": normal(1e-3), "exp_avg_sq": square}
    return {
        "current_model_state": weights,
        "state_dict": {k: v + 0.01 * normal(0.05)[: len(v), : v.shape[-1]].reshape(-1)[: v.numel()].view(v.shape)
                       for k, v in weights.items()},
        "optimizer_states": [{"state": {0: moments, 1: {"momentum_buffer": normal(1e-3)}},
                              "param_groups": [{"lr": 1e-3, "params": [0, 1]}]}],
        "global_step": 7,
    }  # fmt: skip


def test_a_compact_checkpoint_is_close_and_small_things_are_exact() -> None:
    before = checkpoint()
    after = quantise_checkpoint.expand(quantise_checkpoint.compact(before))
    assert after.keys() == before.keys() and after["global_step"] == 7
    weights, kept = before["current_model_state"], after["current_model_state"]
    assert ((kept["net.weight"] - weights["net.weight"]).abs() / weights["net.weight"].abs()).max() < 2**-10
    assert torch.equal(kept["net.quantiser.embed"], weights["net.quantiser.embed"])
    assert torch.equal(kept["net.bias"], weights["net.bias"])
    average, stored = before["state_dict"]["net.weight"], after["state_dict"]["net.weight"]
    distance = (average - kept["net.weight"]).abs().max()
    assert (stored - average).abs().max() <= distance / 253
    was, now = before["optimizer_states"][0]["state"][0], after["optimizer_states"][0]["state"][0]
    assert (now["exp_avg"] - was["exp_avg"]).abs().max() <= was["exp_avg"].abs().max() / 253
    muon, kept = (each["optimizer_states"][0]["state"][1]["momentum_buffer"] for each in (before, after))
    assert 0 < (kept - muon).abs().max() <= muon.abs().max() / 253
    square, found = was["exp_avg_sq"], now["exp_avg_sq"]
    assert torch.equal(found == 0, square == 0)
    above = square > 0
    assert (found[above] / square[above]).log().abs().max() < 0.08
    assert now["step"] == 7 and after["optimizer_states"][0]["param_groups"][0]["lr"] == 1e-3


def test_what_cannot_be_made_smaller_is_said() -> None:
    broken = checkpoint()
    broken["current_model_state"]["net.weight"][0, 0] = torch.nan
    with pytest.raises(ValueError, match=r"net.weight has values that are not finite"):
        quantise_checkpoint.compact(broken)
    broken = checkpoint()
    broken["optimizer_states"][0]["state"][0]["exp_avg_sq"][3, 0] = -1.0
    with pytest.raises(ValueError, match="negative"):
        quantise_checkpoint.compact(broken)
    with pytest.raises(ValueError, match="not a compact checkpoint"):
        quantise_checkpoint.expand(checkpoint())
    small = quantise_checkpoint.compact(checkpoint())
    changes: list[dict[str, Any]] = [
        {"state_dict": 3},
        {"optimizer_states": [{}]},
        {"current_model_state": {"a": {"kind": "even"}}},
    ]
    for change in changes:
        with pytest.raises(quantise_checkpoint.NotCompact, match="is damaged, or of another version"):
            quantise_checkpoint.expand({**small, "checkpoint": {**small["checkpoint"], **change}})
    large = {"kind": "even", "codes": torch.zeros(1, 128, dtype=torch.int8), "scale": torch.ones(1), "shape": [9**9]}
    with pytest.raises(quantise_checkpoint.NotCompact, match="RuntimeError"):
        quantise_checkpoint.expand(
            {**small, "checkpoint": {**small["checkpoint"], "current_model_state": {"a": large}}}
        )


def test_a_carried_run_goes_on(store: Path, tmp_path: Path) -> None:
    here = [*TINY_FLOW, f"latents={store}", "export=null", "model.field.width=64"]
    train(compose([*here, f"out={tmp_path / 'run'}", "trainer.max_steps=4"]))
    exact = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    whole = (tmp_path / "run" / "checkpoints" / "last.ckpt").stat().st_size
    sizes = {}
    for moments in (True, False):
        there = tmp_path / f"there{moments}"
        written = pack_run.pack(tmp_path / "run", tmp_path / "parts", compact=True, moments=moments)
        sizes[moments] = sum(p.stat().st_size for p in written)
        pack_run.unpack(tmp_path / "parts", there)
        assert (there / "config.yaml").is_file()
        found = torch.load(there / "checkpoints" / "last.ckpt", weights_only=True)
        assert found["global_step"] == 4 and bool(found["optimizer_states"][0]["state"]) is moments
        for name, value in exact["current_model_state"].items():
            assert torch.allclose(found["current_model_state"][name].float(), value.float(), rtol=1e-3, atol=1e-5), name
    assert sizes[False] < 0.8 * sizes[True] < 0.4 * whole
    straight, carried = (
        train(compose([*here, f"out={tmp_path / name}", "trainer.max_steps=6"])) for name in ("run", "thereFalse")
    )
    assert carried.objects["trainer"].global_step == 6
    assert carried.metrics["train/loss"] == pytest.approx(straight.metrics["train/loss"], rel=0.02)


def test_pack_and_unpack_refuse_what_they_must(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run.mkdir()
    with pytest.raises(UsageError, match="holds no files"):
        pack_run.pack(run, tmp_path / "parts")
    random_file(run / "a.bin", 3 * pack_run.MIB)
    with pytest.raises(UsageError, match=r"comes to 3\.0 MiB in 2 files, allowed are 1 MiB in 8"):
        pack_run.pack(run, tmp_path / "parts", limit=pack_run.MIB)
    assert not (tmp_path / "parts").exists()
    assert pack_run.main(["pack", str(run), str(tmp_path / "parts")]) == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("parts.json")
    assert pack_run.main(["unpack", str(tmp_path / "parts"), str(run)]) == 2
    assert "is not empty" in capsys.readouterr().err
    (tmp_path / "parts" / "run.tar.gz.000").unlink()
    assert pack_run.main(["unpack", str(tmp_path / "parts"), str(tmp_path / "new")]) == 2
    assert "lacks run.tar.gz.000" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
    assert pack_run.main(["pack", str(run), str(tmp_path / "p"), "--without-moments"]) == 2
    assert "--compact" in capsys.readouterr().err


def test_the_tree_is_weighed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    random_file(tmp_path / "font.sf3", 2 * pack_run.MIB)
    assert pack_run.main(["tree", str(tmp_path), "--root", str(Path(__file__).parent)]) == 0
    out = capsys.readouterr().out
    assert "(carried)` | 2.0 |" in out and "together" in out
    assert pack_run.main(["tree", str(tmp_path), "--limit", "1", "--root", str(Path(__file__).parent)]) == 2
    assert "above 1 MiB" in capsys.readouterr().err
    assert pack_run.main(["tree", str(tmp_path / "gone"), "--root", str(Path(__file__).parent)]) == 2
    assert pack_run.main(["tree", "--root", str(tmp_path)]) == 2
    assert "no git checkout" in capsys.readouterr().err
