"""Layers of a network, each with its forward and backward pass.

A layer owns no arrays.  Its parameters are views of the vector of all parameters; its
buffers are a :class:`Slot` of the workspace.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.contracts import Activation, Array, Initializer, Site
from sknn_scratch.core import linalg
from sknn_scratch.core.layout import Shapes
from sknn_scratch.core.linalg import row_runs


class Part(NamedTuple):
    """Run of rows of a layer's buffers that fits a core's cache."""

    z: Array
    a: Array
    kept: Array | None  #: z, if it is stored separately from a
    delta: Any


@dataclass(frozen=True, slots=True)
class Slot:
    """Buffers of a layer for one number of rows; arrays are (rows, units)."""

    z: Array  #: synaptic input, or the array of ``a`` if computed in place; the mask of dropout
    a: Array  #: output of the layer
    ones: Array  #: (rows,) ones
    delta: Any  #: ∂J/∂a, then ∂J/∂z; None without a backward pass
    #: Elementwise operations run part by part, so that their temporary arrays are small, too.
    parts: tuple[Part, ...]

    @classmethod
    def make(cls, a: Array, ones: Array, kept: Array | None = None, delta: Any = None) -> Slot:
        """Return the slot of these buffers; ``kept`` is a separate buffer for z."""
        z = a if kept is None else kept
        # Raw outputs, in Fortran order, are one part: they are small, with no contiguous rows.
        runs = row_runs(*a.shape) if a.flags.c_contiguous else [slice(None)]
        parts = (
            Part(z[r], a[r], None if kept is None else kept[r], None if delta is None else delta[r])
            for r in runs
        )
        return cls(z, a, ones, delta, tuple(parts))


@dataclass(frozen=True)
class Dense:
    """Dense layer ``a = f(x W + b)``; without an activation (output layer), ``a = x W + b``."""

    units: int
    activation: Activation | None = None

    @property
    def keeps(self) -> bool:
        """True if z must be stored separately from a."""
        return self.activation is not None and self.activation.needs_input

    def shapes(self, n_in: int) -> Shapes:
        """Return the shapes of the parameters."""
        return {"W": (n_in, self.units), "b": (self.units,)}

    def fill(
        self, params: tuple[Array, ...], initializer: Initializer, rng: Any, site: Site
    ) -> None:
        """Write initial weights and biases."""
        W, b = params
        initializer.fill(W, b, rng, site)

    def plain(self, params: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return the W and b of x W + b."""
        W, b = params
        return W, b

    def forward(self, params: tuple[Array, ...], x: Any, slot: Slot, rng: Any) -> Array:
        """Return f(x W + b), in ``slot.a``."""
        W, b = self.plain(params)
        linalg.affine_into(x, W, b, slot.ones, slot.z)
        if self.activation is not None:
            for z, a, _, _ in slot.parts:
                self.activation.forward(z, a)
        return slot.a

    def backward(
        self, params: tuple[Array, ...], grads: tuple[Array, ...], x: Any, slot: Slot, dx: Any
    ) -> None:
        """Replace ∂J/∂a in ``slot.delta`` by δ = ∂J/∂z, and write ∂J/∂W, ∂J/∂b and ∂J/∂x.

        ∂J/∂W = xᵀ δ, ∂J/∂b = Σ δ over rows, ∂J/∂x = δ Wᵀ (not for the first layer: None).
        """
        if self.activation is not None:
            for _, a, kept, delta in slot.parts:
                self.activation.backward(delta, a, kept, delta)
        linalg.affine_backward(x, params[0], slot.delta, slot.ones, grads, dx)


@dataclass(frozen=True)
class ScaledDense(Dense):
    """Dense layer with learned feature scales s: ``a = f((x ∘ s) W + b)``.

    (x ∘ s) W = x (diag(s) W), so scaling operates on the weights, not on the rows.
    """

    def shapes(self, n_in: int) -> Shapes:
        """Return the shapes of the parameters."""
        return super().shapes(n_in) | {"s": (n_in,)}

    def fill(
        self, params: tuple[Array, ...], initializer: Initializer, rng: Any, site: Site
    ) -> None:
        """Write initial weights and biases, and scales of 1."""
        W, b, s = params
        super().fill((W, b), initializer, rng, site)
        s.fill(1.0)

    def plain(self, params: tuple[Array, ...]) -> tuple[Array, Array]:
        """Return diag(s) W and b."""
        W, b, s = params
        return W * s[:, None], b

    def backward(
        self, params: tuple[Array, ...], grads: tuple[Array, ...], x: Any, slot: Slot, dx: Any
    ) -> None:
        """As for :class:`Dense`; with G = xᵀ δ, ∂J/∂W = diag(s) G and ∂J/∂s = Σ W ∘ G (units)."""
        W, b, s = params
        scaled = W if dx is None else W * s[:, None]  # only ∂J/∂x needs it
        super().backward((scaled, b), grads[:2], x, slot, dx)
        np.einsum("iu,iu->i", W, grads[0], out=grads[2])
        np.multiply(grads[0], s[:, None], grads[0])


@dataclass(frozen=True)
class Dropout:
    """Inverted dropout: ``a = x m / (1 - rate)``, with m = 0 with probability ``rate``, else 1.

    For training only: the network that predicts has no dropout layers.
    """

    units: int
    rate: float
    keeps = True  # the mask m / (1 - rate), in ``slot.z``

    def shapes(self, n_in: int) -> Shapes:
        """Return an empty dict, as dropout has no parameters."""
        return {}

    def fill(
        self, params: tuple[Array, ...], initializer: Initializer, rng: Any, site: Site
    ) -> None:
        """Do nothing, as dropout has no parameters."""

    def forward(self, params: tuple[Array, ...], x: Any, slot: Slot, rng: Any) -> Array:
        """Draw a mask from the numpy Generator ``rng`` and apply it."""
        mask = slot.z
        rng.random(dtype=mask.dtype, out=mask)
        np.greater_equal(mask, self.rate, mask)
        np.multiply(mask, 1.0 / (1.0 - self.rate), mask)
        return np.multiply(x, mask, slot.a)

    def backward(
        self, params: tuple[Array, ...], grads: tuple[Array, ...], x: Any, slot: Slot, dx: Any
    ) -> None:
        """Write ∂J/∂x = ∂J/∂a m / (1 - rate)."""
        np.multiply(slot.delta, slot.z, dx)


Layer = Dense | Dropout
