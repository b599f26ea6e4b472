"""scikit-learn estimators: they validate, translate, call the core and publish."""

from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._regressor import MLPRegressor
from sknn_scratch.estimators._tabular_classifier import TabularMLPClassifier
from sknn_scratch.estimators._tabular_presets import preset
from sknn_scratch.estimators._tabular_regressor import TabularMLPRegressor

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "preset",
]
