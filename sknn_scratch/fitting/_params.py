"""Constraints on constructor parameters."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from numbers import Integral, Real
from typing import Any, TypeAlias

import numpy as np
from sklearn import get_config
from sklearn.base import BaseEstimator
from sklearn.utils import _param_validation
from sklearn.utils._param_validation import InvalidParameterError, Options, StrOptions

from sknn_scratch.components import Blocks
from sknn_scratch.contracts import Callback, Component, Transform, as_float
from sknn_scratch.fitting._sklearn_versions import FitCallback
from sknn_scratch.registry import KINDS, LBFGS_NAME, names


class Interval(_param_validation.Interval):
    """Constraint: scikit-learn's interval, also for fractions, decimals and huge integers."""

    def is_satisfied_by(self, value: Any) -> bool:
        # To Python, a decimal is no real number.
        is_decimal = self.type is Real and isinstance(value, Decimal)
        return value in self if is_decimal else bool(super().is_satisfied_by(value))

    def __contains__(self, value: Any) -> bool:
        inside = super().__contains__(as_float(value) if self.type is Real else value)
        return bool(inside)


class ComponentOrName(Options):
    """Constraint: an instance of a kind of component, or a string; names are looked up later."""

    def __init__(self, kind: str, extra_names: Sequence[str] = ()) -> None:
        super().__init__(str, set(extra_names))
        self.kind, self.extra_names = kind, extra_names

    def known(self) -> list[str]:
        """Return the valid names."""
        return sorted([*names(self.kind), *self.extra_names])

    def is_satisfied_by(self, value: Any) -> bool:
        """Return True if valid, or if a class or part of a chain, which is rejected later."""
        kinds = (KINDS[self.kind], Transform) if self.kind == "optimizer" else (KINDS[self.kind],)
        is_class = isinstance(value, type) and issubclass(value, kinds)
        return isinstance(value, (str, *kinds)) or is_class

    def __str__(self) -> str:
        known = ", ".join(map(repr, self.known()))
        return f"a name ({known}) or an instance of {KINDS[self.kind].__name__}"


class Callbacks(Options):
    """Constraint: a list or tuple of callbacks."""

    def __init__(self) -> None:
        super().__init__(str, set())

    def is_satisfied_by(self, value: Any) -> bool:
        return isinstance(value, list | tuple) and all(isinstance(c, Callback) for c in value)

    def __str__(self) -> str:
        return "a list or tuple of instances of Callback"


class OnePerLayer(ComponentOrName):
    """Constraint: one value for all hidden layers, or a sequence with one for each."""

    def is_satisfied_by(self, value: Any) -> bool:
        one = super().is_satisfied_by
        return one(value) or (isinstance(value, list | tuple) and all(map(one, value)))

    def __str__(self) -> str:
        return super().__str__() + ", or a list or tuple of these, one for each hidden layer"


def positive(kind: type = Real) -> Interval:
    """Return the constraint "above 0" (for integers: at least 1)."""
    if kind is Integral:
        return Interval(Integral, 1, None, closed="left")
    return Interval(kind, 0, None, closed="neither")


CONSTRAINTS: dict[str, list[Any]] = {
    "hidden_layer_sizes": ["array-like", positive(Integral)],
    "activation": [OnePerLayer("activation")],
    "solver": [ComponentOrName("optimizer", [LBFGS_NAME])],
    "alpha": [Interval(Real, 0, None, closed="left")],
    "batch_size": [StrOptions({"auto"}), positive(Integral)],
    "learning_rate": [ComponentOrName("schedule")],
    "learning_rate_init": [positive()],
    "power_t": [Interval(Real, 0, None, closed="left")],
    "max_iter": [positive(Integral)],
    "shuffle": ["boolean", StrOptions({"blocks"}), Blocks],
    "random_state": ["random_state"],
    "tol": [Interval(Real, 0, None, closed="left")],
    "verbose": ["verbose"],
    "warm_start": ["boolean"],
    "momentum": [Interval(Real, 0, 1, closed="both")],
    "nesterovs_momentum": ["boolean"],
    "early_stopping": ["boolean"],
    "validation_fraction": [Interval(Real, 0, 1, closed="left")],
    "beta_1": [Interval(Real, 0, 1, closed="left")],
    "beta_2": [Interval(Real, 0, 1, closed="left")],
    "epsilon": [positive()],
    "n_iter_no_change": [positive(Integral), Options(Real, {np.inf})],
    "max_fun": [positive(Integral)],
    "loss": [ComponentOrName("loss")],
    "initializer": [ComponentOrName("initializer")],
    "scoring": [str, callable, None],
    "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
    "l1_ratio": [Interval(Real, 0, 1, closed="both")],
    "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
    "callbacks": [Callbacks(), None],
    "dtype": [StrOptions({"float32", "float64"}), None],
}

#: Additional parameter of classifiers.
CLASS_WEIGHT: dict[str, list[Any]] = {"class_weight": [dict, list, StrOptions({"balanced"}), None]}


class OwnEstimator(BaseEstimator):
    """Base of all estimators of this package, by which a traceback tells them from others."""


#: Whom a message is about: an estimator, or the name of its class.
Owner: TypeAlias = str | OwnEstimator


def name_of(owner: Owner) -> str:
    """Return the name of the estimator's class, for messages."""
    return owner if isinstance(owner, str) else type(owner).__name__


@dataclass(frozen=True)
class Parameters:
    """Parameters of an estimator by name, as the user wrote them."""

    cls: type[OwnEstimator]
    given: Mapping[str, Any]

    @classmethod
    def read(cls, estimator: OwnEstimator) -> Parameters:
        """Return the parameters of an estimator."""
        names = type(estimator)._parameter_constraints
        return cls(type(estimator), {name: getattr(estimator, name) for name in names})

    @property
    def owner(self) -> str:
        """Name of the estimator's class."""
        return self.cls.__name__

    def __getitem__(self, name: str) -> Any:
        return self.given[name]

    def filled(self, values: Mapping[str, Any]) -> Parameters:
        """Return the parameters with these values for those that are None."""
        missing = {name: value for name, value in values.items() if self.given[name] is None}
        return replace(self, given={**self.given, **missing})

    def rule(self, name: str) -> Any:
        """Return the first constraint on a parameter."""
        return self.cls._parameter_constraints[name][0]


def is_lbfgs(solver: Any) -> bool:
    """Return True for the value of ``solver`` that is no optimizer."""
    return isinstance(solver, str) and solver == LBFGS_NAME


def check_params(estimator: OwnEstimator) -> None:
    """Raise ValueError for the first parameter that violates its constraint."""
    if not get_config()["skip_parameter_validation"]:
        _refuse_sklearn_callbacks(estimator)
        estimator._validate_params()


def _refuse_sklearn_callbacks(estimator: OwnEstimator) -> None:
    """Raise ValueError if ``callbacks`` contains one of scikit-learn, for set_callbacks."""
    value = Parameters.read(estimator)["callbacks"]
    each = value if isinstance(value, list | tuple) else [value]
    if any(isinstance(one, FitCallback) and not isinstance(one, Callback) for one in each):
        hint = " Pass callbacks of scikit-learn to set_callbacks."
        raise invalid(estimator, "callbacks", f"{Callbacks()} or None", value, hint)


def invalid(owner: Owner, name: str, must_be: str, value: Any, hint: str = "") -> ValueError:
    """Return the error for an invalid parameter, in the form of all error messages."""
    return InvalidParameterError(
        f"The {name!r} parameter of {name_of(owner)} must be {must_be}. "
        f"Got {value!r} instead.{hint}"
    )


def hidden_sizes(owner: Owner, value: Any) -> tuple[int, ...]:
    """Return ``hidden_layer_sizes`` as a tuple; empty for a linear model."""
    sizes = [value] if isinstance(value, Integral) else value
    is_row = isinstance(sizes, Sequence | np.ndarray) and np.ndim(np.asarray(sizes, object)) == 1
    if not is_row or not all(
        isinstance(n, Integral) and not isinstance(n, bool) and int(n) >= 1 for n in sizes
    ):
        raise invalid(
            owner,
            "hidden_layer_sizes",
            "an integer > 0, or a sequence of these, one for each hidden layer",
            value,
            " Write hidden_layer_sizes=() for a model without hidden layers.",
        )
    return tuple(int(n) for n in sizes)


def count(value: Any) -> int:
    """Return a count, such as of epochs or rows, limited to the largest integer of numpy."""
    return min(int(value), sys.maxsize)


def plain(value: Any) -> Any:
    """Return a fraction or a decimal as a float, other values unchanged."""
    return as_float(value) if isinstance(value, Fraction | Decimal) else value


def own_fields(component: Component) -> list[str]:
    """Return the names of a component's parameters."""
    return list(component.get_params(deep=False))
