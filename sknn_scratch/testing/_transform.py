"""Checks of transforms."""

from __future__ import annotations

import numpy as np

from sknn_scratch.contracts import Array, Transform
from sknn_scratch.testing._common import name, require_close
from sknn_scratch.testing._optimizer import (
    check_allocates_little,
    check_float32_stays,
    check_resumes,
    check_state_is_plain_and_its_own,
    check_steps_are_written_into_direction,
    check_zero_rate,
    start,
)


def _changed(transform: Transform, lr: float) -> Array:
    """Return what becomes of lr u with fixed values of u."""
    theta = np.linspace(-1, 1, 8)
    state, direction = start(transform, theta), lr * np.linspace(3, -2, 8)
    transform.update(direction, state, theta, lr, np.full_like(theta, np.nan))
    return direction


def check_scales_with_the_rate(transform: Transform) -> None:
    """The result for a direction of lr u is lr times the result for u at lr = 1."""
    for lr in (-1.0, 1e-3, 0.5, 2.0):
        require_close(
            _changed(transform, lr) / lr,
            _changed(transform, 1.0),
            1e-10,
            f"{name(transform)} must act alike at each learning rate, but does not at lr = {lr:g}: "
            "direction is in units of lr, so multiply limits by abs(lr), and what you add by lr",
        )


CHECKS = (
    check_steps_are_written_into_direction,
    check_state_is_plain_and_its_own,
    check_zero_rate,
    check_scales_with_the_rate,
    check_resumes,
    check_float32_stays,
    check_allocates_little,
)
