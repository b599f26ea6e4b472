"""Scales of the targets of tables, and the losses that members minimise in units of them."""

from __future__ import annotations

import numpy as np

from sknn_scratch.components import Poisson, SquaredError
from sknn_scratch.contracts import Array, Loss, TargetRange
from sknn_scratch.fitting import _validation
from sknn_scratch.fitting._params import invalid
from sknn_scratch.fitting._settings import Settings

#: Range of targets whose squares, summed over rows, do not overflow.
LARGEST = TargetRange(-1e150, 1e150)
#: Number of standard deviations, or means, whose squares can be summed over rows in float32.
FARTHEST = 1e15
#: Minimum ratio of standard deviation to mean for exponential outputs. exp(c) - 1 differs from c by
#: c²/2. With less variation the difference is below 5 %, so that effects that multiply are nearly
#: additive, while a network has to learn them as smaller and smaller differences of its outputs.
LEAST_VARIATION = 0.1


def check_range(settings: Settings, y: Array, loss: Loss) -> None:
    """Raise ValueError for targets that the loss rejects, or whose squares overflow."""
    owner, written = settings.owner, settings.written_loss
    if not loss.target_range.contains(y):
        raise _validation.outside(owner, y, written, str(loss.target_range))
    if not LARGEST.contains(y):
        raise _validation.outside(owner, y, written, str(LARGEST), "divide y by a constant")


def moments(y: Array, weight: Array | None) -> tuple[Array, Array]:
    """Return the mean and the standard deviation of each target, without underflow of squares."""
    columns, exponents = in_powers_of_two(y.reshape(len(y), -1))
    mean = np.average(columns, axis=0, weights=weight)
    variance = np.average((columns - mean) ** 2, axis=0, weights=weight)
    return np.ldexp(mean, exponents), np.ldexp(np.sqrt(variance), exponents)


def in_powers_of_two(columns: Array) -> tuple[Array, Array]:
    """Return (rows, ...) numbers divided by powers of two to at most 1, and their exponents."""
    exponents = np.frexp(np.abs(columns).max(axis=0, initial=0.0))[1]
    return np.ldexp(columns, -exponents), exponents


def losses(
    owner: str, link: str, loss: Loss, lowest: float, spread: tuple[Array, Array]
) -> list[Loss]:
    """Return the losses of members, which alternate between them; the scores are all by ``loss``.

    ``lowest`` is the lowest target, ``spread`` the mean and the standard deviation of each.
    """
    mean, deviation = spread
    suits = isinstance(loss, SquaredError) and lowest >= 0 and bool((mean > 0).all())
    helps = suits and bool((deviation >= LEAST_VARIATION * mean).all())
    if link == "identity" or (link == "auto" and not helps):
        return [loss]
    if not suits:
        raise invalid(
            owner, "link", "'identity' or 'auto'", link,
            " Exponential outputs are for loss='squared_error' and targets y >= 0.",
        )  # fmt: skip
    return [Poisson()] if link == "log" else [loss, Poisson()]


def possible_losses(link: str, loss: Loss) -> list[Loss]:
    """Return the losses that members can have, for any targets."""
    if link == "identity" or not isinstance(loss, SquaredError):
        return [loss]
    return [Poisson()] if link == "log" else [loss, Poisson()]
