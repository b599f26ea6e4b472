"""The layers of a network: forward beside backward.

A layer owns no arrays.  Its parameters are views of the vector of all parameters, its
buffers a :class:`Slot` of the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn_scratch.contracts import Activation, Array
from sknn_scratch.core.layout import Shapes
from sknn_scratch.core.linalg import column_sums_into, matmul_into, matmul_transposed_into


@dataclass(slots=True)
class Slot:
    """A layer's buffers for one number of rows."""

    out: Array  #: what the layer returns, (rows, units)
    cache: Array | None  #: what ``backward`` needs besides, (rows, units)
    delta: Any = None  #: ∂J/∂out, (rows, units); None without a backward pass, as is
    ones: Any = None  #: (rows,) ones


@dataclass(frozen=True)
class Dense:
    """``a = f(x W + b)``; without an activation, as in the output layer, ``a = x W + b``."""

    units: int
    activation: Activation | None = None

    @property
    def keeps_cache(self) -> bool:
        """True if z must be kept beside a."""
        return self.activation is not None and self.activation.needs_input

    def shapes(self, n_in: int) -> Shapes:
        """Return the shapes of the parameters."""
        return {"W": (n_in, self.units), "b": (self.units,)}

    def forward(self, params: tuple[Array, ...], x: Any, slot: Slot) -> Array:
        """Return f(x W + b), in ``slot.out``."""
        W, b = params
        z = slot.out if slot.cache is None else slot.cache
        matmul_into(x, W, z)
        np.add(z, b, z)
        return z if self.activation is None else self.activation.forward(z, slot.out)

    def backward(
        self, params: tuple[Array, ...], grads: tuple[Array, ...], x: Any, slot: Slot, dx: Any
    ) -> None:
        """Turn ∂J/∂a in ``slot.delta`` into δ = ∂J/∂z, and write ∂J/∂W, ∂J/∂b and ∂J/∂x.

        ∂J/∂W = xᵀ δ, ∂J/∂b = Σ δ over rows, ∂J/∂x = δ Wᵀ (not for the first layer: None).
        """
        delta = slot.delta
        if self.activation is not None:
            self.activation.backward(delta, slot.out, slot.cache, delta)
        matmul_transposed_into(x, delta, grads[0])
        column_sums_into(delta, slot.ones, grads[1])
        if dx is not None:
            np.dot(delta, params[0].T, dx)
