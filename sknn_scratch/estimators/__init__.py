"""scikit-learn estimators: they validate, translate, call the core and publish."""

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
#: Imported when they are asked for: what they need is a quarter of the package.
_LATER = {
    "TabularMLPClassifier": "_tabular_classifier",
    "TabularMLPRegressor": "_tabular_regressor",
    "preset": "_tabular_presets",
}


def __getattr__(name: str) -> Any:
    """Import a name that is not there yet."""
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_LATER[name]}"), name)
    return value


def __dir__() -> list[str]:
    """Return all names, those not imported yet included."""
    return sorted({*globals(), *__all__})
