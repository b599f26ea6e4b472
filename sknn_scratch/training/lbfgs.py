"""Training by L-BFGS, with scipy's minimiser on the objective over all rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from time import perf_counter
from typing import Any

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.solver import Solver
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import Source


@dataclass(frozen=True)
class LBFGS(Solver):
    """Limited-memory BFGS: few evaluations over all rows, the best choice for small data."""

    max_iter: int
    max_fun: int
    tol: float
    optimizer = None

    def rows_per_step(self, n_samples: int) -> int:
        """Return the number of all rows."""
        return n_samples

    def solve(self, plan: Plan, source: Source, state: TrainingState, run: FitRun) -> None:
        """Minimise until the gradient is below ``tol`` or a limit is reached."""
        objective = _FullObjective(plan, source, state.theta)
        times = [perf_counter()]

        def record(result: OptimizeResult) -> bool:
            np.copyto(state.theta, result.x)
            state.epoch += 1
            row = {"epoch": state.epoch, "loss": float(result.fun)}
            row["gradient_norm"] = linalg.norm(objective.total.vector)
            plan.monitor(state.theta, row)
            times.append(perf_counter())
            row["seconds"] = times[-1] - times[-2]
            state.history.append(row)
            run.notify("on_epoch_end")
            return bool(run.end)

        run.notify("on_fit_begin")
        if state.epoch < self.max_iter:
            result = self._minimise(objective, state, record)
            self._finish(result, state, run)
        else:
            state.stop_reason = "max_iter"
        run.notify("on_fit_end")

    def _minimise(
        self, objective: Any, state: TrainingState, record: Callable[[OptimizeResult], bool]
    ) -> OptimizeResult:
        """Call scipy's minimiser; ``record`` runs after each iteration and returns True to stop."""
        raised: list[StopIteration] = []

        def on_iteration(intermediate_result: OptimizeResult) -> None:
            # scipy stops silently at any StopIteration, including one of a user's callback.
            try:
                is_over = record(intermediate_result)
            except StopIteration as error:
                raised.append(error)
                raise
            if is_over:
                raise StopIteration

        limits = {"maxfun": self.max_fun, "maxiter": self.max_iter - state.epoch, "gtol": self.tol}
        result = minimize(
            objective,
            state.theta.astype(np.float64),
            method="L-BFGS-B",
            jac=True,
            callback=on_iteration,
            options=limits,
        )
        for error in raised:
            raise error
        return result

    def _finish(self, result: OptimizeResult, state: TrainingState, run: FitRun) -> None:
        np.copyto(state.theta, result.x)
        state.epoch = min(state.epoch, self.max_iter)
        if not state.history:
            state.history.append({"epoch": 0, "loss": float(result.fun)})
        ends = {0: "converged", 1: "max_iter"}
        reason = run.end or ends.get(result.status, str(result.message))
        state.stop_reason = reason if isfinite(float(result.fun)) else "diverged"


class _FullObjective:
    """Objective over all rows as a function of scipy's float64 vector."""

    def __init__(self, plan: Plan, source: Source, theta: Array) -> None:
        self.objective = plan.objective
        self.data_term = source.total(plan.objective, theta.dtype)
        layout = plan.objective.network.layout
        self.params, self.total = (layout.params(np.empty_like(theta)) for _ in range(2))

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at x."""
        np.copyto(self.params.vector, x)
        weight_sum = self.data_term.weight_sum
        value = self.data_term(self.params, self.total, 1.0 / weight_sum)
        value += self.objective.penalty(self.params, self.total, weight_sum)
        # At nan, scipy's line search shortens the step; at inf it takes none and "converges".
        return value if isfinite(value) else nan, self.total.vector.astype(np.float64)
