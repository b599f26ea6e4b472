"""What users do with scikit-learn's estimators, on data that scikit-learn bundles."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.datasets import (
    load_breast_cancer,
    load_diabetes,
    load_digits,
    load_iris,
    load_linnerud,
    load_wine,
)
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MaxAbsScaler, StandardScaler, scale

from sknn_scratch import MLPClassifier, MLPRegressor

# Few epochs are enough to see that things fit together; the text of the warning has its own test.
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

ESTIMATORS = [MLPClassifier, MLPRegressor]


def small(cls, **params):
    """An estimator that is fitted within milliseconds."""
    return cls(**{"hidden_layer_sizes": 8, "max_iter": 5, "random_state": 0} | params)


def scaled(load):
    """X with unit variance, and y."""
    X, y = load(return_X_y=True)
    return scale(X), y


def multilabel_digits():
    """Digits with three labels each: odd, above 4, square."""
    X, y = load_digits(return_X_y=True)
    return X[:600] / 16, np.column_stack([y % 2, y > 4, np.isin(y, [0, 1, 4, 9])])[:600].astype(int)


def data_for(cls):
    return scaled(load_iris) if cls is MLPClassifier else scaled(load_diabetes)


# --- Pipelines, searches, files


@pytest.mark.parametrize(
    ("estimator", "load", "enough"),
    [
        (MLPClassifier(solver="lbfgs", alpha=1, random_state=0), load_wine, 0.95),
        (MLPClassifier(max_iter=60, random_state=0), load_breast_cancer, 0.95),
        # linear regression: 0.36
        (
            MLPRegressor(
                hidden_layer_sizes=10,
                alpha=10,
                learning_rate_init=0.03,
                early_stopping=True,
                random_state=0,
            ),
            load_diabetes,
            0.3,
        ),
    ],
    ids=["wine", "breast cancer", "diabetes"],
)
def test_pipeline_generalises(estimator, load, enough):
    X, y = load(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=0)
    model = make_pipeline(StandardScaler(), estimator).fit(X_train, y_train)
    assert model.score(X_test, y_test) > enough


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_grid_search_in_one_and_two_processes(cls):
    X, y = data_for(cls)
    model = make_pipeline(StandardScaler(), small(cls))
    name = cls.__name__.lower()
    grid = {f"{name}__alpha": [1e-4, 1.0], f"{name}__solver": ["adam", "lbfgs"]}
    one, two = (GridSearchCV(model, grid, cv=2, n_jobs=n).fit(X, y) for n in (1, 2))
    assert one.best_params_ == two.best_params_
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    np.testing.assert_array_equal(one.predict(X), two.predict(X))


@pytest.mark.slow
@pytest.mark.parametrize("cls", ESTIMATORS)
def test_joblib_file_read_by_another_process(cls, tmp_path):
    X, y = data_for(cls)
    model = make_pipeline(StandardScaler(), small(cls)).fit(X, y)
    joblib.dump((model, X), tmp_path / "model.joblib")
    script = (
        "import joblib; model, X = joblib.load('model.joblib'); "
        "joblib.dump(model.predict(X), 'predictions.joblib')"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", script], cwd=tmp_path, check=True)
    np.testing.assert_array_equal(joblib.load(tmp_path / "predictions.joblib"), model.predict(X))


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_clone_is_unfitted_and_learns_the_same(cls):
    X, y = data_for(cls)
    model = small(cls).fit(X, y)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")
    np.testing.assert_array_equal(copy.fit(X, y).theta_, model.theta_)


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_parameters_can_be_set_also_through_a_pipeline(cls):
    model = cls(alpha=0.5)
    assert model.set_params(solver="sgd", momentum=0.1) is model
    assert (model.get_params()["solver"], model.momentum, model.alpha) == ("sgd", 0.1, 0.5)
    with pytest.raises(ValueError, match="Invalid parameter 'slover'"):
        model.set_params(slover="sgd")
    pipeline = make_pipeline(StandardScaler(), model)
    name = cls.__name__.lower()
    pipeline.set_params(**{f"{name}__hidden_layer_sizes": (3, 2)})
    assert model.hidden_layer_sizes == (3, 2)
    assert pipeline.get_params()[f"{name}__hidden_layer_sizes"] == (3, 2)


# --- Kinds of input and of targets


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("format", ["csr", "csc"])
def test_sparse_in_a_pipeline_equals_dense(solver, format):
    X, y = load_digits(return_X_y=True)
    X, y = csr_array(X[:300]), y[:300]
    sparse = make_pipeline(MaxAbsScaler(), small(MLPClassifier, solver=solver))
    dense = clone(sparse).fit(X.toarray(), y)
    sparse.fit(X.asformat(format), y)
    expected = dense.predict_proba(X.toarray())
    np.testing.assert_allclose(sparse.predict_proba(X), expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(sparse.predict_proba(X.tocsc()), expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("y_dtype", [np.float32, np.float64])
def test_float32_stays_float32(cls, solver, y_dtype):
    X, y = data_for(cls)
    X, y = X.astype(np.float32), y.astype(y_dtype)
    weight = np.linspace(0.5, 1, len(y))
    model = small(cls, solver=solver, learning_rate_init=1e-4).fit(X, y, sample_weight=weight)
    arrays = [*model.coefs_, *model.intercepts_]
    if cls is MLPRegressor:
        arrays.append(model.predict(X))
    else:
        arrays += [model.predict_proba(X), model.predict_log_proba(X), model.decision_function(X)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_multi_output_regression(solver):
    X, Y = load_linnerud(return_X_y=True)
    X, Y = scale(X), scale(Y)
    model = MLPRegressor(
        hidden_layer_sizes=20, solver=solver, max_iter=500, learning_rate_init=0.01, random_state=0
    )
    assert model.fit(X, Y).predict(X).shape == Y.shape
    assert model.n_outputs_ == 3
    assert model.score(X, Y) > 0.5


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_multilabel(solver):
    X, Y = multilabel_digits()
    model = MLPClassifier(
        solver=solver, hidden_layer_sizes=30, max_iter=100, learning_rate_init=0.01, random_state=0
    )
    prediction = model.fit(X, Y).predict(X)
    assert (model.out_activation_, model.n_outputs_) == ("logistic", 3)
    np.testing.assert_array_equal(prediction, model.predict_proba(X) > 0.5)
    assert (prediction == Y).mean() > 0.95


def targets(kind, y):
    return {
        "two classes": np.where(y > 4, "high", "low"),
        "binary_log_loss": np.where(y > 4, "high", "low"),
        "one class": np.full(len(y), "low"),
        "ten classes": y,
        "multilabel": np.column_stack([y % 2, y > 4]).astype(int),
    }[kind]


@pytest.mark.parametrize(
    ("kind", "n_columns", "score_shape"),
    [
        ("two classes", 2, ()),
        ("binary_log_loss", 2, ()),
        ("one class", 1, (1,)),
        ("ten classes", 10, (10,)),
        ("multilabel", 2, (2,)),
    ],
)
def test_scores_and_probabilities_agree(kind, n_columns, score_shape):
    X, y = load_digits(return_X_y=True)
    X, y = X[:200] / 16, targets(kind, y[:200])
    loss = kind if kind == "binary_log_loss" else "log_loss"
    model = small(MLPClassifier, loss=loss, learning_rate_init=0.01).fit(X, y)
    scores, proba = model.decision_function(X), model.predict_proba(X)
    assert scores.shape == (len(X), *score_shape)
    assert proba.shape == (len(X), n_columns)
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(proba), rtol=1e-9, atol=1e-12)
    if kind == "multilabel":
        np.testing.assert_allclose(proba, 1 / (1 + np.exp(-scores)))
        np.testing.assert_array_equal(model.predict(X), scores > 0)
        return
    np.testing.assert_allclose(proba.sum(axis=1), 1)
    np.testing.assert_array_equal(model.predict(X), model.classes_[proba.argmax(axis=1)])
    if scores.ndim == 1:
        np.testing.assert_allclose(proba[:, 1], 1 / (1 + np.exp(-scores)))
        np.testing.assert_array_equal(model.predict(X), model.classes_[(scores > 0).astype(int)])


# Far from the data, probabilities are extreme; their logarithms stay finite.
@pytest.mark.parametrize("kind", ["two classes", "binary_log_loss", "ten classes", "multilabel"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extreme_probabilities(kind, dtype):
    X, y = load_digits(return_X_y=True)
    X, y = (X[:200] / 16).astype(dtype), targets(kind, y[:200])
    loss = kind if kind == "binary_log_loss" else "log_loss"
    model = small(MLPClassifier, loss=loss, learning_rate_init=0.01, max_iter=20).fit(X, y)
    proba, log_proba = model.predict_proba(1e4 * X), model.predict_log_proba(1e4 * X)
    assert np.isfinite(log_proba).all()
    assert proba.min() < 1e-6
    np.testing.assert_array_equal(proba.argmax(axis=1), log_proba.argmax(axis=1))
    if kind in ("binary_log_loss", "multilabel"):
        assert 0 < proba.min() < proba.max() < 1


def test_binary_log_loss_is_for_two_classes():
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier(loss="binary_log_loss")
    assert not model.__sklearn_tags__().classifier_tags.multi_class
    message = "Only binary classification is supported. The type of the target is multiclass"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


# --- Going on


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_partial_fit_is_hidden_with_lbfgs(cls):
    assert not hasattr(cls(solver="lbfgs"), "partial_fit")
    assert hasattr(cls(solver="sgd"), "partial_fit")
    assert hasattr(cls(), "partial_fit")


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_partial_fit_learns_from_chunks(cls):
    X, y = data_for(cls)
    y = y if cls is MLPClassifier else scale(y)
    model = small(cls, learning_rate_init=0.01)
    classes = {"classes": np.unique(y)} if cls is MLPClassifier else {}
    for _ in range(50):
        for chunk in np.array_split(np.random.RandomState(0).permutation(len(y)), 4):
            model.partial_fit(X[chunk], y[chunk], **classes)
    assert model.score(X, y) > (0.9 if cls is MLPClassifier else 0.5)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_warm_start_goes_on_from_the_weights(cls, solver):
    X, y = data_for(cls)
    y = y if cls is MLPClassifier else scale(y)
    model = small(cls, solver=solver, warm_start=True, max_iter=20).fit(X, y)
    first = model.loss_curve_
    again = model.fit(X, y).loss_curve_
    assert again[0] < first[len(first) // 2]
    assert again[-1] < first[-1]


# --- A linear model, and what else holds


@pytest.mark.parametrize(
    ("ours", "theirs", "load"),
    [
        (MLPRegressor(), LinearRegression(), load_diabetes),
        (
            MLPRegressor(loss="poisson"),
            PoissonRegressor(alpha=0, tol=1e-10, max_iter=2000),
            load_diabetes,
        ),
        (MLPClassifier(alpha=1), LogisticRegression(C=1, tol=1e-10, max_iter=2000), load_wine),
    ],
    ids=["squared_error", "poisson", "log_loss"],
)
def test_no_hidden_layer_is_a_linear_model(ours, theirs, load):
    X, y = scaled(load)
    y = y / y.mean() if load is load_diabetes else y
    ours.set_params(hidden_layer_sizes=(), solver="lbfgs", max_iter=2000, tol=1e-9, random_state=0)
    if isinstance(ours, MLPRegressor):
        ours.set_params(alpha=0)
    ours.fit(X, y)
    theirs.fit(X, y)
    assert len(ours.coefs_) == 1
    method = "predict_proba" if load is load_wine else "predict"
    expected = getattr(theirs, method)(X)
    np.testing.assert_allclose(getattr(ours, method)(X), expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("cls", ESTIMATORS)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize(("factor", "hint"), [(1, False), (1 / 50, False), (1 / 1000, True)])
def test_convergence_warning_names_the_remedy(cls, solver, factor, hint):
    X, y = data_for(cls)
    y = y if cls is MLPClassifier else scale(y)
    X = X * np.where(np.arange(X.shape[1]) == 0, factor, 1.0)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter") as caught:
        small(cls, solver=solver, max_iter=2).fit(X, y)
    assert ("StandardScaler" in str(caught[0].message)) == hint
    assert bool(re.search("scale", str(caught[0].message))) == hint


@pytest.mark.parametrize("solver", ["sgd", "lbfgs"])
@pytest.mark.parametrize("container", [np.asarray, csr_array])
def test_no_advice_to_scale_pixels(container, solver):
    # Between 0 and 1, some always 0, and some nearly always: deviations from 0.002 to 0.4.
    X, y = load_digits(return_X_y=True)
    X = X[:1000] / 16
    deviations = X.std(axis=0)
    assert deviations.max() > 100 * deviations[deviations > 0].min()
    model = small(MLPClassifier, solver=solver, max_iter=2)
    with pytest.warns(ConvergenceWarning, match="Increase max_iter") as caught:
        model.fit(container(X), y[:1000])
    assert "StandardScaler" not in str(caught[0].message)
    with pytest.warns(ConvergenceWarning, match=r"ranges of the features differ by a factor of 1"):
        model.fit(container(X * np.where(np.arange(64) % 2, 1, 1000)), y[:1000])


@pytest.mark.parametrize("cls", ESTIMATORS)
def test_threads_share_a_model(cls):
    X, y = data_for(cls)
    model = small(cls).fit(X, y)
    parts = [X[k:] for k in range(64)]
    expected = [model.predict(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        for got, wanted in zip(pool.map(model.predict, parts), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_prediction_does_not_depend_on_the_number_of_rows(method):
    X, y = scaled(load_wine)
    model = small(MLPClassifier).fit(X, y)
    many = np.tile(X, (200, 1))  # more rows than one block
    predict = getattr(model, method)
    once = predict(X)
    tiled = np.tile(once, (200,) + (1,) * (once.ndim - 1))
    np.testing.assert_allclose(predict(many), tiled, rtol=1e-12, atol=1e-15)
