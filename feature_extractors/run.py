"""Audio to everything: chords, melody, drums, beats; then a file, then a folder.

Long recordings: every extractor works in windows, and what is longer than a song lies in temporary files, so memory
does not grow with the length but for a few numbers a second.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

import numpy as np
from torch import Tensor

from feature_extractors import cache, confidence
from feature_extractors.beats import BeatAnalysis, Beats
from feature_extractors.chords import ChordAnalysis, Chords
from feature_extractors.drums import DrumAnalysis, Drums
from feature_extractors.madmom import compat
from feature_extractors.melody import Melody, MelodyAnalysis
from feature_extractors.recording import Recording
from feature_extractors.stems import HarmonicPercussive, Separator, separated
from flowmusic.annotations.annotation import Annotations, DrumHits
from flowmusic.annotations.json_file import NAME, ControlsFile
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.audio_files import SUFFIXES
from flowmusic.controls import TRACKS
from flowmusic.controls.drums import strength_to_track
from flowmusic.paths import sibling
from flowmusic.types import FrameGrid, Track

STEM_NAME = "drums.wav"
Found = TypeVar("Found")


@dataclass(frozen=True)
class Extractors:
    """One extractor for each control.

    ``melody_stems`` gives the melody its recording without drums.  Median filtering also softens the attacks of all
    other instruments: a melody is heard better after it than in a mix without any drums (docs/drums.md).
    """

    chords: Chords = field(default_factory=Chords)
    melody: Melody = field(default_factory=Melody)
    drums: Drums = field(default_factory=Drums)
    beats: Beats = field(default_factory=Beats)
    melody_stems: Separator = field(default_factory=HarmonicPercussive)


@dataclass(frozen=True)
class Extraction:
    """All that was heard in a recording; None is what was not looked for.

    ``stem`` is the drums that ``drums`` were heard in.  ``notices`` tells the person what is odd about the recording,
    and what could not be done, and how it could.
    """

    seconds: float
    chords: ChordAnalysis | None
    melody: MelodyAnalysis | None
    drums: DrumAnalysis | None
    beats: BeatAnalysis | None
    stem: Recording | None
    notices: tuple[str, ...] = ()

    @property
    def written_stem(self) -> Recording | None:
        """The drums, if there are any in it to be kept beside the controls."""
        return self.stem if self.drums is not None and self.drums.onsets else None

    @property
    def drum_stem(self) -> Audio | None:
        """The drums, mono, at the level that they have in the recording.  Shape: ``[1, N]``."""
        return None if self.stem is None else self.stem.audio()

    @property
    def annotations(self) -> Annotations:
        """What was heard, in seconds; how sure each control is, is the mean over its analysis."""
        chords, melody, drums, beats = self.chords, self.melody, self.drums, self.beats
        sure = {
            name: float(np.mean(analysis.confidence))
            for name, analysis in zip(TRACKS, (chords, melody, drums, beats), strict=True)
            if analysis is not None and len(analysis.confidence)
        }
        if beats is not None and beats.bpm_confidence is not None:
            sure["bpm"] = beats.bpm_confidence
        return Annotations(
            seconds=self.seconds,
            bpm=None if beats is None else beats.bpm,
            beats=None if beats is None else beats.beats,
            downbeats=None if beats is None else beats.downbeats,
            chords=None if chords is None else chords.changes,
            melody=None if melody is None else melody.notes,
            # Where no drum is struck, nobody need say of which class.
            drums=None if drums is None else DrumHits(drums.onsets, drums.classes if drums.onsets else None),
            confidence=sure,
        )

    def tracks(self, grid: FrameGrid) -> dict[str, Track]:
        """Unbatched tracks on a grid, by control; what was not looked for is left out.

        The drums are their onset strength, which tells more than the onsets in seconds do.
        """
        found = to_tracks(self.annotations, grid)
        if self.drums is not None:
            import torch

            found["drums"] = strength_to_track(torch.from_numpy(self.drums.strength), grid)
        return found

    def confidence(self, grid: FrameGrid) -> dict[str, Tensor]:
        """How sure each of :meth:`tracks` is, frame by frame: ``[T]`` float32 in 0..1."""
        return confidence.on_grid(self.chords, self.melody, self.drums, self.beats, grid)

    def file(self, source: str, frame_rate: Fraction | int = 25, stem: str | None = None) -> ControlsFile:
        """The same as ``controls.json`` holds it.  ``stem`` is the drum stem's path relative to the JSON."""
        return ControlsFile(source, Fraction(frame_rate), self.annotations, stem)


def extract(
    audio: Audio | Recording,
    extractors: Extractors | None = None,
    use: Iterable[str] = TRACKS,
    cache_folder: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Extraction:
    """Hear everything in a recording.

    Args:
        audio: one recording, any rate and channels; what does not fit in memory as :meth:`Recording.read` gives it.
        extractors: None takes the defaults.
        use: which of ``TRACKS``.
        cache_folder: keep and reuse results there; None computes.
        progress: called with the name of each step before it runs.

    A detector that was chosen and needs the optional madmom, where that is missing, leaves its control None, and
    ``notices`` says what to install.
    Raises: ValueError for an unknown control, a batch, or samples that are not finite.
    """
    extractors = extractors or Extractors()
    wanted = tuple(use)
    unknown = [name for name in wanted if name not in TRACKS]
    if unknown:
        raise ValueError(f"unknown control {unknown[0]!r}; choose from {', '.join(TRACKS)}")
    tell = progress or (lambda step: None)

    def run(extractor: cache.Analyser[Found], heard: Recording) -> Found:
        tell(extractor.name)
        return extractor.analyse(heard) if cache_folder is None else cache.analyse(extractor, heard, cache_folder)

    whole = Recording.of(audio)
    notices: list[str] = list(whole.notices)
    if whole.silent:
        notices.append("it is silent, or soft noise and no more, so there is nothing to hear")
    chords: ChordAnalysis | None = None
    if "chords" in wanted:
        try:
            chords = run(extractors.chords, whole)
        except compat.MissingMadmom as missing:
            notices.append(str(missing))
    beats = run(extractors.beats, whole) if "beats" in wanted else None
    melody: MelodyAnalysis | None = None
    drums: DrumAnalysis | None = None
    stem: Recording | None = None
    separate, stems = extractors.drums.separate, None
    both = "melody" in wanted and extractors.melody_stems == extractors.drums.stems
    if "drums" in wanted:
        if separate:
            tell("stems")
            stems = separated(extractors.drums.stems, whole, ("drums", "rest") if both else ("drums",))
        stem = whole if stems is None else stems.drums
        tell("drums")
        drums = extractors.drums.analyse_stem(stem, whole if separate else None)
    if "melody" in wanted:
        rest = whole
        if separate:
            rest = (stems if both and stems else separated(extractors.melody_stems, whole, ("rest",))).rest
        melody = run(extractors.melody, rest)
    return Extraction(whole.seconds, chords, melody, drums, beats, stem, tuple(notices))


def extract_file(
    path: str | Path,
    folder: str | Path | None = None,
    extractors: Extractors | None = None,
    use: Iterable[str] = TRACKS,
    frame_rate: Fraction | int = 25,
    cache_folder: Path | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Write ``controls.json`` (last) and ``drums.wav`` of a file into a folder.

    Args:
        path: an audio file.
        folder: None takes ``NAME.controls`` beside the file; it is made if needed.
        frame_rate: noted in the JSON; times are in seconds anyway.

    Returns: the folder.
    Raises: AudioError if the file is not usable audio.
    """
    path = Path(path)
    target = controls_folder(path) if folder is None else Path(folder)
    # What does not fit in memory lies where the results will, if that folder is there already.
    recording = Recording.read(path, target.parent if target.parent.is_dir() else None)
    found = extract(recording, extractors, use, cache_folder, progress)
    target.mkdir(parents=True, exist_ok=True)
    stem = found.written_stem
    if stem is not None:
        stem.write(target / STEM_NAME)
    found.file(path.name, frame_rate, None if stem is None else STEM_NAME).write(target)
    for notice in found.notices:
        if progress:
            progress(notice)
    return target


def extract_folder(
    folder: str | Path, out: str | Path | None = None, jobs: int = 1, use: Iterable[str] = TRACKS, again: bool = False
) -> list[Path]:
    """Extract every audio file under a folder; what is finished is not done again, so a killed run resumes.

    Args:
        out: root of the results, which mirror the folder's layout; None writes beside each file.
        jobs: worker processes.
        again: redo finished files.

    Returns: the folders written or found finished, in order of the files' names.
    Raises: ValueError if there is no such folder or no audio in it.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"folder not found: {root}")
    paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in SUFFIXES and ".controls" not in str(p.parent))
    if not paths:
        raise ValueError(f"no audio files under {root}; looked for {', '.join(sorted(SUFFIXES))}")
    targets = [controls_folder(p if out is None else Path(out) / p.relative_to(root)) for p in paths]
    wanted = tuple(use)
    todo = [(p, t) for p, t in zip(paths, targets, strict=True) if again or not (t / NAME).exists()]
    if jobs <= 1:
        for path, target in todo:
            extract_file(path, target, use=wanted)
    elif todo:
        _in_processes(todo, jobs, wanted)
    return targets


def controls_folder(path: Path) -> Path:
    """``song.wav`` -> ``song.controls``."""
    return sibling(path, ".controls")


def _in_processes(todo: list[tuple[Path, Path]], jobs: int, use: tuple[str, ...]) -> None:
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
        for task in [pool.submit(extract_file, path, target, use=use) for path, target in todo]:
            task.result()
