from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from feature_extractors.madmom import compat
from flowmusic.evaluate import ceilings
from tests.feature_extractors.corpus import write_corpus


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str, str], ceilings.Row]:
    corpus = write_corpus(tmp_path_factory.mktemp("corpus"))
    found = ceilings.measure(ceilings.clips_of(corpus))
    return {(row.measure, row.detector, row.source): row for row in found}


def test_detectors_beat_no_skill_on_clean_stems(rows: dict) -> None:
    for key in (("onset F1, 50 ms", "flux", "drum stem"), ("melody pitch class", "tiny", "melody stem")):
        row = rows[key]
        assert row.ceiling > 0.9 > row.no_skill
        assert row.least <= row.ceiling
        assert row.count == 2


def test_every_kind_of_source_is_there(rows: dict) -> None:
    sources = {source for _, _, source in rows}
    assert {"mix", "drum stem", "HarmonicPercussive of mix", "melody stem", "mix - drum stem"} <= sources
    detectors = {detector for measure, detector, _ in rows if measure == "chords majmin"}
    assert detectors == {"chord net (ours)", *(["madmom CNN+CRF"] if compat.available() else [])}


def test_tables_are_written_side_by_side(rows: dict, tmp_path: Path) -> None:
    table = [*rows.values(), ceilings.Row("m", "d", "s", math.nan, math.nan, 0.5, 0)]
    written = ceilings.write(table, "2 clips", tmp_path / "table.md")
    assert [path.name for path in written] == ["table.md", "table.json"]
    assert (tmp_path / "table.md").read_text().count("\n|") == len(table) + 2
    data = json.loads((tmp_path / "table.json").read_text())
    assert data["rows"][-1]["ceiling"] is None
    with pytest.raises(ValueError, match=r"'table\.txt': the name must end in \.md or \.json"):
        ceilings.write(table, "", tmp_path / "table.txt")
    with pytest.raises(ValueError, match="folder does not exist"):
        ceilings.write(table, "", tmp_path / "no" / "table.md")


def test_bad_corpora_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ceilings.main([str(tmp_path)]) == 2
    assert "no clips" in capsys.readouterr().err
    corpus = write_corpus(tmp_path / "corpus")
    with pytest.raises(ValueError, match=r"at least 2 clips.*got 1"):
        ceilings.measure(ceilings.clips_of(corpus, limit=1))


def test_what_labels_do_not_have_is_not_scored() -> None:
    scorers = ceilings._chords([(0.0, 1.0, "C")]), ceilings._times("onsets", [1.0], 0.05)
    assert all(math.isnan(score({"drums": None})) for score in scorers)
    assert ceilings._times("beats", [1.04], 0.05)({"beats": [1.0, 2.0]}) == pytest.approx(2 / 3)
    line = ceilings._pitch(np.array([0.1, 0.6]), np.array([72.2, 0.0]), octaves=False)
    assert line({"melody": [(0.0, 0.5, 60)]}) == 1.0 and math.isnan(line({}))
