"""Activation functions of hidden layers, from simple to complex."""

from __future__ import annotations

import numpy as np

from sknn_scratch.contracts import Activation, Array
from sknn_scratch.core.linalg import keep_where_positive
from sknn_scratch.registry import register


@register.activation("identity")
class Identity(Activation):
    """f(z) = z, f'(z) = 1.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Identity
    >>> z = np.array([[-1.0, 2.0]])
    >>> Identity().forward(z, np.empty_like(z))
    array([[-1.,  2.]])
    """

    def forward(self, z: Array, out: Array) -> Array:
        if out is not z:
            np.copyto(out, z)
        return out

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        if out is not grad:
            np.copyto(out, grad)
        return out


@register.activation("relu")
class Relu(Activation):
    """Rectified linear unit: f(z) = max(0, z); f'(z) = 1 for z > 0, else 0.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Relu
    >>> z = np.array([[-1.0, 2.0]])
    >>> Relu().forward(z, np.empty_like(z))
    array([[0., 2.]])
    """

    def forward(self, z: Array, out: Array) -> Array:
        return np.maximum(z, 0.0, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        return keep_where_positive(grad, a, out)


@register.activation("tanh")
class Tanh(Activation):
    """Hyperbolic tangent: f(z) = tanh z, f'(z) = 1 - a².

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Tanh
    >>> z = np.array([[0.0, 1.0]])
    >>> Tanh().forward(z, np.empty_like(z))
    array([[0.        , 0.76159416]])
    """

    def forward(self, z: Array, out: Array) -> Array:
        return np.tanh(z, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        slope = np.multiply(a, a)
        np.subtract(1.0, slope, out=slope)
        return np.multiply(grad, slope, out=out)


@register.activation("logistic")
class Logistic(Activation):
    """Logistic sigmoid: f(z) = 1 / (1 + exp(-z)) = ½ + ½ tanh(z/2), f'(z) = a (1 - a).

    The form with tanh never overflows and is several times faster than
    ``scipy.special.expit``.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Logistic
    >>> z = np.array([[0.0, 2.0]])
    >>> Logistic().forward(z, np.empty_like(z))
    array([[0.5       , 0.88079708]])
    """

    def forward(self, z: Array, out: Array) -> Array:
        np.multiply(z, 0.5, out=out)
        np.tanh(out, out=out)
        np.add(out, 1.0, out=out)
        return np.multiply(out, 0.5, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        slope = np.subtract(1.0, a)
        np.multiply(slope, a, out=slope)
        return np.multiply(grad, slope, out=out)
