"""What all pictures share: matplotlib when it is needed, and axes to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array

#: From this ratio of the largest to the smallest value on, an axis is logarithmic: two decades
#: (a little less, for rounding).
WIDE = 99.0
#: Marks our legends, so that a second run drawn on the same axes replaces them.
_LEGEND = "sknn_scratch legend"


def pyplot(reader: str) -> Any:
    """Return matplotlib.pyplot; raise ImportError with what to install."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f'{reader} needs matplotlib to draw: pip install "sknn-scratch[plot]".'
        ) from error
    return plt


def axes(ax: Any, reader: str) -> Any:
    """Return the axes to draw on: ``ax``, or those of a new figure."""
    plt = pyplot(reader)
    return plt.subplots(layout="constrained")[1] if ax is None else ax


def set_scale(ax: Any, which: str, values: Sequence[float] | Array) -> None:
    """Make axis "x" or "y" logarithmic if positive values span two decades or more.

    With zeros among the values, as in a grid of penalties, the axis is linear about zero.
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
    """Return one legend, for what is drawn on the axes and on those over it.

    Two axes full of curves leave no room: it then stands below them, if the figure has a layout
    that makes room and no other axes.
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
        new = twin.legend(named.values(), named, loc="center right")
    new.set_gid(_LEGEND)
    return new


def _named(pair: Sequence[Any]) -> dict[str, Any]:
    """Return what is drawn, by its label."""
    named: dict[str, Any] = {}
    for one in pair:
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
    return named
