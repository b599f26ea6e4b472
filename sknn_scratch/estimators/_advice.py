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


def divergence(epoch: int, learning_rate_init: float) -> str:
    """Return the message for weights that are not finite."""
    return (
        "Solver produced non-finite parameter weights. The input data may contain large "
        "values and need to be preprocessed. "
        f"Training diverged in epoch {epoch}: scale X (for regression y too), for example with "
        f"StandardScaler, or lower learning_rate_init (it is {learning_rate_init:g})."
    )


def too_large(estimator: Any) -> str:
    """Return the message for predictions that are not finite."""
    return (
        f"X of {type(estimator).__name__} must be of a size that the network can take: its "
        "outputs are not finite. Scale X as in training, for example in a Pipeline with "
        "StandardScaler."
    )


def warn_at_end(estimator: Any, state: TrainingState, data: Data) -> None:
    """Warn if training ended at a limit or diverged, and say what to do."""
    reason = state.stop_reason
    if reason in _GOOD_ENDS or (reason == "max_iter" and _is_planned(estimator, state)):
        return
    if reason == "diverged":
        message = divergence(estimator.n_iter_, estimator.learning_rate_init)
        message += " The weights of the best validation score are kept."
    elif _is_lbfgs(estimator):
        message = _lbfgs_ended(estimator, reason) + scaling_hint(estimator, data)
    else:
        message = _epochs_ended(estimator) + scaling_hint(estimator, data)
    warn(message, ConvergenceWarning)


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
    return schedule(end) <= REST < schedule(end._replace(fraction=0.5))


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
    return (
        f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
        "optimization hasn't converged yet. Increase max_iter, raise learning_rate_init (it is "
        f"{estimator.learning_rate_init:g}), or raise tol."
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
