"""Checks of schedules."""

from __future__ import annotations

from itertools import product
from numbers import Real

import numpy as np

from sknn_scratch.contracts import Progress, Schedule
from sknn_scratch.testing._common import name, require

GRID = [
    Progress(epoch, step, samples, fraction, stalls)
    for epoch, step, samples, fraction, stalls in product(
        (0, 1, 7, 1000), (0, 1, 12345), (0, 1, 999, 10**7), (0.0, 1e-9, 0.3, 0.5, 1.0), (0, 1, 30)
    )
]


def _factor(schedule: Schedule, progress: Progress) -> float:
    """Return the factor; raise AssertionError if the schedule fails."""
    try:
        return schedule(progress)
    except Exception as error:
        raise AssertionError(
            f"{name(schedule)} fails at {progress} ({type(error).__name__}: {error}): return a "
            "factor for every progress."
        ) from error


def check_is_a_factor(schedule: Schedule) -> None:
    """The factor is a finite number that is not negative."""
    for progress in GRID:
        factor = _factor(schedule, progress)
        is_factor = isinstance(factor, Real) and bool(np.isfinite(factor)) and factor >= 0
        require(
            is_factor,
            f"{name(schedule)} returns {factor!r} at {progress}: the factor must be one finite "
            "number, not negative.",
        )


def check_is_pure(schedule: Schedule) -> None:
    """The same progress gives the same factor, regardless of previous calls."""
    forward = [_factor(schedule, progress) for progress in GRID]
    backward = [_factor(schedule, progress) for progress in reversed(GRID)][::-1]
    require(
        forward == backward,
        f"{name(schedule)} gives different factors for the same progress: compute from the "
        "progress alone, and store nothing between calls.",
    )


def check_per_step(schedule: Schedule) -> None:
    """With ``per_step = False``, the factor does not depend on step and fraction."""
    if schedule.per_step:
        return
    for progress in GRID:
        within = progress._replace(step=progress.step + 5, fraction=0.77)
        require(
            _factor(schedule, within) == _factor(schedule, progress),
            f"{name(schedule)} changes within an epoch: set per_step = True on the class, or use "
            "epoch, samples and stalls only.",
        )


CHECKS = (check_is_a_factor, check_is_pure, check_per_step)
