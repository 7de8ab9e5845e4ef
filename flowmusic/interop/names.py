"""What other projects call the tensors that we hold: two-way tables, as data, and the renaming that reads them.

A table is a sequence of pairs (their template, our template).  A placeholder in braces stands for a part of a name
that both sides share; what it may be is in :data:`PLACEHOLDERS`.  The first template that fits a name decides.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from flowmusic.interop.fitting import ModelError

Value = TypeVar("Value")
Table = tuple[tuple[str, str], ...]

PLACEHOLDERS: Mapping[str, str] = {
    "i": r"\d+",
    "j": r"\d+",
    "p": r"weight|bias",
    "side": r"encoder|decoder",
    "leaf": r"bias|weight|weight_g|weight_v",
    "lstm": r"(?:weight|bias)_(?:ih|hh)_l\d+",
    "buffer": r"inited|cluster_size|embed|embed_avg",
    "statistic": r"running_mean|running_var|num_batches_tracked",
    "any": r".+",
}

_LAYER = "transformer.layers.{i}."
_CONDITIONER = "condition_provider.conditioners."

JASCO: Table = (
    ("emb.weight", "field.input.weight"),
    ("temb.dense.0.{p}", "field.time.0.{p}"),
    ("temb.dense.1.{p}", "field.time.2.{p}"),
    ("temb_proj.{p}", "field.time_projection.{p}"),
    (_LAYER + "norm1.{p}", "field.blocks.{i}.norm_self.{p}"),
    (_LAYER + "self_attn.in_proj_weight", "field.blocks.{i}.attention.query_key_value.weight"),
    (_LAYER + "self_attn.out_proj.weight", "field.blocks.{i}.attention.out.weight"),
    (_LAYER + "norm_cross.{p}", "field.blocks.{i}.norm_cross.{p}"),
    (_LAYER + "cross_attention.in_proj_weight", "field.blocks.{i}.cross.query_key_value.weight"),
    (_LAYER + "cross_attention.out_proj.weight", "field.blocks.{i}.cross.out.weight"),
    (_LAYER + "norm2.{p}", "field.blocks.{i}.norm_ff.{p}"),
    (_LAYER + "linear1.weight", "field.blocks.{i}.expand.weight"),
    (_LAYER + "linear2.weight", "field.blocks.{i}.contract.weight"),
    ("transformer.skip_projections.{i}.{p}", "field.skips.{i}.{p}"),
    ("out_norm.{p}", "field.norm_out.{p}"),
    ("linear.weight", "field.output.weight"),
    (_CONDITIONER + "description.output_proj.{p}", "encoder.text_projection.{p}"),
    (_CONDITIONER + "chords.emb.weight", "encoder.chords.weight"),
    (_CONDITIONER + "self_wav.output_proj.{p}", "encoder.drums.{p}"),
    (_CONDITIONER + "melody.output_proj.{p}", "encoder.melody.{p}"),
)
"""audiocraft's JASCO and ours, without the codec inside it."""

JASCO_CODEC = _CONDITIONER + "self_wav.compression_model.model."
"""Prefix of the codec's tensors, in transformers' naming, within a JASCO checkpoint."""

OUR_CODEC = "codec."
"""Prefix of the codec's tensors, in the encodec package's naming, within our bundle."""

JASCO_SKIPPED: tuple[str, ...] = ()
"""Tensors of a JASCO checkpoint that we leave out on purpose: none.  T5 and HTDemucs are not inside."""

ENCODEC: Table = (
    # The decoder's inner convolutions are transposed ones.  transformers does not say so in their names, so the
    # ordinary ones at its two ends come first; {last} is the number of its last module.
    ("decoder.layers.0.conv.{leaf}", "decoder.model.0.conv.conv.{leaf}"),
    ("decoder.layers.0.norm.{p}", "decoder.model.0.conv.norm.{p}"),
    ("decoder.layers.{last}.conv.{leaf}", "decoder.model.{last}.conv.conv.{leaf}"),
    ("decoder.layers.{last}.norm.{p}", "decoder.model.{last}.conv.norm.{p}"),
    ("decoder.layers.{i}.conv.{leaf}", "decoder.model.{i}.convtr.convtr.{leaf}"),
    ("decoder.layers.{i}.norm.{p}", "decoder.model.{i}.convtr.norm.{p}"),
    ("encoder.layers.{i}.conv.{leaf}", "encoder.model.{i}.conv.conv.{leaf}"),
    ("encoder.layers.{i}.norm.{p}", "encoder.model.{i}.conv.norm.{p}"),
    ("{side}.layers.{i}.block.{j}.conv.{leaf}", "{side}.model.{i}.block.{j}.conv.conv.{leaf}"),
    ("{side}.layers.{i}.block.{j}.norm.{p}", "{side}.model.{i}.block.{j}.conv.norm.{p}"),
    ("{side}.layers.{i}.shortcut.conv.{leaf}", "{side}.model.{i}.shortcut.conv.conv.{leaf}"),
    ("{side}.layers.{i}.shortcut.norm.{p}", "{side}.model.{i}.shortcut.conv.norm.{p}"),
    ("{side}.layers.{i}.lstm.{lstm}", "{side}.model.{i}.lstm.{lstm}"),
    ("quantizer.layers.{i}.codebook.{buffer}", "quantizer.vq.layers.{i}._codebook.{buffer}"),
)
"""transformers' EncodecModel and the encodec package (audiocraft's names are the package's)."""

STYLE_QUANTISER: Table = (("vq.layers.{i}._codebook.{buffer}", "levels.{i}.{buffer}"),)
"""The residual quantiser of MusicGen-Style's conditioner and ours."""

STYLE: Table = (
    ("embed.{p}", "embed.{p}"),
    (_LAYER + "norm1.{p}", "layers.{i}.norm_self.{p}"),
    (_LAYER + "self_attn.in_proj_weight", "layers.{i}.attention.query_key_value.weight"),
    (_LAYER + "self_attn.out_proj.weight", "layers.{i}.attention.out.weight"),
    (_LAYER + "norm2.{p}", "layers.{i}.norm_ff.{p}"),
    (_LAYER + "linear1.weight", "layers.{i}.expand.weight"),
    (_LAYER + "linear2.weight", "layers.{i}.contract.weight"),
    ("batch_norm.{statistic}", "norm.{statistic}"),
    ("rvq.vq.layers.{i}._codebook.{buffer}", "quantiser.levels.{i}.{buffer}"),
    ("output_proj.{p}", "output.{p}"),
)
"""MusicGen-Style's conditioner, as the golden files name it, and ours."""

WEIGHT_NORM: Table = (
    ("{any}.parametrizations.weight.original0", "{any}.weight_g"),
    ("{any}.parametrizations.weight.original1", "{any}.weight_v"),
    ("{any}", "{any}"),
)
"""torch's two ways to keep a weight-normalised weight: as a parametrisation, and by the older hooks."""

PARAMETRIZATIONS, HOOKS = "parametrizations", "hooks"


def rename(
    tensors: Mapping[str, Value],
    table: Table,
    reverse: bool = False,
    skipped: Iterable[str] = (),
    **known: int,
) -> dict[str, Value]:
    """The same tensors under the other side's names.

    Args:
        tensors: by name; the values are not looked at.
        table: pairs (their template, our template).
        reverse: from ours to theirs.
        skipped: templates of names that are left out on purpose.
        known: numbers for placeholders that are fixed for this model, e.g. ``last=15``.

    Raises: ModelError naming every tensor that no template fits, or that two names would share.
    """
    pairs = [(ours, theirs) if reverse else (theirs, ours) for theirs, ours in table]
    rules = [(_pattern(_filled(source, known)), _filled(target, known)) for source, target in pairs]
    leave = [_pattern(template) for template in skipped]
    renamed: dict[str, Value] = {}
    strangers, clashes = [], []
    for name, value in tensors.items():
        if any(pattern.fullmatch(name) for pattern in leave):
            continue
        for pattern, target in rules:
            if match := pattern.fullmatch(name):
                new = target.format(**match.groupdict())
                if new in renamed:
                    clashes.append(name)
                renamed[new] = value
                break
        else:
            strangers.append(name)
    if strangers or clashes:
        problem = f"tensors that are not known here: {_some(strangers)}" if strangers else ""
        twice = f"tensors given twice under two names: {_some(clashes)}" if clashes else ""
        raise ModelError(
            f"{'; '.join(filter(None, (problem, twice)))}; this is another architecture, or a file of a newer version"
        )
    return renamed


def weight_norm_naming(tensors: Iterable[str]) -> str:
    """Which of the two ways the names follow: :data:`PARAMETRIZATIONS`, or else :data:`HOOKS`."""
    return PARAMETRIZATIONS if any(".parametrizations.weight.original" in name for name in tensors) else HOOKS


def encodec_from_transformers(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """transformers' names, with either weight norm, to the encodec package's."""
    hooks = rename(tensors, WEIGHT_NORM)
    return rename(hooks, ENCODEC, last=_last(hooks))


def encodec_to_transformers(tensors: Mapping[str, Value], weight_norm: str = PARAMETRIZATIONS) -> dict[str, Value]:
    """The encodec package's names to transformers', with the weight norm asked for."""
    hooks = rename(tensors, ENCODEC, reverse=True, last=_last(tensors))
    return rename(hooks, WEIGHT_NORM, reverse=True) if weight_norm == PARAMETRIZATIONS else hooks


def jasco_from_checkpoint(tensors: Mapping[str, Value]) -> dict[str, Value]:
    """A JASCO checkpoint's ``best_state`` to ours: ``field.*``, ``encoder.*`` and ``codec.*``."""
    codec, own = _split(tensors, JASCO_CODEC)
    renamed = {OUR_CODEC + name: value for name, value in encodec_from_transformers(codec).items()} if codec else {}
    return {**rename(own, JASCO, skipped=JASCO_SKIPPED), **renamed}


def jasco_to_checkpoint(tensors: Mapping[str, Value], weight_norm: str = PARAMETRIZATIONS) -> dict[str, Value]:
    """Ours to a JASCO checkpoint's ``best_state``, the codec with the weight norm asked for."""
    codec, own = _split(tensors, OUR_CODEC)
    renamed = encodec_to_transformers(codec, weight_norm) if codec else {}
    return {**rename(own, JASCO, reverse=True), **{JASCO_CODEC + name: value for name, value in renamed.items()}}


@functools.cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", template)
    text = "".join(f"(?P<{part}>{PLACEHOLDERS[part]})" if n % 2 else re.escape(part) for n, part in enumerate(parts))
    return re.compile(text)


def _filled(template: str, known: Mapping[str, int]) -> str:
    for name, number in known.items():
        template = template.replace(f"{{{name}}}", str(number))
    return template


def _last(tensors: Iterable[str]) -> int:
    """The number of the decoder's last module that has tensors."""
    numbers = [int(m[1]) for name in tensors if (m := re.match(r"decoder\.(?:layers|model)\.(\d+)\.", name))]
    if not numbers:
        raise ModelError("no tensor of an EnCodec decoder is among these; is it another kind of model?")
    return max(numbers)


def _split(tensors: Mapping[str, Value], prefix: str) -> tuple[dict[str, Value], dict[str, Value]]:
    """What is called ``prefix*``, without the prefix, and the rest."""
    inside = {name[len(prefix) :]: value for name, value in tensors.items() if name.startswith(prefix)}
    return inside, {name: value for name, value in tensors.items() if not name.startswith(prefix)}


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
