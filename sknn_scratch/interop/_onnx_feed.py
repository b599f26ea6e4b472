"""Rows as a graph takes them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array
from sknn_scratch.interop._onnx_inputs import time_unit_of
from sknn_scratch.preprocessing._columns import ArrayColumns, FrameColumns, read

#: Numpy's dtypes by the names of ONNX's.
_DTYPES = {"float": np.float32, "double": np.float64, "int64": np.int64, "bool": np.bool_}


def feed(session: Any, X: Any, missing: str = "") -> dict[str, Array]:
    """Return rows as the inputs of a graph that :func:`to_onnx` made: what ``run`` takes.

    Times become milliseconds since 1970, or the finer unit that the graph asks for; durations and
    times of day become seconds.

    Parameters
    ----------
    session : onnxruntime.InferenceSession
        Or anything else with ``get_inputs``.
    X : DataFrame or array-like of shape (n_samples, n_features)
        With the columns that the inputs are named after; the columns of an array are x0, x1
        and so on, where the graph has an input for each.
    missing : str, default=""
        What stands for missing strings: any that was no level in ``fit``.

    Returns
    -------
    inputs : dict of str to ndarray
        (n_samples, 1) for each input of a column; (n_samples, n_features) for a single one.

    Raises
    ------
    ValueError
        If X lacks a column, or a value is missing where the graph's type has none for that.

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


def _kind(given: Any) -> str:
    """Return "int64" of an input of the type "tensor(int64)"."""
    return str(given.type).removeprefix("tensor(").removesuffix(")")


class _Form(NamedTuple):
    """How values go in that ONNX's types do not tell apart."""

    missing: str  #: what stands for a missing string
    time_unit: str  #: of times


def _fed(columns: FrameColumns | ArrayColumns, k: int, kind: str, form: _Form) -> Array:
    """Return a column (rows,) in one of ONNX's types."""
    if kind == "string":
        levels = [form.missing if level is None else str(level) for level in columns.levels(k)]
        return np.array(levels, dtype=object)
    if kind == "int64" and columns.dtype(k).kind == "M":
        return columns.times(k).astype(f"M8[{form.time_unit}]").astype(np.int64)
    if kind in ("float", "double"):
        with quiet_floats():  # what is far out is infinite: a graph's clip takes both
            return columns.numbers([k])[0].astype(_DTYPES[kind])
    levels = columns.levels(k)
    if None in levels:
        raise ValueError(
            f"Column {columns.name(k)!r} of X must have no missing values, as the graph takes it "
            f"as {kind}. Got some: pass rows with missing ones to to_onnx for a graph that knows "
            "them."
        )
    return np.array(levels, dtype=_DTYPES[kind])
