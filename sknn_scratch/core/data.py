"""The rows to train on, and how a batch of them comes into the workspace."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core.linalg import take_columns_into, take_rows_into
from sknn_scratch.core.workspace import Rows


class Batch(NamedTuple):
    """A few rows, in the compute dtype."""

    x: Any  #: (rows, n_features), dense or CSR
    y: Array  #: (rows, n_targets)
    weight: Array | None  #: (rows,)
    weight_sum: float


class Data(NamedTuple):
    """All rows.  A batch is chosen by a slice (views, no copies) or by row numbers.

    ``y`` is (n_targets, n_samples) in the compute dtype; or a vector of class codes, which
    become rows of ``unit``, the unit matrix, batch by batch.
    """

    X: Any
    y: Array
    unit: Array | None = None
    weight: Array | None = None

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return int(self.X.shape[0])

    @property
    def n_targets(self) -> int:
        """Number of columns of y that a loss sees."""
        return len(self.y if self.unit is None else self.unit)

    def batch(self, rows: Any, into: Rows) -> Batch:
        """Return the rows named by a slice or an array of row numbers."""
        y = self._targets(rows, into.y)
        if self.weight is None:
            return Batch(self._inputs(rows, into.x), y, None, float(len(y)))
        weight = (
            self.weight[rows]
            if isinstance(rows, slice)
            else take_rows_into(self.weight, rows, into.weight)
        )
        return Batch(self._inputs(rows, into.x), y, weight, float(weight.sum()))

    def targets(self, rows: Any) -> Array:
        """Return (rows, n_targets) targets."""
        return self.y[:, rows].T if self.unit is None else self.unit[self.y[rows]]

    def _inputs(self, rows: Any, out: Array) -> Any:
        if isinstance(self.X, np.ndarray) and not isinstance(rows, slice):
            return take_rows_into(self.X, rows, out)
        return self.X[rows]

    def _targets(self, rows: Any, out: Array) -> Array:
        if self.unit is not None:
            codes = self.y[rows] if isinstance(rows, slice) else self.y.take(rows)
            return take_columns_into(self.unit, codes, out.T).T
        if isinstance(rows, slice):
            return self.y[:, rows].T
        return take_columns_into(self.y, rows, out.T).T
