"""Checks of X, y, sample_weight and classes, whose error messages name the argument."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from functools import partial
from numbers import Number
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn import config_context
from sklearn.base import BaseEstimator, is_regressor
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import (
    check_array,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from sknn_scratch import _sample_weights
from sknn_scratch._floats import quiet_floats
from sknn_scratch._tables import in_memory, no_table
from sknn_scratch.contracts import Array
from sknn_scratch.fitting._params import Owner, OwnEstimator, name_of
from sknn_scratch.fitting._targets import as_labels
from sknn_scratch.fitting._types import Rows

FLOATS = (np.float64, np.float32)
#: Dtypes in which X is kept, in any byte order; X of another dtype is cast to the first of them.
KEPT = tuple(
    np.dtype(order + code)
    for code in ("f8", "f4", "f2", "?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8")
    for order in "=<>"
)
#: Contents of y that are no numbers, with remedies.
_REMEDIES = {
    "datetimes": "convert them to numbers, such as seconds with "
    "np.asarray(y, 'datetime64[s]').astype('int64')",
    "durations": "convert them to numbers, such as seconds with "
    "np.asarray(y, 'timedelta64[ns]') / np.timedelta64(1, 's')",
    "strings": "for class labels, use MLPClassifier or TabularMLPClassifier; for numbers, pass "
    "np.asarray(y, dtype=float)",
}
#: Errors of conversions of a table that has not only numbers.
_NO_NUMBERS = re.compile(
    "could not convert string to float|could not be promoted"
    "|not '(Timestamp|Timedelta|datetime|datetime.datetime|date|datetime.date|datetime.time"
    "|datetime.timedelta|Period|NAType|NaTType)'"
)
#: Number of rows of a mapped X that are checked together.
CHUNK_ROWS = 2**10


@contextmanager
def naming(name: str, owner: Owner) -> Iterator[None]:
    """Add the names of argument and estimator to messages that lack them.

    A message that names the argument, such as "y must be ...", lacks the estimator alone.
    The outermost call decides: an error of "y" inside is reported as one of "y_val".
    Arrays of other libraries are converted to numpy arrays, whatever scikit-learn's settings are.
    """
    own = name_of(owner)
    try:
        with quiet_floats(), config_context(array_api_dispatch=False):
            yield
    except OverflowError as error:
        raise ValueError(
            f"{name} of {own} must be within the range of float64. Got more ({error}): scale it."
        ) from error
    except (ValueError, TypeError) as error:
        if "value of NA is ambiguous" in str(error):  # pandas, where it should be a missing value
            raise ValueError(f"Input contains NaN (in {name} of {own})") from error
        message = re.sub(rf" \(in (\w+ of )?{own}\)$", "", str(error))
        is_named, is_own = (re.search(rf"\b{word}\b", message) for word in (name, own))
        if is_named and is_own:
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"{message} (in {own if is_named else f'{name} of {own}'})") from error


def is_mapped(X: Any) -> bool:
    """Return True if X, or the values of a CSR matrix, are mapped from a file."""
    part = X.data if issparse(X) and X.format == "csr" else X
    while isinstance(part, np.ndarray):
        if isinstance(part, np.memmap):
            return True
        part = part.base
    return False


def check_X(estimator: BaseEstimator, X: Any, reset: bool) -> Any:
    """Return X as real numbers, dense or CSR; ``reset`` sets the features.

    scikit-learn keeps number and names of features on the estimator.
    """
    check = partial(validate_data, estimator, y="no_validation", reset=reset)
    return _checked_X(name_of(estimator), X, is_regressor(estimator), check)


def check_rows(owner: str, X: Any, numeric: bool) -> Any:
    """Return X like :func:`check_X`, for rows whose features are known to be those of others."""
    return _checked_X(owner, X, numeric, partial(check_array, estimator=owner, input_name="X"))


@contextmanager
def _advising_tables(owner: str, numeric: bool) -> Iterator[None]:
    """Add remedies to errors about columns that are not numeric."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if not _NO_NUMBERS.search(str(error)):
            raise
        kind = TypeError if isinstance(error, TypeError) else ValueError
        found = str(error).partition(". ")[0]
        tabular = "TabularMLPRegressor" if numeric else "TabularMLPClassifier"
        raise kind(
            f"X of {owner} must hold numbers only. Got other values ({found}): encode them, for "
            f"example with sklearn.preprocessing.OneHotEncoder, or use {tabular}, which encodes "
            "strings, categories and datetimes."
        ) from error


def _checked_X(owner: str, X: Any, numeric: bool, check: Callable[..., Any]) -> Any:
    """Return X after a check of scikit-learn.

    Integers and float16 are not cast here, because all rows as floats may not fit into memory:
    rows are cast when they are used.
    """
    X = in_memory(X, owner)
    if _is_one_object(X):
        raise ValueError(no_table(owner, "None" if X is None else type(X).__name__))
    dtypes = getattr(X, "dtypes", ()) if getattr(X, "ndim", 2) == 2 else ()
    is_mixed = len(set(dtypes)) > 1  # pandas may make objects of such columns
    with naming("X", owner), _advising_tables(owner, numeric):
        X = check(X, accept_sparse=["csr", "csc"], dtype=FLOATS if is_mixed else KEPT)
    return X.tocsr() if issparse(X) else X


def _is_one_object(X: Any) -> bool:
    """Return True for an X that numpy takes for one object, such as a dict, a generator or None."""
    is_array = isinstance(X, list | tuple) or hasattr(X, "shape") or hasattr(X, "__array__")
    return not is_array and np.asarray(X, object).ndim == 0


def check_features(estimator: OwnEstimator, X: Any, given: Rows, reset: bool) -> tuple[Any, Rows]:
    """Return X, and validation data with an X of the same features."""
    X = check_X(estimator, X, reset=reset)
    if is_given(estimator, *given):
        with naming("X_val", estimator):
            given = given._replace(X=check_X(estimator, given.X, reset=False))
    return X, given


def check_X_fitted(estimator: OwnEstimator, X: Any) -> Any:
    """Return X for a fitted estimator."""
    if not hasattr(estimator, "theta_"):
        check_is_fitted(estimator)
    return X if _is_valid(estimator, X) else check_X(estimator, X, reset=False)


def _is_valid(estimator: OwnEstimator, X: Any) -> bool:
    """Return True if scikit-learn's checks would return X unchanged, at little cost.

    For few rows, these checks take longer than the network itself.  False if in doubt.
    """
    if (
        type(X) is not np.ndarray
        or X.dtype not in FLOATS
        or hasattr(estimator, "feature_names_in_")
    ):
        return False
    if X.ndim != 2 or len(X) == 0 or X.shape[1] != getattr(estimator, "n_features_in_", None):
        return False
    with quiet_floats():
        return bool(np.isfinite(X.sum()))


def check_y(owner: Owner, y: Any, X: Any, numeric: bool) -> Any:
    """Return y as a vector, or as a matrix with one column per target."""
    if y is None:
        raise ValueError(
            f"This {name_of(owner)} estimator requires y to be passed, but the target y is None."
        )
    if isinstance(y, str | bytes | Mapping | Set | Number):
        raise TypeError(
            f"The targets y of {name_of(owner)} must be an array, a list or a Series "
            f"of one target for each sample. Got {type(y).__name__}: pass a list of its values."
        )
    with naming("y", owner):
        original = y
        y = check_array(
            y,
            accept_sparse=False if numeric else "csr",
            ensure_2d=False,
            dtype=None,
            input_name="y",
            ensure_min_features=1,
        )
        if y.ndim == 0 or (y.ndim == 2 and y.shape[1] == 0):
            raise ValueError(f"y must hold one target per sample. Got shape {y.shape}.")
        check_consistent_length(X, y)
        y = _numbers(y) if numeric else _labels(y, original, "y")
        return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y


def _numbers(y: Array) -> Array:
    """Return y as real numbers."""
    content = _content(y)
    if y.dtype.kind == "O" and content in ("", "strings"):  # strings may be digits
        try:
            y, content = y.astype(np.float64), ""
        except (TypeError, ValueError) as error:
            raise ValueError(_no_numbers(content or f"others ({error})")) from error
    if content:
        raise ValueError(_no_numbers(content))
    if y.dtype.kind not in "biuf" or not np.isfinite(y).all():
        raise ValueError(f"y must be finite real numbers. Got dtype {y.dtype}.")
    return y


def _content(y: Array) -> str:
    """Return what y holds instead of numbers: a key of _REMEDIES, or '' for all else."""
    if y.dtype.kind != "O":
        kinds = {"M": "datetimes", "m": "durations", "U": "strings", "S": "strings"}
        return kinds.get(y.dtype.kind, "")
    # Here, because networks alone need nothing of the preprocessing of tables.
    from sknn_scratch.preprocessing._objects import forms

    values = y.ravel().tolist()
    found = forms(values)
    if "time" in found or "duration" in found:
        return "datetimes" if "time" in found else "durations"
    return "strings" if str in set(map(type, values)) else ""


def _no_numbers(content: str) -> str:
    """Return the message for y of a regressor that holds something else than numbers."""
    remedy = _REMEDIES.get(content, "convert them to numbers")
    return f"y must be finite real numbers. Got {content}: {remedy}."


def _labels(y: Any, original: Any, name: str) -> Any:
    """Return class labels in their original type."""
    if issparse(y):
        return y
    if y.dtype.kind == "U" and isinstance(original, list | tuple):
        # numpy converts numbers among strings to strings.
        as_labels(np.asarray(original, dtype=object), name)
    if y.dtype.kind == "f" and np.asarray(original).dtype.kind in "biuO":
        # scikit-learn converts nullable integers and booleans of pandas to floats.
        y = np.asarray(original)
    return as_labels(y, name)


def check_weight(owner: Owner, sample_weight: Any, X: Any, is_part: bool = False) -> Array | None:
    """Return the weights as floats; None stays None.  All of them may be 0 in part of the rows."""
    if sample_weight is None:
        return None
    with naming("sample_weight", owner):
        return _sample_weights.as_weight(sample_weight, X, is_part)


def check_classes(owner: Owner, classes: Any) -> Array | None:
    """Return the sorted classes; None stays None."""
    if classes is None:
        return None
    with naming("classes", owner):
        labels = _labels(column_or_1d(classes), classes, "classes")
        if labels.dtype.kind == "c" or (
            labels.dtype.kind == "f" and not np.array_equal(labels, np.rint(labels))
        ):
            raise ValueError(f"classes must be class labels. Got {classes!r}.")
        if len(labels) == 0:
            raise ValueError("classes must hold at least one class label. Got none.")
        known: Array = unique_labels(labels)
    return known


@quiet_floats()
def cast(owner: Owner, name: str, a: Any, dtype: Any) -> Any:
    """Return a in ``dtype``; raise if values are too large for it."""
    if a.dtype == dtype:
        return a
    out = a.astype(dtype)
    check_finite(owner, name, out)
    return out


def check_finite(owner: Owner, name: str, a: Any) -> None:
    """Raise ValueError if values were too large for their new dtype."""
    if not np.isfinite(a.data if issparse(a) else a).all():
        raise ValueError(
            f"{name} of {name_of(owner)} must be within the range of {a.dtype}, the "
            "dtype of its weights. Got larger values: scale them."
        )


def outside(
    owner: Owner,
    y: Array,
    loss: Any,
    wanted: str,
    remedy: str = "choose another loss or transform y",
) -> ValueError:
    """Return the error for targets outside of a range; ``loss`` as the user wrote it."""
    return ValueError(
        f"The targets y of {name_of(owner)} must be {wanted} with loss={loss!r}. Got values from "
        f"{y.min():g} to {y.max():g}: {remedy}."
    )


def cast_X(owner: Owner, X: Any, dtype: Any) -> Any:
    """Return X in ``dtype`` if that takes less memory; else unchanged, see :class:`Data`.

    To cast once saves time, but a copy as large as X may not fit into memory.  No copy is made of
    rows that are mapped from a file.
    """
    if X.dtype in KEPT and X.dtype.itemsize <= np.dtype(dtype).itemsize:
        return X  # only a larger dtype can hold numbers that overflow
    if not is_mapped(X):
        return cast(owner, "X", X, dtype)
    values = X.data if issparse(X) else X
    for start in range(0, len(values), CHUNK_ROWS):
        cast(owner, "X", values[start : start + CHUNK_ROWS], dtype)
    return X


def is_given(owner: Owner, X_val: Any, y_val: Any, weight: Any) -> bool:
    """Return True if validation data is given; raise ValueError if it is incomplete."""
    if X_val is None and y_val is None:
        if weight is not None:
            raise ValueError(
                f"sample_weight_val of {name_of(owner)} must come with X_val and y_val. "
                "Got it alone: pass them as well."
            )
        return False
    if X_val is None or y_val is None:
        missing = "X_val" if X_val is None else "y_val"
        raise ValueError(
            f"X_val and y_val of {name_of(owner)} must come together. {missing} is "
            "missing: pass both or none."
        )
    return True


def check_weight_sum(owner: Owner, weight: Array | None, part: str, name: str = "") -> None:
    """Raise ValueError unless the weights of a part of the data have a positive, finite sum.

    ``name`` is that of the parameters that they are made of; those of an estimator if empty.
    """
    both = getattr(owner, "class_weight", None) is not None
    name = name or ("sample_weight and class_weight" if both else "sample_weight")
    _sample_weights.check_sum(weight, part, name_of(owner), name)


@contextmanager
def speaking_for(owner: Owner, part: Owner) -> Iterator[None]:
    """Replace the name of a part in errors by that of the estimator that the user called."""
    try:
        yield
    except (ValueError, TypeError) as error:
        inner, outer = name_of(part), name_of(owner)
        error.args = tuple(re.sub(rf"\b{inner}\b", outer, str(arg)) for arg in error.args)
        raise
