"""The command as a whole: light help, exit codes, and one line for everything that goes wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flowmusic import __version__
from flowmusic.apps import cli, generate
from flowmusic.apps.cli import COMMANDS, FORWARDED, main
from flowmusic.interop import model_files

HEAVY = ("torch", "numpy", "scipy", "matplotlib", "lightning", "hydra", "soundfile", "librosa", "tqdm")


@pytest.mark.parametrize("argv", [["--help"], ["generate", "--help"], ["extract", "--help"], ["--version"]])
def test_help_loads_nothing_heavy(argv: list[str], root: Path) -> None:
    code = (
        "import sys; from flowmusic.apps.cli import main; code = main(sys.argv[1:]); "
        f"print('LOADED', [m for m in {HEAVY!r} if m in sys.modules]); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, *argv], capture_output=True, text=True, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "LOADED []"


def test_help_names_every_command_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(name in text for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"flowmusic {__version__}\n"


def test_the_fixed_flags_of_generate_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["generate", "--help"]) == 0
    flags = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
    fixed = "chords bpm meter melody drums style style-seconds style-detail style-timbre concept controls use"
    fixed += " guidance seconds steps solver time-grid guidance-interval apg seed count best-of min-adherence"
    fixed += " model adapter device precision"
    fixed += " story fade blur blend blend-seeds blend-styles at path preview"
    fixed += " instruments no-drums genre mood energy tempo key not not-weight"
    fixed += " no-facts-from-text"
    fixed += " loop-bpm stretch threads out no-latents mono quiet loop bars set batch keep-going image caption-model"
    fixed += " sheet form recall stems midi watermark no-watermark"
    assert flags - {"--help"} == {f"--{name}" for name in fixed.split()}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "COMMAND"),
        (["compose"], "invalid choice: 'compose'.*generate.*extract"),
        (["generate"], "TEXT"),
        (["generate", "a", "--step", "3"], "--step"),
        (["extract"], "AUDIO"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    argv: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and re.search(message, err)


@pytest.mark.parametrize("name", FORWARDED)
def test_forwarded_commands_get_their_arguments_untouched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    seen: list[list[str]] = []

    def stand_in(argv: list[str]) -> int:
        seen.append(argv)
        return 3

    monkeypatch.setattr(importlib.import_module(FORWARDED[name]), "main", stand_in)
    assert main([name, "-m", "a=1,2", "--help"]) == 3
    assert seen == [["-m", "a=1,2", "--help"]]


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> int:
    def fail(args: object) -> int:
        raise error

    monkeypatch.setattr(generate, "run", fail)
    return main(["generate", "a"])


def test_any_other_failure_is_one_line_and_exit_code_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("FLOWMUSIC_DEBUG", raising=False)
    assert failing(KeyError("lost\nkey"), monkeypatch) == 1
    assert capsys.readouterr().err == "flowmusic generate: error: KeyError: 'lost\\nkey'\n"
    assert failing(RuntimeError("two\nlines"), monkeypatch) == 1
    assert capsys.readouterr().err == "flowmusic generate: error: two lines\n"


def test_a_traceback_only_on_request(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FLOWMUSIC_DEBUG", "1")
    assert failing(RuntimeError("why"), monkeypatch) == 1
    assert "Traceback" in capsys.readouterr().err


def test_interrupt_is_130_without_a_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(KeyboardInterrupt(), monkeypatch) == 130
    assert capsys.readouterr().err == "flowmusic generate: interrupted\n"


def test_a_message_as_exit_status_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert failing(SystemExit("stop here"), monkeypatch) == 1
    assert "stop here" in capsys.readouterr().err


def test_every_command_has_a_module_or_is_forwarded() -> None:
    for name in COMMANDS:
        if name not in FORWARDED:
            module = __import__(f"flowmusic.apps.{name}", fromlist=["run"])
            assert callable(module.run) and callable(module.add_arguments)
    assert cli.build_parser().prog == "flowmusic"


def test_models_lists_those_that_generate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    for name, kind in (("small", "flow"), ("its_codec", "spectral")):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "config.yaml").write_text(f"kind: {kind}\n")
        (folder / "card.md").write_text(f"---\nlicense: apache-2.0\n---\n# {name}\n\nA {name} model.\nMore.\n")
    monkeypatch.setattr(model_files, "EMBEDDED", tmp_path)
    assert main(["models"]) == 0
    assert capsys.readouterr().out == "small\tA small model.\n"
