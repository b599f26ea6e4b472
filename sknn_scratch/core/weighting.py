"""Weights of rows, (rows,), or of the entries of y, (rows, n_targets), 0 where one is missing.

The weight of a row is the mean of the weights of its entries, so that a matrix of equal columns
is the same as one column as the weights of rows.

Losses know weights of rows only.  To a loss that is a sum over targets, every entry of y is a row
of one target; entries of zero weight are left out, so that y may be any number there.
"""

from __future__ import annotations

import numpy as np

from sknn_scratch.contracts import Array, Loss


def total(weight: Array | None, n_rows: int) -> float:
    """Return the sum of the weights of rows; None is a weight of 1 for each."""
    if weight is None:
        return float(n_rows)
    whole = float(weight.sum())
    return whole if weight.ndim == 1 else whole / weight.shape[1]


def value_and_grad(loss: Loss, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
    """Return the weighted sum of the losses; write its gradient ∂/∂raw into ``out``.

    As :meth:`Loss.value_and_grad`, but ``weight`` may be (rows, n_targets).
    """
    if weight is None or weight.ndim == 1:
        return loss.value_and_grad(y, raw, weight, out)
    entries = Entries(loss, y, raw, weight)
    out.fill(0.0)
    y, raw, weight = map(entries.of, (y, raw, weight))
    if not len(y):
        return 0.0
    grad = np.empty_like(raw)
    value = loss.value_and_grad(y, raw, weight[:, 0], grad)
    entries.put(grad, out)
    return value


def value(loss: Loss, y: Array, raw: Array, weight: Array | None) -> float:
    """Return the weighted sum of the losses, without the gradient."""
    if weight is None or weight.ndim == 1:
        return loss.value(y, raw, weight)
    entries = Entries(loss, y, raw, weight)
    y, raw, weight = map(entries.of, (y, raw, weight))
    return loss.value(y, raw, weight[:, 0]) if len(y) else 0.0


class Entries:
    """Entries of y that have weight, as rows of one target; a single target keeps its outputs."""

    def __init__(self, loss: Loss, y: Array, raw: Array, weight: Array) -> None:
        _check(loss, y, raw, weight)
        self._is_single = y.shape[1] == 1
        # Numbers of entries are ten times faster than a mask.  Transposed, as raw outputs are in
        # Fortran order.
        self._where = np.flatnonzero(weight.T)

    def of(self, a: Array) -> Array:
        """Return these entries of an array (rows, n_targets), one below the other."""
        return a.take(self._where, 0) if self._is_single else a.T.take(self._where)[:, None]

    def put(self, part: Array, out: Array) -> None:
        """Write into ``out`` (rows, n_targets) what :meth:`of` would return."""
        if self._is_single:
            out[self._where] = part
        else:
            out.T.put(self._where, part)


def _check(loss: Loss, y: Array, raw: Array, weight: Array) -> None:
    """Raise an error unless a loss can have a weight for each entry of y."""
    if weight.shape != y.shape:
        raise ValueError(
            f"Weights must have shape {y.shape}, that of y, or {y.shape[:1]}. Got {weight.shape}."
        )
    if not is_sum_over_targets(loss, y.shape[1], raw.shape[1]):
        raise TypeError(
            f"The loss {type(loss).__name__} must be a sum over targets, each with one raw output, "
            f"for weights of shape {y.shape}. Got separable={loss.separable} and {raw.shape[1]} "
            f"raw outputs for {y.shape[1]} targets: pass one weight for each row."
        )


def is_sum_over_targets(loss: Loss, n_targets: int, n_raw: int) -> bool:
    """Return True if entries of y can be rows of one target; a single target always can."""
    return n_targets == 1 or (loss.separable and n_targets == n_raw)
