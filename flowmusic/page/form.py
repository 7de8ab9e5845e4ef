"""What a person filled in on the page, as the arguments of the command that does the same.

A form is plain data without a browser and without a model.  Its way into music is that of the command line: the same
parser, the same checks and the same code, so that a page and a command that ask for the same make the same take.  What
is filled in by half, or belongs to another mode, is left out and named in a note.

>>> Form(text="slow jazz", chords="Dm7 G7", bpm=84).arguments().words[:4]
('generate', '--seconds=10', '--chords=Dm7 G7', '--bpm=84')
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowmusic.annotations.annotation import Annotations
from flowmusic.controls import TRACKS

TAKE, LOOP, STORY = "take", "loop", "story"
MODES = (TAKE, LOOP, STORY)
EDIT, EXTEND, VARY = "edit", "extend", "vary"
CHANGES = (EDIT, EXTEND, VARY)
SCORED = ("chords", "melody", "drums")
"""What a form takes from its timeline; the tempo is the form's own."""
JUDGED = frozenset(TRACKS)


@dataclass(frozen=True)
class Arguments:
    """The arguments of a command, and what was left out of them.

    Attributes:
        words: the name of the command, then its flags, and last its positional arguments after ``--``.
        notes: for the person, one for each thing that is ignored.
    """

    words: tuple[str, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Making:
    """How takes are made, whatever they are: model, strength of the controls, seeds, and how many.

    Attributes:
        model: one that the command's ``--model`` takes.
        guidance: weights by key; {} leaves them to the model.
        seed: None draws one.
        count: takes that are kept.
        best_of: takes that are made for each one that is kept.
        steps: of the solver; None leaves them to the model.
        mono: one channel, also where the model could make two.
        adapters: files, and how strongly.
        pseudowords: files.
    """

    model: str = "nano"
    guidance: Mapping[str, float] = field(default_factory=dict)
    seed: int | None = None
    count: int = 1
    best_of: int = 1
    steps: int | None = None
    mono: bool = False
    adapters: tuple[tuple[Path, float], ...] = ()
    pseudowords: tuple[Path, ...] = ()

    def flags(self, judged: bool, notes: list[str]) -> list[str]:
        """``judged``: whether anything is asked for that takes can be compared by.  Adds to ``notes``."""
        found = [f"--model={self.model}", f"--count={self.count}"]
        weights = ",".join(f"{key}={value:g}" for key, value in self.guidance.items())
        found += [f"--guidance={weights}"] if weights else []
        found += [] if self.seed is None else [f"--seed={self.seed}"]
        found += [] if self.steps is None else [f"--steps={self.steps}"]
        found += ["--mono"] if self.mono else []
        if self.best_of > 1 and judged:
            found.append(f"--best-of={self.best_of}")
        elif self.best_of > 1:
            notes.append(
                "“best of” compares how closely chords, melody, drums or a tempo are followed; none is asked "
                "for, so one take is made"
            )
        found += [f"--adapter={path}:{scale:g}" for path, scale in self.adapters]
        return found + [f"--concept={path}" for path in self.pseudowords]


@dataclass(frozen=True)
class Form:
    """A request for new music.

    Attributes:
        mode: ``take``, ``loop`` or ``story``; the fields of the other modes are ignored.
        text: in words.
        instruments, drumless, genre, mood, energy, key, unwanted: facts; empty leaves them open.
        seconds: of a take.
        bars: of a loop.
        story: of a story: a section a line, as in ``0:15 | waking up | chords=C G``; empty takes the sections of the
            timeline.
        bpm, meter: None leaves them to the command.
        chords: as text; counts more than the timeline's.
        score: the timeline.
        loop: a drum loop or other music whose drums are taken; counts more than the timeline's.
        stretch: play the loop at ``bpm``.
        style: music whose feel is taken.
        style_detail: how closely; None leaves it to the model.
        style_timbre: how much of its timbre; None leaves it to the model.
        making: how takes are made.
    """

    mode: str = TAKE
    text: str = ""
    instruments: tuple[str, ...] = ()
    drumless: bool = False
    genre: str = ""
    mood: str = ""
    energy: str = ""
    key: str = ""
    unwanted: str = ""
    seconds: float = 10.0
    bars: int = 4
    story: str = ""
    bpm: float | None = None
    meter: str | None = None
    chords: str = ""
    score: Annotations | None = None
    loop: Path | None = None
    stretch: bool = False
    style: Path | None = None
    style_detail: int | None = None
    style_timbre: float | None = None
    making: Making = field(default_factory=Making)

    def scored(self) -> tuple[str, ...]:
        """The controls that are taken from the timeline: those that hold something and are not given otherwise."""
        given = {"chords": bool(self.chords.strip()), "drums": self.loop is not None or self.drumless}
        if self.score is None:
            return ()
        return tuple(name for name in SCORED if self.score.events(name) and not given.get(name))

    def told(self) -> str:
        """The story as text: as it was written, else as the timeline's sections and their words say; else empty.

        >>> score = Annotations(seconds=8.0, sections=((2.0, 8.0, "chorus", "loud"),))
        >>> Form(text="piano", seconds=8.0, score=score).told().splitlines()
        ['0 | intro', '2 | loud', '8 | end']
        """
        if self.story.strip() or self.score is None or not self.score.sections:
            return self.story
        first = self.score.sections[0][0]
        lines = ["0 | intro"] if first > 0.0 else []
        for start, _, name, words in self.score.sections:
            # A bar would begin the section's keys.
            lines.append(f"{start:g} | {' '.join((words or name).replace('|', '/').split())}")
        return "\n".join([*lines, f"{self.score.seconds or self.seconds:g} | end"])

    def arguments(self, score: Path | None = None, story: Path | None = None, out: Path | None = None) -> Arguments:
        """The arguments of ``flowmusic generate``.

        Args:
            score: where the timeline was written as ``controls.json``; needed where :meth:`scored` names something.
            story: where the story was written.
            out: the take.

        Raises: ValueError for a mode that there is not.
        """
        if self.mode not in MODES:
            raise ValueError(f"a form makes one of {', '.join(MODES)}, not {self.mode!r}")
        notes: list[str] = []
        flags = self._length(story)
        flags += self._music(score, notes)
        flags += self._facts(notes)
        judged = bool(self.chords.strip() or self.scored() or self.loop or self.bpm is not None or self.mode == LOOP)
        flags += self.making.flags(judged, notes)
        flags += [] if out is None else [f"--out={out}"]
        self._strays(notes)
        return Arguments(("generate", *flags, "--", self.text.strip()), tuple(notes))

    def _length(self, story: Path | None) -> list[str]:
        if self.mode == LOOP:
            return ["--loop", f"--bars={self.bars}"]
        if self.mode == STORY:
            return [] if story is None else [f"--story={story}"]
        return [f"--seconds={self.seconds:g}"]

    def _music(self, score: Path | None, notes: list[str]) -> list[str]:
        flags = [f"--chords={self.chords.strip()}"] if self.chords.strip() else []
        flags += [] if self.bpm is None else [f"--bpm={self.bpm:g}"]
        flags += [f"--meter={self.meter}"] if self.meter and (flags or self.loop is not None) else []
        scored = self.scored()
        if scored and score is not None:
            flags += [f"--controls={score}", f"--use={','.join(scored)}"]
        flags += [] if self.loop is None else [f"--drums={self.loop}"]
        flags += ["--stretch"] if self.loop is not None and self.stretch and self._has_grid() else []
        flags += [] if self.style is None else [f"--style={self.style}"]
        if self.style is not None and self.style_detail is not None:
            flags.append(f"--style-detail={self.style_detail}")
        if self.style is not None and self.style_timbre is not None:
            flags.append(f"--style-timbre={self.style_timbre:g}")
        if self.stretch and self.loop is not None and not self._has_grid():
            notes.append("the drum loop is not stretched: no tempo is set that it could be stretched to")
        for name, by in (("chords", "the chords as text"), ("drums", "the drum loop")):
            if self.score is not None and self.score.events(name) and name not in scored and not self.drumless:
                notes.append(f"the {name} of the timeline are ignored: {by} counts")
        return flags

    def _has_grid(self) -> bool:
        return self.bpm is not None or bool(self.chords.strip()) or self.mode == LOOP

    def _facts(self, notes: list[str]) -> list[str]:
        drumless = self.drumless and self.loop is None
        if self.drumless and self.loop is not None:
            notes.append("“no drums” is ignored: a drum loop is given")
        wanted = [name for name in self.instruments if name]
        flags = [f"--instruments={','.join(wanted)}"] if wanted else []
        flags += ["--no-drums"] if drumless else []
        named = {"genre": self.genre, "mood": self.mood, "energy": self.energy, "key": self.key}
        flags += [f"--{fact}={value}" for fact, value in named.items() if value]
        return flags + ([f"--not={self.unwanted.strip()}"] if self.unwanted.strip() else [])

    def _strays(self, notes: list[str]) -> None:
        """Say what is filled in by half, or for another mode."""
        if self.style is None and self.style_detail is not None:
            notes.append("the detail of the style is ignored: no style clip is given")
        if self.style is None and self.style_timbre is not None:
            notes.append("the timbre of the style is ignored: no style clip is given")
        if self.stretch and self.loop is None:
            notes.append("“stretch” is ignored: no drum loop is given")
        if self.mode != STORY and self.story.strip():
            notes.append(f"the story is ignored: a {self.mode} is made")
        if self.mode != STORY and not self.story.strip() and self.told():
            notes.append("the words of the timeline’s sections are ignored: they make a story, choose it above")
        if self.drumless and self.score is not None and self.score.events("drums") and self.loop is None:
            notes.append("the drums of the timeline are ignored: “no drums” is chosen")


@dataclass(frozen=True)
class Change:
    """A request for music out of a take.

    Attributes:
        kind: ``edit``, ``extend`` or ``vary``.
        take: the audio that it starts from.
        text, chords: what the new part should be; empty keeps what the take was asked for.
        bars: first and last bar that are made anew, from 1; for ``edit``.
        more: bars that are added; for ``extend``.
        before: added before the take, not after it.
        strength: how much may change, 0..1; for ``vary``.
        making: how takes are made; the model is the take's own where it is ``""``.
    """

    kind: str
    take: Path
    text: str = ""
    chords: str = ""
    bars: tuple[int, int] | None = None
    more: int = 4
    before: bool = False
    strength: float = 0.6
    making: Making = field(default_factory=Making)

    def arguments(self, out: Path | None = None) -> Arguments:
        """The arguments of the command.  Raises: ValueError for another kind, and an edit without bars."""
        notes: list[str] = []
        if self.kind == EDIT:
            if self.bars is None:
                raise ValueError("choose the bars that are made anew: drag over them on the timeline, or type them")
            flags = [f"--bars={self.bars[0]}-{self.bars[1]}"]
        elif self.kind == EXTEND:
            flags = [f"--bars={self.more}", *(["--before"] if self.before else [])]
        elif self.kind == VARY:
            flags = [f"--strength={self.strength:g}"]
        else:
            raise ValueError(f"a take can be changed by {', '.join(CHANGES)}, not {self.kind!r}")
        flags += [f"--chords={self.chords.strip()}"] if self.chords.strip() else []
        flags += [word for word in self.making.flags(True, notes) if word != "--model="]
        flags += [] if out is None else [f"--out={out}"]
        words = [self.text.strip()] if self.text.strip() else []
        return Arguments((self.kind, *flags, "--", str(self.take), *words), tuple(notes))
