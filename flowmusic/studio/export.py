"""A take or a recording as files for a studio: stems, MIDI, sheets, loops, and an index of what they are.

The bars are those that a take was asked for, or those that are heard in a recording.  Both what was asked for and what
was heard is told; sheets and markers hold what was asked for, where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from feature_extractors.recording import Recording
from feature_extractors.stems import Separator
from flowmusic import audio as audio_io
from flowmusic import limits, publishable
from flowmusic.annotations.annotation import Annotations
from flowmusic.audio import Audio
from flowmusic.controls.vocabulary import note_pitch_class
from flowmusic.errors import UsageError
from flowmusic.hashes import of_file
from flowmusic.plain import shown
from flowmusic.studio import asked as asking
from flowmusic.studio import folder, heard, loops, midi_parts, names, origin, sheets, stems, tags
from flowmusic.studio.grid import Grid, NoBeat
from flowmusic.studio.heard import Heard
from flowmusic.studio.key import key_of
from flowmusic.studio.tags import Provenance
from flowmusic.studio.wav_chunks import NOTE_C4, Mark, cue_chunks

STEMS, MIDI, SHEETS, LOOPS = "stems", "midi", "sheets", "loops"
KINDS = (STEMS, MIDI, SHEETS, LOOPS)
LOOP_FOLDER = "loops"


@dataclass(frozen=True)
class Wanted:
    """What is to be written.

    Attributes:
        kinds: of :data:`KINDS`.
        bars: length of the loops.
        suffix: of audio, ``.wav``, ``.flac``, ``.ogg`` or ``.mp3``.
        separator: who takes the recording apart.
        bpm, meter: of the recording, in place of what is heard; the first bar then begins at ``downbeat`` seconds.
    """

    kinds: frozenset[str]
    separator: Separator
    bars: int | None = None
    suffix: str = ".wav"
    bpm: float | None = None
    meter: str | None = None
    downbeat: float = 0.0


@dataclass(frozen=True)
class Source:
    """A recording that is taken apart.

    Attributes:
        path: its file.
        audio: its samples ``[C, N]``, none beyond full scale.
        bits: of the stems.
        sha256: of the file.
        record: of a take, what its take.json says; {} for other recordings.
        asked: what the take was asked for; None for other recordings.
        notices: what a person should know.
    """

    path: Path
    audio: Audio
    bits: int
    sha256: str
    record: Mapping[str, Any]
    asked: Annotations | None
    notices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return publishable.place(self.path.stem)


def read(path: Path, record: Mapping[str, Any]) -> Source:
    """Read a recording, and what its record tells.

    Raises: AudioError, UsageError and LimitError for what cannot be taken apart: no audio, silent, too short, too long.
    """
    length = audio_io.length_of(path)
    if length is not None:
        limits.number("export", length, f"the length of {shown(path)}")
    sound = audio_io.read(path)
    limits.number("export", sound.seconds, f"the length of {shown(path)}")
    if Recording.of(sound).silent:
        raise UsageError(f"{shown(path)} is silent, or soft noise and no more; there is nothing to take apart")
    notices: list[str] = []
    peak = float(sound.samples.abs().max())
    if peak > 1.0:
        sound = replace(sound, samples=sound.samples / peak)
        notices.append(f"it goes beyond full scale by {20 * np.log10(peak):.1f} dB, and is scaled down as a whole")
    known, digest = record.get("audio_sha256"), of_file(path)
    if record and known is not None and known != digest:
        notices.append("it was changed after it was made, so it is listened to as any recording")
        record = {}
    asked = asking.of_record(record, sound.seconds, path.name) if record else None
    return Source(path, sound, stems.bits_of(path), digest, record, asked, tuple(notices))


@dataclass(frozen=True)
class Known:
    """What is known of a recording once it was listened to.

    Attributes:
        grid: its bars; ``grid_from`` says who told them.
        asked, heard: by the request of a take, and by ear, as far as it was needed.
        told: what sheets and markers hold: what was asked for, else what was heard.
        parts: notes by the names of :data:`flowmusic.studio.midi_parts.CHANNELS`.
    """

    grid: Grid
    grid_from: str
    asked: Annotations | None
    heard: Heard | None
    told: Annotations
    parts: Mapping[str, tuple[midi_parts.Played, ...]]


def listen(source: Source, wanted: Wanted, tell: Callable[[str], None]) -> Known:
    """Settle bars, chords and notes.  Raises: UsageError where no beat is found."""
    asked, seconds = source.asked, source.audio.seconds
    grid, by = _told_grid(source, wanted)
    found: Heard | None = None
    if grid is None or not wanted.kinds.isdisjoint({MIDI, SHEETS}):
        found = heard.hear(
            source.audio, wanted.separator, beats=grid is None, notes=not wanted.kinds.isdisjoint({MIDI, SHEETS}),
            tell=tell,
        )  # fmt: skip
    if grid is None and found is not None:
        by = "heard"
        try:
            grid = Grid.of(replace(found.annotations, seconds=seconds, meter=wanted.meter))
        except NoBeat as error:
            raise UsageError(
                f"{shown(source.path)}: {error}, so nothing can be laid out in bars; give --bpm, and --downbeat where "
                "its first bar does not begin at 0 s"
            ) from None
    assert grid is not None
    told = Annotations(seconds=seconds) if found is None else grid.on_paper(found.annotations)
    parts = dict(found.parts) if found is not None else {}
    if asked is not None:
        asked = grid.of_frames(asked)
        told = replace(
            told, chords=asked.chords or told.chords, melody=asked.melody or told.melody, sections=asked.sections,
            key=asked.key,
        )  # fmt: skip
        if asked.melody:
            parts.pop(heard.LEAD, None)
            parts["melody"] = heard.played(asked.melody)
    # A melody that is heard among others tells less than the chords; one that was asked for is certain.
    told = replace(told, key=told.key or key_of(told.chords or (), (asked and asked.melody) or ()))
    return Known(grid, by, asked, found, grid.annotated(told), parts)


def _told_grid(source: Source, wanted: Wanted) -> tuple[Grid | None, str]:
    """The bars that a person or a take's record tells, and which of them; None where they have to be heard."""
    seconds = source.audio.seconds
    if wanted.bpm is not None:
        given = Annotations(seconds=seconds, bpm=wanted.bpm, meter=wanted.meter, beats=(wanted.downbeat,))
        return Grid.of(given), "given"
    asked = source.asked
    if asked is None or (asked.beats is None and asked.bpm is None):
        return None, "heard"
    try:
        return Grid.of(replace(asked, meter=wanted.meter or asked.meter)), "requested"
    except NoBeat:
        return None, "heard"


def export(
    source: Source, wanted: Wanted, out: Path, *, again: bool = False, tell: Callable[[str], None] = lambda step: None
) -> tuple[list[Path], Known]:
    """Write the folder, whole or not at all.

    Args:
        again: files of an earlier export in the folder may be replaced.
        tell: called with the name of each step before it runs.

    Returns: the files, the index last; and what was found.
    Raises: UsageError for what cannot be laid out in bars, or a folder with something else in it; OSError.
    """
    folder.check(out, again)
    known = listen(source, wanted, tell)
    cuts = _cuts(source, wanted, known.grid)
    writer = _Writer(source, wanted, known, origin.of_take(source.record) if source.record else None)
    content: dict[str, Any] = publishable.cleaned(
        {**_told(source, known), **({STEMS: writer.about_stems()} if wanted.kinds & {STEMS, LOOPS} else {})}
    )
    with folder.placed(out, content) as temporary:
        if wanted.kinds & {STEMS, LOOPS}:
            tell("stems")
            writer.sound(temporary, cuts)
        if MIDI in wanted.kinds:
            tell("MIDI")
            writer.midi(temporary)
        if SHEETS in wanted.kinds:
            tell("sheets")
            writer.sheets(temporary)
    return [out / name for name in folder.earlier(out)], known


def _cuts(source: Source, wanted: Wanted, grid: Grid) -> list[loops.Loop]:
    """The loops.  Raises: UsageError where there are too few bars for one."""
    if LOOPS not in wanted.kinds or wanted.bars is None:
        return []
    found = loops.loops_of(grid, wanted.bars, source.audio.rate, source.audio.samples.shape[-1])
    if not found:
        count = len(grid.bars())
        raise UsageError(
            f"--loop-bars {wanted.bars}: {shown(source.path)} has {count} whole bar{'s' * (count != 1)} of "
            f"{grid.meter.name} at {grid.bpm:.4g} bpm; ask for fewer"
        )
    return found


@dataclass(frozen=True)
class _Writer:
    """Writes the files of one export into a folder."""

    source: Source
    wanted: Wanted
    known: Known
    take: Provenance | None

    def _provenance(self, by: str) -> Provenance:
        return self.take or origin.of_recording(self.source.path, self.source.sha256, by)

    def _name(self, part: str | None, suffix: str, name: str | None = None, bars: int | None = None) -> str:
        told, grid = self.known.told, self.known.grid
        return names.of(name or self.source.name, grid.bpm, told.key, bars, part, suffix)

    def about_stems(self) -> dict[str, Any]:
        exact = self.wanted.suffix[1:] in stems.LOSSLESS
        return {
            "separator": self.wanted.separator.name,
            "bits": self.source.bits if exact else None,
            "sum": "exactly the mix" if exact else f"the mix but for what {self.wanted.suffix[1:]} loses",
        }

    def sound(self, out: Path, cuts: list[loops.Loop]) -> None:
        """The mix, its stems, and loops of all of them."""
        bits, rate = self.source.bits, self.source.audio.rate
        mix = stems.whole(self.source.audio.samples.numpy(), bits)
        parts: dict[str | None, np.ndarray] = {None: mix}
        parts.update(stems.separated(self.source.audio, mix, bits, self.wanted.separator))
        marks = self._marks(rate)
        if cuts:
            (out / LOOP_FOLDER).mkdir()
        for part, samples in parts.items():
            title = self.source.name if part is None else f"{self.source.name} {part}"
            if STEMS in self.wanted.kinds:
                self._write_audio(out / self._name(part, self.wanted.suffix), samples, title, cue_chunks(marks))
            for number, cut in enumerate(cuts, start=1):
                name = self.source.name if len(cuts) == 1 else f"{self.source.name}-{number:02d}"
                file = out / LOOP_FOLDER / self._name(part, self.wanted.suffix, name, cut.bars)
                within = f"{title}, bar{'s' * (cut.bars > 1)} {cut.first + 1}" + (
                    f"-{cut.first + cut.bars}" if cut.bars > 1 else ""
                )
                chunks = loops.chunks(cut, self.known.grid, rate, None if part == "drums" else self._root())
                self._write_audio(file, samples[:, cut.start : cut.end], within, chunks, cut.start)

    def _write_audio(
        self, path: Path, samples: np.ndarray, title: str, chunks: list[tuple[bytes, bytes]], start: int = 0
    ) -> None:
        """The one place where audio of an export is written and gets its tags; ``start`` is its place in the mix."""
        stems.write(samples, self.source.audio.rate, self.source.bits, path)
        tags.write(path, self._provenance(self.wanted.separator.name), title, chunks, start)

    def _root(self) -> int | None:
        key = self.known.told.key
        return None if key is None else NOTE_C4 + note_pitch_class(key.partition(" ")[0])

    def _marks(self, rate: int) -> list[Mark]:
        """Bar lines, and sections by their names."""
        grid = self.known.grid
        lines = [(time, f"bar {n}") for n, time in enumerate((grid.beats[d] for d in grid.downs), start=1)]
        lines += [(start, name) for start, _, name, _ in self.known.told.sections or ()]
        last = self.source.audio.samples.shape[-1]
        return [Mark(round(time * rate), name) for time, name in sorted(lines) if round(time * rate) < last]

    def midi(self, out: Path) -> None:
        assert self.known.heard is not None
        told_by = self._provenance(self.known.heard.by)
        path = out / self._name(None, ".mid")
        comments = [told_by.comment(), tags.software()]
        midi_parts.write(path, self.known.grid, self.known.told, self.known.parts, self.source.name, comments)

    def sheets(self, out: Path) -> None:
        assert self.known.heard is not None
        told_by = self._provenance(self.known.heard.by)
        paths = {suffix: out / self._name(part, suffix) for suffix, part in sheets.FILES.items()}
        sheets.write(paths, self.known.told, self.known.heard.annotations, self.known.asked, self.source.name, told_by)


def _told(source: Source, known: Known) -> dict[str, Any]:
    """What the index tells."""
    grid, told = known.grid, known.told
    record = source.record
    content: dict[str, Any] = {
        "source": source.path.name,
        "sha256": source.sha256,
        "made_by": tags.software(),
        "take": {key: record.get(key) for key in ("model", "seed", "text")} if record else None,
        "seconds": source.audio.seconds,
        "grid": {
            "from": known.grid_from,
            "bpm": round(grid.bpm, 3),
            "steady": grid.steady,
            "meter": grid.meter.name,
            "first_bar": round(grid.beats[0], 4),
            "bars": len(grid.bars()),
        },
        "key": told.key,
        "chords": {
            "requested": sheets.rows(known.asked.chords if known.asked else None),
            "recognised": sheets.rows(known.heard.annotations.chords if known.heard else None),
            "written": "requested" if known.asked and known.asked.chords else "recognised",
        },
        "notes": None
        if known.heard is None
        else {
            "by": known.heard.by,
            "melody": "requested" if "melody" in known.parts else "heard",
            "count": {name: len(notes) for name, notes in known.parts.items()},
        },
    }
    return content
