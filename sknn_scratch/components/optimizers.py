"""Optimizers: rules of vector algebra on the one vector of parameters."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, State
from sknn_scratch.core.linalg import add_scaled, blocks, ema, scale
from sknn_scratch.registry import register


@register.optimizer("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent with (Nesterov's) momentum, in scikit-learn's form.

    v = momentum v - lr g; the step is v, or momentum v - lr g with Nesterov's momentum.

    Parameters
    ----------
    momentum : float in [0, 1], default=0.9
    nesterov : bool, default=True

    References
    ----------
    I. Sutskever et al., *On the importance of initialization and momentum in deep
    learning*, ICML 2013.

    Examples
    --------
    >>> from sknn_scratch.components import SGD
    >>> SGD(momentum=0.5)
    SGD(momentum=0.5, nesterov=True)
    """

    momentum: float = 0.9
    nesterov: bool = True

    def __post_init__(self) -> None:
        self.require_number("momentum", 0, 1)
        self.require_bool("nesterov")

    # State: velocity, a vector of theta's size.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"velocity": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        for step, velocity in blocks(direction, state["velocity"]):
            scale(-lr, step)
            scale(self.momentum, velocity)
            add_scaled(1.0, step, velocity)
            if self.nesterov:
                add_scaled(self.momentum, velocity, step)
            else:
                np.copyto(step, velocity)


@register.optimizer("adam")
class Adam(Optimizer):
    """Adam, with epsilon beside the uncorrected second moment as in scikit-learn.

    m = β₁ m + (1 - β₁) g,  v = β₂ v + (1 - β₂) g²; the step is
    -lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε).

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients.
    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients.
    epsilon : float > 0, default=1e-8

    References
    ----------
    D. Kingma and J. Ba, *Adam: a method for stochastic optimization*, ICLR 2015, the
    variant at the end of section 2.

    Examples
    --------
    >>> from sknn_scratch.components import Adam
    >>> Adam(beta_1=0.8)
    Adam(beta_1=0.8, beta_2=0.999, epsilon=1e-08)
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        self.require_number("beta_1", 0, 1, closed="left")
        self.require_number("beta_2", 0, 1, closed="left")
        self.require_number("epsilon", 0, np.inf, closed="neither")

    # State: t, the number of steps; m and v, vectors of theta's size.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"t": 0, "m": np.zeros_like(theta), "v": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        t = state["t"] = state["t"] + 1
        rate = lr * sqrt(1 - self.beta_2**t) / (1 - self.beta_1**t)
        for g, m, v in blocks(direction, state["m"], state["v"]):
            ema(m, g, self.beta_1)
            ema(v, np.multiply(g, g, g), self.beta_2)
            np.sqrt(v, g)
            np.add(g, self.epsilon, g)
            np.divide(m, g, g)
            scale(-rate, g)
