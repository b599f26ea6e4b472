"""What callbacks may see of a fit, and ask for."""

from __future__ import annotations

import os
from typing import Any

from sknn_scratch.contracts import Run, State
from sknn_scratch.training import checkpoint
from sknn_scratch.training.snapshot import snapshot
from sknn_scratch.training.state import Plan, Row, TrainingState


class FitRun(Run):
    """The one object that callbacks talk to (:class:`sknn_scratch.contracts.Run`).

    ``header`` says of which fit a checkpoint is; ``listener`` is an internal one with the
    verbs of a callback, and with a memory that no checkpoint needs to hold.
    """

    def __init__(
        self,
        plan: Plan,
        state: TrainingState,
        header: State | None = None,
        listener: Any = None,
    ) -> None:
        self.state, self._header = state, header or {}
        self.fingerprint = str(self._header.get("fingerprint", ""))
        self.max_iter: int = plan.strategy.max_iter
        self.reasons: list[str] = []
        self._wanted: list[str | os.PathLike[str]] = []
        self._listeners: list[tuple[Any, dict[str, Any]]] = [
            (callback, state.memory.setdefault(f"{k} {type(callback).__name__}", callback.init()))
            for k, callback in enumerate(plan.callbacks)
        ]
        if listener is not None:
            self._listeners.append((listener, {}))

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self.state.epoch

    @property
    def history(self) -> list[Row]:
        """One row for each epoch."""
        return self.state.history

    def stop(self, reason: str) -> None:
        """Ask for training to end after this epoch."""
        self.reasons.append(reason)

    @property
    def end(self) -> str:
        """Return "asked" if a callback asked to stop, else nothing."""
        return "asked" if self.reasons else ""

    def check_path(self, path: str | os.PathLike[str]) -> None:
        """Raise now if a checkpoint could not be written there."""
        checkpoint.check_writable(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Ask for a checkpoint; it is written when all callbacks of the epoch have run."""
        if path not in self._wanted:
            self._wanted.append(path)

    def notify(self, event: str) -> None:
        """Tell all callbacks "on_fit_begin", "on_epoch_end" or "on_fit_end"; then save."""
        for callback, memory in self._listeners:
            getattr(callback, event)(memory, self)
        while self._wanted:
            checkpoint.save(self._wanted.pop(0), {**self._header, "state": snapshot(self.state)})
