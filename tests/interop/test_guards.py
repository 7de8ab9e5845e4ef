"""Every reader of foreign weights and arrays: what they hold is data, nothing in it runs, and we say what to do."""

from __future__ import annotations

import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from feature_extractors import cache as feature_cache
from feature_extractors.demucs_stems import Demucs
from feature_extractors.drums import Drums
from flowmusic import tensors
from flowmusic.audio import Audio
from flowmusic.codec import encodec as codec_encodec
from flowmusic.interop import adapter, bundle, concept, encodec, hub_config, jasco, mert, model_files
from flowmusic.interop.clap import Clap
from flowmusic.interop.fitting import CorruptWeights, ModelError
from flowmusic.interop.pickles import UnsafeFile, read_pickle
from flowmusic.interop.stored_config import StoredConfig
from flowmusic.model.text import TextEncoder
from tests import hostile
from tests.feature_extractors.test_stems_drums import tiny_demucs
from tests.interop import tiny_clap, tiny_mert


@pytest.fixture()
def marker(tmp_path: Path) -> Path:
    target = tmp_path / "touched"
    hostile.prove(target)
    return target


def _clap(folder: Path, marker: Path) -> Callable[[], object]:
    tiny_clap.write(folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    hostile.torch_file(folder / "pytorch_model.bin", marker, dict(weights))
    return lambda: Clap(folder)


def _mert(folder: Path, marker: Path) -> Callable[[], object]:
    tiny_mert.write(folder)
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    hostile.torch_file(folder / "pytorch_model.bin", marker, dict(weights))
    return lambda: mert.Mert(folder).load()


def _encodec(folder: Path, marker: Path) -> Callable[[], object]:
    hostile.torch_file(folder / "pytorch_model.bin", marker)
    (folder / "config.json").write_text(json.dumps({"model_type": "encodec"}))
    return lambda: encodec.load(folder)


def _compression(folder: Path, marker: Path) -> Callable[[], object]:
    hostile.torch_file(folder / encodec.COMPRESSION, marker, {"best_state": {}, "xp.cfg": ""})
    return lambda: encodec.load(folder)


def _jasco(folder: Path, marker: Path) -> Callable[[], object]:
    hostile.torch_file(folder / model_files.CHECKPOINT, marker, {"best_state": {}, "xp.cfg": ""})
    return lambda: bundle.load(folder)


@pytest.mark.parametrize("make", [_clap, _mert, _encodec, _compression, _jasco])
def test_a_checkpoint_that_runs_something_is_refused_with_our_advice(tmp_path: Path, marker: Path, make: Any) -> None:
    read = make(tmp_path / "weights", marker)
    with pytest.raises(UnsafeFile, match=r"is refused.*could run code.*publisher") as caught:
        read()
    said = str(caught.value)
    assert not marker.exists() and len(said) <= 500 and "\n" not in said
    assert "weights_only" not in said and "torch.load" not in said


def test_weights_in_the_hub_cache_of_torch_are_compared_and_not_run(
    tmp_path: Path, marker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    hostile.torch_file(tmp_path / "checkpoints" / "encodec_24khz-d7cc33bc.th", marker)
    with pytest.raises(OSError, match="is not what EnCodec's authors published"):
        codec_encodec.pretrained("24khz")
    # Also one that has the sum.
    monkeypatch.setattr("encodec.model._check_checksum", lambda path, checksum: None)
    with pytest.raises(OSError, match="is not what EnCodec's authors published"):
        codec_encodec.pretrained("24khz")
    assert not marker.exists()


@pytest.mark.parametrize(
    "klass",
    [
        "demucs.states.load_model", "demucs.repo.LocalRepo", "demucs.htdemucs.HTDemucsX", "demucs.htdemucs.torch.load",
        "demucs.hf.load_safetensors_model", "demucs.htdemucs.HTDemucs.__init__", "os.system", "", "x",
    ],
)  # fmt: skip
def test_demucs_builds_three_classes_and_no_other(tmp_path: Path, marker: Path, klass: str) -> None:
    folder = tiny_demucs(tmp_path)
    change_metadata(
        folder, klass=klass, args=json.dumps([str(hostile.torch_file(tmp_path / "x.th", marker))]), kwargs="{}"
    )
    with pytest.raises(ValueError, match=r"is no plain demucs model.*refused"):
        Demucs(folder=folder).analyse(Audio(torch.ones(2, 44_100), 44_100))
    assert not marker.exists()


def change_metadata(folder: Path, **changes: str) -> None:
    path = next(folder.glob("*.safetensors"))
    with safe_open(str(path), framework="pt") as file:
        metadata = dict(file.metadata() or {})
    save_file(load_file(path), path, {**metadata, **changes})


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"structure": '{"_class": "os.system"}'}, "no plain demucs model"),
        ({"kwargs": "["}, "is not JSON"),
        ({"kwargs": "[]"}, "describes no network"),
        ({"kwargs": '{"sources": ["a"], "t_layers": 1000000}'}, "t_layers = 1000000, which no demucs model has"),
        ({"kwargs": '{"sources": ["a"], "channels": 100000}'}, "does not fit the network"),
        ({"args": '[{"_type": "fraction", "numerator": 1, "denominator": 0}]'}, "does not fit the network"),
    ],
)
def test_demucs_settings_are_judged(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    folder = tiny_demucs(tmp_path)
    change_metadata(folder, **changes)
    with pytest.raises(ValueError, match=words) as caught:
        Demucs(folder=folder).analyse(Audio(torch.ones(2, 44_100), 44_100))
    assert len(str(caught.value)) <= 500 and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    "bag", ["models: ['../x']", "models: 5", "[1]", "models: [", "models: ['/etc/passwd']", "a: &a [*a]"]
)
def test_a_bag_names_files_beside_it(tmp_path: Path, bag: str) -> None:
    folder = tiny_demucs(tmp_path)
    (folder / "htdemucs.yaml").write_text(bag)
    with pytest.raises(ValueError, match=r"htdemucs\.yaml"):
        Demucs(folder=folder).analyse(Audio(torch.ones(2, 44_100), 44_100))


def test_arrays_that_need_pickle_or_claim_too_much_are_refused(tmp_path: Path, marker: Path) -> None:
    for name in ("a.npy", "a.npz"):
        with pytest.raises(tensors.TensorsError, match="needs pickle"):
            tensors.read_arrays(hostile.numpy_file(tmp_path / name, marker))
    np.save(tmp_path / "b.npy", np.zeros(4))
    good = tensors.read_arrays(tmp_path / "b.npy")
    assert good[""].shape == (4,)
    with (tmp_path / "b.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f8", "fortran_order": False, "shape": (2**40,)})
    with pytest.raises(tensors.TensorsError, match="claims"):
        tensors.read_arrays(tmp_path / "b.npy")
    with zipfile.ZipFile(tmp_path / "c.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", (tmp_path / "b.npy").read_bytes())
    with pytest.raises(tensors.TensorsError, match="claims"):
        tensors.read_arrays(tmp_path / "c.npz")
    assert not marker.exists()


def test_a_hostile_cache_entry_is_made_again(tmp_path: Path, marker: Path) -> None:
    audio = Audio(torch.randn(1, 16_000, generator=torch.Generator().manual_seed(0)), 16_000)
    first = feature_cache.analyse(Drums(separate=False), audio, tmp_path)
    (entry,) = tmp_path.glob("*.npz")
    entry.unlink()
    hostile.numpy_file(entry, marker)
    with pytest.warns(UserWarning, match="is unreadable"):
        again = feature_cache.analyse(Drums(separate=False), audio, tmp_path)
    assert np.array_equal(first.onsets, again.onsets) and not marker.exists()


@pytest.mark.parametrize(
    "config", ["format: 1\n", "a: &a [1,1]\nb: &b [*a,*a]\n", "[" * 200, "a: .inf", "!!timestamp x"]
)
def test_the_description_of_a_bundle_is_plain(tmp_path: Path, marker: Path, config: str) -> None:
    (tmp_path / "config.yaml").write_text(config + "\n" + hostile.yaml_text(marker))
    with pytest.raises((ModelError, CorruptWeights), match=str(tmp_path)):
        bundle.load(tmp_path)
    with pytest.raises(ModelError):
        StoredConfig.parse(hostile.yaml_text(marker), "file")
    assert not marker.exists()


class Odd:
    """What no checkpoint holds."""


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"a": torch.ones(1).expand(2**40)}, "without the bytes for them"),
        ({"a": torch.ones(4, device="meta")}, "could run code|on meta"),
        ({"a": torch.ones(4).to_sparse()}, "_rebuild_sparse_tensor"),
        ({"a": torch.float16}, "float16"),
        ({"a": {"b": [Odd]}}, "refused"),
    ],
)
def test_a_checkpoint_holds_tensors_text_and_numbers(tmp_path: Path, content: dict[str, Any], words: str) -> None:
    torch.save(content, tmp_path / "a.bin")
    with pytest.raises(UnsafeFile, match=words):
        read_pickle(tmp_path / "a.bin")


def test_what_other_packages_allow_torch_is_still_a_stranger(tmp_path: Path) -> None:
    torch.save({"a": Odd()}, tmp_path / "a.bin")
    with torch.serialization.safe_globals([Odd]), pytest.raises(UnsafeFile, match=r"test_guards\.Odd"):
        read_pickle(tmp_path / "a.bin")


def test_a_checkpoint_that_expands_is_refused(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(1_000_000)}, tmp_path / "a.bin")
    with zipfile.ZipFile(tmp_path / "a.bin") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(tmp_path / "b.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    with pytest.raises(UnsafeFile, match=r"is packed, which torch\.save never does"):
        read_pickle(tmp_path / "b.bin")


def test_a_pickle_that_asks_for_memory_is_damage(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "a.bin")
    with zipfile.ZipFile(tmp_path / "a.bin") as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    asks = b"\x80\x02}X\x01\0\0\0acbuiltins\nbytearray\n\x8a\x07\xff\xff\xff\xff\xff\xff\x0f\x85Rs."
    with zipfile.ZipFile(tmp_path / "b.bin", "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, asks if name.endswith("data.pkl") else data)
    with pytest.raises((CorruptWeights, UnsafeFile), match=r"b\.bin"):
        read_pickle(tmp_path / "b.bin")


def test_a_description_chooses_no_code(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    chosen = {"attn_implementation": "someone/kernel", "auto_map": {"AutoModel": "x.py"}, "quantization_config": {}}
    path.write_text(json.dumps({"a": 1, **chosen, "text_config": {"b": [2], **chosen}}))
    assert hub_config.read(path) == {"a": 1, "text_config": {"b": [2]}}
    for endless in ({"num_hidden_layers": 10**6}, {"x": {"hidden_size": 10**9}}, {"depths": [5000]}):
        path.write_text(json.dumps(endless))
        with pytest.raises(ModelError, match=r"config\.json asks for .*, which no model of this kind has"):
            hub_config.read(path)


def nan_file(path: Path, metadata: dict[str, str], **named: torch.Tensor) -> Path:
    save_file(named, path, metadata)
    return path


def test_weights_that_are_not_finite_are_refused_by_file_and_tensor(tmp_path: Path) -> None:
    about = {"format": adapter.FORMAT, "rank": 1, "alpha": 1.0, "base": "nano", "base_sha256": "0"}
    bad = torch.tensor([[torch.nan]])
    path = nan_file(
        tmp_path / "a.safetensors", {"flowmusic": json.dumps(about)},
        **{"field.x.lora_A": torch.ones(1, 1), "field.x.lora_B": bad},
    )  # fmt: skip
    with pytest.raises(adapter.AdapterError, match=r"a\.safetensors.*field\.x\.lora_B holds NaN"):
        adapter.read(path)
    for change in ({"rank": 0}, {"alpha": 1e300}, {"alpha": "1"}, {"rank": True}, {"base": 1}):
        nan_file(path, {"flowmusic": json.dumps({**about, **change})}, **{"x.lora_A": bad, "x.lora_B": bad.clone()})
        with pytest.raises(adapter.AdapterError, match=r"a\.safetensors is damaged"):
            adapter.read(path)
    told = {"format": concept.FORMAT, "token": "x", "encoder": {"sha256": concept.SHA256}, "record": {}}
    path = nan_file(
        tmp_path / "c.safetensors", {"flowmusic": json.dumps(told)},
        vectors=torch.ones(1, 384), initial=torch.full((384,), torch.inf),
    )  # fmt: skip
    with pytest.raises(ModelError, match=r"c\.safetensors: initial must be finite"):
        concept.read(path, TextEncoder())
    codec = model_files.read("nano2_codec", raw=True)
    poisoned = dict(codec.tensors)
    name = next(n for n, t in poisoned.items() if t.is_floating_point())
    poisoned[name] = torch.full_like(poisoned[name], torch.nan)
    kept = {key: value for key, value in codec.config.items() if key not in ("format", "sha256")}
    model_files.write(tmp_path / "bundle", kept, poisoned, "# card", half=False)
    with pytest.raises(CorruptWeights, match=rf"{tmp_path}/bundle.*{name.removesuffix('.scale')}.*holds NaN"):
        bundle.load_codec(tmp_path / "bundle")


def test_a_text_cache_from_elsewhere_is_made_again(tmp_path: Path) -> None:
    encoder = TextEncoder()
    path = tmp_path / f"text-{encoder.fingerprint}.safetensors"
    good = torch.ones(3, encoder.dim).half()
    save_file({"a": good, "b": good * torch.inf, "c": torch.ones(3, 5).half(), "d": torch.ones(3, encoder.dim)}, path)
    assert list(encoder._remembered(path)) == ["a"]
    path.write_bytes(pickle.dumps({}))
    assert encoder._remembered(path) == {}


def test_jascos_pointer_is_judged_before_it_is_followed(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not found"):
        jasco.read_checkpoint(tmp_path)
