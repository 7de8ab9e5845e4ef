"""The description of a listening test: YAML as webMUSHRA reads it, and what we add to it.

webMUSHRA's pages (Schoeffler et al. 2018, doi 10.5334/jors.187) are read under their own names and keys.  Added are

- ``abx``, which is ``paired_comparison`` of one condition; ``preference``, all pairs of conditions; ``mos`` and
  ``adherence``, which are ``likert_single_stimulus`` with the usual five answers;
- ``given``: a sound, such as a hum, that is heard beside what is judged;
- ``for_each: item``: a page for each of the ``items``, in whose texts and paths ``{item}`` stands for it;
- ``stimuli: FOLDER``: every recording in it is a condition, named as the file.

A page's ``content`` is HTML of which plain tags are kept (:data:`TAGS`); everything else in it is shown as text.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowmusic import plain
from flowmusic.audio_files import SUFFIXES
from flowmusic.beside import relative
from flowmusic.plain import shown

LIKERT, MULTI, PAIRED, MUSHRA = "likert_single_stimulus", "likert_multi_stimulus", "paired_comparison", "mushra"
PREFERENCE = "preference"
QUIET = ("generic", "consent", "volume", "finish")
"""Pages on which nothing is judged."""
SHORT = {"abx": PAIRED, "mos": LIKERT, "adherence": LIKERT}
KINDS = (MUSHRA, PAIRED, PREFERENCE, LIKERT, MULTI, *QUIET)
TAGS = "p br b i em strong u ul ol li h1 h2 h3 h4 hr small sub sup blockquote code".split()
QUALITY = ((5, "excellent"), (4, "good"), (3, "fair"), (2, "poor"), (1, "bad"))
"""The absolute category rating of ITU-T P.800."""
FOLLOWS = ((5, "exactly"), (4, "mostly"), (3, "partly"), (2, "hardly"), (1, "not at all"))
ANCHORS = {"createAnchor35": ("anchor35", 3500.0), "createAnchor70": ("anchor70", 7000.0)}
"""Key, name of the condition as in webMUSHRA's results, and Hz."""
MOST_CONDITIONS, MOST_PAGES = 26, 2000
RESERVED = frozenset({"reference", *(name for name, _ in ANCHORS.values())})
_ID = re.compile(r"[^\w./-]+")
_TAG = re.compile(rf"&lt;(/?(?:{'|'.join(TAGS)}))\s*/?&gt;", re.IGNORECASE)
_PLACE = re.compile(r"\{(\w+)\}")
_QUESTIONS = ("text", "long_text", "number", "likert")


class SpecError(ValueError):
    """A test's description that cannot be used; the message names the file and the place."""


@dataclass(frozen=True)
class Page:
    """One page.

    Attributes:
        kind: one of :data:`KINDS`.
        id: of the trial in the results; ``QUESTION/ITEM`` where it was made for an item.
        name, content: the title, and safe HTML.
        stimuli: files of the conditions by name.
        reference, given: files; the first is compared with, the second is what the judged is to follow.
        anchors: names and Hz of low-pass anchors to be made of the reference.
        response: value and label of each answer.
        unforced: label of the answer "neither", None where one must be chosen.
        options: ``loop``, ``names``, ``randomize``, ``played``, ``rated``: booleans; ``volume`` of a volume page.
        questionnaire: of the last page, as webMUSHRA has it.
    """

    kind: str
    id: str
    name: str
    content: str
    stimuli: Mapping[str, Path]
    reference: Path | None
    given: Path | None
    anchors: tuple[tuple[str, float], ...]
    response: tuple[tuple[Any, str], ...]
    unforced: str | None
    options: Mapping[str, Any]
    questionnaire: tuple[Mapping[str, Any], ...] = ()

    def files(self) -> Iterator[Path]:
        yield from self.stimuli.values()
        yield from (path for path in (self.reference, self.given) if path is not None)


@dataclass(frozen=True)
class Group:
    """Pages in a row, or each listener's own order of them."""

    pages: tuple[Page | Group, ...]
    shuffled: bool

    def flat(self) -> Iterator[Page]:
        for each in self.pages:
            if isinstance(each, Page):
                yield each
            else:
                yield from each.flat()


@dataclass(frozen=True)
class Spec:
    """A test: what it is called, its identifier in results, its pages, and what of its file has no effect here."""

    name: str
    id: str
    pages: Group
    notices: tuple[str, ...] = ()


def read(path: Path, folder: Path | None = None) -> Spec:
    """Read a test's description.

    Args:
        path: YAML.
        folder: what its paths are relative to, and where ``items: folders`` are; its own folder if left out.

    Raises: SpecError, PlainError, OSError.
    """
    found = plain.read_yaml(path)
    if not isinstance(found, dict) or not isinstance(found.get("pages"), list):
        raise SpecError(f"{shown(path)} is no listening test: it needs testname, testId and a list of pages")
    return _Reader(path, path.parent if folder is None else folder).spec(found)


class _Reader:
    def __init__(self, path: Path, folder: Path) -> None:
        self.path, self.folder = path, folder
        self.items: Mapping[str, Mapping[str, str]] = {}
        self.ids: set[str] = set()

    def fail(self, place: str, message: str) -> SpecError:
        return SpecError(plain.shortened(f"{shown(self.path)}, {place}: {message}"))

    def spec(self, found: Mapping[str, Any]) -> Spec:
        name = self.text(found.get("testname"), "testname") or self.path.stem
        ident = _ID.sub("-", self.text(found.get("testId"), "testId") or self.path.stem)
        self.items = self._items(found.get("items"))
        pages = self.group(found["pages"], "pages")
        flat = list(pages.flat())
        judged = [page for page in flat if page.kind not in QUIET]
        if not judged:
            raise self.fail("pages", "nothing is to be judged; add a page of type mushra, abx, preference or mos")
        if len(flat) > MOST_PAGES:
            raise self.fail("pages", f"{len(flat)} pages, at most {MOST_PAGES} are read")
        if flat[-1].kind != "finish":
            end = Page("finish", "finish", "Thank you", "", {}, None, None, (), (), None, {})
            pages = Group((*pages.pages, end), pages.shuffled) if not pages.shuffled else Group((pages, end), False)
        if sum(page.kind == "finish" for page in flat) > 1:
            raise self.fail("pages", "a test has one page of type finish, the last")
        notices: tuple[str, ...] = ()
        if found.get("remoteService"):
            notices = ("remoteService is not used: the page sends nothing, listeners save their results as a file",)
        return Spec(name, ident, pages, notices)

    def text(self, value: Any, place: str) -> str:
        if value is None:
            return ""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            return str(value).strip()
        quotes = "; YAML reads yes and no as true and false, write them in quotes" if isinstance(value, bool) else ""
        raise self.fail(place, f"must be text, got {shown(repr(value))}{quotes}")

    def _items(self, found: Any) -> Mapping[str, Mapping[str, str]]:
        """What ``{item}`` stands for, each with words of its own."""
        if found is None:
            return {}
        if found == "folders":
            folders = sorted(path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith("."))
            if not folders:
                raise self.fail("items", f"there is no folder in {shown(self.folder)}; make one for each item")
            return {each.name: {text.stem: plain.read_text(text).strip() for text in each.glob("*.txt")}
                    for each in folders}  # fmt: skip
        if isinstance(found, list) and found and all(isinstance(each, str | int) for each in found):
            return {str(each): {} for each in found}
        if isinstance(found, dict) and found and all(isinstance(each, dict) for each in found.values()):
            return {
                str(name): {str(key): self.text(value, f"items, {name}") for key, value in words.items()}
                for name, words in found.items()
            }
        raise self.fail("items", "must be the word folders, a list of names, or names with texts by name")

    def group(self, found: Sequence[Any], place: str) -> Group:
        shuffled = bool(found) and found[0] == "random"
        pages: list[Page | Group] = []
        for number, each in enumerate(found[1:] if shuffled else found, start=2 if shuffled else 1):
            where = f"{place}[{number}]"
            if isinstance(each, list):
                pages.append(self.group(each, where))
            elif isinstance(each, dict):
                pages += self.pages(each, where)
            else:
                raise self.fail(where, f"must be a page or a list of pages, got {shown(repr(each))}")
        return Group(tuple(pages), shuffled)

    def pages(self, found: Mapping[str, Any], place: str) -> list[Page | Group]:
        wanted = found.get("for_each")
        if wanted is None:
            return [self.page(found, place)]
        if wanted != "item" or not self.items:
            raise self.fail(place, "for_each must be item, and the test must have items")
        made = []
        for item, words in self.items.items():
            filled = self.filled({**found, "for_each": None}, {**words, "item": item}, f"{place} for {shown(item)}")
            filled["id"] = f"{filled.get('id') or filled.get('type')}/{item}"
            made.append(self.page(filled, f"{place} for {shown(item)}"))
        return [Group(tuple(made), found.get("shuffle", True) is not False)]

    def filled(self, value: Any, words: Mapping[str, str], place: str) -> Any:
        if isinstance(value, dict):
            return {key: self.filled(each, words, place) for key, each in value.items()}
        if isinstance(value, list):
            return [self.filled(each, words, place) for each in value]
        if not isinstance(value, str):
            return value

        def word(match: re.Match[str]) -> str:
            if match[1] not in words:
                known = ", ".join(sorted(words))
                raise self.fail(place, f"{{{match[1]}}} is not known of the item; known: {known} (NAME.txt adds one)")
            return words[match[1]]

        return _PLACE.sub(word, value)

    def page(self, found: Mapping[str, Any], place: str) -> Page:
        short = self.text(found.get("type"), f"{place}, type")
        kind = SHORT.get(short, short)
        if kind not in KINDS:
            allowed = ", ".join((*KINDS, *SHORT))
            raise self.fail(place, f"unknown type {shown(repr(short))}; allowed: {allowed}")
        ident = _ID.sub("-", self.text(found.get("id"), f"{place}, id")) or (kind if kind in QUIET else "")
        if kind not in QUIET:
            if not ident:
                raise self.fail(place, "an id is missing; results are told apart by it")
            if ident in self.ids:
                raise self.fail(place, f"the id {shown(ident)} is given to two pages; give each its own")
            self.ids.add(ident)
        stimuli = self.stimuli(found.get("stimuli"), place)
        if kind == "volume" and found.get("stimulus") is not None:
            stimuli = self.stimuli({"volume": found["stimulus"]}, place)
        page = Page(
            kind=kind,
            id=ident,
            name=self.text(found.get("name"), f"{place}, name"),
            content=safe_html(self.text(found.get("content"), f"{place}, content")),
            stimuli=stimuli,
            reference=self.file(found.get("reference"), f"{place}, reference"),
            given=self.file(found.get("given"), f"{place}, given"),
            anchors=tuple(anchor for key, anchor in ANCHORS.items() if found.get(key) is True),
            response=self.response(found.get("response"), short, place),
            unforced=self.text(found.get("unforced"), f"{place}, unforced") or None,
            options=self.options(found, kind, place),
            questionnaire=self.questionnaire(found.get("questionnaire"), place),
        )
        return self.judged(page, short, place)

    def judged(self, page: Page, short: str, place: str) -> Page:
        """The page, if it has what its kind needs."""
        count = len(page.stimuli)
        if page.kind in QUIET:
            if page.kind == "volume" and count != 1:
                raise self.fail(place, "a volume page needs a stimulus to set the volume with")
            return page
        if not count:
            raise self.fail(place, "there are no stimuli; name them, or a folder that holds some")
        if count > MOST_CONDITIONS:
            raise self.fail(place, f"{count} stimuli, at most {MOST_CONDITIONS} can be compared")
        if page.kind in (MUSHRA, PAIRED) and page.reference is None:
            other = "; without one, use type preference" if page.kind == PAIRED else ""
            raise self.fail(place, f"{short} needs a reference{other}")
        if page.kind == PREFERENCE and count < 2:
            raise self.fail(place, "a preference needs two stimuli or more")
        if page.anchors and page.kind != MUSHRA:
            raise self.fail(place, "anchors belong to pages of type mushra")
        if short == "adherence" and page.given is None:
            raise self.fail(place, "adherence needs `given`, the sound that is to be followed")
        if page.kind in (LIKERT, MULTI) and not page.response:
            raise self.fail(place, "a response is missing: a list of value and label, or use type mos")
        return page

    def file(self, value: Any, place: str) -> Path | None:
        if value is None:
            return None
        path = self.within(value, place)
        if not path.is_file():
            raise self.fail(place, f"file not found: {shown(path)}")
        return path

    def within(self, value: Any, place: str) -> Path:
        """A path of the description, which stays in its folder: whoever wrote it does not choose among all files."""
        return self.folder / relative(self.text(value, place), f"{shown(self.path)}, {place}")

    def stimuli(self, found: Any, place: str) -> dict[str, Path]:
        if found is None:
            return {}
        if isinstance(found, str):
            folder = self.within(found, f"{place}, stimuli")
            if not folder.is_dir():
                raise self.fail(f"{place}, stimuli", f"folder not found: {shown(folder)}")
            found = {
                path.stem: str(path.relative_to(self.folder))
                for path in sorted(folder.iterdir())
                if path.suffix.lower() in SUFFIXES
            }
        if not isinstance(found, dict):
            raise self.fail(f"{place}, stimuli", "must be names with files, or a folder")
        taken = sorted(RESERVED & {str(name) for name in found})
        if taken:
            raise self.fail(f"{place}, stimuli", f"{taken[0]!r} is a name of ours; call the condition otherwise")
        files = {str(name): self.file(value, f"{place}, {shown(name)}") for name, value in found.items()}
        missing = [name for name, path in files.items() if path is None]
        if missing:
            raise self.fail(f"{place}, stimuli", f"{shown(missing[0])} has no file")
        return {name: path for name, path in files.items() if path is not None}

    def response(self, found: Any, short: str, place: str) -> tuple[tuple[Any, str], ...]:
        if found is None:
            return {"mos": QUALITY, "adherence": FOLLOWS}.get(short, ())
        rows = found if isinstance(found, list) else []
        if rows and all(isinstance(row, list) for row in rows):
            raise self.fail(f"{place}, response", "one scale a page is read; make a page for each question")
        if len(rows) < 2 or not all(isinstance(row, dict) and "value" in row for row in rows):
            raise self.fail(f"{place}, response", "must be a list of two or more answers, each with value and label")
        return tuple((row["value"], self.text(row.get("label", row["value"]), f"{place}, response")) for row in rows)

    def options(self, found: Mapping[str, Any], kind: str, place: str) -> dict[str, Any]:
        volume = found.get("defaultVolume", 0.5)
        if isinstance(volume, bool) or not isinstance(volume, int | float) or not 0 <= volume <= 1:
            raise self.fail(f"{place}, defaultVolume", f"must be a number from 0 to 1, got {shown(repr(volume))}")
        return {
            "loop": found.get("enableLooping", True) is not False,
            "names": found.get("showConditionNames") is True,
            "randomize": found.get("randomize", True) is not False,
            "played": found.get("mustPlayback", True) is not False,
            "rated": found.get("mustRate", True) is not False,
            **({"volume": volume} if kind == "volume" else {}),
        }

    def questionnaire(self, found: Any, place: str) -> tuple[Mapping[str, Any], ...]:
        rows = [] if found is None else found
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.fail(f"{place}, questionnaire", "must be a list of questions with type, label and name")
        read = []
        for row in rows:
            kind = self.text(row.get("type"), f"{place}, questionnaire")
            if kind not in _QUESTIONS or not row.get("name"):
                raise self.fail(f"{place}, questionnaire", f"each needs a name and a type of {', '.join(_QUESTIONS)}")
            read.append({
                "type": kind,
                "name": self.text(row["name"], place),
                "label": self.text(row.get("label", row["name"]), place),
                "optional": row.get("optional", True) is not False,
                **{key: row[key] for key in ("min", "max", "default") if isinstance(row.get(key), int | float | str)},
                **({"response": self.response(row.get("response"), "", place)} if kind == "likert" else {}),
            })  # fmt: skip
        return tuple(read)


def safe_html(text: str) -> str:
    """HTML of which the tags of :data:`TAGS` are kept, without attributes; the rest is shown as it was written.

    >>> safe_html("<p>Rate it</p> <img src=x onerror=alert(1)> <B>now</B>")
    '<p>Rate it</p> &lt;img src=x onerror=alert(1)&gt; <b>now</b>'
    """
    return _TAG.sub(lambda match: f"<{match[1].lower()}>", html.escape(text, quote=False))


def studies() -> dict[str, Path]:
    """The tests that come with the package, by name."""
    return {path.stem: path for path in sorted(Path(__file__).with_name("studies").glob("*.yaml"))}


__all__ = ["Group", "Page", "Spec", "SpecError", "read", "safe_html", "studies"]
