"""Lightning's loggers, without whose files a training can do: a full disk ends a log, and not the run."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from torch import Tensor

from flowmusic import disk

_LOG = logging.getLogger(__name__)
_WRITING = ("log_metrics", "log_hyperparams", "log_graph", "save", "finalize", "after_save_checkpoint", "log_sound")
"""What Lightning calls of a logger, and we of one."""


def _spared(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method whose failure to write is said once, and ends nothing."""

    @functools.wraps(method)
    def attempt(self: Any, *args: Any, **options: Any) -> Any:
        if self.failed and not self.tries_again:
            return None
        try:
            return method(self, *args, **options)
        except Exception as error:
            failed = next((each for each in _causes(error) if isinstance(each, OSError)), None)
            if failed is None:
                raise
            if not self.failed:
                self.failed = True
                named = OSError(failed.errno, failed.strerror, failed.filename or self.log_dir)
                _LOG.warning("%s (this log is not whole; the training goes on)", disk.told(named))
            return None

    return attempt


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


class Csv(CSVLogger):
    """Figures as a table, see Lightning's ``CSVLogger``; what could not be written is tried again with the next."""

    failed, tries_again = False, True


class TensorBoard(TensorBoardLogger):
    """Figures and sound for TensorBoard, see Lightning's ``TensorBoardLogger``; a log that has failed has ended."""

    failed, tries_again = False, False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        _quieten_writers()

    def log_sound(self, name: str, wave: Tensor, step: int, rate: int) -> None:
        """A recording ``[N]`` within -1..1."""
        self.experiment.add_audio(name, wave, step, rate)


for _kind in (Csv, TensorBoard):
    for _name in _WRITING:
        if hasattr(_kind, _name):
            setattr(_kind, _name, _spared(getattr(_kind, _name)))


@functools.cache
def _quieten_writers() -> None:
    """TensorBoard's thread hands its error to whoever writes next, who tells it; a traceback would tell it twice."""
    before = threading.excepthook

    def hook(args: Any) -> None:
        if not (issubclass(args.exc_type, OSError) and type(args.thread).__name__ == "_AsyncWriterThread"):
            before(args)

    threading.excepthook = hook
