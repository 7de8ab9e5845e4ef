"""Train the drum-onset network for any drum and classes on corpora with exact labels.

``python -m feature_extractors.train_drum_net CORPUS_DIR... [--any] [--clips 600] [--steps 2200] [--minutes M]
[--seed 0] [--out FILE]``

Takes minutes on a CPU; ``--any`` trains the smaller network that hears any drum and no classes.  ``FILE.ckpt`` keeps
the state: the same command goes on where a run was stopped, by ``--minutes`` or otherwise, and ends with the same
weights as a run that was not.

Mel magnitudes are kept in memory; each crop gets a random level, tilt, band limit,
roughness and smear, so that the network does not lean on one mastering or on what codecs lose first.  At the end it
prints the threshold of every output that gives the best F1 on the validation split of the first corpus.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors import drum_net, scoring, signals, training
from flowmusic import plain
from flowmusic.types import Audio

CROP = 400
BATCH = 16
SAVE_EVERY = 100
WEIGHT = (3.0, 4.0, 4.0, 4.0)
"""Of struck frames, by output: about one in ten is, of a class one in thirty."""
ANY_HIDDEN = 48
"""Width of the network without classes."""


@dataclass(frozen=True)
class Example:
    """Mel magnitudes ``[F, 64]`` in half precision and targets ``[F, 4]`` in 0..1, of ``drum_net.OUTPUTS``."""

    magnitude: Tensor
    target: Tensor


def examples(folder: Path, split: str, count: int) -> list[Example]:
    """The first clips of a split; of every fourth the drums alone as well, of another fourth the mix without them.

    Raises: ValueError if there are none.
    """
    found = []
    for n, path in enumerate(sorted((folder / split).glob("*.json"))[:count]):
        labels = plain.read_json(path)
        onsets = hits_of(labels)
        mix = _samples(path.with_suffix(".flac"))
        found.append(example(mix, onsets))
        stem = path.with_name(f"{path.stem}.drums.flac")
        if onsets["any"] and stem.exists() and n % 4 == 0:
            found.append(example(_samples(stem), onsets))
        elif onsets["any"] and stem.exists() and n % 4 == 2:
            found.append(example(mix - _samples(stem)[: len(mix)], {}))
    if not found:
        raise ValueError(f"no clips in {folder / split}; make some with `flowmusic corpus`")
    return found


def hits_of(labels: Mapping[str, Any]) -> dict[str, Sequence[float]]:
    """Onset times by output of the network; empty for what is not played."""
    drums = labels.get("drums") or {}
    classes = drums.get("classes") or {}
    return {"any": drums.get("onsets") or (), **{name: classes.get(name) or () for name in drum_net.CLASSES}}


def _samples(path: Path) -> Tensor:
    return torch.from_numpy(signals.samples_of(Audio.read(path), drum_net.RATE))


def example(samples: Tensor, onsets: Mapping[str, Sequence[float]]) -> Example:
    """Features and targets of ``[N]`` samples at the network's rate."""
    scaled = samples * (drum_net.LEVEL / samples.pow(2).mean().sqrt().clamp(min=1e-6))
    magnitude = drum_net.mel_magnitude(scaled)
    targets = [target(onsets.get(name, ()), len(magnitude)) for name in drum_net.OUTPUTS]
    return Example(magnitude.half(), torch.stack(targets, 1))


def target(onsets: Sequence[float], frames: int) -> Tensor:
    """1 in the frame of an onset and 0.5 beside it, because an attack is no instant.  Shape: ``[F]``."""
    out = torch.zeros(frames)
    for onset in onsets:
        centre = round(onset * drum_net.FPS)
        for n, value in ((centre - 1, 0.5), (centre, 1.0), (centre + 1, 0.5)):
            if 0 <= n < frames:
                out[n] = max(float(out[n]), value)
    return out


def crops(found: Sequence[Example], generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """A batch of varied crops.  Shape: log-mel ``[16, 400, 64]`` and targets ``[16, 400, 4]``."""

    def uniform(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=generator))

    magnitudes, targets = [], []
    for _ in range(BATCH):
        example = found[int(torch.randint(len(found), (), generator=generator))]
        start = int(torch.randint(max(1, len(example.target) - CROP), (), generator=generator))
        magnitude = example.magnitude[start : start + CROP].float()
        octaves = torch.linspace(-1.0, 1.0, drum_net.BANDS)
        gain_db = uniform(-4.0, 4.0) + uniform(-6.0, 6.0) * octaves
        if uniform(0.0, 1.0) < 0.3:
            gain_db = gain_db - 60.0 * (torch.arange(drum_net.BANDS) > uniform(40.0, drum_net.BANDS)).float()
        if uniform(0.0, 1.0) < 0.3:  # a codec smears attacks
            before, after = magnitude[:1], magnitude[-1:]
            around = torch.cat([before, magnitude[:-1]]) + torch.cat([magnitude[1:], after])
            magnitude = 0.5 * magnitude + 0.25 * around
        wanted = example.target[start : start + CROP]
        if uniform(0.0, 1.0) < 0.2:  # recordings begin on a hit, out of silence, and end in the middle of a note
            first, last = int(uniform(0.0, 60.0)), len(magnitude) - int(uniform(0.0, 60.0))
            inside = (torch.arange(len(magnitude)) >= first) & (torch.arange(len(magnitude)) < last)
            magnitude, wanted = magnitude * inside[:, None], wanted * inside[:, None]
        gain_db = gain_db + uniform(0.0, 2.0) * torch.randn(magnitude.shape, generator=generator)
        noise = uniform(0.0, 0.02) * torch.rand(magnitude.shape, generator=generator)
        short = CROP - len(magnitude)
        magnitudes.append(F.pad(magnitude * 10.0 ** (gain_db / 20.0) + noise, (0, 0, 0, short)))
        targets.append(F.pad(wanted, (0, 0, 0, short)))
    return drum_net.compress(torch.stack(magnitudes)), torch.stack(targets)


class Trainer:
    """A network in training, and its place in the run.

    Args:
        steps: of the whole run, which the learning rate follows.
        any_only: one output, any drum, in place of four.
    """

    def __init__(self, found: Sequence[Example], steps: int, seed: int = 0, any_only: bool = False) -> None:
        self.outputs = 1 if any_only else len(drum_net.OUTPUTS)
        data = training.digest(example.target.numpy().tobytes() for example in found)
        self.run = {"steps": steps, "seed": seed, "outputs": self.outputs, "data": data}
        self.found, self.steps = found, steps
        self.step = 0
        self.generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = drum_net.DrumOnsetNet(hidden=ANY_HIDDEN, outputs=1) if any_only else drum_net.DrumOnsetNet()
            self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=2e-3, weight_decay=1e-2)
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(self.optimizer, 4e-3, total_steps=steps)

    def advance(self) -> float:
        """One step of weighted cross-entropy; its loss."""
        log_mel, wanted = crops(self.found, self.generator)
        with torch.autocast("cpu", torch.bfloat16):  # a third faster
            logits = self.net(log_mel)
        weight = torch.tensor(WEIGHT[: self.outputs])
        loss = F.binary_cross_entropy_with_logits(logits.float(), wanted[..., : self.outputs], pos_weight=weight)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.schedule.step()
        self.step += 1
        return loss.item()

    def save(self, path: Path) -> None:
        """The whole state, written whole or not at all."""
        state = {
            "net": self.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "generator": self.generator.get_state(), "step": self.step,
        }  # fmt: skip
        training.save_state(state, path, self.run)

    def restore(self, path: Path) -> None:
        """Go on from :meth:`save`.  Raises: ValueError if that was another run, or the file cannot be used."""
        with training.restoring(path, self.run) as state:
            self.net.load_state_dict(state["net"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.schedule.load_state_dict(state["schedule"])
            self.generator.set_state(state["generator"])
            self.step = state["step"]


def train(
    trainer: Trainer,
    checkpoint: Path | None = None,
    minutes: float | None = None,
    began: float | None = None,
    log_every: int = 100,
) -> bool:
    """Train to the end, or until ``minutes`` after ``began`` (``time.monotonic``; now); progress goes to stderr.

    Returns: whether the end was reached.
    """
    if checkpoint is not None and checkpoint.exists():
        trainer.restore(checkpoint)
        print(f"going on from step {trainer.step}", file=sys.stderr, flush=True)
    began, losses = time.monotonic() if began is None else began, []
    while trainer.step < trainer.steps:
        over = minutes is not None and time.monotonic() - began > 60.0 * minutes
        if checkpoint is not None and trainer.step and (over or trainer.step % SAVE_EVERY == 0):
            trainer.save(checkpoint)
        if over:
            return False
        losses.append(trainer.advance())
        if trainer.step % log_every == 0:
            print(f"step {trainer.step} of {trainer.steps}: loss {np.mean(losses):.4f}", file=sys.stderr, flush=True)
            losses = []
    trainer.net.eval()
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m feature_extractors.train_drum_net", description="Train drum_net.")
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--clips", type=int, default=600, help="at most so many clips of each corpus")
    parser.add_argument("--any", action="store_true", help="the network for any drum, without classes")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--minutes", type=float, help="stop after so many; the same command goes on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="default: the package's own, of the network that is trained")
    began = time.monotonic()
    options = parser.parse_args(argv)
    out: Path = options.out or (drum_net.WEIGHTS if options.any else drum_net.CLASS_WEIGHTS)
    try:
        if options.steps < 1:
            raise ValueError("--steps must be at least 1")
        if not out.parent.is_dir():
            raise ValueError(f"output folder does not exist: {out.parent}; create it first")
        found = [one for folder in options.corpus for one in examples(folder, "train", options.clips)]
        trainer = Trainer(found, options.steps, options.seed, options.any)
        checkpoint = out.with_name(f"{out.name}.ckpt")
        with training.alone(checkpoint):
            done = train(trainer, checkpoint, options.minutes, began)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if not done:
        print(f"stopped at step {trainer.step} of {trainer.steps}; the same command goes on")
        return 0
    training.save_weights(trainer.net.state_dict(), out)
    print(out)
    if any((options.corpus[0] / "validation").glob("*.json")):
        drum_net.load.cache_clear()
        for name, (threshold, score) in best_thresholds(drum_net.load(out), options.corpus[0]).items():
            print(f"{name}: best threshold {threshold:.2f}, validation F1 {score:.3f}")
    return 0


def best_thresholds(
    net: drum_net.DrumOnsetNet, corpus: Path, split: str = "validation", combine_s: float = 0.03
) -> dict[str, tuple[float, float]]:
    """By output: the threshold with the best mean F1 at 50 ms over the clips that have such hits, and that F1."""
    grid = np.arange(0.3, 0.91, 0.05)
    outputs = drum_net.OUTPUTS[: net.outputs]
    scores: dict[str, list[list[float]]] = {name: [] for name in outputs}
    for path in sorted((corpus / split).glob("*.json")):
        hits = hits_of(plain.read_json(path))
        found = drum_net.probabilities(_samples(path.with_suffix(".flac")).numpy(), net)
        for n, name in enumerate(outputs):
            if hits[name]:
                heard = [drum_net.peaks(found[:, n], float(threshold), combine_s)[0] for threshold in grid]
                scores[name].append([scoring.f_measure(hits[name], times.tolist(), 0.05) for times in heard])
    means = {name: np.mean(values, 0) for name, values in scores.items() if values}
    return {name: (round(float(grid[mean.argmax()]), 2), float(mean.max())) for name, mean in means.items()}


if __name__ == "__main__":
    sys.exit(main())
