"""The objective: network, loss and penalty as one function of the parameters.

    J(θ) = 1/w Σ wᵢ L(yᵢ, raw(xᵢ; θ)) + α/(2w) Σ W²,    w = Σ wᵢ

The penalty is divided by the weight sum as in scikit-learn: it stands for α once per
batch, whatever the batch's size.
"""

from __future__ import annotations

from dataclasses import dataclass

from sknn_scratch.contracts import Loss
from sknn_scratch.core.data import Batch
from sknn_scratch.core.layout import Params
from sknn_scratch.core.linalg import add_scaled
from sknn_scratch.core.network import Network
from sknn_scratch.core.workspace import Rows


@dataclass(frozen=True)
class Objective:
    """What training minimises."""

    network: Network
    loss: Loss
    alpha: float

    def value_and_grad(self, params: Params, batch: Batch, rows: Rows, grads: Params) -> float:
        """Return J on one batch and write its gradient into ``grads``."""
        value = self.data_term(params, batch, rows, grads, 1.0 / batch.weight_sum)
        return value + self.penalty(params, grads, batch.weight_sum)

    def data_term(
        self, params: Params, batch: Batch, rows: Rows, grads: Params, factor: float
    ) -> float:
        """Return ``factor`` times the sum of the losses of a batch, and write its gradient.

        Sums over row blocks and over partitions add up if all use the same factor.
        """
        raw = self.network.forward(params, batch.x, rows.slots)
        delta = rows.slots[-1].delta
        value = self.loss.value_and_grad(batch.y, raw, batch.weight, delta)
        delta *= factor
        self.network.backward(params, grads, batch.x, rows.slots)
        return value * factor

    def penalty(self, params: Params, grads: Params, weight_sum: float) -> float:
        """Return the L2 term and add its gradient to ``grads``."""
        if self.alpha == 0:
            return 0.0
        W = params.decayed
        add_scaled(self.alpha / weight_sum, W, grads.decayed)
        return 0.5 * self.alpha / weight_sum * float(W @ W)
