"""Rows on a disk: what is mapped is never copied whole, and blocks are read in their order."""

import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from scipy.sparse import csr_array
from sklearn.exceptions import ConvergenceWarning
from test_resources import traced_peak

from benchmarks import _frame, out_of_core
from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Blocks, Checkpoint
from sknn_scratch.fitting._validation import is_mapped

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

N, F = 40_000, 50
FEW = {"max_iter": 2, "batch_size": 500, "random_state": 0, "n_iter_no_change": np.inf}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Files of the same rows in several forms."""
    folder = tmp_path_factory.mktemp("rows")
    X = np.random.default_rng(0).normal(size=(N, F)).astype(np.float32)
    np.save(folder / "float32.npy", X)
    np.save(folder / "float64.npy", X.astype(np.float64))
    np.save(folder / "fortran.npy", np.asfortranarray(X))
    np.save(folder / "uint8.npy", np.clip(X * 40 + 128, 0, 255).astype(np.uint8))
    sparse = csr_array(np.where(X > 0.5, X, 0))
    for part in ("data", "indices", "indptr"):
        np.save(folder / f"csr_{part}.npy", getattr(sparse, part))
    return folder


def mapped(folder, kind):
    """The rows of a file, mapped."""
    if kind != "csr":
        return np.load(folder / f"{kind}.npy", mmap_mode="r")
    parts = [np.load(folder / f"csr_{p}.npy", mmap_mode="r") for p in ("data", "indices", "indptr")]
    return csr_array(tuple(parts), shape=(N, F), copy=False)


def in_memory(X):
    return X.copy() if isinstance(X, csr_array) else np.array(X)


def size(X):
    return X.data.nbytes + X.indices.nbytes if isinstance(X, csr_array) else X.nbytes


def classes(X):
    first = X[:, [0]].toarray()[:, 0] if isinstance(X, csr_array) else X[:, 0]
    return (first > np.median(first)).astype(np.int8)


KINDS = ["float32", "float64", "fortran", "uint8", "csr"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shuffle", [True, False, "blocks", Blocks(100, 3)], ids=str)
def test_the_same_model_as_in_memory(folder, kind, shuffle):
    X = mapped(folder, kind)
    models = [
        MLPClassifier((4,), shuffle=shuffle, **FEW).fit(x, classes(X)) for x in (X, in_memory(X))
    ]
    np.testing.assert_array_equal(models[0].theta_, models[1].theta_)
    assert models[0].theta_.dtype == models[1].theta_.dtype


@pytest.mark.parametrize("kind", KINDS)
def test_is_mapped(folder, kind):
    X = mapped(folder, kind)
    assert is_mapped(X)
    assert is_mapped(X[10:20]) == (kind != "csr")
    assert not is_mapped(in_memory(X))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "params",
    [
        {},
        {"shuffle": "blocks"},
        {"shuffle": "blocks", "early_stopping": True},
        {"dtype": "float32"},
        {"solver": "lbfgs"},
    ],
    ids=str,
)
def test_nothing_grows_with_the_size_of_X(folder, kind, params, monkeypatch):
    from sknn_scratch.core import inference
    from sknn_scratch.training import steps

    monkeypatch.setattr(steps, "BLOCK_ELEMENTS", 2**12)
    monkeypatch.setattr(inference, "BLOCK_ELEMENTS", 2**12)
    X = mapped(folder, kind)
    # The order of an epoch, classes and the split take some bytes for each row.
    y, limit = classes(X), 0.5 * size(X) + 32 * N
    model = MLPClassifier((4,), **FEW | params)
    model.fit(X[:2000], y[:2000])  # what is imported or compiled at the first fit
    _, peak = traced_peak(lambda: model.fit(X, y).theta_)
    assert peak < limit
    for method in model.predict, model.predict_proba:
        assert traced_peak(lambda method=method: method(X))[1] < limit


def test_a_checkpoint_of_mapped_rows(folder, tmp_path):
    X = mapped(folder, "fortran")
    path = str(tmp_path / "run.npz")
    params = FEW | {"shuffle": "blocks", "callbacks": [Checkpoint(path)]}
    _, peak = traced_peak(lambda: MLPClassifier((4,), **params).fit(X, classes(X)).theta_)
    assert peak < 0.75 * X.nbytes
    more = MLPClassifier((4,), **params | {"max_iter": 4})
    more.resume(path, in_memory(X), classes(X))
    whole = MLPClassifier((4,), **FEW | {"shuffle": "blocks", "max_iter": 4}).fit(X, classes(X))
    np.testing.assert_array_equal(more.theta_, whole.theta_)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_resume_keeps_the_order_of_blocks(tmp_path, early_stopping):
    X = np.random.default_rng(0).normal(size=(300, 3))
    y = (X[:, 0] > 0).astype(int)
    params = {"shuffle": Blocks(7, 4), "early_stopping": early_stopping, "random_state": 3}
    params |= {"n_iter_no_change": np.inf, "batch_size": 20}
    path = str(tmp_path / "run.npz")
    MLPClassifier((4,), max_iter=3, callbacks=[Checkpoint(path)], **params).fit(X, y)
    resumed = MLPClassifier((4,), max_iter=8, **params).resume(path, X, y)
    whole = MLPClassifier((4,), max_iter=8, **params).fit(X, y)
    np.testing.assert_array_equal(resumed.theta_, whole.theta_)
    assert resumed.validation_scores_ == whole.validation_scores_


def test_values_beyond_the_dtype_are_found_in_any_block(folder, tmp_path):
    X = np.load(folder / "float64.npy")
    X[-1, -1] = 1e300
    np.save(tmp_path / "large.npy", X)
    rows = np.load(tmp_path / "large.npy", mmap_mode="r")
    with pytest.raises(ValueError, match="X of MLPClassifier must be within the range of float32"):
        MLPClassifier((4,), dtype="float32", **FEW).fit(rows, classes(X))


def test_nan_in_a_mapped_file(folder, tmp_path):
    X = np.load(folder / "float32.npy")
    X[-1, -1] = np.nan
    np.save(tmp_path / "nan.npy", X)
    with pytest.raises(ValueError, match="X contains NaN"):
        MLPClassifier((4,), **FEW).fit(np.load(tmp_path / "nan.npy", mmap_mode="r"), classes(X))


# ---------------------------------------------------------------------------------- the order
@pytest.mark.parametrize(
    ("n", "size", "window"), [(100, 7, 3), (5, 10, 1), (64, 8, 100), (9, 1, 1)]
)
def test_blocks_are_read_one_window_after_the_other(n, size, window):
    rng = np.random.RandomState(0)
    order = Blocks(size, window).draw(np.arange(n), rng)
    np.testing.assert_array_equal(np.sort(order), np.arange(n))
    seen, done = set(), 0
    while done < n:
        blocks = set()
        while done < n and len(blocks | {order[done] // size}) <= window:
            blocks.add(order[done] // size)
            done += 1
        assert not blocks & seen, "a block is read in one go"
        seen |= blocks


def test_every_epoch_has_an_order_of_its_own():
    rng, rows = np.random.RandomState(0), np.arange(1000)
    first, second = (Blocks(50, 4).draw(rows, rng) for _ in range(2))
    assert (first != second).any()
    np.testing.assert_array_equal(rows, np.arange(1000))
    again = Blocks(50, 4).draw(rows, np.random.RandomState(0))
    np.testing.assert_array_equal(first, again)


def test_held_out_rows_stand_in_their_own_order():
    X = np.random.default_rng(0).normal(size=(300, 3))
    model = MLPRegressor(shuffle="blocks", early_stopping=True, random_state=0, max_iter=3)
    seen = []

    class Watch(Checkpoint):
        path: str = "none"

        def on_fit_begin(self, memory, run):
            seen.append((run.state.order.copy(), run.state.held_out.copy()))

        def on_epoch_end(self, memory, run):
            pass

        on_fit_end = on_epoch_end

    model.set_params(callbacks=[Watch()]).fit(X, X[:, 0])
    for rows in seen[0]:
        assert (np.diff(rows) > 0).all()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("block", "The 'shuffle' parameter of MLPClassifier must be"),
        (2.5, "The 'shuffle' parameter of MLPClassifier must be"),
        (Blocks, "The 'shuffle' parameter of MLPClassifier must be"),
    ],
)
def test_what_another_order_gets(value, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(shuffle=value).fit([[0.0], [1.0]], [0, 1])


@pytest.mark.parametrize("params", [{"size": 0}, {"window": 0}, {"size": 1.5}])
def test_what_bad_blocks_get(params):
    with pytest.raises(ValueError, match="parameter of Blocks must be an integer >= 1"):
        Blocks(**params)


def test_blocks_in_a_search():
    model = MLPClassifier(shuffle=Blocks()).set_params(shuffle__size=128)
    assert model.shuffle == Blocks(size=128)


# ---------------------------------------------------------------------- the streaming example
STREAMING = Path(__file__).parents[1] / "examples" / "streaming"


def example(script, *args):
    command = [sys.executable, STREAMING / script, *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_streaming_example_goes_on_to_the_same_model(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "rows.parquet"
    example("make.py", path, "--rows", 12_000, "--group", 1000)
    states = [tmp_path / name for name in ("whole.joblib", "stopped.joblib")]
    limit = ["--limit", 1] if sys.platform == "linux" else []
    whole = example("train.py", path, "--epochs", 2, "--state", states[0], "--every", 4, *limit)
    args = ["train.py", path, "--epochs", 2, "--state", states[1], "--every", 4, *limit]
    assert "stopped" in example(*args, "--stop-after", 6)
    assert "resuming: epoch 1, 4 groups done" in example(*args)
    models = [joblib.load(state)["model"] for state in states]
    np.testing.assert_array_equal(models[0].theta_, models[1].theta_)
    assert "epoch 2, 8/11 groups, loss" in whole
    assert "accuracy on the last row group" in whole


# ------------------------------------------------------------------------- a limit on memory
def sparse_file(path, n, f):
    """A file of that length that takes little room: forty rows of four thousand, else holes.

    Holes read as zeros, whose target is zero as well.  Returns the rows that are there.
    """
    here = np.arange(0, n, 4000)[:, None] + np.arange(40)
    sample = np.random.default_rng(0).normal(size=(here.size, f)).astype(np.float32)
    y_sample = np.sin(sample[:, 0]) + sample[:, 1]
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n, f))
    y = np.lib.format.open_memmap(out_of_core.targets_of(path), "w+", np.float32, (n,))
    for rows, part, target in zip(
        here, np.split(sample, len(here)), np.split(y_sample, len(here)), strict=True
    ):
        X[rows[0] : rows[-1] + 1], y[rows[0] : rows[-1] + 1] = part, target
    return sample, y_sample


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
def test_four_gigabytes_within_one(tmp_path):
    path = tmp_path / "rows.npy"
    sample, y_sample = sparse_file(path, 20_000_000, 50)
    assert path.stat().st_size == pytest.approx(4e9, rel=1e-6)
    found = out_of_core.trained(path, tmp_path / "model.joblib")
    print(f"peak memory: {found['data'] / 1e6:.0f} MB as limited, {found['private'] / 1e6:.0f} MB")
    assert found["data"] <= out_of_core.LIMIT
    ours = joblib.load(tmp_path / "model.joblib").score(sample, y_sample)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        in_memory = out_of_core.model_for(y_sample).fit(sample, y_sample)
    assert ours >= in_memory.score(sample, y_sample) - 0.02


@pytest.mark.slow
def test_the_benchmark_in_small(tmp_path, monkeypatch):
    """The same process and limit, over fewer rows."""
    monkeypatch.setattr(out_of_core, "ROWS", 60_000)
    monkeypatch.setattr(out_of_core, "SAMPLE", 20_000)
    monkeypatch.setattr(out_of_core, "TEST", 5_000)
    rows = list(out_of_core.measure(_frame.Settings(data=tmp_path)))
    assert [row["case"] for row in rows] == ["file", "sample"]
    assert rows[0]["data"] <= out_of_core.LIMIT
    assert rows[0]["score"] > rows[1]["score"] - 0.02
    assert "mapped file" in out_of_core.table(rows).text()
    assert not list(tmp_path.iterdir())
