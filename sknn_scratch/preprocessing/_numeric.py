"""Encoding of numeric columns: weighted quantiles, robust scaling, piecewise-linear encoding.

Arrays are (columns, rows), so that a column is contiguous; nan stands for missing.  Callers
enter ``quiet_floats``: what overflows is looked at, or clipped.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: Tolerance for quotients that are a whole number of rows.
_SLACK = 1e-9


class Sorted(NamedTuple):
    """Sorted values of a column, without missing values and values of zero weight."""

    values: Array  #: (rows,)
    cumulative: Array | None  #: (rows,) cumulative weights; None if all weights are 1

    def quantiles(self, probs: Array) -> Array:
        """Return quantiles; where the distribution function is flat, the middle.

        A weight of k is equivalent to k copies, and a common factor of all weights has no effect.
        """
        n = len(self.values)
        if not n:
            return np.full(len(probs), np.nan)
        if self.cumulative is None:
            exact, last = probs * n, n - 1
            low, high = np.ceil(exact - _SLACK) - 1, np.floor(exact + _SLACK)
        else:
            total = self.cumulative[-1]
            low = np.searchsorted(self.cumulative, (probs - _SLACK) * total, "left")
            high = np.searchsorted(self.cumulative, (probs + _SLACK) * total, "right")
            last = n - 1
        low, high = low.clip(0, last).astype(int), high.clip(0, last).astype(int)
        return np.asarray(0.5 * self.values[low] + 0.5 * self.values[high])

    def without(self, some: Array) -> Sorted:
        """Return the column without the given values."""
        keep = ~np.isin(self.values, some)
        if self.cumulative is None:
            return Sorted(self.values[keep], None)
        weight = np.diff(self.cumulative, prepend=0.0)
        return Sorted(self.values[keep], np.cumsum(weight[keep]))


def sort_columns(numbers: Array, weight: Array | None) -> list[Sorted]:
    """Return each column, sorted; a weight of k counts as k rows."""
    if weight is None:
        counts = np.count_nonzero(~np.isnan(numbers), axis=1)
        rows = zip(np.sort(numbers, axis=1), counts, strict=True)
        return [Sorted(values[:n], None) for values, n in rows]
    columns = []
    for values in numbers:
        kept = np.flatnonzero(~np.isnan(values) & (weight > 0))
        order = kept[np.argsort(values[kept], kind="stable")]
        columns.append(Sorted(values[order], np.cumsum(weight[order])))
    return columns


class RobustScale(NamedTuple):
    """Robust scaling u = (x - median) / interquartile range, with smooth clipping to ±3."""

    centre: Array  #: (columns,)
    factor: Array  #: (columns,); 0 for constant columns

    @classmethod
    def learn(cls, columns: list[Sorted]) -> RobustScale:
        """Return the scaling for sorted columns."""
        probs = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
        found = np.array([column.quantiles(probs) for column in columns]).reshape(-1, 5)
        low, q25, centre, q75, high = found.T
        width = q75 - q25
        width = np.where(width > 0, width, 0.5 * (high - low))
        usable = (width > 0) & np.isfinite(width) & np.isfinite(1.0 / np.where(width > 0, width, 1))
        factor = np.divide(1.0, width, out=np.zeros_like(width), where=usable)
        return cls(np.where(np.isnan(centre), 0.0, centre), factor)

    def apply(self, numbers: Array) -> Array:
        """Return (columns, rows) scaled values, 0 for missing."""
        u = (numbers - self.centre[:, None]) * self.factor[:, None]
        return np.nan_to_num(smooth_clip(u), copy=False, nan=0.0)


def smooth_clip(u: Any) -> Array:
    """Return u / √(1 + (u/3)²)."""
    return np.where(np.abs(u) < 1e6, u / np.sqrt(1.0 + (u / 3.0) ** 2), 3.0 * np.sign(u))


class Bins(NamedTuple):
    """Bins of one column, each with a line from 0 at its left edge to 1 at its right edge."""

    left: Array  #: (bins,)
    slope: Array  #: (bins,) 1 / width
    mean: Array  #: (bins,) means over the training rows, which are subtracted

    @classmethod
    def learn(cls, edges: Array, x: Array, weight: Array | None) -> Bins:
        """Return the bins for increasing edges and the rows of the column."""
        bins = cls(edges[:-1], 1.0 / np.diff(edges), np.zeros(len(edges) - 1))
        known = ~np.isnan(x)
        part = None if weight is None else weight[known]
        return bins._replace(mean=np.average(bins._lines(x[known]), axis=0, weights=part))

    def write(self, x: Array, out: Array) -> None:
        """Write (rows, bins) lines minus their means into ``out``, 0 for missing values."""
        np.subtract(self._lines(x), self.mean, out, casting="same_kind")
        missing = np.isnan(x)
        if missing.any():
            out[missing] = 0.0

    def _lines(self, x: Array) -> Array:
        lines = (x[:, None] - self.left) * self.slope
        return np.clip(lines, 0.0, 1.0, out=lines)


def edges_of(column: Sorted, n_bins: int) -> Array:
    """Return the edges of a column's bins; fewer than three if a single line is sufficient.

    The edges are quantiles, or the values themselves if the column has few different ones.  A
    value so frequent that several quantiles equal it is one edge.  The other edges are then
    quantiles of the other values, because most of a column may be zeros.
    """
    if not len(column.values):
        return column.values
    is_new = np.diff(column.values, prepend=np.nan) != 0
    if np.count_nonzero(is_new) <= n_bins + 1:
        return _apart(column.values[is_new])
    found = column.quantiles(np.linspace(0.0, 1.0, n_bins + 1))
    frequent = np.unique(found[1:][np.diff(found) == 0])
    if len(frequent):
        rest, n_left = column.without(frequent), n_bins - len(frequent)
        found = np.concatenate([frequent, rest.quantiles(np.linspace(0.0, 1.0, n_left + 1))])
    return _apart(np.unique(found))


def _apart(edges: Array) -> Array:
    """Return the edges, or none if some are too close for a finite slope between them."""
    usable = np.isfinite(1.0 / np.diff(edges)) & np.isfinite(np.diff(edges))
    return edges if usable.all() else edges[:0]
