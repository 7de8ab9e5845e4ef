"""Captions and tags: several wordings of what is true of a clip."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from flowmusic.corpus.instruments import KITS, PROGRAMS
from flowmusic.corpus.piece import ChordSpan, Part
from flowmusic.corpus.theory import NO_CHORD, label_table

if TYPE_CHECKING:
    from flowmusic.corpus.arrange import Plan

TEMPO_WORDS = {
    "slow": ("slow", "slow-tempo", "unhurried", "slow-moving"),
    "medium": ("mid-tempo", "medium tempo", "moderate", "moderately paced"),
    "fast": ("fast", "up-tempo", "quick", "brisk", "fast-paced"),
}
MOOD_WORDS = {
    "bright": ("happy", "bright", "cheerful", "uplifting", "sunny", "joyful", "optimistic"),
    "dark": ("sad", "melancholic", "dark", "moody", "somber", "wistful", "brooding"),
    "mixed": ("bittersweet", "nuanced", "ambivalent", "thoughtful"),
    "restless": ("restless", "unpredictable", "adventurous", "strange", "wandering"),
}
ENERGY_WORDS = {
    "calm": ("calm", "relaxed", "mellow", "gentle", "peaceful", "soft", "laid-back", "dreamy"),
    "steady": ("steady", "easygoing", "flowing", "grooving"),
    "lively": ("energetic", "lively", "driving", "busy", "vigorous", "dynamic", "exciting"),
}
BEATS = {
    "house": ("four-on-the-floor beat", "house beat"), "disco": ("disco beat",),
    "bossa nova": ("bossa nova rhythm",), "samba": ("samba rhythm",), "reggae": ("one-drop beat",),
    "shuffle": ("shuffle beat",), "swing": ("swing beat", "jazz drumming"),
    "boom bap": ("boom bap beat",), "trap": ("trap beat",), "breakbeat": ("breakbeat",),
    "drum and bass": ("drum and bass beat",), "half time": ("half-time beat",),
    "train": ("train beat",), "son clave": ("clave rhythm", "latin percussion"),
    "march": ("marching snare",), "metal": ("double-kick drumming",), "toms": ("tribal toms", "tom-tom beat"),
    "reggaeton": ("dembow beat", "reggaeton beat"), "hand drums": ("hand percussion", "bongos"),
    "waltz": ("waltz rhythm",), "jazz waltz": ("jazz waltz feel",), "funk": ("funk beat",),
    "rock": ("rock beat",), "pop": ("pop beat",), "afrobeat": ("afrobeat groove",),
    "minimal": ("minimal beat",), "motown": ("motown beat",), "ballad": ("soft ballad beat",),
    "habanera": ("habanera rhythm",), "milonga": ("milonga rhythm", "three-three-two groove"),
    "marcato": ("marcato rhythm",), "sincopa": ("syncopated tango rhythm",),
    "free": ("unusual groove", "odd drum pattern", "experimental beat"),
}  # fmt: skip
_COUNTABLE = ("beat", "breakbeat", "rhythm", "groove", "pattern", "feel", "snare")
_NO_DRUMS = ("no drums", "without drums", "drumless", "no percussion")
_COMPLETE = ("song", "tune", "score", "soundtrack", "music", "beat", "track", "groove", "jam", "band", "combo")
_PIECE = ("piece", "track", "tune", "instrumental", "song", "recording", "music")


def _brightness(chords: tuple[ChordSpan, ...]) -> float | None:
    """Share of the sounding time on chords with a major third; None if no chord sounds."""
    table = label_table()
    total = bright = 0.0
    for start, end, label in chords:
        if label != NO_CHORD:
            chord = table[label]
            total += end - start
            bright += (end - start) * ((chord.root + 4) % 12 in chord.tones)
    return bright / total if total else None


def _join(words: list[str]) -> str:
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1]


def _article(text: str) -> str:
    return ("an " if text[0] in "aeiou8" else "a ") + text


def describe(
    rng: Random,
    plan: Plan,
    key: str,
    parts: tuple[Part, ...],
    chords: tuple[ChordSpan, ...],
    grid: str | None,
    seconds: float,
) -> tuple[dict[str, object], tuple[str, ...]]:
    """Tags and six captions of a clip whose sounding parts, chords and drum style are given."""
    felt = plan.clock.bpm * (1.5 if plan.clock.meter.name == "6/8" else 1.0)
    tempo = "slow" if felt < 88 else "medium" if felt < 122 else "fast"
    shine = _brightness(chords)
    if shine is None:
        mood = None
    elif key == "none":
        mood = "restless"
    else:
        mood = "bright" if shine > 0.62 else "dark" if shine < 0.42 else "mixed"
    onsets = {round(n.start * 20) for part in parts for n in part.notes if 0 <= n.start < seconds}
    rate = len(onsets) / seconds
    energy = "calm" if rate < 3.2 else "steady" if rate < 6.0 else "lively"
    if tempo == "slow" and energy == "lively" or tempo == "fast" and energy == "calm":
        energy = "steady"
    genre = plan.genre if plan.agrees >= 2 and not plan.solo else None
    by_part = {part.name: part.program for part in parts}
    genre_words = genre.words if genre else ()
    if "drums" not in by_part:
        genre_words = tuple(w for w in genre_words if not any(x in w for x in ("beat", "drum", "groove")))
    tags: dict[str, object] = {
        "genre": genre.name if genre else "other",
        "mood": [m for m in (mood, energy) if m],
        "tempo": tempo,
        "instruments": [KITS[p][0] if name == "drums" else PROGRAMS[p][0] for name, p in by_part.items()],
        "key": key,
    }
    facts = _Facts(rng, plan, key, by_part, genre_words, tempo, mood, energy, grid)
    captions = [
        facts.short(),
        facts.listing(),
        facts.sentence(),
        facts.full(),
        facts.sentence() if rng.random() < 0.5 else facts.listing(),
        facts.short(),
    ]
    return tags, tuple(captions)


class _Facts:
    """Wordings of the facts of one clip."""

    def __init__(
        self, rng: Random, plan: Plan, key: str, programs: dict[str, int], genre: tuple[str, ...],
        tempo: str, mood: str | None, energy: str, grid: str | None,
    ) -> None:  # fmt: skip
        self.rng, self.plan, self.key, self.programs = rng, plan, key, programs
        self.genre_words, self.tempo, self.mood, self.energy = genre, tempo, mood, energy
        self.grid = grid if "drums" in programs else None

    def word(self, part: str) -> str:
        """A word for the sound of a part."""
        table = KITS if part == "drums" else PROGRAMS
        return self.rng.choice(table[self.programs[part]][1])

    def feel(self) -> str:
        """A mood or energy adjective."""
        kinds = [ENERGY_WORDS[self.energy]]
        if self.mood:
            kinds.append(MOOD_WORDS[self.mood])
        return self.rng.choice(self.rng.choice(kinds))

    def style(self) -> str:
        """A genre word, or a neutral one."""
        return self.rng.choice(self.genre_words) if self.genre_words else self.rng.choice(_PIECE)

    def pace(self) -> str:
        """A tempo word."""
        return self.rng.choice(TEMPO_WORDS[self.tempo])

    def bpm(self) -> str:
        """The tempo as a number."""
        shown = round(self.plan.clock.bpm)
        return self.rng.choice((f"{shown} bpm", f"{shown} BPM", f"at {shown} bpm"))

    def players(self, most: int) -> list[str]:
        """Words for up to `most` parts, in an order of importance, each word once."""
        order = [p for p in ("melody", "chords", "drums", "bass", "pad") if p in self.programs]
        kept = order if len(order) <= most else sorted(self.rng.sample(order, most), key=order.index)
        return list(dict.fromkeys(self.word(part) for part in kept))

    def ensemble(self) -> str | None:
        """A name of the line-up, where there is a common one."""
        present = set(self.programs)
        if len(set(self.programs.values())) == 1 and "drums" not in present:
            return f"solo {self.word(next(iter(self.programs)))}"
        if present == {"drums"}:
            return self.rng.choice(("drum solo", "drums only", "solo drums", "drum groove"))
        if present == {"drums", "bass", "chords"}:
            return f"{self.word('chords')} trio"
        if len(present) == 2 and "drums" not in present:
            return f"{_join(self.players(2))} duo"
        return None

    def short(self) -> str:
        """A prompt of a few words."""
        rng = self.rng
        words = [self.pace() if rng.random() < 0.5 else self.feel(), self.style()]
        group = self.ensemble()
        if group and rng.random() < 0.7:
            if not self.genre_words:
                words.pop()
            words.append(group)
        elif rng.random() < 0.75:
            words.append("with " + _join(self.players(rng.choice((1, 1, 2)))))
        elif "drums" not in self.programs:
            words.append(", " + rng.choice(_NO_DRUMS))
        return " ".join(words).replace(" ,", ",")

    def listing(self) -> str:
        """A list of tags in any order."""
        rng = self.rng
        items = [self.feel(), *self.players(rng.randint(1, 5))]
        if self.genre_words:
            items.append(self.style())
        if rng.random() < 0.6:
            items.append(self.pace())
        if rng.random() < 0.5:
            items.append(f"{round(self.plan.clock.bpm)} bpm")
        if rng.random() < 0.35 and self.key != "none":
            items.append(self.key)
        if rng.random() < 0.25:
            items.append(f"{self.plan.clock.meter.name} time")
        if "drums" not in self.programs:
            items.append(rng.choice(_NO_DRUMS))
        elif self.grid in BEATS and rng.random() < 0.5:
            items.append(rng.choice(BEATS[self.grid]))
        rng.shuffle(items)
        return ", ".join(dict.fromkeys(items))

    def tonality(self) -> str:
        """The key, or only whether it is major or minor."""
        mode = self.key.rpartition(" ")[2]
        if mode in ("major", "minor") and self.rng.random() < 0.4:
            return f"a {mode} key"
        return self.key

    def opening(self) -> str:
        """Adjectives and style, with an article."""
        rng = self.rng
        words = [self.feel()]
        if rng.random() < 0.5:
            words.insert(0, self.pace())
        style = self.style()
        if self.genre_words and rng.random() < 0.6 and style.rpartition(" ")[2] not in _COMPLETE:
            style += " " + rng.choice(("piece", "track", "tune", "groove", "instrumental"))
        return _article(" ".join([*words, style]))

    def sentence(self) -> str:
        """One sentence."""
        rng = self.rng
        text = self.opening()
        link = rng.choice((" with ", " featuring ", " played on ", " for ", " built on "))
        text += link + _join(self.players(rng.choice((2, 3, 4, 5))))
        if "drums" not in self.programs and rng.random() < 0.6:
            text += rng.choice((" and ", ", ")) + rng.choice(("no drums", "no percussion"))
        if rng.random() < 0.4:
            text += f" at {round(self.plan.clock.bpm)} bpm"
        if rng.random() < 0.3 and self.key != "none":
            text += f" in {self.tonality()}"
        return text[0].upper() + text[1:] if rng.random() < 0.5 else text

    def full(self) -> str:
        """A description in several clauses."""
        rng = self.rng
        text = self.opening()
        if rng.random() < 0.6 and self.key != "none":
            text += f" in {self.tonality()}"
        if rng.random() < 0.6:
            text += f" at {round(self.plan.clock.bpm)} bpm"
        lines = [text[0].upper() + text[1:]]
        if "melody" in self.programs:
            verb = rng.choice(("plays the melody", "carries the tune", "takes the lead", "leads"))
            lines.append(f"{self.word('melody').capitalize()} {verb}")
        backing = [p for p in ("chords", "pad", "bass") if p in self.programs]
        if backing:
            words = list(dict.fromkeys(self.word(p) for p in backing))
            lead = rng.choice(("The harmony is laid down by", "Accompanied by", "Backing:", "Behind it:"))
            lines.append(f"{lead} {_join(words)}")
        if "drums" in self.programs:
            beat = rng.choice(BEATS[self.grid]) if self.grid in BEATS else "beat"
            if beat.rpartition(" ")[2] in _COUNTABLE:
                beat = _article(beat)
            if beat != "a beat":
                lines.append(f"The drums play {beat}")
            else:
                kit = self.word("drums")
                lines.append(f"{kit.capitalize()} {'keep' if kit[-1] == 's' else 'keeps'} the time")
        else:
            lines.append(rng.choice(("There are no drums", "No drums", "There is no percussion")))
        if rng.random() < 0.3:
            lines.append(f"Time signature {self.plan.clock.meter.name}")
        if self.plan.clock.swing > 0.55 and rng.random() < 0.6:
            lines.append(rng.choice(("Swung feel", "The rhythm swings", "A shuffled feel")))
        return ". ".join(lines) + "."
