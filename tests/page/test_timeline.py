"""The timeline in a real browser: a person edits it by mouse, keys and finger, and Python sees annotations."""

from __future__ import annotations

import json
import math
import os
import shutil
import struct
import time
import wave
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")

import gradio as gr

from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.page.timeline import timeline
from flowmusic.page.timeline_script import assembled
from flowmusic.page.timeline_value import Edited, read, to_value

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed; it is in the extra dev")

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no browser is installed; chromium of the system would do")

BAR, BEAT = 2.0, 0.5
"""Seconds, at 120 beats a minute and 4 beats a bar, as all timelines here have."""
HOSTILE = "<img src=x onerror=\"document.title='owned'\">"
PATIENCE_S = 60.0
"""Nothing is timed: a slow machine is given longer than anything takes."""


class Page:
    """One timeline in one page of a browser, and what Python was sent last."""

    def __init__(self, page: Any, seen: list[Edited], errors: list[str], folder: Path) -> None:
        self.page, self.seen, self.errors, self.folder = page, seen, errors, folder

    def load(self, annotations: Annotations | None = None, seconds: float = 8.0, **more: Any) -> None:
        """Show a value that comes from Python."""
        value = to_value(annotations or Annotations(), seconds=seconds, bpm=120.0, **more)
        before = self.page.locator("#loaded textarea").input_value()
        self.page.locator("#load textarea").fill(json.dumps(value))
        self.page.locator("#go").click()
        sync_api.expect(self.page.locator("#loaded textarea")).not_to_have_value(before)
        self.page.evaluate("window.scrollTo(0, 0)")
        self.seen.clear()

    @property
    def now(self) -> Edited:
        return self.seen[-1] if self.seen else Edited(Annotations(), None, 8.0, 120.0, 4)

    def until(self, holds: Callable[[Edited], bool]) -> None:
        """Wait for a value that Python is sent."""
        end = time.monotonic() + PATIENCE_S
        while not holds(self.now):
            assert time.monotonic() < end, f"still {self.now}; the page says {self.said()}"
            self.page.wait_for_timeout(20)

    def said(self) -> str:
        return str(self.page.locator(".tl-status").text_content())

    def lane(self, name: str) -> Any:
        return self.page.locator(f".tl-track[data-lane={name}]")

    def blocks(self, name: str) -> Any:
        return self.page.locator(f".tl-block-{name}")

    def point(self, lane: str, seconds: float, share: float = 0.5) -> tuple[float, float]:
        """Where a time of a lane is on the screen, and a share of its height."""
        return self.within(lane, seconds, share * float(self.lane(lane).bounding_box()["height"]))

    def within(self, lane: str, seconds: float, down: float) -> tuple[float, float]:
        # As a person would scroll: the whole lane into sight, and nothing sideways.
        self.lane(lane).evaluate(
            "lane => { const { top, bottom } = lane.getBoundingClientRect();"
            " if (top < 0 || bottom > innerHeight) scrollBy(0, bottom - innerHeight + 8); }"
        )
        box = self.lane(lane).bounding_box()
        length = float(self.page.locator("[data-lane=ruler]").get_attribute("aria-valuemax"))
        return box["x"] + seconds / length * box["width"], box["y"] + down

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        mouse = self.page.mouse
        mouse.move(*start)
        mouse.down()
        mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2)
        mouse.move(*end)
        mouse.up()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def focused(self) -> str:
        return str(self.page.evaluate("document.activeElement.getAttribute('aria-label')"))


def tone(path: Path) -> Path:
    """Six seconds of sound: long enough to be seen playing by a browser that has to wait for its turn."""
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(b"".join(struct.pack("<h", int(9000 * math.sin(n / 4))) for n in range(48_000)))
    return path


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, list[Edited], Path]]:
    """A page with a timeline, a way to put a value on it, and a list of what Python was sent."""
    folder = tmp_path_factory.mktemp("page")
    seen: list[Edited] = []

    def edited(value: dict[str, Any]) -> dict[str, Any]:
        seen.append(read(value))
        return value["annotations"]

    with gr.Blocks() as demo:
        shown = timeline("Song", elem_id="song")
        output = gr.JSON(elem_id="out")
        wanted = gr.Textbox(elem_id="load", lines=2)
        done = gr.Textbox(elem_id="loaded", lines=2)
        loads = iter(range(1_000_000))
        shown.input(edited, shown, output, show_progress="hidden")
        gr.Button("go", elem_id="go").click(
            lambda text: (json.loads(text), str(next(loads))), wanted, [shown, done], show_progress="hidden"
        )
    demo.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, allowed_paths=[str(folder)], show_error=True
    )
    yield str(demo.local_url), seen, folder
    demo.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api.expect.set_options(timeout=PATIENCE_S * 1000)
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=BROWSER,
            args=["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"],
        )
        yield found
        found.close()


def opened(browser: Any, server: tuple[str, list[Edited], Path], **settings: Any) -> Page:
    """A page that notes errors, and requests to any other host."""
    url, seen, folder = server
    page = browser.new_context(**settings).new_page()
    page.set_default_timeout(PATIENCE_S * 1000)
    errors: list[str] = []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    own = (url, "data:", "blob:")
    page.on("request", lambda asked: None if asked.url.startswith(own) else errors.append(f"asked for {asked.url}"))
    page.goto(url)
    page.wait_for_selector(".tl")
    return Page(page, seen, errors, folder)


@pytest.fixture(scope="module")
def desk(browser: Any, server: tuple[str, list[Edited], Path]) -> Page:
    return opened(browser, server, viewport={"width": 1000, "height": 1000}, color_scheme="light")


@pytest.fixture
def page(desk: Page) -> Iterator[Page]:
    """The timeline, empty and 8 s long."""
    desk.load()
    desk.page.evaluate("document.activeElement.blur()")
    yield desk
    assert desk.errors == []


def four_chords() -> Annotations:
    return Annotations(chords=((0.0, 2.0, "C"), (2.0, 4.0, "Am"), (4.0, 6.0, "F"), (6.0, 8.0, "G")))


def test_chords_are_typed_and_chosen(page: Page) -> None:
    page.page.mouse.click(*page.point("chords", 0.3))
    # A tap on an empty bar puts the tonic there and asks for its name.
    page.until(lambda value: value.annotations.chords == ((0.0, BAR, "C"),))
    assert page.focused() == "Chord"
    page.page.keyboard.type("Am F | Cmaj9")
    page.press("Enter")
    page.until(lambda value: value.annotations.chords == ((0.0, 1.0, "Am"), (1.0, 2.0, "F"), (2.0, 4.0, "Cmaj7")))
    assert "Cmaj9 is taken as Cmaj7" in page.said()
    # A letter on a chosen chord begins to type over it; what is no chord is said, and nothing changes.
    page.press("b", "Backspace")
    page.page.keyboard.insert_text(HOSTILE)
    page.press("Enter")
    sync_api.expect(page.page.locator(".tl-chord-field")).to_have_attribute("aria-invalid", "true")
    assert "does not begin with a note" in page.said()
    page.press("Escape")
    page.page.locator("select[aria-label='Key of the palette']").select_option("A minor")
    page.page.get_by_role("button", name="E7", exact=True).click()
    page.until(lambda value: value.annotations.chords[0] == (0.0, 1.0, "E7"))
    # With none chosen, buttons go on from the position, a bar at a time.
    page.blocks("chords").first.focus()
    page.press("Escape")
    page.page.mouse.click(*page.point("ruler", 4.0))
    for name in ("Dm", "G"):
        page.page.get_by_role("button", name=name, exact=True).click()
    page.until(lambda value: value.annotations.chords[-2:] == ((4.0, 6.0, "Dm"), (6.0, 8.0, "G")))


def test_a_border_of_chords_is_dragged_and_taken_back(page: Page) -> None:
    page.load(four_chords())
    box = page.blocks("chords").nth(1).bounding_box()
    edge = (box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    page.drag(edge, (page.point("chords", 4.95)[0], edge[1]))
    moved = ((0.0, 2.0, "C"), (2.0, 5.0, "Am"), (5.0, 6.0, "F"), (6.0, 8.0, "G"))
    page.until(lambda value: value.annotations.chords == moved)
    # Dragged onto another one, a chord takes its place.
    x, y = page.point("chords", 1.0, 0.4)
    page.drag((x, y), (page.point("chords", 5.0, 0.4)[0], y))
    page.until(lambda value: value.annotations.chords == ((2.0, 4.0, "Am"), (4.0, 6.0, "C"), (6.0, 8.0, "G")))
    page.press("Control+z")
    page.until(lambda value: value.annotations.chords == moved)
    page.page.get_by_role("button", name="Undo (Ctrl Z)").click()
    page.until(lambda value: value.annotations.chords == four_chords().chords)
    page.press("Control+Shift+Z")
    page.until(lambda value: value.annotations.chords == moved)
    # Escape gives a drag up.
    page.page.mouse.move(*page.point("chords", 1.0, 0.4))
    page.page.mouse.down()
    page.page.mouse.move(*page.point("chords", 7.0, 0.4))
    page.press("Escape")
    page.page.mouse.up()
    assert page.blocks("chords").count() == 4 and page.now.annotations.chords == moved


def test_notes_are_added_moved_and_deleted(page: Page) -> None:
    melody = page.lane("melody")
    rows = melody.bounding_box()["height"] / 12
    page.page.mouse.click(*page.within("melody", 1.1, 12 * 3 + 6))
    page.until(lambda value: bool(value.annotations.melody))
    ((start, end, midi),) = page.now.annotations.melody or ()
    assert (start, end) == (1.0, 1.5) and 40 < midi < 40 + 2 * rows
    # Drawn with its length, beside the first.
    page.drag(page.within("melody", 2.05, 12 * 5 + 6), page.within("melody", 3.45, 12 * 5 + 6))
    page.until(lambda value: value.annotations.melody == ((1.0, 1.5, midi), (2.0, 3.5, midi - 2)))
    # Two rows down and a beat on, onto the beginning of the other, which is cut.
    box = page.blocks("melody").first.bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.drag(middle, (middle[0] + page.point("melody", 1.0)[0] - page.point("melody", 0.0)[0], middle[1] + 24))
    page.until(lambda value: value.annotations.melody == ((2.0, 2.5, midi - 2), (2.5, 3.5, midi - 2)))
    page.press("Shift+ArrowUp", "ArrowDown", "Shift+ArrowRight")
    page.until(lambda value: value.annotations.melody == ((2.0, 3.0, midi + 9), (3.0, 3.5, midi - 2)))
    page.press("Delete")
    page.until(lambda value: value.annotations.melody == ((3.0, 3.5, midi - 2),))
    page.blocks("melody").first.dblclick()
    page.until(lambda value: value.annotations.melody is None)
    # Free, none, free.
    page.page.get_by_role("button", name="Melody: left to the model").click()
    page.until(lambda value: value.annotations.melody == ())
    page.page.get_by_role("button", name="Melody: none").click()
    page.until(lambda value: value.annotations.melody is None)


def test_drums_are_tapped_and_swung(page: Page) -> None:
    for seconds, row in ((0.05, 0), (0.55, 1), (0.18, 2), (0.05, 2)):
        page.page.mouse.click(*page.within("drums", seconds, row * 26 + 12))
    classes = {"kick": (0.0,), "snare": (0.5,), "hat": (0.0, 0.125)}
    page.until(lambda value: value.annotations.drums == DrumHits((0.0, 0.125, 0.5), classes))
    swing = page.page.get_by_role("slider", name="Swing")
    swing.fill("67")
    swing.dispatch_event("change")
    page.until(lambda value: value.annotations.drums.classes["hat"] == (0.0, 0.1675))
    page.page.get_by_role("button", name="Repeat first bar").click()
    page.until(lambda value: value.annotations.drums.classes["kick"] == (0.0, 2.0, 4.0, 6.0))
    page.page.mouse.click(*page.within("drums", 0.05, 12))
    page.until(lambda value: value.annotations.drums.classes["kick"] == (2.0, 4.0, 6.0))
    # The swing is heard out of hits that come from elsewhere.
    page.load(page.now.annotations)
    page.page.mouse.click(*page.within("drums", 0.72, 12))
    page.until(lambda value: bool(value.annotations.drums) and value.annotations.drums.classes["kick"][0] == 0.6675)


def test_a_section_with_hostile_words_stays_text(page: Page) -> None:
    page.page.mouse.click(*page.point("sections", 0.3))
    page.until(lambda value: bool(value.annotations.sections))
    assert page.focused() == "Name of the section"
    page.page.keyboard.insert_text(HOSTILE)
    page.press("Enter")
    page.page.keyboard.insert_text("calm & <script>alert(1)</script>")
    page.press("Enter")
    expected = ((0.0, 8.0, HOSTILE, "calm & <script>alert(1)</script>"),)
    page.until(lambda value: value.annotations.sections == expected)
    sync_api.expect(page.blocks("sections").locator(".tl-label")).to_have_text(HOSTILE)
    assert page.page.locator(".tl img, .tl script").count() == 0
    # From Python as well.
    page.load(Annotations(seconds=8.0, key=HOSTILE, sections=((0.0, 4.0, HOSTILE, HOSTILE),)), recognised=Annotations())
    assert page.page.locator(".tl img").count() == 0 and page.page.title() != "owned"


def test_a_region_is_dragged_in_bars(page: Page) -> None:
    page.load(four_chords(), waveform=[0.5] * 200)
    page.drag(page.point("region", 2.5), page.point("region", 5.2))
    page.until(lambda value: value.region == (2, 3))
    assert page.now.region_seconds() == (2.0, 6.0) and page.now.waveform == (0.5,) * 200
    x, y = page.point("region", 6.0)
    page.drag((x - 4, y), page.point("region", 7.5))
    page.until(lambda value: value.region == (2, 4))
    page.press("ArrowLeft")
    page.until(lambda value: value.region == (2, 3))
    page.press("Delete")
    page.until(lambda value: value.region is None)
    page.press("Control+z")
    page.until(lambda value: value.region == (2, 3))


def test_the_keyboard_alone_suffices(page: Page) -> None:
    page.page.get_by_role("button", name="Keys and help (?)").focus()
    page.press("Enter")
    sync_api.expect(page.page.get_by_role("dialog")).to_contain_text("undo, redo")
    page.press("Escape", "Tab")
    assert page.focused() == "Position"
    page.press("Home", "Shift+ArrowRight", "ArrowRight", "ArrowLeft", "ArrowDown")
    assert page.focused().startswith("Take")
    page.press("Enter", "Shift+ArrowRight")
    page.until(lambda value: value.region == (2, 3))
    page.press("ArrowDown", "n")
    page.page.keyboard.type("chorus")
    page.press("Enter")
    page.page.keyboard.type("loud")
    page.press("Enter")
    page.until(lambda value: value.annotations.sections == ((2.0, 8.0, "chorus", "loud"),))
    page.press("ArrowDown", "Insert")
    page.page.keyboard.type("E7")
    page.press("Enter", "n")
    page.page.keyboard.type("Am")
    page.press("Enter")
    page.until(lambda value: value.annotations.chords == ((2.0, 4.0, "E7"), (4.0, 6.0, "Am")))
    page.press("ArrowLeft", "Shift+ArrowLeft", "ArrowRight", "Alt+ArrowLeft")
    page.until(lambda value: value.annotations.chords == ((2.0, 3.0, "E7"), (3.0, 5.5, "Am")))
    page.press("Delete")
    page.until(lambda value: value.annotations.chords == ((2.0, 3.0, "E7"),))
    page.press("ArrowDown", "n", "Escape", "ArrowRight", "ArrowUp", "n", "Escape", "ArrowRight", "Shift+ArrowDown")
    page.until(lambda value: value.annotations.melody == ((2.0, 2.5, 49), (2.5, 3.0, 61)))
    page.press("Home", "Alt+ArrowLeft")
    page.until(lambda value: value.annotations.melody == ((1.5, 2.0, 49), (2.5, 3.0, 61)))
    page.press("Tab")
    page.lane("drums").locator(".tl-step").focus()
    page.press("Home", "Enter", "ArrowDown", "Shift+ArrowRight", " ", "ArrowDown", "ArrowRight", "Enter", "Delete")
    page.until(
        lambda value: value.annotations.drums == DrumHits((0.0, 0.5), {"kick": (0.0,), "snare": (0.5,), "hat": ()})
    )
    assert page.focused() == "hat, bar 1 step 6"
    width = page.lane("drums").bounding_box()["width"]
    page.press("+")
    assert page.lane("drums").bounding_box()["width"] == pytest.approx(1.5 * width, rel=0.01)
    page.press("-", "Control+z", "Control+z")
    page.until(lambda value: value.annotations.drums.classes["hat"] == ())
    # Undo leads back to the empty timeline, and from there on to what was loaded before this test.
    left = page.page.locator(".tl-block, .tl-hit, .tl-region:not([hidden])")
    for _ in range(60):
        if left.count() == 0:
            break
        page.press("Control+z")
    page.until(lambda value: value.annotations == Annotations() and value.region is None)
    # Nobody is caught in the timeline: Tab leaves it.
    for _ in range(40):
        page.press("Tab")
        if not page.page.evaluate("document.activeElement.closest('.tl') !== null"):
            break
    else:
        pytest.fail("Tab never leaves the timeline")


def test_requested_and_recognised_stand_in_the_same_lanes(page: Page) -> None:
    heard = Annotations(chords=((0.0, 2.0, "C"), (2.0, 3.0, "Am"), (3.0, 6.0, "F")), beats=(0.0, 0.5))
    page.load(four_chords(), recognised=heard, waveform=[0.1, 0.9], audio="https://example.org/a.wav")
    assert page.page.locator(".tl-row-chords .tl-share").all_text_contents() == ["100 %", "50 %", "100 %", "0 %"]
    assert page.page.locator(".tl-heard-chord").all_text_contents() == ["C", "Am", "F"]
    assert "bar 2 50 percent" in str(page.lane("chords").get_attribute("aria-label"))
    # Nothing is fetched from another host, so there is nothing to play.
    assert page.page.get_by_role("button", name="Play").get_attribute("aria-disabled") == "true"
    # Another take of the same music leaves undo as it is.
    page.blocks("chords").first.focus()
    page.press("Delete")
    page.until(lambda value: len(value.annotations.chords or ()) == 3)
    page.load(page.now.annotations, recognised=Annotations())
    page.blocks("chords").first.focus()
    page.press("Control+z")
    page.until(lambda value: value.annotations.chords == four_chords().chords)


def test_the_take_is_played(page: Page) -> None:
    sound = tone(page.folder / "take.wav")
    page.load(four_chords(), seconds=8.0, audio=f"/gradio_api/file={sound}")
    page.blocks("chords").first.focus()
    page.press("p")
    sync_api.expect(page.page.get_by_role("button", name="Pause")).to_be_visible()
    page.page.wait_for_function("Number(document.querySelector('[data-lane=ruler]').ariaValueNow) >= 0")
    page.page.wait_for_function("document.querySelector('.tl-cursor').style.getPropertyValue('--x') !== '0px'")
    sync_api.expect(page.page.get_by_role("button", name="Play")).to_be_visible()


def test_a_finger_on_a_dark_telephone(browser: Any, server: tuple[str, list[Edited], Path], tmp_path: Path) -> None:
    phone = opened(
        browser,
        server,
        viewport={"width": 360, "height": 740},
        has_touch=True,
        is_mobile=True,
        color_scheme="dark",
    )
    phone.load(four_chords())
    touch = phone.page.context.new_cdp_session(phone.page)

    def swipe(start: tuple[float, float], end: tuple[float, float]) -> None:
        for kind, share in (("touchStart", 0.0), ("touchMove", 0.3), ("touchMove", 0.7), ("touchMove", 1.0)):
            x, y = (a + (b - a) * share for a, b in zip(start, end))
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [{"x": x, "y": y}]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    assert phone.page.locator(".tl").get_attribute("data-theme") == "dark"
    ground = phone.page.evaluate("getComputedStyle(document.querySelector('.tl')).backgroundColor")
    assert sum(map(int, ground.removeprefix("rgb(").removesuffix(")").split(","))) < 3 * 60
    # Nothing is wider than the screen but what scrolls within the lanes.
    assert phone.page.evaluate("document.documentElement.scrollWidth") <= 360
    phone.page.touchscreen.tap(*phone.point("chords", 1.0, 0.4))
    phone.page.get_by_role("button", name="Em", exact=True).tap()
    phone.until(lambda value: bool(value.annotations.chords) and value.annotations.chords[0] == (0.0, 2.0, "Em"))
    phone.point("chords", 0.0)
    box = phone.blocks("chords").first.bounding_box()
    edge = (box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    swipe(edge, (phone.point("chords", 1.5)[0], edge[1]))
    phone.until(lambda value: value.annotations.chords[:2] == ((0.0, 1.5, "Em"), (1.5, 4.0, "Am")))
    swipe(phone.point("region", 0.5), phone.point("region", 3.0))
    phone.until(lambda value: value.region == (1, 2))
    phone.page.touchscreen.tap(*phone.within("drums", 0.02, 12))
    phone.until(lambda value: value.annotations.drums == DrumHits((0.0,), {"kick": (0.0,), "snare": (), "hat": ()}))
    phone.page.touchscreen.tap(*phone.within("melody", 1.1, 42))
    phone.until(lambda value: bool(value.annotations.melody))
    # A finger on empty ground scrolls and draws nothing.
    swipe(phone.point("melody", 3.0, 0.9), phone.point("melody", 1.0, 0.9))
    phone.page.get_by_role("button", name="Delete").tap()
    phone.until(lambda value: value.annotations.melody is None)
    assert phone.errors == []
    phone.page.context.close()


MODULES = """() => {
%s
const grid = time_js.makeGrid(8, 120, 4);
const span = (id, start, end) => ({ id, start, end });
const note = (start, end, midi) => ({ start, end, midi });
const ends = (spans) => spans.map(({ start, end }) => [start, end]);
const drums = { kick: [0, 0.25], snare: [0.5], hat: [0.125, 0.375], other: [1.03] };
return %s;
}"""


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("time_js.snapped(1.3, 0.5)", 1.5),
        ("time_js.snapped(1.3, 0)", 1.3),
        ("time_js.inWords(grid, 2.75)", "bar 2 beat 2.5"),
        ("[time_js.makeGrid(8, 120, 2, '6/8').stepsPerBar, grid.stepsPerBar, grid.bars]", [12, 16, 4]),
        # Over the middle of another one it splits it, and over all of one it takes it away.
        ("ends(spans_js.overlaid([span('a', 0, 4)], span('b', 1, 2)))", [[0, 1], [1, 2], [2, 4]]),
        ("ends(spans_js.overlaid([span('a', 0, 1), span('c', 1, 3)], span('b', 0, 2)))", [[0, 2], [2, 3]]),
        # What is split twice leaves three parts, each with a name of its own.
        (
            "spans_js.overlaid(spans_js.overlaid([span('a', 0, 8)], span('b', 4, 5)), span('c', 1, 2))"
            ".map((each) => each.id)",
            ["a", "c", "a++", "b", "a+"],
        ),
        ("ends(spans_js.borderMoved([span('a', 0, 2), span('b', 2, 4)], 'a', 'end', 9, 0.5, 8))", [[0, 3.5], [3.5, 4]]),
        ("ends(spans_js.borderMoved([span('a', 0, 2), span('b', 3, 4)], 'a', 'end', 9, 0.5, 8))", [[0, 3], [3, 4]]),
        ("ends([spans_js.moved(span('a', 0, 2), 7, 8), spans_js.moved(span('a', 3, 4), -1, 8)])", [[6, 8], [0, 1]]),
        ("music_js.palette(9, 'minor').diatonic.map((chord) => chord.label).join(' ')", "Am Bdim C Dm Em F G"),
        ("music_js.printed('Bbm7b5/Ab')", "B♭m7♭5/A♭"),
        ("[music_js.readKey('Eb minor'), music_js.readKey('nonsense')]", [[3, "minor"], [0, "major"]]),
        # Swing and back is where it began, and is found in what was swung.
        ("drums_js.swingOf(grid, drums_js.reswung(grid, drums, 0.5, 0.66))", 0.66),
        ("drums_js.reswung(grid, drums_js.reswung(grid, drums, 0.5, 0.7), 0.7, 0.5).hat", [0.125, 0.375]),
        ("drums_js.onsets(drums)", [0, 0.125, 0.25, 0.375, 0.5, 1.03]),
        ("agreement_js.perBar('drums', drums, { ...drums, hat: [] }, grid)", [pytest.approx(0.8), None, None, None]),
        ("agreement_js.perBar('melody', [note(0, 2, 60)], [note(0, 1, 72), note(1, 2, 61)], grid)[0]", 0.5),
        ("agreement_js.perBar('chords', null, [], grid)", None),
        ("player_js.ownAddress('https://example.org/a.wav')", None),
        ("player_js.ownAddress('javascript:alert(1)')", None),
        ("((h) => { h.commit(2); h.undo(); h.commit(3); return [h.present, h.redo()]; })(history_js.makeHistory(1))",
         [3, False]),
    ],
)  # fmt: skip
def test_the_model_without_a_page(desk: Page, expression: str, expected: Any) -> None:
    assert desk.page.evaluate(MODULES % (assembled("timeline"), expression)) == expected


def test_a_value_survives_the_script(desk: Page) -> None:
    song = Annotations(
        seconds=8.0,
        text="words",
        meter="4/4",
        beats=(0.0, 0.5),
        chords=((0.0, 4.0, "Am7"),),
        melody=((0.5, 1.25, 60),),
        drums=DrumHits((0.0, 0.5, 0.7), {"kick": (0.0,), "snare": (), "hat": (0.0, 0.5)}),
        sections=((0.0, 4.0, "verse", ""),),
        confidence={"chords": 0.25},
    )
    value = to_value(song, recognised=song, waveform=[0.25], audio="/a.wav", region=(1, 2))
    call = (
        "(() => { const { document, shown } = value_js.readValue(%s); return value_js.writeValue(document, shown); })()"
    )
    back = desk.page.evaluate(MODULES % (assembled("timeline"), call % json.dumps(value)))
    assert read(back) == read(value)
