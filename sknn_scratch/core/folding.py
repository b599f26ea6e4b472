"""Parameters that include a scaling of inputs and outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core.network import Network


def folded(network: Network, theta: Array, factor: Any, shift: Any = 0.0) -> Array:
    """Return the parameters of a plain network that include feature scales, factor and shift.

    factor (a W + b) + shift = a (W ∘ factor) + factor b + shift.
    """
    params = network.plain(network.layout.params(theta))
    W, b = params[-1]
    params[-1] = (W * factor, b * factor + shift)
    parts = [arrays[k].ravel() for k in (0, 1) for arrays in params]
    return np.concatenate(parts).astype(theta.dtype)
