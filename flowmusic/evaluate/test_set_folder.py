"""Any folder of recordings as a test set: what the extractors hear in each is what a model is asked for."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from flowmusic import audio as audio_tools
from flowmusic import plain, progress
from flowmusic.audio import Audio
from flowmusic.audio_files import SUFFIXES, length_of
from flowmusic.controls import TRACKS
from flowmusic.controls.drums import codes_to_track
from flowmusic.controls.tracks import batched
from flowmusic.evaluate.cache import key_of, slug
from flowmusic.evaluate.test_set import LabelledClip, digest_of
from flowmusic.types import TEXT, Controls, FrameGrid

PROMPT_SUFFIX = ".txt"
BEGINNING, MIDDLE = 0.0, 0.5


def find(folder: Path) -> list[Path]:
    """Audio files under a folder, in order of their names.  Raises: ValueError if there is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder of recordings")
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not found:
        raise ValueError(f"no recordings under {folder}; looked for {', '.join(sorted(SUFFIXES))}")
    return found


def excerpt(path: Path, seconds: float, rate: int, place: float) -> Audio:
    """Part of a recording, mono.  Shape: ``[1, N]``.

    Args:
        place: 0 is the beginning, 0.5 the middle (intros and endings are the least like the rest), 1 the end.

    Raises: ValueError for a file that is not audio, or shorter.
    """
    wanted, length = round(seconds * rate), length_of(path)
    if length is None:
        reading = audio_tools.read_mono(path, rate)
        first = max(0, round((reading.audio.samples.shape[-1] - wanted) * place))
    else:
        # A moment more, for lengths that are no whole number of samples at either rate.
        start = max(0.0, (length - seconds) * place)
        reading, first = audio_tools.read_mono(path, rate, start=start, seconds=seconds + 0.01), 0
    for notice in reading.notices:
        print(f"note: {path}: {notice}", file=sys.stderr)
    have = reading.audio.samples.shape[-1]
    if have < wanted:
        lasts = reading.audio.seconds if length is None else length
        raise ValueError(f"{path} lasts {lasts:.1f} s, {seconds:g} s are asked for")
    return Audio(reading.audio.samples[:, first : first + wanted], rate)


def read_recordings(
    folder: Path,
    count: int | None,
    grid: FrameGrid,
    rate: int,
    names: Iterable[str],
    cache: Path,
    drum_codec: object | None = None,
) -> list[LabelledClip]:
    """The middle of the first ``count`` usable recordings (None: all), with the controls heard there.

    A file ``NAME.txt`` beside a recording is its prompt.  What cannot be used is named on stderr and left out.

    Args:
        names: the controls to extract, ``text`` for the prompt.
        cache: what was extracted is kept there.
        drum_codec: for models that are given drums as codes of an EnCodec, that codec.

    Raises: ValueError if fewer than ``count``, or than two, are usable.
    """
    chosen = frozenset(names)
    clips: list[LabelledClip] = []
    files = find(folder)
    wanted = len(files) if count is None else count
    with progress.Bar("extracting", "file", min(wanted, len(files))) as bar:
        for path in files:
            if len(clips) == wanted:
                break
            try:
                audio = excerpt(path, grid.seconds, rate, MIDDLE)
            except ValueError as error:
                print(f"note: left out: {error}", file=sys.stderr)
                continue
            taken = {clip.id for clip in clips}
            clips.append(_clip(path, folder, audio, grid, chosen, cache, taken, drum_codec))
            bar.update()
    least = 2 if count is None else count
    if len(clips) < least:
        raise ValueError(f"{folder} has {len(clips)} usable recordings of {grid.seconds:g} s, {least} are needed")
    return clips


def _clip(
    path: Path,
    folder: Path,
    audio: Audio,
    grid: FrameGrid,
    chosen: frozenset[str],
    cache: Path,
    taken: set[str],
    drum_codec: object | None,
) -> LabelledClip:
    from feature_extractors.run import Extractors, extract

    use = [name for name in TRACKS if name in chosen]
    extractors = Extractors()
    found = extract(audio, extractors, use, cache)
    for notice in found.notices:
        print(f"note: {path.name}: {notice}", file=sys.stderr)
    tracks = found.tracks(grid)
    if drum_codec is not None and found.drum_stem is not None:
        stem = Audio(found.drum_stem.samples[None], found.drum_stem.rate)
        tracks["drums"] = codes_to_track(drum_codec.first_codes(stem)[0], grid)  # type: ignore[attr-defined]
    requested = found.annotations.part(0.0, grid.seconds)
    prompt, files = path.with_suffix(PROMPT_SUFFIX), [path]
    text = None
    if TEXT in chosen and prompt.is_file():
        text = plain.read_text(prompt).strip() or None
        files.append(prompt)
    controls = Controls((text,), {name: batched(track) for name, track in tracks.items()})
    # Other extractors hear other controls, and takes of those are other takes.
    versions = [[each.name, each.version] for each in vars(extractors).values()]
    digest = key_of(digest_of(files), versions, sorted(tracks))
    name = slug(path.relative_to(folder).with_suffix("").as_posix())
    return LabelledClip(name if name not in taken else f"{name}-{digest[:6]}", audio, controls, requested, {}, digest)
