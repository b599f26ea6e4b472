"""Stacks of networks of equal shape: products are stacked, elementwise operations are joint.

Compared with :mod:`sknn_scratch.core.network`, arrays have one more axis, the first, for the
networks: x is (k, rows, n_in), W is (k, fan_in, units).  Activations and losses receive
arrays (k · rows, units), as for a single network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core.layers import Dense, Part, ScaledDense
from sknn_scratch.core.layout import Layout
from sknn_scratch.core.linalg import row_runs
from sknn_scratch.core.network import Network

#: Arrays of each layer, (W, b) or (W, b, s), with the k networks along the first axis.
StackParams = tuple[tuple[Array, ...], ...]


def stack_params(layout: Layout, block: Array) -> StackParams:
    """Return the views of a (k, parameters) block."""
    k = len(block)
    return tuple(
        tuple(block[:, layout.groups[name]].reshape(k, *shape) for name, shape in part.items())
        for part in layout.layers
    )


@dataclass(frozen=True, slots=True)
class StackSlot:
    """Buffers of a layer; arrays are (k, rows, units)."""

    z: Array  #: synaptic input, or the array of ``a`` unless z is kept
    a: Array  #: output of the layer; for the last, a view of raw outputs in Fortran order
    delta: Any  #: ∂J/∂a, then ∂J/∂z; None without a backward pass
    scaled: Any  #: (k, n_in, units) weights times the feature scales of a scaled layer
    parts: tuple[Part, ...]  #: runs of (k · rows, units), see ``layers.Slot``


class StackBuffers:
    """Buffers for k networks with equal numbers of rows."""

    def __init__(self, network: Network, k: int, n: int, dtype: Any, trains: bool) -> None:
        units = [layer.units for layer in network.layers]
        self.x = np.empty((k * n, network.n_in), dtype)
        self.raw = np.empty((units[-1], k * n), dtype).T
        self.grad = np.empty((units[-1], k * n), dtype).T
        self.slots = tuple(
            _slot(layer, (k, n, n_in), dtype, trains)
            for layer, n_in in zip(network.layers, network.units, strict=False)
        )
        self.ones = np.ones((1, n), dtype)
        self.k, self.n = k, n

    def of_each(self, a: Array) -> Array:
        """Return (k · rows, ...) as (k, rows, ...)."""
        return a.reshape(self.k, self.n, *a.shape[1:])

    def raw_of_each(self, a: Array) -> Array:
        """Return raw outputs, or their gradient, as (k, rows, n_raw)."""
        return a.T.reshape(-1, self.k, self.n).transpose(1, 2, 0)


def forward(network: Network, params: StackParams, x: Array, buffers: StackBuffers) -> Array:
    """Return the raw outputs, (k · rows, n_raw), for x (k, rows, n_in)."""
    for layer, own, slot in zip(network.layers, params, buffers.slots, strict=True):
        weights = _weights(layer, own, slot)
        np.matmul(x, weights, slot.z)
        np.add(slot.z, own[1][:, None, :], slot.z)
        if isinstance(layer, Dense) and layer.activation is not None:
            for part in slot.parts:
                layer.activation.forward(part.z, part.a)
        x = slot.a
    np.copyto(buffers.raw_of_each(buffers.raw), x)
    return buffers.raw


def backward(
    network: Network, params: StackParams, grads: StackParams, x: Array, buffers: StackBuffers
) -> None:
    """Write the gradients into ``grads``, from ∂J/∂raw in the last slot's delta.

    Call it after :func:`forward`, with the same arguments.
    """
    for k in range(len(network.layers) - 1, -1, -1):
        slot, below = buffers.slots[k], buffers.slots[k - 1] if k else None
        layer = network.layers[k]
        if isinstance(layer, Dense) and layer.activation is not None:
            for part in slot.parts:
                layer.activation.backward(part.delta, part.a, part.kept, part.delta)
        _parameter_grads(layer, params[k], grads[k], below.a if below else x, slot, buffers.ones)
        if below is not None:
            np.matmul(slot.delta, params[k][0].transpose(0, 2, 1), below.delta)


def _parameter_grads(
    layer: Any, own: tuple[Array, ...], grads: tuple[Array, ...], x: Array, slot: Any, ones: Array
) -> None:
    """Write ∂J/∂W, ∂J/∂b and, for a scaled layer, ∂J/∂s."""
    np.matmul(x.transpose(0, 2, 1), slot.delta, grads[0])
    np.matmul(ones, slot.delta, grads[1][:, None, :])
    if isinstance(layer, ScaledDense):
        np.multiply(own[0], grads[0], slot.scaled)
        np.add.reduce(slot.scaled, 2, out=grads[2])
        np.multiply(grads[0], own[2][:, :, None], grads[0])


def _weights(layer: Any, own: tuple[Array, ...], slot: StackSlot) -> Array:
    if isinstance(layer, ScaledDense):
        return np.multiply(own[0], own[2][:, :, None], slot.scaled)
    return own[0]


def _slot(layer: Any, shape: tuple[int, int, int], dtype: Any, trains: bool) -> StackSlot:
    """Return buffers for (k, rows, n_in) inputs."""
    k, n, n_in = shape
    a = np.empty((k * n, layer.units), dtype)
    z = np.empty_like(a) if layer.keeps else a
    delta = np.empty_like(a) if trains else None
    scaled = np.empty((k, n_in, layer.units), dtype) if isinstance(layer, ScaledDense) else None
    parts = tuple(
        Part(z[r], a[r], z[r] if layer.keeps else None, None if delta is None else delta[r])
        for r in row_runs(k * n, layer.units)
    )
    each = (k, n, layer.units)
    whole = None if delta is None else delta.reshape(each)
    return StackSlot(z.reshape(each), a.reshape(each), whole, scaled, parts)
