"""The few figures of a first screen: README, landing page, top of the tabular page.

Each comes from a stored result; a line whose result is missing is left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import tabular
from benchmarks._frame import OURS, SKLEARN, TORCH, Row, ratios, stored_rows
from benchmarks._tables import Table, size

DOCS = Path(__file__).parents[1] / "docs"
TREES = "hist_gradient_boosting"
MODEL_AND_TREES = "balanced", TREES

#: Models of ``benchmarks.tabular`` as a reader knows them.
MODELS = {
    "balanced": "TabularMLP, balanced",
    TREES: "HistGradientBoosting",
    "random_forest": "RandomForest",
    "sklearn_mlp": "scikit-learn's MLP",
}
#: Whole fits of the first line, the largest speedup first.
DEFAULTS = "diabetes", "california housing", "iris", "digits"


class Line(NamedTuple):
    """A line of a table: the benchmark, the heading that has the rest, and its two cells."""

    benchmark: str
    place: str
    cells: Callable[[list[Row]], tuple[str, str] | None]


# ----------------------------------------------------------------------------------------- cells
def one(rows: list[Row], **where: Any) -> Row | None:
    """Return the first row with these values at one BLAS thread."""
    where = {"threads": 1, **where}
    matching = (r for r in rows if all(r.get(key, value) == value for key, value in where.items()))
    return next(matching, None)


def faster(row: Row) -> str:
    """Return the median speedup over each library that takes part."""
    found = {who: ratios(row, who, OURS) for who in (SKLEARN, TORCH)}
    return ", ".join(f"{r[1]:.2f}× as fast as {who}" for who, r in found.items() if r)


def fits(rows: list[Row]) -> tuple[str, str] | None:
    """Return the speedups of fits with default parameters."""
    found = {case: one(rows, case=case) for case in DEFAULTS}
    speedups = {case: ratios(row, SKLEARN, OURS) for case, row in found.items() if row}
    if not speedups:
        return None
    values = ", ".join(f"{r[1]:.2f}" for r in speedups.values() if r)
    return f"`fit`, default parameters: {', '.join(speedups)}", f"{values}× as fast as {SKLEARN}"


def mnist(rows: list[Row]) -> tuple[str, str] | None:
    """Return the speedups of training up to an accuracy."""
    row = one(rows, case="MNIST to 97.5%")
    return ("MNIST to 97.5 % test accuracy, float32", faster(row)) if row else None


def predict(rows: list[Row]) -> tuple[str, str] | None:
    """Return the speedup and the memory of many predictions."""
    case = "1,000,000 rows"
    row = one(rows, case=case, method="predict", dtype="float32")
    if row is None:
        return None
    ours, theirs = (row["memory"][who] / 1e6 for who in (OURS, SKLEARN))
    memory = f"{ours:.0f} MB of memory instead of {theirs:.0f} MB"
    return f"`predict`, {case}, float32", f"{faster(row)}; {memory}"


def footprint(rows: list[Row]) -> tuple[str, str] | None:
    """Return what an installation adds to scikit-learn's."""
    sizes = rows[0]["bytes"]
    if TORCH not in sizes:
        return None
    own, whole = sizes[OURS]["sknn-scratch"], sum(sizes[TORCH].values())
    return (
        "size on disk, in addition to scikit-learn",
        f"{size(own)} (PyTorch: {whole / 1e6:.0f} MB)",
    )


def tables(rows: list[Row]) -> tuple[str, str] | None:
    """Return the losses on tables beside those of trees."""
    n = len({row["data"] for row in rows})
    loss = [score(rows, model, "classification", "log_loss") for model in MODEL_AND_TREES]
    nrmse = [score(rows, model, "regression", "nrmse") for model in MODEL_AND_TREES]
    return (
        f"{n} public tables: `TabularMLP*` vs `HistGradientBoosting*`, defaults (lower is better)",
        f"log-loss {loss[0]:.3f} vs {loss[1]:.3f}, NRMSE {nrmse[0]:.3f} vs {nrmse[1]:.3f}",
    )


def wide(rows: list[Row]) -> tuple[str, str] | None:
    """Return the speedups of a step that is nearly all matrix products."""
    case = "500-1024-1024-10, batch 256"
    row = one(rows, case=case, dtype="float32", solver="adam", activation="relu")
    return (f"wide layers: one training step of {case}, float32", faster(row)) if row else None


def fit_time(rows: list[Row]) -> tuple[str, str] | None:
    """Return how long a fit to a table takes beside trees."""
    ours, theirs = ([seconds(rows, m, task) for task in tabular.METRICS] for m in MODEL_AND_TREES)
    pairs = zip(ours, theirs, tabular.METRICS, strict=True)
    cell = ", ".join(f"{a:.2f} s vs {b:.2f} s ({task})" for a, b, task in pairs)
    return "fit time on tables: `TabularMLP*` vs `HistGradientBoosting*`", cell


def wins(rows: list[Row]) -> tuple[str, str] | None:
    """Return how many splits are won, by error and by log-loss."""
    by_loss, n, _ = outcome(rows, "log_loss")
    by_error, _, tied = outcome(rows, "error")
    cell = f"by log-loss {by_loss}; by error {by_error}, with {tied} ties"
    what = f"number of train-test splits ({n}, of classification tables) in which `TabularMLP*`"
    return f"{what} is better than `HistGradientBoosting*`", cell


# ----------------------------------------------------------------------------------- whole tables
def score(rows: list[Row], model: str, task: str, metric: str) -> float:
    """Return the mean of a metric over tables, as ``benchmarks.tabular`` prints it."""
    found = tabular.means(rows, model, task, metric).values()
    return tabular.shifted_geometric_mean(found) if found else float("nan")


def seconds(rows: list[Row], model: str, task: str) -> float:
    """Return the mean seconds of a fit."""
    found = tabular.means(rows, model, task, "fit_seconds").values()
    return tabular.shifted_geometric_mean(found, 0.0) if found else float("nan")


def splits(rows: list[Row], model: str, metric: str) -> dict[tuple[str, int], float]:
    """Return a metric of each table and seed."""
    of_model = (row for row in rows if row["model"] == model and metric in row)
    return {(row["data"], row["seed"]): row[metric] for row in of_model}


def outcome(rows: list[Row], metric: str) -> tuple[int, int, int]:
    """Return how many splits ours wins, how many there are, and how many are tied."""
    ours, theirs = (splits(rows, model, metric) for model in MODEL_AND_TREES)
    lower = [ours[key] < theirs[key] for key in ours]
    return sum(lower), len(lower), sum(ours[key] == theirs[key] for key in ours)


def short_tables(rows: list[Row]) -> Table:
    """Return losses and seconds of four models on whole tables."""
    head = ["model", "log-loss", "error", "NRMSE", "fit, classification", "fit, regression"]
    lines = [
        [
            name,
            *(f"{score(rows, m, 'classification', k):.3f}" for k in ("log_loss", "error")),
            f"{score(rows, m, 'regression', 'nrmse'):.3f}",
            *(f"{seconds(rows, m, task):.2f} s" for task in tabular.METRICS),
        ]
        for m, name in MODELS.items()
    ]
    return Table(head, lines)


# ------------------------------------------------------------------------------------------ show
SUMMARY = (
    Line("fits", "benchmarks.md#whole-fits", fits),
    Line("fits", "benchmarks.md#whole-fits", mnist),
    Line("predict", "benchmarks.md#predictions", predict),
    Line("footprint", "benchmarks.md#import-and-installation", footprint),
    Line("tabular", "tabular.md", tables),
)
LIMITS = (
    Line("step", "benchmarks.md#a-training-step", wide),
    Line("tabular", "tabular.md", fit_time),
    Line("tabular", "tabular.md", wins),
)


def table(lines: Sequence[Line], page: Path, folder: Path) -> Table | None:
    """Return the lines whose results are stored, each with a link; None without any."""
    found = list(_filled(lines, page, folder))
    return Table(["measured", "result", "source"], found, left=3) if found else None


def _filled(lines: Iterable[Line], page: Path, folder: Path) -> Iterable[list[str]]:
    for line in lines:
        rows = stored_rows(line.benchmark, folder)
        cells = line.cells(rows) if rows else None
        if cells:
            target = os.path.relpath(DOCS / line.place, page.parent)
            word = "tables" if line.benchmark == "tabular" else "benchmarks"
            yield [*cells, f"[{word}]({Path(target).as_posix()})"]
