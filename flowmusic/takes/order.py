"""What ``flowmusic generate`` is to make: flags that go together, the request settled for a model, and its takes.

A command makes takes of one request, or a piece of a story, or a loop, or parts that fit together, or takes between two
ends.  :func:`check` refuses what does not go together, before anything is read; :func:`read` reads files;
:meth:`Reading.settle` makes controls for a model; :meth:`Order.produce` makes and writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flowmusic import curves, disk, limits
from flowmusic.errors import UsageError
from flowmusic.paths import sibling
from flowmusic.takes import blending

if TYPE_CHECKING:
    from pathlib import Path

    from flowmusic.curves import Value
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.loops import Length
    from flowmusic.generate.piece import Piece
    from flowmusic.generate.sampling import Sampling
    from flowmusic.generate.story import Story
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.inputs.story import Request as StoryRequest
    from flowmusic.inputs.story_file import Script
    from flowmusic.takes.blending import Blend
    from flowmusic.takes.making import Takes
    from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress

SECONDS, LOOP_BARS = 10.0, 4
"""Lengths where a command says none."""


@dataclass(frozen=True)
class Asked:
    """The flags once it is known that they go together; ``said`` is what a person should know of them."""

    args: argparse.Namespace
    script: Script | None
    blend: Blend | None
    said: tuple[str, ...]


def check(args: argparse.Namespace) -> Asked:
    """Judge the flags, and read a lead sheet; lengths that depend on others are put into ``args``.

    Raises: ValueError or UsageError naming the flags, what is allowed and what to do.
    """
    from flowmusic.controls import chords
    from flowmusic.inputs import facts, lead_sheet, pace
    from flowmusic.inputs.story_file import read as read_story

    _together(args)
    args.lead = lead_sheet.read(args, args.bpm)
    pictured = _picture(args) if args.image is not None else ()
    facts.of_flags(args)
    paced = pace.settle_words(args)
    script = None if args.story is None else read_story(args.story)
    blend = blending.settled(args) if script is None else None
    said = _loop(args) if args.loop else ()
    if args.seconds is None and script is None:
        usual = SECONDS if args.lead is None else args.lead.seconds
        args.seconds, told = pace.settle_seconds(args, limits.number("seconds", usual, f"the length of {args.sheet}"))
        said = (*said, *told)
    if args.chords is not None:
        # What is wrong with the text itself shows before torch is loaded.
        chords.parse(args.chords, args.seconds or SECONDS)
    return Asked(args, script, blend, (*pictured, *paced, *said))


def _together(args: argparse.Namespace) -> None:
    """Refuse flags that ask for two kinds of thing at once, or for a detail of one that is not asked for."""
    blended = next((name for name in ("blend", "blend_seeds", "blend_styles") if getattr(args, name)), None)
    kinds = {
        "--story": args.story is not None,
        "--loop": args.loop or args.parts is not None,
        f"--{(blended or 'blend').replace('_', '-')}": blended is not None,
    }
    asked = [name for name, there in kinds.items() if there]
    if len(asked) > 1:
        raise UsageError(f"{asked[0]} and {asked[1]} cannot be made at once; give one of them")
    if args.sheet is not None and args.story is not None:
        raise UsageError("--sheet and --story both say what the sections of a piece are; give one of them")
    if args.recall and asked:
        raise UsageError(f"--recall is for pieces with sections; leave {asked[0]} out")
    over_time = isinstance(args.guidance, Mapping) and any(isinstance(v, curves.Curve) for v in args.guidance.values())
    if over_time and asked and asked[0] != "--story":
        raise UsageError(f"guidance over time is for takes and stories; give plain weights with {asked[0]}")
    if args.fade is not None and args.story is None:
        raise UsageError("--fade is about the changes of a --story, which is not given")
    if args.bars is not None and not args.loop:
        raise UsageError("--bars is the length of a --loop, which is not asked for; give --loop, or --seconds")
    if args.caption_model is not None and args.image is None:
        raise UsageError("--caption-model says what an --image shows, which is not given")
    if args.image is not None and (args.story is not None or blended is not None):
        raise UsageError(f"--image asks for one piece of music; leave --{asked[0][2:]} out, or the picture")
    if args.preview and (args.solver or args.steps or args.time_grid):
        raise UsageError("--preview chooses solver and steps itself; leave --solver, --steps and --time-grid out")


def _picture(args: argparse.Namespace) -> tuple[str, ...]:
    """Look at the picture; its tempo is put into ``args`` where nothing else sets one, the rest where words are read.

    Raises: ValueError for what is no picture, and for a folder that holds no caption model.
    """
    from flowmusic.image import to_settings
    from flowmusic.inputs import pace
    from flowmusic.inputs.words.reading import read as read_words

    args.picture = to_settings(args.image, args.caption_model)
    args.text = args.text or ""
    said = read_words(args.text)
    if all(each is None for each in (args.tempo, said.bpm, said.facts.tempo)) and not pace.paced(args):
        args.bpm = args.picture.bpm
    return (args.picture.told(),)


def _loop(args: argparse.Namespace) -> tuple[str, ...]:
    """Turn the bars of a loop into seconds.  Raises: ValueError for a length that no loop has."""
    from flowmusic.controls.meter import parse_meter
    from flowmusic.inputs.pace import DEFAULT_BPM

    if args.seconds is not None:
        raise UsageError("--seconds and --loop: a loop is as long as its bars; give --bars and --bpm")
    if args.lead is not None and args.lead.counted:
        args.lead = args.lead if args.bars is None else args.lead.first(args.bars)
        args.bars, args.seconds = args.lead.bars, args.lead.seconds
        limits.number("loop_seconds", args.seconds, f"the length of {args.sheet} as a loop")
        return ()
    said = () if args.bpm is not None else (f"no --bpm is given; the loop has {DEFAULT_BPM:g} beats a minute",)
    args.bpm = args.bpm or DEFAULT_BPM
    args.bars = LOOP_BARS if args.bars is None else args.bars
    args.seconds = args.bars * parse_meter(args.meter or "4/4").bar_seconds(args.bpm)
    limits.number("loop_seconds", args.seconds, f"the length of {args.bars} bars at {args.bpm:g} bpm")
    return said


@dataclass(frozen=True)
class Reading:
    """The request, read from flags and files; ``sections`` are a story's."""

    asked: Asked
    request: GenerateRequest
    sections: StoryRequest | None

    def settle(self, generator: Generator) -> Order:
        """Controls, guidance and sampling for a model.  Adds to the request's notices.

        Raises: ValueError and UsageError for what this model cannot be asked.
        """
        from flowmusic.inputs import concepts, over_time, silence
        from flowmusic.inputs import request as asking
        from flowmusic.inputs import story as stories
        from flowmusic.takes import record

        args, blend, sections = self.asked.args, self.asked.blend, self.sections
        length = _length(args, generator) if args.loop else None
        request = self.request
        if length is not None:
            request = replace(request, seconds=length.samples / length.rate)
        concepts.register(args.concept, generator, self._all_words())
        grid = generator.grid(request.seconds)
        written = asking.to_controls(request, grid)
        if sections is not None:
            written = stories.written(sections, written, grid)
        controls = asking.for_model(request, written, generator)
        if sections is not None:
            controls = stories.silenced(sections, controls, generator, grid, request.notices)
        elif blend is None or blend.texts is None:
            controls = silence.added(request.facts.said, controls, grid, generator, request.notices)
        other = None if blend is None else blend.second(args, request, controls, generator)
        # Once all sources are known.
        details = record.details(args, request)
        if sections is not None:
            details["story"] = sections.record()
        if length is not None:
            details["loop"] = {"bars": args.bars, "samples": length.samples}
        if args.lead is not None:
            details["sheet"] = {**args.lead.record(), **({"recall": args.recall} if args.recall else {})}
        bars = over_time.bars(controls, sections)
        weights = curves.placed(args.guidance or generator.defaults.guidance, bars)
        sampling = self._sampling(generator, details)
        guidance = generator.defaults.guide_over_time(weights, args.guidance_interval, args.apg)
        story = None
        if sections is not None:
            story = stories.for_model(sections, controls, generator, grid, guidance, args.fade, request.notices)
        blur = over_time.spans(args.blur, bars, request.seconds, sections)
        controls = over_time.with_blur(controls, blur)
        if other is not None:
            other = replace(other, tracks=controls.tracks)
        return Order(
            args, generator, request, written, controls, asking.negative_for(request, generator), weights, sampling,
            grid, details, story, length, blend, other,
        )  # fmt: skip

    def _all_words(self) -> GenerateRequest:
        """The request with the words of all its parts, which may mention pseudowords."""
        blend = self.asked.blend
        if self.sections is not None:
            return self.sections.all_words(self.request)
        if blend is not None and blend.texts is not None:
            return replace(self.request, text=" ".join(blend.texts))
        return self.request

    def _sampling(self, generator: Generator, details: dict[str, Any]) -> Sampling:
        from flowmusic.takes import preview

        args = self.asked.args
        if not args.preview:
            return generator.sampling(args.solver, args.steps, args.time_grid)
        rough, near = preview.sampling_of(generator)
        note, details["preview"] = preview.told(generator, rough, near)
        self.request.notices.append(note)
        return rough


def read(asked: Asked) -> Reading:
    """Read every file that the flags name.  Raises: ValueError or OSError naming the flag or file."""
    from flowmusic.inputs import request as asking
    from flowmusic.inputs import story as stories

    args = asked.args
    sections = None if asked.script is None else stories.settle(asked.script, args)
    request = asking.read(args if sections is None else sections.whole(args))
    request.notices.extend(asked.said)
    return Reading(asked, request, sections)


@dataclass(frozen=True)
class Order:
    """Everything that the takes of one command are made of; see :class:`flowmusic.takes.making.Takes`."""

    args: argparse.Namespace
    generator: Generator
    request: GenerateRequest
    written: Controls
    controls: Controls
    negative: tuple[Controls, float] | None
    weights: Mapping[str, Value]
    sampling: Sampling
    grid: FrameGrid
    details: Mapping[str, Any]
    story: Story | None = None
    length: Length | None = None
    blend: Blend | None = None
    other: Controls | None = None

    @cached_property
    def _sections(self) -> dict[str, Any]:
        """Where the sections of a lead sheet begin, and what is to be recalled of them, as a piece takes it."""
        lead = self.args.lead
        if lead is None or not lead.annotations.sections:
            return {}
        from flowmusic.generate.recall import repeats

        rate, spans = float(self.grid.frame_rate), [section[:3] for section in lead.annotations.sections]
        found: dict[str, Any] = {"sections": [round(start * rate) for start, _, _ in spans]}
        if self.args.recall:
            found["recall"] = (repeats(spans, lead.annotations.beats or (), self.grid), self.args.recall)
        return found

    def size(self) -> int:
        """Bytes on the disk: two a sample, and what else takes leave; a long one lies there in floats meanwhile."""
        from flowmusic.takes import long

        each = (6 if self.request.seconds > long.LONG_SECONDS else 2) * self.generator.codec.channels
        takes = (self.args.path or self.args.count) * len(self.args.parts or ("",))
        return takes * round(each * self.request.seconds * self.generator.codec.rate) + disk.PROBE

    def produce(self, seed: int, *, quiet: bool) -> list[Path]:
        """Make, judge and write every take.  Returns: their files.  Raises: OSError for what cannot be written."""
        from flowmusic.takes import long

        written: list[Path] = []
        args, takes = self.args, self.takes(quiet, written.append)
        choice = {"seed": seed, "count": args.count, "best_of": args.best_of, "least": args.min_adherence}
        if self.blend is not None and self.other is not None:
            self._produce_between(takes, self.blend, self.other, choice)
        elif self.length is not None or args.parts is not None:
            self._produce_parts(takes, choice)
        elif self.request.seconds > long.LONG_SECONDS and args.best_of is None and args.min_adherence is None:
            long.produce(takes, self._begin, args.out, seed=seed, count=args.count)
        else:
            takes.produce(lambda number, report: self._begin(number).whole(report), args.out, **choice)
        return written

    def takes(self, quiet: bool, written_to: Callable[[Path], object] = lambda out: None) -> Takes:
        """What writes and judges the takes of this order."""
        from flowmusic.takes.making import Takes

        return Takes(
            self.generator, self.request, self.written, self.weights, self.details,
            keep_latents=not self.args.no_latents, quiet=quiet, watermark=self.args.watermark, written_to=written_to,
        )  # fmt: skip

    def guidance(self, weights: Mapping[str, Value] | None = None) -> Guidance:
        """The same throughout: :func:`check` has refused curves where they cannot be."""
        wanted = self.weights if weights is None else weights
        numbers = {name: float(value) for name, value in wanted.items() if not isinstance(value, curves.Curve)}
        return self.generator.defaults.guide(numbers, self.args.guidance_interval, self.args.apg)

    def _begin(self, seed: int) -> Piece:
        """A piece of any length, of a story where there is one."""
        from flowmusic.generate.piece import Piece

        guidance = self.generator.defaults.guide_over_time(self.weights, self.args.guidance_interval, self.args.apg)
        asked: dict[str, Any] = {"guidance": guidance, "sampling": self.sampling, "seed": seed}
        if self.story is None:
            return Piece(self.generator, self.controls, self.grid, negative=self.negative, **asked, **self._sections)
        told = replace(self.story, controls=replace(self.story.controls, tracks=self.controls.tracks))
        return Piece(self.generator, told.controls, self.grid, ask=told.ask, cuts=told.cuts, **asked)

    def _produce_between(self, takes: Any, blend: Blend, other: Controls, choice: Mapping[str, Any]) -> None:
        guidance = self.guidance(self.weights)
        for at, out in blend.outputs(self.args.out):
            told = replace(self.request, text=blend.text_at(at, self.request.text))
            make = blend.maker(self.generator, self.controls, other, at, self.grid, guidance, self.sampling)
            replace(takes, asked=told, details={**self.details, **blend.told(at)}).produce(make, out, **choice)

    def _produce_parts(self, takes: Any, choice: Mapping[str, Any]) -> None:
        """A loop, or takes that fit together, or loops that do."""
        from flowmusic.generate.parts import EMPTY
        from flowmusic.generate.parts import guidance as guidance_of

        for name, controls in self._parts().items():
            out: Path = sibling(self.args.out, f"-{name}{self.args.out.suffix}") if name else self.args.out
            # What a part leaves out is not judged.
            written = self.written.only({*self.written.names()} - {*EMPTY.get(name, ())})
            asked = replace(self.request, text=controls.words[0]) if name else self.request
            weights: Any = guidance_of(self.weights, name)  # type: ignore[arg-type]
            guidance = self.guidance(weights)

            def make(
                seed: int, report: Progress, controls: Controls = controls, guidance: Guidance = guidance
            ) -> Generation:
                return self._drawn(controls, guidance, seed, report)

            label = f"generating {name}".rstrip()
            replace(takes, asked=asked, written=written, guidance=weights).produce(make, out, label=label, **choice)

    def _parts(self) -> dict[str, Controls]:
        """Controls of each take of ``--set`` by its name; without it, of the one without a name.

        Raises: UsageError for a model that cannot leave a part out.
        """
        wanted, generator = self.args.parts, self.generator
        if wanted is None:
            return {"": self.controls}
        from flowmusic.generate.parts import NO_DRUMS, PARTS, part

        if NO_DRUMS in wanted and ("drums" not in generator.controls or generator.drums_as_codes):
            raise UsageError(
                f"--set {NO_DRUMS}: {generator.name} has no control of drum onsets that could say that there are none; "
                "leave it out, or use nano"
            )
        return {name: part(self.controls, name, self.grid, generator.controls) for name in PARTS if name in wanted}

    def _drawn(self, controls: Controls, guidance: Guidance, seed: int, report: Progress) -> Generation:
        from flowmusic.generate.loops import loop

        sampling = self.sampling
        if self.length is not None:
            return loop(
                self.generator, controls, self.length, guidance=guidance, sampling=sampling, seed=seed,
                negative=self.negative, progress=report,
            )  # fmt: skip
        return self.generator.generate(
            controls, grid=self.grid, guidance=guidance, solver=sampling.solver, steps=sampling.steps,
            time_grid=sampling.time_grid, seed=seed, negative=self.negative, progress=report,
        )  # fmt: skip


def _length(args: argparse.Namespace, generator: Generator) -> Length:
    """How long the loop is, to the sample."""
    from flowmusic.controls.meter import parse_meter
    from flowmusic.generate.loops import Length

    codec, meter = generator.codec, parse_meter(args.meter or "4/4")
    if args.lead is not None and args.lead.counted:
        return Length(round(args.seconds * codec.rate), codec.rate, codec.frame_rate)
    return Length.of_bars(args.bars, meter.beats_per_bar, args.bpm, codec.rate, codec.frame_rate)
