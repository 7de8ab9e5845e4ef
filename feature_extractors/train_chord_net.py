"""Train the chord network on corpora with exact labels.

``python -m feature_extractors.train_chord_net CORPUS_DIR... --cache DIR [--steps 2400] [--minutes M] [--out FILE]``

The ``train`` splits are trained on; every 300 steps the ``validation`` splits that exist are scored, and the best
weights of all are written at the end.  ``FILE.ckpt`` keeps the whole state: the same command goes on where a run was
stopped, by ``--minutes`` or otherwise, and ends with the same weights as a run that was not.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from feature_extractors import chord_crops, chord_data, chord_decode, chord_features, chord_labels, chord_net, training
from feature_extractors.chord_data import Recordings

WARMUP = 200
_TRIAD_SHARE = 0.3
_EMA = 0.998


def loss_of(logits: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy with the classes, and with the triads that they belong to, over labelled time.

    Shape: both ``[B, F, 193]``; targets are shares of frames.
    """
    log_p = logits.float().log_softmax(-1)
    triad = torch.from_numpy(chord_labels.TRIAD)
    shape = (*log_p.shape[:-1], 49)
    index = triad.expand(log_p.shape)
    log_triads = torch.zeros(shape).scatter_add(-1, index, log_p.exp()).clamp(min=1e-9).log()
    triads = torch.zeros(shape).scatter_add(-1, index, target)
    both = (target * log_p).sum() + _TRIAD_SHARE * (triads * log_triads).sum()
    return -both / target.sum().clamp(min=1.0)


@torch.no_grad()
def validate(net: chord_net.ChordNet, found: Recordings) -> dict[str, float]:
    """Shares of frames: ``majmin`` on frames of major, minor and no chord (sevenths count as triads), ``label`` on all.

    Frames are taken by themselves, without decoding.
    """
    net.eval()
    right = {"majmin": 0, "label": 0}
    count = {"majmin": 0, "label": 0}
    for n in range(len(found.spans)):
        log_p = net(chord_features.compress(found.features(n))[None])[0].log_softmax(-1)
        wanted = found.targets(n).argmax(1).numpy()
        heard = chord_decode.triads(log_p.numpy()).argmax(1)
        triad = chord_labels.TRIAD[wanted]
        scored = (triad == 48) | (triad % 4 < 2)
        right["majmin"] += int((heard == triad)[scored].sum())
        count["majmin"] += int(scored.sum())
        right["label"] += int((log_p.argmax(1).numpy() == wanted).sum())
        count["label"] += len(wanted)
    return {key: right[key] / max(1, count[key]) for key in right}


class Trainer:
    """A network in training, its averaged weights and its place in the run.

    Args:
        steps: of the whole run, which the learning rate follows.
        precision: ``bf16`` multiplies in bfloat16, about twice as fast where the processor can; or ``32``.
        shape: keyword arguments of :func:`chord_crops.crops`.
    """

    def __init__(
        self, sources: Sequence[Recordings], steps: int, seed: int = 0, precision: str = "32", **shape: int
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.net = chord_net.ChordNet()
        self.averaged = chord_net.ChordNet()
        self.averaged.load_state_dict(self.net.state_dict())
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=0.0, weight_decay=1e-2, betas=(0.9, 0.98))
        self.sources, self.steps, self.seed, self.shape = sources, steps, seed, shape
        self.bf16 = precision == "bf16"
        data = training.digest(repr((source.spans, source.changes)).encode() for source in sources)
        self.run = {"steps": steps, "seed": seed, "precision": precision, "data": data}
        self.step, self.best = 0, -1.0
        self.chosen = self.averaged.state_dict()

    def advance(self) -> float:
        """One step; its loss.  Crops depend on the seed and the step alone, so that a resumed run is the same run."""
        self.net.train()
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.step)
        compressed, target = chord_crops.crops(self.sources, generator, **self.shape)
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.step, self.steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bf16):
            logits = self.net(compressed)
        loss = loss_of(logits, target)
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.step += 1
        keep = min(_EMA, self.step / (self.step + 10.0))
        with torch.no_grad():
            for mean, value in zip(self.averaged.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(value, 1.0 - keep)
        return float(loss.detach())

    def save(self, path: Path) -> None:
        """The whole state, written whole or not at all."""
        state = {
            "net": self.net.state_dict(), "averaged": self.averaged.state_dict(),
            "optimizer": self.optimizer.state_dict(), "step": self.step, "best": self.best, "chosen": self.chosen,
        }  # fmt: skip
        training.save_state(state, path, self.run)

    def restore(self, path: Path) -> None:
        """Go on from :meth:`save`.  Raises: ValueError if that was another run, or the file cannot be used."""
        with training.restoring(path, self.run) as state:
            self.net.load_state_dict(state["net"])
            self.averaged.load_state_dict(state["averaged"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best, self.chosen = state["step"], state["best"], state["chosen"]

    def judged(self, score: float) -> None:
        """Keep the averaged weights as they are now if no earlier ones scored as much."""
        if score > self.best:
            self.best, self.chosen = score, {k: v.clone() for k, v in self.averaged.state_dict().items()}


def learning_rate(step: int, steps: int, peak: float = 3e-3) -> float:
    """Linear warm-up, then a cosine to a fiftieth."""
    if step < WARMUP:
        return peak * (step + 1) / WARMUP
    progress = min(1.0, (step - WARMUP) / max(1, steps - WARMUP))
    return peak * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * progress)))


def state_of(out: Path) -> Path:
    """Where the state lies while a network is trained."""
    return out.with_name(f"{out.name}.ckpt")


def run(
    trainer: Trainer,
    validation: Sequence[tuple[str, Recordings]],
    out: Path,
    minutes: float | None,
    every: int,
    began: float,
) -> bool:
    """Train to the end, or until ``minutes`` after ``began`` (``time.monotonic``); progress goes to stderr.

    Returns: whether the end was reached.
    """
    checkpoint = state_of(out)
    if checkpoint.exists():
        trainer.restore(checkpoint)
        print(f"going on from step {trainer.step}", file=sys.stderr, flush=True)
    losses: list[float] = []
    while trainer.step < trainer.steps:
        if minutes is not None and time.monotonic() - began > 60.0 * minutes:
            trainer.save(checkpoint)
            return False
        losses.append(trainer.advance())
        if trainer.step % 100 == 0:
            minute = (time.monotonic() - began) / 60.0
            print(
                f"step {trainer.step} of {trainer.steps}: loss {np.mean(losses):.4f}, {minute:.1f} min",
                file=sys.stderr, flush=True,
            )  # fmt: skip
            losses = []
        if trainer.step % every == 0 or trainer.step == trainer.steps:
            scores = {name: validate(trainer.averaged, found) for name, found in validation}
            for name, score in scores.items():
                print(f"  {name}: majmin {score['majmin']:.4f}, label {score['label']:.4f}", file=sys.stderr)
            trainer.judged(float(np.mean([value for score in scores.values() for value in score.values()])))
            trainer.save(checkpoint)
    training.save_weights(trainer.chosen, out)
    return True


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m feature_extractors.train_chord_net", description="Train chord_net."
    )
    add = parser.add_argument
    add("corpus", type=Path, nargs="+", help="folders made by `flowmusic corpus`, or in its layout")
    add("--cache", type=Path, required=True, help="folder for the features; about 20 MB an hour of audio")
    add("--steps", type=int, default=2400)
    add("--seed", type=int, default=0)
    add("--minutes", type=float, help="stop after so many; the same command goes on")
    add("--every", type=int, default=300, help="steps between validations (default: %(default)s)")
    add("--precision", choices=("32", "bf16"), default="bf16")
    add("--threads", type=int, default=1)
    add("--out", type=Path, default=chord_net.WEIGHTS)
    began = time.monotonic()
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    try:
        if options.steps < 1 or options.every < 1 or options.threads < 1:
            raise ValueError("--steps, --every and --threads must be at least 1")
        if not options.out.parent.is_dir():
            raise ValueError(f"output folder does not exist: {options.out.parent}; create it first")
        with_split = {s: [c for c in options.corpus if any((c / s).glob("*.json"))] for s in ("train", "validation")}
        if not with_split["train"] or not with_split["validation"]:
            raise ValueError(
                "no clips to train on or none to validate on; give a folder of `flowmusic corpus` with the splits "
                "train and validation"
            )
        found = {
            s: [(c.name, chord_data.recordings(c, s, options.cache)) for c in folders]
            for s, folders in with_split.items()
        }
        trainer = Trainer([r for _, r in found["train"]], options.steps, options.seed, options.precision)
        with training.alone(state_of(options.out)):
            done = run(trainer, found["validation"], options.out, options.minutes, options.every, began)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(options.out if done else f"stopped at step {trainer.step} of {trainer.steps}; the same command goes on")
    return 0


if __name__ == "__main__":
    sys.exit(main())
