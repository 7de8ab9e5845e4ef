"""Which separator is used where none is asked for."""

from __future__ import annotations

from feature_extractors.stems import Separator


def best_available() -> Separator:
    """Demucs where its weights are on this machine, our own small network otherwise."""
    from feature_extractors.demucs_stems import Demucs
    from feature_extractors.separator import DrumSeparator

    demucs = Demucs()
    return demucs if demucs.available() else DrumSeparator()
