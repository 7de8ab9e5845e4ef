"""Train the drum-onset network for any drum and classes on corpora with exact labels.

``python -m feature_extractors.train_drum_net CORPUS_DIR... [--clips 600] [--steps 2200] [--seed 0] [--out FILE]``

Takes minutes on a CPU.  Mel magnitudes are kept in memory; each crop gets a random level, tilt, band limit,
roughness and smear, so that the network does not lean on one mastering or on what codecs lose first.  At the end it
prints the threshold of every output that gives the best F1 on the validation split of the first corpus.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from feature_extractors import drum_net, scoring, signals
from flowmusic.types import Audio

CROP = 400
BATCH = 16


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
        labels = json.loads(path.read_text(encoding="utf-8"))
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


def train(found: Sequence[Example], steps: int, seed: int = 0, log_every: int = 100) -> drum_net.DrumOnsetNet:
    """Fit a network by weighted cross-entropy; progress goes to stderr."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        net = drum_net.DrumOnsetNet()
        net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    # Struck frames are about one in ten, those of a class one in thirty.
    weight = torch.tensor([3.0, 4.0, 4.0, 4.0])
    running = 0.0
    for step in range(steps):
        log_mel, wanted = crops(found, generator)
        with torch.autocast("cpu", torch.bfloat16):  # a third faster
            logits = net(log_mel)
        loss = F.binary_cross_entropy_with_logits(logits.float(), wanted, pos_weight=weight)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        running += loss.item()
        if (step + 1) % log_every == 0:
            print(f"step {step + 1} of {steps}: loss {running / log_every:.4f}", file=sys.stderr, flush=True)
            running = 0.0
    return net.eval()


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m feature_extractors.train_drum_net", description="Train drum_net.")
    parser.add_argument("corpus", type=Path, nargs="+")
    parser.add_argument("--clips", type=int, default=600, help="at most so many clips of each corpus")
    parser.add_argument("--steps", type=int, default=2200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=drum_net.CLASS_WEIGHTS)
    options = parser.parse_args(argv)
    try:
        found = [one for folder in options.corpus for one in examples(folder, "train", options.clips)]
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    net = train(found, options.steps, options.seed)
    save(net, options.out)
    print(options.out)
    if any((options.corpus[0] / "validation").glob("*.json")):
        drum_net.load.cache_clear()
        for name, (threshold, score) in best_thresholds(drum_net.load(options.out), options.corpus[0]).items():
            print(f"{name}: best threshold {threshold:.2f}, validation F1 {score:.3f}")
    return 0


def best_thresholds(
    net: drum_net.DrumOnsetNet, corpus: Path, split: str = "validation", combine_s: float = 0.03
) -> dict[str, tuple[float, float]]:
    """By output: the threshold with the best mean F1 at 50 ms over the clips that have such hits, and that F1."""
    grid = np.arange(0.3, 0.91, 0.05)
    scores: dict[str, list[list[float]]] = {name: [] for name in drum_net.OUTPUTS}
    for path in sorted((corpus / split).glob("*.json")):
        hits = hits_of(json.loads(path.read_text(encoding="utf-8")))
        found = drum_net.probabilities(_samples(path.with_suffix(".flac")).numpy(), net)
        for n, name in enumerate(drum_net.OUTPUTS):
            if hits[name]:
                heard = [drum_net.peaks(found[:, n], float(threshold), combine_s)[0] for threshold in grid]
                scores[name].append([scoring.f_measure(hits[name], times.tolist(), 0.05) for times in heard])
    means = {name: np.mean(values, 0) for name, values in scores.items() if values}
    return {name: (round(float(grid[mean.argmax()]), 2), float(mean.max())) for name, mean in means.items()}


def save(net: drum_net.DrumOnsetNet, path: Path) -> None:
    """Half-precision weights, written whole or not at all."""
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.tmp")
    save_file({name: value.half().contiguous() for name, value in net.state_dict().items()}, temporary)
    temporary.replace(path)


if __name__ == "__main__":
    sys.exit(main())
