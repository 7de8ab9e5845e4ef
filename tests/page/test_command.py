"""``flowmusic app``: flags that cannot be are one line and exit code 2."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("gradio", reason="gradio is not installed; it is in the extra app")

from flowmusic.apps import cli
from flowmusic.page import choices, command


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def said(argv: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert cli.main(["app", *argv]) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "loading libraries" not in line]
    assert len(line) <= 500
    return line


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--port", "70000"], "between 0 and 65535"),
        (["--port", "x"], "not a whole number"),
        (["--host", "no such host", "--port", "0"], "nothing can listen there"),
        (["--takes", "absent/takes"], "does not exist"),
        (["--adapters", "absent"], "not found"),
        (["--model", "absent", "--port", "0"], "unknown model 'absent'"),
        (["--device", "cuda:99", "--port", "0"], "not on this machine"),
        (["--share"], "unrecognized"),
    ],
)
def test_bad_flags(
    argv: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert message in said(argv, capsys)


def test_a_port_in_use(taken: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert f"--port {taken}: nothing can listen there" in said(["--port", str(taken)], capsys)


def test_a_folder_that_is_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    assert "is a file; give a folder" in said(["--takes", str(tmp_path / "file")], capsys)
    assert "is a file; give a folder" in said(["--adapters", str(tmp_path / "file")], capsys)


def test_without_gradio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(command.importlib.util, "find_spec", lambda name: None)
    assert "pip install 'flowmusic[app]'" in said([], capsys)


def test_folders_of_models_and_adapters_are_offered_by_name(tmp_path: Path) -> None:
    (tmp_path / "one.safetensors").write_bytes(b"")
    for name in ("small", "large"):
        (tmp_path / "jasco" / name).mkdir(parents=True)
        (tmp_path / "jasco" / name / "state_dict.bin").write_bytes(b"")
    found = choices.gathered([str(tmp_path / "jasco"), "nano"], tmp_path, None)
    assert list(found.models) == ["large", "small", "nano"]
    assert found.adapter_files(["one"]) == (tmp_path / "one.safetensors",)
    for ask in (
        lambda: found.model("/etc"),
        lambda: found.adapter_files(["../one"]),
        lambda: found.pseudoword_files("x"),
    ):
        with pytest.raises(ValueError, match="offers no"):
            ask()
