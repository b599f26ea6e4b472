"""Figures in the README and in the pages of docs, from stored results alone.

    python -m benchmarks tables

A figure stands between ``<!-- benchmark: NAME -->`` and ``<!-- end of benchmark -->``; the names
are those of ``BLOCKS``, ``REPORTS`` and ``SHORT``. Whatever is between them is replaced, if there
is a result.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from benchmarks import (
    _plots,
    _report,
    _summary,
    anatomy,
    distributed,
    features,
    fits,
    footprint,
    growth,
    lbfgs,
    out_of_core,
    predict,
    search,
    serve,
    step,
    tabular,
    verbs,
)
from benchmarks._frame import Row, heading, is_quick, read, stored_rows
from benchmarks._tables import Table

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / path
    for path in (
        "README.md",
        "docs/index.md",
        "docs/benchmarks.md",
        "docs/production_onnx.md",
        "docs/production_disk.md",
        "docs/production_dask.md",
        "docs/tabular.md",
        "docs/notes/tabular_experiments.md",
    )
]
BLOCK = re.compile(r"(<!-- benchmark: (.+?) -->\n).*?(<!-- end of benchmark -->)", re.DOTALL)
PICTURE = re.compile(r"!\[[^]]*\]\((.+?)\)")


class Block(NamedTuple):
    """What a figure is made of: the rows of a benchmark, a table, a plot."""

    benchmark: str
    table: Callable[[list[Row]], Table]
    plot: str = ""


BLOCKS = {
    "step, in four rows": Block("step", step.four_rows),
    "step, in short": Block("step", step.short_table, "step"),
    "step, everything": Block("step", step.table, "parts"),
    "anatomy": Block("anatomy", anatomy.table),
    "verbs": Block("verbs", verbs.table),
    "fits": Block("fits", fits.table, "fits"),
    "lbfgs": Block("lbfgs", lbfgs.table),
    "predict": Block("predict", predict.table, "predict"),
    "search": Block("search", search.table),
    "growth": Block("growth", growth.table, "growth"),
    "footprint": Block("footprint", footprint.table, "footprint"),
    "features": Block("features", features.table, "features"),
    "out of core": Block("out_of_core", out_of_core.table),
    "distributed": Block("distributed", distributed.table),
    "serve": Block("serve", serve.table),
}


class Report(NamedTuple):
    """A report of ``benchmarks.tabular``: its rows, and what its command names."""

    benchmark: str
    models: tuple[str, ...]
    ablate: str | None = None


REPORTS = {
    "tabular": Report(
        "tabular",
        (*tabular.OURS, "sklearn_mlp", "hist_gradient_boosting", "random_forest", "linear"),
    ),
    "tabular, part by part": Report("tabular_ablation", ("balanced",), "balanced"),
}


def reported(name: str, folder: Path) -> str | None:
    """Return a report as it is printed; None without rows."""
    benchmark, models, ablate = REPORTS[name]
    rows = stored_rows(benchmark, folder)
    return f"```text\n{tabular.report(rows, models, ablate)}\n```\n" if rows else None


def summary(lines: Sequence[_summary.Line], page: Path, folder: Path) -> str | None:
    """Return a table of a few lines from several benchmarks."""
    table = _summary.table(lines, page, folder)
    return f"{table.markdown()}\n" if table else None


def four_models(page: Path, folder: Path) -> str | None:
    """Return the short table of models on whole tables."""
    rows = stored_rows("tabular", folder)
    return f"{_summary.short_tables(rows).markdown()}\n" if rows else None


def lone_picture(name: str, page: Path, folder: Path) -> str | None:
    """Return a picture without its table."""
    stored = (stored_rows(benchmark, folder) for benchmark in _plots.PLOTS[name].benchmarks)
    return f"{picture(name, page)}\n" if all(stored) else None


#: Figures that are not the table of one benchmark: name -> text from a page and a folder.
SHORT: dict[str, Callable[[Path, Path], str | None]] = {
    "summary": partial(summary, _summary.SUMMARY),
    "limits": partial(summary, _summary.LIMITS),
    "tabular, in four rows": four_models,
    "picture of speed": partial(lone_picture, "speed"),
    "picture of tables": partial(lone_picture, "tables"),
}


def rendered(name: str, page: Path, folder: Path) -> str | None:
    """Return what is to stand between the marks; None without a result."""
    if name == "report":
        return f"{_report.table(folder).markdown()}\n" if any(folder.glob("*.json")) else None
    if name in REPORTS:
        return reported(name, folder)
    if name in SHORT:
        return SHORT[name](page, folder)
    block = BLOCKS[name]
    found = read(block.benchmark, folder)
    if found is None:
        return None
    parts = [block.table(found["rows"]).markdown(), heading(found)]
    if block.plot:
        parts.insert(1, picture(block.plot, page))
    return "\n\n".join(parts) + "\n"


def picture(name: str, page: Path) -> str:
    """Return a reference to a plot."""
    plot = _plots.PLOTS[name]
    path = os.path.relpath(_plots.FOLDER / f"{name}.svg", page.parent)
    return f"![{plot.title}]({Path(path).as_posix()})"


def filled(text: str, page: Path, folder: Path) -> str:
    """Return the text of a page with the figures of the stored results."""

    def fill(match: re.Match[str]) -> str:
        new = rendered(match[2], page, folder)
        return match[0] if new is None else f"{match[1]}\n{new}\n{match[3]}"

    return BLOCK.sub(fill, text)


def write(folder: Path) -> None:
    """Bring the pages up to date."""
    if is_quick(folder):
        raise SystemExit("some results are of quick runs, and not for the documentation")
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        new = filled(text, page, folder)
        page.write_text(new, encoding="utf-8")
        print(f"{page.relative_to(ROOT)}: {'as it was' if new == text else 'brought up to date'}")
