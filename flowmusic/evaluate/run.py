"""The work of an evaluation: every system is recorded and listened to, under one progress bar."""

from __future__ import annotations

from flowmusic import progress
from flowmusic.evaluate import adherence
from flowmusic.evaluate.cache import Take
from flowmusic.evaluate.conditions import MODEL, Condition, Sampling, systems
from flowmusic.evaluate.detectors import describe
from flowmusic.evaluate.fad import Patches, distances
from flowmusic.evaluate.inputs import Inputs
from flowmusic.evaluate.report import Results
from flowmusic.evaluate.scorers import (
    AdherenceScorer,
    CopyScorer,
    Scorer,
    SoundScorer,
    TakeScores,
    TextScorer,
    choices_of,
    listen,
)
from flowmusic.evaluate.settings import Settings
from flowmusic.evaluate.sweeps import guidance_points, steps_points, sweep
from flowmusic.metrics.report import TRUTH
from flowmusic.metrics.texture import EMBEDDING


def work(settings: Settings, inputs: Inputs) -> Results:
    """Record and listen.  What the store holds is not made again.  Raises: NotFinite if the model's rows diverge."""
    studio, embed = inputs.studio, inputs.embed
    clips = studio.clips
    judges, unswept = judges_of(inputs)
    everything, curve, grid = planned(settings, inputs)
    rows = range(len(clips))
    fewer = rows[: settings.sweep_clips]
    takes: dict[Condition, dict[int, Take]] = {}
    heard: dict[Condition, dict[int, TakeScores]] = {}
    expected = sum(system.applies(clips, row) for system in everything for row in rows)
    total = 2 * (expected + (len(curve) + len(grid)) * len(fewer))
    with progress.Bar("evaluating", "clip", total, ends=True) as bar:
        for system in everything:
            bar.note(system.name)
            takes[system] = dict(sorted(studio.record(system, rows, bar.update).items()))
            heard[system] = {}
            for row, take in takes[system].items():
                heard[system][row] = listen(studio.store, [*judges, *unswept], system, clips[row], take)
                bar.update()
        by_name = {system: {clips[row].id: take for row, take in each.items()} for system, each in takes.items()}
        reference = next(each for system, each in by_name.items() if system.row == TRUTH)
        model = next(system for system in everything if system.row == MODEL)
        bar.note("sweeps")
        swept = [
            sweep(studio, model, points, fewer, judges, embed, reference, settings.seed, bar.update)
            for points in (curve, grid)
        ]
        whole = {system: each for system, each in by_name.items() if system.control is None}
        far = distances(embed, whole, reference, inputs.other_source, settings.seed)
        texture = Patches(studio.store, EMBEDDING)
        apart = distances(texture, whole, reference, inputs.other_source, settings.seed)
    return Results(clips, takes, heard, far, apart, swept[0], swept[1], settings.guidance_grid)


def judges_of(inputs: Inputs) -> tuple[list[Scorer], list[Scorer]]:
    """Who hears every take, and who hears all but those of sweeps."""
    judges: list[Scorer] = [AdherenceScorer(adherence.listeners(inputs.chords), describe(chords=inputs.chords))]
    if inputs.text is not None:
        judges.append(TextScorer(inputs.text, choices_of(inputs.studio.clips)))
    unswept: list[Scorer] = [SoundScorer()]
    unswept += [] if inputs.library is None else [CopyScorer(inputs.library)]
    return judges, unswept


def planned(settings: Settings, inputs: Inputs) -> tuple[list[Condition], list[Sampling], list[Sampling]]:
    """All systems, and the points of the curve over steps and of the map over guidance."""
    everything = systems(inputs.controls, inputs.sampling, alone=settings.alone, score_text=inputs.text is not None)
    curve = steps_points(inputs.sampling, settings.steps_curve)
    return everything, curve, guidance_points(inputs.sampling, settings.guidance_grid)
