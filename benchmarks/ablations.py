"""What came of a sweep: every run's model is made to play, or its codec to repeat, and one table says who followed.

``python benchmarks/ablations.py RUNS --corpus DIR [--clips 16] [--swap chords,drums,melody] [--out FILE.md]``

RUNS is the folder of ``flowmusic train -m experiment=ablation/...``.  Codecs go through the gate
(``flowmusic.evaluate.codec_gate``), fields through the table of adherence (``flowmusic.evaluate.adherence_table``),
each with what the shipped models are judged with.  A run's results are kept in RUN/heard, so that a stopped call goes
on.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from flowmusic import options
from flowmusic.apps import runs
from flowmusic.errors import UsageError, guarded
from flowmusic.evaluate import adherence_table, codec_gate
from flowmusic.interop import bundle, model_files
from flowmusic.metrics.report import GATE_KEYS, write_text

LOSSES = ("by_time/mean", "validation/loss")
"""The first that a run has is shown: the one that does not depend on what the run was asked."""


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("runs", type=options.existing_path, metavar="RUNS")
    add("--corpus", type=options.existing_path, required=True, metavar="DIR", help="with a test split and drum stems")
    add("--clips", type=options.integer("clips"), default=16, metavar="N", help="default: %(default)s")
    add("--swap", default="chords,drums,melody", metavar="LIST", help="controls whose floor is measured")
    add("--seed", type=options.seed, default=0)
    add("--out", type=Path, metavar="FILE.md")
    return parser


def run(args: argparse.Namespace) -> int:
    found = [each for each in runs.read_runs(args.runs) if each.steps is not None]
    if not found:
        raise UsageError(f"no finished training runs under {args.runs}; make some with flowmusic train -m")
    found.sort(key=lambda each: each.name)
    varied = runs.differing(found)
    rows = [_row(each, varied, args) for each in found]
    text = "\n".join(_markdown(rows)) + "\n"
    print(text, end="")
    if args.out is not None:
        write_text(args.out, text)
    return 0


def _row(each: runs.Run, varied: Sequence[str], args: argparse.Namespace) -> dict[str, str]:
    folder = args.runs / each.name
    print(f"listening to {each.name}", file=sys.stderr)
    row = {_short(key): _short(each.overrides.get(key, "-")) for key in varied} or {"run": each.name}
    row["steps"] = str(each.steps)
    row["CPU s"] = f"{each.metrics.get('budget/cpu_s', float('nan')):.0f}"
    loss = next((key for key in LOSSES if key in each.metrics), None)
    if loss is not None:
        row[loss] = f"{each.metrics[loss]:.4f}"
    out = folder / "heard"
    common = ["--corpus", str(args.corpus), "--clips", str(args.clips), "--out", str(out)]
    if model_files.read(folder / "bundle").config["kind"] in bundle.CODECS:
        report = out / "codec_gate.json"
        if not report.is_file():
            _quietly(codec_gate, ["--codec", str(folder / "bundle"), *common])
        system = json.loads(report.read_text(encoding="utf-8"))["systems"]["codec"]
        row |= {key: f"{system[key]['norm']['mean']:.2f}" for key in GATE_KEYS}
        row["SI-SDR"] = f"{system['si_sdr']['raw']['mean']:.1f} dB"
        return row
    seeded = ["--seed", str(args.seed), "--swap", args.swap, "--no-codec-row"]
    _quietly(adherence_table, ["--model", str(folder / "bundle"), *common, *seeded])
    system = json.loads((out / "report.json").read_text(encoding="utf-8"))["systems"]["model"]
    for key in GATE_KEYS:
        cell = system[key]
        norm = f" → {cell['norm']['mean']:.2f}" if cell["norm"] else ""
        row[key] = f"{cell['raw']['mean']:.3f} [{cell['raw']['low']:.3f}, {cell['raw']['high']:.3f}]{norm}"
    return row


def _quietly(app: object, arguments: list[str]) -> None:
    """Run an app of the package without its table on stdout.  Raises: UsageError if it could not do its work."""
    with contextlib.redirect_stdout(io.StringIO()):
        code = app.main(arguments)  # type: ignore[attr-defined]
    if code == 2:
        raise UsageError(f"{app.__name__} refused {' '.join(arguments)}")  # type: ignore[attr-defined]


def _short(word: str) -> str:
    """``model.field.width`` is ``width``, and a component goes by its name."""
    return word.removesuffix("._target_").rpartition(".")[2] if not _is_number(word) else word


def _is_number(word: str) -> bool:
    return word.replace(".", "", 1).replace("-", "", 1).isdigit()


def _markdown(rows: Sequence[dict[str, str]]) -> list[str]:
    keys = list(dict.fromkeys(key for row in rows for key in row))
    lines = [f"| {' | '.join(keys)} |", f"|{'---|' * len(keys)}"]
    return lines + [f"| {' | '.join(row.get(key, '–') for key in keys)} |" for row in rows]


if __name__ == "__main__":
    sys.exit(guarded("ablations", lambda: run(build_parser().parse_args())))
