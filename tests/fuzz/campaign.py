"""A campaign of hostile inputs: each is read, or refused on one line by an error of ours; anything else is a failure.

A kind of input is a module here: a function that yields variants from a seed, and a slow test that hands them to
:func:`run` with a reader of the project's.  ``pytest tests/fuzz -m slow -q -s`` prints a row of counts per kind.
"""

from __future__ import annotations

import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

MIB = 2**20
MEMORY_MIB, SECONDS, LETTERS = 2048, 10, 500
"""What reading one input may take beyond the process as it is, and how long a message may be."""
PACKAGES = ("flowmusic", "feature_extractors")
PLAIN = (ValueError, FileNotFoundError)
"""Errors of Python's own that our code raises for bad input; a library's are none of ours."""
SHOWN = 10


class Refused(ValueError):
    """For readers that tell what is wrong instead of raising it."""


@dataclass(frozen=True)
class Input:
    """One variant.

    Attributes:
        label: what was done to it, for a failure to be found again.
        content: what the reader is given: a path, a text, anything.
        names: what a message must hold to say where the fault is; empty where the input is no file.
    """

    label: str
    content: Any
    names: str = ""


@dataclass
class Counts:
    """What became of the inputs of a kind."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    peak_mib: float = 0.0
    longest_s: float = 0.0

    def row(self) -> str:
        """A line of the table in docs/reliability.md."""
        total = sum(self.outcomes.values())
        return (
            f"| {self.kind} | {total} | {self.outcomes['read']} | {self.outcomes['refused']} | "
            f"{self.outcomes['failed']} | {self.peak_mib:.0f} | {self.longest_s:.1f} |"
        )


HEADER = "| kind | inputs | read | refused | failed | most memory (MiB) | longest (s) |"


def run(
    kind: str,
    inputs: Iterable[Input],
    read: Callable[[Any], object],
    memory_mib: int = MEMORY_MIB,
    seconds: int = SECONDS,
) -> Counts:
    """Hand every input to a reader, count what became of it, and print the counts.

    Raises: AssertionError showing the first inputs that ended in anything but a reading or a refusal.
    """
    counts = Counts(kind)
    for each in inputs:
        began = time.monotonic()
        with _peak(counts):
            outcome = _judged(each, read, memory_mib, seconds)
        counts.longest_s = max(counts.longest_s, time.monotonic() - began)
        counts.outcomes[outcome if outcome in ("read", "refused") else "failed"] += 1
        if outcome not in ("read", "refused"):
            counts.failures.append(f"{each.label}: {outcome}")
    print(f"\n{counts.row()}")
    shown = "\n".join(counts.failures[:SHOWN])
    assert not counts.failures, f"{len(counts.failures)} of {sum(counts.outcomes.values())} inputs of {kind}:\n{shown}"
    return counts


def _judged(each: Input, read: Callable[[Any], object], memory_mib: int, seconds: int) -> str:
    """``read``, ``refused``, or what is wrong with the outcome."""
    try:
        with _limits(memory_mib, seconds):
            read(each.content)
    except Exception as error:
        return fault(error, each.names) or "refused"
    return "read"


def fault(error: Exception, names: str) -> str:
    """What is wrong with an error as the answer to bad input; empty for nothing."""
    kind, message = type(error), str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    ours = kind.__module__.partition(".")[0] in (*PACKAGES, "tests")
    raised_by_us = kind in PLAIN and any(f"/{package}/" in last.filename for package in PACKAGES)
    if not ours and not raised_by_us:
        return f"{kind.__module__}.{kind.__name__} from {Path(last.filename).name}:{last.lineno}: {message[:200]}"
    if not message or len(message) > LETTERS or not message.isprintable():
        return f"a message of {len(message)} letters, or not on one line: {message[:200]!r}"
    return "" if names in message else f"the message does not name {names}: {message[:200]}"


class _TooSlow(BaseException):
    """No reader catches it."""


@contextmanager
def _limits(memory_mib: int, seconds: int) -> Iterator[None]:
    """Within so much more address space than there is now, and so much time."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooSlow

    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + memory_mib * MIB, hard))
    signal.alarm(seconds)
    try:
        yield
    except _TooSlow:
        raise TimeoutError(f"longer than {seconds} s") from None
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@contextmanager
def _peak(counts: Counts) -> Iterator[None]:
    """Note the most resident memory beyond what there was."""
    Path("/proc/self/clear_refs").write_text("5")  # sets the high-water mark back
    before = _status("VmRSS")
    yield
    counts.peak_mib = max(counts.peak_mib, (_status("VmHWM") - before) / MIB)


def _status(name: str) -> int:
    """Bytes, as the kernel counts them."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise KeyError(name)


def both_ways(counts: Counts, share: float = 0.02) -> None:
    """A campaign that reads nearly all or refuses nearly all looks at one half of the reader only."""
    total = sum(counts.outcomes.values())
    assert min(counts.outcomes["read"], counts.outcomes["refused"]) >= share * total, counts.outcomes
