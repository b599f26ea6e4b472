"""Start of a fit: from settings to a plan and an initial state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Activation, Array, Initializer, Loss, Site
from sknn_scratch.core import probe
from sknn_scratch.core.data import Data
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Fitted
from sknn_scratch.training.lbfgs import LBFGS
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.solver import Solver
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.stopping import Patience


def make_plan(settings: Settings, data: Data, loss: Loss, one_pass: bool) -> Plan:
    """Return the plan of a fit."""
    activations = settings.activation
    shape = (
        data.X.shape[1],
        settings.hidden_layer_sizes,
        probe.n_raw(loss, data.n_targets),
        activations,
    )
    network = Network.dense(*shape, scaled=settings.input_scaling)
    training = Network.dense(*shape, settings.dropout, settings.input_scaling)
    before_layers = (*activations, settings.seen_by_output)
    return Plan(
        Objective(training, loss, settings.alpha, settings.l1_ratio),
        network,
        _solver(settings),
        settings.callbacks,
        one_pass=one_pass,
        sites=sites(before_layers),
    )


def sites(activations: Sequence[Activation]) -> tuple[Site, ...]:
    """Return the position of each layer, for the initializer."""
    return tuple(Site(k, len(activations), f) for k, f in enumerate(activations))


def check_plugins(plan: Plan, data: Data) -> None:
    """Raise an error if a plug-in violates its contract in a way that no later step reveals."""
    some = data.targets(slice(0, 2))
    probe.check(plan.network, plan.objective.loss, some, [*plan.solver.rules, *plan.callbacks])


def plan_without_data(
    settings: Settings, n_features: int, targets: ClassTargets | NumericTargets, dtype: Any
) -> Plan:
    """Return the plan for data of a known form, without rows."""
    loss = settings.loss_for(targets.task)
    y, one_hot_rows = targets.encode(targets.decode(targets.blank()), loss, dtype)
    data = Data(np.empty((1, n_features), dtype), y, one_hot_rows)
    return make_plan(settings, data, loss, one_pass=True)


def _solver(settings: Settings) -> Solver:
    if settings.solver is None:
        return LBFGS(settings.max_iter, settings.max_fun, settings.tol)
    return MiniBatch(
        settings.solver,
        settings.learning_rate,
        settings.step_patience or Patience(settings.tol, settings.n_iter_no_change),
        settings.learning_rate_init,
        settings.rows_per_step,
        settings.max_iter,
        settings.shuffle,
        settings.n_checks,
        settings.fraction,
    )


def warn_if_clipped(settings: Settings, plan: Plan, data: Data, state: TrainingState) -> None:
    """Warn if the batch size exceeds the number of rows, except for partial_fit."""
    n, size = data.n_samples if state.order is None else len(state.order), settings.batch_size
    if size is not None and size > n and not settings.is_full_batch and not plan.one_pass:
        warn(
            "Got `batch_size` less than 1 or larger than sample size. It is going to be clipped "
            f"from {size} to {n}."
        )


def initial_state(
    settings: Settings, plan: Plan, data: Data, before: Fitted | None
) -> TrainingState:
    """Return the state before the first step, with new or existing weights."""
    if before is None:
        state = _draw(settings, plan, data)
    else:
        check_fits(settings.owner, plan, before)
        state = _go_on(settings, plan, before)
    if state.noise is None:
        state.noise = noise_for(plan, state.rng)
    # Other orders are drawn from the original order, so that none needs to be stored.
    if settings.shuffle is True and not settings.is_full_batch:
        state.order = np.arange(data.n_samples)
    return state


def noise_for(plan: Plan, rng: np.random.RandomState) -> np.random.Generator | None:
    """Return the random number generator of dropout; None for a network without it."""
    if plan.objective.network.layers == plan.network.layers:
        return None
    return np.random.default_rng(rng.randint(np.iinfo(np.int32).max))


def _draw(settings: Settings, plan: Plan, data: Data) -> TrainingState:
    """Return a state with new initial weights."""
    probe.check_names([settings.initializer])
    rng = own_stream(settings.random_state)
    return TrainingState(draw(plan, settings.initializer, rng, data.dtype), rng)


def draw(plan: Plan, initializer: Initializer, rng: Any, dtype: Any) -> Array:
    """Return new initial parameters of a plan's network."""
    network = plan.network
    theta = np.full(network.layout.size, np.nan, dtype)
    params = network.layout.params(theta)
    for layer, arrays, site in zip(network.layers, params.layers, plan.sites, strict=True):
        layer.fill(arrays, initializer, rng, site)
        probe.check_filled(initializer, arrays, site)
    return theta


def _go_on(settings: Settings, plan: Plan, before: Fitted) -> TrainingState:
    """Return a state with a copy of the weights; partial_fit keeps the rest of the state, too."""
    if not plan.one_pass:
        return TrainingState(np.array(before.theta), own_stream(settings.random_state))
    state = before.state.wake(before.theta)
    had, has = before.optimizer, plan.solver.optimizer
    if had is None or has is None or not has.continues(had):
        state.optimizer = {}
    return state


def check_fits(owner: str, plan: Plan, before: Fitted) -> None:
    """Raise ValueError if existing weights have another shape or inverse link."""
    had = (before.network.units, before.loss.out_activation)
    wants = (plan.network.units, plan.objective.loss.out_activation)
    if had != wants:
        raise ValueError(
            f"{owner} was fitted with layers of {had[0]} units and {had[1]} "
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
