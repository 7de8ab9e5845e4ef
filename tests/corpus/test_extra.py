"""Genres that are played only when asked for by name, and that asking for none leaves corpora as they were."""

from __future__ import annotations

import hashlib
import itertools
import json
from pathlib import Path

import pytest

from flowmusic.corpus.__main__ import main
from flowmusic.corpus.compose import compose
from flowmusic.corpus.drums import EXTRA_GRIDS, GRIDS
from flowmusic.corpus.extra import EXTRA, named
from flowmusic.corpus.genres import GENRES
from flowmusic.corpus.piece import Piece
from flowmusic.corpus.theory import label_table

SPLITS = ("train", "validation", "test")


@pytest.fixture(scope="module")
def tangos() -> list[Piece]:
    return [compose(seed, SPLITS[seed % 3], 12.0, ("tango",)) for seed in range(90)]


def test_default_pieces_are_what_they_always_were() -> None:
    """Hash of 60 pieces as they were before there was any other genre: published corpora must stay the same."""
    digest = hashlib.sha256()
    for seed in range(60):
        digest.update(repr(compose(seed * 7919, SPLITS[seed % 3], 12.0)).encode())
    assert digest.hexdigest() == "f80671920b64eaddf184b49d467288dee1307672502554ff1dc350428116dd8a"


def test_extra_genres_and_patterns_have_names_of_their_own() -> None:
    assert not {g.name for g in EXTRA} & {g.name for g in GENRES}
    for meter, library in EXTRA_GRIDS.items():
        assert not library.keys() & GRIDS[meter].keys()
    assert named(()) == GENRES
    with pytest.raises(ValueError, match=r"unknown genre 'polka'.*pop, .*tango"):
        named(("tango", "polka"))


def test_a_tango_is_one(tangos: list[Piece]) -> None:
    assert {piece.meter for piece in tangos} == {"4/4"}
    assert sum(108 <= piece.bpm <= 128 for piece in tangos) > 0.85 * len(tangos)
    assert sum(piece.tags["genre"] == "tango" for piece in tangos) > 0.8 * len(tangos)
    words = EXTRA[0].words
    said = [any(word in caption.lower() for word in words) for p in tangos for caption in p.captions]
    assert sum(said) > 0.6 * len(said)


def test_its_harmony_is_its_own(tangos: list[Piece]) -> None:
    """Steps of root and kind from the cadences; other genres take them one time in many."""

    def share(pieces: list[Piece]) -> float:
        turns = {((b[0] - a[0]) % 12, a[1], b[1]) for turn in EXTRA[0].cadences for a, b in itertools.pairwise(turn)}
        steps = []
        for piece in pieces:
            chords = [label_table()[span.label] for span in piece.chords if span.label != "N"]
            steps += [((b.root - a.root) % 12, a.kind, b.kind) in turns for a, b in itertools.pairwise(chords)]
        return sum(steps) / len(steps)

    assert share(tangos) > 0.6
    assert share([compose(seed, SPLITS[seed % 3], 12.0) for seed in range(90)]) < 0.2


def test_its_splits_share_no_material(tangos: list[Piece]) -> None:
    for kind in ("progressions", "grids"):
        owned = [{m for p in tangos if p.split == split for m in p.material[kind]} for split in SPLITS]
        assert all(owned)
        assert not any(a & b for a, b in itertools.combinations(owned, 2))


def test_the_command_makes_them_and_says_so(tmp_path: Path, font: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--hours", "0.002", "--clip-seconds", "3", "--seed", "5", "--splits", "train=1", "--workers", "1"]
    words += ["--soundfont", str(font), "--quiet"]
    assert main([*words, "--genres", "tango", "--out", str(tmp_path / "tango")]) == 0
    assert json.loads((tmp_path / "tango" / "corpus.json").read_text())["genres"] == ["tango"]
    records = [json.loads(path.read_text()) for path in (tmp_path / "tango" / "train").glob("*.json")]
    assert records and all(record["meter"] == "4/4" for record in records)
    assert main([*words, "--out", str(tmp_path / "tango")]) == 2
    assert "genres is ['tango'], not None" in capsys.readouterr().err
    assert main([*words, "--genres", "polka", "--out", str(tmp_path / "polka")]) == 2
    assert "unknown genre 'polka'" in capsys.readouterr().err
    assert not (tmp_path / "polka").exists()
