"""``distributed.fit`` accepts and refuses what ``fit`` does, with the same sentence."""

import re

import numpy as np
import pandas as pd
import pytest

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Adam, Checkpoint

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pytest.importorskip("distributed")

from sknn_scratch import distributed  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(dask|distributed).*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:(dask|distributed).*"),
]

RNG = np.random.default_rng(0)
N = 90
X = RNG.normal(size=(N, 4))
CLASSES = np.arange(N) % 3
WORDS = np.array(["a", "b", "c"], dtype=object)[CLASSES]
LABELS = (X[:, :3] > 0).astype(int)
Y = X[:, 0] - X[:, 1]
FRAME = pd.DataFrame(X, columns=list("abcd"))


@pytest.fixture(autouse=True)
def in_process():
    with dask.config.set(scheduler="synchronous"):
        yield


def parts(data, n):
    """Return data in n partitions, in the form that Dask has for it."""
    if isinstance(data, pd.DataFrame | pd.Series):
        # As it is: from_pandas would convert its columns of strings.
        blocks = [data.iloc[rows] for rows in np.array_split(np.arange(len(data)), n)]
        meta = blocks[0].iloc[:0]
        delayed = [dask.delayed(block, traverse=False) for block in blocks]
        return dd.from_delayed(delayed, meta=meta, verify_meta=False)
    chunks = tuple(map(len, np.array_split(np.arange(len(data)), n)))
    return da.from_array(data, chunks=(chunks, *[-1] * (data.ndim - 1)))


def changed(data, place, value, dtype=None):
    """Return a copy in which one value is another."""
    copy = np.array(data, dtype=dtype or data.dtype)
    copy[place] = value
    return copy


def outcome(function):
    """Return type and message of an error, or "accepted"."""
    try:
        function()
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "accepted"


def both(cls, params, rows, n, given=None, before=None):
    """Return what ``fit`` and ``distributed.fit`` make of rows, after a fit of ``before``."""
    base = {"hidden_layer_sizes": (3,), "max_iter": 2, "random_state": 0, "solver": "lbfgs"}
    if params.get("early_stopping") or params.get("average_every"):
        base["solver"] = "adam"
    results = []
    for fit in (
        lambda model: model.fit(*rows, **given or {}),
        lambda model: distributed.fit(model, *(parts(a, n) for a in rows), **given or {}),
    ):
        model = cls(**base | params)
        if before is not None:
            model.fit(*before)
        kept = dict(vars(model))
        results.append(outcome(lambda fit=fit, model=model: fit(model)))
        if results[-1] != "accepted":
            assert vars(model) == kept
    return results


def assert_same_refusal(here, there, n):
    """Assert that two messages are the same, up to rows that are printed, or counted, by chunk."""
    if n > 1:
        here, there = (re.sub(r"\d+", "n", text.partition("\n")[0]) for text in (here, there))
    assert here == there != "accepted"


LAST = (N - 1, 2)
#: Values of parameters that are refused, or refused together.
PARAMS = {
    "alpha": {"alpha": -1},
    "solver": {"solver": "adm"},
    "class of a component": {"solver": Adam},
    "flat beside an instance": {"solver": Adam(), "beta_1": 0.5},
    "lbfgs and an average": {"ema_decay": 0.9},
    "lbfgs and l1": {"l1_ratio": 0.5},
    "hidden_layer_sizes": {"hidden_layer_sizes": (3, 0)},
    "activation": {"activation": "rely"},
    "activation of each layer": {"activation": ["relu", "tanh"]},
    "dropout of each layer": {"dropout": [0.1, 0.2]},
    "scoring": {"scoring": "acuracy"},
    "loss for numbers": {"loss": "squared_error"},
    "loss for two classes": {"loss": "binary_log_loss"},
    "initializer": {"initializer": "glorot"},
    "learning_rate": {"learning_rate": "sometimes"},
    "batch_size": {"batch_size": 0},
    "callbacks": {"callbacks": [print]},
    "path of a checkpoint": {"callbacks": [Checkpoint("no such folder/run.npz")]},
    "class_weight": {"class_weight": "balance"},
    "unknown class": {"class_weight": {5: 1.0}},
    "negative class weight": {"class_weight": {1: -1.0}},
    "class weight that is nan": {"class_weight": {1: np.nan}},
    "class weight of no number": {"class_weight": {1: "two"}},
    "class weights of 0": {"class_weight": {0: 0, 1: 0, 2: 0}},
    "list of class weights": {"class_weight": ["balanced"]},
}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize("params", PARAMS.values(), ids=list(PARAMS))
def test_parameters(params, n):
    here, there = both(MLPClassifier, params, (X, CLASSES), n)
    assert_same_refusal(here, there, n)


NONE_LAST = pd.Series(changed(WORDS, -1, None))
#: (estimator, parameters, X, y and perhaps weights)
ROWS = {
    "nan in X": (MLPClassifier, {}, (changed(X, LAST, np.nan), CLASSES)),
    "inf in X": (MLPClassifier, {}, (changed(X, LAST, np.inf), CLASSES)),
    "complex X": (MLPRegressor, {}, (X + 1j, Y)),
    "words in X": (MLPRegressor, {}, (changed(X, LAST, "six", object), Y)),
    "vector as X": (MLPClassifier, {}, (X[:, 0], CLASSES)),
    "Series as X": (MLPClassifier, {}, (FRAME["a"], pd.Series(CLASSES))),
    "three axes": (MLPClassifier, {}, (X[:, :, None], CLASSES)),
    "no columns": (MLPClassifier, {}, (X[:, :0], CLASSES)),
    "nan in a frame": (MLPClassifier, {}, (FRAME.where(FRAME < 2), pd.Series(CLASSES))),
    "words in a frame": (MLPClassifier, {}, (FRAME.assign(b="x"), pd.Series(CLASSES))),
    "beyond float32": (MLPRegressor, {"dtype": "float32"}, (changed(X, LAST, 1e300), Y)),
    "y beyond float32": (MLPRegressor, {"dtype": "float32"}, (X, changed(Y, -1, 1e300))),
    "nan in y": (MLPRegressor, {}, (X, changed(Y, -1, np.nan))),
    "inf in y": (MLPRegressor, {}, (X, changed(Y, -1, np.inf))),
    "words as y": (MLPRegressor, {}, (X, WORDS)),
    "complex y": (MLPRegressor, {}, (X, Y + 1j)),
    "three axes of y": (MLPRegressor, {}, (X, Y.reshape(N, 1, 1))),
    "y of no columns": (MLPRegressor, {}, (X, LABELS[:, :0])),
    "y below 0": (MLPRegressor, {"loss": "poisson"}, (X, changed(np.zeros(N), -1, -2))),
    "y below 0 first": (MLPRegressor, {"loss": "poisson"}, (X, changed(np.zeros(N), 0, -2))),
    "real labels": (MLPClassifier, {}, (X, changed(CLASSES, -1, 0.5, float))),
    "labels of nan": (MLPClassifier, {}, (X, changed(CLASSES, -1, np.nan, float))),
    "labels of None": (MLPClassifier, {}, (X, changed(WORDS, -1, None))),
    "labels of NA": (MLPClassifier, {}, (FRAME, pd.Series(changed(WORDS, -1, pd.NA)))),
    "strings of NA": (MLPClassifier, {}, (FRAME, NONE_LAST.astype("string"))),
    "categories of NA": (MLPClassifier, {}, (FRAME, NONE_LAST.astype("category"))),
    "integers of NA": (MLPClassifier, {}, (FRAME, pd.Series(CLASSES).where(Y > 0).astype("Int64"))),
    "two kinds of labels": (MLPClassifier, {}, (X, changed(WORDS, slice(0, N, 10), 7))),
    "columns of classes": (MLPClassifier, {}, (X, LABELS + CLASSES[:, None])),
    "columns of reals": (MLPClassifier, {}, (X, X[:, :2])),
    "columns of -1 and 1": (MLPClassifier, {}, (X, 2 * LABELS - 1)),
    "negative weights": (MLPClassifier, {}, (X, CLASSES, changed(np.ones(N), -1, -1))),
    "weights of nan": (MLPClassifier, {}, (X, CLASSES, changed(np.ones(N), -1, np.nan))),
    "weights of inf": (MLPClassifier, {}, (X, CLASSES, changed(np.ones(N), -1, np.inf))),
    "weights of words": (MLPClassifier, {}, (X, CLASSES, WORDS.astype(str))),
    "weights of 0": (MLPClassifier, {}, (X, CLASSES, np.zeros(N))),
    "weights of 0 for a class": (
        MLPClassifier,
        {"class_weight": {0: 0}},
        (X, CLASSES, 1.0 * (CLASSES == 0)),
    ),
    "infinite sum of weights": (MLPClassifier, {}, (X, CLASSES, np.full(N, 1e308))),
    "weights for labels": (MLPClassifier, {"class_weight": ["balanced"]}, (X, LABELS)),
    "dict for labels": (MLPClassifier, {"class_weight": {0: 1}}, (X, LABELS)),
}  # fmt: skip


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("cls", "params", "rows"), ROWS.values(), ids=list(ROWS))
def test_rows(cls, params, rows, n):
    here, there = both(cls, params, rows, n)
    assert_same_refusal(here, there, n)


#: Rows that are accepted by both.
FINE = {
    "no weight in a partition": (MLPClassifier, {}, (X, CLASSES, 1.0 * (np.arange(N) >= 30))),
    "no weight for a class": (MLPClassifier, {"class_weight": {0: 0}}, (X, np.sort(CLASSES))),
    "integers": (MLPRegressor, {}, ((10 * X).astype(np.int8), Y)),
    "half precision": (MLPRegressor, {}, (X.astype(np.float16), Y.astype(np.float16))),
    "objects": (MLPRegressor, {}, (X.astype(object), Y.astype(object))),
    "booleans": (MLPClassifier, {}, (X, CLASSES > 0)),
    "one class": (MLPClassifier, {}, (X, 0 * CLASSES)),
    "one column of labels": (MLPClassifier, {}, (X, LABELS[:, :1].ravel())),
    "words": (MLPClassifier, {}, (X, WORDS)),
    "strings of a frame": (MLPClassifier, {}, (FRAME, pd.Series(WORDS, dtype="string"))),
    "categories": (MLPClassifier, {}, (FRAME, pd.Series(WORDS, dtype="category"))),
    "nullable": (MLPClassifier, {}, (FRAME.astype("Float64"), pd.Series(CLASSES, dtype="Int64"))),
}


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("cls", "params", "rows"), FINE.values(), ids=list(FINE))
@pytest.mark.filterwarnings("ignore:y of distributed.fit has classes that are in one partition")
def test_rows_that_are_accepted(cls, params, rows, n):
    assert both(cls, params, rows, n) == ["accepted"] * 2


SERIES = pd.Series(CLASSES)
#: (rows of the fit before, rows)
WARM = {
    "names": ((FRAME, SERIES), (FRAME.rename(columns={"a": "z"}), SERIES)),
    "order of names": ((FRAME, SERIES), (FRAME[list("dcba")], SERIES)),
    "columns": ((X, CLASSES), (X[:, :3], CLASSES)),
    "more columns": ((X, CLASSES), (np.column_stack([X, X]), CLASSES)),
    "fewer classes": ((X, CLASSES), (X, CLASSES % 2)),
    "more classes": ((X, CLASSES % 2), (X, CLASSES)),
    "labels after classes": ((X, CLASSES), (X, LABELS)),
    "classes after labels": ((X, LABELS), (X, CLASSES)),
    "fewer labels": ((X, LABELS), (X, LABELS[:, :2])),
}  # fmt: skip


@pytest.mark.parametrize("n", [1, 3])
@pytest.mark.parametrize(("before", "rows"), WARM.values(), ids=list(WARM))
def test_warm_starts(before, rows, n):
    here, there = both(MLPClassifier, {"warm_start": True}, rows, n, before=before)
    assert here == there != "accepted"


def test_weights_of_0_beside_an_empty_partition():
    """An empty partition has no weight either."""
    mask = da.from_array(np.arange(N) >= 30, chunks=30)
    rows, y, zeros = (parts(a, 3)[mask] for a in (X, CLASSES, np.zeros(N)))
    here = outcome(lambda: MLPClassifier(solver="lbfgs").fit(X, CLASSES, np.zeros(N)))
    there = outcome(lambda: distributed.fit(MLPClassifier(solver="lbfgs"), rows, y, zeros))
    assert here == there != "accepted"


@pytest.mark.parametrize("change", [{"hidden_layer_sizes": 4}, {"loss": "poisson"}])
def test_warm_start_of_another_network(change):
    results = []
    for fit, rows in (
        (MLPRegressor.fit, (X, Y**2)),
        (distributed.fit, (parts(X, 3), parts(Y**2, 3))),
    ):
        model = MLPRegressor(solver="lbfgs", warm_start=True, max_iter=2).fit(X, Y)
        model.set_params(**change)
        results.append(outcome(lambda fit=fit, model=model, rows=rows: fit(model, *rows)))
    assert results[0] == results[1]
    assert "cannot continue" in results[0]


#: Validation data of classes.
GIVEN = {
    "y_val missing": {"X_val": X},
    "X_val missing": {"y_val": CLASSES},
    "weights alone": {"sample_weight_val": np.ones(N)},
    "columns": {"X_val": X[:, 1:], "y_val": CLASSES},
    "nan in X_val": {"X_val": changed(X, LAST, np.nan), "y_val": CLASSES},
    "length": {"X_val": X, "y_val": CLASSES[1:]},
    "unknown class": {"X_val": X, "y_val": CLASSES + 1},
    "labels": {"X_val": X, "y_val": LABELS},
    "nan in y_val": {"X_val": X, "y_val": changed(CLASSES, 0, np.nan, float)},
    "negative weights": {"X_val": X, "y_val": CLASSES, "sample_weight_val": -np.ones(N)},
    "weights of 0": {"X_val": X, "y_val": CLASSES, "sample_weight_val": np.zeros(N)},
    "length of weights": {"X_val": X, "y_val": CLASSES, "sample_weight_val": np.ones(3)},
}


# Without X_val, early stopping is refused first: distributed.fit holds no rows out.
CALLS = [
    pytest.param(given, params, id=f"{name} {params}")
    for name, given in GIVEN.items()
    for params in ({}, {"class_weight": "balanced"}, {"early_stopping": True})
    if "X_val" in given or "early_stopping" not in params
]


@pytest.mark.parametrize(("given", "params"), CALLS)
def test_validation_data(given, params):
    here, there = both(MLPClassifier, params, (X, CLASSES), 3, given=given)
    assert here == there != "accepted"


def test_resume_compares_settings(tmp_path):
    path = str(tmp_path / "run.npz")
    params = {"solver": "lbfgs", "max_iter": 2, "random_state": 0, "tol": 0}

    def fit(sizes, n_rows=N, **more):
        model = MLPRegressor(hidden_layer_sizes=sizes, **params | more.pop("params", {}))
        return distributed.fit(model, parts(X[:n_rows], 3), parts(Y[:n_rows], 3), **more)

    whole = fit((3,), params={"callbacks": [Checkpoint(path)]})
    with pytest.raises(ValueError, match=r"of another fit: its hidden_layer_sizes is \(3,\), here"):
        fit((3, 3), resume=path)
    with pytest.raises(ValueError, match="its shape of X is 90 x 4, here it is 60 x 4"):
        fit([3], n_rows=60, resume=path)
    with pytest.warns(UserWarning, match="curvature is lost"):
        same = fit(np.array([3]), resume=path, params={"alpha": np.float64(1e-4)})
    np.testing.assert_array_equal(same.theta_, whole.theta_)
