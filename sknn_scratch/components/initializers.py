"""Distributions of initial weights; biases are 0 unless stated otherwise."""

from __future__ import annotations

from math import inf, sqrt

import numpy as np

from sknn_scratch.components.activations import Logistic
from sknn_scratch.contracts import Array, Initializer, Site
from sknn_scratch.registry import register

#: A uniform distribution within ± this has variance 1.
_UNIT = sqrt(3.0)


@register.initializer("glorot_uniform")
class GlorotUniform(Initializer):
    """Uniform distribution in ±√(6 / (fan_in + fan_out)) for weights and biases.

    The same as scikit-learn's initialization. With the logistic activation the bound is
    ±√(2 / (fan_in + fan_out)).

    References
    ----------
    X. Glorot and Y. Bengio, *Understanding the difficulty of training deep feedforward
    neural networks*, AISTATS 2010, equation (16).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import GlorotUniform, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((2, 4)), np.empty(4)
    >>> GlorotUniform().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> bool(abs(W).max() <= 1.0)
    True
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        factor = 2.0 if isinstance(site.activation, Logistic) else 6.0
        bound = sqrt(factor / sum(W.shape))
        W[...] = rng.uniform(-bound, bound, W.shape)
        b[...] = rng.uniform(-bound, bound, b.shape)


@register.initializer("glorot_normal")
class GlorotNormal(Initializer):
    """Normal distribution with variance 2 / (fan_in + fan_out), for tanh.

    References
    ----------
    X. Glorot and Y. Bengio, *Understanding the difficulty of training deep feedforward
    neural networks*, AISTATS 2010, equation (12).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import GlorotNormal, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> GlorotNormal().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(W.std()), 1)
    0.1
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.standard_normal(W.shape), sqrt(2.0 / sum(W.shape)))


@register.initializer("he_uniform")
class HeUniform(Initializer):
    """Uniform distribution in ±√(6 / fan_in), with variance 2 / fan_in, for relu variants.

    References
    ----------
    K. He et al., *Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification*, ICCV 2015, equation (10).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import HeUniform, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> HeUniform().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(abs(W).max()), 2)
    0.35
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.uniform(-_UNIT, _UNIT, W.shape), sqrt(2.0 / len(W)))


@register.initializer("he_normal")
class HeNormal(Initializer):
    """Normal distribution with variance 2 / fan_in, for relu and its variants.

    References
    ----------
    K. He et al., *Delving deep into rectifiers: surpassing human-level performance on
    ImageNet classification*, ICCV 2015, equation (10).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import HeNormal, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> HeNormal().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(W.std()), 2)
    0.2
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.standard_normal(W.shape), sqrt(2.0 / len(W)))


@register.initializer("lecun_uniform")
class LecunUniform(Initializer):
    """Uniform distribution in ±√(3 / fan_in), with variance 1 / fan_in, for selu.

    References
    ----------
    Y. LeCun et al., *Efficient BackProp*, in: Neural Networks: Tricks of the Trade,
    Springer 1998, equation (16).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LecunUniform, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> LecunUniform().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(abs(W).max()), 2)
    0.24
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.uniform(-_UNIT, _UNIT, W.shape), sqrt(1.0 / len(W)))


@register.initializer("lecun_normal")
class LecunNormal(Initializer):
    """Normal distribution with variance 1 / fan_in, for selu.

    References
    ----------
    Y. LeCun et al., *Efficient BackProp*, in: Neural Networks: Tricks of the Trade,
    Springer 1998, equation (16).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LecunNormal, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> LecunNormal().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(W.std()), 2)
    0.14
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.standard_normal(W.shape), sqrt(1.0 / len(W)))


@register.initializer("normal")
class Normal(Initializer):
    """Normal distribution with the same standard deviation in all layers.

    Parameters
    ----------
    std : float > 0, default=0.05
        Standard deviation. The default equals that of ``LecunNormal`` for 400 inputs.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Normal, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((50, 100)), np.empty(100)
    >>> Normal(std=0.2).fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> round(float(W.std()), 1)
    0.2
    """

    std: float = 0.05

    def __post_init__(self) -> None:
        self.require_number("std", 0, inf, closed="neither")

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        _fill(W, b, rng.standard_normal(W.shape), float(self.std))


@register.initializer("orthogonal")
class Orthogonal(Initializer):
    """Random orthonormal columns (rows if fan_in < fan_out), multiplied by ``gain``.

    They are the factor Q in the QR decomposition of a matrix with normal entries. Signs are
    chosen to make the diagonal of R positive, so that all orthogonal matrices are equally
    likely.

    Parameters
    ----------
    gain : float > 0, default=1.0
        Euclidean norm of the columns or rows.

    References
    ----------
    A. Saxe, J. McClelland and S. Ganguli, *Exact solutions to the nonlinear dynamics of
    learning in deep linear neural networks*, ICLR 2014.

    F. Mezzadri, *How to generate random matrices from the classical compact groups*,
    Notices of the AMS 54(5), 2007.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Orthogonal, Relu
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((5, 3)), np.empty(3)
    >>> Orthogonal().fill(W, b, np.random.RandomState(0), Site(0, 2, Relu()))
    >>> bool(np.allclose(W.T @ W, np.eye(3)))
    True
    """

    gain: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("gain", 0, inf, closed="neither")

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        tall = W if W.shape[0] >= W.shape[1] else W.T
        q, r = np.linalg.qr(rng.standard_normal(tall.shape))
        tall[...] = q * np.copysign(float(self.gain), np.diagonal(r))
        b[...] = 0.0


@register.initializer("zeros")
class Zeros(Initializer):
    """Zero weights and biases, for networks without hidden layers.

    With hidden layers, all units of a layer would remain identical.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Relu, Zeros
    >>> from sknn_scratch.contracts import Site
    >>> W, b = np.empty((2, 1)), np.empty(1)
    >>> Zeros().fill(W, b, np.random.RandomState(0), Site(0, 1, Relu()))
    >>> bool(W.any() or b.any())
    False
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        W[...] = 0.0
        b[...] = 0.0


class SpreadBiases(Initializer):
    """Normal weights and biases in hidden layers, zeros in the output layer.

    W ~ N(0, 1 / fan_in) and b ~ N(0, 1). The random biases spread the kinks of hidden units
    over the inputs, and all outputs start at 0. The tabular estimators use it with their large
    initial learning rates. It has no registered name: pass an instance.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, *Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data*, NeurIPS 2024.

    Examples
    --------
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.components import SpreadBiases
    >>> est = MLPRegressor(initializer=SpreadBiases(), max_iter=1, tol=1e9, n_iter_no_change=1)
    >>> est.initializer
    SpreadBiases()
    """

    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        if site.index == site.n_layers - 1:
            W[...], b[...] = 0.0, 0.0
            return
        _fill(W, b, rng.standard_normal(W.shape), sqrt(1.0 / len(W)))
        b[...] = rng.standard_normal(b.shape)


def _fill(W: Array, b: Array, draws: Array, std: float) -> None:
    """W = ``draws``, which have variance 1, times ``std``; b = 0."""
    np.multiply(draws, std, out=W)
    b[...] = 0.0
