"""Meta-estimators: their inner estimators, and the options of skl2onnx for them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import RandomizedSearchCV
from sklearn.multiclass import OneVsOneClassifier

from sknn_scratch.interop._extras import require
from sknn_scratch.interop._onnx_inputs import last_step, unwrapped


def _skl2onnx(module: str) -> Any:
    return require(f"skl2onnx.{module}", "onnx", "sknn_scratch.onnx")


# --- Scores, which converters request from a base model by an option.


def score_options(model: Any) -> dict[int, dict[str, bool]]:
    """Return the option for raw scores of the last steps of pipelines and searches.

    skl2onnx sets it for the base of a meta-estimator, but pipelines and searches do not pass it
    to their last step.
    """
    lasts = [last_step(base) for each in inner(model) for base in _judged_by_score(each)]
    return {id(last): {"raw_scores": True} for last in lasts if _has_scores(last)}


def inner(model: Any) -> Iterator[Any]:
    """Yield a fitted estimator and all inner estimators, at any depth, each once."""
    seen: set[int] = set()
    todo = [model]
    while todo:
        each = todo.pop()
        if isinstance(each, dict | list | tuple):
            todo += each.values() if isinstance(each, dict) else each
        elif _holds_estimators(each) and id(each) not in seen:
            seen.add(id(each))
            yield each
            todo += vars(each).values()


def _holds_estimators(thing: Any) -> bool:
    """Return True for estimators, and for scikit-learn's pairs of an estimator and calibrators."""
    is_pair = type(thing).__module__ == CalibratedClassifierCV.__module__
    return isinstance(thing, BaseEstimator) or (is_pair and hasattr(thing, "estimator"))


def _judged_by_score(model: Any) -> list[Any]:
    """Return the estimators whose ``decision_function`` a meta-estimator uses."""
    if isinstance(model, CalibratedClassifierCV):
        return [pair.estimator for pair in getattr(model, "calibrated_classifiers_", ())]
    held = list(getattr(model, "estimators_", ()))
    if isinstance(model, StackingClassifier):
        pairs = zip(held, getattr(model, "stack_method_", ()), strict=False)
        return [each for each, method in pairs if method == "decision_function"]
    return held if isinstance(model, OneVsOneClassifier) else []


def _has_scores(model: Any) -> bool:
    """Return True if an estimator has scores, and its converter the option for them."""
    return hasattr(model, "decision_function") and "raw_scores" in _options_of(model)


def _options_of(model: Any) -> Iterable[str]:
    """Return the names of the options of an estimator's converter."""
    name = _skl2onnx("_supported_operators").sklearn_operator_name_map.get(type(model))
    if name is None:
        return ()
    converter = _skl2onnx("common._registration").get_converter(name)
    return converter.get_allowed_options() or ()


# --- Wrappers of another estimator that skl2onnx does not support.

_HOLDERS = (FrozenEstimator, RandomizedSearchCV)


def register_holders() -> None:
    """Register converters of frozen estimators and of random searches with skl2onnx."""
    supported = _skl2onnx("_supported_operators")
    options = {"zipmap": [True, False, "columns"], "output_class_labels": [False, True]}
    options |= {"nocl": [True, False], "raw_scores": [True, False]}
    for cls in _HOLDERS:
        if cls not in supported.sklearn_operator_name_map:
            supported.update_registered_converter(
                cls, f"SknnScratch{cls.__name__}", _shape_held, _convert_held,
                parser=_parse_held, options=options,
            )  # fmt: skip


def _parse_held(scope: Any, model: Any, inputs: Any, custom_parsers: Any = None) -> Any:
    held = unwrapped(model)
    scope.add_options(id(held), _handed_on(scope, model, held))
    parse = _skl2onnx("_parse")._parse_sklearn
    return parse(scope, held, inputs, custom_parsers=custom_parsers)


def _handed_on(asked: Any, model: Any, held: Any) -> dict[str, Any]:
    """Return the options of a wrapper that its inner estimator supports; its own take priority."""
    known = _options_of(held)
    options = {name: to for name, to in asked.get_options(model).items() if name in known}
    return options | (asked.options or {}).get(id(held), {})


def _shape_held(operator: Any) -> None:
    held = unwrapped(operator.raw_operator)
    name = _skl2onnx("_supported_operators").get_model_alias(type(held))
    of_held = operator.new_raw_operator(held, name)
    _skl2onnx("common._registration").get_shape_calculator(name)(of_held)
    operator.outputs = of_held.outputs


def _convert_held(scope: Any, operator: Any, container: Any) -> None:
    held = unwrapped(operator.raw_operator)
    name = _skl2onnx("_supported_operators").get_model_alias(type(held))
    options = _handed_on(container, operator.raw_operator, held)
    of_held = scope.declare_local_operator(name, held)
    of_held.inputs = operator.inputs
    for asked in container, scope:
        asked.add_options(id(held), options)
    for output in operator.outputs:
        own = scope.declare_local_variable(output.onnx_name, type=output.type)
        of_held.outputs.append(own)
        container.add_node("Identity", [own.full_name], [output.full_name])
