"""Plotting functions of all displays: import of matplotlib, axes, scales and legends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array

#: Ratio of the largest to the smallest value from which an axis is logarithmic: two decades,
#: reduced a little because of rounding.
WIDE = 99.0
#: Identifier of our legends, to replace them when another run is drawn on the same axes.
_LEGEND = "sknn_scratch legend"


def pyplot(reader: str) -> Any:
    """Return matplotlib.pyplot, or raise ImportError with the command to install it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{reader} requires matplotlib to draw: run `pip install "sknn-scratch[plot]"`.'
        ) from error
    return plt


def axes(ax: Any, reader: str) -> Any:
    """Return the axes to draw on: ``ax``, or those of a new figure."""
    plt = pyplot(reader)
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def set_scale(ax: Any, which: str, values: Sequence[float] | Array) -> None:
    """Make axis "x" or "y" logarithmic if positive values span two decades or more.

    If some values are zero, as in a grid of penalties, the axis is linear around zero.
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x)]
    positive = x[x > 0]
    if len(positive) == 0 or x.min() < 0 or positive.max() < WIDE * positive.min():
        return
    if x.min() > 0:
        ax.set(**{f"{which}scale": "log"})
    elif which == "x":
        ax.set_xscale("symlog", linthresh=positive.min())


def legend(ax: Any, twin: Any = None) -> Any:
    """Return one legend for the axes and the second axes over them.

    With two axes, the legend is below them, provided that the figure has a layout engine, which
    reserves space, and no other axes.
    """
    pair = [ax] if twin is None else [ax, twin]
    named = _named(pair)
    figure = ax.figure
    for old in [*(one.get_legend() for one in pair), *figure.legends]:
        if old is not None and old.get_gid() == _LEGEND:
            old.remove()
    if twin is None:
        new = ax.legend(named.values(), named)
    elif len(figure.axes) == 2 and figure.get_layout_engine() is not None:
        columns = 2 if len(named) == 4 or max(map(len, named)) > 18 else 3
        new = figure.legend(named.values(), named, loc="outside lower center", ncols=columns)
    else:
        # "best" sees the artists of one axes only.
        is_alone = not any(len(line.get_xdata()) for line in ax.get_lines())
        new = twin.legend(named.values(), named, loc="best" if is_alone else "center right")
    new.set_gid(_LEGEND)
    return new


def _named(pair: Sequence[Any]) -> dict[str, Any]:
    """Return the artists by label."""
    named: dict[str, Any] = {}
    for one in pair:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    return named
