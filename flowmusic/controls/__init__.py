"""Written music and raw features to tracks: chords, melody, drums and beats on one frame grid.

Every control, typed by a person or measured from audio, ends here as a :class:`flowmusic.types.Track`, so that both
mean the same thing to a model.  ``request`` gathers them into :class:`flowmusic.types.Controls`.  What is written about
a whole recording, and the files that hold it, is in :mod:`flowmusic.annotations`.
"""

TRACKS = ("chords", "melody", "drums", "beats")
"""The names of the tracks, everywhere."""
