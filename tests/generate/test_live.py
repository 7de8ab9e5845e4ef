"""A stream while somebody listens, on a clock that is not real: pace, bars heard again, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import pytest
import torch
from torch import Tensor

from flowmusic.generate.live import Ended, Pace, Producer, again, perform
from flowmusic.generate.rehearsal import FakeClock, FakeProducer, simulated
from flowmusic.generate.sampling import Sampling
from flowmusic.generate.stream import Block

RATE, BAR = 100, 200
FULL = Sampling("midpoint", 8)


def ramp(count: int, first: int = 0) -> list[Block]:
    """Blocks of a bar whose samples count on; the tail is what would come next."""
    whole = torch.arange((first + count + 1) * BAR, dtype=torch.float32)[None]
    return [
        Block(
            whole[:, n * BAR : (n + 1) * BAR],
            whole[:, (n + 1) * BAR : (n + 1) * BAR + 4],
            whole[0, :0, None],
            n,
            n + 1,
            8,
            0,
        )
        for n in range(first, first + count)
    ]


def played(costs: list[float], sampling: Sampling | None = None, **more: int) -> tuple[Tensor, object, FakeClock]:
    heard: list[Tensor] = []
    clock = FakeClock()
    source = FakeProducer(costs, ramp(len(costs)), RATE, clock, sampling)
    report = perform(source, heard.append, clock, RATE, Fraction(BAR), **more)
    return torch.cat(heard, -1)[0], report, clock


def test_an_hour_on_time() -> None:
    heard, report, clock = played([1.5] * 1800)
    assert torch.equal(heard, torch.arange(1800 * BAR, dtype=torch.float32))
    assert (report.repeats, report.late, report.seconds) == (0, 0.0, 3600.0)  # type: ignore[attr-defined]
    # It is played as time goes by, and not as quickly as it can be made.
    assert 3598.0 <= clock.now() <= 3602.0


def test_one_slow_block_is_covered_by_those_made_ahead() -> None:
    costs = [0.5] * 20
    costs[10] = 5.0
    assert played(costs)[1].repeats == 0  # type: ignore[attr-defined]


def test_want_of_a_block_is_a_bar_again_that_joins_on_both_sides() -> None:
    costs = [0.5] * 6 + [9.0] + [0.5] * 6
    heard, report, _ = played(costs)
    repeats = report.repeats  # type: ignore[attr-defined]
    assert repeats >= 1 and report.late == 0.0  # type: ignore[attr-defined]
    assert len(heard) == (13 + repeats) * BAR
    first = heard[6 * BAR : 7 * BAR]
    # The bar before, but for its beginning, which goes on from where it ended.
    assert torch.equal(first[4:], torch.arange(5 * BAR + 4, 6 * BAR, dtype=torch.float32))
    assert float(first[0]) > 5.8 * BAR
    rest = heard[(6 + repeats) * BAR :]
    assert torch.equal(rest, torch.arange(6 * BAR, 13 * BAR, dtype=torch.float32))


def test_overload_is_met_by_fewer_evaluations_and_then_by_bars_again() -> None:
    assert simulated([3.0] * 200, [2.0] * 200, FULL).repeats == 0
    assert simulated([3.0] * 200, [2.0] * 200).repeats > 50
    hopeless = simulated([20.0] * 50, [2.0] * 50, FULL)
    assert hopeless.repeats > 10 and hopeless.late == 0.0


def test_bars_again_keep_the_beat_where_a_bar_is_no_whole_number_of_samples() -> None:
    bar = Fraction(401, 3)
    blocks = [Block(torch.zeros(1, 134), torch.zeros(1, 2), torch.zeros(0, 1), n, n + 1, 8, 0) for n in range(30)]
    lengths: list[int] = []
    clock = FakeClock()
    source = FakeProducer([100.0] * 30, blocks, RATE, clock, None)
    report = perform(source, lambda part: lengths.append(part.shape[-1]), clock, RATE, bar)
    assert report.repeats > 300
    assert abs(sum(lengths) - 30 * 134 - report.repeats * bar) <= 1


def test_pace_goes_down_and_up_again_and_knows_its_ends() -> None:
    pace = Pace(FULL)
    levels = []
    for cost in (3.0, 3.0, 3.0, 0.2, 0.2, 0.2):
        pace.took(cost, 2.0)
        levels.append(pace.sampling.steps)
    assert levels == [4, 2, 2, 4, 8, 8]
    pace.took(1.5, 2.0)  # it is not quick, and not too slow
    assert pace.sampling.steps == 8


def test_the_end_of_a_stream() -> None:
    heard, report, _ = played([0.5] * 5, most_samples=3 * BAR + 17)
    assert len(heard) == 3 * BAR + 17 and report.seconds == pytest.approx(6.17)  # type: ignore[attr-defined]
    calls = iter(range(99))
    clock = FakeClock()
    source = FakeProducer([0.5] * 9, ramp(9), RATE, clock, None)
    stopped = perform(source, lambda part: None, clock, RATE, Fraction(BAR), stopped=lambda: next(calls) >= 4)
    assert stopped.blocks == 4


def test_again_with_less_than_a_bar() -> None:
    assert again(torch.ones(1, 5), torch.ones(1, 8), 9).tolist() == [[1.0] * 5]


def test_a_producer_works_ahead_tells_its_errors_and_ends() -> None:
    def making(blocks: Iterator[Block | None]) -> Producer:
        def make(sampling: Sampling) -> Block | None:
            return next(blocks)

        return Producer(make, FULL, RATE, FakeClock())

    producer = making(iter([*ramp(3), None]))
    assert [producer.get(5.0).first_bar for _ in range(3)] == [0, 1, 2]  # type: ignore[union-attr]
    with pytest.raises(Ended):
        producer.get(5.0)
    producer.join()
    broken = making(iter([]))
    with pytest.raises(StopIteration):
        broken.get(5.0)
    broken.join()
    waiting = making(iter(ramp(9)))
    waiting.stop()
    waiting.join()  # though nobody took what it made
