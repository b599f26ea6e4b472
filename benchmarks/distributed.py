"""Seconds of one evaluation, value and gradient, over Dask partitions; and a hundred machines.

    python -m benchmarks distributed [--quick]

A 50-100-10 classifier in float32. Clusters of one and of two worker processes on this machine hold
four partitions; each evaluation sends the weights out once and adds the gradients in a tree. Beside
it, the same sum in this process, without Dask.

The rest is a model on paper. It takes the measured time per row, and supposes machines of one such
worker each, a network of 10 Gbit/s and 0.1 ms each way, a scheduler that needs 0.3 ms for a task,
weights that are passed on from machine to machine (log2 of their number in turns), and sums of
eight gradients at a time. A machine holds one partition; ``sent`` counts the bytes of all.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil, log, log2
from typing import Any

import numpy as np

from benchmarks._frame import Row, Settings, clock, one_run
from benchmarks._tables import Table, seconds_as_words
from sknn_scratch import MLPClassifier

FEATURES, CLASSES, PARTITIONS = 50, 10, 4
ROWS = (1_000, 10_000, 100_000)
WORKERS = (1, 2)
#: The model's machines, and rows of each.
MACHINES, MACHINE_ROWS = (1, 10, 100), (100_000, 1_000_000)
BITS_PER_SECOND, LATENCY, PER_TASK, FAN_IN = 10e9, 1e-4, 3e-4, 8


def data(n: int) -> tuple[Any, Any]:
    """Return Dask arrays of four partitions of n rows, to be drawn on the workers."""
    import dask.array as da

    rng, rows = da.random.default_rng(0), PARTITIONS * n
    X = rng.standard_normal((rows, FEATURES), chunks=(n, -1), dtype=np.float32)
    return X, rng.integers(0, CLASSES, size=rows, chunks=n)


def sums(n: int) -> tuple[Callable[[], Any], Callable[[], Any], int]:
    """Return an evaluation on partitions, one in this process, and the number of parameters."""
    from sknn_scratch.fitting._settings import settings_of
    from sknn_scratch.fitting._types import Call, Rows
    from sknn_scratch.interop import _distributed
    from sknn_scratch.training.steps import BlockTotal

    X, y = data(n)
    model = MLPClassifier((100,), solver="lbfgs", random_state=0)
    call = Call(classes=range(CLASSES))
    asked = _distributed.Options()
    job = _distributed._prepare(model, asked, settings_of(model), Rows(X, y), call)
    plan, theta = job.plan, job.state.theta
    layout = plan.network.layout
    params, total = (layout.params(np.array(theta)) for _ in range(2))
    there = job.source.total(plan.objective, theta.dtype)
    _, rows = model.fit(X[:1000].compute(), y[:1000].compute())._problem(X.compute(), y.compute())
    here = BlockTotal(plan.objective, rows, theta.dtype)
    factor = 1.0 / (PARTITIONS * n)
    return (
        lambda: there(params, total, factor),
        lambda: here(params, total, factor),
        layout.size,
    )


@contextmanager
def cluster(workers: int) -> Iterator[None]:
    """Run worker processes of one thread each; ports are chosen freely."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(
            n_workers=workers, processes=True, threads_per_worker=1, dashboard_address=None
        ) as made,
        Client(made),
    ):
        yield


def measure(settings: Settings) -> Iterator[Row]:
    """Yield seconds by rows and workers, and the model's."""
    per_row, n_bytes = 0.0, 0
    for workers in WORKERS:
        with cluster(workers), one_run(1):
            for n in ROWS:
                there, here, n_params = sums(settings.some(n))
                there()
                row: Row = {"case": "measured", "workers": workers, "rows": settings.some(n)}
                row["seconds"] = {
                    "on partitions": [clock(there) for _ in range(settings.repeats)],
                    "in this process": [clock(here) for _ in range(settings.repeats)],
                }
                alone = statistics.median(row["seconds"]["in this process"])
                per_row, n_bytes = alone / (PARTITIONS * settings.some(n)), 4 * n_params
                yield row
    for machines in MACHINES:
        for n in MACHINE_ROWS:
            yield {"case": "model", "workers": machines, "rows": n} | model(
                machines, n * per_row, n_bytes
            )


def model(machines: int, compute: float, n_bytes: int) -> dict[str, Any]:
    """Return the seconds of an evaluation's parts, and the bytes that all machines send."""
    transfer = LATENCY + 8 * n_bytes / BITS_PER_SECOND
    levels = ceil(log(machines, FAN_IN)) if machines > 1 else 0
    tasks = machines + sum(ceil(machines / FAN_IN**k) for k in range(1, levels + 1))
    return {
        "compute": compute,
        "broadcast": ceil(log2(machines) + 1) * transfer,
        "reduce": (levels * FAN_IN + 1) * transfer,
        "schedule": tasks * PER_TASK,
        "sent": 2 * machines * n_bytes,
    }


def table(rows: list[Row]) -> Table:
    """Return what was measured, and what the model says."""
    head = ["", "workers", "rows per partition", "an evaluation", "share computing", "sent"]
    return Table(head, [_measured(r) if r["case"] == "measured" else _modelled(r) for r in rows])


def _measured(row: Row) -> list[str]:
    there, here = (
        statistics.median(row["seconds"][who]) for who in ("on partitions", "in this process")
    )
    share = here / row["workers"] / there
    return [
        "measured",
        str(row["workers"]),
        f"{row['rows']:,}",
        seconds_as_words(there),
        f"{min(share, 1):.0%}",
        "-",
    ]


def _modelled(row: Row) -> list[str]:
    whole = sum(row[part] for part in ("compute", "broadcast", "reduce", "schedule"))
    return [
        "on paper",
        str(row["workers"]),
        f"{row['rows']:,}",
        seconds_as_words(whole),
        f"{row['compute'] / whole:.0%}",
        f"{row['sent'] / 1e3:,.0f} kB",
    ]
