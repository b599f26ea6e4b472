"""Time and memory of predictions for one row, a thousand and a million, beside scikit-learn.

    python -m benchmarks predict [--quick]

The model is 20-100-3 on both sides. Time is that of one call. Memory is the most that a call needs
at once beside X, its result included, as ``tracemalloc`` sees it in a call of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sklearn.neural_network import MLPClassifier as TheirMLP

from benchmarks import _data
from benchmarks._frame import (
    ENGINES,
    OURS,
    SKLEARN,
    Case,
    Row,
    Settings,
    clock,
    for_engines,
    interleave,
    one_run,
    peak_memory,
)
from benchmarks._tables import Table, duration, over, size, taking_part, times
from sknn_scratch import MLPClassifier

FEATURES, CLASSES = 20, 3
#: Rows, and calls in one turn of the clock.
ROWS = {1: 500, 1000: 50, 1_000_000: 1}
METHODS = "predict", "predict_proba"
DTYPES = "float32", "float64"


def rows_of(n: int) -> str:
    """Return the name of a case."""
    return f"{n:,} row{'s' if n > 1 else ''}"


def plan(settings: Settings) -> Iterator[tuple[Row, int]]:
    """Yield the rows to measure, and the rows of X."""
    for threads in settings.threads:
        for n in ROWS:
            for method in METHODS:
                for dtype in DTYPES[:1] if settings.quick else DTYPES:
                    row = {"case": rows_of(n), "method": method, "dtype": dtype, "threads": threads}
                    if settings.wants(rows_of(n)):
                        yield row, n if n <= 1000 else settings.some(n, 1000)


def models(dtype: str) -> tuple[Any, Any]:
    """Return two models, ours and theirs, after one epoch."""
    X, y = _data.drawn(400, FEATURES, CLASSES, dtype)
    params = {"max_iter": 1, "n_iter_no_change": 1, "random_state": 0}
    return MLPClassifier(**params).fit(X, y), TheirMLP(**params).fit(X, y)


def calls(method: Callable[[Any], Any], X: Any, n: int) -> Case:
    """Return a case of some calls, the time of one."""

    def all_of_them() -> None:
        for _ in range(n):
            method(X)

    return lambda _: clock(all_of_them) / n


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per call and bytes at the peak."""
    for row, n in plan(settings):
        X, _ = _data.drawn(n, FEATURES, CLASSES, row["dtype"])
        with one_run(row["threads"]):
            ours, theirs = (getattr(model, row["method"]) for model in models(row["dtype"]))
            often = settings.some(ROWS.get(n, 1))
            cases = for_engines(settings, calls(ours, X, often)) | {
                SKLEARN: calls(theirs, X, often)
            }
            seconds = interleave(cases, settings.repeats)
            memory = {
                OURS: peak_memory(partial(ours, X)),
                SKLEARN: peak_memory(partial(theirs, X)),
            }
        yield row | {"seconds": seconds, "memory": memory}


def table(rows: list[Row]) -> Table:
    """Return who takes how many times as long, and how much memory."""
    mine = taking_part(rows, list(ENGINES.values()))
    keys = "case", "method", "dtype", "threads"
    lines = [
        [
            *(str(row[key]) for key in keys),
            *(times(row, SKLEARN, me) for me in mine),
            *(duration(row, me) for me in mine),
            *(size(row["memory"][who]) for who in (OURS, SKLEARN)),
        ]
        for row in rows
    ]
    memory = [f"memory, {who}" for who in (OURS, SKLEARN)]
    return Table([*keys, *over(mine, [SKLEARN]), *mine, *memory], lines, left=3)
