"""How often the nearest meaning gives the right fact for words that the list does not hold, by threshold.

    python benchmarks/words_by_meaning.py

Half of the words choose the threshold, the other half are for the figure: every second one, in the order of the list.
"""

from __future__ import annotations

import argparse

from benchmarks.held_out_words import OTHERS, SYNONYMS, TOLERATED
from flowmusic.inputs.words.meaning import AHEAD, LEAST, OTHER_THINGS, ByMeaning
from flowmusic.inputs.words.senses import senses, words_of
from flowmusic.model.text import TextEncoder


def held_out(words: dict[str, str]) -> dict[str, str]:
    """Those that the list really does not hold."""
    known = {*senses(), *((word,) for word in OTHER_THINGS)}
    return {word: right for word, right in words.items() if tuple(w.plain for w in words_of(word)) not in known}


def score(guess: ByMeaning, words: dict[str, str]) -> tuple[int, int, int, list[str]]:
    """Right guesses, wrong ones, words that have a fact, and what was wrong."""
    right, wrong = 0, []
    for (word, facts), found in zip(words.items(), guess(list(words)), strict=True):
        if found is None:
            continue
        value = "drums" if found.fact == "drums" else found.value
        if value in (facts or TOLERATED.get(word, "")).split("|"):
            right += 1
        else:
            wrong.append(f"{word} -> {value} {found.similarity:.2f}")
    return right, len(wrong), sum(map(bool, words.values())), wrong


def main() -> None:
    """Print a table for the first half, and the second half at the thresholds in use."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wrong", action="store_true", help="name the wrong guesses")
    args = parser.parse_args()
    words = held_out(SYNONYMS | dict.fromkeys(OTHERS, ""))
    halves = [dict(list(words.items())[start::2]) for start in (0, 1)]
    encoder = TextEncoder()
    print(f"{len(words)} words, {sum(map(bool, words.values()))} of them with a fact")
    print("least  ahead  right  wrong  precision  recall (chosen by)")
    for least in (0.5, 0.6, 0.65, 0.7, 0.75):
        for ahead in (0.0, 0.05):
            right, wrong, facts, _ = score(ByMeaning(encoder, least, ahead), halves[0])
            precision = right / max(1, right + wrong)
            print(f"{least:5.2f}  {ahead:5.2f}  {right:5}  {wrong:5}  {precision:9.2f}  {right / facts:6.2f}")
    right, wrong, facts, which = score(ByMeaning(encoder), halves[1])
    precision = right / max(1, right + wrong)
    print(f"other half at {LEAST:g}, {AHEAD:g}: {right} right, {wrong} wrong, ", end="")
    print(f"precision {precision:.2f}, recall {right / facts:.2f}")
    if args.wrong:
        print("; ".join(which))


if __name__ == "__main__":
    main()
