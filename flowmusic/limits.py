"""The numbers that music and machines have: one table, asked wherever a number is read.

Whoever reads a number from a flag, a configuration, a model's description, a control sheet, a manifest, labels or the
header of a sound asks the table before anything is computed or allocated with it.  ``python -m flowmusic.limits``
prints the table, which docs/limits.md shows.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

DIGITS = 40
"""Characters of a number that are shown in a message, and the most that a frame rate is written with."""


class LimitError(ValueError):
    """A number that is none, or outside of what the table allows; the message says what is allowed."""


@dataclass(frozen=True)
class Limit:
    """One row of the table.

    Attributes:
        name: how the code asks for it.
        unit: what is counted or measured; empty for a plain number.
        low, high: the smallest and the largest number that is allowed.
        why: what lies beyond, or what the range is taken from.
        keys: names of such numbers in configurations and in descriptions of models.
        whole: no fractions.
        all_by_minus_one: -1 stands for all there are, or for no limit.
    """

    name: str
    unit: str
    low: float
    high: float
    why: str
    keys: tuple[str, ...] = ()
    whole: bool = False
    all_by_minus_one: bool = False

    def message(self, given: str, place: str = "", low: float | None = None, high: float | None = None) -> str:
        """What is said of a number outside of it.

        >>> print(limit("bpm").message("1e6", "bpm"))
        bpm must be a number of beats a minute from 20 to 400, got 1e6 (slower or faster, nobody feels a beat)

        A flag says its own name before it:

        >>> print(limit("bpm").message("'1e6'"))
        '1e6' is not a number of beats a minute between 20 and 400 (slower or faster, nobody feels a beat)
        """
        kind = ("a whole number" if self.whole else "a number") + (f" of {self.unit}" if self.unit else "")
        least, most = shown(self.low if low is None else low), shown(self.high if high is None else high)
        if not place:
            return f"{given} is not {kind} between {least} and {most} ({self.why})"
        return f"{place} must be {kind} from {least} to {most}, got {given} ({self.why})"


def _row(name: str, unit: str, low: float, high: float, why: str, keys: str = "", **more: bool) -> Limit:
    return Limit(name, unit, low, high, why, tuple(keys.split()), **more)


_TABLE = (
    # Time and music
    _row("seconds", "seconds", 0.1, 7200, "of one take, clip or window; make longer music of several",
         "seconds crop_seconds validation_crop_seconds style_seconds window_seconds shortest_window"),
    _row("piece_seconds", "seconds", 1, 3600, "of the pieces that recordings are cut into for shards"),
    _row("clip_seconds", "seconds", 2, 600, "of the pieces that the corpus composes", "clip_seconds"),
    _row("style_excerpt", "seconds", 1.5, 4.5, "as long as the excerpts that a style was trained on"),
    _row("recording", "seconds", 0.001, 604_800, "no recording is longer than a week", "duration"),
    _row("source", "seconds", 0.05, 900, "of a recording to be edited, which is in memory whole; cut out a part"),
    _row("export", "seconds", 1, 600, "of a recording to be taken apart: less has no bar, more does not fit in memory"),
    _row("time", "seconds", -604_800, 604_800, "of something within a recording, from its start or a part's"),
    _row("bpm", "beats a minute", 20, 400, "slower or faster, nobody feels a beat", "bpm"),
    _row("meter_beats", "beats", 1, 16, "over 2, 4, 8 or 16, such as 4/4 or 6/8", whole=True),
    _row("bars", "bars", 1, 2_000, "of one loop, region or extension; an hour has some 1800", whole=True),
    _row("loop_seconds", "seconds", 1, 120, "shorter is no music, and longer is a piece rather than a loop"),
    _row("pitch", "", 0, 127, "the numbers of MIDI notes", "pitch", whole=True),
    _row("frame_rate", "frames a second", 0.5, 1000, "latents and controls have 10 to 150", "frame_rate"),
    _row("frames", "frames", 1, 10**8, "more than a week at 150 a second", "num_frames", whole=True),
    _row("sample_rate", "Hz", 500, 768_000, "a telephone has 8000, the finest recorders 768000",
         "rate sample_rate sampling_rate", whole=True),
    _row("hertz", "Hz", 0, 384_000, "half of the highest sample rate", "top_hz from_hz to_hz"),
    _row("cut", "Hz", 2500, 14_000, "below is too little to paint from, above too little to paint"),
    _row("channels", "channels", 1, 64, "ambisonics of the seventh order has 64", "channels", whole=True),
    _row("silence", "dBFS", -120, 0, "below is less than any recording holds"),
    _row("hours", "hours", 1e-6, 10_000, "of one corpus; compose several, each with a seed of its own",
         "hours more_hours"),
    _row("corpus_clips", "clips", 1, 2_000_000, "of one corpus, whose list is in memory", whole=True),
    # Generating
    _row("guidance", "", -1000, 1000, "a finite weight: far from 1, nothing of the music is left", "guidance"),
    _row("apg_eta", "", -1000, 1000, "a finite share: 0 projects, 1 is plain guidance", "eta"),
    _row("apg_norm", "", 1e-6, 1e6, "positive, in units of latents, which are about 1; without it there is no limit",
         "norm"),
    _row("apg_momentum", "", -0.999, 0.999, "a share of the updates before; at 1 they would add up for ever",
         "momentum"),
    _row("guidance_rescale", "", 0, 1, "0 leaves what guidance makes larger, 1 takes all of that back",
         "guidance_rescale"),
    _row("style_detail", "levels", 1, 6, "1 is a hint, 6 what the model keeps of a style", whole=True),
    _row("style_timbre", "", 0, 1, "0 leaves the sound to the field, 1 gives it all of the excerpt's statistics",
         "style_timbre"),
    _row("adapter_scale", "", -2, 2, "0 is the base, 1 what was trained"),
    _row("pseudoword_scale", "", 0, 10, "0 is the plain starting word, 1 the concept"),
    _row("solver_steps", "steps", 1, 10_000, "of a solver; a few dozen are enough", "steps", whole=True),
    _row("tolerance", "", 1e-12, 1, "of an adaptive solver", "tolerance"),
    _row("takes", "takes", 1, 1000, "of one command; give it again for more", "count", whole=True),
    _row("seed", "", 0, 2**62, "takes and clips count on from it, and 2^63 is the end of such numbers", whole=True),
    _row("noise_seed", "", 0, 2**63 - 2, "what the generator of random numbers takes", whole=True),
    _row("vectors", "vectors", 1, 16, "of one pseudoword", whole=True),
    _row("pseudoword_steps", "steps", 0, 10_000, "of learning one word", whole=True),
    # Data and evaluation
    _row("channel_runs", "", 0, 1e6, "a number of channels, or what each of them gets",
         "channel_weights guided_channels timbre_channels"),
    _row("share", "", 0, 1, "a part of a whole",
         "dropout drop mask word_dropout utilisation decay betas times as_onsets drums_as_onsets audio_text audio "
         "captioned min_confidence span context everything text_only feel_only words_only quantile facts fact "
         "instrument drop_each plain context_noise preview"),
    _row("masked_spans", "spans", 1, 4, "to be made at once where latents are given around them", "spans", whole=True),
    _row("clips", "clips", 2, 1_000_000, "of a test set", "clips sweep_clips", whole=True),
    _row("page_clips", "clips", 0, 10_000, "on one page", "page_clips", whole=True),
    _row("clips_per_shard", "clips", 1, 100_000, "of one file, which is in memory as a whole", "clips_per_shard",
         whole=True),
    _row("neighbours", "neighbours", 1, 1000, "of one vector", whole=True),
    _row("count", "things", 0, 1_000_000, "of what is counted in a configuration",
         "limit pairs group windows captions text_cache lanes validation_batches validation_shards validation_clips "
         "calibration_batches prepare_batches iterations num_sanity_val_steps save_top_k flush_logs_every_n_steps "
         "format version", whole=True,
         all_by_minus_one=True),
    _row("batch", "items", 1, 4096, "at once, in the memory of one device", "batch validation_batch", whole=True),
    # Training
    _row("training_seed", "", 0, 2**32 - 1, "the seed of every library that draws numbers", "seed", whole=True),
    _row("training_steps", "steps", 0, 10**9, "a step a millisecond would take eleven days",
         "max_steps max_epochs total_steps warmup begin accumulate_grad_batches every_n_train_steps every_n_steps "
         "log_every_n_steps val_check_interval chord_steps drum_steps separator_steps", all_by_minus_one=True),
    _row("learning_rate", "", 0, 10, "above, every step destroys what was learned", "lr"),
    _row("loss_weight", "", 0, 1e6, "of a part of a loss, a decay of weights or a clipped gradient",
         "weight weight_decay tonality_weight complex_weight wave_weight sdr_weight spectrum_weight larger matching "
         "align describe mean_weight outset gradient_clip_val temperature triad_share onset_share"),
    _row("noise", "", 0, 1000, "in units of latents, which are about 1", "noise sigma_min equalise_db"),
    _row("budget", "seconds", 0, 1e11, "of work, or since 1970", "wall_s cpu_s sitting_wall_s until reserve_s"),
    _row("short_time", "seconds", 0, 60, "of a blur or a bin of the drum control", "blur_s bin_s"),
    _row("flops", "operations a second", 1, 1e21, "of one device", "flops"),
    _row("minutes", "minutes", 0.05, 1_000_000, "of one sitting"),
    # Networks
    _row("layers", "layers", 0, 1000, "the deepest networks of music have some 100",
         "layers num_layers lstm encoder_blocks decoder_blocks cross_every style_layer layer n_residual_layers",
         whole=True),
    _row("heads", "heads", 1, 1024, "of attention", "heads num_heads", whole=True),
    _row("width", "channels", 0, 65_536, "of a layer or a feature; the widest networks have some 20000",
         "width dim features frames_dim time_dim time_hidden text_dim chords_dim drums_dim melody_dim "
         "hidden outputs drums_latent_dim head_width wave_dim spectrum_dim filters n_filters bands words dimension "
         "tone_channels",
         whole=True),
    _row("expansion", "", 0.01, 64, "how much wider a layer is inside", "expansion compress"),
    _row("vocabulary", "entries", 1, 10_000_000, "of a table of vectors",
         "ids bins chords_card melody_bins vocab_size", whole=True),
    _row("levels", "levels", 1, 64, "of a quantiser", "levels detail n_q", whole=True),
    _row("samples", "samples or frames", 1, 2**20, "of one step, window or kernel",
         "hop n_fft n_ffts ratios stack stride kernel kernel_size last_kernel_size residual_kernel_size dilations "
         "dilation_base blur", whole=True),
    _row("tokens", "tokens", 1, 4096, "of one prompt", "tokens", whole=True),
    _row("rank", "", 1, 4096, "of an adapter's matrices", "rank", whole=True),
    _row("alpha", "", 1e-6, 1e6, "of an adapter: the strength is alpha / rank", "alpha"),
    # The machine
    _row("workers", "processes", 1, 4096, "each takes some 300 MB of memory", whole=True),
    _row("reading_workers", "processes", 0, 1024, "that read data beside a training; 0 is a thread", "workers",
         whole=True),
    _row("threads", "threads", 1, 1024, "no machine has more cores", "threads", whole=True),
    _row("devices", "devices", 1, 4096, "of one training", "devices num_nodes", whole=True, all_by_minus_one=True),
    _row("port", "", 0, 65_535, "of TCP; 0 takes any that is free", whole=True),
    _row("mebibytes", "MiB", 1, 1_000_000, "of files that are carried", whole=True),
    _row("files", "files", 2, 1_000_000, "that are carried together", whole=True),
    _row("number", "", -1e15, 1e15, "no other number has a use here"),
)  # fmt: skip

LIMITS: Mapping[str, Limit] = {row.name: row for row in _TABLE}
"""The table by name."""
_BY_KEY: Mapping[str, Limit] = {key: row for row in _TABLE for key in row.keys}
_GROUPS = frozenset({"guidance", "dropout", "min_confidence", "preview"})
"""Keys whose entries bear the names of controls."""
_RATE = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?(/[0-9]{1,9})?")


def limit(name: str) -> Limit:
    """The row of that name."""
    return LIMITS[name]


def shown(value: object) -> str:
    """A number for a message: short, and without the exponent where it needs none.

    >>> shown(604800.0), shown(1e-6), shown("9" * 1000)
    ('604800', '1e-06', "'9999999999999999...9999999999999999'")
    """
    if isinstance(value, str):
        return repr(value if len(value) <= DIGITS else f"{value[:16]}...{value[-16:]}")
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= 10**20:
        return f"a number of about {int(value.bit_length() * math.log10(2))} digits"  # its own text may be refused
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, float):
        return f"{value:g}"
    text = repr(value)
    return text if len(text) <= DIGITS else f"{text[:16]}...{text[-16:]}"


def number(name: str, value: Any, place: str = "", *, low: float | None = None, high: float | None = None) -> float:
    """A number of a kind, if it is one.

    Args:
        name: of the row.
        value: a number; NaN, infinity, true and text are none.
        place: where it stands, for the message.
        low, high: bounds of this place, within those of the table.

    Raises: LimitError.
    """
    row = LIMITS[name]
    least, most = (row.low if low is None else low), (row.high if high is None else high)
    is_number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (row.whole and value != int(value)):
        if not (is_number and row.all_by_minus_one and value == -1):
            raise LimitError(row.message(shown(value), place, low, high))
    if row.whole:
        return int(value)
    return float(value) + 0.0  # -0.0 + 0.0 is 0.0


def whole(name: str, value: Any, place: str = "", *, low: float | None = None, high: float | None = None) -> int:
    """As :func:`number`, for rows of whole numbers."""
    return int(number(name, value, place, low=low, high=high))


def of_text(name: str, text: str, place: str = "", *, low: float | None = None, high: float | None = None) -> float:
    """A number of a kind as a person wrote it.  Raises: LimitError, with the text as it was given."""
    row = LIMITS[name]
    try:
        if len(text) > 4 * DIGITS:  # reading a number takes time by the square of its digits
            raise ValueError
        return number(name, int(text) if row.whole else float(text), low=low, high=high)
    except ValueError:
        raise LimitError(row.message(shown(text), place, low, high)) from None


def frame_rate(value: Any, place: str = "frame_rate") -> Fraction:
    """Frames a second: a number, or text such as ``75/2``, of a few digits.

    Raises: LimitError.
    """
    wrong = LimitError(
        f"{place} must be frames per second such as 25 or '75/2', positive and with few digits, got {shown(value)}; "
        f"{shown(limit('frame_rate').low)} to {shown(limit('frame_rate').high)} are read"
    )
    if isinstance(value, str) and _RATE.fullmatch(value.strip()):
        top, slash, bottom = value.strip().partition("/")
        if slash and not int(bottom):
            raise wrong
        rate = Fraction(top) / int(bottom or 1)
    elif isinstance(value, int | Fraction) and not isinstance(value, bool):
        rate = Fraction(value)
    elif isinstance(value, float) and math.isfinite(value):
        rate = Fraction(value).limit_denominator(10**6)
    else:
        raise wrong
    row = LIMITS["frame_rate"]
    if not row.low <= rate <= row.high or max(rate.numerator.bit_length(), rate.denominator.bit_length()) > 64:
        raise wrong
    return rate


def sound(rate: Any, channels: Any, frames: Any, place: str) -> None:
    """What the header of a sound says.  Raises: LimitError for what no recording has."""
    whole("sample_rate", rate, f"{place}: sample rate")
    whole("channels", channels, f"{place}: channels")
    most = int(LIMITS["recording"].high * rate)
    if isinstance(frames, int) and frames > most:
        raise LimitError(LIMITS["recording"].message(shown(frames / rate), f"{place}: length"))


def moments(*times: float) -> bool:
    """Whether all of some seconds can be of something in a recording, also as counted from a part of it."""
    most = 2 * LIMITS["time"].high
    return all(-most <= time <= most for time in times)


def tree(values: Any, place: str = "") -> None:
    """Every number in plain data that a configuration or the description of a model holds, by the name of its key.

    Args:
        values: nested mappings and lists; what is no number is passed over.
        place: the file or command, before the path of the key in messages.

    Raises: LimitError.
    """
    for path, row, value in numbers(values):
        number(row.name, value, f"{place}: {path}" if place else path)


def numbers(values: Any) -> Iterator[tuple[str, Limit, float]]:
    """Path, row and value of every number in such data."""
    yield from _numbers(values, "", None)


def of_key(key: str) -> Limit | None:
    """The row of the numbers with a name in configurations."""
    return _BY_KEY.get(key)


def _numbers(value: Any, path: str, row: Limit | None) -> Iterator[tuple[str, Limit, float]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            # Under guidance, dropout and the like, the names of controls follow.
            group = row if row is not None and not _GROUPS.isdisjoint(path.split(".")) else None
            yield from _numbers(part, f"{path}.{key}" if path else str(key), of_key(str(key)) or group)
    elif isinstance(value, list | tuple):
        # A list of devices holds their numbers, and 0 is one.
        inner = LIMITS["count"] if row is LIMITS["devices"] else row
        for index, part in enumerate(value):
            yield from _numbers(part, f"{path}[{index}]", inner)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, row or LIMITS["number"], value


def oversized(settings: Any, most: float, most_layers: float, name: str = "") -> Iterator[str]:
    """Numbers in the description of somebody else's network that would build something endless, as ``key = value``.

    Args:
        settings: nested mappings and lists.
        most: the largest of its numbers.
        most_layers: the largest of those whose key speaks of layers or depths.
    """
    if isinstance(settings, Mapping):
        for key, part in settings.items():
            yield from oversized(part, most, most_layers, str(key))
    elif isinstance(settings, list):
        for part in settings:
            yield from oversized(part, most, most_layers, name)
    elif isinstance(settings, int | float):
        deep = any(word in name for word in ("layers", "depth", "lstm"))
        if not abs(settings) <= (most_layers if deep else most):
            yield f"{name[:60]} = {shown(settings)}"


def cores() -> int:
    """Cores of this machine that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def on_this_machine(name: str, value: int, place: str = "", each: int = 32) -> int:
    """A number of processes that are to run here, at most ``each`` to a core, and two on any machine.

    Raises: LimitError.
    """
    most = max(2, each * cores())
    if value > most:
        before = f"{place}: " if place else ""
        raise LimitError(
            f"{before}{shown(value)} {LIMITS[name].unit} are too many for a machine with {cores()} cores; "
            f"give at most {most}"
        )
    return value


def table() -> str:
    """The table in Markdown."""
    lines = ["| number | unit | lowest | highest | why | keys in configurations |", "|---|---|---|---|---|---|"]
    for row in _TABLE:
        minus = ", or -1 for all" if row.all_by_minus_one else ""
        low = f"{shown(row.low)}{minus}"
        keys = ", ".join(f"`{key}`" for key in row.keys)
        lines.append(f"| {row.name} | {row.unit} | {low} | {shown(row.high)} | {row.why} | {keys} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
