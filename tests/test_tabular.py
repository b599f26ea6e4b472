"""The tabular estimators: on whole tables, with scikit-learn's tools, and what they refuse."""

import inspect
import re

import joblib
import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.utils.estimator_checks import (
    check_estimator,
    check_inplace_ensure_writeable,
    check_param_validation,
)

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.components import ClipByNorm, LogLoss, Poisson, Quantile, SquaredError, Tanh
from sknn_scratch.estimators._tabular_presets import preset
from sknn_scratch.fitting import _publish_members
from sknn_scratch.fitting._recipe import auto_batch_size, enough_epochs

ESTIMATORS = [TabularMLPClassifier, TabularMLPRegressor]
#: Fits in some ten milliseconds.
QUICK = {
    "effort": "fast",
    "max_iter": 4,
    "min_steps": 0,
    "hidden_layer_sizes": (8,),
    "random_state": 0,
}
each_estimator = pytest.mark.parametrize("cls", ESTIMATORS)

#: Rows are held out by default, and which ones goes by their number: a repeated row may stand
#: on both sides of a fold, a weighted one may not.
EXPECTED = {
    "check_sample_weight_equivalence_on_dense_data": "rows are held out",
    "check_sample_weight_equivalence_on_sparse_data": "rows are held out",
}


def table(n=120, seed=0):
    """Return a frame with columns of every kind, and two targets that depend on them."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "gaps": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
            "flag": rng.random(n) < 0.5,
            "word": rng.choice(["a", "b", "c"], n),
            "kind": pd.Categorical(rng.choice(["x", "y"], n)),
            "date": pd.date_range("2020-01-01", periods=n, freq="13h"),
            "nothing": np.full(n, np.nan),
            "constant": np.full(n, 3.0),
        }
    )
    number = X["size"] * np.where(X["flag"], 2, -1) + (X["word"] == "a") + 3.0
    return X, np.where(number > 3, "high", "low"), number.to_numpy()


def target(cls, seed=0):
    """Return X and the y that suits the estimator."""
    X, classes, numbers = table(seed=seed)
    return X, classes if cls is TabularMLPClassifier else numbers


# --- scikit-learn's rules.


def failures(estimator):
    """Return the names of checks that do not pass."""
    results = check_estimator(
        estimator, on_skip=None, on_fail=None, expected_failed_checks=EXPECTED
    )
    assert sum(result["status"] == "passed" for result in results) > 50
    return [
        (result["check_name"], repr(result["exception"]))
        for result in results
        if result["status"] == "failed"
    ]


@pytest.mark.slow
@each_estimator
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_of_quick_fits(cls):
    assert failures(cls("fast")) == []


@pytest.mark.slow
@each_estimator
@pytest.mark.filterwarnings("ignore")
def test_check_estimator_at_defaults(cls):
    assert failures(cls()) == []


@pytest.mark.parametrize("check", [check_param_validation, check_inplace_ensure_writeable])
@each_estimator
@pytest.mark.filterwarnings("ignore")
def test_checks_beside_check_estimator(cls, check):
    check(cls.__name__, cls(**QUICK))


@each_estimator
def test_every_parameter_is_documented_in_order(cls):
    section = inspect.getdoc(cls).split("Parameters\n----------\n")[1]
    section = re.split(r"\n[A-Z][a-z]+\n-{4,}\n", section)[0]
    documented = [
        name for names in re.findall(r"^([\w, ]+) :", section, re.M) for name in names.split(", ")
    ]
    assert documented == list(inspect.signature(cls).parameters)


# --- Whole tables.


@each_estimator
@pytest.mark.parametrize("library", ["pandas", "polars", "object"])
def test_tables(cls, library):
    X, y = target(cls)
    if library == "polars":
        pytest.importorskip("pyarrow")
        X = pytest.importorskip("polars").from_pandas(X)
    elif library == "object":
        X = X.drop(columns="date").to_numpy(dtype=object)
    model = cls(**QUICK).fit(X, y)
    assert model.predict(X).shape == y.shape
    assert_allclose(model.predict(X[:1]), model.predict(X)[:1]) if y.dtype.kind == "f" else None


@each_estimator
def test_names_of_columns_decide(cls):
    X, y = target(cls)
    model = cls(**QUICK).fit(X, y)
    assert_array_equal(model.predict(X[X.columns[::-1]]), model.predict(X))
    with pytest.raises(ValueError, match="now missing:\n- word"):
        model.predict(X.drop(columns="word"))


@each_estimator
def test_levels_unseen_and_values_missing(cls):
    X, y = target(cls)
    model = cls(**QUICK).fit(X, y)
    odd = X[:2].assign(word=["new", None], kind=None, size=np.nan, gaps=1e9)
    assert len(model.predict(odd)) == 2


@each_estimator
@pytest.mark.parametrize("n", [2, 7, 12, 30])
def test_few_rows(cls, n):
    X, _, numbers = table(n)
    y = numbers if cls is TabularMLPRegressor else np.where(np.arange(n) % 2, "a", "b")
    model = cls(**(QUICK | {"effort": "balanced"})).fit(X, y)
    assert np.isin(model.predict(X), y).all() or cls is TabularMLPRegressor
    assert (len(model.held_out_[0]) == 0) == (n < 10)


def test_a_constant_target():
    X = table()[0]
    assert_allclose(TabularMLPRegressor(**QUICK).fit(X, np.full(120, 5.0)).predict(X), 5.0)
    assert set(TabularMLPClassifier(**QUICK).fit(X, np.full(120, "one")).predict(X)) == {"one"}


def test_it_learns_classes():
    X, y = load_breast_cancer(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0, stratify=y)
    model = TabularMLPClassifier("fast", random_state=0).fit(X_train, y_train)
    assert model.score(X_test, y_test) > 0.94
    assert log_loss(y_test, model.predict_proba(X_test)) < 0.15


def test_it_learns_numbers():
    X, y = load_diabetes(return_X_y=True, as_frame=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = TabularMLPRegressor("fast", random_state=0).fit(X_train, y_train)
    assert model.score(X_test, y_test) > 0.2


# --- Members.


@each_estimator
def test_members_are_plain_networks(cls):
    X, y = target(cls)
    model = cls(**(QUICK | {"n_ensemble": 3})).fit(X, y)
    Z = model.preprocessor_.transform(X)
    assert {type(member) for member in model.estimators_} == {
        MLPClassifier if cls is TabularMLPClassifier else MLPRegressor
    }
    if cls is TabularMLPClassifier:
        own = np.mean([member.predict_proba(Z) for member in model.estimators_], axis=0)
        assert_allclose(model.predict_proba(X), own, rtol=1e-5)
        assert_array_equal(model.estimators_[0].classes_, model.classes_)
    else:
        own = np.mean([member.predict(Z) for member in model.estimators_], axis=0)
        assert_allclose(model.predict(X), own.clip(*model.target_range_), rtol=1e-5)
    assert all(len(member.history_) > 1 for member in model.estimators_)


@each_estimator
def test_members_are_of_use_alone(cls):
    X, y = target(cls)
    member = cls(**QUICK).fit(X, y).estimators_[0]
    Z = np.random.default_rng(0).normal(size=(50, member.n_features_in_)).astype(np.float32)
    assert "3" in str(member.summary())
    before = member.theta_.copy()
    member.partial_fit(Z, y[:50])
    assert not np.array_equal(before, member.theta_)


@each_estimator
def test_no_hidden_layer(cls):
    X, y = target(cls)
    (W,) = cls(**(QUICK | {"hidden_layer_sizes": ()})).fit(X, y).estimators_[0].coefs_
    assert W.shape[0] > 5


@each_estimator
def test_a_member_of_many_is_that_of_few(cls):
    X, y = target(cls)
    kind = {"link": "identity"} if cls is TabularMLPRegressor else {"calibrate": False}
    one, four = (cls(**(QUICK | kind | {"n_ensemble": k})).fit(X, y) for k in (1, 4))
    assert_array_equal(one.held_out_[0], four.held_out_[0])


@pytest.mark.slow
@each_estimator
def test_processes_give_the_same_model(cls):
    X, y = target(cls)
    one, two = (cls(**(QUICK | {"n_ensemble": 4, "n_jobs": k})).fit(X, y) for k in (1, 2))
    for a, b in zip(one.estimators_, two.estimators_, strict=True):
        assert_allclose(a.theta_, b.theta_, rtol=1e-3, atol=1e-4)


@each_estimator
def test_the_same_seed_gives_the_same_model(cls):
    X, y = target(cls)
    one, other = (cls(**QUICK).fit(X, y) for _ in range(2))
    assert_array_equal(one.estimators_[1].theta_, other.estimators_[1].theta_)


@each_estimator
def test_validation_data_replaces_folds(cls):
    X, y = target(cls)
    model = cls(**QUICK).fit(X[:80], y[:80], X_val=X[80:], y_val=y[80:])
    assert all(len(rows) == 40 for rows in model.held_out_)
    for part in ({"X_val": X}, {"y_val": y}):
        with pytest.raises(ValueError, match="must come together"):
            cls(**QUICK).fit(X, y, **part)
    with pytest.raises(ValueError, match="must come with X_val"):
        cls(**QUICK).fit(X, y, sample_weight_val=np.ones(120))


# --- Classes.


def test_the_temperature_is_part_of_the_weights():
    X, y = target(TabularMLPClassifier)
    rough, fine = (
        TabularMLPClassifier(**(QUICK | {"max_iter": 30, "calibrate": c})).fit(X, y)
        for c in (False, True)
    )
    assert rough.temperature_ == 1.0 != fine.temperature_
    last = [model.estimators_[0].coefs_[-1] for model in (rough, fine)]
    assert_allclose(last[0], last[1] * fine.temperature_, rtol=1e-4)


@pytest.mark.parametrize("loss", ["log_loss", "focal", "binary_log_loss", LogLoss(0.1)], ids=str)
def test_losses_of_classes(loss):
    X, y = target(TabularMLPClassifier)
    model = TabularMLPClassifier(**(QUICK | {"max_iter": 20, "loss": loss})).fit(X, y)
    proba = model.predict_proba(X)
    assert_allclose(proba.sum(axis=1), 1.0)
    assert_allclose(np.log(proba), model.predict_log_proba(X))
    assert model.score(X, y) > 0.6


def test_class_weight():
    X, y = load_iris(return_X_y=True)
    X, y = X[50:], y[50:]
    plain, heavy = (
        TabularMLPClassifier(**(QUICK | {"max_iter": 20}), class_weight=w).fit(X, y)
        for w in (None, {1: 1, 2: 50})
    )
    assert np.sum(heavy.predict(X) == 2) > np.sum(plain.predict(X) == 2)
    weighted = TabularMLPClassifier(**QUICK, class_weight="balanced").fit(X, y)
    same = TabularMLPClassifier(**QUICK).fit(X, y)
    assert_allclose(weighted.predict_proba(X), same.predict_proba(X), rtol=1e-4)


# --- Numbers.


@pytest.mark.parametrize(
    "loss",
    ["squared_error", "absolute_error", "huber", "quantile", "poisson", "gamma", "tweedie"],
)
def test_losses_of_numbers(loss):
    X, _, y = table()
    y = 100 * np.exp(0.3 * y)
    model = TabularMLPRegressor(**(QUICK | {"max_iter": 40, "loss": loss})).fit(X, y)
    assert model.score(X, y) > 0.1
    assert model.predict(X).min() >= y.min()


def test_quantiles():
    X, _, y = table(400)
    y = y + np.random.default_rng(1).normal(size=400)
    how = QUICK | {"max_iter": 40, "loss": Quantile((0.1, 0.5, 0.9))}
    low, middle, high = TabularMLPRegressor(**how).fit(X, y).predict(X).T
    assert np.all(low <= middle)
    assert np.all(middle <= high)
    assert 0.65 < np.mean((low <= y) & (y <= high)) < 0.95


def test_several_targets():
    X, _, y = table()
    Y = np.column_stack([y, -1000 * y])
    model = TabularMLPRegressor(**(QUICK | {"max_iter": 40})).fit(X, Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) > 0.5


def test_links():
    X, _, y = table()
    y = np.exp(y)
    losses = {
        link: [type(m.loss) for m in TabularMLPRegressor(**QUICK, link=link).fit(X, y).estimators_]
        for link in ("auto", "identity", "log")
    }
    assert losses["auto"] == [SquaredError, Poisson] * 2
    assert set(losses["identity"]) == {SquaredError}
    assert set(losses["log"]) == {Poisson}
    below = TabularMLPRegressor(**QUICK).fit(X, y - 5.0)
    assert {type(member.loss) for member in below.estimators_} == {SquaredError}
    with pytest.raises(ValueError, match=r"'link' parameter .* must be 'identity' or 'auto'"):
        TabularMLPRegressor(**QUICK, link="log").fit(X, y - 5.0)


def test_predictions_stay_in_range():
    X, _, y = table()
    model = TabularMLPRegressor(**QUICK).fit(X, y)
    far = X.assign(size=1e9)
    assert model.predict(far).min() >= y.min()
    assert model.set_params(clip=False).predict(far).shape == (120,)


# --- Weights.


@each_estimator
def test_weights_of_one_change_nothing(cls):
    X, y = target(cls)
    plain, weighted = (cls(**QUICK).fit(X, y, w) for w in (None, np.ones(120)))
    for a, b in zip(plain.estimators_, weighted.estimators_, strict=True):
        assert_allclose(a.theta_, b.theta_, rtol=1e-3, atol=1e-4)


@each_estimator
def test_rows_of_no_weight_say_nothing(cls):
    X, y = target(cls)
    weight = np.r_[np.ones(100), np.zeros(20)]
    other = y.copy()
    other[100:] = y[0] if y.dtype.kind != "f" else 1e3
    kept, changed = (cls(**QUICK, **{}).fit(X, t, weight) for t in (y, other))
    Z = kept.preprocessor_.transform(X)
    assert_array_equal(Z, changed.preprocessor_.transform(X))


@pytest.mark.parametrize("elsewhere", [-999.0, -1e-3, 0.0, 1e3, 1e9, -1e12])
def test_targets_of_no_weight_decide_nothing(elsewhere):
    X, y = target(TabularMLPRegressor)
    y, weight = np.exp(y), np.r_[np.ones(100), np.zeros(20)]
    other = np.r_[y[:100], np.full(20, elsewhere)]
    kept, changed = (TabularMLPRegressor(**QUICK).fit(X, t, weight) for t in (y, other))
    assert kept.target_range_ == changed.target_range_ == (y[:100].min(), y[:100].max())
    assert_array_equal(kept.predict(X), changed.predict(X))


@pytest.mark.parametrize("weight", [None, np.ones(5), np.arange(5)])
def test_class_weights_of_zero_in_validation_data(weight):
    X, y = target(TabularMLPClassifier)
    model = TabularMLPClassifier(**QUICK, class_weight={y[0]: 0.0})
    given = {"X_val": X.iloc[[0] * 5], "y_val": y[[0] * 5], "sample_weight_val": weight}
    message = r"over the validation data\. Got .* \(in sample_weight_val of TabularMLPClassifier\)$"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, **given)


@each_estimator
def test_folds_may_weigh_nothing(cls):
    X, y = target(cls)
    weight = np.zeros(120)
    weight[:6] = 1.0
    assert len(cls(**QUICK).fit(X, y, weight).predict(X)) == 120


# --- scikit-learn's tools.


@each_estimator
def test_tools(cls, tmp_path):
    X, y = target(cls)
    assert len(cross_val_score(cls(**QUICK), X, y, cv=2)) == 2
    search = GridSearchCV(cls(**QUICK), {"n_bins": [0, 4], "activation": ["relu", Tanh()]}, cv=2)
    assert search.fit(X, y).best_params_["n_bins"] in (0, 4)
    model = cls(**QUICK).fit(X, y)
    joblib.dump(model, tmp_path / "model")
    assert_array_equal(joblib.load(tmp_path / "model").predict(X), model.predict(X))
    assert cls.__name__ in model._repr_html_()
    assert clone(model).get_params() == model.get_params()


@each_estimator
def test_a_failed_fit_changes_nothing(cls):
    X, y = target(cls)
    model = cls(**QUICK).fit(X, y)
    before = model.predict(X)
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        model.fit(X, y[:-1])
    assert_array_equal(model.predict(X), before)


# --- What is refused, in a sentence.


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"activation": ("relu", "tanh")}, "a single activation or a sequence of 1, one for each"),
        ({"activation": "rellu"}, "relu"),
        ({"loss": "squared_error"}, "must be a loss for binary targets"),
        ({"hidden_layer_sizes": (0,)}, "an integer > 0"),
        ({"effort": "much"}, "effort"),
        ({"solver": ClipByNorm()}, r"'solver' parameter .* Write Chain\("),
        ({"solver": "lbfgs"}, r"^(?!.*'lbfgs', )(?!.*@register).*Got 'lbfgs' .* solver='adam'\.$"),
        ({"categorical_features": ["absent"]}, "absent"),
    ],
)
def test_parameters_that_are_refused(params, message):
    X, y = target(TabularMLPClassifier)
    with pytest.raises(ValueError, match=message):
        TabularMLPClassifier(**(QUICK | params)).fit(X, y)


def test_targets_that_are_refused():
    X, classes, numbers = table()
    with pytest.raises(ValueError, match="MultiOutputClassifier"):
        TabularMLPClassifier(**QUICK).fit(X, np.eye(120, 3, dtype=int) + np.arange(3))
    with pytest.raises(ValueError, match="must be > 0"):
        TabularMLPRegressor(**QUICK, loss="gamma").fit(X, numbers - 10)
    with pytest.raises(ValueError, match="classes not in"):
        TabularMLPClassifier(**QUICK).fit(X, classes, X_val=X[:3], y_val=["high", "low", "odd"])


@each_estimator
def test_members_that_diverge(cls, monkeypatch):
    X, y = target(cls)
    first = cls(**QUICK).fit(X, y).held_out_[0]
    rest = np.setdiff1d(np.arange(len(y)), first)
    monkeypatch.setattr(
        _publish_members, "is_lost", lambda plan, state: np.array_equal(np.sort(state.order), rest)
    )
    with pytest.warns(ConvergenceWarning, match="1 of 4 members diverged and are left out"):
        assert len(cls(**QUICK).fit(X, y).estimators_) == 3
    monkeypatch.setattr(_publish_members, "is_lost", lambda plan, state: True)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        cls(**QUICK).fit(X, y)


# --- Presets.


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_presets_name_parameters(task):
    cls = TabularMLPClassifier if task == "classification" else TabularMLPRegressor
    for effort in ("fast", "balanced", "best"):
        assert preset(task, effort).keys() <= inspect.signature(cls).parameters.keys()


@each_estimator
def test_presets_are_documented(cls):
    columns = [preset(cls._task, effort) for effort in ("fast", "balanced", "best")]
    lines = [re.split(r" {2,}", line.strip()) for line in inspect.getdoc(cls).splitlines()]
    for name in columns[0]:
        assert [name, *(str(column[name]) for column in columns)] in lines


def test_sizes_of_batches():
    assert [auto_batch_size(n, 64) for n in (1, 64, 100, 1000, 6000, 20_000, 10**6)] == [
        1, 64, 50, 63, 128, 257, 513
    ]  # fmt: skip


def test_small_batches_of_classes():
    assert auto_batch_size(512, 32) == 32


def test_few_rows_have_enough_steps():
    assert [enough_epochs(20, 400, n, 64) for n in (10, 50, 300, 6000)] == [20, 100, 80, 20]
