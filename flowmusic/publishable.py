"""What of a setting may be written into a file that other people are given.

Whatever is shipped passes through here: model bundles and their cards, adapters, concepts, ``controls.json``,
``take.json``, ``report.json`` and ``report.md``, the listening page, the index and the summary of shards, the metadata
of our networks, and what is sent to Weights & Biases.  Written there are

- no credentials: user and password of a URL, its query and its fragment are left out, and so is the value of a setting
  whose name says that it is a secret, and whatever has the form of a well-known access token;
- no place on this machine: an absolute path, or one in a home folder, is its last part; a relative one stays, unless it
  goes by the name of the user or of the machine;
- no command as it was typed: a command is built again from cleaned arguments, see :func:`command`.

What a person wrote to be heard or read (a prompt, chords) stays as it is but for credentials in URLs: a take must be
repeatable.  Inputs are told by their last part and, where a result depends on their content, by its SHA-256.

Files that must find their inputs again here keep paths, and are not for others: a run's own ``config.yaml``, its logs
and checkpoints, ``plan.json``, the records and ``failures.jsonl`` of a build, manifests with their facts and problems,
caches, and the state of an unfinished inversion.  What a published checkpoint says of itself (``original`` in a
converted bundle) is kept to the letter too: it is what has been published, and converting back must give it.
"""

from __future__ import annotations

import contextlib
import getpass
import ipaddress
import os
import platform
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

REMOVED = "REMOVED"
"""What stands where something was that must not be told."""

_SECRET_WORDS = frozenset(
    "password passwd pwd passphrase secret secrets credential credentials authorization bearer cookie cookies "
    "apikey token oauth jwt sas".split()
)
_KEYED = frozenset(
    "access account api auth encryption master private secret session shared signing storage wandb".split()
)
"""Words that make a ``key`` a secret one; a song has a key too."""
_TOKEN = re.compile(
    r"\b(?:hf_|gh[pousr]_|github_pat_|glpat-|sk-|xox[abprs]-|AKIA|ASIA|AIza)[\w-]{12,}|\b[Bb]earer\s+[\w.~+/-]{8,}=*"
)
_ASSIGNED = re.compile(r"([\w.-]+)=([^\s,;&]+)")
_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s\"'<>|]*")
_ADDRESS = re.compile(r"pipe:|[A-Za-z][A-Za-z0-9+.-]*://(?:\S+$|.*@)")
_USERINFO = re.compile(r"(://)[^\s/@:]*:(?!\d+(?:[/\s]|$))[^@\n/]*@")
"""User and password of a URL, also a password with spaces or marks."""
_OPEN_SCHEMES = frozenset({"http", "https", "s3", "gs", "az", "abfs", "hf", "doi", "ark"})
"""Addresses of the public or of a bucket; others (ssh, smb, file) lead to one's own machines."""
_LOCAL_ENDS = (".local", ".lan", ".home", ".internal", ".intranet", ".corp", ".localdomain")
_PIECE = r"[^\s/\\\"'`,;:()\[\]{}<>|]+"
_INNER = rf"(?:[/\\]{_PIECE}(?: {_PIECE})*(?=[/\\]))"
_PATH = re.compile(
    rf"(?<![\w.:/\\~-])(?:~[\w.-]*{_INNER}*[/\\]{_PIECE}|(?:[A-Za-z]:|\\)?{_INNER}+[/\\]{_PIECE})[/\\]?"
    r"|(?<![\w.-])[\w.-]+@[\w.-]+:[\w./~-]+"
)
"""A path within a sentence: it ends at a mark, or at a space after which no further part follows."""
_QUOTED_PATH = re.compile(r"([\"'`])((?:~|[A-Za-z]:)?[/\\][^\"'`\n]+)\1")
_WHOLE_PATH = re.compile(r"[/\\~]|[A-Za-z]:[/\\]|[\w.-]+@[\w.-]+:")
_REMOTE = re.compile(r"^[\w.-]+@[\w.-]+:")
"""The machine in ``user@machine:path``."""
_PREFIXED = re.compile(r"([A-Za-z_]{2,}):((?:[/\\~]|\.\.?[/\\]|[A-Za-z]:[/\\]).*)", re.DOTALL)
"""``clap:FOLDER``, ``mert:FOLDER``: a kind in front of a place."""
_ORDINARY = frozenset({"", "root", "home", "user", "users", "admin", "nobody", "localhost", "tmp", "data", "music"})
"""Names that tell nothing of a user or a machine."""


def is_secret(key: str) -> bool:
    """Whether the name of a setting, dotted or not, says that its value is a secret.

    >>> [is_secret(key) for key in ("logger.wandb.api_key", "db.Password", "accessKey", "key", "plan.tokens")]
    [True, True, True, False, False]
    """
    words = [word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", key)]
    pairs = zip(words, words[1:])
    return not _SECRET_WORDS.isdisjoint(words) or any(a in _KEYED and b in ("key", "keys") for a, b in pairs)


def place(name: str | Path) -> str:
    """A file, folder, address or name of a model as it may be told.

    >>> place("/data/ann/songs/a.wav"), place("songs/a.wav"), place("facebook/jasco-chords-drums-400M")
    ('a.wav', 'songs/a.wav', 'facebook/jasco-chords-drums-400M')
    >>> place("https://ann:secret@example.org/shards?sig=1f"), place("file:///data/ann/shards")
    ('https://example.org/shards', 'shards')
    """
    text = str(name)
    if text.startswith("pipe:"):  # a command for a shell, which may hold anything
        return f"pipe:{REMOVED}"
    if _URL.match(text):
        return _address(text)
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed and len(prefixed[1]) > 1:
        return f"{prefixed[1]}:{place(prefixed[2])}"
    if not _WHOLE_PATH.match(text) and _private().isdisjoint(_parts(text)):
        return text
    return _last(text)


def words(text: str) -> str:
    """What a person wrote to be heard or read: only credentials in addresses are taken out.

    >>> words("slow waltz / C Am, like https://ann:secret@example.org/a.mp3?key=1")
    'slow waltz / C Am, like https://example.org/a.mp3'
    """
    return _TOKEN.sub(REMOVED, _addresses(text))


def prose(text: str, known: Iterable[str | Path] = ()) -> str:
    """A sentence of ours, which may quote places and settings.

    Args:
        text: the sentence.
        known: places that it may quote; one with spaces in its last part is found only so, or within quotes.

    >>> prose("/data/my songs/a.wav lasts 3 s, see ~/notes/b.md; 4/4 and C/E", ["/data/my songs/a.wav"])
    'a.wav lasts 3 s, see b.md; 4/4 and C/E'
    """
    for each in sorted({str(path) for path in known}, key=len, reverse=True):
        if len(each) > 1:
            text = text.replace(each, place(each))
    text = _addresses(text)
    text = _QUOTED_PATH.sub(lambda match: f"{match[1]}{place(match[2])}{match[1]}", text)
    text = _PATH.sub(lambda match: _last(match[0]), text)
    text = _ASSIGNED.sub(lambda match: f"{match[1]}={REMOVED}" if is_secret(match[1]) else match[0], text)
    home = _home()
    if home is not None:
        text = re.sub(rf"{re.escape(str(home))}(?![\w.-])", REMOVED, text)
    return _TOKEN.sub(REMOVED, text)


def cleaned(
    data: Any, *, own: Collection[str] = (), keep: Collection[str] = (), known: Iterable[str | Path] = ()
) -> Any:
    """Plain data as they may be written: paths become text, tuples lists, and every string is cleaned.

    Args:
        data: numbers, text, paths, and mappings and sequences of them.
        own: keys whose text somebody wrote to be heard or read, see :func:`words`.
        keep: keys whose value stays as it is, in spite of what their name or value looks like.
        known: as of :func:`prose`.

    >>> cleaned({"model": "/data/nano", "wandb": {"api_key": "abc"}, "seed": 1, "text": "and/or"}, own=["text"])
    {'model': 'nano', 'wandb': {'api_key': 'REMOVED'}, 'seed': 1, 'text': 'and/or'}
    """
    known = tuple(known)
    if isinstance(data, Mapping):
        found = {}
        for key, value in data.items():
            if key in keep:
                found[key] = value
            elif isinstance(key, str) and is_secret(key):
                found[key] = value if value is None or isinstance(value, bool) else REMOVED
            elif key in own:
                found[key] = _each(value, words)
            else:
                found[key] = cleaned(value, own=own, keep=keep, known=known)
        return found
    if isinstance(data, Path):
        return place(data)
    if isinstance(data, str):
        return _setting(data, known)
    if isinstance(data, Sequence) and not isinstance(data, bytes):
        return [cleaned(item, own=own, keep=keep, known=known) for item in data]
    return data


def command(program: str, overrides: Iterable[str], named: Collection[str] = ()) -> str:
    """A command of ``KEY=VALUE`` arguments as it may be written down.

    Args:
        program: ``flowmusic train``.
        overrides: its arguments.
        named: keys of which the value is replaced by the key in capitals, as in ``latents=LATENTS``.

    >>> command("flowmusic train", ["shards=https://u:p@example.org/s", "more=[/data/a,b]", "x.token=abc", "seed=1"])
    'flowmusic train shards=https://example.org/s more=[a, b] x.token=REMOVED seed=1'
    """
    shown = []
    for override in overrides:
        key, equals, value = override.partition("=")
        if not equals:
            shown.append(prose(override))
        elif key.lstrip("+~") in named:
            shown.append(f"{key}={key.lstrip('+~').rpartition('.')[2].upper()}")
        else:
            shown.append(f"{key}={REMOVED if is_secret(key) else _argument(value)}")
    return " ".join([program, *shown])


def way(target: str | Path, start: str | Path) -> str | None:
    """The relative path from a folder to another place, or None where that would tell where on this machine they lie.

    It does so where both have nothing in common but the root or the folder of all homes, or where the way goes by the
    name of the user or of the machine.
    """
    # Links stay: they are part of how somebody arranged their folders.
    here, there = (Path(os.path.abspath(each)) for each in (start, target))
    common = Path(os.path.commonpath([here, there]))
    home = _home()
    if common == Path(common.anchor) or (home is not None and common in home.parents):
        return None
    found = os.path.relpath(there, here)
    return found if _private().isdisjoint(_parts(found)) else None


def _private() -> frozenset[str]:
    """The names of the user and of the machine; those that many have tell nothing."""
    node, home = platform.node(), _home()
    found = {node, node.partition(".")[0], "" if home is None else home.name}
    with contextlib.suppress(OSError, KeyError):  # a user without a name
        found.add(getpass.getuser())
    return frozenset(name for name in found if len(name) > 2) - _ORDINARY


def _home() -> Path | None:
    """The home folder, if there is one of the user's own."""
    try:
        home = Path.home()
    except RuntimeError:  # a user without an entry, as in some containers
        return None
    return None if home == Path(home.anchor) else home


def _parts(text: str) -> list[str]:
    return re.split(r"[/\\]+", text)


def _last(text: str) -> str:
    """The last part of a path; of a scale behind it (``a.safetensors:0.8``) nothing is lost."""
    text = _REMOTE.sub("", text)
    parts = [part for part in _parts(text) if part not in ("", ".", "..")]
    last = parts[-1] if parts else ""
    if last.startswith("~") or not last or last in _private() or last.endswith(":"):
        return REMOVED
    return last


def _addresses(text: str) -> str:
    """A text with every URL in it as it may be told."""
    return _URL.sub(_told, _USERINFO.sub(r"\1", text))


def _told(match: re.Match[str]) -> str:
    """A URL within a sentence, of which the mark behind it is no part."""
    # Whatever is behind a bracket, a comma or a semicolon belongs to the URL only if the host is still to come.
    url = match[0]
    cut = re.search(r"[,;)}]|\](?![:/])", url)
    if cut and "@" not in url[cut.start() :]:
        return place(url[: cut.start()]) + url[cut.start() :]
    bare = url.rstrip(".,;:)]}!")
    return place(bare) + url[len(bare) :]


def _address(url: str) -> str:
    """A URL without user, password, query and fragment; of one on a private machine the last part."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    port = authority.rpartition(":")[2]
    if "@" in authority or (":" in authority and not port.isdigit() and not port.endswith("]")):
        # The last one: a password may hold the sign, a slash and other marks that it should not.
        rest = rest.rpartition("@")[2]
    rest = re.split(r"[?#;]", rest, maxsplit=1)[0]
    host, _, path = rest.partition("/")
    if scheme.lower() not in _OPEN_SCHEMES or _is_private_host(host) or not _private().isdisjoint(_parts(rest)):
        return _last(path)
    return f"{scheme}://{rest}"


def _is_private_host(host: str) -> bool:
    name = re.sub(r":\d*$", "", host).strip("[]").lower()
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        return name in {"localhost", *(word.lower() for word in _private())} or name.endswith(_LOCAL_ENDS)


def _setting(text: str, known: Iterable[str | Path]) -> str:
    """A setting's text: a place as a whole, or a sentence."""
    kinds: tuple[Callable[[str], object], ...] = (_WHOLE_PATH.match, _PREFIXED.fullmatch, _ADDRESS.match, _is_relative)
    whole = "\n" not in text and any(kind(text) for kind in kinds)
    return _TOKEN.sub(REMOVED, place(text)) if whole else prose(text, known)


def _is_relative(text: str) -> bool:
    """Whether a text is a relative path as a whole: one that goes up, or one without spaces."""
    return text.startswith(("../", "./")) or ("/" in text and not re.search(r"\s|://", text))


def _each(value: Any, change: Any) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return [_each(item, change) for item in value]
    return value


def _argument(value: str) -> str:
    """The value of a ``KEY=VALUE`` argument; lists and mappings part by part."""
    import yaml

    bare = value[1:-1] if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"" else value
    if bare[:1] in ("[", "{"):
        try:
            parsed = yaml.safe_load(bare)
        except yaml.YAMLError:
            return REMOVED
        shown = cleaned(parsed)
        return value if shown == parsed else yaml.safe_dump(shown, default_flow_style=True, width=10**6).strip()
    shown = cleaned(bare)
    return value if shown == bare else str(shown)
