"""index.html: one page to hear an evaluation on, with no script or style from elsewhere; it moves with its folder."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from pathlib import Path

from flowmusic import disk, paths, publishable
from flowmusic.evaluate import spectrogram
from flowmusic.evaluate.cache import Take, slug
from flowmusic.evaluate.conditions import (
    ALONE,
    DROPPED,
    MODEL,
    OTHER_TEXT,
    TEXT_AND_FACTS,
    TEXT_ONLY,
    UNTOLD,
    Condition,
)
from flowmusic.evaluate.report import Results
from flowmusic.evaluate.scorers import TakeScores
from flowmusic.evaluate.test_set import LabelledClip
from flowmusic.files import write_text
from flowmusic.metrics.report import CODEC, SHUFFLED, TRUTH, Table

NAME, PICTURES = "index.html", "pictures"
ORDER = (TRUTH, CODEC, MODEL, UNTOLD, ALONE, TEXT_AND_FACTS, TEXT_ONLY, OTHER_TEXT, DROPPED, SHUFFLED)
WORDS = {
    TRUTH: "the reference recording",
    CODEC: "the reference through the codec alone",
    MODEL: "all controls",
    UNTOLD: "all controls but facts and who plays",
    TEXT_AND_FACTS: "text and facts, no other control",
    ALONE: "this control and the text",
    TEXT_ONLY: "the text, no other control",
    OTHER_TEXT: "another clip's text, no other control; scored on the original text",
    DROPPED: "no control at all",
    SHUFFLED: "only this control swapped for another clip's; scored on the original request",
}
STYLE = """
:root { color-scheme: light; --ink: #22252b; --soft: #5b6370; --line: #dfe2e7; --accent: #e4572e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1240px; padding: 1.5rem; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .3rem; }
p, dl { margin: .2rem 0 .8rem; color: var(--soft); } dt { float: left; clear: left; width: 8em; color: var(--ink); }
dd { margin-left: 8.5em; }
.wide { overflow-x: auto; } img { max-width: 100%; height: auto; display: block; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
th:first-child, td:first-child { text-align: left; } td small { color: var(--soft); }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(370px, 100%), 1fr)); gap: 1rem; }
.card { border: 1px solid var(--line); border-radius: 8px; padding: .7rem; min-width: 0; }
.card.model { border-color: var(--accent); } .card h3 { margin: 0; font-size: 1rem; }
.card p { margin: 0 0 .4rem; font-size: .82rem; } audio { width: 100%; height: 34px; margin: .3rem 0; }
.chips { display: flex; flex-wrap: wrap; gap: .3rem; margin: 0; padding: 0; list-style: none; font-size: .8rem; }
.chips li { background: #f2f3f5; border-radius: 4px; padding: .05rem .4rem; font-variant-numeric: tabular-nums; }
details { font-size: .82rem; color: var(--soft); overflow-wrap: anywhere; } nav a { margin-right: .8rem; }
"""
SCRIPT = """
document.addEventListener('play', event => {
  for (const other of document.querySelectorAll('audio')) if (other !== event.target) other.pause();
}, true);
"""
"""One player at a time."""


def write(
    results: Results, summary: Table, folder: Path, plots: Sequence[str], count: int, tell: Callable[[int], None]
) -> Path:
    """Draw the spectrograms of the first ``count`` clips and write the page; returns its path.

    Args:
        plots: names of the report's figures in the folder.
        tell: called with the number of pictures that are done.
    """
    sections = []
    for place, clip in enumerate(results.clips[:count]):
        cards = []
        for system in sorted(results.takes, key=lambda system: ORDER.index(system.row)):
            if place in results.takes[system]:
                take, heard = results.takes[system][place], results.heard[system][place]
                picture = _picture(system, clip, take, heard, folder)
                cards.append(_card(system, clip, take, heard, picture, folder))
                tell(1)
        sections.append(_section(clip, cards))
    return write_text(folder / NAME, _page(results, summary, plots, sections))


def _picture(system: Condition, clip: LabelledClip, take: Take, heard: TakeScores, folder: Path) -> Path | None:
    """The spectrogram of a take, made if needed; None where it cannot be written."""
    path = folder / PICTURES / slug(system.name) / f"{slug(clip.id)}.{take.key}.png"
    if not path.exists():
        with disk.spared(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            asked = clip.requested.chords if heard.chords is not None else None
            spectrogram.draw(take.audio(), asked, heard.chords, path)
            return path
        return None
    return path


def _page(results: Results, summary: Table, plots: Sequence[str], sections: Sequence[str]) -> str:
    title = f"Evaluation of {summary.notes.get('model', 'a model')}"
    notes = "".join(f"<dt>{_text(name)}</dt><dd>{_text(words)}</dd>" for name, words in summary.notes.items())
    shown = "".join(f'<p><img src="{_url(name)}" alt="{_text(Path(name).stem)}"></p>' for name in plots)
    links = "".join(f'<a href="#{_anchor(clip)}">{_text(clip.id)}</a>' for clip in results.clips[: len(sections)])
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{_text(title)}</title>
<style>{STYLE}</style>
</head>
<body>
<h1>{_text(title)}</h1>
<dl>{notes}</dl>
<div class="wide">{_table(summary)}</div>
<p>Mean [95 % interval] → normalised: 0 is what ignoring the control scores (shuffled), 1 is {_text(summary.ceiling)}.
Lower is nearer for fad; copy is the similarity of the nearest training clip, to be read beside that of truth.</p>
{shown}
<nav>{links}</nav>
{"".join(sections)}
<script>{SCRIPT}</script>
</body>
</html>
"""


def _table(summary: Table) -> str:
    metrics = summary.metrics
    head = "".join(f"<th>{_text(metric)}</th>" for metric in metrics)
    rows = []
    for system, row in summary.cells.items():
        cells = []
        for metric in metrics:
            cell = row.get(metric)
            if cell is None or cell.raw.count == 0:
                cells.append("<td>–</td>")
                continue
            scaled = "" if cell.norm is None else f" → <b>{cell.norm.mean:.2f}</b>"
            known = cell.raw.low == cell.raw.low
            interval = f" <small>[{cell.raw.low:.3f}, {cell.raw.high:.3f}]</small>" if known else ""
            cells.append(f"<td>{cell.raw.mean:.3f}{interval}{scaled}</td>")
        rows.append(f"<tr><th>{_text(system)}</th>{''.join(cells)}</tr>")
    return f"<table><thead><tr><th>row</th>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _section(clip: LabelledClip, cards: Sequence[str]) -> str:
    words = f"“{publishable.words(clip.text)}”" if clip.text is not None else "no prompt"
    return (
        f'<section id="{_anchor(clip)}"><h2>{_text(clip.id)}</h2><p>{_text(words)}</p>'
        f'<div class="cards">{"".join(cards)}</div></section>\n'
    )


def _card(
    system: Condition, clip: LabelledClip, take: Take, heard: TakeScores, picture: Path | None, folder: Path
) -> str:
    scores = "".join(f"<li>{_text(metric)} {value:.2f}</li>" for metric, value in heard.scores.items())
    nearest = f"<li>nearest training clip {_text(heard.nearest)}</li>" if heard.nearest is not None else ""
    chords = ""
    if heard.chords is not None:
        asked, found = _line(clip.requested.chords or ()), _line(heard.chords)
        chords = f"<details><summary>chords</summary>asked: {asked}<br>heard: {found}</details>"
    name = _text(system.name)
    drawn = (
        ""
        if picture is None
        else (f'<img src="{_url(picture.relative_to(folder))}" alt="spectrogram of {name}" loading="lazy">')
    )
    return f"""
<article class="card{" model" if system.row == MODEL else ""}">
<h3>{name}</h3><p>{_text(WORDS[system.row])}</p>
<audio controls preload="none" src="{_url(take.path.relative_to(folder))}"></audio>
{drawn}
<ul class="chips">{scores}{nearest}</ul>{chords}
</article>"""


def _line(changes: Sequence) -> str:
    return _text("  ".join(f"{float(start):.1f} {label}" for start, _, label in changes) or "none")


def _anchor(clip: LabelledClip) -> str:
    return f"clip-{slug(clip.id)}"


def _text(value: object) -> str:
    return html.escape(str(value))


def _url(path: Path | str) -> str:
    return paths.url(Path(path).as_posix())


def players(results: Results, count: int) -> int:
    """How many recordings the page shows."""
    return sum(place < count for takes in results.takes.values() for place in takes)
