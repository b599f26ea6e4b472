"""Cost of one training step beside scikit-learn's MLPClassifier, one BLAS thread.

    python -m benchmarks.step [--repeats 7]

Both estimators train on the same data for the same number of steps, one after the other
in each repetition; what is reported is the median of the ratios of their times, and their
spread.  What ``fit`` does besides stepping counts on both sides.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
import warnings
from typing import Any, NamedTuple

import numpy as np
import sklearn
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as TheirMLP
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier


class Case(NamedTuple):
    """One row of the table: shapes, batch and the number of steps to time."""

    features: int
    hidden: tuple[int, ...]
    classes: int
    batch: int
    steps: int
    dtypes: tuple[str, ...] = ("float32", "float64")

    def __str__(self) -> str:
        shape = "-".join(map(str, (self.features, *self.hidden, self.classes)))
        return f"{shape}, batch {self.batch}"


CASES = (
    Case(10, (32,), 3, 32, 3000),
    Case(20, (100,), 3, 32, 3000),
    Case(20, (100,), 2, 200, 1500),
    Case(50, (100,), 10, 200, 1000),
    Case(784, (256, 128), 10, 128, 60),
    Case(500, (1024, 1024), 10, 256, 12),
)
EPOCHS = 3


def seconds_to_fit(estimator: Any, X: Any, y: Any) -> float:
    """Return the time of one fit."""
    start = time.perf_counter()
    estimator.fit(X, y)
    return time.perf_counter() - start


def measure(case: Case, dtype: str, repeats: int) -> tuple[list[float], list[float]]:
    """Return ratios (theirs / ours) and our microseconds per step, one of each per repetition."""
    rng = np.random.default_rng(0)
    n = case.batch * max(1, case.steps // EPOCHS)
    X, y = rng.normal(size=(n, case.features)).astype(dtype), rng.integers(case.classes, size=n)
    settings = {
        "hidden_layer_sizes": case.hidden,
        "batch_size": case.batch,
        "max_iter": EPOCHS,
        "n_iter_no_change": EPOCHS,
        "random_state": 0,
    }
    ratios, steps = [], []
    for repeat in range(repeats + 1):
        ours = seconds_to_fit(MLPClassifier(**settings), X, y)
        theirs = seconds_to_fit(TheirMLP(**settings), X, y)
        if repeat:  # the first one warms caches up
            ratios.append(theirs / ours)
            steps.append(1e6 * ours * case.batch / (n * EPOCHS))
    return ratios, steps


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    print(f"scikit-learn {sklearn.__version__}, numpy {np.__version__}, {platform.machine()}")
    print(f"{'case':34} {'dtype':8} {'ratio':>6} {'(min - max)':>14} {'us/step':>9}")
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for case in CASES:
            for dtype in case.dtypes:
                ratios, steps = measure(case, dtype, repeats)
                spread = f"({min(ratios):.2f} - {max(ratios):.2f})"
                median, step = statistics.median(ratios), statistics.median(steps)
                print(f"{case!s:34} {dtype:8} {median:6.2f} {spread:>14} {step:9.1f}", flush=True)


if __name__ == "__main__":
    main()
