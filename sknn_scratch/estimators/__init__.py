"""scikit-learn estimators: they validate, translate, call the core and publish."""

from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
