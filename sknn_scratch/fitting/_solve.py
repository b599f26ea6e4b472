"""Training of a job, and its events for callbacks of scikit-learn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.fitting import _advice, _blame, _blas_limits, _resume
from sknn_scratch.fitting._listener import listen
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish import publish
from sknn_scratch.fitting._settings import Settings, settings_of
from sknn_scratch.fitting._sklearn_versions import with_callbacks
from sknn_scratch.fitting._types import Call, Job, Rows
from sknn_scratch.training.run import FitRun


@contextmanager
def unchanged_on_error(estimator: OwnEstimator) -> Iterator[None]:
    """Restore the estimator if the body of the ``with`` statement raises.

    If ``random_state`` is a RandomState, its state is restored, too.  A note on the error names
    the component that raised it.
    """
    before, stream = dict(vars(estimator)), estimator.random_state
    drawn = stream.get_state() if isinstance(stream, np.random.RandomState) else None
    try:
        yield
    except BaseException as error:
        _blame.add_notes(error, estimator)
        # Ctrl-C sets fitted attributes from the training so far, which must be kept.
        fitted = ("theta_", "estimators_")
        published = any(vars(estimator).get(name) is not before.get(name) for name in fitted)
        if not (isinstance(error, KeyboardInterrupt) and published):
            estimator.__dict__.clear()
            estimator.__dict__.update(before)
            if drawn is not None:
                stream.set_state(drawn)
        raise


def run_fit(
    estimator: OwnEstimator, rows: Rows, call: Call, prepare: Callable[[Settings, Rows, Call], Job]
) -> None:
    """Train an estimator by the job that ``prepare`` makes of its settings and these rows."""
    with quiet_floats(), unchanged_on_error(estimator):
        job = prepare(settings_of(estimator), rows, call)
        solve(estimator, job, rows)
        advice = _advice.at_end(job, job.source.sample)
    # Last, so that no result is lost if warnings are turned into errors.
    if call.path is not None:
        _resume.warn_lost_curvature(job.settings)
    _advice.warn_of(advice)


# Not around a whole fit, whose unchanged_on_error would remove the callbacks to tear down.
@with_callbacks
def solve(estimator: OwnEstimator, job: Job, rows: Rows) -> None:
    """Train and set fitted attributes, even if Ctrl-C ends training.

    ``rows`` are those that the user passed, for callbacks of scikit-learn.
    """
    plan, state = job.plan, job.state
    listener = listen(estimator, job, rows)
    try:
        run_job(job, FitRun(plan, state, job.header, listener))
    except KeyboardInterrupt:
        if state.epoch or state.step:  # before that, there is nothing new
            publish(estimator, job)
        raise
    publish(estimator, job)
    if listener is not None:
        listener.on_ended()


def run_job(job: Job, run: FitRun) -> None:
    """Run the solver of a job; Ctrl-C is the reason of its end, and still raises."""
    plan, state = job.plan, job.state
    rows_per_step = plan.solver.rows_per_step(job.source.n_samples)
    try:
        with _blas_limits.suited(plan.network, rows_per_step):
            plan.solver.solve(plan, job.source, state, run)
    except KeyboardInterrupt:
        state.stop_reason = "interrupted"
        raise
