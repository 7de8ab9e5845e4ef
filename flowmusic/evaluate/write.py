"""What a person gets of an evaluation: report.json, report.md, the figures and the listening page."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from flowmusic import disk, progress, publishable
from flowmusic.evaluate import listening_page, plots, report
from flowmusic.evaluate.conditions import ALONE
from flowmusic.evaluate.detectors import describe
from flowmusic.evaluate.fad import ANCHORS
from flowmusic.evaluate.inputs import Inputs
from flowmusic.evaluate.report import Results
from flowmusic.evaluate.settings import Settings
from flowmusic.interop.adapter import AdapterUse
from flowmusic.metrics.report import CODEC, TRUTH, Table


def publish(settings: Settings, inputs: Inputs, results: Results) -> tuple[Table, tuple[Path, ...]]:
    """Write everything into ``settings.out``; returns the table and the files, the page last."""
    ceiling = CODEC if settings.data == "folder" else TRUTH
    summary = report.summarise(results, _notes(settings, inputs, results), settings.seed, ceiling)
    pictures = _plots(settings, results, summary)
    names = [path.name for path in pictures]
    sampling = inputs.sampling
    # Places are told by name (flowmusic.publishable), so weights by their hashes too.
    repeat = {**publishable.cleaned(asdict(settings)), "weights_sha256": list(inputs.studio.weights)}
    repeat["manifest" if settings.data == "manifest" else "corpus"] = repeat.pop("source")
    repeat.update(
        guidance=dict(sampling.guidance),
        guidance_interval=sampling.interval and list(sampling.interval),
        apg=sampling.apg and dict(sampling.apg),
        solver=sampling.solver,
        steps=sampling.steps,
        time_grid=sampling.time_grid,
        controls=list(inputs.controls),
    )
    markdown = report.write(results, summary, repeat, settings.out, names)
    shown = listening_page.players(results, settings.page_clips)
    with progress.Bar("pictures", "take", shown) as bar:
        listening = listening_page.write(results, summary, settings.out, names, settings.page_clips, bar.update)
    return summary, (markdown.with_suffix(".json"), markdown, *pictures, listening)


def _plots(settings: Settings, results: Results, summary: Table) -> list[Path]:
    """The figures; one that cannot be written is left out, for the report is worth more."""
    out, found = settings.out, []
    with disk.spared(out / "adherence.png"):
        found.append(plots.adherence(summary, out / "adherence.png"))
    if any(point.num_evals is not None for point in results.curve):
        halves = results.distances.anchors[ANCHORS[0]]
        with disk.spared(out / "evaluations.png"):
            found.append(plots.evaluations(results.curve, summary, halves, out / "evaluations.png"))
    if results.grid:
        with disk.spared(out / "guidance.png"):
            found.append(plots.guidance_map(results.grid, results.weights, out / "guidance.png"))
    return [path for path in found if path is not None]


def _shown(adapter: str) -> str:
    """An adapter without the folder that it lies in."""
    use = AdapterUse.parse(adapter)
    return f"{use.scale:g} {use.path.name}"


def _notes(settings: Settings, inputs: Inputs, results: Results) -> dict[str, str]:
    """What a reader has to know, in words."""
    sampling = inputs.sampling
    drawn = f"{sampling.solver}, {sampling.steps} steps, {sampling.time_grid} grid"
    count, seconds = len(results.clips), results.clips[0].audio.seconds
    source = (
        settings.source.name if settings.data == "folder" else f"the {settings.split} split of {settings.source.name}"
    )
    model = " + ".join([publishable.place(settings.model), *map(_shown, settings.adapter)])
    notes = {
        "model": f"{model}, {drawn}, guidance {sampling.guidance_in_words()}",
        "clips": f"{count} of {source}, {seconds:g} s each, noise from seed {settings.seed} upwards",
        "controls": ", ".join(inputs.controls),
        "shuffled": "one control at a time is the next clip's, everything else and the noise equal",
    }
    if settings.data == "manifest":
        notes["requested"] = "captions and labels of the manifest; a clip without a label is not scored on it"
    if settings.data == "folder":
        notes["requested"] = "what the extractors hear in the recordings; truth compares them with themselves"
    if any(system.row == ALONE for system in results.takes):
        notes["alone"] = "each control by itself with the text"
    heard_for = {"chords": "chords", "drums": "onsets", "melody": "melody", "beats": "beats"}
    words = describe(chords=inputs.chords)
    notes.update({listener: words[listener] for control, listener in heard_for.items() if control in inputs.controls})
    notes["fad"] = results.distances.note
    if inputs.text is not None:
        judge = publishable.place(inputs.text.name)
        notes["text"] = f"{judge}: cosine with the prompt; share of its attributes that are recognised"
    if inputs.library is not None:
        notes["copy"] = inputs.library.described
    told: dict[str, str] = publishable.cleaned(notes)
    return told
