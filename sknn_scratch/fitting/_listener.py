"""Support of scikit-learn's callbacks, by one listener for each fit that has any.

A fit is the root task, and each epoch (iteration of L-BFGS) is a subtask.  Hooks receive the
training rows, and a ``fitted_estimator`` with copies of the weights after the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sknn_scratch.contracts import Array, State
from sknn_scratch.core.inference import Inference
from sknn_scratch.fitting import _publish, _validation
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._types import Job, Rows
from sknn_scratch.training import selection
from sknn_scratch.training.run import FitRun

#: Number of rows used to detect divergence.
ROWS_LOOKED_AT = 200


@dataclass(frozen=True)
class Subject:
    """Information for a listener: a fit, and the data as passed by the user."""

    estimator: OwnEstimator
    job: Job
    given: Rows

    @cached_property
    def shown(self) -> Rows:
        """Training rows, which are copied once if other rows are held out."""
        estimator, order = self.estimator, self.job.state.order
        X, y, weight = self.given
        checked = _validation.check_X(estimator, X, reset=False)
        # Keep column names, because fitted_estimator warns about X without them.
        X = X if hasattr(estimator, "feature_names_in_") else checked
        y = _validation.check_y(estimator, y, checked, self.job.settings.is_numeric)
        whole = Rows(X, y, _validation.check_weight(estimator, weight, checked))
        if order is None or len(order) == checked.shape[0]:
            return whole
        order = np.sort(order)
        return Rows(*(None if a is None else _safe_indexing(a, order) for a in whole))

    def metadata(self) -> dict[str, Any] | None:
        """Return only what every scorer accepts, because ScoringMonitor passes all of it."""
        weight = self.shown.sample_weight
        return None if weight is None else {"sample_weight": weight}

    def attributes(self) -> dict[str, Any] | None:
        """Return copies of the current fitted attributes; None once training has diverged.

        The weights are the current ones, not the best ones, even with early stopping.
        """
        plan, state = self.job.plan, self.job.state
        theta = selection.last(plan, state)
        if not self._can_predict(theta):
            return None
        now = replace(state.wake(theta), best_row=state.history[-1] if state.history else {})
        last: Any = now.theta if theta is state.theta else now.best_theta
        return _publish.attributes(plan, now, self.job.targets, last)

    def _can_predict(self, theta: Array) -> bool:
        """Return True if outputs are finite; else a scorer would raise before the fit does."""
        network, loss = self.job.plan.network, self.job.plan.objective.loss
        blocks = Inference(network, ROWS_LOOKED_AT, theta.dtype).raw_blocks(
            network.layout.params(theta), self.job.source.sample.X[:ROWS_LOOKED_AT]
        )
        return bool(np.isfinite(theta).all()) and all(
            np.isfinite(raw).all() and np.isfinite(loss.predict(raw, raw)).all()
            for _, raw in blocks
        )


def listen(estimator: OwnEstimator, job: Job, given: Rows) -> Listener | None:
    """Return the listener of a fit, or None for an estimator without scikit-learn's callbacks.

    The caller must be decorated with ``with_callbacks``, which tears down the callbacks.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return None
    return Listener(Subject(estimator, job, given))


class Listener:
    """Listener that forwards the events of one fit to scikit-learn's callbacks."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._root: Any = None  # context of the whole fit
        self._epoch: Any = None  # context of the epoch that has begun

    def on_fit_begin(self, memory: State, run: FitRun) -> None:
        """Begin the root task, and the first epoch unless the resumed fit has already ended."""
        one_pass = self._subject.job.plan.one_pass
        self._root = self._subject.estimator._init_callback_context(
            task_name="partial_fit" if one_pass else "fit",
            max_subtasks=1 if one_pass else max(1, int(run.max_iter) - run.epoch),
        )
        self._root.call_on_fit_task_begin(**self._shown())
        if not self._is_over(run):
            self._begin_epoch()

    def on_epoch_end(self, memory: State, run: FitRun) -> None:
        """End the epoch; stop training if a hook requests it, otherwise begin the next epoch."""
        if self._epoch.call_on_fit_task_end(**self._shown(), **self._fitted()):
            run.stop("a callback of scikit-learn")
        self._epoch = None
        if not (run.end or self._is_over(run)):
            self._begin_epoch()

    def on_fit_end(self, memory: State, run: FitRun) -> None:
        """End a started iteration of L-BFGS, which reports its convergence only now."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(**self._shown())

    def on_published(self) -> None:
        """End the root task, after the fitted attributes of the estimator have been set."""
        self._root.call_on_fit_task_end(**self._shown(), reconstruction_attributes={})

    def _is_over(self, run: FitRun) -> bool:
        plan, state = self._subject.job.plan, self._subject.job.state
        return bool(state.stop_reason) or (not plan.one_pass and run.epoch >= run.max_iter)

    def _begin_epoch(self) -> None:
        self._epoch = self._root.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._shown(), **self._fitted())

    def _shown(self) -> dict[str, Any]:
        """Return the arguments of all hooks; functions are called on request."""
        subject = self._subject
        return {
            "estimator": subject.estimator,
            "X": lambda: subject.shown.X,
            "y": lambda: subject.shown.y,
            "metadata": subject.metadata,
        }

    def _fitted(self) -> dict[str, Any]:
        return {"reconstruction_attributes": self._subject.attributes}
