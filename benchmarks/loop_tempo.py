"""How often a drum loop's tempo is said to contradict a beat grid, rightly and wrongly.

Loops of 1, 2 and 4 bars are cut from the drum stems of a corpus and put to grids of their own tempo, half and double
of it, and of other tempi; ``python benchmarks/loop_tempo.py CORPUS`` prints, for each, how many of the loops are said
to be at another tempo, and for how many of these the tempo that is named is right (within 1 %, or in another octave).
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

import numpy as np
import soundfile
import torch

from feature_extractors.drums import Drums
from feature_extractors.loop_tempo import loop_tempo
from flowmusic.audio import Audio
from flowmusic.controls.meter import parse_meter

RATIOS = (1.0, 0.5, 2.0, 0.75, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 4 / 3)
BARS = (1, 2, 4)


def loops(corpus: Path) -> list[tuple[float, str, float, np.ndarray]]:
    """Tempo, meter, seconds and onset strength of every loop."""
    found = []
    for stem in sorted(corpus.rglob("*.drums.flac")):
        labels = json.loads(Path(str(stem).replace(".drums.flac", ".json")).read_text(encoding="utf-8"))
        samples, rate = soundfile.read(stem, dtype="float32")
        bars = labels["downbeats"]
        for count in BARS:
            if len(bars) <= count or abs(samples).max() < 1e-3:
                continue
            part = torch.from_numpy(samples[round(bars[0] * rate) : round(bars[count] * rate)])
            strength = Drums(separate=False).strength(Audio(part[None], rate))
            found.append((labels["bpm"], labels["meter"], bars[count] - bars[0], strength))
    return found


def right(found: float, true: float) -> bool:
    """Whether a tempo is the true one or some octaves off it."""
    octaves = math.log2(found / true)
    return abs(2.0 ** (octaves - round(octaves)) - 1.0) < 0.01


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("corpus", type=Path)
    given = loops(parser.parse_args().corpus)
    print("| grid / loop | loops | too short to tell | said to differ | tempo named is right |\n|---|---|---|---|---|")
    for ratio in RATIOS:
        each = [
            (bpm, loop_tempo(strength, length, bpm * ratio, parse_meter(meter)))
            for bpm, meter, length, strength in given
        ]
        said = [(bpm, found) for bpm, found in each if found is not None and found.contradicts]
        short = sum(found is None for _, found in each)
        print(f"| {ratio:.2f} | {len(each)} | {short} | {len(said)} | {sum(right(f.bpm, bpm) for bpm, f in said)} |")


if __name__ == "__main__":
    main()
