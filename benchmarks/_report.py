"""What was aimed at, and whether it was reached: from stored results alone.

python -m benchmarks report
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import growth
from benchmarks._frame import COMPILED, OURS, SKLEARN, TORCH, Row, is_quick, ratios, read
from benchmarks._tables import Table, spread

#: Returns quartiles from the rows of a benchmark, or None.
Find = Callable[[list[Row]], list[float] | None]
DTYPES = "float32", "float64"


class Aim(NamedTuple):
    """A bar, and where to find what was measured."""

    name: str
    sign: str
    bar: float
    benchmark: str
    find: Find

    def judge(self, folder: Path) -> tuple[str, str]:
        """Return what was measured, and whether that is enough."""
        stored = read(self.benchmark, folder)
        found = self.find(stored["rows"]) if stored else None
        if found is None:
            return "-", "not measured"
        reached = found[1] >= self.bar if self.sign == ">=" else found[1] <= self.bar
        return spread(found, digits=3), "reached" if reached else "MISSED"


class StepAims(NamedTuple):
    """Bars of a shape: over scikit-learn in float32 and float64, over PyTorch in both."""

    case: str
    sklearn: tuple[float, float]
    torch: float | None
    compiled_sklearn: tuple[float, float] | None = None
    compiled_torch: float | None = None


STEPS = (
    StepAims("10-32-3, batch 32", (6, 5.5), 8, (14, 12), 20),
    StepAims("20-100-3, batch 32", (5, 4), 7, (8, 6), 12),
    StepAims("20-100-2, batch 200", (4.5, 3.3), 4, (6, 4.8), 6),
    StepAims("50-100-10, batch 200", (3.3, 2.4), 3.3, (3.8, 2.7), 4),
    StepAims("784-256-128-10, batch 128", (1.5, 1.3), 1.05, (1.5, 1.3), 1.05),
    StepAims("500-1024-1024-10, batch 256", (1.3, 1.15), 0.97, (1.3, 1.2), 0.97),
    StepAims("CSR 5000-100-10, batch 200", (1.5, 1.5), None),
)
FITS = {"iris": 3, "diabetes": 3, "digits": 2.4}
USUAL = {"solver": "adam", "activation": "relu"}
#: Vectors of one number for each row: the order, the encoded y and the like, 8 bytes each.
MOST_BYTES_PER_ROW = 5 * 8


# ------------------------------------------------------------------------------------------ find
def row_of(rows: list[Row], where: dict[str, Any]) -> Row | None:
    """Return the first row that has these values, one BLAS thread if it has a number of them."""
    wanted = {"threads": 1} | where
    matching = (r for r in rows if all(r.get(key, value) == value for key, value in wanted.items()))
    return next(matching, None)


def times(where: dict[str, Any], over: str, under: str, rows: list[Row]) -> list[float] | None:
    """Return the quartiles of over / under."""
    row = row_of(rows, where)
    return ratios(row, over, under) if row else None


def memory(where: dict[str, Any], rows: list[Row]) -> list[float] | None:
    """Return how much memory ours needs over theirs."""
    row = row_of(rows, where)
    return [row["memory"][OURS] / row["memory"][SKLEARN]] * 3 if row else None


def memory_per_row(rows: list[Row]) -> list[float] | None:
    found = growth.bytes_per_row(rows, OURS)
    return None if found is None else [found] * 3


# ------------------------------------------------------------------------------------------ aims
def step_aims(aims: StepAims) -> Iterator[Aim]:
    """Yield the bars of a shape."""
    for mine, sklearn, torch in (
        (OURS, aims.sklearn, aims.torch),
        (COMPILED, aims.compiled_sklearn, aims.compiled_torch),
    ):
        for dtype, bar in zip(DTYPES, sklearn or (), strict=bool(sklearn)):
            yield step_aim(aims.case, dtype, (SKLEARN, mine), bar)
        for dtype in DTYPES if torch else ():
            yield step_aim(aims.case, dtype, (TORCH, mine), torch or 0)


def step_aim(case: str, dtype: str, names: tuple[str, str], bar: float) -> Aim:
    over, under = names
    find = partial(times, {"case": case, "dtype": dtype, **USUAL}, over, under)
    suffix = ", compiled" if under == COMPILED else ""
    return Aim(f"step {case}, {dtype}: vs {over}{suffix}", ">=", bar, "step", find)


def speed(name: str, bar: float, benchmark: str, **where: Any) -> Aim:
    """Return a bar of ours over scikit-learn."""
    return Aim(name, ">=", bar, benchmark, partial(times, where, SKLEARN, OURS))


def prediction_aims() -> Iterator[Aim]:
    for dtype in DTYPES:
        one = {"case": "1 row", "method": "predict_proba", "dtype": dtype}
        yield speed(f"predict_proba, 1 row, {dtype}: vs scikit-learn", 1.0, "predict", **one)
        many = {"case": "1,000,000 rows", "method": "predict", "dtype": dtype}
        name = f"predict, 1,000,000 rows, {dtype}"
        yield speed(f"{name}: vs scikit-learn", 1.2, "predict", **many)
        yield Aim(f"{name}: memory vs scikit-learn", "<=", 0.2, "predict", partial(memory, many))


def aims() -> Iterator[Aim]:
    """Yield every bar."""
    for shape in STEPS:
        yield from step_aims(shape)
    yield speed("L-BFGS, digits: vs scikit-learn", 1.3, "lbfgs", case="digits")
    yield from prediction_aims()
    for case, bar in FITS.items():
        yield speed(f"whole fit, {case}: vs scikit-learn", bar, "fits", case=case)
    slope = partial(growth.exponent, grows="rows", who=OURS)
    yield Aim("time of an epoch: exponent in rows, 1e4 to 1e6", "<=", 1.02, "growth", slope)
    name = "memory besides X and y: bytes per additional row"
    yield Aim(name, "<=", MOST_BYTES_PER_ROW, "growth", memory_per_row)
    imports = partial(times, {}, OURS, SKLEARN)
    yield Aim("import time vs sklearn.neural_network", "<=", 1.15, "footprint", imports)


# ------------------------------------------------------------------------------------------ show
def table(folder: Path) -> Table:
    """Return every bar, what was measured, and whether that is enough."""
    signs = {">=": "≥", "<=": "≤"}
    lines = [[aim.name, f"{signs[aim.sign]} {aim.bar:g}", *aim.judge(folder)] for aim in aims()]
    return Table(["target", "bar", "measured", ""], lines)


def show(folder: Path) -> None:
    """Print the table."""
    found = table(folder)
    print(found.text())
    missed = sum(line[-1] != "reached" for line in found.rows)
    print(f"\n{len(found.rows) - missed} of {len(found.rows)} reached")
    if is_quick(folder):
        print("(some results are of quick runs, with fewer steps and rows)")
