"""Training data, and the batches gathered from it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg, weighting

#: Number of elements gathered at once, see :class:`Batches`.
AT_ONCE = 2**15


class Batch(NamedTuple):
    """Rows of one batch, in the compute dtype."""

    x: Any  #: (rows, n_features), dense or CSR
    y: Array  #: (rows, n_targets)
    weight: Array | None  #: (rows,) or (rows, n_targets)
    weight_sum: float


class Data(NamedTuple):
    """All rows, selected by a slice (usually without copying X) or by row numbers.

    ``y`` is (n_targets, n_samples) in the compute dtype, or a vector of class codes, which
    select columns of ``one_hot_rows``, the identity matrix, when a batch is gathered.  X may have
    another dtype; batches are then cast.  ``weight`` is (n_samples,), or (n_samples, n_targets)
    with 0 where a target is missing.
    """

    X: Any
    y: Array
    one_hot_rows: Array | None = None
    weight: Array | None = None

    @property
    def dtype(self) -> Any:
        """Compute dtype."""
        return (self.y if self.one_hot_rows is None else self.one_hot_rows).dtype

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def n_targets(self) -> int:
        """Number of columns of y passed to the loss."""
        return len(self.y if self.one_hot_rows is None else self.one_hot_rows)

    def batch(self, rows: Any) -> Batch:
        """Return the batch of the rows in a slice or an array of row numbers.

        Its targets and weights are read-only: of a slice, they are views of the user's arrays.
        """
        x = linalg.in_rows(self.X[rows].astype(self.dtype, copy=False))
        y = _read_only(self.columns(rows).T)
        weight = None if self.weight is None else _read_only(self.weight[rows])
        return Batch(x, y, weight, weighting.total(weight, len(y)))

    def weights(self, rows: Any) -> Array | None:
        """Return (rows,) or (rows, n_targets) weights; None if all are 1."""
        return None if self.weight is None else self.weight[rows]

    def targets(self, rows: Any) -> Array:
        """Return (rows, n_targets) targets."""
        return self.y[:, rows].T if self.one_hot_rows is None else self.one_hot_rows[self.y[rows]]

    def columns(self, rows: Any) -> Array:
        """Return (n_targets, rows) targets."""
        if self.one_hot_rows is not None:
            return self.one_hot_rows.take(self.y[rows], 1)
        return self.y[:, rows] if isinstance(rows, slice) else self.y.take(rows, 1)


class Batches:
    """Batches of an epoch, gathered several at a time.

    Gathering the rows of fifty small batches costs little more than gathering those of one.  A
    batch is valid until the next one is requested.
    """

    def __init__(self, data: Data, size: int) -> None:
        self.data, self.size = data, size
        self._is_dense = isinstance(data.X, np.ndarray)
        width = data.n_targets + data.X.shape[1]
        many = min(-(-data.n_samples // size), AT_ONCE // (size * width)) if self._is_dense else 1
        self._step = size * max(1, many)
        self._x = np.empty((self._step if self._is_dense else 0, data.X.shape[1]), data.dtype)
        self._y = np.empty(self._step * data.n_targets, data.dtype)
        self._known: dict[int, list[Batch]] = {}

    def in_order(self, order: Array) -> Iterator[Batch]:
        """Yield the batches of the rows with these numbers, in order."""
        for start in range(0, len(order), self._step):
            yield from self._gather(order[start : start + self._step])

    def _gather(self, index: Array) -> list[Batch]:
        """Copy rows into the buffers and return their batches."""
        batches = self._views(len(index))
        self._put_targets(self.data.columns(index))
        if self._is_dense:
            linalg.take_rows_into(self.data.X, index, self._x[: len(index)])
        else:
            x = self.data.X[index]
            x.data = x.data.astype(self.data.dtype, copy=False)  # astype of x copies its indices
            batches = [batches[0]._replace(x=x)]
        if self.data.weight is not None:
            batches = _weighted(batches, self.data.weight[index])
        return batches

    def _put_targets(self, columns: Array) -> None:
        """Copy (n_targets, n) targets, so that the targets of each batch are contiguous."""
        n_targets, n = columns.shape
        cut = n - n % self.size
        full = self._y[: cut * n_targets].reshape(-1, n_targets, self.size)
        full[...] = columns[:, :cut].reshape(n_targets, -1, self.size).transpose(1, 0, 2)
        self._y[cut * n_targets : n * n_targets].reshape(n_targets, -1)[...] = columns[:, cut:]

    def _views(self, n: int) -> list[Batch]:
        """Return the batches of ``n`` rows as views of the buffers, the same at every call."""
        if n not in self._known:
            self._known[n] = [self._view(k, min(k + self.size, n)) for k in range(0, n, self.size)]
        return self._known[n]

    def _view(self, start: int, stop: int) -> Batch:
        t, rows = self.data.n_targets, stop - start
        y = self._y[start * t : stop * t].reshape(t, rows).T
        return Batch(self._x[start:stop], y, None, float(rows))


def _read_only(a: Array) -> Array:
    view = a.view()
    view.flags.writeable = False
    return view


def _weighted(batches: list[Batch], weight: Array) -> list[Batch]:
    """Return consecutive batches with their weights."""
    ends = np.cumsum([len(batch.y) for batch in batches])[:-1]
    pairs = zip(batches, np.split(weight, ends), strict=True)
    return [b._replace(weight=w, weight_sum=weighting.total(w, len(w))) for b, w in pairs]
