"""`flowmusic evaluate` from end to end on a tiny model: rows, files, resuming, the page, and wrong input."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import torch
from safetensors.torch import save_file

from flowmusic.apps import cli, evaluate
from flowmusic.audio import Audio
from flowmusic.evaluate import inputs, training_index
from flowmusic.evaluate import scorers as listening
from flowmusic.evaluate.conditions import Sampling, systems
from flowmusic.evaluate.test_set import read_clips
from flowmusic.generate.generator import Generator, NotFinite
from flowmusic.interop import bundle, fitting, model_files
from flowmusic.metrics.adherence import Detectors
from flowmusic.metrics.text_match import TextMatch
from tests.apps.conftest import RATE, tone
from tests.telltale import leaks

SYSTEMS = {
    "model", "chords alone", "drums alone", "melody alone", "beats alone", "text only", "dropped",
    "chords shuffled", "drums shuffled", "melody shuffled", "beats shuffled", "codec", "truth",
}  # fmt: skip


@pytest.fixture
def tiny(model: Generator, ears: Detectors, monkeypatch: pytest.MonkeyPatch) -> Generator:
    """The tiny model with known weights, behind recognisers made of nothing."""
    monkeypatch.setattr(model_files, "fingerprint", lambda name: "0" * 64)
    return model


@pytest.fixture
def run(tiny: Generator, corpus: Path) -> Callable[..., int]:
    """The command with short settings; returns its exit code."""
    settings = ["model=nano", f"corpus={corpus}", "out=eval", "steps=2", "batch=2", "page_clips=0", "text_audio=null"]
    return lambda *more: cli.main(
        ["evaluate", *(["-m"] if "-m" in more else []), *settings, *(o for o in more if o != "-m")]
    )


def report_of(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "report.json").read_text())
    return found


def test_rows_metrics_and_files(run: Callable[..., int], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run() == 0
    out, err = capsys.readouterr()
    assert out.split() == ["eval/report.json", "eval/report.md", "eval/adherence.png", "eval/index.html"]
    assert "evaluating" in err
    report = report_of(here / "eval")
    rows = report["systems"]
    assert set(rows) == {"model", "alone", "text only", "dropped", "shuffled", "codec", "truth"}
    # Everything hears C throughout: 2 of 2 s, 1 of 2 s, and 0 of 2 s (Gm), so every row scores the same.
    for row in rows.values():
        assert row["chord_acc"]["raw"]["mean"] == pytest.approx(0.5) and row["chord_acc"]["norm"] is None
    assert rows["model"]["chord_acc"]["raw"]["low"] < 0.5 < rows["model"]["chord_acc"]["raw"]["high"]
    assert rows["model"]["melody_pc"]["raw"]["count"] == rows["shuffled"]["melody_pc"]["raw"]["count"] == 2
    assert rows["model"]["fad"]["raw"]["mean"] == report["frechet_audio_distance"] > 0.0
    assert rows["truth"]["fad"]["raw"] == report["fad"]["anchors"]["halves"]
    assert "fad" not in rows["shuffled"]
    assert not any(name.startswith(("lsd", "band_", "balance_")) for row in rows.values() for name in row)
    sound = report["sound"]
    assert sound["codec"]["lsd"]["mean"] > 0.0 and sound["codec"]["lsd"]["count"] == 3
    assert any(name.startswith("balance_") for name in sound["model"]) and "lsd" not in sound["model"]
    assert sound["model"]["fad_band_texture"]["mean"] > 0.0
    assert report["fad"]["embedding"] == "mfcc_patches" and report["num_evals"] == 4
    assert set(report["clips"][0]["systems"]) == SYSTEMS
    assert set(report["clips"][1]["systems"]) == SYSTEMS - {"melody alone", "melody shuffled"}  # it has none
    assert leaks(here / "eval", str(here)) == []  # it is there to be shown
    assert report["settings"]["corpus"] == "corpus" and report["settings"]["weights_sha256"][0] == "0" * 64
    text = (here / "eval" / "report.md").read_text()
    assert (
        "| model |" in text
        and "## One control at a time" in text
        and "## Sound" in text
        and "![adherence](adherence.png)" in text
    )


def test_every_row_is_generated_from_what_it_says(
    run: Callable[..., int], tiny: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[frozenset[str], tuple[str | None, ...], torch.Tensor | None, int]] = []
    generate = type(tiny).generate

    def listening(self: Generator, controls: Any, **settings: Any) -> Any:
        chords = controls.tracks["chords"].values if "chords" in controls.tracks else None
        asked.append((controls.names(), controls.text, chords, settings["seed"]))
        return generate(self, controls, **settings)

    monkeypatch.setattr(type(tiny), "generate", listening)
    assert run("controls=[text,chords,drums]", "seed=5") == 0
    everything = frozenset({"text", "chords", "drums"})
    batches = [each for each in asked if each[1][0] in ("clip 0", None) and each[3] == 5]
    kept = [names for names, *_ in batches]
    assert kept == [
        everything,  # model
        frozenset({"text", "chords"}),
        frozenset({"text", "drums"}),
        frozenset({"text"}),
        frozenset(),
        everything,  # chords shuffled
        everything,  # drums shuffled
    ]
    model, chords_shuffled, drums_shuffled = batches[0][2], batches[5][2], batches[6][2]
    assert model is not None and chords_shuffled is not None and drums_shuffled is not None
    assert torch.equal(chords_shuffled[0], model[1])  # the next clip's
    assert torch.equal(drums_shuffled, model)


def test_a_run_that_was_killed_goes_on(
    run: Callable[..., int], tiny: Generator, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("out=straight") == 0
    straight = report_of(here / "straight")
    heard: list[Any] = []
    measure = listening.measure

    def dies(*args: Any) -> Any:
        heard.append(args)
        if len(heard) == 5:
            raise KeyboardInterrupt
        return measure(*args)

    monkeypatch.setattr(listening, "measure", dies)
    assert run() == 130
    takes = sorted((here / "eval").rglob("*.flac"))
    assert takes and not (here / "eval" / "report.json").exists()
    # Nothing half-written, and no lock.
    assert list((here / "eval").rglob(".*")) == []
    before = {path: path.stat().st_mtime_ns for path in takes}

    def counts(*args: Any) -> Any:
        heard.append(args)
        return measure(*args)

    monkeypatch.setattr(listening, "measure", counts)
    heard.clear()
    assert run() == 0
    assert {path: path.stat().st_mtime_ns for path in takes} == before
    assert len(heard) == sum(len(clip["systems"]) for clip in straight["clips"]) - 4
    resumed = report_of(here / "eval")
    assert resumed["systems"] == straight["systems"] and resumed["clips"] == straight["clips"]

    # A third time there is nothing left to do, and a damaged score is found again.
    tiny.field.batches.clear()  # type: ignore[union-attr,operator]
    heard.clear()
    next((here / "eval" / "heard" / "model").iterdir()).write_text("{")
    assert run() == 0
    assert tiny.field.batches == [] and len(heard) <= 1
    assert report_of(here / "eval")["systems"] == straight["systems"]


def test_other_settings_are_other_takes(run: Callable[..., int], tiny: Generator, here: Path) -> None:
    assert run("controls=[chords]", "clips=2") == 0
    first = set((here / "eval" / "takes").rglob("*.flac"))
    tiny.field.batches.clear()  # type: ignore[union-attr,operator]
    assert run("controls=[chords]", "clips=2", "seed=1") == 0
    second = set((here / "eval" / "takes").rglob("*.flac"))
    assert {path.parent.name for path in second - first} == {"model", "dropped", "chords_shuffled"}
    # More clips keep the takes of the first ones, but for swaps whose donor is now another.
    assert run("controls=[chords]", "clips=3", "seed=1") == 0
    third = set((here / "eval" / "takes").rglob("*.flac"))
    added = [path.parent.name for path in third - second]
    assert sorted(added) == ["chords_shuffled", "chords_shuffled", "codec", "dropped", "model", "truth"]


class Page(HTMLParser):
    """What a page points to, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.sources: dict[str, list[str]] = {}
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("src", "href") and value is not None:
                self.sources.setdefault(tag, []).append(unquote(value))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_plays_and_shows_every_take(run: Callable[..., int], here: Path, corpus: Path) -> None:
    labels = corpus / "test" / "000000.json"
    record = json.loads(labels.read_text())
    record["captions"] = ['<b>loud</b> & "quick"']
    labels.write_text(json.dumps(record))
    assert run("page_clips=2") == 0
    folder = here / "eval"
    text = (folder / "index.html").read_text()
    page = Page(text)
    # Clips 0 and 1: clip 1 has no melody to give alone or to swap.
    assert len(page.sources["audio"]) == len(SYSTEMS) + len(SYSTEMS) - 2
    assert len(page.sources["img"]) == len(page.sources["audio"]) + 1
    for source in page.sources["audio"] + page.sources["img"]:
        assert not Path(source).is_absolute() and (folder / source).is_file(), source
    assert all(link.startswith("#") for link in page.sources["a"])
    assert "http" not in text and "<b>loud" not in text
    words = " ".join(page.words)
    assert '“<b>loud</b> & "quick"”' in words
    assert "asked: 0.0 F  1.0 C" in words and "heard: 0.0 C" in words and "chord_acc 0.50" in words
    sound = Audio.read(folder / page.sources["audio"][0])
    assert sound.seconds == pytest.approx(2.0, abs=0.01)


def test_curve_and_map(run: Callable[..., int], here: Path, monkeypatch: pytest.MonkeyPatch, tiny: Generator) -> None:
    generate = type(tiny).generate

    def diverging(self: Generator, controls: Any, **settings: Any) -> Any:
        if any(term.weight == 9.0 for term in settings["guidance"].terms):
            raise NotFinite("the solve diverged")
        return generate(self, controls, **settings)

    monkeypatch.setattr(type(tiny), "generate", diverging)
    sweeps = ["steps_curve=[4,1]", "guidance_grid={all: [1, 9], text: [0]}", "sweep_clips=2", "alone=false"]
    assert run("controls=[text,chords]", *sweeps) == 0
    report = report_of(here / "eval")
    assert [point["num_evals"] for point in report["steps_curve"]] == [2, 8]
    assert all(point["scores"]["chord_acc"]["count"] == 2 for point in report["steps_curve"])
    fine, diverged = report["guidance_grid"]
    assert fine["guidance"] == {"all": 1.0, "text": 0.0} and fine["fad"]["mean"] > 0.0
    assert diverged["num_evals"] is None and diverged["scores"] == {} and diverged["fad"] is None
    page = Page((here / "eval" / "index.html").read_text())
    assert {"adherence.png", "evaluations.png", "guidance.png"} <= set(page.sources["img"])
    text = (here / "eval" / "report.md").read_text()
    assert "## Steps" in text and "diverged" in text


def test_words_are_judged_when_a_text_audio_model_is_named(
    run: Callable[..., int], here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A space in which a text is its last letter and every recording is 1.
    def embed_text(texts: list[str]) -> torch.Tensor:
        angles = torch.tensor([float(text[-1]) for text in texts])
        return torch.stack([angles.cos(), angles.sin()], 1)

    match = TextMatch("known", lambda audio: embed_text(["1"]), embed_text)
    monkeypatch.setattr(inputs, "load_text_match", lambda name: match)
    assert run("text_audio=known", "controls=[text,chords]") == 0
    report = report_of(here / "eval")
    cosines = [clip["systems"]["model"]["scores"]["text_cos"] for clip in report["clips"]]
    assert cosines == pytest.approx([0.5403, 1.0, 0.5403], abs=1e-4)
    assert "text shuffled" in report["clips"][0]["systems"]
    assert report["systems"]["shuffled"]["text_cos"]["raw"]["count"] == 3
    assert "chord_acc" not in report["clips"][0]["systems"]["text shuffled"]["scores"]
    assert set(report["clips"][0]["systems"]["text only shuffled"]["scores"]) == {"text_cos"}


def test_with_other_words_alone_the_next_text_is_given_and_nothing_else(tiny: Generator, corpus: Path) -> None:
    clips = read_clips(corpus, "test", 3, tiny.grid(2.0), RATE)
    sampling = Sampling({"all": 1.0}, "euler", 2, "uniform")
    found = {system.name: system for system in systems(["text", "chords"], sampling, alone=False, score_text=True)}
    given = found["text only shuffled"].controls(clips, 0)
    assert given.text == clips[1].controls.text and not given.tracks
    assert "text only shuffled" not in {s.name for s in systems(["text"], sampling, alone=False, score_text=False)}


def test_facts_are_told_and_left_out_by_rows_of_their_own(tiny: Generator, corpus: Path) -> None:
    for number, path in enumerate(sorted((corpus / "test").glob("*.json"))):
        told = {"notes": {"pad": [[0.0, 1.0, 60, 90]]}, "programs": {"pad": {"program": 48 if number else 0}}}
        path.write_text(json.dumps({**json.loads(path.read_text()), **told}))
    grid, names = tiny.grid(2.0), ["text", "chords", "instruments", "facts"]
    clips, plain = (read_clips(corpus, "test", 3, grid, RATE, each) for each in (names, names[:2]))
    assert [clip.controls.facts[0].instruments for clip in clips] == [{"piano"}, {"strings"}, {"strings"}]  # type: ignore[union-attr]
    who = clips[0].controls.tracks["instruments"]
    assert who.values.sum() == 25 and bool(who.known.all())
    assert plain[0].controls.names() == {"text", "chords"} and plain[0].digest != clips[0].digest
    sampling = Sampling({"all": 1.0}, "euler", 2, "uniform")
    found = {system.name: system for system in systems(names, sampling, alone=True, score_text=False)}
    given = {name: system.controls(clips, 0).names() for name, system in found.items() if system.keep is not None}
    assert given["model"] == set(names) and given["without facts"] == {"text", "chords"}
    assert given["text and facts"] == {"text", "facts"} and given["text only"] == {"text"}
    # Nobody scores them, and so nothing is swapped for their sake.
    assert "facts shuffled" not in found and all(system.scored <= {"text", "chords"} for system in found.values())
    assert clips[0].has("facts") and not plain[0].has("facts")
    before = {system.name for system in systems(names[:2], sampling, alone=True, score_text=False)}
    assert set(found) - before == {"without facts", "text and facts"}


def test_copies_are_looked_for_in_the_training_clips(run: Callable[..., int], here: Path, corpus: Path) -> None:
    shutil.copytree(corpus / "test", corpus / "train")
    manifest = (corpus / "manifest.jsonl").read_text()
    (corpus / "manifest.jsonl").write_text(manifest + manifest.replace("test", "train"))
    assert run(f"train_corpus={corpus}", "controls=[chords]") == 0
    report = report_of(here / "eval")
    names = {clip["id"] for clip in report["clips"]}
    for system in ("model", "dropped", "codec", "truth"):
        found = [clip["systems"][system] for clip in report["clips"]]
        assert all(each["nearest_training_clip"] in names for each in found)
        assert report["systems"][system]["copy"]["raw"]["count"] == 3
        assert report["systems"][system]["copy"]["norm"] is None  # more is not better
    assert "copy" not in report["systems"]["shuffled"]


class Sampled:
    """A codec that keeps everything, and whose tokens are levels."""

    rate, channels, frame_rate, dim = RATE, 1, Fraction(25), RATE // 25

    def encode(self, audio: Audio) -> torch.Tensor:
        return audio.samples[:, 0].unflatten(-1, (-1, self.dim))

    def decode(self, latents: torch.Tensor) -> Audio:
        return Audio(latents.flatten(1)[:, None], self.rate)

    def codes(self, latents: torch.Tensor) -> torch.Tensor:
        return (1000 * latents.std(-1)).long()[:, None]


def test_a_copy_of_a_training_clip_is_found_at_once_and_again(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    (here / "train").mkdir()
    lines, sounds = [], []
    for number in range(5):
        loudness = torch.rand(150, generator=generator).repeat_interleave(RATE // 25)
        sounds.append(0.2 * loudness * torch.randn(6 * RATE, generator=generator) + tone(200.0 * (1 + number), 6.0) / 4)
        Audio(sounds[-1][None], RATE).write(here / "train" / f"{number}.flac")
        lines.append(json.dumps({"path": f"train/{number}.flac", "seconds": 6.0, "split": "train"}))
    (here / "manifest.jsonl").write_text("\n".join(lines))
    training = training_index.of_corpus(here, Sampled(), here / "index")
    copied = Audio(sounds[3][None, 3 * RATE :], RATE)
    fresh = Audio(0.1 * torch.randn(1, 3 * RATE, generator=generator), RATE)
    found, other = training.look_up(copied), training.look_up(fresh)
    assert found.song == "3" and found.similarity > 0.99 and found.tokens is not None and found.tokens > 0.9
    assert other.similarity < found.similarity and other.tokens is not None and other.tokens < 0.5

    # The index is on disk: nothing is embedded again.
    monkeypatch.setattr(training_index, "mel_stats", lambda part: pytest.fail("embedded again"))
    again = training_index.of_corpus(here, Sampled(), here / "index")
    assert torch.equal(again.reference.embeddings, training.reference.embeddings)
    with pytest.raises(ValueError, match="has 1 clips; at least 2"):
        (here / "manifest.jsonl").write_text(lines[0])
        training_index.of_corpus(here, Sampled(), here / "index")


def test_copies_are_looked_for_in_a_store_of_latents(run: Callable[..., int], here: Path, tiny: Generator) -> None:
    generator = torch.Generator().manual_seed(0)
    folder = here / "latents"
    folder.mkdir()
    save_file({"latents": torch.randn(100, 4, generator=generator).half()}, folder / "train-00000.safetensors")
    clips: list[Any] = [{"id": name, "frames": 50, "captions": []} for name in ("a", "b")]
    index: dict[str, Any] = {"frame_rate": "25", "shards": ["train-00000.safetensors"], "clips": clips}
    (folder / "train.json").write_text(json.dumps(index))
    assert run(f"train_latents={folder}", "controls=[chords]") == 0
    scores = [clip["systems"]["model"] for clip in report_of(here / "eval")["clips"]]
    assert all(each["nearest_training_clip"] in "ab" and -1.0 <= each["scores"]["copy"] <= 1.0 for each in scores)
    index["frame_rate"] = "50"
    (folder / "train.json").write_text(json.dumps(index))
    assert run(f"train_latents={folder}", "out=other") == 2


def test_a_folder_of_recordings(
    run: Callable[..., int], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "songs"
    (folder / "more").mkdir(parents=True)
    for number, name in enumerate(("one.wav", "more/two.flac")):
        Audio(tone(220.0 + 100 * number, 4.0)[None], RATE).write(folder / name)
    (folder / "one.txt").write_text("a tone\n")
    (folder / "broken.mp3").write_bytes(b"no audio")
    Audio(tone(220.0, 1.0)[None], RATE).write(folder / "brief.wav")
    assert run("data=folder", f"corpus={folder}", "controls=[text,melody,beats]", "clips=2") == 0
    err = capsys.readouterr().err
    assert "broken.mp3" in err and re.search(r"brief.wav lasts 1.0 s, 2 s are asked for", err)
    report = report_of(here / "eval")
    assert [(clip["id"], clip["text"]) for clip in report["clips"]] == [("more_two", None), ("one", "a tone")]
    assert "1 = codec" in (here / "eval" / "report.md").read_text()
    assert run("data=folder", f"corpus={folder}", "clips=3") == 2
    assert "2 usable recordings of 2 s, 3 are needed" in capsys.readouterr().err


def test_recordings_of_another_source_anchor_the_distance(run: Callable[..., int], here: Path) -> None:
    folder = here / "elsewhere"
    folder.mkdir()
    for number in range(2):
        Audio(tone(2000.0 + 900 * number, 3.0)[None], RATE).write(folder / f"{number}.wav")
    assert run("controls=[chords]", f"fad_reference={folder}") == 0
    report = report_of(here / "eval")
    anchors = report["fad"]["anchors"]
    assert anchors["other_source"]["mean"] > anchors["halves"]["mean"]
    assert anchors["model_to_other_source"]["mean"] not in (0.0, anchors["other_source"]["mean"])
    assert "another source" in (here / "eval" / "report.md").read_text()


def test_fadtk_runs_in_its_own_environment(
    run: Callable[..., int], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A stand-in with fadtk's command line and layout: it embeds a file by the levels of its parts.
    package = here / "packages" / "fadtk"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "embeds.py").write_text(
        "import argparse, numpy, pathlib, soundfile\n"
        "if __name__ == '__main__':\n"
        "    parser = argparse.ArgumentParser()\n"
        "    for flag in '-m', '-w', '-d': parser.add_argument(flag)\n"
        "    args = parser.parse_args()\n"
        "    out = pathlib.Path(args.d, 'embeddings', args.m)\n"
        "    out.mkdir(parents=True, exist_ok=True)\n"
        "    for file in pathlib.Path(args.d).glob('*.*'):\n"
        "        parts = numpy.array_split(soundfile.read(file)[0], 6)\n"
        "        numpy.save(out / file.with_suffix('.npy').name, [[p.std(), abs(p).max()] for p in parts])\n"
    )
    chosen = ["controls=[chords]", "fad_embedding=vggish"]
    assert run(*chosen) == 2
    assert "pip install fadtk" in capsys.readouterr().err
    assert run(*chosen, f"fadtk_python={sys.executable}") == 2
    assert "has no fadtk" in capsys.readouterr().err
    monkeypatch.setenv("PYTHONPATH", str(package.parent))
    assert run(*chosen, f"fadtk_python={sys.executable}") == 0
    report = report_of(here / "eval")
    assert report["fad"]["embedding"] == "vggish" and report["fad"]["channels"] == 2
    assert report["frechet_audio_distance"] > 0.0


def test_time_grid_interval_and_projection_reach_the_takes(
    run: Callable[..., int], here: Path, tiny: Generator
) -> None:
    drawn = ["solver=euler", "steps=5", "time_grid=epss", "guidance_interval=[0.2,0.6]", "apg={eta:0.5}"]
    assert run("controls=[chords]", "alone=false", "page_clips=0", *drawn) == 0
    settings = report_of(here / "eval")["settings"]
    assert (settings["time_grid"], settings["guidance_interval"], settings["apg"]) == ("epss", [0.2, 0.6], {"eta": 0.5})
    # Of 0, 2, 4, 8, 16 of 32 the last two lie in the interval, where there are two branches.
    assert tiny.field.batches[:5] == [2, 2, 2, 4, 4]
    assert "epss grid, guidance all=2 for t in 0.2..0.6, projected (eta=0.5)" in (here / "eval/report.md").read_text()


def test_a_sweep_gives_every_point_its_folder(run: Callable[..., int], here: Path) -> None:
    assert run("-m", "controls=[chords]", "seed=1,2") == 0
    assert sorted(path.parent.name for path in (here / "eval").glob("*/report.json")) == ["seed=1", "seed=2"]
    assert report_of(here / "eval" / "seed=1")["settings"]["seed"] == 1


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("corpus=null", "corpus is missing; give corpus=DIR"),
        ("corpus=nowhere", "corpus: file or folder not found: nowhere"),
        ("corpus=.", "not a finished corpus"),
        ("split=validation", "has 0 clips; at least 2"),
        ("chord_detector=chordino", "chord_detector: 'chordino' is none of ours, madmom"),
        ("split=all", "split: 'all' is none of train, validation, test"),
        ("clips=1", "clips: '1' is not a whole number of clips between 2 and"),
        ("clips=9", "has 3 clips, 9 are asked for"),
        ("seconds=30", "lasts 3 s, 30 s are asked for"),
        ("data=web", "'web' is none of corpus, folder, manifest"),
        ("data=folder corpus=empty", "no recordings under empty"),
        ("out=null", "out is missing"),
        ("out=no/where", "out: folder 'no' does not exist"),
        ("model=mega", "unknown model 'mega'"),
        ("controls=[chords,harmony]", "unknown name 'harmony'; choose from text, chords"),
        ("controls=chords", "'chords' is not a list"),
        ("controls=[text]", "nothing to follow"),
        ("controls=[facts,instruments]", "nothing to follow"),
        ("guidance={every:3}", "unknown key 'every'"),
        ("guidance={all:3,alpha:2}", "give one of them"),
        ("guidance_grid={all:3}", "guidance_grid.all: 3 is not a list"),
        ("guidance_grid={alpha:[1],text:[1],all:[1]}", "is not one or two guidance keys"),
        ("time_grid=cubic", "time_grid: 'cubic' is none of uniform, sway, shifted, epss, epss_sway"),
        ("guidance_interval=[0.8,0.2]", "guidance_interval: '0.8,0.2' is not LO,HI"),
        ("apg={gamma:1}", "apg: 'gamma=1' is not key=value"),
        ("steps_curve=[0]", "steps_curve: '0' is not a whole number of steps between 1"),
        ("time_grid=epss steps=5 steps_curve=[8]", "5, 6, 7, 10, 12, 16 steps, got 8"),
        ("alone=perhaps", "alone: 'perhaps' is neither true nor false"),
        ("text_audio=other", "unknown model 'other'"),
        ("train_corpus=. train_latents=.", "give one"),
        ("train_latents=.", "train.index.json is missing"),
        ("fad_reference=empty", "no recordings under empty"),
        ("device=tpu", "unknown device 'tpu'"),
        ("clip=3", "clip"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    override: str,
    words: str,
    run: Callable[..., int],
    here: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (here / "empty").mkdir()
    load = bundle.load

    def known(name: str, **settings: Any) -> Generator:
        if name != "nano":
            raise fitting.ModelError(f"unknown model {name!r}")
        return load(name, **settings)

    monkeypatch.setattr(bundle, "load", known)
    assert run(*override.split()) == 2
    out, err = capsys.readouterr()
    assert out == "" and err.count("\n") == 1 and err.startswith("flowmusic evaluate: error: "), err
    assert words in err
    assert not (here / "eval" / "report.json").exists()


def test_help_tells_the_keys(root: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flowmusic.apps.cli", "evaluate", "--help"], capture_output=True, text=True, cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert "flowmusic evaluate model=nano" in done.stdout and "guidance_grid: null" in done.stdout


def test_a_text_audio_model_needs_only_its_two_halves(monkeypatch: pytest.MonkeyPatch) -> None:
    import types

    class TextAudio:
        @staticmethod
        def load(name: str) -> TextAudio:
            assert name == "nano_text_audio"
            return TextAudio()

        def embed_audio(self, audio: Audio) -> torch.Tensor:
            return torch.tensor([[0.6, 0.8]])

        def embed_text(self, texts: list[str]) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0]] * len(texts))

    module = types.ModuleType("flowmusic.metrics.text_audio")
    module.TextAudio = TextAudio  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    match = inputs.load_text_match("nano_text_audio")
    assert match.scores(Audio(torch.zeros(1, 8), 8), "jazz") == {"text_cos": pytest.approx(0.6)}


def test_evaluate_returns_what_it_found(tiny: Generator, corpus: Path, here: Path) -> None:
    overrides = [
        "model=nano",
        f"corpus={corpus}",
        "out=eval",
        "steps=1",
        "controls=[drums]",
        "page_clips=0",
        "text_audio=null",
    ]
    found = evaluate.evaluate(evaluate.compose(overrides))
    assert found.summary.cells["model"]["onset_f1"].raw.count == 2
    assert all(path.is_file() for path in found.files)
