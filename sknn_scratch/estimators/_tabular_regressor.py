"""The regressor for tables."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import numpy as np
from sklearn.base import RegressorMixin

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _validation
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._regressor import MLPRegressor
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP, Encoded
from sknn_scratch.estimators._targets import NumericTargets
from sknn_scratch.training.members import Member, Task


class TabularMLPRegressor(RegressorMixin, BaseTabularMLP):
    """Regressor for tables: an ensemble of small networks behind a preprocessor."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS | {"clip": ["boolean"]}
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

    def _encode(self, Z: Array, y: Any, weight: Array | None) -> Encoded:
        targets = NumericTargets(1 if y.ndim == 1 else y.shape[1])
        loss = self._resolve_loss(targets.task)
        self._check_targets(y, loss)
        columns = np.asarray(y, np.float64).reshape(len(y), -1)
        factor, shift = _scaling(columns, weight, loss)
        encoded = Encoded(Data(Z, columns), targets, loss, factor, shift)
        return encoded._replace(data=self._encode_validation(encoded, Z, y, weight))

    def _encode_validation(self, encoded: Encoded, Z: Array, y: Any, weight: Any) -> Data:
        encoded.targets.check_validation(y)
        self._check_targets(y, encoded.loss)
        columns = np.asarray(y, np.float64).reshape(len(y), -1)
        if encoded.loss.out_activation == "exp":
            columns = columns / np.exp(encoded.shift)
        else:
            columns = (columns - encoded.shift) / encoded.factor
        if weight is not None:
            weight = np.asarray(weight, np.float32)
        _validation.check_weight_sum(self, weight, "all samples")
        return Data(Z, np.ascontiguousarray(columns.T, np.float32), None, weight)

    def _check_targets(self, y: Array, loss: Loss) -> None:
        if not loss.target_range.contains(y):
            raise ValueError(
                f"The targets y of {type(self).__name__} must be {loss.target_range} with "
                f"loss={self.loss!r}. Got values from {y.min():g} to {y.max():g}: choose another "
                "loss or transform y."
            )

    def _finish(self, encoded: Encoded, task: Task, members: list[Member]) -> dict[str, Any]:
        y = _unscaled(encoded, encoded.data.y.T.astype(np.float64))
        low, high = y.min(axis=0), y.max(axis=0)
        if len(low) == 1:
            low, high = low[0], high[0]
        return {"factor": encoded.factor, "shift": encoded.shift, "target_range_": (low, high)}


def _scaling(columns: Array, weight: Array | None, loss: Loss) -> tuple[Any, Any]:
    """Return factor and shift of raw outputs: networks see targets of a usual size."""
    mean = np.average(columns, axis=0, weights=weight)
    if loss.out_activation == "exp":
        return 1.0, np.log(np.where(mean > 0, mean, 1.0))
    if loss.out_activation != "identity":
        return 1.0, 0.0
    deviation = np.sqrt(np.average((columns - mean) ** 2, axis=0, weights=weight))
    return np.where(deviation > 0, deviation, 1.0), mean


def _unscaled(encoded: Encoded, columns: Array) -> Array:
    if encoded.loss.out_activation == "exp":
        return columns * np.exp(encoded.shift)
    return columns * encoded.factor + encoded.shift
