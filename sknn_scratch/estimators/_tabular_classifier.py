"""The classifier for tables."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from sknn_scratch.contracts import Array
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _tabular_scores, _validation
from sknn_scratch.estimators._class_weight import row_weights
from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import CLASS_WEIGHT
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP, Encoded
from sknn_scratch.estimators._targets import ClassTargets
from sknn_scratch.training.members import Member, Task, raw_of_members


class TabularMLPClassifier(ClassifierMixin, BaseTabularMLP):
    """Classifier for tables: an ensemble of small networks behind a preprocessor."""

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        CONSTRAINTS | CLASS_WEIGHT | {"calibrate": ["boolean"]}
    )
    _task = "classification"
    _plain_class = MLPClassifier
    _y_is_numeric = False
    _usual_loss = "log_loss"

    def __init__(
        self,
        effort="balanced",
        *,
        n_ensemble=None,
        n_folds=8,
        hidden_layer_sizes=None,
        activation=None,
        loss="log_loss",
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
        class_weight=None,
        calibrate=True,
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
        self.class_weight = class_weight
        self.calibrate = calibrate
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
    ) -> TabularMLPClassifier:
        """Fit."""
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), given)

    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of classes, in the order of ``classes_``."""
        Z = self._transform(X)
        total = sum(member.predict_proba(Z).astype(np.float64) for member in self.estimators_)
        return total / total.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of probabilities."""
        return np.log(self.predict_proba(X))

    def predict(self, X: Any) -> Array:
        """Predict the most probable class."""
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy."""
        return float(accuracy_score(y, self.predict(X), sample_weight=sample_weight))

    # --- The parts of a fit.

    def _encode(self, Z: Array, y: Any, weight: Array | None) -> Encoded:
        with _validation.naming("y", self):
            targets = ClassTargets.read(y)
        loss = self._resolve_loss(targets.task)
        return Encoded(self._data(Z, y, weight, y, (targets, loss)), targets, loss, 1.0, 0.0)

    def _encode_validation(self, encoded: Encoded, Z: Array, y: Any, weight: Any) -> Data:
        encoded.targets.check_validation(y)
        return self._data(Z, y, weight, y, (encoded.targets, encoded.loss))

    def _data(self, Z: Array, y: Any, weight: Array | None, reference: Any, how: Any) -> Data:
        targets, loss = how
        codes, unit = targets.encode(y, loss, np.float32)
        if self.class_weight is not None:
            with _validation.naming("class_weight", self):
                of_class = row_weights(self.class_weight, y, reference, targets)
            weight = of_class if weight is None else weight * of_class
        if weight is not None:
            weight = np.asarray(weight, np.float32)
        _validation.check_weight_sum(self, weight, "all samples")
        return Data(Z, codes, unit, weight)

    def _finish(self, encoded: Encoded, task: Task, members: list[Member]) -> dict[str, Any]:
        factor = 1.0
        if self.calibrate and len(members[0].held_out) and encoded.data.unit is not None:
            index = np.stack([m.held_out for m in members])
            raw = raw_of_members(task.network, task.validation.X, [m.kept for m in members], index)
            weight = None if task.validation.weight is None else task.validation.weight[index].ravel()
            factor = _tabular_scores.inverse_temperature(
                raw.reshape(-1, raw.shape[2]), task.validation.y[index].ravel(), weight
            )
        return {
            "factor": factor, "shift": 0.0, "temperature_": 1.0 / factor,
            "classes_": encoded.targets.classes,
        }  # fmt: skip
