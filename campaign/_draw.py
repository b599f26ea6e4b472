"""Draws parameters and components from what the package itself says they may be.

The constraints of an estimator and the fields of a component are the only source, so that new
parameters, components and estimators are drawn without a change here.
"""

from __future__ import annotations

import dataclasses
import datetime
import decimal
import fractions
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import Interval, Options

import sknn_scratch
from sknn_scratch import components, registry
from sknn_scratch.contracts import Component, Link, Optimizer, Schedule
from sknn_scratch.fitting._params import Callbacks, ComponentOrName, OnePerLayer

T = TypeVar("T")
Rng = np.random.Generator

ESTIMATORS = tuple(getattr(sknn_scratch, name) for name in sknn_scratch.__all__ if "MLP" in name)
COMPONENTS = tuple(getattr(components, name) for name in components.__all__)
#: Values that make a fit small, for parameters that decide how long it takes.
SMALL: dict[str, Any] = {
    "hidden_layer_sizes": (3,),
    "max_iter": 3,
    "effort": "fast",
    "n_ensemble": 2,
    "min_steps": 2,
    "n_jobs": None,
}
#: What a field without a default takes, by the class that has it.
REQUIRED: dict[str, dict[str, Any]] = {
    "Chain": {"steps": (("only", components.SGD()),)},
    "GroupRates": {"factors": (("b", 0.5),)},
}
#: The same by the field's annotation, for all other classes.
BY_ANNOTATION: dict[str, Any] = {
    "float": 1.0,
    "int": 1,
    "str": "drawn.npz",
    "bool": True,
    "Optimizer": components.Adam(),
    "Schedule": components.Cosine(),
}


def pick(rng: Rng, values: Sequence[T]) -> T:
    """Return one of the values."""
    return values[int(rng.integers(len(values)))]


# --- Odd values, for any parameter and any field.


def odd_values() -> list[Any]:
    """Return values that no parameter expects, or that only look like what it expects."""
    nan, inf = float("nan"), float("inf")
    plain = [None, True, False, 0, -1, 1, 2, -0.0, 0.5, 1.5, nan, inf, -inf, 5e-324, 1e308, 10**30]
    texts = ["", "abc", "ReLU", "relu", b"x", np.str_("relu"), "auto", "balanced", "nan"]
    holders = [[], [1], (), (1, 2), {}, {1}, {"a": 1}, range(3), np.array(3), np.array([3])]
    arrays = [np.array([]), np.array([[1]]), np.array([0.1, 0.2]), np.array([None]), np.array("x")]
    scalars = [np.float32(0.5), np.float16(0.5), np.int64(3), np.uint8(2), np.bool_(True)]
    numbers = [1j, decimal.Decimal("0.5"), fractions.Fraction(1, 2), 10**400, np.longdouble(0.5)]
    others = [object(), len, int, ..., pd.NA, pd.Series([1, 2]), np.datetime64("NaT")]
    ours = [components.Relu, components.Relu(), components.Adam, components.Adam()]
    dates = [datetime.date(2020, 1, 1), datetime.timedelta(1)]
    streams = [np.random.RandomState(0), np.random.default_rng(0)]
    return [*plain, *texts, *holders, *arrays, *scalars, *numbers, *others, *ours, *dates, *streams]


# --- Legal values, from constraints.


def legal(rng: Rng, name: str, constraint: Any) -> Any:
    """Return a value that a constraint allows, or an odd one where it does not say enough."""
    match constraint:
        case OnePerLayer():
            one = named(rng, constraint)
            return pick(rng, [one, [one], (one,), [one, one]])
        case ComponentOrName():
            return named(rng, constraint)
        case Callbacks():
            return [drawn_component(rng, kind) for kind in quiet_callbacks()[: rng.integers(3)]]
        case Interval():
            return within(rng, constraint)
        case Options():
            return pick(rng, sorted(constraint.options, key=repr))
        case "boolean" | "verbose":
            return bool(rng.integers(2)) if constraint == "boolean" else False
        case "random_state":
            return pick(rng, [None, 0, 1, 2**32 - 1, np.int64(5), np.random.RandomState(1)])
        case None:
            return None
        case type() if issubclass(constraint, Component):
            return drawn_component(rng, constraint)
        case type() if constraint is Integral:
            return pick(rng, [1, 2, np.int64(3), -1, 0])
    return pick(rng, SPECIAL.get(name) or odd_values())


#: Legal and nearly legal values where a constraint says no more than "array-like" or "dict".
SPECIAL: dict[str, list[Any]] = {
    "hidden_layer_sizes": [
        (),
        (1,),
        (3, 2),
        [2],
        np.array([3]),
        (np.int32(2),),
        [1] * 6,
        range(2, 4),
    ],
    "dropout": [[0.1], (0.1,), np.array([0.5]), [], [0.5, 0.1]],
    "class_weight": [{0: 2}, {0: 0.0}, {0: 0, 1: 0}, {1: float("nan")}, {"a": 1}, {}, [{0: 1}] * 2],
    "scoring": ["loss", "accuracy", "r2", "neg_log_loss", "roc_auc", "f1_macro", "nonsense"],
    "categorical_features": [[], [0], ["c0"], [True, False], [-1], [5], [0, 0], np.array([0])],
}


def named(rng: Rng, constraint: ComponentOrName) -> Any:
    """Return a name of a component, or an instance."""
    if rng.random() < 0.5:
        return pick(rng, constraint.known())
    kinds = [cls for cls in COMPONENTS if issubclass(cls, registry.KINDS[constraint.kind])]
    return drawn_component(rng, pick(rng, kinds))


def within(rng: Rng, interval: Interval) -> Any:
    """Return a number in an interval, often at one of its ends."""
    low, high = interval.left, interval.right
    if interval.type is Integral:
        sign, end = (-1, high) if low is None and high is not None else (1, low or 0)
        return pick(
            rng, [int(end) + sign * step for step in (0, 1, 1, 4)] + [np.int64(end + sign * 2)]
        )
    bottom = 0.0 if low is None else float(low)
    if high is None:
        start = [0.0] if interval.closed in ("left", "both") else []
        return bottom + pick(rng, [*start, 5e-324, 1e-300, 1e-8, 1e-3, 0.1, 1, 10, 1e30, 1e300])
    ends: list[Any] = [bottom, int(bottom)] if interval.closed in ("left", "both") else []
    ends += [float(high), int(high)] if interval.closed in ("right", "both") else []
    span = float(high) - bottom
    inner = [1e-300, 0.1, 0.5, 0.9, 1 - 1e-16]
    return pick(rng, [*ends, *[bottom + span * part for part in inner]])


def draw_params(rng: Rng, cls: type, p: float, p_odd: float) -> dict[str, Any]:
    """Return parameters: each is set with probability ``p``, and then oddly with ``p_odd``."""
    constraints, out = cls._parameter_constraints, {}  # type: ignore[attr-defined]
    for name in cls().get_params(deep=False):
        if rng.random() >= p:
            continue
        if rng.random() < p_odd:
            out[name] = pick(rng, odd_values())
        else:
            out[name] = legal(rng, name, pick(rng, constraints[name]))
    own = cls().get_params(deep=False)
    small = {name: value for name, value in SMALL.items() if name in own}
    return small | {name: value for name, value in out.items() if not _is_large(name, value)}


def _is_large(name: str, value: Any) -> bool:
    """Tell whether a value would make a legal fit long, which is no fault."""
    if name in ("n_jobs", "effort"):
        return not isinstance(value, float | bytes)
    is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return name in SMALL and (value is None or (is_number and value > 8))


# --- Components, from their fields.


def drawn_component(rng: Rng, cls: type[Component]) -> Component:
    """Return an instance with some fields drawn; with the plain ones where it refuses these."""
    plain = required(cls)
    drawn = {
        each.name: field_value(rng, each)
        for each in dataclasses.fields(cls)  # type: ignore[arg-type]
        if rng.random() < 0.5
    }
    try:
        return cls(**plain | drawn)
    except (TypeError, ValueError):
        return cls(**plain)


def required(cls: type[Component]) -> dict[str, Any]:
    """Return values for the fields that have no default."""
    out = dict(REQUIRED.get(cls.__name__, {}))
    for each in dataclasses.fields(cls):  # type: ignore[arg-type]
        has_none = each.default is dataclasses.MISSING and each.name not in out
        if has_none and each.default_factory is dataclasses.MISSING:
            out[each.name] = BY_ANNOTATION[str(each.type).split(" ")[0]]
    return out


def field_value(rng: Rng, each: Any) -> Any:
    """Return a value like a field's default."""
    default = None if each.default is dataclasses.MISSING else each.default
    if isinstance(default, bool):
        return not default
    if isinstance(default, Optimizer | Schedule):
        kinds = [cls for cls in COMPONENTS if issubclass(cls, type(default).__mro__[1])]
        return drawn_component(rng, pick(rng, kinds))
    if isinstance(default, str):
        return default
    near = [] if default is None else [default, default * 2, default / 3]
    return pick(rng, [*near, 0, 0.0, 0.5, 1, 1 - 1e-16, 1e-320, 1e30, 1e300])


def quiet_callbacks() -> list[type[Component]]:
    """Return the callbacks that neither write files nor print."""
    kinds = [cls for cls in COMPONENTS if issubclass(cls, registry.KINDS["callback"])]
    return [
        cls for cls in kinds if not {"path", "every"} & {f.name for f in dataclasses.fields(cls)}
    ]  # type: ignore[arg-type]


class Linked(components.SquaredError):
    """A loss whose inverse link is a parameter, to place one in an estimator."""

    link: Link = components.IdentityLink()


def placed(component: Any) -> dict[str, Any]:
    """Return the parameter of a plain estimator that takes a component."""
    names: dict[str, Callable[[Any], Any]] = {
        "activation": lambda one: {"activation": one},
        "loss": lambda one: {"loss": one},
        "link": lambda one: {"loss": Linked(one)},
        "optimizer": lambda one: {"solver": one},
        "transform": lambda one: {
            "solver": components.Chain((("drawn", one), ("sgd", components.SGD())))
        },
        "schedule": lambda one: {"learning_rate": one},
        "initializer": lambda one: {"initializer": one},
        "callback": lambda one: {"callbacks": [one]},
    }
    for kind, base in registry.KINDS.items():
        if isinstance(component, base):
            return names[kind](component)
    return {"shuffle": component}
