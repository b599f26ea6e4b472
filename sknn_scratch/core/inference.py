"""Raw outputs for many rows, block by block: memory does not grow with their number."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sknn_scratch.contracts import Array
from sknn_scratch.core.layout import Params
from sknn_scratch.core.network import Network
from sknn_scratch.core.workspace import inference_slots

#: Elements of the widest layer's buffer: about what a core's cache holds.
BLOCK_ELEMENTS = 2**17


def raw_blocks(
    network: Network, params: Params, X: Any, index: Array | None = None
) -> Iterator[tuple[slice, Array]]:
    """Yield (slice, raw outputs of its rows) over all rows of X, or over those in ``index``.

    The raw outputs may be overwritten; they are valid until the next block.
    """
    n = X.shape[0] if index is None else len(index)
    dtype = params.vector.dtype
    size = max(1, min(n, BLOCK_ELEMENTS // max(network.units[1:])))
    slots = inference_slots(network, size, dtype)
    for start in range(0, n, size):
        block = slice(start, min(start + size, n))
        if block.stop - start < size:
            slots = inference_slots(network, block.stop - start, dtype)
        x = X[block] if index is None else X[index[block]]
        yield block, network.forward(params, x.astype(dtype, copy=False), slots)
