"""Check that a graph gives the results of its estimator on sample rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import suppress
from textwrap import shorten
from typing import Any

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array
from sknn_scratch.interop._extras import require
from sknn_scratch.interop._onnx_feed import feed
from sknn_scratch.interop._onnx_inputs import last_step

#: Tolerance for probabilities, and for other results relative to their range.
TOLERANCE = 1e-4
#: Rounding error of a result of size 1 in units of eps, and in float32 of a sum that is near 0.
_ULPS, _AT_ZERO = 32, 1e-6
#: With fewer rows than this, the range of the results is no measure of their precision.
_FEW_ROWS = 10
#: Replacement of missing strings, because "" is a category of many tables.
_NO_LEVEL = "\N{NULL}"


def compare(graph: Any, model: Any, X: Any, wants_scores: bool) -> None:
    """Raise RuntimeError if the graph's results for X are not the model's.

    ``wants_scores`` is true where the graph has scores in the place of probabilities.
    """
    session = _session(graph, model)
    inputs, expected = _both_sides(session, model, X, wants_scores)
    if not expected:
        return
    try:
        outputs = dict(zip(_names(session), session.run(None, inputs), strict=True))
    except Exception as error:
        raise _not_run(model, graph, error) from error
    faults = list(_faults(outputs, expected))
    if faults:
        raise RuntimeError(
            f"The graph of to_onnx must give the results of the {_name(model)}. Got "
            f"{' and '.join(faults)}: {_remedy(model, graph)}, or pass check=False for the graph "
            "without a check."
        )


# --- Both sides.


def _session(graph: Any, model: Any) -> Any:
    runtime = require("onnxruntime", "onnx", "The check of to_onnx (left out by check=False)")
    settings = runtime.SessionOptions()
    settings.intra_op_num_threads = 1
    settings.log_severity_level = 4  # errors are raised
    try:
        return runtime.InferenceSession(
            graph.SerializeToString(), settings, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise _not_run(model, graph, error) from error


def _not_run(model: Any, graph: Any, error: Exception) -> RuntimeError:
    return RuntimeError(
        f"The graph that skl2onnx makes of a {_name(model)} must run in onnxruntime. Got "
        f"{in_short(error)}: {_remedy(model, graph)}, or pass check=False to skip the check."
    )


def in_short(error: Exception) -> str:
    """Return an error of another library on one line."""
    return f"{type(error).__name__} ({shorten(str(error), 300)})"


def _names(session: Any) -> list[str]:
    return [each.name for each in session.get_outputs()]


def _both_sides(session: Any, model: Any, X: Any, wants_scores: bool) -> tuple[Any, Any]:
    """Return the inputs of the graph, and the results of the model, by name of the method.

    Return empty dicts if there are no rows, or if the model rejects X, for instance because a
    datetime column is missing entirely: such rows cannot be compared.
    """
    verbs = ["predict"] if hasattr(model, "predict") else ["transform"]
    if is_classifier(model):
        of_classes = ["predict_proba", "decision_function"][wants_scores:]
        verbs += [verb for verb in of_classes if hasattr(model, verb)][:1]
    with warnings.catch_warnings(), suppress(TypeError, ValueError):
        warnings.simplefilter("ignore")  # warnings about X are for calls of predict by the user
        inputs = feed(session, X, missing=_NO_LEVEL)
        if all(map(len, inputs.values())):
            return inputs, {verb: getattr(model, verb)(X) for verb in verbs}
    return {}, {}


# --- Differences.


def _faults(outputs: dict[str, Any], expected: dict[str, Any]) -> Iterator[str]:
    """Yield a description of the difference in each output."""
    (verb, first), *others = expected.items()
    name, *names = outputs
    scores = others[0] if others else ("", None)
    if not others and np.asarray(first).dtype.kind == "f":
        yield from _numbers_fault(name, outputs[name], verb, first)
    else:
        labels = first.toarray() if issparse(first) else np.asarray(first)
        yield from _labels_fault(outputs[name], labels, *scores)
    for verb, values in others:
        got = _matrix([outputs[each] for each in names], values)
        yield from _numbers_fault(names[0], got, verb, values)


def _matrix(outputs: list[Any], expected: Any) -> Any:
    """Return the scores of classes as one array, for any output format of skl2onnx."""
    first = outputs[0]
    if isinstance(expected, list):
        return np.concatenate(first, axis=1)
    if isinstance(first, list):
        return np.array([list(row.values()) for row in first])
    n = np.shape(expected)[-1]
    return np.column_stack(outputs[:n]) if np.ndim(first) == 1 and n > 1 else first


def _numbers_fault(name: str, got: Any, verb: str, expected: Any) -> Iterator[str]:
    if isinstance(expected, list):  # a matrix for each of several outputs
        expected = np.concatenate(expected, axis=1)
    dtype = np.result_type(expected, np.float32)
    y, got = np.asarray(expected, dtype=np.float64), np.asarray(got, dtype=np.float64)
    if verb == "decision_function" and y.ndim == 1 and got.shape[1:] == (2,):
        got = got[:, 1]
    if got.size != y.size or len(got) != len(y):
        yield f"{name!r} of shape {got.shape} where {verb} has {y.shape}"
        return
    columns = (len(y), -1) if verb != "transform" else (-1, 1)
    excess = _excess(got.reshape(columns), y.reshape(columns), verb, dtype)
    if excess > TOLERANCE:
        of_range = "" if verb == "predict_proba" else " of the range"
        yield (
            f"{name!r} that differ from {verb} by up to {excess:.2g}{of_range} (allowed: "
            f"{TOLERANCE:g})"
        )


def _excess(got: Array, y: Array, verb: str, dtype: np.dtype[Any]) -> float:
    """Return the largest difference of probabilities, or of other results relative to their range.

    Rounding error in ``dtype``, the precision of the estimator's results, is subtracted first.
    That of float32 is subtracted where the range of few or equal rows is not meaningful.
    """
    same = (got == y) | (np.isnan(got) & np.isnan(y))
    with quiet_floats():
        off = np.where(same, 0.0, np.nan_to_num(np.abs(got - y), nan=np.inf))
    if verb == "predict_proba":
        return float(off.max())
    finite = np.where(np.isfinite(y), y, 0.0)
    spread = np.ptp(finite, axis=0)
    is_measure = (spread > 0) & (len(y) >= _FEW_ROWS)
    eps = np.where(is_measure, np.finfo(dtype).eps, np.finfo(np.float32).eps)
    off = np.maximum(off - _ULPS * eps * np.abs(finite).max(axis=0) - _AT_ZERO, 0.0)
    return float((off / np.where(spread > 0, spread, 1.0)).max())


def _labels_fault(got: Any, expected: Array, verb: str, scores: Any) -> Iterator[str]:
    """Yield a description of labels that differ, except for ties between classes."""
    labels = np.asarray(got)
    if labels.size != expected.size:
        yield f"labels of shape {labels.shape} where predict has {expected.shape}"
        return
    labels = labels.reshape(expected.shape)
    if expected.dtype.kind not in "biuf":
        labels, expected = labels.astype(str), expected.astype(str)
    wrong = labels != expected
    if wrong.any() and scores is not None:
        wrong &= ~_ties(expected, verb, scores)
    if wrong.any():
        yield f"{wrong.sum()} of {wrong.size} labels that differ from predict"


def _ties(labels: Array, verb: str, scores: Any) -> Array:
    """Return a boolean for each label, True if two classes tie up to rounding error."""
    if isinstance(scores, list):
        return np.column_stack([_ties(labels[:, 0], verb, each) for each in scores])
    if labels.ndim == 2 or scores.ndim == 1:
        return np.abs(scores - 0.5 * (verb == "predict_proba")) <= TOLERANCE
    if scores.shape[1] == 1:
        return np.zeros(len(scores), dtype=bool)
    below, top = np.partition(scores, -2, axis=1)[:, -2:].T
    return top - below <= 2 * TOLERANCE


# --- Messages.


def _name(model: Any) -> str:
    """Return the class name of the predicting step."""
    return type(last_step(model)).__name__


def _remedy(model: Any, graph: Any) -> str:
    proto = require("onnx", "onnx", "sknn_scratch.onnx").TensorProto
    kinds = {each.type.tensor_type.elem_type for each in graph.graph.input}
    if type(last_step(model)).__module__.startswith("sknn_scratch."):
        if proto.FLOAT in kinds:
            return "pass dtype='float64', which keeps the digits of X"
        return "compare the results of the steps one by one"
    apart = "convert the fitted estimators inside it one by one"
    if kinds == {proto.INT64}:
        return f"pass X as real numbers, since skl2onnx mixes integers up with them, or {apart}"
    return f"skl2onnx writes a {_name(model)} in another way, so {apart}"
