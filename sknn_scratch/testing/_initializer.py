"""Checks of initializers."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn_scratch.contracts import Activation, Array, Initializer, Site
from sknn_scratch.registry import lookup
from sknn_scratch.testing._common import name

SHAPES = ((30, 50), (50, 30), (1, 4), (4, 1))


def _site(index: int = 0) -> Site:
    activation: Any = lookup("activation", "relu")()
    assert isinstance(activation, Activation)
    return Site(index, 2, activation)


def _fill(
    initializer: Initializer, shape: tuple[int, int], seed: int = 0, dtype: Any = np.float64
) -> tuple[Array, Array]:
    W, b = np.full(shape, np.nan, dtype), np.full(shape[1], np.nan, dtype)
    initializer.fill(W, b, np.random.RandomState(seed), _site())
    return W, b


def check_fills_everything(initializer: Initializer) -> None:
    """W and b are filled in place, in float32 too."""
    for shape in SHAPES:
        for dtype in (np.float64, np.float32):
            for array, what in zip(_fill(initializer, shape, 0, dtype), ("W", "b"), strict=True):
                assert np.isfinite(array).all(), (
                    f"{name(initializer)}.fill leaves parts of {what} unfilled: write in place, "
                    f"{what}[...] = ..."
                )


def check_draws_from_rng_only(initializer: Initializer) -> None:
    """The same rng gives the same fill, and the global one is not touched."""
    before: Any = np.random.get_state()  # noqa: NPY002
    first, second = _fill(initializer, (30, 50)), _fill(initializer, (30, 50))
    after: Any = np.random.get_state()  # noqa: NPY002
    untouched = np.array_equal(before[1], after[1]) and before[2] == after[2]
    assert untouched, (
        f"{name(initializer)} draws from numpy's global generator: use the `rng` that fill is "
        "handed."
    )
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b), (
            f"{name(initializer)} fills differently from the same rng: draw from `rng` alone."
        )


def check_variance(initializer: Initializer) -> None:
    """Weights are of a size that lets signals through: var(W) * fan_in is at most 10."""
    for fan_in, fan_out in ((300, 100), (100, 300)):
        W, b = _fill(initializer, (fan_in, fan_out))
        size = float(np.mean(W**2)) * fan_in
        assert size <= 10, (
            f"{name(initializer)}: the mean square of W is {size / fan_in:.2g}, {size:.2g} times "
            "1 / fan_in. Signals grow by its root in every layer: scale by 1 / sqrt(fan_in)."
        )
        assert float(np.abs(b).max()) <= 10, f"{name(initializer)}: biases exceed 10."


CHECKS = (check_fills_everything, check_draws_from_rng_only, check_variance)
