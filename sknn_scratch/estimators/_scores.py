"""The method ``score`` of all estimators, and tags of classifiers."""

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin, RegressorMixin
from sklearn.metrics import accuracy_score, d2_pinball_score, r2_score

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.fitting import _validation
from sknn_scratch.fitting._aliases import loss_if_valid
from sknn_scratch.fitting._scaling import in_powers_of_two


class ClassifierScore(ClassifierMixin):
    """Mixin with the ``score`` of a classifier, the accuracy, and with tags by its loss."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy; for multilabel targets, the accuracy of whole rows.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Inputs, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators of labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.

        Returns
        -------
        score : float
            Score, at most 1.
        """
        return checked_score(self, X, y, sample_weight)

    @staticmethod
    def _score(loss: Loss, truth: Array, y_pred: Array, weight: Array | None) -> float:
        """Return the score of predictions; ``truth`` and ``y_pred`` are both encoded or decoded."""
        return float(accuracy_score(truth, y_pred, sample_weight=weight))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        loss = loss_if_valid(self)
        tasks = () if loss is None else loss.tasks
        tags.classifier_tags.multi_label = "multilabel" in tasks
        tags.classifier_tags.multi_class = "multiclass" in tasks
        return tags


class RegressorScore(RegressorMixin):
    """Mixin with the ``score`` of a regressor, R² or the mean of D² pinball scores."""

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R²; with several quantile levels, the mean of their D² pinball scores.

        Parameters
        ----------
        X : array-like, sparse matrix or DataFrame of shape (n_samples, n_features)
            Inputs, as in ``fit``.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.

        Returns
        -------
        score : float
            Score, at most 1.
        """
        return checked_score(self, X, y, sample_weight)

    @staticmethod
    def _score(loss: Loss, truth: Array, y_pred: Array, weight: Array | None) -> float:
        """Return the score of predictions; ``truth`` and ``y_pred`` are both encoded or decoded."""
        truth, y_pred, weight = _comparable(truth, y_pred, weight)
        if not np.isfinite(y_pred).all():  # on the scale of y, errors overflow
            return -np.inf
        if not loss.levels:
            return float(r2_score(truth, y_pred, sample_weight=weight))
        scores = [
            d2_pinball_score(truth, y_pred[:, k], sample_weight=weight, alpha=level)
            for k, level in enumerate(loss.levels)
        ]
        return float(np.mean(scores))


def checked_score(estimator: Any, X: Any, y: Any, sample_weight: Any) -> float:
    """Return the score of predictions, with error messages that name y and sample_weight."""
    y_pred = estimator.predict(X)  # has as many rows as X, of whatever type X is
    y = _validation.check_y(estimator, y, y_pred, estimator._y_is_numeric)
    weight = _validation.check_weight(estimator, sample_weight, y_pred)
    _validation.check_weight_sum(estimator, weight, "all samples")
    with _validation.naming("y", estimator):
        estimator._targets.check_form(y)
        score: float = estimator._score(estimator._loss, y, y_pred, weight)
    return score


def _comparable(
    truth: Array, y_pred: Array, weight: Array | None
) -> tuple[Array, Array, Array | None]:
    """Return arguments with the same score whose squares neither overflow nor vanish.

    Both scores are ratios, and do not change if y, or all weights, are multiplied. The factors
    are powers of two, which cause no rounding. Rows without weight, whose errors may be infinite,
    get the values of another row: 0 times these is 0.
    """
    if weight is not None:
        weight = in_powers_of_two(weight)[0]  # the smallest weights may underflow to 0
        rows = np.where(weight > 0, np.arange(len(weight)), np.argmax(weight))
        truth, y_pred = truth[rows], y_pred[rows]
    truth, exponent = in_powers_of_two(np.asarray(truth, np.float64))
    own = exponent if y_pred.ndim == truth.ndim else exponent[..., None]
    return truth, np.ldexp(np.asarray(y_pred, np.float64), -own), weight
