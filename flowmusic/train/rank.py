"""One of the other processes of a training on several devices: ``python -m flowmusic.train.rank CONFIG``."""

from __future__ import annotations

import sys

from flowmusic.train.run import train


def main(argv: list[str]) -> int:
    """Train what a resolved configuration says."""
    from omegaconf import DictConfig, OmegaConf

    cfg = OmegaConf.load(argv[0])
    assert isinstance(cfg, DictConfig)
    train(cfg)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
