"""Begin a field on another codec's latents from a trained one: its first and last layers are fitted by least squares.

    python -m tools.change_codec --model nano --corpus CORPUS --out FOLDER \
        experiment=nano_facts latents=LATENTS [KEY=VALUE ...]

Latents of two codecs with the same frames tell much the same, so what the layers between have learnt is kept.  The
first layer reads the linear guess of the old latents from the new ones; the last is the ridge regression of the
velocity, less its best linear guess, on what the layers then make of noisy latents.  ``model.init_from=FOLDER`` of the
same experiment goes on from there.  CORPUS has the recordings that both codecs hear, LATENTS are the new codec's
(`flowmusic build`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from flowmusic import audio as audio_tools
from flowmusic.audio import Audio
from flowmusic.corpus import reader
from flowmusic.flow.path import optimal_transport
from flowmusic.interop import bundle, model_files
from flowmusic.model.field import linear_guess
from flowmusic.train.flow import INPUT
from flowmusic.train.run import compose, provenance
from flowmusic.types import STYLE, TEXT

AFRESH = "encoder.style.embed.*,field.input.*,field.output.*"
"""What knows the latents of a codec."""


@torch.no_grad()
def paired_latents(old: Any, new: Any, files: Iterable[Path]) -> tuple[Tensor, Tensor]:
    """What two codecs of one frame rate make of the same recordings.  Shape: ``[N, D]``, ``[N, D']``.

    Raises: ValueError for codecs of different frame rates.
    """
    if old.frame_rate != new.frame_rate:
        raise ValueError(f"the codecs have {float(old.frame_rate):g} and {float(new.frame_rate):g} frames a second")
    pairs = []
    for file in files:
        sound = audio_tools.read(file)
        batch = Audio(sound.samples[None], sound.rate)
        pairs.append((old.encode(batch)[0].float(), new.encode(batch)[0].float()))
    return torch.cat([a for a, _ in pairs]), torch.cat([b for _, b in pairs])


def regression(square: Tensor, cross: Tensor, ridge: float) -> Tensor:
    """W of least ``|X W - Y|^2 + ridge tr(X^T X) / D |W|^2`` from X^T X and X^T Y.

    Shape: ``[D, D], [D, E] -> [D, E]``.
    """
    return torch.linalg.solve(square + ridge * square.diagonal().mean() * torch.eye(len(square)), cross)


def first_layer(weight: Tensor, guess: Tensor, tracks: int, added: int) -> Tensor:
    """The first layer's weight for new latents; tracks that are added begin with weights of zero.

    Columns are z, the tracks, the known latents and their mask.
    Shape: ``[E, 2 D + tracks + 1]``, guess ``[D', D]`` -> ``[E, 2 D' + tracks + added + 1]``.
    """
    dim = guess.shape[1]
    z, kept, known, mask = weight.split([dim, tracks, dim, 1], dim=1)
    return torch.cat([z @ guess.T, kept, weight.new_zeros(len(weight), added), known @ guess.T, mask], dim=1)


@torch.no_grad()
def last_layer(module: Any, batches: Iterable[Any], ridge: float = 1e-3) -> tuple[Tensor, Tensor, float]:
    """Weight and bias of the regression, and the share of the energy that they explain."""
    field, encoder = module.field, module.encoder
    square, cross, energy = torch.zeros(field.width + 1, field.width + 1), torch.zeros(field.width + 1, field.dim), 0.0
    heard: list[Tensor] = []
    hook = field.output.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0].float()))
    for number, batch in enumerate(batches):
        generator = torch.Generator().manual_seed(number)
        size, length = batch.latents.shape[:2]
        controls = module.dropout(batch.controls.only({*encoder.names, TEXT, STYLE}), generator)
        given = module.dropout.given_latents(size, length, generator)
        noise = torch.randn(batch.latents.shape, generator=generator)
        sample = optimal_transport(noise, batch.latents, module.times(size, generator), module.sigma_min)
        field(sample.z_t, sample.t, encoder(controls, batch.grid, (batch.latents, given)))
        wanted = sample.velocity
        if field.preconditioned:
            wanted = wanted - linear_guess(sample.t)[:, None, None] * sample.z_t
        hidden, wanted = torch.nn.functional.pad(heard.pop(), (0, 1), value=1.0)[~given], wanted[~given]
        square += hidden.T @ hidden
        cross += hidden.T @ wanted
        energy += float(wanted.square().sum())
    hook.remove()
    solved = regression(square, cross, ridge)
    # |Y - X W|^2 = |Y|^2 - 2 tr(W^T X^T Y) + tr(W^T X^T X W).
    left = energy - 2.0 * float((solved * cross).sum()) + float((solved * (square @ solved)).sum())
    return solved[:-1].T.contiguous(), solved[-1], 1.0 - left / energy


def exported(cfg: Any, module: Any, data: Any, steps: int) -> Path:
    """The bundle of a model that was fitted in so many steps without a trainer, where the configuration says."""
    from hydra.utils import instantiate
    from omegaconf import OmegaConf

    run = {"steps": steps, "seed": int(cfg.seed), **provenance(), "metrics": {}}
    export = instantiate(cfg.export, _partial_=True)
    folder: Path = export(module=module, data=data, run=run, settings=OmegaConf.to_container(cfg, resolve=True))
    return folder


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", help="name or folder of the trained field")
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bundle")
    parser.add_argument("--clips", type=int, default=160, help="that both codecs hear")
    parser.add_argument("--batches", type=int, default=60, help="that the last layer is fitted on")
    args, overrides = parser.parse_known_args(argv)
    from hydra.utils import instantiate

    given = [f"model.init_from={args.model}", f"model.init_except=[{AFRESH}]", f"export.folder={args.out}"]
    cfg = compose([*overrides, *given, "export.eight_bits=false"])
    torch.manual_seed(int(cfg.seed))
    found = model_files.read(args.model)
    settings, tensors = found.config["settings"], {k: v.float() for k, v in found.tensors.items()}
    module, data = instantiate(cfg.model).eval(), instantiate(cfg.data)
    data.setup("fit")
    files = [clip.audio for clip in reader.clips(args.corpus, "train", args.clips)]
    was, now = paired_latents(bundle.load(args.model).codec, bundle.load_codec(cfg.codec_name), files)
    guess = regression(now.T @ now, now.T @ was, ridge=0.03)
    share = 1.0 - float((was - now @ guess).square().mean() / was.square().mean())
    print(f"{len(files)} clips: {share:.3f} of the old latents' energy is a linear function of the new ones")
    tracks = sum(int(track["dim"]) for track in settings["encoder"]["tracks"].values())
    added = module.field.frames_dim - tracks - module.field.dim - 1
    with torch.no_grad():
        module.field.input.weight.copy_(first_layer(tensors[INPUT], guess, tracks, added))
        module.field.input.bias.copy_(tensors["field.input.bias"])
        if "encoder.style.embed.weight" in tensors:
            module.encoder.style.embed.weight.copy_(tensors["encoder.style.embed.weight"] @ guess.T)
            module.encoder.style.embed.bias.copy_(tensors["encoder.style.embed.bias"])
        module.encoder.text.remember(data.captions(), data.text_folder)
        weight, bias, share = last_layer(module, islice(data.train_dataloader(), args.batches))
        module.field.output.weight.copy_(weight)
        module.field.output.bias.copy_(bias)
    print(f"{args.batches} batches: the last layer explains {share:.3f} of what the best linear guess leaves")
    print(exported(cfg, module, data, steps=0))
    return 0


if __name__ == "__main__":
    sys.exit(main())
