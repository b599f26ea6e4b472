"""Meta-estimators: the estimators inside them, and what skl2onnx has to ask of these."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.multiclass import OneVsOneClassifier

from sknn_scratch.interop._extras import require
from sknn_scratch.interop._onnx_inputs import last_step


def inner(model: Any) -> Iterator[Any]:
    """Yield a fitted estimator and all that it holds, at any depth, each once."""
    seen: set[int] = set()
    todo = [model]
    while todo:
        each = todo.pop()
        if isinstance(each, dict | list | tuple):
            todo += each.values() if isinstance(each, dict) else each
        elif hasattr(each, "__dict__") and _holds_estimators(each) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += vars(each).values()


def _holds_estimators(thing: Any) -> bool:
    """Tell whether it is an estimator, or one of scikit-learn's pairs of one and calibrators."""
    is_pair = type(thing).__module__ == CalibratedClassifierCV.__module__
    return not isinstance(thing, type) and (isinstance(thing, BaseEstimator) or is_pair)


def _judged_by_score(model: Any) -> list[Any]:
    """Return the estimators of which a meta-estimator takes ``decision_function``."""
    if isinstance(model, CalibratedClassifierCV):
        return [pair.estimator for pair in model.calibrated_classifiers_]
    if isinstance(model, OneVsOneClassifier):
        return list(model.estimators_)
    if isinstance(model, StackingClassifier):
        pairs = zip(model.estimators_, model.stack_method_, strict=True)
        return [each for each, method in pairs if method == "decision_function"]
    return []


def score_options(model: Any) -> dict[int, dict[str, bool]]:
    """Return the option of raw scores for the last steps of pipelines and searches.

    skl2onnx asks a meta-estimator's base for them, but no pipeline or search hands that on.
    """
    lasts = [last_step(base) for each in inner(model) for base in _judged_by_score(each)]
    return {id(last): {"raw_scores": True} for last in lasts if _has_scores(last)}


def _has_scores(model: Any) -> bool:
    """Tell whether an estimator has scores, and skl2onnx writes them when it is asked to."""
    name = require("skl2onnx", "onnx", "sknn_scratch.onnx").get_model_alias(type(model))
    registry = require("skl2onnx.common._registration", "onnx", "sknn_scratch.onnx")
    options = registry.get_converter(name).get_allowed_options() or ()
    return hasattr(model, "decision_function") and "raw_scores" in options
