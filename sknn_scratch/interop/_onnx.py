"""From a fitted network to an ONNX graph, by way of skl2onnx."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from sknn_scratch.contracts import Array
from sknn_scratch.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.interop._extras import require
from sknn_scratch.interop._onnx_forms import Graph, form_of
from sknn_scratch.interop._onnx_inputs import (
    checked_dtype,
    initial_types,
    last_step,
    tensor,
    unwrapped,
    write_time_unit,
)
from sknn_scratch.interop._onnx_tables import encoded, side_by_side
from sknn_scratch.preprocessing import TabularPreprocessor

# --- From estimators to graphs.


def _asked(operator: Any) -> Any:
    """Return the dtype of results that ``to_onnx`` was asked for, or None."""
    return operator.scope_inst.get_options(operator.raw_operator, {"dtype": None})["dtype"]


def _precision(operator: Any) -> Any:
    """Return the dtype to compute in: as asked, the input's, or for integers the weights'."""
    if (asked := _asked(operator)) is not None:
        return np.dtype(asked)
    given = type(operator.inputs[0].type).__name__
    known = {"FloatTensorType": np.float32, "DoubleTensorType": np.float64}
    return np.dtype(known.get(given, operator.raw_operator.theta_.dtype))


def _input(g: Graph, operator: Any) -> str:
    """Return all inputs side by side, in the graph's precision."""
    return side_by_side(g, [g.cast(each.full_name, g.kind) for each in operator.inputs])


def _raw(g: Graph, estimator: Any, x: str) -> str:
    """Write the network; return the name of its raw outputs."""
    activations = [layer.activation for layer in estimator._network.layers]
    for W, b, f in zip(estimator.coefs_, estimator.intercepts_, activations, strict=True):
        z = g.op("Gemm", x, W, b)
        x = z if f is None else form_of(f)(f, g, z)
    return x


def _label_codes(g: Graph, estimator: Any, raw: str) -> str:
    """Return the numbers of the predicted classes, (rows,)."""
    if estimator.n_outputs_ > 1 or len(estimator.classes_) == 1:
        return g.op("ArgMax", raw, axis=1, keepdims=0)
    is_second = g.cast(g.op("Greater", raw, 0.0), g.integer)
    return g.op("Reshape", is_second, np.array([-1]))


def _labels(g: Graph, estimator: Any, raw: str) -> str:
    """Return the predicted labels as ``predict`` does."""
    if estimator._targets.task == "multilabel":
        return g.cast(g.op("Greater", raw, 0.0), g.integer)
    return g.op("Gather", _classes(estimator), _label_codes(g, estimator, raw), axis=0)


def _classes(estimator: Any) -> Array:
    """Return the labels in one of ONNX's types: booleans become 0 and 1."""
    return np.asarray(estimator.classes_).astype(np.int64 if _has_numbers(estimator) else str)


def _has_numbers(estimator: Any) -> bool:
    """Tell whether the labels are numbers or booleans."""
    return np.asarray(estimator.classes_).dtype.kind in "biuf"


def _probabilities(g: Graph, estimator: Any, raw: str) -> str:
    """Return the probabilities as ``predict_proba`` does."""
    loss = estimator._loss
    link = form_of(loss)
    if estimator._targets.task == "binary" and estimator.n_outputs_ == 1 and not loss.one_hot:
        if len(estimator.classes_) == 1:
            return g.op("Add", g.op("Mul", raw, 0.0), 1.0)
        raw = g.op("Concat", g.op("Neg", raw), raw, axis=1)
    return link(loss, g, raw)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = Graph(scope, container, _precision(operator))
    raw = _raw(g, estimator, _input(g, operator))
    label, probabilities = (output.full_name for output in operator.outputs)
    g._rename(_labels(g, estimator, raw), label)
    g._rename(_probabilities(g, estimator, raw), probabilities)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = Graph(scope, container, _precision(operator))
    raw = _raw(g, estimator, _input(g, operator))
    y_pred = g.cast(_linked(g, estimator, raw), g.kind)
    g._rename(y_pred, operator.outputs[0].full_name)


def _linked(g: Graph, estimator: Any, raw: str) -> str:
    """Return the predictions of a regressor; those in units of a scale in float64."""
    own, targets = form_of(estimator._loss)(estimator._loss, g, raw), estimator._targets
    if targets.scale is None:
        return own
    wide = g._of(np.float64)
    scaled = wide.op("Mul", wide.cast(own, wide.kind), targets.scale)
    return wide.op("Add", scaled, targets.location)


def _shape_classifier(operator: Any) -> None:
    estimator = operator.raw_operator
    many = estimator._targets.task == "multilabel"
    numbers = many or _has_numbers(estimator)
    n = len(estimator.classes_)
    operator.outputs[0].type = tensor("i8" if numbers else "U1", [None, n] if many else [None])
    operator.outputs[1].type = tensor(_precision(operator), [None, n])


def _shape_regressor(operator: Any) -> None:
    n = operator.raw_operator.n_outputs_
    operator.outputs[0].type = tensor(_precision(operator), [None, n])


# --- Tables.


def _precision_of_table(operator: Any) -> Any:
    """Return the dtype of results: as asked, float32 if all reals are, else float64."""
    if (asked := _asked(operator)) is not None:
        return np.dtype(asked)
    kinds = {type(variable.type).__name__ for variable in operator.inputs}
    is_single = "FloatTensorType" in kinds and "DoubleTensorType" not in kinds
    return np.dtype(np.float32 if is_single else np.float64)


def _sum_of_members(operator: Any, g: Graph, of_member: Any) -> str:
    """Return what members answer to the preprocessed rows, added up in float64."""
    single, members = g._of(np.float32), operator.raw_operator.estimators_
    x = encoded(g, operator)
    answers = [of_member(single, member, _raw(single, member, x)) for member in members]
    return g.op("Sum", *(g.cast(answer, g.kind) for answer in answers))


def _convert_tabular_classifier(scope: Any, operator: Any, container: Any) -> None:
    estimator, g = operator.raw_operator, Graph(scope, container, np.float64)
    total = _sum_of_members(operator, g, _probabilities)
    # Not ReduceSum, whose axes went from an attribute to an input.
    ones = np.ones((len(estimator.classes_), 1))
    p = g.op("Div", total, g.op("MatMul", total, ones))
    codes = g.op("ArgMax", p, axis=1, keepdims=0)
    label, probabilities = (output.full_name for output in operator.outputs)
    g._rename(g.op("Gather", _classes(estimator), codes, axis=0), label)
    g._rename(g.cast(p, g._of(_precision_of_table(operator)).kind), probabilities)


def _convert_tabular_regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator, g = operator.raw_operator, Graph(scope, container, np.float64)
    total = _sum_of_members(operator, g, _linked)
    y_pred = g.op("Div", total, float(len(estimator.estimators_)))
    if estimator.clip:
        low, high = (np.atleast_1d(limit) for limit in estimator.target_range_)
        y_pred = g.op("Min", g.op("Max", y_pred, low), high)
    kind = g._of(_precision_of_table(operator)).kind
    g._rename(g.cast(y_pred, kind), operator.outputs[0].full_name)


def _convert_preprocessor(scope: Any, operator: Any, container: Any) -> None:
    g = Graph(scope, container, np.float64)
    g._rename(encoded(g, operator), operator.outputs[0].full_name)


def _shape_tabular_classifier(operator: Any) -> None:
    estimator = operator.raw_operator
    n = len(estimator.classes_)
    operator.outputs[0].type = tensor("i8" if _has_numbers(estimator) else "U1", [None])
    operator.outputs[1].type = tensor(_precision_of_table(operator), [None, n])


def _shape_tabular_regressor(operator: Any) -> None:
    n = operator.raw_operator.estimators_[0].n_outputs_
    operator.outputs[0].type = tensor(_precision_of_table(operator), [None, n])


def _shape_preprocessor(operator: Any) -> None:
    operator.outputs[0].type = tensor("f4", [None, operator.raw_operator.n_features_out_])


#: What was asked of ``to_onnx``.
_OPTIONS = {"dtype": [None, "float32", "float64"]}
_CLASSIFIER_OPTIONS = _OPTIONS | {
    "zipmap": [True, False, "columns"],
    "output_class_labels": [False, True],
    "nocl": [False],
}
#: What is converted: class, its name in skl2onnx, shapes, nodes, options.
CONVERTERS: tuple[tuple[Any, ...], ...] = (
    (
        MLPClassifier,
        "SknnScratchMLPClassifier",
        _shape_classifier,
        _convert_classifier,
        _CLASSIFIER_OPTIONS,
    ),
    (MLPRegressor, "SknnScratchMLPRegressor", _shape_regressor, _convert_regressor, _OPTIONS),
    (
        TabularMLPClassifier,
        "SknnScratchTabularMLPClassifier",
        _shape_tabular_classifier,
        _convert_tabular_classifier,
        _CLASSIFIER_OPTIONS,
    ),
    (
        TabularMLPRegressor,
        "SknnScratchTabularMLPRegressor",
        _shape_tabular_regressor,
        _convert_tabular_regressor,
        _OPTIONS,
    ),
    (
        TabularPreprocessor,
        "SknnScratchTabularPreprocessor",
        _shape_preprocessor,
        _convert_preprocessor,
        None,
    ),
)


def register_converters() -> None:
    """Tell skl2onnx how our estimators are converted; importing ``sknn_scratch.onnx`` does it."""
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    for cls, name, shapes, nodes, options in CONVERTERS:
        skl2onnx.update_registered_converter(cls, name, shapes, nodes, options=options)


# --- The one function for users.

_WITH_DTYPE = tuple(cls for cls, *_, options in CONVERTERS if options)


def to_onnx(model: Any, X: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Return a fitted estimator or pipeline as an ONNX model.

    Classifiers have the outputs "label" and "probabilities", (rows, n_classes); regressors
    have one output of shape (rows, n_outputs), one column for a single target too.

    Parameters
    ----------
    model : fitted MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
        Or a pipeline or a search that ends in one of them, or a TabularPreprocessor.
    X : array or DataFrame of shape (n_samples, n_features)
        Some rows of the form that the model was fitted on: they tell the inputs' names and
        types. The graph of an array has one input, "X"; that of a DataFrame whose columns
        are transformed apart has one for each column, of shape (rows, 1). A tabular model
        takes strings as they are (any that was not in ``fit`` where they are missing), times as
        int64 milliseconds since 1970, and durations and times of day in seconds; integers of
        which some are missing, here or in ``fit``, and booleans of which X misses some, are
        real numbers, nan where they are missing. Where ``fit`` met times finer than
        milliseconds, all times are micro- or nanoseconds: ``metadata_props`` of the graph say
        so, and :func:`feed` follows.
    dtype : {"float32", "float64"}, default=None
        Precision of the results, and of the graph's real inputs: None is that of X, float64
        where X has no reals. Categories of real numbers of a tabular model keep X's precision.
    **options
        Passed on to ``skl2onnx.to_onnx``, such as ``target_opset``.

    Returns
    -------
    onnx_model : onnx.ModelProto
        ``SerializeToString()`` makes the bytes of a file of it.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    TypeError
        If X is sparse, a component has no ONNX form, a column's categories are of several
        types, or a column of X holds something else than in ``fit``.
    ValueError
        If X lacks columns of ``fit`` or has more, if a column is called as a result of the graph
        is ("label", "probabilities", "variable"), or if a search has no best estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.onnx import to_onnx
    >>> X = np.linspace(-1, 1, 50, dtype=np.float32)[:, None]
    >>> model = MLPRegressor(solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> graph = to_onnx(model, X)
    >>> import onnxruntime
    >>> session = onnxruntime.InferenceSession(graph.SerializeToString())
    >>> (y_pred,) = session.run(None, {"X": X})
    >>> bool(np.allclose(y_pred[:, 0], model.predict(X), atol=1e-5))
    True
    """
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    check_is_fitted(model)
    model = unwrapped(model)
    dtype = checked_dtype(dtype)
    types = initial_types(model, X, dtype)
    names = [name for name, _ in types]
    options["options"] = _with_own(options.get("options"), last_step(model), dtype)
    made = _with_names(skl2onnx.to_onnx(model, initial_types=types, **options), names)
    return write_time_unit(made, model)


def _with_own(options: Any, last: Any, dtype: Any) -> dict[Any, Any]:
    """Return skl2onnx's options for each step, with ours for the last unless they are given."""
    options = dict(options or {})
    own: dict[str, Any] = {"zipmap": False} if is_classifier(last) else {}
    if isinstance(last, _WITH_DTYPE):
        own["dtype"] = dtype
    own |= options.get(type(last), {}) | options.get(id(last), {})
    return options | {id(last): own} if own else options


def _with_names(made: Any, names: list[str]) -> Any:
    """Give the inputs of an ONNX model the names of columns, of which skl2onnx keeps letters."""
    graph = made.graph
    given = [each.name for each in graph.input]
    clashes = sorted(set(names).intersection(each.name for each in graph.output))
    if clashes:
        raise ValueError(
            f"Columns of X in to_onnx must not be called as results of the graph. Got {clashes}: "
            "rename them before fit."
        )
    new = dict(zip(given, names, strict=True))
    for each in graph.input:
        each.name = new[each.name]
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
    return made
