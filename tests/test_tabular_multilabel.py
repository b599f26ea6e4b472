"""Targets of several columns of the tabular estimators: multilabel indicators above all."""

import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_array, csr_matrix, issparse
from scipy.special import expit
from sklearn.metrics import accuracy_score, get_scorer, log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_val_score

from sknn_scratch import MLPClassifier, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import BinaryLogLoss, Checkpoint
from sknn_scratch.contracts import Callback
from sknn_scratch.training.calibration import BOUNDS, PRIOR

N = 100
SMALL = {"n_ensemble": 3, "hidden_layer_sizes": (8,), "max_iter": 20, "min_steps": 0}
SMALL |= {"n_bins": 2, "random_state": 0}
RNG = np.random.default_rng(0)
X = pd.DataFrame({"a": RNG.normal(size=N), "b": pd.Categorical(RNG.choice(list("xyz"), N))})
A, IS_X = X["a"].to_numpy(), (X["b"] == "x").to_numpy()
Y = np.column_stack([A > 0.3, IS_X, (A**2 > 1.0) ^ IS_X]).astype(int)
WEIGHT = RNG.random(N)
NUMBERS = np.column_stack([A + IS_X, 1e6 + 1e3 * A])
#: Estimators with targets of several columns.
BOTH = pytest.mark.parametrize(
    ("cls", "y"), [(TabularMLPClassifier, Y), (TabularMLPRegressor, NUMBERS)], ids=["0/1", "reals"]
)


def fit(y=Y, *args, cls=TabularMLPClassifier, given=None, **params):
    return cls(**SMALL | params).fit(X, y, *args, **(given or {}))


@pytest.fixture(scope="module")
def fitted():
    return fit()


def held_out(model):
    """Yield each member, its encoded held-out rows and their indicators."""
    Z = model.preprocessor_.transform(X)
    for member, rows in zip(model.estimators_, model.held_out_, strict=True):
        yield member, Z[rows], Y[rows]


# --- Predictions.


@given(
    st.integers(6, 40),
    st.integers(2, 5),
    st.sampled_from([np.asarray, csr_matrix, csr_array, pd.DataFrame, np.ndarray.tolist]),
    st.sampled_from([int, bool, np.float64]),
    st.integers(0, 2**32 - 1),
)
@settings(max_examples=15, deadline=None)
def test_indicators_of_any_form(n, n_labels, container, dtype, seed):
    rng = np.random.default_rng(seed)
    y = (rng.random((n, n_labels)) < rng.random(n_labels)).astype(dtype)
    given_y, table = container(y), rng.normal(size=(n, 2))
    model = TabularMLPClassifier(**SMALL | {"max_iter": 2, "n_ensemble": 2}).fit(table, given_y)
    p, log_p, scores = (
        getattr(model, method)(table)
        for method in ("predict_proba", "predict_log_proba", "decision_function")
    )
    y_pred = model.predict(table)
    assert issparse(y_pred) == issparse(given_y)
    dense = y_pred.toarray() if issparse(y_pred) else y_pred
    assert p.shape == log_p.shape == scores.shape == dense.shape == y.shape
    assert dense.dtype.kind == "i"
    assert_array_equal(dense, p > 0.5)
    assert_allclose(log_p, np.log(p))
    assert_allclose(expit(scores), p, atol=1e-6)
    assert_array_equal(model.classes_, np.arange(n_labels))
    assert model.score(table, given_y) == accuracy_score(y.astype(int), dense)


def test_labels_are_learned(fitted):
    assert fitted.score(X, Y) > 0.7
    assert accuracy_score(Y.ravel(), fitted.predict(X).ravel()) > 0.9
    assert {type(member) for member in fitted.estimators_} == {MLPClassifier}
    assert {type(member.loss) for member in fitted.estimators_} == {BinaryLogLoss}
    Z = fitted.preprocessor_.transform(X)
    mean = np.mean([member.predict_proba(Z) for member in fitted.estimators_], axis=0)
    assert_allclose(fitted.predict_proba(X), mean, atol=1e-6)
    assert fitted.score(X, Y, WEIGHT) == accuracy_score(Y, fitted.predict(X), sample_weight=WEIGHT)


def test_one_member_has_the_scores_of_its_network():
    model = fit(n_ensemble=1)
    own = model.estimators_[0].decision_function(model.preprocessor_.transform(X))
    assert_allclose(model.decision_function(X), own, rtol=1e-5, atol=1e-6)


def test_scores_of_far_rows_are_finite_and_ranked():
    sizes = np.linspace(-1e3, 1e3, 41)
    table = np.column_stack([np.r_[A, sizes], np.zeros(N + 41)])
    y = np.column_stack([A > 0, A < 0]).astype(int)
    model = TabularMLPClassifier(**SMALL | {"max_iter": 60, "n_bins": 0}).fit(table[:N], y)
    scores = model.decision_function(table[N:])
    assert np.isfinite(scores).all()
    assert np.isfinite(model.predict_log_proba(table[N:])).all()
    assert (np.diff(scores[:, 0]) >= 0).all()
    assert (np.diff(scores[:, 1]) <= 0).all()


def test_a_label_twice_is_the_label_once():
    """Two equal columns double all gradients, of which Adam sees no more than the direction."""
    params = {"scoring": "loss", "calibrate": False, "solver": "adam", "max_iter": 10}
    twice = fit(np.column_stack([Y[:, 0], Y[:, 0]]), **params).predict_proba(X)
    once = fit(Y[:, 0], loss="binary_log_loss", **params).predict_proba(X)
    assert_allclose(twice, np.column_stack([once[:, 1]] * 2), atol=1e-3)


# --- Temperature and scores of held-out rows.


def test_members_are_scored_at_the_best_of_several_temperatures():
    model = fit(calibrate=False)
    for member, Z, y in held_out(model):
        z = member.decision_function(Z)
        losses = [log_loss(y.ravel(), expit(0.2 * k * z).ravel()) for k in range(1, 9)]
        assert_allclose(member.best_validation_score_, -min(losses), rtol=1e-5)


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_one_temperature_of_all_labels(weight):
    model, plain = (fit(Y, weight, calibrate=on) for on in (True, False))
    z = np.concatenate([member.decision_function(Z).ravel() for member, Z, _ in held_out(plain)])
    y = np.concatenate([own.ravel() for *_, own in held_out(plain)])
    own_weight = None if weight is None else np.repeat(weight[np.concatenate(plain.held_out_)], 3)

    def value(log_factor):
        p = expit(np.exp(log_factor) * z.astype(np.float64))
        return log_loss(y, p, sample_weight=own_weight) + PRIOR / len(y) * log_factor**2

    best = minimize_scalar(value, bounds=np.log(BOUNDS), method="bounded").x
    assert_allclose(model.temperature_, np.exp(-best), rtol=1e-4)
    assert_allclose(plain.temperature_, 1.0)
    for own, other in zip(model.estimators_, plain.estimators_, strict=True):
        assert_allclose(own.coefs_[-1] * model.temperature_, other.coefs_[-1], rtol=1e-5)


@pytest.mark.parametrize(
    ("scoring", "form"),
    [("accuracy", csr_matrix), ("jaccard_samples", np.asarray), ("roc_auc", np.asarray)],
)
@pytest.mark.filterwarnings("ignore:Jaccard is ill-defined")
def test_scorers_of_multilabel_targets(scoring, form):
    model, scorer = fit(form(Y), scoring=scoring, calibrate=False), get_scorer(scoring)
    expected = [scorer(member, Z, form(y)) for member, Z, y in held_out(model)]
    assert_allclose([member.best_validation_score_ for member in model.estimators_], expected)


# --- Weights and validation data.


def test_class_weights_are_weights_of_rows():
    table = pd.DataFrame({"b": np.where(IS_X, "x", "y")})  # whose encoding ignores weights
    of_class = [{0: 1.0, 1: 3.0}, None, "balanced"]
    counts = np.bincount(Y[:, 2])
    weight = np.where(Y[:, 0], 3.0, 1.0) * (N / (2 * counts))[Y[:, 2]]
    one = TabularMLPClassifier(**SMALL, class_weight=of_class).fit(table, Y)
    two = TabularMLPClassifier(**SMALL).fit(table, Y, weight)
    assert_allclose(one.predict_proba(table), two.predict_proba(table), rtol=1e-5)


@pytest.mark.parametrize("sparse", [False, True])
def test_validation_data(sparse):
    own = csr_matrix(Y) if sparse else Y
    model = fit(own, given={"X_val": X[:30], "y_val": own[:30], "sample_weight_val": WEIGHT[:30]})
    assert_array_equal(model.held_out_[0], np.arange(30))
    member, Z = model.estimators_[0], model.preprocessor_.transform(X[:30])
    z = model.temperature_ * member.decision_function(Z)
    w = np.repeat(WEIGHT[:30], 3)
    losses = [
        log_loss(Y[:30].ravel(), expit(0.2 * k * z).ravel(), sample_weight=w) for k in range(1, 9)
    ]
    assert_allclose(member.best_validation_score_, -min(losses), rtol=1e-4)


@pytest.mark.parametrize(
    ("y", "params", "words"),
    [
        (2 * Y - 1, {}, r"y must hold 0/1 indicators .* pass \(y == 1\)"),
        (Y + np.arange(3), {}, "y must hold one class label for each sample, or multilabel"),
        (Y, {"class_weight": "balanced"}, "a list with one dict.*for each of the 3 labels"),
        (Y, {"class_weight": [None]}, "a list with one dict.*for each of the 3 labels"),
        (Y, {"loss": "focal"}, "'loss' parameter .* must be a loss for multilabel targets"),
        (Y[:, 0], {"class_weight": [None]}, "one label per sample. Got a list"),
    ],
)
def test_what_is_refused(y, params, words):
    with pytest.raises(ValueError, match=words):
        fit(y, **params)


@pytest.mark.parametrize("y_val", [Y[:, :2], Y[:, 0], 2 * Y], ids=["fewer", "one", "twos"])
def test_validation_data_of_another_form(y_val):
    with pytest.raises(ValueError, match=r"y must hold 0/1 indicators .* \(in y_val of Tabular"):
        fit(given={"X_val": X, "y_val": y_val})


def test_score_of_another_form(fitted):
    with pytest.raises(ValueError, match="y must hold 0/1 indicators of 3 labels"):
        fitted.score(X, Y[:, :2])


@pytest.mark.parametrize("y", [np.zeros((N, 2), int), np.ones((N, 2), int)], ids=["none", "all"])
def test_labels_without_variation(y):
    model = fit(y)
    assert_array_equal(model.predict(X), y)
    assert np.isfinite(model.decision_function(X)).all()


def test_tags():
    by_loss = {
        loss: TabularMLPClassifier(loss=loss).__sklearn_tags__().classifier_tags
        for loss in ("log_loss", "binary_log_loss", "focal")
    }
    assert [tags.multi_label for tags in by_loss.values()] == [True, True, False]
    assert [tags.multi_class for tags in by_loss.values()] == [True, False, True]


# --- What all targets of several columns have.


class PowerCut(Callback):
    def on_epoch_end(self, memory, run):
        if (run.member, run.epoch) == (1, 2):
            raise RuntimeError("power")


@BOTH
@pytest.mark.parametrize("given", [{}, {"X_val": X[:40]}], ids=["folds", "given"])
def test_resume(cls, y, given, tmp_path):
    path, given = tmp_path / "fit.npz", given | {"y_val": y[:40]} if given else {}
    whole = fit(y, cls=cls, given=given, max_iter=3)
    with pytest.raises(RuntimeError, match="power"):
        fit(y, cls=cls, given=given, max_iter=3, callbacks=[Checkpoint(path), PowerCut()])
    resumed = cls(**SMALL | {"max_iter": 3}).resume(path, X, y, **given)
    assert_array_equal(resumed.predict(X), whole.predict(X))
    for own, other in zip(resumed.estimators_, whole.estimators_, strict=True):
        assert_array_equal(own.theta_, other.theta_)
    with pytest.raises(ValueError, match="of another fit: its y is"):
        cls(**SMALL | {"max_iter": 3}).resume(path, X, y[::-1], **given)


@BOTH
def test_copies(cls, y, tmp_path):
    model = fit(y, cls=cls, max_iter=2)
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (pickle.loads(pickle.dumps(model)), joblib.load(tmp_path / "model.joblib")):
        assert_array_equal(other.predict(X), model.predict(X))


@BOTH
def test_skops(cls, y):
    io = pytest.importorskip("skops.io")
    from sknn_scratch.interop import TRUSTED_TYPES

    model = fit(y, cls=cls, max_iter=2)
    other = io.loads(io.dumps(model), trusted=TRUSTED_TYPES)
    assert_array_equal(other.predict(X), model.predict(X))
    assert other.score(X, y) == model.score(X, y)


@BOTH
def test_searches(cls, y):
    model = cls(**SMALL | {"max_iter": 2, "n_ensemble": 1})
    search = GridSearchCV(model, {"alpha": [0.0, 1.0]}, cv=2).fit(X, y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    assert cross_val_predict(model, X, y, cv=2).shape == y.shape


def test_ranking_scores():
    assert cross_val_score(TabularMLPClassifier(**SMALL), X, Y, cv=2, scoring="roc_auc").min() > 0.7


@pytest.mark.parametrize("raw_scores", [False, True])
@pytest.mark.parametrize("form", [np.asarray, csr_matrix], ids=["dense", "sparse"])
def test_onnx(form, raw_scores):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    from sknn_scratch.onnx import feed, to_onnx

    model = fit(form(Y))
    options = {"options": {TabularMLPClassifier: {"raw_scores": True}}} if raw_scores else {}
    session = runtime.InferenceSession(to_onnx(model, X, **options).SerializeToString())
    labels, scores = session.run(None, feed(session, X))
    y_pred = model.predict(X)
    assert_array_equal(labels, y_pred.toarray() if issparse(y_pred) else y_pred)
    expected = model.decision_function(X) if raw_scores else model.predict_proba(X)
    assert_allclose(scores, expected, atol=1e-5, rtol=1e-5)
    assert session.get_outputs()[0].shape[1] == 3
