"""Pictures as settings: the mapping is monotone and sensible, and files of strangers end in one line."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from flowmusic import facts
from flowmusic.image import settings, to_settings
from flowmusic.image.measure import Measures, measure
from flowmusic.image.read import ImageError, read
from tests.image.pictures import PICTURES


def of(name: str) -> tuple[Measures, tuple[str, ...], facts.Facts, float]:
    measures = measure(PICTURES[name])
    return (measures, *settings.mapped(measures))


def save(path: Path, colours: np.ndarray, **more: Any) -> Path:
    Image.fromarray((255 * colours).round().astype(np.uint8)).save(path, **more)
    return path


@pytest.mark.parametrize(
    ("name", "mood", "energy", "drums", "word"),
    [
        ("a warm dark room", "dark", "calm", False, "warm"),
        ("a night sky", "dark", "calm", False, "cool"),
        ("a bright blue sky", "bright", "calm", False, "cool"),
        ("black and white noise", "mixed", "lively", True, "dramatic"),
        ("patches of colour", "bright", "steady", True, "colourful"),
        ("soft grey noise", "mixed", "calm", False, ""),
        ("black", "dark", "calm", False, "spacious"),
        ("white", "bright", "calm", False, "spacious"),
    ],
)
def test_plain_pictures_ask_for_what_they_are(name: str, mood: str, energy: str, drums: bool, word: str) -> None:
    _, words, said, bpm = of(name)
    assert (said.mood, said.energy, said.drums) == (mood, energy, drums)
    assert not word or word in words
    assert settings.LEAST_BPM <= bpm <= settings.MOST_BPM
    assert said.tempo == ("slow" if bpm < 88 else "medium" if bpm < 122 else "fast")
    assert said.key == (settings.MINOR if mood == "dark" else settings.MAJOR) or mood == "mixed"


def test_pictures_in_order_ask_for_music_in_order() -> None:
    assert (
        of("a night sky")[3] < of("a bright blue sky")[3] < of("patches of colour")[3] < of("black and white noise")[3]
    )
    assert of("a warm dark room")[0].warmth > 0.9 > 0.2 > of("a bright blue sky")[0].warmth
    assert abs(of("black and white noise")[0].warmth - 0.5) < 0.01, "grey is neither"


ORDER = {
    "mood": ("dark", "mixed", "bright"),
    "energy": facts.ENERGIES,
    "tempo": facts.TEMPI,
    "drums": (False, True),
    "key": (settings.MINOR, settings.MAJOR),
}


@pytest.mark.parametrize(
    ("measure_name", "rises"),
    [
        ("brightness", ("mood", "key", "tempo")),
        ("warmth", ("mood", "key")),
        ("contrast", ("energy", "tempo", "drums")),
        ("texture", ("energy", "tempo", "drums")),
        ("saturation", ("energy", "tempo", "drums")),
    ],
)
@pytest.mark.parametrize("rest", [0.1, 0.5, 0.9])
def test_the_mapping_is_monotone(measure_name: str, rises: tuple[str, ...], rest: float) -> None:
    level = Measures(*[rest] * 7)
    found = [settings.mapped(replace(level, **{measure_name: value})) for value in np.linspace(0.0, 1.0, 41)]
    assert all(a[2] <= b[2] for a, b in zip(found, found[1:], strict=False)) or measure_name == "warmth"
    for name, order in ORDER.items():
        places = [order.index(getattr(said, name)) for _, said, _ in found]
        if name in rises:
            assert places == sorted(places)
        else:
            assert len(set(places)) == 1, f"{measure_name} has no part in {name}"


def test_every_setting_can_come_and_every_player_has_a_name() -> None:
    assert {name for players in settings.PLAYERS.values() for name in players} <= set(facts.INSTRUMENTS)
    assert set(settings.PLAYERS) == {(energy, colour) for energy in facts.ENERGIES for colour in settings.COLOURS}
    grid = [
        settings.mapped(Measures(a, b, w, b, b, 0.5, 0.5))[1]
        for a in (0, 0.4, 0.6, 1)
        for b in (0, 0.45, 1)
        for w in (0, 1)
    ]
    assert {said.energy for said in grid} == set(facts.ENERGIES)
    assert {said.mood for said in grid} == {"dark", "mixed", "bright"}
    assert {said.tempo for said in grid} == set(facts.TEMPI)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_kinds_size_and_turning_change_little(suffix: str, tmp_path: Path) -> None:
    colours = PICTURES["a summer field"]
    plain = measure(colours)
    large = save(tmp_path / f"large.{suffix}", colours.repeat(6, 0).repeat(6, 1))
    found = to_settings(large)
    for name, value in vars(plain).items():
        assert getattr(found.measures, name) == pytest.approx(value, abs=0.12), name
    assert found.facts.mood == "bright" and found.name == f"large.{suffix}"


def test_what_lets_through_is_on_white(tmp_path: Path) -> None:
    pixels = np.zeros((32, 32, 4), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "clear.png")
    assert measure(read(tmp_path / "clear.png").colours).brightness == pytest.approx(1.0)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes whose header promises a huge picture."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    )


def broken() -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()[:2000]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no picture that is read here"),
        (b"GIF89a" + b"\0" * 100, "is no picture that is read here; PNG, JPEG, WEBP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is no picture"),
        (bomb(60_000, 60_000), "too many pixels"),
        (bomb(12_000, 10_000), "12000 x 10000 pixels"),
        (bomb(4, 400), "at least 8"),
        (broken(), "breaks off or is damaged"),
    ],
)
def test_what_is_no_picture_is_one_line(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a picture.png"
    path.write_bytes(data)
    with pytest.raises(ImageError) as caught:
        to_settings(path)
    said = str(caught.value)
    assert message in said and "a picture.png" in said and "\n" not in said and len(said) <= 500


@pytest.fixture(scope="module")
def captions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A caption model with random weights."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import (
        BertConfig,
        BertLMHeadModel,
        PreTrainedTokenizerFast,
        VisionEncoderDecoderModel,
        ViTConfig,
        ViTImageProcessor,
        ViTModel,
    )

    folder = tmp_path_factory.mktemp("captions")
    words = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", *"a harbour at night with boats and lanterns".split()]
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]", unk_token="[UNK]"
    ).save_pretrained(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    decoder = BertConfig(vocab_size=len(words), is_decoder=True, add_cross_attention=True, **sizes)
    model = VisionEncoderDecoderModel(
        encoder=ViTModel(ViTConfig(image_size=32, patch_size=16, **sizes)), decoder=BertLMHeadModel(decoder)
    )
    for settings_of in (model.config, model.generation_config):
        settings_of.decoder_start_token_id, settings_of.pad_token_id, settings_of.eos_token_id = 1, 0, 2
    with torch.no_grad():
        model.decoder.cls.predictions.bias[:4] = -100.0  # words alone are said
    model.save_pretrained(folder)
    ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def test_a_caption_model_says_what_is_shown_before_the_mapping(captions: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "sea.png", PICTURES["a night sky"])
    found = to_settings(path, captions)
    assert found.caption and len(found.caption.split()) <= 30
    assert found.prompt() == f"dark, calm, {found.caption}, cool, spacious"
    assert found.facts == to_settings(path).facts, "the caption is words alone"
    assert to_settings(path, captions).caption == found.caption


def test_a_folder_without_a_caption_model_is_one_line(captions: Path, tmp_path: Path) -> None:
    path = save(tmp_path / "sea.png", PICTURES["a night sky"])
    with pytest.raises(ImageError, match=r"config.json is missing"):
        to_settings(path, tmp_path)
    for name in ("config.json", "preprocessor_config.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    with pytest.raises(ImageError, match="cannot be used"):
        to_settings(path, tmp_path)
