"""Plan of a fit, which is constant, and state of a fit, which changes."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Callback, Site, State
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.training.history import History, Row
from sknn_scratch.training.solver import Solver


@dataclass(frozen=True)
class Plan:
    """Settings of one fit, made before it begins."""

    objective: Objective  #: with the network for training, which may have dropout
    network: Network  #: network for predicting, with the same parameters
    solver: Solver
    callbacks: tuple[Callback, ...] = ()
    #: Function from theta to (score, loss) on validation rows; None without validation.
    judge: Callable[[Array], tuple[float, float]] | None = None
    #: Whether to stop and to select weights by the validation score.
    early_stopping: bool = False
    #: One pass over the data, for partial_fit, instead of ``max_iter`` epochs.
    one_pass: bool = False
    #: Position of each layer, for the initializer.
    sites: tuple[Site, ...] = ()

    def batch_size(self, n_samples: int) -> int | None:
        """Return the number of rows in a mini-batch; None for L-BFGS, which has none."""
        has_batches = self.solver.optimizer is not None
        return min(self.solver.rows_per_step(n_samples), n_samples) if has_batches else None

    def monitor(self, theta: Array, row: Row) -> None:
        """Add the validation score and loss to a row of the history."""
        if self.judge is not None:
            row["validation_score"], row["validation_loss"] = self.judge(theta)


@dataclass
class TrainingState:
    """Everything that changes during training."""

    theta: Array
    rng: np.random.RandomState
    noise: np.random.Generator | None = None  #: random number generator of dropout
    optimizer: State = field(default_factory=dict)
    patience: State = field(default_factory=dict)
    memory: State = field(default_factory=dict)  #: state of the callbacks, by number and class
    order: Any = None  #: row numbers in the order of the last epoch; None: all, in order
    held_out: Any = None  #: row numbers held out for validation
    best_theta: Array | None = None  #: parameters of the best validation score
    best_row: Row = field(default_factory=dict)  #: row of the history for that epoch
    epoch: int = 0
    step: int = 0
    samples: int = 0
    stalls: int = 0
    history: History = field(default_factory=History)
    stop_reason: str = ""

    def at_rest(self, keep_theta: bool) -> TrainingState:
        """Return the state to keep for ``partial_fit``, without row order and best weights.

        Set ``keep_theta`` if training resumes from other weights than the fitted attributes.
        """
        nothing: Any = None
        theta = self.theta if keep_theta else nothing
        return replace(self, theta=theta, order=None, held_out=None, best_theta=None)

    def wake(self, published: Array) -> TrainingState:
        """Return a deep copy to train; this state and the argument remain unchanged."""
        live = published if self.theta is None else self.theta
        return replace(
            self,
            theta=np.array(live),
            best_theta=np.array(published),
            rng=copy_stream(self.rng),
            noise=deepcopy(self.noise),
            optimizer=copy_state(self.optimizer),
            patience=copy_state(self.patience),
            memory=copy_state(self.memory),
            history=self.history.copy(),
            stop_reason="",
        )


def copy_stream(rng: np.random.RandomState) -> np.random.RandomState:
    """Return a copy of ``rng``, several times faster than deepcopy."""
    twin = np.random.RandomState(0)
    twin.set_state(rng.get_state(legacy=False))
    return twin


def copy_state(state: State) -> State:
    """Return a deep copy of nested dicts of plain data."""
    return {key: _copy_leaf(value) for key, value in state.items()}


def _copy_leaf(value: Any) -> Any:
    if isinstance(value, dict):
        return copy_state(value)
    return np.array(value) if isinstance(value, np.ndarray) else value
