"""Any folder of MIDI files, such as the Lakh data set.

There is no sound to read: `flowmusic data read midi` renders them (:mod:`flowmusic.corpus.midi`).
"""

from __future__ import annotations

from flowmusic.datasets.sets.base import DataSet

SET = DataSet(
    name="midi",
    title="MIDI files of any folder (Lakh MIDI data set and others)",
    hours="Lakh: 176 581 files, many of them of the same songs",
    licence="Lakh: CC BY 4.0 for the collection; the songs have owners of their own",
    commercial="only for songs that you may use",
    layout="*.mid, *.midi, *.kar, *.rmi, *.smf in any folders, or MIDI files by any other name",
    where="colinraffel.com/projects/lmd",
    cite="Raffel, Learning-Based Methods for Comparing Sequences, with Applications to Audio-to-MIDI Alignment and "
    "Matching, PhD thesis, Columbia University, 2016",
    gives="rendered audio, drum stem, notes, drum onsets, beats where the notes keep to them, a melody where one part "
    "clearly leads; a caption of instruments and tempo",
    read=None,
)
