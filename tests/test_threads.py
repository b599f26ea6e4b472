"""Threads of BLAS: held while small networks work, and as they were before at the end."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier, TabularMLPClassifier, config_context
from sknn_scratch.components import Relu
from sknn_scratch.contracts import Callback
from sknn_scratch.core.network import Network
from sknn_scratch.fitting import _blas_limits

RNG = np.random.default_rng(0)
X = RNG.normal(size=(400, 20))
y = (X[:, 0] > 0).astype(int)
RELU = [Relu()]
SMALL, LARGE = Network.dense(20, (100,), 3, RELU), Network.dense(1024, (1024,), 3, RELU)


@pytest.fixture(autouse=True)
def two_threads():
    """Let every library have two threads, whatever the environment says."""
    if not _blas_limits.libraries().lib_controllers:
        pytest.skip("no library of BLAS is known here")
    with threadpool_limits(2, "blas"):
        if now() != {2}:
            pytest.skip("the libraries of BLAS here have one thread only")
        yield


def now():
    """Return the numbers of threads that libraries have."""
    return {library.num_threads for library in _blas_limits.libraries().lib_controllers}


class Look(Callback):
    """Writes down how many threads there are during training."""

    def on_epoch_end(self, memory, run):
        SEEN.append(now())


SEEN: list = []


@pytest.fixture(autouse=True)
def nothing_seen():
    SEEN.clear()


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_small_products_have_one_thread(solver):
    MLPClassifier(solver=solver, max_iter=2, callbacks=[Look()]).fit(X, y)
    assert SEEN
    assert {1} == set.union(*SEEN)
    assert now() == {2}


def test_partial_fit_and_an_error():
    model = MLPClassifier(callbacks=[Look()]).partial_fit(X, y, classes=[0, 1])
    assert SEEN[0] == {1}
    with pytest.raises(ValueError, match="non-finite"):
        model.set_params(learning_rate_init=1e300, solver="sgd").fit(X * 1e3, y)
    assert now() == {2}


def test_predictions(monkeypatch):
    model = MLPClassifier(max_iter=1, tol=10.0).partial_fit(X, y, classes=[0, 1])
    forward = Network.forward
    monkeypatch.setattr(Network, "forward", lambda *a: SEEN.append(now()) or forward(*a))
    model.predict(np.tile(X, (10, 1)))
    assert {1} == set.union(*SEEN)
    SEEN.clear()
    model.predict(X[:1])
    assert SEEN[0] == {2}  # no product of a single row is worth the change
    assert now() == {2}


def test_members(monkeypatch):
    from sknn_scratch.training.minibatch import MiniBatch

    solve = MiniBatch.solve
    monkeypatch.setattr(MiniBatch, "solve", lambda *a: SEEN.append(now()) or solve(*a))
    TabularMLPClassifier("fast", max_iter=1, random_state=0).fit(X, y)
    assert SEEN
    assert {1} == set.union(*SEEN)


def test_large_products_have_all_threads_of_one_library():
    everything, of_scipy = _blas_limits.libraries(), _blas_limits.libraries(of_scipy=True)
    with config_context(engine="numpy"), _blas_limits.suited(LARGE, 256):
        found = {lib.filepath: lib.num_threads for lib in everything.lib_controllers}
    names = {lib.filepath for lib in of_scipy.lib_controllers}
    assert found == {path: 1 if path in names else 2 for path in found}
    with _blas_limits.suited(SMALL, 32):
        assert now() == {2}
    with _blas_limits.suited(SMALL, 200):
        assert now() == {1}
        with _blas_limits.suited(SMALL, 200):
            assert now() == {1}
        assert now() == {1}


def test_compiled_verbs_have_all_threads_for_large_products():
    pytest.importorskip("numba")
    with config_context(engine="compiled"), _blas_limits.suited(LARGE, 256):
        assert now() == {2}


def test_threads_that_come_later_leave_no_trace():
    """Whatever the order in which threads come and leave, all is as it was at the end."""
    has_come, go_on = threading.Event(), threading.Event()

    def work():
        with _blas_limits.suited(SMALL, 200):
            has_come.set()
            go_on.wait(10)

    with ThreadPoolExecutor(1) as pool:
        with _blas_limits.suited(SMALL, 200):
            later = pool.submit(work)
            assert has_come.wait(10)
            assert now() == {1}
        assert now() == {2}
        go_on.set()
        later.result()
        assert now() == {2}
        # Nor does it keep later threads from it.
        assert pool.submit(_held_threads).result() in ({1}, {2})
    with _blas_limits.suited(SMALL, 200):
        assert now() == {1}


def _held_threads():
    with _blas_limits.suited(SMALL, 200):
        return now()


def test_the_limit_of_a_caller_is_kept():
    with threadpool_limits(1, "blas"):
        MLPClassifier(max_iter=1, tol=10.0).partial_fit(X, y, classes=[0, 1])
        assert now() == {1}
    assert now() == {2}
