"""Columns of tables: the kind of each column, and its values in one of three forms.

A column is a "number" (float64, nan for missing), a "category" (a list of values, None for
missing) or a "time" (numpy times, NaT for missing).  DataFrames are read through narwhals, which
unifies pandas, polars and others; everything else is converted to an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse
from sklearn.utils import check_array

from sknn_scratch._tables import TO_TABLE, in_memory, no_table
from sknn_scratch.preprocessing._objects import (
    Kind,
    check_levels,
    dtype_of_objects,
    forms,
    in_seconds,
    infinity,
    is_hashable,
    is_missing,
    kind_of_objects,
    not_times,
    shown,
    to_numbers,
    to_times,
    usual_unit,
    with_none,
)

Array = NDArray[Any]


class Columns(Protocol):
    """Columns of a table, by position."""

    n_rows: int
    n_columns: int

    @property
    def names(self) -> list[Any] | None:
        """Names of the columns, of any type; None for an array."""

    def name(self, k: int) -> Any:
        """Return the name of a column, or its number if columns have no names."""

    def label(self, k: int) -> str:
        """Return the name of a column as a unique string; x0, x1 ... without names."""

    def kind(self, k: int) -> Kind:
        """Return the kind of a column, from its type."""

    def is_text(self, k: int) -> bool:
        """Return True for columns of strings or objects, but not of a categorical type."""

    def missing(self, k: int) -> Array:
        """Return a boolean for each row, True if its value is missing."""

    def numbers(self, places: Sequence[int]) -> Array:
        """Return (columns, rows) numbers."""

    def levels(self, k: int) -> list[Any]:
        """Return the category of each row."""

    def times(self, k: int) -> Array:
        """Return (rows,) numpy times in UTC, in a unit from milliseconds to nanoseconds."""

    def dtype(self, k: int) -> np.dtype[Any]:
        """Return the numpy dtype for a column, a float type if integers are missing."""


class FrameColumns:
    """Columns of a DataFrame."""

    def __init__(self, frame: Any) -> None:
        import narwhals as nw  # scikit-learn brings it

        self._nw, self._frame = nw, nw.from_native(frame, eager_only=True)
        # Missing names do not equal any name, not even themselves.
        self.names = [None if is_missing(name) else name for name in self._frame.columns]
        self._dtypes = list(self._frame.schema.values())
        self.n_rows, self.n_columns = self._frame.shape

    def name(self, k: int) -> Any:
        return self.names[k]

    def label(self, k: int) -> str:
        return self._labels[k]

    @cached_property
    def _labels(self) -> list[str]:
        return labels(self.names)

    def kind(self, k: int) -> Kind:
        column, nw = self._column(k), self._nw
        dtype = column.dtype
        if dtype.is_numeric() or dtype in (nw.Duration, nw.Time):
            return "number"
        if dtype in (nw.Date, nw.Datetime):
            return "time"
        if dtype in (nw.Object, nw.Unknown):
            return kind_of_objects(self.levels(k), self.names[k])
        if dtype in (nw.List, nw.Struct, nw.Array, nw.Binary):
            raise TypeError(
                f"Column {self.names[k]!r} of X must hold numbers, booleans, categories, strings "
                f"or times. Got {dtype}: drop it, or convert it to such columns."
            )
        return "category"

    def is_text(self, k: int) -> bool:
        nw = self._nw
        return self._column(k).dtype in (nw.String, nw.Object, nw.Unknown)

    def missing(self, k: int) -> Array:
        column, nw = self._column(k), self._nw
        if column.dtype in (nw.Object, nw.Unknown):
            return np.array([level is None for level in self.levels(k)])
        gone = column.is_null()
        gone = gone | column.is_nan() if column.dtype.is_float() else gone
        return np.asarray(gone.to_numpy())

    def numbers(self, places: Sequence[int]) -> Array:
        out = np.empty((len(places), self.n_rows))
        # Convert plain columns at once: for few rows, calls for each would take most of the time.
        is_plain = [self._is_plain(k) for k in places]
        plain = [k for k, at_once in zip(places, is_plain, strict=True) if at_once]
        if plain:
            values = self._frame[:, plain].to_numpy()
            if values.dtype.kind == "O":  # Arrow types in pandas, with missing values
                values = np.stack([self._numbers(k) for k in plain], axis=1)
            out[is_plain] = values.T
        for row, k, done in zip(out, places, is_plain, strict=True):
            if not done:
                row[:] = self._numbers(k)
        infinite = np.flatnonzero(np.isinf(out).any(axis=1))
        if len(infinite):
            raise ValueError(infinity(self.names[places[infinite[0]]]))
        return out

    def levels(self, k: int) -> list[Any]:
        return with_none(self._column(k).to_list())

    def times(self, k: int) -> Array:
        column, nw = self._column(k), self._nw
        if column.dtype in (nw.Object, nw.Unknown):
            return to_times(self.levels(k), self.names[k])
        if column.dtype == nw.Date:
            column = column.cast(nw.Datetime("ms"))
        if column.dtype != nw.Datetime:
            raise TypeError(not_times(self.names[k], column.dtype))
        return np.asarray(usual_unit(column.to_numpy()))

    def dtype(self, k: int) -> np.dtype[Any]:
        column, nw = self._column(k), self._nw
        own = column.dtype
        if own in (nw.Date, nw.Datetime):
            return np.dtype("M8[ms]")
        if own == nw.String:
            return np.dtype(object)
        if own == nw.Boolean or own.is_integer():
            whole = np.dtype("?" if own == nw.Boolean else "i8")
            return np.dtype("f8") if column.null_count() else whole
        if own.is_numeric() or own in (nw.Duration, nw.Time):
            return np.dtype("f4" if own == nw.Float32 else "f8")
        return dtype_of_objects(self.levels(k))

    def _column(self, k: int) -> Any:
        return self._frame[:, k]

    def _is_plain(self, k: int) -> bool:
        """Return True for columns of integers or floats."""
        dtype = self._dtypes[k]
        return bool(dtype.is_integer() or dtype.is_float())

    def _numbers(self, k: int) -> Array:
        column, nw = self._column(k), self._nw
        if column.dtype == nw.Duration:
            return np.asarray(in_seconds(column.to_numpy()))
        if not (column.dtype.is_numeric() or column.dtype == nw.Boolean):
            return to_numbers(self.levels(k), self.names[k])
        missing = column.is_null().to_numpy()
        if missing.any():
            column = column.fill_null(0)
        values = np.array(column.to_numpy(), dtype=np.float64)
        values[missing] = np.nan
        return values


class ArrayColumns:
    """Columns of an array."""

    def __init__(self, X: Array) -> None:
        self._X = X
        #: Whether columns may be of different types.
        self.is_mixed = X.dtype.kind == "O"
        self.names: list[Any] | None = None
        self.n_rows, self.n_columns = X.shape

    def name(self, k: int) -> Any:
        return k

    def label(self, k: int) -> str:
        return f"x{k}"

    def kind(self, k: int) -> Kind:
        letter = self._X.dtype.kind
        if letter in "iuf":
            return "number"
        if letter in "Mm":
            return "time" if letter == "M" else "number"
        return kind_of_objects(self.levels(k), k) if letter == "O" else "category"

    def is_text(self, k: int) -> bool:
        return self._X.dtype.kind in "OUT"

    def missing(self, k: int) -> Array:
        column = self._X[:, k]
        if column.dtype.kind == "f":
            return np.isnan(column)
        if column.dtype.kind in "mM":
            return np.isnat(column)
        if column.dtype.kind in "OT":
            return np.array([level is None for level in self.levels(k)])
        return np.zeros(self.n_rows, dtype=bool)

    def numbers(self, places: Sequence[int]) -> Array:
        if self._X.dtype.kind in "iufb":
            return np.ascontiguousarray(self._X[:, list(places)].T, dtype=np.float64)
        if self._X.dtype.kind == "m":
            return np.ascontiguousarray(in_seconds(self._X[:, list(places)].T))
        out = [to_numbers(self.levels(k), k) for k in places]
        return np.array(out).reshape(len(out), self.n_rows)

    def levels(self, k: int) -> list[Any]:
        column = self._X[:, k]
        # tolist would convert numpy times with nanoseconds to integers.
        return with_none(list(column) if column.dtype.kind in "mM" else column.tolist())

    def times(self, k: int) -> Array:
        if self._X.dtype.kind == "O":
            return to_times(self.levels(k), k)
        if self._X.dtype.kind != "M":
            raise TypeError(not_times(k, self._X.dtype))
        return np.asarray(usual_unit(self._X[:, k]))

    def dtype(self, k: int) -> np.dtype[Any]:
        own = self._X.dtype
        return dtype_of_objects(self.levels(k)) if own.kind == "O" else own


# --- Conversion of X to columns.


def read(X: Any, owner: str = "TabularPreprocessor") -> FrameColumns | ArrayColumns:
    """Return the columns of a DataFrame, or of data that can be converted to an array.

    ``owner`` is the class or function that the user called, for error messages.
    """
    X = in_memory(X, owner)
    columns = FrameColumns(X) if is_frame(X) else ArrayColumns(_array(X, owner))
    for n, what in ((columns.n_rows, "sample"), (columns.n_columns, "feature")):
        if n == 0:
            raise ValueError(
                f"X of {owner} must have at least one row and one column. Got 0 {what}(s) "
                f"(shape={(columns.n_rows, columns.n_columns)}) while a minimum of 1 is required: "
                "check how they were selected."
            )
    return columns


def _array(X: Any, owner: str) -> Array:
    """Return X as an array of rows and columns."""
    array = X if issparse(X) else _plain(X)
    if not issparse(X):
        _check_shape(X, array, owner)
    how = {"ensure_all_finite": "allow-nan", "ensure_min_samples": 0, "ensure_min_features": 0}
    return np.asarray(check_array(array, dtype=None, input_name="X", estimator=owner, **how))


def _plain(X: Any) -> Any:
    """Return X as an array, of objects if nested sequences contain several types."""
    if isinstance(X, np.ma.MaskedArray):
        return _filled(X)
    if isinstance(X, np.ndarray):
        return np.asarray(X)  # also for np.matrix, which is always two-dimensional
    try:
        plain = np.asarray(X)
    except (TypeError, ValueError):  # no common type, or rows or cells of different lengths
        return _of_objects(X)
    if hasattr(X, "__array__") or plain.dtype.kind == "b":
        return plain
    is_plain = plain.dtype.kind in "iufc" and not _has_flags(X)
    return plain if is_plain else _of_objects(X)


def _of_objects(X: Any) -> Array:
    """Return nested sequences as an array of objects, or a scalar array for anything else."""
    try:
        return np.asarray(X, dtype=object)
    except (TypeError, ValueError):
        return np.array(None, dtype=object)


def _has_flags(X: Any) -> bool:
    """Return True if the first row has booleans, which numpy would convert to numbers."""
    first = X[0] if isinstance(X, list | tuple) and X else ()
    return isinstance(first, list | tuple) and "flag" in forms(first)


def _filled(X: Any) -> Array:
    """Return a masked array as an array with missing values in place of masked ones."""
    kind = X.dtype.kind
    if kind in "mM":
        return np.asarray(X.filled(X.dtype.type("NaT")))
    if kind in "iuf":
        return np.asarray(X.astype(np.float64).filled(np.nan))
    out = np.asarray(X.astype(object))
    out[np.ma.getmaskarray(X)] = None
    return out


def _check_shape(X: Any, array: Array, owner: str) -> None:
    """Raise ValueError unless an array has rows and columns, and no complex numbers."""
    if array.ndim == 2 and array.dtype.kind not in "cV":
        return
    now, remedy = f"an array of shape {array.shape}", _remedy(X, array)
    if array.ndim == 0 or array.dtype.kind == "V":
        now = "None" if X is None else shown(X)
    elif array.dtype.kind == "c":
        now = "complex numbers"
    raise ValueError(no_table(owner, now, remedy))


def _remedy(X: Any, array: Array) -> str:
    """Return the remedy for an X that is not a table."""
    if array.dtype.kind == "c":
        return "split it into real and imaginary parts (Complex data not supported)"
    is_row = array.ndim and array.dtype.kind != "V"
    if not is_row or any(isinstance(row, dict) for row in array.flat):
        return TO_TABLE
    if array.ndim > 2:
        return "Reshape your data, for example with X.reshape(len(X), -1)"
    if any(isinstance(row, list | tuple) for row in array):
        return "give all rows the same number of values"
    if hasattr(X, "to_frame"):
        return "Reshape your data with X.to_frame() if it is a single column"
    return (
        "Reshape your data with X.reshape(-1, 1) if it is a single column, or X.reshape(1, -1) if "
        "it is a single row"
    )


def is_frame(X: Any) -> bool:
    """Return True if X is a DataFrame that narwhals can read."""
    if isinstance(X, np.ndarray | list | tuple):
        return False
    import narwhals as nw

    try:
        native = nw.from_native(X, pass_through=True, eager_only=True)
    except nw.exceptions.DuplicateError as error:
        raise ValueError(_duplicates(X)) from error
    return isinstance(native, nw.DataFrame)


def _duplicates(frame: Any) -> str:
    names = list(getattr(frame, "column_names", frame.columns))  # the former are pyarrow's
    twice = sorted({repr(name) for name in names if names.count(name) > 1})
    return (
        "The columns of X must have different names. Got more than one of each of "
        f"{', '.join(twice)}: rename or drop some."
    )


def categories(columns: Columns, k: int) -> list[Any]:
    """Return the categories of the rows of a column, which are hashable."""
    levels = columns.levels(k)
    if not all(map(is_hashable, levels)):
        check_levels(levels, columns.name(k))
    return levels


def unique(names: Sequence[Any]) -> list[str]:
    """Return names as unique strings: a second "a" becomes "a_2", a third "a_3".

    A given name takes precedence over a generated one.
    """
    given = list(map(str, names))
    reserved, out = set(given), dict[str, None]()
    for name in given:
        new, n = name, 1
        while new in out or (n > 1 and new in reserved):
            n += 1
            new = f"{name}_{n}"
        out[new] = None
    return list(out)


def labels(names: Sequence[Any]) -> list[str]:
    """Return the names of columns as unique strings, independent of the order of the columns.

    Strings keep their names, so that 1 together with "1" becomes "1_2".
    """
    ranks = [(not isinstance(name, str), type(name).__name__, repr(name)) for name in names]
    order = sorted(range(len(names)), key=ranks.__getitem__)
    by_place = dict(zip(order, unique([names[k] for k in order]), strict=True))
    return [by_place[k] for k in range(len(names))]
