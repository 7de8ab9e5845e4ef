"""Lead sheets: bars with chords, a melody and sections, in the formats that people have them in."""

WRITTEN = (".cho", ".chopro", ".musicxml", ".mid", ".abc", ".ireal", ".jams", ".json", ".txt", ".labels")
"""Endings of the files that can be written (:data:`flowmusic.sheets.formats.WRITERS`), for those who must load fast."""
