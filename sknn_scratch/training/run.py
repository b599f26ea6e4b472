"""View of a running fit, passed to callbacks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from sknn_scratch.contracts import Run, State
from sknn_scratch.training import checkpoint
from sknn_scratch.training.history import Row
from sknn_scratch.training.snapshot import snapshot
from sknn_scratch.training.state import Plan, TrainingState


class FitRun(Run):
    """Implementation of :class:`sknn_scratch.contracts.Run`.

    ``header`` identifies the fit in its checkpoints.  ``listener`` is an internal object with
    the methods of a callback, whose ``memory`` is not stored in checkpoints.  ``crowd`` is the
    states of all members of an ensemble, which a checkpoint holds together.
    """

    def __init__(
        self,
        plan: Plan,
        state: TrainingState,
        header: State | None = None,
        listener: Any = None,
        crowd: Sequence[TrainingState] = (),
    ) -> None:
        self.state, self._header, self._crowd = state, header or {}, crowd
        if crowd:
            self.n_members = len(crowd)
            self.member = next(k for k, one in enumerate(crowd) if one is state)
        self.fingerprint = str(self._header.get("fingerprint", ""))
        self.max_iter: int = plan.solver.max_iter
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
        """Number of epochs done."""
        return self.state.epoch

    @property
    def history(self) -> Sequence[Row]:
        """Record of the epochs done, one dict for each; a sequence, read-only."""
        return self.state.history

    def stop(self, reason: str) -> None:
        """Stop training after this epoch."""
        self.reasons.append(reason)

    @property
    def end(self) -> str:
        """Return "asked" if a callback requested a stop, else an empty string."""
        return "asked" if self.reasons else ""

    def check_path(self, path: str | os.PathLike[str]) -> None:
        """Raise an error if a checkpoint cannot be written to ``path``."""
        checkpoint.check_writable(path)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Request a checkpoint, written after all callbacks of the epoch have run."""
        if path not in self._wanted:
            self._wanted.append(path)

    def notify(self, event: str) -> None:
        """Call the hook ``event`` of all callbacks, then write the requested checkpoints."""
        for callback, memory in self._listeners:
            getattr(callback, event)(memory, self)
        # Before a checkpoint is written, so that what has been stopped stays so.
        if event == "on_epoch_end":
            self.state.stop_reason = self.state.stop_reason or self.end
        while self._wanted:
            checkpoint.save(self._wanted.pop(0), self._header | self._content())

    def _content(self) -> State:
        if self._crowd:
            return {"members": {str(k): snapshot(one) for k, one in enumerate(self._crowd)}}
        return {"state": snapshot(self.state)}
