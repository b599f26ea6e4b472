"""Start of a fit: from parameters to a plan and an initial state."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_random_state

from sknn_scratch._warning import warn
from sknn_scratch.components import PrintProgress, WeightEMA
from sknn_scratch.contracts import Loss, Optimizer, Site, State
from sknn_scratch.core import probe
from sknn_scratch.core.data import Data
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import _aliases
from sknn_scratch.estimators._params import count, hidden_sizes
from sknn_scratch.training.lbfgs import LBFGS
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.stopping import Patience

AUTO_BATCH_SIZE = 200


class Inherited(NamedTuple):
    """Encoding of data by an earlier call, which a call keeps."""

    targets: Any  #: encoder of y
    dtype: Any  #: of weights


class Origin(NamedTuple):
    """Checkpoint to resume from."""

    path: str
    tree: State


class How(NamedTuple):
    """Mode of a call."""

    one_pass: bool  #: partial_fit
    inherited: Inherited | None = None  #: None to determine classes and features again
    origin: Origin | None = None  #: None to start training, with new or existing weights

    @property
    def is_new(self) -> bool:
        """True for a call that keeps nothing of earlier ones."""
        return self.inherited is None


def make_plan(estimator: Any, data: Data, loss: Loss, how: How) -> Plan:
    """Return the plan of a fit, with parameters converted to components."""
    activations, seen_by_output = _aliases.activations(estimator)
    shape = (
        data.X.shape[1],
        hidden_sizes(estimator),
        probe.n_raw(loss, data.n_targets),
        activations,
    )
    network = Network.dense(*shape)
    training = Network.dense(*shape, _aliases.dropout_rates(estimator))
    printing = (PrintProgress(),) if estimator.verbose else ()
    return Plan(
        Objective(training, loss, float(estimator.alpha), float(estimator.l1_ratio)),
        network,
        _strategy(estimator),
        (*(estimator.callbacks or ()), *printing),
        one_pass=how.one_pass,
        sites=tuple(
            Site(k, len(network.layers), f) for k, f in enumerate([*activations, seen_by_output])
        ),
    )


def check_plugins(plan: Plan, data: Data) -> None:
    """Raise an error if a plug-in violates its contract in a way that no later step reveals."""
    strategy = plan.strategy
    rules = () if isinstance(strategy, LBFGS) else (strategy.optimizer, strategy.schedule)
    some = data.targets(slice(0, 2))
    probe.check(plan.network, plan.objective.loss, some, [*rules, *plan.callbacks])


def plan_without_data(estimator: Any, n_features: int, targets: Any, dtype: Any) -> Plan:
    """Return the plan for data of a known form, without rows."""
    loss = estimator._resolve_loss(targets.task)
    y, unit = targets.encode(targets.decode(targets.blank()), loss, dtype)
    data = Data(np.empty((1, n_features), dtype), y, unit)
    return make_plan(estimator, data, loss, How(one_pass=True))


def _strategy(estimator: Any) -> LBFGS | MiniBatch:
    max_iter = count(estimator.max_iter)
    if estimator.solver == "lbfgs":
        _reject_with_lbfgs(estimator)
        return LBFGS(max_iter, count(estimator.max_fun), float(estimator.tol))
    return MiniBatch(
        _optimizer(estimator),
        _aliases.schedule(estimator),
        Patience(float(estimator.tol), estimator.n_iter_no_change),
        float(estimator.learning_rate_init),
        _batch_size(estimator),
        max_iter,
        _aliases.shuffle(estimator),
    )


def _optimizer(estimator: Any) -> Optimizer:
    optimizer: Optimizer = _aliases.component(estimator, "optimizer", "solver")
    if estimator.ema_decay is None:
        return optimizer
    return WeightEMA(optimizer, float(estimator.ema_decay))


def _reject_with_lbfgs(estimator: Any) -> None:
    """Raise ValueError for parameters that require mini-batches."""
    for name, neutral in (("dropout", 0.0), ("ema_decay", None), ("l1_ratio", 0.0)):
        value = getattr(estimator, name)
        if value is not neutral and np.any(value):
            raise ValueError(
                f"The {name!r} parameter of {type(estimator).__name__} must be {neutral} with "
                f"solver='lbfgs', which minimises a smooth function of all rows. Got {value!r}: "
                "choose another solver, such as 'adam'."
            )


def _batch_size(estimator: Any) -> int:
    """Return the number of rows per step, which training clips to the number of rows."""
    return AUTO_BATCH_SIZE if estimator.batch_size == "auto" else count(estimator.batch_size)


def warn_if_clipped(estimator: Any, plan: Plan, data: Data, state: TrainingState) -> None:
    """Warn if the batch size exceeds the number of rows, except for partial_fit."""
    n = data.n_samples if state.order is None else len(state.order)
    if plan.one_pass or estimator.solver == "lbfgs" or _batch_size(estimator) <= n:
        return
    if estimator.batch_size != "auto":
        warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped "
            f"from {estimator.batch_size} to {n}."
        )


def start(estimator: Any, plan: Plan, data: Data, how: How) -> TrainingState:
    """Return the state before the first step, with new or existing weights."""
    if how.is_new:
        state = _draw(estimator, plan, data)
    else:
        _check_fits(estimator, plan)
        state = _go_on(estimator, plan, how)
    if state.noise is None and any(_aliases.dropout_rates(estimator)):
        state.noise = np.random.default_rng(state.rng.randint(np.iinfo(np.int32).max))
    # Other orders are drawn from the original order, so that none needs to be stored.
    if _aliases.shuffle(estimator) is True and estimator.solver != "lbfgs":
        state.order = np.arange(data.n_samples)
    return state


def _draw(estimator: Any, plan: Plan, data: Data) -> TrainingState:
    """Return a state with new initial weights."""
    layout = plan.network.layout
    theta = np.full(layout.size, np.nan, data.dtype)
    state = TrainingState(theta, own_stream(estimator.random_state))
    initializer = _aliases.component(estimator, "initializer", "initializer")
    probe.check_names([initializer])
    for arrays, site in zip(layout.params(theta).layers, plan.sites, strict=True):
        initializer.fill(*arrays, state.rng, site)
        probe.check_filled(initializer, arrays, site)
    return state


def _go_on(estimator: Any, plan: Plan, how: How) -> TrainingState:
    """Return a state with a copy of the weights; partial_fit keeps the rest of the state, too."""
    if not how.one_pass:
        return TrainingState(np.array(estimator.theta_), own_stream(estimator.random_state))
    state: TrainingState = estimator._state.wake(estimator.theta_)
    before = estimator._optimizer
    if before is None or not plan.strategy.optimizer.continues(before):
        state.optimizer = {}
    return state


def _check_fits(estimator: Any, plan: Plan) -> None:
    """Raise ValueError if existing weights have another shape or inverse link."""
    had = (estimator._network.units, estimator.out_activation_)
    wants = (plan.network.units, plan.objective.loss.out_activation)
    if had != wants:
        raise ValueError(
            f"{type(estimator).__name__} was fitted with layers of {had[0]} units and {had[1]} "
            f"outputs, and cannot continue with {wants[0]} and {wants[1]}: keep "
            "hidden_layer_sizes, loss and the columns of y, or fit again with warm_start=False."
        )


# --- Random number generators; neither the global one nor that of a user is stored.


def own_seed(random_state: Any) -> int:
    """Return an integer seed, either the given one or one drawn from the given generator."""
    if isinstance(random_state, int | np.integer):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def own_stream(random_state: Any) -> np.random.RandomState:
    """Return scikit-learn's generator for an integer, or one seeded from the given generator."""
    return np.random.RandomState(own_seed(random_state))
