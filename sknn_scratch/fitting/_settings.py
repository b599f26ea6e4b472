"""Parameters of an estimator, resolved once: components, tuples, and numbers of Python.

All later steps of a fit use :class:`Settings` instead of the estimator's parameters, so that the
spelling of a parameter has no effect.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import inf
from numbers import Integral, Real
from typing import Any

import numpy as np

from sknn_scratch.components import Blocks, PrintProgress, WeightEMA
from sknn_scratch.contracts import (
    Activation,
    Array,
    Callback,
    Component,
    Initializer,
    Loss,
    Optimizer,
    Schedule,
)
from sknn_scratch.core import probe
from sknn_scratch.fitting import _aliases
from sknn_scratch.fitting._params import (
    OwnEstimator,
    Parameters,
    check_params,
    count,
    hidden_sizes,
    own_fields,
    plain,
)
from sknn_scratch.registry import LBFGS_NAME, lookup
from sknn_scratch.training.stopping import StepPatience

AUTO_BATCH_SIZE = 200
#: Floats below that are integers are written without a decimal point.
LARGEST = 2.0**53

#: (loss, truth, predictions, weights) -> score
Metric = Callable[[Loss, Array, Array, Array | None], float]


@dataclass(frozen=True)
class Settings:
    """Settings of a fit.  A field with the name of a parameter has the parameter's meaning."""

    owner: str  #: name of the estimator's class, for messages
    is_numeric: bool  #: regression, not classification
    metric: Metric  #: score of predictions where ``scoring`` is None
    usual_loss: str  #: default of ``loss``
    written_loss: Any  #: ``loss`` as the user wrote it, for messages
    hidden_layer_sizes: tuple[int, ...]
    activation: tuple[Activation, ...]  #: one for each hidden layer
    seen_by_output: Activation  #: activation before the output layer
    dropout: tuple[float, ...]  #: one for each hidden layer
    loss: Loss  #: before :meth:`Loss.for_task`
    initializer: Initializer
    solver: Optimizer | None  #: including ``ema_decay``; None for L-BFGS
    learning_rate: Schedule
    learning_rate_init: float
    alpha: float
    l1_ratio: float
    batch_size: int | None  #: None for "auto"
    max_iter: int
    max_fun: int
    tol: float
    n_iter_no_change: float
    shuffle: bool | Blocks
    random_state: Any
    warm_start: bool
    early_stopping: bool
    validation_fraction: float
    scoring: Any
    class_weight: Any  #: needs the classes of y to be resolved
    callbacks: tuple[Callback, ...]  #: including that of ``verbose``
    dtype: np.dtype[Any] | None
    #: Copy of the estimator for scorers of scikit-learn, which call its methods; None without one.
    stand_in: Any = None
    # Of members of an ensemble only:
    input_scaling: bool = False
    scales_targets: bool = False  #: whether y is encoded in units of its scale
    step_patience: StepPatience | None = None  #: instead of ``tol`` and ``n_iter_no_change``
    n_checks: int | None = None  #: number of validation checks; None: one for each epoch
    fraction: float | None = None  #: progress that schedules see; None: epochs of ``max_iter``

    @property
    def rows_per_step(self) -> int:
        """Number of rows per step, which training limits to the number of rows."""
        return AUTO_BATCH_SIZE if self.batch_size is None else self.batch_size

    @property
    def is_full_batch(self) -> bool:
        """True for L-BFGS, whose steps use all rows; mini-batches are the alternative."""
        return self.solver is None

    @property
    def stops_early(self) -> bool:
        """True if the validation score decides when to stop."""
        return self.early_stopping and not self.is_full_batch

    @property
    def has_scorer(self) -> bool:
        """True if ``scoring`` is a scorer of scikit-learn, by its name or itself."""
        is_loss = isinstance(self.scoring, str) and self.scoring == "loss"
        return self.scoring is not None and not is_loss

    @property
    def weights_by_name(self) -> str:
        """Names of the parameters that determine the weights of rows, for messages."""
        both = self.class_weight is not None
        return "sample_weight and class_weight" if both else "sample_weight"

    def loss_for(self, task: str) -> Loss:
        """Return the loss for a task; raise ValueError if it does not support the task."""
        if task in self.loss.tasks:
            return probe.for_task(self.loss, task)
        if task == "multiclass" and "binary" in self.loss.tasks:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass "
                f"and loss={self.written_loss!r} fits two classes: use loss='log_loss' instead."
            )
        raise _aliases.unfit_loss(self.owner, self.written_loss, self.usual_loss, self.loss, task)

    def portable(self) -> Settings:
        """Return the settings for encoding rows in another process."""
        return replace(self, callbacks=(), random_state=None, scoring=None, stand_in=None)


def settings_of(estimator: OwnEstimator) -> Settings:
    """Return the settings of an estimator; raise an error for the first invalid parameter."""
    check_params(estimator)
    params = Parameters.read(estimator)
    return Settings(
        scoring=_aliases.scoring(params),
        learning_rate=_aliases.schedule(params),
        initializer=_aliases.component(params, "initializer", "initializer"),
        solver=_aliases.optimizer(params),
        stand_in=_stand_in(estimator, params["scoring"]),
        **shared(estimator, params),
        **_numbers(params),
    )


def shared(estimator: OwnEstimator, params: Parameters) -> dict[str, Any]:
    """Return the settings that plain estimators and those for tables have in common."""
    hidden = hidden_sizes(params.owner, params["hidden_layer_sizes"])
    activation, last = _aliases.activations(params, len(hidden))
    batch_size, printing = params["batch_size"], (PrintProgress(),) if params["verbose"] else ()
    return {
        "owner": params.owner,
        "is_numeric": estimator._y_is_numeric,
        "metric": estimator._score,
        "usual_loss": estimator._usual_loss,
        "written_loss": params["loss"],
        "hidden_layer_sizes": hidden,
        "activation": activation,
        "seen_by_output": last,
        "dropout": _aliases.dropout_rates(params, len(hidden)),
        "loss": _aliases.component(params, "loss", "loss"),
        "random_state": params["random_state"],
        "class_weight": params.given.get("class_weight"),
        "callbacks": (*(params["callbacks"] or ()), *printing),
        "batch_size": None if isinstance(batch_size, str) else count(batch_size),
        "max_iter": count(params["max_iter"]),
        **{name: float(params[name]) for name in ("learning_rate_init", "alpha")},
    }


def _numbers(params: Parameters) -> dict[str, Any]:
    """Return the settings of plain estimators alone that are no components, in Python's types."""
    patience, dtype = params["n_iter_no_change"], params["dtype"]
    return {
        **{name: float(params[name]) for name in ("l1_ratio", "tol", "validation_fraction")},
        **{name: bool(params[name]) for name in ("warm_start", "early_stopping")},
        "max_fun": count(params["max_fun"]),
        "n_iter_no_change": patience if patience == inf else count(patience),
        "shuffle": _aliases.shuffle(params["shuffle"]),
        "dtype": None if dtype is None else np.dtype(dtype),
    }


def _stand_in(estimator: OwnEstimator, scoring: Any) -> Any:
    """Return a copy for scorers; validation rows have no names of features."""
    if scoring is None or scoring == "loss":
        return None
    twin = copy.copy(estimator)
    twin.__dict__.pop("feature_names_in_", None)
    return twin


# --- Settings as text, for the header of a checkpoint.

#: Settings that identify a fit, apart from ``solver`` and ``learning_rate``; ``dtype`` is that of
#: the data.
_COMPARED = (
    "hidden_layer_sizes",
    "activation",
    "alpha",
    "batch_size",
    "class_weight",
    "dropout",
    "early_stopping",
    "initializer",
    "l1_ratio",
    "learning_rate_init",
    "loss",
    "n_iter_no_change",
    "scoring",
    "shuffle",
    "tol",
    "validation_fraction",
)


# numpy scalars in a component are written as their repr, which the legacy print style changes.
@np.printoptions(legacy=False)
def identity(settings: Settings) -> dict[str, str]:
    """Return the settings that identify a fit as text, by the names of parameters."""
    solver = settings.solver
    ema = solver if isinstance(solver, WeightEMA) else None
    inner = solver if ema is None else ema.optimizer
    parts: dict[str, Any] = {
        **dict(_parts("solver", "optimizer", inner or LBFGS_NAME)),
        "ema_decay": None if ema is None else ema.decay,
        **dict(_parts("learning_rate", "schedule", settings.learning_rate)),
        **{name: getattr(settings, name) for name in _COMPARED},
        "batch_size": settings.rows_per_step,
        "class_weight": without_ones(settings.class_weight),
    }
    return {name: written(value) for name, value in parts.items()}


def _parts(parameter: str, kind: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Yield a component; one with flat parameters by its name, and its fields by theirs."""
    for name, flat in _aliases.FLAT[parameter].items():
        if type(value) is lookup(kind, name):
            yield parameter, name
            for field in own_fields(value):
                yield flat.get(field, f"{parameter}__{field}"), getattr(value, field)
            return
    yield parameter, value


def without_ones(class_weight: Any) -> Any:
    """Return class weights without those of 1, which all other classes have as well."""
    if isinstance(class_weight, list):
        return [without_ones(one) for one in class_weight]
    if not isinstance(class_weight, dict):
        return class_weight
    # True is the class 1, as it is for the dict.
    whole = {int(k) if isinstance(k, bool | np.bool_) else k: v for k, v in class_weight.items()}
    return {key: value for key, value in whole.items() if value != 1}


def written(value: Any) -> str:
    """Return a setting as text, equal in every process and for equal numbers of any type."""
    value = plain(value.tolist() if isinstance(value, np.ndarray | np.generic) else value)
    if isinstance(value, list | tuple):
        return f"({', '.join(map(written, value))}{',' * (len(value) == 1)})"
    if isinstance(value, dict):
        items = (f"{written(key)}: {written(part)}" for key, part in value.items())
        return f"{{{', '.join(sorted(items))}}}"
    if isinstance(value, Component):
        fields = value.get_params(deep=False).items()
        return f"{type(value).__name__}({', '.join(f'{k}={written(v)}' for k, v in fields)})"
    if isinstance(value, Real) and not isinstance(value, Integral):
        value = float(value)
        return repr(int(value)) if value.is_integer() and abs(value) < LARGEST else repr(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)
