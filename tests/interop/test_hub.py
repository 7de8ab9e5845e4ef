"""Finding published files, without a network: folder, cache, then download with its price shown first."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from flowmusic.interop.fitting import ModelError
from flowmusic.interop.hub import HuggingFaceHub, Published, locate

NAME = "facebook/jasco-chords-drums-400M"
FILES = ("state_dict.bin", ("codec.safetensors", "codec.bin"))


@dataclass
class FakeHub:
    """A hub in memory that remembers what it was asked."""

    folder: Path
    here: set[str] = field(default_factory=set)
    there: dict[str, int | None] = field(default_factory=dict)
    error: Exception | None = None
    asked: list[str] = field(default_factory=list)

    def cached(self, repository: str, file: str) -> Path | None:
        assert repository == NAME
        return self.folder / file if file in self.here else None

    def describe(self, repository: str) -> Published:
        self.asked.append("describe")
        if self.error:
            raise self.error
        return Published(self.there, "cc-by-nc-4.0")

    def download(self, repository: str, file: str) -> Path:
        self.asked.append(file)
        return self.folder / file


def test_a_folder_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "state_dict.bin").touch()
    with pytest.raises(ModelError, match=r"has no codec.safetensors or codec.bin; a folder must hold state_dict.bin, "):
        locate(tmp_path, FILES)
    (tmp_path / "codec.bin").touch()
    assert locate(tmp_path, FILES) == tmp_path


def test_the_cache_needs_no_network(tmp_path: Path) -> None:
    hub = FakeHub(tmp_path, here={"state_dict.bin", "codec.bin"})
    assert locate(NAME, FILES, hub) == tmp_path and hub.asked == []


def test_a_download_shows_size_and_licence_first(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    there = {"state_dict.bin": 900_000_000, "codec.bin": 100_000_000, "README.md": 5, "codec.safetensors": None}
    hub = FakeHub(tmp_path, here={"codec.bin"}, there=there)
    assert locate(NAME, FILES, hub) == tmp_path
    assert hub.asked == ["describe", "state_dict.bin", "codec.safetensors"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"downloading {NAME}: state_dict.bin, codec.safetensors, 900 MB, licence: cc-by-nc-4.0\n"


def test_a_file_that_the_repository_lacks(tmp_path: Path) -> None:
    hub = FakeHub(tmp_path, there={"state_dict.bin": 1})
    with pytest.raises(ModelError, match=r"on the hub has no codec.safetensors or codec.bin"):
        locate(NAME, FILES, hub)
    assert hub.asked == ["describe"]


@pytest.mark.parametrize("error", [ConnectionError("offline mode is on\nmore"), RuntimeError("no route")])
def test_offline_says_what_to_do(tmp_path: Path, error: Exception) -> None:
    with pytest.raises(ModelError) as caught:
        locate(NAME, FILES, FakeHub(tmp_path, error=error))
    text = str(caught.value)
    assert "\n" not in text and type(error).__name__ in text
    for part in (NAME, f"hf download {NAME}", "state_dict.bin, codec.safetensors or codec.bin", "give that folder"):
        assert part in text


@pytest.mark.parametrize("name", ["nothing", "a/b/c", "/a/b", "../up"])
def test_what_is_neither_folder_nor_hub_id(name: str) -> None:
    with pytest.raises(ModelError, match=r"neither a folder nor a hub id.*must hold state_dict.bin"):
        locate(name, FILES)


def fill_cache(cache: Path, *files: str) -> Path:
    """A cache in the layout of the hub's client."""
    repository = cache / f"models--{NAME.replace('/', '--')}"
    snapshot = repository / "snapshots" / "abc"
    snapshot.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("abc")
    for file in files:
        (snapshot / file).touch()
    return snapshot


def test_the_cache_of_audiocraft_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = fill_cache(tmp_path, "state_dict.bin", "codec.bin")
    assert HuggingFaceHub().cached(NAME, "state_dict.bin") is None
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path))
    assert locate(NAME, FILES) == snapshot


def test_the_client_is_asked_for_sizes_and_licence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def model_info(self: object, repository: str, *, files_metadata: bool) -> Any:
        assert repository == NAME and files_metadata
        files = [SimpleNamespace(rfilename="state_dict.bin", size=7)]
        return SimpleNamespace(card_data=SimpleNamespace(license="cc-by-nc-4.0"), siblings=files)

    def download(repository: str, file: str, cache_dir: str | None) -> str:
        return f"{cache_dir}/{repository}/{file}"

    monkeypatch.setattr(huggingface_hub.HfApi, "model_info", model_info)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert HuggingFaceHub().describe(NAME) == Published({"state_dict.bin": 7}, "cc-by-nc-4.0")
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path))
    assert HuggingFaceHub().download(NAME, "a") == tmp_path / NAME / "a"


def test_the_real_client_offline_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIOCRAFT_CACHE_DIR", str(tmp_path))
    with pytest.raises(ModelError, match=r"cannot be downloaded.*connect once"):
        locate(NAME, FILES)
