"""Categories and names of columns as plain data: None, numbers, strings, and lists of these.

None, booleans, whole numbers, floats and strings of Python represent themselves.  Any other value
is a list: the name of its type, and the parts from which :func:`read_value` makes it again, as in
``["date", "2024-02-28"]``.  The parts are written in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from datetime import date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from fractions import Fraction
from importlib import import_module
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy as np

from sknn_scratch.training import form

_THEMSELVES = (type(None), bool, int, float, str)
#: Types of numpy's scalars: booleans, numbers and times.
_SCALAR = re.compile(r"[<>|=]?(\?|[biufc]\d+|[mM]8(\[\d*[a-zA-Z]+\])?)")
#: Description of the form, for messages.
WANTED = "None, bool, number, string, or list of the name of a type and its parts"


class _Codec(NamedTuple):
    parts: Callable[[Any], tuple[Any, ...]]
    made: Callable[..., Any]


def write_value(value: Any) -> Any:
    """Return a category or a name as plain data; raise TypeError if its type is unknown."""
    if type(value) in _THEMSELVES:
        return value
    name = _name(type(value))
    if name not in _CODECS:
        raise TypeError(
            "Categories and names of columns must be numbers, strings, times, tuples or intervals "
            f"to be stored by get_state. Got {value!r} of type {type(value).__name__}: convert "
            "the column to strings and fit again, or store the estimator with joblib."
        )
    return [name, *map(write_value, _CODECS[name].parts(value))]


def read_value(found: Any, place: str, depth: int = 0) -> Hashable:
    """Return the value that :func:`write_value` wrote, or raise MisfitError."""
    if type(found) in _THEMSELVES:
        return found  # type: ignore[no-any-return]
    is_known = isinstance(found, list) and found and isinstance(found[0], str)
    if not is_known or found[0] not in _CODECS or depth > form.DEEPEST:
        raise form.MisfitError(place, WANTED, found)
    name, *written = found
    parts = [read_value(part, place, depth + 1) for part in written]
    try:
        made = _CODECS[name].made(*parts)
        hash(made)
    except Exception as error:  # of any constructor
        cause = " ".join(str(error).split()).partition(". ")[0][:80]
        raise form.MisfitError(place, f"{name} of valid parts ({cause})", found) from error
    return made  # type: ignore[no-any-return]


def _name(kind: type) -> str:
    """Return the name of a type in plain data; numpy's scalars of all kinds share one."""
    if issubclass(kind, np.generic) and kind not in (np.str_, np.bytes_, np.void):
        return "scalar"
    module = kind.__module__.partition(".")[0]
    return f"{module}.{kind.__name__}" if module in ("numpy", "pandas") else kind.__name__


# --- Types of Python and numpy.


def _scalar(dtype: str, content: str) -> Any:
    if not _SCALAR.fullmatch(dtype):
        raise ValueError(f"{dtype!r} is not the name of a dtype")
    (value,) = np.frombuffer(bytes.fromhex(content), np.dtype(dtype))
    return value


def _without_zone(value: Any) -> tuple[Any, ...]:
    """Return the parts of a datetime or a time of day.

    Two times of one zone are compared by their clocks, so that zones keep their names.
    """
    zone, offset = value.tzinfo, value.utcoffset()
    if zone is not None and not isinstance(zone, timezone | ZoneInfo):
        zone = None if offset is None else timezone(offset)
    return value.replace(tzinfo=None, fold=0).isoformat(), value.fold, zone


def _with_zone(kind: type[datetime] | type[time]) -> Callable[..., Any]:
    def made(text: str, fold: int, zone: tzinfo | None) -> Any:
        return kind.fromisoformat(text).replace(fold=fold, tzinfo=zone)

    return made


_PYTHON: dict[str, _Codec] = {
    "bytes": _Codec(lambda v: (v.hex(),), bytes.fromhex),
    "tuple": _Codec(tuple, lambda *parts: parts),
    "date": _Codec(lambda v: (v.isoformat(),), date.fromisoformat),
    "datetime": _Codec(_without_zone, _with_zone(datetime)),
    "time": _Codec(_without_zone, _with_zone(time)),
    "timedelta": _Codec(lambda v: (v.days, v.seconds, v.microseconds), timedelta),
    "timezone": _Codec(lambda v: (v.utcoffset(None),), timezone),
    "ZoneInfo": _Codec(lambda v: (v.key,), ZoneInfo),
    "Decimal": _Codec(lambda v: (str(v),), Decimal),
    "Fraction": _Codec(lambda v: (v.numerator, v.denominator), Fraction),
    "UUID": _Codec(lambda v: (str(v),), UUID),
    "numpy.str_": _Codec(lambda v: (str.__str__(v),), np.str_),
    "numpy.bytes_": _Codec(
        lambda v: (bytes(v).hex(),), lambda text: np.bytes_(bytes.fromhex(text))
    ),
    "scalar": _Codec(lambda v: (v.dtype.str, v.tobytes().hex()), _scalar),
}

# --- Types of pandas, which is imported only where a state contains them.


def _timestamp(value: np.datetime64, zone: tzinfo | None) -> Any:
    made = import_module("pandas").Timestamp(value)
    return made if zone is None else made.tz_localize("UTC").tz_convert(zone)


_PANDAS: dict[str, _Codec] = {
    "pandas.Timestamp": _Codec(lambda v: (v.asm8, _without_zone(v)[2]), _timestamp),
    "pandas.Timedelta": _Codec(
        lambda v: (v.asm8,), lambda value: import_module("pandas").Timedelta(value)
    ),
    "pandas.Period": _Codec(
        lambda v: (v.ordinal, v.freqstr),
        lambda ordinal, freq: import_module("pandas").Period(ordinal=ordinal, freq=freq),
    ),
    "pandas.Interval": _Codec(
        lambda v: (v.left, v.right, v.closed),
        lambda left, right, closed: import_module("pandas").Interval(left, right, closed),
    ),
}
_CODECS = _PYTHON | _PANDAS
