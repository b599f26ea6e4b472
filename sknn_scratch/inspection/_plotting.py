"""What all pictures share: matplotlib when it is needed, and axes to draw on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array

#: From this ratio of the largest to the smallest value on, an axis is logarithmic: two decades
#: (a little less, for rounding).
WIDE = 99.0


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


def legend(ax: Any, *others: Any, **how: Any) -> None:
    """Draw one legend, on the last of the axes, for what is drawn on all of them."""
    named: dict[str, Any] = {}
    for one in (ax, *others):
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True):
            named.setdefault(label, handle)
        if one.get_legend():
            one.get_legend().remove()
    if named:
        (ax, *others)[-1].legend(named.values(), named, **how)
