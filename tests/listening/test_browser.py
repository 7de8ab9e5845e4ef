"""A listener in a real browser, from the first screen to the file that is handed in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from flowmusic.apps.cli import main
from flowmusic.listening import results

api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (pip install playwright)")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed (apt-get install chromium)")

SWITCHED = """async () => {
  const rate = 8000;
  const context = new OfflineAudioContext(1, 2 * rate, rate);
  const make = (sign) => {
    const buffer = context.createBuffer(1, rate, rate);
    buffer.copyToChannel(Float32Array.from({ length: rate }, (_, n) => sign * (0.1 + n / (2 * rate))), 0);
    return buffer;
  };
  const player = new Player(context, [make(1), make(-1)], context.destination);
  player.play(0, 0);
  player.select(1, 0.5);
  player.select(0, 1.25);
  return Array.from((await context.startRendering()).getChannelData(0));
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture(scope="module")
def url(kit: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page")
    assert main(["listen-test", str(kit / "test.yaml"), "--out", str(out), "--quiet"]) == 0
    return (out / "index.html").as_uri()


def answer(page: Any) -> None:
    """Listen to everything on a screen and answer, with the keyboard where there are keys."""
    if page.query_selector("input[type=checkbox]"):
        page.check("input[type=checkbox]")
    for number, _ in enumerate(page.query_selector_all("button.sound"), start=1):
        page.keyboard.press(str(number))
    for slider in page.query_selector_all(".scale input"):
        slider.focus()
        slider.press("ArrowUp")
    for group in page.query_selector_all("fieldset"):
        group.query_selector("input").check()


def test_a_listener_answers_every_kind_of_question_and_saves_it(
    browser: Any, url: str, kit: Path, tmp_path: Path
) -> None:
    context = browser.new_context(accept_downloads=True, viewport={"width": 360, "height": 740})
    page = context.new_page()
    problems: list[str] = []
    asked: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{url}?listener=ann")
    page.click("#start")
    seen: list[str] = []
    while not page.query_selector("#save-json"):
        page.wait_for_selector("#next, #save-json")
        title = page.inner_text("h1")
        if title not in ("Volume",):
            assert not page.is_enabled("#next"), f"{title}: nothing is answered yet"
        answer(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{title} is too wide"
        seen.append(title)
        page.click("#next")
        if len(seen) == 4:  # in the middle of it the page is closed and opened again
            screens = page.evaluate("list.map((each) => each.page.id + each.stimuli.map((s) => s.name))")
            page.goto(url)
            page.click("#resume")
            page.wait_for_selector("#next")
            assert page.evaluate("list.map((each) => each.page.id + each.stimuli.map((s) => s.name))") == screens
            assert page.evaluate("state.at") == 4
    assert sorted(set(seen)) == sorted(
        ["Welcome", "Volume", "MUSHRA", "ABX", "Preference", "MOS", "Does it follow this hum?", "Several"]
    )
    assert not page.is_enabled("#save-json"), "a question is open"
    page.fill("#asked-remarks", '=1+2, "fine"')
    with page.expect_download() as saved:
        page.click("#save-json")
    saved.value.save_as(tmp_path / saved.value.suggested_filename)
    page.click("summary")
    for button in page.query_selector_all("details button"):
        with page.expect_download() as saved:
            button.click()
        saved.value.save_as(tmp_path / saved.value.suggested_filename)
    context.close()
    assert problems == []
    assert asked and all(each.startswith(("file:", "blob:")) for each in asked)
    names = sorted(path.name for path in tmp_path.iterdir())
    tables = ("lms", "lss", "mushra", "paired_comparison", "preference")
    assert names == [*(f"kit-ann-{table}.csv" for table in tables), "kit-ann.json"]
    from_json = results.read([tmp_path / "kit-ann.json"])
    from_tables = results.read([path for path in tmp_path.iterdir() if path.suffix == ".csv"])
    for answers in (from_json, from_tables):
        assert len(answers.listeners()) == 1 and answers.listeners()[0].startswith("ann ")
        # Five sounds of MUSHRA, two of MOS, one hum, two of several.
        assert (len(answers.ratings), len(answers.choices), len(answers.recognised)) == (10, 3, 1)
    both = results.read([tmp_path])
    assert (len(both.ratings), len(both.choices), len(both.recognised)) == (10, 3, 1), "what occurs twice counts once"
    session = json.loads((tmp_path / "kit-ann.json").read_text())
    assert session["participant"]["response"] == ["ann", '=1+2, "fine"']
    assert "'=1+2" in (tmp_path / "kit-ann-mushra.csv").read_text(), "no formula for a spreadsheet"


def test_sounds_switch_in_place(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    heard = page.evaluate(SWITCHED)
    page.close()
    rate = 8000

    def wanted(second: float) -> float:
        return 0.1 + (second % 1.0) / 2

    for second, sign in ((0.25, 1), (0.49, 1), (0.52, -1), (0.9, -1), (1.2, -1), (1.3, 1), (1.9, 1)):
        assert heard[round(second * rate)] == pytest.approx(sign * wanted(second), abs=1e-3), second
    # Between two opposite sounds the fade passes through silence, without a jump.
    fade = heard[round(0.5 * rate) : round(0.51 * rate) + 1]
    assert max(abs(b - a) for a, b in zip(fade, fade[1:], strict=False)) < 0.02


def test_the_order_is_the_listener_s_own_and_the_same_again(browser: Any, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    order = "(name) => screensOf(test, name).map((each) => each.page.id + each.stimuli.map((s) => s.name)).join()"
    orders = [page.evaluate(order, f"listener {number}") for number in range(12)]
    assert len(set(orders)) >= 10
    assert page.evaluate(order, "listener 3") == orders[3]
    # Where the better one stands tells nothing.
    first = "(name) => screensOf(test, name).find((each) => each.page.kind === 'paired_comparison').stimuli[0].name"
    places = [page.evaluate(first, f"listener {number}") for number in range(60)]
    page.close()
    assert 18 <= places.count("reference") <= 42
