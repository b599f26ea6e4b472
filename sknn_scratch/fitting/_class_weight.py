"""Conversion of ``class_weight`` to weights of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknn_scratch.contracts import Array, as_float
from sknn_scratch.fitting._targets import ClassTargets


def row_weights(class_weight: Any, y: Any, reference: Any, targets: ClassTargets) -> Array:
    """Return the class weight of each row; the weights of several columns are multiplied.

    "balanced" uses the class counts in ``reference``.
    """
    if targets.task != "multilabel":
        if isinstance(class_weight, list):
            raise ValueError(
                "class_weight must be a dict or 'balanced' for one label per sample. Got a list."
            )
        codes, base = (np.searchsorted(targets.classes, labels) for labels in (y, reference))
        return _of_classes(class_weight, base, targets.classes)[codes]
    if not isinstance(class_weight, list) or len(class_weight) != targets.n_targets:
        raise ValueError(
            f"class_weight must be a list with one dict, 'balanced' or None for each of the "
            f"{targets.n_targets} labels of multilabel targets. Got {class_weight!r}."
        )
    parts = [
        _of_classes(one, base, np.arange(2))[codes]
        for one, codes, base in zip(class_weight, _columns(y), _columns(reference), strict=True)
        if one is not None
    ]
    return np.prod(parts, axis=0) if parts else np.ones(y.shape[0])


def balanced(counts: Array) -> Array:
    """Return weights that give all classes that occur the same total weight."""
    weights: Array = counts.sum() / (np.count_nonzero(counts) * np.maximum(counts, 1))
    return weights


def _columns(y: Any) -> Array:
    """Return the indicators of labels, 0 or 1, with one row for each label."""
    dense: Array = y.toarray() if issparse(y) else np.asarray(y)
    return (dense != 0).astype(int).T


def _of_classes(class_weight: Any, codes: Array, classes: Any) -> Array:
    """Return one weight for each class; ``class_weight`` is a dict or 'balanced'."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        return balanced(np.bincount(codes, minlength=len(classes)))
    if not isinstance(class_weight, dict):
        raise ValueError(f"class_weight must hold dicts or 'balanced'. Got {class_weight!r}.")
    known = classes.tolist()
    unknown = [key for key in class_weight if key not in known]
    if unknown:
        raise ValueError(
            f"class_weight must name classes of y, {known}. Got unknown {unknown}: remove them."
        )
    values = [as_float(class_weight.get(key, 1.0)) for key in known]
    if not all(0 <= value < np.inf for value in values):
        raise ValueError(f"class_weight must hold finite numbers >= 0. Got {class_weight!r}.")
    return np.array(values, dtype=np.float64)
