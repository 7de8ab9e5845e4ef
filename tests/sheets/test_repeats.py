"""Written bars in the order in which they are played."""

from __future__ import annotations

import pytest

from flowmusic.sheets.repeats import Marks, RepeatError, order


def marks(text: str) -> list[Marks]:
    """Bars as words: ``|:`` start, ``:|`` or ``:|3`` end, ``1,2.`` endings, ``S`` segno, ``O`` coda, ``to`` to coda,
    ``fine``, ``DC``, ``DS``; bars are separated by ``/``.
    """
    found = []
    for bar in text.split("/"):
        words = bar.split()
        ends = [word for word in words if word.startswith(":|")]
        found.append(
            Marks(
                start="|:" in words,
                end=int(ends[0][2:] or 2) if ends else 0,
                endings=frozenset(int(n) for word in words if word.endswith(".") for n in word[:-1].split(",")),
                segno="S" in words,
                coda="O" in words,
                to_coda="to" in words,
                fine="fine" in words,
                jump="D.C." if "DC" in words else "D.S." if "DS" in words else "",
            )
        )
    return found


@pytest.mark.parametrize(
    ("text", "played"),
    [
        ("-/-", "01"),
        ("|:/:|/-", "01012"),
        ("-/:|/-", "01012"),  # without a start, from the beginning
        ("-/|:/:|3/-", "01212123"),
        ("|: :|/|: :|", "0011"),
        ("-/:|/-/:|", "01012323"),  # a second end repeats from after the first
        ("|:/1. :|/2./-", "01023"),
        ("|:/1./1. :|/2./2./-", "0120345"),
        ("|:/1,2. :|/3./-", "0101023"),
        ("|:/1. :|/2. :|/3./-", "01020 34".replace(" ", "")),
        ("-/fine/-/DC", "012301"),
        ("S/-/DS", "012012"),
        ("-/S/to/-/DS/O/-", "01234 12 56".replace(" ", "")),
        ("|:/1. :|/2. fine/-/DC", "01023402"),  # after the jump no repeat, and the last ending
        ("|: :|/DC", "00101"),
    ],
)
def test_order(text: str, played: str) -> None:
    assert "".join(map(str, order(marks(text)))) == played


def test_signs_that_are_missing_and_repeats_without_end() -> None:
    with pytest.raises(RepeatError, match="bar 2 jumps to a segno sign, and none is written"):
        order(marks("-/DS"))
    with pytest.raises(RepeatError, match="more than 10000 bars"):
        order([Marks(end=99)] * 200)
