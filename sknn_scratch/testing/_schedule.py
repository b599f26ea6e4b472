"""Checks of schedules."""

from __future__ import annotations

from itertools import product

import numpy as np

from sknn_scratch.contracts import Progress, Schedule
from sknn_scratch.testing._common import name

GRID = [
    Progress(epoch, step, samples, fraction, stalls)
    for epoch, step, samples, fraction, stalls in product(
        (0, 1, 7, 1000), (0, 1, 12345), (0, 1, 999, 10**7), (0.0, 1e-9, 0.3, 0.5, 1.0), (0, 1, 30)
    )
]


def check_is_pure(schedule: Schedule) -> None:
    """The same progress gives the same factor, whatever was asked before."""
    forward = [schedule(progress) for progress in GRID]
    backward = [schedule(progress) for progress in reversed(GRID)][::-1]
    assert forward == backward, (
        f"{name(schedule)} gives different factors for the same progress: compute from the "
        "progress alone, keep nothing between calls."
    )


def check_is_a_factor(schedule: Schedule) -> None:
    """It returns a finite number that is not negative."""
    for progress in GRID:
        factor = schedule(progress)
        is_factor = np.ndim(factor) == 0 and np.isfinite(factor) and factor >= 0
        assert is_factor, (
            f"{name(schedule)} returns {factor!r} at {progress}: it must be one finite number, "
            "not negative."
        )


def check_per_step(schedule: Schedule) -> None:
    """With ``per_step = False``, step and fraction do not matter."""
    if schedule.per_step:
        return
    for progress in GRID:
        within = progress._replace(step=progress.step + 5, fraction=0.77)
        assert schedule(within) == schedule(progress), (
            f"{name(schedule)} changes within an epoch: set per_step = True on the class, or use "
            "epoch, samples and stalls only."
        )


CHECKS = (check_is_pure, check_is_a_factor, check_per_step)
