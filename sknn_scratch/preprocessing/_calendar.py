"""Times as numbers: how long since 1970, and where in the year, the week and the day."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: (name, length in days, where one begins in days since 1970): 5 January 1970 was a Monday.
CYCLES = (("year", 365.2425, 0.0), ("week", 7.0, 4.0), ("day", 1.0, 0.0))
PARTS = ("days", *(f"{name}_{wave}" for name, _, _ in CYCLES for wave in ("sin", "cos")))


def parts(days: Array) -> Array:
    """Return (parts, rows) numbers of (rows,) days since 1970; nan stays nan.

    Where all times lie at the same place of a cycle, as midnights do, its parts are constant:
    they are rounded to be exactly so.
    """
    out = [days]
    for _, length, start in CYCLES:
        angle = 2 * np.pi * np.mod(days - start, length) / length
        out += [np.round(np.sin(angle), 9), np.round(np.cos(angle), 9)]
    return np.array(out)
