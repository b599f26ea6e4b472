"""Where the time of a training step goes, part by part.

    python -m benchmarks anatomy [--quick]

Each part of a step with adam and relu runs many times over on one batch; the figure is its best
mean. "rest" is what an epoch's step takes beside all parts: Python between them, and data that
has left the caches since the last time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np

from benchmarks._frame import ENGINES, Row, Settings, engine, one_run
from benchmarks._peers import Work, ours, products
from benchmarks._tables import Table
from benchmarks.step import DTYPES, KINDS, SHAPES
from sknn_scratch.training.steps import BatchSteps

PARTS = ["batch", "forward", "loss", "backward", "penalty", "adam", "rest", "step", "bare products"]


def loop_of(work: Work) -> BatchSteps:
    """Return the loop of a fit that is over."""
    made: list[BatchSteps] = []
    begin_epoch = BatchSteps.begin_epoch

    def keep(steps: BatchSteps) -> Any:
        made.append(steps)
        return begin_epoch(steps)

    with mock.patch.object(BatchSteps, "begin_epoch", keep):
        ours(work)(0)
    return made[0]


def actions(loop: BatchSteps) -> dict[str, Callable[[], object]]:
    """Return what does each part of a step, in the order of PARTS but for the rest."""
    objective, params, grads = loop.objective, loop.params, loop.grads
    batch = next(loop.batches.in_order(loop.order))
    rows, network = loop.workspace.rows(len(batch.y)), objective.network
    raw, delta = network.forward(params, batch.x, rows.slots), rows.slots[-1].delta
    update, state = loop.solver.optimizer.update, loop.state
    return {
        "batch": lambda: [None for _ in loop.batches.in_order(loop.order)],
        "forward": lambda: network.forward(params, batch.x, rows.slots),
        "loss": lambda: objective.loss.value_and_grad(batch.y, raw, None, delta),
        "backward": lambda: network.backward(params, grads, batch.x, rows.slots),
        "penalty": lambda: objective.penalty(params, grads, batch.weight_sum),
        "adam": lambda: update(grads.vector, state.optimizer, state.theta, 0.0, loop.scratch),
        "rest": lambda: loop.run(loop.begin_epoch()),
    }


def best_mean(action: Callable[[], object], number: int, repeats: int) -> float:
    """Return the least of some mean times, in microseconds."""
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(number):
            action()
        found.append((time.perf_counter() - start) / number)
    return 1e6 * min(found)


def anatomy(work: Work, settings: Settings) -> dict[str, float]:
    """Return the microseconds of each part, of a whole step, and of its bare products."""
    found, loop = {}, loop_of(work)
    with np.errstate(all="ignore"):
        for name, action in actions(loop).items():
            steps = work.steps if name in ("batch", "rest") else 1
            number = settings.some(1 + work.steps // steps)
            found[name] = best_mean(action, number, settings.repeats) / steps
    bare = sum(best_mean(p, settings.some(work.steps), settings.repeats) for p in products(work))
    step = found.pop("rest")
    return found | {"rest": step - sum(found.values()), "step": step, "bare products": bare}


def measure(settings: Settings) -> Iterator[Row]:
    """Yield a row for each network, dtype and engine, at one thread."""
    for shape in SHAPES:
        for dtype in DTYPES:
            for name in settings.engines if settings.wants(str(shape)) else ():
                work = Work(*shape.data(settings, dtype), shape.hidden, shape.batch, 1, *KINDS[0])
                with one_run(1), engine(name):
                    parts = anatomy(work, settings)
                row = {"case": str(shape), "dtype": dtype, "engine": ENGINES[name]}
                yield row | {"parts": parts}


def table(rows: list[Row]) -> Table:
    """Return the microseconds of each part."""
    kinds = ["case", "dtype", "engine"]
    lines = [
        [*(row[key] for key in kinds), *(f"{row['parts'][part]:.1f}" for part in PARTS)]
        for row in rows
    ]
    return Table(kinds + PARTS, lines, left=3)
