"""Takes that are parts of a recording made anew: spliced into it, judged there alone, and told of in the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.inputs.within import Piece
from flowmusic.takes import exact
from flowmusic.takes.making import Takes

if TYPE_CHECKING:
    import argparse

    from torch import Tensor

    from flowmusic.audio import Audio
    from flowmusic.evaluate.adherence import Adherence
    from flowmusic.generate.generator import Generator
    from flowmusic.inputs.regions import Span
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.takes.signing import Signature
    from flowmusic.takes.source import Source
    from flowmusic.types import Generation

SAME_GAIN = 0.01
"""A level that differs by less is the same: it is rounding, or what a lossy file loses."""


@dataclass(frozen=True, kw_only=True)
class Edits(Takes):
    """Takes of some regions of a recording.

    Args:
        source: the recording.
        samples: its samples, as its file holds them.
        regions: in seconds of the new piece.
        edit: what is done, for the record (:func:`told`).
        offset: seconds into the new piece where the recording begins.
        gain: of the model's sound beside that of the recording, which may have been made softer as a whole.
    """

    source: Source
    samples: exact.Samples
    regions: Sequence[Span]
    edit: Mapping[str, Any]
    offset: float = 0.0
    gain: float = 1.0

    def judge(self, take: Generation) -> Adherence:
        from flowmusic.evaluate.adherence import judge

        return judge(self._sound(take), self.requested(take), self.regions)

    def changed(self, take: Generation, signature: Signature | None = None) -> exact.Samples:
        """The recording with the regions of a take, which alone are marked where there is a signature."""
        from flowmusic import audio as tools

        rate = self.samples.rate
        made = tools.fit(tools.resample(self._alike(take), rate), round(self.asked.seconds * rate)).samples
        if signature is not None:
            made = signature.marked(made, rate)
        return replaced(self.samples, made, self.regions, self.offset, self.gain)

    def _alike(self, take: Generation) -> Audio:
        """The take with as many channels as the recording, or one that is to be in all of them."""
        from flowmusic import audio as tools
        from flowmusic.audio import Audio

        sound = Audio(take.audio.samples[0], take.audio.rate)
        return sound if len(sound.samples) == self.samples.values.shape[1] else tools.mono(sound)

    def _sound(self, take: Generation) -> Audio:
        from flowmusic.audio import Audio

        return Audio(self.changed(take).floats().float(), self.samples.rate)

    def _save(self, take: Generation, sound: Audio, out: Path) -> None:
        signature = self.signature(take.seed)
        with signature.tagged(out) as temporary:
            exact.write(self.changed(take, signature), temporary)

    def _sources(self) -> Mapping[str, Any]:
        return {"recording": self.source.path, **self.asked.sources}

    def _content(self, take: Generation, *more: Any) -> dict[str, Any]:
        about = described(self.source, {**self.edit, "model": self.generator.name, "seed": take.seed})
        return Takes._content(replace(self, details={**self.details, **about}), take, *more)


def replaced(
    samples: exact.Samples, made: Tensor, regions: Sequence[Span], offset: float = 0.0, gain: float = 1.0
) -> exact.Samples:
    """The samples of a file with regions of what was made, which are made softer where they would pass full scale.

    Args:
        made: ``[C, M]`` at the file's rate, of one or as many channels; all of the new piece.
        regions: in seconds of the new piece.
        offset: seconds into the new piece where the file begins.
        gain: of ``made``.
    """
    from flowmusic.generate.splice import FADE_SECONDS

    rate, total, parts = samples.rate, made.shape[-1], []
    fade, begin = round(FADE_SECONDS * rate), round(offset * rate)
    for start, end in regions:
        first, last = round(start * rate), min(round(end * rate), total)
        # The region and what its edges are smoothed by, not the whole of a long file.
        low, high = max(0, first - fade), min(total, last + fade)
        old = samples.floats(max(0, low - begin), max(0, high - begin))
        spliced = _softened(
            old, gain * made[:, low:high].double(), (first - low, last - low), fade, max(0, begin - low)
        )
        parts.append((first, spliced))
    return samples.changed(parts, total, begin)


def _softened(old: Tensor, new: Tensor, region: tuple[int, int], fade: int, offset: int) -> Tensor:
    """The region alone, spliced.  Shape: ``[C, n]``."""
    from flowmusic.generate.splice import splice

    first, last = region
    spliced = splice(old, new, [region], fade, offset)[:, first:last]
    loudest = float(spliced.abs().max())
    if loudest > 1.0:
        spliced = splice(old, new / loudest, [region], fade, offset)[:, first:last]
    return spliced


def gain_of(source: Source, generator: Generator) -> float:
    """How much softer the file of a take is than its latents sound: what passed full scale was written softer."""
    from flowmusic import audio as tools

    if source.codec_error_db is not None:
        return 1.0
    heard = tools.mono(tools.resample(source.audio, generator.codec.rate)).samples[0].double()
    made = tools.mono(generator.codec.decode(source.latents.to(generator.device))).samples[0, 0].double().cpu()
    made = made[: len(heard)]
    energy = float(made @ made)
    gain = float(heard[: len(made)] @ made) / energy if energy > 0.0 else 1.0
    return gain if gain < 1.0 - SAME_GAIN else 1.0


def piece(source: Source, generator: Generator, bpm: float | None, meter: str | None) -> Piece:
    """What is known of a source, counted by its own beat grid, or by that of a tempo and meter.

    Raises: ValueError for a meter where no tempo is known.
    """
    from flowmusic.controls.beats import beats_per_bar, from_track
    from flowmusic.controls.meter import MOST_COUNT
    from flowmusic.inputs.regions import beat_grid

    beats = beat_grid(source.beats, bpm, meter, source.grid)
    controls = source.controls
    if beats is not None and beats is not source.beats and "beats" in generator.controls:
        controls = replace(controls, tracks={**controls.tracks, "beats": beats})
    judged = {
        name: track for name, track in controls.tracks.items() if not (name == "drums" and generator.drums_as_codes)
    }
    recorded = source.record.get("controls")
    if meter is None and isinstance(recorded, dict):
        meter = recorded.get("meter")
    if meter is None and beats is not None:
        per_bar = beats_per_bar(from_track(beats))
        meter = None if per_bar is None else f"{min(per_bar, MOST_COUNT)}/4"
    return Piece(
        source.path.name,
        source.audio.seconds,
        controls,
        replace(controls, tracks=judged),
        source.grid,
        beats,
        meter or "4/4",
    )


def settled(
    args: argparse.Namespace, asked: GenerateRequest, source: Source, generator: Generator
) -> tuple[GenerateRequest, dict[str, Any]]:
    """The request as the record of the whole piece tells it, and what else the record tells.

    Pseudowords of ``--concept`` are taught to the model, for the words that hold in the regions.

    Raises: ValueError as :func:`flowmusic.inputs.concepts.register`.
    """
    from flowmusic.inputs import concepts
    from flowmusic.takes.record import details

    concepts.register(args.concept, generator, replace(asked, text=asked.text or source.text))
    recorded = source.record.get("controls")
    chords = recorded.get("chords_text") if isinstance(recorded, dict) else None
    return replace(asked, text=source.text, chords=chords), details(args, asked)


def spans(args: argparse.Namespace, piece: Piece) -> tuple[list[Span], list[float]]:
    """The regions of ``--bars``, or of ``--start`` and ``--end``, and where the bars begin in which these do.

    Raises: ValueError as :mod:`flowmusic.inputs.regions`, and for bars where no tempo is known.
    """
    from flowmusic.inputs import regions

    lines = regions.bar_lines(piece.beats, piece.seconds)
    if not args.bars:
        found = regions.in_seconds(args.start, args.end, piece.seconds)
    elif lines is None:
        raise ValueError(
            f"the tempo of {piece.name} is not known, so it has no bars to count; give --bpm, or --start, --end"
        )
    else:
        found = regions.in_bars([each for given in args.bars for each in given], lines, piece.name)
    return found, [regions.first_bar(lines, start) for start, _ in found]


def on_other_chords(asked: GenerateRequest) -> bool:
    """Whether chords are asked for: these are followed less by music that is told of the old ones beside it."""
    return asked.chords is not None or "chords" in asked.sources


def told(args: argparse.Namespace, what: Mapping[str, Any]) -> dict[str, Any]:
    """An edit for the record: ``what`` was done, and what was asked for in it; files by their names."""
    found: dict[str, Any] = {**what, "text": (args.text or "").strip() or None, "chords_text": args.chords}
    for name in ("melody", "drums", "style", "controls", "sheet"):
        path = getattr(args, name, None)
        found[name] = None if path is None else path.name
    found.update(form=getattr(args, "form", None), bpm=args.bpm, free=sorted(args.free) or None)
    return {key: value for key, value in found.items() if value is not None}


def notices(source: Source, generator: Generator, samples: exact.Samples, out: Path) -> list[str]:
    """What a person should know of a source before it is edited."""
    found = list(source.notices)
    name = source.path.name
    if source.codec_error_db is not None:
        found.append(
            f"{name} is encoded for this: what is made hears it through the codec, at {source.codec_error_db:.1f} dB "
            "SI-SDR; its own samples stay as they are"
        )
    if samples.values.shape[1] > generator.codec.channels:
        channels = "one channel" if generator.codec.channels == 1 else f"{generator.codec.channels} channels"
        found.append(f"{generator.name} makes {channels}, which the {samples.values.shape[1]} of {name} share inside")
    if not generator.reads_context:
        found.append(
            f"{generator.name} was not trained to go on from music: what is known is held on the path alone, and is "
            "heard less well than by a model trained with masks, such as nano"
        )
    if source.record.get("adapters") and not generator.adapters:
        found.append(f"{name} was made with an adapter; give --adapter to use it again")
    lossy = exact.notice(samples, source.path, out)
    return found if lossy is None else [*found, lossy]


def described(source: Source, edit: Mapping[str, Any]) -> dict[str, Any]:
    """``source`` and ``edits`` of a record: where the piece comes from, and what was done to it since it was made."""
    before = source.record.get("edits")
    return {
        "source": source.about(),
        "edits": [*(before if isinstance(before, list) else []), dict(edit)],
    }


def prompted(take: Generation, source: Source) -> Generation:
    """The take with the words and style of the whole piece, which the next edit is to keep, not those of a region."""
    return replace(take, controls=replace(source.controls, tracks=take.controls.tracks))


def latents_on(source: Source, length: int, first: int = 0) -> Tensor:
    """The source's latents from frame ``first`` on in ``length`` frames, zero elsewhere.  Shape: ``[1, length, D]``."""
    import torch

    latents = torch.zeros(1, length, source.latents.shape[-1])
    kept = source.latents[:, : length - first]
    latents[:, first : first + kept.shape[1]] = kept
    return latents
