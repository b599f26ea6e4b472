"""Multi-layer perceptrons with scikit-learn's API, on a backpropagation core in numpy."""

from typing import TYPE_CHECKING, Any

# First, and here: CPython imports more slowly from deeper stacks, and this takes most of the time.
import sklearn as _sklearn  # noqa: F401

from sknn_scratch import estimators
from sknn_scratch.config import config_context, get_config, set_config
from sknn_scratch.estimators import MLPClassifier, MLPRegressor
from sknn_scratch.registry import register

if TYPE_CHECKING:
    from sknn_scratch.estimators import TabularMLPClassifier, TabularMLPRegressor

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


def __getattr__(name: str) -> Any:
    """Import a tabular estimator on first access, because the import is slow."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(estimators, name)
    return value


def __dir__() -> list[str]:
    """Return all public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
