"""X of another dtype than the weights: the same results as of floats, and no copy of the whole."""

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csc_array, csr_array

from benchmarks._frame import peak_memory
from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Checkpoint
from sknn_scratch.core import inference
from sknn_scratch.inspection import trace
from sknn_scratch.training import steps

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, F = 20_000, 50
NUMBERS = np.random.default_rng(0).integers(0, 2, size=(N, F))
Y = (NUMBERS[:, 0] + NUMBERS[:, 1] > NUMBERS[:, 2]).astype(np.int8)
#: As float64, X takes 8 MB. The stratified split for early stopping takes about 100 bytes per row.
LIMIT = 3_000_000

DTYPES = ["bool", "int8", "uint8", "int16", "uint16", "int32", "int64", "uint64"]
FLOATS = ["float16", "float32"]
ORDERED = [">i2", ">i8", ">f4", ">f8"]
SOLVERS = {
    "adam": {},
    "sgd": {"solver": "sgd", "shuffle": False},
    "early stopping": {"early_stopping": True},
    "blocks": {"shuffle": "blocks"},
    "lbfgs": {"solver": "lbfgs"},
}


def slow(value):
    """Mark a case for the slow part: tracing memory takes most of the time."""
    return pytest.param(value, marks=pytest.mark.slow)


def small(cls=MLPClassifier, **params):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 1, "random_state": 0, "dtype": "float64"}
    return cls(**defaults | params)


def fortran(X):
    return np.asfortranarray(X)


def every_second_row(X):
    return np.repeat(X, 2, axis=0)[::2]


CONTAINERS = [np.ascontiguousarray, fortran, every_second_row, pd.DataFrame, csr_array, csc_array]


FEW_CONTAINERS = [np.ascontiguousarray, csr_array]
FEW_CONTAINERS += [slow(kind) for kind in CONTAINERS if kind not in FEW_CONTAINERS]


@pytest.fixture
def blocks(monkeypatch):
    """Blocks as small, compared with X, as they are for large data."""
    monkeypatch.setattr(steps, "BLOCK_ELEMENTS", 2**12)
    monkeypatch.setattr(inference, "BLOCK_ELEMENTS", 2**12)


@pytest.mark.usefixtures("blocks")
@pytest.mark.slow
@pytest.mark.parametrize("dtype", DTYPES + FLOATS + ORDERED)
def test_no_method_copies_the_whole(dtype):
    X = NUMBERS.astype(dtype)
    for cls in MLPClassifier, MLPRegressor:
        model = small(cls).fit(X[:2000], Y[:2000])
        methods = [lambda m=model: m.fit(X, Y), lambda m=model: m.partial_fit(X, Y)]
        methods += [lambda m=model: m.predict(X), lambda m=model: m.score(X, Y)]
        if cls is MLPClassifier:
            methods += [lambda m=model: m.predict_proba(X), lambda m=model: m.decision_function(X)]
        assert max(map(peak_memory, methods)) < LIMIT


@pytest.mark.slow
@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("dtype", ["int8", slow("float32")])
@pytest.mark.parametrize("container", FEW_CONTAINERS)
@pytest.mark.parametrize("how", ["adam", "lbfgs", *map(slow, list(SOLVERS)[1:-1])])
def test_no_solver_copies_the_whole(how, container, dtype):
    X = container(NUMBERS.astype(dtype))
    rows = X.tocsr() if isinstance(X, csc_array) else X
    model = small(**SOLVERS[how]).fit(rows[:2000], Y[:2000])
    # Columns of a sparse matrix are converted to rows, in their own dtype.
    own = rows.data.nbytes + rows.indices.nbytes + 8 * N if isinstance(X, csc_array) else 0
    assert peak_memory(lambda: model.fit(X, Y)) < LIMIT + own
    assert peak_memory(lambda: model.predict(X)) < LIMIT + own


@pytest.mark.usefixtures("blocks")
@pytest.mark.parametrize("params", [{}, {"scoring": "accuracy"}])
def test_validation_data_is_not_copied_whole(params):
    X = NUMBERS.astype(np.int8)
    model = small(**params).fit(X[:2000], Y[:2000])
    assert peak_memory(lambda: model.fit(X[:2000], Y[:2000], X_val=X, y_val=Y)) < 2 * LIMIT


@pytest.mark.usefixtures("blocks")
def test_a_checkpoint_is_written_without_a_copy_of_X(tmp_path):
    X = NUMBERS.astype(np.int8)
    model = small(callbacks=[Checkpoint(tmp_path / "run.npz")]).fit(X[:2000], Y[:2000])
    assert peak_memory(lambda: model.fit(X, Y)) < LIMIT


# ---------------------------------------------------------------------------- the same results
FEW = np.random.default_rng(1).integers(0, 100, size=(300, 6)) * 1.0
FEW[FEW < 40] = 0
FEW_Y = (FEW[:, 0] > FEW[:, 1]).astype(int)


def results(model, X):
    return [model.theta_, model.predict(X), np.array(model.loss_curve_), model.score(X, FEW_Y)]


#: (dtype of X, container): all dtypes as arrays, some in every container
FORMS = [(own, np.ascontiguousarray) for own in DTYPES + FLOATS + ORDERED]
FORMS += [(own, container) for own in ("bool", "int8", "float32") for container in CONTAINERS[1:]]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("how", SOLVERS)
@pytest.mark.parametrize(("own", "container"), FORMS)
def test_the_same_as_of_floats(own, container, how, dtype):
    params = SOLVERS[how] | {"dtype": dtype, "max_iter": 2, "batch_size": 64}
    X = FEW.astype(own)
    for cls in MLPClassifier, MLPRegressor:
        one, other = (
            results(small(cls, **params).fit(data, FEW_Y), data)
            for data in (container(X), container(X.astype(dtype)))
        )
        for ours, theirs in zip(one, other, strict=True):
            np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    "dtypes",
    [
        ("bool", "int8"),
        ("bool", "float32"),
        ("bool", "bool"),
        ("uint8", "int64"),
        ("int64", "uint64"),
        ("float16", "int16"),
        ("Int8", "Int8"),
        ("boolean", "int32"),
        ("Int16", "float32"),
        ("category", "category"),
        ("object", "int8"),
        ("object", "object"),
        ("Sparse[int64]", "Sparse[int64]"),
    ],
    ids=str,
)
def test_frames_of_several_dtypes(dtypes):
    rows = (FEW[:, :4] > 50).astype(int)
    names = list("abcd")
    frame = pd.DataFrame(rows, columns=names).astype(dict(zip(names, 2 * dtypes, strict=True)))
    floats = pd.DataFrame(rows, columns=names, dtype=float)
    one, other = (results(small(max_iter=2).fit(data, FEW_Y), data) for data in (frame, floats))
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("own", DTYPES + FLOATS)
def test_streams_of_changing_dtypes(own):
    one, other = small(), small()
    for k in range(4):
        part = FEW[60 * k : 60 * k + 60].astype(own)
        y = FEW_Y[60 * k : 60 * k + 60]
        one.partial_fit(part if k % 2 else part.astype(float), y, classes=[0, 1])
        other.partial_fit(part.astype(float), y, classes=[0, 1])
    np.testing.assert_array_equal(one.theta_, other.theta_)


@pytest.mark.parametrize(("own", "container"), FORMS)
def test_resume_with_rows_of_another_dtype(own, container, tmp_path):
    given, floats = container(FEW.astype(own)), container(FEW.astype(own).astype(float))
    path = tmp_path / "run.npz"
    small(max_iter=2, callbacks=[Checkpoint(path)]).fit(given, FEW_Y)
    whole = small(max_iter=4).fit(floats, FEW_Y)
    np.testing.assert_array_equal(
        small(max_iter=4).resume(path, floats, FEW_Y).theta_, whole.theta_
    )


@pytest.mark.parametrize("own", DTYPES)
def test_what_else_reads_X(own):
    given, floats = FEW.astype(own), FEW.astype(own).astype(float)
    scorer = {"scoring": "accuracy", "early_stopping": True}
    one, other = (small(**scorer, max_iter=3).fit(data, FEW_Y) for data in (given, floats))
    np.testing.assert_array_equal(one.theta_, other.theta_)
    ours, theirs = trace(one, given, FEW_Y), trace(other, floats, FEW_Y)
    assert ours.J == theirs.J
    np.testing.assert_array_equal(ours.layers[0].x, theirs.layers[0].x)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("own", ["float16", "float32", "float64", ">f4", "longdouble"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_values_that_are_not_finite_are_found(bad, own, dtype):
    X = FEW.astype(own)
    X[-1, -1] = bad
    for action in (
        lambda: small(dtype=dtype).fit(X, FEW_Y),
        lambda: small(dtype=dtype).fit(FEW, FEW_Y).predict(X),
    ):
        with pytest.raises(ValueError, match="Input X contains"):
            action()


@pytest.mark.parametrize("own", ["complex128", "U3", "O"])
def test_other_dtypes_are_refused_as_before(own):
    X = np.full((20, 2), "abc", object) if own == "O" else np.zeros((20, 2), own)
    with pytest.raises((ValueError, TypeError), match=r"X of MLPClassifier|Complex data"):
        small().fit(X, FEW_Y[:20])
