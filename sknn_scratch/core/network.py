"""Network: a sequence of layers, with backpropagation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sknn_scratch.contracts import Activation, Array
from sknn_scratch.core.layers import Dense, Dropout, Layer, ScaledDense, Slot
from sknn_scratch.core.layout import Layout, Params


class Network:
    """Feed-forward network with ``n_in`` inputs, a pure function of parameters and buffers.

    It stores no weights and no state, so several threads can share one network.
    """

    def __init__(self, n_in: int, layers: Sequence[Layer]) -> None:
        self.n_in = n_in
        self.layers = tuple(layers)
        inputs = (n_in, *(layer.units for layer in self.layers))
        self.layout = Layout(
            [layer.shapes(n) for layer, n in zip(self.layers, inputs, strict=False)]
        )
        #: Number of units of the input and of each layer with parameters.
        self.units = (n_in, *(layer.units for layer in self.layers if isinstance(layer, Dense)))

    @classmethod
    def dense(
        cls,
        n_in: int,
        hidden: Sequence[int],
        n_raw: int,
        activations: Sequence[Activation],
        dropout: Sequence[float] = (),
        scaled: bool = False,
    ) -> Network:
        """Return a network of dense hidden layers and ``n_raw`` linear outputs.

        ``dropout`` holds a rate for each hidden layer.  Dropout layers have no parameters, so
        networks with and without them share one vector.  With ``scaled``, the first layer has
        learned scales of its inputs.
        """
        layers: list[Layer] = []
        each = [*zip(hidden, activations, strict=True), (n_raw, None)]
        rates = [*(dropout or [0.0] * len(hidden)), 0.0]
        for (units, f), rate in zip(each, rates, strict=True):
            kind = ScaledDense if scaled and not layers else Dense
            layers.append(kind(units, f))
            if rate:
                layers.append(Dropout(units, rate))
        return cls(n_in, layers)

    def plain(self, params: Params) -> list[tuple[Array, Array]]:
        """Return the W and b of each layer's x W + b; dropout layers have none."""
        pairs = zip(self.layers, params.layers, strict=True)
        return [layer.plain(arrays) for layer, arrays in pairs if isinstance(layer, Dense)]

    def forward(self, params: Params, x: Any, slots: Sequence[Slot], rng: Any = None) -> Array:
        """Return the raw outputs (rows, n_raw) for x (rows, n_in); ``rng`` is for dropout."""
        for k, layer in enumerate(self.layers):
            x = layer.forward(params.layers[k], x, slots[k], rng)
        return x

    def backward(self, params: Params, grads: Params, x: Any, slots: Sequence[Slot]) -> None:
        """Write the gradient of J into ``grads``, from ∂J/∂raw in the last slot's delta.

        Call it after ``forward``, with the same arguments.
        """
        for k in range(len(self.layers) - 1, 0, -1):
            below = slots[k - 1]
            self.layers[k].backward(
                params.layers[k], grads.layers[k], below.a, slots[k], below.delta
            )
        self.layers[0].backward(params.layers[0], grads.layers[0], x, slots[0], None)
