"""ONNX nodes of the tabular preprocessor.

They compute in float64, like the preprocessor, and return float32.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from math import pi
from numbers import Real
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.interop._onnx_forms import Graph
from sknn_scratch.interop._onnx_packed import step_before
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._calendar import CYCLES, PER_DAY, shifts
from sknn_scratch.preprocessing._categories import HOT, Levels

#: Integer below all datetimes, but above NaT, which is the smallest integer.
_NOT_A_TIME = -9.2e18
#: Attribute of LabelEncoder for categories of a type.
_KEYS = {"StringTensorType": "keys_strings", "Int64TensorType": "keys_int64s"}
_INT64 = np.iinfo(np.int64)
#: Value from which the smooth clip equals its limit in float32.
_FAR = 1e6


# --- Inputs.


class Table:
    """Inputs of a step as the columns of ``fit``."""

    def __init__(self, g: Graph, operator: Any) -> None:
        preprocessor: TabularPreprocessor = _preprocessor(operator.raw_operator)
        inputs, n = operator.inputs, preprocessor.n_features_in_
        widths = [v.type.shape[1] or n for v in inputs] if len(inputs) > 1 else [n]
        self._g, self.inputs, self._preprocessor = g, inputs, preprocessor
        #: Input of each column, and its position in that input.
        self._places = [(i, k) for i, width in enumerate(widths) for k in range(width)]
        self._widths = widths
        #: Numbers that replace strings in the input, if any.
        self.codes_of_strings = packed.codes if (packed := step_before(operator)) else {}

    def kind(self, k: int) -> str:
        """Return the name of the skl2onnx type of a column."""
        return type(self.inputs[self._places[k][0]].type).__name__

    def column(self, k: int) -> str:
        """Return one input column, (rows, 1)."""
        i, place = self._places[k]
        return self._take(i, [place])

    def numbers(self, columns: Sequence[int]) -> str:
        """Return several columns in float64."""
        for k in columns:
            if self.kind(k) == "StringTensorType":
                raise TypeError(_not_strings(self._preprocessor, k))
        g, of_input = self._g, groupby((self._places[k] for k in columns), key=lambda p: p[0])
        parts = [g.cast(self._take(i, [k for _, k in some]), g.kind) for i, some in of_input]
        return side_by_side(g, parts)

    def _take(self, i: int, places: Sequence[int]) -> str:
        name: str = self.inputs[i].full_name
        if list(places) == list(range(self._widths[i])):
            return name
        return self._g.op("Gather", name, np.array(places), axis=1)


def side_by_side(g: Graph, parts: Sequence[str]) -> str:
    """Return results of (rows, ...), concatenated."""
    return parts[0] if len(parts) == 1 else g.op("Concat", *parts, axis=1)


def _preprocessor(model: Any) -> Any:
    return getattr(model, "preprocessor_", model)


# --- Encoded features, in the order of TabularPreprocessor.


def encoded(g: Graph, operator: Any) -> str:
    """Add the preprocessor of a step; return its (rows, n_features_out_) result in float32."""
    own, table = _preprocessor(operator.raw_operator), Table(g, operator)
    parts = [g.cast(part, g.single) for part in _number_parts(g, own, table)]
    parts += [_category_part(g, own, table, k, levels) for k, levels in own._levels]
    return side_by_side(g, parts) if parts else _zeros(g, table)


def _number_parts(g: Graph, own: Any, table: Table) -> Iterator[str]:
    """Yield scaled numbers, indicators of missing values, and bins."""
    if not len(own._shown) and not len(own._indicated):
        return
    x = side_by_side(g, list(_numbers(g, own, table)))
    missing = g.op("IsNaN", x)
    x = g.op("Where", missing, own._scale.centre, x)
    if len(own._shown):
        yield _scaled(g, own._scale, own._shown, x)
    if len(own._indicated):
        yield g.op("Gather", missing, own._indicated, axis=1)
    if own._bins:
        yield _lines(g, own._bins, x, missing)


def _numbers(g: Graph, own: Any, table: Table) -> Iterator[str]:
    """Yield numeric columns, then encoded datetime columns, nan for missing values."""
    plain = own._of_kind("number")
    if plain:
        yield table.numbers(plain)
    for k, origin in zip(own._of_kind("time"), own._origins, strict=True):
        yield _time_parts(g, _days(g, table, k, origin, PER_DAY[own._time_unit]), origin)


def _days(g: Graph, table: Table, k: int, origin: int, per_day: int) -> str:
    """Return days since ``origin``, nan for NaT.

    Integers are subtracted before the cast, because float64 lacks digits for nanoseconds since
    1970.
    """
    x = table.numbers([k])
    is_missing = g.op("Less", x, _NOT_A_TIME)
    if table.kind(k) == "Int64TensorType":
        since = g.cast(g.op("Sub", table.column(k), np.array([origin * per_day])), g.kind)
    else:
        since = g.op("Sub", x, float(origin * per_day))
    return g.op("Div", g.op("Where", is_missing, np.nan, since), float(per_day))


def _time_parts(g: Graph, days: str, origin: int) -> str:
    """Return the encoding of :func:`~sknn_scratch.preprocessing._calendar.parts`.

    A cosine is a sine shifted by a quarter of a turn.
    """
    lengths = [length for _, length, _ in CYCLES]
    quarter = np.tile([0.0, 0.5 * pi], len(CYCLES))
    shifted = g.op("Add", days, np.repeat(shifts(origin), 2))
    turns = g.op("Div", shifted, np.repeat(lengths, 2))
    angle = g.op("Mul", g.op("Sub", turns, g.op("Floor", turns)), 2.0 * pi)
    waves = g.op("Mul", g.op("Sin", g.op("Add", angle, quarter)), 1e9)
    return g.op("Concat", days, g.op("Div", g.op("Round", waves), 1e9), axis=1)


def _scaled(g: Graph, scale: Any, shown: Array, x: str) -> str:
    """Return u / √(1 + (u/3)²) for u = (x - centre) · factor."""
    x = g.op("Gather", x, shown, axis=1)
    u = g.op("Mul", g.op("Sub", x, scale.centre[shown]), scale.factor[shown])
    u = g.op("Max", g.op("Min", u, _FAR), -_FAR)
    third = g.op("Div", u, 3.0)
    return g.op("Div", u, g.op("Sqrt", g.op("Add", g.op("Mul", third, third), 1.0)))


def _lines(g: Graph, bins: Sequence[tuple[int, Any]], x: str, missing: str) -> str:
    """Return the lines of all bins minus their means, 0 for missing values."""
    of_column = np.repeat([j for j, _ in bins], [len(own.left) for _, own in bins])
    left, slope, mean = (np.concatenate(part) for part in zip(*(b for _, b in bins), strict=True))
    x, missing = (g.op("Gather", part, of_column, axis=1) for part in (x, missing))
    rise = g.op("Mul", g.op("Sub", x, left), slope)
    lines = g.op("Sub", g.op("Max", g.op("Min", rise, 1.0), 0.0), mean)
    return g.op("Where", missing, 0.0, lines)


def _category_part(g: Graph, own: Any, table: Table, k: int, levels: Levels) -> str:
    """Return the features of a categorical column in float32."""
    numbers, kind = table.codes_of_strings, table.kind(k)
    codes = {numbers.get(level, level): code for level, code in levels.codes.items()}
    type_of_levels: Any = str if kind == "StringTensorType" else Real | np.bool_
    if not all(isinstance(level, type_of_levels) for level in codes):
        raise TypeError(_misfit(own, k, list(codes), type_of_levels))
    x, single, rows = table.column(k), g._of(np.float32), _rows_of(levels)
    keys = codes if type_of_levels is str else _whole(codes)
    if kind in _KEYS and keys:
        found = _looked_up(g, x, {_KEYS[kind]: list(keys)}, list(keys.values()), len(rows) - 1)
        return single.op("Gather", rows, found, axis=0)
    hits = g.op("Equal", g.cast(x, g.kind), np.array([list(codes)], dtype=np.float64))
    return single.op("MatMul", g.cast(hits, g.single), rows[list(codes.values())])


def _rows_of(levels: Levels) -> Array:
    """Return a row of features for each category number, and a last row for unknown ones."""
    if levels.width == 1:
        return np.array([[-1.0], [1.0], [0.0]])
    n = len(levels.kept) + levels.has_rest
    return HOT * np.eye(n + 1, n)


def _looked_up(g: Graph, x: str, keys: dict[str, Any], codes: list[int], unseen: int) -> str:
    """Return the numbers of categories, (rows,)."""
    found = g.op(
        "LabelEncoder",
        x,
        op_domain="ai.onnx.ml",
        op_version=2,
        values_int64s=codes,
        default_int64=unseen,
        **keys,
    )
    return g.op("Reshape", found, np.array([-1]))


def _whole(codes: dict[Any, int]) -> dict[int, int]:
    """Return the categories that are integers."""
    return {
        int(level): code
        for level, code in codes.items()
        if _INT64.min <= level <= _INT64.max and level == int(level)
    }


def _name(own: Any, k: int) -> Any:
    """Return the name of a column, or its number."""
    return k if own._names is None else own._names[k]


def _not_strings(own: Any, k: int) -> str:
    unit = {"ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}[own._time_unit]
    kind = "numbers" if own.kinds_[k] == "number" else f"int64 {unit}"
    return (
        f"Column {_name(own, k)!r} must be an input of the graph as {kind}. Got strings, to which "
        "skl2onnx converts adjacent columns of several types: make the tabular step the first of "
        "the pipeline, not one inside or after a ColumnTransformer or another ensemble."
    )


def _misfit(own: Any, k: int, known: list[Any], type_of_levels: Any) -> str:
    types = ", ".join(sorted({type(level).__name__ for level in known}))
    now = "strings" if type_of_levels is str else "numbers"
    return (
        f"The categories of column {_name(own, k)!r} must be all strings or all numbers, as in X "
        f"of to_onnx. Got the types {types} in fit, and {now} in X: convert the column to strings "
        "before fit, for example with astype(str)."
    )


def _zeros(g: Graph, table: Table) -> str:
    """Return one column of zeros."""
    rows = g.op("Gather", g.op("Shape", table.inputs[0].full_name), np.array([0]), axis=0)
    shape = g.op("Concat", rows, np.array([1]), axis=0)
    return g.cast(g.op("ConstantOfShape", shape), g.single)
