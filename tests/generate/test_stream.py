"""Streams: bars to the sample, chunks that join to one decode, changes at bar lines, and who works against drift."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from flowmusic.controls.drums import onsets_from_track
from flowmusic.controls.meter import parse_meter
from flowmusic.controls.vocabulary import LABELS
from flowmusic.corpus.endless import Endless
from flowmusic.facts import Facts
from flowmusic.generate import stream as streaming
from flowmusic.generate.level import KNEE
from flowmusic.generate.sampling import Sampling
from flowmusic.generate.stream import Block, Change, Stream, repeating
from flowmusic.types import Condition
from tests.generate.local import HOP, RATE, LocalCodec, local_generator
from tests.generate.tiny import DIM, tiny_generator


def made(blocks: int, bpm: float = 120.0, meter: str = "4/4", steady: bool = False) -> list[Block]:
    stream = Stream(
        local_generator(), "ab", bpm, parse_meter(meter), repeating((("C",), ("Am",))), seed=1, steady=steady
    )
    return [stream.next_block() for _ in range(blocks)]


@pytest.mark.parametrize(
    ("bpm", "meter"), [(120.0, "4/4"), (137.3, "4/4"), (133.0, "3/4"), (200.0, "6/8"), (90.0, "2/2")]
)
def test_bars_are_exact_and_chunks_join_to_one_decode(bpm: float, meter: str) -> None:
    blocks = made(7, bpm, meter)
    bar = RATE * 60 * parse_meter(meter).beats_per_bar / bpm
    done = 0
    for block in blocks:
        done += block.samples.shape[-1]
        assert done == round(block.last_bar * bar) - LocalCodec.context_frames * HOP
    assert [b.first_bar for b in blocks[1:]] == [b.last_bar for b in blocks[:-1]]
    whole = LocalCodec().decode(torch.cat([block.latents for block in blocks])[None]).samples[0, :, :done]
    # Within the knee the samples are those of the decoder.
    assert float(whole.abs().max()) < KNEE
    torch.testing.assert_close(torch.cat([block.samples for block in blocks], -1), whole, atol=1e-4, rtol=0)
    # The tail guesses how a chunk goes on: the codec reaches two frames further, and the last frames are known.
    fade = round(streaming.FADE_SECONDS * RATE)
    torch.testing.assert_close(blocks[-2].tail, blocks[-1].samples[:, :fade], atol=1e-4, rtol=0)


def test_the_same_seed_and_requests_give_the_same_samples() -> None:
    first, second = (torch.cat([b.samples for b in made(4, steady=True)], -1) for _ in range(2))
    assert torch.equal(first, second)


def test_words_change_over_one_bar_from_the_bar_line_on(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream(local_generator(), "ab", 120.0, parse_meter("4/4"), None, seed=1)
    seen: list[tuple[int, list[tuple[str | None, list[float] | None]]]] = []
    whole = Stream._passages

    def passages(self: Stream, first: int, length: int) -> list[streaming.Passage]:
        found = whole(self, first, length)
        told = [(p.controls.words[0], None if p.share is None else p.share.tolist()) for p in found]
        seen.append((first, told))
        return found

    monkeypatch.setattr(Stream, "_passages", passages)
    stream.next_block()
    line = stream.bar
    seen.clear()
    stream.next_block(Change(text="zz"))
    stream.next_block()
    (first, during), (_, after) = seen[0], seen[-1]
    shares = dict(during)
    old, new = shares["ab"], shares["zz"]
    assert old is not None and new is not None
    edge = line * 50 - first  # a bar has 50 frames
    assert set(old[:edge]) == {1.0} and new[edge] == pytest.approx(0.01) and new[edge + 49] == pytest.approx(0.99)
    assert all(a + b == pytest.approx(1.0) for a, b in zip(old, new, strict=True))
    assert after == [("zz", None)]


def test_chords_change_at_the_bar_line_and_what_was_keeps_its_own() -> None:
    stream = Stream(local_generator(), None, 120.0, parse_meter("4/4"), repeating((("C",),)), seed=1)
    stream.next_block()
    line = stream.bar
    stream.next_block(Change(harmony=repeating((("F", "G"),))))
    labels = [stream._labels(bar) for bar in (line - 1, line, line + 1)]
    assert labels == [("C",), ("F", "G"), ("F", "G")]
    ids = stream._tracks(50 * line - 50, 150)["chords"].values[0]
    assert len(set(ids[:50].tolist())) == 1 and ids[49] != ids[50] and ids[74] != ids[75] and ids[50] == ids[100]


def test_facts_go_with_the_words_and_no_drums_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    model = local_generator()
    monkeypatch.setattr(type(model), "has_facts", property(lambda self: True))
    quiet = Facts(drums=False, mood="dark")
    stream = Stream(model, "ab", 120.0, parse_meter("4/4"), seed=1, facts=quiet)
    (passage,) = stream._passages(0, 50)
    assert passage.controls.facts == (quiet,)
    assert onsets_from_track(passage.controls.tracks["drums"]) == () and passage.controls.tracks["drums"].known.all()
    stream.next_block()
    stream._change(Change(text="zz", facts=Facts(mood="bright")))
    new, old = sorted(stream._passages(stream._frames, 50), key=lambda each: each.controls.words[0] != "zz")
    assert new.controls.facts == (Facts(mood="bright"),) and old.controls.facts == (quiet,)
    assert "drums" not in new.controls.tracks


def test_a_block_ends_where_the_next_change_is_due() -> None:
    stream = Stream(local_generator(), "a", 240.0, parse_meter("4/4"), seed=1)
    assert stream.block_bars == 2
    stream.next_block()
    line = stream.bar
    assert stream.next_block(until=line + 1).last_bar == line + 1


def test_coarser_sampling_takes_fewer_evaluations() -> None:
    stream = Stream(local_generator(), "a", 120.0, parse_meter("4/4"), seed=1, sampling=Sampling("midpoint", 4))
    stream.next_block()
    assert stream.next_block().evals == 8
    assert stream.next_block(sampling=streaming.slower(stream.sampling, 2)).evals == 2


def test_the_context_stays_where_the_opening_was() -> None:
    """A field whose latents grow by themselves takes them ever further, but for a steady stream."""

    def last(steady: bool) -> float:
        stream = Stream(local_generator(), None, 120.0, parse_meter("4/4"), seed=1, steady=steady)

        def forward(z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
            # The known context is told as a mean in the last of the frames; new music is a little more of it.
            assert condition.frames is not None
            told = condition.frames[..., 2:]
            before = told.sum(1, keepdim=True) / (told != 0).sum(1, keepdim=True).clamp(min=1)
            return before * 1.3 + 0.2 - 0.5 * z

        stream.model.field.forward = forward  # type: ignore[method-assign]
        return float(torch.stack([stream.next_block().latents.mean() for _ in range(16)])[-1])

    assert abs(last(True)) < 0.7 * abs(last(False))


def test_what_is_drawn_keeps_the_timbre_of_the_opening() -> None:
    """A field that swings ever further than what it has just heard stays as far as a model has channels of timbre."""

    def swings(channels: list[list[float]] | None) -> list[float]:
        stream = Stream(local_generator(), None, 120.0, parse_meter("4/4"), seed=1)
        stream.model.defaults = replace(stream.model.defaults, timbre_channels=channels)

        def forward(z: torch.Tensor, t: torch.Tensor, condition: Condition) -> torch.Tensor:
            assert condition.frames is not None
            told = condition.frames[..., 2]
            swing = 1.1 * told[told != 0].abs().mean() if bool((told != 0).any()) else torch.tensor(0.1)
            data = swing * (-1.0) ** torch.arange(z.shape[1])[None, :, None].expand_as(z)
            return (data - z) / (1.0 - t[:, None, None]).clamp(min=1e-3)

        stream.model.field.forward = forward  # type: ignore[method-assign]
        return [float(stream.next_block().latents.std()) for _ in range(20)]

    kept, left = swings([[DIM, 0.0, 1.0]]), swings(None)
    assert left[-1] > 3.0 * left[5]
    assert kept[-1] == pytest.approx(kept[6], rel=0.05) and kept[6] < 1.5 * left[3]


def test_the_servo_is_slow_and_has_an_end() -> None:
    stream = Stream(local_generator(), "a", 120.0, parse_meter("4/4"), seed=1)
    for loud in 8 * [0.1] + 40 * [0.5]:
        stream._level.hear(torch.full((1, RATE), loud))
    gains = [
        stream._settled(torch.full((1, 100), 0.1), torch.zeros(1, 2), bars=1) and stream._gain_db for _ in range(30)
    ]
    assert gains[:2] == [-0.5, -1.0] and min(gains) >= -6.0


@pytest.mark.parametrize(
    ("bpm", "meter", "said"), [(20.0, "4/4", "a bar of 12.0 s does not fit"), (60.0, "16/4", "a bar of 16.0 s")]
)
def test_a_bar_that_does_not_fit_is_refused(bpm: float, meter: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Stream(local_generator(), "a", bpm, parse_meter(meter), seed=0)


def test_a_codec_that_must_be_decoded_whole_cannot_stream() -> None:
    with pytest.raises(ValueError, match="cannot stream"):
        Stream(tiny_generator(4.0), "a", 120.0, parse_meter("4/4"), seed=0)


def test_harmony_that_the_composer_proposes_is_in_the_vocabulary_and_goes_on() -> None:
    harmony = Endless(7)
    labels = [harmony(bar)[0] for bar in range(200)]
    assert all(label in LABELS for label in labels)
    assert len({tuple(labels[start : start + 4]) for start in range(0, 200, 4)}) >= 4
    assert labels == [Endless(7)(bar)[0] for bar in range(200)] and labels != [Endless(8)(bar)[0] for bar in range(200)]
