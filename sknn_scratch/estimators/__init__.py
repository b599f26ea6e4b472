"""Estimators with scikit-learn's API: they validate, encode, train and set fitted attributes."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._regressor import MLPRegressor

if TYPE_CHECKING:
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
#: Imported on first access, because their dependencies are a quarter of the package.
_LATER = {
    "TabularMLPClassifier": "_tabular_classifier",
    "TabularMLPRegressor": "_tabular_regressor",
    "preset": "_tabular_presets",
}


def __getattr__(name: str) -> Any:
    """Import a name on first access."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return all public names, including those not imported yet."""
    return sorted({*globals(), *__all__})
