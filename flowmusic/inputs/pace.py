"""How fast and how long a take is where no flag says it: what its words and the bars of its chords ask for.

Judged with the flags, before anything heavy is loaded.
"""

from __future__ import annotations

import argparse

from flowmusic import limits
from flowmusic.controls import chords
from flowmusic.controls.chord_text import read_bars
from flowmusic.controls.meter import MAX_BPM, MIN_BPM, parse_meter
from flowmusic.facts import PACES
from flowmusic.inputs.words.reading import Reading
from flowmusic.inputs.words.reading import read as read_words

DEFAULT_BPM, DEFAULT_METER = 120.0, "4/4"


def of_words(text: str, tempo: str | None = None, heed: bool = True) -> tuple[float, str] | None:
    """Beats a minute that words ask for: the number that they say, else one that stands for slow, medium or fast.

    Args:
        text: a prompt.
        tempo: slow, medium or fast, of a flag; it counts more than the words.
        heed: whether the words are read at all.

    Returns: beats a minute, and a sentence that says so; None where nothing is said.

    >>> of_words("a slow waltz"), of_words("90 bpm", "fast")
    ((72.0, 'slow: the beat grid has 72 beats a minute; --bpm takes another'), \
(140.0, 'fast: the beat grid has 140 beats a minute; --bpm takes another'))
    """
    said = read_words(text) if heed else Reading()
    name = tempo or said.facts.tempo
    if tempo in (None, said.facts.tempo) and said.bpm is not None and MIN_BPM <= said.bpm <= MAX_BPM:
        return said.bpm, f"the beat grid has the {said.bpm:g} beats a minute of the prompt; --bpm takes another"
    if name is None:
        return None
    return PACES[name], f"{name}: the beat grid has {PACES[name]:g} beats a minute; --bpm takes another"


def paced(args: argparse.Namespace) -> bool:
    """Whether a flag or a file has a tempo, or times to which a beat grid would be a contradiction."""
    files = (args.melody, args.drums, args.controls, args.sheet)
    timed = args.chords is not None and chords.is_timed(args.chords)
    return args.bpm is not None or timed or any(each is not None for each in files)


def settle_words(args: argparse.Namespace) -> tuple[str, ...]:
    """Put the tempo of the words into ``args`` where nothing else sets one; a story has many words and one tempo.

    Returns: what a person should know of it.
    """
    found = None
    if args.story is None and not paced(args):
        found = of_words(args.text or "", args.tempo, heed=not args.no_facts_from_text)
    if found is None:
        return ()
    args.bpm, told = found
    return (told,)


def settle_seconds(args: argparse.Namespace, usual: float) -> tuple[float, tuple[str, ...]]:
    """How long a take is where no flag says it: as usual, but no shorter than chords in bars that are heard once.

    A sheet, and a file that may have another tempo than the bars, are left to themselves.

    Returns: seconds, and what a person should know of them.
    """
    files = (args.melody, args.drums, args.controls)
    bars = args.chords is not None and not chords.is_timed(args.chords) and args.sheet is None
    if not bars or (args.bpm is None and any(files)):
        return usual, ()
    bar = parse_meter(args.meter or DEFAULT_METER).bar_seconds(args.bpm or DEFAULT_BPM)
    needed = min(len(read_bars(args.chords).bars) * bar, limits.limit("seconds").high)
    if needed <= usual:
        return usual, ()
    return needed, (f"the take lasts {needed:.4g} s, as its chords do; --seconds takes another length",)
