"""A person at the page, in a real browser and through its API: one server and one browser for all tests here."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
import soundfile

pytest.importorskip("gradio", reason="gradio is not installed; it is in the extra app")

import uvicorn

from flowmusic.page import choices, server, shelf
from flowmusic.page.acts import COOKIE
from flowmusic.page.shelf import Shelves
from tests.interop import checkpoints
from tests.model import tiny_t5

PATIENCE_S = 300.0
"""Nothing is timed: a busy machine is given longer than anything takes."""
MANY_STEPS = "5000"
HOSTILE = "<img src=x onerror=\"document.title='owned'\"> funk"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PICTURES = os.environ.get("FLOWMUSIC_PICTURES")
"""A folder: the pictures of docs/app.md are written there."""


@dataclass(frozen=True)
class Site:
    """The page, answering."""

    address: str
    takes: Path
    acts: Any


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The page as ``flowmusic app`` starts it, in a thread."""
    base, cache = tmp_path_factory.mktemp("takes"), tmp_path_factory.mktemp("cache")
    published = checkpoints.write(tmp_path_factory.mktemp("models") / "published", compression=checkpoints.full_codec())
    tiny_t5.write(published / "t5-base", width=12)
    listening = server.bound("127.0.0.1", 0)
    offered = choices.gathered(["nano", str(published)], None, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(cache))
        app = server.application(server.Settings(Shelves(base, False), offered, "cpu", "127.0.0.1", cache))
        answering = uvicorn.Server(uvicorn.Config(app, log_level="error", timeout_graceful_shutdown=1))
        thread = threading.Thread(target=answering.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        yield Site(f"http://127.0.0.1:{listening.getsockname()[1]}/", base, app.state.acts)
        answering.should_exit = True
        thread.join(20)
        listening.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Chromium, whose microphone hears the two notes of :func:`hum` over and over."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the extra dev")
    if BROWSER is None:
        pytest.skip("no browser is installed; chromium of the system would do")
    with sync_api.sync_playwright() as playwright:
        heard = hum(tmp_path_factory.mktemp("microphone") / "hum.wav")
        flags = [
            *("--no-sandbox", "--autoplay-policy=no-user-gesture-required"),
            *("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"),
            f"--use-file-for-fake-audio-capture={heard}",
        ]
        opened = playwright.chromium.launch(executable_path=BROWSER, args=flags)
        yield opened
        opened.close()


class Person:
    """A browser of a person: what the page said wrong, and whom it asked."""

    def __init__(self, browser: Any, site: Site, **more: Any) -> None:
        self.context = browser.new_context(
            accept_downloads=True, **{"viewport": {"width": 900, "height": 1150}, **more}
        )
        self.context.set_default_timeout(PATIENCE_S * 1000)
        self.site = site
        self.wrong: list[str] = []
        self.context.route("**/*", self._judge)
        self.page = self.context.new_page()
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.open()

    def _judge(self, route: Any) -> None:
        if route.request.url.startswith(("data:", "blob:", self.site.address)):
            route.continue_()
        else:
            self.wrong.append(f"asked {route.request.url}")
            route.abort()

    def _said(self, said: Any) -> None:
        if said.type == "error":
            self.wrong.append(said.text)

    def open(self) -> None:
        before = len(self.wrong)
        self.page.goto(self.site.address)
        # What was still on its way as the page was left is cut off, and the page that goes says so.
        cut = ("AbortError", "Connection errored out")
        self.wrong[before:] = [said for said in self.wrong[before:] if not any(each in said for each in cut)]
        self.page.locator("#generate").wait_for()
        self.page.locator("#takes .tk-place ul").wait_for(state="attached")

    def fill(self, name: str, text: str) -> None:
        self.page.locator(f"#{name} :is(textarea, input)").first.fill(text)

    def press(self, name: str) -> None:
        self.page.locator(f"#{name}").click()

    def unfold(self, name: str) -> None:
        self.page.locator(f"#{name} > button").click()

    def takes(self) -> int:
        return int(self.page.locator("#takes li").count())

    def owner(self) -> str:
        """The name of this browser's folder."""
        return str(next(each["value"] for each in self.context.cookies() if each["name"] == COOKIE))

    def until(self, holds: Any, why: str = "") -> None:
        end = time.monotonic() + PATIENCE_S
        while not holds():
            said = self.page.locator("#status").text_content()
            assert time.monotonic() < end, f"{why}; the page says {said!r}; {self.wrong}"
            self.page.wait_for_timeout(100)

    def picture(self, name: str, at: str = "body") -> None:
        """The window, beginning at a part of the page: for the docs, and only where pictures are asked for."""
        if PICTURES:
            self.page.locator(at).evaluate("part => part.scrollIntoView()")
            self.page.wait_for_timeout(500)
            self.page.screenshot(path=str(Path(PICTURES) / f"app_{name}.png"))

    def close(self) -> None:
        assert self.wrong == []
        self.context.close()


def hum(path: Path) -> Path:
    """Two notes: A4, and the E above it."""
    rate = 16_000
    times = np.arange(rate) / rate
    notes = [0.3 * np.sin(2 * np.pi * hz * times) * np.minimum(1.0, 30 * (1.0 - times)) for hz in (440.0, 659.3)]
    soundfile.write(path, np.concatenate(notes), rate)
    return path


def test_a_person_makes_music(browser: Any, site: Site, tmp_path: Path) -> None:
    """Types, hums, taps, generates, hears, makes two bars anew, stars, reloads, downloads."""
    person = Person(browser, site)
    page = person.page
    person.fill("text", "warm lo-fi beat, electric piano")
    person.fill("chords", "C Am | F G")
    person.fill("bpm", "120")
    page.locator("#seconds input[type=number]").fill("4")
    page.locator("#seconds input[type=number]").press("Enter")
    page.locator("#seconds input[type=number]").blur()

    chord = page.locator("#score .tl-track[data-lane=chords]")
    person.unfold("write")
    person.until(lambda: all(name in (chord.text_content() or "") for name in ("Am", "F", "G")), "no chords")
    person.picture("ask")
    person.unfold("write")
    if not PICTURES:
        person.fill("text", HOSTILE)

    person.unfold("hum-part")
    page.locator("#hum input[type=file]").set_input_files(str(hum(tmp_path / "<b>hum<b>.wav")))
    person.until(lambda: "2 notes found" in (page.locator("#heard").text_content() or ""), "no notes were found")
    person.unfold("beat-part")
    for pad in ("kick", "snare", "hat"):
        page.locator(f"#pads [data-pad={pad}]").click()
    page.get_by_role("button", name="Use this beat").click()
    person.until(lambda: "on the timeline" in (page.locator("#heard").text_content() or ""), "no beat")

    person.unfold("more")
    person.fill("steps", "" if PICTURES else "2")
    person.fill("seed", "3")
    # Own strengths begin at those that the model follows by itself, and one that is set reaches the take.
    page.locator("#own-strength input").check()
    person.until(lambda: page.locator("#weight-all input[type=number]").input_value() == "6", "not the model's own")
    assert page.locator("#weight-facts input[type=number]").input_value() == "0"
    page.locator("#weight-facts input[type=number]").fill("2")
    page.locator("#weight-facts input[type=number]").press("Enter")
    page.locator("#weight-facts input[type=number]").blur()
    person.press("generate")
    person.until(lambda: person.takes() == 1, "no take came")
    row = page.locator("#takes li").first
    assert (PICTURES or HOSTILE in row.text_content()) and page.title() == "flowmusic"
    row.locator("[data-act=play]").click()
    heard = "document.querySelector('#takes audio').currentTime"
    person.until(lambda: page.evaluate(heard) > 0.2, "nothing is heard")
    assert 0.0 < page.evaluate("document.querySelector('#takes audio').volume") <= 1.0
    row.locator("[data-act=play]").click()
    person.until(lambda: page.evaluate("document.querySelector('#takes audio').paused"), "it goes on")

    (owner,) = [folder for folder in site.takes.iterdir() if any(folder.glob("*.wav"))]
    record = json.loads(next(owner.glob("*.json")).read_text())
    assert record["seed"] == 3 and (PICTURES or (record["text"], record["steps"]) == (HOSTILE, 2))
    assert record["guidance"] == {"all": 6.0, "facts": 2.0}
    assert record["controls"]["chords_text"] == "C Am | F G" and record["controls"]["bpm"] == 120.0
    assert {midi for _, _, midi in record["controls"]["melody"]} == {69, 76}
    assert record["controls"]["drums"]["onsets"]

    person.picture("takes", at="#takes")
    person.unfold("tools")
    person.fill("edit-bars", "2")
    person.fill("new-chords", "Dm")
    person.press("edit")
    person.until(lambda: person.takes() == 2, "no edit came")
    page.locator("#takes li").first.locator("[data-act=star]").click()
    person.until(lambda: page.locator("#takes [data-act=star][aria-pressed=true]").count() == 1, "no star")
    person.open()
    person.until(lambda: person.takes() == 2, "the takes are gone after a reload")
    assert page.locator("#takes [data-act=star][aria-pressed=true]").count() == 1
    person.fill("text", "something else")
    page.locator("#use-settings").click()
    person.until(
        lambda: page.locator("#text textarea").input_value() == record["text"], "the settings did not come back"
    )

    person.press("download")
    link = page.locator("#files a[download], #files a[href]").first
    link.wait_for()
    with page.expect_download() as download:
        link.click()
    saved = tmp_path / "saved"
    download.value.save_as(saved)
    assert saved.stat().st_size > 1000
    person.close()


def test_another_person_sees_nothing_of_it_and_needs_no_mouse(browser: Any, site: Site) -> None:
    """Keys alone: type, generate, listen, star.  The list of this browser begins empty."""
    person = Person(browser, site)
    page, keys = person.page, person.page.keyboard
    assert person.takes() == 0
    made = [f"takes/{path.name}" for path in site.takes.glob("*/*.wav")]
    assert made and all(page.request.get(site.address + name).status == 404 for name in made)
    page.locator("#text textarea").focus()
    keys.type("calm piano")
    keys.press("Tab")
    keys.type("C F")
    _tab_to(page, "#seconds input[type=number]")
    keys.press("Control+a")
    keys.type("2")
    _tab_to(page, "#more > button")
    keys.press("Enter")
    _tab_to(page, "#steps :is(input, textarea)")
    keys.type("1")
    keys.press("Control+Enter")
    person.until(lambda: person.takes() == 1, "no take came by the keys")
    _tab_to(page, "#takes [data-act=play]")
    keys.press("Enter")
    person.until(lambda: page.evaluate("document.querySelector('#takes audio').currentTime") > 0.1, "nothing is heard")
    _tab_to(page, "#takes [data-act=star]")
    keys.press("Space")
    person.until(lambda: page.locator("#takes [aria-pressed=true][data-act=star]").count() == 1, "no star")
    person.close()


def _tab_to(page: Any, place: str) -> None:
    for _ in range(150):
        if page.evaluate(f"document.activeElement.matches({json.dumps(place)})"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"no key leads to {place}")


def test_a_tune_is_recorded(browser: Any, site: Site) -> None:
    person = Person(browser, site)
    person.unfold("hum-part")
    recorder = person.page.locator("#hum")
    recorder.get_by_label("Record audio").click()
    recorder.locator(".record-button").click()
    person.page.wait_for_timeout(3000)  # of humming
    recorder.locator(".stop-button").click()
    heard = person.page.locator("#heard")
    person.until(lambda: "found" in (heard.text_content() or ""), "no note was heard")
    assert "note" in (heard.text_content() or "") and "no note" not in (heard.text_content() or "")
    person.close()


def test_a_take_is_worked_on(browser: Any, site: Site, tmp_path: Path) -> None:
    """A sheet and a picture fill the fields; a job is cancelled; then vary, go on, stems and MIDI, send to style."""
    person = Person(browser, site)
    page = person.page
    sheet, picture = tmp_path / "song.cho", tmp_path / "night.png"
    sheet.write_text("{tempo: 120}\n{start_of_grid}\n| C . Am . |\n{end_of_grid}\n")
    PIL.Image.new("RGB", (64, 48), (20, 24, 60)).save(picture)
    person.unfold("write")
    page.locator("#sheet input[type=file]").set_input_files(str(sheet))
    person.until(lambda: "Am" in (page.locator("#score .tl-track[data-lane=chords]").text_content() or ""), "no sheet")
    person.unfold("picture-part")
    page.locator("#picture input[type=file]").set_input_files(str(picture))
    person.until(lambda: "dark, calm" in page.locator("#text textarea").input_value(), "nothing was seen")
    person.fill("bpm", "120")

    person.unfold("more")
    # A job far longer than anybody waits: only the button ends it.
    person.fill("steps", MANY_STEPS)
    person.press("generate")
    status = page.locator("#status")
    person.until(lambda: "eval" in (status.text_content() or ""), "nothing is made")
    person.press("cancel")
    person.until(lambda: "stopped" in (status.text_content() or ""), "it was not stopped")
    assert person.takes() == 0 and not any(path.suffix == ".wav" for path in site.takes.glob(f"{person.owner()}/*"))

    person.fill("steps", "1")
    person.press("generate")
    person.until(lambda: person.takes() == 1, "no take came")
    person.unfold("tools")
    for count, act in ((2, "vary"), (3, "extend")):
        person.press(act)
        person.until(lambda count=count: person.takes() == count, f"{act} made nothing")
    person.press("studio")
    page.locator("#files a[download], #files a[href]").first.wait_for()
    person.unfold("style-part")
    person.press("send-to-style")
    page.locator("#style audio, #style wave, #style .waveform-container").first.wait_for(state="attached")
    person.close()


def test_it_fits_a_phone_in_the_dark(browser: Any, site: Site) -> None:
    person = Person(browser, site, viewport={"width": 360, "height": 740}, color_scheme="dark", has_touch=True)
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 360
    assert person.page.evaluate("document.body.classList.contains('dark')")
    person.unfold("write")
    person.page.locator("#score .tl").wait_for()
    assert person.page.evaluate("document.documentElement.scrollWidth") <= 360
    person.picture("phone")
    person.close()


def test_what_cannot_be_is_told_as_text(browser: Any, site: Site, tmp_path: Path) -> None:
    person = Person(browser, site)
    person.fill("chords", "<img src=x onerror=alert(1)>")
    person.press("generate")
    toast = person.page.get_by_text("<img", exact=False).first
    toast.wait_for()
    assert person.page.locator("img[src=x]").count() == 0 and person.takes() == 0
    # A refusal is an answer of status 500, of which a browser tells its console, too.
    person.wrong[:] = [said for said in person.wrong if "status of 500" not in said]
    person.close()


def test_only_what_takes_long_is_queued(site: Site) -> None:
    """An event that is queued just as the stream of the page closes is never answered; see ``_QUIET`` of the layout."""
    with urllib.request.urlopen(site.address + "config") as answer:
        events = json.loads(answer.read())["dependencies"]
    queued = {each["api_name"] for each in events if each["backend_fn"] and each["queue"] is not False}
    assert queued == {"generate", "edit", "extend", "vary", "export", "hear_tune", "hear_beat"}


@pytest.fixture(scope="module")
def client(site: Site) -> Any:
    from gradio_client import Client

    return Client(site.address, verbose=False)


def test_the_functions_have_names(client: Any, site: Site, tmp_path: Path) -> None:
    """The example of docs/app.md, and every function that the docs name."""
    from gradio_client import handle_file

    named = set(client.view_api(return_format="dict")["named_endpoints"])
    assert named == {f"/{name}" for name in FUNCTIONS}
    score, said = client.predict(hum=handle_file(hum(tmp_path / "hum.wav")), api_name="/hear_tune")[:2]
    assert [midi for _, _, midi in score["annotations"]["melody"]] == [69, 76] and "2 notes" in said
    _, listed, _ = client.predict(
        text="slow jazz",
        chords="C F",
        seconds=2,
        score=score,
        steps="1",
        seed="5",
        style_detail=3,
        api_name="/generate",
    )
    name = listed["chosen"]
    (take,) = listed["takes"]
    assert take["name"] == name and take["seed"] == 5
    files = client.predict(name, api_name="/download")
    assert {Path(file).suffix for file in files} == {".wav", ".json", ".mid", ".musicxml", ".cho"}
    (packed,) = client.predict(name, api_name="/export")
    kinds = {Path(file).suffix for file in zipfile.ZipFile(packed).namelist()} - {""}
    assert kinds >= {".wav", ".mid", ".musicxml", ".cho", ".jams", ".json"}
    told, again, _ = client.predict(take=name, strength=0.0, api_name="/vary")
    assert len(again["takes"]) == 2 and "note" not in told
    assert site.acts.models.loaded == 1
    assert client.predict(name, api_name="/star")["takes"][-1]["starred"]
    assert client.predict(name, api_name="/use_settings")[:2] == ("slow jazz", "C F")
    line, _ = client.predict(name, api_name="/choose")
    assert len(line["waveform"]) == shelf.PEAKS and line["audio"] == f"/takes/{name}"
    assert "nothing is being made" in client.predict(api_name="/cancel")


def test_a_published_checkpoint_makes_takes_too(client: Any, site: Site) -> None:
    """A folder in the layout of JASCO: what it is asked for, made; and worked on by what needs no mask training."""
    asked = {"model": "published", "text": "slow jazz", "chords": "C F", "seconds": 2, "steps": "1", "seed": "5"}
    _, listed, line = client.predict(**asked, api_name="/generate")
    name = listed["chosen"]
    assert line["annotations"]["chords"][0][2] == "C" and listed["takes"][0]["model"] == "published"
    _, again, _ = client.predict(take=name, strength=0.5, seed="5", api_name="/vary")
    _, longer, _ = client.predict(take=name, bars=1, seed="5", api_name="/extend")
    assert len(longer["takes"]) == len(again["takes"]) + 1


def test_no_status_is_told_on_a_timeline(client: Any) -> None:
    """A browser would copy what it is told on, whole, at every status, and keep every answer of a run history."""
    small = {"status", "heard", "files"}
    names = {each["id"]: each["props"].get("elem_id") for each in client.config["components"]}
    told_on = [{names[each] for each in event["show_progress_on"] or ()} for event in client.config["dependencies"]]
    assert told_on and all(told and told <= small for told in told_on)
    assert client.config["run_history"] is False


def test_the_timeline_is_written_by_name(client: Any, tmp_path: Path) -> None:
    from gradio_client import handle_file

    line = client.predict(chords="C Am", seconds=4, bpm="120", api_name="/set_score")
    assert line["annotations"]["chords"] == [[0.0, 2.0, "C"], [2.0, 4.0, "Am"]]
    # The music keeps to the beat, and the text is what the timeline says.
    slow = client.predict(seconds=8, bpm="60", score=line, api_name="/set_score")
    assert slow["annotations"]["chords"] == [[0.0, 4.0, "C"], [4.0, 8.0, "Am"]]
    sheet = tmp_path / "song.cho"
    sheet.write_text("{tempo: 100}\n[C]la [G]la\n")
    line, bpm, meter, _, text, said = client.predict(sheet=handle_file(sheet), score=line, api_name="/read_sheet")
    assert (bpm, meter, text) == ("100", "4/4", "") and "ChordPro" in said
    assert [label for _, _, label in line["annotations"]["chords"]] == ["C", "G"]
    picture = tmp_path / "<night>.png"
    PIL.Image.new("RGB", (64, 48), (20, 24, 60)).save(picture)
    words, instruments, drumless, mood, energy, key, bpm, said = client.predict(
        picture=handle_file(picture), text="harp", api_name="/see_picture"
    )
    assert words.startswith("harp, dark, calm") and (mood, energy, key) == ("dark", "calm", "A minor")
    assert "piano" in instruments and drumless and float(bpm) < 90 and "brightness" in said and "<night>" not in said
    pads = {"taps": [0, 0.5, 1, 1.5], "hits": [[0, "kick"], [0.6, "snare"]]}
    assert client.predict(pads=pads, api_name="/tap_tempo") == "120"
    line, _ = client.predict(pads=pads, score=line, api_name="/tap_beat")
    assert line["annotations"]["drums"]["classes"]["kick"][:2] == [0.0, 2.4]
    assert client.predict(score=line, api_name="/clear_timeline")[0]["annotations"] == {}


FUNCTIONS = (
    "generate edit extend vary cancel takes choose star download export send_to_style use_settings set_score "
    "clear_timeline see_picture read_sheet hear_tune hear_beat tap_beat tap_tempo"
).split()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"api_name": "/generate", "chords": "H7"}, "H7"),
        ({"api_name": "/generate", "model": "/etc"}, "not in the list of choices"),
        ({"api_name": "/generate", "seconds": 1e9}, "greater than maximum"),
        ({"api_name": "/generate", "bpm": "fast"}, "beats a minute"),
        ({"api_name": "/edit", "take": "../../x.wav", "bars": "1"}, "no take"),
        ({"api_name": "/edit", "take": ""}, "choose a take"),
        ({"api_name": "/vary", "take": "x", "strength": 2}, "greater than maximum"),
        ({"api_name": "/tap_tempo", "pads": {"taps": [1]}}, "at least 4"),
        ({"api_name": "/generate", "score": {"annotations": 3}}, "'seconds' is missing"),
    ],
)
def test_bad_requests_end_in_one_line(client: Any, call: dict[str, Any], message: str) -> None:
    from gradio_client.exceptions import AppError

    with pytest.raises(AppError) as error:
        client.predict(**call)
    assert message in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) <= 500


def test_uploads_are_limited_and_guarded(client: Any, site: Site, tmp_path: Path) -> None:
    from gradio_client import handle_file
    from gradio_client.exceptions import AppError

    fake = tmp_path / "fake.wav"
    fake.write_bytes(b"#!/bin/sh\nnot a sound")
    with pytest.raises(AppError, match=r"cannot read fake\.wav as audio"):
        client.predict(hum=handle_file(fake), api_name="/hear_tune")
    program = tmp_path / "program.exe"
    program.write_bytes(b"MZ")
    with pytest.raises(AppError, match="Invalid file type"):
        client.predict(sheet=handle_file(program), api_name="/read_sheet")
    big = urllib.request.Request(site.address, data=b"", headers={"Content-Length": str(server.MOST_BODY + 1)})
    with pytest.raises(urllib.error.HTTPError, match="413"):
        urllib.request.urlopen(big)
    elsewhere = urllib.request.Request(site.address, headers={"Host": "evil.example"})
    with pytest.raises(urllib.error.HTTPError, match="400"):
        urllib.request.urlopen(elsewhere)
    stranger = urllib.request.Request(f"{site.address}takes/x.wav", headers={"Cookie": f"flowmusic_owner={'a' * 22}"})
    with pytest.raises(urllib.error.HTTPError, match="404"):
        urllib.request.urlopen(stranger)
    assert shelf.is_owner("a" * 22)


@pytest.mark.parametrize(("host", "answer"), [("127.0.0.1", 400), ("0.0.0.0", 404)])
def test_other_names_are_answered_where_the_network_is(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: str, answer: int
) -> None:
    """On the loopback interface a name from elsewhere is refused; on a network, a machine has whatever name it has."""
    from fastapi.testclient import TestClient

    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    app = server.application(server.Settings(Shelves(tmp_path, False), site.acts.choices, "cpu", host, tmp_path))
    assert TestClient(app, base_url="http://studio.example").get("/takes/x.wav").status_code == answer
