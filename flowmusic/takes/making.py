"""Takes of one request: made one after the other, judged, chosen among, and each written as soon as it is there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import progress
from flowmusic.errors import UsageError
from flowmusic.paths import sibling
from flowmusic.takes import choose, stored
from flowmusic.takes.record import record, table

if TYPE_CHECKING:
    from flowmusic.annotations.annotation import Annotations
    from flowmusic.audio import Audio
    from flowmusic.curves import Value
    from flowmusic.evaluate.adherence import Adherence
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.takes.signing import Signature
    from flowmusic.types import Controls, Generation, Progress

NOTHING_TO_JUDGE = (
    "--best-of and --min-adherence choose by chords, drums, melody or beats, and none of them was asked for or can be "
    "recognised here; leave them out, or ask for one"
)


@dataclass(frozen=True)
class Takes:
    """What all takes of one command have in common.

    Args:
        generator: the model.
        asked: the request.
        written: its controls before a model left some out.
        guidance: weights by name, for the record.
        details: what else the record is to tell, see :func:`flowmusic.takes.record.record`.
        keep_latents: write them beside the record, for edits to start from.
        quiet: print the names of the files alone.
        watermark: put a mark into what is made.
        written_to: called with the audio file of each take once all of it is written.
    """

    generator: Generator
    asked: GenerateRequest
    written: Controls
    guidance: Mapping[str, Value]
    details: Mapping[str, Any] = field(default_factory=dict)
    keep_latents: bool = True
    quiet: bool = False
    watermark: bool = True
    written_to: Callable[[Path], object] = lambda out: None

    def produce(
        self,
        make: Callable[[int, Progress], Generation],
        out: Path,
        *,
        seed: int,
        count: int = 1,
        best_of: int | None = None,
        least: float | None = None,
        label: str = "generating",
    ) -> None:
        """Make ``count`` takes by ``make(seed, progress)`` with seeds from ``seed`` upwards, and write each.

        Args:
            best_of: make so many for each one, and keep what follows closest.
            least: of several, the first that scores this much is kept; without ``best_of``, at most
                :data:`flowmusic.takes.choose.TRIES` are made.

        Raises: UsageError where a choice is asked for and nothing can be judged; OSError as :meth:`write`.
        """
        tries = best_of or (1 if least is None else choose.TRIES)
        chosen = tries > 1 or least is not None
        if chosen and not self.written.tracks:
            raise UsageError(NOTHING_TO_JUDGE)

        def made(seed: int, label: str) -> Generation:
            with progress.Bar(label, "eval") as bar:
                return make(seed, bar.to)

        for number in range(count):
            name = f"take {number + 1}/{count}" if count > 1 else label
            path = out if count == 1 else sibling(out, f"-{number + 1}{out.suffix}")
            if not chosen:
                self.write(made(seed + number, name), path)
                continue
            first = seed + number * tries
            takes = (made(first + n, f"{name}, try {n + 1} of at most {tries}") for n in range(tries))
            take, judged, choice = self.best(takes, least)
            if not self.quiet:
                print(f"note: {choose.told(choice, take.seed)}", file=sys.stderr)
            self.write(take, path, judged, choice)

    def best(self, takes: Iterable[Generation], least: float | None) -> tuple[Generation, Adherence, dict[str, Any]]:
        """The take that follows closest, or the first that follows closely enough; its adherence, and the choice.

        Raises: UsageError if nothing that was asked for can be judged.
        """
        best: tuple[float, Generation, Adherence] | None = None
        scores: dict[int, float] = {}
        for take in takes:
            judged = self.judge(take)
            value = choose.score(judged)
            if value is None:
                raise UsageError(NOTHING_TO_JUDGE)
            scores[take.seed] = value
            if best is None or value > best[0]:
                best = (value, take, judged)
            if least is not None and value >= least:
                break
        assert best is not None
        return best[1], best[2], choose.record(scores, least)

    def judge(self, take: Generation) -> Adherence:
        """Judge a take in the terms of the request: a model may read the drums as codes."""
        from flowmusic.evaluate.adherence import PART_SECONDS, judge, judge_long

        sound, requested = self._sound(take), self.requested(take)
        if sound.seconds <= 1.5 * PART_SECONDS:
            return judge(sound, requested)
        return judge_long(lambda start, seconds: cut(sound, start, seconds), requested, sound.seconds)

    def write(
        self,
        take: Generation,
        out: Path,
        judged: Adherence | None = None,
        choice: Mapping[str, Any] | None = None,
    ) -> None:
        """Write the audio, judge it unless that was done, write the record, and print what there is.

        Raises: OSError for what cannot be written, with the seed that gives the take again.
        """
        sound = self._sound(take)
        with self.telling(take.seed):
            self._save(take, sound, out)
        self.tell(take, out, sound.rate, judged, choice, lambda: self.judge(take))

    def tell(
        self,
        take: Generation,
        out: Path,
        rate: int,
        judged: Adherence | None,
        choice: Mapping[str, Any] | None,
        judge: Callable[[], Adherence],
    ) -> None:
        """What follows the audio: latents, the record, the adherence, and what is printed."""
        from flowmusic.files import write_readable_json

        described = sibling(out, ".json")
        with self.telling(take.seed, f"{out} is written; "):
            if self.keep_latents:
                stored.write(stored.path_beside(out), take.latents, take.controls, self.generator.weights)
            # Before anyone listens: should a recogniser fail, the take can still be repeated.
            write_readable_json(described, self._content(take, rate, out, judged, choice))
            print(out, flush=True)
            adherence = judge() if judged is None else judged
            print(write_readable_json(described, self._content(take, rate, out, adherence, choice)), flush=True)
        if not self.quiet:
            print("\n".join(table(adherence)), end="\n" if adherence.scores else "", flush=True)
        self.written_to(out)

    @contextmanager
    def telling(self, seed: int, done: str = "") -> Iterator[None]:
        """What fails on the way to the disk is told with the seed that gives the take again."""
        try:
            yield
        except OSError as error:
            raise OSError(
                error.errno, f"{error.strerror} ({done}--seed {seed} makes this take again)", error.filename
            ) from error

    def _save(self, take: Generation, sound: Audio, out: Path) -> None:
        """Write the audio of a take."""
        from dataclasses import replace

        from flowmusic import audio

        signature = self.signature(take.seed)
        with signature.tagged(out) as temporary:
            audio.write(replace(sound, samples=signature.marked(sound.samples, sound.rate)), temporary)

    def signature(self, seed: int) -> Signature:
        """What the take of a seed carries beside its music."""
        from flowmusic.takes.signing import Signature, provenance

        model, asked = self.generator, self.asked
        made = provenance(model.name, seed, model.licence, asked.text, self._sources(), self.details)
        return Signature(made, self.watermark)

    def _sources(self) -> Mapping[str, Any]:
        """What was given, by what it was given as."""
        return self.asked.sources

    def _sound(self, take: Generation) -> Audio:
        """What is heard of a take, ``[C, N]``."""
        from flowmusic import audio
        from flowmusic.audio import Audio

        sound = Audio(take.audio.samples[0], take.audio.rate)
        return audio.fit(sound, round(self.asked.seconds * take.audio.rate))

    def requested(self, take: Generation) -> Annotations:
        """What was asked of a take, of the controls that its model reads."""
        from flowmusic.annotations.tracks import from_tracks

        return from_tracks(self.written.only(take.controls.names()), self.asked.seconds)

    def _content(
        self, take: Generation, rate: int, out: Path, adherence: Adherence | None, choice: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        import soundfile

        from flowmusic.hashes import of_file

        return record(
            take,
            model=self.generator.name,
            asked=self.asked,
            guidance=self.guidance,
            sample_rate=rate,
            written=self.written,
            requested=self.requested(take),
            adherence=adherence,
            choice=choice,
            by_model=self.generator.defaults.recorded(),
            adapters=self.generator.adapters,
            weights=self.generator.weights,
            channels=soundfile.info(os.fsencode(out)).channels,
            details={**self.details, **self.signature(take.seed).told(), "audio_sha256": of_file(out)},
        )


def cut(sound: Audio, start: float, seconds: float) -> Audio:
    """A part of a sound ``[C, N]``."""
    from dataclasses import replace

    first = round(start * sound.rate)
    return replace(sound, samples=sound.samples[:, first : first + round(seconds * sound.rate)])


def check_record(out: Path) -> None:
    """Raise UsageError where something else is in the way of what is written beside a take."""
    for beside, what in ((sibling(out, ".json"), "the record"), (stored.path_beside(out), "the latents")):
        if beside.is_dir():
            raise UsageError(f"cannot write {beside}, {what} of {out}: it is a folder; choose another name with --out")
