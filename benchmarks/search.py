"""GridSearchCV of 24 candidates on digits, in one process and in two, beside scikit-learn.

    python -m benchmarks search [--quick]

Both search the same grid with the same seeds; a fit has at most 50 epochs, and there are three
folds. Workers are started, and have fitted something small, before the clock starts.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import joblib
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV
from sklearn.preprocessing import scale

from benchmarks._frame import (
    ENGINES,
    SKLEARN,
    Case,
    Row,
    Settings,
    clock,
    environment_variable,
    for_engines,
    interleave,
    one_run,
)
from benchmarks._tables import Table, duration, over, taking_part, times

GRID: dict[str, list[Any]] = {
    "hidden_layer_sizes": [(50,), (100,), (50, 50)],
    "activation": ["relu", "tanh"],
    "alpha": [1e-4, 1e-2],
    "learning_rate_init": [1e-3, 1e-2],
}
MOST_EPOCHS, FOLDS = 50, 3
LIBRARIES = "sknn_scratch", "sklearn.neural_network"


def library(name: str) -> Any:
    """Return MLPClassifier of a library."""
    return import_module(name).MLPClassifier


def prepare(name: str) -> None:
    """Import and compile whatever a fit needs, slowly enough that each worker gets a turn."""
    X, y = load_digits(return_X_y=True)
    library(name)(max_iter=1, n_iter_no_change=1).fit(X[:200], y[:200])
    time.sleep(0.3)


@contextmanager
def workers(n_jobs: int, name: str) -> Iterator[None]:
    """Start fresh workers that are ready to fit; for one job there is but this process."""
    if n_jobs == 1:
        prepare(name)
        yield
        return
    with environment_variable("PYTHONWARNINGS", "ignore"):
        joblib.Parallel(n_jobs)(joblib.delayed(prepare)(name) for _ in range(2 * n_jobs))
        try:
            yield
        finally:
            get_reusable_executor().shutdown(wait=True)


def searched(name: str, n_jobs: int, settings: Settings) -> Case:
    """Return a case that searches the grid."""
    X, y = load_digits(return_X_y=True)
    some = slice(settings.some(len(y), 100))
    most = settings.some(MOST_EPOCHS, 2)

    def case(repeat: int) -> float:
        model = library(name)(max_iter=most, random_state=repeat)
        search = GridSearchCV(model, GRID, cv=FOLDS, n_jobs=n_jobs)
        with workers(n_jobs, name):
            return clock(lambda: search.fit(scale(X[some]), y[some]))

    return case


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per search."""
    case = "24 candidates, digits"
    for n_jobs in 1, 2:
        mine, theirs = (searched(name, n_jobs, settings) for name in LIBRARIES)
        cases = for_engines(settings, mine) | {SKLEARN: theirs}
        with one_run(1):
            seconds = interleave(cases, min(settings.repeats, 3), warm_up=False)
        yield {"case": case, "n_jobs": n_jobs, "seconds": seconds}


def table(rows: list[Row]) -> Table:
    """Return who takes how many times as long."""
    mine = taking_part(rows, list(ENGINES.values()))
    lines = [
        [
            row["case"],
            str(row["n_jobs"]),
            *(times(row, SKLEARN, me) for me in mine),
            *(duration(row, me) for me in mine),
        ]
        for row in rows
    ]
    return Table(["case", "n_jobs", *over(mine, [SKLEARN]), *mine], lines)
