"""``scoring`` of the tabular estimators: scorers of scikit-learn judge the members."""

import pickle

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import fbeta_score, get_scorer, make_scorer

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Checkpoint
from sknn_scratch.contracts import Callback
from sknn_scratch.inspection import LossCurveDisplay

N = 90
SMALL = {"n_ensemble": 3, "hidden_layer_sizes": (6,), "max_iter": 4, "min_steps": 0}
SMALL |= {"n_bins": 2, "random_state": 0}
ESTIMATORS = [TabularMLPClassifier, TabularMLPRegressor]
EACH = pytest.mark.parametrize("cls", ESTIMATORS)
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": pd.Categorical(RNG.choice(list("xyz"), N))})
NUMBERS = 2.0 + X["a"].to_numpy() ** 2 + (X["b"] == "x") + 0.1 * RNG.normal(size=N)
CLASSES = np.where(np.median(NUMBERS) < NUMBERS, "high", "low")
THREE = np.digitize(NUMBERS, [2.3, 3.0]) * 10
BOTH = np.column_stack([NUMBERS, 1e6 - 1e4 * X["a"]])
WEIGHT = RNG.random(N)


def y_of(cls):
    return CLASSES if cls is TabularMLPClassifier else NUMBERS


def fit(cls, y, *args, given=None, **params):
    own = {"calibrate": False} if cls is TabularMLPClassifier else {"clip": False}
    return cls(**SMALL | own | params).fit(X, y, *args, **(given or {}))


def kept_scores(model):
    return [member.best_validation_score_ for member in model.estimators_]


def mean_error(estimator, X, y):
    """Return the mean of squared errors, negated."""
    return -np.mean((estimator.predict(X) - y) ** 2)


def in_doubt(estimator, X, y):
    """Return the mean margin of the true class."""
    proba = estimator.predict_proba(X)
    return np.mean(proba[np.arange(len(y)), np.searchsorted(estimator.classes_, y)])


# --- The score of the weights that are kept.

JUDGED = [
    (TabularMLPClassifier, CLASSES, "accuracy", {}),
    (TabularMLPClassifier, CLASSES, "roc_auc", {}),
    (TabularMLPClassifier, CLASSES, "neg_log_loss", {"ema_decay": 0.5}),
    (TabularMLPClassifier, CLASSES, "balanced_accuracy", {"loss": "binary_log_loss"}),
    (TabularMLPClassifier, CLASSES, make_scorer(fbeta_score, beta=2, pos_label="high"), {}),
    (TabularMLPClassifier, THREE, "f1_macro", {"loss": "focal"}),
    (TabularMLPClassifier, THREE, in_doubt, {"input_scaling": False}),
    (TabularMLPRegressor, NUMBERS, "r2", {}),
    (TabularMLPRegressor, 1.7e9 + NUMBERS, "neg_median_absolute_error", {}),
    (TabularMLPRegressor, NUMBERS, mean_error, {"link": "log"}),
    (TabularMLPRegressor, BOTH, mean_error, {"link": "auto"}),
    (TabularMLPRegressor, BOTH, "explained_variance", {"dropout": 0.2}),
    (TabularMLPRegressor, NUMBERS, "neg_mean_gamma_deviance", {"loss": "gamma"}),
]


@pytest.mark.filterwarnings("ignore:.*ill-defined")
@pytest.mark.parametrize(("cls", "y", "scoring", "params"), JUDGED)
def test_the_score_is_that_of_the_member(cls, y, scoring, params):
    check_scores(fit(cls, y, scoring=scoring, **params), y)


def check_scores(model, y):
    Z, scorer = model.preprocessor_.transform(X), get_scorer(model.scoring)
    expected = [
        scorer(member, Z[rows], y[rows])
        for member, rows in zip(model.estimators_, model.held_out_, strict=True)
    ]
    assert_allclose(kept_scores(model), expected, rtol=1e-5, atol=1e-6)
    for member in model.estimators_:
        assert max(member.validation_scores_) <= member.best_validation_score_


@pytest.mark.slow
@pytest.mark.parametrize(("cls", "y", "scoring"), [row[:3] for row in JUDGED[1::5]])
def test_processes(cls, y, scoring):
    model = fit(cls, y, scoring=scoring, n_jobs=2)
    check_scores(model, y)
    local = fit(cls, y, n_jobs=2, scoring=lambda *args: get_scorer(scoring)(*args))
    assert_allclose(kept_scores(local), kept_scores(model))


@pytest.mark.filterwarnings("ignore:.*ill-defined")
@pytest.mark.parametrize(("cls", "y", "scoring"), [row[:3] for row in JUDGED[::3]])
def test_validation_data_and_weights(cls, y, scoring):
    given = {"X_val": X[:40], "y_val": y[:40], "sample_weight_val": WEIGHT[:40]}
    model = fit(cls, y, WEIGHT, given=given, scoring=scoring)
    Z, scorer = model.preprocessor_.transform(X[:40]), get_scorer(scoring)
    weight = {"sample_weight": WEIGHT[:40].astype(np.float32)} if isinstance(scoring, str) else {}
    if hasattr(scoring, "_score_func"):
        weight = {"sample_weight": WEIGHT[:40].astype(np.float32)}
    expected = [scorer(member, Z, y[:40], **weight) for member in model.estimators_]
    assert_allclose(kept_scores(model), expected, rtol=1e-5, atol=1e-6)


@given(st.integers(12, 60), st.integers(1, 3), st.integers(2, 5))
@settings(max_examples=8, deadline=None)
def test_targets_of_any_shape(n, n_targets, n_folds):
    rng = np.random.default_rng(n)
    table, y = rng.normal(size=(n, 2)), rng.normal(size=(n, 3))[:, :n_targets] * 1e4
    y = y[:, 0] if n_targets == 1 else y
    params = SMALL | {"n_folds": n_folds, "max_iter": 1, "n_ensemble": 2, "clip": False}
    seen = []

    def scorer(estimator, Z, y):
        seen.append((Z, y))
        return -np.abs(estimator.predict(Z) - y).max()

    model = TabularMLPRegressor(**params, scoring=scorer).fit(table, y)
    for (Z, got), rows in zip([seen[0], seen[-1]], model.held_out_, strict=True):
        assert_array_equal(Z, model.preprocessor_.transform(table)[rows])
        assert_allclose(got, y[rows], atol=1e-6 * np.abs(y).max())


# --- The default, and the loss.


@EACH
def test_the_loss_as_score(cls):
    model = fit(cls, y_of(cls), scoring="loss")
    for member in model.estimators_:
        for row in member.history_:
            if cls is TabularMLPClassifier:
                assert row["validation_score"] == -row["validation_loss"]
    if cls is TabularMLPRegressor:
        usual = fit(cls, NUMBERS)
        assert kept_scores(model) == kept_scores(usual)
        assert_array_equal(model.predict(X), usual.predict(X))


def test_a_score_decides_which_weights_are_kept_and_when_training_ends():
    """A scorer that prefers the first weights stops members as soon as patience allows."""
    best = {"max_iter": 40, "patience": 1.5}
    first = fit(TabularMLPRegressor, NUMBERS, scoring=_falling(), **best)
    last = fit(TabularMLPRegressor, NUMBERS, scoring=_rising(), **best)
    assert {member.best_n_iter_ for member in first.estimators_} == {1}
    assert {member.best_n_iter_ for member in last.estimators_} == {40}
    assert first.n_iter_ < 10
    assert last.n_iter_ == 40


def _falling():
    calls = iter(range(10**6))
    return lambda estimator, X, y: -float(next(calls))


def _rising():
    calls = iter(range(10**6))
    return lambda estimator, X, y: float(next(calls))


# --- What a scorer gets.


@EACH
def test_a_scorer_gets_a_plain_network_and_encoded_rows(cls):
    seen = []

    def scorer(estimator, Z, y):
        seen.append((estimator, Z, y))
        return 0.0

    model = fit(cls, y_of(cls), scoring=scorer)
    plain = MLPClassifier if cls is TabularMLPClassifier else MLPRegressor
    estimator, Z, y = seen[0]
    assert type(estimator) is plain
    assert estimator.n_features_in_ == Z.shape[1] == model.preprocessor_.n_features_out_
    assert_array_equal(Z, model.preprocessor_.transform(X)[model.held_out_[0]])
    if cls is TabularMLPClassifier:
        assert_array_equal(y, CLASSES[model.held_out_[0]])
        assert_array_equal(estimator.classes_, model.classes_)
    else:
        assert_allclose(y, NUMBERS[model.held_out_[0]], rtol=1e-6)


@EACH
def test_resume_and_its_scoring(cls, tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, memory, run):
            if (run.member, run.epoch) == (1, 2):
                raise RuntimeError("power")

    y, path = y_of(cls), tmp_path / "fit.npz"
    scoring = "accuracy" if cls is TabularMLPClassifier else "r2"
    whole = fit(cls, y, scoring=scoring)
    with pytest.raises(RuntimeError, match="power"):
        fit(cls, y, scoring=scoring, callbacks=[Checkpoint(path), Stop()])
    own = {"calibrate": False} if cls is TabularMLPClassifier else {"clip": False}
    resumed = cls(**SMALL | own, scoring=scoring).resume(path, X, y)
    assert_array_equal(resumed.predict(X), whole.predict(X))
    assert kept_scores(resumed) == kept_scores(whole)
    with pytest.raises(ValueError, match="of another fit: its scoring is"):
        cls(**SMALL | own).resume(path, X, y)


@EACH
def test_pickles_and_curves_of_scored_members(cls):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    scoring = "accuracy" if cls is TabularMLPClassifier else "r2"
    model = pickle.loads(pickle.dumps(fit(cls, y_of(cls), scoring=scoring)))
    display = LossCurveDisplay.from_estimator(model)
    heights = [line.get_ydata()[-1] for line in display.lines_]
    scores = [member.validation_scores_ for member in model.estimators_]
    assert_allclose(heights, [[s for s in own if s == s][-1] for own in scores])
    pyplot.close("all")


# --- Scorers that fail.


@EACH
@pytest.mark.parametrize("scoring", ["nonsense", "Accuracy", "acuracy"])
def test_unknown_scorers(cls, scoring):
    must = "None, 'loss', the name of a scorer of scikit-learn, or a callable"
    with pytest.raises(ValueError, match=f"'scoring' parameter of {cls.__name__} must be {must}"):
        fit(cls, y_of(cls), scoring=scoring)


@pytest.mark.parametrize(
    ("cls", "y", "scoring"),
    [
        (TabularMLPClassifier, THREE, "f1"),
        (TabularMLPClassifier, THREE, "roc_auc"),
        (TabularMLPRegressor, NUMBERS - 4, "neg_mean_squared_log_error"),
        (TabularMLPRegressor, BOTH, "neg_mean_gamma_deviance"),
    ],
)
def test_scorers_that_do_not_suit(cls, y, scoring):
    model = fit(cls, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match=r"failed on the validation data.*suits y"):
        model.set_params(scoring=scoring).fit(X, y)
    assert_array_equal(model.predict(X), before)


@EACH
def test_scores_that_are_no_numbers(cls):
    with pytest.raises(ValueError, match=r"must return a number\. Got 'good'"):
        fit(cls, y_of(cls), scoring=lambda estimator, X, y: "good")


def test_scorers_that_miss_a_class():
    def fails(estimator, X, y):
        raise ValueError("I want all classes.")

    y = np.where(np.arange(N) == 5, "rare", CLASSES)
    words = r"lacks a class.*\['rare'\]: pass X_val and y_val with all classes, lower n_folds"
    with pytest.raises(ValueError, match=words):
        fit(TabularMLPClassifier, y, scoring=fails)


def test_members_without_a_score():
    """A fold of one class has no area under a curve."""
    y = np.where(np.arange(N) == 5, "alone", "frequent")
    remedy = "no score of their held-out rows was a number: lower n_folds, pass X_val"
    with (
        pytest.warns(ConvergenceWarning, match=f"7 of 8 members are left out, as {remedy}"),
        pytest.warns(UndefinedMetricWarning, match="Only one class"),
    ):
        model = fit(TabularMLPClassifier, y, scoring="roc_auc", n_ensemble=8)
    assert len(model.estimators_) == 1
    y_val = {"X_val": X, "y_val": np.full(N, "frequent")}
    with (
        pytest.raises(ValueError, match=f"3 of 3 members are left out, as {remedy}"),
        pytest.warns(UndefinedMetricWarning, match="Only one class"),
    ):
        fit(TabularMLPClassifier, y, scoring="roc_auc", given=y_val)
