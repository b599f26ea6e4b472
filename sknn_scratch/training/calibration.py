"""Temperature of probabilities: log-losses of raw outputs that are divided by a number."""

from __future__ import annotations

from math import exp, log
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from sknn_scratch.contracts import Array

#: Inverse temperatures tried by a check: the first MULTIPLES multiples of STEP.
STEP, MULTIPLES = 0.2, 8
#: Bounds of the final inverse temperature.
BOUNDS = (0.2, 2.0)
#: Weight, in rows, of a penalty on its squared logarithm, because few rows are little evidence.
PRIOR = 5.0


def scaled_log_loss(raw: Array, codes: Array, weight: Array | None) -> float:
    """Return the mean log-loss of (rows, classes) outputs at the best of several temperatures.

    exp(j b z) is the j-th power of exp(b z), so that one exponential serves all temperatures.
    """
    z = np.array(raw.T, order="C")
    z -= z.max(axis=0)
    own = np.take_along_axis(z, codes[None], axis=0)[0]
    base = np.exp(STEP * z)
    power, best = np.ones_like(base), np.inf
    for j in range(1, MULTIPLES + 1):
        power *= base
        losses = np.log(power.sum(axis=0)) - STEP * j * own
        best = min(best, _mean(losses, weight))
    return best


def _mean(values: Array, weight: Array | None) -> float:
    """Return the weighted mean; 0 if all weights are 0."""
    if weight is None:
        return float(values.mean())
    return float((values * weight).sum() / (weight.sum() or 1.0))


def inverse_temperature(raw: Array, codes: Array, weight: Array | None) -> float:
    """Return the factor on (rows, classes) raw outputs with the lowest log-loss, plus a prior."""
    z = np.asarray(raw - raw.max(axis=1, keepdims=True), dtype=np.float64)
    own = np.take_along_axis(z, codes[:, None], axis=1)[:, 0]
    n_rows = len(own) if weight is None else np.count_nonzero(weight)

    def value(log_factor: Any) -> float:
        factor = exp(log_factor)
        losses = np.log(np.exp(factor * z).sum(axis=1)) - factor * own
        return _mean(losses, weight) + PRIOR / n_rows * log_factor**2

    low, high = map(log, BOUNDS)
    return exp(minimize_scalar(value, bounds=(low, high), method="bounded").x)


def two_columns(raw: Array) -> Array:
    """Return softmax raw outputs, 0 and raw, equivalent to a single logistic output."""
    return np.concatenate([np.zeros_like(raw), raw], axis=-1)
