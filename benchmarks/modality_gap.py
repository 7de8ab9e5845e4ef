"""May a recording stand in for words?  How far the sides of a text-audio model lie apart, and what brings them near.

    python benchmarks/modality_gap.py --train CORPUS --test CORPUS

First the cosines of test recordings with their own captions and with others', and how often a recording is among the
ten nearest of its caption.  Then what counts for a generator: a linear probe learns attributes (tempo, drums, ...) from
the *audio* side of training clips, and must read them off the *text* side of test captions.  Each with the vectors as
they are and centred by the mean of their side, and with noise of different lengths on the audio side.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from flowmusic import audio as audio_tools
from flowmusic.corpus import reader
from flowmusic.metrics.caption_attributes import ATTRIBUTES, Attribute, balanced
from flowmusic.metrics.text_audio import TextAudio, recall
from flowmusic.model.text_audio_conditioner import embed_audio

NOISES = (0.0, 0.5, 1.0, 2.0)
CAPTIONS, COPIES, RIDGE = 4, 8, 1e-2


class Side:
    """Clips as both sides have them: audio ``[N, E]`` (one window of each), texts ``[N, CAPTIONS, E]``, and labels."""

    def __init__(self, judge: TextAudio, folder: Path, split: str, count: int) -> None:
        clips = reader.clips(folder, split, count)
        self.labels = [clip.labels for clip in clips]
        network = judge.network
        self.audio = torch.stack([embed_audio(network, audio_tools.read(clip.audio))[0] for clip in clips])
        self.texts = torch.stack([judge.embed_text(labels["captions"][:CAPTIONS]) for labels in self.labels])


def centred(vectors: Tensor, by: Tensor, wanted: bool) -> Tensor:
    """Less the mean of the training vectors of their side, and of unit length again."""
    return normalize(vectors - by.flatten(0, -2).mean(0), dim=-1) if wanted else vectors


def answers(labels: Sequence[Any], attribute: Attribute) -> list[str | None]:
    return [attribute.truth(row) for row in labels]


def probe(learned: Tensor, texts: Tensor, train: Side, test: Side, attribute: Attribute, noise: float) -> float:
    """Balanced accuracy, 0 chance and 1 perfect, on the captions of test clips.

    The probe learns from several vectors of every training clip ``[N, copies, E]``, with noise.
    """
    words, true = list(attribute.wordings), answers(train.labels, attribute)
    known = [row for row, answer in enumerate(true) if answer is not None]
    target = one_hot(torch.tensor([words.index(str(true[row])) for row in known]), len(words)).float()
    generator = torch.Generator().manual_seed(0)
    copies = learned.shape[1]
    x = learned[known].flatten(0, 1)
    x = normalize(x + noise / math.sqrt(x.shape[1]) * torch.randn(x.shape, generator=generator), dim=-1)
    x = torch.cat([x, torch.ones(len(x), 1)], dim=1)
    # Every answer counts alike, however rare.
    y = target.repeat_interleave(copies, 0) / target.mean(0).clamp(min=1e-3) - 1.0
    ridge = RIDGE * len(x) / x.shape[1] * torch.eye(x.shape[1])
    weights = torch.linalg.solve(x.T @ x + ridge, x.T @ y)
    scores = []
    for column in range(CAPTIONS):
        found = (texts[:, column] @ weights[:-1] + weights[-1]).argmax(1)
        scores.append(balanced([words[k] for k in found], answers(test.labels, attribute), len(words)))
    return sum(scores) / len(scores)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano_text_audio", metavar="NAME|DIR|clap:DIR")
    parser.add_argument("--train", type=Path, required=True, metavar="CORPUS")
    parser.add_argument("--test", type=Path, required=True, metavar="CORPUS")
    parser.add_argument("--clips", type=int, default=400, metavar="N", help="at most, of each (default: %(default)s)")
    args = parser.parse_args()
    judge = TextAudio.load(args.model)
    train, test = Side(judge, args.train, "train", args.clips), Side(judge, args.test, "test", args.clips)
    apart = (train.audio.mean(0) - train.texts.flatten(0, 1).mean(0)).norm()
    lengths = [float(side.flatten(0, -2).mean(0).norm()) for side in (train.audio, train.texts)]
    print(
        f"{args.model}, {len(train.labels)} training and {len(test.labels)} test clips: the means of audio and text "
        f"have lengths {lengths[0]:.2f} and {lengths[1]:.2f}, and lie {apart:.2f} apart\n"
    )
    print("| vectors | own caption | another clip's | recall at 10 |\n|---|---|---|---|")
    for wanted in (False, True):
        audio, texts = centred(test.audio, train.audio, wanted), centred(test.texts, train.texts, wanted)
        cosines = [texts[:, column] @ audio.T for column in range(CAPTIONS)]
        own = torch.stack([c.diagonal() for c in cosines]).mean()
        count = len(audio)
        other = torch.stack([(c.sum() - c.diagonal().sum()) / (count * (count - 1)) for c in cosines]).mean()
        found = sum(recall(c, 10) for c in cosines) / len(cosines)
        print(f"| {'centred' if wanted else 'as they are'} | {own:.2f} | {other:.2f} | {found:.2f} |")
    print(f"\n(chance of recall at 10: {10 / len(test.labels):.2f})\n")
    names = [attribute.name for attribute in ATTRIBUTES]
    print(f"| vectors | noise | {' | '.join(names)} |\n|---|---|{'---|' * len(names)}")
    for wanted in (False, True):
        audio, texts = centred(train.audio, train.audio, wanted), centred(test.texts, train.texts, wanted)
        for noise in NOISES:
            many = audio[:, None].expand(-1, COPIES, -1)
            row = [probe(many, texts, train, test, attribute, noise) for attribute in ATTRIBUTES]
            label = "centred" if wanted else "as they are"
            print(f"| {label} | {noise:g} | {' | '.join(f'{score:.2f}' for score in row)} |")
    words, texts = centred(train.texts, train.texts, True), centred(test.texts, train.texts, True)
    row = [probe(words, texts, train, test, attribute, 0.0) for attribute in ATTRIBUTES]
    print(f"| captions instead of audio, centred | 0 | {' | '.join(f'{score:.2f}' for score in row)} |")


if __name__ == "__main__":
    main()
