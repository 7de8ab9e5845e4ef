from __future__ import annotations

import itertools
import math
import random
import re
from collections import Counter

import pytest

from flowmusic.corpus.caption import BEATS
from flowmusic.corpus.compose import compose
from flowmusic.corpus.drums import GRIDS, INSTRUMENTS
from flowmusic.corpus.genres import GENRES
from flowmusic.corpus.instruments import KITS, LEADS, PROGRAMS, SOLO_GUITAR, SOLO_PIANO
from flowmusic.corpus.rhythm import METERS, Clock
from flowmusic.corpus.splits import assign, parse_shares, split_of
from flowmusic.corpus.theory import CHORD_TYPES, label_table


def chords_of(piece):
    return [label_table()[c.label] for c in piece.chords if c.label != "N"]


def test_same_seed_same_piece():
    assert compose(5) == compose(5)
    assert compose(5) != compose(6)


def test_chords_tile_the_clip_with_known_labels(pieces):
    for piece in pieces:
        assert piece.chords[0].start == 0.0 and piece.chords[-1].end == piece.seconds
        assert all(a.end == pytest.approx(b.start) for a, b in itertools.pairwise(piece.chords))
        assert all(c.label == "N" or c.label in label_table() for c in piece.chords)
        assert all(c.end > c.start for c in piece.chords)


def test_melody_is_monophonic_and_in_range(pieces):
    for piece in pieces:
        if melody := piece.part("melody"):
            assert all(a.end <= b.start for a, b in itertools.pairwise(melody.notes))
            assert all(55 <= note.pitch <= 88 for note in melody.notes)


def test_beats_are_even_and_bars_complete(pieces):
    for piece in pieces:
        gaps = [b - a for a, b in itertools.pairwise(piece.beats)]
        assert gaps == pytest.approx([60 / piece.bpm] * len(gaps), abs=1e-6)
        per_bar = METERS[piece.meter].beats
        first = piece.beats.index(piece.downbeats[0])
        assert piece.downbeats == piece.beats[first::per_bar]


def test_bass_states_the_inversion(pieces):
    """Where the bass plays at a change of chord, it plays the label's bass note."""
    agree = total = 0
    for piece in pieces:
        bass = piece.part("bass")
        for span in piece.chords if bass else ():
            near = [n for n in bass.notes if abs(n.start - span.start) < 0.05] if span.label != "N" else []
            if near and span.start > 0:
                total += 1
                agree += near[0].pitch % 12 == label_table()[span.label].bass
    assert total > 500 and agree / total > 0.97


def test_harmony_sounds_its_chords(pieces):
    """Chords, pad and bass together play every tone of the label, in spans of a second or more."""
    complete = total = 0
    for piece in pieces:
        parts = [p for p in map(piece.part, ("chords", "pad")) if p]
        for span in piece.chords if parts else ():
            if span.label == "N" or span.end - span.start < 1.0 or span.start == 0.0:
                continue
            sounding = {
                n.pitch % 12
                for part in [*parts, *filter(None, [piece.part("bass")])]
                for n in part.notes
                if n.start < span.end - 0.05 and n.end > span.start + 0.05
            }
            total += 1
            complete += set(label_table()[span.label].tones) <= sounding
    assert total > 500 and complete / total > 0.95


def test_every_chord_type_root_and_meter_occurs(pieces):
    chords = [chord for piece in pieces for chord in chords_of(piece)]
    kinds, roots = Counter(c.kind for c in chords), Counter(c.root for c in chords)
    assert all(kinds[kind] / len(chords) > 0.008 for kind in CHORD_TYPES)
    assert all(0.05 < roots[root] / len(chords) < 0.13 for root in range(12))
    assert {piece.meter for piece in pieces} == set(METERS)


def test_parts_are_absent_now_and_then(pieces):
    share = {
        name: sum(p.part(name) is None for p in pieces) / len(pieces)
        for name in ("drums", "bass", "chords", "pad", "melody")
    }
    assert 0.08 < share["drums"] < 0.28
    assert 0.1 < share["melody"] < 0.3
    assert 0.05 < share["bass"] < 0.35
    assert all(p.parts for p in pieces)


def test_splits_share_no_material(pieces):
    for kind in ("progressions", "grids"):
        owned = {s: {m for p in pieces if p.split == s for m in p.material[kind]} for s in LEADS}
        assert all(owned.values())
        for a, b in itertools.combinations(owned.values(), 2):
            assert not a & b
    leads = {s: {part.program for p in pieces if p.split == s and (part := p.part("melody"))} for s in LEADS}
    for split in LEADS:
        assert leads[split] <= {*LEADS[split], *SOLO_PIANO[split], *SOLO_GUITAR[split]}
    for a, b in itertools.combinations(leads.values(), 2):
        assert not a & b


def test_some_clips_start_inside_a_bar(pieces):
    on_downbeat = sum(bool(p.downbeats) and p.downbeats[0] < 1e-6 for p in pieces) / len(pieces)
    assert 0.3 < on_downbeat < 0.6


INSTRUMENT_WORDS = {word for _, words in PROGRAMS.values() for word in words}
GENRE_WORDS = {word for genre in GENRES for word in genre.words}
BEAT_WORDS = {word for words in BEATS.values() for word in words}


def without(text: str, words: set[str]) -> str:
    """The text with whole words and phrases taken out, the longest first."""
    for word in sorted(words, key=len, reverse=True):
        text = re.sub(rf"\b{re.escape(word)}\b", "", text)
    return text


def test_captions_name_only_what_sounds(pieces):
    named = 0
    for piece in pieces:
        true_words = {w for p in piece.parts if p.name != "drums" for w in PROGRAMS[p.program][1]}
        drums = piece.part("drums")
        kit_words = set(KITS[drums.program][1]) | BEAT_WORDS if drums else set()
        for caption in piece.captions:
            rest = without(without(caption.lower(), GENRE_WORDS), true_words | kit_words)
            named += rest != caption.lower()
            for word in INSTRUMENT_WORDS:
                assert not re.search(rf"\b{re.escape(word)}\b", rest), (caption, true_words)
            denial = (
                re.search(r"no (drums|percussion)|without drums|drumless", rest) or "are no drums" in caption.lower()
            )
            if drums:
                assert not denial, caption
            else:
                assert not re.search(r"\bdrums?\b|\bkit\b|\bbeat\b", without(rest, {"no drums", "without drums"}))
    assert named > 0.9 * 6 * len(pieces)


def test_captions_agree_with_tempo_and_key(pieces):
    wrong = {"slow": ("brisk", "fast", "quick"), "fast": ("slow", "unhurried"), "medium": ("brisk", "unhurried")}
    for piece in pieces:
        assert len(piece.captions) >= 4
        for caption in piece.captions:
            plain = caption.lower().replace("slow strings", "")
            assert not any(word in plain for word in wrong[piece.tags["tempo"]]), caption
            if " bpm" in plain:
                assert f"{round(piece.bpm)} bpm" in plain
            if piece.key == "none":
                assert " major" not in plain and " minor" not in plain


def mutual_information(pairs):
    """Bits, less the same estimate on shuffled pairs, which removes the bias of small samples."""

    def estimate(xy):
        joint, left, right = Counter(xy), Counter(x for x, _ in xy), Counter(y for _, y in xy)
        n = len(xy)
        return sum(v / n * math.log2(v * n / (left[x] * right[y])) for (x, y), v in joint.items())

    ys = [y for _, y in pairs]
    random.Random(0).shuffle(ys)
    return estimate(pairs) - estimate([(x, y) for (x, _), y in zip(pairs, ys, strict=True)])


def test_controls_do_not_give_each_other_away(pieces):
    """Bounds in bits; the entropies are about 3.6 (chord type, next root) and 4.7 (genre)."""
    steps = [(a.kind, (b.root - a.root) % 12) for p in pieces for a, b in itertools.pairwise(chords_of(p))]
    assert mutual_information(steps) < 0.35
    typed = [(p.tags["genre"], chord.kind) for p in pieces for chord in chords_of(p)]
    assert mutual_information(typed) < 0.5
    hits = [
        (p.tags["genre"], INSTRUMENTS_CLASS[n.pitch]) for p in pieces if (d := p.part("drums")) for n in d.notes[:20]
    ]
    assert mutual_information(hits) < 0.3
    first = [(p.bpm // 20, chords_of(p)[0].kind) for p in pieces if chords_of(p)]
    assert mutual_information(first) < 0.3


INSTRUMENTS_CLASS = {note: kind for notes, kind in INSTRUMENTS.values() for note in notes}


def test_progressions_are_not_all_loops(pieces):
    roots = Counter((b.root - a.root) % 12 for p in pieces for a, b in itertools.pairwise(chords_of(p)))
    total = sum(roots.values())
    entropy = -sum(v / total * math.log2(v / total) for v in roots.values())
    assert entropy > 3.2  # of 3.58 for twelve equally likely intervals


def test_grids_fit_their_meters():
    for meter, library in GRIDS.items():
        for grid in library.values():
            assert all(len(line) == METERS[meter].steps for line in grid.values())
            assert set("".join(grid.values())) <= set("Xxo-.")
    assert sum(map(len, GRIDS.values())) >= 12


def test_swing_moves_only_the_offbeats():
    clock = Clock(METERS["4/4"], 60.0, 1.0, swing=2 / 3)
    assert clock.time(4) == pytest.approx(2.0)
    assert clock.time(2) == pytest.approx(1.0 + 2 / 3)


def test_assign_gives_every_split_a_clip():
    names = assign(20, parse_shares("train=0.9,validation=0.05,test=0.05"), seed=1)
    assert Counter(names) == {"train": 18, "validation": 1, "test": 1}
    assert {split_of(str(k)) for k in range(200)} == {"train", "validation", "test"}
