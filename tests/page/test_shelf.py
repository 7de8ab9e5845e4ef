"""Takes in folders, work that waits its turn, taps: what the page does without a browser."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic import progress
from flowmusic.errors import UsageError
from flowmusic.page import listening, shelf
from flowmusic.page.shelf import Shelf, Shelves
from flowmusic.page.work import MOST_WAITING, Desk, Stopped

RATE = 8000


def put(folder: Path, name: str, level: float = 0.1, **record: object) -> Path:
    times = np.arange(RATE) / RATE
    soundfile.write(folder / name, level * np.sin(2 * np.pi * 440.0 * times), RATE)
    told = {"seed": 1, "model": "nano", "text": "x", "seconds": 1.0, **record}
    (folder / name).with_suffix(".json").write_text(json.dumps(told))
    return folder / name


def test_a_shelf_lists_takes_and_nothing_else(tmp_path: Path) -> None:
    old = put(tmp_path, "old.wav", text="<img src=x onerror=alert(1)>", adherence={"chord_acc": 0.9, "reasons": {}})
    os.utime(old, (1, 1))
    put(tmp_path, "new.wav", level=0.01)
    soundfile.write(tmp_path / "alone.wav", np.zeros(100), RATE)
    put(tmp_path, "broken.wav").with_suffix(".json").write_text("{")
    os.symlink(old, tmp_path / "link.wav")
    (tmp_path / "link.json").write_text((tmp_path / "old.json").read_text())
    own = Shelf(tmp_path)
    assert [take.name for take in own.takes()] == ["new.wav", "old.wav"]
    row = own.take("old.wav").row("/takes")
    assert row["text"] == "<img src=x onerror=alert(1)>" and row["scores"] == {"chord_acc": 0.9}
    assert row["audio"] == "/takes/old.wav"
    # 20 dB less sound, 20 dB more gain.
    gains = [take.row("")["gain_db"] for take in own.takes()]
    assert gains[0] - gains[1] == pytest.approx(20.0, abs=0.2)
    assert max(shelf.peaks(old)) == pytest.approx(0.1, abs=0.01) and len(shelf.peaks(old)) == shelf.PEAKS


@pytest.mark.parametrize("name", ["../secret.wav", "link.wav", "", "take.json", "/etc/passwd"])
def test_a_name_leads_nowhere_else(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "takes"
    folder.mkdir()
    secret = put(tmp_path, "secret.wav")
    put(folder, "take.wav")
    os.symlink(secret, folder / "link.wav")
    (folder / "link.json").write_text(secret.with_suffix(".json").read_text())
    with pytest.raises(UsageError, match="no take"):
        Shelf(folder).take(name)


def test_stars_are_kept_in_the_folder(tmp_path: Path) -> None:
    put(tmp_path, "take.wav")
    Shelf(tmp_path).star("take.wav", True)
    assert Shelf(tmp_path).take("take.wav").starred
    Shelf(tmp_path).star("take.wav", False)
    assert not Shelf(tmp_path).takes()[0].starred
    (tmp_path / shelf.STARS).write_text("{broken")
    assert not Shelf(tmp_path).takes()[0].starred


def test_each_browser_has_a_folder_unless_one_is_chosen(tmp_path: Path) -> None:
    one, other = shelf.new_owner(), shelf.owner_of_session("session")
    assert shelf.is_owner(one) and shelf.is_owner(other) and one != other
    apart = Shelves(tmp_path, shared=False)
    assert apart.of(one).folder != apart.of(other).folder
    for bad in ("", "..", "../" * 8, "a" * 21 + "/", "a" * 23):
        with pytest.raises(UsageError):
            apart.of(bad)
    assert Shelves(tmp_path, shared=True).of("..").folder == tmp_path


def test_work_is_done_one_at_a_time_in_order_and_stops_where_asked() -> None:
    desk, gate = Desk(), threading.Event()
    order: list[str] = []

    def waits() -> str:
        with progress.Bar("first", "eval", 10, shown=False) as bar:
            bar.to(1)
            gate.wait(10)
            bar.to(2)
        return "never"

    first = desk.begin("ann", waits)

    def follows() -> str:
        order.append("second")
        return "done"

    second = desk.begin("bob", follows)
    for state in first.states():
        if state[1] is not None:
            break
    assert state == ("first: 1/10 evals", 0.1) and not order
    assert desk.stop("ann") == 1
    gate.set()
    with pytest.raises(Stopped):
        first.outcome()
    assert second.outcome() == "done" and order == ["second"]


def test_one_owner_does_not_fill_the_desk() -> None:
    desk, gate = Desk(), threading.Event()
    works = [desk.begin("ann", lambda: gate.wait(10)) for _ in range(MOST_WAITING)]
    with pytest.raises(UsageError, match="waiting already"):
        desk.begin("ann", lambda: None)
    assert desk.stop("ann") == MOST_WAITING
    gate.set()
    works[0].outcome()
    for work in works[1:]:
        with pytest.raises(Stopped):
            work.outcome()


def test_taps_make_a_tempo_and_a_pattern() -> None:
    assert listening.tempo_of([10.0, 10.51, 11.0, 11.5, 12.9]) == pytest.approx(120.0, abs=3.0)
    with pytest.raises(ValueError, match="at least 4"):
        listening.tempo_of([0.0, 0.5, 1.0])
    hits = listening.pattern([(5.0, "kick"), (5.52, "snare"), (6.01, "kick")], 120.0, 4, 4.0)
    assert hits.classes == {"kick": (0.0, 1.0, 2.0, 3.0), "snare": (0.5, 2.5), "hat": ()}
    assert hits.onsets == (0.0, 0.5, 1.0, 2.0, 2.5, 3.0)
    for bad, message in (
        ([], "no hits"),
        ([(0.0, "cowbell")], "kick, snare, hat"),
        ([(float("nan"), "kick")], "a hit"),
    ):
        with pytest.raises(ValueError, match=message):
            listening.pattern(bad, 120.0, 4, 4.0)
