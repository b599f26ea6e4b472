"""Inputs of a graph: name, type and width of each, determined before any node is added.

A tabular preprocessor determines the kinds of columns; the rows passed to ``to_onnx`` only
select among the types for each kind.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import Pipeline

from sknn_scratch.estimators import TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.inspection._access import passed_on
from sknn_scratch.interop._extras import require
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._calendar import PER_DAY, Unit
from sknn_scratch.preprocessing._columns import ArrayColumns, FrameColumns, read

DType = np.dtype[Any]
Input = tuple[str, DType, int]
_F4, _F8, _I8, _TEXT = np.dtype("f4"), np.dtype("f8"), np.dtype("i8"), np.dtype("U1")
#: Metadata key of a graph for the unit of its datetimes, if not milliseconds.
_TIME_UNIT = "sknn_scratch.time_unit"
#: Contents of columns, and the kinds of numpy dtypes that can hold them.
_HOLDING = {"numbers": "biufm", "times": "M", "strings": "OUS"}
#: Types of categories, from narrow to wide, with their dtypes.
_LEVELS: tuple[tuple[Any, str], ...] = (
    (str, "U1"),
    (bool | np.bool_, "?"),
    (Integral, "i8"),
    (Real | np.bool_, "f8"),
)


# --- All models.


def tensor(dtype: Any, shape: list[Any]) -> Any:
    """Return the skl2onnx type of a tensor."""
    types = require("skl2onnx.common.data_types", "onnx", "sknn_scratch.onnx")
    kinds = {"f4": types.FloatTensorType, "f8": types.DoubleTensorType}
    kinds |= {"i8": types.Int64TensorType, "b1": types.BooleanTensorType}
    return kinds.get(np.dtype(dtype).str[1:], types.StringTensorType)(shape)


def checked_dtype(dtype: Any) -> str | None:
    """Return the name of the requested dtype."""
    if dtype is None:
        return None
    name = dtype.__name__ if isinstance(dtype, type) else str(dtype)
    if name in ("float32", "float64"):
        return name
    raise ValueError(
        f"dtype of to_onnx must be 'float32', 'float64' or None. Got {dtype!r}: leave it out to "
        "use that of X."
    )


def initial_types(model: Any, X: Any, dtype: str | None) -> list[tuple[str, Any]]:
    """Return the names and types of the inputs of the graph."""
    if issparse(X):
        raise TypeError(
            "X of to_onnx must be dense, as ONNX runtimes do not support sparse inputs. Got "
            f"{type(X).__name__}: pass some rows as X[:10].toarray(), and feed dense rows."
        )
    asked = None if dtype is None else np.dtype(dtype)
    return types_of(_inputs(model, X, asked))


def types_of(inputs: list[Input]) -> list[tuple[str, Any]]:
    """Return the names of inputs with their skl2onnx types."""
    return [(name, tensor(kind, [None, width])) for name, kind, width in inputs]


def _inputs(model: Any, X: Any, asked: DType | None) -> list[Input]:
    first = first_step(model)
    if is_tabular(first):
        return of_table(first, X, asked)
    _check_width(model, X)
    if hasattr(X, "columns") and _splits_columns(model):
        return [(str(name), _input_dtype(kind, asked), 1) for name, kind in X.dtypes.items()]
    array = np.asarray(X)
    return [("X", _input_dtype(array.dtype, asked), array.shape[1])]


def _check_width(model: Any, X: Any) -> None:
    """Raise ValueError unless X has two dimensions, and as many columns as in ``fit``."""
    shape = X.shape if hasattr(X, "shape") else np.asarray(X, dtype=object).shape
    n = getattr(model, "n_features_in_", None)
    if len(shape) != 2 or shape[1] != (shape[1] if n is None else n):
        raise _unfit_width(n, None if X is None else tuple(shape))


def _unfit_width(n: int | None, shape: tuple[int, ...] | None) -> ValueError:
    width = "the columns of fit" if n is None else f"{n} column(s), as in fit"
    now = "None" if shape is None else f"the shape {shape}"
    return ValueError(
        f"X of to_onnx must be rows of {width}. Got {now}: pass some rows of the data that the "
        "model was fitted on."
    )


def _input_dtype(kind: Any, asked: DType | None) -> DType:
    """Return the dtype of an input of scikit-learn's steps, with booleans as integers."""
    if not isinstance(kind, np.dtype):
        return _TEXT
    if kind.kind in "fm":
        return asked or _real(kind)
    return _I8 if kind.kind in "biuM" else _TEXT


def _real(kind: DType) -> DType:
    """Return the dtype of a real input: float32 if that is sufficient, else float64."""
    return _F4 if kind.kind == "f" and kind.itemsize <= _F4.itemsize else _F8


# --- Steps of a model.


def unwrapped(model: Any) -> Any:
    """Return the best estimator of a search, a frozen estimator, or the model itself."""
    if hasattr(model, "cv_results_") and not hasattr(model, "best_estimator_"):
        raise ValueError(
            f"The model of to_onnx must have a best estimator. Got a {type(model).__name__} with "
            "refit=False: fit it with refit=True, or pass an estimator that you have fitted with "
            "its best_params_."
        )
    inside = None if isinstance(model, Pipeline) else passed_on(model)
    return model if inside is None else unwrapped(inside)


def first_step(model: Any) -> Any:
    """Return the first step of a pipeline, or the model itself."""
    model = unwrapped(model)
    return first_step(model.steps[0][1]) if isinstance(model, Pipeline) else model


def last_step(model: Any) -> Any:
    """Return the last step of a pipeline, or the model itself."""
    model = unwrapped(model)
    inside = passed_on(model)
    return model if inside is None else last_step(inside)


def is_tabular(model: Any) -> bool:
    """Return True if an estimator accepts mixed-type tables."""
    return isinstance(model, TabularPreprocessor | TabularMLPClassifier | TabularMLPRegressor)


def _splits_columns(model: Any) -> bool:
    """Return True if a pipeline transforms columns separately."""
    steps = model.steps if isinstance(model, Pipeline) else [("", model)]
    return any(isinstance(step, ColumnTransformer) for _, step in steps)


# --- Tables.


def of_table(model: Any, X: Any, asked: DType | None) -> list[Input]:
    """Return the inputs of a table: one for an array of a single type, else one per column."""
    own = getattr(model, "preprocessor_", model)
    columns = read(X, "to_onnx")
    places = _places(own, columns)
    kinds = [_column_dtype(own, k, columns, place, asked) for k, place in enumerate(places)]
    is_plain = isinstance(columns, ArrayColumns) and not columns.is_mixed
    if is_plain and len({kind == _TEXT for kind in kinds}) == 1:
        return [("X", np.result_type(*kinds), len(kinds))]
    names = list(getattr(model, "feature_names_in_", [])) or [columns.label(k) for k in places]
    return [(name, kind, 1) for name, kind in zip(names, kinds, strict=True)]


def _places(own: Any, columns: FrameColumns | ArrayColumns) -> list[int]:
    """Return the positions in X of the columns of ``fit``, by name if both have names."""
    place = {name: k for k, name in enumerate(columns.names or [])}
    names = own._names if place else None
    absent = [name for name in names or [] if name not in place]
    if absent:
        raise ValueError(
            f"X of to_onnx must have all columns of fit. Got none for {absent}: pass some rows of "
            "the data that the model was fitted on."
        )
    if columns.n_columns != own.n_features_in_:
        raise _unfit_width(own.n_features_in_, (columns.n_rows, columns.n_columns))
    return [place[name] for name in names] if names else list(range(columns.n_columns))


def _column_dtype(
    own: Any, k: int, columns: FrameColumns | ArrayColumns, place: int, asked: DType | None
) -> DType:
    """Return the dtype of the input of a column, given its kind in ``fit``."""
    x = columns.dtype(place)
    levels = dict(own._levels).get(k)
    of_levels = None if levels is None else _dtype_of_levels(list(levels.codes))
    kind = own.kinds_[k]
    if kind == "missing":
        return _category(None, x, asked)
    if kind == "category":
        content = None if of_levels is None else "strings" if of_levels == _TEXT else "numbers"
    else:
        content = f"{kind}s"
    if content and x.kind not in _HOLDING[content]:
        _check_missing(columns, place, content, x)
        x = _F8  # all values are missing
    if kind == "number":
        return _number(own, k, x, asked)
    if kind == "time":
        return _I8
    return _category(of_levels, x, asked)


def _check_missing(columns: Any, place: int, content: str, x: DType) -> None:
    """Raise TypeError if a column of another content than in ``fit`` has any values."""
    if any(level is not None for level in columns.levels(place)):
        now = next(words for words, letters in _HOLDING.items() if x.kind in letters)
        raise TypeError(
            f"Column {columns.name(place)!r} of X in to_onnx must hold {content}, as in fit. Got "
            f"{now}: pass some rows of the data that the model was fitted on."
        )


def _number(own: Any, k: int, x: DType, asked: DType | None) -> DType:
    """Return int64 for integers without missing values in X and in ``fit``, else a real dtype."""
    row = own._of_kind("number").index(k)
    was_whole = own.add_indicator and row not in own._indicated
    return _I8 if x.kind in "iu" and was_whole else asked or _real(x)


def _category(of_levels: DType | None, x: DType, asked: DType | None) -> DType:
    """Return the dtype of a categorical input; reals keep their precision, to be compared."""
    if of_levels == _TEXT or x.kind in "OUS":
        return _TEXT
    if x.kind in "fm":
        return np.promote_types(_real(x), asked or _F4)
    plain = np.dtype("?") if x.kind == "b" else _I8
    return plain if of_levels is None else np.promote_types(plain, of_levels)


def _dtype_of_levels(levels: Sequence[Any]) -> DType | None:
    """Return the dtype of all categories of a column, or None if they have several types."""
    for types, name in _LEVELS:
        if all(isinstance(level, types) for level in levels):
            return np.dtype(name)
    return None


# --- Unit of datetimes: milliseconds unless ``fit`` had finer ones.


def write_time_unit(made: Any, parts: Iterable[Any]) -> Any:
    """Store the unit of datetime inputs in a graph; ``parts`` are the estimators of a model."""
    unit = finest_time_unit(parts)
    if unit != "ms":
        made.metadata_props.add(key=_TIME_UNIT, value=unit)
    return made


def finest_time_unit(parts: Iterable[Any]) -> Unit:
    """Return the finest unit of the fitted preprocessors among the estimators of a model."""
    fitted = (each for each in parts if isinstance(each, TabularPreprocessor))
    units: set[Any] = {getattr(each, "_time_unit", "ms") for each in fitted}
    return max(units, key=list(PER_DAY).index, default="ms")


def time_unit_of(session: Any) -> str:
    """Return the unit that :func:`write_time_unit` stored."""
    if not hasattr(session, "get_modelmeta"):
        return "ms"
    return str(session.get_modelmeta().custom_metadata_map.get(_TIME_UNIT, "ms"))
