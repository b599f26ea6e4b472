"""Preparation of a job from settings and rows, for fit, partial_fit, resume and distributed.fit."""

from __future__ import annotations

from typing import Any

from sknn_scratch.contracts import State
from sknn_scratch.core.data import Data
from sknn_scratch.fitting import _resume, _validation
from sknn_scratch.fitting._coding import (
    Coding,
    check_weights,
    checked,
    checked_validation,
    encoded,
    encoded_validation,
    learn,
)
from sknn_scratch.fitting._judge import with_judge
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish import features, fitted, restore
from sknn_scratch.fitting._settings import Settings, identity
from sknn_scratch.fitting._start import check_plugins, initial_state, make_plan, warn_if_clipped
from sknn_scratch.fitting._types import Call, Fitted, Job, Rows, Stored
from sknn_scratch.training.state import Plan
from sknn_scratch.training.steps import InMemory


def prepare(estimator: OwnEstimator, settings: Settings, rows: Rows, call: Call) -> Job:
    """Check and encode all rows; draw weights, or load them from a checkpoint."""
    X, call = with_features(estimator, settings, rows.X, call)
    rows = checked(settings, rows._replace(X=X))
    coding = learn(settings, rows.X, rows.y, call)
    data = encoded(coding, rows)
    check_weights(settings, data.weight, "all samples")
    held = encoded_validation(coding, checked_validation(coding, call.given), rows.y)
    job = begin(coding, plan_of(coding, data, call), data, held, call)
    warn_if_clipped(settings, job.plan, data, job.state)
    return job


def with_features(
    estimator: OwnEstimator, settings: Settings, X: Any, call: Call
) -> tuple[Any, Call]:
    """Return X, checked, and the call with checked validation data and the start of training.

    scikit-learn keeps number and names of features on the estimator.
    """
    call = call._replace(before=_before(estimator, settings, call))
    if call.path is not None and call.inherited is not None:
        restore(estimator, features(call.inherited))
    X, given = _validation.check_features(estimator, X, call.given, reset=call.inherited is None)
    names = getattr(estimator, "feature_names_in_", None)
    return X, call._replace(given=given, feature_names=names)


def _before(estimator: OwnEstimator, settings: Settings, call: Call) -> Fitted | Stored | None:
    """Return the start of training of a network, with ``warm_start`` its last fit.

    Tables have a start for each member: ``with_members``.
    """
    if call.path is not None:
        return _resume.stored(settings, call.path)
    continues = call.one_pass or settings.warm_start
    return fitted(estimator) if continues and hasattr(estimator, "theta_") else None


def plan_of(coding: Coding, data: Data, call: Call) -> Plan:
    """Return the plan of a fit, whose plug-ins are checked on some rows."""
    plan = make_plan(coding.settings, data, coding.loss, call.one_pass)
    check_plugins(plan, data)
    return plan


def begin(
    coding: Coding, plan: Plan, data: Data, held: Data | None, call: Call, n_far: int = 0
) -> Job:
    """Return the job of a plan, with its initial state and its validation rows.

    ``n_far`` is the number of rows on other machines, of which ``data`` is a sample; 0 if
    ``data`` holds all rows.
    """
    settings, targets = coding.settings, coding.targets
    is_watched = bool(plan.callbacks) or call.path is not None
    header: State = {}
    if is_watched:
        header = _resume.header(coding, identity(settings), data, held, call, n_far)
    if isinstance(call.before, Stored):
        n_rows = 0 if n_far else data.n_samples
        state = _resume.stored_state(settings, plan, call.before, header, n_rows)
    else:
        state = initial_state(settings, plan, data, call.before)
    if n_far:
        state.order = None  # partitions have orders of their own
    plan = with_judge(coding, plan, data, state, held)
    return Job(settings, plan, InMemory(data), state, targets, header)
