"""A fit that began from an earlier one: resume restores what it had kept of that one."""

import copy

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array
from sklearn.base import clone
from test_resume import (
    CLASSES,
    LABELS,
    VALIDATION,
    WEIGHT,
    Crash,
    CrashError,
    X,
    Y,
    assert_same,
    small,
)

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Checkpoint
from sknn_scratch.training import checkpoint

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore:X (has feature names|does not have valid)"),
]

NAMES = pd.DataFrame(X).add_prefix("x")
TINY = {"n_ensemble": 2, "max_iter": 2, "min_steps": 0, "hidden_layer_sizes": (6, 5)}
WARM = {"warm_start": True, "max_iter": 12, "batch_size": 25, "random_state": 0}


def member(cls, y, place=0, **params):
    """Return a network of an ensemble for tables, whose inputs are X."""
    model = cls("fast", n_bins=0, random_state=0, **TINY | params).fit(X, y)
    assert model.preprocessor_.n_features_out_ == X.shape[1]
    return model.estimators_[place].set_params(**WARM)


def plain(cls, X, y, **params):
    return small(cls, **params).fit(X, y).set_params(warm_start=True)


def interrupted(model, path, *data, **given):
    """Break a copy of the fit off in epoch 8, and let the same copy resume from epoch 5."""
    copied, callbacks = copy.deepcopy(model), [*(model.callbacks or ())]
    before = dict(vars(copied))
    copied.set_params(callbacks=[*callbacks, Checkpoint(str(path), every=5), Crash()])
    with pytest.raises(CrashError):
        copied.fit(*data, **given)
    assert vars(copied.set_params(callbacks=model.callbacks)) == before
    return copied.resume(str(path), *data, **given)


#: name: (the estimator before the fit that is interrupted, what that fit gets)
KEPT = {
    "scale of y": lambda: (member(TabularMLPRegressor, 1e6 + 50 * Y), (X, 1e6 + 60 * Y)),
    "scale of y, log link": lambda: (
        member(TabularMLPRegressor, 100 * np.exp(Y), link="log"),
        (X, 90 * np.exp(Y)),
    ),
    "scales of two targets": lambda: (
        member(TabularMLPRegressor, np.column_stack([Y, 1e5 * Y + 1e7]), place=1),
        (X, np.column_stack([Y + 1, 2e5 * Y])),
    ),
    "no scale of y": lambda: (
        member(TabularMLPRegressor, np.exp(Y), loss="gamma"),
        (X, 2 * np.exp(Y), WEIGHT),
    ),
    "classes of a member": lambda: (member(TabularMLPClassifier, CLASSES), (X[::-1], CLASSES)),
    "dtype of weights": lambda: (plain(MLPRegressor, X.astype("f4"), Y), (X, -Y)),
    "dtype of classes": lambda: (
        plain(MLPClassifier, X, CLASSES),
        (X[::-1], CLASSES.astype(object)),
    ),
    "classes as integers": lambda: (
        plain(MLPClassifier, X, LABELS[:, 0]),
        (X, LABELS[:, 1].astype(float)),
    ),
    "labels not sparse": lambda: (plain(MLPClassifier, X, LABELS), (X[::-1], csr_array(LABELS))),
    "names of features": lambda: (plain(MLPRegressor, NAMES, Y), (X, -Y)),
    "no names of features": lambda: (plain(MLPRegressor, X, Y), (NAMES, -Y)),
    "nothing special": lambda: (plain(MLPRegressor, X, Y, dropout=0.2), (X, -Y)),
}
each_kept = pytest.mark.parametrize("make", KEPT.values(), ids=list(KEPT))


@each_kept
def test_same_as_without_interruption(make, tmp_path):
    model, data = make()
    through = copy.deepcopy(model).fit(*data)
    assert_same(interrupted(model, tmp_path / "run.npz", *data), through)


@each_kept
@pytest.mark.parametrize("warm_start", [True, False])
def test_by_another_estimator(make, warm_start, tmp_path):
    """All is in the file: the estimator that resumes may be new, or fitted to other data."""
    model, data = make()
    path = str(tmp_path / "run.npz")
    through = copy.deepcopy(model).set_params(callbacks=[Checkpoint(path, every=7)]).fit(*data)
    new = clone(model).set_params(warm_start=warm_start, callbacks=None)
    other = clone(new).fit(X[:50, :3], data[1][:50])
    for resumed in new, other:
        resumed.resume(path, *data)
        np.testing.assert_array_equal(resumed.predict(X), through.predict(X))
        through.set_params(callbacks=None)
        for one in resumed, through:
            one.set_params(warm_start=True)
        assert_same(copy.deepcopy(resumed).fit(*data), copy.deepcopy(through).fit(*data))


@pytest.mark.parametrize("given", [{}, VALIDATION], ids=["held out", "given"])
def test_validation_rows_of_a_member(given, tmp_path):
    model = member(TabularMLPRegressor, 1e4 + 50 * Y).set_params(early_stopping=True)
    data = (X, 1e4 + 60 * Y)
    given = given and given | {"y_val": 1e4 + 60 * VALIDATION["y_val"]}
    through = copy.deepcopy(model).fit(*data, **given)
    assert_same(interrupted(model, tmp_path / "run.npz", *data, **given), through)


def test_interrupted_twice(tmp_path):
    """The checkpoints of a resumed fit hold what it inherited, too."""
    model, data = KEPT["scale of y"]()
    one, two = str(tmp_path / "one.npz"), str(tmp_path / "two.npz")
    through = copy.deepcopy(model).fit(*data)
    copy.deepcopy(model).set_params(max_iter=4, callbacks=[Checkpoint(one)]).fit(*data)
    clone(model).set_params(max_iter=8, callbacks=[Checkpoint(two)]).resume(one, *data)
    assert_same(clone(model).resume(two, *data), through)


def test_a_new_fit_by_an_estimator_that_would_go_on(tmp_path):
    """A file of a new fit is resumed as one, whatever ``warm_start`` says."""
    path = str(tmp_path / "run.npz")
    through = small(MLPRegressor, callbacks=[Checkpoint(path, every=5)]).fit(X, Y)
    for model in member(TabularMLPRegressor, 1e6 + Y), plain(MLPRegressor, NAMES[["x1"]], Y):
        params = small(MLPRegressor).get_params() | {"warm_start": True}
        resumed = model.set_params(**params).resume(path, X, Y)
        np.testing.assert_array_equal(resumed.theta_, through.theta_)
        assert not hasattr(resumed, "feature_names_in_")


@pytest.mark.parametrize("n_calls", [1, 3])
def test_classes_of_partial_fit(n_calls, tmp_path):
    """A chunk lacks some of the classes that the first call named."""
    path = str(tmp_path / "run.npz")
    model = small(MLPClassifier, callbacks=[Checkpoint(path)])
    for _ in range(n_calls):
        model.partial_fit(X, LABELS[:, 0], classes=[0, 1, 2])
    resumed = small(MLPClassifier).resume(path, X, LABELS[:, 0])
    assert resumed.classes_.tolist() == [0, 1, 2]
    assert resumed.n_iter_ == 12


def test_of_other_data_or_another_estimator(tmp_path):
    model, (X_, y) = KEPT["scale of y"]()
    path = str(tmp_path / "run.npz")
    copy.deepcopy(model).set_params(callbacks=[Checkpoint(path)]).fit(X_, y)
    for data, words in (
        ((X_ + 1, y), "of another fit: its X"),
        ((X_, y + 1), "of another fit: its y"),
        ((X_, np.column_stack([y, y])), "of another fit: its y"),
        ((X_[:, :3], y), "3 features"),
    ):
        before = dict(vars(model))
        with pytest.raises(ValueError, match=words):
            model.resume(path, *data)
        assert vars(model) == before
    with pytest.raises(ValueError, match="its estimator is MLPRegressor, here it is MLPClassifier"):
        MLPClassifier().resume(path, X_, CLASSES)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("targets", None),
        ("targets", {"n_targets": 1, "task": "regression", "location": None, "scale": 0.0}),
        ("targets", {"n_targets": 1, "task": "regression", "location": None, "scale": np.ones(1)}),
        ("dtype", "float16"),
        ("dtype", None),
        ("n_features", -1),
        ("n_features", 10**12),
        ("feature_names", ["a"]),
        ("feature_names", 3),
        ("more", 3),
    ],
)
def test_damaged(key, value, tmp_path):
    model, data = KEPT["scale of y"]()
    path = str(tmp_path / "run.npz")
    copy.deepcopy(model).set_params(callbacks=[Checkpoint(path)]).fit(*data)
    tree = checkpoint.load(path)
    checkpoint.save(path, tree | {"inherited": tree["inherited"] | {key: value}})
    before = dict(vars(model))
    with pytest.raises(ValueError, match=r"^The file .*run\.npz' must be a whole, undamaged"):
        model.resume(path, *data)
    assert vars(model) == before


@pytest.mark.parametrize("inherited", [3, [], "scale"])
@pytest.mark.parametrize("state", ["whole", None, {}, {"theta": None}])
def test_damaged_as_a_whole(inherited, state, tmp_path):
    path = str(tmp_path / "run.npz")
    small(MLPRegressor, callbacks=[Checkpoint(path)]).fit(X, Y)
    tree = checkpoint.load(path) | {"inherited": inherited}
    checkpoint.save(path, tree if state == "whole" else tree | {"state": state})
    with pytest.raises(ValueError, match=r"^The file .*run\.npz' must be a whole, undamaged"):
        small(MLPRegressor).resume(path, X, Y)


def test_set_state_forgets_names():
    """The names of features are part of a state, and so is that there are none."""
    model = small(MLPRegressor).fit(NAMES, Y)
    model.set_state(small(MLPRegressor).fit(X, Y).get_state())
    assert not hasattr(model, "feature_names_in_")


@pytest.fixture
def distributed():
    """Fits of Dask collections, in this process."""
    dask = pytest.importorskip("dask")
    pytest.importorskip("distributed")
    from sknn_scratch import distributed

    with dask.config.set(scheduler="synchronous"):
        yield distributed


def parts(*arrays):
    da = pytest.importorskip("dask.array")
    return [da.from_array(array, chunks=(45, *array.shape[1:])) for array in arrays]


def test_on_partitions(distributed, tmp_path):
    model, data = KEPT["scale of y"]()
    path = str(tmp_path / "run.npz")
    through = distributed.fit(copy.deepcopy(model), *parts(*data))
    first = copy.deepcopy(model).set_params(callbacks=[Checkpoint(path, every=7)])
    distributed.fit(first, *parts(*data))
    for resumed in model, clone(model):
        distributed.fit(resumed, *parts(*data), resume=path)
        np.testing.assert_array_equal(resumed.predict(X), through.predict(X))


def test_lost_curvature_on_partitions(distributed, tmp_path):
    """As by ``resume``, which is the same fit on one machine."""
    path = str(tmp_path / "run.npz")
    model = small(MLPRegressor, solver="lbfgs", callbacks=[Checkpoint(path, every=5)])
    distributed.fit(model, *parts(X, Y))
    with pytest.warns(UserWarning, match="curvature is lost"):
        distributed.fit(model, *parts(X, Y), resume=path)


# --------------------------------------------------------------------- parameters in refusals
@pytest.mark.parametrize(
    ("name", "stored", "now", "words"),
    [
        ("hidden_layer_sizes", (20,), (21,), "is (20,), here it is (21,)"),
        ("hidden_layer_sizes", [5], np.array([5, 6]), "is (5,), here it is (5, 6)"),
        ("hidden_layer_sizes", 5, (5,), "is 5, here it is (5,)"),
        ("hidden_layer_sizes", (), (5,), "is (), here it is (5,)"),
        ("activation", ["tanh"], ["relu"], "is ('tanh',), here it is ('relu',)"),
        ("dropout", (0.5,), [0.25], "is (0.5,), here it is (0.25,)"),
    ],
)
def test_sequences_are_shown_as_python_writes_them(name, stored, now, words, tmp_path):
    path = str(tmp_path / "run.npz")
    params = {"hidden_layer_sizes": (5,), "max_iter": 2}
    MLPRegressor(**params | {name: stored, "callbacks": [Checkpoint(path)]}).fit(X, Y)
    with pytest.raises(ValueError) as error:  # noqa: PT011
        MLPRegressor(**params | {name: now}).resume(path, X, Y)
    assert f"its {name} {words}. " in str(error.value)


def test_an_earlier_spelling_is_the_same(tmp_path):
    path = str(tmp_path / "run.npz")
    small(MLPRegressor, hidden_layer_sizes=(5,), callbacks=[Checkpoint(path)]).fit(X, Y)
    tree = checkpoint.load(path)
    assert tree["parameters"]["hidden_layer_sizes"] == "(5,)"
    tree["parameters"]["hidden_layer_sizes"] = "(5)"
    checkpoint.save(path, tree)
    small(MLPRegressor, hidden_layer_sizes=(5,)).resume(path, X, Y)
