"""How components are written in ONNX.

Every component that predicts has its form below: the nodes that compute what its ``forward``
(an activation) or its ``predict`` (a loss) computes.  All forms are made of operators that
runtimes have in both precisions.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from typing import Any, TypeVar

import numpy as np

from sknn_scratch import components
from sknn_scratch.components import losses
from sknn_scratch.contracts import Activation, Component, Loss
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
        """Add a node of several outputs and return the names of all.

        Parameters
        ----------
        kind : str
        n_outputs : int
        *inputs : str, float or array
        **attributes
            As in :meth:`op`.

        Returns
        -------
        names : list of str
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
            Reals become the graph's dtype, integers int64; strings stay strings.

        Returns
        -------
        name : str
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
        """Return the same in another of ONNX's kinds of numbers.

        Parameters
        ----------
        name : str
            Of another output.
        kind : int
            ONNX's number of a kind, such as :attr:`kind`, :attr:`integer` or :attr:`single`.

        Returns
        -------
        name : str
        """
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

    def _of(self, dtype: Any) -> Graph:
        """Return the same graph, to go on in another precision."""
        return Graph(self._scope, self._container, dtype)

    def _rename(self, name: str, output: str) -> None:
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
    # Not z times a sigmoid: some runtimes fuse that into what they have in float32 only.
    return g.op("Div", z, g.op("Add", g.op("Exp", g.op("Neg", z)), 1.0))


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
