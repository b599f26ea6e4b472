"""Support of scikit-learn's callbacks, by one listener for each fit that has any.

A fit is the root task.  The epochs (iterations of L-BFGS) of a network are subtasks, of the fit or,
in an ensemble, of its task "member".  Hooks receive the training rows, and a ``fitted_estimator``
with copies of the weights after the epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from sknn_scratch._tables import in_memory
from sknn_scratch.contracts import Array, State
from sknn_scratch.core.inference import Inference
from sknn_scratch.fitting import _publish, _validation
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._types import Job, Rows
from sknn_scratch.training import selection
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import TrainingState

#: Number of rows used to detect divergence.
ROWS_LOOKED_AT = 200

#: Function that returns fitted attributes by name, or None if there are no usable weights.
Attributes = Callable[[], dict[str, Any] | None]


@dataclass(frozen=True)
class Subject:
    """View of a fit for hooks: the estimator, its rows, and the fitted attributes so far."""

    estimator: OwnEstimator
    rows: Callable[[], Rows]
    so_far: Attributes

    @cached_property
    def shown(self) -> Rows:
        """Training rows, made once."""
        return self.rows()

    def metadata(self) -> dict[str, Any] | None:
        """Return only what every scorer accepts, because ScoringMonitor passes all of it."""
        weight = self.shown.sample_weight
        return None if weight is None else {"sample_weight": weight}

    def attributes(self) -> dict[str, Any] | None:
        """Return the fitted attributes of a fit that ended now."""
        return self.so_far()

    def arguments(self) -> dict[str, Any]:
        """Return the arguments of all hooks; functions are called on request."""
        return {
            "estimator": self.estimator,
            "X": lambda: self.shown.X,
            "y": lambda: self.shown.y,
            "metadata": self.metadata,
        }

    def fitted(self) -> dict[str, Any]:
        """Return the argument for ``fitted_estimator``, a function called on request."""
        return {"reconstruction_attributes": self.attributes}


def listen(estimator: OwnEstimator, job: Job, passed: Rows) -> Listener | None:
    """Return the listener of a fit, or None for an estimator without scikit-learn's callbacks.

    ``passed`` are the data as passed by the user.  The caller must be decorated with
    ``with_callbacks``, which tears down the callbacks.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return None
    rows = partial(_training_rows, estimator, job, passed)
    name = "partial_fit" if job.plan.one_pass else "fit"
    root = partial(estimator._init_callback_context, task_name=name)
    return Listener(Subject(estimator, rows, partial(_attributes, job)), job, root)


def _training_rows(estimator: OwnEstimator, job: Job, passed: Rows) -> Rows:
    """Return the training rows, which are copied if other rows are held out."""
    order = job.state.order
    X, y, weight = passed
    checked = _validation.check_X(estimator, X, reset=False)
    # Keep column names, because fitted_estimator warns about X without them.
    X = X if hasattr(estimator, "feature_names_in_") else checked
    y = _validation.check_y(estimator, y, checked, job.settings.is_numeric)
    whole = Rows(X, y, _validation.check_weight(estimator, weight, checked))
    if order is None or len(order) == checked.shape[0]:
        return whole
    order = np.sort(order)
    return Rows(*(None if a is None else _safe_indexing(a, order) for a in whole))


def _attributes(job: Job) -> dict[str, Any] | None:
    """Return copies of the fitted attributes of a network; None once training has diverged."""
    now = state_so_far(job)
    if now is None:
        return None
    return _publish.attributes_of(job, now, selection.last(job.plan, now))


def state_so_far(job: Job) -> TrainingState | None:
    """Return a copy of the state as if training ended now; None once it has diverged.

    The weights are the current ones, not the best ones, even with early stopping.
    """
    plan, state = job.plan, job.state
    theta = selection.last(plan, state)
    if not _can_predict(job, theta):
        return None
    return replace(state.wake(theta), best_row=state.history[-1] if state.history else {})


def _can_predict(job: Job, theta: Array) -> bool:
    """Return True if outputs are finite; else a scorer would raise before the fit does."""
    network, loss = job.plan.network, job.plan.objective.loss
    blocks = Inference(network, ROWS_LOOKED_AT, theta.dtype).raw_blocks(
        network.layout.params(theta), job.source.sample.X[:ROWS_LOOKED_AT]
    )
    return bool(np.isfinite(theta).all()) and all(
        np.isfinite(raw).all() and np.isfinite(loss.predict(raw, raw)).all() for _, raw in blocks
    )


class Listener:
    """Listener that forwards the training of one network to scikit-learn's callbacks.

    ``open_task`` returns the context of its task, given ``max_subtasks``, the number of epochs.
    ``lacking`` returns the fitted attributes that the estimator lacks when the task ends.
    """

    def __init__(
        self,
        subject: Subject,
        job: Job,
        open_task: Callable[..., Any],
        lacking: Attributes = dict,
    ) -> None:
        self._subject, self._job = subject, job
        self._open_task, self._lacking = open_task, lacking
        self._task: Any = None  # context of the whole training
        self._epoch: Any = None  # context of the epoch that has begun

    def on_fit_begin(self, memory: State, run: FitRun) -> None:
        """Begin the task, and the first epoch unless the resumed training has already ended."""
        left = 1 if self._job.plan.one_pass else max(1, int(run.max_iter) - run.epoch)
        self._task = self._open_task(max_subtasks=left)
        self._task.call_on_fit_task_begin(**self._subject.arguments())
        if not self._is_over(run):
            self._begin_epoch()

    def on_epoch_end(self, memory: State, run: FitRun) -> None:
        """End the epoch; stop training if a hook requests it, otherwise begin the next epoch."""
        subject = self._subject
        if self._epoch.call_on_fit_task_end(**subject.arguments(), **subject.fitted()):
            run.stop("a callback of scikit-learn")
        self._epoch = None
        if not (run.end or self._is_over(run)):
            self._begin_epoch()

    def on_fit_end(self, memory: State, run: FitRun) -> None:
        """End a started iteration of L-BFGS, which reports its convergence only now."""
        if self._epoch is not None:
            self._epoch.call_on_fit_task_end(**self._subject.arguments())

    def on_ended(self) -> bool:
        """End the task; return True if a hook requests that no further task begins."""
        end = self._task.call_on_fit_task_end
        return bool(end(**self._subject.arguments(), reconstruction_attributes=self._lacking))

    def _is_over(self, run: FitRun) -> bool:
        plan, state = self._job.plan, self._job.state
        return bool(state.stop_reason) or (not plan.one_pass and run.epoch >= run.max_iter)

    def _begin_epoch(self) -> None:
        self._epoch = self._task.subcontext(task_name="epoch")
        self._epoch.call_on_fit_task_begin(**self._subject.arguments(), **self._subject.fitted())


def listen_to_members(
    estimator: OwnEstimator,
    passed: Rows,
    attributes_of: Callable[[Sequence[TrainingState]], Any],
    one_pass: bool,
) -> EnsembleListener | None:
    """Return the listener of an ensemble, or None without scikit-learn's callbacks.

    ``passed`` are the data as passed by the user, but for the checked y and weights.
    ``attributes_of`` returns the fitted attributes from the states of all members, in any stage of
    training; None if none is usable.  The caller must be decorated with ``with_callbacks``.
    """
    if not hasattr(estimator, "_skl_callbacks"):
        return None
    X, owner = passed.X, type(estimator).__name__
    name = "partial_fit" if one_pass else "fit"
    root = partial(estimator._init_callback_context, task_name=name)
    return EnsembleListener(
        estimator, lambda: passed._replace(X=in_memory(X, owner)), attributes_of, root
    )


class EnsembleListener:
    """Listener that forwards the training of members, one after the other.

    Hooks receive all rows, because each is a training row of some member.
    """

    def __init__(
        self,
        estimator: OwnEstimator,
        rows: Callable[[], Rows],
        attributes_of: Callable[[Sequence[TrainingState]], Any],
        open_task: Callable[..., Any],
    ) -> None:
        self._subject = Subject(estimator, rows, dict)
        self._attributes_of, self._open_task = attributes_of, open_task
        self._root: Any = None  # context of the whole fit

    def on_begin(self, n_members: int) -> None:
        """Begin the root task."""
        self._root = self._open_task(max_subtasks=n_members)
        self._root.call_on_fit_task_begin(**self._subject.arguments())

    def member(self, job: Job, crowd: Sequence[TrainingState]) -> Listener:
        """Return the listener of a member; ``crowd`` are the states of all members.

        The ``fitted_estimator`` of an epoch has the members that are ready, with the weights that
        they keep, and the one in training after its first epoch, with its current weights.
        """

        def so_far() -> Any:
            now = state_so_far(job) or replace(job.state, stop_reason="diverged", best_row={})
            return self._attributes_of([now if one is job.state else one for one in crowd])

        subject = Subject(self._subject.estimator, lambda: self._subject.shown, so_far)
        task = partial(self._root.subcontext, task_name="member")
        return Listener(subject, job, task, lambda: self._attributes_of(crowd))

    def on_ended(self) -> None:
        """End the root task, after the fitted attributes of the estimator have been set."""
        end = self._root.call_on_fit_task_end
        end(**self._subject.arguments(), reconstruction_attributes={})
