"""From a description to a folder: what is read, what is refused, loudness, anchors."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import freqz

from flowmusic.apps.cli import main
from flowmusic.corpus.bus import loudness_as_heard
from flowmusic.listening import spec
from flowmusic.listening.page import build
from flowmusic.listening.stimuli import LUFS, low_pass
from tests.listening.conftest import RATE


def sounds_of(out: Path) -> dict[str, np.ndarray]:
    found = {}
    for path in (out / "audio").iterdir():
        text = re.fullmatch(r'listeningTestSound\("(\w+)", "([\w+/=]+)"\);\n', path.read_text())
        assert text is not None
        found[text[1]] = soundfile.read(io.BytesIO(base64.b64decode(text[2])), dtype="float32", always_2d=True)[0].T
    return found


def test_a_page_holds_its_test_and_equally_loud_sounds(kit: Path, tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    out = tmp_path / "page"
    assert main(["listen-test", str(kit / "test.yaml"), "--out", str(out), "--quiet"]) == 0
    assert capfd.readouterr().out == f"{out / 'index.html'}\n"
    sounds = sounds_of(out)
    # Four files, and two anchors of one of them.
    assert len(sounds) == 6
    levels = [loudness_as_heard(each, RATE) for each in sounds.values()]
    assert np.abs(np.array(levels) - LUFS).max() < 0.1
    page = (out / "index.html").read_text()
    assert "Kit &lt;b&gt;test" in page and "http:" not in page and "https:" not in page
    data = json.loads((out / "test.js").read_text().removeprefix("const LISTENING_TEST = ").removesuffix(";\n"))
    assert set(data["sounds"]) == set(sounds)
    consent, _, trials, _ = data["pages"]["pages"]
    assert consent["content"] == "<p>Hello &lt;script&gt;alert(1)&lt;/script&gt;</p>"
    assert trials["shuffled"]
    mushra = trials["pages"][0]
    assert [each["name"] for each in mushra["stimuli"]] == ["good", "bad", "reference", "anchor35", "anchor70"]
    text = "".join((out / name).read_text() for name in ("player.js", "trials.js", "page.js", "style.css"))
    assert not re.search(r"https?:|//cdn|@import|url\(", text), "the page asks for nothing from elsewhere"


@pytest.mark.parametrize("hz", [3500.0, 7000.0])
def test_anchors_are_within_the_bounds_of_bs_1534(hz: float) -> None:
    click = np.zeros((1, 4001), np.float32)
    click[0, 2000] = 1.0
    filtered = low_pass(click, hz, RATE)[0]
    frequency, response = freqz(filtered, worN=8192, fs=RATE)
    level = 20 * np.log10(np.maximum(np.abs(response), 1e-9))
    assert np.abs(level[frequency < hz]).max() < 0.1
    assert level[frequency > hz * 8 / 7].max() < -50.0
    assert int(np.abs(filtered).argmax()) == 2000, "in time with the original"


@pytest.mark.parametrize("name", spec.studies())
def test_shipped_studies_make_a_page_of_folders(name: str, kit: Path, tmp_path: Path) -> None:
    for item in ("one", "two"):
        (tmp_path / "takes" / item / "systems").mkdir(parents=True)
        for place in ("systems/ours", "systems/peer", "reference", "style", "melody", "drums", "hum"):
            shutil.copy(
                kit / ("bad.wav" if place.endswith("peer") else "good.wav"), tmp_path / "takes" / item / f"{place}.wav"
            )
        (tmp_path / "takes" / item / "prompt.txt").write_text(f"a <i>slow</i> waltz, {item}\n")
    test = spec.read(spec.studies()[name], tmp_path / "takes")
    pages = [page for page in test.pages.flat() if page.kind not in spec.QUIET]
    assert {page.id.partition("/")[2] for page in pages} == {"one", "two"}
    assert all(list(page.stimuli) == ["ours", "peer"] for page in pages)
    if name == "jasco":
        assert {page.id.partition("/")[0] for page in pages} == {"quality", "text", "melody", "drums"}
        assert main(["listen-test", name, "--stimuli", str(tmp_path / "takes"), "--out", str(tmp_path / "page")]) == 0


MUSHRA = "type: mushra, id: a, reference: ref.wav"


@pytest.mark.parametrize(
    ("pages", "message"),
    [
        ("[]", "nothing is to be judged"),
        ("[3]", r"pages\[1\]: must be a page"),
        ("[{type: bs1116, id: a}]", "unknown type 'bs1116'; allowed: mushra"),
        ("[{type: mushra, id: a, stimuli: {x: good.wav}}]", "needs a reference"),
        (f"[{{{MUSHRA}}}]", "there are no stimuli"),
        (f"[{{{MUSHRA}, stimuli: {{x: gone.wav}}}}]", "file not found"),
        (f"[{{{MUSHRA}, stimuli: {{x: ../good.wav}}}}]", "leads out of its folder"),
        (f"[{{{MUSHRA}, stimuli: {{reference: good.wav}}}}]", "is a name of ours"),
        ("[{type: mos, id: a, stimuli: {x: good.wav}}, {type: mos, id: a, stimuli: {x: good.wav}}]", "to two pages"),
        ("[{type: mos, stimuli: {x: good.wav}}]", "an id is missing"),
        ("[{type: adherence, id: a, stimuli: {x: good.wav}}]", "given"),
        ("[{type: preference, id: a, stimuli: {x: good.wav}}]", "two stimuli"),
        ("[{type: likert_single_stimulus, id: a, stimuli: {x: good.wav}}]", "response is missing"),
        ("[{type: mos, id: a, name: no, stimuli: {x: good.wav}}]", "in quotes"),
        ("[{type: mos, for_each: item, id: a, stimuli: {x: good.wav}}]", "must have items"),
        ("[{type: mos, id: a, stimuli: {x: silent.wav}}]", "is silent"),
        ("[{type: mos, id: a, stimuli: {x: test.yaml}}]", "cannot read"),
    ],
)
def test_what_cannot_be_a_test_is_one_line(
    pages: str, message: str, kit: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    shutil.copytree(kit, tmp_path / "kit")
    soundfile.write(tmp_path / "kit" / "silent.wav", np.zeros(RATE), RATE)
    path = tmp_path / "kit" / "own.yaml"
    path.write_text(f"testname: t\ntestId: t\npages: {pages}\n")
    assert main(["listen-test", str(path), "--out", str(tmp_path / "page"), "--quiet"]) == 2
    said = capfd.readouterr().err.splitlines()[-1]
    assert re.search(message, said) and len(said) <= 520
    assert not (tmp_path / "page" / "index.html").exists()


def test_more_than_a_browser_holds_is_refused(kit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowmusic.listening.stimuli.MOST_TOTAL", 6.0)
    with pytest.raises(spec.SpecError, match="several tests"):
        build(spec.read(kit / "test.yaml"), tmp_path / "page")
    assert not (tmp_path / "page").exists()


def test_a_word_that_an_item_does_not_have_is_named(kit: Path) -> None:
    path = kit / "items.yaml"
    path.write_text(
        "testname: t\ntestId: t\nitems: {one: {prompt: a}, two: {}}\n"
        "pages: [{type: mos, for_each: item, id: q, content: '{prompt}', stimuli: {x: good.wav}}]\n"
    )
    with pytest.raises(spec.SpecError, match=r"for two: \{prompt\} is not known of the item; known: item"):
        spec.read(path)
