"""``flowmusic models``: what ``--model`` accepts by name, and JASCO's checkpoints into bundles and back."""

from __future__ import annotations

import argparse
from pathlib import Path

from flowmusic.errors import DONE, UsageError, check_output, reading_input
from flowmusic.plain import read_text

CONVERT = (
    "Convert a published JASCO checkpoint (hub id, or folder with state_dict.bin and compression_state_dict.bin) into "
    "a bundle of flowmusic's, or such a bundle back into the checkpoint: SRC decides.  Every tensor keeps its value, "
    "name and dtype."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List the models that are installed with flowmusic.  --model also takes the folder of a model that you "
        "trained, and a JASCO checkpoint: its folder or its hub id."
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION")
    convert = actions.add_parser("convert", help="a JASCO checkpoint into a bundle, or back", description=CONVERT)
    convert.add_argument("source", metavar="SRC", help="checkpoint folder, hub id, or bundle folder")
    convert.add_argument("target", metavar="DST", type=Path, help="folder to write; a former result is replaced")


def run(args: argparse.Namespace) -> int:
    """List, or do the action asked for."""
    return _convert(args.source, args.target) if args.action == "convert" else _list()


def _convert(source: str, target: Path) -> int:
    from flowmusic.interop import fitting, jasco_convert, model_files

    with reading_input():
        _check_target(source, target)
        found = model_files.find(source)
        back = (found / "config.yaml").is_file()
        # A conversion keeps every tensor as it is, so it takes as much room.
        check_output(target, sum(path.stat().st_size for path in found.iterdir() if path.is_file()))
    try:
        written = (jasco_convert.to_checkpoint if back else jasco_convert.to_bundle)(source, target)
    except fitting.ModelError as error:
        raise UsageError(str(error)) from error
    print(written)
    return DONE


def _check_target(source: str, target: Path) -> None:
    from flowmusic.interop import jasco_convert

    if not target.parent.is_dir():
        raise UsageError(f"cannot write {target}: the folder {target.parent} does not exist; create it first")
    if target.is_dir() and not any(target.iterdir()):
        return
    if target.exists() and Path(source).exists() and target.samefile(source):
        raise UsageError(f"SRC and DST are the same folder, {target}; give another DST")
    if target.exists() and not (target.is_dir() and jasco_convert.is_result(target)):
        raise UsageError(f"{target} exists and is no former result of this command; give another DST, or remove it")


def _list() -> int:
    """One line per model that generates: its name and the first sentence of its card."""
    from flowmusic import plain
    from flowmusic.interop import model_files

    for name, folder in model_files.available().items():
        config = plain.read_yaml(folder / "config.yaml")
        if config.get("kind") == "flow":
            print(f"{name}\t{summary(folder / 'card.md')}")
    return DONE


def summary(card: Path) -> str:
    """The first line of a card that is neither blank, a heading nor front matter."""
    if not card.is_file():
        return "(no card)"
    lines = read_text(card).splitlines()
    if lines and lines[0].strip() == "---":
        closing = next((n for n, line in enumerate(lines[1:], start=1) if line.strip() == "---"), 0)
        lines = lines[closing + 1 :]
    return next((line.strip() for line in lines if line.strip() and not line.startswith("#")), "(empty card)")
