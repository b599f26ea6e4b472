"""The regressor for tables."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils._param_validation import StrOptions

from sknn_scratch.components import Poisson, SquaredError
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import invalid
from sknn_scratch.estimators._regressor import MLPRegressor
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP, Problem
from sknn_scratch.estimators._tabular_scores import loss_judge
from sknn_scratch.estimators._targets import NumericTargets
from sknn_scratch.training.members import Member, Task


class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Regressor for tables: an ensemble of small networks behind a preprocessor."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS | {
        "link": [StrOptions({"auto", "identity", "log"})],
        "clip": ["boolean"],
    }
    _task = "regression"
    _plain_class = MLPRegressor
    _y_is_numeric = True
    _usual_loss = "squared_error"

    def __init__(
        self,
        effort="balanced",
        *,
        n_ensemble=None,
        n_folds=8,
        hidden_layer_sizes=None,
        activation=None,
        loss="squared_error",
        solver="adam",
        learning_rate="coslog4",
        learning_rate_init=None,
        batch_size="auto",
        max_iter=None,
        patience=inf,
        input_scaling=True,
        n_bins=None,
        categorical_features="from_dtype",
        max_categories=100,
        link="auto",
        clip=True,
        random_state=None,
        n_jobs=None,
    ):
        self.effort = effort
        self.n_ensemble = n_ensemble
        self.n_folds = n_folds
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.patience = patience
        self.input_scaling = input_scaling
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.link = link
        self.clip = clip
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TabularMLPRegressor:
        """Fit."""
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), given)

    def predict(self, X: Any) -> Array:
        """Predict."""
        Z = self._transform(X)
        total = sum(member.predict(Z).astype(np.float64) for member in self.estimators_)
        mean = total / len(self.estimators_)
        return np.clip(mean, *self.target_range_) if self.clip else mean

    # --- The parts of a fit.

    def _problems(self, train: Rows, given: Rows) -> tuple[NumericTargets, list[Problem]]:
        y = np.asarray(train.y, np.float64)
        targets = NumericTargets(1 if y.ndim == 1 else y.shape[1])
        loss = self._resolve_loss(targets.task)
        self._check_targets(y, loss)
        if given.X is not None:
            targets.check_validation(given.y)
            self._check_targets(given.y, loss)
        self.target_range_ = y.min(axis=0), y.max(axis=0)
        return targets, [self._problem(one, loss, train, given) for one in self._losses(loss, y)]

    def _losses(self, loss: Loss, y: Array) -> list[Loss]:
        """Return the losses that members minimise, in turn."""
        suits = isinstance(loss, SquaredError) and y.min() >= 0 and (y.mean(axis=0) > 0).all()
        if self.link == "identity" or (self.link == "auto" and not suits):
            return [loss]
        if not suits:
            raise invalid(
                self, "link", "'identity' or 'auto'", self.link,
                " Exponential outputs are for loss='squared_error' and targets y >= 0.",
            )  # fmt: skip
        return [Poisson()] if self.link == "log" else [loss, Poisson()]

    def _problem(self, own: Loss, criterion: Loss, train: Rows, given: Rows) -> Problem:
        """Return what members learn that minimise ``own``, and are judged by ``criterion``."""
        factor, shift = _scaling(train.y, train.sample_weight, own)
        data = self._data(train, own, factor, shift)
        validation = data if given.X is None else self._data(given, own, factor, shift)
        criterion = own if type(own) is type(criterion) else criterion
        judge = loss_judge(criterion, own, validation)
        return Problem(own, data, validation, judge, factor, shift)

    def _data(self, rows: Rows, loss: Loss, factor: Any, shift: Any) -> Data:
        columns = np.asarray(rows.y, np.float64).reshape(len(rows.y), -1)
        is_log = loss.out_activation == "exp"
        columns = columns / np.exp(shift) if is_log else (columns - shift) / factor
        y = np.ascontiguousarray(columns.T, np.float32)
        return Data(rows.X, y, None, self._float_weight(rows.sample_weight))

    def _check_targets(self, y: Array, loss: Loss) -> None:
        if not loss.target_range.contains(y):
            raise ValueError(
                f"The targets y of {type(self).__name__} must be {loss.target_range} with "
                f"loss={self.loss!r}. Got values from {y.min():g} to {y.max():g}: choose another "
                "loss or transform y."
            )

    def _finish(self, problem: Problem, task: Task, members: list[Member]) -> Problem:
        return problem

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _scaling(y: Any, weight: Array | None, loss: Loss) -> tuple[Any, Any]:
    """Return factor and shift of raw outputs: networks see targets of a usual size."""
    columns = np.asarray(y, np.float64).reshape(len(y), -1)
    mean = np.average(columns, axis=0, weights=weight)
    if loss.out_activation == "exp":
        return 1.0, np.log(np.where(mean > 0, mean, 1.0))
    if loss.out_activation != "identity":
        return 1.0, 0.0
    deviation = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weight))
    return np.where(deviation > 0, deviation, 1.0), mean
