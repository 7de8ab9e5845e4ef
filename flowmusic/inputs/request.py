"""What a person asked of ``generate``: read and judged before a model is loaded, turned into Controls after.

Explicit flags override a control sheet.  Whatever is taken differently from how it was written is a notice.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowmusic.inputs.facts import AskedFacts

if TYPE_CHECKING:
    from flowmusic.annotations.json_file import ControlsFile
    from flowmusic.annotations.midi import Score
    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.excerpts import Excerpt
    from flowmusic.inputs.lead_sheet import LeadSheet
    from flowmusic.inputs.loops import Drums
    from flowmusic.types import Controls, FrameGrid, Track

TONAL_SHARE = 0.35
"""A recording with more than this in :func:`tonal_share` is taken for a mix, not for drums alone.

Measured on clips of the corpus: drum stems 0.01 to 0.30, their mixes 0.40 to 0.95 (19 each).
"""


@dataclass(frozen=True)
class Recording:
    """A recording whose control is made on the model's clock, once that is known: ``track(frame_rate grid)``."""

    seconds: float
    track: Callable[[FrameGrid], Track]


@dataclass(frozen=True)
class GenerateRequest:
    """Everything that ``generate`` was given, in seconds.

    ``bpm`` is that of the flag or of a MIDI file, None where neither sets the beat grid; ``sheet_stretch`` how many
    times as long the sheet's drums are to last, which ``sheet_drums`` already do.  ``lead`` is the lead sheet that
    ``sheet`` is of, if it is of one.  ``sources`` names the files that controls came from; ``notices`` is filled while
    reading and while building.
    """

    text: str | None
    seconds: float
    meter: str
    bpm: float | None
    chords: str | None
    melody: Recording | tuple[tuple[float, float, int], ...] | None
    drums: Drums | None
    sheet: ControlsFile | None
    sheet_drums: Drums | None
    sheet_stretch: float
    style: Excerpt | None
    use: frozenset[str] | None
    sources: dict[str, str]
    notices: list[str] = field(default_factory=list)
    facts: AskedFacts = field(default_factory=AskedFacts)
    lead: LeadSheet | None = None


@contextmanager
def gathering(notices: list[str]) -> Iterator[None]:
    """Append the control notices raised inside, each text once; other warnings pass."""
    from flowmusic.controls.notices import ControlNotice

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ControlNotice)
        yield
    for warning in caught:
        if issubclass(warning.category, ControlNotice):
            if str(warning.message) not in notices:
                notices.append(str(warning.message))
        else:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)


def read(args: argparse.Namespace) -> GenerateRequest:
    """Read every file and judge every flag.

    Raises: ValueError or OSError naming the flag or file, what is allowed and what to do.
    """
    from flowmusic.annotations.midi import is_midi
    from flowmusic.controls import chords
    from flowmusic.inputs import excerpts, facts, rhythm

    rhythm.check(args)
    lead: LeadSheet | None = getattr(args, "lead", None)
    if args.use is not None and args.controls is None and lead is None:
        raise ValueError("--use chooses among the controls of --controls or --sheet, and neither is given")
    notices: list[str] = []
    sources: dict[str, str] = {}
    said = facts.asked(args, notices)
    with gathering(notices):
        if args.chords is not None:
            # Read here to refuse early, and again on the model's clock.
            chords.parse(args.chords, args.seconds)
        sheet, use, sheet_drums = None, args.use, None
        if args.controls is not None:
            sheet, use, sheet_drums = _read_sheet(args, sources)
        if lead is not None:
            notices += lead.notices
            sheet, use = lead.file(), lead.used(args, said, notices)
            sources.update(dict.fromkeys(sorted(use), str(lead.path)))
            # The sheet has been read at this tempo and in this meter.
            args = argparse.Namespace(**{**vars(args), "meter": None, "bpm": None if lead.counted else args.bpm})
        files = rhythm.midi_files(args)
        beat = rhythm.settle(args, sheet, use, files)
        beat = beat if lead is None else replace(beat, meter=lead.meter)
        melody = None
        if args.melody is not None:
            sources["melody"] = str(args.melody)
            melody = _read_melody(args, files, notices)
        drums = None
        if args.drums is not None:
            sources["drums"] = str(args.drums)
            drums = _loop(args, files, notices)
            drums = drums.stretched(rhythm.stretch(args, drums.strength, drums.seconds, files.get("drums"), beat))
        sheet_stretch = 1.0
        if sheet is not None and use is not None and "drums" in use:
            heard = None if sheet_drums is None else sheet_drums.strength
            sheet_stretch = rhythm.sheet_stretch(args, sheet, heard, beat)
            sheet_drums = None if sheet_drums is None else sheet_drums.stretched(sheet_stretch)
        style = None
        if args.style is not None:
            if is_midi(args.style):
                raise ValueError(f"{args.style} is a MIDI file, which has no sound; a tune is given with --melody")
            sources["style"] = str(args.style)
            sound = excerpts.read(args.style, args.style_seconds, notices)
            style = excerpts.Excerpt(sound, args.style_detail, args.style_timbre)
        else:
            for flag, value in (("--style-detail", args.style_detail), ("--style-timbre", args.style_timbre)):
                if value is not None:
                    raise ValueError(f"{flag} says how closely to follow --style, which is not given")
    return GenerateRequest(
        text=facts.with_picture(args, said),
        seconds=args.seconds,
        meter=beat.meter.name,
        bpm=beat.bpm,
        chords=args.chords,
        melody=melody,
        drums=drums,
        sheet=sheet,
        sheet_drums=sheet_drums,
        sheet_stretch=sheet_stretch,
        style=style,
        use=use,
        sources=sources,
        notices=notices,
        facts=said,
        lead=lead,
    )


def _read_sheet(args: argparse.Namespace, sources: dict[str, str]) -> tuple[ControlsFile, frozenset[str], Drums | None]:
    from flowmusic.annotations.json_file import ControlsFile

    sheet = ControlsFile.read(args.controls)
    missing = sorted((args.use or frozenset()) - sheet.names())
    if missing:
        has = ", ".join(sorted(sheet.names())) or "none"
        raise ValueError(f"--use {missing[0]}: {args.controls} has no {missing[0]}; it has: {has}")
    use = sheet.names() if args.use is None else args.use
    overridden = {name for name in ("chords", "melody", "drums") if getattr(args, name) is not None}
    if args.bpm is not None:
        overridden.add("beats")
    use = use - overridden
    for name in use:
        sources[name] = str(args.controls)
    stem = sheet.stem_path(args.controls) if "drums" in use else None
    if stem is None:
        return sheet, use, None
    sources["drums"] = str(stem)
    # The sheet itself tells that it is longer than the clip, so the stem need not.
    return sheet, use, _read_drums(stem, args.seconds, [], True, _spare(args))


def _spare(args: argparse.Namespace) -> float:
    """How many times the clip's length is read of drums: those that are stretched may become shorter."""
    from flowmusic.inputs.loops import MOST_STRETCH

    return MOST_STRETCH if args.stretch else 1.0


def _read_clip(path: Path, seconds: float, notices: list[str], spare: float = 1.0) -> Audio:
    """The first ``seconds`` of a recording (times ``spare``); more is not needed for a clip of that length."""
    from flowmusic import audio
    from flowmusic.audio_files import length_of

    reading = audio.read_mono(path, seconds=spare * seconds + 1.0)
    notices += [f"{path}: {notice}" for notice in reading.notices]
    recording = reading.audio
    if recording.seconds <= spare * seconds + 0.02:
        return recording
    length = length_of(path)
    lasts = "lasts longer" if length is None else f"lasts {length:.2f} s"
    notices.append(f"{path} {lasts} and is cut at the clip's {seconds:g} s")
    return audio.fit(recording, round(spare * seconds * recording.rate))


def _read_melody(
    args: argparse.Namespace, files: Mapping[str, Score], notices: list[str]
) -> Recording | tuple[tuple[float, float, int], ...]:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.annotations.tracks import to_tracks
    from flowmusic.inputs import scores

    path, seconds = args.melody, args.seconds
    if "melody" in files:
        return scores.melody(files["melody"], path, seconds)
    from feature_extractors.melody import Melody

    recording = _read_clip(path, seconds, notices)
    notes = Melody.monophonic().analyse(recording).notes
    if not notes:
        raise ValueError(
            f"no melody was found in {path}; a single voice or instrument between 65 and 1300 Hz is needed"
        )
    sung = Annotations(recording.seconds, melody=notes)
    return Recording(recording.seconds, lambda grid: to_tracks(sung, _own_grid(recording, grid))["melody"])


def _loop(args: argparse.Namespace, files: Mapping[str, Score], notices: list[str]) -> Drums:
    from flowmusic.inputs import scores
    from flowmusic.inputs.loops import Drums

    if "drums" in files:
        return Drums(None, scores.drums(files["drums"], args.drums, args.seconds))
    return _read_drums(args.drums, args.seconds, notices, spare=_spare(args))


def _read_drums(
    path: Path, seconds: float, notices: list[str], drums_alone: bool | None = None, spare: float = 1.0
) -> Drums:
    import torch

    from feature_extractors import drums as extractor
    from feature_extractors.recording import Recording
    from feature_extractors.separators import best_available
    from feature_extractors.stems import separated
    from flowmusic.inputs.loops import Drums

    sound = _read_clip(path, seconds, notices, spare)
    recording = Recording.of(sound)
    if drums_alone is None:
        share = tonal_share(sound)
        drums_alone = share <= TONAL_SHARE
        verdict = "taken as drums alone" if drums_alone else "taken for a mix: its drums are separated"
        notices.append(f"{path}: {share:.0%} of the energy is tonal, {verdict}")
    stems = best_available()
    stem = recording if drums_alone else separated(stems, recording, ("drums",)).drums
    strength = torch.from_numpy(extractor.Drums(stems=stems).strength(stem, None if drums_alone else recording))
    if not bool((strength > 0).any()):
        raise ValueError(f"no drum hits were found in {path}; give a recording with drums, or leave --drums out")
    # A model that hears drums as sound hears them as loud as they are.
    return Drums(stem.audio(), strength)


def tonal_share(recording: Audio) -> float:
    """Share of the energy from 150 to 3000 Hz that lies in lines narrower than 120 Hz that hold for 0.4 s, in 0..1.

    Below 150 Hz a kick rings and above 3 kHz cymbals do, so both are left out.
    """
    import torch

    from feature_extractors.stems import HarmonicPercussive

    lines = HarmonicPercussive(size=4096, time_s=0.4, band_hz=120.0).analyse(recording).rest

    def energy(samples: torch.Tensor) -> float:
        hz = torch.fft.rfftfreq(samples.shape[-1], 1.0 / recording.rate)
        return float(torch.fft.rfft(samples)[..., (hz > 150.0) & (hz < 3000.0)].abs().square().sum())

    return energy(lines.samples) / max(energy(recording.samples), 1e-12)


def _own_grid(recording: Audio, grid: FrameGrid) -> FrameGrid:
    from flowmusic.types import FrameGrid

    return FrameGrid.of_seconds(recording.seconds, grid.frame_rate)


def to_controls(asked: GenerateRequest, grid: FrameGrid, beats: Track | None = None) -> Controls:
    """The controls on the model's clock, a batch of one.

    ``beats`` is the beat grid of the music that they are for, where the request sets none.

    Raises: ValueError as :func:`flowmusic.controls.request.request`.  Adds to ``asked.notices``.
    """
    from flowmusic.controls.request import request
    from flowmusic.inputs import loops
    from flowmusic.types import Controls

    with gathering(asked.notices):
        given: dict[str, Track] = {}
        sheet = asked.sheet if asked.lead is None else asked.lead.file(grid, beats)
        if sheet is not None:
            stem = asked.sheet_drums.track(grid) if asked.sheet_drums is not None else None
            given = loops.of_sheet(sheet, grid, asked.use or frozenset(), stem, asked.sheet_stretch)
        written = request(
            asked.text,
            grid=grid,
            chords=asked.chords,
            melody=asked.melody.track(grid) if isinstance(asked.melody, Recording) else asked.melody,
            bpm=asked.bpm,
            meter=asked.meter,
            beats=given.get("beats", beats) if asked.bpm is None else None,
        )
        tracks = {**given, **written.tracks}
        if asked.drums is not None:
            tracks["drums"] = asked.drums.on_grid(grid, tracks.get("beats"), asked.meter)
    return Controls((asked.text,), tracks)


def for_model(asked: GenerateRequest, controls: Controls, model: Generator) -> Controls:
    """The controls as a model reads them: those that it has, and the drums as codes where it wants them so.

    Raises: ValueError where it needs the sound of the drums and only their onsets are known.  Adds to
    ``asked.notices`` what the model does not read.
    """
    from flowmusic.inputs import facts
    from flowmusic.types import TEXT

    has = model.controls
    lost = [name for name in sorted(controls.tracks) if name not in has]
    if lost == ["beats"] and "chords" in controls.tracks:
        lost = []  # the tempo has placed the chords, and that is what it was given for
    for name in lost:
        asked.notices.append(f"{model.name} has no {name} control; {name} are left out")
    text = facts.text_for(asked.facts, asked.text, model, asked.notices)
    asked.notices.extend(model.unread(text))
    said = asked.facts.said
    if said.key is None and asked.lead is not None:
        said = asked.lead.with_key(said, model.has_facts, asked.notices)
    kept = replace(controls.only({*has, TEXT}), text=(text,), facts=facts.for_model(said, model))
    if asked.style is not None:
        if not model.has_style:
            asked.notices.append(f"{model.name} has no style control; style is left out")
        else:
            kept = replace(kept, style=(asked.style.heard(model),))
    if "drums" not in kept.tracks or not model.drums_as_codes:
        return kept
    drums = asked.drums or asked.sheet_drums
    if drums is None and asked.lead is not None:
        asked.notices.append(f"{model.name} hears drums as sound, and those of {asked.lead.path} are left out")
        return kept.only(kept.names() - {"drums"})
    if drums is None or drums.stem is None:
        raise ValueError(
            f"{model.name} hears drums as sound, and the controls hold onsets only; give the recording with --drums"
        )
    grid, beats = kept.tracks["drums"].grid, controls.tracks.get("beats")
    codes = drums.codes(model.codec.first_codes, grid, beats, asked.meter)  # type: ignore[attr-defined]
    return replace(kept, tracks={**kept.tracks, "drums": codes})


def negative_for(asked: GenerateRequest, model: Generator) -> tuple[Controls, float] | None:
    """The negative branch as a model reads it, and its weight: what is not wanted, and nothing else; None for none."""
    from flowmusic.inputs import facts
    from flowmusic.types import Controls

    if asked.facts.unwanted is None:
        return None
    text = facts.unwanted_text(asked.facts, model)
    away = facts.for_model(asked.facts.unwanted.facts, model)
    return Controls((text,), facts=away), asked.facts.unwanted.weight
