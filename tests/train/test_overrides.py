"""Overrides as people type them: paths with any sign reach the configuration as typed, and sweeps still sweep."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from flowmusic.train.overrides import quoted
from tests.nasty import BYTES, FURTHER, SIGNS


def parsed(argument: str) -> object:
    from hydra.core.override_parser.overrides_parser import OverridesParser

    (override,) = OverridesParser.create().parse_overrides([argument])
    return override.value()


@given(st.text(st.characters(exclude_characters="\0"), min_size=1).filter(lambda text: "${" not in text))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_path_is_what_was_typed(path: str) -> None:
    reserved = path == "null" or path[0] in "'\"[{" or path.split("(")[0].strip() in CALLS
    if not reserved:
        found = parsed(quoted([f"corpus={path}"])[0])
        assert found == path or (not found and not path.strip())


CALLS = ("choice", "range", "interval", "glob", "shuffle", "sort", "tag")


@pytest.mark.parametrize(
    "name", [SIGNS, BYTES, *FURTHER.values(), "[a", "'a", "a,b", "null", "choice(1)", "{a: 1}", "${a}"]
)
def test_a_path_that_is_there_is_what_was_typed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from flowmusic.train.command import compose_alone

    monkeypatch.chdir(tmp_path)
    Path(name).mkdir()
    inside = os.path.join(name, "not there, yet")
    typed = [f"corpus={name}"] if name != "null" else [f"corpus=./{name}"]
    cfg = compose_alone("build", [*typed, f"out={inside}"])
    assert (cfg.corpus, cfg.out) == (typed[0].partition("=")[2], inside)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["-m", "model=nano,my model", "seed=1,2"], ["-m", "model=nano,'my model'", "seed=1,2"]),
        (["-m", "out=a, b", "seed=1,2"], ["-m", "out='a, b'", "seed=1,2"]),
        (["-m", "model=choice(a,b)"], ["-m", "model=choice(a,b)"]),
        (["model=a,b"], ["model='a,b'"]),
        (["more_latents=[/a b/c,'/d,e',f]"], ["more_latents=['/a b/c','/d,e',f]"]),
        (["controls=[text,chords]", "guidance={all: 3}"], ["controls=[text,chords]", "guidance={all: 3}"]),
        (["corpus='/a b'", 'out="/c d"', "train_corpus=null"], ["corpus='/a b'", 'out="/c d"', "train_corpus=null"]),
        (["export.note=CC BY, mostly", "~callbacks.samples"], ["export.note='CC BY, mostly'", "~callbacks.samples"]),
        (["out=runs/${name}", "+data.prompts=p q.txt"], ["out='runs/${name}'", "+data.prompts='p q.txt'"]),
        (["--config-name", "x", "codec.name=ü"], ["--config-name", "x", "codec.name='ü'"]),
    ],
)
def test_what_is_no_single_path_keeps_its_meaning(typed: list[str], meant: list[str]) -> None:
    assert quoted(typed) == meant


def test_a_number_is_no_path_because_a_file_is_called_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("3").touch()
    assert quoted(["seed=3", "corpus=3"]) == ["seed=3", "corpus='3'"]


def test_other_values_that_hydra_cannot_read_are_told_how(capsys: pytest.CaptureFixture[str]) -> None:
    from flowmusic.apps.cli import main

    assert main(["build", "chords=a b=c", "out=x"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and "quotes" in err and len(err) <= 501
