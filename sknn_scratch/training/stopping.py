"""Stopping criteria for a sequence of scores, of which higher ones are better.

Their state holds the best score, the step that reached it, and the number of scores since the last
improvement.  A score of nan is never an improvement.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from sknn_scratch.contracts import State


@dataclass(frozen=True)
class Patience:
    """Criterion for a stall: more than ``n_iter_no_change`` scores without improvement.

    An improvement is a score of at least the best so far plus ``tol``.
    """

    tol: float
    n_iter_no_change: float

    def start(self) -> State:
        """Return the state before the first score."""
        return {"best": -inf, "step": 0, "count": 0}

    def judge(self, score: float, memory: State, step: int) -> bool:
        """Update the state with a score; return True if it is the best so far."""
        gain = score >= memory["best"] + self.tol
        memory["count"] = 0 if gain else memory["count"] + 1
        is_best = score > memory["best"]
        if is_best:
            memory["best"], memory["step"] = score, step
        return bool(is_best)

    def has_stalled(self, memory: State, step: int) -> bool:
        """Return True if training has stalled."""
        return bool(memory["count"] > self.n_iter_no_change)

    def restart(self, memory: State, step: int) -> None:
        """Begin to count again."""
        memory["count"] = 0


@dataclass(frozen=True)
class StepPatience:
    """Criterion for a stall: ``factor`` times as many steps as at the best score.

    There is no stall before ``least`` steps.  Of equal scores, the last is the best.
    """

    factor: float
    least: int = 0

    def start(self) -> State:
        """Return the state before the first score."""
        return {"best": -inf, "step": 0, "count": 0}

    def judge(self, score: float, memory: State, step: int) -> bool:
        """Update the state with a score; return True if it is the best so far."""
        is_best = score >= memory["best"] and score > -inf
        memory["count"] = 0 if is_best else memory["count"] + 1
        if is_best:
            memory["best"], memory["step"] = score, step
        return bool(is_best)

    def has_stalled(self, memory: State, step: int) -> bool:
        """Return True if training has stalled."""
        return step >= max(self.least, self.factor * max(memory["step"], 1))

    def restart(self, memory: State, step: int) -> None:
        """Count steps as if the best score were that of now."""
        memory["step"] = step
