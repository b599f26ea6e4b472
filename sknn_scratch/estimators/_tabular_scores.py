"""Validation scores of ensemble members, and the temperature of their probabilities.

Arrays of raw outputs are (members, rows, n_raw); ``index`` is (members, rows) row numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from math import exp, log
from typing import Any

import numpy as np
from scipy.optimize import minimize_scalar

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data

Judge = Callable[[Array, Array], Array]
#: Inverse temperatures tried by a check: the first MULTIPLES multiples of STEP.
STEP, MULTIPLES = 0.2, 8
#: Bounds of the final inverse temperature.
BOUNDS = (0.2, 2.0)
#: Weight, in rows, of a penalty on its squared logarithm, because few rows are little evidence.
PRIOR = 5.0


def loss_judge(criterion: Loss, loss: Loss, data: Data) -> Judge:
    """Return a judge by the negated loss, either the one in training or one on predictions."""

    def score(raw: Array, index: Array) -> Array:
        outputs = raw if criterion is loss else loss.predict(raw, raw)
        weights = [None] * len(raw) if data.weight is None else data.weight[index]
        values = [
            criterion.value(data.targets(rows), own, weight)
            for own, rows, weight in zip(outputs, index, weights, strict=True)
        ]
        sums = [len(rows) if w is None else w.sum() for rows, w in zip(index, weights, strict=True)]
        return -np.array(values) / np.where(np.array(sums) > 0, sums, 1.0)

    return score


def class_judge(data: Data) -> Judge:
    """Return a judge by the negated log-loss at the best temperature, to ignore overconfidence."""

    def score(raw: Array, index: Array) -> Array:
        weight = None if data.weight is None else data.weight[index]
        return -scaled_log_loss(raw, data.y[index], weight)

    return score


def scaled_log_loss(raw: Array, codes: Array, weight: Array | None) -> Array:
    """Return the mean log-loss of each member at the best of several inverse temperatures.

    exp(j b z) is the j-th power of exp(b z), so that one exponential serves all temperatures.
    """
    z = np.ascontiguousarray(raw.transpose(2, 0, 1))
    z -= z.max(axis=0)
    own = np.take_along_axis(z, codes[None], axis=0)[0]
    base = np.exp(STEP * z)
    power, best = np.ones_like(base), np.full(len(raw), np.inf)
    for j in range(1, MULTIPLES + 1):
        power *= base
        losses = np.log(power.sum(axis=0)) - STEP * j * own
        best = np.fmin(best, _means(losses, weight))
    return np.where(np.isfinite(raw).all(axis=(1, 2)), best, np.inf)


def _means(values: Array, weight: Array | None) -> Array:
    """Return weighted means along the last axis; 0 where all weights are 0."""
    if weight is None:
        return np.asarray(values.mean(axis=-1))
    total = weight.sum(axis=-1)
    return np.asarray((values * weight).sum(axis=-1) / np.where(total > 0, total, 1.0))


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
