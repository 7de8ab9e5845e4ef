"""Chord progressions: functional walks, ornaments, chromatic motion and pure chance.

Progressions are made in C (roots relative to the tonic) and transposed by the caller.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from flowmusic.corpus.splits import split_of
from flowmusic.corpus.theory import CHORD_TYPES, Chord, diatonic

# Where a degree of the scale likes to go: degree -> (next degree, weight).
_MOTION: dict[int, tuple[tuple[int, float], ...]] = {
    0: ((3, 3), (4, 2.5), (5, 3), (1, 2), (2, 1.2), (6, 0.8)),
    1: ((4, 4), (0, 1), (3, 1), (6, 1), (5, 0.7), (2, 0.8)),
    2: ((5, 3), (3, 2.5), (1, 1), (0, 0.6)),
    3: ((0, 3), (4, 3), (1, 1.5), (5, 1), (6, 0.8), (2, 0.7)),
    4: ((0, 4), (5, 2), (3, 1.5), (2, 0.7), (1, 0.6)),
    5: ((3, 3), (1, 2.5), (4, 2), (2, 1), (0, 0.8), (6, 0.4)),
    6: ((0, 3), (2, 1.2), (5, 1), (3, 1), (4, 0.7)),
}
_BORROWED: dict[str, tuple[Chord, ...]] = {
    "major": (
        Chord(5, "m"), Chord(5, "m6"), Chord(8, "maj"), Chord(10, "maj"), Chord(3, "maj7"),
        Chord(2, "m7b5"), Chord(1, "maj7"), Chord(10, "7"), Chord(7, "m7"), Chord(6, "m7b5"),
    ),
    "minor": (
        Chord(5, "7"), Chord(1, "maj"), Chord(0, "m6"), Chord(7, "aug"), Chord(2, "m7b5/b7"),
        Chord(9, "m7b5"), Chord(0, "maj"), Chord(5, "m6"), Chord(3, "aug"), Chord(11, "dim"),
    ),
}  # fmt: skip
# For the chance pieces: every type is heard often, the plain ones a little more.
_CHANCE = {"maj": 2.2, "m": 2.2, "7": 1.6, "maj7": 1.4, "m7": 1.4, "m7b5/b7": 0.7, "maj/b7": 0.8}


@dataclass(frozen=True)
class HarmonyStyle:
    """What a piece's progressions have in common.

    `source` is walk, pedal (few chords), chromatic, or chance; `colour` is the probability of a
    seventh or sixth; `spice` that of a borrowed or secondary chord; `slash` that of an inversion.
    With `cadences` (see `genres`) the source is these.
    """

    mode: str
    source: str
    colour: float
    spice: float
    slash: float
    cadences: tuple[tuple[tuple[int, str], ...], ...] = ()


def draw_style(rng: Random, mode: str, colour_bias: float) -> HarmonyStyle:
    """Draw a style; `colour_bias` in [0, 1] is the genre's weak pull towards sevenths."""
    source = rng.choices(("walk", "pedal", "chromatic", "chance"), (0.5, 0.08, 0.14, 0.28))[0]
    colour = rng.choice((0.05, 0.3, 0.6, 0.9))
    if rng.random() < 0.35:
        colour = colour_bias
    return HarmonyStyle(mode, source, colour, rng.choice((0.0, 0.1, 0.2, 0.4)), rng.choice((0.0, 0.15, 0.3, 0.5)))


def of_cadences(mode: str, cadences: tuple[tuple[tuple[int, str], ...], ...]) -> HarmonyStyle:
    """The style of a genre with cadences of its own."""
    return HarmonyStyle(mode, "cadences", 0.0, 0.0, 0.0, cadences)


def _cadences(rng: Random, style: HarmonyStyle, count: int) -> list[Chord]:
    """Turns strung together; one in five starts in its middle."""
    chords: list[Chord] = []
    while len(chords) < count:
        turn = rng.choice(style.cadences)
        first = 1 if rng.random() < 0.2 else 0
        chords += [Chord(root, kind) for root, kind in turn[first:]]
    return chords[:count]


def _dressed(rng: Random, chord: Chord, style: HarmonyStyle) -> Chord:
    """The chord with a sixth, an augmented fifth or an inversion now and then."""
    if chord.kind in ("maj", "maj7") and rng.random() < 0.22 * style.colour:
        chord = Chord(chord.root, "6")
    elif chord.kind == "m" and rng.random() < 0.3 * style.colour:
        chord = Chord(chord.root, "m6")
    if rng.random() < style.slash:
        if chord.kind == "maj":
            kind = rng.choices(("maj/3", "maj/5", "maj/2", "maj/b7"), (4, 2, 1.5, 1.2))[0]
            chord = Chord(chord.root, kind)
        elif chord.kind in ("7", "m7b5"):
            chord = Chord(chord.root, {"7": "7/3", "m7b5": "m7b5/b7"}[chord.kind])
    return chord


def _walk(rng: Random, style: HarmonyStyle, count: int) -> list[Chord]:
    family = "minor" if "minor" in style.mode or style.mode == "dorian" else "major"
    degree = rng.choices(range(7), (5, 1, 0.7, 1.5, 0.8, 2, 0.3))[0]
    chords: list[Chord] = []
    while len(chords) < count:
        target = diatonic(style.mode, degree, rng.random() < style.colour)
        if rng.random() < style.spice:
            trick = rng.random()
            if trick < 0.4:
                target = rng.choice(_BORROWED[family])
            elif trick < 0.65:
                chords.append(Chord((target.root + 7) % 12, rng.choice(("7", "7", "7/3", "aug"))))
            elif trick < 0.75:
                chords.append(Chord((target.root + 1) % 12, "7"))
            elif trick < 0.85:
                chords.append(Chord((target.root - 1) % 12, "dim"))
            else:
                minor = target.kind.startswith("m") and not target.kind.startswith("maj")
                chords.append(Chord((target.root + 2) % 12, "m7b5" if minor else "m7"))
                chords.append(Chord((target.root + 7) % 12, "7"))
        chords.append(_dressed(rng, target, style))
        nexts, weights = zip(*_MOTION[degree], strict=True)
        degree = rng.choices(nexts, weights)[0]
    return chords[:count]


def _chromatic(rng: Random, style: HarmonyStyle, count: int) -> list[Chord]:
    """Roots move by one or two fixed intervals: cycles of fifths, thirds, whole tones, semitones."""
    steps = rng.sample((5, 7, 3, 4, 8, 9, 2, 10, 1, 11), rng.choice((1, 2, 2)))
    kinds = rng.choices(
        ("maj", "m", "7", "maj7", "m7", "6", "m6", "dim", "aug", "m7b5"),
        (3, 3, 2, 2, 2, 1, 1.3, 1, 1, 1.3),
        k=rng.choice((1, 2, 2, 3)),
    )
    root, chords = rng.choice((0, 0, 5, 7, 9)), []
    for index in range(count):
        chords.append(_dressed(rng, Chord(root % 12, kinds[index % len(kinds)]), style))
        root += steps[index % len(steps)]
    return chords


def _chance(rng: Random, count: int) -> list[Chord]:
    weights = [_CHANCE.get(kind, 1.0) for kind in CHORD_TYPES]
    chords: list[Chord] = []
    while len(chords) < count:
        chord = Chord(rng.randrange(12), rng.choices(CHORD_TYPES, weights)[0])
        if not chords or chord != chords[-1]:
            chords.append(chord)
    return chords


def signature(chords: list[Chord]) -> str:
    """Spelling of a progression that ignores key, immediate repeats and, for loops, the start."""
    kept = [c for i, c in enumerate(chords) if i == 0 or c != chords[i - 1]]
    if len(kept) > 1 and kept[0] == kept[-1]:
        kept.pop()
    turns = [
        " ".join(f"{(c.root - kept[k].root) % 12}:{c.kind}" for c in kept[k:] + kept[:k]) for k in range(len(kept))
    ]
    return min(turns)


def progression(rng: Random, style: HarmonyStyle, count: int, split: str) -> list[Chord]:
    """`count` (two or more) chords in C, drawn until the material belongs to `split`."""
    for attempt in range(100_000):
        # Short plain loops may all belong to another split; wander further until one does not.
        source = style.source if attempt < (400 if style.cadences else 40) else "walk" if attempt < 120 else "chance"
        if source == "pedal":
            few = _walk(rng, style, rng.choice((1, 2, 2)))
            chords = [few[i % len(few)] for i in range(count)]
        elif source == "chromatic":
            chords = _chromatic(rng, style, count)
        elif source == "cadences":
            chords = _cadences(rng, style, count)
        elif source == "chance":
            chords = _chance(rng, count)
        else:
            chords = _walk(rng, style, count)
        if split_of("progression " + signature(chords)) == split:
            return chords
    raise RuntimeError(f"no progression of {count} chords belongs to {split}")
