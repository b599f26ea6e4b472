"""Saved and loaded, an estimator predicts the same and goes on training the same, bit for bit."""

import copy
import pickle
import re
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import cloudpickle
import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array

import sknn_scratch
from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import SGD, Adam, InvScaling, Tanh
from sknn_scratch.contracts import Activation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
MORE = RNG.normal(size=(25, 4))
RAW = X @ RNG.normal(size=(4, 3))
CLASSES = np.array(["red", "green", "blue"])[RAW.argmax(axis=1)]
LABELS = (RAW > 0).astype(int)
PARAMS = {"hidden_layer_sizes": (7, 5), "max_iter": 4, "random_state": 0}


# name: (estimator, y)
MODELS = {
    "classes, adam": (MLPClassifier(**PARAMS), CLASSES),
    "labels, sgd": (MLPClassifier(**PARAMS, solver="sgd"), LABELS),
    "sparse labels": (MLPClassifier(**PARAMS), csr_array(LABELS)),
    "two classes": (MLPClassifier(**PARAMS, loss="binary_log_loss"), LABELS[:, 0]),
    "own seed": (MLPRegressor(**PARAMS | {"random_state": None}), RAW),
    "own stream": (MLPRegressor(**PARAMS | {"random_state": np.random.RandomState(5)}), RAW),
    "instances": (
        MLPRegressor(
            **PARAMS, solver=Adam(beta_1=0.8), activation=("relu", Tanh()), loss="poisson"
        ),
        np.exp(RAW[:, 0]),
    ),
    "schedule": (MLPRegressor(**PARAMS, solver=SGD(), learning_rate=InvScaling()), RAW[:, 0]),
    "adaptive": (MLPRegressor(**PARAMS, solver="sgd", learning_rate="adaptive"), RAW),
    "early stopping": (MLPClassifier(**PARAMS, early_stopping=True), CLASSES),
}


def through_bytes(dumps, loads):
    return lambda estimator, _: loads(dumps(estimator))


def through_joblib(estimator, path, **options):
    joblib.dump(estimator, path / "model.joblib", **options)
    return joblib.load(path / "model.joblib")


def through_memory_map(estimator, path):
    joblib.dump(estimator, path / "model.joblib")
    return joblib.load(path / "model.joblib", mmap_mode="r")


def through_thread(estimator, _):
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(pickle.loads, pickle.dumps(estimator)).result()


TRIPS = {
    **{
        f"pickle protocol {n}": through_bytes(lambda e, n=n: pickle.dumps(e, n), pickle.loads)
        for n in range(pickle.HIGHEST_PROTOCOL + 1)
    },
    "cloudpickle": through_bytes(cloudpickle.dumps, cloudpickle.loads),
    "copy.deepcopy": lambda estimator, _: copy.deepcopy(estimator),
    "copy.copy": lambda estimator, _: copy.copy(estimator),
    "joblib": through_joblib,
    "joblib, compressed": lambda e, path: through_joblib(e, path, compress=3),
    "joblib, mapped into memory": through_memory_map,
    "another thread": through_thread,
}


def fitted(name):
    estimator, y = MODELS[name]
    return copy.deepcopy(estimator).fit(X, y)


def outputs(estimator):
    """All predictions, as one list of arrays."""
    methods = ["predict", "predict_proba", "predict_log_proba", "decision_function"]
    found = [getattr(estimator, m)(MORE) for m in methods if hasattr(estimator, m)]
    return [f.toarray() if hasattr(f, "toarray") else f for f in found]


def assert_same(one, other):
    """Equal to the bit in all that is fitted."""
    assert vars(one).keys() == vars(other).keys()
    np.testing.assert_array_equal(one.theta_, other.theta_)
    for name in "loss_curve_", "validation_scores_", "loss_", "n_iter_", "t_", "n_features_in_":
        assert getattr(one, name) == getattr(other, name), name
    for ours, theirs in zip(outputs(one), outputs(other), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def go_on(estimator, y):
    """Two passes over parts of the data."""
    estimator.set_params(early_stopping=False)
    for rows in slice(0, 40), slice(20, 60):
        estimator.partial_fit(X[rows], y[rows])
    return estimator


# ------------------------------------------------------------------------------------ round trips
@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("name", MODELS)
def test_goes_on_as_if_never_saved(name, trip, tmp_path):
    estimator, y = fitted(name), MODELS[name][1]
    again = TRIPS[trip](estimator, tmp_path)
    assert_same(again, estimator)
    assert_same(go_on(again, y), go_on(estimator, y))


@pytest.mark.parametrize("trip", TRIPS)
def test_lbfgs(trip, tmp_path):
    estimator = MLPRegressor(**PARAMS, solver="lbfgs", warm_start=True).fit(X, RAW)
    again = TRIPS[trip](estimator, tmp_path)
    assert_same(again, estimator)
    assert_same(again.fit(X, RAW), estimator.fit(X, RAW))


@pytest.mark.parametrize("trip", TRIPS)
def test_copies_are_independent(trip, tmp_path):
    estimator = fitted("classes, adam")
    before = pickle.dumps(estimator)
    again = TRIPS[trip](estimator, tmp_path)
    go_on(again, CLASSES)
    again.fit(X, LABELS)
    assert pickle.dumps(estimator) == before


@pytest.mark.parametrize("trip", TRIPS)
def test_unfitted(trip, tmp_path):
    again = TRIPS[trip](MLPClassifier(**PARAMS, activation=["relu", Tanh()]), tmp_path)
    assert not hasattr(again, "theta_")
    assert_same(again.fit(X, CLASSES), MLPClassifier(**again.get_params()).fit(X, CLASSES))


# ------------------------------------------------------------------------------------------ views
@pytest.mark.parametrize("trip", TRIPS)
def test_weights_are_views_again(trip, tmp_path):
    again = TRIPS[trip](fitted("classes, adam"), tmp_path)
    arrays = [*again.coefs_, *again.intercepts_]
    assert sum(a.size for a in arrays) == again.theta_.size
    assert all(np.shares_memory(a, again.theta_) for a in arrays)
    for a in arrays:
        assert a.flags.c_contiguous


@pytest.mark.parametrize("trip", TRIPS)
@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_setting_weights_copies(name, trip, tmp_path):
    estimator = fitted("own seed")
    again = TRIPS[trip](estimator, tmp_path)
    doubled = [2 * a for a in getattr(again, name)]
    setattr(again, name, doubled)
    kept = [a.copy() for a in doubled]
    doubled[0][:] = 0
    for one, two, old in zip(getattr(again, name), kept, getattr(estimator, name), strict=True):
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(one, 2 * old)
    assert not np.array_equal(again.predict(X), estimator.predict(X))
    go_on(again, RAW)


@pytest.mark.parametrize("name", ["coefs_", "intercepts_"])
def test_items_cannot_be_assigned(name):
    arrays = getattr(fitted("own seed"), name)
    with pytest.raises(TypeError, match="does not support item assignment"):
        arrays[0] = arrays[0]


def test_memory_map_stays_as_it_is(tmp_path):
    path = tmp_path / "model.joblib"
    joblib.dump(fitted("classes, adam"), path)
    before = path.read_bytes()
    mapped = joblib.load(path, mmap_mode="r")
    assert not mapped.theta_.flags.writeable
    mapped.predict(X)
    mapped.coefs_ = [2 * w for w in mapped.coefs_]
    go_on(mapped, CLASSES)
    assert type(mapped.theta_) is np.ndarray
    assert mapped.theta_.flags.writeable
    assert path.read_bytes() == before


# ------------------------------------------------------------------------------------- file sizes
SMALL = 8000  # bytes for all but the vectors: 2500 for the random stream, names, numbers
WIDE = {"hidden_layer_sizes": (300,), "max_iter": 3, "random_state": 0}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize(("solver", "vectors"), [("adam", 2), ("sgd", 1), (SGD(), 1), ("lbfgs", 0)])
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
@pytest.mark.filterwarnings("ignore:early_stopping is ignored")
def test_holds_theta_and_the_optimizer_state_alone(cls, solver, vectors, early_stopping, dtype):
    y = CLASSES if cls is MLPClassifier else RAW
    estimator = cls(**WIDE, solver=solver, early_stopping=early_stopping).fit(X.astype(dtype), y)
    expected = estimator.theta_.nbytes * (1 + vectors)
    assert estimator.theta_.nbytes > SMALL
    history = 150 * len(estimator.history_)  # bytes of a row for each epoch
    assert expected < len(pickle.dumps(estimator)) < expected + SMALL + history
    if vectors:
        go_on(estimator, y)
        history = 150 * len(estimator.history_)
        assert expected < len(pickle.dumps(estimator)) < expected + SMALL + history


@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_size_does_not_grow_with_the_data(cls):
    y = CLASSES if cls is MLPClassifier else RAW
    sizes = [
        len(pickle.dumps(cls(**PARAMS).fit(np.tile(X, (n, 1)), np.concatenate([y] * n))))
        for n in (1, 50)
    ]
    assert abs(sizes[1] - sizes[0]) < 50


# ----------------------------------------------------------------------------- the other process
def run(code, *arguments):
    """Run code in a new process, with warnings as errors."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    subprocess.run(command, check=True, timeout=120)


READ = """
    import sys, pickle, joblib, numpy as np
    model, data, result = sys.argv[1:]
    estimator = joblib.load(model) if model.endswith("joblib") else pickle.load(open(model, "rb"))
    np.save(result, estimator.predict_proba(np.load(data)))
    """


@pytest.mark.slow
@pytest.mark.parametrize("file", ["model.pickle", "model.joblib"])
def test_another_process(file, tmp_path):
    estimator = fitted("classes, adam")
    with (tmp_path / file).open("wb") as f:
        (joblib if file.endswith("joblib") else pickle).dump(estimator, f)
    np.save(tmp_path / "X.npy", MORE)
    run(READ, tmp_path / file, tmp_path / "X.npy", tmp_path / "result.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "result.npy"), estimator.predict_proba(MORE))


# The activation is known to the writer alone: as a class in __main__, and under a name.
WRITE = """
    import sys, warnings, cloudpickle, numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sknn_scratch import MLPClassifier, register
    from sknn_scratch.contracts import Activation

    @register.activation("half")
    class Half(Activation):
        slope: float = 0.5
        def forward(self, z, out): return np.multiply(z, self.slope, out)
        def backward(self, grad, a, z, out): return np.multiply(grad, self.slope, out)

    model, data, result = sys.argv[1:]
    X = np.load(data)
    warnings.simplefilter("ignore", ConvergenceWarning)
    estimator = MLPClassifier(max_iter=3, hidden_layer_sizes=5, activation=ACTIVATION)
    estimator.fit(X, np.arange(len(X)) % 3)
    np.save(result, estimator.predict_proba(X))
    with open(model, "wb") as f:
        cloudpickle.dump(estimator, f)
    """


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["Half(slope=0.3)", "'half'"])
def test_plug_in_of_main_in_another_process(activation, tmp_path):
    np.save(tmp_path / "X.npy", MORE)
    model, data = tmp_path / "model.pickle", tmp_path / "X.npy"
    run(WRITE.replace("ACTIVATION", activation), model, data, tmp_path / "written.npy")
    run(READ, model, data, tmp_path / "read.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "read.npy"), np.load(tmp_path / "written.npy"))


def test_cloudpickle_of_a_local_class():
    class Third(Activation):
        def forward(self, z, out):
            return np.divide(z, 3, out)

        def backward(self, grad, a, z, out):
            return np.divide(grad, 3, out)

    estimator = MLPRegressor(**PARAMS, activation=Third()).fit(X, RAW)
    again = cloudpickle.loads(cloudpickle.dumps(estimator))
    assert_same(go_on(again, RAW), go_on(estimator, RAW))


# -------------------------------------------------------------------------- versions and formats
MISSING = object()


def restored(estimator, **changes):
    """What a file of this estimator becomes if parts of the state in it are others."""
    state = estimator.__getstate__() | changes
    again = type(estimator).__new__(type(estimator))
    again.__setstate__({name: value for name, value in state.items() if value is not MISSING})
    return again


@pytest.mark.parametrize("estimator", [MLPClassifier(), MLPRegressor()])
@pytest.mark.parametrize("is_fitted", [False, True])
def test_files_record_version_and_format(estimator, is_fitted):
    estimator = estimator.set_params(**PARAMS).fit(X, LABELS) if is_fitted else estimator
    state = estimator.__getstate__()
    assert state["_sknn_scratch_version"] == sknn_scratch.__version__
    assert state["_sknn_scratch_format"] == 1
    again = pickle.loads(pickle.dumps(estimator))
    assert vars(again).keys() == vars(estimator).keys()
    assert not any(name.startswith("_sknn") for name in vars(again))


def test_another_version_of_the_same_format():
    estimator = fitted("classes, adam")
    assert_same(restored(estimator, _sknn_scratch_version="99.0"), estimator)


@pytest.mark.parametrize("found", [2, 0, "next", None])
@pytest.mark.parametrize("name", ["classes, adam", "own seed"])
def test_another_format(name, found):
    with pytest.raises(ValueError, match="format") as error:
        restored(fitted(name), _sknn_scratch_format=found, _sknn_scratch_version="99.0")
    for part in repr(found), "1", "99.0":
        assert re.search(rf"(?<![\w.]){re.escape(part)}(?![\w])", str(error.value)), part


def test_a_file_without_a_format():
    with pytest.raises(ValueError, match=r"format.*\b1\b"):
        restored(fitted("own seed"), _sknn_scratch_format=MISSING, _sknn_scratch_version=MISSING)
