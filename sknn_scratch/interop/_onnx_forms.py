"""ONNX forms of components.

The form of an activation or loss consists of the nodes that compute its ``forward`` or
``predict`` method.  All forms use operators that runtimes support in both precisions.
"""

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, TypeVar

import numpy as np

from sknn_scratch import components
from sknn_scratch.components import losses
from sknn_scratch.contracts import Activation, Component, Loss
from sknn_scratch.interop._extras import require

#: Function that adds the nodes of a component: (component, graph, name of the input) -> name.
Form = Callable[[Any, "Graph", str], str]
F = TypeVar("F", bound=Form)

_forms: dict[type, Form] = {}
#: Method that a form represents, by kind of component.
_VERBS: dict[type, str] = {Activation: "forward", Loss: "predict"}


# --- Graphs.


class Graph:
    """ONNX graph under construction, in one precision.

    Parameters
    ----------
    scope, container : objects of skl2onnx
        Names in use, and nodes so far.
    dtype : numpy dtype, float32 or float64
        Precision of the graph.
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
            Name of an ONNX operator, such as "Mul".
        *inputs : str, float or array
            Names of other outputs; numbers and arrays become constants.
        **attributes
            Attributes of the operator.

        Returns
        -------
        name : str
            Name of the output.
        """
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_outputs: int, *inputs: Any, **attributes: Any) -> list[str]:
        """Add a node with several outputs and return their names.

        Parameters
        ----------
        kind : str
            Name of an ONNX operator.
        n_outputs : int
            Number of outputs.
        *inputs : str, float or array
            As for :meth:`op`.
        **attributes
            As for :meth:`op`.

        Returns
        -------
        names : list of str
            Names of the outputs.
        """
        names = [each if isinstance(each, str) else self.constant(each) for each in inputs]
        outputs = [self._name(kind) for _ in range(n_outputs)]
        self._container.add_node(
            kind, names, outputs, name=self._name(f"node_{kind}"), **attributes
        )
        return outputs

    def constant(self, value: Any) -> str:
        """Add a constant and return its name.

        Parameters
        ----------
        value : float or array
            Real numbers are cast to the dtype of the graph, integers to int64; strings remain
            strings.

        Returns
        -------
        name : str
            Name of the constant.
        """
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
        """Add a cast to another type and return the name of its output.

        Parameters
        ----------
        name : str
            Name of another output.
        kind : int
            ONNX type number, such as :attr:`kind`, :attr:`integer` or :attr:`single`.

        Returns
        -------
        name : str
            Name of the output.
        """
        return self.op("Cast", name, to=kind)

    @property
    def kind(self) -> int:
        """ONNX type number of the graph's dtype."""
        return int(self._proto.FLOAT if self.dtype == np.float32 else self._proto.DOUBLE)

    @property
    def integer(self) -> int:
        """ONNX type number of 64-bit integers."""
        return int(self._proto.INT64)

    @property
    def single(self) -> int:
        """ONNX type number of float32."""
        return int(self._proto.FLOAT)

    def _of(self, dtype: Any) -> "Graph":
        """Return the same graph in another precision."""
        return Graph(self._scope, self._container, dtype)

    def _rename(self, name: str, output: str) -> None:
        """Add an output with the name that the outer graph uses for a result."""
        self._container.add_node("Identity", [name], [output], name=self._name("node_Identity"))

    def _name(self, kind: str) -> str:
        return str(self._scope.get_unique_variable_name(f"sknn_{kind}"))


# --- Forms of components.


def onnx_form(*classes: type) -> Callable[[F], F]:
    """Register a function as the ONNX form of custom components.

    The function receives the component, a :class:`Graph` and the name of the input: ``z`` of
    an activation, ``raw`` of a loss.  It returns the name of the result, of the same shape.

    Parameters
    ----------
    *classes : subclasses of Activation or Loss
        Classes of components. Their subclasses share the form unless they override ``forward``
        or ``predict``.

    Returns
    -------
    decorator : callable
        Decorator of the function.

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
    """Return the form of a component; raise TypeError, with a remedy, if it has none."""
    cls = type(component)
    verb = next(verb for kind, verb in _VERBS.items() if issubclass(cls, kind))
    own = getattr(cls, verb)
    for base in cls.__mro__:
        # A subclass that overrides the method does not share the form.
        if base in _forms and getattr(base, verb) is own:
            return _forms[base]
    argument = "z" if verb == "forward" else "raw"
    raise TypeError(
        f"{cls.__name__} has no ONNX form. Say how its {verb} is written in ONNX: "
        f"@sknn_scratch.onnx.onnx_form({cls.__name__}) above a function of (component, graph, "
        f"{argument}) that returns, for example, graph.op('Mul', {argument}, ...)."
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
    # Not z times a sigmoid, which some runtimes fuse into an operator for float32 only.
    return g.op("Div", z, g.op("Add", g.op("Exp", g.op("Neg", z)), 1.0))


@onnx_form(components.Gelu)
def _gelu(component: components.Gelu, g: Graph, z: str) -> str:
    if component.approximate == "tanh":
        cubic = g.op("Add", g.op("Mul", g.op("Mul", z, z), 0.044715), 1.0)
        u = g.op("Mul", g.op("Mul", cubic, z), 2.0 * sqrt(2.0 / pi))
        return g.op("Mul", z, g.op("Sigmoid", u))
    # Runtimes support Erf in float32 only, so in a float64 graph Φ has seven digits.
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
