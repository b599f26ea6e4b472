"""Threads and memory: predictions in parallel and in blocks, training without new buffers."""

import gc
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy.sparse import csr_array
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.contracts import Callback
from sknn_scratch.core import inference
from sknn_scratch.fitting import _settings

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
N, F = 600, 20
X = RNG.normal(size=(N, F))
RAW = X @ RNG.normal(size=(F, 3)) / F**0.5
# task: (estimator, loss, y)
TASKS = {
    "squared error": (MLPRegressor, "squared_error", RAW),
    "poisson": (MLPRegressor, "poisson", np.exp(RAW)),
    "classes": (MLPClassifier, "log_loss", RAW.argmax(axis=1)),
    "labels": (MLPClassifier, "log_loss", (RAW > 0).astype(int)),
    "binary": (MLPClassifier, "binary_log_loss", (RAW[:, 0] > 0).astype(int)),
}
METHODS = ["predict", "predict_proba", "predict_log_proba", "decision_function"]


def model(task, **params):
    estimator, loss, _ = TASKS[task]
    defaults = {"max_iter": 4, "tol": 0, "n_iter_no_change": np.inf, "random_state": 0}
    return estimator(loss=loss, **defaults | params)


def fitted(task, dtype=np.float64, **params):
    return model(task, **params).fit(X.astype(dtype), TASKS[task][2])


def methods(estimator):
    return [getattr(estimator, name) for name in METHODS if hasattr(estimator, name)]


@pytest.fixture(autouse=True, scope="module")
def one_blas_thread():
    """Threads of BLAS on top of ours would only wait for each other."""
    with threadpool_limits(1):
        yield


# ---------------------------------------------------------------------------------------- threads
@pytest.mark.parametrize("task", TASKS)
def test_32_predictions_on_8_threads(task):
    estimator = fitted(task, hidden_layer_sizes=(30, 20))
    parts = [csr_array(X) if k % 8 == 7 else X[: N - 17 * k] for k in range(32)]

    def all_outputs(part):
        return [method(part) for method in methods(estimator)]

    serial = [all_outputs(part) for part in parts]
    with ThreadPoolExecutor(8) as pool:
        parallel = list(pool.map(all_outputs, parts))
    for one, other in zip(serial, parallel, strict=True):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


# ----------------------------------------------------------------------------------------- blocks
@pytest.mark.parametrize("elements", [1, 100, 3000, 2**40])
@pytest.mark.parametrize("task", TASKS)
def test_predictions_do_not_depend_on_the_blocks(task, elements, monkeypatch):
    estimator = fitted(task, hidden_layer_sizes=(30, 20))
    whole = [method(X) for method in methods(estimator)]
    monkeypatch.setattr(inference, "BLOCK_ELEMENTS", elements)
    for data in X, csr_array(X):
        for method, expected in zip(methods(estimator), whole, strict=True):
            np.testing.assert_allclose(method(data), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_training_does_not_depend_on_the_blocks(early_stopping, monkeypatch):
    params = {"hidden_layer_sizes": (30, 20), "early_stopping": early_stopping}
    before = fitted("classes", **params)
    monkeypatch.setattr(inference, "BLOCK_ELEMENTS", 100)
    after = fitted("classes", **params)
    assert after.validation_scores_ == before.validation_scores_
    np.testing.assert_array_equal(after.theta_, before.theta_)


def traced_peak(action):
    """The result of an action, and the bytes that it needed at its peak beside the result."""
    tracemalloc.start()
    try:
        result = action()
        return result, tracemalloc.get_traced_memory()[1] - result.nbytes
    finally:
        tracemalloc.stop()


MILLION = 1_000_000


@pytest.mark.slow
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["classes", "squared error"])
def test_a_million_rows_need_less_than_50_megabytes(task, dtype, order):
    estimator = fitted(task, dtype, hidden_layer_sizes=(50, 20))
    many = np.asarray(np.resize(X, (MILLION, F)), dtype=dtype, order=order)
    for method in methods(estimator):
        result, peak = traced_peak(lambda method=method: method(many))
        assert len(result) == MILLION
        assert peak < 50e6, method.__name__


# --------------------------------------------------------------------------------------- training
class Watch(Callback):
    """Keeps what was allocated between the ends of two epochs, at the peak, in bytes."""

    def init(self):
        return {"start": 0}

    def on_fit_begin(self, memory, run):
        tracemalloc.start()
        self.begin(memory)

    def on_epoch_end(self, memory, run):
        _, peak = tracemalloc.get_traced_memory()
        PEAKS.append(peak - memory["start"])
        self.begin(memory)

    def on_fit_end(self, memory, run):
        tracemalloc.stop()

    def begin(self, memory):
        tracemalloc.reset_peak()
        memory["start"] = tracemalloc.get_traced_memory()[0]


PEAKS: list[int] = []
BATCH, HIDDEN = 200, (256, 128)


@pytest.fixture
def peaks(monkeypatch):
    """A list that gets one number from each epoch of every fit with verbose=True."""
    monkeypatch.setattr(_settings, "PrintProgress", Watch)
    PEAKS.clear()
    yield PEAKS
    tracemalloc.stop()


def smallest_buffer(estimator):
    """The bytes of theta, or of a batch in the widest hidden layer if that is less."""
    batch = estimator.batch_size * max(HIDDEN) * estimator.theta_.itemsize
    return min(batch, estimator.theta_.nbytes)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("activation", ["identity", "relu", "tanh", "logistic"])
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_epoch_allocates_no_buffer(task, activation, solver, dtype, peaks):
    params = {"hidden_layer_sizes": HIDDEN, "batch_size": BATCH, "solver": solver}
    for weight in None, RNG.uniform(size=N):
        estimator = model(task, **params, activation=activation, verbose=True)
        estimator.fit(X.astype(dtype), TASKS[task][2], sample_weight=weight)
    assert len(peaks) == 2 * estimator.max_iter
    assert max(peaks) < smallest_buffer(estimator)


@pytest.mark.parametrize(
    "params",
    [
        {"shuffle": False},
        {"early_stopping": True},
        {"alpha": 0},
        {"learning_rate": "invscaling", "solver": "sgd"},
        {"learning_rate": "adaptive", "solver": "sgd", "tol": 10.0, "n_iter_no_change": 1},
        {"nesterovs_momentum": False, "solver": "sgd"},
        {"momentum": 0, "solver": "sgd"},
        {"batch_size": 170},
    ],
    ids=str,
)
@pytest.mark.parametrize("task", ["classes", "squared error"])
def test_no_option_makes_an_epoch_allocate_a_buffer(task, params, peaks):
    common = {"hidden_layer_sizes": HIDDEN, "batch_size": BATCH, "verbose": True}
    estimator = fitted(task, **common | params)
    assert len(peaks) == estimator.max_iter
    # The first epoch may make what is used ever after, such as the place of the best weights.
    assert max(peaks[1:]) < smallest_buffer(estimator)


# Of each epoch the curve keeps a float and its place in a list, which grows ahead of its use.
# A row of history_ (a dict of up to seven numbers) and the entries of the curves.
CURVE_ENTRY = 900
# numpy keeps freed small blocks, which scipy.sparse and validation ask for in many sizes.
FEW_BLOCKS, MANY_BLOCKS = 4000, 64_000


class Weigh(Callback):
    """Keeps the bytes in use after 100 and after 1000 epochs."""

    def on_fit_begin(self, memory, run):
        tracemalloc.start()

    def on_epoch_end(self, memory, run):
        if run.epoch in (100, 1000):
            gc.collect()
            PEAKS.append(tracemalloc.get_traced_memory()[0])

    def on_fit_end(self, memory, run):
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "container", "slack"),
    [
        ({"solver": "adam"}, np.asarray, FEW_BLOCKS),
        ({"solver": "sgd", "learning_rate": "adaptive"}, np.asarray, FEW_BLOCKS),
        ({"shuffle": False, "batch_size": 7}, np.asarray, FEW_BLOCKS),
        pytest.param({"early_stopping": True}, np.asarray, MANY_BLOCKS, marks=pytest.mark.slow),
        pytest.param({"batch_size": 7}, csr_array, MANY_BLOCKS, marks=pytest.mark.slow),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_1000_epochs_do_not_grow_the_process(params, container, slack, peaks, monkeypatch):
    monkeypatch.setattr(_settings, "PrintProgress", Weigh)
    some = slice(0, 40)
    estimator = model("classes", hidden_layer_sizes=5, max_iter=1000, verbose=True, **params)
    estimator.fit(container(X[some]), TASKS["classes"][2][some])
    after_100, after_1000 = peaks
    assert after_1000 - after_100 < 900 * CURVE_ENTRY + slack


@pytest.mark.slow
def test_1000_calls_of_partial_fit_do_not_grow_the_process():
    estimator, y = model("classes", hidden_layer_sizes=5), TASKS["classes"][2]
    in_use = []
    tracemalloc.start()
    try:
        for call in range(1001):
            estimator.partial_fit(X[:40], y[:40], classes=[0, 1, 2])
            if call in (100, 1000):
                gc.collect()
                in_use.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()
    assert in_use[1] - in_use[0] < 900 * CURVE_ENTRY + MANY_BLOCKS
