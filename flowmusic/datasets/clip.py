"""The per-clip function of a build: a piece of a recording to latents, controls and captions.

Whoever runs it (this process, a worker, Ray on another machine), it gives the same bits.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from feature_extractors.drum_codes import DrumCodes
from flowmusic import audio as audio_tools
from flowmusic.annotations.labels_file import labels_of
from flowmusic.annotations.tracks import to_tracks
from flowmusic.audio import Audio
from flowmusic.controls.notices import ControlNotice
from flowmusic.data.audio_prompts import HEARD
from flowmusic.data.clip_checks import FEATURES, KNOWN, LATENTS
from flowmusic.data.shards import CONFIDENCE, ClipSample
from flowmusic.datasets import facts
from flowmusic.datasets.manifest import Entry, to_json
from flowmusic.datasets.settings import ClipSettings, ExtractorChoice
from flowmusic.model.text_audio_conditioner import WINDOW_SECONDS, embed_audio
from flowmusic.types import FrameGrid, Track

if TYPE_CHECKING:
    from feature_extractors.run import Extractors

MISSING_S = 0.1
"""How much shorter than the manifest says a part may be; more is another file."""

SUREST = 0.999
"""The most confidence of what an extractor heard."""


class ClipBuilder:
    """The per-clip function with all that it needs loaded.

    Args:
        settings: what a clip holds.
        quiet: do not say the licence of weights, for workers of one that has said it.

    Raises: ModelError for a codec or weights that cannot be used; MissingMadmom.
    """

    def __init__(self, settings: ClipSettings, quiet: bool = True) -> None:
        self.settings = settings
        self.codec = load_codec(settings.codec, settings.drums, settings.device)
        self.frame_rate = Fraction(self.codec.frame_rate)
        self.extractors = extractors_of(settings.extractors, settings.controls)
        self.style: Any = None
        if settings.style_features is not None:
            from flowmusic.interop.mert import Mert

            wanted = settings.style_features
            self.style = Mert(wanted["source"], wanted["layer"], device=settings.device, quiet=quiet)
            self.style.load()
        self.text_audio: Any = None
        if settings.text_audio is not None:
            from flowmusic.interop import text_audio

            self.text_audio = text_audio.load(settings.text_audio)

    def __call__(self, piece: Entry) -> ClipSample:
        """One clip.  Raises: ValueError for a recording, labels or a stem that cannot be used."""
        reading = read_part(piece.path, piece)
        audio = reading.audio
        latents = self.encode(audio)
        grid = FrameGrid(self.frame_rate, len(latents))
        tensors: dict[str, Tensor] = {LATENTS: latents.half()}
        if self.style is not None:
            # From the file itself, as a style is taken of a recording: the codec's rate may be lower.
            tensors[FEATURES] = self.style(audio, len(latents)).cpu().half()
        if self.text_audio is not None:
            tensors[HEARD] = embed_audio(self.text_audio, audio).half()
        tracks, confidence = self.controls(piece, audio, grid)
        for name, track in tracks.items():
            values = track.values
            tensors[name] = values.half() if values.is_floating_point() else values.to(torch.int16)
            tensors[name + KNOWN] = track.known
            tensors[name + CONFIDENCE] = (confidence[name] * track.known).half()
        return ClipSample(piece.key, tensors, self.info(piece, audio.seconds, reading.notices))

    @torch.no_grad()
    def encode(self, audio: Audio) -> Tensor:
        """Latents of a part, which is mono.  Shape: ``[1, N] -> [T, D]`` on the CPU."""
        mono = audio_tools.resample(audio, self.codec.rate)
        samples = mono.samples[None].to(self.settings.device)
        return self.codec.encode(Audio(samples, mono.rate))[0].float().cpu()

    def controls(self, piece: Entry, audio: Audio, grid: FrameGrid) -> tuple[Mapping[str, Track], Mapping[str, Tensor]]:
        """Tracks, and confidence ``[T]``, of every control: exact ones where there are labels or stems."""
        wanted = self.settings.controls
        codes = self.settings.drums == "codes"
        exact: dict[str, Track] = {}
        if piece.labels is not None:
            names = [name for name in wanted if not (name == "drums" and (codes or "drums" in piece.stems))]
            with warnings.catch_warnings():
                # Thousands of files may hold the same chord that the vocabulary lacks.
                warnings.simplefilter("ignore", ControlNotice)
                told = labels_of(piece.labels)
            exact.update(to_tracks(told, grid, names, piece.start, audio.seconds))
        if "drums" in wanted and "drums" in piece.stems:
            exact["drums"] = self.drums(read_part(piece.stems["drums"], piece).audio, grid)
        confidence = {name: torch.ones(grid.length) for name in exact}
        rest = [name for name in wanted if name not in exact]
        if not rest:
            return exact, confidence
        from feature_extractors.run import extract

        heard = extract(audio, self.extractors, rest)
        tracks = heard.tracks(grid)
        if codes and "drums" in rest and heard.drum_stem is not None:
            tracks["drums"] = self.drums(heard.drum_stem, grid)
        # 1 is for what is exact.
        confidence.update({name: sure.clamp(max=SUREST) for name, sure in heard.confidence(grid).items()})
        return {name: {**exact, **tracks}[name] for name in wanted}, confidence

    def drums(self, stem: Audio, grid: FrameGrid) -> Track:
        """The drum control of drums alone."""
        from feature_extractors.drums import Drums

        make: Any = DrumCodes(self.codec) if self.settings.drums == "codes" else Drums(separate=False)
        track: Track = make(stem, grid)
        return track

    def info(self, piece: Entry, seconds: float, notices: tuple[str, ...] = ()) -> dict[str, Any]:
        """What is not a tensor: where the clip comes from, what is said of it, and what is odd about its file."""
        told = to_json(piece, self.settings.root)["path"]
        found = {
            "captions": list(piece.text),
            "seconds": round(seconds, 6),
            "start": piece.start,
            "licence": piece.licence,
            "dataset": piece.dataset,
            # Elsewhere a folder of this machine means nothing.
            "source": Path(told).name if Path(told).is_absolute() else told,
            "hash": piece.hash,
        }
        if notices:
            found["notices"] = list(notices)
        found.update(facts.of_piece(piece, seconds))
        return {**found, "tags": dict(piece.tags)} if piece.tags else found


def read_part(path: str, piece: Entry) -> audio_tools.Reading:
    """The part of a file that a piece means, mono.

    Raises: AudioError if the file cannot be read, or is shorter than the manifest says.
    """
    reading = audio_tools.read_mono(path, start=piece.start, seconds=piece.duration)
    missing = piece.duration - reading.audio.seconds
    if missing > MISSING_S:
        raise audio_tools.AudioError(f"{path} ends {missing:.1f} s earlier than the manifest says; scan it again")
    return reading


def load_codec(name: str, drums: str = "onsets", device: str = "cpu") -> Any:
    """A codec of ours, or, for drums as codes, a published one.  Raises: ModelError."""
    from flowmusic.interop import bundle, encodec, jasco, model_files

    if drums == "onsets" or name in model_files.available() or (Path(name) / "config.yaml").is_file():
        return bundle.load_codec(name, device)
    return encodec.load(name, jasco.LATENT_MEAN, jasco.LATENT_STD).to(device)


def extractors_of(choice: ExtractorChoice, controls: tuple[str, ...]) -> Extractors:
    """The extractors of a build.  Raises: MissingMadmom; ModelError without Demucs' weights."""
    from feature_extractors.beats import Beats
    from feature_extractors.chords import Chords
    from feature_extractors.demucs_stems import Demucs
    from feature_extractors.drums import Drums
    from feature_extractors.madmom import compat
    from feature_extractors.melody import Melody
    from feature_extractors.run import Extractors
    from feature_extractors.separator import DrumSeparator
    from feature_extractors.stems import HarmonicPercussive

    for control, mends in (("chords", "ours"), ("beats", "flux")):
        if control in controls and getattr(choice, control) == "madmom":
            compat.require(f"extractors.{control}=madmom", f"choose extractors.{control}={mends}")
    stems = {"hpss": HarmonicPercussive, "ours": DrumSeparator, "demucs": Demucs}[choice.separator]()
    if isinstance(stems, Demucs) and "drums" in controls and not stems.available():
        raise ValueError(
            "extractors.separator=demucs needs the weights of HTDemucs in the local hub cache (hf download "
            "adefossez/HTDemucs); choose extractors.separator=ours or hpss"
        )
    return Extractors(
        chords=Chords(choice.chords, choice.chord_detail),
        melody=Melody(model=choice.melody),
        drums=Drums(stems=stems),
        beats=Beats(choice.beats),
    )


def described(maker: ClipBuilder) -> dict[str, Any]:
    """All that decides what a clip holds, as plain data: settings, weights and versions."""
    from feature_extractors import cache
    from flowmusic.interop import text_audio
    from flowmusic.interop.model_files import codec_fingerprint

    settings = maker.settings
    versions = {name: cache.describe(getattr(maker.extractors, name)).get("version") for name in settings.controls}
    found = {**settings.plain(), "codec_weights": codec_fingerprint(maker.codec), "versions": versions}
    if settings.text_audio is not None:
        sha256 = text_audio.fingerprint(settings.text_audio)
        found[HEARD] = {"model": settings.text_audio, "sha256": sha256, "window_seconds": WINDOW_SECONDS}
    return found
