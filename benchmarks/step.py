"""Cost of one training step, beside scikit-learn, PyTorch, skorch and the bare matrix products.

    python -m benchmarks step [--quick] [--repeats 7] [--only 20-100-3]

All train on the same data with the same settings, one after the other in each repetition; who
does what inside the clock stands in ``benchmarks/_peers.py``. scikit-learn has no gelu. The other
solver and the other activations are measured with one BLAS thread only, and without skorch.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks import _data, _peers
from benchmarks._frame import (
    BARE,
    COMPILED,
    ENGINES,
    OURS,
    SKLEARN,
    SKORCH,
    TORCH,
    Case,
    Row,
    Settings,
    for_engines,
    interleave,
    one_run,
)
from benchmarks._tables import Table, duration, over, taking_part, times

EPOCHS = 3
DTYPES = "float32", "float64"


class Shape(NamedTuple):
    """Units, rows of a batch, and steps that take about a tenth of a second."""

    features: int
    hidden: tuple[int, ...]
    classes: int
    batch: int
    steps: int
    density: float | None = None

    def __str__(self) -> str:
        units = "-".join(map(str, (self.features, *self.hidden, self.classes)))
        return f"{'CSR ' if self.density else ''}{units}, batch {self.batch}"

    def data(self, settings: Settings, dtype: str) -> tuple[Any, Any]:
        """Return X and y, for the steps of one epoch."""
        n = self.batch * settings.some(self.steps / EPOCHS)
        if self.density:
            return _data.drawn_csr(n, self.features, self.classes, dtype, self.density)
        return _data.drawn(n, self.features, self.classes, dtype)


SHAPES = (
    Shape(10, (32,), 3, 32, 3000),
    Shape(20, (100,), 3, 32, 3000),
    Shape(20, (100,), 2, 200, 1500),
    Shape(50, (100,), 10, 200, 900),
    Shape(64, (100,), 10, 200, 900),
    Shape(784, (256, 128), 10, 128, 60),
    Shape(500, (1024, 1024), 10, 256, 9),
    Shape(5000, (100,), 10, 200, 90, density=0.005),
)
#: Sizes for the README, from small to wide.
FOUR = tuple(str(SHAPES[k]) for k in (0, 3, 5, 6))
#: Solver and activation; the first is the usual one.
KINDS = ("adam", "relu"), ("sgd", "relu"), ("adam", "tanh"), ("adam", "gelu")


# --------------------------------------------------------------------------------------- measure
def plan(settings: Settings) -> Iterator[Row]:
    """Yield the rows to measure."""
    for threads in settings.threads:
        for solver, activation in KINDS if threads == 1 else KINDS[:1]:
            for shape in SHAPES:
                for dtype in DTYPES[:1] if settings.quick else DTYPES:
                    if settings.wants(str(shape)):
                        yield {
                            "case": str(shape),
                            "dtype": dtype,
                            "solver": solver,
                            "activation": activation,
                            "threads": threads,
                        }


def contenders(work: _peers.Work, settings: Settings, torch: bool) -> dict[str, Case]:
    """Return everybody who can do a piece of work."""
    cases = for_engines(settings, _peers.ours(work))
    if work.activation != "gelu":
        cases[SKLEARN] = _peers.scikit_learn(work)
    if torch and not hasattr(work.X, "indptr"):
        cases[TORCH] = _peers.pytorch(work)
        if (work.solver, work.activation) == KINDS[0]:
            cases[SKORCH] = _peers.skorch(work)
    return cases | {BARE: _peers.bare(work)}


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per step."""
    torch = _peers.has_torch()
    shapes = {str(shape): shape for shape in SHAPES}
    for row in plan(settings):
        shape = shapes[row["case"]]
        X, y = shape.data(settings, row["dtype"])
        how = row["solver"], row["activation"]
        work = _peers.Work(X, y, shape.hidden, shape.batch, EPOCHS, *how)
        with one_run(row["threads"]):
            seconds = interleave(contenders(work, settings, torch), settings.repeats)
        yield row | {"seconds": seconds}


# ----------------------------------------------------------------------------------------- table
def table(rows: list[Row]) -> Table:
    """Return who takes how many times as long as ours, and the times of the others."""
    mine = taking_part(rows, list(ENGINES.values()))
    peers = taking_part(rows, [SKLEARN, TORCH])
    others = taking_part(rows, [*mine, SKORCH, BARE])
    lines = [
        [
            row["case"],
            ", ".join(row[key] for key in ("dtype", "solver", "activation")),
            str(row["threads"]),
            *(times(row, who, me) for me in mine for who in peers),
            *(duration(row, who) for who in others),
        ]
        for row in rows
    ]
    return Table(["case", "how", "threads", *over(mine, peers), *others], lines, left=2)


def usual(rows: list[Row], threads: int = 1) -> list[Row]:
    """Return the rows of the usual solver and activation."""
    wanted = *KINDS[0], threads
    return [row for row in rows if (row["solver"], row["activation"], row["threads"]) == wanted]


def four_rows(rows: list[Row]) -> Table:
    """Return the speedups of four sizes, from small to wide, in float32."""
    return short_table([r for r in rows if r["case"] in FOUR and r["dtype"] == "float32"])


def short_table(rows: list[Row]) -> Table:
    """Return the speedups with adam and relu at one thread."""
    rows = usual(rows)
    mine = taking_part(rows, [OURS, COMPILED])
    peers = taking_part(rows, [SKLEARN, TORCH])
    lines = [
        [row["case"], row["dtype"], *(times(row, who, me) for me in mine for who in peers)]
        for row in rows
    ]
    return Table(["case", "dtype", *over(mine, peers)], lines, left=2)
