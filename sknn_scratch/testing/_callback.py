"""Checks of callbacks."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from sknn_scratch.contracts import Callback, Run, State
from sknn_scratch.core import probe
from sknn_scratch.testing._common import is_plain_dict, name, require, same

#: Losses, relative to the first, and validation scores; neither improves in every epoch.
LOSSES, SCORES = (0.5, 0.2, 0.3), (0.1, 0.3, 0.2)


class FakeRun(Run):
    """Run of three epochs with artificial losses, for checks."""

    max_iter = len(LOSSES)
    fingerprint = "0123456789abcdef"

    def __init__(self, first_loss: float, has_validation: bool = True) -> None:
        self._first_loss = first_loss
        self._has_validation = has_validation
        self._history: list[dict[str, float]] = []
        self.reasons: list[str] = []

    @property
    def epoch(self) -> int:
        """Number of epochs done."""
        return len(self._history)

    @property
    def history(self) -> list[dict[str, float]]:
        """Record of the epochs done, one dict for each."""
        return self._history

    def check_path(self, path: str | os.PathLike[str]) -> None:
        """Accept any path."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write nothing."""

    def stop(self, reason: str) -> None:
        """Record that the callback requested a stop."""
        self.reasons.append(reason)

    def advance(self) -> None:
        """Add one epoch to the history."""
        epoch = self.epoch + 1
        loss = self._first_loss * LOSSES[self.epoch]
        row = {"epoch": epoch, "loss": loss, "learning_rate": 0.01}
        row |= {"gradient_norm": 1.0 / epoch, "seconds": 0.5}
        if self._has_validation:
            row |= {"validation_score": SCORES[self.epoch], "validation_loss": 2 * loss}
        self._history.append(row)


def _events(callback: Callback, run: FakeRun) -> Iterator[Callable[[State, Run], None]]:
    """Yield all hooks of one fit in order, advancing the run in between."""
    yield callback.on_fit_begin
    for _ in LOSSES:
        run.advance()
        yield callback.on_epoch_end
    yield callback.on_fit_end


def _fit(
    callback: Callback, run: FakeRun, between: Callable[[State], State] = lambda memory: memory
) -> State:
    """Run one fit; return the memory, which ``between`` replaces after every hook."""
    memory = callback.init()
    with contextlib.redirect_stdout(io.StringIO()):
        for hook in _events(callback, run):
            hook(memory, run)
            memory = between(memory)
    return memory


def _fit_together(callback: Callback, runs: list[FakeRun]) -> list[State]:
    """Run several fits concurrently, hook by hook; return their memories."""
    memories = [callback.init() for _ in runs]
    with contextlib.redirect_stdout(io.StringIO()):
        for hooks in zip(*(_events(callback, run) for run in runs), strict=True):
            for hook, memory, run in zip(hooks, memories, runs, strict=True):
                hook(memory, run)
    return memories


def check_hooks(callback: Callback) -> None:
    """All hooks are hooks of Callback, so that they are called."""
    hooks = [hook for hook in vars(Callback) if hook.startswith("on_")]
    for found, _ in probe.misnamed(callback):
        require(
            not found.startswith("on_"),
            f"{name(callback)}.{found} is never called: write one of {', '.join(hooks)}, or begin "
            "the name in another way.",
        )


def check_memory_is_plain(callback: Callback) -> None:
    """The memory is plain data before and after a fit."""
    for memory in (callback.init(), _fit(callback, FakeRun(1.0))):
        require(
            is_plain_dict(memory),
            f"{name(callback)}: the memory must be nested dicts with string keys of arrays, "
            "numbers, strings or None, because a checkpoint can store nothing else.",
        )


def check_works_without_validation(callback: Callback) -> None:
    """Hooks accept a run without validation, whose ``validation_score`` is None."""
    try:
        _fit(callback, FakeRun(1.0, has_validation=False))
    except Exception as error:
        raise AssertionError(
            f"{name(callback)} fails without validation data ({type(error).__name__}: {error}): "
            "run.validation_score is then None."
        ) from error


def check_fits_do_not_interfere(callback: Callback) -> None:
    """Other fits, before or at the same time, do not change the memory of a fit."""
    alone, together = FakeRun(1.0), FakeRun(1.0)
    first, second = _fit(callback, alone), _fit(callback, FakeRun(1.0))
    for loss in (1e3, 1e-3):
        _fit(callback, FakeRun(loss))
    last = _fit_together(callback, [together, FakeRun(2e3), FakeRun(5e-4)])[0]
    undisturbed = together.reasons == alone.reasons and _same_but_times(first, second, last)
    require(
        undisturbed,
        f"{name(callback)} depends on another fit: store what changes during a fit in `memory`, "
        "not on self, the class or the module, because clones share callbacks.",
    )


def check_resumes(callback: Callback) -> None:
    """The callback resumes from a memory that was saved and loaded."""
    plain, loaded = FakeRun(1.0), FakeRun(1.0)
    first, second = _fit(callback, plain), _fit(callback, FakeRun(1.0))
    kept = []  # keeps all memories alive, so that no address is reused

    def store(memory: State) -> State:
        kept.append(memory)
        return pickle.loads(pickle.dumps(memory))  # type: ignore[no-any-return]

    last = _fit(callback, loaded, between=store)
    goes_on = loaded.reasons == plain.reasons and _same_but_times(first, second, last)
    require(
        goes_on,
        f"{name(callback)} continues differently after its memory was saved and loaded: store "
        "everything that changes during a fit in `memory`.",
    )


def _same_but_times(first: State, second: State, last: State) -> bool:
    """Return True if last equals first, except for floats that differ between equal fits."""
    flat, again, end = (dict(_flat(memory)) for memory in (first, second, last))
    if not flat.keys() == again.keys() == end.keys():
        return False
    times = {path for path in flat if _is_float(flat[path]) and not same(flat[path], again[path])}
    return all(same(flat[path], end[path]) for path in flat.keys() - times)


def _flat(memory: State, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves with their paths."""
    for key, value in memory.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}/")
        else:
            yield path + key, value


def _is_float(leaf: Any) -> bool:
    return isinstance(leaf, float | np.ndarray) and np.asarray(leaf).dtype.kind == "f"


CHECKS = (
    check_hooks,
    check_memory_is_plain,
    check_works_without_validation,
    check_fits_do_not_interfere,
    check_resumes,
)
