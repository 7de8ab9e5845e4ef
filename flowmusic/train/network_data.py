"""Lightning data modules of the networks that extract features.  Batch k is a function of seed and k alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from torch import Generator, Tensor
from torch.utils.data import DataLoader

from feature_extractors.networks import (
    chord_crops,
    chord_data,
    chord_features,
    drum_data,
    drum_net,
    note_data,
    note_features,
    separator_data,
    separator_net,
)
from flowmusic.data.errors import WrongData
from flowmusic.data.module import NumberedData
from flowmusic.data.steps import Steps
from flowmusic.train import draws

VALIDATION_SECONDS = 6.0
"""Of a recording that the separator is judged by."""


class ChordClip(NamedTuple):
    """A whole recording: compressed magnitudes ``[1, F, 252]``, targets ``[1, F, 193]``, its length and its chords."""

    compressed: Tensor
    target: Tensor
    seconds: float
    chords: Sequence[tuple[float, float, str]]


class DrumClip(NamedTuple):
    """A whole recording: log-mel ``[1, F, 64]``, targets ``[1, F, 4]`` and hits in seconds by output."""

    log_mel: Tensor
    target: Tensor
    hits: dict[str, Sequence[float]]


class NoteClip(NamedTuple):
    """A whole recording: compressed magnitudes ``[1, F, 2, 297]``, targets ``[1, F, 88, 9]``, length, notes by part."""

    compressed: Tensor
    target: Tensor
    seconds: float
    notes: Mapping[str, Sequence[note_data.Row]]


class NetworkData(NumberedData):
    """Varied crops of the training clips of corpora, and their validation clips whole.

    Args:
        corpus, more: corpus folders; the training clips of all of them join, and so do the validation clips.
        crop_seconds: length of a training crop.
        batch, seed: training batch and its seed.
        limit: at most so many training clips of each corpus (None or -1: all).
        validation_clips: at most so many validation clips of each corpus (None or -1: all).
    """

    def __init__(
        self,
        corpus: str,
        crop_seconds: float,
        batch: int,
        more: Sequence[str] = (),
        seed: int = 0,
        limit: int | None = None,
        validation_clips: int | None = None,
    ) -> None:
        super().__init__()
        self.folders = [Path(folder) for folder in (corpus, *more)]
        self.crop_seconds, self.batch, self.seed = crop_seconds, batch, seed
        self.limit, self.validation_clips = (None if most == -1 else most for most in (limit, validation_clips))
        self.train_batch: Callable[[int], Any] | None = None
        self.validation: Sequence[Any] = ()

    def setup(self, stage: str) -> None:
        """Read the clips.  Raises: WrongData if there are none to train on or none to validate on, or one is broken."""
        if self.train_batch is not None:
            return
        with _as_wrong_data():
            train, validation = (self._having(split) for split in ("train", "validation"))
            self.validation = list(self.clips(validation))
            self.train_batch = self.batches(train)

    def _having(self, split: str) -> list[Path]:
        """The corpora with clips in a split."""
        for folder in self.folders:
            if not folder.is_dir():
                raise WrongData(f"corpus folder {folder} not found; make one with `flowmusic corpus --out {folder}`")
        having = [folder for folder in self.folders if any((folder / split).glob("*.json"))]
        if not having:
            raise WrongData(
                f"no {split} clips in {', '.join(map(str, self.folders))[:300]}; give a folder of `flowmusic corpus` "
                "with the splits train and validation"
            )
        return having

    def batches(self, folders: Sequence[Path]) -> Callable[[int], Any]:
        """Number of a batch -> that batch, of the training clips of some corpora."""
        raise NotImplementedError

    def clips(self, folders: Sequence[Path]) -> Iterator[Any]:
        """What each validation step takes, of the validation clips of some corpora."""
        raise NotImplementedError

    def generator(self, number: int) -> Generator:
        """What everything random in a batch is drawn from."""
        return draws.of_step(self.seed, number)

    def train_dataloader(self) -> DataLoader:
        assert self.train_batch is not None
        return self.numbered(self.train_batch)

    def val_dataloader(self) -> DataLoader:
        return DataLoader(
            Steps(self.validation.__getitem__, 0, len(self.validation)), batch_size=None, collate_fn=_same
        )


class ChordData(NetworkData):
    """For the chord network.

    Args:
        cache: folder for the features, some 20 MB an hour of audio, which later runs need not compute again.
        others: of :class:`NetworkData`.
    """

    def __init__(self, cache: str, crop_seconds: float = 12.0, batch: int = chord_crops.BATCH, **others: Any) -> None:
        super().__init__(crop_seconds=crop_seconds, batch=batch, **others)
        self.cache = Path(cache)

    def batches(self, folders: Sequence[Path]) -> Callable[[int], tuple[Tensor, Tensor]]:
        sources = [chord_data.recordings(folder, "train", self.cache, self.limit) for folder in folders]
        frames = round(self.crop_seconds * chord_features.FPS)
        return lambda number: chord_crops.crops(sources, self.generator(number), self.batch, frames)

    def clips(self, folders: Sequence[Path]) -> Iterator[ChordClip]:
        for folder in folders:
            found = chord_data.recordings(folder, "validation", self.cache, self.validation_clips)
            for n, (_, frames) in enumerate(found.spans):
                compressed = chord_features.compress(found.features(n))
                yield ChordClip(compressed[None], found.targets(n)[None], frames / chord_features.FPS, found.changes[n])


class DrumData(NetworkData):
    """For the networks of drum onsets; for arguments see :class:`NetworkData`."""

    def __init__(self, crop_seconds: float = 4.0, batch: int = drum_data.BATCH, **others: Any) -> None:
        super().__init__(crop_seconds=crop_seconds, batch=batch, **others)

    def batches(self, folders: Sequence[Path]) -> Callable[[int], tuple[Tensor, Tensor]]:
        found = [each for folder in folders for each in drum_data.examples(folder, "train", self.limit)]
        frames = round(self.crop_seconds * drum_net.FPS)
        return lambda number: drum_data.crops(found, self.generator(number), self.batch, frames)

    def clips(self, folders: Sequence[Path]) -> Iterator[DrumClip]:
        for folder in folders:
            for clip in drum_data.examples(folder, "validation", self.validation_clips, parts=False):
                log_mel = drum_net.compress(clip.magnitude.float())
                yield DrumClip(log_mel[None], clip.target[None], dict(clip.hits))


class NoteData(NetworkData):
    """For the network of notes.

    Args:
        cache: folder for the features, some 110 MB an hour of audio, which later runs need not compute again.
        others: of :class:`NetworkData`.
    """

    def __init__(self, cache: str, crop_seconds: float = 3.0, batch: int = note_data.BATCH, **others: Any) -> None:
        super().__init__(crop_seconds=crop_seconds, batch=batch, **others)
        self.cache, self.described = Path(cache), ""

    def batches(self, folders: Sequence[Path]) -> Callable[[int], tuple[Tensor, Tensor]]:
        sources = [note_data.recordings(folder, "train", self.cache, self.limit) for folder in folders]
        hours = sum(len(source.compressed) for source in sources) / note_features.FPS / 3600.0
        self.described = f"{hours:.1f} h of mixes and parts of {', '.join(f.resolve().name for f in folders)}"
        frames = round(self.crop_seconds * note_features.FPS)
        return lambda number: note_data.crops(sources, self.generator(number), self.batch, frames)

    def clips(self, folders: Sequence[Path]) -> Iterator[NoteClip]:
        for folder in folders:
            found = note_data.recordings(folder, "validation", self.cache, self.validation_clips)
            for n, (_, frames) in enumerate(found.spans):
                notes = found.notes[n]
                target = note_data.targets(notes, 0, frames)
                yield NoteClip(found.features(n)[None], target[None], frames / note_features.FPS, notes)


class SeparatorData(NetworkData):
    """For the separator; for arguments see :class:`NetworkData`.  Corpora must have drum stems."""

    def __init__(self, crop_seconds: float = 2.0, batch: int = 6, **others: Any) -> None:
        super().__init__(crop_seconds=crop_seconds, batch=batch, **others)
        self.described = ""

    def batches(self, folders: Sequence[Path]) -> Callable[[int], tuple[Tensor, Tensor]]:
        found = separator_data.recordings(folders, "train", self.limit)
        self.described = f"{len(found)} clips of {', '.join(folder.resolve().name for folder in folders)}"
        length = _samples(self.crop_seconds)

        def make(number: int) -> tuple[Tensor, Tensor]:
            with _as_wrong_data():  # sound is read as it is needed
                return separator_data.batch(found, self.batch, length, self.seed, number)

        return make

    def clips(self, folders: Sequence[Path]) -> Iterator[tuple[Tensor, Tensor]]:
        """Mix and drums, ``[1, N]`` each, of the first seconds of every clip with drums, at the network's level."""
        for recording in separator_data.recordings(folders, "validation", self.validation_clips):
            if recording.drums is not None:
                drums, rest = separator_data.read(recording, 0, _samples(VALIDATION_SECONDS))
                mix = drums + rest
                scale = separator_net.LEVEL / max(float(mix.square().mean().sqrt()), 1e-6)
                yield (mix * scale)[None], (drums * scale)[None]


def _samples(seconds: float) -> int:
    """Of the separator, which takes whole hops."""
    return max(1, round(seconds * separator_net.RATE / separator_net.HOP)) * separator_net.HOP


def _same(batch: Any) -> Any:
    """As it is: Lightning's own would take tuples of times for a batch."""
    return batch


@contextmanager
def _as_wrong_data() -> Iterator[None]:
    """Errors of the readers as those that end the command with one line."""
    try:
        yield
    except WrongData:
        raise
    except ValueError as error:
        raise WrongData(str(error)) from None
