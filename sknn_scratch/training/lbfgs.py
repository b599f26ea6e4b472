"""Training by L-BFGS: scipy's minimiser over the whole objective."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from time import perf_counter

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from sknn_scratch.contracts import Array
from sknn_scratch.core.data import Data
from sknn_scratch.core.linalg import norm
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState

#: Elements of the widest layer's buffer when the objective is summed over row blocks.
BLOCK_ELEMENTS = 2**20


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS: few, full evaluations; the best choice for small data."""

    max_iter: int
    max_fun: int
    tol: float

    def solve(self, plan: Plan, data: Data, state: TrainingState, run: FitRun) -> None:
        """Minimise until the gradient is below ``tol`` or a limit is reached."""
        objective = _FullObjective(plan, data, state)
        times = [perf_counter()]

        def on_iteration(intermediate_result: OptimizeResult) -> None:
            np.copyto(state.theta, intermediate_result.x)
            state.epoch += 1
            row = {"epoch": state.epoch, "loss": float(intermediate_result.fun)}
            row["gradient_norm"] = norm(objective.total.vector)
            plan.monitor(state.theta, row)
            times.append(perf_counter())
            row["seconds"] = times[-1] - times[-2]
            state.history.append(row)
            run.notify("on_epoch_end")
            if run.end:
                raise StopIteration  # scipy's way to be asked to stop

        run.notify("on_fit_begin")
        left = self.max_iter - state.epoch
        if left > 0:
            result = minimize(
                objective,
                state.theta.astype(np.float64),
                method="L-BFGS-B",
                jac=True,
                callback=on_iteration,
                options={"maxfun": self.max_fun, "maxiter": left, "gtol": self.tol},
            )
            self._finish(result, state, run)
        else:
            state.stop_reason = "max_iter"
        run.notify("on_fit_end")

    def _finish(self, result: OptimizeResult, state: TrainingState, run: FitRun) -> None:
        np.copyto(state.theta, result.x)
        state.epoch = min(state.epoch, self.max_iter)
        if not state.history:
            state.history.append({"epoch": 0, "loss": float(result.fun)})
        ends = {0: "converged", 1: "max_iter"}
        reason = run.end or ends.get(result.status, str(result.message))
        state.stop_reason = reason if isfinite(float(result.fun)) else "diverged"


class _FullObjective:
    """The objective over all rows as a function of scipy's float64 vector."""

    def __init__(self, plan: Plan, data: Data, state: TrainingState) -> None:
        self.objective, self.data = plan.objective, data
        layout = plan.objective.network.layout
        self.params = layout.params(np.empty_like(state.theta))
        self.total = layout.params(np.empty_like(state.theta))
        self.block = layout.params(np.empty_like(state.theta))
        widest = max(plan.objective.network.units[1:])
        self.size = max(1, min(data.n_samples, BLOCK_ELEMENTS // widest))
        self.workspace = Workspace(
            plan.objective.network, self.size, data.n_targets, state.theta.dtype, gathers=False
        )
        self.weight_sum = float(data.n_samples if data.weight is None else data.weight.sum())

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at x."""
        np.copyto(self.params.vector, x)
        self.total.vector.fill(0.0)
        value = sum(self._add_block(start) for start in range(0, self.data.n_samples, self.size))
        value += self.objective.penalty(self.params, self.total, self.weight_sum)
        # scipy's line search shortens a step to nan; at inf it takes no step and "converges".
        return value if isfinite(value) else nan, self.total.vector.astype(np.float64)

    def _add_block(self, start: int) -> float:
        rows = slice(start, min(start + self.size, self.data.n_samples))
        buffers = self.workspace.rows(rows.stop - start)
        batch = self.data.batch(rows, buffers)
        value = self.objective.data_term(
            self.params, batch, buffers, self.block, 1.0 / self.weight_sum
        )
        np.add(self.total.vector, self.block.vector, self.total.vector)
        return value
