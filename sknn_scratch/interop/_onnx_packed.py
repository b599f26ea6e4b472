"""Tables as inputs of a meta-estimator: columns of all types, concatenated as float64.

skl2onnx's converters of meta-estimators pass one tensor of numbers to all inner estimators. Strings
are therefore replaced by numbers of categories, with one list for all inner tabular models.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.pipeline import Pipeline

from sknn_scratch.interop._extras import require
from sknn_scratch.interop._onnx_forms import Graph
from sknn_scratch.interop._onnx_inputs import (
    Input,
    first_step,
    is_tabular,
    of_table,
    tensor,
    types_of,
)
from sknn_scratch.interop._onnx_meta import inner
from sknn_scratch.preprocessing._columns import is_frame

ALIAS = "SknnScratchPackedColumns"
#: Number of unknown strings.
_UNKNOWN = -1


class PackedColumns(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Step that concatenates columns; ``codes`` has a number for each string."""

    def __init__(self, codes: dict[str, int]) -> None:
        self.codes = codes


def packed(model: Any, X: Any, dtype: str | None) -> tuple[Any, list[tuple[str, Any]]] | None:
    """Return a pipeline of packed columns and the model, with the names and types of its inputs.

    Return None if the model is not a meta-estimator of tabular models, or X has only numbers.
    """
    if is_tabular(first_step(model)) or not is_frame(X):
        return None
    owns = [getattr(each, "preprocessor_", each) for each in inner(model) if is_tabular(each)]
    owns = [own for own in owns if getattr(own, "n_features_in_", None) == X.shape[1]]
    if not any(kind != "number" for own in owns for kind in own.kinds_):
        return None
    asked = None if dtype is None else np.dtype(dtype)
    columns = zip(*(of_table(own, X, asked) for own in owns), strict=True)
    step = PackedColumns({level: code for code, level in enumerate(_strings(owns))})
    pipeline = Pipeline([("columns", step), ("model", model)])
    return pipeline, types_of([_widest(each) for each in columns])


def _strings(owns: list[Any]) -> list[str]:
    """Return all categories of type string."""
    of_all = (level for own in owns for _, levels in own._levels for level in levels.codes)
    return sorted({level for level in of_all if isinstance(level, str)})


def _widest(inputs: tuple[Input, ...]) -> Input:
    """Return an input for a column that all models accept."""
    kinds = [kind for _, kind, _ in inputs]
    strings = [kind for kind in kinds if kind.kind == "U"]
    return inputs[0][0], strings[0] if strings else np.result_type(*kinds), 1


def step_before(operator: Any) -> PackedColumns | None:
    """Return the step that packs the columns of a graph, or None."""
    models = (each.raw_operator for each in operator.scope_inst.operators.values())
    return next((each for each in models if isinstance(each, PackedColumns)), None)


def _parse_packed(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    """Declare the step, whose output type determines the types of the next steps."""
    operator = scope.declare_local_operator(ALIAS, model)
    operator.inputs = inputs
    kind = tensor("f8", [None, len(inputs)])
    operator.outputs.append(scope.declare_local_variable("columns", kind))
    return operator.outputs


def _convert_packed(scope: Any, operator: Any, container: Any) -> None:
    """Add the nodes that concatenate columns."""
    g = Graph(scope, container, np.float64)
    codes = operator.raw_operator.codes
    parts = [_number(g, each, codes) for each in operator.inputs]
    g._rename(g.op("Concat", *parts, axis=1), operator.outputs[0].full_name)


def _number(g: Graph, variable: Any, codes: dict[str, int]) -> str:
    name: str = variable.full_name
    if type(variable.type).__name__ == "StringTensorType":
        name = g.op(
            "LabelEncoder",
            name,
            op_domain="ai.onnx.ml",
            op_version=2,
            keys_strings=list(codes) or [""],
            values_int64s=list(codes.values()) or [_UNKNOWN],
            default_int64=_UNKNOWN,
        )
    return g.cast(name, g.kind)


def _shape_packed(operator: Any) -> None:
    """Keep the declared shape."""


def register_packed() -> None:
    """Register the step with skl2onnx."""
    skl2onnx = require("skl2onnx", "onnx", "sknn_scratch.onnx")
    skl2onnx.update_registered_converter(
        PackedColumns, ALIAS, _shape_packed, _convert_packed, parser=_parse_packed
    )
