"""Build a corpus on disk: parallel, resumable, the same bytes however many workers.

A clip's audio is renamed into place before its record, so a record means a finished clip; the
manifest is written last, so a manifest means a finished corpus.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import limits, plain
from flowmusic.corpus import COMPOSER_VERSION
from flowmusic.corpus.fonts import Font, licence_of, licences
from flowmusic.corpus.kits import LICENCE, Samples
from flowmusic.corpus.piece import PARTS
from flowmusic.corpus.splits import SPLITS, assign, stream
from flowmusic.corpus.spread import Wish, wish_of
from flowmusic.files import remove_stale, replacing, write_text
from flowmusic.locks import NAME, locked
from flowmusic.progress import Bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from flowmusic.corpus.kits import KitPlayer
    from flowmusic.corpus.piece import Piece
    from flowmusic.corpus.render import Rendering
    from flowmusic.corpus.synth import FontSynth

SETTINGS, MANIFEST = "corpus.json", "manifest.jsonl"


class SettingsError(ValueError):
    """The folder holds a corpus with other settings, or they are none."""


@dataclass(frozen=True)
class CorpusSettings:
    """What decides the content of a corpus. `stems` are parts to write beside the mix.

    `genres` are names to draw from; none means the usual ones. `lively` is the rendering of `lively`, which may be in
    `stereo`, have drum `samples`, and parts in the usual places of a `table`, not in drawn ones.
    """

    hours: float
    seed: int
    clip_seconds: float
    shares: Mapping[str, float]
    stems: tuple[str, ...]
    fonts: tuple[Font, ...]
    test_font: Font
    genres: tuple[str, ...] = ()
    lively: bool = False
    stereo: bool = False
    samples: Samples | None = None
    table: bool = False

    def __post_init__(self) -> None:
        try:
            limits.number("hours", self.hours, "hours")
            limits.whole("seed", self.seed, "seed")
            limits.number("clip_seconds", self.clip_seconds, "clip_seconds")
            limits.whole("corpus_clips", self.count, "clips in so many hours")
        except limits.LimitError as error:
            raise SettingsError(str(error)) from None

    @property
    def count(self) -> int:
        """Number of clips."""
        return max(1, math.ceil(self.hours * 3600 / self.clip_seconds - 1e-9))

    def as_dict(self) -> dict[str, Any]:
        """Plain data; soundfonts by name and hash, since their place does not matter."""
        return {
            "composer_version": COMPOSER_VERSION,
            "hours": self.hours,
            "clips": self.count,
            "seed": self.seed,
            "clip_seconds": self.clip_seconds,
            "splits": dict(self.shares),
            "stems": list(self.stems),
            "fonts": [{"name": f.name, "sha256": f.sha256} for f in self.fonts],
            "test_font": {"name": self.test_font.name, "sha256": self.test_font.sha256},
            # Left out where nothing was asked for, as in the corpora from before it could be.
            **({"genres": list(self.genres)} if self.genres else {}),
            **(self._of_lively() if self.lively else {}),
        }

    def _of_lively(self) -> dict[str, Any]:
        return {
            "rendering": "lively",
            "channels": 2 if self.stereo else 1,
            **({"placement": "table"} if self.table else {}),
            "drum_samples": {"sha256": self.samples.sha256, "licence": LICENCE} if self.samples else None,
            "licences": {font.name: licence_of(font.name) for font in (*self.fonts, self.test_font)},
        }


@dataclass(frozen=True)
class Job:
    """One clip to make."""

    identity: str
    seed: int
    split: str
    font: Font
    seconds: float
    stems: tuple[str, ...]
    folder: str
    genres: tuple[str, ...] = ()
    lively: Lively | None = None


@dataclass(frozen=True)
class Lively:
    """What the lively rendering of a clip needs beside: its wish, all fonts to mix, samples, channels, placement."""

    wish: Wish
    fonts: tuple[Font, ...]
    samples: Samples | None
    stereo: bool
    table: bool


def plan_jobs(settings: CorpusSettings, out: Path) -> list[Job]:
    """All clips of a corpus, finished or not."""
    splits = assign(settings.count, settings.shares, settings.seed)
    jobs = []
    for index, split in enumerate(splits):
        rng = stream(settings.seed, "clip", index)
        seed, font = rng.getrandbits(48), rng.choice(settings.fonts)
        if split == "test":
            font = settings.test_font
        name, folder = f"{index:06d}", str(out / split)
        lively = None
        if settings.lively:
            fonts = (font,) if split == "test" else settings.fonts
            wish = wish_of(settings.seed, index, settings.genres)
            lively = Lively(wish, fonts, settings.samples, settings.stereo, settings.table)
        jobs.append(
            Job(name, seed, split, font, settings.clip_seconds, settings.stems, folder, settings.genres, lively)
        )
    return jobs


_SYNTHS: dict[str, FontSynth] = {}
_PLAYERS: dict[str, KitPlayer] = {}


def _synth(font: Font) -> FontSynth:
    """The synth of a font, loaded once per process."""
    from flowmusic.corpus.synth import FontSynth

    if font.sha256 not in _SYNTHS:
        _SYNTHS[font.sha256] = FontSynth(font.path)
    return _SYNTHS[font.sha256]


def _write_flac(path: Path, samples: NDArray[np.int16], rate: int) -> None:
    import soundfile

    with replacing(path) as temporary:
        soundfile.write(os.fsencode(temporary), samples, rate, format="FLAC", subtype="PCM_16")


def make_clip(job: Job) -> str:
    """Compose, render and write one clip; returns its id."""
    import numpy as np

    from flowmusic.corpus.compose import compose
    from flowmusic.corpus.record import to_record
    from flowmusic.corpus.render import render

    piece = compose(
        job.seed,
        job.split,
        job.seconds,
        job.genres,
        job.lively.wish if job.lively else None,
        steady=job.lively is not None,
    )
    told: dict[str, Any] = {}
    if job.lively:
        piece, result, told = _rendered_lively(job, job.lively, piece)
    else:
        result = render(piece, _synth(job.font))
    folder = Path(job.folder)
    _write_flac(folder / f"{job.identity}.flac", result.mix, result.sample_rate)
    for name in job.stems:
        # A part that is absent has a silent stem, so that readers need not ask.
        samples = result.stems.get(name, np.zeros_like(result.mix))
        _write_flac(folder / f"{job.identity}.{name}.flac", samples, result.sample_rate)
    record = {**to_record(job.identity, piece, job.font, result.rms), **told}
    write_text(folder / f"{job.identity}.json", json.dumps(record, ensure_ascii=False) + "\n")
    return job.identity


def _rendered_lively(job: Job, how: Lively, piece: Piece) -> tuple[Piece, Rendering, dict[str, Any]]:
    """The piece as it is played, its sound, and what the record says of both."""
    from flowmusic.corpus import lively
    from flowmusic.corpus.kits import KitPlayer
    from flowmusic.corpus.performance import perform
    from flowmusic.corpus.render import SAMPLE_RATE

    played = perform(piece)
    production = lively.draw_production(played, job.font, how.fonts, how.samples, how.table)
    player = None
    if how.samples:
        player = _PLAYERS.setdefault(how.samples.sha256, KitPlayer(how.samples.folder, SAMPLE_RATE))
    synths = {strip.font.sha256: _synth(strip.font) for strip in production.strips.values()}
    result, lufs = lively.render(played, production, synths, player, how.stereo)
    channels = 2 if how.stereo else 1
    return played, result, {"rendering": {**production.as_dict(), "lufs": round(lufs, 2), "channels": channels}}


def _is_finished(job: Job) -> bool:
    folder = Path(job.folder)
    names = ["json", "flac", *(f"{stem}.flac" for stem in job.stems)]
    return all((folder / f"{job.identity}.{name}").is_file() for name in names)


def _run(jobs: Sequence[Job], workers: int) -> Iterator[str]:
    if workers <= 1 or len(jobs) <= 1:
        yield from map(make_clip, jobs)
        return
    # Fresh interpreters: FluidSynth and BLAS threads do not survive a fork reliably.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context) as pool:
        yield from pool.map(make_clip, jobs, chunksize=1)


def _check_settings(settings: CorpusSettings, out: Path) -> None:
    file, wanted = out / SETTINGS, settings.as_dict()
    if file.is_file():
        found = plain.read_json(file)
        if not isinstance(found, dict):
            raise SettingsError(f"{file} is none of a corpus; give another folder as --out")
        other = [key for key in {**found, **wanted} if found.get(key) != wanted.get(key)]
        if other:
            raise SettingsError(
                f"{out} holds a corpus with other settings: "
                + "; ".join(f"{k} is {found.get(k)!r}, not {wanted.get(k)!r}" for k in other)
            )
    else:
        write_text(file, json.dumps(wanted, indent=1) + "\n")


def build_corpus(settings: CorpusSettings, out: Path, workers: int = 1, part: tuple[int, int] = (1, 1)) -> Path:
    """Make the clips of part k of n that are missing in `out`; once none is missing of any part, the manifest.

    Parts are every n-th clip, so each is as mixed as the whole. Returned: the path of the manifest, whether it is
    written or not yet.

    Raises: SettingsError if `out` holds another corpus; InUse if another process is making one there.
    """
    unknown = set(settings.stems) - set(PARTS)
    if unknown:
        raise ValueError(f"unknown stems {sorted(unknown)}: use {', '.join(PARTS)}")
    out.mkdir(parents=True, exist_ok=True)
    with locked(out / NAME, f"another corpus is being made in {out}; wait for it, or give another --out"):
        return _build(settings, out, workers, part)


def _build(settings: CorpusSettings, out: Path, workers: int, part: tuple[int, int]) -> Path:
    _check_settings(settings, out)
    remove_stale(out)
    for split in SPLITS:
        (out / split).mkdir(exist_ok=True)
        remove_stale(out / split)
    jobs = plan_jobs(settings, out)
    number, parts = part
    missing = [job for job in jobs if not _is_finished(job)]
    mine = jobs[number - 1 :: parts]
    wanted = [job for job in missing if int(job.identity) % parts == number - 1]
    with Bar("rendering", "clip", len(mine), len(mine) - len(wanted), ends=True) as bar:
        for _ in _run(wanted, workers):
            bar.update()
    if len(missing) > len(wanted):
        (out / MANIFEST).unlink(missing_ok=True)
        return out / MANIFEST
    lines = []
    for job in jobs:
        record = plain.read_json(Path(job.folder) / f"{job.identity}.json")
        entry = {
            "path": f"{job.split}/{job.identity}.flac",
            "seconds": record["seconds"],
            "split": job.split,
            "font": job.font.sha256,
            "text": record["captions"][0],
            **({"licences": licences(record)} if job.lively else {}),
        }
        lines.append(json.dumps(entry, ensure_ascii=False))
    write_text(out / MANIFEST, "\n".join(lines) + "\n")
    return out / MANIFEST
