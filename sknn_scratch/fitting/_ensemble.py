"""Training of the members of an ensemble, each a fit of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, State
from sknn_scratch.fitting import _resume
from sknn_scratch.fitting._blame import noting_components
from sknn_scratch.fitting._listener import EnsembleListener
from sknn_scratch.fitting._solve import run_job
from sknn_scratch.fitting._types import Job
from sknn_scratch.training import form, snapshot
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState


def train(
    jobs: list[Job], n_jobs: int | None, listener: EnsembleListener | None = None
) -> list[TrainingState]:
    """Run all jobs; return the states at their ends.

    Jobs run one after the other, or in processes, unless callbacks watch them.
    """
    if listener is not None:
        listener.on_begin(len(jobs))
    is_watched = listener is not None or any(job.plan.callbacks for job in jobs)
    n_jobs = 1 if is_watched else min(effective_n_jobs(n_jobs), len(jobs))
    if n_jobs == 1:
        return _trained(jobs, listener)
    size = -(-len(jobs) // n_jobs)
    shares = [jobs[k : k + size] for k in range(0, len(jobs), size)]
    # Training writes into arrays, which joblib's memory maps would otherwise forbid.
    done = Parallel(n_jobs=n_jobs, mmap_mode="c")(delayed(_trained)(share) for share in shares)
    return [state for states in done for state in states]


@noting_components()  # here, for a traceback does not leave a process
def _trained(jobs: list[Job], listener: EnsembleListener | None = None) -> list[TrainingState]:
    states = [job.state for job in jobs]
    with quiet_floats():
        for job in jobs:
            part = None if listener is None else listener.member(job, states)
            run_job(job, FitRun(job.plan, job.state, job.header, part, crowd=states))
            if part is not None and part.on_ended():
                break
    return states


class StoredMembers:
    """Checkpoint of an ensemble, to resume its members from."""

    def __init__(self, path: str, owner: str) -> None:
        self.path, self.tree = path, _resume.load(path, owner, "members")

    def members(self, wanted: State, n_members: int) -> list[Any]:
        """Return the snapshots of all members; ``wanted`` is the header of this fit."""
        _resume.check_same(self.tree, wanted, self.path)
        names = [str(k) for k in range(n_members)]
        with _resume.undamaged(self.path):
            parts = dict.fromkeys(names, lambda found, _: found)
            found = form.record(parts)(self.tree["members"], "members")
            missing = [name for name in names if found[name] is None]
            if missing:
                raise form.MisfitError("members", f"dict of {', '.join(names)}", None)
        return [found[name] for name in names]

    def held_out(self, tree: Any) -> Array:
        """Return the rows that a member holds out."""
        with _resume.undamaged(self.path):
            rows = snapshot.held_out(tree)
        return np.empty(0, np.intp) if rows is None else rows

    def state(self, tree: Any, plan: Plan, n_rows: int) -> TrainingState:
        """Return the state of a member for its plan."""
        layout, optimizer = plan.network.layout, plan.solver.optimizer
        with _resume.undamaged(self.path):
            read = snapshot.check_snapshot(tree, layout, optimizer, np.float32, n_rows)
            needs_noise = plan.objective.network.layers != plan.network.layers
            if needs_noise and read["noise"] is None:
                raise form.MisfitError("noise", "dict, which dropout needs", None)
        # A member that a callback stopped is ready.
        return snapshot.restore(read, ends=("stalled", "diverged", "asked"))
