"""Text-audio metrics on a listener whose answers are known, and what the shipped one can tell."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
import torch

from flowmusic.audio import Audio
from flowmusic.metrics.caption_attributes import ATTRIBUTES, Attribute, balanced
from flowmusic.metrics.text_audio import TextAudio, attribute_scores, recall

RATE = 8000


class Ear:
    """Hears whether a recording is low, middle or high, and reads these words; other words say nothing of it."""

    rate = RATE
    words = ("low", "middle", "high")

    def __init__(self) -> None:
        self.lengths: list[int] = []

    def embed_samples(self, samples: torch.Tensor) -> torch.Tensor:
        self.lengths.append(samples.shape[-1])
        spectrum = torch.fft.rfft(samples).abs()
        hz = spectrum.argmax(-1) * RATE / samples.shape[-1]
        return torch.nn.functional.one_hot(torch.bucketize(hz, torch.tensor([300.0, 1500.0])), 4).float()

    def embed_texts(self, texts: Sequence[str]) -> torch.Tensor:
        rows = [[float(word in text) for word in self.words] + [0.1] for text in texts]
        return torch.nn.functional.normalize(torch.tensor(rows), dim=-1)


def tone(hz: float, seconds: float = 2.0, rate: int = RATE) -> Audio:
    return Audio(0.3 * torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * rate)) / rate)[None], rate)


def batch(*takes: Audio) -> Audio:
    return Audio(torch.stack([take.samples for take in takes]), takes[0].rate)


def test_cosine_of_each_take_with_its_text() -> None:
    judge = TextAudio(Ear())
    cosines = judge.text_cos(batch(tone(100), tone(2000)), ["a low hum", "a low hum"])
    assert cosines[0] > 0.99 and abs(cosines[1]) < 0.01
    with pytest.raises(ValueError, match="2 recordings need as many texts, got 1"):
        judge.text_cos(batch(tone(100), tone(2000)), ["low"])


def test_any_rate_channels_and_length() -> None:
    judge = TextAudio(Ear())
    stereo = Audio(tone(2000, 3.0, 44_100).samples.repeat(2, 1), 44_100)
    assert judge.embed_audio(stereo).shape == (1, 4)
    assert judge.rank([stereo, tone(100, 1.0), tone(800)], "high")[0][0] == 0


def test_long_audio_is_the_mean_of_even_windows() -> None:
    ear = Ear()
    long = Audio(torch.cat([tone(100, 10).samples, tone(2000, 10).samples, tone(2000, 5).samples], -1), RATE)
    embedding = TextAudio(ear).embed_audio(long)[0]
    assert ear.lengths == [10 * RATE] * 3
    assert torch.allclose(embedding, torch.nn.functional.normalize(torch.tensor([1.0, 0.0, 2.0, 0.0]), dim=0))


@pytest.mark.parametrize(
    ("audio", "says"),
    [
        (tone(100, 0.9), "0.90 s is too short"),
        (Audio(torch.full((1, RATE), math.nan), RATE), "NaN or infinite"),
        ([], "no recordings"),
    ],
)
def test_audio_that_cannot_be_judged(audio: Audio | list[Audio], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TextAudio(Ear()).embed_audio(audio)


def test_an_empty_text_is_refused() -> None:
    with pytest.raises(ValueError, match="text 1 is empty"):
        TextAudio(Ear()).embed_text(["low", " "])


def test_search_orders_takes_and_says_by_how_much() -> None:
    ranked = TextAudio(Ear()).rank([tone(2000), tone(100), tone(700)], "the middle one")
    assert ranked[0][0] == 2 and ranked[0][1] > 0.9
    assert [index for index, _ in ranked[1:]] == [0, 1]  # equal ones stay in order


PITCH = Attribute("pitch", {"low": ("low", "a low one"), "high": ("high",)}, lambda labels: labels.get("pitch"))


def test_attributes_are_recognised_by_any_of_their_wordings() -> None:
    judge = TextAudio(Ear())
    takes = [tone(100), tone(2000), tone(100)]
    assert [row["pitch"] for row in judge.recognise(takes, [PITCH])] == ["low", "high", "low"]
    labels = [{"pitch": "low"}, {"pitch": "high"}, {"pitch": "high"}]
    scores = judge.text_attr(takes, labels, [PITCH])
    assert scores["pitch"] == pytest.approx((0.75 - 0.5) / 0.5) == scores["mean"]
    assert math.isnan(judge.text_attr(takes, [{}, {}, {}], [PITCH])["mean"])


def test_one_answer_for_all_is_chance_however_common() -> None:
    true = ["medium"] * 8 + ["slow", "fast"]
    assert balanced(["medium"] * 10, true, 3) == pytest.approx(0.0)
    assert balanced(true, true, 3) == pytest.approx(1.0)
    assert balanced(["slow", "fast"], ["slow", None], 3) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="2 heard, 1 true"):
        balanced(["slow", "fast"], ["slow"], 3)


def test_the_truth_of_a_clip_of_the_corpus() -> None:
    labels = {
        "tags": {"genre": "hip hop", "mood": ["dark", "steady"], "tempo": "medium"},
        "programs": {"drums": {"program": 24}, "melody": {"program": 71}},
    }
    truth = {a.name: a.truth(labels) for a in ATTRIBUTES}
    expected = {"genre": "hip hop", "tempo": "medium", "energy": "steady", "mood": "dark", "drums": "drums"}
    assert truth == {**expected, "lead": "reeds"}
    bare = {"tags": {"genre": "other", "mood": ["calm"], "tempo": "slow"}, "programs": {}}
    truth = {a.name: a.truth(bare) for a in ATTRIBUTES}
    assert truth == {
        "genre": None, "tempo": "slow", "energy": "calm", "mood": None, "drums": "no drums", "lead": None,
    }  # fmt: skip


def test_every_tag_of_the_composer_is_an_answer() -> None:
    """What the corpus calls things must not drift from what the metric asks."""
    from flowmusic.corpus.caption import ENERGY_WORDS, MOOD_WORDS, TEMPO_WORDS
    from flowmusic.corpus.genres import GENRES
    from flowmusic.corpus.instruments import LEADS

    answers = {a.name: a.wordings for a in ATTRIBUTES}
    assert set(answers["genre"]) == {genre.name for genre in GENRES}
    assert set(answers["tempo"]) == set(TEMPO_WORDS)
    assert set(answers["energy"]) == set(ENERGY_WORDS)
    assert set(answers["mood"]) == set(MOOD_WORDS)
    lead = next(a for a in ATTRIBUTES if a.name == "lead")
    for programs in LEADS.values():
        for program in programs:
            assert lead.truth({"programs": {"melody": {"program": program}}}) in answers["lead"], program


def test_scores_are_nan_where_nothing_is_known() -> None:
    scores = attribute_scores([{"pitch": "low"}], [{}], [PITCH])
    assert math.isnan(scores["pitch"]) and math.isnan(scores["mean"])


def test_recall_counts_the_own_column_and_breaks_ties_at_random() -> None:
    cosines = torch.tensor([[0.9, 0.1, 0.0], [0.8, 0.5, 0.0], [0.3, 0.2, 0.1]])
    assert recall(cosines, 1) == pytest.approx(1 / 3)
    assert recall(cosines, 2) == pytest.approx(2 / 3)
    assert recall(torch.zeros(10, 10), 1) == pytest.approx(0.1)
    assert recall(torch.zeros(10, 10), 10) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="square"):
        recall(torch.zeros(2, 3), 1)
