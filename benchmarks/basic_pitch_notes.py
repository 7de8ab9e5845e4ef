"""Notes of recordings by basic-pitch (Bittner et al. 2022), for ``benchmarks/transcription.py``.

It runs in an environment of its own: it wants versions of numpy and TensorFlow that this project cannot have.  Its
weights, inside its package, run on onnxruntime as well, and what it then needs is little:

    python -m venv bp && bp/bin/pip install --no-deps basic-pitch onnxruntime resampy==0.4.2
    bp/bin/pip install numpy scipy librosa mir_eval pretty_midi scikit-learn numba typing-extensions
    bp/bin/python benchmarks/basic_pitch_notes.py OUT.json SHORTEST_MS,... FILE ...

``OUT.json``: file -> for each of the lengths [[start, end, MIDI number, velocity], ...].  ``SHORTEST_MS`` are lengths
of the shortest note that it gives, such as 127.7,58; the first is its own default.  All else is its default.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any


def main() -> int:
    out, lengths, files = Path(sys.argv[1]), [float(ms) for ms in sys.argv[2].split(",")], sys.argv[3:]
    with contextlib.redirect_stdout(sys.stderr):
        from basic_pitch import FilenameSuffix, build_icassp_2022_model_path
        from basic_pitch.constants import AUDIO_SAMPLE_RATE, FFT_HOP
        from basic_pitch.inference import Model, run_inference
        from basic_pitch.note_creation import model_output_to_notes

        model = Model(build_icassp_2022_model_path(FilenameSuffix.onnx))
        found: dict[str, Any] = {}
        spent = time.process_time()
        for file in files:
            heard = run_inference(file, model)
            found[file] = []
            for shortest in lengths:
                frames = round(shortest / 1000 * AUDIO_SAMPLE_RATE / FFT_HOP)
                events = model_output_to_notes(heard, 0.5, 0.3, min_note_len=frames)[1]
                found[file].append(
                    sorted([float(s), float(e), int(p), round(127 * float(a))] for s, e, p, a, _ in events)
                )
    told = {"notes": found, "cpu_s": time.process_time() - spent}
    out.write_text(json.dumps(told), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
