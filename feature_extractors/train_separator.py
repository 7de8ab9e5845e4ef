"""Train the separator on corpora with drum stems.

``python -m feature_extractors.train_separator CORPUS_DIR... [--steps 1900] [--minutes N] [--clips N] [--seed 0]
[--out FILE]``

The state is kept in ``FILE.ckpt`` every 100 steps, and when ``--minutes`` are over: the same command goes on from
there, and ends with the same weights as a training that was not stopped.
"""

from __future__ import annotations

import argparse
import copy
import math
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from feature_extractors import scoring, separator_data, separator_net, training
from feature_extractors.separator_data import Recording

BATCH, CROP = 6, 250 * separator_net.HOP
RATE, WARMUP = 2e-3, 100
AVERAGE = 0.998
SAVE_EVERY, REPORT_EVERY, VALIDATE_EVERY = 100, 50, 400
SIZES = (512, 2048)


@dataclass
class State:
    """Everything that the next step depends on, beside the data and the seed."""

    net: separator_net.SeparatorNet
    average: separator_net.SeparatorNet
    optimizer: torch.optim.Optimizer
    seed: int
    data: str = ""
    step: int = 0
    seconds: float = 0.0

    @staticmethod
    def new(seed: int, data: str = "") -> State:
        """``data`` tells the recordings from others, see :func:`data_of`."""
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            net = separator_net.SeparatorNet()
        optimizer = torch.optim.AdamW(net.parameters(), lr=RATE, weight_decay=1e-3)
        return State(net, copy.deepcopy(net).eval(), optimizer, seed, data)

    @staticmethod
    def read(path: Path, seed: int, data: str = "") -> State:
        """Raises: ValueError for a file of another seed or other data, or that cannot be used."""
        state = State.new(seed, data)
        with training.restoring(path, state.run) as stored:
            state.net.load_state_dict(stored["net"])
            state.average.load_state_dict(stored["average"])
            state.optimizer.load_state_dict(stored["optimizer"])
            state.step, state.seconds = stored["step"], stored["seconds"]
        return state

    @property
    def run(self) -> dict[str, Any]:
        """What a run may not change on the way; its length it may."""
        return {"seed": self.seed, "data": self.data}

    def write(self, path: Path) -> None:
        """Whole or not at all."""
        stored = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
        }
        training.save_state(stored, path, self.run)


def data_of(found: Sequence[Recording]) -> str:
    """What tells recordings from others: names, lengths and sizes."""
    return training.digest(repr((each.mix.name, each.length, each.mix.stat().st_size)).encode() for each in found)


def loss_of(estimate: Tensor, drums: Tensor, mix: Tensor) -> Tensor:
    """L1 of the waveform and of compressed magnitudes at two resolutions, of the drums and of the rest.  ``[B, N]``."""
    total = (estimate - drums).abs().mean() / separator_net.LEVEL
    for size in SIZES:
        window = torch.hann_window(size)

        def transform(samples: Tensor, size: int = size, window: Tensor = window) -> Tensor:
            return torch.stft(samples, size, size // 2, window=window, normalized=True, return_complex=True)

        guess = transform(estimate)
        wanted, whole = transform(drums), transform(mix)
        total = total + _distance(guess, wanted) + _distance(whole - guess, whole - wanted)
    return total


def _distance(guess: Tensor, wanted: Tensor) -> Tensor:
    """Mean distance of ``log(1 + 10 m)``; the small constant keeps the gradient finite where nothing sounds."""
    magnitude = (guess.real.square() + guess.imag.square() + 1e-8).sqrt()
    return (torch.log1p(10.0 * magnitude) - torch.log1p(10.0 * wanted.abs())).abs().mean()


def train(state: State, found: Sequence[Recording], steps: int, until: int | None = None, **settings: Any) -> State:
    """Take the steps from ``state.step`` to ``steps`` (or only to ``until``), in place.

    Args:
        steps: where the learning rate reaches 0; the schedule depends on it.
        settings: ``minutes`` after ``began`` (``time.monotonic``; now) at most; ``checkpoint`` file; ``validation``
            recordings; ``batch`` and ``crop`` sizes.
    """
    minutes, checkpoint = settings.get("minutes"), settings.get("checkpoint")
    size, length = settings.get("batch", BATCH), settings.get("crop", CROP)
    began, before, running = settings.get("began", time.monotonic()), state.seconds, 0.0
    state.net.train()
    while state.step < (steps if until is None else min(until, steps)):
        for group in state.optimizer.param_groups:
            group["lr"] = _rate(state.step, steps)
        mix, drums = separator_data.batch(found, size, length, state.seed, state.step)
        with torch.autocast("cpu", torch.bfloat16):
            estimate = state.net(mix)
        loss = loss_of(estimate, drums, mix)
        state.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(state.net.parameters(), 1.0)
        state.optimizer.step()
        state.step += 1
        _follow(state.average, state.net, min(AVERAGE, state.step / (10.0 + state.step)))
        running += loss.item()
        state.seconds = before + time.monotonic() - began
        over = minutes is not None and time.monotonic() - began > 60.0 * minutes
        if state.step % REPORT_EVERY == 0:
            mean = running / REPORT_EVERY
            print(f"step {state.step} of {steps}, {state.seconds:.0f} s: loss {mean:.4f}", file=sys.stderr, flush=True)
            running = 0.0
        if settings.get("validation") and state.step % VALIDATE_EVERY == 0:
            scores = validate(state.average, settings["validation"])
            print(f"  SI-SDR of drums {scores[0]:.2f} dB, of the rest {scores[1]:.2f} dB", file=sys.stderr, flush=True)
        if checkpoint is not None and (state.step % SAVE_EVERY == 0 or over):
            state.write(checkpoint)
        if over:
            break
    return state


def _rate(step: int, steps: int) -> float:
    """Linear rise, then a half cosine to 0."""
    return RATE * min(1.0, (step + 1) / WARMUP) * 0.5 * (1.0 + math.cos(math.pi * step / steps))


@torch.no_grad()
def _follow(average: nn.Module, net: nn.Module, keep: float) -> None:
    """Exponential moving average of everything that the network has learnt, statistics included."""
    for mean, now in zip(average.state_dict().values(), net.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(now, 1.0 - keep)
        else:
            mean.copy_(now)


def validate(net: separator_net.SeparatorNet, found: Sequence[Recording], seconds: int = 6) -> tuple[float, float]:
    """Mean SI-SDR [dB] of drums and rest in the first seconds of some recordings with drums."""
    length = seconds * separator_net.RATE
    scores = []
    for recording in found:
        if recording.drums is not None:
            drums, rest = separator_data.read(recording, 0, length)
            estimate = separator_net.separate(drums + rest, net)
            scores.append((_si_sdr(estimate, drums), _si_sdr(drums + rest - estimate, rest)))
    known = [score for score in scores if all(math.isfinite(value) for value in score)]
    return tuple(np.mean(known, 0).tolist()) if known else (math.nan, math.nan)


def _si_sdr(estimate: Tensor, reference: Tensor) -> float:

    return scoring.si_sdr(estimate.numpy(), reference.numpy())


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m feature_extractors.train_separator", description="Train separator_net."
    )
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--steps", type=int, default=1900)
    parser.add_argument("--minutes", type=float, help="stop after so many; the same command goes on")
    parser.add_argument("--clips", type=int, help="at most so many clips of each corpus")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=separator_net.WEIGHTS)
    began = time.monotonic()
    options = parser.parse_args(argv)
    checkpoint = options.out.with_name(f"{options.out.name}.ckpt")
    try:
        if options.steps < 1 or (options.minutes is not None and options.minutes <= 0):
            raise ValueError("--steps and --minutes must be positive")
        if not options.out.parent.is_dir():
            raise ValueError(f"output folder does not exist: {options.out.parent}; create it first")
        found = separator_data.recordings(options.corpus, "train", options.clips)
        held_out = _held_out(options.corpus)
        data = data_of(found)
        with training.alone(checkpoint):
            began_before = checkpoint.exists()
            state = State.read(checkpoint, options.seed, data) if began_before else State.new(options.seed, data)
            limits = {"minutes": options.minutes, "began": began}
            train(state, found, options.steps, checkpoint=checkpoint, validation=held_out[:12], **limits)
            state.write(checkpoint)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if state.step < options.steps:
        print(f"stopped at step {state.step} of {options.steps}; the same command goes on")
        return 0
    drums_db, rest_db = validate(state.average, held_out)
    facts = {
        "data": f"{len(found)} clips of {', '.join(folder.resolve().name for folder in options.corpus)}",
        "steps": state.step,
        "of_steps": options.steps,
        "seed": options.seed,
        "minutes": round(state.seconds / 60.0, 1),
        "validation": f"SI-SDR of drums {drums_db:.2f} dB, of the rest {rest_db:.2f} dB, {len(held_out)} clips",
        "licence": "Apache-2.0",
    }
    training.save_weights(state.average.state_dict(), options.out, facts)
    print(options.out)
    return 0


def _held_out(corpora: Sequence[Path]) -> list[Recording]:
    """Validation clips of the corpora that have some."""
    having = [folder for folder in corpora if any((folder / "validation").glob("*.drums.flac"))]
    found = separator_data.recordings(having, "validation") if having else []
    return [recording for recording in found if recording.drums is not None][:48]


if __name__ == "__main__":
    sys.exit(main())
