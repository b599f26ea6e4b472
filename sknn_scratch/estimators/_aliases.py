"""Conversion of parameters to components: ``solver="adam", beta_1=0.8`` -> ``Adam(beta_1=0.8)``.

Names are configured by the estimator's flat parameters, instances by their own parameters.
Setting a flat parameter together with an instance is an error, because it would be ignored.
"""

import inspect
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.metrics import get_scorer_names

from sknn_scratch.components import Blocks
from sknn_scratch.contracts import Activation, Component, Loss, Schedule, Transform, as_float
from sknn_scratch.estimators._params import (
    CONSTRAINTS,
    ComponentOrName,
    Interval,
    hidden_sizes,
    invalid,
    own_fields,
    plain,
)
from sknn_scratch.registry import advice, lookup, suggestion

#: parameter -> name -> field of the component -> flat parameter of the estimator
FLAT: dict[str, dict[str, dict[str, str]]] = {
    "solver": {
        "sgd": {"momentum": "momentum", "nesterov": "nesterovs_momentum"},
        "adam": {"beta_1": "beta_1", "beta_2": "beta_2", "epsilon": "epsilon"},
    },
    "learning_rate": {"invscaling": {"power_t": "power_t"}},
}
#: Names of scikit-learn, which silently ignores the flat parameters of all other names.
OWN_NAMES = {
    "solver": ("sgd", "adam", "lbfgs"),
    "learning_rate": ("constant", "invscaling", "adaptive"),
}


class ComponentParams(BaseEstimator):
    """Mixin for parameters ``a__b``, the parameter b of the component ``a`` of an estimator."""

    def set_params(self, **params: Any) -> Any:
        """Set parameters of the estimator and of its components.

        Parameters
        ----------
        **params
            New values of parameters; ``a__b`` sets the parameter b of the component a. Plain
            names are set first.

        Returns
        -------
        self : the estimator
            The estimator itself.
        """
        plain = {key: value for key, value in params.items() if "__" not in key}
        inner: dict[str, dict[str, Any]] = {}
        for key in params.keys() - plain.keys():
            name, _, rest = key.partition("__")
            inner.setdefault(name, {})[rest] = params[key]
        for name, changes in inner.items():
            plain[name] = self._evolved(name, plain.get(name, getattr(self, name, None)), changes)
        known = self.get_params(deep=False)
        # Unknown names first, so that they raise before any parameter is set.
        return super().set_params(**dict(sorted(plain.items(), key=lambda item: item[0] in known)))

    def _evolved(self, name: str, value: Any, changes: dict[str, Any]) -> Component:
        """Return the component with changed parameters."""
        if isinstance(value, Component):
            return value.evolve(**changes)
        flat = sorted({own for fields in FLAT.get(name, {}).values() for own in fields.values()})
        known = [own for own in flat if own in self.get_params(deep=False)]
        raise ValueError(
            f"Invalid parameter {name}__{next(iter(changes))} for {type(self).__name__}: {name} "
            f"is {value!r}, which has no parameters of its own. Pass an instance of a component "
            "from sknn_scratch.components to set them"
            + (f", or use the estimator's own {', '.join(known)}." if known else ".")
        )


def component(estimator: Any, kind: str, parameter: str) -> Any:
    """Return the component for a parameter of the estimator."""
    value = getattr(estimator, parameter)
    if isinstance(value, Transform):
        hint = f" Write Chain([('a', {value!r}), ('b', Adam())]): it is not an optimizer."
        raise invalid(estimator, parameter, str(CONSTRAINTS[parameter][0]), value, hint)
    if isinstance(value, Component):
        _reject_flat(estimator, parameter, value)
        return value
    made = _named(estimator, kind, parameter, value)
    if value not in OWN_NAMES.get(parameter, (value,)):
        _reject_flat(estimator, parameter, made())
    flat = FLAT.get(parameter, {}).get(value, {})
    return made(**{field: _flat(estimator, name) for field, name in flat.items()})


def _flat(estimator: Any, name: str) -> Any:
    """Return a flat parameter, converted for a component, which does not accept True."""
    value = getattr(estimator, name)
    return as_float(value) if isinstance(CONSTRAINTS[name][0], Interval) else value


def resolved(estimator: Any, kind: str, parameter: str, value: Any) -> Any:
    """Return a component unchanged, or the component of a name with its default parameters."""
    return value if isinstance(value, Component) else _named(estimator, kind, parameter, value)()


def activations(estimator: Any) -> tuple[list[Activation], Activation]:
    """Return one activation per hidden layer, and the one before the output layer."""
    value, n_hidden = estimator.activation, len(hidden_sizes(estimator))
    if isinstance(value, str | Activation | type):
        one = _activation(estimator, value)
        return [one] * n_hidden, one
    if len(value) != n_hidden:
        raise invalid(
            estimator,
            "activation",
            f"a single activation or a sequence of {n_hidden}, one for each hidden layer",
            value,
        )
    each = [_activation(estimator, item) for item in value]
    return each, each[-1] if each else _activation(estimator, "identity")


def dropout_rates(estimator: Any) -> list[float]:
    """Return one rate per hidden layer."""
    value, n_hidden = estimator.dropout, len(hidden_sizes(estimator))
    value = value.tolist() if isinstance(value, np.ndarray) else value
    rates = [value] * n_hidden if isinstance(value, Real | Decimal) else value
    is_row = isinstance(rates, Sequence) and not isinstance(rates, str)
    if not is_row or not all(0 <= as_float(rate) < 1 for rate in rates):
        raise invalid(estimator, "dropout", "a rate in [0, 1), or one for each layer", value)
    if len(rates) != n_hidden:
        raise invalid(
            estimator,
            "dropout",
            f"a single rate or a sequence of {n_hidden}, one for each hidden layer",
            value,
        )
    return [float(rate) for rate in rates]


def shuffle(estimator: Any) -> bool | Blocks:
    """Return whether rows are shuffled, or the order if it is not a full shuffle."""
    value = Blocks() if isinstance(estimator.shuffle, str) else estimator.shuffle
    return value if isinstance(value, Blocks) else bool(value)


def schedule(estimator: Any) -> Schedule:
    """Return the schedule; as in scikit-learn, solver="adam" ignores its two schedules."""
    if estimator.solver == "adam" and estimator.learning_rate in ("invscaling", "adaptive"):
        return lookup("schedule", "constant")()  # type: ignore[return-value]
    return component(estimator, "schedule", "learning_rate")  # type: ignore[no-any-return]


def check_names(estimator: Any) -> None:
    """Raise for unknown names, and for flat parameters set together with an instance."""
    activations(estimator)
    dropout_rates(estimator)
    _check_scoring(estimator)
    component(estimator, "schedule", "learning_rate")
    component(estimator, "loss", "loss")
    component(estimator, "initializer", "initializer")
    if estimator.solver != "lbfgs":
        component(estimator, "optimizer", "solver")


def _check_scoring(estimator: Any) -> None:
    known = [*get_scorer_names(), "loss"]
    if isinstance(estimator.scoring, str) and estimator.scoring not in known:
        must_be = "None, 'loss', the name of a scorer of scikit-learn, or a callable"
        hint = suggestion(estimator.scoring, known)
        raise invalid(estimator, "scoring", must_be, estimator.scoring, hint)


def tasks(estimator: Any) -> tuple[str, ...]:
    """Return the tasks of the loss; empty for an unknown loss, for which ``fit`` raises."""
    loss = _loss_if_valid(estimator)
    return () if loss is None else loss.tasks


def needs_positive_targets(estimator: Any) -> bool:
    """Return True if the loss rejects negative targets."""
    loss = _loss_if_valid(estimator)
    return loss is not None and not loss.target_range.contains(np.array(-1.0))


def _loss_if_valid(estimator: Any) -> Loss | None:
    try:
        loss: Loss = component(estimator, "loss", "loss")
    except (ValueError, TypeError, AttributeError, ImportError):
        return None
    return loss if isinstance(loss, Loss) else None


def _activation(estimator: Any, value: Any) -> Activation:
    if isinstance(value, Activation):
        return value
    return _named(estimator, "activation", "activation", value)()  # type: ignore[return-value]


def _named(estimator: Any, kind: str, parameter: str, name: Any) -> type[Component]:
    if isinstance(name, type):
        hint = f" Write {name.__name__}(): an instance, not the class."
        raise invalid(estimator, parameter, str(CONSTRAINTS[parameter][0]), name, hint)
    try:
        return lookup(kind, name)
    except LookupError:
        rule: ComponentOrName = CONSTRAINTS[parameter][0]
        hint = suggestion(name, rule.known()) + advice(kind, name)
        raise invalid(estimator, parameter, str(rule), name, hint) from None


def _reject_flat(estimator: Any, parameter: str, value: Component) -> None:
    """Raise if a flat parameter that ``value`` ignores is not at its default."""
    signature = inspect.signature(type(estimator).__init__).parameters
    for fields in FLAT.get(parameter, {}).values():
        for field, flat in fields.items():
            given = getattr(estimator, flat)
            if plain(given) == signature[flat].default:
                continue
            instead = f"{parameter}={type(value).__name__}({field}={given!r})"
            advice = f"write {instead}" if field in own_fields(value) else f"leave {flat} out"
            raise ValueError(
                f"The {flat!r} parameter of {type(estimator).__name__} must be left at its "
                f"default with {parameter}={getattr(estimator, parameter)!r}, which ignores it. "
                f"Got {flat}={given!r}: {advice} instead."
            )


def unfit_loss(estimator: Any, loss: Loss, task: str) -> ValueError:
    """Return the error for a loss that does not fit the targets."""
    return ValueError(
        f"The 'loss' parameter of {type(estimator).__name__} must be a loss for {task} targets. "
        f"Got {estimator.loss!r} instead, which fits {' and '.join(loss.tasks)} targets: use "
        f"loss={estimator._usual_loss!r} instead."
    )
