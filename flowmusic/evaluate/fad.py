"""Frechet audio distance of the rows of a report from the reference recordings, and what anchors its scale."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from flowmusic.errors import UsageError, one_line
from flowmusic.evaluate import test_set_folder
from flowmusic.evaluate.cache import Store, Take, key_of, slug
from flowmusic.evaluate.conditions import MODEL, Condition
from flowmusic.evaluate.test_set import digest_of
from flowmusic.files import replacing
from flowmusic.metrics import fad
from flowmusic.metrics.normalise import Interval
from flowmusic.metrics.report import TRUTH
from flowmusic.metrics.sound import EMBEDDINGS
from flowmusic.tensors import read_arrays

OTHER_SOURCE = "fad reference"
ANCHORS = ("halves", "other_source", "model_to_other_source")


class Embedder(Protocol):
    """Takes of one system by clip name -> embeddings ``[P, E]`` of each, in the same order."""

    @property
    def name(self) -> str: ...

    def __call__(self, system: str, takes: Mapping[str, Take]) -> list[np.ndarray]: ...


@dataclass(frozen=True)
class Distances:
    """``rows``: system name -> distance from the reference recordings; ``anchors``: see :data:`ANCHORS`."""

    embedding: str
    rows: Mapping[str, Interval]
    anchors: Mapping[str, Interval]
    patches: int
    channels: int

    @property
    def note(self) -> str:
        """In words, for the report."""
        few = ""
        if self.patches < 10 * self.channels:
            few = f"; {self.patches} patches are few for {self.channels} channels, so all of it is biased upwards"
        return f"{self.embedding}, from the reference recordings of the same clips{few}"


@dataclass(frozen=True)
class Patches:
    """One of the embeddings that need no weights (:data:`flowmusic.metrics.sound.EMBEDDINGS`), kept on disk."""

    store: Store
    name: str = fad.EMBEDDING

    def __call__(self, system: str, takes: Mapping[str, Take]) -> list[np.ndarray]:
        return [np.array(self._patches(system, clip, take)) for clip, take in takes.items()]

    def _patches(self, system: str, clip: str, take: Take) -> list[list[float]]:
        def listen() -> Mapping[str, list[list[float]]]:
            return {"patches": np.round(EMBEDDINGS[self.name](take.audio()), 4).tolist()}

        found: list[list[float]] = self.store.heard(system, clip, key_of(self.name, take.key), listen)["patches"]
        return found


@dataclass(frozen=True)
class Fadtk:
    """An embedding of fadtk (Gui et al. 2024, arXiv 2311.01616): ``vggish``, ``clap-laion-music`` and others.

    fadtk wants numpy 1 and transformers 4 and so cannot live in our environment: it is run in its own.

    Args:
        name: fadtk's name of the model.
        python: the interpreter of that environment.
        folder: where recordings are laid out for it, and its embeddings are kept.
    """

    name: str
    python: Path
    folder: Path

    @staticmethod
    def check(name: str, python: Path | None) -> Path:
        """The interpreter.  Raises: UsageError that says what to install."""
        advice = (
            f"fad_embedding={name} is a model of fadtk, which needs an environment of its own (it wants numpy 1): "
            "`python3 -m venv fadtk && fadtk/bin/pip install fadtk`, then give fadtk_python=fadtk/bin/python; "
            f"or leave fad_embedding at {fad.EMBEDDING}, which needs nothing"
        )
        if python is None:
            raise UsageError(advice)
        try:
            done = subprocess.run([python, "-c", "import fadtk.embeds"], capture_output=True, text=True)
        except OSError as error:
            raise UsageError(f"fadtk_python: {python} does not run ({one_line(error)}); {advice}") from None
        if done.returncode:
            raise UsageError(f"fadtk_python: {python} has no fadtk; {advice}")
        return python

    def __call__(self, system: str, takes: Mapping[str, Take]) -> list[np.ndarray]:
        folder = self.folder / slug(system)
        folder.mkdir(parents=True, exist_ok=True)
        names = {clip: f"{slug(clip)}.{take.key}" for clip, take in takes.items()}
        stored = folder / "embeddings" / self.name
        for clip, take in takes.items():
            target = folder / f"{names[clip]}{take.path.suffix}"
            if not target.exists() and not (stored / f"{names[clip]}.npy").exists():
                with replacing(target) as temporary:
                    shutil.copyfile(take.path, temporary)
        command = [str(self.python), "-m", "fadtk.embeds", "-m", self.name, "-w", "1", "-d", str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        missing = [name for name in names.values() if not (stored / f"{name}.npy").exists()]
        if done.returncode or missing:
            said = (done.stderr.strip().splitlines() or done.stdout.strip().splitlines() or ["nothing"])[-1]
            raise UsageError(f"fadtk could not embed {len(missing)} recordings with {self.name}; it said: {said}")
        return [read_arrays(stored / f"{name}.npy")[""].astype(float) for name in names.values()]


def distances(
    embed: Embedder,
    takes: Mapping[Condition, Mapping[str, Take]],
    reference: Mapping[str, Take],
    other_source: Mapping[str, Take] | None,
    seed: int,
) -> Distances:
    """How far every system's takes are from the reference recordings.

    Args:
        takes: by system and clip name; ``truth`` among them stands for two halves of the reference.
        reference: the real recordings.
        other_source: recordings of another sound font or place, for scale.
    """
    real = embed(TRUTH, reference)
    between = fad.halves(real, seed)
    rows = {
        system.name: between if system.row == TRUTH else fad.fad(embed(system.name, each), real)
        for system, each in takes.items()
        if each
    }
    anchors = {ANCHORS[0]: between}
    if other_source is not None:
        other = embed(OTHER_SOURCE, other_source)
        anchors[ANCHORS[1]] = fad.fad(other, real)
        # A model sounds like the recordings it was trained on, and those may be of the other source.
        made = next((each for system, each in takes.items() if system.row == MODEL and each), None)
        if made is not None:
            anchors[ANCHORS[2]] = fad.fad(embed(MODEL, made), other)
    return Distances(embed.name, rows, anchors, sum(map(len, real)), real[0].shape[1])


def point(embed: Embedder, system: str, takes: Mapping[str, Take], reference: Mapping[str, Take]) -> Interval:
    """The distance of one set of takes from the reference recordings of the same clips."""
    same = {clip: take for clip, take in reference.items() if clip in takes}
    return fad.fad(embed(system, takes), embed(TRUTH, same))


def other_recordings(store: Store, folder: Path, split: str, count: int, seconds: float, rate: int) -> dict[str, Take]:
    """The first ``count`` clips of another corpus, from their beginning, or the middles of a folder's recordings.

    Raises: ValueError for fewer than two that can be used.
    """
    from flowmusic.corpus import reader

    if (folder / "manifest.jsonl").exists():
        paths, place = [clip.audio for clip in reader.clips(folder, split, count)], test_set_folder.BEGINNING
    else:
        paths, place = test_set_folder.find(folder)[:count], test_set_folder.MIDDLE
    found: dict[str, Take] = {}
    for path in paths:
        name = path.relative_to(folder).with_suffix("").as_posix()
        key = key_of(OTHER_SOURCE, digest_of([path]), seconds, rate, place)
        take = store.take(OTHER_SOURCE, name, key)
        if take is None:
            take = store.put(test_set_folder.excerpt(path, seconds, rate, place), {}, OTHER_SOURCE, name, key)
        found[name] = take
    if len(found) < 2:
        raise ValueError(f"fad_reference: {folder} has {len(found)} clips in its {split} split; at least 2 are needed")
    return found
