"""Messages about data: each name once, and a remedy."""

import re

import numpy as np
import pytest

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Tweedie

N = 40
X = np.random.default_rng(0).normal(size=(N, 3))
TARGETS = {
    MLPClassifier: np.arange(N) % 3,
    MLPRegressor: X[:, 0],
    TabularMLPClassifier: np.arange(N) % 3,
    TabularMLPRegressor: X[:, 0],
}
PLAIN, CLASSIFIERS, REGRESSORS = list(TARGETS)[:2], list(TARGETS)[::2], list(TARGETS)[1::2]


def message_of(cls, params=None, **changes):
    """Return the message of a failed fit."""
    model = cls(max_iter=2, random_state=0, **params or {})
    with pytest.raises((ValueError, TypeError)) as error:
        model.fit(**{"X": X, "y": TARGETS[cls]} | changes)
    assert not hasattr(model, "n_features_in_")
    return str(error.value)


# ------------------------------------------------------------------------- names at the end
#: name: (estimators, changes of good data, what the message ends with)
ENDS = {
    "y with nan": (TARGETS, {"y": [np.nan] * N}, "contains NaN. (in {})"),
    "y with infinity": (TARGETS, {"y": [np.inf] * N}, "(in {})"),
    "y of another length": (TARGETS, {"y": np.ones(7)}, "samples: [40, 7] (in y of {})"),
    "y of three dimensions": (TARGETS, {"y": np.ones((N, 2, 2))}, "(in y of {})"),
    "y of strings": (REGRESSORS, {"y": ["a"] * N}, "(in {})"),
    "y of complex numbers": (TARGETS, {"y": np.ones(N) * 1j}, "(in y of {})"),
    "y of real numbers": (CLASSIFIERS, {"y": X[:, 0]}, "Regressor. (in {})"),
    "y with None": (CLASSIFIERS, {"y": np.array([None, "a"] * 20)}, "'unknown'. (in {})"),
    "y of several types": (CLASSIFIERS, {"y": [1, "a"] * 20}, "for example. (in {})"),
    "two columns of classes": (
        CLASSIFIERS,
        {"y": np.ones((N, 2)) + X.argmax(1)[:, None]},
        "(in {})",
    ),
    "other indicators": (CLASSIFIERS[:1], {"y": 2 * np.eye(4)[np.arange(N) % 4]}, "(in {})"),
    "y_val with nan": (
        TARGETS,
        {"X_val": X, "y_val": [np.nan] * N},
        "contains NaN. (in y_val of {})",
    ),
    "X_val with too few columns": (
        PLAIN,
        {"X_val": X[:, :2], "y_val": X[:, 0]},
        "(in X_val of {})",
    ),
}
CASES = [
    pytest.param(cls, changes, end, id=f"{name}, {cls.__name__}")
    for name, (estimators, changes, end) in ENDS.items()
    for cls in estimators
]


@pytest.mark.parametrize(("cls", "changes", "end"), CASES)
def test_the_end_of_a_message_adds_only_what_the_sentence_lacks(cls, changes, end):
    message = message_of(cls, **changes)
    assert message.endswith(end.format(cls.__name__))
    sentence, added = message.removesuffix(")").split("(in ")
    name = added.partition(" of ")[0]
    assert not re.search(rf"\b{name}\b", sentence), message


# ------------------------------------------------------------------------- ranges of y
#: name: (estimators, loss, y, its range in the message)
RANGES = {
    "a count below 0": (REGRESSORS, "poisson", -1.0, ">= 0 with loss='poisson'"),
    "nothing of a price": (REGRESSORS, "gamma", 0.0, "> 0 with loss='gamma'"),
    "an instance": (REGRESSORS, Tweedie(1.5), -2.5, ">= 0 with loss=Tweedie(power=1.5)"),
    "an open range": (REGRESSORS, Tweedie(3.0), 0.0, "> 0 with loss=Tweedie(power=3.0)"),
    "too large a square": (
        REGRESSORS[1:],
        "squared_error",
        -1e200,
        ">= -1e+150 and <= 1e+150 with loss='squared_error'",
    ),
}


@pytest.mark.parametrize("name", ["y", "y_val"])
@pytest.mark.parametrize(
    ("cls", "loss", "value", "wanted"),
    [(cls, *row) for estimators, *row in RANGES.values() for cls in estimators],
)
def test_targets_outside_of_a_range(cls, loss, value, wanted, name):
    good = np.arange(1.0, N + 1)
    bad = np.where(good == 3, value, good)
    changes = {"y": bad} if name == "y" else {"X_val": X, "y_val": bad, "y": good}
    message = message_of(cls, {"loss": loss}, **changes)
    assert message.startswith(f"The targets y of {cls.__name__} must be {wanted}. Got values from ")
    assert f"from {value:g} to 40: " in message
