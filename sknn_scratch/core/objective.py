"""Objective: network, loss and penalty as one function of the parameters.

    J(θ) = 1/w Σ wᵢ L(yᵢ, raw(xᵢ; θ)) + α/w (½ (1 - λ) Σ W² + λ Σ |W|),    w = Σ wᵢ

with λ the fraction of the L1 penalty, ``l1_ratio``, by default 0.  With a weight for each of the t
targets of a row, wᵢ L is Σₖ wᵢₖ Lₖ, and wᵢ in the sum w is the mean 1/t Σₖ wᵢₖ.

As in scikit-learn, the penalty is divided by the weight sum, so that each batch counts it
once, whatever its size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core import linalg, weighting
from sknn_scratch.core.data import Batch
from sknn_scratch.core.layout import Params
from sknn_scratch.core.linalg import blocks
from sknn_scratch.core.network import Network
from sknn_scratch.core.workspace import Buffers


@dataclass(frozen=True)
class Objective:
    """Function of the parameters that training minimises."""

    network: Network
    loss: Loss
    alpha: float
    l1_ratio: float = 0.0

    def value_and_grad(
        self, params: Params, batch: Batch, rows: Buffers, grads: Params, rng: Any = None
    ) -> float:
        """Return J on one batch; write its gradient into ``grads``; ``rng`` is for dropout."""
        value = self.data_term(params, batch, rows, grads, 1.0 / batch.weight_sum, rng)
        return value + self.penalty(params, grads, batch.weight_sum)

    def data_term(
        self,
        params: Params,
        batch: Batch,
        rows: Buffers,
        grads: Params,
        factor: float,
        rng: Any = None,
    ) -> float:
        """Return ``factor`` times the sum of the losses of a batch, and write its gradient.

        Sums over row blocks and over partitions add up if all use the same factor.
        """
        raw = self.network.forward(params, batch.x, rows.slots, rng)
        delta = rows.slots[-1].delta
        value = weighting.value_and_grad(self.loss, batch.y, raw, batch.weight, delta)
        linalg.scale(factor, rows.delta)
        self.network.backward(params, grads, batch.x, rows.slots)
        return value * factor

    def penalty(self, params: Params, grads: Params, weight_sum: float) -> float:
        """Return the penalty and add its gradient to ``grads``."""
        if self.alpha == 0:
            return 0.0
        W = params.decayed
        l2 = self.alpha * (1.0 - self.l1_ratio) / weight_sum
        value = linalg.add_l2(l2, W, grads.decayed)
        return value + self._l1(W, grads.decayed, weight_sum) if self.l1_ratio else value

    def _l1(self, W: Array, grad: Array, weight_sum: float) -> float:
        """Return the L1 term and add its gradient; the subgradient at 0 is 0."""
        l1 = self.alpha * self.l1_ratio / weight_sum
        for w, g in blocks(W, grad):
            linalg.add_scaled(l1, np.sign(w), g)
        return l1 * float(np.abs(W).sum())
