"""From settings and rows to a job: the same for fit, partial_fit, resume and distributed.fit."""

from __future__ import annotations

from sknn_scratch.core.data import Data
from sknn_scratch.fitting import _resume
from sknn_scratch.fitting._coding import (
    Coding,
    check_weights,
    checked,
    encoded,
    encoded_validation,
    learn,
)
from sknn_scratch.fitting._judge import with_judge
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._start import check_plugins, initial_state, make_plan, warn_if_clipped
from sknn_scratch.fitting._types import Call, Job, Rows
from sknn_scratch.training.state import Plan
from sknn_scratch.training.steps import InMemory


def prepare(settings: Settings, rows: Rows, call: Call) -> Job:
    """Check and encode rows, whose X is checked; draw weights, or load them from a checkpoint."""
    rows = checked(settings, rows)
    coding = learn(settings, rows.X, rows.y, call)
    data = encoded(coding, rows)
    check_weights(settings, data.weight, "all samples")
    held = encoded_validation(coding, call.given, rows.y)
    job = begin(coding, plan_of(coding, data, call), data, held, call)
    warn_if_clipped(settings, job.plan, data, job.state)
    return job


def plan_of(coding: Coding, data: Data, call: Call) -> Plan:
    """Return the plan of a fit, whose plug-ins are checked on some rows."""
    plan = make_plan(coding.settings, data, coding.loss, call.one_pass)
    check_plugins(plan, data)
    return plan


def begin(
    coding: Coding, plan: Plan, data: Data, held: Data | None, call: Call, n_far: int = 0
) -> Job:
    """Return the job of a plan: its state, its checkpoints' header, its validation rows.

    ``n_far`` is the number of rows on other machines, which ``data`` is a sample of; 0 if it
    holds all rows.
    """
    settings, targets = coding.settings, coding.targets
    origin = None if call.path is None else _resume.load(call.path)
    is_watched = bool(plan.callbacks) or origin is not None
    header = _resume.header(coding, data, held, n_far) if is_watched else {}
    if origin is None:
        state = initial_state(settings, plan, data, call.before)
    else:
        n_rows = 0 if n_far else data.n_samples
        state = _resume.stored_state(settings, plan, origin, header, str(call.path), n_rows)
    if n_far:
        state.order = None  # partitions have orders of their own
    plan = with_judge(coding, plan, data, state, held)
    return Job(settings, plan, InMemory(data), state, targets, header)
