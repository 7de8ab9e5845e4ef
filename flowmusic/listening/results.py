"""What listeners said: sessions as our page saves them, and the tables that webMUSHRA writes.

A trial is ``QUESTION/ITEM``; where its name has no such form, it is an item, and its kind is the question.  Answers
that occur twice, such as those of a session and of its tables, count once.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.listening.spec import LIKERT, MULTI, MUSHRA, PAIRED, PREFERENCE
from flowmusic.plain import shown

MOST_FILES, MOST_CELL = 10_000, 500
UNDECIDED = "undecided"
_PARTICIPANT_ENDS = "session_uuid", "trial_id"
_COLUMNS: Mapping[str, Mapping[str, str]] = {
    MUSHRA: {"stimulus": "rating_stimulus", "score": "rating_score"},
    PAIRED: {"reference": "choice_reference", "nonReference": "choice_non_reference", "answer": "choice_answer"},
    PREFERENCE: {"a": "choice_a", "b": "choice_b", "answer": "choice_answer"},
    LIKERT: {"stimulus": "stimuli", "stimulusRating": "stimuli_rating"},
}
"""Keys of a session's answers, and the columns of the same in a table, by which its kind is known."""


class ResultsError(ValueError):
    """Files that are no results; the message names the file and the place."""


@dataclass(frozen=True)
class Rating:
    """A number that a listener gave a condition."""

    question: str
    item: str
    listener: str
    condition: str
    value: float
    hidden: bool = False


@dataclass(frozen=True)
class Choice:
    """One of two conditions: ``score`` is 1 for the first, 0 for the second, 0.5 for neither."""

    question: str
    item: str
    listener: str
    first: str
    second: str
    score: float


@dataclass(frozen=True)
class Recognised:
    """Whether a listener told a condition from the reference; who did not know has not."""

    question: str
    item: str
    listener: str
    condition: str
    correct: bool


@dataclass
class Answers:
    """All answers, each once."""

    test: str = ""
    ratings: list[Rating] = field(default_factory=list)
    choices: list[Choice] = field(default_factory=list)
    recognised: list[Recognised] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)

    def listeners(self) -> list[str]:
        every: list[Any] = [*self.ratings, *self.choices, *self.recognised]
        return sorted({each.listener for each in every})

    def without(self, listeners: Iterable[str]) -> Answers:
        """The answers of the others."""
        out = frozenset(listeners)

        def kept(rows: list[Any]) -> list[Any]:
            return [each for each in rows if each.listener not in out]

        return Answers(self.test, kept(self.ratings), kept(self.choices), kept(self.recognised), self.notices)


def read(paths: Sequence[Path]) -> Answers:
    """Read files, and all .json and .csv of folders.

    Raises: ResultsError for what is no result, and for results of two tests.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        inside = sorted(each for each in path.iterdir() if each.suffix.lower() in (".json", ".csv"))
        if not inside:
            raise ResultsError(f"there are no results (.json, .csv) in {shown(path)}")
        files += inside
    if len(files) > MOST_FILES:
        raise ResultsError(f"{len(files)} files, at most {MOST_FILES} are read; give some of them")
    found = _Gathered()
    for file in files:
        for session in _sessions(file):
            found.add(session, file)
    if not found.rows:
        raise ResultsError(f"there is no answer in {shown(files[0])}; is the test finished?")
    return found.answers()


def _sessions(path: Path) -> Iterator[Mapping[str, Any]]:
    """Sessions in the form of JSON: test, listener and trials with their answers."""
    if path.suffix.lower() == ".csv":
        yield from _of_table(path)
        return
    found = plain.read_json(path)
    for number, session in enumerate(found if isinstance(found, list) else [found], start=1):
        if not isinstance(session, dict) or not isinstance(session.get("trials"), list):
            raise ResultsError(f"{shown(path)}, session {number}: no results of a listening test (it has no trials)")
        yield session


def _of_table(path: Path) -> Iterator[Mapping[str, Any]]:
    rows = csv.DictReader(io.StringIO(plain.read_text(path, plain.MOST_JSON)))
    columns = list(rows.fieldnames or ())
    kind = next((kind for kind, names in _COLUMNS.items() if {*names.values(), "trial_id"} <= {*columns}), None)
    if kind is None:
        raise ResultsError(
            f"{shown(path)} is no table of results: the first line must name trial_id and columns such as "
            "rating_stimulus,rating_score or stimuli,stimuli_rating (as webMUSHRA writes them)"
        )
    ends = [columns.index(name) for name in _PARTICIPANT_ENDS if name in columns]
    participant = columns[1 : min(ends)]
    for number, row in enumerate(rows, start=2):
        if any(value is None or len(value) > MOST_CELL for name, value in row.items() if name in columns):
            raise ResultsError(f"{shown(path)}, line {number}: has fewer cells than the first line, or one too long")
        answer = {key: row[column].strip() for key, column in _COLUMNS[kind].items()}
        yield {
            "testId": row.get("session_test_id", ""),
            "uuid": row.get("session_uuid", ""),
            "participant": {"name": participant, "response": [row[name] for name in participant]},
            "trials": [{"type": kind, "id": row["trial_id"], "responses": [answer]}],
        }


class _Gathered:
    def __init__(self) -> None:
        self.rows: dict[tuple[str, ...], Rating | Choice | Recognised] = {}
        self.test, self.words, self.unnamed = "", 0, set[str]()

    def add(self, session: Mapping[str, Any], path: Path) -> None:
        test = str(session.get("testId") or session.get("testname") or "")
        if self.test and test and test != self.test:
            raise ResultsError(f"{shown(path)} holds results of {shown(test)}, others are of {shown(self.test)}")
        self.test = self.test or test
        listener = self._listener(session, path)
        for trial in session["trials"]:
            trial = trial if isinstance(trial, dict) else {}
            kind, ident, answers = str(trial.get("type")), trial.get("id"), trial.get("responses")
            if not isinstance(ident, str) or not isinstance(answers, list):
                raise ResultsError(f"{shown(path)}: a trial without id or responses")
            kind = LIKERT if kind == MULTI else kind
            if kind not in _COLUMNS:
                continue  # bs1116, say: what is not analysed is not in the way
            head, slash, tail = ident.partition("/")
            question, item = (head, tail) if slash else (kind, ident)
            for answer in answers:
                names = _COLUMNS[kind]
                if not isinstance(answer, dict) or any(isinstance(answer.get(key), dict | list) for key in names):
                    raise ResultsError(f"{shown(path)}, trial {shown(ident)}: an answer without {', '.join(names)}")
                self._answer(kind, question, item, listener, answer, f"{shown(path)}, trial {shown(ident)}")

    def _listener(self, session: Mapping[str, Any], path: Path) -> str:
        """The identity of the session, or what was said of the participant, or the file."""
        who = session.get("participant")
        said = who.get("response") if isinstance(who, dict) else None
        words = [str(each) for each in said] if isinstance(said, list) else []
        ident = session.get("uuid")
        if isinstance(ident, str) and ident:
            return f"{words[0]} {ident[:8]}" if words and words[0] else ident
        if any(words):
            return " ".join(words)
        self.unnamed.add(path.name)
        return path.stem

    def _answer(
        self, kind: str, question: str, item: str, listener: str, answer: Mapping[str, Any], place: str
    ) -> None:
        at = (kind, question, item, listener)
        if kind in (MUSHRA, LIKERT):
            condition = str(answer.get("stimulus"))
            value = answer.get("score" if kind == MUSHRA else "stimulusRating")
            try:
                number = float(value) if isinstance(value, int | float | str) else None
            except ValueError:
                number = None
            if number is None or not -1e6 < number < 1e6:
                self.words += value not in (None, "")
                return
            hidden = kind == MUSHRA and condition == "reference"
            self.rows[*at, condition] = Rating(question, item, listener, condition, number, hidden)
        elif kind == PAIRED:
            condition, said = str(answer.get("nonReference")), answer.get("answer")
            if said not in ("correct", "incorrect", UNDECIDED, "unknown"):
                raise ResultsError(f"{place}: answer {shown(repr(said))}; known: correct, incorrect, undecided")
            self.rows[*at, condition] = Recognised(question, item, listener, condition, said == "correct")
        else:
            pair, said = (str(answer.get("a")), str(answer.get("b"))), answer.get("answer")
            if said not in (*pair, UNDECIDED):
                raise ResultsError(
                    f"{place}: answer {shown(repr(said))} is neither {shown(pair[0])} nor {shown(pair[1])}"
                )
            first, second = sorted(pair)
            score = 0.5 if said == UNDECIDED else float(said == first)
            self.rows[*at, first, second] = Choice(question, item, listener, first, second, score)

    def answers(self) -> Answers:
        found = Answers(self.test)
        found.ratings = [row for row in self.rows.values() if isinstance(row, Rating)]
        found.choices = [row for row in self.rows.values() if isinstance(row, Choice)]
        found.recognised = [row for row in self.rows.values() if isinstance(row, Recognised)]
        if self.words:
            found.notices.append(f"{self.words} ratings are no numbers and left out; give answers numbers as values")
        if self.unnamed:
            found.notices.append(f"nobody is named in {', '.join(sorted(self.unnamed)[:5])}: each is taken for one")
        return found
