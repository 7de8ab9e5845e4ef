"""Audio to controls: every extractor is a class with ``analyse(audio)`` and ``extractor(audio, grid) -> Track``.

>>> from feature_extractors import Beats, extract
>>> Beats().name
'beats'

Public names load when first used, so importing the package is light.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from feature_extractors.beats import BeatAnalysis, Beats
    from feature_extractors.chords import ChordAnalysis, Chords
    from feature_extractors.demucs_stems import Demucs
    from feature_extractors.drums import DrumAnalysis, Drums
    from feature_extractors.melody import Melody, MelodyAnalysis
    from feature_extractors.onsets import OnsetAnalysis, Onsets
    from feature_extractors.run import Extraction, Extractors, extract, extract_file, extract_folder
    from feature_extractors.separator import DrumSeparator
    from feature_extractors.separators import best_available
    from feature_extractors.stems import HarmonicPercussive, Separator, Stems

_HOMES = {
    "BeatAnalysis": "beats",
    "Beats": "beats",
    "ChordAnalysis": "chords",
    "Chords": "chords",
    "Demucs": "demucs_stems",
    "DrumAnalysis": "drums",
    "DrumSeparator": "separator",
    "Drums": "drums",
    "Extraction": "run",
    "Extractors": "run",
    "HarmonicPercussive": "stems",
    "Melody": "melody",
    "MelodyAnalysis": "melody",
    "OnsetAnalysis": "onsets",
    "Onsets": "onsets",
    "Separator": "stems",
    "Stems": "stems",
    "best_available": "separators",
    "extract": "run",
    "extract_file": "run",
    "extract_folder": "run",
}
__all__ = [
    "BeatAnalysis",
    "Beats",
    "ChordAnalysis",
    "Chords",
    "Demucs",
    "DrumAnalysis",
    "DrumSeparator",
    "Drums",
    "Extraction",
    "Extractors",
    "HarmonicPercussive",
    "Melody",
    "MelodyAnalysis",
    "OnsetAnalysis",
    "Onsets",
    "Separator",
    "Stems",
    "best_available",
    "extract",
    "extract_file",
    "extract_folder",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
