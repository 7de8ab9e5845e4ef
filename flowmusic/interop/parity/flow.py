"""JASCO's vector field and conditioners: intermediates, guided samples, losses and gradients."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from flowmusic.controls.bottleneck import block_blur
from flowmusic.flow import path, times
from flowmusic.flow.guide import guided
from flowmusic.flow.loss import flow_matching_loss
from flowmusic.flow.solve import solve
from flowmusic.interop.names import JASCO, rename
from flowmusic.model.jasco.encoder import CHORDS, DRUMS, MELODY, JascoEncoder
from flowmusic.model.jasco.field import JascoField, time_features
from flowmusic.model.jasco.t5 import T5Encoder
from flowmusic.types import Condition, VelocityField

KIND = "jasco_flow"
Results = dict[str, list[Tensor]]
END = 1.0 - 1e-5
"""Where the reference's adaptive solver stops."""
GUIDED_T = 0.375
"""The time of the single guided evaluations."""
CHORDS_SHORT, MELODY_LONG = 7, 5
"""Frames by which two inputs are too short and too long."""
LOSSES = {
    "increasing": times.weight_increasing,
    "uniform": times.weight_uniform,
    "decreasing": times.weight_decreasing,
}
_EVALUATIONS = re.compile(r"out\.dopri5_nfe_(.+)")


class Pair(nn.Module):
    """Field and encoder under the names of a bundle."""

    def __init__(self, field: JascoField, encoder: JascoEncoder) -> None:
        super().__init__()
        self.field, self.encoder = field, encoder


@dataclass(frozen=True)
class Inputs:
    """The features of one condition, by track, and its tokens."""

    features: Mapping[str, Tensor]
    tokens: Tensor

    def condition(self, encoder: JascoEncoder, length: int) -> Condition:
        mask = torch.ones(self.tokens.shape[:2], dtype=torch.bool)
        return Condition(encoder.joined(self.features, length), self.tokens, mask)


def build(tensors: Mapping[str, Tensor], config: Mapping[str, object]) -> Pair:
    """The model of a file, sizes from its description, weights from its ``w.*`` tensors.

    Raises: ValueError for a description that is not JASCO's architecture, or weights that do not fit.
    """
    wanted = {"norm": "layer_norm", "norm_first": True, "activation": "gelu", "positional_embedding": "sin"}
    other = {k: config.get(k) for k, value in wanted.items() if config.get(k, value) != value}
    if other:
        raise ValueError(f"this file's model is not JASCO's architecture: {other}, expected {wanted}")
    weights = {name.removeprefix("w."): tensor for name, tensor in tensors.items() if name.startswith("w.")}

    def number(name: str, default: int | None = None) -> int:
        value = config.get(name, default)
        if not isinstance(value, int):
            raise ValueError(f"the file's description says {name}={value!r}; a whole number is needed")
        return value

    has_melody = any(".melody." in name for name in weights)
    encoder = JascoEncoder(
        number("dim"),
        T5Encoder(dim=number("text_dim", 768)),
        chords_dim=number("chords_dim"),
        drums_dim=number("drums_dim"),
        melody_dim=number("melody_dim") if has_melody else 0,
        drums_latent_dim=number("drums_latent_dim", 128),
        text_dim=number("text_dim", 768),
        blur=number("blurring_factor", 3),
        chords_card=number("chords_card", 194),
        melody_bins=number("melody_card", 53) if has_melody else 53,
    )
    field = JascoField(
        number("flow_dim", 128),
        encoder.frames_dim,
        number("dim"),
        number("num_layers"),
        number("num_heads"),
        number("hidden_scale", 4),
        bool(config.get("skip_connections", False)),
        number("time_embedding_dim", 128),
        weights["temb.dense.0.weight"].shape[0],
    )
    pair = Pair(field, encoder)
    try:
        pair.load_state_dict(rename(weights, JASCO))
    except RuntimeError as error:
        raise ValueError(f"the weights do not fit the description: {error}") from None
    return pair


def recompute(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Results:
    """Every ``mid.*``, ``out.*`` and ``grad.*`` of a file."""
    pair = build(tensors, json.loads(metadata["config"]))
    with torch.no_grad():
        results, everything, nothing, text_only = conditions(pair.encoder, tensors)
        _fields(pair, tensors, everything, nothing, text_only, results)
        branches = [inputs.condition(pair.encoder, _length(tensors)) for inputs in (everything, text_only, nothing)]
        _guidance(pair.field, tensors, branches, results)
    _losses(pair, tensors, metadata, results)
    return results


def _length(tensors: Mapping[str, Tensor]) -> int:
    return tensors["in.latents"].shape[1]


def _inputs(
    encoder: JascoEncoder, tensors: Mapping[str, Tensor], chords: Tensor, blurred: Tensor, melody: Tensor | None
) -> Inputs:
    features = {CHORDS: encoder.chord_features(chords), DRUMS: encoder.drums(blurred)}
    if melody is not None:
        features[MELODY] = encoder.melody_features(melody.transpose(1, 2))
    return Inputs(features, encoder.text_tokens(tensors["in.text_embeds"], tensors["in.text_mask"]))


def _given(encoder: JascoEncoder, tensors: Mapping[str, Tensor]) -> Inputs:
    blurred = block_blur(tensors["in.drum_latents_preblur"], encoder.blur)
    return _inputs(encoder, tensors, tensors["in.chord_ids"], blurred, tensors.get("in.melody"))


def conditions(encoder: JascoEncoder, tensors: Mapping[str, Tensor]) -> tuple[Results, Inputs, Inputs, Inputs]:
    """Conditioner outputs, and everything, nothing and text alone as inputs."""
    chords, preblur = tensors["in.chord_ids"], tensors["in.drum_latents_preblur"]
    melody = tensors.get("in.melody")
    everything = _given(encoder, tensors)
    absent = torch.full_like(chords, encoder.chords.num_embeddings - 1)
    silent = None if melody is None else torch.zeros_like(melody)
    null_frames = _inputs(encoder, tensors, absent, torch.zeros_like(preblur), silent)
    no_text = encoder.text_tokens(tensors["in.text_embeds"], torch.zeros_like(tensors["in.text_mask"]))
    nothing = Inputs(null_frames.features, no_text)
    results: Results = {
        "out.drum_latents_blurred": [block_blur(preblur, encoder.blur)],
        "out.cond_description": [everything.tokens],
        "out.cond_description_null": [no_text],
    }
    for name, feature in everything.features.items():
        results[f"out.cond_{name}"] = [feature]
        results[f"out.cond_{name}_null"] = [nothing.features[name]]
    return results, everything, nothing, null_frames


def _fields(
    pair: Pair, tensors: Mapping[str, Tensor], everything: Inputs, nothing: Inputs, text_only: Inputs, results: Results
) -> None:
    """Single evaluations, each by the plain field and by the bound one; intermediates of the plain field."""
    field, encoder, length = pair.field, pair.encoder, _length(tensors)
    z, t = tensors["in.latents"], tensors["in.t"]
    short = dict(everything.features)
    short[CHORDS] = short[CHORDS][:, : length - CHORDS_SHORT]
    cases = {
        "v_theta": (everything, t),
        "v_theta_scalar_t": (everything, torch.tensor(GUIDED_T)),
        "v_theta_null": (nothing, t),
        "v_theta_text_only": (text_only, t),
        "v_theta_short_chords": (Inputs(short, everything.tokens), t),
    }
    if MELODY in everything.features:
        long = dict(everything.features)
        long[MELODY] = nn.functional.pad(long[MELODY], (0, 0, 0, MELODY_LONG), value=1.0)
        cases["v_theta_long_melody"] = (Inputs(long, everything.tokens), t)
    for name, (inputs, time) in cases.items():
        condition = inputs.condition(encoder, length)
        results[f"out.{name}"] = [field(z, time, condition), field.bind(condition)(z, time)]
    results["out.time_sinusoid"] = [time_features(t, field.time_dim)]
    seen: dict[str, Tensor] = {}

    def note(name: str, of_input: bool = False):  # type: ignore[no-untyped-def]
        def hook(module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> None:
            seen[name] = arguments[0] if of_input else output

        return hook

    def note_first(module: nn.Module, arguments: tuple[Tensor, ...]) -> None:
        seen["mid.layer0_in"], seen["mid.cross_src"] = arguments[0], arguments[1]

    hooks = [
        field.input.register_forward_hook(note("mid.x_cat", of_input=True)),
        field.input.register_forward_hook(note("mid.emb_out")),
        field.time.register_forward_hook(note("mid.temb")),
        field.time_projection.register_forward_hook(note("mid.temb_proj")),
        field.blocks[0].register_forward_pre_hook(note_first),
        field.norm_out.register_forward_hook(note("mid.out_norm")),
        *(block.register_forward_hook(note(f"mid.layer{i}")) for i, block in enumerate(field.blocks)),
    ]
    field(z, t, everything.condition(encoder, length))
    for handle in hooks:
        handle.remove()
    for name in ("mid.temb", "mid.temb_proj"):
        seen[name] = seen[name][:, None]
    results.update({name: [value] for name, value in seen.items()})


def _guidance(field: JascoField, tensors: Mapping[str, Tensor], branches: list[Condition], results: Results) -> None:
    """Branch fields, their weighted sum, and samples under guidance."""
    z = tensors["in.latents"]
    t = torch.full((z.shape[0],), GUIDED_T)
    weights = tensors["in.cfg_weights_all_text_null"].tolist()
    # Stored in single precision, so that their sum is 1 to seven digits only.
    weights[-1] = 1.0 - sum(weights[:-1])
    terms = torch.stack([field.bind(condition)(z, t) for condition in branches])
    together = guided(field, list(zip(branches, weights, strict=True)))
    results["out.cfg_terms_all_text_null"] = [terms]
    results["out.v_cfg"] = [together(z, t), torch.tensordot(torch.tensor(weights), terms, dims=1)]
    alone = field.bind(branches[0])
    evaluations: dict[str, int] = {}
    for name in tensors:
        if not name.startswith("out.sample_"):
            continue
        method = name.removeprefix("out.sample_")
        velocity: VelocityField = together
        if method.endswith("_noguidance"):
            method, velocity = method.removesuffix("_noguidance"), alone
        if fixed := re.fullmatch(r"euler(\d+)", method):
            grid = torch.linspace(0.0, 1.0, int(fixed[1]) + 1, dtype=torch.float64)
            solution = solve(velocity, tensors["in.z0_sample"], grid, "euler")
        elif adaptive := re.fullmatch(r"dopri5_(.+)", method):
            ends = torch.tensor([0.0, END], dtype=torch.float64)
            solution = solve(velocity, tensors["in.z0_sample"], ends, "dopri5", tolerance=float(adaptive[1]))
            evaluations[adaptive[1] + ("ng" if velocity is alone else "")] = solution.num_evals
        else:
            continue
        results[name] = [solution.z]
    for name in tensors:
        if counted := _EVALUATIONS.fullmatch(name):
            wanted = counted[1].split("_")
            if all(key in evaluations for key in wanted):
                results[name] = [torch.tensor([evaluations[key] for key in wanted])]


def _losses(pair: Pair, tensors: Mapping[str, Tensor], metadata: Mapping[str, str], results: Results) -> None:
    """The training objective under each weighting, and gradients of the default one."""
    mean, std = float(metadata["latent_mean"]), float(metadata["latent_std"])
    sigma_min = float(metadata["sigma_min"])
    data = (tensors["in.loss_raw_latents"] - mean) / std
    t = tensors["in.loss_t"]
    sample = path.optimal_transport(tensors["in.loss_z0"], data, t, sigma_min)
    condition = _given(pair.encoder, tensors).condition(pair.encoder, data.shape[1])
    prediction = pair.field(sample.z_t, t, condition)
    losses = {name: flow_matching_loss(prediction, sample.velocity, t, weight) for name, weight in LOSSES.items()}
    results["out.loss_z1"], results["out.loss_zt"] = [data], [sample.z_t]
    results["out.loss_target"], results["out.loss_v_theta"] = [sample.velocity], [prediction.detach()]
    for name, loss in losses.items():
        results[f"out.loss_{name}"] = [loss.detach()]
    losses["increasing"].backward()
    gradients = {n: p.grad for n, p in pair.named_parameters() if p.grad is not None}
    total = torch.stack([g.norm() for g in gradients.values()]).norm()
    results["out.grad_norm_increasing"] = [total]
    results.update({f"grad.{name}": [grad] for name, grad in rename(gradients, JASCO, reverse=True).items()})
