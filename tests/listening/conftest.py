from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

RATE = 32_000
TEST = """
testname: Kit <b>test</b>
testId: kit
pages:
  - {type: consent, id: consent, name: Welcome, content: "<p>Hello <script>alert(1)</script></p>"}
  - {type: volume, id: volume, name: Volume, stimulus: ref.wav, defaultVolume: 0.4}
  - - random
    - {type: mushra, id: near/one, name: MUSHRA, reference: ref.wav, createAnchor35: true, createAnchor70: true,
       stimuli: {good: good.wav, bad: bad.wav}}
    - {type: abx, id: same/one, name: ABX, reference: ref.wav, unforced: no difference, stimuli: {good: good.wav}}
    - {type: preference, id: better/one, name: Preference, stimuli: {good: good.wav, bad: bad.wav, ref: ref.wav}}
    - {type: mos, id: quality/one, name: MOS, stimuli: {good: good.wav, bad: bad.wav}}
    - {type: adherence, id: hum/one, name: "Does it follow this hum?", given: hum.wav, stimuli: {good: good.wav}}
    - {type: likert_multi_stimulus, id: several/one, name: Several, stimuli: {good: good.wav, bad: bad.wav},
       response: [{value: 1, label: none}, {value: 2, label: some}]}
  - {type: finish, name: Thank you, questionnaire: [{type: text, label: Remarks, name: remarks, optional: false}]}
"""


def tone(seconds: float, hz: tuple[float, ...], level: float = 0.1) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(sum(level * np.sin(2 * np.pi * each * time) for each in hz), np.float32)


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a test of every kind of question and its sounds."""
    folder = tmp_path_factory.mktemp("kit")
    hiss = np.random.default_rng(0).standard_normal(2 * RATE).astype(np.float32)
    base = tone(2.0, (220.0, 330.0, 5000.0))
    sounds = {
        "ref": base,
        "good": base + 0.003 * hiss,
        "bad": 0.2 * base + 0.05 * hiss,
        "hum": tone(1.5, (220.0,), 0.3),
    }
    for name, samples in sounds.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    (folder / "test.yaml").write_text(TEST)
    return folder
