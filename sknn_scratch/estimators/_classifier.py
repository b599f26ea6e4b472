"""The classifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils.metaestimators import available_if

from sknn_scratch.contracts import Array
from sknn_scratch.estimators import _aliases
from sknn_scratch.estimators._base import BaseMLP, How, is_stochastic
from sknn_scratch.estimators._targets import ClassTargets
from sknn_scratch.training.state import Plan, TrainingState


class MLPClassifier(ClassifierMixin, BaseMLP):
    """TODO."""

    _y_is_numeric = False

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        loss="log_loss",
        initializer="glorot_uniform",
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.initializer = initializer

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPClassifier:
        """Fit the network to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or indicators of shape (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; None stands for ones.

        Returns
        -------
        self : MLPClassifier
        """
        return self._fit(X, y, sample_weight, self._how())

    @available_if(is_stochastic)
    def partial_fit(
        self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None
    ) -> MLPClassifier:
        """Go on training by one pass over X, in a newly drawn order.

        Weights, optimizer state, random stream and counters are kept between calls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,), or indicators of shape (n_samples, n_labels)
        sample_weight : array-like of shape (n_samples,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; needed in the first call, may be left out later.

        Returns
        -------
        self : MLPClassifier
        """
        return self._fit(X, y, sample_weight, self._how_partial(), classes)

    def predict(self, X: Any) -> Any:
        """Predict classes: the most probable one, or each label of probability above ½.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_labels)
        """
        codes = self._map_raw(X, lambda raw: self._targets.predict(raw, self._loss))
        return self._targets.decode(codes)

    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of classes, in the order of ``classes_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes)
            Rows sum to one, except for multilabel targets.
        """
        return self._map_raw(X, lambda raw: self._proba(raw, self._loss.predict))

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of probabilities, computed from raw outputs.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y_log_proba : ndarray of shape (n_samples, n_classes)
        """
        return self._map_raw(X, lambda raw: self._proba(raw, self._loss.log_predict))

    def decision_function(self, X: Any) -> Array:
        """Return scores before the link; the higher, the more probable.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            Two classes: raw output of ``classes_[1]`` minus that of ``classes_[0]``.
        """
        return self._map_raw(X, self._decision)

    def _decision(self, raw: Array) -> Array:
        if self._targets.task != "binary" or len(self.classes_) == 1:
            return raw
        return raw[:, 0] if raw.shape[1] == 1 else raw[:, 1] - raw[:, 0]

    def _proba(self, raw: Array, link: Any) -> Array:
        """Apply a link; a single logistic output becomes two columns, from -raw and raw."""
        if len(self.classes_) == 1 and self._targets.task == "binary":
            return link(raw, raw) if self._loss.one_hot else np.full_like(raw, link is not None)
        if self._targets.task == "binary" and raw.shape[1] == 1:
            raw = np.concatenate([-raw, raw], axis=1)
        return link(raw, raw)

    def _read_targets(self, y: Any, how: How, classes: Any) -> ClassTargets:
        if how.is_new:
            if how.one_pass and classes is None:
                raise ValueError("classes must be passed on the first call to partial_fit.")
            return ClassTargets.read(y, classes)
        targets: ClassTargets = self._targets
        targets.check_same(classes)
        targets.check_known(y, all_of_them=not how.one_pass)
        return targets

    def _score(self, truth: Array, y_pred: Array, weight: Array | None) -> float:
        return float(accuracy_score(truth, y_pred, sample_weight=weight))

    def _fitted_attributes(self, plan: Plan, state: TrainingState, targets: Any) -> dict[str, Any]:
        attributes = super()._fitted_attributes(plan, state, targets)
        return attributes | {"classes_": targets.classes}

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        tags.classifier_tags.multi_class = "multiclass" in _aliases.tasks(self)
        return tags
