"""Fitted attributes of an ensemble: temperature, and plain networks with the members' weights."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import cycle
from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.folding import folded
from sknn_scratch.fitting import _advice
from sknn_scratch.fitting._coding import Coding
from sknn_scratch.fitting._kept_members import stream_of
from sknn_scratch.fitting._objectives import MemberObjective
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish import CURVE_LENGTH, attributes, restore
from sknn_scratch.fitting._recipe import EnsembleSettings
from sknn_scratch.fitting._settings import settings_of
from sknn_scratch.fitting._start import plan_without_data
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Call, Fitted, Job, Rows
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.training.calibration import (
    inverse_temperature,
    logistic_as_softmax,
    one_row_per_label,
)
from sknn_scratch.training.selection import is_lost, kept, last
from sknn_scratch.training.state import Plan, TrainingState


class Member(NamedTuple):
    """Job of a member, with its held-out rows."""

    job: Job
    held_out: Array  #: numbers of rows, of its own or of the validation data
    plain: Plan  #: of its plain network, which hooks ask for at each epoch
    before: Fitted | None = None  #: start of training; None: new weights

    @property
    def has_begun(self) -> bool:
        """True for a member that this call has trained, if only for a while."""
        state = self.job.state
        # Until it begins, a member of an earlier fit has steps, but no state of the optimizer.
        has_steps = state.step > 0 and bool(state.optimizer)
        return has_steps or state.stop_reason not in ("", "interrupted")

    @property
    def weights(self) -> Array | None:
        """Finite weights: the best or last ones, without any those of before; None if lost."""
        plan, state = self.job.plan, self.job.state
        if self.has_begun and not is_lost(plan, state):
            return kept(plan, state)
        return None if self.before is None or state.stop_reason == "diverged" else self.before.theta

    @property
    def is_usable(self) -> bool:
        """True if there are weights."""
        return self.weights is not None

    @property
    def end(self) -> str:
        """Reason to stop; without usable weights "lost", or "unscored" if all scores are nan."""
        plan, state = self.job.plan, self.job.state
        if self.is_usable:
            return state.stop_reason
        is_finite = state.stop_reason != "diverged" and np.isfinite(last(plan, state)).all()
        return "unscored" if is_finite and self.job.settings.has_scorer else "lost"


class Ensemble(NamedTuple):
    """Inputs of a fit of members that is ready to run."""

    settings: EnsembleSettings
    shown: Rows  #: X as passed by the user, with checked y and weights
    preprocessor: TabularPreprocessor
    coding: Coding  #: encoding of y in its own units
    target_range: tuple[Any, Any] | None  #: lowest and highest target; None for classes
    objectives: list[MemberObjective]
    members: list[Member]  #: which alternate between the objectives
    call: Call

    def with_states(self, states: Sequence[TrainingState]) -> Ensemble:
        """Return the ensemble with other states of its members."""
        members = [
            one._replace(job=one.job._replace(state=state))
            for one, state in zip(self.members, states, strict=True)
        ]
        return self._replace(members=members)

    def begun(self) -> Ensemble:
        """Return the ensemble without new members that a callback has kept from training."""
        members = [
            one for one in self.members if one.job.state.stop_reason or one.before is not None
        ]
        return self._replace(members=members)


def publish_members(estimator: OwnEstimator, ensemble: Ensemble) -> None:
    """Set fitted attributes from the usable members; raise ValueError if there are none."""
    for one in ensemble.members:
        one.job.state.history.keep(CURVE_LENGTH)
    found = attributes_of_members(ensemble)
    if found is None:
        network, ends = ensemble.settings.network, [one.end for one in ensemble.members]
        if "unscored" in ends:
            raise ValueError(_advice.of_members(ends, network.learning_rate_init))
        epoch = max(one.job.state.epoch for one in ensemble.members)
        raise ValueError(_advice.diverged(network, epoch))
    if ensemble.call.one_pass:
        each = ((one.job, one.weights) for one in ensemble.members)
        found["_streams"] = [stream_of(job, theta) for job, theta in each if theta is not None]
    restore(estimator, found)


def attributes_of_members(ensemble: Ensemble) -> dict[str, Any] | None:
    """Return fitted attributes from the usable members, by name; None if there are none."""
    settings, members = ensemble.settings, ensemble.members
    usable = [one for one in members if one.is_usable]
    if not usable:
        return None
    factors = _factors(ensemble)
    found = {
        "estimators_": [
            _plain(settings, one, weights, factor)
            for one, factor in zip(members, cycle(factors), strict=False)
            if (weights := one.weights) is not None
        ],
        "held_out_": _held_out(ensemble),
        "n_iter_": max(one.job.state.epoch for one in usable),
        **encoding_attributes(
            ensemble.preprocessor,
            ensemble.coding.targets,
            ensemble.coding.loss,
            ensemble.target_range,
        ),
    }
    if isinstance(ensemble.coding.targets, ClassTargets):
        found["temperature_"] = 1.0 / factors[0]
    return found


def encoding_attributes(
    preprocessor: TabularPreprocessor,
    targets: ClassTargets | NumericTargets,
    loss: Loss,
    target_range: tuple[Any, Any] | None,
) -> dict[str, Any]:
    """Return the fitted attributes of the encoding of X and y, by name."""
    names = ("n_features_in_", "feature_names_in_")
    return {
        "preprocessor_": preprocessor,
        **{name: getattr(preprocessor, name) for name in names if hasattr(preprocessor, name)},
        **({"classes_": targets.classes} if isinstance(targets, ClassTargets) else {}),
        **({} if target_range is None else {"target_range_": target_range}),
        "_loss": loss,
        "_targets": targets,
        "_streams": None,
    }


def _held_out(ensemble: Ensemble) -> list[Array]:
    """Return the rows that usable members held out in the last fit; partial_fit holds none out."""
    members, before = ensemble.members, ensemble.call.members
    rows = [one.held_out for one in members]
    if ensemble.call.one_pass:
        nothing = [np.empty(0, np.intp)] * len(members)
        rows = nothing if before is None else before.held_out
    return [each for each, one in zip(rows, members, strict=True) if one.is_usable]


def plain_plan(settings: EnsembleSettings, plan: Plan, targets: Any) -> Plan:
    """Return the plan of the plain network of a member with this plan."""
    own = settings_of(settings.plain_network(plan.objective.loss))
    return plan_without_data(own, plan.network.n_in, targets, np.float32)


def _plain(
    settings: EnsembleSettings, member: Member, weights: Array, factor: float
) -> OwnEstimator:
    """Return a plain network of this package with a member's weights."""
    plan, state, targets = member.job.plan, member.job.state, member.job.targets
    theta = folded(plan.network, weights, factor)
    plain = settings.plain_network(plan.objective.loss)
    n_in = plan.network.n_in
    own = replace(member.plain, early_stopping=plan.early_stopping)
    # The optimizer's state is about weights without folding.
    ended = replace(state, theta=theta, optimizer={}, patience={})
    found = attributes(own, ended, targets, theta, member.job.rows_per_step)
    restore(plain, found | {"n_features_in_": n_in})
    return plain


# --- The temperature of probabilities.


def _factors(ensemble: Ensemble) -> list[float]:
    """Return the factor on raw outputs of the members of each objective."""
    n = len(ensemble.objectives)
    call = ensemble.call
    if not ensemble.settings.calibrate:
        return [1.0] * n
    if call.one_pass and call.given.X is None:
        return [1.0 if call.members is None else 1.0 / call.members.temperature] * n
    shares = [[m for m in ensemble.members[k::n] if m.is_usable] for k in range(n)]
    pairs = zip(ensemble.objectives, shares, strict=True)
    return [_inverse_temperature(objective, share) for objective, share in pairs]


def _inverse_temperature(objective: MemberObjective, members: list[Member]) -> float:
    """Return the inverse of one temperature for all members, fitted to their held-out rows."""
    loss, targets = objective.coding.loss, objective.coding.targets
    is_multilabel = targets.task == "multilabel"
    if not members or not len(members[0].held_out) or not (is_multilabel or targets.n_targets > 1):
        return 1.0
    data, rows = objective.judged, np.concatenate([one.held_out for one in members])
    raw = np.concatenate([_raw(one) for one in members])
    usable = np.isfinite(raw).all(axis=1)
    if not usable.any():
        return 1.0
    raw, rows = raw[usable], rows[usable]
    weight = data.weights(rows)
    if weight is not None and not weight.any():
        return 1.0
    if is_multilabel:
        codes, weight = one_row_per_label(data.targets(rows), weight)
        return inverse_temperature(logistic_as_softmax(raw), codes, weight)
    if not loss.one_hot:
        raw = 0.5 * loss.link.per_class(raw)  # logistic(z) is softmax(-z/2, z/2)
    return inverse_temperature(raw, targets.truth(data.y[..., rows]), weight)


def _raw(member: Member) -> Array:
    """Return a copy of a member's raw outputs for its held-out rows."""
    judge: Any = member.job.plan.judge
    return np.array(judge.raw_at(member.weights))
