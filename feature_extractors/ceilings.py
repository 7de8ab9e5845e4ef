"""How well each extractor does on recordings with exact labels: the ceiling of every control metric.

``python -m feature_extractors.ceilings CORPUS_DIR [--split test] [--limit N] [--out FILE.md|FILE.json]``

An adherence score of a model can only be read next to the score that the extractor gets on the true audio (``ceiling``)
and on the labels of another clip (``no skill``).  Conventions and tolerances are those of ``flowmusic.metrics``, which
this package must not import: the few lines of scoring here use mir_eval in the same way, and a test compares the two.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from feature_extractors import madmom_compat
from feature_extractors.beats import Beats
from feature_extractors.chords import Chords
from feature_extractors.drums import Drums
from feature_extractors.melody import Melody
from feature_extractors.onsets import Onsets
from feature_extractors.stems import HarmonicPercussive, Separator
from flowmusic.controls import drums as drum_control
from flowmusic.types import Audio, FrameGrid
