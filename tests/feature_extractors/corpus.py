"""A corpus of two small clips with stems and labels, in the layout of ``flowmusic corpus``."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from flowmusic.audio import Audio
from tests.feature_extractors.sounds import RATE, clicks, tone, triad


def write_corpus(root: Path) -> Path:
    folder = root / "test"
    folder.mkdir(parents=True)
    clips = [
        ("a", [0.0, 0.5, 1.0, 1.5, 2.0], 60, False, "C", 79),
        ("b", [0.25, 0.65, 1.05, 1.45, 2.25], 57, True, "Am", 76),
    ]
    for name, onsets, chord, minor, label, melody in clips:
        stems = {"drums": clicks(onsets, 2.5), "melody": 1.5 * tone(melody, 2.5)}
        mix = stems["drums"] + stems["melody"] + triad(chord, minor, 2.5)
        scale = 0.9 / float(mix.abs().max())
        Audio(scale * mix[None], RATE).write(folder / f"{name}.flac")
        for stem, samples in stems.items():
            Audio(scale * samples[None], RATE).write(folder / f"{name}.{stem}.flac")
        labels = {
            "seconds": 2.5,
            "sample_rate": RATE,
            "bpm": 120.0,
            "beats": onsets,
            "downbeats": onsets[:1],
            "chords": [[0.0, 2.5, label]],
            "melody": [[0.0, 2.5, melody]],
            "notes": {
                "melody": [[0.0, 2.5, melody, 90]],
                "bass": [[0.0, 2.5, chord - 12, 70]],
                "chords": [[0.0, 2.5, pitch, 70] for pitch in (chord, chord + (3 if minor else 4), chord + 7)],
            },
            "drums": {"onsets": onsets, "classes": {"kick": onsets[::4], "hat": onsets}},
        }
        (folder / f"{name}.json").write_text(json.dumps(labels))
    return root


def mixture() -> Audio:
    """Clicks over a held C major triad: something of everything.  Shape: ``[1, N]``."""
    return Audio((clicks([0.0, 0.5, 1.0, 1.5, 2.0], 2.5) + triad(60, False, 2.5) + torch.zeros(1))[None], RATE)
