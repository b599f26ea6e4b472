"""Conversion of rows to the inputs of a graph."""

from typing import Any, NamedTuple

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array
from sknn_scratch.interop._onnx_inputs import time_unit_of
from sknn_scratch.preprocessing._columns import ArrayColumns, FrameColumns, read

#: Numpy dtypes by the names of ONNX types.
_DTYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "bool": np.bool_}


def feed(session: Any, X: Any, missing: str = "") -> dict[str, Array]:
    """Convert rows to the inputs of a graph that :func:`to_onnx` returned, for ``run``.

    Datetimes are converted to milliseconds since 1970, or to the finer unit that the graph
    requires. Durations and times of day are converted to seconds.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Session, or another object with the method ``get_inputs``.
    X : DataFrame or array-like of shape (n_samples, n_features)
        Rows with the columns that the inputs are named after. If the graph has one input per
        column, the columns of an array are x0, x1 and so on.
    missing : str, default=""
        Replacement of missing strings, which must not be a category in ``fit``.

    Returns
    -------
    inputs : dict of str to ndarray
        Arrays (n_samples, 1) for inputs of one column, (n_samples, n_features) for a single
        input.

    Raises
    ------
    ValueError
        If X lacks a column, or a value is missing that the type in the graph cannot represent.

    Examples
    --------
    >>> import onnxruntime, pandas as pd
    >>> from sknn_scratch.preprocessing import TabularPreprocessor
    >>> from sknn_scratch.onnx import feed, to_onnx
    >>> X = pd.DataFrame({"size": [1.0, 2.0, None], "kind": ["a", "b", None]})
    >>> graph = to_onnx(TabularPreprocessor(n_bins=0).fit(X), X)
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> inputs = feed(session, X)
    >>> inputs["kind"].ravel().tolist()
    ['a', 'b', '']
    >>> session.run(None, inputs)[0].shape
    (3, 3)
    """
    inputs, columns = session.get_inputs(), read(X, "feed")
    form = _Form(missing, time_unit_of(session))
    places = [columns.label(k) for k in range(columns.n_columns)]
    if len(inputs) == 1 and (columns.names is None or inputs[0].name not in places):
        kind = _kind(inputs[0])
        every = [_fed(columns, k, kind, form) for k in range(columns.n_columns)]
        return {inputs[0].name: np.stack(every, axis=1)}
    absent = [each.name for each in inputs if each.name not in places]
    if absent:
        raise ValueError(
            f"X of feed must have a column for each input of the graph. Got none for {absent}: "
            "pass rows with the columns that the model was fitted on."
        )
    return {
        each.name: _fed(columns, places.index(each.name), _kind(each), form)[:, None]
        for each in inputs
    }


def _kind(declared: Any) -> str:
    """Return "int64" for an input of type "tensor(int64)"."""
    return str(declared.type).removeprefix("tensor(").removesuffix(")")


class _Form(NamedTuple):
    """Representation of values that ONNX types do not determine."""

    missing: str  #: replacement of missing strings
    time_unit: str  #: unit of datetimes


def _fed(columns: FrameColumns | ArrayColumns, k: int, kind: str, form: _Form) -> Array:
    """Return a column (rows,) in an ONNX type."""
    if kind == "string":
        levels = [form.missing if level is None else str(level) for level in columns.levels(k)]
        return np.array(levels, dtype=object)
    if kind == "int64" and columns.dtype(k).kind == "M":
        return columns.times(k).astype(f"M8[{form.time_unit}]").astype(np.int64)
    if kind in ("float", "double"):
        with quiet_floats():  # overflow to infinity, which the graph clips
            return columns.numbers([k])[0].astype(_DTYPES[kind])
    levels = columns.levels(k)
    if None in levels:
        raise ValueError(
            f"Column {columns.name(k)!r} of X must have no missing values, because the graph "
            f"declares it as {kind}. Got some: pass rows with missing values to to_onnx for a "
            "graph that supports them."
        )
    return np.array(levels, dtype=_DTYPES[kind])
