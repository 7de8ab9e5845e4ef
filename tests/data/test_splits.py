"""Splits are the same everywhere, and keep together what belongs together."""

from __future__ import annotations

import pytest

from flowmusic.datasets import splits


def test_shares_come_out_and_more_recordings_move_nobody() -> None:
    names = [f"hash {number}" for number in range(2000)]
    alone = splits.assign(names, [[]] * 2000, [None] * 2000, 0.1, 0.2)
    assert 150 < alone.count("validation") < 250 and 330 < alone.count("test") < 470
    assert splits.assign(names[:500], [[]] * 500, [None] * 500, 0.1, 0.2) == alone[:500]


def test_artists_albums_and_duplicates_stay_together() -> None:
    own = [f"hash {number}" for number in range(300)]
    shared = [splits.bonds({"artist": f"Artist {number % 30}"}, "x") for number in range(300)]
    found = splits.assign(own, shared, [None] * 300, 0.2, 0.2)
    assert len(set(found)) == 3
    assert all(len({found[place] for place in range(artist, 300, 30)}) == 1 for artist in range(30))
    # A duplicate by another artist joins both artists.
    joined = [[*each, "a.wav"] if place in (0, 1) else each for place, each in enumerate(shared)]
    found = splits.assign(own, joined, [None] * 300, 0.5, 0.4)
    assert len({found[place] for artist in (0, 1) for place in range(artist, 300, 30)}) == 1


def test_bonds() -> None:
    assert splits.bonds({"artist": " The  Band", "album": "One"}, "f") == ["artist:the band", "album:the band:one"]
    assert splits.bonds({"artist": "Various Artists", "album": "Hits"}, "f") == ["album:various artists:hits"]
    assert splits.bonds({"album": "Hits"}, "f") == ["album:f:hits"]
    assert splits.bonds({}, "f") == [] and splits.bonds({}, "f", by_folder=True) == ["folder:f"]


def test_a_new_recording_does_not_move_its_folder() -> None:
    shared = [splits.bonds({}, f"folder {number // 4}", by_folder=True) for number in range(80)]
    first = splits.assign([f"b{number}" for number in range(80)], shared, [None] * 80, 0.3, 0.3)
    more = splits.assign([f"b{n}" for n in range(80)] + ["a"] * 20, shared + shared[::4], [None] * 100, 0.3, 0.3)
    assert more[:80] == first and len(set(first)) == 3
    assert all(len(set(first[place : place + 4])) == 1 for place in range(0, 80, 4))


def test_what_somebody_decided_stays_and_the_rest_follows() -> None:
    shared = [["artist:a"], ["artist:a"], ["artist:a"], []]
    found = splits.assign(["1", "2", "3", "4"], shared, [None, "test", "train", "validation"], 0.0, 0.0)
    assert found == ["test", "test", "train", "validation"]


@pytest.mark.parametrize("shares", [(0.6, 0.4), (-0.1, 0.2)])
def test_impossible_shares(shares: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="0 or more, together below 1"):
        splits.assign([], [], [], *shares)
