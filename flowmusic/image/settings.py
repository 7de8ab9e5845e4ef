"""From a picture's measures to words, facts and a tempo: a few rules that a person can read, and override.

The rules are monotone: a brighter picture never gives darker music, a busier one never slower.  docs/images.md shows
them; nothing in them knows what the picture shows.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from flowmusic.facts import Facts
from flowmusic.image.measure import Measures, measure
from flowmusic.image.read import read

LEAST_BPM, MOST_BPM = 56.0, 152.0
MAJOR, MINOR = "C major", "A minor"
"""A picture tells a mode at most; these are the keys without sharps or flats."""
COLOURS = ("cool", "neutral", "warm")
_THIRDS = (0.40, 0.60)

PLAYERS: dict[tuple[str, str], tuple[str, ...]] = {
    ("calm", "cool"): ("piano", "synth pad", "flute"),
    ("calm", "neutral"): ("piano", "strings"),
    ("calm", "warm"): ("acoustic guitar", "cello", "clarinet"),
    ("steady", "cool"): ("electric piano", "synth pad", "vibraphone"),
    ("steady", "neutral"): ("piano", "double bass", "strings"),
    ("steady", "warm"): ("acoustic guitar", "double bass", "trumpet"),
    ("lively", "cool"): ("synth lead", "synth bass", "electric piano"),
    ("lively", "neutral"): ("electric guitar", "bass guitar", "organ"),
    ("lively", "warm"): ("electric guitar", "bass guitar", "brass"),
}
"""Who plays, by energy and by the warmth of the colours."""


@dataclass(frozen=True)
class PictureSettings:
    """What a picture asks for.

    Attributes:
        words: of a prompt, beside the mood and the energy; with the caption first where there is one.
        facts: mood, energy, tempo class, key, instruments and drums.
        bpm: beats a minute.
        measures: what they come from.
        name, sha256: of the picture.
        caption: of a caption model, None without one.
    """

    words: tuple[str, ...]
    facts: Facts
    bpm: float
    measures: Measures
    name: str
    sha256: str
    caption: str | None = None

    def prompt(self, said: Facts | None = None) -> str:
        """The words in a line; without the mood or the energy where ``said`` wants another."""
        wanted = self.facts if said is None else said.over(self.facts)
        mood = self.facts.mood if wanted.mood == self.facts.mood else None
        energy = self.facts.energy if wanted.energy == self.facts.energy else None
        return ", ".join(word for word in ("bittersweet" if mood == "mixed" else mood, energy, *self.words) if word)

    def told(self) -> str:
        """In one sentence, for the person who asked, with the flags that say otherwise."""
        said = self.facts.said()
        numbers = ", ".join(f"{name} {value:.2f}" for name, value in asdict(self.measures).items())
        chosen = "; ".join(
            f"--{name} {','.join(value) if isinstance(value, list) else value}"
            for name, value in said.items()
            if name != "drums"
        )
        drums = "drums" if self.facts.drums else "--no-drums"
        asks = f"{self.prompt()!r}, --bpm {self.bpm:g}; {chosen}; {drums}"
        return f"{self.name} ({numbers}) asks for {asks}; flags override it"

    def plain(self) -> dict[str, Any]:
        """For a record."""
        return {
            "name": self.name, "sha256": self.sha256, "words": self.prompt(), "bpm": self.bpm,
            "facts": self.facts.said(), **({"caption": self.caption} if self.caption else {}),
            "measures": {name: round(value, 4) for name, value in asdict(self.measures).items()},
        }  # fmt: skip


def to_settings(path: str | Path, caption_model: str | Path | None = None) -> PictureSettings:
    """Words and settings for a picture.

    Args:
        path: a PNG, JPEG or WEBP file.
        caption_model: folder of an image-to-text model of transformers, which says in words what the picture shows;
            None: only the mapping.

    Raises: ImageError for what is no picture, and for a folder that holds no such model.
    """
    picture = read(path)
    measures = measure(picture.colours)
    words, facts, bpm = mapped(measures)
    caption = None
    if caption_model is not None:
        from flowmusic.image.caption import caption_of

        caption = caption_of(picture, Path(caption_model))
        words = ((caption,) if caption else ()) + words
    return PictureSettings(words, facts, bpm, measures, picture.name, picture.sha256, caption)


def mapped(measures: Measures) -> tuple[tuple[str, ...], Facts, float]:
    """The mapping alone: words, facts and beats a minute.

    >>> words, facts, bpm = mapped(Measures(0.85, 0.4, 0.2, 0.4, 0.05, 0.3, 0.9))
    >>> words, facts.mood, facts.energy, bpm
    (('cool', 'spacious'), 'bright', 'calm', 92.0)
    """
    light = 0.75 * measures.brightness + 0.25 * measures.warmth
    mood = "dark" if light < 0.40 else "mixed" if light < 0.55 else "bright"
    drive = 0.35 * measures.contrast + 0.30 * measures.texture + 0.35 * measures.saturation
    energy = "calm" if drive < 0.32 else "steady" if drive < 0.55 else "lively"
    # Of two pictures that are as busy, the lighter one is a little faster.
    pace = min(1.0, 0.85 * drive + 0.15 * measures.brightness)
    bpm = round((LEAST_BPM + (MOST_BPM - LEAST_BPM) * pace) / 2.0) * 2.0
    tempo = "slow" if bpm < 88 else "medium" if bpm < 122 else "fast"
    colour = COLOURS[sum(measures.warmth > edge for edge in _THIRDS)]
    facts = Facts(
        instruments=frozenset(PLAYERS[energy, colour]),
        drums=energy != "calm",
        mood=mood,
        energy=energy,
        tempo=tempo,
        key=MINOR if light < 0.475 else MAJOR,
    )
    words = [colour] if colour != "neutral" else []
    words += ["spacious"] if measures.openness > 0.6 else ["dense"] if measures.texture > 0.5 else []
    words += ["colourful"] if measures.variety > 0.7 and measures.saturation > 0.3 else []
    words += ["dramatic"] if measures.contrast > 0.7 else []
    return tuple(words), facts, bpm
