"""What a fit knows: the plan, which does not change, and the state, which does."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Callback, Site, State
from sknn_scratch.core.objective import Objective


@dataclass(frozen=True)
class Plan:
    """All decisions of one fit, made once before it begins."""

    objective: Objective
    strategy: Any
    callbacks: tuple[Callback, ...] = ()
    #: Scores theta on rows that are held out; None without early stopping.
    judge: Callable[[Array], float] | None = None
    #: One pass over the data, as partial_fit makes it, instead of ``max_iter`` epochs.
    one_pass: bool = False
    #: Where each layer stands, for the initializer.
    sites: tuple[Site, ...] = ()


@dataclass
class TrainingState:
    """Everything that changes during training and nothing else."""

    theta: Array
    rng: np.random.RandomState
    optimizer: State = field(default_factory=dict)
    patience: State = field(default_factory=dict)
    order: Any = None  #: row numbers in the order of the last epoch; None: all, as they are
    best_theta: Array | None = None  #: parameters of the best validation score
    epoch: int = 0
    step: int = 0
    samples: int = 0
    stalls: int = 0
    loss_curve: list[float] = field(default_factory=list)
    validation_scores: list[float] = field(default_factory=list)
    stop_reason: str = ""

    def at_rest(self) -> TrainingState:
        """Return what ``partial_fit`` goes on from: no theta, no order, no best weights."""
        nothing: Any = None
        return replace(self, theta=nothing, order=None, best_theta=None)

    def wake(self, theta: Array) -> TrainingState:
        """Return a deep copy with a copy of ``theta``: training it leaves this one alone."""
        return replace(
            self,
            theta=np.array(theta),
            rng=deepcopy(self.rng),
            optimizer=copy_state(self.optimizer),
            patience=copy_state(self.patience),
            loss_curve=list(self.loss_curve),
            validation_scores=list(self.validation_scores),
            stop_reason="",
        )

    def trim_curves(self, length: int) -> None:
        """Keep the last entries of the curves only."""
        del self.loss_curve[:-length], self.validation_scores[:-length]


def copy_state(state: State) -> State:
    """Return a copy of nested dicts of plain data, with arrays in memory of their own."""
    return {
        key: copy_state(value)
        if isinstance(value, dict)
        else np.array(value)
        if isinstance(value, np.ndarray)
        else value
        for key, value in state.items()
    }
