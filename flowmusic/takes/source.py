"""What an edit starts from: a take with its stored latents and request, or any recording, encoded and listened to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import plain
from flowmusic.controls import TRACKS
from flowmusic.errors import UsageError
from flowmusic.hashes import of_file
from flowmusic.paths import sibling
from flowmusic.plain import shown
from flowmusic.takes import stored

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.audio import Audio
    from flowmusic.generate.generator import Generator
    from flowmusic.types import Controls, FrameGrid, Track

FREE = (*TRACKS, "text", "style")
"""What of a source can be let go of."""
SAME_SI_SDR_DB = 6.0
"""A file whose sound agrees with its stored latents by less was changed after it was made.

A take written as Ogg, which loses most, agrees by about 27 dB; another take of the same request by less than 0.
"""


@dataclass(frozen=True)
class Source:
    """A piece of music to go on from.

    Attributes:
        path: the audio file.
        audio: its samples ``[C, N]`` at its own rate, as they are in the file.
        latents: ``[1, T, D]`` of the model's codec.
        grid: the clock of the latents and controls.
        controls: what it was asked for, or what was heard in it, as the model reads it; a batch of one.
        beats: its beat grid, whether the model reads beats or not; None where none is known.
        record: of a take, what its take.json says; {} for other recordings.
        codec_error_db: SI-SDR of the codec's round trip, where the latents come from encoding; None for a take's own.
        notices: what a person should know.
    """

    path: Path
    audio: Audio
    latents: Tensor
    grid: FrameGrid
    controls: Controls
    beats: Track | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    codec_error_db: float | None = None
    notices: tuple[str, ...] = ()

    def about(self) -> dict[str, Any]:
        """What a record tells of it: name, hash, and of a take model and seed."""
        from flowmusic.hashes import of_file

        error = self.codec_error_db
        found = {
            "name": self.path.name,
            "sha256": of_file(self.path),
            "model": self.record.get("model"),
            "seed": self.record.get("seed"),
            "codec_error_db": None if error is None else round(error, 2),
        }
        return {key: value for key, value in found.items() if value is not None}

    @property
    def text(self) -> str | None:
        """The words that it was asked for by."""
        text = self.controls.text[0]
        return text if isinstance(text, str) else None

    @property
    def bpm(self) -> float | None:
        """Its tempo: of the request, or as heard; None where nothing tells."""
        from flowmusic.controls.beats import tempo

        return None if self.beats is None else tempo(self.beats)


def check_outputs(outs: Sequence[Path], source: Path) -> None:
    """Raise UsageError where an output would be written over the source, its record or its latents."""
    kept = {path.resolve() for path in (source, sibling(source, ".json"), stored.path_beside(source))}
    for out in outs:
        for path in (out, sibling(out, ".json"), stored.path_beside(out)):
            if path.resolve() in kept:
                what = (
                    "SOURCE itself" if path.resolve() == source.resolve() else f"{path.name}, which belongs to SOURCE"
                )
                raise UsageError(f"--out {shown(out)} would be written over {what}; choose another name")


def check_codec(source: Source, generator: Generator) -> None:
    """Raise UsageError for a take of another codec, to be called where a person chose the model."""
    own, ours = source.record.get("weights"), generator.weights.get("codec")
    codec = own.get("codec") if isinstance(own, dict) else None
    if codec is not None and ours is not None and codec != ours:
        raise UsageError(
            f"a source of another model: {shown(source.path)} was made by {source.record.get('model')}, whose codec is "
            f"not that of {generator.name}; leave --model out, or move {source.path.stem}.json away to use the audio "
            "as any recording"
        )


def audio_of(path: Path) -> Path:
    """The audio that SOURCE names: the file itself, or the one that a take's record or latents lie beside.

    Raises: UsageError where there is none.
    """
    if path.suffix not in (".json", stored.SUFFIX):
        return path
    found = [each for each in (sibling(path, ending) for ending in (".wav", ".flac", ".ogg")) if each.is_file()]
    if not found:
        raise UsageError(
            f"{shown(path)} is beside no take: no {path.stem}.wav, .flac or .ogg there; name the audio file"
        )
    return found[0]


def check_length(audio: Path) -> None:
    """Raise UsageError for a file that is longer than what is held in memory, where its header tells that."""
    from flowmusic.audio_files import length_of

    length = length_of(audio)
    if length is not None:
        checked_length(length, shown(audio))


def checked_length(seconds: float, name: str) -> float:
    """A length that is held in memory.  Raises: UsageError."""
    from flowmusic import limits

    try:
        return limits.number("source", seconds, f"the length of {name}")
    except limits.LimitError as error:
        raise UsageError(str(error)) from None


def record_of(audio: Path) -> dict[str, Any]:
    """What the record of a take says, {} where there is none.  Raises: UsageError for one that is damaged."""
    path = sibling(audio, ".json")
    if not path.is_file():
        return {}
    try:
        found = plain.read_json(path)
    except plain.PlainError as error:
        raise UsageError(
            f"the record of {shown(audio)} cannot be read ({error}); move it away to edit the audio alone"
        ) from None
    return found if isinstance(found, dict) and "seed" in found and "model" in found else {}


def read(path: Path, generator: Generator, tell: Callable[[str], None] | None = None) -> Source:
    """Read SOURCE for a model: the latents of a take of its codec, or else what encoding and extraction find.

    Args:
        tell: called with what is being done, for a person who waits.

    Raises: UsageError for a record that is damaged; AudioError for a file that is not usable audio.
    """
    from flowmusic import audio as reading
    from flowmusic.types import FrameGrid

    path = audio_of(path)
    audio = reading.read(path)
    record = record_of(path)
    kept, notice = _kept(path, generator, audio, record)
    if kept is not None:
        grid = FrameGrid(generator.codec.frame_rate, kept.latents.shape[1])
        beats = kept.controls.tracks.get("beats") or _of_record(record, grid)
        return Source(path, audio, kept.latents, grid, _on_model(kept.controls, generator), beats, record)
    notices = () if notice is None else (notice,)
    return _listened(path, audio, record, generator, notices, tell or (lambda step: None))


def _of_record(record: Mapping[str, Any], grid: FrameGrid) -> Track | None:
    """The beat grid that a record tells by its tempo, of a take whose model reads no beats."""
    from flowmusic.controls.beats import from_bpm
    from flowmusic.controls.tracks import batched

    asked = record.get("controls")
    if not isinstance(asked, dict) or not isinstance(asked.get("bpm"), int | float):
        return None
    return batched(from_bpm(float(asked["bpm"]), str(asked.get("meter") or "4/4"), grid))


def _kept(
    path: Path, generator: Generator, audio: Audio, record: Mapping[str, Any]
) -> tuple[stored.Stored | None, str | None]:
    """The latents beside a take, if they are of this codec and of this sound; else why not."""
    file = stored.path_beside(path)
    if not file.is_file():
        return None, None
    try:
        kept = stored.read(file)
    except stored.StoredError as error:
        return None, str(error)
    codec = generator.weights.get("codec")
    if kept.latents.shape[-1] != generator.codec.dim or (kept.codec and codec and kept.codec != codec):
        return None, f"{shown(file)} is of another codec than that of {generator.name}; the audio is encoded instead"
    # An edited recording is its own samples where its latents are those of its encoding, which may agree by little.
    unchanged = record.get("audio_sha256") is not None and record["audio_sha256"] == of_file(path)
    if not unchanged and not _same_sound(kept.latents, generator, audio):
        return (
            None,
            f"{shown(path)} was changed after it was made, so its audio is encoded, not its stored latents taken",
        )
    return kept, None


def _same_sound(latents: Tensor, generator: Generator, audio: Audio) -> bool:
    from flowmusic import audio as tools
    from flowmusic.metrics.signal import si_sdr

    heard = tools.mono(tools.resample(audio, generator.codec.rate)).samples
    # The file may end within the last frame.
    frames = -(-heard.shape[-1] * float(generator.codec.frame_rate) // generator.codec.rate)
    if latents.shape[1] != frames:
        return False
    made = tools.mono(generator.codec.decode(latents.to(generator.device))).samples[0].cpu()[..., : heard.shape[-1]]
    if float(heard.square().mean()) < 1e-10:
        return float(made.square().mean()) < 1e-6
    return si_sdr(made[0], heard[0]) >= SAME_SI_SDR_DB


def _on_model(controls: Controls, generator: Generator) -> Controls:
    """The controls that this model reads."""
    from flowmusic.types import FACTS, STYLE, TEXT

    told = {FACTS} if generator.has_facts else set()
    return controls.only({*generator.controls, TEXT, STYLE, *told})


def _listened(
    path: Path,
    audio: Audio,
    record: Mapping[str, Any],
    generator: Generator,
    notices: tuple[str, ...],
    tell: Callable[[str], None],
) -> Source:
    """Encode a recording, and extract the controls that the model reads."""
    from feature_extractors.drums import Drums
    from feature_extractors.run import Extractors, extract
    from feature_extractors.separators import best_available
    from flowmusic import audio as tools
    from flowmusic.audio import Audio
    from flowmusic.controls.drums import codes_to_track
    from flowmusic.controls.tracks import batched
    from flowmusic.metrics.signal import si_sdr
    from flowmusic.types import Controls, FrameGrid

    tell("encoding")
    one = tools.mono(tools.resample(audio, generator.codec.rate))
    latents = generator.codec.encode(Audio(one.samples[None].to(generator.device), one.rate))
    again = tools.mono(generator.codec.decode(latents)).samples[0].cpu()[..., : one.samples.shape[-1]]
    error_db = si_sdr(again[0], one.samples[0]) if float(one.samples.square().mean()) > 1e-10 else None
    grid = FrameGrid(generator.codec.frame_rate, latents.shape[1])
    use = [name for name in TRACKS if name in generator.controls or name == "beats"]
    found = extract(audio, Extractors(drums=Drums(stems=best_available())), use, progress=tell)
    heard = {name: batched(track) for name, track in found.tracks(grid).items()}
    tracks = {name: track for name, track in heard.items() if name in generator.controls}
    if generator.drums_as_codes:
        tracks.pop("drums", None)
        if found.written_stem is not None:
            first_codes: Callable[[Audio], Tensor] = generator.codec.first_codes  # type: ignore[attr-defined]
            tracks["drums"] = batched(codes_to_track(first_codes(found.written_stem.audio())[0], grid))
    controls = Controls((record.get("text"),), tracks)
    told = tuple(f"{shown(path)}: {notice}" for notice in found.notices)
    beats = heard.get("beats")
    return Source(path, audio, latents.cpu(), grid, controls, beats, record, error_db, (*notices, *told))
