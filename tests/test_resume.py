"""A fit that is broken off goes on from its checkpoint bit for bit as if it had not been."""

import copy
import math
import multiprocessing
import random
import time

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.preprocessing import scale

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    Adam,
    Adaptive,
    AddDecayedWeights,
    Chain,
    Checkpoint,
    ClipByNorm,
    CSVLog,
    OneCycle,
    WeightEMA,
)
from sknn_scratch.contracts import Callback
from sknn_scratch.registry import names
from sknn_scratch.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_diabetes(return_X_y=True)
X, Y = scale(X)[:90], scale(Y)[:90]
CLASSES = np.array(["low", "middle", "high"])[np.digitize(Y, [-0.6, 0.4])]
LABELS = np.column_stack([Y > 0, X[:, 2] > 0]).astype(int)
WEIGHT = np.random.default_rng(0).uniform(0.1, 3, size=len(X))
VALIDATION = {"X_val": X[60:], "y_val": Y[60:]}
TARGETS = {MLPClassifier: CLASSES, MLPRegressor: Y}
each_estimator = pytest.mark.parametrize("cls", list(TARGETS))


class Collect(Callback):
    """Remembers arrays and numbers."""

    def init(self):
        return {"n": 0, "losses": np.empty(0), "best": None}

    def on_epoch_end(self, memory, run):
        memory["n"] += 1
        memory["losses"] = np.append(memory["losses"], run.loss)
        memory["best"] = min(memory["best"] or math.inf, run.loss)


class CrashError(Exception):
    pass


class Crash(Callback):
    """Raises at the end of an epoch."""

    epoch: int = 8

    def on_epoch_end(self, memory, run):
        if run.epoch == self.epoch:
            raise CrashError


def small(cls, **params):
    defaults = {"hidden_layer_sizes": (6, 5), "max_iter": 12, "batch_size": 25}
    return cls(**defaults | {"random_state": 0, "callbacks": [Collect()]} | params)


SKIPPED = ("seconds", "stop_reason")


def flat(tree, place=""):
    """Leaves of nested dicts and lists by place, without times, and why training ended."""
    if isinstance(tree, list):
        tree = dict(enumerate(tree))
    if not isinstance(tree, dict):
        return {place: tree}
    parts = (flat(v, f"{place}/{k}") for k, v in tree.items() if k not in SKIPPED)
    return {key: value for part in parts for key, value in part.items()}


def fitted_attributes(model):
    found = {key: value for key, value in vars(model).items() if key.endswith("_")}
    return {key: getattr(v, "tolist", lambda v=v: v)() for key, v in found.items()}


def assert_same(one, other):
    """Equal to the bit in all that fit makes."""
    for look in (lambda model: model.get_state()), fitted_attributes:
        ours, theirs = flat(look(one)), flat(look(other))
        assert ours.keys() == theirs.keys()
        for place, value in ours.items():
            assert type(value) is type(theirs[place]), place
            np.testing.assert_array_equal(value, theirs[place], err_msg=place)


def interrupted(model, path, *data, **given):
    """Break a copy of the fit off in epoch 8, and let a new copy go on from epoch 5."""
    first, second = copy.deepcopy(model), copy.deepcopy(model)
    watching = [*(model.callbacks or ()), Checkpoint(str(path), every=5), Crash()]
    with pytest.raises(CrashError):
        first.set_params(callbacks=watching).fit(*data, **given)
    assert not hasattr(first, "theta_")
    return second.resume(str(path), *data, **given)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run.npz"


# -------------------------------------------------------------------------------------- bit for bit
CHAIN = Chain(
    (("clip", ClipByNorm(0.5)), ("adam", Adam(beta_1=0.8)), ("decay", AddDecayedWeights(0.1)))
)
SOLVERS = [*names("optimizer"), CHAIN, WeightEMA(CHAIN, 0.7)]
EVERYTHING = {
    "early_stopping": True,
    "dropout": (0.2, 0.4),
    "learning_rate": OneCycle(),
    "scoring": "loss",
    "l1_ratio": 0.5,
    "alpha": 0.1,
}


@pytest.mark.parametrize("more", [{}, EVERYTHING], ids=["plain", "everything"])
@pytest.mark.parametrize("solver", SOLVERS, ids=str)
@each_estimator
def test_every_optimizer(cls, solver, more, path):
    model = small(cls, solver=solver, ema_decay=0.9 if more else None, **more)
    through = copy.deepcopy(model).fit(X, TARGETS[cls])
    assert_same(interrupted(model, path, X, TARGETS[cls]), through)


STOPS = {"early_stopping": True, "learning_rate_init": 0.1, "max_iter": 100, "n_iter_no_change": 4}
#: name: (parameters, what fit gets beside X and y)
FEATURES = {
    "early stopping ends it": (STOPS, {}),
    "stops on validation data": (STOPS, VALIDATION),
    "monitored": ({}, VALIDATION),
    "weights": ({"early_stopping": True}, {"sample_weight": WEIGHT}),
    "weights of validation data": ({}, VALIDATION | {"sample_weight_val": WEIGHT[60:]}),
    "dropout": ({"dropout": 0.3}, {}),
    "averaged weights": ({"ema_decay": 0.9, "early_stopping": True}, {}),
    "in order": ({"shuffle": False}, {}),
    "in order, held out": ({"shuffle": False, "early_stopping": True}, {}),
    "float32": ({"dtype": "float32", "dropout": 0.3}, {}),
    "no seed": ({"random_state": None, "dropout": 0.3}, {}),
    "steps that shrink": (
        {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 1},
        {},
    ),
    "steps that shrink, by an instance": (
        {"learning_rate": Adaptive(), "tol": 0.1, "n_iter_no_change": 1},
        {},
    ),
    **{f"schedule {name}": ({"learning_rate": name}, {}) for name in names("schedule")},
}


@pytest.mark.parametrize(("params", "given"), FEATURES.values(), ids=list(FEATURES))
def test_every_feature(params, given, path):
    model = small(MLPRegressor, **params)
    if model.random_state is None:
        np.random.seed(3)  # noqa: NPY002
    through = copy.deepcopy(model).fit(X, Y, **given)
    np.random.seed(3)  # noqa: NPY002
    assert_same(interrupted(model, path, X, Y, **given), through)


@pytest.mark.parametrize(
    ("params", "X", "y"),
    [
        ({"class_weight": "balanced", "early_stopping": True}, X, CLASSES),
        ({"loss": "binary_log_loss"}, X, LABELS[:, 0]),
        ({"dropout": 0.2}, csr_array(X), csr_array(LABELS)),
        ({}, pd.DataFrame(X).add_prefix("x"), pd.Series(CLASSES).astype("category")),
    ],
    ids=["weights of classes", "two classes", "sparse labels", "frame"],
)
def test_forms_of_data(params, X, y, path):
    model = small(MLPClassifier, **params)
    through = copy.deepcopy(model).fit(X, y)
    assert_same(interrupted(model, path, X, y), through)


@each_estimator
def test_training_goes_on_alike_after_resume(cls, path):
    model = small(cls, dropout=0.2)
    through = copy.deepcopy(model).fit(X, TARGETS[cls])
    resumed = interrupted(model, path, X, TARGETS[cls])
    for one in through, resumed:
        one.partial_fit(X[:50], TARGETS[cls][:50])
    assert_same(resumed, through)


@pytest.mark.parametrize("every", [1, 4, 12])
def test_from_the_last_epoch(every, path):
    """Nothing is left to do: it is what the fit was."""
    callbacks = [Collect(), Checkpoint(str(path), every)]
    through = small(MLPRegressor, callbacks=callbacks, max_iter=12).fit(X, Y)
    assert_same(small(MLPRegressor, callbacks=callbacks).resume(str(path), X, Y), through)


def test_from_the_last_epoch_before_patience_ended(path):
    params = STOPS | {"callbacks": [Collect(), Checkpoint(str(path))]}
    through = small(MLPRegressor, **params).fit(X, Y)
    assert through.n_iter_ < 100
    assert_same(small(MLPRegressor, **params).resume(str(path), X, Y), through)


def test_more_epochs(path):
    """``max_iter`` may be raised: it then is as if it had been so from the start."""
    small(MLPRegressor, callbacks=[Collect(), Checkpoint(str(path))], max_iter=5).fit(X, Y)
    resumed = small(MLPRegressor, max_iter=12).resume(str(path), X, Y)
    assert_same(resumed, small(MLPRegressor, max_iter=12).fit(X, Y))


def test_stopped_on_purpose(path):
    """What a callback stopped can go on without it."""

    class Stop(Callback):
        def on_epoch_end(self, memory, run):
            if run.epoch == 5:
                run.stop("enough")

    callbacks = [Collect(), Checkpoint(str(path)), Stop()]
    assert small(MLPRegressor, callbacks=callbacks).fit(X, Y).n_iter_ == 5
    resumed = small(MLPRegressor).resume(str(path), X, Y)
    assert_same(resumed, small(MLPRegressor).fit(X, Y))


@pytest.mark.parametrize("verbose", [False, True])
def test_verbose_may_differ(verbose, path, capsys):
    callbacks = [Collect(), Checkpoint(str(path), every=5)]
    small(MLPRegressor, callbacks=callbacks, verbose=verbose, max_iter=5).fit(X, Y)
    resumed = small(MLPRegressor, verbose=not verbose).resume(str(path), X, Y)
    through = small(MLPRegressor).fit(X, Y)
    np.testing.assert_array_equal(resumed.theta_, through.theta_)
    losses = [leaf for place, leaf in flat(resumed.get_state()).items() if "losses" in place]
    np.testing.assert_array_equal(losses, [through.loss_curve_])


def test_csv_log_has_each_epoch_once(path, tmp_path):
    log = CSVLog(str(tmp_path / "log.csv"))
    model = interrupted(small(MLPRegressor, callbacks=[log]), path, X, Y)
    table = pd.read_csv(log.path)
    assert table["epoch"].tolist() == list(range(1, 13))
    np.testing.assert_allclose(table["loss"], model.loss_curve_, rtol=1e-15)


@each_estimator
def test_lbfgs_goes_on_from_the_weights(cls, path):
    params = {"solver": "lbfgs", "callbacks": [Checkpoint(str(path), every=5)]}
    first = small(cls, **params, max_iter=7).fit(X, TARGETS[cls])
    with pytest.warns(UserWarning, match="curvature is lost"):
        model = small(cls, **params).resume(str(path), X, TARGETS[cls])
    assert model.loss_curve_[:5] == first.loss_curve_[:5]
    assert model.loss_curve_ == sorted(model.loss_curve_, reverse=True)
    assert model.n_iter_ == len(model.loss_curve_) == 12


def test_lbfgs_with_nothing_left_to_do(path):
    params = {"solver": "lbfgs", "callbacks": [Checkpoint(str(path))]}
    through = small(MLPRegressor, **params).fit(X, Y)
    with pytest.warns(UserWarning, match="curvature is lost"):
        model = small(MLPRegressor, **params).resume(str(path), X, Y)
    np.testing.assert_array_equal(model.theta_, through.theta_)
    assert model.loss_curve_ == through.loss_curve_


# --------------------------------------------------------------------------------- the process dies
def job(max_iter, *callbacks):
    return small(
        MLPRegressor,
        max_iter=max_iter,
        callbacks=[Collect(), *callbacks],
        n_iter_no_change=np.inf,
        early_stopping=True,
        dropout=0.2,
        ema_decay=0.9,
        learning_rate="cosine",
    )


def train(path, max_iter, started):
    """What a process does: go on from what is on disk, or begin."""
    model = job(max_iter, Checkpoint(str(path)))
    started.send(True)
    model.resume(str(path), X, Y) if path.exists() else model.fit(X, Y)


def start_method():
    """A server that has imported what this module imports, where there can be one."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pandas", "pytest", "sklearn.datasets", "sknn_scratch"])
    return context


def wait_for(path, seconds=60):
    end = time.monotonic() + seconds
    while not path.exists() and time.monotonic() < end:
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("n_kills", "max_iter"), [(2, 600), pytest.param(20, 4000, marks=pytest.mark.slow)]
)
def test_killed_at_random_moments(n_kills, max_iter, path):
    context, draw, epoch = start_method(), random.Random(0), 0
    for _ in range(n_kills):
        here, there = context.Pipe()
        process = context.Process(target=train, args=(path, max_iter, there))
        process.start()
        assert here.poll(60)
        wait_for(path)
        time.sleep(draw.uniform(0, 0.15))
        process.kill()
        process.join()
        assert process.exitcode < 0, "it had ended by itself: the test shows nothing"
        if path.exists():
            before, epoch = epoch, checkpoint.load(path)["state"]["epoch"]
            assert before <= epoch < max_iter
    assert epoch > 0, "never got far enough: the test shows nothing"
    assert_same(job(max_iter).resume(str(path), X, Y), job(max_iter).fit(X, Y))
    assert {file.name for file in path.parent.iterdir() if file.suffix != ".tmp"} == {path.name}


# ------------------------------------------------------------------------------ refused checkpoints
def changed_bytes(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


OTHER = np.array([1.0] + [0.0] * 89)
#: name: (parameters, changes of what resume gets, words of the message)
REFUSED = {
    "hidden_layer_sizes": ({"hidden_layer_sizes": (6, 4)}, {}, "hidden_layer_sizes"),
    "alpha": ({"alpha": 0.5}, {}, "alpha is 0.0001, here it is 0.5"),
    "solver": ({"solver": "sgd"}, {}, "solver"),
    "learning_rate_init": ({"learning_rate_init": 0.5}, {}, "learning_rate_init"),
    "batch_size": ({"batch_size": 30}, {}, "batch_size"),
    "dropout": ({"dropout": 0.1}, {}, "dropout"),
    "early_stopping": ({"early_stopping": True}, {}, "early_stopping"),
    "fewer rows": ({}, {"X": X[:80], "y": Y[:80]}, r"90 x 10, here it is 80 x 10"),
    "fewer columns": ({}, {"X": X[:, 1:], "X_val": X[60:, 1:]}, r"90 x 10, here it is 90 x 9"),
    "float32": ({}, {"X": X.astype(np.float32)}, "dtype"),
    "other X": ({}, {"X": X + OTHER[:, None]}, r"\bX is different, .* order of rows or columns\. "),
    "other y": ({}, {"y": Y + OTHER}, r"\by is different, .* order of rows\. "),
    "y in another order": ({}, {"y": Y[::-1]}, r"\by is different, .* order of rows\. "),
    "sample_weight": ({}, {"sample_weight": WEIGHT}, "its sample_weight is different"),
    "no validation data": ({}, {"X_val": None, "y_val": None}, "validation data"),
    "other validation data": ({}, {"y_val": Y[:30]}, "its y_val is different, in the values"),
    "less validation data": ({}, {"X_val": X[70:], "y_val": Y[70:]}, "_val"),
    "weights of validation data": ({}, {"sample_weight_val": WEIGHT[:30]}, "sample_weight_val"),
}


@pytest.mark.parametrize(("params", "changes", "words"), REFUSED.values(), ids=list(REFUSED))
def test_of_another_fit(params, changes, words, path):
    small(MLPRegressor, callbacks=[Checkpoint(str(path))]).fit(X, Y, **VALIDATION)
    model = small(MLPRegressor, **params).fit(X[:50, :3], Y[:50])
    before = dict(vars(model))
    with pytest.raises(ValueError, match=f"(?s)(of another fit|must come).*{words}"):
        model.resume(str(path), **{"X": X, "y": Y} | VALIDATION | changes)
    assert vars(model) == before


def test_split_or_validation_data(path):
    """Held out from X, or given: neither goes on as the other."""
    params = {"early_stopping": True, "callbacks": [Checkpoint(str(path))]}
    for one, other in ({}, VALIDATION), (VALIDATION, {}):
        small(MLPRegressor, **params).fit(X, Y, **one)
        with pytest.raises(ValueError, match=r"of another fit.*(X_val|validation data)"):
            small(MLPRegressor, **params).resume(str(path), X, Y, **other)


def test_of_another_estimator_or_with_other_classes(path):
    model = small(MLPClassifier, callbacks=[Checkpoint(str(path))]).fit(X, CLASSES)
    with pytest.raises(ValueError, match="estimator is MLPClassifier, here it is MLPRegressor"):
        small(MLPRegressor).resume(str(path), X, Y)
    renamed = np.char.add("very ", CLASSES)  # the same codes
    with pytest.raises(ValueError, match=r"its classes are \('high.*, here they are \('very high"):
        model.resume(str(path), X, renamed)


DAMAGE = {
    "a bit": changed_bytes,
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "half of it": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "empty": lambda path: path.write_bytes(b""),
    "text": lambda path: path.write_text("epoch 7"),
    "other arrays": lambda path: np.savez(path, theta=np.zeros(3)),
    "another tree": lambda path: checkpoint.save(path, {"estimator": "MLPRegressor"}),
    "get_state": lambda path: checkpoint.save(path, small(MLPRegressor).fit(X, Y).get_state()),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=list(DAMAGE))
def test_damaged_or_foreign(damage, path):
    model = small(MLPRegressor, callbacks=[Checkpoint(str(path))]).fit(X, Y)
    damage(path)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"checkpoint.*run\.npz|run\.npz.*checkpoint"):
        model.resume(str(path), X, Y)
    assert vars(model) == before


@pytest.mark.parametrize("name", ["none.npz", "none/run.npz"])
def test_no_such_file(name, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none"):
        small(MLPRegressor).resume(str(tmp_path / name), X, Y)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"alpha": 0.1}, {"alpha": np.float64(0.1)}),
        ({"batch_size": 20}, {"batch_size": np.int64(20)}),
        ({"hidden_layer_sizes": (6, 5)}, {"hidden_layer_sizes": [6, 5]}),
        ({"hidden_layer_sizes": (6, 5)}, {"hidden_layer_sizes": np.array([6, 5])}),
        ({"random_state": 0}, {"random_state": 7}),
        ({"warm_start": False}, {"warm_start": True}),
    ],
)
def test_the_same_written_in_another_way(one, other, path):
    """A search hands numpy's numbers over; and the seed is in the checkpoint."""
    small(MLPRegressor, callbacks=[Checkpoint(str(path), every=7)], **one).fit(X, Y)
    resumed = small(MLPRegressor, **other).resume(str(path), X, Y)
    np.testing.assert_array_equal(resumed.theta_, small(MLPRegressor, **one).fit(X, Y).theta_)


def made_anew():
    def negative_error(model, X, y):
        return -np.abs(model.predict(X) - y).mean()

    return negative_error


def test_scoring_by_a_function(path):
    """Another process has it at another address."""
    params = {"early_stopping": True, "callbacks": [Checkpoint(str(path), every=7)]}
    small(MLPRegressor, scoring=made_anew(), **params).fit(X, Y)
    small(MLPRegressor, scoring=made_anew(), **params).resume(str(path), X, Y)
    with pytest.raises(ValueError, match=r"of another fit.*scoring"):
        small(MLPRegressor, scoring="r2", **params).resume(str(path), X, Y)


# ------------------------------------------------------------------------------ where it is written
def test_fingerprint_keeps_the_fits_of_a_search_apart(tmp_path):
    """Also where y is the same in all folds: each file is resumed by one fit alone."""
    y = np.tile([0, 1], 45)
    model = small(MLPClassifier, callbacks=[Checkpoint(str(tmp_path / "{fingerprint}.npz"))])
    folds = KFold(3)
    search = GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=folds, n_jobs=2).fit(X, y)
    files = sorted(tmp_path.iterdir())
    fits = [(alpha, rows) for alpha in (0.1, 1.0) for rows, _ in folds.split(X)]
    fits.append((search.best_params_["alpha"], np.arange(90)))
    found = []
    for alpha, rows in fits:
        one = small(MLPClassifier, alpha=alpha)
        for file in files:
            try:
                one.resume(str(file), X[rows], y[rows])
            except ValueError:
                continue
            found.append(file)
            expected = small(MLPClassifier, alpha=alpha).fit(X[rows], y[rows])
            np.testing.assert_array_equal(one.theta_, expected.theta_)
    assert len(files) == 7
    assert sorted(found) == files


def test_fingerprint_tells_seeds_apart(tmp_path):
    callbacks = [Checkpoint(str(tmp_path / "{fingerprint}.npz"))]
    for seed in 0, 1, 1:
        small(MLPRegressor, random_state=seed, callbacks=callbacks).fit(X, Y)
    assert len(list(tmp_path.iterdir())) == 2


EPOCHS_SEEN = []


class Note(Callback):
    def on_epoch_end(self, memory, run):
        EPOCHS_SEEN.append(run.epoch)


@pytest.mark.parametrize("kind", [Checkpoint, CSVLog])
@pytest.mark.parametrize("name", ["", "missing/run.npz", "a_file/run.npz"])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_path_that_cannot_be_written(name, kind, solver, tmp_path):
    (tmp_path / "a_file").write_text("")
    EPOCHS_SEEN.clear()
    callbacks = [Note(), kind(str(tmp_path / name))]
    model = small(MLPRegressor, solver=solver, callbacks=callbacks)
    with pytest.raises((OSError, ValueError)) as error:
        model.fit(X, Y)
    assert str(tmp_path) in str(error.value)
    assert not EPOCHS_SEEN
    assert not hasattr(model, "theta_")


# ----------------------------------------------------------------------------- callbacks that raise
@pytest.mark.parametrize("epoch", [1, 8, 12])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_a_callback_that_raises(solver, epoch, path):
    """Its own error and traceback, and an estimator as it was."""
    model = small(MLPRegressor, solver=solver).fit(X, Y)
    callbacks = [Collect(), Checkpoint(str(path)), Crash(epoch)]
    before = dict(vars(model.set_params(callbacks=callbacks)))
    with pytest.raises(CrashError) as error:
        model.fit(X, -Y)
    assert error.traceback[-1].name == "on_epoch_end"
    assert vars(model) == before
    assert not path.exists() or checkpoint.load(path)["state"]["epoch"] == epoch - 1


# ----------------------------------------------------------------------------- get_state, set_state
STATES = {
    "classes": (small(MLPClassifier), CLASSES),
    "classes as objects": (small(MLPClassifier), CLASSES.astype(object)),
    "early stopping": (small(MLPClassifier, **STOPS), CLASSES),
    "two classes": (small(MLPClassifier, loss="binary_log_loss"), LABELS[:, 0] == 1),
    "labels": (small(MLPClassifier, dropout=0.3), LABELS),
    "sparse labels": (small(MLPClassifier, ema_decay=0.9), csr_array(LABELS)),
    "numbers": (small(MLPRegressor, solver=CHAIN, learning_rate=OneCycle()), Y),
    "several targets": (small(MLPRegressor, dtype="float32"), np.column_stack([Y, -Y])),
    "lbfgs": (small(MLPRegressor, solver="lbfgs"), Y),
    "early stopping, averaged": (small(MLPRegressor, **STOPS, ema_decay=0.9), Y),
}


def through_file(tree, path):
    checkpoint.save(path, tree)
    return checkpoint.load(path)


@pytest.mark.parametrize("trip", [lambda tree, _: tree, through_file], ids=["as is", "file"])
@pytest.mark.parametrize(("model", "y"), STATES.values(), ids=list(STATES))
def test_state_makes_the_same_estimator(model, y, trip, path):
    one = copy.deepcopy(model).fit(X, y)
    other = copy.deepcopy(model).set_state(trip(one.get_state(), path))
    assert_same(other, one)
    for method in "predict", "predict_proba":
        if hasattr(one, method):
            ours, theirs = (getattr(m, method)(X) for m in (other, one))
            assert type(ours) is type(theirs)
            np.testing.assert_array_equal(
                *[getattr(a, "toarray", lambda a=a: a)() for a in (ours, theirs)]
            )
    if model.solver != "lbfgs":
        for m in one, other:
            m.set_params(early_stopping=False).partial_fit(X[:50], y[:50])
        assert_same(other, one)


@each_estimator
def test_state_holds_the_names_of_features(cls):
    frame = pd.DataFrame(X).add_prefix("x")
    one = small(cls).fit(frame, TARGETS[cls])
    other = small(cls).set_state(one.get_state())
    np.testing.assert_array_equal(other.feature_names_in_, one.feature_names_in_)
    np.testing.assert_array_equal(other.predict(frame), one.predict(frame))


@each_estimator
def test_state_is_a_copy(cls):
    """Neither the estimator it was taken of, nor the one made of it, is changed with it."""

    def spoil(tree):
        for value in tree.values() if isinstance(tree, dict) else tree:
            if isinstance(value, np.ndarray):
                value[...] = value[::-1].copy() if value.ndim else 0
            elif isinstance(value, dict | list):
                spoil(value)
        if isinstance(tree, list):
            tree.clear()

    one = small(cls, dropout=0.2).fit(X, TARGETS[cls])
    tree = one.get_state()
    other, expected = small(cls, dropout=0.2).set_state(tree), copy.deepcopy(one)
    spoil(tree)
    for model in one, other:
        assert_same(model, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda tree: tree | {"format": 99}, "format 99"),
        (lambda tree: tree | {"estimator": "MLPClassifier"}, "MLPClassifier"),
        (lambda tree: {}, "get_state"),
        (lambda tree: tree | {"theta": tree["theta"][:-1]}, "parameters"),
        (lambda tree: {k: v for k, v in tree.items() if k != "theta"}, "theta"),
        (lambda tree: {k: v for k, v in tree.items() if k != "state"}, "state"),
    ],
)
def test_bad_state(change, words):
    model = small(MLPRegressor).fit(X, Y)
    before = dict(vars(model))
    with pytest.raises(ValueError, match=words):
        model.set_state(change(model.get_state()))
    assert vars(model) == before
    with pytest.raises(ValueError, match="hidden_layer_sizes"):
        small(MLPRegressor, hidden_layer_sizes=3).set_state(model.get_state())


@each_estimator
def test_state_of_an_unfitted_estimator(cls):
    with pytest.raises(ValueError, match="not fitted"):
        cls().get_state()
