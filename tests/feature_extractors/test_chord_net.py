"""Our chord network: its features, classes, layers and decoding, and what the shipped weights hear."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from feature_extractors import Chords
from feature_extractors.networks import chord_decode, chord_features, chord_labels, chord_net
from flowmusic.audio import Audio
from flowmusic.controls import vocabulary
from flowmusic.metrics.chords import chord_acc
from tests.feature_extractors.sounds import tone, triad

RATE = chord_features.RATE


def test_a_tone_lies_in_its_bin_at_its_amplitude() -> None:
    for midi in (36, 57, 69, 93):  # C2 is read from the long window alone, A6 from the short one
        sine = 0.1 * torch.sin(2 * np.pi * 440.0 * 2 ** ((midi - 69) / 12) * torch.arange(2 * RATE) / RATE)
        found = chord_features.magnitude(sine)
        assert found.shape == (20, 252)
        assert int(found[10].argmax()) == 3 * (midi - 24) + 1
        assert 0.07 < float(found[10].max()) < 0.21


def test_every_recording_comes_at_one_level() -> None:
    samples = tone(60, 1.0, RATE).numpy()
    loud, quiet = (chord_features.scaled(factor * samples) for factor in (4.0, 0.01))
    assert loud == pytest.approx(quiet, abs=1e-5)
    assert float(np.sqrt(np.mean(loud**2))) == pytest.approx(chord_features.LEVEL, rel=1e-3)
    assert chord_features.scaled(np.zeros(5, np.float32)).tolist() == [0.0] * 5


def test_classes_are_the_vocabulary() -> None:
    labels = [chord_labels.label(number) for number in range(chord_labels.CLASSES)]
    assert sorted(labels) == sorted(set(vocabulary.LABELS) - {vocabulary.UNKNOWN_CHORD})
    assert [chord_labels.class_of(label) for label in labels] == list(range(chord_labels.CLASSES))
    assert chord_labels.class_of("UNK") is None
    assert chord_labels.class_of("A:min7") == chord_labels.class_of("Am7")


def test_triads_are_what_the_metric_counts() -> None:
    """``chord_acc`` reduces labels by mir_eval; the coarse pass must mean the same triads."""
    from flowmusic.metrics.chords import chord_acc

    for number in range(0, chord_labels.CLASSES, 5):
        label = chord_labels.label(number)
        plain = chord_labels.label(int(chord_labels.PLAIN[chord_labels.TRIAD[number]]))
        if chord_labels.TRIAD[number] % 4 < 2:
            assert chord_acc([(0.0, 1.0, plain)], [(0.0, 1.0, label)]) == 1.0
    triads = {chord_labels.label(int(number)) for number in chord_labels.PLAIN}
    assert triads == {r + q for r in vocabulary.ROOTS for q in ("", "m", "dim", "aug")} | {"N"}
    assert chord_labels.TRIAD[chord_labels.PLAIN].tolist() == list(range(49))


def test_targets_share_the_frame_in_which_a_chord_changes() -> None:
    found = chord_labels.targets([(0.0, 0.22, "C"), (0.22, 0.4, "Am"), (0.4, 0.5, "UNK")], 6)
    c, am = (chord_labels.class_of(name) for name in ("C", "Am"))
    # Frame 2 reaches from 0.15 to 0.25 s.
    assert found[:, c].tolist() == pytest.approx([1.0, 1.0, 0.7, 0.0, 0.0, 0.0], abs=1e-5)
    assert found[:, am].tolist() == pytest.approx([0.0, 0.0, 0.3, 1.0, 0.5, 0.0], abs=1e-5)
    assert chord_labels.targets([], 3).sum() == 0.0 and chord_labels.targets([(0, 1, "C")], 0).shape == (0, 193)


def test_a_transposed_input_gives_transposed_scores() -> None:
    torch.manual_seed(0)
    net = chord_net.ChordNet().eval()
    heard = torch.randn(1, 9, 12, 32)
    with torch.no_grad():
        scores, higher = net.scores(heard), net.scores(heard.roll(5, 2))
    roots = scores[..., :-1].unflatten(-1, (12, 16))
    assert torch.allclose(higher[..., :-1].unflatten(-1, (12, 16)), roots.roll(5, -2), atol=1e-5)
    assert torch.allclose(higher[..., -1], scores[..., -1], atol=1e-5)


def test_scores_depend_on_the_stated_context_and_on_nothing_further() -> None:
    torch.manual_seed(0)
    net = chord_net.ChordNet().eval()
    frames = 2 * chord_net.CONTEXT_FRAMES + 3
    plain = torch.rand(1, frames, 252)
    changed = plain.clone()
    changed[:, 0] += 1.0
    with torch.no_grad():
        difference = (net(changed) - net(plain)).abs().amax((0, 2))
    assert difference.shape == (frames,)
    reached = torch.nonzero(difference).flatten()
    assert int(reached.max()) == chord_net.CONTEXT_FRAMES


def test_windows_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    samples = torch.cat([triad(60, False, 9.0, RATE), triad(57, True, 9.03, RATE)]).numpy()
    whole = chord_net.log_probabilities(samples)
    assert whole.shape == (181, 193)
    monkeypatch.setattr(chord_net, "_WINDOW_FRAMES", 40)
    assert chord_net.log_probabilities(samples) == pytest.approx(whole, abs=2e-3)


def test_viterbi_finds_the_best_of_all_paths() -> None:
    rng = np.random.default_rng(0)
    for cost in (0.0, 0.4, 3.0):
        scores = rng.standard_normal((5, 3)).astype(np.float32)

        def value(path: tuple[int, ...], scores: np.ndarray = scores, cost: float = cost) -> float:
            return float(sum(scores[n, s] for n, s in enumerate(path))) - cost * sum(
                a != b for a, b in itertools.pairwise(path)
            )

        best = max(itertools.product(range(3), repeat=5), key=value)
        assert tuple(chord_decode.viterbi(scores, cost).tolist()) == best


def scored(*chords: dict[str, float]) -> np.ndarray:
    """Log probabilities of frames from their likely chords; the rest shares what is left."""
    out = np.full((len(chords), chord_labels.CLASSES), 1e-4)
    for n, chord in enumerate(chords):
        for label, probability in chord.items():
            out[n, chord_labels.class_of(label)] = probability
    return np.log(out / out.sum(1, keepdims=True)).astype(np.float32)


def test_the_triad_is_decided_before_its_type() -> None:
    # No type of C is as likely as Am, but together they are.
    frames = [{"C": 0.25, "C7": 0.2, "C/E": 0.15, "Am": 0.4}] * 20
    assert chord_decode.changes(scored(*frames), 2.0) == ((0.0, 2.0, "C"),)
    seventh = [{"C7": 0.9}] * 20
    assert chord_decode.changes(scored(*seventh), 2.0) == ((0.0, 2.0, "C7"),)
    assert chord_decode.changes(scored(*seventh), 2.0, types=False) == ((0.0, 2.0, "C"),)


def test_a_type_may_change_under_one_triad_and_a_glimpse_changes_nothing() -> None:
    frames = [{"G": 0.9}] * 20 + [{"G7": 0.9}] * 20
    (_, end, first), (start, _, second) = chord_decode.changes(scored(*frames), 4.0)
    assert (first, second) == ("G", "G7") and end == start == pytest.approx(1.95, abs=0.03)
    glimpse = [{"G": 0.6, "D": 0.3}] * 10 + [{"D": 0.5, "G": 0.4}] + [{"G": 0.6, "D": 0.3}] * 10
    assert chord_decode.changes(scored(*glimpse), 2.1) == ((0.0, 2.1, "G"),)


def test_changes_fall_between_frames_where_the_scores_cross() -> None:
    """A frame that is nearly sure of the old chord ends before the change, one that is sure of the new one after."""
    sure = [{"F": 0.98}] * 10, [{"Dm": 0.98}] * 10
    late, early = ({"F": 0.97, "Dm": 0.02}, {"F": 0.02, "Dm": 0.97})
    starts = [chord_decode.changes(scored(*sure[0], middle, *sure[1]), 2.1)[1][0] for middle in (early, late)]
    assert 0.95 <= starts[0] < 1.0 < starts[1] <= 1.05


def test_nothing_has_no_chords() -> None:
    assert chord_decode.changes(np.zeros((0, 193), np.float32), 0.0) == ()
    assert chord_decode.changes(scored({"C": 0.9}), 0.01) == ((0.0, 0.01, "C"),)


@pytest.fixture(scope="module")
def clips() -> Iterator[list[tuple[Audio, tuple]]]:
    """Three composed clips of eight seconds with all chords sounding, in a font that nobody trained on."""
    from flowmusic.corpus.compose import compose
    from flowmusic.corpus.fonts import wheel_font
    from flowmusic.corpus.render import render
    from flowmusic.corpus.synth import FontSynth

    synth = FontSynth(str(wheel_font()))
    found = []
    for seed in (5, 6, 8):
        piece = compose(seed, "test", 8.0)
        rendering = render(piece, synth)
        found.append((Audio(torch.from_numpy(rendering.mix).float()[None] / 32768.0, 32_000), tuple(piece.chords)))
    yield found
    synth.close()


def test_shipped_weights_hear_composed_music(clips: list[tuple[Audio, tuple]]) -> None:
    scores = [chord_acc(chords, Chords("ours").analyse(audio).changes) for audio, chords in clips]
    assert np.nanmean(scores) > 0.8, scores
    wrong = [chord_acc(clips[n - 1][1], Chords("ours").analyse(clips[n][0]).changes) for n in range(3)]
    assert np.nanmean(wrong) < 0.4, wrong


def test_sevenths_and_basses_are_told_apart() -> None:
    """Close voicings over a bass note, as a person would play them on a keyboard."""

    def played(bass: int, *notes: int) -> torch.Tensor:
        return torch.stack([tone(note, 3.0, level=0.06) for note in (bass, *notes)]).sum(0)

    for bass, notes, label in (
        (36, (60, 64, 67), "C"),
        (43, (59, 62, 65, 67), "G7"),
        (45, (60, 64, 67, 69), "Am7"),
        (41, (60, 64, 65, 69), "Fmaj7"),
        (40, (60, 64, 67), "C/E"),
        (47, (59, 62, 65), "Bdim"),
    ):
        changes = Chords("ours").analyse(Audio(played(bass, *notes)[None], 32_000)).changes
        assert max(changes, key=lambda change: change[1] - change[0])[2] == label


def test_weights_are_small_and_complete() -> None:
    assert chord_net.WEIGHTS.stat().st_size < 2_000_000
    assert all(bool(p.isfinite().all()) for p in chord_net.load().parameters())
