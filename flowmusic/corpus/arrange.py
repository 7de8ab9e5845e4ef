"""The plan of a piece: form, who plays where, which sounds, which feel, how it is mixed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from flowmusic.corpus import instruments, spread
from flowmusic.corpus.extra import named
from flowmusic.corpus.genres import Genre
from flowmusic.corpus.piece import PARTS, Band, Room
from flowmusic.corpus.rhythm import METERS, Clock
from flowmusic.corpus.splits import stream

# How often a part takes part in a piece that is not a solo.
_PRESENCE = {"drums": 0.88, "bass": 0.87, "chords": 0.88, "pad": 0.42, "melody": 0.83}
_SOLOS = (("piano", 0.02), ("guitar", 0.014), ("drums", 0.014), ("melody", 0.014))


@dataclass(frozen=True)
class Section:
    """Bars `first` to `last` (exclusive), the parts that play, and which material (0 or 1)."""

    first: int
    last: int
    parts: frozenset[str]
    material: int


@dataclass(frozen=True)
class Plan:
    """All decisions above the level of notes. `agrees` counts aspects typical of the genre."""

    genre: Genre
    agrees: int
    solo: str | None
    clock: Clock
    bars: int
    music_end: float
    sections: tuple[Section, ...]
    programs: dict[str, int]
    drum_styles: tuple[str, ...]
    jitter_s: float
    accent: float


def _pick(rng: Random, families: dict[str, tuple[int, ...]], wished: tuple[str, ...], share: float) -> tuple[int, bool]:
    """A program, from the genre's families in a share of the draws; also whether it is from those."""
    names = [name for name in wished if name in families]
    if names and rng.random() < share:
        return rng.choice(families[rng.choice(names)]), True
    name = rng.choice(list(families))
    return rng.choice(families[name]), name in wished


def _lead(rng: Random, wished: tuple[str, ...], split: str, share: float) -> tuple[int, bool]:
    allowed = instruments.LEADS[split]
    liked = [p for name in wished for p in instruments.LEAD_FAMILIES.get(name, ()) if p in allowed]
    if liked and rng.random() < share:
        return rng.choice(liked), True
    program = rng.choice(allowed)
    return program, program in liked


def _cast(rng: Random) -> tuple[str | None, frozenset[str]]:
    """Solo kind, if any, and the parts of the piece."""
    draw = rng.random()
    for name, share in _SOLOS:
        if draw < share:
            if name in ("drums", "melody"):
                return name, frozenset({name})
            return name, frozenset({"chords", "melody"} if rng.random() < 0.65 else {"chords"})
        draw -= share
    parts = {name for name in PARTS if rng.random() < _PRESENCE[name]}
    if "bass" in parts and not parts & {"chords", "pad"} and rng.random() < 0.85:
        parts.add(rng.choice(("chords", "chords", "pad")))
    if not parts & {"chords", "pad", "bass"} and rng.random() < 0.7:
        parts.add("chords")
    return None, frozenset(parts or {"chords", "melody"})


def _sections(rng: Random, bars: int, parts: frozenset[str]) -> tuple[Section, ...]:
    bounds = [0]
    while bounds[-1] < bars:
        bounds.append(min(bars, bounds[-1] + rng.choice((2, 4, 4, 8, 8, 16))))
    if len(bounds) > 2 and bounds[-1] - bounds[-2] < 2:
        bounds.pop(-2)
    dropping = rng.random() < 0.7
    result = []
    for first, last in zip(bounds, bounds[1:], strict=False):
        active = set(parts)
        if dropping and len(parts) > 1:
            active = {p for p in sorted(parts) if rng.random() > 0.2} or {rng.choice(sorted(parts))}
        if "bass" in active and not active & {"chords", "pad"} and parts & {"chords", "pad"}:
            if rng.random() < 0.8:
                active.add(rng.choice(sorted(parts & {"chords", "pad"})))
        result.append(Section(first, last, frozenset(active), 0))
    # Whoever belongs to the piece is heard in it at least once.
    for part in sorted(parts):
        if not any(part in s.parts for s in result):
            k = rng.randrange(len(result))
            result[k] = Section(result[k].first, result[k].last, result[k].parts | {part}, 0)
    if rng.random() < 0.5:
        result = [Section(s.first, s.last, s.parts, k % 2) for k, s in enumerate(result)]
    return tuple(result)


def _tempo(rng: Random, genre: Genre, meter: str) -> float:
    if rng.random() < genre.follows(0.65):
        bpm = rng.uniform(*genre.bpm)
    else:
        bpm = 60.0 * 3.0 ** rng.random()
    if meter == "6/8":
        bpm = max(60.0, bpm / 1.5)
    bpm = min(180.0, max(60.0, bpm))
    return float(round(bpm)) if rng.random() < 0.6 else round(bpm, 2)


def draw_plan(
    seed: int, split: str, seconds: float, genres: Sequence[str] = (), wish: spread.Wish | None = None
) -> Plan:
    """Decide everything above the notes for a clip of `seconds`, of one of the genres (none: the usual ones).

    A wish is followed; without one, all draws are as if there were no wishes.
    """
    rng = stream(seed, "plan")
    genre = rng.choice(named(genres))
    if wish is not None:
        (genre,) = named((wish.genre,))
    meter = METERS[rng.choices(("4/4", "3/4", "6/8"), (0.7, 0.15, 0.15))[0]]
    if genre.meters:
        meter = METERS[rng.choice(genre.meters)]
    bpm = _tempo(rng, genre, meter.name)
    if wish is not None:
        bpm = spread.tempo(stream(seed, "wish", "tempo"), wish.tempo, genre, meter.name, bpm)
    felt = bpm * (1.5 if meter.name == "6/8" else 1.0)
    swing, unit = 0.5, 2
    if meter.name != "6/8" and rng.random() < (genre.swing if rng.random() < 0.7 else 0.2):
        swing = rng.choice((0.56, 0.6, 0.64, 2 / 3))
        unit = 1 if bpm < 105 and rng.random() < 0.4 else 2
    clock = Clock(meter, bpm, 0.0, swing, unit)
    # Half of the clips begin inside a bar; a few wait before the music or outlive it.
    origin, end = 0.0, seconds
    place = rng.random()
    if place < 0.5:
        origin = -rng.uniform(0.0, clock.bar_s)
    elif place < 0.57:
        origin = rng.uniform(0.3, min(3.0, seconds / 4))
    if rng.random() < 0.08:
        end = seconds - rng.uniform(0.5, min(4.0, seconds / 4))
    bars = max(1, math.ceil((end - origin) / clock.bar_s - 1e-9))
    if end < seconds and bars > 1:
        bars = max(1, math.floor((end - origin) / clock.bar_s))
        end = origin + bars * clock.bar_s
    end = min(end, seconds)
    clock = Clock(meter, bpm, origin, swing, unit)
    solo, parts = _cast(rng)
    asked = None
    if wish is not None and solo is None:
        asked = spread.cast(stream(seed, "wish", "instrument"), wish.instrument, parts)
        parts |= {asked[0]}
    programs, agrees = _programs(stream(seed, "programs"), genre, solo, parts, split)
    programs |= dict([asked] if asked else [])
    drums_fit = rng.random() < genre.follows(0.5)
    agrees += genre.bpm[0] <= felt <= genre.bpm[1]
    agrees += drums_fit and "drums" in parts
    return Plan(
        genre,
        agrees,
        solo,
        clock,
        bars,
        end,
        _sections(stream(seed, "form"), bars, parts),
        programs,
        genre.drums if drums_fit else (),
        rng.choice((0.0, 0.002, 0.006, 0.012)),
        rng.uniform(0.8, 1.1),
    )


def _programs(
    rng: Random, genre: Genre, solo: str | None, parts: frozenset[str], split: str
) -> tuple[dict[str, int], int]:
    programs: dict[str, int] = {}
    agrees = 0
    if "drums" in parts:
        liked = rng.random() < genre.follows(0.6)
        programs["drums"] = rng.choice(genre.kits if liked else tuple(instruments.KITS))
    for part, families, wished in (
        ("bass", instruments.BASS_FAMILIES, genre.bass),
        ("chords", instruments.CHORD_FAMILIES, genre.chords),
        ("pad", instruments.PAD_FAMILIES, genre.pads),
    ):
        if part in parts:
            programs[part], fits = _pick(rng, families, wished, genre.follows(0.6))
            agrees += fits
    if "melody" in parts:
        programs["melody"], fits = _lead(rng, genre.leads, split, genre.follows(0.55))
        agrees += fits
    if solo in ("piano", "guitar"):
        table = instruments.SOLO_PIANO if solo == "piano" else instruments.SOLO_GUITAR
        program = rng.choice(table[split])
        programs = dict.fromkeys(sorted(parts), program)
    return programs, agrees


def draw_levels(rng: Random, parts: list[str]) -> dict[str, float]:
    """Active-RMS level of each part in dB. Drums and melody are set against the accompaniment."""
    levels = {"bass": rng.gauss(0, 2), "chords": rng.gauss(-1, 2), "pad": rng.gauss(-6, 2.5)}
    levels = {name: level for name, level in levels.items() if name in parts}
    backing = 10 * math.log10(sum(10 ** (v / 10) for v in levels.values())) if levels else 0.0
    if "drums" in parts:
        levels["drums"] = backing + rng.uniform(-5, 3)
    if "melody" in parts:
        above = rng.uniform(0, 6) if rng.random() < 0.88 else rng.uniform(-5, 0)
        levels["melody"] = backing + above
    return levels


def draw_eq(rng: Random) -> tuple[Band, ...]:
    """Up to three gentle bands."""
    bands = []
    if rng.random() < 0.6:
        bands.append(Band("low", rng.uniform(90, 300), rng.uniform(-4, 4)))
    if rng.random() < 0.6:
        bands.append(Band("peak", 300 * 12 ** rng.random(), rng.uniform(-4, 4)))
    if rng.random() < 0.6:
        bands.append(Band("high", rng.uniform(2500, 8000), rng.uniform(-5, 4)))
    return tuple(bands)


def draw_sends(rng: Random, part: str, wet: float) -> tuple[int, int]:
    """Reverb and chorus sends (0-127) of a part, given the wetness 0-1 of the clip."""
    reverb = {"drums": 50, "bass": 15, "chords": 80, "pad": 100, "melody": 90}[part]
    chorus = rng.randint(10, 80) if part in ("chords", "pad") and rng.random() < 0.5 else 0
    return round(reverb * wet * rng.uniform(0.6, 1.2)), chorus


def draw_room(rng: Random) -> Room:
    """Reverb, loudness and peak of a clip."""
    return Room(
        size=rng.uniform(0.1, 0.85),
        damping=rng.uniform(0.0, 0.9),
        width=0.5,
        level=rng.uniform(0.3, 0.9),
        loudness_db=rng.uniform(-20.0, -14.0),
        peak=rng.uniform(0.5, 0.9),
    )
