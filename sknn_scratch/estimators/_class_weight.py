"""``class_weight``: from weights of classes to weights of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknn_scratch.contracts import Array
from sknn_scratch.estimators._targets import ClassTargets


def row_weights(class_weight: Any, y: Any, targets: ClassTargets) -> Array:
    """Return the weight of each row's class; over labels they multiply."""
    if targets.task != "multilabel":
        if isinstance(class_weight, list):
            raise ValueError(
                "class_weight must be a dict or 'balanced' for one label per sample. Got a list."
            )
        return _weights(class_weight, np.searchsorted(targets.classes, y), targets.classes)
    if not isinstance(class_weight, list) or len(class_weight) != targets.n_targets:
        raise ValueError(
            f"class_weight must be a list with one dict, 'balanced' or None for each of the "
            f"{targets.n_targets} labels of multilabel targets. Got {class_weight!r}."
        )
    columns = (y.toarray() if issparse(y) else np.asarray(y)).astype(bool).astype(int).T
    parts = [
        np.ones(len(column)) if one is None else _weights(one, column, np.arange(2))
        for one, column in zip(class_weight, columns, strict=True)
    ]
    return np.prod(parts, axis=0)


def _weights(class_weight: Any, codes: Array, classes: Any) -> Array:
    """Return the weights of rows for class numbers; ``class_weight`` is a dict or 'balanced'."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        counts = np.bincount(codes, minlength=len(classes))
        return (len(codes) / (np.count_nonzero(counts) * np.maximum(counts, 1)))[codes]
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight must hold dicts or 'balanced'. Got {class_weight!r}.")
    known = classes.tolist()
    unknown = [key for key in class_weight if key not in known]
    if unknown:
        raise ValueError(f"class_weight names classes that y has not: {unknown}. It has {known}.")
    values = np.array([class_weight.get(key, 1.0) for key in known], dtype=np.float64)
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"class_weight must hold finite weights >= 0. Got {class_weight!r}.")
    return values[codes]
