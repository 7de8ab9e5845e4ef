"""Chord texts that nobody meant: mutated chord sheets and noise end in changes of the vocabulary or in one line."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator

import pytest

from flowmusic.controls.chords import ChordError, parse
from flowmusic.controls.vocabulary import LABELS

COUNT, SEED, SECONDS = 600, 1302, 30.0
SHEETS = (
    "C Am F G", "| Am / F / | C % |", "||: Dm7 | G7 :|| x3", "0:C 2.5:Am7 4:F/A", "C - Am - F#m7b5 - G", "(C | F)x2 G",
    "(((C F) x9) x9) x9",
    "[Verse 1]\nC       Am\nHello darkness my old friend\nF  G x2\n\nChorus:\n| C∆7 | B♭/D | N.C. |",
    "e|--0--2--|\nKey: C\n[C]Hello [Am]world\nDo Re Hm vi x32010",
)  # fmt: skip
PIECES = (
    *"ABCDEFGHNXabcdefgh0123456789#b/|:%.-–—−,;()[]{}*+^~'\"\\ \t\n\r\0\x1b\x85\u200b\u2028\ufeff♭♯∆Δ△øº×…𝄆𝄇é音🎵",
    "maj7", "sus4", "dim", "m7b5", "add9", "x2", "x99", "||:", ":||", "0:", "1e9:", "nan:", "N.C.", "Do7", "./.",
    "Verse:", "(", ")", "[A]", "9" * 30, "b9" * 30, "/" * 30, " " * 30,
)  # fmt: skip


def texts(seed: int, count: int) -> Iterator[str]:
    """Sheets with some places changed, removed or doubled, and now and then pure noise or a long repetition."""
    rng = random.Random(seed)
    for _ in range(count):
        kind = rng.random()
        if kind < 0.15:
            yield "".join(rng.choices(PIECES, k=rng.randrange(1, 60)))
            continue
        letters = list(rng.choice(SHEETS))
        for _ in range(rng.randrange(1, 8)):
            at = rng.randrange(len(letters) + 1)
            change = rng.randrange(4)
            if change == 0:
                letters[at:at] = rng.choice(PIECES)
            elif change == 1:
                del letters[at : at + rng.randrange(1, 5)]
            elif change == 2:
                letters[at:at] = letters[at : at + rng.randrange(1, 9)]
            else:
                letters[at : at + 1] = rng.choice(PIECES)
        text = "".join(letters)
        yield text * rng.randrange(50, 400) if kind > 0.95 else text


@pytest.mark.slow
def test_any_text_is_read_or_refused_on_one_line() -> None:
    outcomes: Counter[str] = Counter()
    for number, text in enumerate(texts(SEED, COUNT)):
        seed = f"text {number}: {text[:200]!r}"
        try:
            line = parse(text, SECONDS)
        except ChordError as error:
            said = [str(error)]
            outcomes["refused"] += 1
        else:
            said = list(line.warnings)
            outcomes["read"] += 1
            assert line.changes, seed
            ends = [0.0]
            for start, end, label in line.changes:
                assert ends[-1] - 1e-9 <= start < end <= SECONDS + 1e-9 and label in LABELS, seed
                ends.append(end)
        for message in said:
            assert 0 < len(message) <= 500 and "\n" not in message and message.isprintable(), (seed, message)
    # A campaign that reads or refuses nearly everything would look at one half of the reader only.
    assert min(outcomes["read"], outcomes["refused"]) > COUNT // 10, outcomes
