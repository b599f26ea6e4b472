"""Buffers for batches, allocated once and reused in every step.

A workspace is passed as an argument and never stored on an estimator, so that a fitted
network can predict in several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core.layers import Slot
from sknn_scratch.core.network import Network

Order = Literal["C", "F"]


@dataclass(slots=True)
class Buffers:
    """Buffers for batches of one number of rows."""

    slots: tuple[Slot, ...]
    delta: Array  #: delta of the last slot, ∂J/∂raw, as a vector


class Workspace:
    """Buffers for training ``network`` on batches of at most ``capacity`` rows.

    Raw outputs and their gradient are in Fortran order, because reductions over the few
    outputs of a row are then several times faster than in C order.
    """

    def __init__(self, network: Network, capacity: int, dtype: Any) -> None:
        self._ones = np.ones(capacity, dtype)
        last = network.layers[-1]
        self._slots = [
            (
                _buffer(capacity, layer.units, dtype, "F" if layer is last else "C"),
                _buffer(capacity, layer.units, dtype, "F" if layer is last else "C"),
                _buffer(capacity, layer.units, dtype) if layer.keeps else None,
            )
            for layer in network.layers
        ]
        self._rows: dict[int, Buffers] = {}

    def rows(self, n: int) -> Buffers:
        """Return the buffers for a batch of ``n`` rows, the same views in every call."""
        if n not in self._rows:
            slots = tuple(
                Slot.make(out(n), self._ones[:n], kept and kept(n), delta(n))
                for out, delta, kept in self._slots
            )
            self._rows[n] = Buffers(slots, slots[-1].delta.T.reshape(-1))
        return self._rows[n]


def inference_slots(network: Network, n: int, dtype: Any) -> tuple[Slot, ...]:
    """Return slots for a forward pass over ``n`` rows, which alternate between two buffers."""
    widest = max(layer.units for layer in network.layers)
    flat = [np.empty(n * widest, dtype) for _ in network.layers[:2]]
    last, ones = len(network.layers) - 1, np.ones(n, dtype)
    return tuple(
        Slot.make(_view(flat[k % 2], n, layer.units, "F" if k == last else "C"), ones)
        for k, layer in enumerate(network.layers)
    )


def _buffer(capacity: int, units: int, dtype: Any, order: Order = "C") -> Callable[[int], Array]:
    """Allocate a buffer; return a function from n <= capacity to a view (n, units) of it."""
    flat = np.empty(capacity * units, dtype)
    return lambda n: _view(flat, n, units, order)


def _view(flat: Array, n: int, units: int, order: Order) -> Array:
    """Return the start of ``flat`` as a contiguous (n, units) array."""
    part = flat[: n * units]
    return part.reshape(n, units) if order == "C" else part.reshape(units, n).T
