"""Fits with L-BFGS, beside scikit-learn.

    python -m benchmarks lbfgs [--quick]

Digits and drawn data for regression, with default parameters but for the solver. The n-th
repetition has seed n on both sides. Both call scipy's L-BFGS-B, so what differs is the cost of a
value with its gradient. The epochs are its iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from sklearn import neural_network as theirs
from sklearn.datasets import load_digits, make_friedman1
from sklearn.preprocessing import scale

import sknn_scratch as ours
from benchmarks import fits
from benchmarks._contest import Contest, held
from benchmarks._frame import Row, Settings, one_run


def maker(make: Any, settings: Settings) -> Callable[[int], Any]:
    """Return what makes an estimator from the number of the repetition."""
    most = settings.some(200, 5)
    return lambda repeat: make(solver="lbfgs", max_iter=most, random_state=repeat)


def contests(settings: Settings) -> Iterator[Contest]:
    """Yield what to fit."""
    kinds: list[tuple[str, Any, str]] = [
        ("digits", load_digits(return_X_y=True), "MLPClassifier"),
        ("friedman, 2000 rows", make_friedman1(2000, random_state=0), "MLPRegressor"),
    ]
    for case, (X, y), name in kinds:
        makers = (maker(getattr(module, name), settings) for module in (ours, theirs))
        yield Contest(case, scale(X), y, *makers)


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per fit."""
    for threads in settings.threads:
        for contest in contests(settings):
            if settings.wants(contest.case):
                with one_run(threads):
                    yield held(contest, settings) | {"threads": threads}


table = fits.table
