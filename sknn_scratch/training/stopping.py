"""Stopping criterion for a sequence of scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sknn_scratch.contracts import State


@dataclass(frozen=True)
class Patience:
    """Criterion for a stall: more than ``n_iter_no_change`` scores without improvement.

    An improvement is a score (higher is better) of at least the best so far plus ``tol``.
    A score of nan is never an improvement.
    """

    tol: float
    n_iter_no_change: float

    def start(self) -> State:
        """Return the state before the first score."""
        return {"best": -np.inf, "count": 0}

    def judge(self, score: float, memory: State) -> bool:
        """Update the state with a score; return True if it is the best so far."""
        gain = score >= memory["best"] + self.tol
        memory["count"] = 0 if gain else memory["count"] + 1
        is_best = score > memory["best"]
        if is_best:
            memory["best"] = score
        return bool(is_best)

    def has_stalled(self, memory: State) -> bool:
        """Return True if training has stalled."""
        return bool(memory["count"] > self.n_iter_no_change)
