"""What a model is best sampled with, as its bundle says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from flowmusic import limits
from flowmusic.curves import GuidanceOverTime, Value
from flowmusic.flow.channels import columns, spread
from flowmusic.types import Guidance


@dataclass(frozen=True)
class GenerationDefaults:
    """What a model is best sampled with, used where a call says nothing; plain data, as a bundle stores it.

    ``guidance``, ``guidance_interval`` and ``apg`` are what :meth:`Guidance.of` takes.  ``shortest_window`` is the
    length (s) of the shortest window in which the field is drawn as well as in one of its trained length
    (docs/speed.md); None: it is drawn in no shorter one.  ``guided_channels`` are pairs of a number of channels of the
    latents and the share of what guidance adds that they keep (docs/solvers.md); None: all of it.
    ``guidance_rescale`` is how far what is guided is brought back to the size of what is not (docs/solvers.md), 0 to 1.
    ``timbre_channels`` are a number of channels and how far their mean and their deviation are brought to those of a
    style's excerpt (docs/style.md), which ``style_timbre`` scales where a style does not say; None: none is.
    ``preview`` holds
    ``solver, steps, time_grid`` of the fewest evaluations whose chord score is 0.9 of the final, and how near they are
    (:mod:`flowmusic.takes.preview`).
    """

    guidance: Mapping[str, float] = field(default_factory=lambda: {"all": 2.0})
    solver: str = "midpoint"
    steps: int = 24
    time_grid: str = "uniform"
    tolerance: float = 1e-4
    guidance_interval: Sequence[float] | None = None
    apg: Mapping[str, float | None] | None = None
    shortest_window: float | None = None
    guided_channels: Sequence[Sequence[float]] | None = None
    guidance_rescale: float = 0.0
    timbre_channels: Sequence[Sequence[float]] | None = None
    style_timbre: float = 1.0
    preview: Mapping[str, Any] | None = None

    def guide(
        self,
        weights: Mapping[str, float] | None = None,
        interval: Sequence[float] | None = None,
        apg: Mapping[str, float | None] | None = None,
    ) -> Guidance:
        """Guidance with what is given in place of these, each by itself; see :meth:`Guidance.of`.

        >>> guidance = GenerationDefaults(guidance_interval=(0.2, 1.0)).guide({"all": 3.0})
        >>> [term.weight for term in guidance.terms], guidance.interval
        ([3.0, -2.0], (0.2, 1.0))
        """
        return Guidance.of(
            self.guidance if weights is None else weights,
            *self._how(interval, apg),
        )

    def guide_over_time(
        self,
        weights: Mapping[str, Value] | None = None,
        interval: Sequence[float] | None = None,
        apg: Mapping[str, float | None] | None = None,
    ) -> GuidanceOverTime:
        """As :meth:`guide`, of weights that may be curves."""
        found = GuidanceOverTime(
            self.guidance if weights is None else weights,
            *self._how(interval, apg),
        )
        found.at(0.0)  # what makes no sense shows now
        return found

    def _how(
        self, interval: Sequence[float] | None, apg: Mapping[str, float | None] | None
    ) -> tuple[Sequence[float] | None, Mapping[str, float | None] | None]:
        """When guidance applies and what of it is kept, where nothing is given in their place."""
        return self.guidance_interval if interval is None else interval, self.apg if apg is None else apg

    def channels(self, dim: int) -> Tensor | None:
        """``guided_channels`` as ``[dim]``.  Raises: ValueError where they are not for ``dim`` channels in all."""
        return None if self.guided_channels is None else spread(self.guided_channels, dim, "guided_channels")

    def timbre(self, dim: int) -> Tensor | None:
        """How far means and deviations of ``timbre_channels`` go, ``[2, dim]``.

        Raises: ValueError where they are not for ``dim`` channels in all.
        """
        runs = self.timbre_channels
        return None if runs is None else columns(runs, dim, "timbre_channels", ("mean", "deviation"))

    def check(self, dim: int) -> None:
        """Raises: ValueError for numbers of channels that do not fit latents of ``dim``, and shares not in 0..1."""
        self.channels(dim), self.timbre(dim)
        limits.number("style_timbre", self.style_timbre, "style_timbre")
        limits.number("guidance_rescale", self.guidance_rescale, "guidance_rescale")

    def recorded(self) -> dict[str, Any]:
        """What of these decides a take and cannot be said by a call, as a record tells it.

        >>> GenerationDefaults(guided_channels=((1, 1), (2, 0.5)), guidance_rescale=0.7).recorded()
        {'guided_channels': [[1.0, 1.0], [2.0, 0.5]], 'guidance_rescale': 0.7}
        """
        guided, timbre = (
            None if runs is None else [list(map(float, run)) for run in runs]
            for runs in (self.guided_channels, self.timbre_channels)
        )
        rescale = {"guidance_rescale": float(self.guidance_rescale)} if self.guidance_rescale else {}
        of_style = {} if timbre is None else {"timbre_channels": timbre, "style_timbre": float(self.style_timbre)}
        return {"guided_channels": guided, **rescale, **of_style}
