"""What a command's sound carries beside the music: where it comes from, in tags, and an inaudible mark.

Everything that commands write as new music passes through here.  In Python nothing is marked or tagged unless it is
asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowmusic import publishable
from flowmusic.files import replacing
from flowmusic.studio import tags
from flowmusic.studio.wav_chunks import LONGEST
from flowmusic.watermark import pattern

if TYPE_CHECKING:
    from torch import Tensor

    from flowmusic.watermark.embed import Marker

_TAGS = 1 << 16
"""Bytes that tags may take."""
_TITLE = 100


@dataclass(frozen=True)
class Signature:
    """What one take is signed with.

    Args:
        made: where it comes from.
        watermark: whether it is marked.
    """

    made: tags.Provenance
    watermark: bool = True

    @cached_property
    def ident(self) -> int:
        """The id of the mark: 16 bits of a hash of the model's name and the seed."""
        return pattern.id_of(publishable.place(self.made.model), self.made.seed)

    def told(self) -> dict[str, Any]:
        """What a record says of it; ``watermark`` is None where there is none."""
        return {
            "licence": self.made.licence,
            "watermark": {"id": f"{self.ident:04x}", "version": pattern.VERSION} if self.watermark else None,
        }

    def marked(self, samples: Tensor, rate: int) -> Tensor:
        """Samples ``[C, N]`` of a whole piece with its mark, in their own precision."""
        import torch

        if not self.watermark or not samples.numel():
            return samples
        from flowmusic.watermark.embed import embed

        return torch.from_numpy(embed(samples.detach().cpu().numpy(), rate, self.ident)).to(samples.dtype)

    def blocks(self, blocks: Iterable[Tensor], rate: int) -> Iterator[Tensor]:
        """The same, block by block: together as long as what came, and equal to :meth:`marked`."""
        marker = self._marker(rate)
        for block in blocks:
            yield block if marker is None else _pushed(marker, block)
        if marker is not None:
            yield _rest(marker)

    @contextmanager
    def through(self, write: Callable[[Tensor], None], rate: int) -> Iterator[Callable[[Tensor], None]]:
        """The same on the way to ``write``; what the mark holds back, 48 ms, follows when the block ends well."""
        marker = self._marker(rate)
        if marker is None:
            yield write
            return
        yield lambda samples: write(_pushed(marker, samples))
        write(_rest(marker))

    @contextmanager
    def tagged(self, out: Path) -> Iterator[Path]:
        """A temporary path to write a file to, which becomes ``out`` once its tags are in it.

        Its title are the words that it was asked for by, not its name: the same request makes the same file.
        A WAV file to which nothing can be added without passing its 4 GiB is left without.
        """
        with replacing(out) as temporary:
            yield temporary
            if out.suffix.lower() != ".wav" or temporary.stat().st_size + _TAGS < LONGEST:
                title: str = publishable.cleaned(" ".join((self.made.text or "").split()))
                tags.write(temporary, self.made, title[:_TITLE] or "untitled")

    def _marker(self, rate: int) -> Marker | None:
        from flowmusic.watermark.embed import Marker

        return Marker(rate, self.ident) if self.watermark else None


def provenance(
    model: str, seed: int, licence: str, text: str | None, sources: Mapping[str, Any], details: Mapping[str, Any]
) -> tags.Provenance:
    """Of a take, by what its record tells: sources by their names and hashes."""
    given = {name: Path(source).name for name, source in sources.items()}
    return tags.Provenance(model, seed, licence, given, details.get("sha256"), text)


def _pushed(marker: Marker, samples: Tensor) -> Tensor:
    import torch

    return torch.from_numpy(marker.push(samples.detach().cpu().numpy())).to(samples.dtype)


def _rest(marker: Marker) -> Tensor:
    import torch

    return torch.from_numpy(marker.rest()).float()
