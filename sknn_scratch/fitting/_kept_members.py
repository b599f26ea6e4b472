"""Start of members from those of an earlier fit, for partial_fit and warm_start."""

from __future__ import annotations

import numpy as np

from sknn_scratch.components import Checkpoint
from sknn_scratch.contracts import Array
from sknn_scratch.core.folding import unfolded
from sknn_scratch.fitting._params import OwnEstimator, invalid
from sknn_scratch.fitting._publish import fitted
from sknn_scratch.fitting._recipe import EnsembleSettings, changed_encoding, encoding_identity
from sknn_scratch.fitting._start import check_fits
from sknn_scratch.fitting._types import Call, Fitted, FittedMembers, Job
from sknn_scratch.training.state import Plan

#: Most progress that schedules see in partial_fit, which has no end; "cosine" is a tenth there.
LATEST = 0.8


def with_members(estimator: OwnEstimator, settings: EnsembleSettings, call: Call) -> Call:
    """Return the call with the members that it continues, by ``warm_start`` or ``partial_fit``.

    Raise ValueError if parameters no longer fit them.
    """
    if call.path is not None:
        return call
    continues = call.one_pass or settings.network.warm_start
    if continues and hasattr(estimator, "estimators_"):
        call = call._replace(members=_fitted_members(estimator))
        _check_parameters(settings, call)
    if call.one_pass or call.members is not None:
        _reject_checkpoints(settings, call)
    return call


def _fitted_members(estimator: OwnEstimator) -> FittedMembers:
    found = vars(estimator)
    return FittedMembers(
        [fitted(one) for one in found["estimators_"]],
        found.get("_streams"),
        found["preprocessor_"],
        found["_targets"],
        found.get("target_range_"),
        found["held_out_"],
        found.get("temperature_", 1.0),
    )


def _check_parameters(settings: EnsembleSettings, call: Call) -> None:
    """Raise ValueError for parameters that would have no effect on members of an earlier fit."""
    owner, members = settings.network.owner, call.members
    assert members is not None
    remedy = " Set it, or effort, back, or call fit with warm_start=False to start again."
    n = len(members.members)
    if settings.n_ensemble < n:
        must = f"at least {n}, the number of members of the earlier fit"
        raise invalid(owner, "n_ensemble", must, settings.n_ensemble, remedy)
    had = members.preprocessor.get_params(deep=False)
    for name in changed_encoding(settings, encoding_identity(had)):
        must = f"{had[name]!r}, as in the earlier fit, whose encoding of X is kept"
        raise invalid(owner, name, must, settings.preprocessor[name], remedy)


def _reject_checkpoints(settings: EnsembleSettings, call: Call) -> None:
    """Raise ValueError for checkpoints that could not be resumed: they lack the earlier fit."""
    if any(isinstance(one, Checkpoint) for one in settings.network.callbacks):
        what = "partial_fit" if call.one_pass else "fit with warm_start=True on a fitted estimator"
        raise ValueError(
            f"The 'callbacks' parameter of {settings.network.owner} must not contain Checkpoint "
            f"in {what}, because resume lacks the earlier calls. Got one: leave it out, for "
            "example with set_params(callbacks=None), and store the estimator between calls, for "
            "example with joblib.dump."
        )


def origin(call: Call) -> dict[str, str]:
    """Return what resume compares of a start that it cannot restore; empty for a fresh fit."""
    if call.one_pass:
        return {"start": "partial_fit"}
    return {} if call.members is None else {"start": "members of an earlier fit"}


def progress(call: Call, number: int, n_steps: int) -> float | None:
    """Return the progress that schedules see in partial_fit; None for that of fit.

    ``n_steps`` is the number of steps of a fit.  After one that held rows out, training is late.
    """
    if not call.one_pass:
        return None
    if call.members is None:
        return 0.0
    state = call.members.members[number].state
    return LATEST if state.best_row else min(state.step / n_steps, LATEST)


def start_of(owner: str, plan: Plan, call: Call, number: int) -> Fitted | None:
    """Return the start of the member of this number; None for new weights."""
    before = call.members
    if before is None or number >= len(before.members):
        return None
    own = before.members[number]
    check_fits(owner, plan, own)
    if plan.one_pass and before.streams is not None:
        stream = before.streams[number]
        if stream.network.layout.groups == plan.network.layout.groups:
            return stream
    return own._replace(theta=unfolded(plan.network, own.theta, 1.0 / before.temperature))


def stream_of(job: Job, weights: Array) -> Fitted:
    """Return a member as partial_fit leaves it: with its moments, and weights without folding."""
    plan, state = job.plan, job.state
    return Fitted(
        np.array(weights),
        state.at_rest(keep_theta=weights is not state.theta),
        plan.solver.optimizer,
        plan.network,
        plan.objective.loss,
        job.targets,
        plan.network.n_in,
        None,
        job.rows_per_step,
    )
