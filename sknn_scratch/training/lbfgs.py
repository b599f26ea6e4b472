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
from sknn_scratch.core.data import Data
from sknn_scratch.core.layout import Params
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState

#: Number of elements in the widest layer's buffer, for sums over row blocks.
BLOCK_ELEMENTS = 2**20


@dataclass(frozen=True)
class LBFGS:
    """Limited-memory BFGS: few evaluations over all rows, the best choice for small data."""

    max_iter: int
    max_fun: int
    tol: float
    #: Factory of the sum over all rows, from objective, data and dtype; None: :class:`RowSum`.
    row_sum: Callable[[Objective, Any, Any], Any] | None = None

    def solve(self, plan: Plan, data: Data, state: TrainingState, run: FitRun) -> None:
        """Minimise until the gradient is below ``tol`` or a limit is reached."""
        row_sum = (self.row_sum or RowSum)(plan.objective, data, state.theta.dtype)
        objective = _FullObjective(plan, row_sum, state.theta)
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
                raise StopIteration  # scipy's protocol to request a stop

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


class RowSum:
    """Data term and its gradient over all rows, as a sum over row blocks.

    A replacement, for rows on other machines, has the attribute ``weight_sum`` and the same
    call signature.
    """

    def __init__(self, objective: Objective, data: Data, dtype: Any) -> None:
        self.objective, self.data = objective, data
        network, n = objective.network, data.n_samples
        self.part = network.layout.params(np.empty(network.layout.size, dtype))
        size = max(1, min(n, BLOCK_ELEMENTS // max(network.units[1:])))
        self.blocks = [slice(k, min(k + size, n)) for k in range(0, n, size)]
        # A single block is gathered once; keeping several would duplicate the targets.
        self.only = data.batch(self.blocks[0]) if len(self.blocks) == 1 else None
        self.workspace = Workspace(network, size, dtype)
        self.weight_sum = float(n if data.weight is None else data.weight.sum())

    def __call__(self, params: Params, total: Params, factor: float) -> float:
        """Return ``factor`` times the sum of the losses; write its gradient into ``total``."""
        value = self._block(self.blocks[0], params, total, factor)
        for block in self.blocks[1:]:
            value += self._block(block, params, self.part, factor)
            linalg.add_scaled(1.0, self.part.vector, total.vector)
        return value

    def _block(self, block: slice, params: Params, grads: Params, factor: float) -> float:
        batch = self.only or self.data.batch(block)
        rows = self.workspace.rows(block.stop - block.start)
        return self.objective.data_term(params, batch, rows, grads, factor)


class _FullObjective:
    """Objective over all rows as a function of scipy's float64 vector."""

    def __init__(self, plan: Plan, row_sum: Any, theta: Array) -> None:
        self.objective, self.row_sum = plan.objective, row_sum
        layout = plan.objective.network.layout
        self.params, self.total = (layout.params(np.empty_like(theta)) for _ in range(2))

    def __call__(self, x: Array) -> tuple[float, Array]:
        """Return value and gradient at x."""
        np.copyto(self.params.vector, x)
        weight_sum = self.row_sum.weight_sum
        value = self.row_sum(self.params, self.total, 1.0 / weight_sum)
        value += self.objective.penalty(self.params, self.total, weight_sum)
        # At nan, scipy's line search shortens the step; at inf it takes none and "converges".
        return value if isfinite(value) else nan, self.total.vector.astype(np.float64)
