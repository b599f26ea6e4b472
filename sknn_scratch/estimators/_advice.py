"""Warnings and errors at the end of a fit, with the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.sparsefuncs import min_max_axis

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Progress
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _aliases
from sknn_scratch.training.state import TrainingState

#: A factor of a schedule, at the end of training, that is as good as none.
REST = 0.01
#: Ranges that differ by more than this slow training down.
SCALE_RATIO = 100.0
#: Rows that are looked at to find out.
SAMPLE_ROWS = 1000
#: Ends of training that need a warning: a limit, divergence, or scipy's own words.
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


def diverged(estimator: Any, epoch: int) -> str:
    """Return the message for an estimator whose weights are not finite."""
    return divergence(epoch, None if _is_lbfgs(estimator) else float(estimator.learning_rate_init))


def too_large(estimator: Any) -> str:
    """Return the message for predictions that are not finite."""
    return (
        f"X of {type(estimator).__name__} must be of a size that the network can take: its "
        "outputs are not finite. Scale X as in training, for example in a Pipeline with "
        "StandardScaler."
    )


def at_end(estimator: Any, state: TrainingState, data: Data) -> str | None:
    """Return what to do if training ended at a limit or diverged; None if it ended well."""
    reason = state.stop_reason
    if reason in _GOOD_ENDS or (reason == "max_iter" and _is_planned(estimator, state)):
        return None
    if reason == "diverged":
        kept = " The weights of the best validation score are kept."
        return diverged(estimator, estimator.n_iter_) + kept
    ended = _lbfgs_ended(estimator, reason) if _is_lbfgs(estimator) else _epochs_ended(estimator)
    return ended + scaling_hint(estimator, data)


def warn_of(advice: str | None) -> None:
    """Warn of training that did not end well."""
    if advice is not None:
        warn(advice, ConvergenceWarning)


def _is_lbfgs(estimator: Any) -> bool:
    return isinstance(estimator.solver, str) and estimator.solver == "lbfgs"


@quiet_floats()
def _is_planned(estimator: Any, state: TrainingState) -> bool:
    """Tell whether a schedule leads to nearly no step at max_iter, so that training may end there.

    Only its dependence on the fraction counts: what falls with epochs, rows or stalls was not made
    for that many epochs.
    """
    if _is_lbfgs(estimator):
        return False
    schedule = _aliases.schedule(estimator)
    end = Progress(state.epoch, state.step, state.samples, fraction=1.0, stalls=state.stalls)
    try:
        return schedule(end) <= REST < schedule(end._replace(fraction=0.5))
    except LookupError:  # of a list of factors, which ends where training does
        return False


def _lbfgs_ended(estimator: Any, reason: str) -> str:
    limits = f"max_iter (it is {estimator.max_iter}) or max_fun (it is {estimator.max_fun})"
    if reason == "max_iter":
        why, remedy = "the limit max_iter or max_fun was reached", f"Increase {limits}"
    else:
        why, remedy = reason, "Scale the data"
    return (
        f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) ({why}). "
        f"{remedy}, or raise tol."
    )


def _epochs_ended(estimator: Any) -> str:
    patience, last = estimator.n_iter_no_change, "or raise tol"
    if patience >= estimator.max_iter:  # then no tol ends training
        last = f"or lower n_iter_no_change (it is {patience})"
    return (
        f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
        "optimization hasn't converged yet. Increase max_iter, raise learning_rate_init (it is "
        f"{float(estimator.learning_rate_init):g}), {last}."
    )


@quiet_floats()
def scaling_hint(estimator: Any, data: Data) -> str:
    """Return the advice to scale if features, or the target, are on very different scales."""
    features, hint = _ranges(data.X[:SAMPLE_ROWS]), ""
    if len(features) and features.max() > SCALE_RATIO * features.min():
        hint += (
            " The ranges of the features differ by a factor of "
            f"{features.max() / features.min():.2g}: training may converge in fewer epochs if you "
            "scale them, for example with sklearn.preprocessing.StandardScaler."
        )
    # Targets of a loss with the log link are on its own scale.
    if isinstance(estimator, RegressorMixin) and estimator.out_activation_ == "identity":
        deviations = np.std(data.y[:, :SAMPLE_ROWS], axis=1, dtype=np.float64)
        odd = [s for s in _usable(deviations) if not 1 <= s * SCALE_RATIO <= 1e4]
        if odd:
            hint += (
                f" The target has a standard deviation of {odd[0]:.2g}: scale it, for example "
                "with sklearn.compose.TransformedTargetRegressor."
            )
    return hint


def _ranges(columns: Any) -> Array:
    """Return the ranges of all columns that are not constant.

    Rather than standard deviations: those of pixels or counts that are nearly always 0 are small,
    too, and to scale such columns would only make their few values huge.
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
