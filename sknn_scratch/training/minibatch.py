"""Training by mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite, nan
from time import perf_counter
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, Progress, Schedule
from sknn_scratch.core import linalg, probe
from sknn_scratch.core.data import Batch, Batches, Data
from sknn_scratch.core.workspace import Rows, Workspace
from sknn_scratch.training.history import Row
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.stopping import Patience

#: At or below this learning rate a stall ends training, whatever the schedule returns.
SMALLEST_RATE = 1e-6


@dataclass(frozen=True)
class MiniBatch:
    """Optimizer steps on the gradients of mini-batches."""

    optimizer: Optimizer
    schedule: Schedule
    patience: Patience
    learning_rate_init: float
    batch_size: int
    max_iter: int
    #: Whether to shuffle rows in each epoch; or an order such as ``Blocks``, which draws them.
    shuffle: Any = True
    #: Factory of the epoch loop, from this strategy, plan, data and state; None: :class:`Loop`.
    loop: Callable[..., Any] | None = None

    def solve(self, plan: Plan, data: Data, state: TrainingState, run: FitRun) -> None:
        """Run epochs until ``max_iter``, a stall, a request to stop or divergence."""
        self._complete(plan, state)
        loop = (self.loop or Loop)(self, plan, data, state)
        if not plan.one_pass and state.epoch >= self.max_iter:
            state.stop_reason = state.stop_reason or "max_iter"
        run.notify("on_fit_begin")
        while not state.stop_reason:
            row = self._epoch(plan, state, loop)
            state.stop_reason = self._reason_to_stop(plan, state, row["loss"])
            run.notify("on_epoch_end")
            state.stop_reason = state.stop_reason or run.end
        run.notify("on_fit_end")

    def _complete(self, plan: Plan, state: TrainingState) -> None:
        """Add the missing parts of the state that this strategy needs."""
        if not state.optimizer:
            groups = plan.network.layout.groups
            probe.check_optimizer(self.optimizer, state.theta, groups)
            state.optimizer = self.optimizer.init(state.theta, groups)
        criterion = "score" if plan.early_stopping else "loss"
        if state.patience.get("of") != criterion:
            state.patience = self.patience.start() | {"of": criterion}

    def _epoch(self, plan: Plan, state: TrainingState, loop: Any) -> Row:
        """Run an epoch, evaluate it and record it in the history."""
        start = perf_counter()
        row = {"epoch": state.epoch + 1} | loop.run_epoch()
        probe.check_rate(self.schedule, row["learning_rate"])
        if plan.judge is None:
            self.patience.judge(-row["loss"], state.patience)
        else:
            self._validate(plan, state, row)
        row["seconds"] = perf_counter() - start
        state.epoch += 1
        state.history.append(row)
        return row

    def _validate(self, plan: Plan, state: TrainingState, row: Row) -> None:
        """Score the epoch on validation rows; with early stopping, keep the best weights."""
        theta = self.optimizer.readout(state.theta, state.optimizer)
        row |= {"validation_score": nan, "validation_loss": nan}
        if isfinite(row["loss"]):
            plan.monitor(theta, row)
        score = row["validation_score"] if plan.early_stopping else -row["loss"]
        if self.patience.judge(score, state.patience) and plan.early_stopping:
            if state.best_theta is None:
                state.best_theta = np.empty_like(theta)
            np.copyto(state.best_theta, theta)
            state.best_row = dict(row)

    def _reason_to_stop(self, plan: Plan, state: TrainingState, loss: float) -> str:
        if not isfinite(loss):
            return "diverged"
        if self.patience.has_stalled(state.patience) and not self._slows_down(state):
            return "stalled"
        if plan.one_pass:
            return "one pass"
        return "max_iter" if state.epoch >= self.max_iter else ""

    def _slows_down(self, state: TrainingState) -> bool:
        """Count a stall and reset patience if the schedule lowers the factor; return whether."""
        now = self.progress(state, 0.0)
        factor = self.schedule(now)
        slower = self.schedule(now._replace(stalls=now.stalls + 1))
        if slower >= factor or self.learning_rate_init * factor <= SMALLEST_RATE:
            return False
        state.stalls += 1
        state.patience["count"] = 0
        return True

    def progress(self, state: TrainingState, part: float) -> Progress:
        """Return the progress when the fraction ``part`` of the current epoch is done."""
        fraction = min((state.epoch + part) / self.max_iter, 1.0)
        return Progress(state.epoch, state.step, state.samples, fraction, state.stalls)


class Loop:
    """Epoch loop of one fit, with its buffers."""

    def __init__(self, how: MiniBatch, plan: Plan, data: Data, state: TrainingState) -> None:
        self.how, self.data, self.state = how, data, state
        self.objective = plan.objective
        layout = plan.objective.network.layout
        self.params = layout.params(state.theta)
        self.grads = layout.params(np.empty_like(state.theta))
        self.scratch = np.empty_like(state.theta)
        self.rate, self.gradient_norm = nan, nan
        self.order = np.arange(data.n_samples) if state.order is None else state.order
        self.n = len(self.order)
        batch_size = min(how.batch_size, self.n)
        self.batches = Batches(data, batch_size)
        self.workspace = Workspace(plan.objective.network, batch_size, state.theta.dtype)

    def run_epoch(self) -> Row:
        """Make a step for each batch; return the mean loss, or the first that is not finite."""
        row = self.run(self._next_order())
        self.state.samples += self.n
        return row

    def _next_order(self) -> Array:
        """Return the row numbers of an epoch, in order."""
        if not isinstance(self.how.shuffle, bool):
            order: Array = self.how.shuffle.draw(self.order, self.state.rng)
            return order
        if self.how.shuffle:
            self.state.rng.shuffle(self.order)
        return self.order

    def run(self, order: Array, seen: int = 0) -> Row:
        """Make the steps for these rows of an epoch, after ``seen`` previous rows."""
        total, counted = 0.0, 0
        self.rate, per_step = self._rate(seen), self.how.schedule.per_step
        for batch in self.batches.in_order(order):
            n = len(batch.y)
            seen += n
            if batch.weight_sum == 0:
                continue
            if per_step:
                self.rate = self._rate(seen - n)
            value = self.step(batch, self.workspace.rows(n), is_last=seen == self.n)
            if not isfinite(value):
                total, counted = value, 1
                break
            total += value * n
            counted += n
        return {
            "loss": total / counted,
            "learning_rate": self.rate,
            "gradient_norm": self.gradient_norm,
        }

    def step(self, batch: Batch, rows: Rows, is_last: bool) -> float:
        """Return the objective, and make one step if it is finite."""
        state, direction = self.state, self.grads.vector
        value = self.objective.value_and_grad(self.params, batch, rows, self.grads, state.noise)
        if is_last:
            self.gradient_norm = linalg.norm(direction)
        if isfinite(value):
            self.how.optimizer.update(
                direction, state.optimizer, state.theta, self.rate, self.scratch
            )
            linalg.add_scaled(1.0, direction, state.theta)
            state.step += 1
        return value

    def _rate(self, start: int) -> float:
        progress = self.how.progress(self.state, start / self.n)
        return self.how.learning_rate_init * self.how.schedule(progress)
