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
    own = np.take_along_axis(z, codes[None], axis=0)
    base = np.exp(STEP * z)
    power, sums = np.ones_like(base), np.empty((MULTIPLES, len(raw)), raw.dtype)
    for out in sums:
        power *= base
        np.add.reduce(power, 0, out=out)
    factors = STEP * np.arange(1, MULTIPLES + 1, dtype=raw.dtype)
    return float(_means(np.log(sums) - factors[:, None] * own, weight).min())


def _means(values: Array, weight: Array | None) -> Array:
    """Return weighted means along the last axis; 0 if all weights are 0."""
    if weight is None:
        return np.asarray(values.mean(axis=-1))
    return np.asarray((values * weight).sum(axis=-1) / (weight.sum() or 1.0))


def one_row_per_label(y: Array, weight: Array | None) -> tuple[Array, Array | None]:
    """Return class codes and weights of (rows, labels) indicators, each as a row of its own.

    ``weight`` is (rows,) or (rows, labels).
    """
    if weight is not None:
        weight = np.broadcast_to(weight.reshape(len(y), -1), y.shape).ravel()
    return y.astype(np.intp).ravel(), weight


def logistic_as_softmax(raw: Array) -> Array:
    """Return two outputs for each of (rows, labels): logistic(z) is softmax(-z/2, z/2)."""
    half = 0.5 * raw.ravel()
    return np.stack([-half, half], axis=1)


def inverse_temperature(raw: Array, codes: Array, weight: Array | None) -> float:
    """Return the factor on (rows, classes) raw outputs with the lowest log-loss, plus a prior."""
    z = np.asarray(raw - raw.max(axis=1, keepdims=True), dtype=np.float64)
    own = np.take_along_axis(z, codes[:, None], axis=1)[:, 0]
    n_rows = len(own) if weight is None else np.count_nonzero(weight)

    def value(log_factor: Any) -> float:
        factor = exp(log_factor)
        losses = np.log(np.exp(factor * z).sum(axis=1)) - factor * own
        return float(_means(losses, weight)) + PRIOR / n_rows * log_factor**2

    low, high = map(log, BOUNDS)
    return exp(minimize_scalar(value, bounds=(low, high), method="bounded").x)
