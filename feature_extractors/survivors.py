"""The way back of a Viterbi search over recordings of any length, in memory that does not grow with them.

Paths into all states, followed back, soon come from one state; what lies before it is certain and needs no more than
its path (the traceback of convolutional decoders: Forney 1973, Proc. IEEE 61(3), section IV).  Nothing is approximated:
where paths stay apart, everything is kept.
"""

from __future__ import annotations

import numpy as np

LEAST = 2048
"""Steps that are kept before it is tried to settle the older ones."""


class Survivors:
    """Where the best path into each state of each step came from."""

    def __init__(self) -> None:
        self._back: list[np.ndarray] = []
        self._certain: list[np.ndarray] = []
        self._wanted = LEAST

    def add(self, came_from: np.ndarray) -> None:
        """The states of the step before, for each state of a new step.  Shape: ``[S]``, S below 32 768."""
        self._back.append(came_from.astype(np.int16))
        if len(self._back) >= self._wanted:
            self._settle()
            # Twice as many next time: where paths stay apart for long, trying costs no more than the search itself.
            self._wanted = max(LEAST, 2 * len(self._back))

    def path(self, last: int) -> np.ndarray:
        """The path that ends in a state: one more step than were added.  Shape: ``[steps + 1]`` int64."""
        return np.concatenate([*self._certain, self._traced(len(self._back), last)])

    def _traced(self, step: int, state: int) -> np.ndarray:
        """The path to a state after so many of the steps that are kept."""
        path = np.empty(step + 1, np.int64)
        path[step] = state
        for n in range(step, 0, -1):
            path[n - 1] = self._back[n - 1][path[n]]
        return path

    def _settle(self) -> None:
        states = np.arange(len(self._back[-1]))
        for step in range(len(self._back), 0, -1):
            states = np.unique(self._back[step - 1][states])
            if len(states) == 1:
                # Every path passes this state after ``step - 1`` steps.
                certain = self._traced(step - 1, int(states[0]))
                self._certain.append(certain[:-1])
                self._back = self._back[step - 1 :]
                return
