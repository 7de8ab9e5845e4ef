"""What holds for every test: offline, one thread, no windows, and the same examples on every run."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# Before anything imports torch, matplotlib or transformers: they read these once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")
# Hashes of weights are not remembered among the user's.
os.environ.setdefault("FLOWMUSIC_CACHE", os.path.join(tempfile.gettempdir(), f"flowmusic-tests-{os.getuid()}"))

import pytest
from hypothesis import HealthCheck, settings

# No deadline: a shared machine stalls.  Derandomised: a red run is red again; `--hypothesis-profile=explore` searches.
_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
settings.register_profile("repeatable", derandomize=True, database=None, max_examples=40, **_COMMON)
settings.register_profile("explore", max_examples=400, **_COMMON)
settings.load_profile("repeatable")

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The checkout."""
    return ROOT


@pytest.fixture(scope="session", autouse=True)
def offline(request: pytest.FixtureRequest) -> Iterator[None]:
    """Refuse connections to other machines, unless tests of hub weights were asked for."""
    if any(item.get_closest_marker("pretrained") for item in request.session.items):
        yield
        return
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX and address[0] not in ("127.0.0.1", "::1", "localhost"):
            raise OSError(f"tests are offline; something tried to reach {address}")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded)
        yield
