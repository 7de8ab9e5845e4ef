"""Textual inversion: learn the vectors of a pseudoword from a few recordings, with everything else frozen.

Gal et al. 2022 (arXiv 2208.01618) for images; MusicGen-Style (arXiv 2407.12563, section on textual inversion) for
music.  Here the objective is the model's own flow-matching loss, over random windows of the recordings and prompts
that say nothing but the pseudoword.
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from flowmusic import disk, limits
from flowmusic.audio import Audio
from flowmusic.files import replacing
from flowmusic.flow.loss import flow_matching_loss
from flowmusic.flow.path import optimal_transport
from flowmusic.flow.times import stratified
from flowmusic.generate.generator import Generator, check_seed
from flowmusic.model.pseudowords import Concept
from flowmusic.model.text import SHA256, TextEncoder
from flowmusic.train.excerpts import encode, part
from flowmusic.train.identity import OtherRun, told
from flowmusic.types import Controls, FrameGrid

TEMPLATES = (
    "{}",
    "{} music",
    "a {} piece",
    "a {} track",
    "a {} tune",
    "a {} recording",
    "music in the style of {}",
    "a piece in the style of {}",
    "an instrumental in the style of {}",
    "music that feels like {}",
    "a piece of {} music",
    "a recording of {} music",
)
"""Neutral: no tempo, mood or instrument, which the pseudoword is to take in."""


class DamagedState(ValueError):
    """The file with the state of an unfinished run cannot be read; the message names it."""


@dataclass(frozen=True)
class Settings:
    """How the learning goes.

    Args:
        init: the word of the encoder's vocabulary that every vector starts from.
        window_s: length of a training window in seconds.
        batch: windows a step.
        rate: Adam's learning rate; a component of an embedding has a deviation of about 0.05.
        every: steps between two looks at the held-out windows, each of which also saves the state.
        patience: looks without a new best after which the learning stops.
        trials: held-out losses that a look averages, at least.
    """

    init: str = "music"
    window_s: float = 5.0
    batch: int = 4
    rate: float = 5e-3
    every: int = 20
    patience: int = 5
    trials: int = 32


@dataclass(frozen=True)
class Look:
    """Losses after ``step`` steps: the mean over the steps since the last look (NaN before the first), and held out."""

    step: int
    train: float
    held_out: float


@dataclass(frozen=True)
class Inversion:
    """The best vectors, and how they came to be.  ``looks`` begins with the starting word (step 0)."""

    concept: Concept
    looks: tuple[Look, ...]

    @property
    def best(self) -> Look:
        """The look whose vectors were kept."""
        return min(self.looks, key=lambda look: look.held_out)


Report = Callable[[int, int, float, Look], None]
"""``(done, total, loss of the step, last look)`` after every step."""


@dataclass(frozen=True)
class Trials:
    """Points of the path at which a loss is taken.

    Shape: latents and noise ``[N, W, D]``, t ``[N]``; one prompt of ``templates`` each.
    """

    latents: Tensor
    noise: Tensor
    t: Tensor
    templates: tuple[str, ...]

    def __getitem__(self, which: slice) -> Trials:
        return Trials(self.latents[which], self.noise[which], self.t[which], self.templates[which])


def draw(latents: Tensor, generator: torch.Generator) -> Trials:
    """Noise, times and templates for windows ``[N, W, D]``, all from the generator."""
    noise = torch.randn(latents.shape, generator=generator)
    t = stratified(len(latents), generator)
    chosen = torch.randint(len(TEMPLATES), (len(latents),), generator=generator).tolist()
    return Trials(latents, noise, t, tuple(TEMPLATES[number] for number in chosen))


def repeated(windows: Tensor, at_least: int, seed: int) -> Trials:
    """Trials of windows ``[H, W, D]``, each as often as needed for ``at_least`` in all; the same for the same seed."""
    times = -(-at_least // len(windows))
    return draw(windows.repeat(times, 1, 1), torch.Generator().manual_seed(seed))


def loss(generator: Generator, trials: Trials, prompts: Sequence[str | None]) -> Tensor:
    """The model's flow-matching loss under one prompt for each trial, other controls absent.  A scalar."""
    device = generator.device
    sample = optimal_transport(trials.noise.to(device), trials.latents.to(device), trials.t.to(device))
    grid = FrameGrid(generator.codec.frame_rate, trials.latents.shape[1])
    with torch.autocast(device.type, generator.autocast, enabled=generator.autocast is not None):
        condition = generator.encoder(Controls(tuple(prompts)), grid)
        prediction = generator.field(sample.z_t, sample.t, condition)
    return flow_matching_loss(prediction, sample.velocity, sample.t)


@torch.no_grad()
def mean_loss(generator: Generator, trials: Trials, said: str | None, batch: int = 8) -> float:
    """Loss over all trials, with ``said`` in every template, or without any text for None."""
    total = 0.0
    for begin in range(0, len(trials.t), batch):
        some = trials[begin : begin + batch]
        prompts = [None if said is None else template.format(said) for template in some.templates]
        total += float(loss(generator, some, prompts)) * len(prompts)
    return total / len(trials.t)


@contextmanager
def registered(text: TextEncoder, concept: Concept) -> Iterator[str]:
    """The concept under its name for the time of the body, which is given the pseudoword as it stands in prompts."""
    before = dict(text.concepts)
    text.concepts[concept.name] = concept
    try:
        yield f"<{concept.name}>"
    finally:
        text.concepts.clear()
        text.concepts.update(before)


def random_like(concept: Concept, name: str, generator: torch.Generator) -> Concept:
    """Vectors of the same norms in random directions: what a pseudoword is to be better than."""
    noise = torch.randn(concept.vectors.shape, generator=generator)
    norms = concept.vectors.norm(dim=1, keepdim=True)
    return replace(concept, name=name, vectors=noise / noise.norm(dim=1, keepdim=True) * norms)


def check_model(generator: Generator) -> TextEncoder:
    """The text encoder of a model.  Raises: ValueError if it takes no pseudowords."""
    text = getattr(generator.encoder, "text", None)
    if not isinstance(text, TextEncoder):
        raise ValueError(
            f"{generator.name} cannot learn a pseudoword: its text encoder takes none; use a model of ours such as nano"
        )
    return text


def invert(
    generator: Generator,
    clips: Sequence[Audio],
    name: str,
    vectors: int = 2,
    steps: int = 400,
    seed: int = 0,
    *,
    settings: Settings | None = None,
    partial: Path | None = None,
    report: Report | None = None,
) -> Inversion:
    """Learn a pseudoword.

    Step k draws windows, noise, times and templates from (seed, k), and the held-out windows are judged on the same
    draws every time.  Neither the model nor its text encoder is changed, and no gradient is kept for them.

    Args:
        generator: a model of ours.
        clips: recordings ``[C, N]`` of at least 3 s, at any rate.
        name: of the concept, without brackets.
        vectors: K, the number of positions that the pseudoword takes in a prompt.
        steps: at most; fewer if the held-out loss stops falling.
        seed: of everything random.
        settings: see :class:`Settings`.
        partial: file that holds the state while the learning runs.  One that is there from the same clips, model,
            name, vectors, seed and settings is continued, with the result of a run that never stopped; any other is
            refused.  It is left there: the caller removes it once the result is safe.
        report: called after every step.

    Returns: the vectors with the lowest held-out loss, the starting word's if nothing was better.
    Raises: ValueError for a model without pseudowords, or clips, name or numbers that cannot be used; DamagedState;
        OtherRun.
    """
    text = check_model(generator)
    settings = settings or Settings()
    limits.whole("vectors", vectors, "vectors")
    limits.whole("solver_steps", steps, "steps")
    check_seed(seed)
    initial = text.word_embedding(settings.init)
    concept = Concept(name, initial.repeat(vectors, 1), initial, SHA256)
    latents = encode(generator.codec, clips)
    excerpts = part(latents, round(settings.window_s * float(generator.codec.frame_rate)))
    trials = repeated(excerpts.held_out, settings.trials, derived(seed, 0))
    made_from = {
        "model": generator.name,
        "weights": _digest([*generator.field.state_dict().values(), *generator.encoder.state_dict().values()]),
        "clips": _digest(latents),
        "token": name,
        "vectors": vectors,
        "seed": seed,
        **asdict(settings),
    }

    learned = concept.vectors.clone().requires_grad_(True)
    optimizer = torch.optim.Adam([learned], lr=settings.rate)
    moving = replace(concept, vectors=learned)
    with registered(text, moving) as said:
        state = _State.read(partial, made_from)
        if state is None:
            before = mean_loss(generator, trials, said)
            state = _State(0, learned.detach().clone(), [(0, float("nan"), before)], [], learned.detach().clone(), {})
        else:
            learned.data.copy_(state.vectors)
            optimizer.load_state_dict(state.optimizer)
        while state.step < steps and not state.settled(settings.patience):
            draws = torch.Generator().manual_seed(derived(seed, state.step + 1))
            some = draw(excerpts.crops(settings.batch, draws), draws)
            value = loss(generator, some, [template.format(said) for template in some.templates])
            # Asked for the vectors alone: nothing else collects a gradient, frozen or not.
            (learned.grad,) = torch.autograd.grad(value, [learned])
            optimizer.step()
            state.step += 1
            state.since.append(value.item())
            if state.step % settings.every == 0 or state.step == steps:
                state.look(mean_loss(generator, trials, said), learned)
                state.optimizer = optimizer.state_dict()
                state.write(partial, made_from)
            if report is not None:
                report(state.step, steps, value.item(), Look(*state.looks[-1]))
    looks = tuple(Look(*look) for look in state.looks)
    record = {**made_from, "steps": state.step, "held_out": [looks[0].held_out, min(k.held_out for k in looks)]}
    return Inversion(replace(concept, vectors=state.best, record=record), looks)


@dataclass
class _State:
    """Everything that a run needs to go on: after a look, nothing else has changed."""

    step: int
    vectors: Tensor
    looks: list[tuple[int, float, float]]
    since: list[float]
    best: Tensor
    optimizer: dict[str, Any]

    def look(self, held_out: float, learned: Tensor) -> None:
        """Note a look at the held-out windows, and keep the vectors if they are the best so far."""
        if held_out < min(look[2] for look in self.looks):
            self.best = learned.detach().clone()
        self.looks.append((self.step, sum(self.since) / len(self.since), held_out))
        self.since = []
        self.vectors = learned.detach().clone()

    def settled(self, patience: int) -> bool:
        """Whether the last ``patience`` looks brought no new best."""
        losses = [look[2] for look in self.looks]
        return len(losses) - 1 - losses.index(min(losses)) >= patience

    def write(self, path: Path | None, made_from: dict[str, Any]) -> None:
        """Save, whole or not at all; where that fails, the learning goes on without."""
        if path is None:
            return
        with disk.spared(path, "a run that is stopped now begins again"), replacing(path) as temporary:
            torch.save({"made_from": made_from, **self.__dict__}, temporary)

    @staticmethod
    def read(path: Path | None, made_from: dict[str, Any]) -> _State | None:
        """The state of the same run, or None if there is none.  Raises: DamagedState; OtherRun."""
        if path is None or not path.is_file():
            return None
        try:
            found = torch.load(path, weights_only=True)
            before = found.pop("made_from")
            other = [(key, before.get(key), now) for key, now in made_from.items() if before.get(key) != now]
            if other:
                raise OtherRun(
                    f"{path} belongs to another run ({told(other)}); repeat its command, give another --out, or delete "
                    "it to begin anew"
                )
            return _State(**found)
        except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, AttributeError) as error:
            raise DamagedState(
                f"{path} is not the saved state of an inversion ({type(error).__name__}); delete it and start again"
            ) from None


def derived(seed: int, number: int) -> int:
    """A seed for torch from (seed, number), without the overlaps of sums and products."""
    return int(np.random.SeedSequence((seed, number)).generate_state(1, np.uint64)[0])


def _digest(tensors: Sequence[Tensor]) -> str:
    """sha256 of the bytes of some tensors."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
