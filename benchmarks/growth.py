"""Time of an epoch and memory of a fit as the rows and the width grow, beside scikit-learn.

    python -m benchmarks growth [--quick]

Rows grow from a thousand to a million (50-100-3, batch 200), the width from 32 to 2048 units in
each of two layers (20-w-w-3, batch 200, 1000 rows), all in float32. The time of an epoch is the
difference of two fits with different numbers of epochs, over the difference of these numbers: what
a fit does once is left out. Memory is the most that a fit of one epoch needs at once beside X and
y, as ``tracemalloc`` sees it. The exponents are least squares on logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.neural_network import MLPClassifier as TheirMLP

from benchmarks import _data, _tables
from benchmarks._frame import (
    ENGINES,
    OURS,
    SKLEARN,
    Row,
    Settings,
    clock,
    for_engines,
    interleave,
    one_run,
    peak_memory,
    quartiles,
)
from benchmarks._tables import Table, duration, over, spread, taking_part, times
from sknn_scratch import MLPClassifier

BATCH, CLASSES, DTYPE = 200, 3, "float32"
STEPS = 2000  # of one time of the clock, about
#: From where on the exponents are fitted: below, the costs of a single epoch weigh in.
FROM = {"rows": 10_000, "width": 128}


class Size(NamedTuple):
    """What grows, and how large it is."""

    grows: str
    at: int

    def data(self) -> tuple[Any, Any]:
        rows = self.grows == "rows"
        return _data.drawn(self.at if rows else 1000, 50 if rows else 20, CLASSES, DTYPE)

    @property
    def hidden(self) -> tuple[int, ...]:
        return (100,) if self.grows == "rows" else (self.at, self.at)

    @property
    def epochs(self) -> int:
        """Epochs that take a fraction of a second."""
        if self.grows == "rows":
            return max(2, STEPS * BATCH // self.at)
        return max(2, 6000 // self.at)


def sizes(settings: Settings) -> Iterator[Size]:
    """Yield the sizes to measure."""
    most = settings.some(1_000_000)
    rows = np.geomspace(1000, most, 5 if settings.quick else 7)
    yield from (Size("rows", round(n)) for n in rows)
    yield from (Size("width", 2**k) for k in range(5, 9 if settings.quick else 12))


def model(make: Any, hidden: tuple[int, ...], epochs: int) -> Any:
    return make(hidden, batch_size=BATCH, max_iter=epochs, n_iter_no_change=epochs, random_state=0)


def epoch(make: Any, size: Size, data: tuple[Any, Any], repeat: int) -> float:
    """Return the seconds of an epoch."""
    more = size.epochs
    short, long = (model(make, size.hidden, n) for n in (1, 1 + more))
    first = clock(lambda: short.fit(*data))
    return max(clock(lambda: long.fit(*data)) - first, 1e-9) / more


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per epoch and bytes at the peak."""
    repeats = min(settings.repeats, 5)
    for size in sizes(settings):
        if not settings.wants(size.grows):
            continue
        data = size.data()
        with one_run(1):
            cases = for_engines(settings, partial(epoch, MLPClassifier, size, data))
            cases[SKLEARN] = partial(epoch, TheirMLP, size, data)
            seconds = interleave(cases, repeats, warm_up=size.at <= 100_000)
            memory = {
                who: peak_memory(partial(model(make, size.hidden, 1).fit, *data))
                for who, make in ((OURS, MLPClassifier), (SKLEARN, TheirMLP))
            }
        yield {"case": size.grows, "at": size.at, "seconds": seconds, "memory": memory}


# ------------------------------------------------------------------------------------- exponents
def exponent(rows: list[Row], grows: str, who: str) -> list[float] | None:
    """Return the quartiles of the exponent of time: one for each repetition."""
    some = [row for row in rows if row["case"] == grows and row["at"] >= FROM[grows]]
    if len(some) < 2 or who not in some[0]["seconds"]:
        return None
    sizes = np.log([row["at"] for row in some])
    seconds = np.log([row["seconds"][who] for row in some])
    return quartiles(np.polyfit(sizes, seconds, 1)[0].tolist())


def bytes_per_row(rows: list[Row], who: str) -> float | None:
    """Return by how much the memory beside X and y grows with each row."""
    some = [row for row in rows if row["case"] == "rows" and row["at"] >= FROM["rows"]]
    if len(some) < 2:
        return None
    first, last = some[0], some[-1]
    return (last["memory"][who] - first["memory"][who]) / (last["at"] - first["at"])


# ----------------------------------------------------------------------------------------- table
def table(rows: list[Row]) -> Table:
    """Return times and memory by size, and the exponents below."""
    mine = taking_part(rows, list(ENGINES.values()))
    lines = [
        [
            f"{row['case']}: {row['at']:,}",
            *(times(row, SKLEARN, me) for me in mine),
            *(duration(row, who) for who in [*mine, SKLEARN]),
            *(_tables.size(row["memory"][who]) for who in (OURS, SKLEARN)),
        ]
        for row in rows
    ]
    memory = [f"memory, {who}" for who in (OURS, SKLEARN)]
    head = ["size", *over(mine, [SKLEARN]), *mine, SKLEARN, *memory]
    return Table(head, [*lines, *_exponents(rows, mine)])


def _exponents(rows: list[Row], mine: list[str]) -> Iterator[list[str]]:
    for grows, least in FROM.items():
        found = (exponent(rows, grows, who) for who in [*mine, SKLEARN])
        words = (spread(each) if each else "-" for each in found)
        yield [f"exponent in {grows} from {least:,}", *["-"] * len(mine), *words, "-", "-"]
    growth = (bytes_per_row(rows, who) for who in (OURS, SKLEARN))
    words = ("-" if each is None else f"{each:.1f} B" for each in growth)
    yield ["memory per additional row", *["-"] * (2 * len(mine) + 1), *words]
