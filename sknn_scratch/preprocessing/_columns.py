"""Tables as columns: what kind each one is, and its values in one of three plain forms.

A column is a "number" (float64, nan for missing), a "category" (a list of levels, None for
missing) or a "time" (float64 days since 1970, nan for missing).  Frames are read through
narwhals, so that pandas, polars and others look alike; all else becomes an array.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_array

Array = NDArray[Any]
Kind = Literal["number", "category", "time"]
_SECONDS_PER_DAY = 86_400.0


class Columns(Protocol):
    """The columns of a table, by their place."""

    n_rows: int
    n_columns: int

    def name(self, k: int) -> Any:
        """Return the column's name, or its number where there are no names."""

    def kind(self, k: int) -> Kind:
        """Return what the column's type says that it is."""

    def is_text(self, k: int) -> bool:
        """Tell whether the column is of strings or of objects, and of no categorical type."""

    def numbers(self, places: Sequence[int]) -> Array:
        """Return (columns, rows) numbers."""

    def levels(self, k: int) -> list[Any]:
        """Return one level for each row."""

    def days(self, k: int) -> Array:
        """Return (rows,) days since 1970."""

    def dtype(self, k: int) -> np.dtype[Any]:
        """Return numpy's plain dtype for the column: that of floats where any is missing."""


class FrameColumns:
    """The columns of a frame."""

    def __init__(self, frame: Any) -> None:
        import narwhals as nw  # scikit-learn brings it

        self._nw, self._frame = nw, nw.from_native(frame, eager_only=True)
        self.names: list[str] = [str(name) for name in self._frame.columns]
        self._dtypes = list(self._frame.schema.values())
        self.n_rows, self.n_columns = self._frame.shape

    def name(self, k: int) -> Any:
        return self.names[k]

    def kind(self, k: int) -> Kind:
        column, nw = self._column(k), self._nw
        dtype = column.dtype
        if dtype.is_numeric() or dtype in (nw.Duration, nw.Time):
            return "number"
        if dtype in (nw.Date, nw.Datetime):
            return "time"
        if dtype == nw.Object or dtype == nw.Unknown:
            return kind_of_objects(self.levels(k), self.names[k])
        if dtype in (nw.List, nw.Struct, nw.Array, nw.Binary):
            raise TypeError(
                f"Column {self.names[k]!r} of X must hold numbers, booleans, categories, strings "
                f"or times. Got {dtype}: drop it, or turn it into such columns."
            )
        return "category"

    def is_text(self, k: int) -> bool:
        nw = self._nw
        return self._column(k).dtype in (nw.String, nw.Object, nw.Unknown)

    def numbers(self, places: Sequence[int]) -> Array:
        out = np.empty((len(places), self.n_rows))
        # Plain columns at once: a call for each would take most of the time of a few rows.
        is_plain = [self._is_plain(k) for k in places]
        plain = [k for k, at_once in zip(places, is_plain, strict=True) if at_once]
        if plain:
            out[is_plain] = self._frame[:, plain].to_numpy().T
        for row, k, done in zip(out, places, is_plain, strict=True):
            if not done:
                row[:] = self._numbers(k)
        infinite = np.flatnonzero(np.isinf(out).any(axis=1))
        if len(infinite):
            raise ValueError(_infinity(self.names[places[infinite[0]]]))
        return out

    def levels(self, k: int) -> list[Any]:
        column = self._column(k)
        return _with_none(column.to_list(), column.is_null().to_numpy())

    def days(self, k: int) -> Array:
        column, nw = self._column(k), self._nw
        if column.dtype in (nw.Object, nw.Unknown):
            return to_days(self.levels(k), self.names[k])
        if column.dtype == nw.Date:
            column = column.cast(nw.Datetime("ms"))
        if column.dtype != nw.Datetime:
            raise TypeError(
                f"Column {self.names[k]!r} of X must hold times, as in fit. Got {column.dtype}."
            )
        return self._scaled(column.dt.timestamp("ms"), 1e-3 / _SECONDS_PER_DAY)

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
        """Tell whether a column holds integers or floats."""
        dtype = self._dtypes[k]
        return bool(dtype.is_integer() or dtype.is_float())

    def _numbers(self, k: int) -> Array:
        column, nw = self._column(k), self._nw
        if column.dtype == nw.Duration:
            return self._scaled(column.dt.total_milliseconds(), 1e-3)
        if column.dtype == nw.Time:
            levels = self.levels(k)
            return np.array([np.nan if t is None else _seconds(t) for t in levels])
        if column.dtype.is_numeric() or column.dtype == nw.Boolean:
            return self._scaled(column, 1.0)
        return to_numbers(self.levels(k), self.names[k])

    def _scaled(self, column: Any, factor: float) -> Array:
        """Return numbers times ``factor``, nan where they are missing."""
        missing = column.is_null().to_numpy()
        if missing.any():
            column = column.fill_null(0)
        values = np.array(column.to_numpy(), dtype=np.float64)
        values *= factor
        values[missing] = np.nan
        return values


class ArrayColumns:
    """The columns of an array."""

    def __init__(self, X: Array) -> None:
        self._X = X
        #: Whether columns may be of different types.
        self.is_mixed = X.dtype.kind == "O"
        self.n_rows, self.n_columns = X.shape

    def name(self, k: int) -> Any:
        return k

    def kind(self, k: int) -> Kind:
        letter = self._X.dtype.kind
        if letter in "iuf":
            return "number"
        if letter in "Mm":
            return "time" if letter == "M" else "number"
        return kind_of_objects(self.levels(k), k) if letter == "O" else "category"

    def is_text(self, k: int) -> bool:
        return self._X.dtype.kind in "OU"

    def numbers(self, places: Sequence[int]) -> Array:
        if self._X.dtype.kind in "iufb":
            return np.ascontiguousarray(self._X[:, list(places)].T, dtype=np.float64)
        if self._X.dtype.kind == "m":
            return _from_numpy_time(self._X[:, list(places)].T, "m8[ms]", 1e-3)
        out = [to_numbers(self.levels(k), k) for k in places]
        return np.array(out).reshape(len(out), self.n_rows)

    def levels(self, k: int) -> list[Any]:
        values = self._X[:, k].tolist()
        return _with_none(values, [_is_missing(value) for value in values])

    def days(self, k: int) -> Array:
        if self._X.dtype.kind == "O":
            return to_days(self.levels(k), k)
        return _from_numpy_time(self._X[:, k].astype("M8[ms]"), "M8[ms]", 1e-3 / _SECONDS_PER_DAY)

    def dtype(self, k: int) -> np.dtype[Any]:
        own = self._X.dtype
        return dtype_of_objects(self.levels(k)) if own.kind == "O" else own


def read(X: Any) -> FrameColumns | ArrayColumns:
    """Return the columns of a frame, or of whatever makes an array."""
    if is_frame(X):
        return FrameColumns(X)
    if not hasattr(X, "dtype") and not hasattr(X, "__array__"):
        plain = _plain(X)
        X = np.asarray(X, dtype=object) if plain.dtype.kind in "US" else plain
    return ArrayColumns(check_array(X, dtype=None, ensure_all_finite="allow-nan", input_name="X"))


def _plain(X: Any) -> Array:
    """Return nested sequences as an array: of objects, where rows or cells differ in length."""
    try:
        return np.asarray(X)
    except ValueError:
        return np.asarray(X, dtype=object)


def is_frame(X: Any) -> bool:
    """Tell whether X is a data frame that narwhals can read."""
    if isinstance(X, np.ndarray) or not hasattr(X, "columns"):
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


def kind_of_objects(levels: list[Any], name: Any) -> Kind:
    """Tell what a column without a type of its own holds."""
    known = [value for value in levels if value is not None]
    if all(isinstance(value, Real | Decimal) and not isinstance(value, bool) for value in known):
        return "number"
    if all(isinstance(value, date) for value in known):
        return "time"
    check_levels(known, name)
    return "category"


def dtype_of_objects(levels: list[Any]) -> np.dtype[Any]:
    """Return numpy's plain dtype for what a column without a type of its own holds."""
    known = [value for value in levels if value is not None]
    if not known:
        return np.dtype(object)
    if all(isinstance(value, date) for value in known):
        return np.dtype("M8[ms]")
    if not all(isinstance(value, Real | Decimal | np.bool_) for value in known):
        return np.dtype(object)
    if len(known) == len(levels):
        for kind, name in ((bool | np.bool_, "?"), (Integral, "i8")):
            if all(isinstance(value, kind) for value in known):
                return np.dtype(name)
    return np.dtype(np.float64)


def to_numbers(levels: list[Any], name: Any) -> Array:
    """Return levels as numbers, nan for None."""
    try:
        values = np.fromiter((np.nan if v is None else v for v in levels), float, len(levels))
    except (TypeError, ValueError) as error:
        check_levels(levels, name)
        raise ValueError(f"Column {name!r} of X must hold numbers, as in fit: {error}.") from error
    if np.isinf(values).any():
        raise ValueError(_infinity(name))
    return values


def _infinity(name: Any) -> str:
    """Return scikit-learn's message, with the column's name."""
    return (
        f"Input X contains infinity or a value too large for dtype('float64') in column {name!r}."
    )


def to_days(levels: list[Any], name: Any) -> Array:
    """Return dates and times as days since 1970, nan for None."""
    odd = next((v for v in levels if not (v is None or isinstance(v, date))), None)
    if odd is not None:
        check_levels(levels, name)
        raise TypeError(f"Column {name!r} of X must hold times, as in fit. Got {_shown(odd)}.")
    values = np.array([np.datetime64(_naive(v), "ms") for v in levels])
    return _from_numpy_time(values, "M8[ms]", 1e-3 / _SECONDS_PER_DAY)


def _naive(time: date | None) -> date | None:
    """Return a time of a time zone, which numpy does not know, as that of UTC."""
    if isinstance(time, datetime) and time.utcoffset() is not None:
        return time.astimezone(UTC).replace(tzinfo=None)
    return time


def categories(columns: Columns, k: int) -> list[Any]:
    """Return the levels of a column, which can be looked up."""
    levels = columns.levels(k)
    try:
        set(levels)
    except TypeError:
        check_levels(levels, columns.name(k))
        raise
    return levels


def check_levels(values: list[Any], name: Any) -> None:
    """Raise for a value that is no level of a category either, such as a list."""
    odd = next((value for value in values if not _is_level(value)), None)
    if odd is not None:
        # The end of the sentence is what scikit-learn's check_estimator asks of all estimators.
        raise TypeError(
            f"Column {name!r} of X must hold numbers, booleans, categories, strings or times. "
            f"Got {_shown(odd)}: drop the column, or turn it into such columns (argument must be "
            f"a string or a number, not {type(odd).__name__!r})."
        )


def _is_level(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return not isinstance(value, complex)


def _shown(value: Any) -> str:
    """Return a value for a message, in one line, with its type."""
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def _is_missing(value: Any) -> bool:
    """Tell whether it is None, nan, NaT or the like: what does not equal itself.

    pandas' NA is neither equal nor unequal to itself: the comparison gives NA, too.
    """
    if value is None:
        return True
    equal = value == value
    return not equal if isinstance(equal, bool | np.bool_) else equal is value


def _with_none(values: list[Any], missing: Any) -> list[Any]:
    """Return values with None for what is missing; nan, too."""
    return [
        None if gone or (isinstance(value, float) and value != value) else value
        for value, gone in zip(values, missing, strict=True)
    ]


def _from_numpy_time(values: Array, unit: str, factor: float) -> Array:
    """Return times as float64 in other units, nan for NaT."""
    out = values.astype(unit).astype(np.int64) * factor
    out[np.isnat(values)] = np.nan
    return out


def _seconds(time: Any) -> float:
    """Return a time of day in seconds."""
    return float(time.hour * 3600 + time.minute * 60 + time.second + time.microsecond * 1e-6)
