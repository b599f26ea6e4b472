"""From a fitted network to an ONNX graph, by way of skl2onnx.

Every component that predicts has its form below: the nodes that compute what its ``forward``
(an activation) or its ``predict`` (a loss) computes.  All forms are made of operators that
runtimes have in both precisions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, TypeVar

import numpy as np
from scipy.sparse import issparse
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sknn_scratch import components
from sknn_scratch.components import losses
from sknn_scratch.contracts import Activation, Component, Loss
from sknn_scratch.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.interop._extras import require

#: Writes the nodes of a component into a graph: (component, graph, name of its input) -> name.
Form = Callable[[Any, "Graph", str], str]
F = TypeVar("F", bound=Form)

_forms: dict[type, Form] = {}
#: The verb of a component that its form stands for.
_VERBS: dict[type, str] = {Activation: "forward", Loss: "predict"}


# --- What forms are written in.


class Graph:
    """An ONNX graph under construction, of one precision.

    Parameters
    ----------
    scope, container : objects of skl2onnx
        The names in use, and the nodes so far.
    dtype : numpy dtype, float32 or float64
        That of the graph's numbers.
    """

    def __init__(self, scope: Any, container: Any, dtype: Any) -> None:
        self._scope, self._container = scope, container
        self._proto = require("onnx", "onnx", "sknn_scratch.onnx").TensorProto
        self.dtype = np.dtype(dtype)

    def op(self, kind: str, *inputs: Any, **attributes: Any) -> str:
        """Add a node and return the name of its (first) output.

        Parameters
        ----------
        kind : str
            An operator of ONNX, such as "Mul".
        *inputs : str, float or array
            Names of other outputs; numbers and arrays become constants.
        **attributes
            Those of the operator.

        Returns
        -------
        name : str
        """
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes: Any) -> list[str]:
        """Do the same for an operator of several outputs, and return the names of all."""
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [self._name(kind) for _ in range(n_outputs)]
        self._container.add_node(
            kind, names, outputs, name=self._name(f"node_{kind}"), **attributes
        )
        return outputs

    def constant(self, value: Any) -> str:
        """Return the name of a constant: numbers in the graph's dtype, integers or strings."""
        array = np.asarray(value)
        name = self._name("constant")
        if array.dtype.kind in "iu":
            kind, content = self._proto.INT64, array.astype(np.int64).ravel()
        elif array.dtype.kind == "f":
            kind, content = self.kind, array.astype(self.dtype).ravel()
        else:
            kind = self._proto.STRING
            content = [str(text).encode() for text in array.ravel()]  # type: ignore[assignment]
        self._container.add_initializer(name, kind, list(array.shape), content)
        return name

    def cast(self, name: str, kind: int) -> str:
        """Return the same in another of ONNX's kinds of numbers."""
        return self.op("Cast", name, to=kind)

    @property
    def kind(self) -> int:
        """ONNX's number of the graph's dtype."""
        return int(self._proto.FLOAT if self.dtype == np.float32 else self._proto.DOUBLE)

    @property
    def integer(self) -> int:
        """ONNX's number of 64-bit integers."""
        return int(self._proto.INT64)

    @property
    def single(self) -> int:
        """ONNX's number of float32."""
        return int(self._proto.FLOAT)

    def rename(self, name: str, output: str) -> None:
        """Give a result the name that the outer graph knows it by."""
        self._container.add_node("Identity", [name], [output], name=self._name("node_Identity"))

    def _name(self, kind: str) -> str:
        return str(self._scope.get_unique_variable_name(f"sknn_{kind}"))


# --- The forms of components.


def onnx_form(*classes: type) -> Callable[[F], F]:
    """Say how a component of your own is written in ONNX: a decorator.

    The function takes the component, a :class:`Graph` and the name of its input: ``z`` of an
    activation, ``raw`` of a loss.  It returns the name of the result, of the same shape.

    Parameters
    ----------
    *classes : subclasses of Activation or Loss
        Their own subclasses share the form as long as they inherit ``forward`` or ``predict``.

    Returns
    -------
    decorator : callable

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.contracts import Activation
    >>> from sknn_scratch.onnx import onnx_form
    >>> class Softsign(Activation):
    ...     def forward(self, z, out):
    ...         return np.divide(z, 1 + np.abs(z), out=out)
    ...     def backward(self, grad, a, z, out):
    ...         return np.multiply(grad, (1 - np.abs(a)) ** 2, out=out)
    >>> @onnx_form(Softsign)
    ... def softsign(activation, graph, z):
    ...     return graph.op("Div", z, graph.op("Add", graph.op("Abs", z), 1.0))
    """
    for cls in classes:
        if not (isinstance(cls, type) and issubclass(cls, (Activation, Loss))):
            raise TypeError(
                f"The classes of onnx_form must be subclasses of Activation or Loss. Got {cls!r}."
            )

    def register(form: F) -> F:
        _forms.update(dict.fromkeys(classes, form))
        return form

    return register


def form_of(component: Component) -> Form:
    """Return the form of a component; raise TypeError, with what to write, if it has none."""
    cls = type(component)
    verb = next(verb for kind, verb in _VERBS.items() if issubclass(cls, kind))
    own = getattr(cls, verb)
    for base in cls.__mro__:
        # A subclass that computes something else has not inherited the form.
        if base in _forms and getattr(base, verb) is own:
            return _forms[base]
    argument = "z" if verb == "forward" else "raw"
    raise TypeError(
        f"{cls.__name__} has no ONNX form. Say how its {verb} is written in ONNX: "
        f"@sknn_scratch.onnx.onnx_form({cls.__name__}) above a function of (component, graph, "
        f"{argument}) that returns graph.op('Mul', {argument}, ...) or the like."
    )


@onnx_form(components.Identity, losses._IdentityLink)
def _identity(component: Component, g: Graph, z: str) -> str:
    return z


@onnx_form(components.Relu)
def _relu(component: Component, g: Graph, z: str) -> str:
    return g.op("Relu", z)


@onnx_form(components.Tanh)
def _tanh(component: Component, g: Graph, z: str) -> str:
    return g.op("Tanh", z)


@onnx_form(components.Logistic)
def _logistic(component: Component, g: Graph, z: str) -> str:
    return g.op("Sigmoid", z)


@onnx_form(components.LeakyRelu)
def _leaky_relu(component: components.LeakyRelu, g: Graph, z: str) -> str:
    return g.op("Max", z, g.op("Mul", z, float(component.negative_slope)))


@onnx_form(components.Elu)
def _elu(component: components.Elu, g: Graph, z: str) -> str:
    left = g.op("Sub", g.op("Exp", g.op("Min", z, 0.0)), 1.0)
    return g.op("Add", g.op("Max", z, 0.0), g.op("Mul", left, float(component.alpha)))


@onnx_form(components.Selu)
def _selu(component: components.Selu, g: Graph, z: str) -> str:
    return g.op("Mul", _elu(component._elu, g, z), component._scale)


@onnx_form(components.Softplus)
def _softplus(component: Component, g: Graph, z: str) -> str:
    e = g.op("Exp", g.op("Neg", g.op("Abs", z)))
    return g.op("Add", g.op("Max", z, 0.0), g.op("Log", g.op("Add", e, 1.0)))


@onnx_form(components.Silu)
def _silu(component: Component, g: Graph, z: str) -> str:
    return g.op("Mul", z, g.op("Sigmoid", z))


@onnx_form(components.Gelu)
def _gelu(component: components.Gelu, g: Graph, z: str) -> str:
    if component.approximate == "tanh":
        cubic = g.op("Add", g.op("Mul", g.op("Mul", z, z), 0.044715), 1.0)
        u = g.op("Mul", g.op("Mul", cubic, z), 2.0 * sqrt(2.0 / pi))
        return g.op("Mul", z, g.op("Sigmoid", u))
    # Runtimes have Erf in float32 only: in a float64 graph Φ is good to seven digits.
    erf = g.op("Erf", g.cast(g.op("Mul", z, sqrt(0.5)), g.single))
    return g.op("Mul", z, g.op("Mul", g.op("Add", g.cast(erf, g.kind), 1.0), 0.5))


@onnx_form(components.Mish)
def _mish(component: Component, g: Graph, z: str) -> str:
    e = g.op("Exp", g.op("Min", z, 20.0))
    w = g.op("Mul", e, g.op("Add", e, 2.0))
    return g.op("Mul", z, g.op("Div", w, g.op("Add", w, 2.0)))


@onnx_form(components.Quantile)
def _sorted(component: components.Quantile, g: Graph, raw: str) -> str:
    n = len(component.levels)
    if not n:
        return raw
    return g.ops("TopK", 2, raw, np.array([n]), axis=1, largest=0, sorted=1)[0]


@onnx_form(losses._LogLink)
def _exp(component: Component, g: Graph, raw: str) -> str:
    return g.op("Exp", raw)


@onnx_form(components.BinaryLogLoss)
def _expit(component: Component, g: Graph, raw: str) -> str:
    limits = np.finfo(g.dtype)
    above = g.op("Max", g.op("Sigmoid", raw), float(limits.tiny))
    return g.op("Min", above, float(1.0 - limits.epsneg))


@onnx_form(losses._Softmax)
def _softmax(component: Component, g: Graph, raw: str) -> str:
    return g.op("Max", g.op("Softmax", raw, axis=1), float(np.finfo(g.dtype).tiny))


# --- From estimators to graphs.


def _precision(operator: Any) -> Any:
    """Return the dtype to compute in: the input's, or that of the weights for integers."""
    given = type(operator.inputs[0].type).__name__
    known = {"FloatTensorType": np.float32, "DoubleTensorType": np.float64}
    return np.dtype(known.get(given, operator.raw_operator.theta_.dtype))


def _input(g: Graph, operator: Any) -> str:
    """Return all inputs side by side, in the graph's precision."""
    parts = [g.cast(variable.full_name, g.kind) for variable in operator.inputs]
    return parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1)


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
    classes = np.asarray(estimator.classes_)
    classes = classes.astype(np.int64 if classes.dtype.kind in "biuf" else str)
    return g.op("Gather", classes, _label_codes(g, estimator, raw), axis=0)


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
    g.rename(_labels(g, estimator, raw), label)
    g.rename(_probabilities(g, estimator, raw), probabilities)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    estimator = operator.raw_operator
    g = Graph(scope, container, _precision(operator))
    raw = _raw(g, estimator, _input(g, operator))
    g.rename(form_of(estimator._loss)(estimator._loss, g, raw), operator.outputs[0].full_name)


def _tensor(dtype: Any, shape: list[Any]) -> Any:
    """Return skl2onnx's type of a tensor."""
    types = require("skl2onnx.common.data_types", "onnx", "sknn_scratch.onnx")
    kinds = {"f4": types.FloatTensorType, "f8": types.DoubleTensorType, "i8": types.Int64TensorType}
    return kinds.get(np.dtype(dtype).str[1:], types.StringTensorType)(shape)


def _shape_classifier(operator: Any) -> None:
    estimator = operator.raw_operator
    many = estimator._targets.task == "multilabel"
    numbers = many or np.asarray(estimator.classes_).dtype.kind in "biuf"
    n = len(estimator.classes_)
    operator.outputs[0].type = _tensor("i8" if numbers else "U1", [None, n] if many else [None])
    operator.outputs[1].type = _tensor(_precision(operator), [None, n])


def _shape_regressor(operator: Any) -> None:
    n = operator.raw_operator.n_outputs_
    operator.outputs[0].type = _tensor(_precision(operator), [None, n])


#: What is converted: estimator, its name in skl2onnx, shapes, nodes, options.  An estimator of
#: another kind (one with a preprocessor of its own, say) is one more line.
CONVERTERS: tuple[tuple[Any, ...], ...] = (
    (
        MLPClassifier,
        "SknnScratchMLPClassifier",
        _shape_classifier,
        _convert_classifier,
        {"zipmap": [True, False, "columns"], "output_class_labels": [False, True], "nocl": [False]},
    ),
    (MLPRegressor, "SknnScratchMLPRegressor", _shape_regressor, _convert_regressor, None),
)


def register_converters() -> None:
    """Tell skl2onnx how our estimators are converted; importing ``sknn_scratch.onnx`` does it."""
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    for cls, name, shapes, nodes, options in CONVERTERS:
        skl2onnx.update_registered_converter(cls, name, shapes, nodes, options=options)


# --- The one function for users.


def to_onnx(model: Any, X: Any, *, dtype: Any = None, **options: Any) -> Any:
    """Return a fitted estimator or pipeline as an ONNX model.

    Classifiers have the outputs "label" and "probabilities", (rows, n_classes); regressors
    have one output of shape (rows, n_outputs), one column for a single target too.

    Parameters
    ----------
    model : fitted MLPClassifier, MLPRegressor, or pipeline or search that ends in one
    X : array or DataFrame of shape (n_samples, n_features)
        Some rows of the form that the model was fitted on: they tell the inputs' names and
        types. The graph of an array has one input, "X"; that of a DataFrame whose columns
        are transformed apart has one for each column.
    dtype : {"float32", "float64"}, default=None
        Precision of the graph's real inputs, hence of all that it computes; None is X's.
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
        If X is sparse, or a component or the preprocessor of a tabular estimator has no
        ONNX form.

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
    if issparse(X):
        raise TypeError(
            "X of to_onnx must be dense: runtimes of ONNX take no sparse input. Got "
            f"{type(X).__name__}: pass some rows as X[:10].toarray(), and feed dense rows."
        )
    model = _unwrapped(model)
    types = _initial_types(model, X, dtype)
    last = _last(model)
    if isinstance(last, TabularMLPClassifier | TabularMLPRegressor):
        raise TypeError(_no_tables(last))
    if is_classifier(last):
        options = {"options": {id(last): {"zipmap": False}}} | options
    return skl2onnx.to_onnx(model, initial_types=types, **options)


def _no_tables(model: Any) -> str:
    return (
        f"The model of to_onnx must end in an MLPClassifier or an MLPRegressor. Got "
        f"{type(model).__name__}, whose preprocessor has no ONNX form: export the networks in its "
        "estimators_ one by one and feed them preprocessor_.transform(X), or store it with skops."
    )


def _unwrapped(model: Any) -> Any:
    """Return the best estimator of a search, else the model itself."""
    return model.best_estimator_ if isinstance(model, BaseSearchCV) else model


def _last(model: Any) -> Any:
    """Return the last step of a pipeline, else the model itself."""
    return _last(_unwrapped(model.steps[-1][1])) if isinstance(model, Pipeline) else model


def _splits_columns(model: Any) -> bool:
    """Tell whether a pipeline treats columns apart."""
    steps = model.steps if isinstance(model, Pipeline) else [("", model)]
    return any(isinstance(step, ColumnTransformer) for _, step in steps)


def _initial_types(model: Any, X: Any, dtype: Any) -> list[tuple[str, Any]]:
    """Return names and types of the graph's inputs."""
    if hasattr(X, "columns") and _splits_columns(model):
        columns = [(str(name), np.dtype(_plain(kind)), 1) for name, kind in X.dtypes.items()]
    else:
        array = np.asarray(X)
        columns = [("X", array.dtype, array.shape[1])]
    return [(name, _tensor(_real(kind, dtype), [None, n])) for name, kind, n in columns]


def _plain(kind: Any) -> Any:
    """Return numpy's dtype of a column; strings and categories are objects."""
    return kind if isinstance(kind, np.dtype) else np.dtype(object)


def _real(kind: Any, dtype: Any) -> Any:
    """Return the dtype of an input: real ones as asked for, integers as int64."""
    if kind.kind == "f":
        return np.dtype(dtype) if dtype is not None else np.promote_types(kind, np.float32)
    return np.dtype(np.int64 if kind.kind in "biu" else "U1")
