"""Training by L-BFGS: scipy's minimiser over the whole objective."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, nan
from time import perf_counter

import numpy as np
from scipy.optimize import OptimizeResult, minimize

from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg
from sknn_scratch.core.data import Data
from sknn_scratch.core.layout import Params
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
            row["gradient_norm"] = linalg.norm(objective.total.vector)
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
        network, n, dtype = plan.objective.network, data.n_samples, state.theta.dtype
        self.params, self.total, self.part = (
            network.layout.params(np.empty_like(state.theta)) for _ in range(3)
        )
        size = max(1, min(n, BLOCK_ELEMENTS // max(network.units[1:])))
        self.blocks = [slice(k, min(k + size, n)) for k in range(0, n, size)]
        # One block is gathered once; several would be a copy of the targets.
        self.only = data.batch(self.blocks[0]) if len(self.blocks) == 1 else None
        self.workspace = Workspace(network, size, dtype)
        self.weight_sum = float(n if data.weight is None else data.weight.sum())

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at x."""
        np.copyto(self.params.vector, x)
        value = self._data_term(self.blocks[0], self.total)
        for block in self.blocks[1:]:
            value += self._data_term(block, self.part)
            linalg.add_scaled(1.0, self.part.vector, self.total.vector)
        value += self.objective.penalty(self.params, self.total, self.weight_sum)
        # scipy's line search shortens a step to nan; at inf it takes no step and "converges".
        return value if isfinite(value) else nan, self.total.vector.astype(np.float64)

    def _data_term(self, block: slice, grads: Params) -> float:
        batch, rows = (
            self.only or self.data.batch(block),
            self.workspace.rows(block.stop - block.start),
        )
        return self.objective.data_term(self.params, batch, rows, grads, 1.0 / self.weight_sum)
