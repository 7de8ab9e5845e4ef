"""Chunks and tags, read back by readers that are not ours: wavinfo, soundfile, mutagen."""

from __future__ import annotations

import struct
from pathlib import Path

import mutagen
import numpy as np
import pytest
import soundfile
import wavinfo

from flowmusic.studio import names, tags, wav_chunks
from flowmusic.studio.tags import Provenance
from flowmusic.studio.wav_chunks import Acid, Mark, WavError

RATE = 32_000
HOME = "home"  # a path of a person's machine, put together here
PROVENANCE = Provenance(
    "nano", 7, "Apache-2.0", {"style": f"/{HOME}/someone/ref.wav", "<a>": "a.concept"}, {"style": "ab" * 32}, "“rain”"
)  # fmt: skip


@pytest.fixture
def take(tmp_path: Path) -> Path:
    path = tmp_path / "take.wav"
    soundfile.write(path, np.sin(np.arange(RATE * 2) / 20) * 0.5, RATE, subtype="PCM_16")
    return path


def test_everything_is_read_by_another_reader_and_samples_stay(take: Path) -> None:
    before, _ = soundfile.read(take, dtype="int16")
    chunks = [
        (b"acid", Acid(4, 120.0, (3, 4), 57).chunk()),
        (b"smpl", wav_chunks.smpl_chunk(RATE, (0, 2 * RATE - 1))),
        *wav_chunks.cue_chunks([Mark(0, "A"), Mark(RATE, "B: “odd” name")]),
    ]
    tags.write(take, PROVENANCE, "night drive", chunks)
    tags.write(take, PROVENANCE, "night drive", chunks)  # again: in place of what was there
    after, _ = soundfile.read(take, dtype="int16")
    assert np.array_equal(before, after)
    found = wavinfo.WavInfoReader(str(take))
    assert found.bext.originator.startswith("flowmusic") and "seed 7" in found.bext.description
    assert found.info.title == "night drive" and found.info.copyright == "Apache-2.0"
    assert found.info.comment == found.bext.description.rstrip("\0")
    (loop,) = found.smpl.sample_loops
    assert (loop.start, loop.end) == (0, 2 * RATE - 1) and found.smpl.sample_period_ns == round(1e9 / RATE)
    labels = {label.name: label.text for label in found.cues.labels}
    assert [cue.sample_offset for cue in found.cues.cues] == [0, RATE]
    assert next(iter(labels.values())).rstrip("\0") == "A"
    acid = wav_chunks.read(take)[b"acid"]
    assert len(acid) == 24 and struct.unpack("<f", acid[-4:]) == (120.0,)
    assert struct.unpack("<IHHfIHHf", acid) == (6, 57, 0x8000, 0.0, 4, 4, 3, 120.0)
    riff = take.read_bytes()
    assert int.from_bytes(riff[4:8], "little") == len(riff) - 8


@pytest.mark.parametrize("suffix", ["flac", "ogg", "mp3"])
def test_tags_of_other_files(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"take.{suffix}"
    soundfile.write(path, np.zeros(RATE), RATE)
    tags.write(path, PROVENANCE, "night drive")
    found = tags.read(path)
    assert found["title"] == "night drive" and found["seed"] == "7" and found["license"] == "Apache-2.0"
    assert found["source_style"] == "ref.wav (sha256 abababababab)" and found["ai_generated"] == "yes"
    raw = str(mutagen.File(path).tags.pprint())
    assert "someone" not in raw and f"/{HOME}" not in raw
    assert soundfile.info(path).frames == RATE or suffix == "mp3"


def test_wav_tags_are_read_back(take: Path) -> None:
    assert tags.read(take) == {}
    tags.write(take, PROVENANCE, "x")
    assert tags.read(take)["comment"] == PROVENANCE.comment()
    assert "someone" not in take.read_bytes().decode("latin-1")


def test_what_is_no_wav_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    for content in (b"", b"RIFFxxxxWAVE", b"OggS" * 10):
        path.write_bytes(content)
        with pytest.raises(WavError, match=r"a\.wav"):
            wav_chunks.add(path, [(b"acid", b"x" * 24)])
        assert path.read_bytes() == content
    with pytest.raises(ValueError, match="tags are written into"):
        tags.write(tmp_path / "a.aiff", PROVENANCE, "x")


def test_long_comments_are_cut_to_what_has_room() -> None:
    many = Provenance("nano", 1, "Apache-2.0", {f"s{n}": "x" * 60 for n in range(20)})
    assert len(many.comment()) == tags.MOST and many.comment().endswith("...")


def test_names() -> None:
    assert names.of("a/b: c", 89.6, "F# minor", 1, "drums") == "a-b-c_090bpm_Fsm_1bar_drums.wav"
    assert names.of("…", suffix=".mid") == "take.mid"
