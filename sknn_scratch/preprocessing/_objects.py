"""Columns of Python objects: their kinds, and their values as numbers or times.

Missing values are None.  Only the types of the values decide, so that a column of a million
objects needs a single pass.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Kind = Literal["number", "category", "time", "missing"]
Form = Literal["duration", "clock", "time", "flag", "number", "other"]
#: Types without missing values, whose values need not be checked one by one.
_NEVER_MISSING = {str, int, bool, type(None)}
_SECOND = np.timedelta64(1, "s")
#: Forms of values by type, where the first match decides: numpy's durations are integers, too.
_FORMS: tuple[tuple[Form, tuple[type, ...]], ...] = (
    ("duration", (timedelta, np.timedelta64)),
    ("clock", (time,)),
    ("time", (date, np.datetime64)),
    ("flag", (bool, np.bool_)),
    ("number", (Real, Decimal)),
)
#: Forms whose columns are numeric: durations and times of day are converted to seconds.
_NUMBERS: tuple[set[Form], ...] = ({"number"}, {"duration"}, {"clock"})


def forms(levels: Iterable[Any]) -> set[Form]:
    """Return the forms of the values that are not missing."""
    return {_form(cls) for cls in set(map(type, levels)) if cls is not type(None)}


def _form(cls: type) -> Form:
    for form, types in _FORMS:
        if issubclass(cls, types):
            return form
    return "time" if _is_period(cls) else "other"


def _is_period(cls: type) -> bool:
    """Return True for calendar periods, such as pandas' Period, which begin at a time."""
    return hasattr(cls, "to_timestamp") and hasattr(cls, "start_time")


def kind_of_objects(levels: list[Any], name: Any) -> Kind:
    """Return the kind of a column of objects."""
    found = forms(levels)
    if not found or found in _NUMBERS:
        return "number"
    if found == {"time"}:
        return "time"
    check_levels(levels, name)
    return "category"


def dtype_of_objects(levels: list[Any]) -> np.dtype[Any]:
    """Return the numpy dtype for the values in a column of objects."""
    found = forms(levels)
    if found == {"time"}:
        return np.dtype("M8[ms]")
    if found in ({"duration"}, {"clock"}):
        return np.dtype(np.float64)
    if not found or not found <= {"flag", "number"}:
        return np.dtype(object)
    if None not in levels:
        for kind, name in ((bool | np.bool_, "?"), (Integral, "i8")):
            if all(isinstance(value, kind) for value in levels):
                return np.dtype(name)
    return np.dtype(np.float64)


# --- Numbers.


def to_numbers(levels: list[Any], name: Any) -> Array:
    """Return values as numbers, nan for None; durations and times of day in seconds."""
    try:
        plain = forms(levels).isdisjoint({"duration", "clock", "time"})
        values = levels if plain else map(_seconds, levels)
        numbers = np.fromiter((np.nan if v is None else v for v in values), float, len(levels))
    except (TypeError, ValueError) as error:
        check_levels(levels, name)
        raise ValueError(f"Column {name!r} of X must hold numbers, as in fit: {error}.") from error
    except OverflowError as error:  # an integer of hundreds of digits
        raise ValueError(infinity(name)) from error
    if np.isinf(numbers).any():
        raise ValueError(infinity(name))
    return numbers


def _seconds(value: Any) -> Any:
    """Return durations and times of day in seconds, other values unchanged."""
    if hasattr(value, "to_timedelta64"):  # pandas' own, which has nanoseconds
        value = value.to_timedelta64()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, np.timedelta64):
        return in_seconds(value)
    if _form(type(value)) == "time":  # those of numpy would be integers
        raise TypeError(f"{shown(value)} is a time")
    if isinstance(value, time):
        return value.hour * 3600 + value.minute * 60 + value.second + value.microsecond * 1e-6
    return value


def in_seconds(durations: Any) -> Any:
    """Return numpy durations in seconds, nan for NaT."""
    return usual_unit(durations) / _SECOND


def infinity(name: Any) -> str:
    """Return scikit-learn's message, with the name of the column."""
    return (
        f"Input X contains infinity or a value too large for dtype('float64') in column {name!r}."
    )


# --- Times.


def to_times(levels: list[Any], name: Any) -> Array:
    """Return dates, times and periods as numpy times in UTC, NaT for None."""
    odd = next((v for v in levels if v is not None and _form(type(v)) != "time"), None)
    if odd is not None:
        check_levels(levels, name)
        raise TypeError(not_times(name, shown(odd)))
    values = [_time64(value) for value in levels]
    coarse = [value.astype("M8[us]") for value in values]
    # Nanoseconds cover only 1677 to 2262: use them only if microseconds are not sufficient.
    is_exact = all(a == b or np.isnat(a) for a, b in zip(coarse, values, strict=True))
    return np.array(coarse if is_exact else values, dtype="M8[us]" if is_exact else "M8[ns]")


def _time64(value: Any) -> np.datetime64:
    """Return a time as a numpy time; times with a time zone, which numpy lacks, in UTC."""
    if _is_period(type(value)):
        value = value.to_timestamp()
    if isinstance(value, np.datetime64):
        return value
    if hasattr(value, "to_datetime64"):  # pandas' own, which has nanoseconds
        return value.to_datetime64()  # type: ignore[no-any-return]
    if isinstance(value, datetime) and value.utcoffset() is not None:
        value = value.astimezone(UTC).replace(tzinfo=None)
    return np.datetime64(value, "us")


def usual_unit(times: Any) -> Any:
    """Return times or durations in a unit from milliseconds to nanoseconds.

    Years and months have no fixed length, and units below a nanosecond cover too short a range.
    """
    unit = np.datetime_data(times.dtype)[0]
    if unit in ("ms", "us", "ns"):
        return times
    return times.astype(f"{times.dtype.kind}8[{'ns' if unit in ('ps', 'fs', 'as') else 'ms'}]")


def not_times(name: Any, now: Any) -> str:
    return f"Column {name!r} of X must hold times, as in fit. Got {now}."


# --- Missing values and invalid categories.


def with_none(values: list[Any]) -> list[Any]:
    """Return values with None for missing ones."""
    if set(map(type, values)) <= _NEVER_MISSING:
        return values
    return [None if is_missing(value) else value for value in values]


def is_missing(value: Any) -> bool:
    """Return True for None, nan, NaT and other values that do not equal themselves.

    The comparison of pandas' NA with itself gives NA.
    """
    if value is None:
        return True
    equal = value == value
    return not equal if isinstance(equal, bool | np.bool_) else equal is value


def check_levels(values: list[Any], name: Any) -> None:
    """Raise TypeError for values that cannot be categories, such as lists."""
    odd = next((value for value in values if not _is_level(value)), None)
    if odd is not None:
        # scikit-learn's check_estimator requires the end of the sentence.
        raise TypeError(
            f"Column {name!r} of X must hold numbers, booleans, categories, strings or times. "
            f"Got {shown(odd)}: drop the column, or convert it to such columns (argument must be "
            f"a string or a number, not {type(odd).__name__!r})."
        )


def _is_level(value: Any) -> bool:
    return is_hashable(value) and not isinstance(value, complex)


def is_hashable(value: Any) -> bool:
    """Return True if a value is hashable."""
    try:
        hash(value)
    except TypeError:
        return False
    return True


def shown(value: Any) -> str:
    """Return a value for a message, on one line, with its type."""
    text = " ".join(repr(value).split())
    return f"{text if len(text) <= 40 else text[:37] + '...'} ({type(value).__name__})"


def plain(level: Any) -> Any:
    """Return a pandas timestamp as the equal Python datetime, which more file formats support."""
    if isinstance(level, datetime) and not getattr(level, "nanosecond", 0):
        return datetime.combine(level.date(), level.timetz())
    return level
