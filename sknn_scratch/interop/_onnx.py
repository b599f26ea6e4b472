"""Conversion of fitted networks to ONNX graphs, with skl2onnx."""

from traceback import walk_tb
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from sknn_scratch.contracts import Array
from sknn_scratch.core.probe import link_writer
from sknn_scratch.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.interop import _onnx_check as checks
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
from sknn_scratch.interop._onnx_meta import inner, register_holders, score_options
from sknn_scratch.interop._onnx_packed import packed, register_packed, step_before
from sknn_scratch.interop._onnx_tables import encoded, side_by_side
from sknn_scratch.preprocessing import TabularPreprocessor

# --- Networks.


def _asked(operator: Any) -> Any:
    """Return the dtype of results requested from ``to_onnx``, or None."""
    return operator.scope_inst.get_options(operator.raw_operator, {"dtype": None})["dtype"]


def _precision(operator: Any) -> Any:
    """Return the dtype to compute in: as requested, of the input, or for integers of weights."""
    if (asked := _asked(operator)) is not None:
        return np.dtype(asked)
    kind = type(operator.inputs[0].type).__name__
    known = {"FloatTensorType": np.float32, "DoubleTensorType": np.float64}
    return np.dtype(known.get(kind, operator.raw_operator.theta_.dtype))


def _input(g: Graph, operator: Any) -> str:
    """Return all inputs, concatenated, in the precision of the graph."""
    return side_by_side(g, [g.cast(each.full_name, g.kind) for each in operator.inputs])


def _raw(g: Graph, estimator: OwnEstimator, x: str) -> str:
    """Add the nodes of the network; return the name of its raw outputs."""
    activations = [layer.activation for layer in estimator._network.layers]
    for W, b, f in zip(estimator.coefs_, estimator.intercepts_, activations, strict=True):
        z = g.op("Gemm", x, W, b)
        x = z if f is None else form_of(f)(f, g, z)
    return x


def _label_codes(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the numbers of the predicted classes, (rows,)."""
    one_each = raw if len(estimator.classes_) == 1 else _per_class(g, estimator, raw)
    return g.op("ArgMax", one_each, axis=1, keepdims=0)


def _per_class(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return raw outputs with one column for each class, like ``Link.per_class``."""
    n = estimator.n_outputs_
    is_complete = estimator._loss.link.n_columns(n) == n
    return raw if is_complete else g.op("Concat", g.op("Neg", raw), raw, axis=1)


def _labels(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the predicted labels, like ``predict``."""
    if estimator._targets.task == "multilabel":
        return g.cast(g.op("Greater", raw, 0.0), g.integer)
    return g.op("Gather", _classes(estimator), _label_codes(g, estimator, raw), axis=0)


def _classes(estimator: OwnEstimator) -> Array:
    """Return the labels in an ONNX type; booleans become 0 and 1."""
    return np.asarray(estimator.classes_).astype(np.int64 if _has_numbers(estimator) else str)


def _has_numbers(estimator: OwnEstimator) -> bool:
    """Return True if the labels are numbers or booleans."""
    return np.asarray(estimator.classes_).dtype.kind in "biuf"


def _probabilities(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the probabilities, like ``predict_proba``."""
    task = estimator._targets.task
    if len(estimator.classes_) == 1 and task == "binary":
        return g.op("Add", g.op("Mul", raw, 0.0), 1.0)
    return _link(g, estimator, raw if task == "multilabel" else _per_class(g, estimator, raw))


def _link(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the results of the inverse link, as the loss or its link computes it."""
    writer = link_writer(estimator._loss)
    return form_of(writer)(writer, g, raw)


def _scores(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the scores, like ``decision_function``, for two classes as [-score, score].

    For two classes, skl2onnx's converters of meta-estimators read the second column.
    """
    if estimator._targets.task != "binary" or len(estimator.classes_) == 1:
        return raw
    if estimator.n_outputs_ == 1:
        return _per_class(g, estimator, raw)
    return g.op("MatMul", raw, _DIFFERENCES)


#: Matrix that maps two columns to [first - second, second - first].
_DIFFERENCES = np.array([[1.0, -1.0], [-1.0, 1.0]])


def _asks_scores(operator: Any, container: Any) -> bool:
    """Return True if the converter of a meta-estimator, or the user, requests raw scores.

    Some converters of skl2onnx set the option only in the container.
    """
    options = container.get_options(operator.raw_operator, {"raw_scores": False}, fail=False)
    return bool(options and options["raw_scores"])


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = Graph(scope, container, _precision(operator))
    raw = _raw(g, estimator, _input(g, operator))
    label, scores = (output.full_name for output in operator.outputs)
    g._rename(_labels(g, estimator, raw), label)
    of_classes = _scores if _asks_scores(operator, container) else _probabilities
    g._rename(of_classes(g, estimator, raw), scores)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = Graph(scope, container, _precision(operator))
    raw = _raw(g, estimator, _input(g, operator))
    y_pred = g.cast(_linked(g, estimator, raw), g.kind)
    g._rename(y_pred, operator.outputs[0].full_name)


def _linked(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the predictions of a regressor, in float64 if they are scaled."""
    own, targets = _link(g, estimator, raw), estimator._targets
    if targets.scale is None:
        return own
    wide = g._of(np.float64)
    scaled = wide.op("Mul", wide.cast(own, wide.kind), targets.scale)
    return wide.op("Add", scaled, targets.location)


def _shape_classifier(operator: Any) -> None:
    _shape_classes(operator, _precision(operator))


def _shape_classes(operator: Any, dtype: Any) -> None:
    """Set the types of labels, and of probabilities in the dtype."""
    estimator = operator.raw_operator
    many = estimator._targets.task == "multilabel"
    numbers = many or _has_numbers(estimator)
    n = len(estimator.classes_)
    operator.outputs[0].type = tensor("i8" if numbers else "U1", [None, n] if many else [None])
    operator.outputs[1].type = tensor(dtype, [None, n])


def _shape_regressor(operator: Any) -> None:
    n = operator.raw_operator.n_outputs_
    operator.outputs[0].type = tensor(_precision(operator), [None, n])


# --- Tables.


def _precision_of_table(operator: Any) -> Any:
    """Return the dtype of results: as requested, or float32 if all real inputs are, or float64."""
    if (asked := _asked(operator)) is not None:
        return np.dtype(asked)
    kinds = {type(variable.type).__name__ for variable in operator.inputs}
    is_single = "FloatTensorType" in kinds and "DoubleTensorType" not in kinds
    return np.dtype(np.float32 if is_single else np.float64)


def _sum_of_members(operator: Any, g: Graph, of_member: Any) -> str:
    """Return the sum over members of their results for the encoded rows, in float64."""
    single, members = g._of(np.float32), operator.raw_operator.estimators_
    x = encoded(g, operator)
    answers = [of_member(single, member, _raw(single, member, x)) for member in members]
    return g.op("Sum", *(g.cast(answer, g.kind) for answer in answers))


def _convert_tabular_classifier(scope: Any, operator: Any, container: Any) -> None:
    estimator, g = operator.raw_operator, Graph(scope, container, np.float64)
    label, scores = (output.full_name for output in operator.outputs)
    as_asked = _of_labels if estimator._targets.task == "multilabel" else _of_classes
    codes, found = as_asked(g, operator, _asks_scores(operator, container))
    g._rename(codes, label)
    g._rename(g.cast(found, g._of(_precision_of_table(operator)).kind), scores)


def _of_classes(g: Graph, operator: Any, asks_scores: bool) -> tuple[str, str]:
    """Return labels, and probabilities or scores of the classes."""
    estimator = operator.raw_operator
    total = _sum_of_members(operator, g, _probabilities)
    # Not ReduceSum, whose axes went from an attribute to an input.
    ones = np.ones((len(estimator.classes_), 1))
    p = g.op("Div", total, g.op("MatMul", total, ones))
    labels = g.op("Gather", _classes(estimator), g.op("ArgMax", p, axis=1, keepdims=0), axis=0)
    return labels, _log_odds(g, p, len(estimator.classes_)) if asks_scores else p


def _of_labels(g: Graph, operator: Any, asks_scores: bool) -> tuple[str, str]:
    """Return indicators of multilabel targets, and probabilities or scores of the labels."""
    estimator = operator.raw_operator
    n = len(estimator.classes_)
    total = _sum_of_members(operator, g, _proba_and_rest)
    own, rest = (g.op("Gather", total, np.arange(k, k + n), axis=1) for k in (0, n))
    p = g.op("Div", own, float(len(estimator.estimators_)))
    labels = g.cast(g.op("Greater", p, 0.5), g.integer)
    return labels, g.op("Sub", g.op("Log", own), g.op("Log", rest)) if asks_scores else p


def _proba_and_rest(g: Graph, estimator: OwnEstimator, raw: str) -> str:
    """Return the probabilities of labels and of their absence, side by side, in float64."""
    wide = g._of(np.float64)
    raw = wide.cast(raw, wide.kind)
    p = _link(wide, estimator, raw)
    is_symmetric = estimator._loss.link.symmetric
    rest = _link(wide, estimator, wide.op("Neg", raw)) if is_symmetric else wide.op("Sub", 1.0, p)
    return side_by_side(wide, [p, rest])


def _log_odds(g: Graph, p: str, n_classes: int) -> str:
    """Return log p, for two classes as [-score, score] like :func:`_scores`."""
    log_p = g.op("Log", p)
    return g.op("MatMul", log_p, _DIFFERENCES) if n_classes == 2 else log_p


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
    kind = g._of(_precision_of_encoded(operator)).kind
    g._rename(g.cast(encoded(g, operator), kind), operator.outputs[0].full_name)


def _shape_tabular_classifier(operator: Any) -> None:
    _shape_classes(operator, _precision_of_table(operator))


def _shape_tabular_regressor(operator: Any) -> None:
    n = operator.raw_operator.estimators_[0].n_outputs_
    operator.outputs[0].type = tensor(_precision_of_table(operator), [None, n])


def _shape_preprocessor(operator: Any) -> None:
    shape = [None, operator.raw_operator.n_features_out_]
    operator.outputs[0].type = tensor(_precision_of_encoded(operator), shape)


def _precision_of_encoded(operator: Any) -> Any:
    """Return float32, like ``transform``, or in a graph of packed columns the common dtype."""
    return np.dtype(np.float32 if step_before(operator) is None else np.float64)


#: Options of the converters.
_OPTIONS: dict[str, list[Any]] = {"dtype": [None, "float32", "float64"]}


def _classifier_options(cls: type) -> dict[str, list[Any]]:
    """Return the options of a classifier's converter, with raw scores if the class has them."""
    options: dict[str, list[Any]] = {
        "zipmap": [True, False, "columns"],
        "output_class_labels": [False, True],
        "nocl": [False],
    }
    if hasattr(cls, "decision_function"):
        options["raw_scores"] = [True, False]
    return _OPTIONS | options


#: Converters: class, its name in skl2onnx, functions for shapes and nodes, options.
CONVERTERS: tuple[tuple[Any, ...], ...] = (
    (
        MLPClassifier,
        "SknnScratchMLPClassifier",
        _shape_classifier,
        _convert_classifier,
        _classifier_options(MLPClassifier),
    ),
    (MLPRegressor, "SknnScratchMLPRegressor", _shape_regressor, _convert_regressor, _OPTIONS),
    (
        TabularMLPClassifier,
        "SknnScratchTabularMLPClassifier",
        _shape_tabular_classifier,
        _convert_tabular_classifier,
        _classifier_options(TabularMLPClassifier),
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
    """Register the converters with skl2onnx; importing ``sknn_scratch.onnx`` does so."""
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    for cls, name, shapes, nodes, options in CONVERTERS:
        skl2onnx.update_registered_converter(cls, name, shapes, nodes, options=options)
    register_holders()
    register_packed()


# --- Public function.

_WITH_DTYPE = tuple(cls for cls, *_, options in CONVERTERS if options)


def to_onnx(model: Any, X: Any, *, dtype: Any = None, check: bool = True, **options: Any) -> Any:
    """Convert a fitted estimator or pipeline to an ONNX model.

    Classifiers have the outputs "label" and "probabilities", (rows, n_classes). Regressors have
    one output of shape (rows, n_outputs), with one column for a single target.

    Parameters
    ----------
    model : fitted MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
        Fitted model, or a pipeline or search that ends in one of these, a TabularPreprocessor,
        or a meta-estimator of scikit-learn around them that skl2onnx supports: calibration,
        stacking, voting, bagging, boosting, one-vs-rest, one-vs-one, multi-output. The check
        below detects models that skl2onnx converts incorrectly, such as isotonic calibration.
    X : array or DataFrame of shape (n_samples, n_features)
        Sample rows in the form of the training data, which determine the names and types of
        inputs. For an array, the graph has one input, "X". For a DataFrame whose columns are
        transformed separately, it has one input per column, of shape (rows, 1). Inputs of a
        tabular model are strings (any unknown category for missing ones), datetimes as int64
        milliseconds since 1970, and durations and times of day in seconds. Integers with missing
        values, in X or in ``fit``, and booleans with missing values in X, are real numbers, with
        nan for missing values. Where ``fit`` met times finer than
        milliseconds, all times are micro- or nanoseconds: ``metadata_props`` of the graph say
        so, and :func:`feed` follows. If tabular models are inside a meta-estimator, the graph's
        results are float64.
    dtype : {"float32", "float64"}, default=None
        Precision of the results, and of real inputs of the graph. If None, use that of X, or
        float64 if X has no real numbers. Categorical columns of real numbers keep their
        precision.
    check : bool, default=True
        If True, run the graph on X with onnxruntime, and compare the results with the model.
        Labels must be equal unless two classes tie. Probabilities may differ by 1e-4, and each
        column of predictions and scores by 1e-4 of its range over X, plus 1e-6 and rounding
        error: 32 eps of the largest value, with the eps of the model's results, or of float32 if
        X has fewer than 10 rows. If X has no rows, or rows that the model rejects, nothing is
        compared.
    **options
        Options of ``skl2onnx.to_onnx``, such as ``target_opset``.

    Returns
    -------
    onnx_model : onnx.ModelProto
        ONNX model; write the result of ``SerializeToString()`` to a file.

    Raises
    ------
    sklearn.exceptions.NotFittedError
        If the model is not fitted.
    RuntimeError
        If skl2onnx cannot convert the model, or the graph fails the check.
    ImportError
        If skl2onnx is not installed; with ``check=True``, if onnxruntime is not.
    TypeError
        If X is sparse, a component has no ONNX form, the categories of a column are of several
        types, or a column of X contains values of another kind than in ``fit``.
    ValueError
        If X lacks columns of ``fit`` or has more, if a column has the name of a result of the
        graph ("label", "probabilities", "variable"), or if a search has no best estimator.

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
    check_is_fitted(model)
    model = unwrapped(model)
    dtype = checked_dtype(dtype)
    whole, types = packed(model, X, dtype) or (model, initial_types(model, X, dtype))
    names = [name for name, _ in types]
    of_steps = score_options(model) | _with_own(options.get("options"), last_step(model), dtype)
    options["options"] = of_steps
    made = _converted(whole, initial_types=types, **options)
    graph = write_time_unit(_with_names(made, names), inner(model))
    if check:
        wants_scores = of_steps.get(id(last_step(model)), {}).get("raw_scores", False)
        checks.compare(graph, model, X, wants_scores)
    return graph


def _converted(model: Any, **options: Any) -> Any:
    """Return the graph that skl2onnx makes of a model; add a remedy to its errors."""
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    try:
        return skl2onnx.to_onnx(model, **options)
    except Exception as error:
        *_, (frame, _) = walk_tb(error.__traceback__)
        if frame.f_globals["__name__"].partition(".")[0] not in ("skl2onnx", "onnx"):
            raise
        name = type(last_step(model)).__name__
        raise RuntimeError(
            "The model and the options of to_onnx must be what skl2onnx can convert. Got "
            f"{checks.in_short(error)} for a {name}: change the options, or convert the fitted "
            "estimators of the model one by one."
        ) from error


def _with_own(options: Any, last: Any, dtype: Any) -> dict[Any, Any]:
    """Return skl2onnx's options for each step, with defaults for the last step."""
    options = dict(options or {})
    own: dict[str, Any] = {"zipmap": False} if is_classifier(last) else {}
    if isinstance(last, _WITH_DTYPE):
        own["dtype"] = dtype
    own |= options.get(type(last), {}) | options.get(id(last), {})
    return options | {id(last): own} if own else options


def _with_names(made: Any, names: list[str]) -> Any:
    """Set the inputs of an ONNX model to the names of columns, which skl2onnx simplifies."""
    graph = made.graph
    inputs = [each.name for each in graph.input]
    clashes = sorted(set(names).intersection(each.name for each in graph.output))
    if clashes:
        raise ValueError(
            f"Columns of X in to_onnx must not have the names of results of the graph. Got "
            f"{clashes}: rename them before fit."
        )
    new = dict(zip(inputs, names, strict=True))
    for each in graph.input:
        each.name = new[each.name]
    for node in graph.node:
        node.input[:] = [new.get(name, name) for name in node.input]
    return made
