"""Averaging of weights over steps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sknn_scratch.components.optimizers import SGD
from sknn_scratch.contracts import Array, Optimizer, State
from sknn_scratch.core import linalg
from sknn_scratch.core.linalg import blocks


class WeightEMA(Optimizer):
    """Exponential moving average of the weights that any optimizer produces.

    eₜ = d eₜ₋₁ + (1 - d) θₜ with e₀ = 0. The weights that are scored and stored are
    eₜ / (1 - dᵗ), a weighted mean of θ₁ ... θₜ. Training itself continues from θₜ.

    Parameters
    ----------
    optimizer : Optimizer, default=SGD()
        Optimizer to average the weights of.
    decay : float in [0, 1), default=0.99
        Decay d of the average, which covers about 1 / (1 - d) steps; 0 disables averaging.

    References
    ----------
    B. Polyak and A. Juditsky, *Acceleration of stochastic approximation by averaging*, SIAM
    Journal on Control and Optimization 30, 1992.

    Examples
    --------
    >>> from sknn_scratch.components import Adam, WeightEMA
    >>> WeightEMA(Adam(beta_1=0.8), decay=0.9).decay
    0.9
    """

    optimizer: Optimizer = SGD()
    decay: float = 0.99

    def __post_init__(self) -> None:
        self.require(isinstance(self.optimizer, Optimizer), "optimizer", "an Optimizer instance")
        self.require_number("decay", 0, 1, closed="left")

    # State: the inner optimizer's; t, the number of steps; average, a vector of theta's size.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        inner = self.optimizer.init(theta, groups)
        return {"inner": inner, "t": 0, "average": np.zeros_like(theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        self.optimizer.update(direction, state["inner"], theta, lr, scratch)
        state["t"] += 1
        for average, step, before, sum_ in blocks(state["average"], direction, theta, scratch):
            linalg.ema(average, np.add(before, step, sum_), self.decay)

    def continues(self, other: Optimizer) -> bool:
        return isinstance(other, WeightEMA) and self.optimizer.continues(other.optimizer)

    def readout(self, theta: Array, state: State) -> Array:
        if state["t"] == 0:
            return theta
        mean: Array = state["average"] / (1.0 - self.decay ** state["t"])
        return mean
