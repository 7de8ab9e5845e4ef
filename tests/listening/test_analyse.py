"""What results say: the statistics on simulated listeners, and the files they are read from."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from flowmusic.apps.cli import main
from flowmusic.listening import analyse, results, simulate, statistics
from flowmusic.listening.simulate import Panel


def test_intervals_tests_and_power_keep_what_they_promise() -> None:
    kept = simulate.ratings_kept(Panel(listeners=16, items=12), studies=60, seed=3)
    # 180 intervals: at 0.95, fewer than 0.90 come once in three hundred times.
    assert kept.coverage >= 0.90
    assert kept.false_alarms <= 0.12
    assert kept.power >= 0.5
    # A test over listeners alone would take luck with items for a difference: that is why there is none.
    random = np.random.default_rng(0)
    means = []
    for _ in range(60):
        answers = Panel(listeners=30, items=8).ratings(random, {"a": 60.0, "b": 60.0})
        value = {(each.listener, each.item, each.condition): each.value for each in answers.ratings}
        by_listener = [
            np.mean(
                [
                    value[f"listener{n:03}", f"item{i}", "a"] - value[f"listener{n:03}", f"item{i}", "b"]
                    for i in range(8)
                ]
            )
            for n in range(30)
        ]
        means.append(abs(np.mean(by_listener)) > 2.0 * np.std(by_listener, ddof=1) / math.sqrt(30))
    assert np.mean(means) > 0.2


def test_who_guesses_is_left_out_and_the_others_stay() -> None:
    guessing, honest = simulate.left_out(Panel(), guessing=4, studies=10)
    assert guessing >= 0.95 and honest <= 0.02
    answers = Panel().ratings(np.random.default_rng(0), guessing=3)
    whole = analyse.analyse(answers, keep_all=True, draws=50)
    assert whole["listeners"] == 16 and whole["left_out"] == []
    assert analyse.analyse(answers, draws=50)["listeners"] == 13


def test_the_rule_of_the_hidden_reference_is_more_than_fifteen_in_a_hundred() -> None:
    # 3 of 20 are 15 %, and not more.
    assert not statistics.misses_reference([100] * 17 + [89] * 3)
    assert statistics.misses_reference([100] * 16 + [89] * 4)
    assert not statistics.misses_reference([90] * 20)
    assert not statistics.misses_reference([])


def test_strengths_of_pairs_are_found() -> None:
    truth = {"a": 1.0, "b": 0.0, "c": -1.0}
    panel = Panel(listeners=30, items=10)
    found = analyse.analyse(panel.choices(np.random.default_rng(1), truth))["preferences"]["better"]
    assert list(found["strengths"]) == ["a", "b", "c"]
    for name, row in found["strengths"].items():
        assert row["strength"] == pytest.approx(truth[name], abs=0.2)
        assert row["low"] <= truth[name] <= row["high"]
    assert all(row["p_holm"] < 0.01 for row in found["pairs"])
    even = analyse.analyse(panel.choices(np.random.default_rng(1), dict.fromkeys(truth, 0.0)))
    assert all(row["p_holm"] > 0.05 for row in even["preferences"]["better"]["pairs"])


def test_strengths_solve_the_equations_of_the_model() -> None:
    wins = np.array([[0.0, 8.0, 9.0], [2.0, 0.0, 6.0], [1.0, 4.0, 0.0]])
    power = np.exp(statistics.strengths(wins))
    given = wins + statistics.PRIOR * (1 - np.eye(3))
    expected = [
        sum((given[i, j] + given[j, i]) * power[i] / (power[i] + power[j]) for j in range(3) if j != i)
        for i in range(3)
    ]
    assert np.allclose(expected, given.sum(1), rtol=1e-6)
    assert np.isfinite(statistics.strengths(np.array([[0.0, 9.0], [0.0, 0.0]]))).all(), "also for who always wins"


def test_recognition_is_exact_and_holm_is_monotone() -> None:
    assert statistics.recognition(12, 16) == pytest.approx(0.0384, abs=1e-4)
    assert statistics.recognition(16, 16) == pytest.approx(0.5**16)
    assert statistics.holm([0.02, 0.01, 0.5, 0.03]) == pytest.approx([0.06, 0.04, 0.5, 0.06])
    heard = analyse.analyse(Panel(8, 8).recognised(np.random.default_rng(0), hearing=0.8))["abx"]["same"]["conditions"][
        0
    ]
    assert heard["p_holm"] < 0.001 and heard["low"] > 0.5
    deaf = analyse.analyse(Panel(8, 8).recognised(np.random.default_rng(0), hearing=0.0))["abx"]["same"]["conditions"][
        0
    ]
    assert deaf["p"] > 0.05


def test_answers_that_are_missing_are_not_answers() -> None:
    values = np.full((3, 2, 2), math.nan)
    values[0, 0] = [1.0, 5.0]
    values[1, 1] = [3.0, 5.0]
    draws = statistics.resampled(values, draws=200)
    assert np.nanmin(draws[:, 1]) == np.nanmax(draws[:, 1]) == 5.0
    assert set(np.round(draws[~np.isnan(draws[:, 0]), 0], 3)) >= {1.0, 3.0}


MUSHRA_CSV = """session_test_id,email,age,trial_id,rating_stimulus,rating_score,rating_time,rating_comment
t,a@x,30,one,ours,80,1200,fine
t,a@x,30,one,reference,100,1200,
t,b@x,31,one,ours,60,900,"so, so"
t,b@x,31,one,reference,20,900,
"""
LSS_CSV = 'session_test_id,email,age,trial_id,stimuli_rating,stimuli,rating_time\nt,a@x,30,text/one," 4 ",ours,9\n'
PAIRED_CSV = (
    "session_test_id,email,age,trial_id,choice_reference,choice_non_reference,choice_answer,choice_time,choice_comment\n"
    "t,a@x,30,ab,reference,C1,correct,9,\nt,a@x,30,ab2,reference,C1,undecided,9,\n"
)


def test_tables_of_webmushra_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("mushra", MUSHRA_CSV), ("lss", LSS_CSV), ("paired_comparison", PAIRED_CSV)):
        (tmp_path / f"{name}.csv").write_text(text)
    assert main(["listen-test", "analyse", str(tmp_path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["test"] == "t" and found["listeners"] == 1
    assert found["left_out"] == [{"listener": "b@x 31", "trials": 1, "below": 1}]
    assert found["ratings"]["mushra"]["conditions"]["ours"]["mean"] == 80.0
    assert found["ratings"]["text"]["conditions"]["ours"]["mean"] == 4.0
    (row,) = found["abx"]["paired_comparison"]["conditions"]
    assert (row["correct"], row["trials"]) == (1, 2)
    assert main(["listen-test", "analyse", str(tmp_path), "--keep-all"]) == 0
    assert "ours                       70.00" in capsys.readouterr().out


SESSION = {"testId": "t", "uuid": "u1", "participant": {"name": ["listener"], "response": ["ann"]}}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.json", "{}", "it has no trials"),
        ("a.json", "nonsense", "JSON"),
        ("a.json", json.dumps({**SESSION, "trials": []}), "there is no answer"),
        ("a.json", json.dumps({**SESSION, "trials": [3]}), "a trial without id"),
        (
            "a.json",
            json.dumps({**SESSION, "trials": [{"type": "mushra", "id": "x", "responses": [3]}]}),
            "an answer without",
        ),
        (
            "a.json",
            json.dumps(
                {
                    **SESSION,
                    "trials": [{"type": "preference", "id": "x", "responses": [{"a": "1", "b": "2", "answer": "3"}]}],
                }
            ),
            "is neither",
        ),
        ("a.csv", "x,y\n1,2\n", "no table of results"),
        ("a.csv", MUSHRA_CSV.split("\n")[0] + "\nt,a\n", "line 2"),
    ],
)
def test_what_is_no_result_is_one_line(
    name: str, text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(text)
    assert main(["listen-test", "analyse", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and message in said and len(said) <= 520


def test_results_of_two_tests_are_not_mixed(tmp_path: Path) -> None:
    trial = {"type": "mushra", "id": "x", "responses": [{"stimulus": "ours", "score": 3}]}
    for name in ("one", "two"):
        (tmp_path / f"{name}.json").write_text(json.dumps({**SESSION, "testId": name, "trials": [trial]}))
    with pytest.raises(results.ResultsError, match="holds results of two, others are of one"):
        results.read([tmp_path])
