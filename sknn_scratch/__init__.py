"""Multi-layer perceptrons in scikit-learn's manner, on a backpropagation core in numpy."""

from sknn_scratch.config import config_context, get_config, set_config
from sknn_scratch.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.registry import register

__version__ = "0.1.0"

__all__ = [
    "MLPClassifier",
    "MLPRegressor",
    "TabularMLPClassifier",
    "TabularMLPRegressor",
    "__version__",
    "config_context",
    "get_config",
    "register",
    "set_config",
]
