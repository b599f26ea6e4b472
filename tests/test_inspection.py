"""Inspection: traces equal what training computes, tables the arrays; pictures show the data."""

import doctest
import subprocess
import sys
import warnings
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.sparse import csc_array, csr_matrix
from scipy.special import expit, softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neural_network import MLPClassifier as SklearnClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.components import SGD, Adam, Gelu, Quantile, Softplus, StopOnRise, Tanh
from sknn_scratch.core.network import Network
from sknn_scratch.inspection import (
    LossCurveDisplay,
    SearchCurveDisplay,
    Trace,
    WeightsDisplay,
    _access,
    _curves,
    summary,
    trace,
)
from sknn_scratch.training.steps import BatchSteps

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 4))
TARGETS = {
    "one": X @ [1.0, -1.0, 0.5, 0.0],
    "two": X[:, :2] ** 2,
    "positive": np.exp(X[:, 0]),
    "binary": np.where(X[:, 0] > 0, "yes", "no"),
    "classes": np.digitize(X[:, 1], [-0.5, 0.5]),
    "labels": (X[:, :3] > 0).astype(int),
}
WEIGHT = RNG.uniform(0.5, 2.0, len(X))


class Case(NamedTuple):
    """An estimator and the kind of its targets."""

    estimator: object
    target: str
    sample_weight: object = None


def regressor(**params):
    return MLPRegressor(hidden_layer_sizes=(5, 3), max_iter=3, random_state=0, **params)


def classifier(**params):
    return MLPClassifier(hidden_layer_sizes=(5, 3), max_iter=3, random_state=0, **params)


CASES = {
    "squared error": Case(regressor(activation="tanh"), "one"),
    "two outputs, weighted": Case(regressor(activation="logistic", alpha=0.3), "two", WEIGHT),
    "z is kept": Case(regressor(activation=("gelu", "tanh"), alpha=0.1), "one"),
    "a component": Case(regressor(activation=Softplus()), "one"),
    "log link": Case(regressor(activation="tanh", loss="poisson"), "positive", WEIGHT),
    "several quantiles": Case(regressor(activation="tanh", loss=Quantile((0.2, 0.7))), "one"),
    "binary": Case(classifier(activation="tanh"), "binary"),
    "one output": Case(classifier(activation="tanh", loss="binary_log_loss"), "binary", WEIGHT),
    "softmax": Case(classifier(activation=("relu", "identity"), alpha=1.0), "classes", WEIGHT),
    "labels": Case(classifier(activation="logistic"), "labels"),
    "class weights": Case(
        classifier(activation="tanh", class_weight={"yes": 3.0}), "binary", WEIGHT
    ),
    "dropout": Case(regressor(activation="tanh", dropout=0.5), "one"),
    "l1": Case(regressor(activation="tanh", alpha=0.5, l1_ratio=0.4), "one"),
    "linear": Case(MLPRegressor(hidden_layer_sizes=(), max_iter=3, random_state=0), "two"),
}


def fit(case, data=X, **params):
    """Return the fitted estimator of a case, and y."""
    est, y = clone(case.estimator).set_params(**params), TARGETS[case.target]
    with pytest.warns(ConvergenceWarning):
        return est.fit(data, y, case.sample_weight), y


each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


# ---------------------------------------------------------------------------------------- trace
F = {
    "tanh": (np.tanh, lambda z: 1 - np.tanh(z) ** 2),
    "logistic": (expit, lambda z: expit(z) * expit(-z)),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(float)),
    "identity": (lambda z: z, np.ones_like),
    "identities": (lambda z: z, np.ones_like),
}
#: Cases whose arithmetic is written out below: hidden functions, the link, and the loss of a row.
BY_HAND = {
    "squared error": (["tanh"] * 2, lambda z: z, lambda p, y: ((p - y) ** 2).sum(1) / 2),
    "two outputs, weighted": (
        ["logistic"] * 2,
        lambda z: z,
        lambda p, y: ((p - y) ** 2).sum(1) / 2,
    ),
    "softmax": (
        ["relu", "identity"],
        lambda z: softmax(z, axis=1),
        lambda p, y: -np.log((p * y).sum(1)),
    ),
    "labels": (
        ["logistic"] * 2,
        expit,
        lambda p, y: -np.log(np.where(y > 0, p, 1 - p)).sum(1),
    ),
    "linear": ([], lambda z: z, lambda p, y: ((p - y) ** 2).sum(1) / 2),
}


@pytest.mark.parametrize("name", BY_HAND)
def test_trace_equals_plain_numpy(name):
    est, y = fit(CASES[name])
    functions, link, loss = BY_HAND[name]
    w = np.ones(len(X)) if CASES[name].sample_weight is None else WEIGHT
    Y = np.eye(3)[y] if name == "softmax" else y.reshape(len(y), -1).astype(float)
    zs, xs = [], [X]
    for W, b in zip(est.coefs_, est.intercepts_, strict=True):
        zs.append(xs[-1] @ W + b)
        xs.append(F[functions[len(zs) - 1]][0](zs[-1]) if len(zs) <= len(functions) else None)
    xs[-1] = link(zs[-1])

    t = trace(est, X, y, CASES[name].sample_weight)
    penalty = est.alpha / 2 / w.sum() * sum((W**2).sum() for W in est.coefs_)
    assert_allclose(t.J, w @ loss(xs[-1], Y) / w.sum() + penalty)
    assert_allclose([t.loss + t.penalty, t.penalty], [t.J, penalty])
    assert_array_equal(t.y, Y)
    delta = (xs[-1] - Y) * w[:, None] / w.sum()
    for k in reversed(range(len(zs))):
        layer, W = t.layers[k], est.coefs_[k]
        for got, expected in [
            (layer.x, xs[k]),
            (layer.z, zs[k]),
            (layer.a, xs[k + 1]),
            (layer.delta, delta),
            (layer.dJ_dW, xs[k].T @ delta + est.alpha / w.sum() * W),
            (layer.dJ_db, delta.sum(axis=0)),
        ]:
            assert_allclose(got, expected, rtol=1e-10, atol=1e-14)
        if k:
            delta = (delta @ W.T) * F[functions[k - 1]][1](zs[k - 1])


@each_case
def test_trace_equals_finite_differences(case):
    est, y = fit(case)
    t = trace(est, X, y, case.sample_weight)
    theta, step = est.theta_.copy(), 1e-6
    slopes = np.empty_like(theta)
    for k in range(len(theta)):
        ends = []
        for sign in (1, -1):
            est.theta_ = theta.copy()
            est.theta_[k] += sign * step
            ends.append(trace(est, X, y, case.sample_weight).J)
        slopes[k] = (ends[0] - ends[1]) / (2 * step)
    # The vector holds all weights, then all biases.
    parts = [layer.dJ_dW for layer in t.layers] + [layer.dJ_db for layer in t.layers]
    assert_allclose(np.concatenate([p.ravel() for p in parts]), slopes, rtol=1e-5, atol=1e-7)


@each_case
def test_trace_equals_a_training_step(case):
    lr = 0.25
    est, y = fit(case, solver="sgd", momentum=0.0, learning_rate_init=lr, dropout=0.0)
    est.set_params(shuffle=False, batch_size=len(X))
    t = trace(est, X, y, case.sample_weight)
    before = est.theta_.copy()
    est.partial_fit(X, y, case.sample_weight)
    parts = [layer.dJ_dW for layer in t.layers] + [layer.dJ_db for layer in t.layers]
    step = -lr * np.concatenate([p.ravel() for p in parts])
    assert_array_equal(est.theta_, before + step)
    assert_allclose(est.history_[-1]["loss"], t.J, rtol=1e-14)


@each_case
def test_trace_is_made_of_copies(case):
    est, y = fit(case)
    theta = est.theta_.copy()
    t = trace(est, X, y, case.sample_weight)
    again = trace(est, X, y, case.sample_weight)
    for layer in t.layers:
        for name, array in vars(layer).items():
            if isinstance(array, np.ndarray):
                array[...] = np.nan
                assert array.flags.c_contiguous, name
    assert_array_equal(est.theta_, theta)
    assert np.isfinite(again.J)
    assert all(np.isfinite(layer.dJ_dW).all() for layer in again.layers)


@each_case
def test_trace_of_the_output(case):
    est, y = fit(case)
    t = trace(est, X, y)
    assert t.y_pred is t.layers[-1].a
    predict = getattr(est, "predict_proba", est.predict)
    expected = predict(X).reshape(len(X), -1)
    if t.y_pred.shape[1] == 1:
        expected = expected[:, -1:]
    assert_allclose(t.y_pred, expected, rtol=1e-12)


def test_trace_of_a_worked_example():
    # y = w2 tanh(w1 x), J = ½ (y - 1)², x = 2, w1 = ½, w2 = 3
    est = MLPRegressor(hidden_layer_sizes=(1,), activation="tanh", alpha=0, solver="lbfgs")
    est.fit([[2.0], [1.0]], [1.0, 0.0])
    est.coefs_, est.intercepts_ = [[[0.5]], [[3.0]]], [[0.0], [0.0]]
    hidden, output = trace(est, [[2.0]], [1.0]).layers
    a = np.tanh(1.0)
    assert_allclose([hidden.z.item(), hidden.a.item(), output.a.item()], [1.0, a, 3 * a])
    assert_allclose(output.delta, [[3 * a - 1]])
    assert_allclose(output.dJ_dW, [[(3 * a - 1) * a]])
    assert_allclose(hidden.delta, [[(3 * a - 1) * 3 * (1 - a**2)]])
    assert_allclose(hidden.dJ_dW, 2 * hidden.delta)

    # The same with a factor of 2 on x, and half of w1.
    est._network = Network.dense(1, [1], 1, [Tanh()], scaled=True)
    est.theta_ = np.array([0.25, 3.0, 0.0, 2.0, 0.0])  # W0, W1, b0, s0, b1
    scaled, _ = trace(est, [[2.0]], [1.0]).layers
    assert [scaled.z.item(), scaled.W.item()] == [1.0, 0.25]
    assert_allclose(scaled.dJ_dW, 2 * hidden.dJ_dW)


@pytest.mark.parametrize("form", [csr_matrix, csc_array, list, np.asfortranarray])
def test_trace_takes_what_fit_takes(form):
    est, y = fit(CASES["softmax"])
    expected, got = trace(est, X, y), trace(est, form(X), list(y), list(WEIGHT * 0 + 1))
    assert_allclose(got.J, expected.J, rtol=1e-12)
    for one, other in zip(got.layers, expected.layers, strict=True):
        assert_allclose(one.dJ_dW, other.dJ_dW, rtol=1e-9, atol=1e-12)
    assert "∂J/∂W" in repr(got)


def test_trace_in_single_precision():
    est, y = fit(CASES["squared error"], X.astype(np.float32))
    t = trace(est, X, y)
    assert {a.dtype for a in vars(t.layers[0]).values() if isinstance(a, np.ndarray)} == {
        np.dtype(np.float32)
    }


def test_trace_repr():
    est, y = fit(CASES["z is kept"])
    lines = repr(trace(est, X[:2], y[:2])).split("\n")
    assert lines[0].startswith("J = ")
    assert "over 2 rows: loss" in lines[0]
    assert lines[2].startswith("layer 0: hidden, Gelu")
    letters = [line.split()[0] for line in lines[4:12]]
    assert letters == ["x", "W", "b", "z", "a", "δ", "∂J/∂W", "∂J/∂b"]
    assert "(2, 5)" in lines[7]
    assert max(map(len, lines)) <= 90


@pytest.mark.parametrize(
    ("rows", "y", "weight", "message"),
    [
        (X[:, :3], TARGETS["classes"], None, "4 features"),
        (X[0], TARGETS["classes"], None, "in X of MLPClassifier"),
        (X[:0], TARGETS["classes"][:0], None, "in X of MLPClassifier"),
        (X, TARGETS["classes"][:5], None, "in y of MLPClassifier"),
        (X, TARGETS["classes"], [1.0], "sample_weight"),
        (X, TARGETS["classes"] + 7, None, "not in `self.classes_`"),
    ],
)
def test_trace_says_what_is_wrong(rows, y, weight, message):
    est, _ = fit(CASES["softmax"])
    with pytest.raises(ValueError, match=message):
        trace(est, rows, y, weight)


def test_trace_wants_the_network_itself():
    pipe = make_pipeline(StandardScaler(), CASES["softmax"].estimator)
    with pytest.raises(ValueError, match=r"pipe\[:-1\]\.transform"):
        trace(pipe, X, TARGETS["classes"])


# -------------------------------------------------------------------------------------- summary
@each_case
def test_summary_counts_parameters(case):
    est, _ = fit(case)
    table = summary(est)
    first, *layers = table.rows
    assert [row["W"] for row in layers] == [W.shape for W in est.coefs_]
    assert [row["b"] for row in layers] == [b.shape for b in est.intercepts_]
    assert [row["layer"] for row in layers] == list(range(len(layers)))
    assert table.total["parameters"] == est.theta_.size
    assert table.total["memory"] == est.theta_.nbytes
    assert layers[-1]["activation"] == est.out_activation_
    assert (first["kind"], first["units"]) == ("input", 4)


@each_case
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_summary_counts_the_workspace(case, dtype, monkeypatch):
    steps = []

    def spy(self, batch, rows, is_last):
        steps.append((batch, rows))
        return step(self, batch, rows, is_last)

    step = BatchSteps.step
    monkeypatch.setattr(BatchSteps, "step", spy)
    est, _ = fit(case, X.astype(dtype))
    batch, rows = steps[0]
    arrays = [a for s in rows.slots for a in (s.a, s.z, s.delta, s.ones)]
    # By address: some are the same memory.
    buffers = {a.ctypes.data: a.nbytes for a in [batch.x, batch.y, *arrays]}
    total = sum(buffers.values())
    assert summary(est).total["workspace"] == total
    assert summary(est, batch_size=3).total["workspace"] == total / 4


def test_summary_of_lbfgs_knows_no_batch():
    est = MLPRegressor(solver="lbfgs").fit(X, TARGETS["one"])
    assert "workspace" not in summary(est).total
    assert summary(est).rows[0]["workspace"] is None
    assert summary(est, batch_size=len(X)).total["workspace"] > 0
    assert "batches" not in repr(summary(est))


def test_summary_as_text():
    est, _ = fit(CASES["dropout"])
    lines = repr(summary(est)).split("\n")
    assert lines[0] == "MLPRegressor: 4 → 5 → 3 → 1, float64, batches of 12 rows"
    assert lines[2].split() == [
        "layer",
        "W",
        "b",
        "activation",
        "parameters",
        "memory",
        "workspace",
    ]
    assert " ".join(lines[5].split()).startswith("0 hidden (4, 5) (5,) Tanh, dropout 0.5 25 200 B")
    assert lines[-1].split()[:2] == ["total", "47"]
    ends = {len(line) for line in [lines[2], *lines[4:8], lines[-1]]}
    assert len(ends) == 1, "the last column is aligned to the right"


@pytest.mark.parametrize(
    "rates",
    [0.25, Fraction(1, 4), np.float32(0.25), np.array(0.25), (0.25, 0.0), [Decimal("0.25"), 0],
     np.array([0.25, 0.0])],
)  # fmt: skip
def test_summary_of_rates_in_each_form(rates):
    est, _ = fit(Case(regressor(activation="tanh", dropout=rates), "one"))
    assert summary(est).rows[1]["dropout"] == 0.25


def test_summary_shows_the_dropout_of_the_fit():
    est, _ = fit(CASES["dropout"])
    before = summary(est)
    assert repr(summary(est.set_params(dropout=0.0))) == repr(before)
    again = type(est)(**est.get_params()).set_params(dropout=0.5).set_state(est.get_state())
    assert repr(summary(again)) == repr(before)


def test_summary_as_html_and_frame():
    pandas = pytest.importorskip("pandas")
    est, _ = fit(CASES["class weights"])
    html = summary(est)._repr_html_()
    assert html.count("<tr>") == 1 + 4 + 1
    assert html.count("<td") == 4 * 8
    assert pandas.DataFrame(summary(est).rows)["parameters"].sum() == est.theta_.size


def mixed_table(n=60):
    """A table with a column of each kind, and y."""
    pandas = pytest.importorskip("pandas")
    rng = np.random.default_rng(0)
    days = pandas.to_timedelta(rng.integers(0, 900, n), "D")
    table = pandas.DataFrame(
        {
            "a": rng.normal(size=n),
            "b": np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n)),
            "c": rng.choice(["u", "v", "w"], n),
            "d": pandas.Timestamp("2024-01-01") + days,
            "e": [None] * n,
        }
    )
    return table, np.exp(table["a"])


TABLE = {"n_ensemble": 4, "max_iter": 2, "min_steps": 0, "random_state": 0}


@pytest.mark.parametrize("cls", [TabularMLPClassifier, TabularMLPRegressor])
def test_summary_of_a_table(cls):
    table, y = mixed_table()
    y = y if cls is TabularMLPRegressor else y > 1
    model = cls("fast", hidden_layer_sizes=(6, 5), **TABLE).fit(table, y)
    found = model.summary()
    sizes = [member.theta_.size for member in model.estimators_]
    assert found.total["parameters"] == sum(sizes)
    assert found.total["memory"] == 4 * sum(sizes)
    assert found.member["parameters"] == sizes[0]
    assert found.total["workspace"] == found.member["workspace"]
    assert [row["W"] for row in found.rows[1:]] == [W.shape for W in model.estimators_[0].coefs_]
    # Features, counted by their names.
    names = model.preprocessor_.get_feature_names_out()
    counts = {row["kind"]: (row["columns"], row["features"]) for row in found.columns}
    assert counts == {
        "numeric": (2, sum(name[0] in "ab" for name in names)),
        "categorical": (1, 3),
        "datetime": (1, sum(name[0] == "d" for name in names)),
        "missing": (1, 0),
    }
    lines = repr(found).split("\n")
    n_in = len(names)
    assert lines[0].startswith(f"{cls.__name__}: 4 members of {n_in} → 6 → 5 → ")
    assert lines[1].startswith(f"5 columns, encoded as {n_in} features: 2 numeric")
    assert [line.split()[0] for line in lines[-2:]] == ["member", "total"]
    assert lines[-1].split()[1:3] == ["4", "members"]
    assert lines[0] in found._repr_html_()
    assert found._repr_html_().count("<tr>") == 1 + 4 + 2
    pipe = make_pipeline("passthrough", model)
    assert repr(summary(pipe)) == repr(found)


def test_summary_of_a_table_with_different_links():
    table, y = mixed_table()
    model = TabularMLPRegressor("fast", n_bins=0, **TABLE).fit(table[["a"]], y)
    found = model.summary(batch_size=7)
    assert found.rows[-1]["activation"] == "identity or exp"
    lines = repr(found).split("\n")
    assert lines[0].endswith(", batches of 7 rows")
    assert lines[1] == "1 column, encoded as 1 feature: 1 numeric as 1"


@pytest.mark.parametrize("batch_size", ["auto", 7, 500])
@pytest.mark.parametrize("max_iter", [1, 3])
def test_summary_of_a_table_counts_the_workspace(batch_size, max_iter, monkeypatch):
    steps, step = [], BatchSteps.step

    def spy(self, batch, rows, is_last):
        steps.append((batch, rows))
        return step(self, batch, rows, is_last)

    monkeypatch.setattr(BatchSteps, "step", spy)
    table, y = mixed_table()
    settings = TABLE | {"max_iter": max_iter, "n_ensemble": 1}
    model = TabularMLPRegressor("fast", batch_size=batch_size, dropout=0.1, **settings)
    found = model.fit(table, y).summary()
    batch, rows = steps[0]
    arrays = [a for s in rows.slots for a in (s.a, s.z, s.delta, s.ones)]
    buffers = {a.ctypes.data: a.nbytes for a in [batch.x, batch.y, *arrays]}
    assert found.total["workspace"] == sum(buffers.values())
    assert f"batches of {len(batch.x)} rows" in found.title
    assert found.rows[1]["dropout"] == 0.1


def test_summary_of_a_pipeline_and_of_a_search():
    pipe = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(5,), alpha=0.1))
    pipe.set_params(mlpregressor__solver="lbfgs", mlpregressor__random_state=0)
    search = GridSearchCV(pipe, {"mlpregressor__alpha": [1.0]}, cv=2).fit(X, TARGETS["one"])
    assert summary(search).total["parameters"] == 5 * 5 + 6


def test_summary_of_a_constant_column_has_no_bins():
    table, y = mixed_table()
    table["f"] = 1.0
    found = TabularMLPRegressor("fast", n_bins=8, **TABLE).fit(table[["f"]], y).summary()
    assert found.columns == [{"kind": "numeric", "columns": 1, "features": 0, "bins": 0}]
    assert repr(found).split("\n")[1] == "1 column, encoded as 1 feature: 1 numeric as 0"


def batches(table):
    """The batch size in the title of a summary; None without one."""
    _, found, text = table.title.partition("batches of ")
    return int(text.split()[0]) if found else None


def test_summary_has_the_batch_size_of_the_fit():
    est = MLPRegressor(hidden_layer_sizes=(3,), batch_size=10, max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(X, TARGETS["one"])
    assert batches(est.set_params(batch_size=70).summary()) == 10
    assert batches(clone(est).set_state(est.get_state()).summary()) == 10
    assert batches(est.partial_fit(X[:8], TARGETS["one"][:8]).summary()) == 8
    est.set_params(early_stopping=True, batch_size="auto", validation_fraction=0.25)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        est.fit(X, TARGETS["one"])
    assert batches(est.summary()) == len(X) - -(-len(X) // 4)


def test_summary_knows_no_batch_size_of_scikit_learn():
    theirs = SklearnClassifier((3,), max_iter=1, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(X, TARGETS["classes"])
    assert batches(MLPClassifier.from_sklearn(theirs).summary()) is None


def test_summary_of_a_table_whose_members_made_no_step():
    """All weight is on a row that a member holds out."""
    rng = np.random.default_rng(0)
    table = rng.normal(size=(80, 2))
    y, weight = (table[:, 0] > 0).astype(int), np.zeros(80)
    weight[0] = 1.0
    settings = TABLE | {"n_ensemble": 3, "random_state": 5}
    model = TabularMLPClassifier("fast", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(table, y, weight)
    assert model.estimators_[0]._state.step == 0
    size = batches(clone(model).fit(table, y).summary())
    assert batches(model.summary()) == size
    one_row = model.summary(1).total["workspace"]
    assert model.summary().total["workspace"] == size * one_row


def test_summary_of_a_table_after_partial_fit_and_new_parameters():
    table, y = mixed_table()
    model = TabularMLPRegressor("fast", batch_size=7, **TABLE).fit(table, y)
    assert batches(model.set_params(batch_size=9).summary()) == 7
    for rows in (50, 10, 20):
        model.partial_fit(table[:rows], y[:rows])
        assert batches(model.summary()) == 9


def test_summary_after_ctrl_c_in_an_epoch(monkeypatch):
    step = BatchSteps.step

    def interrupt(self, batch, rows, is_last):
        if self.state.step == 3:
            raise KeyboardInterrupt
        return step(self, batch, rows, is_last)

    monkeypatch.setattr(BatchSteps, "step", interrupt)
    table, y = mixed_table()
    model = TabularMLPRegressor("fast", batch_size=7, n_folds=2, **TABLE)
    with pytest.raises(KeyboardInterrupt):
        model.fit(table, y)
    est = MLPRegressor(hidden_layer_sizes=(3,), batch_size=2, random_state=0)
    with pytest.raises(KeyboardInterrupt):
        est.fit(X, TARGETS["one"])
    assert [batches(model.summary()), batches(est.summary())] == [7, 2]


@pytest.mark.parametrize("batch_size", [0, 2.5, "auto"])
def test_summary_checks_the_batch_size(batch_size):
    est, _ = fit(CASES["linear"])
    with pytest.raises(ValueError, match="'batch_size' parameter of summary"):
        summary(est, batch_size)


# ------------------------------------------------------------------------------------- pictures
@pytest.fixture
def plt():
    """matplotlib without a screen; figures are closed at the end."""
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    pyplot = pytest.importorskip("matplotlib.pyplot")
    yield pyplot
    pyplot.close("all")


def stopping(**params):
    est = MLPClassifier(
        hidden_layer_sizes=(8,),
        early_stopping=True,
        validation_fraction=0.25,
        max_iter=12,
        random_state=0,
        **params,
    )
    return quietly(est)


def quietly(est):
    """Fit, whatever it says about convergence."""
    data = np.tile(X, (4, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return est.fit(data, np.tile(TARGETS["classes"], 4))


def labels(display):
    return [text.get_text() for text in display.legend_.get_texts()]


def test_loss_curve_of_an_estimator(plt):
    est = stopping()
    display = LossCurveDisplay.from_estimator(est)
    display.figure_.canvas.draw()
    loss, *_, score = display.lines_
    assert_array_equal(loss.get_ydata(), est.loss_curve_)
    assert_array_equal(loss.get_xdata(), np.arange(1, 13))
    assert_array_equal(score.get_ydata(), est.validation_scores_)
    assert score.axes is display.score_ax_ is not display.ax_
    assert f"best epoch ({est.best_n_iter_})" in labels(display)
    assert display.ax_.get_xlabel() == "epoch"
    assert len({line.get_color() for line in display.lines_}) == len(display.lines_)
    assert display.plot(curves="loss").score_ax_ is None


def test_loss_curve_after_early_stopping_on_the_loss(plt):
    display = LossCurveDisplay.from_estimator(stopping(scoring="loss"))
    assert display.score_ax_ is None, "the score is the validation loss upside down"
    assert labels(display)[:2] == ["training loss", "validation loss"]


@pytest.mark.parametrize("cls", [MLPClassifier, SklearnClassifier])
def test_loss_curve_without_validation(plt, cls):
    est = quietly(cls(hidden_layer_sizes=(8,), max_iter=5))
    display = LossCurveDisplay.from_estimator(est, name="mine", line_kw={"linewidth": 3})
    assert display.score_ax_ is None
    assert labels(display) == ["mine: training loss"]
    assert [line.get_linewidth() for line in display.lines_] == [3]


def test_loss_curve_of_scikit_learns_own(plt):
    est = quietly(SklearnClassifier(hidden_layer_sizes=(8,), early_stopping=True, max_iter=5))
    display = LossCurveDisplay.from_estimator(est)
    assert f"best epoch ({np.argmax(est.validation_scores_) + 1})" in labels(display)


def test_loss_curves_side_by_side(plt):
    runs = {name: stopping(solver=name) for name in ("adam", "sgd")}
    display = LossCurveDisplay.from_estimators(runs, curves=["loss", "validation_score"])
    assert labels(display) == [
        "adam",
        "sgd",
        "training loss",
        "validation score",
        "best epoch",
    ]
    adam, sgd = display.lines_[:2], display.lines_[2:]
    assert adam[0].get_color() == adam[1].get_color() != sgd[0].get_color()
    assert adam[0].get_linestyle() == sgd[0].get_linestyle() != adam[1].get_linestyle()
    numbered = LossCurveDisplay.from_estimators(list(runs.values()), curves="loss")
    assert labels(numbered) == ["run 1", "run 2", "best epoch"]


def test_two_displays_on_one_axes(plt):
    first = LossCurveDisplay.from_estimator(stopping(), name="first")
    second = LossCurveDisplay.from_estimator(stopping(), name="second", ax=first.ax_)
    assert second.ax_ is first.ax_
    assert second.score_ax_ is first.score_ax_
    assert len(first.figure_.axes) == 2
    assert first.figure_.legends == [second.legend_], "one legend, for both"
    assert {"first: training loss", "second: training loss"} < set(labels(second))
    other = plt.subplots(1, 2, sharex=True)[1]
    for ax in other:
        display = LossCurveDisplay.from_estimator(stopping(), ax=ax)
        assert display.score_ax_.get_legend() is display.legend_
    assert len(other[0].figure.axes) == 4, "one second axes for each"


HISTORY = [
    {"epoch": k, "loss": 100.0 / k**2, "validation_loss": 1.0 + (k - 6) ** 2, "seconds": 0.1}
    for k in range(1, 21)
]


def test_loss_curve_of_a_history(plt):
    display = LossCurveDisplay.from_history(HISTORY)
    assert labels(display) == ["training loss", "validation loss", "best epoch (6)"]
    assert display.ax_.get_yscale() == "log", "losses span two decades"
    pandas = pytest.importorskip("pandas")
    again = LossCurveDisplay.from_history(pandas.DataFrame(HISTORY))
    assert_array_equal(again.lines_[1].get_ydata(), display.lines_[1].get_ydata())


@pytest.mark.parametrize(
    ("values", "scale"),
    [([1, 2, 3], "linear"), ([1, 100], "log"), ([0, 1, 100], "linear"), ([-1, 500], "linear")],
)
def test_loss_scale(plt, values, scale):
    rows = [{"epoch": k, "loss": v, "validation_score": None} for k, v in enumerate(values)]
    assert LossCurveDisplay.from_history(rows).ax_.get_yscale() == scale


def test_loss_curve_with_gaps(plt):
    rows = [{"epoch": 1, "loss": 2.0}, {"epoch": 2, "loss": 1.0, "validation_score": 0.5}]
    rows += [{"epoch": 3, "loss": float("inf"), "validation_score": float("nan")}]
    display = LossCurveDisplay.from_history(rows)
    display.figure_.canvas.draw()
    assert [line.get_xdata().tolist() for line in display.lines_] == [[1, 2], [2]]
    assert display.lines_[1].get_marker() == ".", "a single point is seen"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: LossCurveDisplay.from_estimator(MLPClassifier()), "call fit first"),
        (lambda: LossCurveDisplay.from_history([]), "list of dicts"),
        (lambda: LossCurveDisplay.from_history([{"loss": 1.0}]), "'epoch' and 'loss'"),
        (lambda: LossCurveDisplay.from_history(HISTORY, curves="los"), "names among"),
        (lambda: LossCurveDisplay.from_history(HISTORY, curves=[]), "names among"),
        (lambda: LossCurveDisplay.from_history(HISTORY, curves="validation_score"), "No run"),
        (lambda: WeightsDisplay.from_estimator(MLPClassifier()), "call fit first"),
        (lambda: summary(MLPClassifier()), "call fit first"),
        (lambda: trace(MLPClassifier(), X, TARGETS["classes"]), "call fit first"),
    ],
)
def test_displays_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_weights_as_images(plt):
    est, _ = fit(Case(classifier(), "classes"))
    display = WeightsDisplay.from_estimator(est)
    display.figure_.canvas.draw()
    W = est.coefs_[0]
    assert len(display.images_) == 5
    for k, image in enumerate(display.images_):
        assert_array_equal(image.get_array(), W[:, k].reshape(2, 2))
        low, high = image.get_clim()
        assert high == -low == display.images_[0].get_clim()[1] > 0
    extents = np.array([image.get_extent() for image in display.images_])
    assert len(np.unique(extents, axis=0)) == 5
    assert display.colorbar_.ax in display.figure_.axes


@pytest.mark.parametrize(
    ("params", "n", "shape"),
    [
        ({"n": 2}, 2, (2, 2)),
        ({"n": 99}, 5, (2, 2)),
        ({"image_shape": (1, 4)}, 5, (1, 4)),
        ({"layer": 1, "image_shape": (5, 1)}, 3, (5, 1)),
        ({"layer": -1, "image_shape": (3, 1), "cmap": "PuOr"}, 3, (3, 1)),
    ],
)
def test_weights_parameters(plt, params, n, shape):
    est, _ = fit(Case(classifier(), "classes"))
    figure, ax = plt.subplots()
    display = WeightsDisplay.from_estimator(est, **params, ax=ax)
    assert display.figure_ is figure
    assert display.images.shape == (n, *shape)


def test_weights_of_zero(plt):
    est, _ = fit(Case(classifier(), "classes"))
    est.coefs_ = [np.zeros_like(W) for W in est.coefs_]
    WeightsDisplay.from_estimator(est).figure_.canvas.draw()


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"layer": 3}, "'layer' parameter .* from -3 to 2"),
        ({"layer": 0.0}, "'layer' parameter"),
        ({"layer": 1}, "product of 5, the number of inputs"),
        ({"image_shape": (2, 3)}, "product of 4"),
        ({"image_shape": (2, 2, 1)}, "product of 4"),
        ({"n": 0}, "'n' parameter"),
    ],
)
def test_weights_say_what_is_wrong(params, message):
    est, _ = fit(Case(classifier(), "classes"))
    with pytest.raises(ValueError, match=message):
        WeightsDisplay.from_estimator(est, **params)


# ------------------------------------------------------------------------------------- searches
def search(grid, cls=GridSearchCV, scoring=None, **params):
    """Search over a quick network in a pipeline."""
    pipe = make_pipeline(StandardScaler(), MLPRegressor(hidden_layer_sizes=(2,), max_fun=3))
    pipe.set_params(mlpregressor__solver="lbfgs", mlpregressor__max_iter=3)
    grid = {f"mlpregressor__{name}": values for name, values in grid.items()}
    refit = not isinstance(scoring, list)
    with pytest.warns(ConvergenceWarning):
        return cls(pipe, grid, scoring=scoring, cv=3, refit=refit, **params).fit(X, TARGETS["one"])


def test_search_curve(plt):
    found = search({"alpha": [1.0, 1e-4, 0.01], "activation": ["relu", "tanh"]})
    display = SearchCurveDisplay.from_cv_results(found)
    display.figure_.canvas.draw()
    results = found.cv_results_
    assert len(display.lines_) == 2
    relu = np.asarray(results["param_mlpregressor__activation"]) == "relu"
    order = [1, 2, 0]
    assert_array_equal(display.lines_[0].get_xdata(), [1e-4, 0.01, 1.0])
    assert_array_equal(display.lines_[0].get_ydata(), results["mean_test_score"][relu][order])
    assert display.ax_.get_xscale() == "log"
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("alpha", "mean test score")
    assert labels(display)[:2] == ["activation=relu", "activation=tanh"]
    assert labels(display)[2].startswith("best (")
    assert display.best == (found.best_params_["mlpregressor__alpha"], found.best_score_)
    bands = display.ax_.collections
    assert len(bands) == 2


def test_search_curve_over_one_parameter(plt):
    found = search({"alpha": [0.0, 0.01, 100.0]})
    display = SearchCurveDisplay.from_cv_results(found.cv_results_, "mlpregressor__alpha")
    assert display.ax_.get_xscale() == "symlog", "with zero among the values"
    assert len(display.lines_) == 1
    assert len(labels(display)) == 1, "a line alone needs no name"
    pandas = pytest.importorskip("pandas")
    frame = SearchCurveDisplay.from_cv_results(pandas.DataFrame(found.cv_results_))
    assert_array_equal(frame.lines_[0].get_ydata(), display.lines_[0].get_ydata())


def test_search_curve_chooses_the_parameter_with_most_values(plt):
    found = search({"alpha": [0.1, 0.2], "max_iter": [1, 2, 3], "tol": [1e-4]})
    display = SearchCurveDisplay.from_cv_results(found)
    assert display.param == "max_iter"
    assert [curve.label for curve in display.curves] == ["alpha=0.1", "alpha=0.2"]


def test_search_curve_of_a_randomised_search(plt):
    drawn = {"alpha": np.geomspace(1e-4, 1, 50), "tol": np.geomspace(1e-6, 1e-2, 50)}
    found = search(drawn, RandomizedSearchCV, n_iter=6, random_state=0)
    display = SearchCurveDisplay.from_cv_results(found, "mlpregressor__alpha")
    assert [line.get_linestyle() for line in display.lines_] == ["None"]
    assert len(display.lines_[0].get_xdata()) == 6


def test_search_curve_of_several_metrics(plt):
    found = search({"alpha": [0.1, 0.2]}, scoring=["r2", "neg_mean_absolute_error"])
    display = SearchCurveDisplay.from_cv_results(found, metric="r2")
    assert display.ax_.get_ylabel() == "mean test r2"
    with pytest.raises(ValueError, match=r"'metric' parameter .*'neg_mean_absolute_error'"):
        SearchCurveDisplay.from_cv_results(found)


@pytest.mark.parametrize(
    ("grid", "param", "message"),
    [
        ({"alpha": [0.1, 0.2]}, "alpha", r"one of \['mlpregressor__alpha'\]. Got 'alpha'"),
        ({"activation": ["relu", "tanh"]}, None, r"one of \[\]"),
        ({"activation": ["relu", "tanh"]}, "mlpregressor__activation", "must be a numeric"),
        ({"shuffle": [True, False]}, None, "must be a numeric"),
    ],
)
def test_search_curve_says_what_is_wrong(grid, param, message):
    with pytest.raises(ValueError, match=message):
        SearchCurveDisplay.from_cv_results(search(grid), param)


@pytest.mark.parametrize("as_frame", [False, True])
@pytest.mark.parametrize("param", [None, "alpha", "tol"])
def test_search_curve_over_grids_of_other_parameters(plt, param, as_frame):
    net = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
    grids = [
        {"alpha": [0.1, 1.0, 10.0], "solver": [Adam(), SGD(momentum=0.5)]},
        {"activation": ["tanh", Gelu()], "hidden_layer_sizes": [(2,), [3, 3]]},
        {"alpha": [5], "callbacks": [None, [StopOnRise()]], "tol": [1e-3, np.float32(0.1)]},
    ]
    with pytest.warns(ConvergenceWarning):
        found = GridSearchCV(net, grids, cv=2).fit(X, TARGETS["one"])
    results = found.cv_results_
    if as_frame:
        results = pytest.importorskip("pandas").DataFrame(results)
    display = SearchCurveDisplay.from_cv_results(results, param)
    display.figure_.canvas.draw()
    chosen = np.ma.filled(found.cv_results_[f"param_{param or 'alpha'}"].astype(float), np.nan)
    drawn = np.concatenate([line.get_xdata() for line in display.lines_])
    assert_array_equal(np.sort(drawn), np.sort(chosen[np.isfinite(chosen)]))
    text = " ".join(labels(display))
    assert "nan" not in text
    assert "--" not in text
    assert ("best" in text) == np.isfinite(chosen[found.best_index_])


@pytest.mark.parametrize(
    "wrapped",
    [
        lambda search: search.cv_results_,
        lambda search: FrozenEstimator(search),
        lambda search: make_pipeline(StandardScaler(), search),
        lambda search: TransformedTargetRegressor(search).fit(X, TARGETS["one"]),
    ],
    ids=["results", "frozen", "pipeline", "transformed target"],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_search_curve_of_a_search_inside(plt, wrapped):
    display = SearchCurveDisplay.from_cv_results(wrapped(search({"alpha": [0.1, 1.0]})))
    assert len(display.lines_) == 1


@pytest.mark.parametrize(
    "given", [GridSearchCV(MLPRegressor(), {"alpha": [1.0]}), MLPRegressor(), None, "search"]
)
def test_search_curve_wants_a_fitted_search(given):
    with pytest.raises(ValueError, match=r"results of SearchCurveDisplay must .* call fit of a"):
        SearchCurveDisplay.from_cv_results(given)


# ------------------------------------------------------------------- estimators that hold networks
CLASSES, NUMBERS = TARGETS["binary"], TARGETS["one"]
NET = MLPClassifier((3,), max_iter=2, random_state=0)
REGRESSOR = MLPRegressor(hidden_layer_sizes=(3,), max_iter=2, random_state=0)
SCALED = make_pipeline(StandardScaler(), NET)
TREE = DecisionTreeClassifier()
GRID = {"alpha": [0.1, 1.0]}


class Held(NamedTuple):
    """An estimator that holds networks: how many, whether they see X and y as they are."""

    estimator: object
    y: object
    n_networks: int = 1
    same_data: bool = True


HOLDERS = {
    "pipeline": Held(SCALED, CLASSES, same_data=False),
    "frozen": Held(FrozenEstimator(NET), CLASSES),
    "frozen pipeline": Held(FrozenEstimator(SCALED), CLASSES, same_data=False),
    "search": Held(GridSearchCV(NET, GRID, cv=2), CLASSES),
    "search of pipelines": Held(
        GridSearchCV(SCALED, {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2), CLASSES, same_data=False
    ),
    "transformed target": Held(
        TransformedTargetRegressor(REGRESSOR, transformer=StandardScaler()),
        NUMBERS,
        same_data=False,
    ),
    "search inside": Held(
        TransformedTargetRegressor(GridSearchCV(REGRESSOR, GRID, cv=2)), NUMBERS, same_data=False
    ),
    "threshold": Held(TunedThresholdClassifierCV(NET, cv=2, scoring="f1"), np.arange(12) % 2),
    "bagging": Held(BaggingClassifier(NET, 3, random_state=0), CLASSES, 3),
    "bagging of pipelines": Held(BaggingClassifier(SCALED, 2, random_state=0), CLASSES, 2),
    "bagging of one": Held(BaggingClassifier(NET, 1, random_state=0), CLASSES, same_data=False),
    "calibrated": Held(CalibratedClassifierCV(NET, cv=2), CLASSES, 2),
    "calibrated once": Held(
        CalibratedClassifierCV(NET, cv=2, ensemble=False), CLASSES, same_data=False
    ),
    "table of one": Held(
        TabularMLPClassifier("fast", n_ensemble=1, max_iter=2, random_state=0), CLASSES, 1, False
    ),
    "voting": Held(VotingClassifier([("a", NET), ("b", SCALED)]), CLASSES, 2),
    "several outputs": Held(MultiOutputClassifier(NET), TARGETS["labels"], 3),
    "one against the rest": Held(OneVsRestClassifier(NET), TARGETS["classes"], 3),
    "table": Held(
        TabularMLPClassifier("fast", n_ensemble=2, max_iter=2, random_state=0), CLASSES, 2, False
    ),
    "table of numbers": Held(
        TabularMLPRegressor("fast", n_ensemble=3, max_iter=2, random_state=0), NUMBERS, 3, False
    ),
    "table in a search": Held(
        GridSearchCV(
            TabularMLPRegressor("fast", n_ensemble=2, max_iter=2, random_state=0),
            {"n_bins": [0, 4]},
            cv=2,
        ),
        NUMBERS,
        2,
        False,
    ),
}
holders = pytest.mark.parametrize("held", HOLDERS.values(), ids=HOLDERS.keys())
without_warnings = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def held_fitted(held):
    if isinstance(held.estimator, FrozenEstimator):
        return FrozenEstimator(clone(held.estimator.estimator).fit(X, held.y))
    return clone(held.estimator).fit(X, held.y)


@holders
@without_warnings
def test_loss_curves_of_what_holds_networks(plt, held):
    display = LossCurveDisplay.from_estimator(held_fitted(held), name="it")
    display.figure_.canvas.draw()
    assert len(display.lines_) == held.n_networks
    several = LossCurveDisplay.from_estimators(
        {"a": held_fitted(held), "b": clone(NET).fit(X, CLASSES)}
    )
    assert len(several.runs) == held.n_networks + 1


@without_warnings
@pytest.mark.parametrize("cls", [TabularMLPClassifier, TabularMLPRegressor])
@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    ("curves", "n_lines"), [(None, 1), ("loss", 1), (["loss", "validation_loss"], 2)]
)
def test_curves_of_members(plt, cls, n, curves, n_lines):
    """One curve for each member, as long as no others are asked for."""
    y = CLASSES if cls is TabularMLPClassifier else NUMBERS
    model = cls("fast", n_ensemble=n, max_iter=2, random_state=0).fit(X, y)
    assert len(LossCurveDisplay.from_estimator(model, curves=curves).lines_) == n * n_lines
    # A member passed on its own is a network like all others.
    alone = LossCurveDisplay.from_estimator(model.estimators_[0])
    assert len(alone.lines_) == (3 if cls is TabularMLPClassifier else 2)


def table(cls=TabularMLPClassifier, n=3, **params):
    """A fitted ensemble, whose members end at different epochs."""
    y = CLASSES if cls is TabularMLPClassifier else np.exp(NUMBERS)
    settings = {"n_ensemble": n, "max_iter": 8, "min_steps": 0, "random_state": 0} | params
    return cls("fast", **settings).fit(X, y)


@pytest.mark.parametrize("curves", [None, ["loss", "validation_loss"]])
def test_mean_of_members(plt, curves):
    model = table()
    display = LossCurveDisplay.from_estimator(model, curves=curves)
    display.figure_.canvas.draw()
    n_curves = 1 if curves is None else 2
    assert len(display.lines_) == 3 * n_curves
    assert len(display.mean_lines_) == n_curves
    assert len({line.get_color() for line in display.lines_ + display.mean_lines_}) == 1
    thin, thick = display.lines_[0], display.mean_lines_[0]
    assert thin.get_linewidth() < thick.get_linewidth()
    assert {"member", "mean of 3 members", "best epoch"} <= set(labels(display))
    assert ("validation loss" in labels(display)) == (n_curves == 2)
    name = "validation_score" if curves is None else "loss"
    first = [member.history_[0][name] for member in model.estimators_]
    assert_allclose(thick.get_ydata()[0], np.mean(first))


def test_mean_holds_the_last_value():
    """So it neither jumps at the end of a member, nor where only some have a value."""
    short = np.array([1, 2]), np.array([8.0, 6.0])
    sparse = np.array([2, 4]), np.array([2.0, 4.0])
    epochs, values = _curves._mean([short, sparse])
    assert epochs.tolist() == [2, 4]
    assert values.tolist() == [4.0, 5.0]
    epochs, values = _curves._mean([short, (np.array([1, 3]), np.array([2.0, 1.0]))])
    assert epochs.tolist() == [1, 2, 3]
    assert values.tolist() == [5.0, 4.0, 3.5]


def test_members_with_different_losses_have_their_own_means(plt):
    """In units of their own; a squared error, whose score is redundant, has it nevertheless."""
    display = LossCurveDisplay.from_estimator(table(TabularMLPRegressor, 4), name="it")
    assert {line.axes for line in display.lines_} == {display.score_ax_}
    means = ["it: mean of 2 members, SquaredError", "it: mean of 2 members, Poisson"]
    assert [line.get_label() for line in display.mean_lines_] == means
    assert set(means) < set(labels(display))
    colors = [line.get_color() for line in display.lines_]
    assert colors[0] == colors[2] != colors[1] == colors[3]
    odd = LossCurveDisplay.from_estimator(table(TabularMLPRegressor, 3))
    assert [line.get_label() for line in odd.mean_lines_] == means[:1][0].split(": ")[1:]
    assert "member 1" in labels(odd), "the only one of its kind"


def test_only_tables_have_means(plt):
    """Members of other ensembles may have different targets."""
    model = BaggingClassifier(NET, 3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        display = LossCurveDisplay.from_estimators({"a": table(), "b": model.fit(X, CLASSES)})
    assert [line.get_label() for line in display.mean_lines_] == ["a: mean of 3 members"]
    assert "b: member 2" in labels(display)


def test_scores_alone_have_the_left_axis(plt):
    scores = LossCurveDisplay.from_estimator(table(), line_kw={"color": "k"})
    ax, twin = scores.ax_, scores.score_ax_
    assert not ax.yaxis.get_visible()
    assert twin.yaxis.get_label_position() == "left"
    assert {line.get_color() for line in twin.get_lines()} == {"k"}
    losses = LossCurveDisplay.from_estimator(table(), ax=ax, curves="loss")
    assert losses.score_ax_ is None
    assert ax.yaxis.get_visible()
    assert twin.yaxis.get_label_position() == "right"
    assert ax.figure.legends == [losses.legend_]
    assert ax.get_legend() is None is twin.get_legend()


@holders
@without_warnings
def test_one_network_is_found(plt, held):
    model = held_fitted(held)
    calls = [lambda one: WeightsDisplay.from_estimator(one, image_shape=(1, one_fan_in(one)))]
    if _access.table(model) is None:  # of a table, it is the summary of all members
        calls.append(lambda one: summary(one))
    for call in calls:
        if held.n_networks == 1:
            call(model)
            continue
        with pytest.raises(
            ValueError, match=r"holds networks, so pass .* such as model\."
        ) as error:
            call(model)
        advised = str(error.value).partition("such as ")[2].removesuffix(".")
        call(eval(advised, {}, {"model": getattr(model, "best_estimator_", model)}))


def one_fan_in(estimator):
    """Return the number of inputs of the network that is found."""
    return _access.last_step(estimator).n_features_in_


@holders
@without_warnings
def test_traces_of_what_holds_networks(held):
    model = held_fitted(held)
    if held.same_data and held.n_networks == 1:
        assert np.isfinite(trace(model, X, held.y).J)
        return
    with pytest.raises(ValueError, match="The estimator of trace must be") as error:
        trace(model, X, held.y)
    assert "fit first" not in str(error.value)


@without_warnings
def test_the_advice_of_trace_works():
    y = NUMBERS
    model = clone(HOLDERS["transformed target"].estimator).fit(X, y)
    with pytest.raises(ValueError, match="regressor_") as error:
        trace(model, X, y)
    assert isinstance(_advised(error, model=model, X=X, y=y), Trace)
    model = clone(HOLDERS["table of numbers"].estimator).fit(X, y)
    with pytest.raises(ValueError, match="preprocessor_") as error:
        trace(model, X, y)
    assert isinstance(_advised(error, model=model, X=X, y=y), Trace)
    pipe = clone(SCALED).fit(X, CLASSES)
    with pytest.raises(ValueError, match="pipe") as error:
        trace(pipe, X, CLASSES)
    assert isinstance(_advised(error, pipe=pipe, X=X, y=CLASSES), Trace)


def _advised(error, **names):
    """Do what the message says: its last words are a call of trace."""
    code = str(error.value).partition("write ")[2].removesuffix(".")
    return eval(code, {"trace": trace}, names)


@pytest.mark.parametrize(
    ("estimator", "advice"),
    [
        (GridSearchCV(NET, GRID, cv=2, refit=False), "a search needs refit=True"),
        (TREE, "pass the network itself"),
        (RandomForestClassifier(2), "pass the network itself"),
        (GradientBoostingClassifier(n_estimators=2), "pass the network itself"),
        (make_pipeline(StandardScaler(), "passthrough"), "pass an estimator"),
        (SklearnClassifier((3,), solver="lbfgs"), r"sknn_scratch\.MLPClassifier\.from_sklearn"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("look", [LossCurveDisplay.from_estimator, summary])
@without_warnings
def test_what_holds_no_network_or_several(estimator, advice, look):
    with pytest.raises(ValueError, match=advice) as error:
        look(clone(estimator).fit(X, CLASSES))
    assert "call fit" not in str(error.value)


UNFITTED = r"must be fitted\. Got an unfitted \w+: call fit first"


@pytest.mark.parametrize(
    ("estimator", "advice"),
    [
        *[(held.estimator, UNFITTED) for held in HOLDERS.values()],
        (CalibratedClassifierCV(NET), UNFITTED),
        (TREE, UNFITTED),
        (TabularMLPClassifier(), UNFITTED),
        (MLPClassifier, r"write MLPClassifier\(\), not the class"),
        (None, "pass an estimator"),
        ("adam", "pass an estimator"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize(
    "look", [LossCurveDisplay.from_estimator, WeightsDisplay.from_estimator, summary]
)
def test_what_is_not_fitted(estimator, advice, look):
    with pytest.raises(ValueError, match=advice):
        look(estimator)


@without_warnings
def test_scikit_learns_network_in_the_way_advised(plt):
    theirs = SklearnClassifier((3,), solver="lbfgs", max_iter=5).fit(X, CLASSES)
    ours = MLPClassifier.from_sklearn(theirs)
    assert len(LossCurveDisplay.from_estimator(ours).lines_) == 1
    assert summary(ours).total["parameters"] == sum(W.size for W in theirs.coefs_) + 3 + 1


@pytest.mark.parametrize(
    "shape", [4, (2,), (-2, -2), (2.0, 2.0), ("2", "2"), {2}, "22", (0, 4)], ids=str
)
def test_weights_refuse_what_is_no_shape(shape):
    est, _ = fit(Case(classifier(), "classes"))
    with pytest.raises(ValueError, match=r"'image_shape' .* must be \(height, width\)"):
        WeightsDisplay.from_estimator(est, image_shape=shape)


def test_pictures_need_matplotlib(monkeypatch):
    est, _ = fit(Case(classifier(), "classes"))
    for name in [*(m for m in sys.modules if m.partition(".")[0] == "matplotlib"), "matplotlib"]:
        monkeypatch.setitem(sys.modules, name, None)
    assert summary(est).total
    assert trace(est, X, TARGETS["classes"]).layers
    for display in (LossCurveDisplay, WeightsDisplay):
        with pytest.raises(ImportError, match=r'pip install "sknn-scratch\[plot\]"'):
            display.from_estimator(est)


@pytest.mark.slow
def test_import_leaves_matplotlib_alone():
    code = "import sknn_scratch.inspection, sys; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["_curves", "_search", "_summary", "_trace", "_weights"])
def test_docstring_examples(name):
    module = sys.modules[f"sknn_scratch.inspection.{name}"]
    result = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 2
    assert result.failed == 0
