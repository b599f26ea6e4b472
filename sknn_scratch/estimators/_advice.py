"""Warnings and errors at the end of a fit, with the remedy."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch.core.data import Data

#: Scales that differ by more than this slow training down.
SCALE_RATIO = 100.0
#: Rows that are looked at to find out.
SAMPLE_ROWS = 1000


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


#: Ends of training that need no warning.
_GOOD_ENDS = ("converged", "stalled", "one pass", "interrupted")


def warn_at_end(estimator: Any, reason: str, data: Data) -> None:
    """Warn if training ended at a limit or diverged, and say what to do."""
    if reason in _GOOD_ENDS:
        return
    if reason == "diverged":
        message = divergence(estimator.n_iter_, estimator.learning_rate_init)
        message += " The weights of the best validation score are kept."
    else:
        y = data.y.T if isinstance(estimator, RegressorMixin) else np.empty((0, 1))
        message = _unconverged(estimator, reason) + scaling_hint(data.X, y)
    warnings.warn(message, ConvergenceWarning, stacklevel=4)


def _unconverged(estimator: Any, reason: str) -> str:
    if estimator.solver == "lbfgs":
        message = (
            f"lbfgs failed to converge after {estimator.n_iter_} iteration(s) "
            f"({_LBFGS_ENDS.get(reason, reason)})."
        )
    else:
        message = (
            f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and the "
            "optimization hasn't converged yet."
        )
    return f"{message} {_remedy(estimator, reason)}"


_LBFGS_ENDS = {"max_iter": "the limit max_iter or max_fun was reached"}


def _remedy(estimator: Any, reason: str) -> str:
    if estimator.solver == "lbfgs":
        if reason == "max_iter":
            return (
                f"Increase max_iter (it is {estimator.max_iter}) or max_fun (it is "
                f"{estimator.max_fun}), or raise tol."
            )
        return "Scale the data, or raise tol."
    return (
        f"Increase max_iter, raise learning_rate_init (it is {estimator.learning_rate_init:g}), "
        "or raise tol."
    )


def scaling_hint(X: Any, y: Any) -> str:
    """Return the advice to scale if features, or the target, are on very different scales."""
    features = _scales(X[:SAMPLE_ROWS])
    hints = []
    if len(features) and features.max() > SCALE_RATIO * features.min():
        hints.append(
            f"The scales of the features differ by a factor of "
            f"{features.max() / features.min():.2g}: scale them, for example with "
            "sklearn.preprocessing.StandardScaler."
        )
    target = _scales(y[:SAMPLE_ROWS])
    if len(target) and max(target.max(), 1 / target.min()) > SCALE_RATIO:
        hints.append(
            f"The target has a standard deviation of {target.max():.2g}: scale it, for example "
            "with sklearn.compose.TransformedTargetRegressor."
        )
    return "".join(" " + hint for hint in hints)


def _scales(columns: Any) -> Any:
    """Return the standard deviations of all columns that are not constant."""
    dense = columns.toarray() if issparse(columns) else np.asarray(columns)
    if len(dense) == 0:
        return np.empty(0)
    with np.errstate(all="ignore"):
        deviations = dense.std(axis=0, dtype=np.float64)
    return deviations[(deviations > 0) & np.isfinite(deviations)]
