"""Distributions of initial weights."""

from __future__ import annotations

from math import sqrt

import numpy as np

from sknn_scratch.components.activations import Logistic
from sknn_scratch.contracts import Array, Initializer, Site
from sknn_scratch.registry import register


@register.initializer("glorot_uniform")
class GlorotUniform(Initializer):
    """Uniform in ±√(6 / (fan_in + fan_out)), weights and biases, as in scikit-learn.

    With the logistic activation the 6 is a 2.

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
