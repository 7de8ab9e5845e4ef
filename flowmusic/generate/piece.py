"""One piece of any length being made: its latents window by window, its sound block by block, and its record.

    piece = Piece(model, controls, model.grid(300), seed=7)
    for block in piece.blocks():
        ...  # Audio [1, C, n]; joined, they are what decoding everything at once gives

>>> from flowmusic.curves import Curve
>>> weights = over(GuidanceOverTime({"all": Curve.of("1@0 3@1")}), frame_rate=2.0)
>>> [guidance.terms[0].weight for guidance in weights(Window(0, 3))]
[1.5, 2.5, 3.0]
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor

from flowmusic import limits
from flowmusic.audio import Audio
from flowmusic.curves import GuidanceOverTime
from flowmusic.generate.generator import Generator, check_finite, check_seed
from flowmusic.generate.long import Ask, asking, decoded
from flowmusic.generate.recall import PATH, Recall
from flowmusic.generate.sampling import Sampling, SeededNoise
from flowmusic.generate.scheme import drawn
from flowmusic.generate.windows import Window
from flowmusic.types import Controls, FrameGrid, Generation, Guidance, Progress


class Piece:
    """What is asked of a piece, and what is kept of it while it is made.

    Args:
        model: a loaded model.
        controls: the whole request, a batch of one, its tracks on ``grid``.
        grid: the clock of the piece.
        guidance: the same throughout, or over time; the model's own if left out.
        ask: what is asked of a window, where that is more than its part of ``controls`` (a story); then ``guidance``
            is that of its beginning, for the record.
        cuts, sections: frames at which the music begins anew, and at which sections begin, see
            :meth:`Generator.parts`.
        recall: of each frame the one that it returns to (:func:`flowmusic.generate.recall.repeats`), and how nearly.
        sampling: the model's own if left out.
        seed: of the noise.
        negative: controls to lead away from, and how strongly; a story has its own.
        keep_latents: keep them in half precision, for :meth:`made`.

    Raises: ValueError for lengths and weights that make no sense.
    """

    def __init__(
        self,
        model: Generator,
        controls: Controls,
        grid: FrameGrid,
        *,
        guidance: Guidance | GuidanceOverTime | None = None,
        ask: Ask | None = None,
        cuts: Sequence[int] = (),
        sections: Sequence[int] = (),
        recall: tuple[Tensor, float] | None = None,
        recall_method: str = PATH,
        sampling: Sampling | None = None,
        seed: int,
        negative: tuple[Controls, float] | None = None,
        keep_latents: bool = True,
    ) -> None:
        limits.number("seconds", grid.seconds, "a take's length")
        self.model, self.controls, self.grid = model, controls, grid
        self.sampling = sampling or model.sampling()
        self.seed, self.keep_latents = check_seed(seed), keep_latents
        self.cuts, self.sections, self.evals = tuple(cuts), tuple(sections), 0
        self._recall, self._recall_method = recall, recall_method
        # A story is to wander from where it began.
        self._steady = ask is None
        self._kept: list[Tensor] = []
        wanted = guidance or model.defaults.guide()
        if isinstance(wanted, GuidanceOverTime):
            self.guidance = wanted.at(0.0)
            self._ask = ask or asking(controls, over(wanted, float(grid.frame_rate)), negative)
        else:
            self.guidance = wanted
            self._ask = ask or asking(controls, wanted, negative)

    def latents(self, progress: Progress | None = None) -> Iterator[Tensor]:
        """``[1, n, D]`` of one part after the other, on the model's device; may be asked for once more, and repeats.

        Raises: NotFinite if the solve diverges.
        """
        self.evals, self._kept = 0, []
        noise = SeededNoise([self.seed])
        recall = None
        if self._recall is not None:
            recall = Recall(*self._recall, self.sampling.steps, self._recall_method)
        drawing = drawn(
            self.model,
            self._ask,
            self.controls,
            self.grid,
            self.model.window_frames(self.grid),
            noise,
            self.sampling,
            cuts=self.cuts,
            sections=self.sections,
            recall=recall,
            steady=self._steady,
            progress=progress,
        )
        for part, evals in drawing:
            check_finite(part, part, self.guidance, self.sampling)
            self.evals += evals
            if self.keep_latents:
                self._kept.append(part.cpu().half())
            yield part

    def blocks(self, progress: Progress | None = None) -> Iterator[Audio]:
        """The sound ``[1, C, n]`` as it comes, on the CPU, with no more than a window and a block in memory."""
        for block in decoded(self.model.codec, self.latents(progress)):
            samples = block.samples.float().cpu()
            check_finite(samples, samples, self.guidance, self.sampling)
            yield Audio(samples, block.rate)

    def whole(self, progress: Progress | None = None) -> Generation:
        """All at once, as :meth:`Generator.generate` gives it."""
        latents = torch.cat(list(self.latents(progress)), dim=1)
        return self.model.finished(latents, self.controls, self.guidance, self.sampling, self.seed, self.evals)

    def made(self) -> Generation:
        """After the last block: the record of what was made, whose audio is empty (it has been handed out)."""
        sampling, codec = self.sampling, self.model.codec
        latents = torch.cat(self._kept, dim=1).float() if self._kept else torch.zeros(1, 0, codec.dim)
        return Generation(
            Audio(torch.zeros(1, codec.channels, 0), codec.rate),
            latents,
            self.controls,
            self.guidance,
            self.seed,
            self.evals,
            sampling.solver,
            sampling.steps,
            sampling.time_grid,
        )


def over(guidance: GuidanceOverTime, frame_rate: float) -> Callable[[Window], Guidance | Sequence[Guidance]]:
    """Guidance over time for the frames of a window, at their centres; one for all where it does not change there."""

    def of(window: Window) -> Guidance | Sequence[Guidance]:
        if not guidance.changes:
            return guidance.at(0.0)
        frames = [guidance.at((frame + 0.5) / frame_rate) for frame in range(window.start, window.stop)]
        return frames[0] if all(each == frames[0] for each in frames) else frames

    return of
