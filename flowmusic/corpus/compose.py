"""From a seed to a `Piece`: notes, labels and captions of a clip, before any sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from random import Random

from flowmusic.corpus import accompaniment, bass, drums, harmony, melody
from flowmusic.corpus.arrange import (
    Plan,
    Section,
    draw_eq,
    draw_levels,
    draw_plan,
    draw_room,
    draw_sends,
)
from flowmusic.corpus.caption import describe
from flowmusic.corpus.instruments import lead_range
from flowmusic.corpus.performance import without_overlaps
from flowmusic.corpus.piece import PARTS, ChordSpan, Note, Part, Piece
from flowmusic.corpus.rhythm import Clock
from flowmusic.corpus.splits import stream
from flowmusic.corpus.spread import Wish
from flowmusic.corpus.theory import NO_CHORD, ROOTS, Chord

_MODES = (("major", 0.36), ("minor", 0.28), ("harmonic minor", 0.1), ("dorian", 0.13), ("mixolydian", 0.13))
_HARMONIC = frozenset({"bass", "chords", "pad"})


@dataclass(frozen=True)
class Harmony:
    """The chords of a piece, whether or not anybody plays them. Positions are steps."""

    tonic: int
    mode: str
    style: harmony.HarmonyStyle
    spans: tuple[tuple[int, int, Chord], ...]
    signatures: tuple[str, ...]

    def at_steps(self) -> list[Chord]:
        """Chord of every step."""
        return [chord for start, end, chord in self.spans for _ in range(start, end)]

    def within(self, first: int, last: int) -> list[accompaniment.Span]:
        """Spans between two steps, each with the chord that follows."""
        result = []
        for index, (start, end, chord) in enumerate(self.spans):
            if end > first and start < last:
                after = self.spans[min(index + 1, len(self.spans) - 1)][2]
                result.append((max(start, first), min(end, last), chord, after))
        return result


def _durations(rng: Random, clock: Clock, bars: int) -> list[int]:
    """Chord lengths in steps that fill `bars`: from two bars to half a bar each."""
    bar = clock.meter.steps
    half = bar // 2 if clock.meter.beats != 3 else 8
    pace = rng.choices(("slow", "bar", "half", "mixed"), (0.15, 0.4, 0.2, 0.25))[0]
    if clock.bar_s < 1.4 and pace == "half":
        pace = "bar"
    lengths: list[int] = []
    left = bars
    while left > 0:
        kind = rng.choice(("slow", "bar", "bar", "half")) if pace == "mixed" else pace
        if kind == "slow" and left >= 2:
            lengths.append(2 * bar)
            left -= 2
        elif kind == "half":
            lengths += [half, bar - half]
            left -= 1
        else:
            lengths.append(bar)
            left -= 1
    return lengths if len(lengths) > 1 else [lengths[0] // 2, lengths[0] - lengths[0] // 2]


def _compose_harmony(seed: int, split: str, plan: Plan) -> Harmony:
    rng = stream(seed, "harmony")
    mode = rng.choices([m for m, _ in _MODES], [w for _, w in _MODES])[0]
    tonic = rng.randrange(12)
    style = harmony.draw_style(rng, mode, plan.genre.colour)
    if plan.genre.cadences:
        mode = rng.choice(plan.genre.modes)
        style = harmony.of_cadences(mode, plan.genre.cadences)
    loops, signatures = [], []
    for _ in range(2):
        bars = rng.choice((1, 2, 4, 4, 4, 8, plan.bars, plan.bars))
        if style.source == "chance":
            bars = max(bars, 4)
        lengths = _durations(rng, plan.clock, min(bars, plan.bars))
        chords = harmony.progression(rng, style, len(lengths), split)
        signatures.append(harmony.signature(chords))
        loops.append([(n, c.up(tonic)) for n, c in zip(lengths, chords, strict=True)])
    spans: list[tuple[int, int, Chord]] = []
    for section in plan.sections:
        at, stop, index = section.first * plan.clock.meter.steps, section.last * plan.clock.meter.steps, 0
        loop = loops[section.material]
        while at < stop:
            length, chord = loop[index % len(loop)]
            end = min(stop, at + length)
            if spans and spans[-1][2] == chord:
                spans[-1] = (spans[-1][0], end, chord)
            else:
                spans.append((at, end, chord))
            at, index = end, index + 1
    used = {section.material for section in plan.sections}
    return Harmony(tonic, mode, style, tuple(spans), tuple(signatures[k] for k in sorted(used)))


def _perform(
    rng: Random, plan: Plan, events: list[melody.Event], first_time: float, monophonic: bool
) -> tuple[Note, ...]:
    """Events in steps to notes in seconds, humanised; nothing overlaps its own pitch."""
    clock = plan.clock
    notes = []
    for at, length, pitch, strength in events:
        start = clock.time(at) + max(-0.03, min(0.03, rng.gauss(0.0, plan.jitter_s)))
        start = max(start, first_time)
        end = max(start + 0.06, clock.time(at + length))
        velocity = round(127 * strength * plan.accent * rng.gauss(1.0, 0.07))
        notes.append(Note(start, min(end, plan.music_end + 0.02), pitch, max(35, min(120, velocity))))
    notes = sorted(n for n in notes if n.start < plan.music_end - 0.05)
    return without_overlaps(notes, monophonic)


def _runs(sections: tuple[Section, ...], part: str) -> list[tuple[Section, list[int]]]:
    return [(s, list(range(s.first, s.last))) for s in sections if part in s.parts]


def _compose_drums(seed: int, split: str, plan: Plan) -> tuple[str, tuple[Note, ...], tuple[str, ...]]:
    rng = stream(seed, "drums")
    meter = plan.clock.meter
    name, main = drums.draw_grid(rng, meter, split, plan.drum_styles)
    other = drums.draw_grid(rng, meter, split, plan.drum_styles)[1] if rng.random() < 0.45 else main
    choice = {i: rng.choice(notes) for i, (notes, _) in drums.INSTRUMENTS.items()}
    fills = rng.choice((0.0, 0.4, 0.9))
    every = rng.choice((0, 0, 2, 4))
    crashes = rng.random() < 0.55
    notes: list[Note] = []
    grids = [main]
    for section, bars in _runs(plan.sections, "drums"):
        grid = other if section.material else main
        if grid not in grids:
            grids.append(grid)
        score = []
        for bar in bars:
            last = bar == bars[-1] or (every and (bar - bars[0]) % every == every - 1)
            fill = drums.draw_fill(rng, meter) if last and rng.random() < fills else None
            score.append((grid, fill, crashes and bar == bars[0] and bar > 0))
        notes += drums.perform(rng, plan.clock, score, section.first, min(plan.jitter_s, 0.008), plan.accent, choice)
    first = plan.clock.origin
    kept = [n._replace(start=max(n.start, first)) for n in notes if n.start < plan.music_end - 0.03]
    return name, tuple(sorted(kept)), tuple(drums.signature(g) for g in grids)


def _compose_parts(seed: int, split: str, plan: Plan, chords: Harmony) -> dict[str, tuple[Note, ...]]:
    clock, meter = plan.clock, plan.clock.meter
    result: dict[str, tuple[Note, ...]] = {}
    present = {p for s in plan.sections for p in s.parts}
    first = clock.origin

    def spans(section: Section) -> list[accompaniment.Span]:
        return chords.within(section.first * meter.steps, section.last * meter.steps)

    for part in ("bass", "chords", "pad"):
        if part not in present:
            continue
        rng = stream(seed, part)
        own = {"bass": plan.genre.basses, "chords": plan.genre.comps}.get(part, ())
        style = rng.choice(own or (bass.BASS_STYLES if part == "bass" else accompaniment.COMP_STYLES))
        if plan.programs[part] in (29, 30, 44, 48, 61) and part == "chords":
            style = rng.choice(("held", "quarters", "eighths", "pattern"))
        centre = rng.uniform(56, 66)
        events: list[melody.Event] = []
        for section, _ in _runs(plan.sections, part):
            below = "bass" in section.parts
            if part == "bass":
                alone = not section.parts & {"chords", "pad"}
                events += bass.compose_bass(rng, meter, "running" if alone else style, spans(section))
            elif part == "chords":
                if plan.solo and style in ("held", "offbeat"):
                    style = "up-down"
                events += accompaniment.compose_comp(rng, meter, style, spans(section), centre, below)
            else:
                events += accompaniment.compose_pad(rng, meter, spans(section), centre, below)
        result[part] = _perform(stream(seed, part, "feel"), plan, events, first, False)
    if "melody" in present:
        rng = stream(seed, "melody")
        low, high = lead_range(plan.programs["melody"])
        style_m = melody.draw_style(rng, low, high, free=rng.random() < 0.2)
        steps = chords.at_steps()
        events = []
        for _, bars in _runs(plan.sections, "melody"):
            events += melody.compose_melody(rng, meter, style_m, bars, steps, chords.tonic, chords.mode)
        result["melody"] = _perform(stream(seed, "melody", "feel"), plan, events, first, True)
    return result


def _chord_labels(plan: Plan, chords: Harmony) -> tuple[ChordSpan, ...]:
    """Labels that cover the clip; N where no part that states the harmony plays."""
    bar = plan.clock.meter.steps
    heard = [bool(s.parts & _HARMONIC) for s in plan.sections for _ in range(s.first, s.last)]
    spans: list[ChordSpan] = []

    def add(start: float, end: float, label: str) -> None:
        start, end = max(0.0, start), min(end, plan.music_end)
        if end - start < 1e-4:
            return
        if spans and spans[-1].label == label:
            spans[-1] = spans[-1]._replace(end=end)
        else:
            spans.append(ChordSpan(start, end, label))

    if plan.clock.origin > 0:
        spans.append(ChordSpan(0.0, plan.clock.origin, NO_CHORD))
    for start, end, chord in chords.spans:
        cuts = sorted({start, end, *range(-(-start // bar) * bar, end, bar)})
        for low, high in pairwise(cuts):
            label = chord.label if heard[low // bar] else NO_CHORD
            add(plan.clock.time(low), plan.clock.time(high), label)
    return tuple(spans)


def _span(part: Part, seconds: float) -> float:
    """Seconds of the clip between the first and the last sound of a part."""
    inside = [n for n in part.notes if n.end > 0.0 and n.start < seconds]
    return min(seconds, max(n.end for n in inside)) - max(0.0, inside[0].start)


def compose(
    seed: int,
    split: str = "train",
    seconds: float = 20.0,
    genres: Sequence[str] = (),
    wish: Wish | None = None,
    steady: bool = False,
) -> Piece:
    """Compose a clip of `seconds` from `seed`, with material that belongs to `split`.

    `genres` are names to draw from; none means the genres of every corpus. A `wish` says what the clip should have.
    A `steady` clip is played exactly in time, for `performance.perform` to bring to life.
    """
    plan = draw_plan(seed, split, seconds, genres, wish)
    plan = replace(plan, jitter_s=0.0) if steady else plan
    chords = _compose_harmony(seed, split, plan)
    played = _compose_parts(seed, split, plan, chords)
    grid_name: str | None = None
    grids: tuple[str, ...] = ()
    if "drums" in plan.programs:
        grid_name, played["drums"], grids = _compose_drums(seed, split, plan)
    played = {
        name: notes for name, notes in played.items() if any(n.end > 0.05 and n.start < seconds - 0.05 for n in notes)
    }
    rng = stream(seed, "mix")
    names = [name for name in PARTS if name in played]
    levels, wet = draw_levels(rng, names), rng.choice((0.1, 0.4, 0.7, 1.0))
    parts = []
    for name in names:
        reverb, chorus = draw_sends(rng, name, wet)
        parts.append(Part(name, plan.programs[name], played[name], levels[name], reverb, chorus, draw_eq(rng)))
    labels = list(_chord_labels(plan, chords))
    if labels[-1].end < seconds - 1e-6:
        labels.append(ChordSpan(labels[-1].end, seconds, NO_CHORD))
    labels[-1] = labels[-1]._replace(end=seconds)
    beats = [
        (plan.clock.time(k * plan.clock.meter.division), k % plan.clock.meter.beats == 0)
        for k in range(plan.bars * plan.clock.meter.beats)
    ]
    beats = [(t, down) for t, down in beats if -1e-6 <= t < plan.music_end - 1e-6]
    tonal = chords.style.source in ("walk", "pedal", "cadences")
    key = f"{ROOTS[chords.tonic]} {chords.mode}" if tonal else "none"
    # Parts that hardly sound are not worth a word; but "no drums" must stay true.
    heard = tuple(part for part in parts if part.name == "drums" or _span(part, seconds) >= 1.5)
    tags, captions = describe(stream(seed, "text"), plan, key, heard or tuple(parts), tuple(labels), grid_name, seconds)
    return Piece(
        seed=seed,
        split=split,
        seconds=seconds,
        bpm=plan.clock.bpm,
        meter=plan.clock.meter.name,
        beats=tuple(max(0.0, t) for t, _ in beats),
        downbeats=tuple(max(0.0, t) for t, down in beats if down),
        key=key,
        mode=chords.mode if tonal else "none",
        chords=tuple(labels),
        parts=tuple(parts),
        room=draw_room(rng),
        tags=tags,
        captions=captions,
        material={
            "progressions": chords.signatures,
            "grids": tuple(f"{plan.clock.meter.name} {g}" for g in grids),
        },
    )
