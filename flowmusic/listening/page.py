"""A listening test as a folder: ``index.html``, its scripts and style, the test as data, and the sounds.

The folder needs no server and asks nothing of any other host: it can be opened from a disk, zipped, or put on any web
space.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flowmusic import disk
from flowmusic.files import write_text
from flowmusic.listening.spec import MUSHRA, Group, Page, Spec
from flowmusic.listening.stimuli import Sounds

NAME, AUDIO = "index.html", "audio"
SCRIPTS = ("player.js", "trials.js", "page.js")
WEB = Path(__file__).with_name("web")
INDEX = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; connect-src 'none'; img-src data:;
 script-src 'self' file:; style-src 'self' file:">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="style.css">
</head>
<body>
<main id="main"><noscript>This listening test needs JavaScript.</noscript></main>
<script src="test.js"></script>
{scripts}
</body>
</html>
"""

Key = Callable[[Path, float], str]


def build(spec: Spec, out: Path, tell: Callable[[int, int], None] | None = None) -> Path:
    """Write the page of a test into a folder.

    Args:
        spec: of :func:`flowmusic.listening.spec.read`.
        out: a folder that is there or not.
        tell: called with the number of sounds that are written, and of all.

    Returns: the path of ``index.html``, which is written last.
    Raises: AudioError and SpecError for sounds that cannot be used, OSError for what cannot be written.
    """
    pages = list(spec.pages.flat())
    sounds = Sounds(path for page in pages for path in page.files())
    for page in pages:
        for _, hz in page.anchors:
            assert page.reference is not None  # as the reader of descriptions has seen to
            sounds.add_anchor(page.reference, hz)
    folder = out / AUDIO
    disk.check(folder, sounds.size())
    folder.mkdir(parents=True, exist_ok=True)
    done = 0

    def one() -> None:
        nonlocal done
        done += 1
        if tell is not None:
            tell(done, len(sounds))

    keys = sounds.write(folder, one)
    shown = {
        "name": spec.name, "id": spec.id, "rate": sounds.rate, "lufs": round(sounds.level(), 2),
        "sounds": sorted(set(keys.values())), "pages": _group(spec.pages, lambda path, hz: keys[path, hz]),
    }  # fmt: skip
    # What was saved of another version of the test is not gone on with.
    shown["version"] = hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()[:12]
    for name in ("style.css", *SCRIPTS):
        write_text(out / name, (WEB / name).read_text(encoding="utf-8"))
    write_text(out / "test.js", f"const LISTENING_TEST = {json.dumps(shown, indent=1, allow_nan=False)};\n")
    scripts = "\n".join(f'<script src="{name}"></script>' for name in SCRIPTS)
    return write_text(out / NAME, INDEX.format(title=html.escape(spec.name), scripts=scripts))


def _group(group: Group, key: Key) -> dict[str, Any]:
    pages = [_group(each, key) if isinstance(each, Group) else _page(each, key) for each in group.pages]
    return {"shuffled": group.shuffled, "pages": pages}


def _page(page: Page, key: Key) -> dict[str, Any]:
    stimuli = [{"name": name, "sound": key(path, 0.0)} for name, path in page.stimuli.items()]
    if page.kind == MUSHRA:
        assert page.reference is not None
        stimuli.append({"name": "reference", "sound": key(page.reference, 0.0)})
        stimuli += [{"name": name, "sound": key(page.reference, hz)} for name, hz in page.anchors]
    return {
        "kind": page.kind,
        "id": page.id,
        "name": page.name,
        "content": page.content,
        "stimuli": stimuli,
        "reference": None if page.reference is None else key(page.reference, 0.0),
        "given": None if page.given is None else key(page.given, 0.0),
        "response": [{"value": value, "label": label} for value, label in page.response],
        "unforced": page.unforced,
        "options": dict(page.options),
        "questionnaire": [dict(each) for each in page.questionnaire],
    }
