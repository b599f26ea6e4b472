"""Numeric columns: weighted quantiles, robust scaling, piecewise-linear encoding.

Arrays are (columns, rows), so that a column is contiguous; nan stands for missing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Quotients within this of a whole number of rows count as that number.
_SLACK = 1e-9


class Sorted(NamedTuple):
    """Columns in rising order, and the part of the weight up to each place."""

    values: Array  #: (columns, rows), nan last
    cumulative: Array  #: (columns, rows) in (0, 1], or (rows,) numbers of rows
    counts: Array  #: (columns,) values that are not missing


def sort_columns(numbers: Array, weight: Array | None) -> Sorted:
    """Sort each column; a row of weight k counts as k rows."""
    counts = np.count_nonzero(~np.isnan(numbers), axis=1)
    if weight is None:
        return Sorted(np.sort(numbers, axis=1), np.empty(0), counts)
    order = np.argsort(numbers, axis=1, kind="stable")
    values = np.take_along_axis(numbers, order, axis=1)
    heaped = np.where(np.isnan(values), 0.0, weight[order])
    return Sorted(values, np.cumsum(heaped, axis=1), counts)


def quantiles(columns: Sorted, probs: Array) -> Array:
    """Return (columns, probs) quantiles: where the distribution function is flat, its middle.

    So a weight of k is k repetitions, and a common factor on all weights changes nothing.
    """
    out = np.full((len(columns.values), len(probs)), np.nan)
    for k, (values, n) in enumerate(zip(columns.values, columns.counts, strict=True)):
        if n:
            low, high = _places(columns, k, int(n), probs)
            out[k] = 0.5 * (values[low] + values[high])
    return out


def _places(columns: Sorted, k: int, n: int, probs: Array) -> tuple[Array, Array]:
    """Return the places in the sorted column between which each quantile lies."""
    if not columns.cumulative.size:
        exact = probs * n
        low, high = np.ceil(exact - _SLACK) - 1, np.floor(exact + _SLACK)
        return low.clip(0, n - 1).astype(int), high.clip(0, n - 1).astype(int)
    cumulative = columns.cumulative[k, :n]
    exact, slack = probs * cumulative[-1], _SLACK * cumulative[-1]
    low = np.searchsorted(cumulative, exact - slack, "left")
    high = np.searchsorted(cumulative, exact + slack, "right")
    # Rows of weight 0 stand for nothing: the first and the last that weigh something.
    first = int(np.argmax(cumulative > 0))
    last = int(np.searchsorted(cumulative, cumulative[-1], "left"))
    return low.clip(first, last), high.clip(first, last)


class RobustScale(NamedTuple):
    """u = (x - median) / interquartile range, then u / √(1 + (u/3)²): smooth, inside ±3."""

    centre: Array  #: (columns,)
    factor: Array  #: (columns,); 0 for a column without two different values

    @classmethod
    def learn(cls, columns: Sorted) -> RobustScale:
        """Learn from sorted columns."""
        low, q25, centre, q75, high = quantiles(columns, np.array([0.0, 0.25, 0.5, 0.75, 1.0])).T
        with np.errstate(over="ignore"):
            width = q75 - q25
            width = np.where(width > 0, width, 0.5 * (high - low))
        usable = (width > 0) & np.isfinite(width) & np.isfinite(1.0 / np.where(width > 0, width, 1))
        factor = np.divide(1.0, width, out=np.zeros_like(width), where=usable)
        return cls(np.where(np.isnan(centre), 0.0, centre), factor)

    def apply(self, numbers: Array) -> Array:
        """Return (columns, rows) scaled values, 0 for missing."""
        with np.errstate(over="ignore", invalid="ignore"):
            u = (numbers - self.centre[:, None]) * self.factor[:, None]
        return np.nan_to_num(smooth_clip(u), copy=False, nan=0.0)


def smooth_clip(u: Any) -> Array:
    """Return u / √(1 + (u/3)²)."""
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return np.where(np.abs(u) < 1e6, u / np.sqrt(1.0 + (u / 3.0) ** 2), 3.0 * np.sign(u))


class Bins(NamedTuple):
    """One column's bins; in each one a line rises from 0 at its left end to 1 at its right."""

    left: Array  #: (bins,)
    slope: Array  #: (bins,) 1 / width
    mean: Array  #: (bins,) of the training rows: it is taken off

    @classmethod
    def learn(cls, edges: Array, x: Array, weight: Array | None) -> Bins:
        """Learn from edges in rising order, and the rows of the column."""
        bins = cls(edges[:-1], 1.0 / np.diff(edges), np.zeros(len(edges) - 1))
        known = ~np.isnan(x)
        part = None if weight is None else weight[known]
        return bins._replace(mean=np.average(bins._lines(x[known]), axis=0, weights=part))

    def write(self, x: Array, out: Array) -> None:
        """Write (rows, bins) lines without their mean into ``out``, 0 for missing."""
        np.subtract(self._lines(x), self.mean, out, casting="same_kind")
        missing = np.isnan(x)
        if missing.any():
            out[missing] = 0.0

    def _lines(self, x: Array) -> Array:
        lines = (x[:, None] - self.left) * self.slope
        return np.clip(lines, 0.0, 1.0, out=lines)


def edges_of(columns: Sorted, n_bins: int) -> list[Array]:
    """Return the edges of each column's bins; fewer than three where a line says it all.

    They are quantiles, or the values themselves of a column that has no more than that.
    """
    probs = np.linspace(0.0, 1.0, n_bins + 1)
    found = []
    for k, quantile in enumerate(quantiles(columns, probs)):
        known = columns.values[k, : columns.counts[k]]
        if columns.cumulative.size and len(known):
            known = known[np.diff(columns.cumulative[k, : len(known)], prepend=0.0) > 0]
        is_new = np.diff(known) > 0
        if np.count_nonzero(is_new) <= n_bins:
            found.append(known[np.flatnonzero(np.r_[len(known) > 0, is_new])])
        else:
            found.append(np.unique(quantile))
    return [_apart(edges) for edges in found]


def _apart(edges: Array) -> Array:
    """Leave out edges that are too close for the slope between them to be a number."""
    with np.errstate(over="ignore", divide="ignore"):
        usable = np.isfinite(1.0 / np.diff(edges)) & np.isfinite(np.diff(edges))
    return edges if usable.all() else edges[:0]
