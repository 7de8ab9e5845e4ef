"""An endless stream: whole bars, a few at a time, each drawn behind the last seconds of those before it.

Latents run on without an end, and bar k begins at sample round(k S) of them, with S = rate * 60 * beats / bpm exactly,
so that the beat never drifts.  A decoder looks some frames ahead (``context_frames``): what is handed out ends so many
frames before the bar line up to which latents are known, and the chunks joined are one decode of all latents.

Words that change do so over one bar in velocity.  Against drift the context of each block is moved so that the mean of
the latents stays that of the opening, and so does the balance of its bands; what is drawn behind it is brought to the
opening's timbre, as far as a model has channels for that; beside that there is a style of the opening that is given
again now and then, and a servo on the level.  All begin anew where words change.

Nothing here knows the time of day: the same seed and the same requests give the same samples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.controls import beats, chords, empty
from flowmusic.controls.chord_text import Bar
from flowmusic.controls.meter import Meter
from flowmusic.controls.tracks import batched
from flowmusic.facts import Facts
from flowmusic.flow.timbre import Target
from flowmusic.generate.balance import OpeningBalance
from flowmusic.generate.draw import draw
from flowmusic.generate.generator import Generator, check_finite
from flowmusic.generate.level import OpeningLevel, bent
from flowmusic.generate.opening import Opening
from flowmusic.generate.passages import Passage
from flowmusic.generate.sampling import Sampling, SeededNoise
from flowmusic.generate.timbre import timbre_of
from flowmusic.types import Controls, FrameGrid, Guidance, Style, Track

Harmony = Callable[[int], Bar]
"""The chords of bar k, counted from 0 where this harmony began, which share it equally; none: they are left open."""

BLOCK_SECONDS = 2.0
"""A block is as few bars as last so long."""
CONTEXT_SECONDS, LEAST_CONTEXT_SECONDS = 3.0, 2.0
"""How much of what was before a block is seen by it, at most, and at least once there is so much."""
FADE_SECONDS = 0.02
STYLE_SECONDS, STYLE_DETAIL = 4.0, 2
ANCHOR_BARS = 32
SERVO_DB, MOST_GAIN_DB = 0.5, 6.0
"""Gain changes by so much a bar and is never more than that."""


@dataclass(frozen=True)
class Change:
    """What is asked for from the next bar line on; None leaves it as it is, but facts, which go with the text."""

    text: str | None = None
    harmony: Harmony | None = None
    facts: Facts | None = None


@dataclass(frozen=True)
class Block:
    """Samples that follow those of the block before.

    Attributes:
        samples: ``[C, n]``, at the model's rate, within full scale.
        tail: ``[C, m]``: how they would go on, for a fade where something else must follow.
        latents: ``[T, D]`` of the bars that were drawn.
        first_bar, last_bar: of those bars, the last one excluded.
        evals: of the field.
        gain_db: at the end.
    """

    samples: Tensor
    tail: Tensor
    latents: Tensor
    first_bar: int
    last_bar: int
    evals: int
    gain_db: float


def repeating(bars: tuple[Bar, ...]) -> Harmony:
    """A progression that begins again at its end.

    >>> harmony = repeating((("C",), ("Am", "F")))
    >>> harmony(0), harmony(3)
    (('C',), ('Am', 'F'))
    """
    return lambda bar: bars[bar % len(bars)]


class Stream:
    """An endless take in blocks of whole bars.

    Args:
        model: a generator whose codec says how far its decoder looks.
        text: the words, or None.
        facts: that the words say, for a model that hears them; without drums the control of drums is silence.
        bpm, meter: tempo and bar, for good.
        harmony: chords by bar; None leaves them open.
        seed: of the noise.
        guidance, sampling: the model's own where they are not given.
        steady: whether anything works against drift.

    Raises: ValueError for a bar that does not fit into the model's window, and for a codec that cannot be decoded in
        pieces.
    """

    def __init__(
        self,
        model: Generator,
        text: str | None,
        bpm: float,
        meter: Meter,
        harmony: Harmony | None = None,
        *,
        seed: int,
        facts: Facts | None = None,
        guidance: Guidance | None = None,
        sampling: Sampling | None = None,
        steady: bool = True,
    ) -> None:
        self.model, self.bpm, self.meter = model, bpm, meter
        self.rate = model.codec.rate
        self.guidance = guidance or model.defaults.guide()
        self.sampling = sampling or model.sampling()
        self.steady = steady
        self.bar_samples = self.rate * 60 * meter.beats_per_bar / Fraction(bpm)
        self._hop = int(self.rate / model.codec.frame_rate)
        try:
            self._ahead = int(model.codec.context_frames)  # type: ignore[attr-defined]
        except (AttributeError, NotImplementedError):
            raise ValueError(
                f"the codec of {model.name} does not say how far its decoder looks, so it cannot stream; use nano"
            ) from None
        self._window = model.grid().length
        self.block_bars = self._bars_of_a_block()
        self._noise = SeededNoise([seed])
        self._bar = 0
        self._frames, self._emitted = 0, 0
        self._latents = torch.zeros(1, 0, model.codec.dim, device=model.device)
        self._harmonies: list[tuple[int, Harmony | None]] = [(0, harmony)]
        self._words = self._old_words = (text, facts or Facts())
        self._changed = self._settled_at = 0
        self._begin_anew()
        self._gain_db = 0.0

    def _begin_anew(self) -> None:
        """What is heard from now on is an opening: mean, balance, timbre, level and style are taken from it."""
        self._opening = Opening(float(self.model.codec.frame_rate))
        self._timbre: list[Target] = []
        self._balance = OpeningBalance(self.model.codec)
        self._level = OpeningLevel(self.rate)
        self._style: Style | None = None

    @property
    def bar_seconds(self) -> float:
        return float(self.bar_samples / self.rate)

    @property
    def bar(self) -> int:
        """The bar at which the next change takes effect."""
        return self._bar

    def _bars_of_a_block(self) -> int:
        room = self._window - self._seconds_to_frames(LEAST_CONTEXT_SECONDS)
        bar = float(self.bar_samples / self._hop)
        if bar > room:
            raise ValueError(
                f"a bar of {self.bar_seconds:.1f} s does not fit into the window of {self.model.seconds:g} s of "
                f"{self.model.name} behind {LEAST_CONTEXT_SECONDS:g} s of what was before; choose a quicker --bpm or a "
                "shorter --meter"
            )
        return max(1, min(math.ceil(BLOCK_SECONDS / self.bar_seconds), math.floor(room / bar)))

    def _seconds_to_frames(self, seconds: float) -> int:
        return round(seconds * float(self.model.codec.frame_rate))

    def _line(self, bar: int) -> int:
        """The sample at which a bar begins."""
        return round(bar * self.bar_samples)

    def next_block(
        self, change: Change | None = None, sampling: Sampling | None = None, until: int | None = None
    ) -> Block:
        """Draw on, by a block of bars; the first one is long enough to hand out a bar.

        Args:
            change: takes effect at bar ``self.bar``.
            sampling: in place of the stream's own, where there is no time for more.
            until: a later bar at which the next change is to take effect, so that a block must end there.

        Raises: NotFinite if the solve diverges.
        """
        if change is not None:
            self._change(change)
        first, evals, drawn = self._bar, 0, []
        while True:
            bars = self.block_bars if until is None else max(1, min(self.block_bars, until - self._bar))
            latents, used = self._draw(sampling or self.sampling, bars)
            drawn.append(latents)
            evals += used
            ready = self._line(self._bar) - self._ahead * self._hop - self._emitted
            if ready >= self.bar_samples - 1:
                break
        samples, tail = self._decode(ready)
        samples, tail = self._settled(samples, tail, self._bar - first)
        self._listen()
        return Block(samples, tail, torch.cat(drawn, 1)[0].cpu(), first, self._bar, evals, self._gain_db)

    def _change(self, change: Change) -> None:
        if change.harmony is not None:
            # A harmony that no bar in sight belongs to any more is forgotten.
            self._harmonies = [*self._harmonies[-1:], (self._bar, change.harmony)]
        if change.text is not None and change.text != self._words[0]:
            self._old_words, self._words, self._changed = self._words, (change.text, change.facts or Facts()), self._bar
            self._begin_anew()
            # The bar of the change itself is no part of the opening's latents.
            self._settled_at = math.ceil(Fraction(self._line(self._bar + 1), self._hop))

    def _draw(self, sampling: Sampling, bars: int) -> tuple[Tensor, int]:
        """The next bars.  Shape: latents ``[1, T, D]``, and the evaluations they took."""
        end_bar = self._bar + bars
        new = math.ceil(Fraction(self._line(end_bar), self._hop)) - self._frames
        context = min(self._latents.shape[1], self._seconds_to_frames(CONTEXT_SECONDS), self._window - new)
        shortest = self.model.defaults.shortest_window
        least = self._window if shortest is None else self.model.grid(shortest).length
        size = max(context + new, min(least, self._window))
        known = torch.zeros(1, size, self._latents.shape[2], device=self._latents.device)
        keep = torch.zeros(1, size, dtype=torch.bool, device=known.device)
        if context:
            known[:, :context], keep[:, :context] = self._told(context), True
        passages = self._passages(self._frames - context, size)
        noise = self._noise.draw(size, known.shape[2])
        solution = draw(self.model, passages, noise, sampling, given=(known, keep), timbre=self._timbre)
        latents = solution.z[:, context : context + new]
        if self.steady:
            self._remember(latents[:, max(0, self._settled_at - self._frames) :])
        needed = self._seconds_to_frames(CONTEXT_SECONDS)
        self._latents = torch.cat([self._latents, latents], 1)
        # What has not been handed out yet is needed for it, whatever the context.
        pending = self._frames + new - self._emitted // self._hop + 2 * self._ahead
        self._latents = self._latents[:, -max(needed, pending) :]
        self._frames += new
        self._bar = end_bar
        return latents, solution.num_evals

    def _remember(self, latents: Tensor) -> None:
        """Latents ``[1, T, D]`` that were drawn, and once the opening is over what else is kept of it."""
        over = self._opening.latents is not None
        self._opening.add(latents)
        opening = self._opening.latents
        if opening is not None and not over:
            self._balance.begin(opening)
            self._timbre = timbre_of(opening, self.model.defaults)

    def _told(self, context: int) -> Tensor:
        """So many frames of the music before, with the mean over time and the balance of the opening, ``[1, T, D]``.

        A field that is led on by what it made itself goes on in the direction of its small errors: within a minute the
        mean of the latents had wandered to twice its length, and the music was 5 dB louder (docs/stream.md).  It goes
        on in the direction of chance, too: see :mod:`flowmusic.generate.balance`.
        """
        music = self._latents[:, -context:]
        return music + self._balance.shift(music, self.block_bars * self.bar_seconds) + self._opening.shift()

    def _passages(self, first: int, length: int) -> list[Passage]:
        """What is asked of frames ``first`` to ``first + length`` of the stream."""
        tracks = self._tracks(first, length)
        style: tuple[Style | None, ...] = ()
        if self._style is not None and (self._bar // self.block_bars) % max(1, ANCHOR_BARS // self.block_bars) == 0:
            style = (self._style,)
        new, old = (
            Controls((text,), tracks, style, (facts,) if self.model.has_facts else ())
            for text, facts in (self._words, self._old_words)
        )
        if self._old_words == self._words or self._changed == 0:
            return [Passage(new, self.guidance)]
        bars = (torch.arange(first, first + length, dtype=torch.float64) + 0.5) * float(self._hop / self.bar_samples)
        share = (bars - self._changed).clamp(0.0, 1.0).float()
        if self._bar > self._changed:
            self._old_words = self._words  # a block is a bar or more, so the change is over
            return [Passage(new, self.guidance)]
        return [
            Passage(old, self.guidance, 1.0 - share),
            Passage(new, self.guidance, share),
        ]

    def _tracks(self, first: int, length: int) -> dict[str, Track]:
        grid = FrameGrid(self.model.codec.frame_rate, length)
        start = Fraction(first * self._hop)
        has, found = self.model.controls, {}
        if "beats" in has:
            offset = float((self._bar * self.bar_samples - start) / self.rate)
            found["beats"] = batched(beats.from_bpm(self.bpm, self.meter, grid, offset))
        if "chords" in has:
            low, high = start // self.bar_samples, -(-(start + length * self._hop) // self.bar_samples)
            changes: list[tuple[float, float, str]] = []
            for bar in range(int(low), int(high)):
                labels = self._labels(bar)
                for part, label in enumerate(labels):
                    begin, end = (
                        float(((bar + Fraction(part + n, len(labels))) * self.bar_samples - start) / self.rate)
                        for n in (0, 1)
                    )
                    if end > 0.0:
                        changes.append((max(0.0, begin), end, label))
            if changes:
                found["chords"] = batched(chords.to_track(changes, grid))
        if "drums" in has and self._words[1].drums is False:
            found["drums"] = empty.empty("drums", grid)
        return found

    def _labels(self, bar: int) -> Bar:
        for start, harmony in reversed(self._harmonies):
            if start <= bar:
                return () if harmony is None else harmony(bar - start)
        return ()

    def _decode(self, ready: int) -> tuple[Tensor, Tensor]:
        """The next ``ready`` samples, and how they seem to go on."""
        kept = self._latents.shape[1]
        oldest = self._frames - kept
        first = max(oldest, self._emitted // self._hop - self._ahead)
        sound = self.model.codec.decode(self._latents[:, first - oldest :]).samples[0].float().cpu()
        check_finite(self._latents, sound, self.guidance, self.sampling)
        start = self._emitted - first * self._hop
        self._emitted += ready
        fade = round(FADE_SECONDS * self.rate)
        return sound[:, start : start + ready], sound[:, start + ready : start + ready + fade]

    def _settled(self, samples: Tensor, tail: Tensor, bars: int) -> tuple[Tensor, Tensor]:
        """Samples with the servo's gain, which moves along a line in dB, within full scale."""
        before = self._gain_db
        if self.steady:
            step = SERVO_DB * max(1, bars)
            wanted = self._level.correction_db(MOST_GAIN_DB)
            self._gain_db = before + min(step, max(-step, wanted - before))
        gains = torch.linspace(before, self._gain_db, samples.shape[-1])
        self._level.hear(samples)
        return bent(samples * 10.0 ** (gains / 20.0)), bent(tail * 10.0 ** (self._gain_db / 20.0))

    def _listen(self) -> None:
        """Take the style of the opening, once it is long enough."""
        if not self.steady or self._style is not None or not self.model.has_style:
            return
        opening = self._level.excerpt()
        if opening is not None:
            excerpt, _ = audio_tools.loudest(opening, STYLE_SECONDS)
            if audio_tools.rms_db(excerpt.samples) > -60.0:
                self._style = self.model.style(excerpt, STYLE_DETAIL, timbre=0.0)  # that is kept already


def slower(sampling: Sampling, level: int) -> Sampling:
    """Half of the steps at each level, at least one.

    >>> [slower(Sampling("midpoint", 6, "shifted"), level).steps for level in range(3)]
    [6, 3, 1]
    """
    return replace(sampling, steps=max(1, sampling.steps // 2**level))
