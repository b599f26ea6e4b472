"""Warnings and errors at the end of a fit, with remedies."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.sparsefuncs import min_max_axis

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Progress
from sknn_scratch.core.data import Data
from sknn_scratch.fitting._params import Owner, name_of
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._targets import LINEAR
from sknn_scratch.fitting._types import Job
from sknn_scratch.training.state import TrainingState

#: Factor of a schedule, at the end of training, that is negligible.
REST = 0.01
#: Ratio of feature ranges from which training is slow.
SCALE_RATIO = 100.0
#: Number of rows used to estimate ranges.
SAMPLE_ROWS = 1000
#: Reasons to stop that need no warning; others are a limit, divergence, or a message of scipy.
_GOOD_ENDS = ("converged", "stalled", "one pass", "interrupted", "asked")


def divergence(epoch: int, learning_rate_init: float | None) -> str:
    """Return the message for weights that are not finite; the rate is None with L-BFGS."""
    if learning_rate_init is None:
        slower = "take solver='adam' with a low learning_rate_init"
    else:
        slower = f"lower learning_rate_init (it is {learning_rate_init:g})"
    return (
        "Solver produced non-finite parameter weights. The input data may contain large "
        "values and need to be preprocessed. "
        f"Training diverged in epoch {epoch}: scale X (for regression y too), for example with "
        f"StandardScaler, or {slower}."
    )


def diverged(settings: Settings, epoch: int) -> str:
    """Return the message for weights that are not finite after a fit with these settings."""
    return divergence(epoch, None if settings.is_full_batch else settings.learning_rate_init)


def of_members(ends: list[str], learning_rate_init: float) -> str | None:
    """Return a remedy if members of an ensemble diverged or have no score, or None.

    ``ends`` are their reasons to stop. Those without weights that can be used are "lost", or
    "unscored" if the weights are finite.
    """
    fates = {
        "lost": "are left out",
        "diverged": "keep the weights of their best validation score",
    }
    found = [
        f"{ends.count(end)} of {len(ends)} members diverged and {fate}"
        for end, fate in fates.items()
        if end in ends
    ]
    remedy = f": lower learning_rate_init (it is {learning_rate_init:g})."
    parts = ["; ".join(found) + remedy] if found else []
    if "unscored" in ends:
        parts.append(
            f"{ends.count('unscored')} of {len(ends)} members are left out, as no score of their "
            "held-out rows was a number: lower n_folds, pass X_val and y_val, or choose "
            "scoring='loss'."
        )
    return " ".join(parts) or None


def too_large(owner: Owner) -> str:
    """Return the message for predictions that are not finite."""
    return (
        f"X of {name_of(owner)} must be scaled as in training. Got values for which "
        "the outputs of the network are not finite: scale X, for example in a Pipeline with "
        "StandardScaler."
    )


def at_end(job: Job, data: Data) -> str | None:
    """Return a remedy if training ended at a limit or diverged, or None.

    ``data`` is that of the job, or some of its rows.
    """
    settings, state = job.settings, job.state
    reason = state.stop_reason
    if reason in _GOOD_ENDS or (reason == "max_iter" and _is_planned(settings, state)):
        return None
    if reason == "diverged":
        kept = " The weights of the best validation score are kept."
        return diverged(settings, state.epoch) + kept
    full_batch = settings.is_full_batch
    ended = _lbfgs_ended(settings, state) if full_batch else _epochs_ended(settings)
    return ended + _features_hint(data) + _target_hint(job, data)


def warn_of(advice: str | None) -> None:
    """Issue a ConvergenceWarning with the advice, if any."""
    if advice is not None:
        warn(advice, ConvergenceWarning)


@quiet_floats()
def _is_planned(settings: Settings, state: TrainingState) -> bool:
    """Return True if a schedule decreases to nearly 0 at max_iter, where training then ends.

    Only its dependence on the fraction counts: a schedule that decreases with epochs, rows or
    stalls is not designed for ``max_iter`` epochs.
    """
    if settings.is_full_batch:
        return False
    schedule = settings.learning_rate
    end = Progress(state.epoch, state.step, state.samples, fraction=1.0, stalls=state.stalls)
    try:
        return schedule(end) <= REST < schedule(end._replace(fraction=0.5))
    except LookupError:  # a schedule that reads a list of factors has none after the end
        return False


def _lbfgs_ended(settings: Settings, state: TrainingState) -> str:
    limits = f"max_iter (it is {settings.max_iter}) or max_fun (it is {settings.max_fun})"
    if state.stop_reason == "max_iter":
        why, remedy = "the limit max_iter or max_fun was reached", f"Increase {limits}"
    else:
        why, remedy = state.stop_reason, "Scale the data"
    return (
        f"lbfgs failed to converge after {state.epoch} iteration(s) ({why}). "
        f"{remedy}, or raise tol."
    )


def _epochs_ended(settings: Settings) -> str:
    patience, last = settings.n_iter_no_change, "or raise tol"
    if patience >= settings.max_iter:  # no value of tol can stop training
        last = f"or lower n_iter_no_change (it is {patience})"
    return (
        f"Stochastic Optimizer: Maximum iterations ({settings.max_iter}) reached and the "
        "optimization hasn't converged yet. Increase max_iter, raise learning_rate_init (it is "
        f"{settings.learning_rate_init:g}), {last}."
    )


@quiet_floats()
def _features_hint(data: Data) -> str:
    """Return the advice to scale features whose ranges differ too much."""
    ranges = _ranges(data.X[:SAMPLE_ROWS])
    if not len(ranges) or ranges.max() <= SCALE_RATIO * ranges.min():
        return ""
    return (
        " The ranges of the features differ by a factor of "
        f"{ranges.max() / ranges.min():.2g}: training may converge in fewer epochs if you "
        "scale them, for example with sklearn.preprocessing.StandardScaler."
    )


@quiet_floats()
def _target_hint(job: Job, data: Data) -> str:
    """Return the advice to scale targets; losses with the log link need no scaling."""
    if not job.settings.is_numeric or not isinstance(job.plan.objective.loss.link, LINEAR):
        return ""
    deviations = np.std(data.y[:, :SAMPLE_ROWS], axis=1, dtype=np.float64)
    odd = [s for s in _usable(deviations) if not 1 <= s * SCALE_RATIO <= 1e4]
    if not odd:
        return ""
    return (
        f" The target has a standard deviation of {odd[0]:.2g}: scale it, for example "
        "with sklearn.compose.TransformedTargetRegressor."
    )


def _ranges(columns: Any) -> Array:
    """Return the ranges of all columns that are not constant.

    Ranges are used because standard deviations of pixels or counts that are nearly always 0 are
    small as well, and scaling such columns would make their few other values huge.
    """
    find = min_max_axis if issparse(columns) else _min_max
    least, most = (np.asarray(end, dtype=np.float64) for end in find(columns, axis=0))
    return _usable(most - least)


def _min_max(columns: Any, axis: int) -> tuple[Array, Array]:
    rows = np.asarray(columns)
    return rows.min(axis=axis), rows.max(axis=axis)


def _usable(scales: Array) -> Array:
    """Return the scales that are finite and not 0."""
    kept: Array = scales[(scales > 0) & np.isfinite(scales)]
    return kept
