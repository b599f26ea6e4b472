"""The compiled engine: twins equal their verbs, models equal models, and nobody is surprised."""

import os
import subprocess
import sys
import textwrap
from inspect import signature

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV

import sknn_scratch
from sknn_scratch import MLPClassifier, MLPRegressor, config_context, get_config, set_config
from sknn_scratch.config import VARIABLE
from sknn_scratch.contracts import Activation
from sknn_scratch.core import linalg
from sknn_scratch.registry import lookup, names

X, Y = load_iris(return_X_y=True)


@pytest.fixture
def twins():
    return pytest.importorskip("sknn_scratch.core.compiled", reason="needs numba").VERBS


@pytest.fixture
def compiled(twins):
    with config_context(engine="compiled"):
        yield


@pytest.fixture(autouse=True)
def same_engine_after():
    """No test may leave another engine behind, nor another environment."""
    before, variable = get_config(), os.environ.get(VARIABLE)
    yield
    assert (get_config(), os.environ.get(VARIABLE)) == (before, variable)


# ------------------------------------------------------------------------------------ the twins
SIZES = st.integers(1, 40)
ODD = st.sampled_from([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 1e30, -1e30])


def values(dtype, odd):
    usual = st.floats(-8, 8, width=32)
    return (usual | ODD if odd else usual).map(dtype)


class Drawn:
    """Arrays of one case: drawn in one dtype, in the memory order that is asked for."""

    def __init__(self, draw, odd=True):
        self.draw = draw
        self.dtype = draw(st.sampled_from([np.float32, np.float64]))
        self.rows, self.units, self.odd = draw(SIZES), draw(st.integers(1, 12)), odd

    def matrix(self, rows=None, units=None, order="C"):
        shape = rows or self.rows, units or self.units
        a = self.draw(arrays(self.dtype, shape, elements=values(self.dtype, self.odd)))
        return np.array(a, order=order)

    def vector(self, n=None, low=None):
        a = self.draw(arrays(self.dtype, n or self.rows, elements=values(self.dtype, self.odd)))
        return a if low is None else np.abs(a) + self.dtype(low)

    def order(self):
        return self.draw(st.sampled_from("CF"))


def relu(d):
    z = d.matrix(order=d.order())
    return [z, z if d.draw(st.booleans()) else np.empty_like(z)]


def backward(d):
    order = d.order()
    grad, a = d.matrix(order=order), d.matrix(order=order)
    return [grad, a, grad if d.draw(st.booleans()) else np.empty_like(grad)]


def relu_backward(d):
    grad, a, out = backward(d)
    # As relu returns it, but for nan: there the loss is nan, and no step follows.
    a[...] = np.maximum(np.nan_to_num(a, nan=0.0, posinf=np.inf), 0)
    return [grad, a, out]


def affine(d):
    n_in = d.draw(SIZES)
    out = np.empty((d.rows, d.units), d.dtype, order=d.order())
    x, W = d.matrix(units=n_in), d.matrix(n_in)
    return [x, W, d.vector(d.units), np.ones(d.rows, d.dtype), out]


def affine_backward(d):
    x, W, _, ones, delta = affine(d)
    delta[...] = d.matrix()
    grads = np.empty_like(W), np.empty(d.units, d.dtype)
    return [x, W, delta, ones, grads, d.draw(st.sampled_from([None, np.empty_like(x)]))]


def loss(d):
    # Large enough for both ways of the twin.
    d.rows *= d.draw(st.sampled_from([1, 30]))
    rng = np.random.default_rng(d.draw(st.integers(0, 99)))
    order = d.order()
    y = np.array(rng.random((d.rows, d.units)), d.dtype, order=order)
    raw = np.array(rng.normal(scale=9, size=y.shape), d.dtype, order=order)
    for _ in range(d.draw(st.integers(0, 2))):
        raw[rng.integers(d.rows), rng.integers(d.units)] = d.draw(ODD)
    weight = d.draw(st.sampled_from([None, rng.random(d.rows).astype(d.dtype)]))
    return [y, raw, weight, np.empty_like(raw)]


def vectors(d, n):
    size = d.draw(st.sampled_from([1, 7, 300, linalg.BLOCK + 5]))
    rng = np.random.default_rng(d.draw(st.integers(0, 99)))
    made = [rng.normal(size=size).astype(d.dtype) for _ in range(n)]
    for a in made:
        a[rng.integers(size)] = d.draw(ODD | st.just(1.0))
    return made


def adam(d):
    g, m, v = vectors(d, 3)
    return [g, m, np.abs(v), (0.9, 0.999), 0.01, 1e-8]


#: name: what draws the arguments
CASES = {
    "relu": relu,
    "keep_where_positive": relu_backward,
    "tanh_backward": backward,
    "logistic_backward": backward,
    "affine_into": affine,
    "affine_backward": affine_backward,
    "softmax_cross_entropy": loss,
    "logistic_cross_entropy": loss,
    "ema": lambda d: [*vectors(d, 2), 0.9],
    "add_l2": lambda d: [0.3, *vectors(d, 2)],
    "momentum_step": lambda d: [*vectors(d, 2), 0.1, 0.9, d.draw(st.booleans())],
    "adam_step": adam,
}


def copied(args):
    """Copy arguments; those that are one array stay one array."""
    memo = {}

    def copy(a):
        if isinstance(a, tuple):
            return tuple(map(copy, a))
        return memo.setdefault(id(a), a.copy(order="K")) if isinstance(a, np.ndarray) else a

    return [copy(a) for a in args]


def flat(args):
    return [b for a in args for b in (a if isinstance(a, tuple) else [a])]


def test_every_twin_has_a_verb_and_a_case(twins):
    assert set(twins) == set(CASES)
    for name, twin in twins.items():
        theirs = signature(getattr(twin, "py_func", twin))
        assert list(theirs.parameters) == list(signature(linalg.NUMPY[name]).parameters)


@pytest.mark.parametrize("name", CASES)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_twin_equals_verb(name, data):
    twins = pytest.importorskip("sknn_scratch.core.compiled", reason="needs numba").VERBS
    with np.errstate(all="ignore"):
        ours = CASES[name](Drawn(data.draw, odd="affine" not in name))
        theirs = copied(ours)
        expected, value = linalg.NUMPY[name](*ours), twins[name](*theirs)
    pairs = list(zip(flat(ours), flat(theirs), strict=True))
    if isinstance(expected, float):
        pairs.append((np.float64(expected), np.float64(value)))
    eps = next(np.finfo(a.dtype).eps for a in flat(ours) if isinstance(a, np.ndarray))
    for a, b in pairs:
        if a is not None:
            assert_equal_to_rounding(b, a, eps)


def assert_equal_to_rounding(actual, desired, eps):
    """NaN and infinity included; sums may lose what their largest terms cannot hold."""
    ordinary = np.where(np.abs(desired) < 1e20, desired, 0)
    scale = np.abs(ordinary).max(initial=1)
    np.testing.assert_allclose(actual, desired, rtol=300 * eps, atol=300 * eps * scale)


# ------------------------------------------------------------------------------------ the models
def fitted(estimator, engine):
    with config_context(engine=engine):
        return estimator.fit(X, Y)


MODELS = {
    **{f"{name}, {dtype}": {"activation": name, "dtype": dtype}
       for name in names("activation") for dtype in ("float32", "float64")},
    **{f"{name} solver": {"solver": name} for name in [*names("optimizer"), "lbfgs"]},
    "dropout, smoothing": {"dropout": 0.3, "loss": sknn_scratch.components.LogLoss(0.1)},
    "three layers": {"hidden_layer_sizes": (9, 8, 7), "batch_size": 32},
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("name", MODELS)
@pytest.mark.usefixtures("twins")
def test_same_model(name):
    settings = {"hidden_layer_sizes": (10,), "max_iter": 8, "random_state": 0} | MODELS[name]
    pairs = [
        [fitted(cls(**settings), engine) for engine in ("numpy", "compiled")]
        for cls in (MLPClassifier, MLPRegressor)
        if cls is MLPClassifier or "loss" not in settings
    ]
    for a, b in pairs:
        tolerance = 1e-3 if a.theta_.dtype == np.float32 else 1e-8
        np.testing.assert_allclose(b.theta_, a.theta_, rtol=tolerance, atol=tolerance)
        np.testing.assert_allclose(b.predict(X), a.predict(X), rtol=tolerance, atol=tolerance)
        assert b.n_iter_ == a.n_iter_


class Cubic(Activation):
    """A plug-in in numpy: f(z) = z³."""

    needs_input = True

    def forward(self, z, out):
        return np.power(z, 3, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 3 * z * z, out=out)


@pytest.mark.usefixtures("compiled")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_plug_ins_work_beside_it():
    est = MLPClassifier((8,), activation=Cubic(), solver="lbfgs", random_state=0)
    assert est.fit(X - X.mean(axis=0), Y).score(X - X.mean(axis=0), Y) > 0.9


def engine_of_worker():
    return get_config()["engine"], MLPClassifier(max_iter=2).fit(X, Y).n_iter_


@pytest.fixture
def new_workers():
    """Let loky begin with new workers, and end with none: running ones keep their engine."""
    get_reusable_executor().shutdown(wait=True)
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.usefixtures("compiled", "new_workers")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_workers_that_start_later_follow():
    found = Parallel(n_jobs=2)(delayed(engine_of_worker)() for _ in range(4))
    assert found == [("compiled", 2)] * 4
    search = GridSearchCV(MLPClassifier(max_iter=3), {"alpha": [0.1, 1.0]}, n_jobs=2, cv=2)
    assert search.fit(X, Y).best_score_ > 0


# ----------------------------------------------------------------------------------- the setting
def test_context_restores(twins):
    before = get_config()
    with config_context(engine="compiled"):
        assert get_config() == {"engine": "compiled"}
        assert linalg.relu is twins["relu"]
        with config_context(engine="numpy"):
            assert linalg.relu is linalg.NUMPY["relu"]
        assert linalg.relu is twins["relu"]
        with config_context():
            assert get_config() == {"engine": "compiled"}
    assert get_config() == before


def test_context_restores_after_an_error():
    before = get_config()
    with pytest.raises(ZeroDivisionError), config_context(engine="numpy"):
        _ = 1 / 0
    assert get_config() == before


def test_context_restores_the_variable(monkeypatch):
    monkeypatch.setenv(VARIABLE, "for workers only")
    for engine in ("numpy", None):
        with config_context(engine=engine):
            pass
        assert os.environ[VARIABLE] == "for workers only"


@pytest.mark.usefixtures("compiled")
@pytest.mark.parametrize("name", names("activation"))
def test_activations_take_vectors(name):
    """For those who draw the curve of one."""
    f, z = lookup("activation", name)(), np.linspace(-3, 3, 7)
    a = f.forward(z, np.empty_like(z))
    grad = f.backward(np.ones(7), a, z, np.empty(7))
    with config_context(engine="numpy"):
        np.testing.assert_allclose(f.forward(z, np.empty(7)), a, rtol=1e-12)
        np.testing.assert_allclose(f.backward(np.ones(7), a, z, np.empty(7)), grad, rtol=1e-12)


def test_exchange_knows_its_verbs():
    with pytest.raises(ValueError, match=r"no verbs \['rellu'\]"):
        linalg.exchange({"rellu": len})
    assert "lru_cache" not in linalg.NUMPY


def test_config_is_a_copy():
    get_config()["engine"] = "other"
    assert get_config()["engine"] != "other"


@pytest.mark.parametrize("engine", ["cuda", "Compiled", "", 1, np.nan])
def test_unknown_engine(engine):
    with pytest.raises(ValueError, match="engine of sknn_scratch must be 'numpy' or 'compiled'"):
        set_config(engine=engine)


def in_new_process(code, **environment):
    """Run code in a new interpreter; return its completed process."""
    keep = {key: value for key, value in os.environ.items() if key != VARIABLE}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True,
        text=True,
        env=keep | environment,
        timeout=120,
    )


@pytest.mark.slow
def test_nobody_imports_numba_unasked():
    done = in_new_process("""
        import sys, numpy, sknn_scratch
        from sknn_scratch import MLPClassifier
        MLPClassifier(max_iter=300).fit(numpy.eye(4), [0, 1, 0, 1])
        assert "numba" not in sys.modules
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("twins")
def test_environment_variable():
    code = "import sys, sknn_scratch; print(sknn_scratch.get_config(), 'numba' in sys.modules)"
    assert in_new_process(code, **{VARIABLE: "compiled"}).stdout == "{'engine': 'compiled'} True\n"
    assert in_new_process(code, **{VARIABLE: "numpy"}).stdout == "{'engine': 'numpy'} False\n"
    assert f"environment variable {VARIABLE}" in in_new_process(code, **{VARIABLE: "x"}).stderr


@pytest.mark.slow
def test_without_numba():
    done = in_new_process("""
        import sys
        sys.modules["numba"] = None
        import sknn_scratch
        before = sknn_scratch.core.linalg.relu
        try:
            sknn_scratch.set_config(engine="compiled")
        except ImportError as error:
            assert 'pip install "sknn-scratch[fast]"' in str(error)
        else:
            raise AssertionError
        assert sknn_scratch.get_config() == {"engine": "numpy"}
        assert sknn_scratch.core.linalg.relu is before
    """)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("twins")
def test_without_a_folder_to_write_to():
    done = in_new_process("""
        from numba.core import caching
        caching.CacheImpl._locator_classes = []
        import sknn_scratch
        try:
            sknn_scratch.set_config(engine="compiled")
        except ImportError as error:
            assert "NUMBA_CACHE_DIR" in str(error)
            print("clear")
    """)
    assert done.stdout == "clear\n", done.stderr


def test_code_is_kept_on_disk(twins, tmp_path):
    code = """
        import numpy, sknn_scratch
        sknn_scratch.set_config(engine="compiled")
        from sknn_scratch.core.compiled import relu
        relu(numpy.zeros((2, 2)), numpy.zeros((2, 2)))
        print(sum(relu.stats.cache_hits.values()))
    """
    runs = [in_new_process(code, NUMBA_CACHE_DIR=str(tmp_path)) for _ in range(2)]
    assert [run.stdout for run in runs] == ["0\n", "1\n"], runs[0].stderr
