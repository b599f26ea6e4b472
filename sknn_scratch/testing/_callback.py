"""Checks of callbacks."""

from __future__ import annotations

import contextlib
import io
import pickle

from sknn_scratch.contracts import Callback, Run, State
from sknn_scratch.testing._common import is_plain_dict, name, same_state


class FakeRun(Run):
    """A run of three epochs with made-up losses, for checks."""

    max_iter = 3

    def __init__(self, first_loss: float) -> None:
        self.first_loss = self.loss = first_loss
        self.epoch = 0
        self.validation_score: float | None = None
        self.stop_reasons: list[str] = []

    def stop(self, reason: str) -> None:
        """Note that the callback asked to stop."""
        self.stop_reasons.append(reason)

    def advance(self, callback: Callback, memory: State) -> None:
        """Pass one epoch."""
        self.epoch += 1
        self.loss = self.first_loss / (1 + self.epoch)
        self.validation_score = 0.1 * self.epoch
        callback.on_epoch_end(memory, self)


def _whole(callback: Callback, first_loss: float) -> tuple[State, list[str]]:
    """Run all hooks of one fit; return the memory and the requests to stop."""
    memory, run = callback.init(), FakeRun(first_loss)
    with contextlib.redirect_stdout(io.StringIO()):
        callback.on_fit_begin(memory, run)
        for _ in range(run.max_iter):
            run.advance(callback, memory)
        callback.on_fit_end(memory, run)
    return memory, run.stop_reasons


def check_memory_is_plain(callback: Callback) -> None:
    """The memory is plain data before and after a fit."""
    for memory in (callback.init(), _whole(callback, 1.0)[0]):
        assert is_plain_dict(memory), (
            f"{name(callback)}: the memory must be nested dicts with string keys of arrays, "
            "numbers, strings or None: that is what a checkpoint can hold."
        )
        pickle.dumps(memory)


def check_fits_do_not_interfere(callback: Callback) -> None:
    """Two fits at once leave the memories that they leave one after the other."""
    desired = [_whole(callback, loss) for loss in (1.0, 5.0)]
    runs = [FakeRun(loss) for loss in (1.0, 5.0)]
    memories = [callback.init() for _ in runs]
    with contextlib.redirect_stdout(io.StringIO()):
        for memory, run in zip(memories, runs, strict=True):
            callback.on_fit_begin(memory, run)
        for _ in range(FakeRun.max_iter):
            for memory, run in zip(memories, runs, strict=True):
                run.advance(callback, memory)
        for memory, run in zip(memories, runs, strict=True):
            callback.on_fit_end(memory, run)
    for (memory, reasons), actual, run in zip(desired, memories, runs, strict=True):
        undisturbed = same_state(memory, actual) and reasons == run.stop_reasons
        assert undisturbed, (
            f"{name(callback)} remembers another fit: keep what a fit must remember in `memory`, "
            "none on self, the class or the module. Clones share callbacks."
        )


CHECKS = (check_memory_is_plain, check_fits_do_not_interfere)
