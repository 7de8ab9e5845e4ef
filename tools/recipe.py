"""``python -m tools.recipe NAME|FILE --minutes M --state DIR``: the stages of a recipe, one sitting at a time.

A recipe lists commands and what each leaves when it is done.  A stage whose file is there is passed over, so a call
after an interruption, or on another machine with the state brought along, goes on where the last one stopped.  What a
stage leaves under {state} is kept; what it leaves under {work} is made again where it is missing.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import options, plain
from flowmusic.errors import DONE, FAILED, UsageError, guarded, reading_input
from flowmusic.locks import NAME, InUse, locked
from flowmusic.options import Parser
from flowmusic.paths import fitted

LOG = "recipe.json"
GRACE_S = 20.0
"""What a stage may run over its time before it is ended."""


@dataclass(frozen=True)
class Stage:
    """One command of a recipe.

    Attributes:
        name: as it is reported.
        command: words, of which the first ``python`` is this interpreter; ``{key}`` stands for a setting, and a word
            that is nothing else for all words of a list.  ``{until}`` and ``{minutes}`` are the time that is left, as
            a time of day (seconds since 1970) and as a length.
        done: the file that it leaves when it has come to its end.
        whole_s: seconds that it needs in one go; None for one that stops in time and goes on by itself.
        drop: folders that nobody needs once it is done.
    """

    name: str
    command: str
    done: str
    whole_s: float | None = None
    drop: tuple[str, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Stages in their order.

    Attributes:
        reserve_s: of a sitting: for the start of a stage, its last checkpoint, and packing.
        moments: whether packed checkpoints keep the optimiser's moments.
        settings: what ``{key}`` stands for.
    """

    stages: tuple[Stage, ...]
    reserve_s: float
    moments: bool
    settings: Mapping[str, Any]


def read(name: str, given: Sequence[str] = ()) -> Recipe:
    """A recipe by file or by name (``conf/recipe/NAME.yaml``), with ``key=value`` in place of its settings.

    Raises: UsageError for anything that is not as it must be; the message says what is.
    """
    from flowmusic.train.command import config_folder

    folder = config_folder() / "recipe"
    file = Path(name) if name.endswith((".yaml", ".yml")) else folder / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(p.stem for p in folder.glob("*.yaml")))
        raise UsageError(f"there is no recipe {name!r}; known: {known}, or give a .yaml file")
    try:
        content = plain.read_yaml(file)
        stages = tuple(Stage(**{**s, "drop": tuple(s.get("drop", ()))}) for s in content.pop("stages"))
        settings = dict(content.pop("settings", {}))
        recipe = Recipe(stages, float(content.pop("reserve_s")), bool(content.pop("moments", True)), settings)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise UsageError(f"{file} is no recipe ({plain.reason(error)}); docs/recipes.md says what one holds") from error
    if content:
        unknown = plain.shown(sorted(map(str, content)))
        raise UsageError(f"{file} has unknown keys {unknown}; known: stages, settings, reserve_s, moments")
    for item in given:
        key, equals, value = item.partition("=")
        if not equals or key not in settings:
            raise UsageError(f"--set takes key=value with one of {', '.join(settings)}, got {item!r}")
        settings[key] = plain.yaml_of(value, f"--set {key}") if value.startswith("[") else value
    return recipe


def words(command: str, settings: Mapping[str, Any]) -> list[str]:
    """The words of a command with its settings filled in.

    >>> words("python {more} --out {state}/a", {"more": ["-m", "x y"], "state": "s"})[1:]
    ['-m', 'x y', '--out', 's/a']

    Raises: UsageError for a setting that is not there.
    """
    found: list[str] = []
    try:
        for word in shlex.split(command):
            value = settings.get(word[1:-1]) if word.startswith("{") and word.endswith("}") else None
            found += [str(v) for v in value] if isinstance(value, list) else [word.format_map(settings)]
    except KeyError as error:
        raise UsageError(f"the recipe asks for {{{error.args[0]}}}; known: {', '.join(settings)}") from error
    return [sys.executable, *found[1:]] if found[0] == "python" else found


def sit(recipe: Recipe, state: Path, work: Path, minutes: float, cores: int) -> int:
    """Run stages until they are done or the time is up.

    Returns: how many stages are done, of all.
    Raises: UsageError for a stage that no sitting of this length can hold; InUse while another recipe is at work there;
        RuntimeError for a stage that failed.
    """
    began = time.monotonic()
    deadline = began + minutes * 60.0 - recipe.reserve_s
    if deadline <= began:
        raise UsageError(f"--minutes {minutes:g} is no more than the {recipe.reserve_s:g} s that the recipe reserves")
    for stage in recipe.stages:
        if stage.whole_s is not None and began + stage.whole_s > deadline:
            raise UsageError(f"stage {stage.name} needs {stage.whole_s:g} s in one go; give more --minutes")
    state.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    with locked(state / NAME, f"another recipe is at work in {state}; wait for it, or give another --state"):
        return _go_on(recipe, state, work, deadline, cores)


def _go_on(recipe: Recipe, state: Path, work: Path, deadline: float, cores: int) -> int:
    from flowmusic.files import write_text

    log = plain.read_json(state / LOG) if (state / LOG).is_file() else []
    sitting = 1 + max((entry["sitting"] for entry in log), default=0)
    places = {**recipe.settings, "state": str(state), "work": str(work), "cores": cores}
    for count, stage in enumerate(recipe.stages):
        done = Path(stage.done.format_map(places))
        if done.is_file():
            continue
        left = deadline - time.monotonic()
        if left < (stage.whole_s or 1.0):
            return count
        seconds = max(1, int(left))
        command = words(stage.command, {**places, "until": int(time.time() + left), "minutes": f"{left / 60:.2f}"})
        print(f"{stage.name}: at most {seconds} s: {shlex.join(command)}", file=sys.stderr, flush=True)
        at = time.monotonic()
        code = _call(command, left + GRACE_S)
        spent = time.monotonic() - at
        finished = code == 0 and done.is_file()
        log.append({"stage": stage.name, "sitting": sitting, "seconds": round(spent, 1), "finished": finished})
        write_text(state / LOG, json.dumps(log, indent=1) + "\n")
        if finished:
            for folder in stage.drop:
                shutil.rmtree(folder.format_map(places), ignore_errors=True)
            continue
        if code is not None and code != 0:
            raise RuntimeError(f"stage {stage.name} failed with exit code {code}; its last lines above say why")
        if code == 0 and time.monotonic() < deadline:
            raise RuntimeError(f"stage {stage.name} came to its end without leaving {done}")
        return count
    return len(recipe.stages)


def _call(command: Sequence[str], limit_s: float) -> int | None:
    """Exit code of a command, or None if it had to be ended.  What it prints goes to stderr."""
    process = subprocess.Popen(command, stdout=2)
    try:
        return process.wait(limit_s)
    except subprocess.TimeoutExpired:
        print(f"ended after {limit_s:.0f} s: it did not stop by itself", file=sys.stderr)
        return None
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(5.0)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def build_parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="python -m tools.recipe",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("recipe", metavar="NAME|FILE", help="conf/recipe/NAME.yaml, or a .yaml file")
    parser.add_argument("--minutes", type=options.limited("minutes"), required=True, help="of this sitting")
    parser.add_argument("--state", type=Path, required=True, metavar="DIR", help="what is kept between sittings")
    parser.add_argument("--work", type=Path, metavar="DIR", help="what can be made again (STATE.work)")
    parser.add_argument("--from", type=Path, dest="source", metavar="PARTS", help="unpack it first, if STATE is new")
    parser.add_argument("--out", type=Path, metavar="PARTS", help="pack the state, compactly, at the end")
    parser.add_argument("--cores", type=options.workers, default=os.cpu_count() or 1, help="processes (all)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of the recipe")
    return parser


def run(args: argparse.Namespace) -> int:
    """Sit, pack, and print how far it is."""
    from tools import pack_run

    recipe = read(args.recipe, args.set)
    work = args.work if args.work is not None else args.state.with_name(fitted(args.state.name, ".work"))
    if args.source is not None and not args.state.exists():
        with reading_input():
            pack_run.unpack(args.source, args.state)
    failure: RuntimeError | None = None
    done = 0
    try:
        done = sit(recipe, args.state, work, args.minutes, args.cores)
    except InUse as busy:
        raise UsageError(str(busy)) from None
    except RuntimeError as error:
        # What was reached until then is packed all the same.
        failure = error
    if args.out is not None:
        for path in pack_run.pack(args.state, args.out, compact=True, moments=recipe.moments):
            print(path)
    if failure is not None:
        print(f"recipe: error: {failure}", file=sys.stderr)
        return FAILED
    rest = [stage.name for stage in recipe.stages[done:]]
    print(f"{done} of {len(recipe.stages)} stages done" + (f"; next: {rest[0]}" if rest else ""))
    return DONE


def main(argv: Sequence[str] | None = None) -> int:
    arguments = list(sys.argv[1:] if argv is None else argv)
    return guarded("recipe", lambda: run(build_parser().parse_args(arguments)))


if __name__ == "__main__":
    sys.exit(main())
