"""What a chord label sounds like, as numbers: the table that chord conditioners look ids up in.

An embedding per label would have to learn from examples that C and C/E share their notes and that G7 is F7 moved
by two semitones; with root, bass and chroma in the table, a small model knows from the start.
"""

from __future__ import annotations

from flowmusic.controls.vocabulary import LABELS, NO_CHORD, UNKNOWN_CHORD, pitch_classes

FEATURES = 37


def table() -> list[list[float]]:
    """One row per chord id: root one-hot (12), bass one-hot (12), chroma (12), no-chord (1).  Shape: ``[194][37]``.

    >>> row = table()[LABELS.index("C/E")]
    >>> [index for index, value in enumerate(row) if value]  # root C, bass E, and C, E, G
    [0, 16, 24, 28, 31]
    """
    rows = []
    for label in LABELS:
        row = [0.0] * FEATURES
        if label == NO_CHORD:
            row[36] = 1.0
        elif label != UNKNOWN_CHORD:
            root, bass, chroma = pitch_classes(label)
            assert root is not None and bass is not None  # only N and UNK have none
            row[root] = 1.0
            row[12 + bass] = 1.0
            for pitch_class in chroma:
                row[24 + pitch_class] = 1.0
        rows.append(row)
    return rows
