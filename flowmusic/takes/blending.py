"""Takes between two prompts, two seeds or two styles: the flags, what is asked twice, and what the record tells."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.errors import UsageError
from flowmusic.paths import sibling

if TYPE_CHECKING:
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.sampling import Sampling
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress

HALFWAY = 0.5


@dataclass(frozen=True)
class Blend:
    """What lies at both ends, and which places between them are made."""

    texts: tuple[str, str] | None
    seeds: tuple[int, int] | None
    styles: tuple[Path, Path] | None
    places: tuple[float, ...]

    def outputs(self, out: Path) -> Iterator[tuple[float, Path]]:
        """Every place and the file of its take."""
        for number, at in enumerate(self.places):
            yield at, out if len(self.places) == 1 else sibling(out, f"-{number + 1}{out.suffix}")

    def second(
        self, args: argparse.Namespace, first: GenerateRequest, controls: Controls, model: Generator
    ) -> Controls:
        """The request at the other end: other words or another style, the same tracks.

        Adds to ``first.notices`` and ``first.sources``.
        """
        from flowmusic.inputs import request as asking

        if self.texts is None and self.styles is None:
            return controls
        none = dict.fromkeys(("melody", "drums", "controls", "use", "chords", "loop_bpm"))
        text = args.text if self.texts is None else self.texts[1]
        style = args.style if self.styles is None else self.styles[1]
        other = argparse.Namespace(**{**vars(args), **none, "stretch": False, "text": text, "style": style})
        read = asking.read(other)
        found = asking.for_model(read, asking.to_controls(read, model.grid(first.seconds)), model)
        if self.styles is not None:
            first.sources["style_2"] = str(style)
        first.notices.extend(notice for notice in read.notices if notice not in first.notices)
        return replace(found, tracks=controls.tracks)

    def told(self, at: float) -> dict[str, Any]:
        """``blend`` of the record."""
        ends: dict[str, Any] = {"texts": self.texts, "seeds": self.seeds}
        if self.styles is not None:
            ends["styles"] = [path.name for path in self.styles]
        return {"blend": {"at": round(at, 4), **{key: list(value) for key, value in ends.items() if value is not None}}}

    def text_at(self, at: float, text: str | None) -> str | None:
        """The words of the nearer end."""
        return text if self.texts is None else (self.texts[at > HALFWAY].strip() or None)

    def maker(
        self,
        generator: Generator,
        first: Controls,
        second: Controls,
        at: float,
        grid: FrameGrid,
        guidance: Guidance,
        sampling: Sampling,
    ) -> Callable[[int, Progress], Generation]:
        """What makes a take at a place."""
        from flowmusic.generate.blend import blend
        from flowmusic.generate.sampling import SeededNoise
        from flowmusic.generate.vary import BetweenNoises

        def make(seed: int, report: Progress) -> Generation:
            noise = None
            if self.seeds is not None:
                low, high = (SeededNoise.counted(each, first.batch) for each in self.seeds)
                noise = BetweenNoises(low, high, at)
            return blend(
                generator,
                first,
                second,
                at,
                grid=grid,
                guidance=guidance,
                sampling=sampling,
                seed=seed,
                noise=noise,
                progress=report,
            )

        return make


def settled(args: argparse.Namespace) -> Blend | None:
    """The blend that is asked for, or None; ``args.text``, ``style`` and ``seed`` become those of its first end.

    Raises: UsageError for flags that contradict each other, and for a command without any words.
    """
    given: Mapping[str, Any] = {
        name: getattr(args, name) for name in ("blend", "blend_seeds", "blend_styles") if getattr(args, name)
    }
    if not given:
        for name in ("at", "path"):
            if getattr(args, name) is not None:
                raise UsageError(
                    f"--{name} is about two ends: give --blend PROMPT PROMPT, --blend-seeds N N or --blend-styles FILE "
                    "FILE with it"
                )
        if args.text is None:
            raise UsageError(
                'TEXT is missing: say what it should sound like ("" for no text), or give --story or --blend'
            )
        return None
    rivals = (
        ("blend", "TEXT", bool(args.text)),
        ("blend_styles", "--style", args.style is not None),
        ("blend_seeds", "--seed", args.seed is not None),
        ("blend_seeds", "--count", args.count > 1),
        ("blend_seeds", "--best-of", (args.best_of or 1) > 1 or args.min_adherence is not None),
    )
    for name, rival, there in rivals:
        if name in given and there:
            raise UsageError(f"--{name.replace('_', '-')} gives both ends, so {rival} has no place beside it")
    if args.path is not None and (args.at is not None or args.count > 1):
        raise UsageError("--path makes its takes at even places from 0 to 1; leave --at and --count out")
    texts, seeds, styles = (given.get(name) for name in ("blend", "blend_seeds", "blend_styles"))
    args.text = texts[0] if texts else args.text or ""
    args.style = styles[0] if styles else args.style
    args.seed = seeds[0] if seeds else args.seed
    last = (args.path or 2) - 1
    places = (HALFWAY if args.at is None else args.at,) if args.path is None else [n / last for n in range(last + 1)]
    return Blend(texts and tuple(texts), seeds and tuple(seeds), styles and tuple(styles), tuple(places))
