"""The bundle of a codec that is still being trained: averaged weights of the last checkpoint, calibrated as at the end.

    python benchmarks/codec_so_far.py RUN OUT [--batches 20]

RUN is the folder of ``flowmusic train experiment=codec2 ...``; what OUT is worth says
``python -m flowmusic.evaluate.codec_gate --codec OUT``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from flowmusic.train.export import export_codec
from flowmusic.train.run import provenance


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument(
        "--batches", type=int, default=20, help="training batches that calibrate (default: %(default)s)"
    )
    args = parser.parse_args()
    last = args.run / "checkpoints" / "last.ckpt"
    if not last.is_file():
        print(f"error: {last} is missing; give the folder of a training run", file=sys.stderr)
        return 2
    cfg = OmegaConf.load(args.run / "config.yaml")
    # Our own checkpoint: its Lightning state is more than tensors.
    checkpoint = torch.load(last, weights_only=False, map_location="cpu")
    module = instantiate(cfg.model)
    module.load_state_dict(checkpoint["state_dict"])
    module.calibration_batches = args.batches
    data = instantiate(cfg.data)
    data.setup("fit")
    steps = int(checkpoint["global_step"])
    run = {"steps": steps, "seed": int(cfg.seed), "metrics": {}, **provenance()}
    settings = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(settings, dict)
    export_codec(str(args.out), str(cfg.name), module, data, run, settings, eight_bits=True)  # type: ignore[arg-type]
    print(json.dumps({"steps": steps, "bundle": str(args.out)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
