"""Conversion of parameters to components: ``solver="adam", beta_1=0.8`` -> ``Adam(beta_1=0.8)``.

Names are configured by the estimator's flat parameters, instances by their own parameters.
Setting a flat parameter together with an instance is an error, because it would be ignored.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from sknn_scratch.components import Blocks, Constant, WeightEMA
from sknn_scratch.contracts import (
    Activation,
    Component,
    Loss,
    Optimizer,
    Schedule,
    Transform,
    as_float,
)
from sknn_scratch.fitting._params import (
    CONSTRAINTS,
    ComponentOrName,
    Interval,
    Owner,
    OwnEstimator,
    Parameters,
    invalid,
    is_lbfgs,
    name_of,
    own_fields,
    plain,
)
from sknn_scratch.registry import LBFGS_NAME, RESERVED, advice, lookup, suggestion

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
    "solver": ("sgd", "adam", LBFGS_NAME),
    "learning_rate": ("constant", "invscaling", "adaptive"),
}


def component(params: Parameters, kind: str, parameter: str) -> Any:
    """Return the component for a parameter of the estimator."""
    value = params[parameter]
    if isinstance(value, Transform):
        hint = f" Write Chain([('a', {value!r}), ('b', Adam())]): it is not an optimizer."
        raise invalid(params.owner, parameter, str(params.rule(parameter)), value, hint)
    if isinstance(value, Component):
        _reject_flat(params, parameter, value)
        return value
    made = _named(params, kind, parameter, value)
    if value not in OWN_NAMES.get(parameter, (value,)):
        _reject_flat(params, parameter, made())
    flat = FLAT.get(parameter, {}).get(value, {})
    own = {field: name for field, name in flat.items() if name in params.given}
    return made(**{field: _flat(params, name) for field, name in own.items()})


def _flat(params: Parameters, name: str) -> Any:
    """Return a flat parameter, converted for a component, which does not accept True."""
    value = params[name]
    return as_float(value) if isinstance(CONSTRAINTS[name][0], Interval) else value


def resolved(params: Parameters, kind: str, parameter: str, value: Any) -> Any:
    """Return a component unchanged, or the component of a name with its default parameters."""
    return value if isinstance(value, Component) else _named(params, kind, parameter, value)()


def activations(params: Parameters, n_hidden: int) -> tuple[tuple[Activation, ...], Activation]:
    """Return one activation per hidden layer, and the one before the output layer."""
    value = params["activation"]
    if isinstance(value, str | Activation | type):
        one = resolved(params, "activation", "activation", value)
        return (one,) * n_hidden, one
    if len(value) != n_hidden:
        must_be = f"a single activation or a sequence of {n_hidden}, one for each hidden layer"
        raise invalid(params.owner, "activation", must_be, value)
    each = [resolved(params, "activation", "activation", item) for item in value]
    last = each[-1] if each else resolved(params, "activation", "activation", "identity")
    return tuple(each), last


def dropout_rates(params: Parameters, n_hidden: int) -> tuple[float, ...]:
    """Return one rate per hidden layer."""
    value = params["dropout"]
    value = value.tolist() if isinstance(value, np.ndarray) else value
    rates = [value] * n_hidden if isinstance(value, Real | Decimal) else value
    is_row = isinstance(rates, Sequence) and not isinstance(rates, str)
    if not is_row or not all(0 <= as_float(rate) < 1 for rate in rates):
        raise invalid(params.owner, "dropout", "a rate in [0, 1), or one for each layer", value)
    if len(rates) != n_hidden:
        must_be = f"a single rate or a sequence of {n_hidden}, one for each hidden layer"
        raise invalid(params.owner, "dropout", must_be, value)
    return tuple(float(rate) for rate in rates)


def shuffle(value: Any) -> bool | Blocks:
    """Return whether rows are shuffled, or the order if it is not a full shuffle."""
    value = Blocks() if isinstance(value, str) else value
    return value if isinstance(value, Blocks) else bool(value)


def schedule(params: Parameters) -> Schedule:
    """Return the schedule; as in scikit-learn, solver="adam" ignores its two schedules."""
    made: Schedule = component(params, "schedule", "learning_rate")
    ignored = isinstance(params["solver"], str) and params["solver"] == "adam"
    if ignored and params["learning_rate"] in ("invscaling", "adaptive"):
        return Constant()
    return made


def optimizer(params: Parameters) -> Optimizer | None:
    """Return the optimizer, with an average of the weights if asked for; None for L-BFGS."""
    if is_lbfgs(params["solver"]):
        _reject_with_lbfgs(params)
        return None
    made: Optimizer = component(params, "optimizer", "solver")
    decay = params["ema_decay"]
    return made if decay is None else WeightEMA(made, float(decay))


def _reject_with_lbfgs(params: Parameters) -> None:
    """Raise ValueError for parameters that require mini-batches."""
    for name, neutral in (("dropout", 0.0), ("ema_decay", None), ("l1_ratio", 0.0)):
        value = params[name]
        if value is not neutral and np.any(value):
            raise ValueError(
                f"The {name!r} parameter of {params.owner} must be {neutral} with "
                f"solver='lbfgs', which minimises a smooth function of all rows. Got {value!r} "
                "instead: choose another solver, such as 'adam'."
            )


def scoring(params: Parameters) -> Any:
    """Return ``scoring``; raise ValueError for an unknown name of a scorer."""
    value, known = params["scoring"], [*get_scorer_names(), "loss"]
    if isinstance(value, str) and value not in known:
        must_be = "None, 'loss', the name of a scorer of scikit-learn, or a callable"
        raise invalid(params.owner, "scoring", must_be, value, suggestion(value, known))
    return value


def loss_if_valid(estimator: OwnEstimator) -> Loss | None:
    """Return the loss of an estimator; None for an unknown one, for which ``fit`` raises."""
    try:
        loss: Loss = component(Parameters.read(estimator), "loss", "loss")
    except (ValueError, TypeError, AttributeError, ImportError):
        return None
    return loss if isinstance(loss, Loss) else None


def _named(params: Parameters, kind: str, parameter: str, name: Any) -> type[Component]:
    rule: ComponentOrName = params.rule(parameter)
    if isinstance(name, type):
        hint = f" Write {name.__name__}(): an instance, not the class."
        raise invalid(params.owner, parameter, str(rule), name, hint)
    try:
        return lookup(kind, name)
    except LookupError:
        hint = suggestion(name, rule.known()) + advice(kind, name)
        if name in RESERVED.get(kind, ()):  # of plain networks; it cannot be registered
            hint = f" Tables are trained in mini-batches: use {parameter}='adam'."
        raise invalid(params.owner, parameter, str(rule), name, hint) from None


def _reject_flat(params: Parameters, parameter: str, value: Component) -> None:
    """Raise if a flat parameter that ``value`` ignores is not at its default."""
    for fields in FLAT.get(parameter, {}).values():
        for field, flat in fields.items():
            if flat not in params.given:  # tables have no flat parameters
                continue
            flat_value = params[flat]
            if plain(flat_value) == inspect.signature(params.cls.__init__).parameters[flat].default:
                continue
            instead = f"{parameter}={type(value).__name__}({field}={flat_value!r})"
            advice = f"write {instead}" if field in own_fields(value) else f"leave {flat} out"
            raise ValueError(
                f"The {flat!r} parameter of {params.owner} must be left at its "
                f"default with {parameter}={params[parameter]!r}, which ignores it. "
                f"Got {flat}={flat_value!r}: {advice} instead."
            )


def unfit_loss(owner: Owner, written: Any, usual: str, loss: Loss, task: str) -> ValueError:
    """Return the error for a loss that does not fit the targets; ``usual`` is the default."""
    return ValueError(
        f"The 'loss' parameter of {name_of(owner)} must be a loss for {task} targets. "
        f"Got {written!r} instead, which fits {' and '.join(loss.tasks)} targets: use "
        f"loss={usual!r} instead."
    )
