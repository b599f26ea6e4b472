"""Encoding of datetimes: days since an origin, and phases of the year, the week and the day."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Unit = Literal["ms", "us", "ns"]
#: (name, length in days, start of one in days since 1970); 5 January 1970 was a Monday.
CYCLES = (("year", 365.2425, 0.0), ("week", 7.0, 4.0), ("day", 1.0, 0.0))
PARTS = ("days", *(f"{name}_{wave}" for name, _, _ in CYCLES for wave in ("sin", "cos")))
#: Units of times in graphs, with the number of units in a day.
PER_DAY: dict[Unit, int] = {"ms": 86_400 * 10**3, "us": 86_400 * 10**6, "ns": 86_400 * 10**9}
_DAY = np.timedelta64(1, "D")


def first_day(times: Array) -> int:
    """Return the day of the first time, in days since 1970, as the origin of days.

    Counted from 1970, float64 days have a resolution of a third of a microsecond.  From this
    origin the resolution is about a nanosecond within two months, a microsecond within centuries.
    """
    known = times[~np.isnat(times)]
    return int(known.min().astype("M8[D]").astype(np.int64))


def parts(times: Array, origin: int) -> Array:
    """Return the (parts, rows) encoding of (rows,) times, with days since ``origin``; nan for NaT.

    If all times are at the same phase of a cycle, such as midnights, its parts are rounded to be
    exactly constant.
    """
    whole = times.astype("M8[D]")
    # Separately, because the difference of two times may exceed the range of their unit.
    days = (whole - np.datetime64(origin, "D")) / _DAY + (times - whole) / _DAY
    out = [days]
    for (_, length, _), shift in zip(CYCLES, shifts(origin), strict=True):
        angle = 2 * np.pi * np.mod(days + shift, length) / length
        out += [np.round(np.sin(angle), 9), np.round(np.cos(angle), 9)]
    return np.array(out)


def shifts(origin: int) -> list[float]:
    """Return the position of ``origin`` in each cycle, in days."""
    return [(origin - start) % length for _, length, start in CYCLES]


def unit_of(columns: Iterable[Array]) -> Unit:
    """Return the coarsest unit that represents all times exactly."""
    known = [times[~np.isnat(times)] for times in columns]
    units: tuple[Unit, ...] = ("ms", "us")
    for unit in units:
        if all((times.astype(f"M8[{unit}]") == times).all() for times in known):
            return unit
    return "ns"
