"""An activation, a loss and an optimizer for sknn_scratch, each known by a name."""

from math import inf, log

import numpy as np

from sknn_scratch.contracts import Activation, Loss, Optimizer

__all__ = ["LogCosh", "SignSGD", "Snake"]


class Snake(Activation):
    """f(z) = z + sin²(βz) / β, f'(z) = 1 + sin(2βz): for functions that repeat themselves.

    Parameters
    ----------
    beta : float > 0, default=1.0
        The waves of f are π / β long.

    References
    ----------
    L. Ziyin, T. Hartwig and M. Ueda, *Neural networks fail to learn periodic functions and
    how to fix it*, NeurIPS 2020.
    """

    needs_input = True
    beta: float = 1.0

    def __post_init__(self):
        self.require_number("beta", 0, inf, closed="neither")

    def forward(self, z, out):
        wave = np.sin(float(self.beta) * z)
        wave *= wave
        wave /= float(self.beta)
        return np.add(z, wave, out=out)

    def backward(self, grad, a, z, out):
        slope = np.sin(2.0 * float(self.beta) * z)
        slope += 1.0
        return np.multiply(grad, slope, out=out)


class LogCosh(Loss):
    """L = Σ log cosh(raw - y), ∂L/∂raw = tanh(raw - y), y_pred = raw.

    Half the squared error of small residuals, about the absolute error of large ones.
    """

    tasks = ("regression",)

    def value_and_grad(self, y, raw, weight, out):
        residual = raw - y
        size = np.abs(residual)
        # cosh overflows early: with r = |residual|, log cosh r = r + log(1 + exp(-2r)) - log 2.
        value = size + np.log1p(np.exp(-2.0 * size)) - log(2.0)
        np.tanh(residual, out=out)
        if weight is not None:
            value *= weight[:, None]
            out *= weight[:, None]
        return float(value.sum())


class SignSGD(Optimizer):
    """m = μ m + (1 - μ) g; the step is -lr sign(m), of the same size for every parameter.

    Parameters
    ----------
    momentum : float in [0, 1), default=0.9
        The μ above; 0 follows the signs of the last gradient.

    References
    ----------
    J. Bernstein et al., *signSGD: compressed optimisation for non-convex problems*, ICML
    2018, section 3.
    """

    momentum: float = 0.9

    def __post_init__(self):
        self.require_number("momentum", 0, 1, closed="left")

    # State: mean, that of gradients, a vector of theta's size.
    def init(self, theta, groups):
        return {"mean": np.zeros_like(theta)}

    def update(self, direction, state, theta, lr, scratch):
        mean = state["mean"]
        mean *= self.momentum
        mean += np.multiply(direction, 1.0 - self.momentum, out=scratch)
        np.sign(mean, out=direction)
        direction *= -lr
