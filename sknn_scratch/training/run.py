"""What callbacks may see of a fit, and ask for."""

from __future__ import annotations

from typing import Any

from sknn_scratch.contracts import State
from sknn_scratch.training.state import Plan, TrainingState


class FitRun:
    """The one object that callbacks talk to (:class:`sknn_scratch.contracts.Run`)."""

    def __init__(self, plan: Plan, state: TrainingState) -> None:
        self._state = state
        self._listeners: list[tuple[Any, State]] = [(c, c.init()) for c in plan.callbacks]
        self.max_iter: int = plan.strategy.max_iter
        self.stop_reason = ""

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return self._state.epoch

    @property
    def loss(self) -> float:
        """Mean training loss of the last epoch."""
        return self._state.loss_curve[-1]

    @property
    def validation_score(self) -> float | None:
        """Last validation score; None without validation."""
        scores = self._state.validation_scores
        return scores[-1] if scores else None

    def stop(self, reason: str) -> None:
        """Ask for training to end after this epoch."""
        self.stop_reason = self.stop_reason or reason

    def notify(self, event: str) -> None:
        """Tell all callbacks: "on_fit_begin", "on_epoch_end" or "on_fit_end"."""
        for callback, memory in self._listeners:
            getattr(callback, event)(memory, self)
