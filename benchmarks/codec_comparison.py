"""Which codec architecture learns more in the same compute?  SEANet against the spectral codec.

Both train side by side, one thread each, on the same crops with the same losses for the same CPU time (wall time
would compare the neighbours of a shared machine), and are then judged by the codec gate.

    python benchmarks/codec_comparison.py --corpus DIR --cpu-seconds 300 --out DIR
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

CODECS = ("spectral", "seanet")


def train(codec: str, args: argparse.Namespace) -> subprocess.Popen:
    """Start training in a process of its own."""
    out = args.out / codec
    command = [
        sys.executable, "-m", "flowmusic.train.run",
        "experiment=nano_codec", f"codec={codec}", f"corpus={args.corpus}", f"out={out}", f"seed={args.seed}",
        "resume=false", "threads=1", "logger=none", "~callbacks.learning_rate", "trainer.enable_progress_bar=false",
        "model.calibration_batches=20", f"callbacks.budget.cpu_s={args.cpu_seconds}",
        # The schedule of a long run, cut by the budget, for both.
        f"model.total_steps={args.total_steps}",
    ]  # fmt: skip
    return subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="training corpus")
    parser.add_argument("--test-corpus", type=Path, help="default: the training corpus' test split")
    parser.add_argument("--cpu-seconds", type=float, default=300.0)
    parser.add_argument("--total-steps", type=int, default=2600)
    parser.add_argument("--clips", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    rows = []
    running = [train(codec, args) for codec in CODECS]
    codes = [process.wait() for process in running]  # of all, also when one fails
    if any(codes):
        print("error: a training failed; its message is above", file=sys.stderr)
        return 1
    for codec in CODECS:
        steps = json.loads((args.out / codec / "metrics.json").read_text())["steps"]
        gate = [
            sys.executable, "-m", "flowmusic.evaluate.codec_gate", "--codec", str(args.out / codec / "bundle"),
            "--corpus", str(args.test_corpus or args.corpus), "--clips", str(args.clips),
            "--out", str(args.out / codec),
        ]  # fmt: skip
        subprocess.run(gate, check=False)  # exit 1 is a failed gate, which is a result here
        systems = json.loads((args.out / codec / "codec_gate.json").read_text())["systems"]["codec"]
        norms = {key: systems[key]["norm"]["mean"] for key in ("chord_acc", "onset_f1", "melody_pc")}
        rows.append((codec, steps, norms, systems["si_sdr"]["raw"]["mean"]))
    print(f"\nequal training time: {args.cpu_seconds:g} CPU seconds each, seed {args.seed}, {args.clips} test clips")
    print("| codec | steps | chords (norm) | onsets (norm) | melody (norm) | SI-SDR dB |")
    print("|---|---|---|---|---|---|")
    for codec, steps, norms, si_sdr in rows:
        cells = " | ".join(f"{value:.2f}" for value in norms.values())
        print(f"| {codec} | {steps} | {cells} | {si_sdr:.1f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
