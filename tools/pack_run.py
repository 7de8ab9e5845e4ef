"""``python -m tools.pack_run pack|unpack|tree``: a run taken to another machine and back in small files.

pack writes a folder of runs as one archive in parts of at most 16 MiB with an index, unpack verifies and restores it.
With --compact, checkpoints travel at about a third of their size, and --without-moments at a fifth.
tree says what a checkout weighs together with what it is to carry, and refuses what is above a limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from flowmusic import disk, options
from flowmusic.errors import DONE, UsageError, guarded, reading_input
from flowmusic.files import MARK, temporary_folder
from flowmusic.locks import NAME
from flowmusic.options import Parser

MIB = 2**20
ARCHIVE = "run.tar.gz"
COMPACT = ".compact"
"""End of the name of a checkpoint that was made smaller."""
SKIPPED = (".tmp", ".pyc", "events.out.tfevents")


def pack(
    folder: Path, out: Path, compact: bool = False, moments: bool = True, limit: int = 64 * MIB, files: int = 8
) -> list[Path]:
    """Write a folder as parts; nothing is written if they are too many or too large together.

    Raises: UsageError.
    """
    from flowmusic.train import checkpoints
    from tools import split_file

    # The checkpoint before the last is for accidents at home.
    skipped = (*SKIPPED, checkpoints.PREVIOUS)
    found = sorted(p for p in folder.rglob("*") if p.is_file() and not any(s in p.name for s in skipped))
    found = [p for p in found if not any(part == NAME or part.startswith(MARK) for part in p.relative_to(folder).parts)]
    if not found:
        raise UsageError(f"{folder} holds no files; give the folder of a run, or one that holds several")
    with temporary_folder(Path(tempfile.gettempdir()) / ARCHIVE) as made:
        archive = made / ARCHIVE
        # Level 1: what is left after quantisation hardly shrinks further.
        with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
            for path in found:
                name = path.relative_to(folder).as_posix()
                if compact and _is_lightnings(path):
                    small = made / "checkpoint"
                    _compact(path, small, moments)
                    tar.add(small, name + COMPACT)
                else:
                    tar.add(path, name)
        size = archive.stat().st_size
        count = -(-size // split_file.PART_BYTES) + 1
        if size > limit or count > files:
            hint = "leave finished runs out" if compact and not moments else "use --compact --without-moments"
            raise UsageError(
                f"{folder} comes to {size / MIB:.1f} MiB in {count} files, allowed are {limit / MIB:g} MiB in {files}; "
                f"{hint}"
            )
        return split_file.split(archive, out)


def _compact(path: Path, target: Path, moments: bool) -> None:
    import torch

    from flowmusic.train import checkpoints
    from tools import quantise_checkpoint as small

    torch.save(small.compact(checkpoints.read(path), moments), target)


def _is_lightnings(path: Path) -> bool:
    """Whether it is a checkpoint of ``flowmusic train``; the recognisers' own are small and travel as they are."""
    return path.suffix == ".ckpt" and path.parent.name == "checkpoints"


def unpack(source: Path, folder: Path) -> list[Path]:
    """Restore what :func:`pack` wrote into a new or empty folder, which appears whole or not at all.

    Raises: UsageError for a folder that is in use, and for checkpoints that are damaged or could run code; PartsError
        for missing or damaged parts.
    """
    from tools import split_file

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is not empty; give a new folder, or delete what is there")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with temporary_folder(folder) as made, disk.naming(folder, made):
        archive = split_file.join(source, made / ARCHIVE)
        inside = made / "files"
        with tarfile.open(archive) as tar:
            tar.extractall(inside, filter="data")
        for path in sorted(inside.rglob(f"*{COMPACT}")):
            _expand(path, path.relative_to(inside), source)
        if folder.exists():
            folder.rmdir()
        os.replace(inside, folder)
    return sorted(p for p in folder.rglob("*") if p.is_file())


def _expand(path: Path, name: Path, source: Path) -> None:
    """Put a whole checkpoint in the place of a small one.  Raises: UsageError."""
    import torch

    from flowmusic.train import checkpoints
    from tools import quantise_checkpoint as small

    try:
        found = small.expand(checkpoints.read(path))
    except (checkpoints.UnsafeCheckpoint, checkpoints.DamagedCheckpoint, small.NotCompact) as error:
        reason = str(error).removeprefix(f"{path} ")
        raise UsageError(f"{name} in the parts of {source} {reason}") from None
    torch.save(found, path.with_name(path.name.removesuffix(COMPACT)))
    path.unlink()


def weigh(root: Path, carried: Sequence[Path]) -> list[tuple[str, int]]:
    """What travels with a checkout: bytes by top-level name of files that git does not ignore, and of carried paths.

    Raises: UsageError outside a checkout, or for a carried path that is not there.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], capture_output=True, cwd=root
    )
    if listed.returncode:
        raise UsageError(f"{root} is no git checkout: {listed.stderr.decode().strip()}")
    sizes: dict[str, int] = {}
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = root / name
        if path.is_file():  # one that a sparse checkout leaves out weighs nothing
            top = name.partition("/")[0] + ("/" if "/" in name else "")
            sizes[top] = sizes.get(top, 0) + path.stat().st_size
    for path in carried:
        if not path.exists():
            raise UsageError(f"{path} is to be carried and is not there")
        sizes[f"{path} (carried)"] = sum(p.stat().st_size for p in _files(path))
    return sorted(sizes.items(), key=lambda item: -item[1])


def _files(path: Path) -> Iterator[Path]:
    yield from (p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]


def table(rows: Sequence[tuple[str, int]], limit: int) -> list[str]:
    """Lines of a Markdown table; what is below 0.1 MiB is joined."""
    small = sum(size for _, size in rows if size < 0.1 * MIB)
    shown = [(name, size) for name, size in rows if size >= 0.1 * MIB] + [("all else", small)]
    total = sum(size for _, size in rows)
    lines = [f"| `{name}` | {size / MIB:.1f} |" for name, size in shown]
    return ["| what travels | MiB |", "|---|---|", *lines, f"| **together**, of {limit / MIB:g} | {total / MIB:.1f} |"]


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.pack_run",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    one = actions.add_parser("pack", help="a folder as parts")
    one.add_argument("folder", type=Path, metavar="RUN_DIR")
    one.add_argument("out", type=options.output_folder, metavar="OUT_DIR")
    one.add_argument("--compact", action="store_true", help="checkpoints at a third of their size")
    one.add_argument("--without-moments", action="store_true", help="of the optimiser; needs --compact")
    one.add_argument("--limit", type=options.integer("mebibytes"), default=64, metavar="MIB", help="of all parts (64)")
    one.add_argument("--files", type=options.integer("files"), default=8, metavar="N", help="at most so many (8)")
    one.set_defaults(run=_pack)
    two = actions.add_parser("unpack", help="parts as the folder that they were")
    two.add_argument("source", type=Path, metavar="PARTS_DIR")
    two.add_argument("folder", type=options.output_folder, metavar="RUN_DIR")
    two.set_defaults(run=_unpack)
    three = actions.add_parser("tree", help="what a checkout weighs with what it carries")
    three.add_argument("carry", nargs="*", type=Path, metavar="PATH", help="ignored paths that are to travel too")
    three.add_argument("--root", type=Path, default=Path(), metavar="DIR", help="of the checkout (here)")
    three.add_argument("--limit", type=options.integer("mebibytes"), default=64, metavar="MIB", help="together (64)")
    three.set_defaults(run=_tree)
    return parser


def _pack(args: argparse.Namespace) -> int:
    if args.without_moments and not args.compact:
        raise UsageError("--without-moments is for --compact, which is not given")
    with reading_input():
        if not args.folder.is_dir():
            raise UsageError(f"{args.folder} is no folder")
        written = pack(args.folder, args.out, args.compact, not args.without_moments, args.limit * MIB, args.files)
    for path in written:
        print(path)
    return DONE


def _unpack(args: argparse.Namespace) -> int:
    with reading_input():
        unpack(args.source, args.folder)
    print(args.folder)
    return DONE


def _tree(args: argparse.Namespace) -> int:
    rows = weigh(args.root, args.carry)
    print(os.linesep.join(table(rows, args.limit * MIB)))
    total = sum(size for _, size in rows)
    if total > args.limit * MIB:
        raise UsageError(f"{total / MIB:.1f} MiB are above {args.limit} MiB; carry less, or check out less (sparsely)")
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)

    def command() -> Any:
        args = build_parser().parse_args(arguments)
        return args.run(args)

    return guarded("carry", command)


if __name__ == "__main__":
    sys.exit(main())
