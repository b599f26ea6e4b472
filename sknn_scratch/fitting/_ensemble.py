"""Training of the members of an ensemble, each a fit of its own."""

from __future__ import annotations

from joblib import Parallel, delayed, effective_n_jobs

from sknn_scratch._floats import quiet_floats
from sknn_scratch.fitting import _blas_limits
from sknn_scratch.fitting._blame import noting_components
from sknn_scratch.fitting._types import Job
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import TrainingState


def train(jobs: list[Job], n_jobs: int | None) -> list[TrainingState]:
    """Run all jobs, one after the other or in processes; return the states at their ends."""
    n_jobs = min(effective_n_jobs(n_jobs), len(jobs))
    if n_jobs == 1:
        return _trained(jobs)
    size = -(-len(jobs) // n_jobs)
    shares = [jobs[k : k + size] for k in range(0, len(jobs), size)]
    done = Parallel(n_jobs=n_jobs)(delayed(_trained)(share) for share in shares)
    return [state for states in done for state in states]


@noting_components()  # here, for a traceback does not leave a process
def _trained(jobs: list[Job]) -> list[TrainingState]:
    with quiet_floats():
        for job in jobs:
            plan, state = job.plan, job.state
            with _blas_limits.suited(plan.network, plan.strategy.batch_size):
                plan.strategy.solve(plan, job.source, state, FitRun(plan, state, job.header))
    return [job.state for job in jobs]
