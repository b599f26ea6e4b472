"""The classifier for tables."""

from __future__ import annotations

from math import inf
from typing import Any, ClassVar

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _validation
from sknn_scratch.estimators._class_weight import row_weights
from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import CLASS_WEIGHT
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP, Problem
from sknn_scratch.estimators._tabular_scores import (
    class_judge,
    inverse_temperature,
    loss_judge,
    two_columns,
)
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

    def _problems(self, train: Rows, given: Rows) -> tuple[ClassTargets, list[Problem]]:
        with _validation.naming("y", self):
            targets = ClassTargets.read(train.y)
        if targets.task == "multilabel":
            raise ValueError(
                "y must hold one class label for each sample. Got indicators of several labels: "
                "fit one classifier per label with sklearn.multioutput.MultiOutputClassifier."
            )
        loss = self._resolve_loss(targets.task)
        data = self._data(train, train.y, targets, loss)
        validation = data
        if given.X is not None:
            targets.check_validation(given.y)
            validation = self._data(given, train.y, targets, loss)
        self.classes_ = targets.classes
        judge = class_judge(validation) if loss.one_hot else loss_judge(loss, loss, validation)
        return targets, [Problem(loss, data, validation, judge)]

    def _data(self, rows: Rows, reference: Any, targets: ClassTargets, loss: Loss) -> Data:
        """Return rows for training or validation; "balanced" goes by the classes in ``reference``."""
        codes, unit = targets.encode(rows.y, loss, np.float32)
        weight = rows.sample_weight
        if self.class_weight is not None:
            with _validation.naming("class_weight", self):
                of_class = row_weights(self.class_weight, rows.y, reference, targets)
            weight = of_class if weight is None else weight * of_class
        return Data(rows.X, codes, unit, self._float_weight(weight))

    def _finish(self, problem: Problem, task: Task, members: list[Member]) -> Problem:
        """Fit the temperature on held-out rows, of all members together."""
        factor = 1.0
        if self.calibrate and len(members[0].held_out):
            index = np.stack([member.held_out for member in members])
            thetas = [member.kept for member in members]
            raw = raw_of_members(task.network, problem.validation.X, thetas, index)
            factor = self._inverse_temperature(problem, raw, index)
        self.temperature_ = 1.0 / factor
        return problem._replace(factor=np.float32(factor))

    def _inverse_temperature(self, problem: Problem, raw: Array, index: Array) -> float:
        data, flat = problem.validation, raw.reshape(-1, raw.shape[2])
        usable = np.isfinite(flat).all(axis=1)
        if len(self.classes_) < 2 or not usable.any():
            return 1.0
        if not problem.loss.one_hot:
            flat = two_columns(flat)
        rows = index.ravel()[usable]
        codes = data.y[rows] if data.unit is not None else data.y[0][rows].astype(np.intp)
        weight = None if data.weight is None else data.weight[rows]
        return inverse_temperature(flat[usable], codes, weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags
