"""The inputs of an evaluation, each judged before any work begins."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from feature_extractors.chords import Chords
from flowmusic.controls import TRACKS
from flowmusic.errors import UsageError, reading_input
from flowmusic.evaluate import training_index as library
from flowmusic.evaluate.adherence import chord_recogniser
from flowmusic.evaluate.cache import Store, Take
from flowmusic.evaluate.conditions import Sampling
from flowmusic.evaluate.fad import Embedder, Fadtk, Patches, other_recordings
from flowmusic.evaluate.generate import TakeGenerator
from flowmusic.evaluate.settings import CONTROLS, Settings
from flowmusic.evaluate.sweeps import guidance_points, steps_points
from flowmusic.evaluate.test_set import TOLD, LabelledClip, drum_control, read_clips
from flowmusic.evaluate.test_set_folder import read_recordings
from flowmusic.evaluate.test_set_manifest import read_listed
from flowmusic.generate.generator import Generator
from flowmusic.interop import bundle, fitting, model_files
from flowmusic.interop.adapter import AdapterError
from flowmusic.interop.model_files import codec_fingerprint
from flowmusic.metrics import fad
from flowmusic.metrics.text_match import TextMatch
from flowmusic.options import check_device
from flowmusic.precision import usable
from flowmusic.types import FACTS, TEXT, FrameGrid


@dataclass(frozen=True)
class Inputs:
    """What an evaluation works on.

    Args:
        studio: the model and the test clips.
        controls: the chosen ones that the model reads, ``text`` only if a clip has words.
        sampling: how takes are drawn, in full.
        embed: the embedding of the distances.
        chords: who recognises them.
        text, library, other_source: None where nobody asked.
    """

    studio: TakeGenerator
    controls: tuple[str, ...]
    sampling: Sampling
    embed: Embedder
    chords: Chords
    text: TextMatch | None
    library: library.TrainingIndex | None
    other_source: Mapping[str, Take] | None


def prepare(settings: Settings) -> Inputs:
    """Load and read everything.  Raises: UsageError for whatever cannot be used."""
    check_device(settings.device)
    settings = replace(settings, precision=usable(settings.precision, settings.device))
    store = Store(settings.out)
    chords = chord_recogniser(settings.chord_detector)
    text = None if settings.text_audio is None else load_text_match(settings.text_audio)
    with reading_input():
        embed = _embedder(settings, store)
        generator = load_model(settings)
        grid = generator.grid(settings.seconds)
        chosen = choose_controls(settings, generator)
        sampling = _sampling(settings, generator)
        clips = read_test_set(settings, generator, grid, chosen)
        training = _library(settings, generator)
        other_source = _other_source(settings, store, len(clips), grid, generator)
    chosen = tuple(name for name in chosen if name in present(settings, clips))
    # At scale 0 an adapter is not there, and takes of the base are its takes.
    adapters = [f"{each['hash']}:{each['scale']:g}" for each in generator.adapters if each["scale"]]
    # Of the description, which the hash of the weights does not cover.
    told = [f"{name}={says}" for name, says in generator.defaults.recorded().items() if says is not None]
    weights = (model_files.fingerprint(settings.model), codec_fingerprint(generator.codec), *told, *adapters)
    studio = TakeGenerator(generator, weights, clips, grid, settings.seed, settings.batch, settings.precision, store)
    return Inputs(studio, chosen, sampling, embed, chords, text, training, other_source)


def load_model(settings: Settings) -> Generator:
    """The model with its adapters, on its device.  Raises: UsageError."""
    check_device(settings.device)
    more: dict[str, Any] = {"adapters": settings.adapter} if settings.adapter else {}
    try:
        return bundle.load(settings.model, device=settings.device, precision=settings.precision, **more)
    except (fitting.ModelError, AdapterError) as error:
        raise UsageError(str(error)) from error


def load_text_match(name: str) -> TextMatch:
    """A text-audio model as what judges words.  Raises: UsageError if there is none of that name."""
    from flowmusic.metrics.text_audio import TextAudio

    with reading_input():
        model = TextAudio.load(name)
    return TextMatch(name, model.embed_audio, model.embed_text)


def choose_controls(settings: Settings, generator: Generator) -> tuple[str, ...]:
    """The chosen controls that the model reads, in the order of reports.  Raises: UsageError if none is left."""
    reads = {TEXT, *generator.controls, *([FACTS] if generator.has_facts else [])}
    chosen = settings.controls or CONTROLS
    lost = [name for name in chosen if name not in reads]
    if settings.controls is not None and lost:
        print(f"note: {settings.model} has no control for {', '.join(lost)}; left out", file=sys.stderr)
    kept = tuple(name for name in chosen if name in reads)
    if not (kept if settings.data == "manifest" else set(kept) - {TEXT}):
        raise UsageError(f"controls: {settings.model} reads none of {', '.join(chosen)}; it reads {', '.join(reads)}")
    return kept


def read_test_set(
    settings: Settings, generator: Generator, grid: FrameGrid, chosen: Sequence[str]
) -> list[LabelledClip]:
    """The clips of the test set, cut to the grid.  Raises: ValueError, OSError for what cannot be used."""
    codec: Any = generator.codec
    if settings.data == "folder":
        return read_recordings(
            settings.source,
            settings.clips,
            grid,
            codec.rate,
            chosen,
            settings.out / "extracted",
            codec if generator.drums_as_codes else None,
        )
    drums = drum_control(generator)
    if settings.data == "manifest":
        return read_listed(settings.source, settings.split, settings.clips, grid, codec.rate, chosen, drums)
    clips = read_clips(settings.source, settings.split, settings.clips, grid, codec.rate, chosen, drums)
    if len(clips) < 2:
        raise UsageError(
            f"the {settings.split} split of {settings.source} has {len(clips)} clips; at least 2 are needed"
        )
    return clips


def present(settings: Settings, clips: Sequence[LabelledClip]) -> frozenset[str]:
    """What the clips can ask for: words and facts if there are any; of a manifest, only the controls with labels."""
    told = {name for name in (TEXT, *TOLD) if any(clip.has(name) for clip in clips)}
    labelled = frozenset().union(*(clip.controls.tracks for clip in clips))
    return frozenset(told | (labelled if settings.data == "manifest" else set(TRACKS)))


def _embedder(settings: Settings, store: Store) -> Embedder:
    if settings.fad_embedding == fad.EMBEDDING:
        return Patches(store)
    python = Fadtk.check(settings.fad_embedding, settings.fadtk_python)
    return Fadtk(settings.fad_embedding, python, settings.out / "fadtk")


def _sampling(settings: Settings, generator: Generator) -> Sampling:
    defaults = generator.defaults
    interval = settings.guidance_interval or defaults.guidance_interval
    sampling = Sampling(
        dict(defaults.guidance if settings.guidance is None else settings.guidance),
        settings.solver or defaults.solver,
        settings.steps or defaults.steps,
        settings.time_grid or defaults.time_grid,
        None if interval is None else tuple(interval),
        defaults.apg if settings.apg is None else settings.apg,
    )
    # Impossible points fail before any work.
    sampling.guide()
    steps_points(sampling, [sampling.steps, *settings.steps_curve])
    guidance_points(sampling, settings.guidance_grid)
    return sampling


def _library(settings: Settings, generator: Generator) -> library.TrainingIndex | None:
    if settings.train_latents is not None:
        return library.of_latents(settings.train_latents, generator.codec)
    if settings.train_corpus is not None:
        return library.of_corpus(settings.train_corpus, generator.codec, settings.out / "training clips")
    return None


def _other_source(
    settings: Settings, store: Store, count: int, grid: FrameGrid, generator: Generator
) -> Mapping[str, Take] | None:
    if settings.fad_reference is None:
        return None
    return other_recordings(store, settings.fad_reference, settings.split, count, grid.seconds, generator.codec.rate)
