"""How far does `flowmusic vary` go at each place of its sliders, what does it keep, and do the words move?

Sources are takes of the model, made for the requests of a corpus' test clips, and as many other clips, encoded and
listened to as `vary` does.  Every source is led to the prompt of the next one.  Distances are those of the latents
(root mean square over the deviation of the source's) and of log-mel spectrograms (mean absolute difference, dB).
Chords, onsets and melody are scored against the request of the source (the labels of a clip), and given over the
source's own score.  The words' place is text_cos to the new prompt less that to the old one, by nano_text_audio, and
how far it moved from the source's.  Brackets hold 95 % intervals over sources.  What is in OUT is not made again.

    python benchmarks/varying.py --corpus CORPUS --out OUT --plot docs/vary.png
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from flowmusic import audio as tools
from flowmusic.audio import Audio

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.annotations.annotation import Annotations
    from flowmusic.evaluate.test_set import LabelledClip
    from flowmusic.generate.generator import Generator
    from flowmusic.metrics.adherence import Detectors
    from flowmusic.metrics.text_audio import TextAudio
    from flowmusic.types import Controls, Generation

KEPT = {"chord_acc": "chords", "onset_f1": "onsets", "melody_pc": "melody"}
WAYS = ("strength", "freed", "morph", "variation")
"""``freed`` is strength without any of the source's symbols."""
FINE = tuple(round(0.1 * n, 1) for n in range(1, 11))
SCORED = (0.3, 0.6, 0.8, 1.0)
RESAMPLED = 4000


@dataclass(frozen=True)
class Music:
    """A source: what it was asked for or what was heard in it, and what it is judged by."""

    name: str
    sound: Audio
    latents: Tensor
    controls: Controls
    requested: Annotations
    words: str
    seed: int | None


def sources(
    model: Generator, clips: Sequence[LabelledClip], rows: Sequence[int], takes: int, folder: Path
) -> Iterator[Music]:
    """Of the rows below ``takes`` a take, of the others the clip itself as a recording."""
    from flowmusic.takes import source

    for row in rows:
        clip = clips[row]
        asked = clip.asking_only("chords", "drums", "melody").requested
        if row < takes:
            take = model.generate(clip.controls, seed=row)
            sound = Audio(take.audio.samples[0], take.audio.rate)
            yield Music(f"take-{clip.id}", sound, take.latents, clip.controls, asked, clip.text or "", row)
        else:
            path = tools.write(clip.audio, folder / f"{clip.id}.wav")
            found = source.read(path, model)
            controls = replace(found.controls, text=(clip.text,))
            sound = Audio(found.audio.samples, found.audio.rate)
            yield Music(f"clip-{clip.id}", sound, found.latents, controls, asked, clip.text or "", None)


def maker(model: Generator, music: Music, words: str, way: str, seed: int) -> Callable[[float], Generation] | None:
    """Variations of a source by amount; None where a way needs a take."""
    from flowmusic.generate import vary
    from flowmusic.types import Guidance

    after = replace(music.controls, text=(words,))
    name, *items = way.split("/")
    more: dict[str, Any] = {"seed": seed}
    for item in items:
        key, _, value = item.partition("=")
        if key == "away":
            more["away"] = Guidance.plain(float(value))
        elif key == "text":
            more["guidance"] = Guidance.of({**model.defaults.guidance, "text": float(value)})
        elif key == "not":
            more["negative"] = (music.controls.only({"text"}), float(value))
        elif key == "noises":
            more["noises"] = int(value)
        elif key == "fresh":
            more["fresh"] = True
        else:
            more["sampling"] = model.sampling(key, int(value))
    if name == "strength":
        return lambda amount: vary.strength(model, music.latents, after, amount, **more)
    if name == "freed":
        return lambda amount: vary.strength(model, music.latents, after.only({"text"}), amount, **more)
    if name == "morph":
        return lambda amount: vary.morph(model, music.latents, music.controls, after, amount, **more)
    first = music.seed
    if first is None:
        return None
    return lambda amount: vary.variation(model, music.controls, amount, first=first, **more)


def log_mel(sound: Audio) -> Tensor:
    """Shape: ``[bands, frames]``, dB, none below -80."""
    from flowmusic.metrics.mel import HOP, RATE, SIZE, filters

    samples = tools.mono(tools.resample(sound, RATE)).samples.reshape(-1)
    spectrum = torch.stft(samples, SIZE, HOP, window=torch.hann_window(SIZE), return_complex=True).abs().square()
    return 10.0 * (filters() @ spectrum + 1e-8).log10()


def scores(sound: Audio, music: Music, ears: Detectors) -> dict[str, float]:
    from flowmusic.metrics.adherence import measure

    found = measure(sound, music.requested, ears)
    return {name: found[key] for key, name in KEPT.items() if not math.isnan(found.get(key, math.nan))}


def study(
    model: Generator,
    music: Music,
    words: str,
    ways: Sequence[str],
    amounts: Sequence[float],
    judged: bool,
    ears: Detectors,
    judge: TextAudio,
    file: Path,
    seed: int,
) -> None:
    """Add what is missing to the source's file: ``{way: {amount: {...}}}``."""
    from flowmusic.files import write_readable_json

    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    own = log_mel(Audio(model.codec.decode(music.latents).samples[0], model.codec.rate))
    texts = judge.embed_text([words, music.words])

    def place(sound: Audio) -> float:
        both = judge.embed_audio(Audio(sound.samples, sound.rate)) @ texts.T
        return float(both[0, 0] - both[0, 1])

    def entry(sound: Audio, latents: Tensor) -> dict[str, Any]:
        part = {"far": float((latents - music.latents).square().mean().sqrt() / music.latents.std())}
        part["mel"] = float((log_mel(sound) - own).abs().mean())
        if judged:
            return {**part, "words": place(sound), "scores": scores(sound, music, ears)}
        return part

    if judged and "source" not in found:
        found["source"] = {"0": {"words": place(music.sound), "scores": scores(music.sound, music, ears)}}
    for way in ways:
        way, _, chosen = way.partition("@")
        make = maker(model, music, words, way, seed)
        if make is None:
            continue
        done = found.setdefault(way, {})
        for amount in [float(each) for each in chosen.split(";")] if chosen else amounts:
            if f"{amount:g}" in done and (not judged or "scores" in done[f"{amount:g}"]):
                continue
            take = make(amount)
            done[f"{amount:g}"] = entry(Audio(take.audio.samples[0], take.audio.rate), take.latents)
            write_readable_json(file, found)
    write_readable_json(file, found)
    print(music.name, file=sys.stderr, flush=True)


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval over sources, by the bootstrap."""
    data = torch.tensor(values, dtype=torch.float64)
    draws = torch.randint(len(data), (RESAMPLED, len(data)), generator=torch.Generator().manual_seed(0))
    means = data[draws].mean(1)
    return float(data.mean()), float(means.quantile(0.025)), float(means.quantile(0.975))


def ratio(pairs: Sequence[tuple[float, float]]) -> tuple[float, float, float]:
    """Mean of what was made over mean of the sources, and its interval."""
    data = torch.tensor(pairs, dtype=torch.float64)
    draws = torch.randint(len(data), (RESAMPLED, len(data)), generator=torch.Generator().manual_seed(0))
    means = data[draws].mean(1)
    quotient = means[:, 0] / means[:, 1]
    total = data.mean(0)
    return float(total[0] / total[1]), float(quotient.quantile(0.025)), float(quotient.quantile(0.975))


def shown(found: tuple[float, float, float], digits: int = 2) -> str:
    return f"{found[0]:.{digits}f} [{found[1]:.{digits}f}, {found[2]:.{digits}f}]"


def spearman(values: Sequence[float]) -> float:
    """Rank correlation with the order in which they stand."""
    ranks = torch.tensor(values).argsort().argsort().double()
    order = torch.arange(len(values), dtype=torch.float64)
    return float(torch.corrcoef(torch.stack([order, ranks]))[0, 1])


def read(out: Path) -> dict[str, dict[str, Any]]:
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in sorted(out.glob("*-*.json"))}


def rows_of(found: Mapping[str, Any], way: str, amount: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What was made and its source, of every source that has both."""
    return [
        (each[way][amount], each["source"]["0"])
        for each in found.values()
        if "scores" in each.get(way, {}).get(amount, {}) and "source" in each
    ]


def kept(rows: Sequence[tuple[dict[str, Any], dict[str, Any]]], name: str) -> tuple[float, float, float]:
    return ratio(
        [(m["scores"][name], s["scores"][name]) for m, s in rows if name in m["scores"] and name in s["scores"]]
    )


def moved(rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> tuple[float, float, float]:
    """How far the words went: the place of what was made less that of its source."""
    return interval([m["words"] - s["words"] for m, s in rows])


def table(found: Mapping[str, Any]) -> str:
    """Markdown: what is kept, and the order of the distances."""
    names = list(KEPT.values())
    lines = [f"| way | amount | sources | latents | log-mel, dB | {' | '.join(names)} | words |", "|---" * 9 + "|"]
    for way in sorted({way for each in found.values() for way in each} - {"source"}):
        for amount in sorted({a for each in found.values() for a in each.get(way, {})}, key=float):
            rows = rows_of(found, way, amount)
            if not rows:
                continue
            cells = [shown(interval([m[key] for m, _ in rows])) for key in ("far", "mel")]
            cells += [shown(kept(rows, name)) for name in names] + [shown(moved(rows))]
            lines.append(f"| {way} | {amount} | {len(rows)} | {' | '.join(cells)} |")
    own = [each["source"]["0"]["scores"] for each in found.values() if "source" in each]
    lines += [
        "",
        "The sources' own scores: "
        + ", ".join(
            f"{name} {shown(interval([s[name] for s in own if name in s]))}"
            for name in names
            if any(name in s for s in own)
        ),
    ]
    lines += ["", "| way | sources | least Spearman, latents | log-mel | mean, latents | log-mel |", "|---" * 6 + "|"]
    for way in sorted({way for each in found.values() for way in each}):
        fine = [
            [each[way][f"{amount:g}"] for amount in FINE]
            for each in found.values()
            if all(f"{amount:g}" in each.get(way, {}) for amount in FINE)
        ]
        if fine:
            # The source itself stands first, at 0.
            orders = [[spearman([0.0, *(e[key] for e in each)]) for each in fine] for key in ("far", "mel")]
            cells = [f"{min(o):.3f}" for o in orders] + [f"{sum(o) / len(o):.3f}" for o in orders]
            lines.append(f"| {way} | {len(fine)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(found: Mapping[str, Any], path: Path) -> None:
    """What is kept against how far the words moved: a curve a way, a point an amount."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 3.6), dpi=110, layout="constrained")
    panels = figure.subplots(1, 3, sharex=True, sharey=True)
    colours = {"strength/text=5": "#2f6690", "strength": "#9db7d0", "freed": "#8e6c88", "morph/text=5": "#e4572e"}
    labels = {
        "strength/text=5": "strength, symbols kept, text=5",
        "strength": "strength, symbols kept",
        "freed": "strength, symbols let go",
        "morph/text=5": "morph, text=5",
    }
    for axes, name in zip(panels, KEPT.values(), strict=True):
        for way, colour in colours.items():
            amounts = sorted({a for each in found.values() for a in each.get(way, {})}, key=float)
            rows = [(a, rows_of(found, way, a)) for a in amounts]
            points = [(a, moved(r), kept(r, name)) for a, r in rows if len(r) > 3]
            if not points:
                continue
            x, y = [p[1][0] for p in points], [p[2][0] for p in points]
            spread = [[p[2][0] - p[2][1] for p in points], [p[2][2] - p[2][0] for p in points]]
            axes.errorbar(x, y, yerr=spread, color=colour, marker="o", markersize=4, linewidth=1.0, label=labels[way])
            for (amount, *_), a, b in zip(points, x, y, strict=True):
                axes.annotate(amount, (a, b), textcoords="offset points", xytext=(4, 4), fontsize=7, color=colour)
        axes.axhline(0.85, color="#999999", linewidth=0.8)
        axes.set(title=name, xlabel="words, moved to the new prompt")
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
    panels[0].set(ylabel="score, over the source's own")
    panels[0].legend(fontsize=7, frameon=False, loc="lower left")
    figure.savefig(path, metadata={"Software": None})


@torch.no_grad()
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano", metavar="NAME|DIR")
    parser.add_argument("--corpus", type=Path, required=True, metavar="DIR", help="written with --stems drums")
    parser.add_argument("--split", default="test")
    parser.add_argument("--sources", type=int, default=16)
    parser.add_argument("--takes", type=int, default=8, help="so many of them are takes, the others recordings")
    parser.add_argument("--rows", default="", metavar="A:B", help="these sources only, for several processes")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument(
        "--ways",
        default=",".join(WAYS),
        help="strength, freed, variation, morph; and after it what is to differ: morph/away=3/text=2/fresh/euler=16",
    )
    parser.add_argument("--amounts", default=",".join(map(str, SCORED)), help="of all ways but those with @A;B")
    parser.add_argument("--distances-only", action="store_true", help="in steps of 0.1, judging nothing")
    parser.add_argument("--seed", type=int, default=1000)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    parser.add_argument("--table", action="store_true", help="only print what is there")
    parser.add_argument("--plot", type=Path, metavar="FILE.png")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if not args.table:
        from flowmusic.evaluate.adherence import listeners
        from flowmusic.evaluate.test_set import read_clips
        from flowmusic.interop import bundle
        from flowmusic.metrics.text_audio import TextAudio

        torch.set_num_threads(args.threads)
        model = bundle.load(args.model)
        clips = read_clips(args.corpus, args.split, args.sources, model.grid(args.seconds), model.codec.rate)
        first, _, last = args.rows.partition(":")
        rows = range(int(first or 0), int(last or args.sources))
        ears, judge = listeners(), TextAudio.load()
        amounts = FINE if args.distances_only else [float(amount) for amount in args.amounts.split(",")]
        for row, music in zip(rows, sources(model, clips, rows, args.takes, args.out), strict=True):
            words = clips[(row + 1) % len(clips)].text or ""
            file = args.out / f"{music.name}.json"
            ways = args.ways.split(",")
            study(model, music, words, ways, amounts, not args.distances_only, ears, judge, file, args.seed + row)
    found = read(args.out)
    print(table(found))
    if args.plot is not None:
        plot(found, args.plot)


if __name__ == "__main__":
    main()
