"""Both estimators inside scikit-learn's meta-estimators and tools: fit, predict, route weights."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import sklearn
from numpy.testing import assert_array_equal
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import (
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    learning_curve,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import (
    ClassifierChain,
    MultiOutputClassifier,
    MultiOutputRegressor,
    RegressorChain,
)
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Adam

# ----------------------------------------------------------------------------------------- data
N, N_TRAIN = 400, 300
_rng = np.random.default_rng(0)
X = pd.DataFrame(_rng.normal(size=(N, 4)), columns=["up", "wave", "down", "nothing"])
WAVY = (X["up"] + np.sin(2 * X["wave"])).to_numpy()
STEEP = (X["up"] - X["down"]).to_numpy()
TARGETS = {
    "classes": np.array(["low", "mid", "top"])[np.digitize(WAVY, [-0.5, 0.5])],
    "two classes": WAVY > 0,
    "labels": np.column_stack([WAVY > 0, STEEP > 0]).astype(int),
    "number": WAVY,
    "numbers": np.column_stack([WAVY, STEEP]),
}
TRAIN, TEST = X[:N_TRAIN], X[N_TRAIN:]
#: Rows of weight zero; :func:`spoil` makes just these wrong.
SPOILED = _rng.random(N_TRAIN) < 0.65
WEIGHT = np.where(SPOILED, 0.0, _rng.uniform(0.5, 2.0, N_TRAIN))
#: AdaBoost uses weights itself, and takes their logarithm.
POSITIVE_WEIGHT = WEIGHT.clip(1e-6)


def spoil(y):
    """Return y with wrong targets in most rows: the next class, or the opposite."""
    if y.dtype.kind == "U":
        following = {"low": "mid", "mid": "top", "top": "low"}
        wrong = np.array([following[label] for label in y])
    else:
        wrong = -y if y.dtype.kind == "f" else 1 - y.astype(int)
    rows = SPOILED if y.ndim == 1 else SPOILED[:, None]
    return np.where(rows, wrong, y).astype(y.dtype)


def score(y, y_pred):
    """Return R², or the accuracy over all labels."""
    if y.dtype.kind == "f":
        return r2_score(y, y_pred)
    return accuracy_score(y.ravel(), np.asarray(y_pred).astype(y.dtype).ravel())


def bar(y):
    """Return the score of a dummy plus a clear margin."""
    dummy = DummyRegressor() if y.dtype.kind == "f" else DummyClassifier()
    guess = dummy.fit(TRAIN, y[:N_TRAIN]).predict(TEST)
    return score(y[N_TRAIN:], guess) + (0.6 if y.dtype.kind == "f" else 0.25)


# ----------------------------------------------------------------------------------- neighbours
SMALL = {
    "hidden_layer_sizes": (10,),
    "learning_rate_init": 0.02,
    "max_iter": 2000,
    "tol": 2e-3,
    "random_state": 0,
}


def asks(estimator):
    """Return the estimator, asking for weights wherever routing is on."""
    if sklearn.get_config()["enable_metadata_routing"]:
        estimator.set_fit_request(sample_weight=True)
        if hasattr(estimator, "set_score_request"):
            estimator.set_score_request(sample_weight=True)
        if hasattr(estimator, "set_partial_fit_request"):
            estimator.set_partial_fit_request(sample_weight=True)
    return estimator


def clf(**params):
    return asks(MLPClassifier(**SMALL | params))


def reg(**params):
    return asks(MLPRegressor(**SMALL | params))


def pair(make):
    return [("adam", make()), ("lbfgs", make(solver="lbfgs", alpha=0.01))]


def prepared(last):
    """Return a pipeline over DataFrames: two scalers side by side, and squares."""
    scalers = [
        ("standard", asks(StandardScaler()), ["up", "wave"]),
        ("minmax", MinMaxScaler(), ["down", "nothing"]),
    ]
    union = FeatureUnion(
        [("scaled", ColumnTransformer(scalers)), ("squares", FunctionTransformer(np.square))]
    )
    return make_pipeline(union, last).set_output(transform="pandas")


SIZES = {"hidden_layer_sizes": [(2,), (10,)]}
RATES = {"solver__beta_1": [0.8, 0.9, 0.95], "alpha": [1e-4, 1e-2]}
HALVING = {"cv": 3, "min_resources": 100, "random_state": 0}


class Row(NamedTuple):
    """A neighbour, what it fits, and whether it routes weights or uses them itself."""

    make: Callable[[], Any]
    task: str
    routes: bool = True


NEIGHBOURS = {
    "BaggingClassifier": Row(lambda: BaggingClassifier(clf(), 3, random_state=0), "classes"),
    "BaggingRegressor": Row(lambda: BaggingRegressor(reg(), 3, random_state=0), "number"),
    "BaggingRegressor, two targets": Row(
        lambda: BaggingRegressor(reg(), 3, random_state=0), "numbers"
    ),
    "AdaBoostClassifier": Row(
        lambda: AdaBoostClassifier(clf(), n_estimators=3, random_state=0), "classes", False
    ),
    "AdaBoostRegressor": Row(
        lambda: AdaBoostRegressor(reg(), n_estimators=3, random_state=0), "number", False
    ),
    "StackingClassifier": Row(
        lambda: StackingClassifier(pair(clf), asks(LogisticRegression()), cv=3), "classes"
    ),
    "StackingClassifier, last": Row(
        lambda: StackingClassifier(pair(clf), clf(), cv=3), "two classes"
    ),
    "StackingClassifier, labels": Row(
        lambda: StackingClassifier([("adam", clf())], clf(), cv=3), "labels"
    ),
    "StackingRegressor": Row(lambda: StackingRegressor(pair(reg), asks(Ridge()), cv=3), "number"),
    "StackingRegressor, last": Row(lambda: StackingRegressor(pair(reg), reg(), cv=3), "number"),
    "VotingClassifier, hard": Row(lambda: VotingClassifier(pair(clf)), "classes"),
    "VotingClassifier, soft": Row(lambda: VotingClassifier(pair(clf), voting="soft"), "classes"),
    "VotingRegressor": Row(lambda: VotingRegressor(pair(reg)), "number"),
    "CalibratedClassifierCV, sigmoid": Row(lambda: CalibratedClassifierCV(clf(), cv=3), "classes"),
    "CalibratedClassifierCV, isotonic": Row(
        lambda: CalibratedClassifierCV(clf(), method="isotonic", cv=3), "two classes"
    ),
    "CalibratedClassifierCV, temperature": Row(
        lambda: CalibratedClassifierCV(clf(), method="temperature", cv=3, ensemble=False), "classes"
    ),
    "OneVsRestClassifier": Row(lambda: OneVsRestClassifier(clf()), "classes"),
    "OneVsRestClassifier, one logistic output": Row(
        lambda: OneVsRestClassifier(clf(loss="binary_log_loss")), "classes"
    ),
    "OneVsRestClassifier, labels": Row(lambda: OneVsRestClassifier(clf()), "labels"),
    "OneVsOneClassifier": Row(lambda: OneVsOneClassifier(clf()), "classes"),
    "MultiOutputClassifier": Row(lambda: MultiOutputClassifier(clf()), "labels"),
    "MultiOutputRegressor": Row(lambda: MultiOutputRegressor(reg()), "numbers"),
    "ClassifierChain": Row(lambda: ClassifierChain(clf(), cv=3, random_state=0), "labels"),
    "RegressorChain": Row(lambda: RegressorChain(reg(), cv=3, random_state=0), "numbers"),
    "TransformedTargetRegressor": Row(
        lambda: TransformedTargetRegressor(reg(), transformer=StandardScaler()), "numbers"
    ),
    "TransformedTargetRegressor, sinh": Row(
        lambda: TransformedTargetRegressor(reg(), func=np.sinh, inverse_func=np.arcsinh), "number"
    ),
    "HalvingGridSearchCV, classifier": Row(
        lambda: HalvingGridSearchCV(clf(), SIZES, **HALVING), "classes"
    ),
    "HalvingGridSearchCV, regressor": Row(
        lambda: HalvingGridSearchCV(reg(), SIZES, **HALVING), "number"
    ),
    "RandomizedSearchCV, classifier": Row(
        lambda: RandomizedSearchCV(clf(solver=Adam()), RATES, n_iter=3, cv=2, random_state=0),
        "classes",
    ),
    "RandomizedSearchCV, regressor": Row(
        lambda: RandomizedSearchCV(reg(solver=Adam()), RATES, n_iter=3, cv=2, random_state=0),
        "numbers",
    ),
    "Pipeline, classifier": Row(lambda: prepared(clf()), "classes"),
    "Pipeline, regressor": Row(lambda: prepared(reg()), "numbers"),
}
each_neighbour = pytest.mark.parametrize("row", NEIGHBOURS.values(), ids=list(NEIGHBOURS))


@each_neighbour
def test_neighbour_fits_and_predicts(row):
    y = TARGETS[row.task]
    y_pred = row.make().fit(TRAIN, y[:N_TRAIN]).predict(TEST)
    assert y_pred.shape == y[N_TRAIN:].shape
    assert score(y[N_TRAIN:], y_pred) > bar(y)


@pytest.mark.slow
@each_neighbour
def test_neighbour_passes_weights_on(row):
    """Most targets are wrong, but weigh nothing: only who sees the weights can learn."""
    y, weight = TARGETS[row.task], WEIGHT if row.routes else POSITIVE_WEIGHT
    with sklearn.config_context(enable_metadata_routing=row.routes):
        weighted = row.make().fit(TRAIN, spoil(y[:N_TRAIN]), sample_weight=weight)
        plain = row.make().fit(TRAIN, spoil(y[:N_TRAIN]))
    assert score(y[N_TRAIN:], weighted.predict(TEST)) > bar(y)
    assert score(y[N_TRAIN:], plain.predict(TEST)) < bar(y)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "task"),
    [
        (lambda: OneVsRestClassifier(clf()), "classes"),
        (lambda: MultiOutputClassifier(clf()), "labels"),
        (lambda: MultiOutputRegressor(reg()), "numbers"),
    ],
    ids=["OneVsRestClassifier", "MultiOutputClassifier", "MultiOutputRegressor"],
)
def test_neighbour_passes_weights_on_to_partial_fit(make, task):
    y = TARGETS[task]
    classes = {"classes": np.unique(y), "labels": [[0, 1], [0, 1]]}
    first = {"classes": classes[task]} if task in classes else {}
    with sklearn.config_context(enable_metadata_routing=True):
        model = make()
        for _ in range(50):
            model.partial_fit(TRAIN, spoil(y[:N_TRAIN]), sample_weight=WEIGHT, **first)
            first = {}
    assert score(y[N_TRAIN:], model.predict(TEST)) > bar(y)


@pytest.mark.parametrize(("make", "task"), [(clf, "classes"), (reg, "numbers")])
def test_pipeline_hands_names_on(make, task):
    pipeline = prepared(make()).fit(TRAIN, TARGETS[task][:N_TRAIN])
    names = [f"scaled__standard__{name}" for name in ("up", "wave")]
    names += [f"scaled__minmax__{name}" for name in ("down", "nothing")]
    names += [f"squares__{name}" for name in X]
    assert_array_equal(pipeline[-1].feature_names_in_, names)


# ---------------------------------------------------------------------------------------- tools
PREDICTIONS = [
    (clf, "classes", "predict", ()),
    (clf, "classes", "predict_proba", (3,)),
    (clf, "classes", "predict_log_proba", (3,)),
    (clf, "classes", "decision_function", (3,)),
    (clf, "two classes", "predict_proba", (2,)),
    (clf, "two classes", "decision_function", ()),
    (clf, "labels", "predict", (2,)),
    (clf, "labels", "predict_proba", (2,)),
    (reg, "number", "predict", ()),
    (reg, "numbers", "predict", (2,)),
]


@pytest.mark.parametrize(("make", "task", "method", "columns"), PREDICTIONS)
def test_cross_val_predict(make, task, method, columns):
    y = TARGETS[task][:N_TRAIN]
    with sklearn.config_context(enable_metadata_routing=True):
        ways = {"cv": KFold(3), "method": method}
        plain = cross_val_predict(make(), TRAIN, y, **ways)
        params = {"sample_weight": WEIGHT}
        weighted = cross_val_predict(make(), TRAIN, spoil(y), params=params, **ways)
    for out in (plain, weighted):
        assert out.shape == (N_TRAIN, *columns)
        if method == "predict":
            assert score(y, out) > bar(TARGETS[task])
    assert np.any(plain != weighted)


@pytest.mark.parametrize(("make", "task"), [(clf, "classes"), (reg, "numbers")])
def test_learning_curve(make, task):
    y = TARGETS[task][:N_TRAIN]
    with sklearn.config_context(enable_metadata_routing=True):
        params = {"sample_weight": WEIGHT}
        ways = {"train_sizes": [20, 180], "cv": KFold(3)}
        plain = learning_curve(make(), TRAIN, spoil(y), **ways)[2].mean(axis=1)
        weighted = learning_curve(make(), TRAIN, spoil(y), params=params, **ways)[2].mean(axis=1)
    assert weighted[1] > max(weighted[0], plain[1]) + 0.1


@pytest.mark.parametrize(("make", "task"), [(clf, "classes"), (clf, "labels"), (reg, "number")])
def test_permutation_importance(make, task):
    y = TARGETS[task]
    model = make().fit(TRAIN, y[:N_TRAIN])
    found = permutation_importance(model, TEST, y[N_TRAIN:], n_repeats=3, random_state=0)
    importance = dict(zip(X, found.importances_mean, strict=True))
    assert importance["up"] > importance["nothing"] + 0.2
    assert importance["wave"] > importance["nothing"] + 0.1


@pytest.mark.parametrize(("make", "task"), [(clf, "two classes"), (reg, "number")])
def test_partial_dependence(make, task):
    model = make().fit(TRAIN, TARGETS[task][:N_TRAIN])
    up = partial_dependence(model, TRAIN, ["up"], grid_resolution=10)["average"]
    assert up.shape == (1, 10)
    assert np.all(np.diff(up[0]) > 0)
    nothing = partial_dependence(model, TRAIN, ["nothing"], grid_resolution=10)["average"]
    assert np.ptp(nothing) < 0.4 * np.ptp(up)
