"""Takes that are like another piece of music: what they keep of its request, and what their record tells of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic.errors import UsageError
from flowmusic.takes.making import Takes

if TYPE_CHECKING:
    import argparse

    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.generate.sampling import Sampling
    from flowmusic.inputs.request import GenerateRequest
    from flowmusic.takes.signing import Signature
    from flowmusic.takes.source import Source
    from flowmusic.types import Controls, Generation, Guidance, Progress

WAYS = ("variation", "strength", "morph")
PRESETS: Mapping[str, tuple[str, float]] = {
    "polish": ("strength", 0.3),
    "timbre": ("strength", 0.45),
    "style": ("strength", 0.6),
    "loose": ("strength", 0.8),
    "words": ("morph", 1.0),
}
"""Ways and amounts by name; docs/vary.md has their figures."""
DEFAULT = "style"
WORDS = 5.0
"""Guidance of new words beside ``all``: docs/vary.md compares 0, 2 and 5."""
SAME = 0.05
"""How far, over their deviation, latents may be from those of the take that they repeat.

Half precision and another number of threads make 0.002; another seed makes 1.3.
"""


@dataclass(frozen=True, kw_only=True)
class Varied(Takes):
    """Takes as long as a source, to the sample, and at its rate.

    Args:
        source: the source.
        same: the slider is at 0: the audio is the source's own.
    """

    source: Source
    same: bool = False

    def _sound(self, take: Generation) -> Audio:
        from flowmusic import audio as tools
        from flowmusic.audio import Audio

        own = self.source.audio
        if self.same:
            return own
        made = tools.resample(Audio(take.audio.samples[0], take.audio.rate), own.rate)
        return tools.fit(made, own.samples.shape[-1])

    def _save(self, take: Generation, sound: Audio, out: Path) -> None:
        from flowmusic.files import replacing

        if not self.same or out.suffix.lower() != self.source.path.suffix.lower():
            super()._save(take, sound, out)
            return
        with replacing(out) as temporary:
            shutil.copyfile(self.source.path, temporary)

    def signature(self, seed: int) -> Signature:
        """Nothing new is marked where the sound is the source's own."""
        found = super().signature(seed)
        return replace(found, watermark=found.watermark and not self.same)

    def _sources(self) -> Mapping[str, Any]:
        return {"recording": self.source.path, **self.asked.sources}


@dataclass(frozen=True)
class Request:
    """What a variation is asked for: controls as the model reads them, and ``written`` as they are judged."""

    controls: Controls
    written: Controls
    asked: GenerateRequest
    kept: tuple[str, ...]


def chosen(given: Mapping[str, float | None], preset: str | None) -> tuple[str, float]:
    """The way and its amount.  Raises: UsageError where more than one is given.

    >>> chosen({"strength": 0.2, "morph": None}, None)
    ('strength', 0.2)
    """
    found = [(way, amount) for way, amount in given.items() if amount is not None]
    names = [f"--{way}" for way, _ in found] + ([] if preset is None else ["--preset"])
    if len(names) > 1:
        raise UsageError(
            f"{' and '.join(names)} are different ways to vary; give one of --variation, --strength, --morph, --preset"
        )
    return found[0] if found else PRESETS[preset or DEFAULT]


def weights(generator: Generator, worded: bool) -> Mapping[str, float]:
    """Guidance where none is given: the model's own, and more of new words, which kept symbols leave little room."""
    own = generator.defaults.guidance
    return {**own, "text": WORDS} if worded and set(own) == {"all"} else own


def meter_of(source: Source) -> str | None:
    """The bars that a take was asked for in; None where no record tells."""
    recorded = source.record.get("controls")
    found = recorded.get("meter") if isinstance(recorded, dict) else None
    return found if isinstance(found, str) else None


def request(asked: GenerateRequest, source: Source, generator: Generator, free: Iterable[str]) -> Request:
    """What was asked anew, and of the source's request what is not replaced and not let go.

    Raises: ValueError as :func:`flowmusic.inputs.request.to_controls`.  Adds to ``asked.notices``.
    """
    from flowmusic.generate.edit import reworded
    from flowmusic.inputs import request as asking
    from flowmusic.inputs import silence
    from flowmusic.types import STYLE, TEXT, Controls

    old = source.controls
    kept = old.only(old.names() - set(free))
    beats = kept.tracks.get("beats")
    fresh = asking.to_controls(asked, source.grid, None if asked.sheet is not None else beats)
    if beats is not None and asked.bpm is None and fresh.tracks.get("beats") is not None and asked.sheet is None:
        # The source's beat grid has placed the chords, and is kept as it is.
        fresh = fresh.only(fresh.names() - {"beats"})
    new = asking.for_model(asked, fresh, generator)
    new = silence.added(asked.facts.said, new, source.grid, generator, asked.notices)
    kept = kept.only(kept.names() - silence.ended(asked.facts.said, kept, generator))
    text, facts = reworded(kept, new)
    controls = Controls(text, {**kept.tracks, **new.tracks}, new.style or kept.style, facts)
    # Codes of drums are no onsets that anybody could compare.
    heard = {n: t for n, t in kept.tracks.items() if not (n == "drums" and generator.drums_as_codes)}
    written = Controls(text, {**heard, **fresh.tracks})
    recorded = source.record.get("controls")
    before: Mapping[str, Any] = recorded if isinstance(recorded, dict) else {}
    words = text[0] if isinstance(text[0], str) else None
    chords = before.get("chords_text") if "chords" in kept.tracks and "chords" not in fresh.tracks else asked.chords
    told = replace(asked, text=words, chords=chords if isinstance(chords, str) else None)
    unchanged = sorted(set(kept.tracks) - set(new.tracks))
    unchanged += [TEXT] if new.text[0] is None and kept.text[0] is not None else []
    unchanged += [STYLE] if kept.style and not new.style else []
    return Request(controls, written, told, tuple(unchanged))


def changes(wanted: Request, source: Source) -> bool:
    """Whether anything is asked for that the source was not."""
    return set(wanted.kept) != set(source.controls.names()) or wanted.controls.names() != source.controls.names()


@dataclass(frozen=True)
class Repeat:
    """How a take was made."""

    seed: int
    guidance: Guidance
    weights: Mapping[str, float]
    sampling: Sampling


def recorded(source: Source, generator: Generator) -> Repeat:
    """How to make a take again, from its record.  Raises: UsageError that says why that cannot be done."""
    from flowmusic.generate.sampling import Sampling
    from flowmusic.types import Guidance

    record = source.record
    name = source.path.name
    instead = "use --strength, which needs no seed"
    if source.codec_error_db is not None:
        why = source.notices[0] if source.notices else f"{name} has no latents beside it, which hold its request"
        raise UsageError(f"--variation makes a take again from other noise, and cannot: {why}; {instead}")
    for key, what in (("vary", "varied"), ("edits", "edited"), ("blend", "blended")):
        if key in record:
            raise UsageError(
                f"--variation makes a take again from other noise, but {name} was {what}, so its seed alone does not "
                f"give it; vary what it was made from, or {instead}"
            )
    weights = record.get("weights")
    model = weights.get("model") if isinstance(weights, dict) else None
    if model and generator.weights.get("model") and model != generator.weights["model"]:
        raise UsageError(
            f"--variation makes a take again, but {name} was made by other weights than those of {generator.name}; "
            f"give --model, or {instead}"
        )
    for key, says in generator.defaults.recorded().items():
        if record.get(key, says) != says:
            raise UsageError(
                f"--variation makes a take again, but {name} was made with {key} {record[key]}, and {generator.name} "
                f"says {says} in its config.yaml; change that, or {instead}"
            )
    adapters = record.get("adapters") or []
    if not isinstance(adapters, list) or [_adapter(each) for each in adapters] != [
        _adapter(each) for each in generator.adapters
    ]:
        raise UsageError(
            f"--variation makes a take again, and {name} was made with "
            f"{'adapters: give the same --adapter' if adapters else 'no adapter: leave --adapter out'}, or {instead}"
        )
    try:
        found = dict(record["guidance"])
        guidance = Guidance.of(found, record.get("guidance_interval"), record.get("apg"))
        sampling = Sampling(record["solver"], int(record["steps"]), record["time_grid"], generator.defaults.tolerance)
        return Repeat(int(record["seed"]), guidance, found, sampling)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(
            f"the record of {name} does not tell how it was made ({type(error).__name__}: {error}); {instead}"
        ) from None


def _adapter(entry: Any) -> tuple[Any, Any]:
    return (entry.get("hash"), entry.get("scale")) if isinstance(entry, Mapping) else (None, entry)


def check_repeats(source: Source, generator: Generator, how: Repeat, progress: Progress | None) -> None:
    """See that a take's record gives the take: raise UsageError where it gives another one."""
    from flowmusic.generate.vary import variation

    length = source.grid.length
    again = variation(
        generator,
        source.controls,
        0.0,
        first=how.seed,
        seed=how.seed,
        guidance=how.guidance,
        sampling=how.sampling,
        length=length,
        progress=progress,
    )
    far = float((again.latents - source.latents).square().mean().sqrt() / source.latents.std().clamp(min=1e-6))
    if far > SAME:
        raise UsageError(
            f"--variation makes a take again from other noise, but what the record of {source.path.name} tells makes "
            f"another one ({far:.2f} away, {SAME:g} is allowed): it was made in another way, or by another version; "
            "use --strength, which needs no seed"
        )


def details(
    args: argparse.Namespace, asked: GenerateRequest, source: Source, way: str, amount: float, kept: Iterable[str]
) -> dict[str, Any]:
    """``source`` and ``vary`` of the record, beside what every record tells."""
    from flowmusic.takes import record

    vary: dict[str, Any] = {"way": way, "amount": amount, "kept": list(kept), "free": sorted(args.free)}
    if args.preset is not None:
        vary["preset"] = args.preset
    return {
        **record.details(args, asked),
        "source": source.about(),
        "vary": vary,
    }


def notices(source: Source, generator: Generator, same: bool) -> list[str]:
    """What a person should know of a source."""
    found = list(source.notices)
    if same:
        return [f"at 0 nothing changes: {source.path.name} itself is written"]
    name = source.path.name
    if source.codec_error_db is not None:
        found.append(f"{name} is encoded for this, at {source.codec_error_db:.1f} dB SI-SDR; what is kept sounds so")
    channels = source.audio.samples.shape[0]
    if channels > generator.codec.channels:
        has = "one channel" if generator.codec.channels == 1 else f"{generator.codec.channels} channels"
        found.append(f"{generator.name} makes {has}, {name} has {channels}")
    return found
