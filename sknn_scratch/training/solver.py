"""The contract of solvers, which train a network by its plan."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from sknn_scratch.contracts import Component, Optimizer

if TYPE_CHECKING:
    from sknn_scratch.training.run import FitRun
    from sknn_scratch.training.state import Plan, TrainingState
    from sknn_scratch.training.steps import Source


class Solver(ABC):
    """Method of training: from an initial state to the state at the end.

    Solvers are immutable; all that changes during training stands in the state.
    """

    max_iter: int  #: limit of epochs, or of iterations over all rows
    optimizer: Optimizer | None  #: rule whose state training keeps; None without one

    @property
    def rules(self) -> tuple[Component, ...]:
        """Components that each step calls, to be checked before the first one."""
        return ()

    @abstractmethod
    def rows_per_step(self, n_samples: int) -> int:
        """Return the largest number of rows in a step on ``n_samples`` rows."""

    @abstractmethod
    def solve(self, plan: Plan, source: Source, state: TrainingState, run: FitRun) -> None:
        """Train in place of ``state`` until the solver's end; set ``state.stop_reason``.

        ``source`` has the rows.  Notify ``run`` when training begins, after each epoch, and when
        training ends; a stop that a callback has requested is its ``end``.
        """
