"""Activation functions of hidden layers, in order of complexity."""

from __future__ import annotations

from math import pi, sqrt
from typing import Any

import numpy as np
from scipy.special import ndtr

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Activation, Array
from sknn_scratch.core import linalg
from sknn_scratch.registry import register


@register.activation("identity")
class Identity(Activation):
    """Identity function: f(z) = z, f'(z) = 1.

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

    See Also
    --------
    LeakyRelu : A small slope for z < 0.
    Gelu : A smooth alternative.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Relu
    >>> z = np.array([[-1.0, 2.0]])
    >>> Relu().forward(z, np.empty_like(z))
    array([[0., 2.]])
    """

    kinks = (0.0,)

    def forward(self, z: Array, out: Array) -> Array:
        linalg.relu(z, out)
        return out

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        linalg.keep_where_positive(grad, a, out)
        return out


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
        linalg.tanh_backward(grad, a, out)
        return out


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
        linalg.logistic_backward(grad, a, out)
        return out


@register.activation("leaky_relu")
class LeakyRelu(Activation):
    """Leaky rectified linear unit: f(z) = max(z, s z); f'(z) = 1 for z > 0, else s.

    Parameters
    ----------
    negative_slope : float in [0, 1], default=0.01
        Slope s; 0 is equivalent to ``Relu``, 1 to ``Identity``.

    References
    ----------
    A. Maas, A. Hannun and A. Ng, *Rectifier nonlinearities improve neural network acoustic
    models*, ICML 2013.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LeakyRelu
    >>> z = np.array([[-1.0, 2.0]])
    >>> LeakyRelu(negative_slope=0.1).forward(z, np.empty_like(z))
    array([[-0.1,  2. ]])
    """

    kinks = (0.0,)
    negative_slope: float = 0.01

    def __post_init__(self) -> None:
        self.require_number("negative_slope", 0, 1)

    def forward(self, z: Array, out: Array) -> Array:
        return np.maximum(z, z * float(self.negative_slope), out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        # The sign is 1 or at most 0, so its maximum with s is the slope, without a mask to cast.
        slope = np.sign(a)
        np.maximum(slope, float(self.negative_slope), out=slope)
        return np.multiply(grad, slope, out=out)


@register.activation("elu")
class Elu(Activation):
    """Exponential linear unit: f(z) = z for z > 0, else α (exp(z) - 1).

    f'(z) = 1 for a > 0, else a + α.

    Parameters
    ----------
    alpha : float >= 0, default=1.0
        Limit -α of f for z → -∞.  With α = 1 the derivative is continuous.

    References
    ----------
    D.-A. Clevert, T. Unterthiner and S. Hochreiter, *Fast and accurate deep network learning
    by exponential linear units (ELUs)*, ICLR 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Elu
    >>> z = np.array([[-1.0, 2.0]])
    >>> Elu().forward(z, np.empty_like(z))
    array([[-0.63212056,  2.        ]])
    """

    kinks = (0.0,)
    alpha: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("alpha", 0, np.inf, closed="left")

    def forward(self, z: Array, out: Array) -> Array:
        left = np.minimum(z, 0.0)
        np.expm1(left, out=left)
        np.multiply(left, float(self.alpha), out=left)
        np.maximum(z, 0.0, out=out)
        return np.add(out, left, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        slope = np.where(a > 0, 1.0, a + float(self.alpha))
        return np.multiply(grad, slope, out=out)


@register.activation("selu")
class Selu(Activation):
    """Scaled exponential linear unit: f(z) = λ z for z > 0, else λ α (exp(z) - 1).

    λ = 1.0507... and α = 1.6733... are chosen such that f(z) has mean 0 and variance 1 if z
    has the standard normal distribution.  Use it with the initializer ``LecunNormal``.

    References
    ----------
    G. Klambauer et al., *Self-normalizing neural networks*, NeurIPS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Selu
    >>> z = np.array([[-1.0, 2.0]])
    >>> Selu().forward(z, np.empty_like(z))
    array([[-1.11133074,  2.10140197]])
    """

    kinks = (0.0,)
    _scale = 1.0507009873554805
    _elu = Elu(alpha=1.6732632423543772)

    def forward(self, z: Array, out: Array) -> Array:
        self._elu.forward(z, out)
        return np.multiply(out, self._scale, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        self._elu.backward(grad, a / self._scale, None, out)
        return np.multiply(out, self._scale, out=out)


@register.activation("softplus")
class Softplus(Activation):
    """Smooth rectifier: f(z) = log(1 + exp(z)), f'(z) = 1 - exp(-a).

    Computed as max(z, 0) + log(1 + exp(-abs(z))), which never overflows.

    References
    ----------
    C. Dugas et al., *Incorporating second-order functional knowledge for better option
    pricing*, NeurIPS 2000.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Softplus
    >>> z = np.array([[0.0, 2.0]])
    >>> Softplus().forward(z, np.empty_like(z))
    array([[0.69314718, 2.12692801]])
    """

    def forward(self, z: Array, out: Array) -> Array:
        rest = np.abs(z)
        np.negative(rest, out=rest)
        np.exp(rest, out=rest)
        np.log1p(rest, out=rest)
        np.maximum(z, 0.0, out=out)
        return np.add(out, rest, out=out)

    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        slope = np.negative(a)
        np.expm1(slope, out=slope)
        np.negative(slope, out=slope)
        return np.multiply(grad, slope, out=out)


@register.activation("silu")
class Silu(Activation):
    """Sigmoid linear unit, or swish: f(z) = z σ(z), f'(z) = σ(z) + a (1 - σ(z)).

    σ is the logistic sigmoid, ``Logistic``.

    See Also
    --------
    Gelu : A similar curve.
    Mish : A similar curve.

    References
    ----------
    S. Elfwing, E. Uchibe and K. Doya, *Sigmoid-weighted linear units for neural network
    function approximation in reinforcement learning*, Neural Networks 107, 2018.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Silu
    >>> z = np.array([[0.0, 2.0]])
    >>> Silu().forward(z, np.empty_like(z))
    array([[0.        , 1.76159416]])
    """

    needs_input = True

    def forward(self, z: Array, out: Array) -> Array:
        return np.multiply(z, _sigma(z), out=out)

    def backward(self, grad: Array, a: Array, z: Any, out: Array) -> Array:
        # σ = a / z takes a fifth of the time of the exponential; near 0, σ is ½.
        with quiet_floats():
            sigma = np.divide(a, z)
        near_0 = np.abs(z) < 1e3 * np.finfo(z.dtype).tiny
        if near_0.any():
            sigma[near_0] = 0.5
        slope = np.subtract(1.0, sigma)
        np.multiply(slope, a, out=slope)
        np.add(slope, sigma, out=slope)
        return np.multiply(grad, slope, out=out)


def _sigma(z: Array) -> Array:
    return Logistic().forward(z, np.empty_like(z))


@register.activation("gelu")
class Gelu(Activation):
    """Gaussian error linear unit: f(z) = z Φ(z), f'(z) = Φ(z) + z Φ'(z).

    Φ is the cumulative distribution function of the standard normal distribution.  With
    ``approximate="tanh"`` it is replaced by the faster Φ(z) ≈ ½ + ½ tanh(u) with
    u = √(2/π) (z + 0.044715 z³), whose derivative is 2 Φ (1 - Φ) u'.

    Parameters
    ----------
    approximate : {"none", "tanh"}, default="none"
        "none" for the exact Φ, "tanh" for the faster approximation above.

    See Also
    --------
    Silu : A similar curve.

    References
    ----------
    D. Hendrycks and K. Gimpel, *Gaussian error linear units (GELUs)*, arXiv:1606.08415, 2016.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Gelu
    >>> z = np.array([[0.0, 2.0]])
    >>> Gelu().forward(z, np.empty_like(z))
    array([[0.        , 1.95449974]])
    >>> Gelu(approximate="tanh").forward(z, np.empty_like(z))
    array([[0.        , 1.95459769]])
    """

    needs_input = True
    approximate: str = "none"

    def __post_init__(self) -> None:
        self.require_choice("approximate", ("none", "tanh"))

    def forward(self, z: Array, out: Array) -> Array:
        cdf = ndtr(z) if self.approximate == "none" else _sigma(_gelu_2u(z))
        return np.multiply(z, cdf, out=out)

    def backward(self, grad: Array, a: Array, z: Any, out: Array) -> Array:
        # Φ(z) = a / z: computing Φ again would take ten times as long as the division.
        regular = np.abs(z) > np.finfo(z.dtype).tiny
        cdf = np.divide(a, z, out=np.full_like(z, 0.5), where=regular)
        slope = _normal_density(z) if self.approximate == "none" else _gelu_density(z, cdf)
        np.multiply(slope, z, out=slope)
        np.add(slope, cdf, out=slope)
        return np.multiply(grad, slope, out=out)


def _gelu_2u(z: Array) -> Array:
    """2 u, so that Φ ≈ ½ + ½ tanh(u) = σ(2 u)."""
    u = z * z
    u *= 0.044715
    u += 1.0
    u *= z
    u *= 2.0 * sqrt(2.0 / pi)
    return u


def _gelu_density(z: Array, cdf: Array) -> Array:
    """Φ (1 - Φ) 2 u'."""
    density = z * z
    density *= 3.0 * 0.044715
    density += 1.0
    density *= 2.0 * sqrt(2.0 / pi)
    density *= cdf
    density *= 1.0 - cdf
    return density


def _normal_density(z: Array) -> Array:
    """exp(-z²/2) / √(2π)."""
    density = z * z
    density *= -0.5
    np.exp(density, out=density)
    density /= sqrt(2.0 * pi)
    return density


@register.activation("mish")
class Mish(Activation):
    """Mish: f(z) = z t with t = tanh(log(1 + exp(z))); f'(z) = t + z σ(z) (1 - t²).

    Computed as t = w / (w + 2) with e = exp(z) and w = e (e + 2), which needs one exponential
    instead of three functions.  For z >= 20, t rounds to 1, so e is clipped at exp(20).

    References
    ----------
    D. Misra, *Mish: a self regularized non-monotonic activation function*, BMVC 2020.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Mish
    >>> z = np.array([[0.0, 2.0]])
    >>> Mish().forward(z, np.empty_like(z))
    array([[0.        , 1.94395896]])
    """

    needs_input = True

    def forward(self, z: Array, out: Array) -> Array:
        return np.multiply(z, _mish_t(_exp_to_20(z)), out=out)

    def backward(self, grad: Array, a: Array, z: Any, out: Array) -> Array:
        e = _exp_to_20(z)
        t = _mish_t(e)
        slope = e / (1.0 + e)
        slope *= z
        slope *= 1.0 - t * t
        slope += t
        return np.multiply(grad, slope, out=out)


def _exp_to_20(z: Array) -> Array:
    e = np.minimum(z, 20.0)
    return np.exp(e, out=e)


def _mish_t(e: Array) -> Array:
    w = e + 2.0
    w *= e
    return np.divide(w, w + 2.0, out=w)
