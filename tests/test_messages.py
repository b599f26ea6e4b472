"""Messages about data: each name once, and a remedy."""

import re

import numpy as np
import pandas as pd
import pytest

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Tweedie

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

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


# ------------------------------------------------------------------------- y that is no number
DAYS, HOURS = pd.date_range("2020-03-01", periods=N), pd.timedelta_range("1h", periods=N, freq="h")
#: name: (y, what it holds)
NO_NUMBERS = {
    "numpy days": (DAYS.to_numpy("M8[D]"), "datetimes"),
    "numpy nanoseconds": (DAYS.to_numpy("M8[ns]"), "datetimes"),
    "a Series": (pd.Series(DAYS), "datetimes"),
    "with a time zone": (pd.Series(DAYS.tz_localize("Europe/Berlin")), "datetimes"),
    "Timestamps": (list(DAYS), "datetimes"),
    "datetimes of Python": (list(DAYS.to_pydatetime()), "datetimes"),
    "dates of Python": (list(DAYS.date), "datetimes"),
    "Periods": (pd.Series(DAYS.to_period("D")), "datetimes"),
    "numpy durations": (HOURS.to_numpy(), "durations"),
    "a Series of durations": (pd.Series(HOURS), "durations"),
    "Timedeltas": (list(HOURS), "durations"),
    "timedeltas of Python": (list(HOURS.to_pytimedelta()), "durations"),
    "digits": ([f"{k}.5" for k in range(N)], "strings"),
}
LABELS = {
    "strings": ["a", "b"] * 20,
    "objects": np.array(["a", "b"] * 20, dtype=object),
    "categories": pd.Series(["a", "b"] * 20, dtype="category"),
    "arrow or Python strings": pd.Series(["a", "b"] * 20, dtype="string"),
    "bytes": [b"a", b"b"] * 20,
}


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize(("y", "holds"), NO_NUMBERS.values(), ids=list(NO_NUMBERS))
def test_the_conversion_in_a_message_works(cls, y, holds):
    message = message_of(cls, y=y)
    assert message.startswith(f"y must be finite real numbers. Got {holds}: ")
    code = message[message.index("np.asarray") : message.rindex(". (in ")]
    numbers = eval(code, {"np": np, "y": y})
    assert numbers.dtype.kind in "if"
    assert len(set(numbers)) == N
    cls(max_iter=1).fit(X, (numbers - numbers.mean()) / numbers.std())


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize("y", LABELS.values(), ids=list(LABELS))
def test_labels_are_for_classifiers(cls, y):
    words = "Got strings: for class labels, use MLPClassifier or TabularMLPClassifier"
    if isinstance(y, list) and isinstance(y[0], bytes):
        y = np.array(y)
    assert words in message_of(cls, y=y)


@pytest.mark.parametrize("cls", REGRESSORS)
@pytest.mark.parametrize("value", [{"a": 1}, [1, 2, 3], object(), 1j])
def test_objects_that_are_nothing_of_the_kind(cls, value):
    y = np.empty(N, dtype=object)
    y[:] = [value] * N
    message = message_of(cls, y=y)
    assert re.search(r"\by\b", message)
    assert cls.__name__ in message


# ------------------------------------------------------------------------- columns of a table
TABLES = {
    "strings in a frame": pd.DataFrame({"a": ["x", "y"] * 20, "b": X[:, 0]}),
    "categories": pd.DataFrame({"a": pd.Categorical(["x", "y"] * 20), "b": X[:, 0]}),
    "missing strings": pd.DataFrame({"a": ["x", None] * 20, "b": X[:, 0]}),
    "datetimes beside numbers": pd.DataFrame({"a": DAYS, "b": X[:, 0]}),
    "objects": np.array([["x", 1.5]] * N, dtype=object),
    "strings": np.array([["x", "y"]] * N),
    "datetimes as objects": np.array([[DAYS[0], 1.5]] * N, dtype=object),
    "lists": [["x", 1.5]] * N,
}
TWINS = {MLPClassifier: TabularMLPClassifier, MLPRegressor: TabularMLPRegressor}


@pytest.mark.parametrize("cls", PLAIN)
@pytest.mark.parametrize("table", TABLES.values(), ids=list(TABLES))
def test_a_table_has_two_remedies(cls, table):
    message = message_of(cls, X=table)
    assert message.startswith(f"X of {cls.__name__} must hold numbers only. Got ")
    twin = TWINS[cls]
    assert f"OneHotEncoder, or use {twin.__name__}, which encodes" in message
    fitted = twin("fast", n_ensemble=1, max_iter=1, min_steps=0).fit(table, TARGETS[cls])
    assert len(fitted.predict(table)) == N
    plain = cls(max_iter=1).fit(X[:, :2], TARGETS[cls])
    with pytest.raises((ValueError, TypeError), match=f"or use {twin.__name__}"):
        plain.predict(np.asarray(table, dtype=object))


@pytest.mark.parametrize("cls", PLAIN)
@pytest.mark.parametrize("value", [{}, [1.0], object()])
def test_no_table_estimator_accepts_these_either(cls, value):
    table = np.empty((N, 2), dtype=object)
    for row in table:
        row[:] = [value, 1.0]
    assert "Tabular" not in message_of(cls, X=table)
