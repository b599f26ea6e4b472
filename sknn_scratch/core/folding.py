"""Parameters that include a scaling of inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core.network import Network


def folded(network: Network, theta: Array, factor: Any, shift: Any = 0.0) -> Array:
    """Return the parameters of a plain network that include feature scales, factor and shift.

    (x ∘ s) W = x (diag(s) W), and factor (a W + b) + shift = a (W ∘ factor) + factor b + shift.
    """
    params = [tuple(map(np.array, arrays)) for arrays in network.layout.params(theta).layers]
    if len(params[0]) == 3:
        W, b, s = params[0]
        params[0] = (W * s[:, None], b)
    W, b = params[-1]
    params[-1] = (W * factor, b * factor + shift)
    parts = [arrays[k].ravel() for k in (0, 1) for arrays in params]
    return np.concatenate(parts).astype(theta.dtype)


def unfolded(network: Network, theta: Array, factor: Any) -> Array:
    """Return the parameters of ``network`` that :func:`folded`, with ``factor``, made ``theta`` of.

    Feature scales are 1, because a product does not determine its factors.
    """
    found = np.ones(network.layout.size, theta.dtype)
    params, start = network.layout.params(found).layers, 0
    for k in (0, 1):
        for arrays in params:
            end = start + arrays[k].size
            arrays[k][...] = theta[start:end].reshape(arrays[k].shape)
            start = end
    for array in params[-1][:2]:
        array /= factor
    return found
