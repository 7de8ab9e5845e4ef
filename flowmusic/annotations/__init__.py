"""What is written about a recording: one value in seconds, the files that hold it, and its frames on a grid.

:mod:`~flowmusic.annotations.annotation` is the value; :mod:`~flowmusic.annotations.tracks` alone turns it into tracks
and back; :mod:`~flowmusic.annotations.json_file` and :mod:`~flowmusic.annotations.labels_file` read and write it.
"""
