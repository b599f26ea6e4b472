"""Plots of stored results, for the documentation.

python -m benchmarks plot
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import _summary
from benchmarks import features as _features
from benchmarks import growth as _growth
from benchmarks import predict as _predict
from benchmarks import step as _step
from benchmarks import tabular as _tabular
from benchmarks._frame import (
    BARE,
    COMPILED,
    OURS,
    SKLEARN,
    SKORCH,
    TORCH,
    Row,
    quartiles,
    ratios,
    stored_rows,
)

FOLDER = Path(__file__).parents[1] / "docs" / "images" / "benchmarks"

#: Colours that colour-blind people can tell apart (Okabe and Ito); ours stands out.
COLOURS = {
    OURS: "#d55e00",
    COMPILED: "#e69f00",
    SKLEARN: "#0072b2",
    TORCH: "#009e73",
    SKORCH: "#56b4e9",
    BARE: "#777777",
}
MARKERS = {OURS: "o", COMPILED: "D", SKLEARN: "s", TORCH: "^", SKORCH: "v", BARE: "|"}
STYLE: Any = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "grid.color": "#e6e6e6",
    "legend.frameon": False,
    "svg.hashsalt": "benchmarks",  # the same results give the same file
}


class Plot(NamedTuple):
    """A picture: its title, its benchmarks, its size in inches, its function."""

    title: str
    benchmarks: tuple[str, ...]
    size: tuple[float, float]
    panels: int
    paint: Callable[..., None]


# ----------------------------------------------------------------------------------------- parts
def axis_of_cases(ax: Any, names: Sequence[str]) -> None:
    """Write the names of the cases down the left side, the first on top."""
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.grid(axis="y", visible=False)


def plain_numbers(axis: Any, ticks: Sequence[float]) -> None:
    """Write the numbers of a logarithmic axis as they are."""
    axis.set_ticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.set_minor_locator(_null_locator())


def _null_locator() -> Any:
    from matplotlib.ticker import NullLocator

    return NullLocator()


def whisker(ax: Any, at: float, found: Sequence[float], **style: Any) -> None:
    """Draw a median with a line between the quartiles."""
    low, median, high = found
    ax.plot([low, high], [at, at], color=style["color"], linewidth=2, alpha=0.5)
    ax.plot(median, at, linestyle="", markersize=6, **style)


def legend_above(axes: Sequence[Any], columns: int) -> None:
    """Draw one legend for all panels, each label once."""
    pairs = [pair for ax in axes for pair in zip(*ax.get_legend_handles_labels(), strict=True)]
    once = {label: handle for handle, label in pairs}
    where = {"loc": "outside upper center", "ncols": columns}
    axes[0].figure.legend(list(once.values()), list(once), **where)


# ---------------------------------------------------------------------------------- first screen
def paint_speed(axes: Sequence[Any], fits: list[Row], steps: list[Row]) -> None:
    """Draw the speedups of whole fits, and those of a step from small to wide networks."""
    usual = [row for row in _step.usual(steps) if row["dtype"] == "float32"]
    panels = [row for row in fits if row["threads"] == 1], usual
    titles = "whole fits", "one training step, float32"
    for ax, rows, title in zip(axes, panels, titles, strict=True):
        axis_of_cases(ax, [row["case"] for row in rows])
        ax.set_title(title)
        ax.set_xlabel("times as fast (1 = same speed)")
        for at, row in enumerate(rows):
            found = {who: r for who in (SKLEARN, TORCH) if (r := ratios(row, who, OURS))}
            for k, (who, r) in enumerate(found.items()):
                _paint_speedup(ax, at + 0.38 * (k - (len(found) - 1) / 2), r[1], who)
        ax.axvline(1, color="#333333", linewidth=1)
        ax.margins(x=0.1)
    legend_above(axes, 2)


def _paint_speedup(ax: Any, at: float, speedup: float, peer: str) -> None:
    ax.barh(at, speedup, 0.36, color=COLOURS[peer], label=f"compared with {peer}")
    ax.annotate(f"{speedup:.1f}", (speedup, at), (3, 0), textcoords="offset points", va="center")


LOSSES = {"log_loss": "log-loss", "nrmse": "NRMSE"}
#: Where a name is written: offset from the dot, in points, and horizontal alignment.
BELOW, RIGHT = ((0, -15), "center"), ((8, -3), "left")
#: Name, colour, and place of the name.
TABULAR = {
    "fast": ("fast", OURS, BELOW),
    "balanced": ("balanced", OURS, BELOW),
    "best": ("best", OURS, BELOW),
    "hist_gradient_boosting": ("HistGradientBoosting", SKLEARN, RIGHT),
    "random_forest": ("RandomForest", TORCH, RIGHT),
    "sklearn_mlp": ("scikit-learn's MLP", SKORCH, RIGHT),
}


def paint_tables(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw the loss of models on whole tables by the seconds of a fit."""
    for ax, task, metric in zip(axes, _tabular.METRICS, LOSSES, strict=True):
        points = {
            model: (_summary.seconds(rows, model, task), _summary.score(rows, model, task, metric))
            for model in TABULAR
        }
        ours = [points[model] for model in _tabular.OURS]
        ax.plot(*zip(*ours, strict=True), color=COLOURS[OURS], alpha=0.4)
        for model, point in points.items():
            _paint_model(ax, point, *TABULAR[model])
        ax.set(xscale="log", title=task, xlabel="seconds per fit", ylabel=LOSSES[metric])
        plain_numbers(ax.xaxis, [0.2, 0.5, 1, 2, 5, 10])
        ax.margins(x=0.15)
        ax.set_ylim(0, 1.1 * max(loss for _, loss in points.values()))


def _paint_model(ax: Any, point: tuple[float, float], name: str, who: str, place: Any) -> None:
    offset, side = place
    style = {"textcoords": "offset points", "color": "#333333", "fontsize": 8}
    ax.plot(*point, "o", color=COLOURS[who], markersize=8)
    ax.annotate(name, point, xytext=offset, ha=side, **style)


# ------------------------------------------------------------------------------------------ step
def paint_step(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw how many times as long scikit-learn and PyTorch take, by shape."""
    rows = _step.usual(rows)
    cases = list(dict.fromkeys(row["case"] for row in rows))
    for ax, peer in zip(axes, (SKLEARN, TORCH), strict=True):
        axis_of_cases(ax, cases)
        ax.axvline(1, color="#333333", linewidth=1)
        ax.set_xscale("log")
        ax.set_title(f"speedup vs {peer}")
        for row in rows:
            _paint_ratios(ax, row, peer, cases.index(row["case"]))
        plain_numbers(ax.xaxis, [t for t in (0.5, 1, 2, 5, 10, 20, 50) if t <= ax.get_xlim()[1]])
    legend_above(axes, 4)


def _paint_ratios(ax: Any, row: Row, peer: str, at: float) -> None:
    single = row["dtype"] == "float32"
    for mine in OURS, COMPILED:
        found = ratios(row, peer, mine)
        if found:
            words = "" if mine == OURS else ", compiled"
            style = {"color": COLOURS[mine], "marker": MARKERS[mine]}
            face = {} if single else {"markerfacecolor": "white"}
            label = f"{row['dtype']}{words}"
            whisker(ax, at + (-0.14 if single else 0.14), found, label=label, **style, **face)


def paint_parts(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw the time of a step, everybody in one line for each shape."""
    [ax] = axes
    rows = [row for row in _step.usual(rows) if row["dtype"] == "float32"]
    axis_of_cases(ax, [row["case"] for row in rows])
    ax.set_xscale("log")
    ax.set_xlabel("microseconds per step (adam, relu, float32, one BLAS thread)")
    for at, row in enumerate(rows):
        medians = {who: 1e6 * quartiles(row["seconds"][who])[1] for who in row["seconds"]}
        ax.plot([min(medians.values()), max(medians.values())], [at, at], color="#cccccc", zorder=1)
        for who in COLOURS:
            if who in medians:
                style = {"marker": MARKERS[who], "color": COLOURS[who], "linestyle": ""}
                size = 11 if who == BARE else 7
                ax.plot(medians[who], at, label=who, markersize=size, **style)
    legend_above(axes, 6)


# ------------------------------------------------------------------------------------ whole fits
def paint_fits(axes: Sequence[Any], *results: list[Row]) -> None:
    """Draw how many times as long scikit-learn takes for fits and searches."""
    [ax] = axes
    bars = [bar for rows, word in zip(results, FIT_WORDS, strict=True) for bar in _bars(rows, word)]
    axis_of_cases(ax, [name for name, _ in bars])
    for at, (_, row) in enumerate(bars):
        mine = [me for me in (OURS, COMPILED) if me in row["seconds"]]
        for k, me in enumerate(mine):
            low, median, high = ratios(row, SKLEARN, me) or [1, 1, 1]
            where = at + 0.36 * (k - (len(mine) - 1) / 2)
            ax.barh(where, median, 0.34, color=COLOURS[me], label=me)
            ax.plot([low, high], [where, where], color="black", linewidth=1)
            ax.text(high + 0.05, where, f"{median:.2f}", va="center", fontsize=8)
    ax.axvline(1, color="#333333", linewidth=1)
    ax.set_xlabel("time of scikit-learn / time of sknn_scratch (one BLAS thread)")
    legend_above(axes, 2)


FIT_WORDS = "{case}", "L-BFGS: {case}", "{case}, n_jobs={n_jobs}"


def _bars(rows: list[Row], word: str) -> list[tuple[str, Row]]:
    return [(word.format(**row), row) for row in rows if row.get("threads", 1) == 1]


# --------------------------------------------------------------------------------------- predict
def paint_predict(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw time and memory of a call by the number of rows."""
    usual = {"method": "predict", "dtype": "float32", "threads": 1}
    rows = [row for row in rows if all(row[key] == value for key, value in usual.items())]
    sizes = {_predict.rows_of(n): n for n in _predict.ROWS}
    at = [sizes[row["case"]] for row in rows]
    for who in OURS, COMPILED, SKLEARN:
        if all(who in row["seconds"] for row in rows):
            line(axes[0], who, at, [1e3 * quartiles(row["seconds"][who])[1] for row in rows])
    for who in OURS, SKLEARN:
        line(axes[1], who, at, [row["memory"][who] / 1e6 for row in rows])
    for ax, title in zip(axes, ("milliseconds per call", "memory besides X, in MB"), strict=True):
        ax.set(xscale="log", yscale="log", title=title, xlabel="rows")
        ax.set_xticks(at, [f"{n:,}" for n in at])
    legend_above(axes, 3)


def line(ax: Any, who: str, x: Sequence[float], y: Sequence[float]) -> None:
    """Draw a line of someone's colour."""
    ax.plot(x, y, color=COLOURS[who], marker=MARKERS[who], markersize=5, label=who)


# ---------------------------------------------------------------------------------------- growth
def paint_growth(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw the time of an epoch by rows and by width, and memory by rows."""
    _paint_times(axes[0], rows, "rows")
    _paint_times(axes[1], rows, "width")
    plain_numbers(axes[1].xaxis, [32, 128, 512, 2048])
    some = [row for row in rows if row["case"] == "rows"]
    for who in OURS, SKLEARN:
        line(axes[2], who, [r["at"] for r in some], [r["memory"][who] / 1e6 for r in some])
    axes[2].set(xscale="log", yscale="log", title="memory besides X and y, in MB", xlabel="rows")
    legend_above(axes, 3)


def _paint_times(ax: Any, rows: list[Row], grows: str) -> None:
    ax.set(xscale="log", yscale="log", title="milliseconds per epoch", xlabel=grows)
    some = [row for row in rows if row["case"] == grows]
    for who in OURS, COMPILED, SKLEARN:
        found = _growth.exponent(rows, grows, who)
        if found:
            times = [1e3 * quartiles(row["seconds"][who])[1] for row in some]
            line(ax, who, [row["at"] for row in some], times)
            end = {"xy": (some[-1]["at"], times[-1]), "xytext": (6, -3)}
            ax.annotate(f"{found[1]:.2f}", **end, textcoords="offset points", color=COLOURS[who])
    ax.margins(x=0.14)
    ax.text(
        0.97, 0.03, "number at the end: exponent", transform=ax.transAxes, ha="right", fontsize=8
    )


# ------------------------------------------------------------------------------------- footprint
def paint_footprint(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw the time of an import, and what of an installation weighs how much."""
    [row] = rows
    everybody = list(row["bytes"])
    for ax, title in zip(axes, ("seconds to import", "size on disk, in MB"), strict=True):
        axis_of_cases(ax, everybody)
        ax.set_title(title)
    for at, who in enumerate(everybody):
        low, median, high = quartiles(row["seconds"][who])
        axes[0].barh(at, median, 0.6, color=COLOURS[who])
        axes[0].plot([low, high], [at, at], color="black", linewidth=1)
        _paint_sizes(axes[1], at, who, row["bytes"][who])


def _paint_sizes(ax: Any, at: int, who: str, sizes: dict[str, int]) -> None:
    left, whole = 0.0, sum(sizes.values()) / 1e6
    for number, (name, n_bytes) in enumerate(sorted(sizes.items(), key=lambda item: -item[1])):
        wide = n_bytes / 1e6
        ax.barh(at, wide, 0.6, left=left, color=COLOURS[who], alpha=max(0.25, 0.95 - 0.22 * number))
        if wide > 80:
            ax.text(left + wide / 2, at, name, ha="center", va="center", fontsize=8, color="white")
        left += wide
    ax.text(left, at, f" {whole:.0f}", va="center", fontsize=8)


# -------------------------------------------------------------------------------------- features
def paint_features(axes: Sequence[Any], rows: list[Row]) -> None:
    """Draw by how much a feature makes a fit longer."""
    [ax] = axes
    names = list(dict.fromkeys(row["case"] for row in rows))
    axis_of_cases(ax, names)
    ax.axvline(1, color="#333333", linewidth=1)
    for number, shape in enumerate(_features.SHAPES):
        style = {"color": (COLOURS[OURS], COLOURS[SKLEARN])[number], "marker": "os"[number]}
        for row in rows:
            found = ratios(row, _features.FEATURED, OURS)
            if row["shape"] == shape and found:
                at = names.index(row["case"]) + 0.3 * (number - 0.5)
                whisker(ax, at, found, label=shape, **style)
    ax.set_xlabel("time with the feature / time without")
    legend_above(axes, 2)


# ------------------------------------------------------------------------------------------ draw
PLOTS = {
    "speed": Plot(
        "Speedup of sknn_scratch in fits and training steps",
        ("fits", "step"),
        (9, 3.6),
        2,
        paint_speed,
    ),
    "tables": Plot(
        "Loss and fit time on public tables: lower and further left is better",
        ("tabular",),
        (9, 3.2),
        2,
        paint_tables,
    ),
    "step": Plot(
        "Speedup of a training step vs scikit-learn and PyTorch", ("step",), (9, 4), 2, paint_step
    ),
    "parts": Plot("Microseconds per training step", ("step",), (9, 3.8), 1, paint_parts),
    "fits": Plot("Whole fits and searches", ("fits", "lbfgs", "search"), (8, 3.8), 1, paint_fits),
    "predict": Plot("Time and memory of predict", ("predict",), (8, 3), 2, paint_predict),
    "growth": Plot(
        "Time and memory by number of rows and width", ("growth",), (10, 3.2), 3, paint_growth
    ),
    "footprint": Plot("Import and installation", ("footprint",), (8, 2), 2, paint_footprint),
    "features": Plot("Cost of each feature", ("features",), (7.5, 4), 1, paint_features),
}


def figure(plot: Plot, results: list[list[Row]]) -> Any:
    """Return a plot as a figure."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as error:
        raise ImportError("plots need matplotlib: pip install '.[bench]'") from error
    with mpl.rc_context(STYLE):
        made = Figure(figsize=plot.size, layout="constrained")
        share = plot.paint in (paint_step, paint_footprint)
        axes = made.subplots(1, plot.panels, squeeze=False, sharey=share)[0]
        plot.paint(list(axes), *results)
    return made


def draw(folder: Path, to: Path = FOLDER, form: str = "svg") -> None:
    """Draw all plots for which there are results."""
    import matplotlib as mpl

    to.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        found = [stored_rows(benchmark, folder) for benchmark in plot.benchmarks]
        if not all(found):
            print(f"{name} is not drawn, as there is no result of {', '.join(plot.benchmarks)}")
            continue
        made = figure(plot, [rows for rows in found if rows])
        with mpl.rc_context(STYLE):
            metadata = {"Date": None} if form == "svg" else None
            made.savefig(to / f"{name}.{form}", metadata=metadata, dpi=110)
        print(f"drew {name}.{form}")
