"""The lively rendering: labels still exact, stems still sum, mono and stereo agree, levels as promised."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile

from flowmusic.corpus import bus, kits, performance, rooms, spread
from flowmusic.corpus.__main__ import main
from flowmusic.corpus.compose import compose
from flowmusic.corpus.counts import table
from flowmusic.corpus.genres import GENRES
from flowmusic.corpus.lively import draw_production, render
from flowmusic.corpus.piece import Note
from flowmusic.corpus.synth import FontSynth
from flowmusic.facts import INSTRUMENTS, TEMPI, instrument_of
from tests.corpus.test_build import digests

RATE = 32_000


def hit(seconds: float, hz: float, rng: np.random.Generator) -> np.ndarray:
    """A decaying tone with a click, 12 ms after the beginning of the file."""
    time = np.arange(int(seconds * 44100)) / 44100
    sound = np.exp(-time / (seconds / 5)) * (np.sin(2 * np.pi * hz * time + 1) + 0.3 * rng.standard_normal(len(time)))
    return np.concatenate([np.zeros(529), 0.5 * sound])


@pytest.fixture(scope="module")
def samples(tmp_path_factory) -> Path:
    """A folder with a recording of our own for every name that the kits use."""
    folder = tmp_path_factory.mktemp("samples")
    rng = np.random.default_rng(0)
    for kit in kits.KITS.values():
        for choice in kit.values():
            for name in (recording.partition("+")[0] for voice in choice for recording in voice):
                if not (folder / f"{name}.flac").exists():
                    soundfile.write(folder / f"{name}.flac", hit(0.2, rng.uniform(60, 3000), rng), 44100)
    return folder


@pytest.fixture(scope="module")
def lively(command: Callable[..., list[str]], samples: Path) -> Callable[..., list[str]]:
    def arguments(out: Path, *more: str) -> list[str]:
        return command(out, "--rendering", "lively", "--drum-samples", str(samples), "--workers", "1", *more)

    return arguments


@pytest.fixture(scope="module")
def stereo(tmp_path_factory, lively) -> Path:
    out = tmp_path_factory.mktemp("lively") / "c"
    assert main(lively(out, "--stereo")) == 0
    return out


def read(path: Path) -> np.ndarray:
    return soundfile.read(path, dtype="int16", always_2d=True)[0].astype(int)


def test_mono_is_the_mean_of_the_channels_and_stems_sum_to_the_mix(stereo, lively, tmp_path):
    """Both bit by bit, and a corpus in two parts holds the same clips as one in one piece."""
    out, same = tmp_path / "mono", ("--placement", "table")
    assert main(lively(out, *same, "--part", "2/2")) == 0 and not (out / "manifest.jsonl").exists()
    assert main(lively(out, *same)) == 0
    for path in sorted(stereo.glob("*/??????.json")):
        record = json.loads(path.read_text())
        mix = read(path.with_suffix(".flac"))
        parts = [read(path.with_name(f"{path.stem}.{name}.flac")) for name in record["programs"]]
        assert mix.shape == (RATE * 10, 2) and np.array_equal(np.sum(parts, axis=0), mix)
        assert np.array_equal(mix.sum(axis=1), 2 * read(out / path.parent.name / f"{path.stem}.flac")[:, 0])
        mono = json.loads((out / path.parent.name / path.name).read_text())
        assert {**record["rendering"], "channels": 1} == mono.pop("rendering")
        assert mono == {k: v for k, v in record.items() if k != "rendering"}
        assert np.any(mix[:, 0] != mix[:, 1])
        assert np.abs(mix / 32768).max() <= bus.CEILING + 1e-4
        told = record["rendering"]["lufs"]
        assert told == pytest.approx(bus.loudness(bus.weighted_power(mix.T / 32768, RATE), RATE), abs=0.15)
        assert -20 < told < -12.5


def test_bytes_repeat_and_licences_are_listed(stereo, lively, tmp_path):
    assert main(lively(tmp_path / "c", "--stereo")) == 0
    assert digests(tmp_path / "c") == digests(stereo)
    settings = json.loads((stereo / "corpus.json").read_text())
    assert settings["placement"] == "table"
    assert settings["licences"]["TimGM6mb.sf2"] == "GPL-2" and settings["drum_samples"]["licence"] == "CC0-1.0"
    lines = [json.loads(line) for line in (stereo / "manifest.jsonl").read_text().splitlines()]
    for line in lines:
        rendering = json.loads((stereo / line["path"]).with_suffix(".json").read_text())["rendering"]
        assert line["licences"] == sorted({"GPL-2"} | ({"CC0-1.0"} if rendering["kit"] else set()))
    assert any("CC0-1.0" in line["licences"] for line in lines)


def test_every_recording_sounds_at_the_time_of_its_label(samples):
    """The onset of a hit is measured as that of a recording is, in the middle of silence."""
    player = kits.KitPlayer(str(samples), RATE)
    voices = {(i, v): i for kit in kits.KITS.values() for i, choice in kit.items() for v in choice}
    errors = []
    for number, (instrument, voice) in enumerate(sorted(voices)):
        kit = kits.Kit("one", {instrument: voice})
        note = Note(0.3 + 0.0007 * number, 0.5, kits.INSTRUMENTS[instrument][0][0], 40 + number)
        sound = player.render(kit, (note,), Random(number), 0.7).mean(axis=0)
        begin = int((note.start - 0.1) * RATE)
        errors.append((begin + kits.attack(sound[begin:], RATE)) / RATE - note.start)
    assert len(errors) > 50 and np.abs(errors).max() < 0.001 and abs(np.median(errors)) < 0.0002


def test_a_closed_hat_ends_an_open_one(samples):
    player = kits.KitPlayer(str(samples), RATE)
    kit = kits.Kit("one", {"open": ("drum_cymbal_open",), "hat": ("drum_cymbal_closed",)})
    open_only = player.render(kit, (Note(0.1, 0.2, 46, 90),), Random(0), 0.5)[0]
    both = player.render(kit, (Note(0.1, 0.2, 46, 90), Note(0.15, 0.2, 42, 1)), Random(0), 0.5)[0]
    late = slice(int(0.17 * RATE), int(0.25 * RATE))
    assert np.square(both[late]).mean() < 0.01 * np.square(open_only[late]).mean()


def test_playing_moves_notes_by_some_milliseconds_and_keeps_the_grid():
    moved = []
    for seed in range(0, 120, 3):
        piece = compose(seed, steady=True)
        played = performance.perform(piece)
        assert (played.beats, played.chords) == (piece.beats, piece.chords)
        for before, after in zip(piece.parts, played.parts, strict=True):
            moved += performance.deviations(before.notes, after.notes)
            assert len(after.notes) >= 0.97 * len(before.notes)
            assert all(25 <= note.velocity <= 122 and note.end > note.start for note in after.notes)
        melody = played.part("melody")
        notes = melody.notes if melody else ()
        assert all(a.end <= b.start for a, b in zip(notes, notes[1:], strict=False))
    assert 0.006 < np.std(moved) < 0.010 and abs(np.mean(moved)) < 0.002 and np.abs(moved).max() < 0.05


def test_every_instrument_genre_and_tempo_has_its_turn():
    """In 280 pieces each instrument is heard, and no genre is asked for more than once oftener than another."""
    found = table(seed=1, clips=280)
    assert set(found["instrument"]) == set(INSTRUMENTS) and min(found["instrument"].values()) >= 4
    asked = found["genre"].values()
    assert len(asked) == len(GENRES) and max(asked) - min(asked) <= 1
    assert set(found["tempo"]) == set(TEMPI) and min(found["tempo"].values()) > 280 * 0.2


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_a_wished_instrument_plays(split):
    for index in range(60):
        wish = spread.wish_of(5, index)
        piece = compose(index, split, 8.0, wish=wish)
        # Solos are as they are; a part that has no room in the clip is left out.
        if len(piece.parts) > 2 and wish.instrument not in {instrument_of(p.program) for p in piece.parts}:
            pytest.fail(f"{wish} is not among {[p.program for p in piece.parts]}")


def test_recorded_drums_play_in_about_a_third_of_the_clips(samples, font):
    from flowmusic.corpus.fonts import open_font

    opened, found = open_font(font), kits.find_samples(str(samples))
    plans = [draw_production(compose(seed), opened, (opened,), found) for seed in range(200)]
    assert 0.25 < np.mean([plan.kit is not None for plan in plans]) < 0.45


@pytest.mark.parametrize(("rate", "db"), [(48_000, -23.0), (32_000, -23.0), (32_000, -33.0)])
def test_loudness_of_a_tone_is_as_published(rate, db):
    """EBU Tech 3341, cases 1 and 2: 1 kHz in both channels measures its level; BS.1770: 997 Hz in one, -3.01."""
    time = np.arange(rate * 5) / rate
    both = np.tile(10 ** (db / 20) * np.sin(2 * np.pi * 1000 * time), (2, 1))
    assert bus.loudness(bus.weighted_power(both, rate), rate) == pytest.approx(db, abs=0.1)
    one = np.sin(2 * np.pi * 997 * time)[None]
    assert bus.loudness(bus.weighted_power(one, rate), rate) == pytest.approx(-3.01, abs=0.05)


def test_loudness_leaves_quiet_stretches_out():
    """EBU Tech 3341 (2016), case 3: 10 s at -36, 60 s at -23 and 10 s at -36 dBFS measure -23 LUFS."""
    level = np.repeat([-36.0, -23.0, -36.0], [10 * RATE, 60 * RATE, 10 * RATE])
    tone = 10 ** (level / 20) * np.sin(2 * np.pi * 1000 * np.arange(80 * RATE) / RATE)
    assert bus.loudness(bus.weighted_power(np.tile(tone, (2, 1)), RATE), RATE) == pytest.approx(-23.0, abs=0.1)


def test_compressor_halves_what_is_above_its_threshold_and_takes_its_time():
    """A step of 20 dB: half of the excess goes, 1 - 1/e of that in the attack time."""
    power = np.repeat([0.01, 1.0], [4000, 4000])
    gains = -20 * np.log10(bus.compression(power, -20.0, RATE))
    excess = 10 * np.log10(1 / power.mean()) + 20
    assert gains[-1] == pytest.approx(excess / 2, rel=0.01)
    before = gains[3999]
    assert gains[4009] - before == pytest.approx((excess / 2 - before) * (1 - np.exp(-1)), rel=0.05)


def test_limiter_holds_the_ceiling_between_its_points():
    rng = np.random.default_rng(3)
    sound = (rng.standard_normal((2, RATE)) * np.repeat(rng.uniform(0.01, 2.0, 100), RATE // 100)).astype(np.float32)
    curve, _ = bus.gain_curve(sound, bus.peaks(sound), bus.Bus(0.0, -6.0), RATE)
    assert np.abs(sound * curve).max() <= bus.CEILING * (1 + 1e-6) and np.abs(sound * curve).max() > 0.8


@pytest.mark.parametrize("rt60", [0.3, 1.0, 2.0])
def test_rooms_ring_as_long_as_they_say(rt60):
    """Slope of Schroeder's backward integral between -5 and -25 dB, undamped; channels differ, energy is one."""
    hall = rooms.Hall((5.0, 7.0, 3.0), rt60, 0.0, 0.01, 0.0)
    late = rooms.tail(hall, RATE, seed=4)
    assert np.square(late).sum(axis=1) == pytest.approx([1.0, 1.0], rel=0.15)
    decay = 10 * np.log10(np.cumsum(np.square(late[0])[::-1])[::-1])
    decay -= decay[0]
    first, last = np.argmax(decay < -5), np.argmax(decay < -25)
    assert 3 * (last - first) / RATE == pytest.approx(rt60, rel=0.12)
    assert abs(np.corrcoef(late)[0, 1]) < 0.4
    left, right = rooms.response(hall, late, -0.8, RATE)[:, : round(0.01 * RATE) + 1000]
    assert np.square(left).sum() > np.square(right).sum()


def test_panned_parts_are_where_they_should_be(font, samples):
    """Level difference of a dry pad that is panned by equal power."""
    from dataclasses import replace

    from flowmusic.corpus.fonts import open_font
    from flowmusic.corpus.lively import Strip
    from flowmusic.corpus.piece import Part

    opened = open_font(font)
    synth = FontSynth(str(font))
    piece = compose(3, seconds=3.0)
    piece = replace(piece, parts=(Part("chords", 16, (Note(0.0, 3.0, 60, 90),)),))
    plan = draw_production(piece, opened, (opened,), None)
    for place in (-0.5, 0.0, 0.5):
        here = replace(plan, strips={"chords": Strip(opened, place, None)})
        sound = render(piece, here, {opened.sha256: synth}, None, True)[0].mix.astype(float)
        angle = (1 + place) * np.pi / 4
        level = 10 * np.log10(np.square(sound[:, 1]).sum() / np.square(sound[:, 0]).sum())
        assert level == pytest.approx(20 * np.log10(np.tan(angle)), abs=0.3)
    synth.close()


def test_the_table_changes_places_and_nothing_else(samples, font):
    """What sits where is the same in all pieces up to a small error; drawn places stay as they were."""
    from dataclasses import replace

    from flowmusic.corpus.fonts import open_font

    opened, found = open_font(font), kits.find_samples(str(samples))
    sides: dict[str, list[float]] = {}
    for seed in range(60):
        piece = compose(seed)
        drawn, seated = (draw_production(piece, opened, (opened,), found, table) for table in (False, True))
        strips = {name: replace(drawn.strips[name], place=s.place, seat=s.seat) for name, s in seated.strips.items()}
        assert seated == replace(drawn, strips=strips)
        assert "spread" not in drawn.as_dict() and seated.as_dict()["spread"].keys() == seated.strips.keys()
        for part in piece.parts:
            seat = seated.strips[part.name].seat
            groups = seat.groups(part)
            assert sorted(n for _, notes in groups for n in notes) == sorted(part.notes) and len(groups) < 12
            if part.name in ("drums", "bass"):
                assert abs(seat.place) <= 0.05
            if part.name == "chords" and len(piece.parts) > 1:
                sides.setdefault(instrument_of(part.program), []).append(seat.place)
    assert max(sides["acoustic guitar"]) < -0.3 and min(sides["piano"]) > 0.2
    assert all(max(places) - min(places) < 0.45 for places in sides.values())


def test_each_piece_of_a_kit_has_its_side(font):
    """Hi-hat to the right, ride to the left, kick in the middle, whatever the soundfont does."""
    from flowmusic.corpus.fonts import open_font
    from flowmusic.corpus.lively import Strip, _synthetic
    from flowmusic.corpus.piece import Part
    from flowmusic.corpus.placement import Seat

    synth = FontSynth(str(font))
    strip = Strip(open_font(font), 0.0, None, Seat(0.0, 1.0))
    for pitch, least, most in ((42, 4.0, 6.0), (51, -7.0, -5.0), (36, -0.1, 0.1)):
        left, right = _synthetic(Part("drums", 0, (Note(0.0, 0.3, pitch, 90),)), strip, synth, 0.5)
        assert least < 10 * np.log10(np.square(right).sum() / np.square(left).sum()) < most
    synth.close()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stereo"], "--stereo needs --rendering lively"),
        (["--placement", "table"], "--placement needs --rendering lively"),
        (["--rendering", "lively", "--drum-samples", "nowhere"], "sonic-pi-samples"),
        (["--part", "3/2"], "K must be from 1 to N"),
        (["--part", "one"], "give K/N"),
        (["--rendering", "loud"], "--rendering"),
    ],
)
def test_bad_input_is_told_in_one_line(arguments, message, tmp_path, capsys, command):
    assert main(command(tmp_path / "c", *arguments)) == 2
    told = capsys.readouterr().err
    assert message in told and told.count("\n") == 1 and not (tmp_path / "c").exists()
