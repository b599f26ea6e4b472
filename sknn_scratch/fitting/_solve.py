"""Training of a job, and what an estimator has of it."""

from __future__ import annotations

from typing import Any

from sknn_scratch.fitting import _blas_limits
from sknn_scratch.fitting._listener import listen
from sknn_scratch.fitting._publish import publish
from sknn_scratch.fitting._sklearn_versions import with_callbacks
from sknn_scratch.fitting._types import Job, Rows
from sknn_scratch.training.run import FitRun


# Not around a whole fit, whose unchanged_on_error would remove the callbacks to tear down.
@with_callbacks
def solve(estimator: Any, job: Job, rows: Rows) -> None:
    """Train and set fitted attributes, even if Ctrl-C ends training.

    ``rows`` are those that the user passed, for callbacks of scikit-learn.
    """
    plan, state = job.plan, job.state
    listener = listen(estimator, job, rows)
    run = FitRun(plan, state, job.header, listener)
    try:
        rows_per_step = getattr(plan.strategy, "batch_size", job.source.n_samples)
        with _blas_limits.suited(plan.network, rows_per_step):
            plan.strategy.solve(plan, job.source, state, run)
    except KeyboardInterrupt:
        state.stop_reason = "interrupted"
        if state.epoch or state.step:  # before that, there is nothing new
            publish(estimator, job)
        raise
    publish(estimator, job)
    if listener is not None:
        listener.on_published()
