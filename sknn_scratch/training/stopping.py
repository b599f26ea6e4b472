"""When to stop: a pure judgement of a sequence of scores."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sknn_scratch.contracts import State


@dataclass(frozen=True)
class Patience:
    """Training has stalled after more than ``n_iter_no_change`` scores without gain.

    A gain is a score (more is better) that is at least ``tol`` above the best so far;
    a score that is not a number is none.
    """

    tol: float
    n_iter_no_change: float

    def start(self) -> State:
        """Return the memory before the first score."""
        return {"best": -np.inf, "count": 0}

    def judge(self, score: float, memory: State) -> bool:
        """Take in a score; tell whether it is the best so far."""
        gain = score >= memory["best"] + self.tol
        memory["count"] = 0 if gain else memory["count"] + 1
        is_best = score > memory["best"]
        if is_best:
            memory["best"] = score
        return bool(is_best)

    def has_stalled(self, memory: State) -> bool:
        """Tell whether patience is at its end."""
        return bool(memory["count"] > self.n_iter_no_change)
