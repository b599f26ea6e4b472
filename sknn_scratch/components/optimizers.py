"""Optimizers: update rules for the vector of all parameters."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, State
from sknn_scratch.core import linalg
from sknn_scratch.core.linalg import blocks, bounds
from sknn_scratch.registry import register


@register.optimizer("sgd")
class SGD(Optimizer):
    """Stochastic gradient descent with momentum or Nesterov momentum, as in scikit-learn.

    v = momentum v - lr g; the step is v, or momentum v - lr g with Nesterov momentum.

    Parameters
    ----------
    momentum : float in [0, 1], default=0.9
        Fraction of v that is kept in each step; 0 is plain gradient descent.
    nesterov : bool, default=True
        If True, use Nesterov momentum. Without momentum it has no effect.

    See Also
    --------
    Adam : The default solver.
    WeightEMA : An average of the weights over steps.

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
        linalg.momentum_step(direction, state["velocity"], lr, self.momentum, self.nesterov)


@register.optimizer("adagrad")
class Adagrad(Optimizer):
    """Adagrad: gradients divided by the root of the sum of all squared gradients so far.

    s = s + g²; the step is -lr g / (√s + ε).

    Parameters
    ----------
    epsilon : float > 0, default=1e-10
        Constant ε, which keeps the step finite where all gradients are close to 0.

    References
    ----------
    J. Duchi, E. Hazan and Y. Singer, *Adaptive subgradient methods for online learning and
    stochastic optimization*, JMLR 12, 2011.

    Examples
    --------
    >>> from sknn_scratch.components import Adagrad
    >>> Adagrad()
    Adagrad(epsilon=1e-10)
    """

    epsilon: float = 1e-10

    def __post_init__(self) -> None:
        self.require_number("epsilon", 0, np.inf, closed="neither")

    # State: sum, the sum of squared gradients, a vector of theta's size.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"sum": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        for g, total, spare in blocks(direction, state["sum"], scratch):
            linalg.add_scaled(1.0, np.multiply(g, g, spare), total)
            linalg.divide_by_root(g, total, self.epsilon, spare, g)
            linalg.scale(-lr, g)


@register.optimizer("rmsprop")
class RMSProp(Optimizer):
    """RMSProp: gradients divided by the root of their recent mean square, with momentum.

    s = α s + (1 - α) g²,  u = momentum u + g / (√s + ε); the step is -lr u.

    Parameters
    ----------
    alpha : float in [0, 1), default=0.99
        Decay of the mean of squared gradients; unrelated to the estimator's ``alpha``.
    epsilon : float > 0, default=1e-8
        Constant ε, which keeps the step finite where gradients are close to 0.
    momentum : float in [0, 1], default=0.0
        Fraction of u that is kept in each step; 0 disables momentum. As in PyTorch, u does not
        include the learning rate; the velocity of :class:`SGD` does.

    References
    ----------
    T. Tieleman and G. Hinton, *Neural networks for machine learning*, lecture 6.5,
    Coursera 2012.

    Examples
    --------
    >>> from sknn_scratch.components import RMSProp
    >>> RMSProp(alpha=0.9)
    RMSProp(alpha=0.9, epsilon=1e-08, momentum=0.0)
    """

    alpha: float = 0.99
    epsilon: float = 1e-8
    momentum: float = 0.0

    def __post_init__(self) -> None:
        self.require_number("alpha", 0, 1, closed="left")
        self.require_number("epsilon", 0, np.inf, closed="neither")
        self.require_number("momentum", 0, 1)

    # State: s and u, vectors of theta's size; u even without momentum, which may be set later.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"s": np.zeros_like(theta), "u": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        for g, s, u, spare in blocks(direction, state["s"], state["u"], scratch):
            linalg.ema(s, np.multiply(g, g, spare), self.alpha)
            linalg.divide_by_root(g, s, self.epsilon, spare, g)
            linalg.scale(self.momentum, u)
            linalg.add_scaled(1.0, g, u)
            np.multiply(u, -lr, g)


@register.optimizer("lion")
class Lion(Optimizer):
    """Lion: steps of equal size along the sign of a mean of gradients, with weight decay.

    The step is -lr (sign(β₁ m + (1 - β₁) g) + weight_decay W); then m = β₂ m + (1 - β₂) g.
    Biases do not decay. As all steps have full size, use a learning rate 3 to 10 times smaller
    than for Adam, and a weight_decay 3 to 10 times larger than for :class:`AdamW`.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Weight of m in the step.
    beta_2 : float in [0, 1), default=0.99
        Decay of the mean of gradients.
    weight_decay : float >= 0, default=0.0
        Fraction of each weight that a step subtracts, in units of lr; 0 for no decay.

    References
    ----------
    X. Chen et al., *Symbolic discovery of optimization algorithms*, NeurIPS 2023,
    algorithm 2.

    Examples
    --------
    >>> from sknn_scratch.components import Lion
    >>> Lion(weight_decay=0.1)
    Lion(beta_1=0.9, beta_2=0.99, weight_decay=0.1)
    """

    beta_1: float = 0.9
    beta_2: float = 0.99
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        self.require_number("beta_1", 0, 1, closed="left")
        self.require_number("beta_2", 0, 1, closed="left")
        self.require_number("weight_decay", 0, np.inf, closed="left")

    # State: m, a vector of theta's size; decayed, the bounds of the weights.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"m": np.zeros_like(theta), "decayed": bounds(groups["decayed"], theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        for g, m, mean in blocks(direction, state["m"], scratch):
            np.copyto(mean, m)
            linalg.ema(mean, g, self.beta_1)
            linalg.ema(m, g, self.beta_2)
            np.sign(mean, g)
            linalg.scale(-lr, g)
        linalg.decay(direction, state["decayed"], theta, lr * self.weight_decay)


class _Moments(Optimizer):
    """Base of Adam and its variants: fields, state, and the step except for two factors."""

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

    def _advance(self, state: State, lr: float) -> tuple[float, float]:
        """Count a step; return lr √(1 - β₂ᵗ) / (1 - β₁ᵗ), and √(1 - β₂ᵗ).

        PyTorch's √(v / (1 - β₂ᵗ)) + ε equals (√v + ε √(1 - β₂ᵗ)) / √(1 - β₂ᵗ), which is
        scikit-learn's √v + ε with another ε and needs no further pass.
        """
        t = state["t"] = state["t"] + 1
        root = sqrt(1 - self.beta_2**t)
        return lr * root / (1 - self.beta_1**t), root

    def _follow(self, g: Array, m: Array, v: Array, square: Array) -> None:
        """Update the means m of g and v of g²; ``square`` may be g, which is overwritten."""
        linalg.ema(m, g, self.beta_1)
        linalg.ema(v, np.multiply(g, g, square), self.beta_2)

    def _step(self, direction: Array, state: State, rate: float, epsilon: float) -> None:
        """direction = -rate m / (√v + ε)."""
        betas = self.beta_1, self.beta_2
        linalg.adam_step(direction, state["m"], state["v"], betas, rate, epsilon)


@register.optimizer("adam")
class Adam(_Moments):
    """Adam, with epsilon added to the uncorrected second moment as in scikit-learn.

    m = β₁ m + (1 - β₁) g,  v = β₂ v + (1 - β₂) g²; the step is
    -lr √(1 - β₂ᵗ) / (1 - β₁ᵗ) · m / (√v + ε).

    Its variants here add epsilon to the bias-corrected moment, as PyTorch does.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients.
    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients.
    epsilon : float > 0, default=1e-8
        Constant ε, which keeps the step finite where gradients are close to 0.

    See Also
    --------
    AdamW : Decoupled weight decay.
    NAdam : Nesterov's momentum.

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

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        rate, _ = self._advance(state, lr)
        self._step(direction, state, rate, self.epsilon)


@register.optimizer("adamw")
class AdamW(_Moments):
    """Adam with decoupled weight decay; biases do not decay.

    With Adam's m and v, m̂ = m / (1 - β₁ᵗ) and v̂ = v / (1 - β₂ᵗ), the step is
    -lr (m̂ / (√v̂ + ε) + weight_decay W). The estimator's ``alpha`` applies in addition: it is
    a penalty, whose gradient enters m and v.

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients.
    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients.
    epsilon : float > 0, default=1e-8
        Constant ε, which keeps the step finite where gradients are close to 0.
    weight_decay : float >= 0, default=0.01
        Fraction of each weight that a step subtracts, in units of lr; 0 for no decay.

    See Also
    --------
    Adam : The default solver.
    AddDecayedWeights : Weight decay for any optimizer.

    References
    ----------
    I. Loshchilov and F. Hutter, *Decoupled weight decay regularization*, ICLR 2019,
    algorithm 2 in PyTorch's scaling, where weight_decay is multiplied by lr.

    Examples
    --------
    >>> from sknn_scratch.components import AdamW
    >>> AdamW(weight_decay=0.1)
    AdamW(beta_1=0.9, beta_2=0.999, epsilon=1e-08, weight_decay=0.1)
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_number("weight_decay", 0, np.inf, closed="left")

    # State: Adam's, and decayed, the bounds of the weights.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return super().init(theta, groups) | {"decayed": bounds(groups["decayed"], theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        rate, root = self._advance(state, lr)
        self._step(direction, state, rate, self.epsilon * root)
        linalg.decay(direction, state["decayed"], theta, lr * self.weight_decay)


@register.optimizer("amsgrad")
class AMSGrad(_Moments):
    """Adam with the largest second moment so far, so that effective rates never increase.

    With Adam's m and v, w = max(w, v), m̂ = m / (1 - β₁ᵗ) and ŵ = w / (1 - β₂ᵗ), the step
    is -lr m̂ / (√ŵ + ε).

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients.
    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients.
    epsilon : float > 0, default=1e-8
        Constant ε, which keeps the step finite where gradients are close to 0.

    References
    ----------
    S. Reddi, S. Kale and S. Kumar, *On the convergence of Adam and beyond*, ICLR 2018,
    with Adam's corrections as in PyTorch.

    Examples
    --------
    >>> from sknn_scratch.components import AMSGrad
    >>> AMSGrad()
    AMSGrad(beta_1=0.9, beta_2=0.999, epsilon=1e-08)
    """

    # State: Adam's, and w, a vector of theta's size.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return super().init(theta, groups) | {"w": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        rate, root = self._advance(state, lr)
        for g, m, v, w in blocks(direction, state["m"], state["v"], state["w"]):
            self._follow(g, m, v, g)
            linalg.divide_by_root(m, np.maximum(w, v, out=w), self.epsilon * root, g, g)
            linalg.scale(-rate, g)


@register.optimizer("nadam")
class NAdam(_Moments):
    """Adam with Nesterov momentum, which increases towards β₁ during training.

    μₜ = β₁ (1 - ½ 0.96^(t · momentum_decay)) and Πₜ = μ₁ ⋯ μₜ; with Adam's m and v and
    v̂ = v / (1 - β₂ᵗ), the step is
    -lr ((1 - μₜ) / (1 - Πₜ) g + μₜ₊₁ / (1 - Πₜ₊₁) m) / (√v̂ + ε).

    Parameters
    ----------
    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients.
    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients.
    epsilon : float > 0, default=1e-8
        Constant ε, which keeps the step finite where gradients are close to 0.
    momentum_decay : float >= 0, default=0.004
        Rate at which μ increases; 0 keeps it at β₁ / 2.

    References
    ----------
    T. Dozat, *Incorporating Nesterov momentum into Adam*, ICLR workshop 2016, with the
    schedule of μ as in PyTorch.

    Examples
    --------
    >>> from sknn_scratch.components import NAdam
    >>> NAdam()
    NAdam(beta_1=0.9, beta_2=0.999, epsilon=1e-08, momentum_decay=0.004)
    """

    momentum_decay: float = 0.004

    def __post_init__(self) -> None:
        super().__post_init__()
        self.require_number("momentum_decay", 0, np.inf, closed="left")

    # State: Adam's, and product, the value of Π after all steps so far.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return super().init(theta, groups) | {"product": 1.0}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        _, root = self._advance(state, lr)
        of_gradient, of_mean = self._factors(state)
        for g, m, v, spare in blocks(direction, state["m"], state["v"], scratch):
            self._follow(g, m, v, spare)
            linalg.scale(of_gradient, g)
            linalg.add_scaled(of_mean, m, g)
            linalg.divide_by_root(g, v, self.epsilon * root, spare, g)
            linalg.scale(-lr * root, g)

    def _factors(self, state: State) -> tuple[float, float]:
        """Multiply the product by μ; return the factors of g and of m."""
        now, later = self._momentum(state["t"]), self._momentum(state["t"] + 1)
        product = state["product"] = state["product"] * now
        return (1 - now) / (1 - product), later / (1 - product * later)

    def _momentum(self, t: int) -> float:
        return self.beta_1 * (1 - 0.5 * 0.96 ** (t * self.momentum_decay))
