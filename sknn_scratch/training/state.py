"""What a fit knows: the plan, which does not change, and the state, which does."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Callback, Site, State
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective

#: One row of the history: what is known of an epoch, by name.
Row = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """All decisions of one fit, made once before it begins."""

    objective: Objective  #: with the network that trains: it may have dropout
    network: Network  #: the network that predicts, over the same parameters
    strategy: Any
    callbacks: tuple[Callback, ...] = ()
    #: Turns theta into (score, loss) on validation rows; None without any.
    judge: Callable[[Array], tuple[float, float]] | None = None
    #: Whether the validation score decides when to stop and which weights to keep.
    early_stopping: bool = False
    #: One pass over the data, as partial_fit makes it, instead of ``max_iter`` epochs.
    one_pass: bool = False
    #: Where each layer stands, for the initializer.
    sites: tuple[Site, ...] = ()

    def monitor(self, theta: Array, row: Row) -> None:
        """Add the validation score and loss to a row of the history."""
        if self.judge is not None:
            row["validation_score"], row["validation_loss"] = self.judge(theta)


@dataclass
class TrainingState:
    """Everything that changes during training and nothing else."""

    theta: Array
    rng: np.random.RandomState
    noise: np.random.Generator | None = None  #: dropout's stream
    optimizer: State = field(default_factory=dict)
    patience: State = field(default_factory=dict)
    memory: State = field(default_factory=dict)  #: of callbacks, by their number
    order: Any = None  #: row numbers in the order of the last epoch; None: all, as they are
    held_out: Any = None  #: row numbers held out for validation
    best_theta: Array | None = None  #: parameters of the best validation score
    best_row: Row = field(default_factory=dict)  #: that epoch's row of the history
    epoch: int = 0
    step: int = 0
    samples: int = 0
    stalls: int = 0
    history: list[Row] = field(default_factory=list)
    stop_reason: str = ""

    def curve(self, name: str) -> list[float]:
        """Return one column of the history, of the epochs that have it."""
        return [row[name] for row in self.history if name in row]

    def at_rest(self, keep_theta: bool) -> TrainingState:
        """Return what ``partial_fit`` goes on from: no order, no best weights.

        ``keep_theta`` where training goes on from other weights than those published.
        """
        nothing: Any = None
        theta = self.theta if keep_theta else nothing
        return replace(self, theta=theta, order=None, held_out=None, best_theta=None)

    def wake(self, published: Array) -> TrainingState:
        """Return a deep copy, to be trained: this state and ``published`` stay as they are."""
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
            history=list(self.history),
            stop_reason="",
        )


def copy_stream(rng: np.random.RandomState) -> np.random.RandomState:
    """Return a stream that goes on as ``rng`` would; several times faster than deepcopy."""
    twin = np.random.RandomState(0)
    twin.set_state(rng.get_state(legacy=False))
    return twin


def copy_state(state: State) -> State:
    """Return a copy of nested dicts of plain data, with arrays in memory of their own."""
    return {key: _copy_leaf(value) for key, value in state.items()}


def _copy_leaf(value: Any) -> Any:
    if isinstance(value, dict):
        return copy_state(value)
    return np.array(value) if isinstance(value, np.ndarray) else value
