"""From a trained Lightning module to a model bundle with its card."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from flowmusic.interop import model_files, text_audio, ways
from flowmusic.interop.fitting import AVERAGES
from flowmusic.plain import read_json, read_text

KINDS = {
    "flowmusic.codec.spectral.SpectralCodec": "spectral",
    "flowmusic.codec.hybrid.HybridCodec": "hybrid",
    "flowmusic.codec.encodec.SeanetCodec": "seanet",
}


def plain(settings: dict[str, Any]) -> dict[str, Any]:
    """Constructor arguments without Hydra's markers."""
    return {
        k: plain(v) if isinstance(v, dict) else v
        for k, v in settings.items()
        if not (k.startswith("_") and k.endswith("_"))
    }


COMPOSED = "a corpus composed and rendered by `flowmusic corpus`, settings in the table below; no recordings"


def card(
    title: str,
    purpose: str,
    run: dict[str, Any],
    command: str,
    parameters: int,
    eight_bits: bool = False,
    data: str = COMPOSED,
    licence: str = "Apache-2.0",
) -> str:
    """A model card in Markdown: data, command, seed, figures, licence."""
    stored = "large matrices in 8 bits with a scale per row, the rest in fp16" if eight_bits else "in fp16"
    figures = "\n".join(f"| {k} | {v:.4f} |" for k, v in sorted(run["metrics"].items()) if "/" in k)
    libraries = ", ".join(f"{k} {run[k]}" for k in ("python", "torch", "lightning"))
    return f"""# {title}

{purpose}

- Parameters: {parameters:,}, stored {stored}.
- Data: {data}.
- Command: `{command}`
- Seed {run["seed"]}, {run["steps"]} steps, commit {run["commit"]}, {libraries}, {run["hardware"]}.
- Licence of the weights: {licence}.

| figure at the end of training | value |
|---|---|
{figures}
"""


def corpus_note(folder: Path) -> str:
    """What the corpus says of itself, as a Markdown table (no paths)."""
    settings = folder / "corpus.json"
    if not settings.is_file():
        return ""
    rows = []
    for key, value in read_json(settings).items():
        if isinstance(value, list):
            value = "; ".join(
                ", ".join(f"{k} {str(v)[:16]}" for k, v in item.items() if k in ("name", "sha256"))
                if isinstance(item, dict)
                else str(item)
                for item in value
            )
        elif isinstance(value, dict):
            value = ", ".join(f"{k} {str(v)[:16]}" for k, v in value.items() if k not in ("path",))
        rows.append(f"| {key} | {value} |")
    return "\n| corpus setting | value |\n|---|---|\n" + "\n".join(rows) + "\n"


def export_codec(
    folder: str,
    name: str,
    module: Any,
    data: Any,
    run: dict[str, Any],
    settings: dict[str, Any],
    eight_bits: bool = False,
) -> Path:
    """Calibrate the codec's latent statistics and quantiser on training crops and write its bundle.

    A codec trained on from a bundle (``codec=bundle``) keeps that bundle's description and its card, and what was
    given to it (``codec=bundle_energy``, ``bundle_stereo``) is added; one whose decoder or such a head alone was
    trained keeps statistics and quantiser as well.
    """
    codec = module.codec.cpu().eval()
    target = settings["codec"]["_target_"]
    origin = None if target in KINDS else model_files.read(settings["codec"]["name"])
    if origin is None:
        kind, described = KINDS[target], plain(settings["codec"])
    else:
        kind, described = origin.config["kind"], dict(origin.config["settings"])
        for head in ("energy", "stereo"):
            if head in settings["codec"]:
                described[head] = plain(settings["codec"][head])
    description = {"kind": kind, "settings": described}
    if not module.decoder_only:
        generator_state = torch.get_rng_state()
        torch.manual_seed(run["seed"])  # dead codes are replaced from torch's global generator
        codec.calibrate(data.train_crops(step) for step in range(module.calibration_batches))
        torch.set_rng_state(generator_state)
    tensors = {k: v for k, v in codec.state_dict().items() if not k.endswith(AVERAGES)}
    parameters = sum(v.numel() for v in tensors.values())
    text = card(
        f"{name}: audio codec",
        f"{type(codec).__name__}: {codec.rate} Hz mono to {codec.dim} latent channels at "
        f"{float(codec.frame_rate):g} Hz and back, with a residual vector quantiser on the same latents.",
        run,
        f"flowmusic train experiment={settings['name']} corpus=CORPUS seed={run['seed']}",
        parameters,
        eight_bits,
    ) + corpus_note(Path(settings["corpus"]))
    if origin is not None:
        text += f"\n## Before it was trained on\n\n{read_text(origin.folder / 'card.md')}"
    # What only adds a part leaves the rest as it is stored, bit by bit.
    adds = getattr(module, "part", None) in model_files.PARTS
    main = origin.folder / "model.safetensors" if origin is not None and adds else None
    return model_files.write(folder, description, tensors, text, eight_bits=eight_bits, main=main)


def export_flow(
    folder: str,
    name: str,
    codec_name: str,
    seconds: float,
    generation: dict[str, Any],
    module: Any,
    data: Any,
    run: dict[str, Any],
    settings: dict[str, Any],
    eight_bits: bool = False,
    style_features: dict[str, Any] | None = None,
) -> Path:
    """Write encoder and field with everything a generator needs; the codec stays a bundle of its own.

    A codec that is a folder is named by the way there from the bundle's own folder, and so are the weights of
    ``style_features``, which say what the style hears with, see :class:`flowmusic.data.latents.LatentStore`, and a
    text-audio model that the text is read through, which is known by its hash too.
    """
    encoder = plain(settings["model"]["encoder"])
    for track in encoder["tracks"].values():
        track.pop("table", None)  # stored with the weights
    joint = getattr(module.encoder, "joint", None)
    if joint is not None:
        encoder["joint"] |= {"model": text_audio.stored_name(joint.model, folder), "sha256": joint.sha256}
    description = {
        "encoder": encoder,
        "field": plain(settings["model"]["field"]),
        "codec": ways.to(codec_name, folder) if (Path(codec_name) / "config.yaml").is_file() else codec_name,
        "seconds": seconds,
        "generation": plain(generation),
    }
    if style_features is not None:
        source = style_features["source"]
        description["style_features"] = {
            **style_features,
            "source": ways.to(source, folder) if Path(source).is_dir() else source,
        }
    tensors = {f"encoder.{k}": v for k, v in module.encoder.state_dict().items() if not k.endswith(AVERAGES)}
    names = [*encoder["tracks"], *(["style"] if encoder.get("style") else [])]
    if encoder.get("facts") is not None:  # where they are, their settings are empty
        names.append("facts")
    tensors.update({f"field.{k}": v for k, v in module.field.state_dict().items()})
    asked = (each for each in settings.get("overrides", []) if each.startswith("experiment="))
    experiment = next(asked, "experiment=nano")
    # Data that describe themselves are somebody's own; the others are the corpus.
    own = getattr(data, "description", None)
    text = card(
        f"{name}: controllable music generator",
        f"Flow matching over {Path(codec_name).name} latents; controls: text, {', '.join(names)}; "
        f"windows of {seconds:g} s.",
        run,
        f"flowmusic train {experiment} {'latents=LATENTS' if own is None else 'data=shards shards=SHARDS'} "
        f"seed={run['seed']}",
        sum(v.numel() for v in tensors.values()),
        eight_bits,
        COMPOSED if own is None else own,
        "Apache-2.0" if own is None else "whoever trained it decides, as the licences of the data allow",
    )
    if own is None:
        text += corpus_note(Path(settings["corpus"]))
    if joint is not None:
        text += (
            "\nWords, or a recording in their place, are also read through the text-audio model "
            f"{Path(joint.model).name} (sha256 {joint.sha256}), which is not in this bundle.\n"
        )
    if style_features is not None:
        text += (
            f"\nThe style control hears {style_features['kind']} features, whose weights are not in this bundle and "
            "have a licence of their own (docs/style.md); mind it before these weights are passed on.\n"
        )
    return model_files.write(folder, {"kind": "flow", "settings": description}, tensors, text, eight_bits=eight_bits)
