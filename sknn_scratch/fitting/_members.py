"""Members of an ensemble for tables: from rows to jobs, and their training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import cycle, repeat
from typing import Any

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, State
from sknn_scratch.fitting import _advice, _resume, _validation
from sknn_scratch.fitting._coding import check_weights, checked
from sknn_scratch.fitting._ensemble import StoredMembers, train
from sknn_scratch.fitting._holdout import folds
from sknn_scratch.fitting._kept_members import origin, progress, start_of, with_members
from sknn_scratch.fitting._listener import listen_to_members
from sknn_scratch.fitting._objectives import MemberObjective, objectives_of, target_range
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish_members import (
    Ensemble,
    Member,
    attributes_of_members,
    plain_plan,
    publish_members,
)
from sknn_scratch.fitting._recipe import (
    EnsembleSettings,
    ensemble_identity,
    ensemble_settings_of,
    most_steps,
    of_member,
)
from sknn_scratch.fitting._sklearn_versions import with_callbacks
from sknn_scratch.fitting._solve import unchanged_on_error
from sknn_scratch.fitting._start import check_plugins, initial_state, make_plan, own_seed
from sknn_scratch.fitting._types import Call, Job, Rows
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._columns import read
from sknn_scratch.training.selection import Validation
from sknn_scratch.training.state import TrainingState
from sknn_scratch.training.steps import InMemory

LARGEST_SEED = np.iinfo(np.int32).max


def run_ensemble_fit(
    estimator: OwnEstimator,
    preset: Callable[[str], Mapping[str, Any]],
    rows: Rows,
    call: Call,
) -> None:
    """Train an estimator for tables; ``preset`` returns the parameters of an ``effort``."""
    with quiet_floats(), unchanged_on_error(estimator):
        settings = ensemble_settings_of(estimator, preset)
        call = with_members(estimator, settings, call)
        solve_members(estimator, prepare_members(settings, rows, call))


# Not around a whole fit, whose unchanged_on_error would remove the callbacks to tear down.
@with_callbacks
def solve_members(estimator: OwnEstimator, ensemble: Ensemble) -> None:
    """Train members and set fitted attributes, even if Ctrl-C ends training."""

    def so_far(states: Sequence[TrainingState]) -> dict[str, Any] | None:
        return attributes_of_members(ensemble.with_states(states))

    one_pass = ensemble.call.one_pass
    listener = listen_to_members(estimator, ensemble.shown, so_far, one_pass)
    try:
        jobs = [one.job for one in ensemble.members]
        states = train(jobs, ensemble.settings.n_jobs, listener)
    except KeyboardInterrupt:
        if any(one.has_begun and one.is_usable for one in ensemble.members):
            publish_members(estimator, ensemble)
        raise
    ensemble = ensemble.with_states(states).begun()
    publish_members(estimator, ensemble)
    if listener is not None:
        listener.on_ended()
    ends = [one.end for one in ensemble.members]
    # Last, so that no result is lost if warnings are turned into errors.
    _advice.warn_of(_advice.of_members(ends, ensemble.settings.network.learning_rate_init))


def prepare_members(settings: EnsembleSettings, rows: Rows, call: Call) -> Ensemble:
    """Check and encode all rows; draw the weights of members, or load them from a checkpoint."""
    owner, given = settings.network.owner, call.given
    is_given = _validation.is_given(owner, *given)
    stored = None if call.path is None else StoredMembers(call.path, owner)
    if call.members is None:
        preprocessor, encoded = _learn_columns(settings, rows)
    else:
        preprocessor, encoded = _kept_columns(settings, rows, call.members.preprocessor)
    shown = encoded._replace(X=rows.X)
    if is_given:
        with _validation.naming("X_val", owner):
            call = call._replace(given=given._replace(X=preprocessor._transform(given.X, owner)))
    coding, objectives = objectives_of(settings.network, settings.link, encoded, call)
    span = _span(encoded, call) if settings.network.is_numeric else None
    ensemble = Ensemble(settings, shown, preprocessor, coding, span, objectives, [], call)
    return begin_members(ensemble, stored)


def _learn_columns(settings: EnsembleSettings, rows: Rows) -> tuple[TabularPreprocessor, Rows]:
    """Return a fitted preprocessor, and checked rows with its columns as X."""
    network, owner = settings.network, settings.network.owner
    with _validation.naming("X", owner):
        columns = read(rows.X, owner)
    as_many = np.empty((columns.n_rows, 1))
    weight = _validation.check_weight(owner, rows.sample_weight, as_many)
    if weight is not None:  # raises here, not in the preprocessor
        in_float32 = _validation.cast(owner, "sample_weight", weight, network.dtype)
        check_weights(network, in_float32, "all samples")
    preprocessor = TabularPreprocessor(**settings.preprocessor)
    with _validation.naming("X", owner):
        Z = preprocessor._fit_transform(columns, weight, owner)
    return preprocessor, checked(network, Rows(Z, rows.y, weight))


def _kept_columns(
    settings: EnsembleSettings, rows: Rows, preprocessor: TabularPreprocessor
) -> tuple[TabularPreprocessor, Rows]:
    """Return the preprocessor of an earlier fit, and checked rows with its columns as X."""
    with _validation.naming("X", settings.network.owner):
        Z = preprocessor._transform(rows.X, settings.network.owner)
    return preprocessor, checked(settings.network, rows._replace(X=Z))


def _span(rows: Rows, call: Call) -> tuple[Any, Any]:
    """Return the lowest and the highest target of these rows and of earlier fits."""
    low, high = target_range(rows)
    if call.members is None or call.members.target_range is None:
        return low, high
    lowest, highest = call.members.target_range
    return np.minimum(low, lowest), np.maximum(high, highest)


def begin_members(ensemble: Ensemble, stored: StoredMembers | None) -> Ensemble:
    """Return the ensemble with its members: new, from an earlier fit or from a checkpoint."""
    settings, objectives, call = ensemble.settings, ensemble.objectives, ensemble.call
    first, header = objectives[0], _header(ensemble)
    trees: list[Any] = []
    if stored is None:
        deals = _deal(settings, first, call)
    else:
        trees = stored.members(header, settings.n_ensemble)
        deals = [(0, stored.held_out(tree)) for tree in trees]
    members = [
        _member(ensemble, objective, number, *deal, header)
        for number, (objective, deal) in enumerate(zip(cycle(objectives), deals, strict=False))
    ]
    for member, objective in zip(members, objectives, strict=False):
        check_plugins(member.job.plan, objective.data)
    ensemble = ensemble._replace(members=members)
    if stored is None:
        return ensemble
    pairs, n = zip(trees, members, strict=True), first.data.n_samples
    return ensemble.with_states([stored.state(tree, one.job.plan, n) for tree, one in pairs])


def _header(ensemble: Ensemble) -> State:
    """Return the header of checkpoints; empty if nothing asks for any."""
    settings, first, call = ensemble.settings, ensemble.objectives[0], ensemble.call
    if call.path is None and not settings.network.callbacks:
        return {}
    parameters = ensemble_identity(settings) | origin(call)
    alone = call._replace(members=None, one_pass=False)
    return _resume.header(first.coding, parameters, first.data, first.given, alone)


def _deal(
    settings: EnsembleSettings, objective: MemberObjective, call: Call
) -> list[tuple[int, Array]]:
    """Return seed and held-out rows of each member, which are folds of repeated splits.

    With validation data, and in partial_fit, no rows are held out.
    """
    data, k, nothing = objective.data, settings.n_ensemble, np.empty(0, np.intp)
    if call.one_pass and call.members is not None:  # their random number generators continue
        return list(repeat((0, nothing), len(call.members.members)))
    rng = np.random.RandomState(own_seed(settings.network.random_state))
    # Two generators, so that the first members do not depend on the number of members.
    dealer = np.random.RandomState(rng.randint(LARGEST_SEED))
    seeds = rng.randint(LARGEST_SEED, size=k).tolist()
    splits = objective.given is None and not call.one_pass
    held_out: list[Array] = [] if splits else [nothing] * k
    strata = data.y if data.one_hot_rows is not None else None
    while len(held_out) < k:
        held_out += folds(data.n_samples, settings.n_folds, strata, dealer)
    return list(zip(seeds, held_out, strict=False))


def _member(
    ensemble: Ensemble,
    objective: MemberObjective,
    number: int,
    seed: int,
    held_out: Array,
    header: State,
) -> Member:
    """Return a member to train; its generator draws weights first, then orders of rows."""
    settings, call = ensemble.settings, ensemble.call
    data, loss, targets = objective.data, objective.coding.loss, objective.coding.targets
    splits, order = objective.given is None, np.arange(data.n_samples)
    order = np.delete(order, held_out) if splits else order
    own = of_member(settings, data.X.shape[1], len(order), seed, call.one_pass)
    own = replace(own, fraction=progress(call, number, most_steps(settings, own, len(order))))
    plan = make_plan(own, data, loss, call.one_pass)
    before = start_of(own.owner, plan, call, number)
    state = initial_state(own, plan, data, before)
    state.order = order
    rows = held_out if objective.given is None else np.arange(objective.given.n_samples)
    if len(rows):
        state.held_out = rows if splits else None
        judge = Validation(plan, objective.judged, rows, objective.score(own, plan, rows))
        plan = replace(plan, judge=judge, early_stopping=not call.one_pass)
    job = Job(own, plan, InMemory(data), state, targets, header)
    return Member(job, rows, plain_plan(settings, plan, targets), before)
