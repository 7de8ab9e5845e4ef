"""``flowmusic listen-test``: a page for listeners of a description, and what their results say."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from flowmusic import options, progress
from flowmusic.errors import DONE, UsageError, reading_input
from flowmusic.listening.spec import studies

ANALYSE = "analyse"
DESCRIPTION = f"""Make a listening test: one page that needs no server, of a description as webMUSHRA's.

SPEC is a YAML file, or one of the tests that come along: {", ".join(studies())}
(docs/listening.md says which files they want).

    flowmusic listen-test {ANALYSE} RESULTS... [--json]     what the results of the listeners say"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.  Raises: UsageError for what is wrong with the input."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == [ANALYSE]:
        return _analyse(arguments[1:])
    return _build(arguments)


def _build(argv: Sequence[str]) -> int:
    parser = options.Parser(
        prog="flowmusic listen-test", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("spec", type=_spec, metavar="SPEC", help="YAML, or the name of a test that comes along")
    add("--out", type=options.output_folder, required=True, metavar="DIR", help="folder of the page, made if needed")
    add("--stimuli", type=options.existing_path, metavar="DIR", help="what SPEC's paths are relative to (its folder)")
    add("--quiet", action="store_true", help="no progress or notices; only the name of the page")
    args = parser.parse_args(argv)
    if args.spec in studies().values() and args.stimuli is None:
        raise UsageError(f"{args.spec.stem} comes without sounds; name the folder of yours with --stimuli")
    progress.starting("flowmusic listen-test")
    from flowmusic.listening import page, spec

    with reading_input(), progress.quieted(args.quiet):
        if args.stimuli is not None and not args.stimuli.is_dir():
            raise UsageError(f"--stimuli {str(args.stimuli)!r} is a file; give the folder that the sounds are in")
        test = spec.read(args.spec, args.stimuli)
        for notice in () if args.quiet else test.notices:
            print(f"note: {notice}", file=sys.stderr)
        with progress.Bar("writing sounds", "sound") as bar:
            written = page.build(test, args.out, bar.to)
    print(written, flush=True)
    return DONE


def _spec(text: str) -> Path:
    return studies().get(text) or options.existing_file(text)


def _analyse(argv: Sequence[str]) -> int:
    parser = options.Parser(
        prog=f"flowmusic listen-test {ANALYSE}",
        description="Say what the results of listeners show: means, pairs and ABX, with intervals and corrected tests.",
    )
    add = parser.add_argument
    add("results", nargs="+", type=options.existing_path, metavar="RESULTS",
        help="files that the page saved, CSV of webMUSHRA, or folders of them")  # fmt: skip
    add("--json", action="store_true", help="as JSON on standard output")
    add("--keep-all", action="store_true", help="leave no listener out, whatever they gave the hidden reference")
    add("--seed", type=options.seed, default=0, metavar="N", help="of the bootstrap (0)")
    args = parser.parse_args(argv)
    from flowmusic.listening import analyse, results

    with reading_input():
        answers = results.read(args.results)
        found = analyse.analyse(answers, seed=args.seed, keep_all=args.keep_all)
    print(json.dumps(found, indent=1, ensure_ascii=False) if args.json else "\n".join(analyse.told(found)), flush=True)
    return DONE


if __name__ == "__main__":
    sys.exit(main())
