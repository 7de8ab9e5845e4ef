"""Where published files are: a local folder, the hub's cache, or the hub itself."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from flowmusic.interop.fitting import ModelError

Wanted = Sequence[str | tuple[str, ...]]
"""File names; a tuple stands for any one of its names, the first that there is."""

CACHE_VARIABLE = "AUDIOCRAFT_CACHE_DIR"
"""Environment variable of audiocraft for the folder of its downloads; ours look there first, and download to it."""

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True)
class Published:
    """What a repository says about itself: file sizes in bytes (None if unknown), and its licence."""

    sizes: Mapping[str, int | None]
    licence: str


class Hub(Protocol):
    """The three questions that we have for a hub.  Each may raise whatever its network client raises."""

    def cached(self, repository: str, file: str) -> Path | None:
        """Where the file lies on this machine, or None."""
        ...

    def describe(self, repository: str) -> Published:
        """Ask the hub; nothing is downloaded."""
        ...

    def download(self, repository: str, file: str) -> Path:
        """Fetch one file; all of a repository end up in one folder."""
        ...


class HuggingFaceHub:
    """The Hugging Face hub, through its own client and cache."""

    def _folders(self) -> list[str | None]:
        """Caches in the order of search; None is the client's own."""
        ours = os.environ.get(CACHE_VARIABLE)
        return [ours, None] if ours else [None]

    def cached(self, repository: str, file: str) -> Path | None:
        from huggingface_hub import try_to_load_from_cache

        for folder in self._folders():
            found = try_to_load_from_cache(repository, file, cache_dir=folder)
            if isinstance(found, str):  # it is an object of its own where the file is known not to exist
                return Path(found)
        return None

    def describe(self, repository: str) -> Published:
        from huggingface_hub import HfApi

        info = HfApi().model_info(repository, files_metadata=True)
        licence = getattr(info.card_data, "license", None)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        return Published(sizes, str(licence or "not stated"))

    def download(self, repository: str, file: str) -> Path:
        from huggingface_hub import hf_hub_download

        return Path(hf_hub_download(repository, file, cache_dir=self._folders()[0]))


def is_repository(name: str) -> bool:
    """Whether a name has the form of a hub id, ``owner/name``."""
    return _REPOSITORY.fullmatch(name) is not None


def locate(name: str | Path, files: Wanted, hub: Hub | None = None) -> Path:
    """The folder that holds ``files``: ``name`` itself if it is one, else from the hub's cache, else from the hub.

    Before anything is downloaded, its size and licence are shown on stderr.

    Args:
        name: a folder, or a hub id ``owner/name``.
        files: what is needed; see :data:`Wanted`.
        hub: default: :class:`HuggingFaceHub`.

    Raises: ModelError if there is no such thing, or it cannot be had; the message says what to do.
    """
    path = Path(name)
    if path.is_dir():
        lacking = [_either(choice) for choice in files if not _present(path, choice)]
        if lacking:
            raise ModelError(f"{path} has no {' and no '.join(lacking)}; {_layout(files)}")
        return path
    repository = str(name)
    if not is_repository(repository):
        raise ModelError(f"{repository!r} is neither a folder nor a hub id like owner/name; {_layout(files)}")
    hub = hub or HuggingFaceHub()
    folder = _from_cache(repository, files, hub)
    return folder or _from_hub(repository, files, hub)


def _from_cache(repository: str, files: Wanted, hub: Hub) -> Path | None:
    folders = []
    for choice in files:
        found = [place for name in _names(choice) if (place := hub.cached(repository, name))]
        if not found:
            return None
        folders.append(found[0].parent)
    return folders[0] if len(set(folders)) == 1 else None


def _from_hub(repository: str, files: Wanted, hub: Hub) -> Path:
    wanted = ", ".join(map(_either, files))
    try:
        published = hub.describe(repository)
        chosen = []
        for choice in files:
            there = [name for name in _names(choice) if name in published.sizes]
            if not there:
                raise ModelError(f"{repository} on the hub has no {_either(choice)}; {_layout(files)}")
            chosen.append(there[0])
        size = sum(published.sizes[name] or 0 for name in chosen)
        print(
            f"downloading {repository}: {', '.join(chosen)}, {size / 1e6:,.0f} MB, licence: {published.licence}",
            file=sys.stderr,
        )
        places = [hub.download(repository, name) for name in chosen]
        return places[0].parent
    except ModelError:
        raise
    except Exception as error:  # network clients raise types of their own, which share no base
        lines = str(error).strip().splitlines() or [""]
        raise ModelError(
            f"{repository} is not on this machine and cannot be downloaded ({type(error).__name__}: {lines[0]}); "
            f"connect once and run `hf download {repository}`, or copy its files ({wanted}) into a folder "
            "and give that folder instead"
        ) from error


def _names(choice: str | tuple[str, ...]) -> tuple[str, ...]:
    return (choice,) if isinstance(choice, str) else choice


def _present(folder: Path, choice: str | tuple[str, ...]) -> bool:
    return any((folder / name).is_file() for name in _names(choice))


def _either(choice: str | tuple[str, ...]) -> str:
    return " or ".join(_names(choice))


def _layout(files: Wanted) -> str:
    return f"a folder must hold {', '.join(map(_either, files))}"
