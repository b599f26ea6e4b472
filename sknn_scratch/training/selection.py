"""Which weights are kept: scores on validation rows, and the parameters with the best one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core import probe, weighting
from sknn_scratch.core.data import Data
from sknn_scratch.core.inference import Inference
from sknn_scratch.training.calibration import (
    logistic_as_softmax,
    one_row_per_label,
    scaled_log_loss,
)
from sknn_scratch.training.state import Plan, TrainingState

#: (theta, raw outputs, loss) -> score
Score = Callable[[Array, Array, float], float]


class Validation:
    """Function from a vector of parameters to (score, mean loss) on validation rows."""

    def __init__(self, plan: Plan, data: Data, rows: Array, score: Score) -> None:
        self.network, self.loss = plan.network, plan.objective.loss
        self.data, self.rows, self.score = data, rows, score
        self.inference = Inference(plan.network, len(rows), data.dtype)
        self.raw = np.empty((len(rows), plan.network.units[-1]), data.dtype)
        self.weight_sum = weighting.total(data.weights(rows), len(rows))

    def __getstate__(self) -> dict[str, Any]:
        """Leave out the outputs, which are a buffer."""
        return {**vars(self), "raw": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.raw = np.empty((len(self.rows), self.network.units[-1]), self.data.dtype)

    def __call__(self, theta: Array) -> tuple[float, float]:
        """Return score and loss at theta; the score is nan if outputs are not finite."""
        total = 0.0
        for block, raw in self._blocks(theta):
            rows = self.rows[block]
            y, weight = self.data.targets(rows), self.data.weights(rows)
            total += weighting.value(self.loss, y, raw, weight)
        loss = total / (self.weight_sum or 1.0)
        if not np.isfinite(self.raw).all():
            return float("nan"), loss
        return self.score(theta, self.raw, loss), loss

    def raw_at(self, theta: Array) -> Array:
        """Return the raw outputs (rows, n_raw) at theta, valid until the next call."""
        for _ in self._blocks(theta):
            pass
        return self.raw

    def _blocks(self, theta: Array) -> Iterator[tuple[slice, Array]]:
        """Yield raw outputs block by block, and keep them."""
        params = self.network.layout.params(theta)
        for block, raw in self.inference.raw_blocks(params, self.data.X, self.rows):
            self.raw[block] = raw
            yield block, raw


# Scores are instances rather than closures, so that a plan can travel to another process.


@dataclass(frozen=True)
class TrainingLossScore:
    """Negated loss of training."""

    def __call__(self, theta: Array, raw: Array, value: float) -> float:
        """Return the score."""
        return -value


@dataclass(frozen=True)
class PredictionLossScore:
    """Negated mean of another loss, on predictions."""

    criterion: Loss
    loss: Loss  #: of training, which turns raw outputs into predictions
    y: Array  #: (rows, n_targets)
    weight: Array | None

    def __call__(self, theta: Array, raw: Array, value: float) -> float:
        """Return the score."""
        y_pred = self.loss.predict(raw, np.empty_like(raw))
        weight_sum = weighting.total(self.weight, len(self.y)) or 1.0
        return -weighting.value(self.criterion, self.y, y_pred, self.weight) / weight_sum


@dataclass(frozen=True)
class ScaledLogLossScore:
    """Negated log-loss at the best temperature, to ignore overconfidence."""

    codes: Array  #: class codes of the rows, or of the labels of each row
    weight: Array | None
    is_logistic: bool = False  #: one output for each label, not for each class

    def __call__(self, theta: Array, raw: Array, value: float) -> float:
        """Return the score."""
        raw = logistic_as_softmax(raw) if self.is_logistic else raw
        return -scaled_log_loss(raw, self.codes, self.weight)


def loss_score(criterion: Loss, loss: Loss, data: Data, rows: Array) -> Score:
    """Return the negated loss, either the one in training or one on predictions, as a score."""
    if criterion is loss:
        return TrainingLossScore()
    return PredictionLossScore(criterion, loss, data.targets(rows), data.weights(rows))


def class_score(data: Data, rows: Array) -> Score:
    """Return the negated log-loss at the best temperature as a score."""
    return ScaledLogLossScore(data.y[rows], data.weights(rows))


def label_score(data: Data, rows: Array) -> Score:
    """Return the negated log-loss of all labels, at the best temperature, as a score."""
    y, weight = one_row_per_label(data.targets(rows), data.weights(rows))
    return ScaledLogLossScore(y, weight, is_logistic=True)


def best(plan: Plan, state: TrainingState) -> Array | None:
    """Return the parameters of the best score; None without early stopping, or without a score."""
    return state.best_theta if plan.early_stopping and state.best_row else None


def last(plan: Plan, state: TrainingState) -> Array:
    """Return the last parameters, or their average if the optimizer keeps one."""
    optimizer = plan.solver.optimizer
    if optimizer is None:
        return state.theta
    return probe.readout(optimizer, state.theta, state.optimizer)


def kept(plan: Plan, state: TrainingState) -> Array:
    """Return the parameters to keep: the best with early stopping, otherwise the last."""
    found = best(plan, state)
    return last(plan, state) if found is None else found


def is_lost(plan: Plan, state: TrainingState) -> bool:
    """Return True if training has left no parameters that can be used."""
    failed = plan.early_stopping or state.stop_reason == "diverged"
    has_best = plan.early_stopping and bool(state.best_row)
    return (failed and not has_best) or not np.isfinite(kept(plan, state)).all()
