"""Values that a fit passes from room to room."""

from __future__ import annotations

from typing import Any, NamedTuple

from sklearn.base import BaseEstimator

from sknn_scratch.contracts import State
from sknn_scratch.core.data import Data
from sknn_scratch.training.state import Plan, TrainingState


class Known(BaseEstimator):
    """Base of all estimators of this package, by which a traceback tells them from others."""


class Rows(NamedTuple):
    """Data as passed by the user; all None without validation data."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None


class CallMode(NamedTuple):
    """Mode of a call."""

    is_new: bool  #: draw new weights, and determine classes and features again
    one_pass: bool  #: partial_fit


class Job(NamedTuple):
    """Inputs of a fit that is ready to run."""

    plan: Plan
    data: Data
    state: TrainingState
    targets: Any
    header: State  #: identification of this fit in checkpoints
