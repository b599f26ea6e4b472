"""Raw outputs for many rows, computed block by block in constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg
from sknn_scratch.core.layers import Slot
from sknn_scratch.core.layout import Params
from sknn_scratch.core.network import Network
from sknn_scratch.core.workspace import inference_slots

#: Number of elements in the widest layer's buffer, chosen to fit a core's cache.
BLOCK_ELEMENTS = 2**17


class Inference:
    """Forward pass in blocks of at most ``n`` rows, with buffers for one block."""

    def __init__(self, network: Network, n: int, dtype: Any) -> None:
        self.network, self.dtype = network, dtype
        self.size = max(1, min(n, BLOCK_ELEMENTS // max(network.units[1:])))
        self._slots = {self.size: inference_slots(network, self.size, dtype)}

    def __reduce__(self) -> Any:
        """Leave out the buffers, since views would be separate arrays in another process."""
        return type(self), (self.network, self.size, self.dtype)

    def raw_blocks(
        self, params: Params, X: Any, index: Array | None = None
    ) -> Iterator[tuple[slice, Array]]:
        """Yield (slice, raw outputs of its rows) over all rows of X, or over ``index``.

        The raw outputs may be overwritten; they are valid until the next block.
        """
        n = X.shape[0] if index is None else len(index)
        for start in range(0, n, self.size):
            block = slice(start, min(start + self.size, n))
            x = X[block] if index is None else X[index[block]]
            x = linalg.in_rows(x.astype(self.dtype, copy=False))
            yield block, self.network.forward(params, x, self._slots_for(x.shape[0]))

    def _slots_for(self, n: int) -> tuple[Slot, ...]:
        if n not in self._slots:
            self._slots[n] = inference_slots(self.network, n, self.dtype)
        return self._slots[n]
