"""Plain data from anywhere: judged before it is opened, counted while it expands, and plain once it is parsed."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from flowmusic import beside, plain
from tests import hostile


def said(caught: pytest.ExceptionInfo[Exception], path: Path) -> str:
    message = str(caught.value)
    assert len(message) <= 500 and "\n" not in message and path.name in message
    return message


@pytest.mark.parametrize(
    "read", [plain.read_json, plain.read_text, plain.read_yaml, lambda path: list(plain.lines(path))]
)
def test_devices_pipes_and_folders_are_not_opened(tmp_path: Path, read: Callable[[Path], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "."):
        with pytest.raises(plain.PlainError, match=r"a device or a pipe|a folder"):
            read(tmp_path / name)
    with pytest.raises(FileNotFoundError, match="gone not found"):
        read(tmp_path / "gone")


@pytest.mark.parametrize(
    ("read", "most"),
    [(plain.read_json, plain.MOST_JSON), (plain.read_text, plain.MOST_TEXT), (plain.read_yaml, plain.MOST_YAML)],
)
def test_a_file_that_is_too_large_is_not_opened(tmp_path: Path, read: Callable[[Path], object], most: int) -> None:
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(most + 1)  # zeros that take no room on the disk
    with pytest.raises(plain.PlainError, match="at most") as caught:
        read(path)
    said(caught, path)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"\xff", "not a text file in UTF-8"),
        (b"{", "is not JSON"),
        (b"[" * 100_000, "nested deeper"),
        (b"[" * 65 + b"]" * 65, "nested deeper than 64"),
        (b"NaN", "not a number that JSON allows"),
        (b"1e999", "not finite"),
        (b'{"a": -Infinity}', "not a number that JSON allows"),
        (b'["\\ud83d"]', "half a character"),
        (b'{"\\udead": 1}', "half a character"),
        (b"9" * 5000, "is not JSON that can be read"),
        (b"18446744073709551616", "beyond 64 bits"),
    ],
)
def test_json_is_plain(tmp_path: Path, text: bytes, words: str) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(text)
    with pytest.raises(plain.PlainError, match=words) as caught:
        plain.read_json(path)
    said(caught, path)


def test_json_of_other_programs(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes('\ufeff{"a": NaN, "b": ["ü", 1.5, true, null], "c": Infinity}'.encode())
    assert plain.read_json(tmp_path / "a.json", missing=True) == {"a": None, "b": ["ü", 1.5, True, None], "c": None}


def test_lines_also_packed(tmp_path: Path) -> None:
    text = b"\xef\xbb\xbffirst\r\n\n  \nfourth\nlast"
    (tmp_path / "a.jsonl").write_bytes(text)
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(text))
    for name in ("a.jsonl", "a.jsonl.gz"):
        assert list(plain.lines(tmp_path / name)) == [(1, "first"), (4, "fourth"), (5, "last")]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (gzip.compress(b"x" * 50_000_000, 1), "line 1: longer than"),
        (gzip.compress(b"\n" * 5_000_000), "expands to more than"),
        (gzip.compress(b'{"a": 1}\n' * 500_000), "expands to more than"),
        (gzip.compress(b"a\n")[:-4], "cannot be unpacked"),
        (b"not packed", "cannot be unpacked"),
        (gzip.compress(b"\xff\n"), "line 1 is not a text file"),
    ],
    ids=["one line", "blank lines", "lines", "cut", "other", "bytes"],
)
def test_packed_lines_expand_to_an_end(
    tmp_path: Path, data: bytes, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plain, "LEAST_EXPANDED", 2**20)
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(plain.PlainError, match=words) as caught:
        sum(1 for _ in plain.lines(path))
    said(caught, path)


def laughs(depth: int) -> str:
    """A YAML text whose last value stands for ten to the ``depth``."""
    lines = ["a0: &a0 [" + ",".join("x" * 10) + "]"]
    lines += [f"a{n}: &a{n} [" + ",".join([f"*a{n - 1}"] * 10) + "]" for n in range(1, depth)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (laughs(10), "stands for more than 50000 values"),
        ("a: &a {x: 1}\nb: &b {<<: [*a, *a]}\nc: &c [*c]", "contains itself"),
        ("[" * 70 + "]" * 70, "nested deeper"),
        ("- " * 1000 + "a", "nested deeper"),
        ("a: .nan", "not finite"),
        ("a: 2024-99-99", "not YAML that can be read"),
        ("a: !!int ''", "not YAML that can be read"),
        ("a: !!timestamp x", "not YAML that can be read"),
        ("? [a]\n: b", "not plain YAML"),
        ("a: [", "not YAML that can be read"),
        ("a: " + "9" * 5000, "not YAML that can be read"),
    ],
)  # fmt: skip
def test_yaml_is_plain(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(plain.PlainError, match=words) as caught:
        plain.read_yaml(path)
    said(caught, path)


def test_yaml_runs_nothing(tmp_path: Path) -> None:
    marker = tmp_path / "touched"
    hostile.prove(marker)
    with pytest.raises(plain.PlainError, match="is not plain YAML"):
        plain.yaml_of(hostile.yaml_text(marker), "a.yaml")
    assert not marker.exists()
    assert plain.yaml_of("a: &x [1, 2.5]\nb: *x\nc: {d: null}", "a.yaml") == {
        "a": [1, 2.5],
        "b": [1, 2.5],
        "c": {"d": None},
    }


@pytest.mark.parametrize("name", ["/etc/passwd", "..", "../a", "a/../../b", "", " ", "a\0b", 5, None, ["a"], {"a": 1}])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: object) -> None:
    for check in (beside.relative, lambda given, place: beside.beside(given, tmp_path, place), beside.file_name):
        if name == " " and check is beside.file_name:
            continue  # a strange name of a file, and one all the same
        with pytest.raises(beside.StrayName, match=r"x\.json"):
            check(name, "x.json")


def test_names_beside_and_below(tmp_path: Path) -> None:
    (tmp_path / "folder" / "sub").mkdir(parents=True)
    assert beside.beside("sub/ä b.wav", tmp_path / "folder", "x") == tmp_path / "folder" / "sub" / "ä b.wav"
    assert beside.beside("./a.wav", tmp_path / "folder", "x") == tmp_path / "folder" / "a.wav"
    (tmp_path / "folder" / "out").symlink_to(tmp_path)
    (tmp_path / "folder" / "circle").symlink_to("circle")
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    for name in ("out/secret", "circle"):
        with pytest.raises(beside.StrayName, match="leads out of its folder"):
            beside.beside(name, tmp_path / "folder", "x")
    assert beside.beside("a.wav", tmp_path / "link", "x") == tmp_path / "link" / "a.wav"
    with pytest.raises(beside.StrayName):
        beside.file_name("x" * 256, "x")
    assert beside.below(tmp_path / "a" / ".." / "b", [tmp_path]) and not beside.below(tmp_path / "..", [tmp_path])
