"""Sound files with hostile headers: WAV, FLAC, Ogg, MP3 and AIFF, as a scan looks at them and as they are read."""

from __future__ import annotations

import io
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from flowmusic import audio
from flowmusic.datasets.probe import Facts
from flowmusic.datasets.probe_many import look
from tests import hostile
from tests.fuzz.campaign import Input, Refused, both_ways, run
from tests.fuzz.mutate import mutated

COUNT, SEED, RATE = 250, 1304, 16_000
FORMATS = {"wav": "WAV", "flac": "FLAC", "ogg": "OGG", "mp3": "MP3", "aiff": "AIFF"}


def files(seed: int, count: int, folder: Path, ending: str) -> Iterator[Input]:
    """A second of sound, the first 200 bytes of which are changed, or any; now and then with a page or chunk again."""
    rng = random.Random(f"{seed} {ending}")
    time = np.arange(RATE) / RATE
    out = io.BytesIO()
    soundfile.write(out, 0.3 * np.sin(2 * np.pi * 440 * time), RATE, format=FORMATS[ending])
    path = folder / f"x.{ending}"
    path.write_bytes(out.getvalue())
    looked_at(path)  # what is imported for it is imported before time and memory are counted
    for number in range(count):
        data = mutated(out.getvalue(), rng, range(200) if rng.random() < 0.7 else None)
        if ending == "ogg" and rng.random() < 0.7:
            data = hostile.ogg_with_checksums(data)
        path.write_bytes(data)
        yield Input(f"seed {seed}, number {number}: {data[:60]!r}", path, path.name)


def looked_at(path: Path) -> None:
    found = look(path)
    if isinstance(found, Facts):
        assert found.duration < 86_400 and found.rate > 0 and found.channels > 0
        return
    raise Refused(f"{path.name}: {found}")


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_a_scan_looks_at_it(tmp_path: Path, ending: str) -> None:
    both_ways(run(f"{ending} header, scanned", files(SEED, COUNT, tmp_path, ending), looked_at))


@pytest.mark.slow
@pytest.mark.parametrize("ending", FORMATS)
def test_it_is_read(tmp_path: Path, ending: str) -> None:
    both_ways(run(f"{ending} header, read", files(SEED, COUNT, tmp_path, ending), audio.read))
