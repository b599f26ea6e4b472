"""Checks of initializers."""

from __future__ import annotations

import random
from itertools import product
from typing import Any

import numpy as np

from sknn_scratch.contracts import Activation, Array, Initializer, Site
from sknn_scratch.registry import lookup
from sknn_scratch.testing._common import name, require, same

SHAPES = ((30, 50), (50, 30), (1, 4), (4, 1))
LAYERS = 3
#: Initial content of arrays, to be overwritten by the initializer.
UNFILLED = np.nan


def _site(index: int, activation: str = "relu") -> Site:
    known: Any = lookup("activation", activation)()
    assert isinstance(known, Activation)
    return Site(index, LAYERS, known)


def _fill(initializer: Initializer, W: Array, site: Site | None = None, seed: int = 0) -> Array:
    """Fill W in place, and a new b; return b."""
    W[...] = UNFILLED
    b = np.full(W.shape[1], UNFILLED, W.dtype)
    initializer.fill(W, b, np.random.RandomState(seed), site or _site(0))
    return b


def check_fills_everything(initializer: Initializer) -> None:
    """W and b are filled in place in every layer, dtype and memory order."""
    sites = [_site(k, f) for k, f in product(range(LAYERS), ("relu", "tanh", "logistic"))]
    arrays = [
        np.empty(shape, dtype, order)
        for shape in SHAPES
        for dtype in (np.float64, np.float32)
        for order in ("C", "F")
    ]
    for W, site in product(arrays, sites):
        b = _fill(initializer, W, site)
        for array, what in ((W, "W"), (b, "b")):
            require(
                bool(np.isfinite(array).all()),
                f"{name(initializer)}.fill leaves parts of {what} unfilled, or not finite, for W "
                f"of shape {W.shape} in layer {site.index} of {LAYERS}: write in place, "
                f"{what}[...] = ...",
            )


def _global_states() -> tuple[Any, Any]:
    return np.random.get_state(), random.getstate()  # noqa: NPY002


def check_draws_from_rng_only(initializer: Initializer) -> None:
    """The same rng gives the same weights, and global generators are not used."""
    before = _global_states()
    one, other = np.empty((30, 50)), np.empty((30, 50))
    biases = _fill(initializer, one), _fill(initializer, other)
    require(
        same(_global_states(), before),
        f"{name(initializer)} draws from a global generator: use the argument `rng` of fill.",
    )
    require(
        same((one, biases[0]), (other, biases[1])),
        f"{name(initializer)} gives different weights for the same rng: draw from `rng` only.",
    )


def check_variance(initializer: Initializer) -> None:
    """The mean of W² is at most 10 / fan_in, so that signals do not explode."""
    for shape in ((300, 100), (100, 300)):
        W = np.empty(shape)
        b = _fill(initializer, W)
        square = float(np.mean(W**2))
        require(
            square * len(W) <= 10,
            f"{name(initializer)}: the mean square of W is {square:.2g}, {square * len(W):.2g} "
            "times 1 / fan_in. Signals grow by its root in each layer: scale by 1 / sqrt(fan_in).",
        )
        largest = float(np.abs(b).max())
        message = f"{name(initializer)}: biases are up to {largest:.2g}; they must not exceed 10."
        require(largest <= 10, message)


CHECKS = (check_fills_everything, check_draws_from_rng_only, check_variance)
