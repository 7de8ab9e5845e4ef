"""The sound of codecs and models side by side: recordings, their round trips, and takes of the same requests.

Prints a table of figures, draws one picture of spectrograms (docs/sound.png), and makes a page with players.

    python benchmarks/sound_page.py --corpus DIR --codecs nano2_codec --models nano --out sound-page \
        [--clips 16] [--shown 3] [--picture docs/sound.png]
"""

from __future__ import annotations

import argparse
import html
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from flowmusic import audio as audio_tools
from flowmusic.annotations.plot import INK, PAPER, save
from flowmusic.audio import Audio
from flowmusic.evaluate import spectrogram
from flowmusic.evaluate.test_set import LabelledClip, read_clips, round_trip
from flowmusic.files import write_text
from flowmusic.interop import bundle
from flowmusic.metrics.fad import fad
from flowmusic.metrics.normalise import mean
from flowmusic.metrics.sound import EMBEDDINGS
from flowmusic.metrics.spectrum import balance, fidelity

ORIGINAL = "original"
SECONDS = 10.0
COLUMNS = ("si_sdr", "lsd", "lsd_high")
RATE = 32_000
Rows = dict[str, list[Audio]]


def rows_of(corpus: Path, clips: Sequence[LabelledClip], codecs: Sequence[str], models: Sequence[str]) -> Rows:
    """Every clip as it is, through each codec, and as a take of each model from the clip's own request."""
    rows = {ORIGINAL: [clip.audio for clip in clips]}
    for name in codecs:
        codec = bundle.load_codec(name)
        rows[f"codec {Path(name).name}"] = [round_trip(codec, clip.audio) for clip in clips]
    for name, title in zip(models, _titles(models), strict=True):
        generator = bundle.load(name)
        grid = generator.grid(SECONDS)
        # The same clips, their controls on this model's clock.
        asked = read_clips(corpus, "test", len(clips), grid, RATE, generator.controls)
        takes = [generator.generate(clip.controls, grid=grid, seed=seed).audio for seed, clip in enumerate(asked)]
        rows[f"take of {title}"] = [Audio(take.samples[0], take.rate) for take in takes]
    return rows


def _titles(names: Sequence[str]) -> list[str]:
    """Models by the names of their folders; in full where two would be called alike."""
    paths = [Path(name) for name in names]
    short = [path.parent.name if path.name == "bundle" else path.name for path in paths]
    return short if len(set(short)) == len(short) else list(names)


def table(rows: Mapping[str, Sequence[Audio]]) -> str:
    """Against the originals: waveform and spectra of round trips, balance of bands and distances of all."""
    originals = rows[ORIGINAL]
    real = {name: [embed(audio) for audio in originals] for name, embed in EMBEDDINGS.items()}
    bands: list[str] = []
    lines: list[str] = []
    for name, audios in rows.items():
        if name == ORIGINAL:
            continue
        pairs = list(zip(audios, originals, strict=True))
        near = [fidelity(one, other) for one, other in pairs] if name.startswith("codec") else []
        cells = [f"{mean([row[key] for row in near]):.1f}" if near else "–" for key in COLUMNS]
        shares = [balance(one, other) for one, other in pairs]
        bands = bands or list(shares[0])
        cells += [f"{mean([row[band] for row in shares if not math.isnan(row[band])]):+.1f}" for band in bands]
        for kind, embed in EMBEDDINGS.items():
            cells.append(f"{fad([embed(audio) for audio in audios], real[kind]).mean:.2f}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    heads = ["SI-SDR dB", "LSD dB", "LSD above 4 kHz"]
    heads += [f"{band.removeprefix('balance_')} Hz" for band in bands] + [f"FAD {name}" for name in EMBEDDINGS]
    return "\n".join([f"| | {' | '.join(heads)} |", "|" + "---|" * (len(heads) + 1), *lines])


def picture(rows: Mapping[str, Sequence[Audio]], clips: Sequence[LabelledClip], shown: int, path: Path) -> Path:
    """Spectrograms: a row for everything that is compared, a column for every clip."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from PIL import Image

    figure = Figure(figsize=(3.4 * shown, 1.4 * len(rows)), dpi=75, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(rows), shown, sharex=True, sharey=True, squeeze=False)
    for row, (name, audios) in enumerate(rows.items()):
        for column in range(shown):
            ax = axes[row, column]
            level = spectrogram.mel_db(audios[column])
            extent = (0.0, audios[column].seconds, 0.0, spectrogram.BANDS)
            kept = {"origin": "lower", "aspect": "auto", "cmap": "magma", "vmin": -spectrogram.RANGE_DB, "vmax": 0}
            ax.imshow(level, extent=extent, **kept)
            ax.tick_params(colors=INK, labelsize=6, length=0)
            ax.set_yticks(np.linspace(0, spectrogram.BANDS, 3), ["0", "2.5 kHz", "16 kHz"])
            if column == 0:
                ax.set_ylabel(name, fontsize=7, color=INK)
            if row == 0:
                ax.set_title((clips[column].text or "")[:48], fontsize=7, color=INK)
    save(figure, path)
    # 128 colours are enough for a spectrogram, and a third of the bytes.
    with Image.open(path) as drawn:
        small = drawn.convert("RGB").quantize(128)
    small.save(path, optimize=True)
    return path


def page(rows: Mapping[str, Sequence[Audio]], clips: Sequence[LabelledClip], figures: str, folder: Path) -> Path:
    """A page with a player for every recording, at one loudness, and the figures; Ogg files beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    body = [f"<pre>{html.escape(figures)}</pre>"]
    for column, clip in enumerate(clips):
        body.append(f"<h2>{html.escape(clip.text or clip.id)}</h2>")
        for number, (name, audios) in enumerate(rows.items()):
            file = f"{column}-{number}.ogg"
            audio_tools.write(_levelled(audios[column]), folder / file)
            body.append(f"<p>{html.escape(name)}<br><audio controls preload='none' src='{file}'></audio></p>")
    head = "<!doctype html><meta charset='utf-8'><title>The sound of codecs and models</title>"
    style = "<style>body{font:15px sans-serif;max-width:60em;margin:2em auto}audio{width:100%}</style>"
    return write_text(folder / "index.html", "\n".join([head, style, *body]) + "\n")


def _levelled(audio: Audio, rms: float = 0.1) -> Audio:
    now = float(audio.samples.square().mean().sqrt())
    return Audio(audio.samples * (rms / max(now, 1e-6)), audio.rate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="with a test split and drum stems")
    parser.add_argument("--codecs", default="nano2_codec", help="names or folders, with commas")
    parser.add_argument("--models", default="nano", help="names or bundles, with commas")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--shown", type=int, default=3, help="clips on the page and in the picture")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--out", type=Path, required=True, help="folder of the page")
    args = parser.parse_args()
    codecs, models = (text.split(",") for text in (args.codecs, args.models))
    first = bundle.load(models[0])
    try:
        clips = read_clips(args.corpus, "test", args.clips, first.grid(SECONDS), RATE)
    except (FileNotFoundError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    rows = rows_of(args.corpus, clips, codecs, models)
    figures = table(rows)
    print(f"{len(clips)} test clips of {SECONDS:g} s, takes with seeds from 0\n\n{figures}")
    shown = min(args.shown, len(clips))
    print(page({name: audios[:shown] for name, audios in rows.items()}, clips[:shown], figures, args.out))
    if args.picture is not None:
        print(picture(rows, clips, shown, args.picture))
    return 0


if __name__ == "__main__":
    sys.exit(main())
