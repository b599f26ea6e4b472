"""Validation data: what is scored, when training stops, and which weights are kept."""

import pickle

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn import config_context
from sklearn.datasets import load_diabetes
from sklearn.metrics import get_scorer, log_loss, mean_absolute_error, mean_squared_error
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler, scale

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.fitting import _holdout
from sknn_scratch.fitting._prepare import prepare
from sknn_scratch.fitting._settings import settings_of
from sknn_scratch.fitting._types import Call, Rows

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:150], scale(Y)[:150]
TARGETS = {
    MLPClassifier: np.array(["low", "middle", "high"])[np.digitize(Y, [-0.6, 0.4])],
    MLPRegressor: Y,
}
WEIGHT = np.random.default_rng(0).integers(1, 4, size=len(X)).astype(float)
TRAIN, VAL = slice(0, 100), slice(100, 150)
EPOCHS = 8

ESTIMATORS = [MLPClassifier, MLPRegressor]
each_estimator = pytest.mark.parametrize("cls", ESTIMATORS)


def small(cls, **params):
    defaults = {"hidden_layer_sizes": 6, "max_iter": EPOCHS, "batch_size": 32, "random_state": 0}
    return cls(**defaults | {"learning_rate_init": 0.03} | params)


def fit(model, form=np.asarray, method="fit", weight=None, weight_val=None, **more):
    """Train on the first rows with the others as validation data."""
    y = TARGETS[type(model)]
    if method == "partial_fit" and isinstance(model, MLPClassifier):
        more["classes"] = np.unique(y)
    given = {"X_val": form(X[VAL]), "y_val": y[VAL]}
    given["sample_weight"] = None if weight is None else weight[TRAIN]
    given["sample_weight_val"] = None if weight_val is None else weight_val[VAL]
    return getattr(model, method)(form(X[TRAIN]), y[TRAIN], **given | more)


def after(cls, epochs, **params):
    """The same network after some epochs, without validation data."""
    free = {"early_stopping": False, "scoring": None, "n_iter_no_change": np.inf}
    y = TARGETS[cls]
    return small(cls, **params | free | {"max_iter": epochs}).fit(X[TRAIN], y[TRAIN])


# ------------------------------------------------------------------------------------- what is seen
FORMS = {
    "array": np.asarray,
    "sparse": csr_array,
    "frame": lambda X: pd.DataFrame(X).add_prefix("x"),
}


@pytest.mark.parametrize("early_stopping", [False, True], ids=["monitored", "early stopping"])
@pytest.mark.parametrize("form", FORMS)
@each_estimator
def test_forms_of_X(cls, form, early_stopping):
    one = fit(small(cls, early_stopping=early_stopping))
    other = fit(small(cls, early_stopping=early_stopping), FORMS[form])
    np.testing.assert_allclose(other.theta_, one.theta_, rtol=1e-9)
    np.testing.assert_allclose(other.validation_scores_, one.validation_scores_, rtol=1e-9)
    assert hasattr(other, "feature_names_in_") == (form == "frame")


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
@each_estimator
def test_monitoring_changes_nothing(cls, solver):
    y = TARGETS[cls]
    plain = small(cls, solver=solver).fit(X[TRAIN], y[TRAIN])
    monitored = fit(small(cls, solver=solver))
    np.testing.assert_array_equal(monitored.theta_, plain.theta_)
    for name in "loss_", "loss_curve_", "best_loss_", "n_iter_", "best_n_iter_":
        assert getattr(monitored, name) == getattr(plain, name)
    assert monitored.best_n_iter_ == monitored.n_iter_
    assert plain.validation_scores_ is plain.validation_loss_curve_ is None
    assert plain.best_validation_score_ is None
    for curve in monitored.validation_scores_, monitored.validation_loss_curve_:
        assert len(curve) == monitored.n_iter_
    assert monitored.validation_scores_[-1] == pytest.approx(plain.score(X[VAL], y[VAL]))
    assert monitored.best_validation_score_ == max(monitored.validation_scores_)


def mean_loss(model, X, y, weight=None):
    """The loss that training minimises, without its penalty, by scikit-learn's metrics."""
    if isinstance(model, MLPRegressor):
        return mean_squared_error(y, model.predict(X), sample_weight=weight) / 2
    probabilities = model.predict_proba(X)
    return log_loss(y, probabilities, sample_weight=weight, labels=model.classes_)


def near(model, X, y, sample_weight=None):
    """A scorer of one's own."""
    hits = model.predict(X) == y if y.dtype.kind == "U" else np.abs(model.predict(X) - y) < 0.5
    return np.average(hits, weights=sample_weight)


SCORING = {
    MLPClassifier: [None, "loss", "balanced_accuracy", "neg_log_loss", near],
    MLPRegressor: [None, "loss", "neg_mean_absolute_error", "r2", near],
}


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@pytest.mark.parametrize(
    ("cls", "scoring"), [(cls, scoring) for cls in ESTIMATORS for scoring in SCORING[cls]]
)
def test_curves_are_those_of_refits(cls, scoring, weight):
    model = fit(small(cls, scoring=scoring), weight_val=weight)
    X_val, y_val = X[VAL], TARGETS[cls][VAL]
    weight = None if weight is None else weight[VAL]
    for epoch in 1, 3, EPOCHS:
        refit = after(cls, epoch)
        loss = mean_loss(refit, X_val, y_val, weight)
        score = -loss
        if scoring != "loss":
            scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring or cls.score
            score = scorer(refit, X_val, y_val, sample_weight=weight)
        assert model.validation_loss_curve_[epoch - 1] == pytest.approx(loss, rel=1e-9)
        assert model.validation_scores_[epoch - 1] == pytest.approx(score, rel=1e-9)


@each_estimator
def test_weights_are_repetitions(cls):
    weighted = fit(small(cls, early_stopping=True), weight_val=WEIGHT)
    times, y = WEIGHT[VAL].astype(int), TARGETS[cls]
    twice = {"X_val": np.repeat(X[VAL], times, axis=0), "y_val": np.repeat(y[VAL], times)}
    repeated = fit(small(cls, early_stopping=True), **twice)
    for name in "validation_scores_", "validation_loss_curve_", "theta_":
        np.testing.assert_allclose(getattr(weighted, name), getattr(repeated, name), rtol=1e-9)


@pytest.mark.parametrize("scoring", ["neg_max_error", lambda model, X, y: -model.predict(X).max()])
def test_scorers_without_weights(scoring):
    curves = [
        fit(small(MLPRegressor, scoring=scoring), weight_val=weight).validation_scores_
        for weight in (None, WEIGHT)
    ]
    assert curves[0] == curves[1]


@each_estimator
def test_scorers_get_a_copy(cls):
    """What a scorer does to its estimator changes neither training nor what is published."""

    def meddle(model, X, y):
        seen.append(model)
        model.set_params(alpha=5.0, hidden_layer_sizes=99)
        model.mine = 1
        assert model.n_features_in_ == X.shape[1]
        return -len(seen)

    seen = []
    model = fit(small(cls, scoring=meddle))
    np.testing.assert_array_equal(model.theta_, after(cls, EPOCHS).theta_)
    assert model.validation_scores_ == [-n for n in range(1, EPOCHS + 1)]
    assert model not in seen
    assert not hasattr(model, "mine")
    assert (model.alpha, model.hidden_layer_sizes) == (0.0001, 6)


@each_estimator
def test_validation_data_in_other_types_than_training(cls):
    one = fit(small(cls, early_stopping=True))
    for X_val in X[VAL].tolist(), csr_array(X[VAL]), np.asfortranarray(X[VAL]):
        other = fit(small(cls, early_stopping=True), X_val=X_val)
        np.testing.assert_allclose(other.validation_loss_curve_, one.validation_loss_curve_)
    single = fit(small(cls), lambda X: X.astype(np.float32), X_val=X[VAL])
    assert single.theta_.dtype == np.float32
    np.testing.assert_allclose(single.validation_loss_curve_, one.validation_loss_curve_, rtol=1e-3)


# -------------------------------------------------------------------------------------- stopping
STOPPING = {"early_stopping": True, "n_iter_no_change": 3, "max_iter": 200, "tol": 1e-4}


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("scoring", [None, "loss", near])
@each_estimator
def test_best_weights_are_kept(cls, scoring, solver):
    params = {"scoring": scoring, "solver": solver, "learning_rate_init": 0.2}
    model = fit(small(cls, **STOPPING | params))
    scores = model.validation_scores_
    assert 4 < model.n_iter_ < 200
    assert model.best_n_iter_ == np.argmax(scores) + 1 < model.n_iter_
    assert model.best_validation_score_ == max(scores)
    assert model.loss_ == model.loss_curve_[model.best_n_iter_ - 1]
    assert model.best_loss_ is None
    np.testing.assert_array_equal(model.theta_, after(cls, model.best_n_iter_, **params).theta_)
    # It stopped at the first run of more than three epochs without a gain of tol.
    stalled = 0
    for k, score in enumerate(scores[1:], 1):
        assert stalled <= 3
        stalled = 0 if score >= max(scores[:k]) + model.tol else stalled + 1
    assert stalled == 4


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["equal", "weighted"])
@each_estimator
def test_X_val_replaces_the_split(cls, weight, monkeypatch):
    """The rows that the split would hold out, handed over, give the same fit."""
    monkeypatch.setattr(_holdout, "split", lambda *_: (np.arange(100), np.arange(100, 150)))
    inside = small(cls, **STOPPING).fit(X, TARGETS[cls], sample_weight=weight)
    monkeypatch.undo()
    outside = fit(small(cls, **STOPPING), weight=weight, weight_val=weight)
    np.testing.assert_array_equal(outside.theta_, inside.theta_)
    for name in "validation_scores_", "validation_loss_curve_", "loss_curve_", "best_n_iter_", "t_":
        assert getattr(outside, name) == getattr(inside, name)


@pytest.mark.parametrize("batch_size", ["auto", 95, 100])
@each_estimator
def test_X_val_leaves_all_rows_to_train_on(cls, batch_size):
    """Batches are as large as without early stopping: one step per epoch with "auto"."""
    params = {"batch_size": batch_size, "n_iter_no_change": np.inf}
    model = fit(small(cls, **params, early_stopping=True))
    assert model.t_ == 100 * EPOCHS
    assert model.loss_curve_ == after(cls, EPOCHS, **params).loss_curve_


@each_estimator
def test_partial_fit(cls):
    """Best weights are published, training goes on from the last ones."""
    kept, last = small(cls, early_stopping=True, learning_rate_init=0.3), small(cls)
    last.set_params(learning_rate_init=0.3)
    best, theta = -np.inf, None
    for call in range(1, 7):
        fit(kept, method="partial_fit")
        fit(last, method="partial_fit")
        if last.validation_scores_[-1] > best:
            best, theta, number = last.validation_scores_[-1], last.theta_, call
        assert kept.validation_scores_ == last.validation_scores_
        assert (kept.best_validation_score_, kept.best_n_iter_, kept.n_iter_) == (
            best,
            number,
            call,
        )
        assert kept.loss_ == last.loss_curve_[number - 1]
        np.testing.assert_array_equal(kept.theta_, theta)
    assert number < call, "no call that was worse: the test shows nothing"


@each_estimator
def test_partial_fit_without_validation_data(cls):
    model, y = small(cls, early_stopping=True), TARGETS[cls]
    more = {"classes": np.unique(y)} if cls is MLPClassifier else {}
    with pytest.raises(ValueError, match="partial_fit does not support early_stopping=True"):
        model.partial_fit(X, y, **more)
    assert not hasattr(model, "theta_")


@each_estimator
def test_lbfgs_is_monitored_only(cls):
    with pytest.warns(UserWarning, match="early_stopping is ignored"):
        model = fit(small(cls, solver="lbfgs", early_stopping=True, scoring="loss"))
    np.testing.assert_array_equal(model.theta_, after(cls, EPOCHS, solver="lbfgs").theta_)
    assert [-loss for loss in model.validation_loss_curve_] == model.validation_scores_
    half = after(cls, 4, solver="lbfgs")
    loss = mean_loss(half, X[VAL], TARGETS[cls][VAL])
    assert model.validation_loss_curve_[3] == pytest.approx(loss, rel=1e-9)


# ------------------------------------------------------------------------------ metadata routing
@pytest.fixture
def routing():
    with config_context(enable_metadata_routing=True):
        yield


def routed(cls, **params):
    """A pipeline that scales X_val as it scales X."""
    names = ["X_val", "y_val", "sample_weight_val"]
    network = small(cls, early_stopping=True, **params).set_fit_request(
        **dict.fromkeys(names, True)
    )
    return make_pipeline(StandardScaler(), network, transform_input=["X_val"])


@pytest.mark.usefixtures("routing")
@each_estimator
def test_pipeline(cls):
    y, weight = TARGETS[cls], WEIGHT[VAL]
    given = {"X_val": 9 + 3 * X[VAL], "y_val": y[VAL], "sample_weight_val": weight}
    pipeline = routed(cls).fit(9 + 3 * X[TRAIN], y[TRAIN], **given)
    scaler = StandardScaler().fit(9 + 3 * X[TRAIN])
    by_hand = given | {"X_val": scaler.transform(given["X_val"])}
    network = small(cls, early_stopping=True).fit(
        scaler.transform(9 + 3 * X[TRAIN]), y[TRAIN], **by_hand
    )
    np.testing.assert_array_equal(pipeline[-1].theta_, network.theta_)
    assert pipeline[-1].validation_scores_ == network.validation_scores_


@pytest.mark.usefixtures("routing")
@each_estimator
def test_search_over_a_pipeline(cls):
    y, name = TARGETS[cls], cls.__name__.lower()
    search = GridSearchCV(routed(cls), {f"{name}__alpha": [0.0, 1.0]}, cv=2, error_score="raise")
    search.fit(X[TRAIN], y[TRAIN], X_val=X[VAL], y_val=y[VAL])
    network = search.best_estimator_[-1]
    assert len(network.validation_scores_) == network.n_iter_


# ------------------------------------------------------------------------------------- bad input
FRAME = pd.DataFrame(X[VAL]).add_prefix("z")
ONES = np.ones(50)
#: What is passed beside good training data, and what the message says.
BAD = {
    "X_val with other features": ({"X_val": X[VAL, :3]}, r"3 features.*10 features.*X_val"),
    "X_val of one dimension": ({"X_val": X[0]}, "X_val"),
    "X_val with nan": ({"X_val": np.full((50, 10), np.nan)}, "X_val"),
    "X_val without rows": ({"X_val": X[:0], "y_val": Y[:0]}, "X_val"),
    "other lengths": ({"X_val": X[:7]}, "y_val"),
    "X_val missing": ({"X_val": None}, "X_val is missing"),
    "y_val missing": ({"y_val": None}, "y_val is missing"),
    "weights alone": ({"X_val": None, "y_val": None, "sample_weight_val": ONES}, "alone"),
    "weights of another length": ({"sample_weight_val": ONES[:7]}, "sample_weight_val"),
    "negative weights": ({"sample_weight_val": -ONES}, "sample_weight_val"),
    "weights of an infinite sum": (
        {"sample_weight_val": 1e308 * ONES},
        "over the validation data.*sample_weight_val",
    ),
    "weights of zero": ({"sample_weight_val": 0 * ONES}, "sample_weight_val"),
    "y_val with nan": ({"y_val": np.full(50, np.nan)}, "y_val"),
    "y_val with another number of columns": (
        {"y_val": np.eye(3)[np.arange(50) % 3]},
        r"y must h.*, as in training\. Got .*: pass y .* \(in y_val of MLP",
    ),
}
BAD_CLASSES = {
    "unseen classes": ({"y_val": ["low"] * 49 + ["huge"]}, r"(?s)classes.*huge.*y_val"),
    "numbers for names": ({"y_val": np.arange(50) % 3}, "y_val"),
}
BAD_NUMBERS = {"words": ({"y_val": ["low"] * 50}, "y_val")}
CASES = [
    (cls, *row)
    for cls, table in [(MLPClassifier, BAD | BAD_CLASSES), (MLPRegressor, BAD | BAD_NUMBERS)]
    for row in table.values()
]
IDS = [f"classifier, {name}" for name in BAD | BAD_CLASSES]
IDS += [f"regressor, {name}" for name in BAD | BAD_NUMBERS]


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("cls", "given", "message"), CASES, ids=IDS)
def test_bad_input(cls, given, message, method):
    model = fit(small(cls))
    before = dict(vars(model))
    with pytest.raises((ValueError, TypeError), match=message):
        fit(model, method=method, **given)
    assert vars(model) == before


@each_estimator
def test_other_feature_names(cls):
    with pytest.raises(ValueError, match=r"(?s)feature names.*X_val"):
        fit(small(cls), FORMS["frame"], X_val=FRAME)


@pytest.mark.parametrize(
    ("name", "y_val", "X_val"),
    [("y_val", -abs(Y[VAL]), X[VAL]), ("X_val", abs(Y[VAL]), X[VAL] * 1e300)],
)
def test_messages_name_what_is_wrong(name, y_val, X_val):
    model = small(MLPRegressor, loss="poisson")
    with pytest.raises(ValueError, match=name) as error:
        model.fit(X.astype(np.float32), abs(Y), X_val=X_val, y_val=y_val)
    assert "sample_weight_val" not in str(error.value)


@pytest.mark.parametrize("scoring", ["acuracy", 3, ["r2"]])
@each_estimator
def test_bad_scoring(cls, scoring):
    with pytest.raises(ValueError, match="scoring"):
        fit(small(cls, scoring=scoring))


@each_estimator
def test_a_failing_scorer_raises_its_own_error(cls):
    def fail(model, X, y):
        raise ZeroDivisionError("mine")

    model = small(cls, scoring=fail)
    with pytest.raises(ZeroDivisionError, match="mine"):
        fit(model)
    assert not hasattr(model, "theta_")


def test_multilabel_and_several_targets():
    labels, targets = np.column_stack([Y > 0, X[:, 2] > 0]).astype(int), np.column_stack([Y, -Y])
    for model, y in (small(MLPClassifier), labels), (small(MLPRegressor), targets):
        for form in (np.asarray, csr_array) if y is labels else (np.asarray,):
            model.set_params(early_stopping=True)
            model.fit(X[TRAIN], form(y[TRAIN]), X_val=X[VAL], y_val=form(y[VAL]))
            best = model.score(X[VAL], y[VAL])
            assert model.best_validation_score_ == pytest.approx(best, rel=1e-9)
            with pytest.raises(ValueError, match="y_val"):
                model.fit(
                    X[TRAIN],
                    form(y[TRAIN]),
                    X_val=X[VAL],
                    y_val=np.eye(3, dtype=int)[np.arange(50) % 3],
                )


def test_absolute_error_of_a_known_case():
    """A constant network: the curve is what one computes on paper."""
    model = MLPRegressor(
        hidden_layer_sizes=(), initializer="zeros", loss="absolute_error", solver="sgd",
        momentum=0.0, learning_rate_init=1e-12, max_iter=2, scoring="loss",
    )  # fmt: skip
    fit(model)
    expected = mean_absolute_error(Y[VAL], np.zeros(50))
    np.testing.assert_allclose(model.validation_loss_curve_, [expected] * 2, rtol=1e-9)


@pytest.mark.parametrize("scoring", [None, "loss", "accuracy"])
def test_a_judge_travels_to_another_process(scoring):
    model = small(MLPClassifier, early_stopping=True, scoring=scoring)
    rows = Rows(X, TARGETS[MLPClassifier], WEIGHT)
    job = prepare(model, settings_of(model), rows, Call())
    there = pickle.loads(pickle.dumps(job.plan.judge))
    assert there(job.state.theta) == job.plan.judge(job.state.theta)
