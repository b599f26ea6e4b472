"""Training on partitions: the model of one machine, and a run that outlives its workers."""

import os
import signal
import threading
import time
import warnings

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.dummy import DummyClassifier
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, StratifiedKFold, cross_val_score

from benchmarks import distributed as scaling
from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier
from sknn_scratch.components import Checkpoint
from sknn_scratch.contracts import Callback

dask = pytest.importorskip("dask")
da = pytest.importorskip("dask.array")
pytest.importorskip("distributed")

from sknn_scratch import distributed as ours  # noqa: E402

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    # What Dask and its dependencies say of themselves and of each other.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:(dask|distributed|dask_ml|tornado).*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:(dask|distributed|dask_ml).*"),
]

RNG = np.random.default_rng(0)
N = 420
X = RNG.normal(size=(N, 5))
THREE = (X[:, 0] + X[:, 1] ** 2 > 0.5).astype(int) + (X[:, 2] > 1)
LABELS = (X[:, :3] > 0).astype(int)
WEIGHT = RNG.uniform(0.5, 2, size=N)
FULL = {"max_iter": 30, "random_state": 0, "tol": 0, "n_iter_no_change": np.inf}
TASKS = {
    "classes": (MLPClassifier, THREE),
    "words": (MLPClassifier, np.array(["a", "b", "c"])[THREE]),
    "labels": (MLPClassifier, LABELS),
    "target": (MLPRegressor, X[:, 0] * X[:, 1]),
    "targets": (MLPRegressor, X[:, :2] ** 2),
}


@pytest.fixture
def in_process():
    with dask.config.set(scheduler="synchronous"):
        yield


def parts(array, n=3):
    """The array in n partitions of different sizes."""
    cuts = np.linspace(0, len(array) ** 0.5, n + 1)[1:-1] ** 2
    chunks = np.diff([0, *cuts.astype(int), len(array)])
    return da.from_array(array, chunks=(tuple(chunks), *[-1] * (array.ndim - 1)))


def difference(a, b):
    return np.abs(a.theta_ - b.theta_).max() / np.abs(b.theta_).max()


def model(task, **params):
    return TASKS[task][0](hidden_layer_sizes=(6,), **FULL | params)


def local(task, **params):
    solver = params.get("solver")
    batch = {} if solver == "lbfgs" else {"batch_size": N}
    return model(task, **batch | params).fit(X, TASKS[task][1])


# ----------------------------------------------------------------------- one partition, in process
@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("solver", ["lbfgs", "adam", "sgd"])
@pytest.mark.parametrize("n_parts", [1, 3])
def test_the_model_of_one_machine(in_process, task, solver, n_parts):
    y = TASKS[task][1]
    there = ours.fit(model(task, solver=solver), parts(X, n_parts), parts(y, n_parts))
    here = local(task, solver=solver)
    assert difference(there, here) < 1e-6
    assert there.n_iter_ == here.n_iter_
    assert there.t_ == here.t_
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-6)


def test_weights_of_rows_and_classes(in_process):
    weights = {0: 2.0, 1: 1.0, 2: 0.5}
    there = model("classes", solver="lbfgs", class_weight=weights)
    ours.fit(there, parts(X), parts(THREE), parts(WEIGHT))
    here = model("classes", solver="lbfgs", class_weight=weights).fit(X, THREE, WEIGHT)
    assert difference(there, here) < 1e-6


BALANCED = {
    "classes": "balanced",
    "words": "balanced",
    "labels": ["balanced", {1: 3.0}, None],
}


@pytest.mark.parametrize("task", BALANCED)
@pytest.mark.parametrize("n_parts", [1, 4])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_balanced_classes(in_process, task, n_parts, weight):
    y = np.sort(TASKS[task][1], axis=0)  # partitions have other shares of classes, or only one
    here = model(task, solver="lbfgs", class_weight=BALANCED[task]).fit(X, y, weight)
    there = model(task, solver="lbfgs", class_weight=BALANCED[task])
    weights = None if weight is None else parts(weight, n_parts)
    classes = None if task == "labels" else np.unique(y)
    ours.fit(there, parts(X, n_parts), parts(y, n_parts), weights, classes=classes)
    assert difference(there, here) < 1e-6
    np.testing.assert_allclose(there.loss_curve_, here.loss_curve_, rtol=1e-6)
    assert there.class_weight is BALANCED[task]
    plain = model(task, solver="lbfgs").fit(X, y, weight)
    assert difference(plain, here) > 1e-3


def test_balanced_classes_in_validation_and_empty_partitions(in_process):
    X_val, y_val = X[::3], THREE[::3]
    keep = X[:, 0] > -0.5
    keep[:60] = False
    mask = da.from_array(keep, chunks=60)
    rows, y = (da.from_array(a, chunks=(60, *[-1] * (a.ndim - 1))) for a in (X, THREE))
    common = {"solver": "adam", "class_weight": "balanced", "early_stopping": True}
    common |= {"scoring": "loss", "max_iter": 12}
    there = ours.fit(
        model("classes", **common), rows[mask], y[mask], classes=[0, 1, 2], X_val=X_val, y_val=y_val
    )
    here = model("classes", batch_size=int(keep.sum()), **common)
    here.fit(X[keep], THREE[keep], X_val=X_val, y_val=y_val)
    assert len(here.validation_scores_) == 12
    assert difference(there, here) < 1e-6
    np.testing.assert_allclose(there.validation_scores_, here.validation_scores_, rtol=1e-6)


def test_it_is_a_normal_estimator(in_process):
    there = ours.fit(model("classes", solver="adam"), parts(X), parts(THREE))
    there.partial_fit(X, THREE)
    assert there.n_iter_ == 31
    assert list(there.classes_) == [0, 1, 2]


def test_frames_bring_their_names(in_process):
    pandas = pytest.importorskip("pandas")
    dd = pytest.importorskip("dask.dataframe")
    frame = pandas.DataFrame(X, columns=list("abcde"))
    target = pandas.Series(THREE)
    there = model("classes", solver="lbfgs")
    ours.fit(there, dd.from_pandas(frame, npartitions=3), dd.from_pandas(target, npartitions=3))
    here = model("classes", solver="lbfgs").fit(frame, THREE)
    assert difference(there, here) < 1e-6
    assert list(there.feature_names_in_) == list("abcde")


def test_unknown_sizes_and_empty_partitions(in_process):
    keep = X[:, 0] > -0.5
    keep[:60] = False  # the first of seven partitions is empty
    rows, y = (da.from_array(a, chunks=(60, *[-1] * (a.ndim - 1))) for a in (X, THREE))
    mask = da.from_array(keep, chunks=60)
    assert np.isnan(rows[mask].shape[0])
    there = ours.fit(model("classes", solver="lbfgs"), rows[mask], y[mask], classes=[0, 1, 2])
    here = model("classes", solver="lbfgs").fit(X[keep], THREE[keep])
    assert difference(there, here) < 1e-6


def test_columns_in_several_chunks(in_process):
    rows = da.from_array(X, chunks=(100, 2))
    there = ours.fit(model("classes", solver="lbfgs"), rows, da.from_array(THREE, chunks=50))
    assert difference(there, local("classes", solver="lbfgs")) < 1e-6


def test_validation_data_and_early_stopping(in_process):
    params = {"solver": "adam", "early_stopping": True, "n_iter_no_change": 3}
    there = model("classes", **params)
    ours.fit(there, parts(X), parts(THREE), X_val=X[:90], y_val=THREE[:90])
    here = model("classes", batch_size=N, **params).fit(X, THREE, X_val=X[:90], y_val=THREE[:90])
    assert there.validation_scores_ == here.validation_scores_
    assert difference(there, here) < 1e-6


@pytest.mark.parametrize("average_every", [None, 2])
def test_checkpoint_and_resume(in_process, tmp_path, average_every):
    params = {"solver": "adam", "max_iter": 6, "batch_size": 50}
    path, more = str(tmp_path / "run.npz"), {"average_every": average_every}
    first = model("classes", **params | {"max_iter": 3, "callbacks": [Checkpoint(path)]})
    ours.fit(first, parts(X), parts(THREE), **more)
    resumed = ours.fit(model("classes", **params), parts(X), parts(THREE), resume=path, **more)
    whole = ours.fit(model("classes", **params), parts(X), parts(THREE), **more)
    np.testing.assert_array_equal(resumed.theta_, whole.theta_)


# --------------------------------------------------------------------------------------- local SGD
@pytest.mark.parametrize("solver", ["adam", "sgd", "rmsprop"])
def test_local_steps_learn(in_process, solver):
    rates = {"adam": 0.01, "sgd": 0.1, "rmsprop": 0.01}
    params = {"solver": solver, "learning_rate_init": rates[solver], "batch_size": 20}
    for k in (1, 4, 1000):
        there = model("classes", **params)
        ours.fit(there, parts(X), parts(THREE), average_every=k)
        assert there.score(X, THREE) > 0.75
        assert there.t_ == 30 * N


def test_local_steps_of_one_partition_are_plain_mini_batches(in_process):
    """With rows in their order there is nothing to average, and k says nothing."""
    params = {"solver": "adam", "shuffle": False, "batch_size": 60}
    here = model("classes", **params).fit(X, THREE)
    for k in (1, 3, 1000):
        there = ours.fit(model("classes", **params), parts(X, 1), parts(THREE, 1), average_every=k)
        assert difference(there, here) < 1e-9
        np.testing.assert_allclose(there.loss_curve_, here.loss_curve_)


def test_local_steps_are_the_same_again(in_process):
    params = {"solver": "adam", "dropout": 0.2, "batch_size": 20}
    thetas = [
        ours.fit(model("classes", **params), parts(X), parts(THREE), average_every=3).theta_
        for _ in range(2)
    ]
    np.testing.assert_array_equal(*thetas)


# --------------------------------------------------------------------------------------- bad input
def of_parts(*blocks):
    return da.concatenate([da.from_array(block, chunks=block.shape) for block in blocks])


def disagreeing_frames(*frames):
    dd = pytest.importorskip("dask.dataframe")
    delayed = [dask.delayed(frame) for frame in frames]
    return dd.from_delayed(delayed, meta=frames[0], verify_meta=False)


def two_frames(change):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X[:20], columns=list("abcde"))
    y = pandas.Series(THREE[:20])
    return disagreeing_frames(frame, change(frame)), disagreeing_frames(y, y)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame.rename(columns={"a": "z"}),
        lambda frame: frame.astype({"b": np.float32}),
        lambda frame: frame.drop(columns="c"),
    ],
    ids=["name", "dtype", "column"],
)
def test_partitions_that_disagree(in_process, change):
    fitted = ours.fit(model("classes"), parts(X), parts(THREE))
    before = fitted.theta_
    rows, y = two_frames(change)
    message = "columns and dtypes of X must be the same in all partitions. Got .* in partition 1"
    with pytest.raises(ValueError, match=message):
        ours.fit(fitted, rows, y)
    assert fitted.theta_ is before


def test_a_class_in_one_partition_only(in_process):
    y = np.where(np.arange(N) < 10, 3, THREE)
    with pytest.warns(UserWarning, match=r"classes that are in one partition only: \[3\]"):
        there = ours.fit(model("classes", solver="lbfgs"), parts(X), parts(y))
    assert list(there.classes_) == [0, 1, 2, 3]
    again = ours.fit(model("classes", solver="lbfgs"), parts(X), parts(y), classes=range(4))
    np.testing.assert_array_equal(there.theta_, again.theta_)


@pytest.mark.parametrize("weights", [None, "balanced"])
def test_a_class_that_was_not_named(in_process, weights):
    message = r"classes of .* all classes of y. Got \[0, 1\], but y also has \[2\]: add these"
    with pytest.raises(ValueError, match=message):
        ours.fit(
            model("classes", class_weight=weights), parts(X), parts(THREE), classes=np.arange(2)
        )


@pytest.mark.parametrize("row", [2, -1])
@pytest.mark.parametrize("weights", [None, "balanced"])
@pytest.mark.parametrize("classes", [None, [0, 1, 2]])
@pytest.mark.parametrize(
    ("value", "message"), [(np.nan, "contains NaN"), (0.5, "Unknown label type: continuous")]
)
def test_labels_that_are_none(in_process, row, weights, classes, value, message):
    y = THREE.astype(float)
    y[row] = value
    with pytest.raises(ValueError, match=message):
        ours.fit(model("classes", class_weight=weights), parts(X), parts(y), classes=classes)


@pytest.mark.parametrize("classes", [None, ["a", "b", "c"]])
def test_none_among_labels(in_process, classes):
    y = TASKS["words"][1].astype(object)
    y[-1] = None
    with pytest.raises(ValueError, match="y must hold a class label for each"):
        ours.fit(model("words"), parts(X), parts(y), classes=classes)
    with pytest.raises(ValueError, match="y must hold a class label for each"):
        model("words").fit(X, y)


@pytest.mark.parametrize("other", [TabularMLPClassifier(), DummyClassifier(), MLPClassifier])
def test_other_estimators(in_process, other):
    with pytest.raises(TypeError, match="must be an MLPClassifier or MLPRegressor"):
        ours.fit(other, parts(X), parts(THREE))


def test_rows_that_are_not_finite(in_process):
    rows = X.copy()
    rows[-1, 2] = np.nan
    with pytest.raises(ValueError, match="X contains NaN"):
        ours.fit(model("classes"), parts(rows), parts(THREE))


LABELLED = (parts(X), parts(LABELS))


@pytest.mark.parametrize(
    ("arguments", "params", "options", "error", "message"),
    [
        ((X, parts(THREE)), {}, {}, TypeError, "X of distributed.fit must be a Dask"),
        ((parts(X), THREE), {}, {}, TypeError, "y of distributed.fit must be a Dask"),
        ((parts(X), parts(THREE[:90])), {}, {}, ValueError, "y of .* one row for each row of X"),
        ((parts(X[:0], 1), parts(THREE[:0], 1)), {}, {}, ValueError, "at least one row"),
        ((), {"dropout": 0.1}, {}, ValueError, "'dropout' .* must be 0 .* pass average_every"),
        ((), {"early_stopping": True}, {}, ValueError, "early_stopping .* requires X_val and y"),
        ((), {"class_weight": ["balanced"]}, {}, ValueError, "dict or 'balanced' for one label"),
        (LABELLED, {"class_weight": "balanced"}, {}, ValueError, "for each of the 3 labels"),
        (LABELLED, {"class_weight": ["balanced"]}, {}, ValueError, "for each of the 3 labels"),
        (LABELLED, {"class_weight": [None] * 4}, {}, ValueError, "for each of the 3 labels"),
        ((), {"solver": "lbfgs"}, {"average_every": 2}, ValueError, "must be None with solver="),
        ((), {}, {"average_every": 0}, ValueError, "average_every .* integer >= 1. Got 0"),
        ((), {}, {"averages": 2}, TypeError, "options of distributed.fit must be among"),
        ((), {"alpha": -1}, {}, ValueError, "The 'alpha' parameter of MLPClassifier must be"),
    ],
)
def test_what_bad_input_gets(in_process, arguments, params, options, error, message):
    rows = arguments or (parts(X), parts(THREE))
    with pytest.raises(error, match=message):
        ours.fit(model("classes", **params), *rows, **options)


def test_partitions_of_different_lengths(in_process):
    mask = da.from_array(X[:, 0] > 0, chunks=60)
    rows, y = (da.from_array(a, chunks=(60, *[-1] * (a.ndim - 1))) for a in (X, THREE))
    with pytest.raises(ValueError, match=r"as many rows in each partition\. Got"):
        ours.fit(model("classes"), rows[mask], y[~mask])


# --------------------------------------------------------------- what needs nothing of ours
def of_dask_ml(module):
    return pytest.importorskip(f"dask_ml.{module}", reason="needs the extra dask-ml")


def test_dask_ml_incremental(in_process):
    Incremental = of_dask_ml("wrappers").Incremental
    wrapped = Incremental(MLPClassifier((6,), random_state=0, learning_rate_init=0.02))
    for _ in range(10):
        wrapped.partial_fit(parts(X), parts(THREE), classes=[0, 1, 2])
    assert wrapped.estimator_.score(X, THREE) > 0.6


def test_dask_ml_incremental_without_classes(in_process):
    Incremental = of_dask_ml("wrappers").Incremental
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        Incremental(MLPClassifier((6,))).fit(parts(X), parts(THREE))


# ------------------------------------------------------------------------- a hundred machines
def test_the_model_on_paper():
    per_row, n_bytes = 1e-6, 4 * 6110
    parts_of = {m: scaling.model(m, 1e6 * per_row, n_bytes) for m in (1, 10, 100)}
    assert all(found["compute"] == pytest.approx(1.0) for found in parts_of.values())
    for part in ("broadcast", "reduce", "schedule", "sent"):
        assert parts_of[1][part] < parts_of[10][part] < parts_of[100][part]
    common = {"case": "model", "rows": 10**6}
    rows = [common | {"workers": m} | found for m, found in parts_of.items()]
    seconds = {"on partitions": [0.2], "in this process": [0.1]}
    rows.append({"case": "measured", "workers": 2, "rows": 1000, "seconds": seconds})
    lines = scaling.table(rows).text().splitlines()
    assert lines[-1].split() == ["measured", "2", "1,000", "200", "ms", "25%", "-"]
    assert lines[1].startswith("on paper")


# --------------------------------------------------------------------- clusters of two processes
@pytest.fixture
def client(tmp_path):
    """Two worker processes; ports and folders are chosen freely, and all is gone afterwards."""
    from distributed import Client, LocalCluster

    settings = {
        "distributed.worker.memory.spill": False,
        "distributed.worker.memory.target": False,
        "distributed.comm.timeouts.connect": "60s",
        "distributed.scheduler.allowed-failures": 10,
        # It would take away the copies that scattering made.
        "distributed.scheduler.active-memory-manager.start": False,
    }
    with (
        dask.config.set(settings),
        LocalCluster(
            n_workers=2,
            processes=True,
            threads_per_worker=1,
            dashboard_address=None,
            local_directory=str(tmp_path),
        ) as cluster,
        Client(cluster) as connected,
    ):
        yield connected


def kill_a_worker(client):
    """End one of the worker processes; its nanny starts another one."""
    (pid, *_) = client.run(os.getpid).values()
    os.kill(pid, signal.SIGKILL)
    return pid


@pytest.mark.slow
def test_lbfgs_on_two_processes(client):
    for n_parts in (1, 3, 7):
        there = model("classes", solver="lbfgs")
        ours.fit(there, parts(X, n_parts), parts(THREE, n_parts))
        here = local("classes", solver="lbfgs")
        assert here.n_iter_ == 30
        assert difference(there, here) < 1e-6


class KillWorker(Callback):
    """Kills one worker after some epochs, once."""

    epoch: int = 5

    def on_epoch_end(self, memory, run):
        if run.epoch == self.epoch:
            memory["killed"] = kill_a_worker(_clients[0])


_clients = []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "options"),
    [
        ({"solver": "lbfgs"}, {}),
        ({"solver": "adam"}, {}),
        ({"solver": "adam", "batch_size": 50, "max_iter": 10}, {"average_every": 2}),
    ],
    ids=["lbfgs", "adam", "local"],
)
def test_a_killed_worker_does_not_lose_the_fit(client, monkeypatch, params, options):
    monkeypatch.setattr(f"{__name__}._clients", [client])
    undisturbed = ours.fit(model("classes", **params), parts(X, 7), parts(THREE, 7), **options)
    there = model("classes", callbacks=[KillWorker()], **params)
    ours.fit(there, parts(X, 7), parts(THREE, 7), **options)
    assert there._state.memory["0 KillWorker"]["killed"]
    # The sums are the same, whoever computes them.
    np.testing.assert_array_equal(there.theta_, undisturbed.theta_)


def one_worker_dies_soon(client, begun):
    """Kill a worker as soon as tasks are running, in a thread of its own."""

    def wait_and_kill():
        while not any(client.processing().values()):
            time.sleep(0.01)
        kill_a_worker(client)
        begun.set()

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


@pytest.mark.slow
def test_a_killed_worker_does_not_lose_a_search(client):
    grid = {"alpha": [0.0, 1e-3, 1e-2, 0.1], "hidden_layer_sizes": [(4,), (8,)]}
    folds = list(StratifiedKFold(3).split(X, THREE))
    search = GridSearchCV(MLPClassifier(max_iter=60, random_state=0), grid, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        expected = search.fit(X, THREE).cv_results_["mean_test_score"]
    killed = threading.Event()
    # Scattered to all workers: what joblib sends to one alone would be lost with it.
    everywhere = [X, THREE, *(rows for fold in folds for rows in fold)]
    with parallel_config(backend="dask", scatter=everywhere):
        thread = one_worker_dies_soon(client, killed)
        search.fit(X, THREE)
    thread.join()
    assert killed.is_set()
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], expected)


@pytest.mark.slow
def test_cross_val_score(client):
    network = MLPClassifier((6,), max_iter=20, random_state=0)
    here = cross_val_score(network, X, THREE, cv=3)
    with parallel_config(backend="dask"):
        np.testing.assert_allclose(cross_val_score(network, X, THREE, cv=3), here)


@pytest.mark.slow
def test_dask_ml_hyperband(client):
    search = of_dask_ml("model_selection").HyperbandSearchCV(
        MLPClassifier((6,), random_state=0),
        {"alpha": [0.0, 1e-3, 0.1], "learning_rate_init": [1e-4, 1e-3, 1e-2, 0.1]},
        max_iter=9,
        random_state=0,
    )
    search.fit(parts(X), parts(THREE), classes=[0, 1, 2])
    assert search.best_score_ > 0.5
    assert search.best_estimator_.predict(X).shape == (N,)
