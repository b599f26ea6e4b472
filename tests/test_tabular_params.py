"""Tabular estimators: parameters of components, decision functions, and messages that say who."""

import copy
import re

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    Chain,
    ClipByNorm,
    Cosine,
    Elu,
    Focal,
    Huber,
    LeakyRelu,
    LinearWarmup,
    LogLoss,
    Step,
)

QUICK = {
    "effort": "fast",
    "n_ensemble": 2,
    "hidden_layer_sizes": (4,),
    "max_iter": 2,
    "min_steps": 0,
    "random_state": 0,
}
N = 60
RNG = np.random.default_rng(0)
X = pd.DataFrame({"size": RNG.normal(size=N), "kind": list("xyz") * (N // 3)})
NUMBERS = 2 * X["size"].to_numpy() + (X["kind"] == "x")
CLASSES = np.where(NUMBERS > 0.3, "high", "low")
THREE = np.digitize(NUMBERS, [-0.5, 1.0]) * 10
ESTIMATORS = [TabularMLPClassifier, TabularMLPRegressor]
PLAIN = {TabularMLPClassifier: MLPClassifier, TabularMLPRegressor: MLPRegressor}
each_estimator = pytest.mark.parametrize("cls", ESTIMATORS)


def y_of(cls):
    return CLASSES if cls is TabularMLPClassifier else NUMBERS


def quick(cls, **params):
    return cls(**QUICK | params)


# --- Parameters of components.

CHAIN = Chain((("clip", ClipByNorm(1.0)), ("rule", Adam())))
#: parameter of the estimator, component, parameter of the component, other value
NESTED = [
    ("solver", Adam(), "beta_1", 0.5),
    ("solver", SGD(), "momentum", 0.3),
    ("solver", CHAIN, "clip__max_norm", 0.1),
    ("solver", CHAIN, "rule__beta_2", 0.9),
    ("learning_rate", Step(), "factor", 0.3),
    ("learning_rate", LinearWarmup(Cosine()), "schedule__minimum", 0.1),
    ("activation", LeakyRelu(), "negative_slope", 0.2),
    ("activation", Elu(), "alpha", 0.5),
]
each_nested = pytest.mark.parametrize(
    ("name", "component", "inner", "value"), NESTED, ids=lambda v: str(v)[:20]
)


@each_estimator
@each_nested
def test_parameters_of_components(cls, name, component, inner, value):
    key = f"{name}__{inner}"
    model, plain = quick(cls, **{name: component}), PLAIN[cls](**{name: component})
    for each in (model, plain):
        assert each.get_params(deep=True)[key] != value
        assert each.set_params(**{key: value}) is each
        assert each.get_params(deep=True)[key] == value
        assert clone(each).get_params(deep=True)[key] == value
    assert getattr(model, name) == getattr(plain, name) != component
    assert len(model.fit(X, y_of(cls)).estimators_) == 2


@pytest.mark.parametrize(
    ("cls", "loss", "inner", "value"),
    [
        (TabularMLPClassifier, Focal(), "gamma", 1.0),
        (TabularMLPClassifier, LogLoss(), "label_smoothing", 0.1),
        (TabularMLPRegressor, Huber(), "delta", 0.5),
    ],
)
def test_parameters_of_losses(cls, loss, inner, value):
    model = quick(cls, loss=loss).set_params(**{f"loss__{inner}": value})
    assert getattr(model.loss, inner) == value != getattr(loss, inner)
    model.fit(X, y_of(cls))


@each_estimator
@each_nested
def test_searches_over_parameters_of_components(cls, name, component, inner, value):
    key = f"{name}__{inner}"
    was = quick(cls, **{name: component}).get_params()[key]
    search = GridSearchCV(quick(cls, **{name: component}), {key: [was, value]}, cv=2)
    search.fit(X, y_of(cls))
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert search.best_estimator_.get_params()[key] == search.best_params_[key]


@each_estimator
def test_a_component_and_its_parameter_at_once(cls):
    model = quick(cls).set_params(solver=SGD(), solver__momentum=0.1)
    assert model.solver == SGD(momentum=0.1)
    grid = {"solver": [SGD(), SGD(nesterov=False)], "solver__momentum": [0.1, 0.2]}
    search = RandomizedSearchCV(quick(cls), grid, n_iter=3, cv=2, random_state=0)
    assert search.fit(X, y_of(cls)).best_params_.keys() == grid.keys()


@pytest.mark.parametrize("cls", [*ESTIMATORS, *PLAIN.values()])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"solver__beta_1": 0.5}, "Invalid parameter solver__beta_1 for {}: solver is 'adam'"),
        ({"loss__delta": 0.5}, "Invalid parameter loss__delta for {}"),
        ({"effort__x": 1}, "Invalid parameter"),
        ({"unheard__of": 1}, "Invalid parameter"),
        ({"unheard_of": 1}, "Invalid parameter 'unheard_of' for estimator {}"),
        ({"hidden_layer_sizes": (3,), "unheard_of": 1}, "Invalid parameter 'unheard_of'"),
    ],
)
def test_parameters_that_there_are_not(cls, params, message):
    model = cls()
    before = model.get_params()
    with pytest.raises(ValueError, match=re.escape(message.format(cls.__name__))):
        model.set_params(**params)
    assert model.get_params() == before


def test_advice_names_only_parameters_that_there_are():
    with pytest.raises(ValueError, match="own beta_1, beta_2, epsilon, momentum"):
        MLPClassifier().set_params(solver__beta_1=0.5)
    with pytest.raises(ValueError, match=r"to set them\.$"):
        TabularMLPClassifier().set_params(solver__beta_1=0.5)


# --- Decision functions.


@pytest.mark.parametrize("y", [CLASSES, THREE, NUMBERS > 0], ids=["two", "three", "booleans"])
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"calibrate": False},
        {"n_ensemble": 1},
        {"n_ensemble": 5, "max_iter": 30},
        {"loss": "focal"},
    ],
    ids=str,
)
def test_decision_functions(y, params):
    model = quick(TabularMLPClassifier, **params).fit(X, y)
    scores, proba = model.decision_function(X), model.predict_proba(X)
    if len(model.classes_) == 2:
        assert scores.shape == (N,)
        assert_allclose(expit(scores), proba[:, 1], rtol=1e-12)
        assert_array_equal(model.classes_[(scores > 0).astype(int)], model.predict(X))
    else:
        assert scores.shape == proba.shape
        assert_allclose(softmax(scores, axis=1), proba, rtol=1e-12)
        assert_array_equal(model.classes_[scores.argmax(axis=1)], model.predict(X))


def test_a_decision_function_of_one_logistic_output():
    model = quick(TabularMLPClassifier, loss="binary_log_loss", n_ensemble=1).fit(X, CLASSES)
    Z = model.preprocessor_.transform(X)
    own = model.estimators_[0].decision_function(Z)
    assert_allclose(model.decision_function(X), own, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("y", [CLASSES, THREE], ids=["two", "three"])
def test_one_member_has_the_scores_of_its_network(y):
    model = quick(TabularMLPClassifier, n_ensemble=1).fit(X, y)
    own = model.estimators_[0].decision_function(model.preprocessor_.transform(X))
    scores = model.decision_function(X)
    if scores.ndim == 2:  # a softmax does not see what is added to all
        own = own - own.mean(axis=1, keepdims=True)
        scores = scores - scores.mean(axis=1, keepdims=True)
    assert_allclose(scores, own, rtol=1e-4, atol=1e-5)


def test_a_decision_function_of_one_class():
    model = quick(TabularMLPClassifier).fit(X, np.full(N, "only"))
    assert_array_equal(model.decision_function(X), np.zeros((N, 1)))


def test_far_rows_are_still_ranked():
    model = quick(TabularMLPClassifier, max_iter=40, n_bins=0).fit(X, CLASSES)
    sizes = np.linspace(-50, 50, 11)
    scores = model.decision_function(pd.DataFrame({"size": sizes, "kind": "x"}))
    assert np.isfinite(scores).all()
    assert np.corrcoef(scores, sizes)[0, 1] < -0.5  # classes_ is high, low


def test_tools_that_ask_for_a_decision_function():
    model = quick(TabularMLPClassifier, max_iter=20)
    assert cross_val_score(model, X, CLASSES, cv=2, scoring="roc_auc").min() > 0.8
    fitted = clone(model).fit(X, CLASSES)
    by_score = roc_auc_score(CLASSES, fitted.decision_function(X))
    assert by_score == roc_auc_score(CLASSES, fitted.predict_proba(X)[:, 1])
    for y in (CLASSES, THREE):
        calibrated = CalibratedClassifierCV(model, cv=2).fit(X, y)
        assert calibrated.score(X, y) > 0.7
        stack = StackingClassifier(
            [("table", model)], LogisticRegression(), stack_method="decision_function", cv=2
        )
        assert stack.fit(X, y).score(X, y) > 0.7


# --- Messages name the argument, and the estimator that was called.

WEIGHTS = {
    "huge": np.full(N, 1e308),
    "a sum that overflows": np.full(N, 3e307),
    "nothing": np.full(N, 1e-320),
    "zeros": np.zeros(N),
    "strings": ["a"] * N,
    "negative": np.full(N, -1.0),
    "nan": np.full(N, np.nan),
    "too few": np.ones(3),
    "a matrix": np.ones((N, 2)),
    "a dict": {0: 1.0},
    "ragged": [[1.0, 2.0], [3.0]],
    "too large for a float": [10**400] * N,
}
TARGETS = {
    "empty": [],
    "a dict": {"a": 1},
    "a set": {1, 2},
    "a string": "abc",
    "bytes": b"abc",
    "a number": 3,
    "ragged": [[1, 2], [3]] * (N // 2),
    "too short": CLASSES[:5],
    "three axes": np.ones((2, 2, 2)),
    "no columns": np.ones((N, 0)),
    "nan": np.full(N, np.nan),
    "complex": np.ones(N) * 1j,
    "objects": [object()] * N,
    "None in it": [None, *CLASSES[1:]],
}


def refused(call, *words):
    """The call raises one of the two errors for bad input, with these words in its message."""
    with pytest.raises((ValueError, TypeError)) as error:
        call()
    message = str(error.value)
    for word in words:
        assert re.search(rf"\b{word}\b", message), message
    for inner in ("TabularPreprocessor", "(?<!Tabular)MLPClassifier", "(?<!Tabular)MLPRegressor"):
        is_advice = re.search(rf"use {inner} or Tabular", message)
        assert is_advice or not re.search(inner, message), message
    assert message.count("(in ") <= 1, message


@pytest.fixture(scope="module")
def fitted():
    return {cls: quick(cls).fit(X, y_of(cls)) for cls in ESTIMATORS}


@each_estimator
@pytest.mark.parametrize("weight", WEIGHTS.values(), ids=WEIGHTS)
def test_bad_weights(cls, weight, fitted):
    y, model = y_of(cls), copy.copy(fitted[cls])
    before = model.predict(X)
    refused(lambda: model.fit(X, y, weight), "sample_weight", cls.__name__)
    refused(lambda: model.score(X, y, weight), "sample_weight", cls.__name__)
    val = {"X_val": X, "y_val": y, "sample_weight_val": weight}
    refused(lambda: model.fit(X, y, **val), "sample_weight_val", cls.__name__)
    assert_array_equal(model.predict(X), before)


@each_estimator
@pytest.mark.parametrize("y", TARGETS.values(), ids=TARGETS)
def test_bad_targets(cls, y, fitted):
    model = copy.copy(fitted[cls])
    before = model.predict(X)
    refused(lambda: model.fit(X, y), "y", cls.__name__)
    refused(lambda: model.score(X, y), "y", cls.__name__)
    refused(lambda: model.fit(X, y_of(cls), X_val=X, y_val=y), "y_val", cls.__name__)
    assert_array_equal(model.predict(X), before)


@each_estimator
@pytest.mark.parametrize("given", [{"X_val": X}, {"y_val": [1]}, {"sample_weight_val": [1]}])
def test_halves_of_validation_data(cls, given):
    refused(lambda: quick(cls).fit(X, y_of(cls), **given), *given, cls.__name__)


@each_estimator
@pytest.mark.parametrize(
    "X_val",
    [
        X[["size"]],
        X.assign(more=1.0),
        X.rename(columns={"size": "length"}),
        X.assign(size="long"),
        X[:0],
        [],
        {"size": 1.0},
        np.ones(N),
        3,
    ],
    ids=["fewer", "more", "renamed", "other kind", "no rows", "[]", "dict", "vector", "number"],
)
def test_bad_validation_tables(cls, X_val):
    refused(
        lambda: quick(cls).fit(X, y_of(cls), X_val=X_val, y_val=y_of(cls)), "X_val", cls.__name__
    )


@each_estimator
@pytest.mark.parametrize(
    "table",
    [X[["size"]], X.assign(more=1.0), X[:0], [], {"size": 1.0}, np.ones(N), 3],
    ids=["fewer", "more", "no rows", "[]", "dict", "vector", "number"],
)
def test_bad_tables(cls, table, fitted):
    refused(lambda: fitted[cls].predict(table), cls.__name__)
    refused(lambda: fitted[cls].score(table, y_of(cls)), cls.__name__)
    if not hasattr(table, "columns") or len(table) == 0:
        refused(lambda: quick(cls).fit(table, y_of(cls)), cls.__name__)


@each_estimator
def test_members_speak_for_the_ensemble(cls, fitted):
    model = copy.deepcopy(fitted[cls])
    for member in model.estimators_:
        member.theta_ = np.full_like(member.theta_, 3e38)
    refused(lambda: model.predict(X), "X", cls.__name__)


# --- Numbers at the ends of floats are nobody's warning.

EXTREMES = np.tile([1e300, -1e300, 1e-300, 5e-324, 0.0, 1.0], N // 6)


@each_estimator
@pytest.mark.parametrize("state", ["warn", "raise"])
def test_extreme_values(cls, state):
    table = X.assign(far=EXTREMES, size=X["size"] * 1e200)
    y = y_of(cls) if cls is TabularMLPClassifier else NUMBERS * 1e140
    weight = np.tile([1e-30, 1.0, 1e30], N // 3)
    with np.errstate(all=state):
        model = quick(cls, max_iter=10).fit(table, y, weight)
        assert model.predict(table).shape == (N,)
        if cls is TabularMLPClassifier:
            assert np.isfinite(model.decision_function(table)).all()


BOOLEANS = [
    (cls, name)
    for cls in ESTIMATORS
    for name, constraints in cls._parameter_constraints.items()
    if "boolean" in constraints
]


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize(("cls", "name"), BOOLEANS)
def test_booleans_of_numpy(cls, name, value):
    """A search over an array of booleans sets numpy's own."""
    plain = quick(cls, **{name: value}).fit(X, y_of(cls)).predict(X)
    assert_array_equal(quick(cls, **{name: np.bool_(value)}).fit(X, y_of(cls)).predict(X), plain)


@each_estimator
def test_scikit_learn_may_skip_the_validation_of_parameters(cls):
    model = quick(cls, patience=0.5)
    with pytest.raises(ValueError, match="'patience' parameter"):
        model.fit(X, y_of(cls))
    with sklearn.config_context(skip_parameter_validation=True):
        assert model.fit(X, y_of(cls)).n_iter_ >= 1
