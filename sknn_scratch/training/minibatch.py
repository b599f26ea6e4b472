"""Training by mini-batches."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, isnan, nan
from time import perf_counter
from typing import Any

import numpy as np

from sknn_scratch.contracts import Component, Optimizer, Progress, Schedule
from sknn_scratch.core import probe
from sknn_scratch.training.history import Row
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.solver import Solver
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import Source, Steps, Stretch
from sknn_scratch.training.stopping import Patience, StepPatience

#: At or below this learning rate a stall ends training, whatever the schedule returns.
SMALLEST_RATE = 1e-6


@dataclass(frozen=True)
class MiniBatch(Solver):
    """Optimizer steps on the gradients of mini-batches."""

    optimizer: Optimizer
    schedule: Schedule
    patience: Patience | StepPatience
    learning_rate_init: float
    batch_size: int
    max_iter: int
    #: Whether to shuffle rows in each epoch; or an order such as ``Blocks``, which draws them.
    shuffle: Any = True
    #: Number of validation checks, at equal distances; None: one at the end of each epoch.
    n_checks: int | None = None
    #: Progress that schedules see, where training has no end; None: epochs of ``max_iter``.
    fraction: float | None = None

    @property
    def rules(self) -> tuple[Component, ...]:
        """The optimizer and the schedule."""
        return self.optimizer, self.schedule

    def rows_per_step(self, n_samples: int) -> int:
        """Return the batch size, which steps limit to the number of rows."""
        return self.batch_size

    def solve(self, plan: Plan, source: Source, state: TrainingState, run: FitRun) -> None:
        """Run epochs until ``max_iter``, a stall, a request to stop or divergence."""
        self._complete(plan, state)
        steps = source.steps(self, plan, state)
        if not plan.one_pass and state.epoch >= self.max_iter:
            state.stop_reason = state.stop_reason or "max_iter"
        run.notify("on_fit_begin")
        while not state.stop_reason:
            row = self._epoch(plan, state, steps)
            # A stall that ended the epoch early was final: the schedule is not asked again.
            state.stop_reason = state.stop_reason or self._reason_to_stop(plan, state, row["loss"])
            run.notify("on_epoch_end")
        run.notify("on_fit_end")

    def _complete(self, plan: Plan, state: TrainingState) -> None:
        """Add the missing parts of the state that this solver needs."""
        if not state.optimizer:
            groups = plan.network.layout.groups
            probe.check_optimizer(self.optimizer, state.theta, groups)
            state.optimizer = self.optimizer.init(state.theta, groups)
        criterion = "score" if plan.early_stopping else "loss"
        if state.patience.get("of") != criterion:
            state.patience = self.patience.start() | {"of": criterion}

    def _epoch(self, plan: Plan, state: TrainingState, steps: Steps) -> Row:
        """Run an epoch, evaluate it and record it in the history."""
        start = perf_counter()
        row = self._stretches(plan, state, steps)
        probe.check_rate(self.schedule, row["learning_rate"])
        if plan.judge is None:
            self.patience.judge(-row["loss"], state.patience, state.step)
        row["seconds"] = perf_counter() - start
        state.samples += steps.seen
        state.epoch += 1
        state.history.append(row)
        return row

    def _stretches(self, plan: Plan, state: TrainingState, steps: Steps) -> Row:
        """Make the steps from check to check; return the mean loss, or one that is not finite."""
        whole, done, n = Stretch(), 0, steps.begin_epoch()
        row: Row = {"epoch": state.epoch + 1}
        checks = [] if plan.judge is None else self._checks(state.epoch, n)
        for end in sorted({*checks, n}):
            whole = whole.then(steps.run(end - done))
            done = end
            row |= {
                "loss": whole.loss,
                "learning_rate": whole.learning_rate,
                "gradient_norm": whole.gradient_norm,
            }
            if end in checks:
                self._validate(plan, state, row)
            if end < n and isfinite(whole.total) and self._has_stalled(state, end / n):
                state.stop_reason = "stalled"
            if state.stop_reason or not isfinite(whole.total):
                break
        return row

    def _checks(self, epoch: int, n_batches: int) -> list[int]:
        """Return the numbers of batches of an epoch after which validation rows are scored."""
        if self.n_checks is None:
            return [n_batches]
        ends = np.linspace(0, n_batches * self.max_iter, self.n_checks + 1)[1:]
        within = np.ceil(ends).astype(int) - epoch * n_batches
        return [int(end) for end in within if 0 < end <= n_batches]

    def _validate(self, plan: Plan, state: TrainingState, row: Row) -> None:
        """Score the weights on validation rows; with early stopping, keep the best ones.

        Of several checks in an epoch, its row has the best score.
        """
        theta = self.optimizer.readout(state.theta, state.optimizer)
        now = row | {"validation_score": nan, "validation_loss": nan}
        if isfinite(row["loss"]):
            plan.monitor(theta, now)
        score = now["validation_score"] if plan.early_stopping else -row["loss"]
        is_best = self.patience.judge(score, state.patience, state.step)
        if is_best and plan.early_stopping:
            if state.best_theta is None:
                state.best_theta = np.empty_like(theta)
            np.copyto(state.best_theta, theta)
            state.best_row = now
        so_far = row.get("validation_score", nan)
        if isnan(so_far) or now["validation_score"] >= so_far:
            row |= now

    def _reason_to_stop(self, plan: Plan, state: TrainingState, loss: float) -> str:
        """Return the reason to stop at the end of a whole epoch, or an empty string."""
        if not isfinite(loss):
            return "diverged"
        if self._has_stalled(state, 0.0):
            return "stalled"
        if plan.one_pass:
            return "one pass"
        return "max_iter" if state.epoch >= self.max_iter else ""

    def _has_stalled(self, state: TrainingState, part: float) -> bool:
        """Return True for a stall that the schedule does not answer with a lower rate."""
        stalled = self.patience.has_stalled(state.patience, state.step)
        return stalled and not self._slows_down(state, part)

    def _slows_down(self, state: TrainingState, part: float) -> bool:
        """Count a stall and reset patience if the schedule lowers the factor; return whether."""
        now = self.progress(state, part)
        factor = self.schedule(now)
        slower = self.schedule(now._replace(stalls=now.stalls + 1))
        if slower >= factor or self.learning_rate_init * factor <= SMALLEST_RATE:
            return False
        state.stalls += 1
        self.patience.restart(state.patience, state.step)
        return True

    def progress(self, state: TrainingState, part: float) -> Progress:
        """Return the progress when the fraction ``part`` of the current epoch is done."""
        fraction = self.fraction
        if fraction is None:
            fraction = min((state.epoch + part) / self.max_iter, 1.0)
        return Progress(state.epoch, state.step, state.samples, fraction, state.stalls)

    def rate(self, state: TrainingState, part: float) -> float:
        """Return the learning rate when the fraction ``part`` of the current epoch is done."""
        return self.learning_rate_init * self.schedule(self.progress(state, part))
