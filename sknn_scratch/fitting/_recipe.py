"""Settings of an ensemble for tables: its parameters, resolved once, and those of each member."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from math import inf, sqrt
from typing import Any

import numpy as np

from sknn_scratch.components import Adam, Chain, GroupRates, SpreadBiases, WeightEMA
from sknn_scratch.contracts import Loss, Optimizer
from sknn_scratch.fitting import _aliases
from sknn_scratch.fitting._params import OwnEstimator, Parameters, check_params, count
from sknn_scratch.fitting._settings import Settings, shared, without_ones, written
from sknn_scratch.training.stopping import StepPatience

#: Factors on the learning rate of learned feature scales and of biases.
SCALE_RATE, BIAS_RATE = 6.0, 0.1
#: Number of checks of the held-out rows, and the part of all steps, 1 in so many, that every member
#: makes.
N_CHECKS, LEAST_PART = 48, 6
#: Rows per step on small data: small-batch noise helps classification, not regression.
SMALLEST_BATCH = {"classification": 32, "regression": 64}
#: Maximum number of steps per row that ``min_steps`` requires on small data.
STEPS_PER_ROW = 2
#: Parameters that may differ between a checkpoint and the estimator that resumes from it; those of
#: a preset are compared by their values.
FREE = ("effort", "callbacks", "verbose", "random_state", "n_jobs", "warm_start")
#: Parameters of the preprocessor, which decide the encoding of X.
ENCODING = ("categorical_features", "n_bins", "max_categories")


@dataclass(frozen=True)
class EnsembleSettings:
    """Settings of an ensemble.  A field with the name of a parameter has its meaning."""

    network: Settings  #: of each member, apart from what :func:`of_member` sets by its rows
    written: Mapping[str, Any]  #: parameters as the user wrote them, or by the preset if None
    plain_class: type[OwnEstimator]  #: of the members in ``estimators_``
    n_ensemble: int
    n_folds: int
    min_steps: int
    ema_decay: float
    patience: float
    link: str
    calibrate: bool
    preprocessor: Mapping[str, Any]  #: parameters of the preprocessor
    n_jobs: int | None

    def plain_network(self, loss: Loss) -> OwnEstimator:
        """Return a plain estimator with the parameters of a member, without fitted attributes."""
        return self.plain_class(
            hidden_layer_sizes=self.network.hidden_layer_sizes,
            activation=self.written["activation"],
            loss=loss,
            batch_size=self.written["batch_size"],
            dropout=self.written["dropout"],
            dtype="float32",
        )


def ensemble_settings_of(
    estimator: OwnEstimator, preset: Callable[[str], Mapping[str, Any]]
) -> EnsembleSettings:
    """Return the settings of an estimator; raise an error for the first invalid parameter.

    ``preset`` returns the parameters of an ``effort`` by name.
    """
    check_params(estimator)
    given = Parameters.read(estimator)
    params = given.filled(preset(given["effort"]))
    return EnsembleSettings(
        network=_network(estimator, params),
        written=params.given,
        plain_class=estimator._plain_class,
        n_ensemble=count(params["n_ensemble"]),
        n_folds=count(params["n_folds"]),
        min_steps=count(params["min_steps"]),
        ema_decay=float(params["ema_decay"]),
        patience=float(params["patience"]),
        link=params.given.get("link", "identity"),
        calibrate=bool(params.given.get("calibrate", False)),
        preprocessor={name: params[name] for name in ENCODING},
        n_jobs=params["n_jobs"],
    )


def _network(estimator: OwnEstimator, params: Parameters) -> Settings:
    """Return the settings of a member's network, with constants for what tables do not set."""
    return Settings(
        **shared(estimator, params),
        learning_rate=_aliases.component(params, "schedule", "learning_rate"),
        solver=_solver(params),
        initializer=SpreadBiases(),
        input_scaling=bool(params["input_scaling"]),
        scales_targets=estimator._y_is_numeric,
        dtype=np.dtype(np.float32),
        early_stopping=True,
        validation_fraction=0.0,
        n_iter_no_change=inf,
        max_fun=0,
        tol=0.0,
        l1_ratio=0.0,
        shuffle=True,
        warm_start=bool(params["warm_start"]),
        scoring=_aliases.scoring(params),
    )


def _solver(params: Parameters) -> Optimizer:
    """Return the optimizer, without averages and rates of groups."""
    if isinstance(params["solver"], str) and params["solver"] == "adam":
        return Adam(beta_2=0.95)
    made: Optimizer = _aliases.component(params, "optimizer", "solver")
    return made


# numpy scalars in a component are written as their repr, which the legacy print style changes.
@np.printoptions(legacy=False)
def ensemble_identity(settings: EnsembleSettings) -> dict[str, str]:
    """Return the settings that identify a fit as text, by the names of parameters."""
    resolved = "hidden_layer_sizes activation dropout loss solver learning_rate"
    params = {**settings.written}
    params |= {name: getattr(settings.network, name) for name in resolved.split()}
    if "class_weight" in params:
        params["class_weight"] = without_ones(params["class_weight"])
    return {name: written(value) for name, value in params.items() if name not in FREE}


def encoding_identity(preprocessor: Mapping[str, Any]) -> dict[str, str]:
    """Return the parameters of a preprocessor as text; lists and arrays of names are the same."""
    values = {name: preprocessor[name] for name in ENCODING}
    columns = values["categorical_features"]
    if not (columns is None or isinstance(columns, str | dict)):
        values["categorical_features"] = list(columns)
    return {name: written(value) for name, value in values.items()}


def changed_encoding(settings: EnsembleSettings, had: Mapping[str, str]) -> list[str]:
    """Return the names of parameters that differ from those of an earlier fit, ``had``.

    They would have no effect, because the encoding of the earlier fit is kept.
    """
    now = encoding_identity(settings.preprocessor)
    return [name for name in ENCODING if now[name] != had[name]]


# --- A member, whose settings depend on its rows.


def of_member(
    settings: EnsembleSettings, n_features: int, n: int, seed: int, one_pass: bool = False
) -> Settings:
    """Return the settings of a member with ``n`` training rows, a fit like any other."""
    network = settings.network
    batch_size = _rows_per_step(network, n)
    max_iter = enough_epochs(network.max_iter, settings.min_steps, n, batch_size)
    n_steps = max_iter * -(-n // batch_size)
    return replace(
        network,
        solver=_with_rates(settings, n_features),
        random_state=seed,
        batch_size=batch_size,
        max_iter=max_iter,
        step_patience=StepPatience(settings.patience, n_steps // LEAST_PART),
        n_checks=None if one_pass else N_CHECKS,
        stand_in=settings.plain_network(network.loss) if network.has_scorer else None,
    )


def most_steps(settings: EnsembleSettings, own: Settings, n: int) -> int:
    """Return the number of steps of a whole fit of a member, with ``n`` training rows.

    It is at least ``min_steps``, even if the rows are too few, such as in a chunk of a stream.
    """
    return max(own.max_iter * -(-n // own.rows_per_step), settings.min_steps)


def _with_rates(settings: EnsembleSettings, n_features: int) -> Optimizer:
    """Return the optimizer, with a learning rate for each group of parameters.

    The weights of a layer have a factor of 1 / √fan_in.  With their initial values, this is
    equivalent to weights N(0, 1) whose product is divided by √fan_in.
    """
    network = settings.network
    factors = [("b", BIAS_RATE)] + [("s", SCALE_RATE)] * network.input_scaling
    fans_in = (n_features, *network.hidden_layer_sizes)
    factors += [(f"W{k}", 1.0 / sqrt(max(n, 1))) for k, n in enumerate(fans_in)]
    solver: Any = network.solver
    chain = Chain((("solver", solver), ("rates", GroupRates(factors))))
    return WeightEMA(chain, settings.ema_decay) if settings.ema_decay else chain


def _rows_per_step(network: Settings, n: int) -> int:
    if network.batch_size is not None:
        return min(network.batch_size, n)
    task = "regression" if network.is_numeric else "classification"
    return auto_batch_size(n, SMALLEST_BATCH[task])


def enough_epochs(usual: int, min_steps: int, n: int, batch_size: int) -> int:
    """Return the number of epochs for ``n`` rows: the usual one, or more for ``min_steps``."""
    n_batches = -(-n // batch_size)
    return max(usual, -(-min(min_steps, STEPS_PER_ROW * n) // n_batches))


def auto_batch_size(n: int, smallest: int) -> int:
    """Return the number of rows per step, up to 512, such that batches have about equal size."""
    steps = ((1024, smallest), (8192, 128), (30_000, 256))
    wanted = next((size for limit, size in steps if n <= limit), 512)
    return -(-n // max(1, round(n / wanted)))
