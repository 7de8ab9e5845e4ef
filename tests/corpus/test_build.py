from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest

from flowmusic.corpus.__main__ import main
from flowmusic.corpus.fonts import choose_fonts


def digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*"))
        if p.is_file()
    }


def test_bytes_do_not_depend_on_workers(corpus, tmp_path, command):
    assert main(command(tmp_path / "c", "--workers", "1")) == 0
    assert digests(tmp_path / "c") == digests(corpus)


def test_resume_redoes_only_what_is_missing(corpus, tmp_path, command, capsys):
    import shutil

    out = tmp_path / "c"
    shutil.copytree(corpus, out)
    before = digests(out)
    lost = next((out / "train").glob("*.json"))
    stems = sorted((out / "train").glob(f"{lost.stem}.*"))
    for path in (lost, out / "manifest.jsonl"):
        path.unlink()
    times = {p: p.stat().st_mtime_ns for p in out.rglob("*.flac")}
    assert main(command(out, "--workers", "1")) == 0
    assert digests(out) == before
    changed = {p for p, t in times.items() if p.stat().st_mtime_ns != t}
    assert changed == {p for p in stems if p.suffix == ".flac"}
    assert str(out / "manifest.jsonl") in capsys.readouterr().out


def test_other_settings_are_refused(corpus, command, capsys):
    assert main(command(corpus, hours="0.02")) == 2
    message = capsys.readouterr().err
    assert "other settings" in message and "hours is 0.0166, not 0.02" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--hours", "0"], "--hours"),
        (["--hours", "nan"], "--hours"),
        (["--clip-seconds", "1"], "--clip-seconds"),
        (["--workers", "0"], "--workers"),
        (["--stems", "drums,flute"], "flute"),
        (["--splits", "train=0.5,test=0.2"], "sum to 1"),
        (["--splits", "training=1"], "training"),
        (["--soundfont", "nowhere.sf2"], "nowhere.sf2"),
        (["--test-soundfont", __file__], "not a soundfont"),
        (["--seed", "x"], "--seed"),
    ],
)
def test_bad_input_exits_2_with_a_message(arguments, message, tmp_path, capsys):
    assert main(["--hours", "0.01", "--seed", "1", "--out", str(tmp_path / "c"), *arguments]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "c").exists()


def test_missing_font_says_where_it_looked(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FLOWMUSIC_SOUNDFONTS", str(tmp_path))
    assert main(["--hours", "0.01", "--seed", "1", "--out", str(tmp_path / "c"), "--soundfont", "gone.sf3"]) == 2
    message = capsys.readouterr().err
    assert "gone.sf3" in message and str(tmp_path) in message and message.count("\n") == 1


def test_fonts_are_found_in_the_named_folder(tmp_path, font, monkeypatch):
    (tmp_path / "mine.sf2").write_bytes(font.read_bytes())
    monkeypatch.setenv("FLOWMUSIC_SOUNDFONTS", str(tmp_path))
    fonts, test_font = choose_fonts([], None)
    assert [f.name for f in fonts] == ["mine.sf2"]
    assert test_font.name == "TimGM6mb.sf2"


def test_import_is_light():
    heavy = ("numpy", "torch", "scipy", "soundfile", "fluidsynth")
    code = f"import sys, flowmusic.corpus.__main__; print([m for m in {heavy} if m in sys.modules])"
    root = Path(__file__).parents[2]
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True)
    assert result.stdout.strip() == "[]"
