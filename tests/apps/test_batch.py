"""`flowmusic generate --batch`: requests of a file, drawn together, resumed, and refused by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from flowmusic.apps.cli import main
from flowmusic.generate.generator import Generator, NotFinite
from flowmusic.interop import bundle
from flowmusic.takes.batch_lines import argv_of
from flowmusic.takes.stored import read as read_latents

pytestmark = pytest.mark.usefixtures("ears")
REQUESTS: list[dict[str, Any]] = [
    {"text": "slow jazz", "chords": "C Am", "bpm": 120, "seed": 1},
    {"text": "a much longer line of words about fast rock", "chords": "G D", "bpm": 97, "seed": 5, "count": 2},
    {"text": "only words", "seed": 3, "out": "words.flac"},
    {"text": "other guidance", "chords": "F C", "bpm": 120, "seed": 4, "guidance": {"all": 3, "text": 1}},
    {"text": "chosen", "chords": "C Am", "bpm": 120, "seed": 7, "best_of": 2},
    {"text": "no drums here", "seed": 8, "no_drums": True, "steps": 2},
    {"text": "and again", "seed": 9, "bpm": 120, "chords": "Dm G"},
]


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def run(path: Path, *more: str) -> int:
    return main(["generate", "--batch", str(path), "--out", "takes", "--seconds", "1.5", *more])


def test_a_batch_makes_what_single_requests_make(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    loads: list[str] = []

    def load(name: str, **_: Any) -> Generator:
        loads.append(name)
        return model

    monkeypatch.setattr(bundle, "load", load)
    model.field.batches.clear()  # type: ignore[operator, union-attr]
    assert run(write(here / "requests.jsonl", REQUESTS), "--quiet") == 0
    assert loads == ["nano"], "one load"
    # Lines 1, 2 (twice) and 7 ask for the same kinds of control in the same way: four takes in one solve.
    assert max(model.field.batches) % 4 == 0  # type: ignore[arg-type, type-var, union-attr]
    capsys.readouterr()
    made = {path.name for path in Path("takes").iterdir() if path.suffix in (".wav", ".flac")}
    assert made == {
        "0001.wav",
        "0002-1.wav",
        "0002-2.wav",
        "words.flac",
        "0004.wav",
        "0005.wav",
        "0006.wav",
        "0007.wav",
    }
    for number, request in enumerate(REQUESTS, start=1):
        args = argv_of({key: value for key, value in request.items() if key != "out"})
        assert main(["generate", "--seconds", "1.5", "--quiet", *args[:-2], "--out", "one.wav", *args[-2:]]) == 0
        for n in range(request.get("count", 1)):
            end = f"-{n + 1}" if "count" in request else ""
            name = request.get("out", f"{number:04}{end}.wav")
            ours, alone = (json.loads(Path(each).with_suffix(".json").read_text())
                           for each in (f"takes/{name}", f"one{end}.wav"))  # fmt: skip
            assert soundfile.read(f"takes/{name}")[0] == pytest.approx(soundfile.read(f"one{end}.wav")[0], abs=1e-4), (
                name
            )
            for each in (ours, alone):
                each.pop("audio_sha256")
            assert ours == alone, name
            kept = [read_latents(Path(each).with_suffix(".latents")) for each in (f"takes/{name}", f"one{end}.wav")]
            assert np.allclose(kept[0].latents.float(), kept[1].latents.float(), atol=1e-3), name


def test_what_is_finished_is_not_made_again(here: Path, model: Generator, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"text": word, "seed": 1} for word in ("one", "two", "three")]
    path = write(here / "requests.jsonl", rows)
    assert run(path) == 0
    times = {each.name: each.stat().st_mtime_ns for each in Path("takes").glob("*.wav")}
    Path("takes/0002.wav").unlink()
    rows[2]["text"] = "changed"
    write(path, [*rows, {"text": "four", "seed": 1}])
    capsys.readouterr()
    assert run(path) == 0
    assert "1 of 4 requests are finished" in capsys.readouterr().err
    after = {each.name: each.stat().st_mtime_ns for each in Path("takes").glob("*.wav")}
    assert sorted(name for name in times if after[name] == times[name]) == ["0001.wav"]
    assert sorted(after) == ["0001.wav", "0002.wav", "0003.wav", "0004.wav"]
    assert run(path) == 0 and "4 of 4 requests are finished" in capsys.readouterr().err


def test_prompts_are_drawn_together_only_where_padding_is_not_heard(
    here: Path, model: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(here / "requests.jsonl", [{"text": text, "seed": 1} for text in ("one", "a longer two")])
    sizes = []
    for heard in (False, True):
        monkeypatch.setattr(model.encoder, "hears_padding", heard, raising=False)
        model.field.batches.clear()  # type: ignore[operator, union-attr]
        assert main(["generate", "--batch", str(path), "--out", f"takes{heard}", "--seconds", "1.5", "--quiet"]) == 0
        sizes.append(max(model.field.batches))  # type: ignore[arg-type, type-var]
    assert sizes[0] == 2 * sizes[1]


def test_where_one_of_several_diverges_the_others_are_made(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = type(model).generate

    def generate(self: Generator, controls: Any, **more: Any) -> Any:
        if "wild" in controls.text:
            raise NotFinite("it diverged")
        return whole(self, controls, **more)

    monkeypatch.setattr(type(model), "generate", generate)
    path = write(here / "requests.jsonl", [{"text": text, "seed": 1} for text in ("one", "wild", "three")])
    assert run(path, "--keep-going") == 2
    assert "requests.jsonl, line 2: it diverged" in capsys.readouterr().err
    assert sorted(each.name for each in Path("takes").glob("*.wav")) == ["0001.wav", "0003.wav"]
    assert run(path) == 1, "without it, the command ends there"


BAD = [
    ("nonsense", "JSON"),
    ("[1]", "must be a JSON object"),
    ('{"text": "a", "bpm": "quick"}', "argument --bpm"),
    ('{"text": "a", "tempi": 3}', "unrecognized arguments: --tempi"),
    ('{"text": "a", "chords": "H X"}', "H"),
    ('{"text": "a", "drums": "gone.wav"}', "file not found: gone.wav"),
    ('{"text": "a", "model": "other"}', "holds for the whole batch"),
    ('{"text": "a", "out": "../x.wav"}', "plain file name"),
    ('{"text": "a", "out": "x.mp3"}', "must end in one of"),
    ('{"text": "a", "out": "0001.wav"}', "as that of line 1"),
    ('{"text": "a", "story": 3}', "file not found"),
    ('{"text": 3}', "text must be a string"),
    ('{"text": "a", "loop": true, "seconds": 3}', "--loop"),
    ('{"text": "a", "concept": [["a"]]}', "must be text, a number"),
]


@pytest.mark.parametrize(("line", "message"), BAD)
def test_a_bad_line_stops_before_anything_is_made(
    line: str, message: str, here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(here / "requests.jsonl", [{"text": "fine", "seed": 1}, line, {"text": "fine as well", "seed": 2}])
    assert run(path) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert "requests.jsonl, line 2: " in said and message in said and len(said) <= 500
    assert not list(Path().glob("takes/*"))


def test_going_on_makes_the_others_and_names_the_lines(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"text": "fine", "seed": 1}, *(line for line, _ in BAD), {"text": "fine as well", "seed": 2}]
    assert run(write(here / "requests.jsonl", rows), "--keep-going") == 2
    said = capsys.readouterr().err
    assert all(f"requests.jsonl, line {number}: " in said for number in range(2, len(BAD) + 2))
    assert sorted(path.name for path in Path("takes").glob("*.wav")) == ["0001.wav", f"{len(rows):04}.wav"]


def test_an_empty_file_and_a_wrong_output_are_named(
    here: Path, model: Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write(here / "empty.jsonl", [])) == 2
    assert "holds no request" in capsys.readouterr().err
    path = write(here / "requests.jsonl", [{"text": "a"}])
    for argv, message in (
        (["--batch", str(path)], "name a folder for them"),
        (["--batch", str(path), "--out", "takes", "--model", "other"], "unknown model 'other'"),
        (["a", "--keep-going"], "--batch, which is not given"),
        (["--batch", str(here), "--out", "takes"], "is a folder"),
    ):
        assert main(["generate", *argv]) == 2
        assert message in capsys.readouterr().err
    assert main(["generate", "a", "--out", "take.mp3"]) == 2
    assert "argument --out: 'take.mp3' must end in one of" in capsys.readouterr().err
