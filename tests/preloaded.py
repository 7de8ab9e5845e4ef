"""What a server of clean processes loads before it is copied (see :mod:`tests.clean`)."""

from __future__ import annotations

import torch

# Before anything is computed: threads would not be copied, but what they hold would.
torch.set_num_threads(1)

import flowmusic.apps.build  # noqa: E402
import flowmusic.datasets.build_local  # noqa: E402
import flowmusic.datasets.clip  # noqa: E402
import flowmusic.train.run  # noqa: E402, F401
from flowmusic.model.text import TextEncoder  # noqa: E402

_LOADED = TextEncoder()._load()
# Most of what a tiny training takes is to load this.
TextEncoder._load = lambda self: _LOADED  # type: ignore[method-assign]
