"""Damaged states and files: refused in one sentence before anything is computed with them."""

import copy
import io
import json
import os
import subprocess
import sys
import time
import zipfile

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    config_context,
)
from sknn_scratch.components import AdamW, Chain, Checkpoint, ClipByNorm, GroupRates
from sknn_scratch.training import archive, checkpoint, form, temporaries

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(40, 4))
Y = (X[:, 0] > 0).astype(int)
PARAMS = {
    "hidden_layer_sizes": (4,),
    "solver": AdamW(),
    "dropout": 0.1,
    "early_stopping": True,
    "batch_size": 8,
    "random_state": 0,
    "n_iter_no_change": 50,
}


@pytest.fixture(params=["numpy", "compiled"])
def engine(request):
    if request.param == "compiled":
        pytest.importorskip("numba")
    with config_context(engine=request.param):
        yield


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A fitted estimator and the checkpoint of its last epoch."""
    path = tmp_path_factory.mktemp("sound") / "run.npz"
    return MLPClassifier(max_iter=3, callbacks=[Checkpoint(path)], **PARAMS).fit(X, Y), path


def model(**params):
    return MLPClassifier(**{**PARAMS, "max_iter": 5, **params})


def put(tree, place, change):
    """Exchange what is at a place, such as "optimizer.m": for another value, or by a function."""
    *above, last = place.split(".")
    for key in above:
        tree = tree[int(key) if isinstance(tree, list) else key]
    last = int(last) if isinstance(tree, list) else last
    if change is LOST:
        del tree[last]
    else:
        tree[last] = change(tree[last]) if callable(change) else change


def test_more_labels_than_parameters():
    """Units of targets are arrays of their own: no number of classes may claim all memory."""
    one = MLPClassifier((2,), max_iter=2, random_state=0).fit(X, Y)
    state = one.get_state()
    state["targets"] |= {"classes": np.arange(10**7), "task": "multiclass"}
    is_refused(one, lambda: one.set_state(state), "state must .*targets")


def is_refused(estimator, call, start):
    """Check that a call raises one sentence and leaves the estimator as it was."""
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match="^" + start) as info:
        call()
    message = str(info.value)
    assert ". " not in message.partition(": ")[2]
    assert len(message) < 600
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is value for key, value in before.items())
    return message


LOST = object()
NAN, INF = float("nan"), float("inf")
COUNTS = [-7, 2.5, True, "3", None, 2**60, 10**400, NAN, [], np.int64(-1)]
VECTORS = {
    "shorter": lambda a: a[:-1],
    "longer": lambda a: np.append(a, a),
    "two dimensions": lambda a: a[None],
    "no dimension": lambda a: a.sum(),
    "empty": lambda a: a[:0],
    "other floats": lambda a: a.astype("f4"),
    "whole numbers": lambda a: a.astype(int),
    "complex": lambda a: a.astype(complex),
    "objects": lambda a: a.astype(object),
    "text": lambda a: a.astype("S8"),
    "times": lambda a: np.zeros(len(a), "M8[s]"),
    "records": lambda a: np.zeros(len(a), "f4,f4"),
    "nan": lambda a: np.where(np.arange(len(a)) == 3, NAN, a),
    "infinite": lambda a: np.where(np.arange(len(a)) == 3, INF, a),
    "list": lambda a: a.tolist(),
    "dict": {},
}
#: What a place of the state must not hold: (place, {name: value})
DAMAGE = {
    **dict.fromkeys(("epoch", "step", "samples", "stalls", "patience.count"), COUNTS),
    **{f"optimizer.{name}": VECTORS for name in ("m", "v")},
    "optimizer.t": [-1, 1.5, True, "1", None, 2**60, []],
    "optimizer.decayed": [np.array([0, 30]), np.array([-5, 3]), np.zeros(3, int), np.zeros(2), 0],
    "optimizer": [3, [], "x", {"m": 1}, {1: 2}],
    "rng": [None, {}, [], "MT19937", NAN],
    "rng.bit_generator": ["Dice", [], None, 3, "PCG64"],
    "rng.state": [None, {}, {"key": 1, "pos": 2}],
    "rng.state.key": [lambda a: a[:-1], np.zeros_like, lambda a: a.astype(float), None],
    "rng.state.pos": [-1, 625, 10**6, 2**31, 1.5, None],
    "rng.has_gauss": [-1, 2, "x", None],
    "rng.gauss": [NAN, INF, "x", None],
    "noise": [3, {}, [], "PCG64"],
    "noise.bit_generator": ["MT19937", [], None],
    "noise.state.state": [-1, 2**128, 0.5, None],
    "noise.has_uint32": [-1, 2, None],
    "noise.uinteger": [-1, 2**32, "x"],
    "patience": [3, {"best": 0.0}, {"of": "score"}, None],
    "patience.best": [NAN, "x", None, 1j],
    "patience.of": ["luck", 3, None],
    "memory": [3, {"0 Collect": 3}, [], {1: {}}],
    "best_row": [3, {"epoch": "x"}, {"loss": 0.5}, {1: 2}, [1]],
    "best_row.validation_score": ["x", None, [], 1j],
    "history": [3, {}, [3], [{}], [{"epoch": 1, "loss": None}], None],
    "history.1": [3, None, {"epoch": NAN}, {"epoch": 1.5}],
    "history.1.loss": ["x", None, [], True],
    "stop_reason": [3, None, []],
    "unknown": [1],
    "order": [3, "x", np.zeros(3, int), np.arange(41), []],
    "held_out": [3, "x", np.zeros(3, int), np.arange(41), []],
}
AT_REST = [("theta", np.zeros(29)), ("best_theta", np.zeros(29)), ("best_theta", np.full(30, NAN))]
CASES = [
    pytest.param(place, value, id=f"{place} {name}")
    for place, values in DAMAGE.items()
    for name, value in (values if isinstance(values, dict) else dict(enumerate(values))).items()
]
#: What fits hold while they train, beside.
AT_WORK = [
    *(pytest.param("theta", value, id=f"theta {name}") for name, value in VECTORS.items()),
    *(pytest.param("best_theta", value, id=f"best {name}") for name, value in VECTORS.items()),
    *(("theta", None), ("best_theta", None), ("noise", None), ("held_out", None), ("order", None)),
    ("order", lambda a: np.zeros_like(a)),
    ("order", lambda a: a + 1),
    ("order", lambda a: -a),
    ("order", lambda a: a[:-1]),
    ("order", lambda a: np.append(a, a[0])),
    ("order", lambda a: np.append(a[1:], 10**6)),
    ("order", lambda a: a.astype(float)),
    ("order", lambda a: a[None]),
    ("held_out", lambda a: a[::-1] * 0),
    ("held_out", lambda a: a[:0]),
]
STATE_ALONE = [
    *(pytest.param("theta", value, id=f"theta {name}") for name, value in VECTORS.items()
      if name != "other floats"),
    ("n_features", 3), ("n_features", 10**18), ("n_features", None), ("n_features", 0),
    ("n_features", True), ("feature_names", 3), ("feature_names", ["a"]),
    ("feature_names", [1, 2, 3, 4]), ("optimizer", 3), ("optimizer", np.zeros(3)),
    ("targets", None), ("targets", []), ("targets", {}), ("targets.task", "regression"),
    ("targets.task", "multiclass"), ("targets.task", []),
    ("targets.sparse", 3), ("targets.classes", np.zeros(2)), ("targets.classes", np.arange(3)),
    ("targets.classes", np.arange(10**6)), ("targets.classes", np.array([1, 0])),
    ("targets.classes", np.array([0, NAN])), ("targets.classes", [0, 1]),
    ("targets.classes", np.array([[0, 1]])), ("targets.classes", LOST), ("state", 3),
    ("state", None), ("format", np.zeros(2)), ("format", True), ("format", "1"),
    ("estimator", ["MLPClassifier"]), ("rows_per_step", 0), ("rows_per_step", 2.5),
]  # fmt: skip


@pytest.mark.parametrize(("place", "change"), [*CASES, *AT_REST])
def test_a_damaged_state(place, change, sound):
    state = sound[0].get_state()
    put(state["state"], place, change)
    for estimator in model(), copy.deepcopy(sound[0]):
        is_refused(estimator, lambda e=estimator: e.set_state(state), "state must ")


@pytest.mark.parametrize("solver", ["sgd", "adam", "lion", "rmsprop", "adagrad", "amsgrad"])
@pytest.mark.parametrize("size", [0, 8, 29, 31])
def test_short_arrays_on_both_engines(size, solver, engine, tmp_path):
    """Machine code does not look at lengths."""
    path = tmp_path / "run.npz"
    params = {"solver": solver, "dropout": 0.0, "early_stopping": False}
    one = model(**params, max_iter=3, callbacks=[Checkpoint(path)]).fit(X, Y)
    state, tree = one.get_state(), checkpoint.load(path)
    for name, value in state["state"]["optimizer"].items():
        if isinstance(value, np.ndarray) and len(value) > 2:
            state["state"]["optimizer"][name] = tree["state"]["optimizer"][name] = np.ones(size)
    checkpoint.save(path, tree)
    words = rf"array of shape \({one.theta_.size},\)"
    is_refused(one, lambda: one.set_state(state), f"state must .*{words}")
    other = model(**params)
    is_refused(other, lambda: other.resume(path, X, Y), f"The file .*{words}")


@pytest.mark.parametrize(("place", "change"), STATE_ALONE)
def test_damage_beside_the_training_state(place, change, sound):
    state = sound[0].get_state()
    put(state, place, change)
    is_refused(model(), lambda: model().set_state(state), "state ")


@pytest.mark.parametrize("place", ["epoch", "rng", "optimizer.v", "history", "memory", "best_row"])
def test_a_part_is_lost(place, sound):
    state = sound[0].get_state()
    put(state["state"], place, LOST)
    is_refused(model(), lambda: model().set_state(state), "state must ")


@pytest.mark.parametrize(("place", "change"), [*CASES, *AT_WORK])
def test_a_damaged_checkpoint(place, change, sound, tmp_path, monkeypatch):
    """Also one with a digest of its own."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    tree, path = checkpoint.load(sound[1]), tmp_path / "run.npz"
    put(tree["state"], place, change)
    try:
        checkpoint.save(path, tree)
    except TypeError:  # what no file can hold
        return
    estimator = copy.deepcopy(sound[0]).set_params(max_iter=5)
    start = f"The file {str(path)!r} must be a whole, undamaged checkpoint .* format version 2, "
    is_refused(estimator, lambda: estimator.resume(path, X, Y), start)


@pytest.mark.parametrize(
    ("place", "value"),
    [("parameters", 3), ("data", []), ("data", {"dtype": 3}), ("estimator", 3), ("state", None)],
)
def test_a_damaged_origin(place, value, sound, tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.save(path, checkpoint.load(sound[1]) | {place: value})
    is_refused(model(), lambda: model().resume(path, X, Y), "The file .*undamaged checkpoint")


@pytest.mark.parametrize("scale", [[0.0], [-1.0], [NAN], [1.0, 1.0], 1.0, None])
def test_damaged_numeric_targets(scale):
    regressor = MLPRegressor(hidden_layer_sizes=4, max_iter=2, random_state=0).fit(X, X[:, 0])
    state = regressor.get_state()
    scale = np.array(scale) if isinstance(scale, list) else scale
    state["targets"] |= {"location": np.zeros(1), "scale": scale}
    is_refused(regressor, lambda: regressor.set_state(state), "state must be a result of get_state")


def test_bounds_of_groups_do_not_change():
    """They come from the network; others would train other weights."""
    rates = Chain([("clip", ClipByNorm()), ("a", AdamW()), ("g", GroupRates((("W0", 0.5),)))])
    one = model(solver=rates, early_stopping=False).fit(X, Y)
    for place, shift in ("g.W0", 1), ("g.b1", -1), ("a.decayed", 1):
        state = one.get_state()
        put(state["state"]["optimizer"], place, lambda a, shift=shift: a + shift)
        is_refused(one, lambda state=state: one.set_state(state), "state must .*array of")


# ------------------------------------------------------------------------------------ tables
TABLE = pd.DataFrame(
    {
        "number": X[:, 0],
        "kind": [*"abcd"] * 10,
        "day": pd.date_range("2024-02-28", periods=40, freq="13h"),
        "date": pd.Series([*pd.date_range("2024-02-28", periods=4).date] * 10, dtype=object),
    }
)
QUICK = {"hidden_layer_sizes": (3,), "max_iter": 2, "min_steps": 0, "random_state": 0}
COLUMNS = {"n_ensemble": 2, "n_bins": 2, "categorical_features": ["date"], "max_categories": 3}


def ensemble(cls=TabularMLPClassifier):
    return cls("fast", **QUICK, **COLUMNS)


@pytest.fixture(scope="module", params=[TabularMLPClassifier, TabularMLPRegressor])
def either(request):
    y = Y if request.param is TabularMLPClassifier else np.exp(X[:, 0])
    return ensemble(request.param).fit(TABLE, y)


#: What a place of an ensemble must not hold.
OF_COLUMNS = {
    "": [None, [], 3],
    "names": [3, [1], ["a", "b", "c", "c"], ["a", "b", "c", []], [np.zeros(2)] * 4],
    "kinds": [None, [], ["number"], ["number"] * 4, [3] * 4, ["number", "category", "time", "x"]],
    "origins": [None, [], [0, 0], ["x"], [2**60], [1.5], [NAN]],
    "time_unit": [None, "D", 3],
    **dict.fromkeys(("centre", "factor"), VECTORS),
    "factor": [lambda a: -a, *VECTORS.values()],
    "indicated": [None, [99], [-1], [1, 0], [0, 0], [True], np.zeros(1, int)],
    "n_bins": COUNTS,
    "bins": [None, {}, [3], lambda a: a[::-1], lambda a: a + a, lambda a: a[1:]],
    "bins.0": [None, {}, 3],
    "bins.0.of": [99, -1, None, 1.0],
    "bins.0.left": [lambda a: a[::-1], lambda a: a * 0, lambda a: a[:0], *VECTORS.values()][:9],
    "bins.0.slope": [lambda a: -a, lambda a: a * 0, lambda a: a[:-1], lambda a: a * INF, None],
    "bins.0.mean": [lambda a: a[:-1], lambda a: a * NAN, None, [0.0, 0.0]],
    "levels": [None, {}, [3], [], lambda a: a[::-1], lambda a: a[:1], lambda a: a + a],
    "levels.0.of": [0, 2, 99, -1, None],
    "levels.0.kept": [None, [], "abc", ["a"], ["a", "a", "b"], [None, "a", "b"], [NAN, "a", "b"]],
    "levels.0.rare": [None, [], ["a"], [3, 3], [[]], [{}], [["nope"]]],
    "levels.1.kept.0": [["date"], ["date", 3], ["scalar", "<M8[D]", "00"], ["scalar", "|O", ""]],
}
OF_MEMBERS = {
    "": [None, {}, [], [3], 3],
    "0": [None, {}, [], 3],
    "1.loss": [None, "x", "FocalLoss", 3, []],
    "0.held_out": [None, 3, np.zeros(2), np.array([-1, 2]), np.zeros((2, 2), int), [1, 2]],
    "0.network": [None, {}, [], 3],
    "0.network.format": [None, 99, "1"],
    "0.network.estimator": [None, "MLPRegressor2", "TabularMLPClassifier"],
    "0.network.n_features": [None, 1, 99, 10**18],
    "0.network.feature_names": [3, [], ["a"]],
    "0.network.optimizer": [None, "SGD", 3],
    "1.network.theta": [v for k, v in VECTORS.items() if k != "other floats"],
    "0.network.targets": [None, {}, 3],
    "0.network.state": [None, {}, 3],
    "1.network.state.rng.state.pos": [-1, 625, None],
    "1.network.state.optimizer": [3, {"m": 1}],
    "0.network.state.history": [3, [3], [{}], None],
}
OF_ENSEMBLES = {
    **{f"preprocessor.{place}".rstrip("."): values for place, values in OF_COLUMNS.items()},
    **{f"members.{place}".rstrip("."): values for place, values in OF_MEMBERS.items()},
    "encoding": [None, {}, [], 3, {"n_bins": "2"}],
    "encoding.n_bins": [None, 2, "3", "", "9" * 10**4, {}],
    "encoding.max_categories": [None, 3, "x", [], LOST],
    "encoding.categorical_features": [None, ["date"], "None", LOST],
    "targets": [None, {}, [], 3],
    "format": [None, 99, True, np.zeros(2)],
    "estimator": [None, "MLPClassifier", ["TabularMLPClassifier"]],
}
OF_CLASSES = {
    "temperature": [None, 0.0, -1.0, NAN, INF, "x", 10**400, True, np.zeros(1)],
    "targets.classes": [np.arange(3), np.array([0, 5]), np.arange(10**6), [0, 1], None, LOST],
    "targets.task": ["multiclass", "multilabel", "regression", None],
    "members.1.network.targets.classes": [np.array([0, 5]), np.arange(3), None],
}
OF_NUMBERS = {
    "temperature": [1.0],
    "target_range": [None, {}, 3, {"lowest": np.float64(0.0), "highest": np.float64(1.0)}],
    "target_range.lowest": [
        np.array(1e9),
        np.array(NAN),
        np.zeros(2),
        np.zeros(1),
        0.0,
        None,
        LOST,
    ],
    "targets.n_targets": [0, 2, None, 1.0],
    "members.1.network.targets.n_targets": [0, 2, None],
    "members.1.network.targets.scale": [np.zeros(1), np.array([-1.0]), np.array([NAN]), 1.0, None],
}


OF_STREAMS = {
    "members.0.stream": [None, {}, [], 3],
    "members.1.stream.optimizer": [None, "SGD", 3],
    "members.1.stream.theta": [v for k, v in VECTORS.items() if k != "other floats"],
    "members.1.stream.state": [None, {}, 3],
    "members.0.stream.state.optimizer": [3, {"m": 1}],
    "members.0.stream.state.optimizer.rates.b1": [np.array([0, 9]), np.zeros(2), None],
    "members.0.stream.state.theta": [3, np.zeros(3)],
}


def cases_of(damage):
    return [
        pytest.param(place, value, id=f"{place} {k}")
        for place, values in damage.items()
        for k, value in (values if isinstance(values, dict) else dict(enumerate(values))).items()
    ]


def is_table_refused(one, place, change):
    state = one.get_state()
    put(state, place, change)
    message = is_refused(one, lambda: one.set_state(state), "state ")
    assert "set " in message or "call get_state" in message or "pass such" in message


@pytest.mark.parametrize("either", [TabularMLPClassifier], indirect=True)
@pytest.mark.parametrize(("place", "change"), cases_of(OF_ENSEMBLES))
def test_a_damaged_state_of_a_table(place, change, either):
    is_table_refused(either, place, change)


@pytest.mark.parametrize("either", [TabularMLPClassifier], indirect=True)
@pytest.mark.parametrize(("place", "change"), cases_of(OF_CLASSES))
def test_a_damaged_state_of_a_table_of_classes(place, change, either):
    is_table_refused(either, place, change)


@pytest.fixture(scope="module")
def streaming():
    return ensemble().partial_fit(TABLE, Y, classes=[0, 1])


@pytest.mark.parametrize(("place", "change"), cases_of(OF_STREAMS))
def test_a_damaged_state_after_partial_fit(place, change, streaming):
    is_table_refused(streaming, place, change)


@pytest.mark.parametrize("either", [TabularMLPRegressor], indirect=True)
@pytest.mark.parametrize(("place", "change"), cases_of(OF_NUMBERS))
def test_a_damaged_state_of_a_table_of_numbers(place, change, either):
    is_table_refused(either, place, change)


# ------------------------------------------------------------------------ what remains legal
EDITED = {
    "another byte order": lambda a: a.astype(a.dtype.newbyteorder(">")),
    "strides": lambda a: np.repeat(a, 2)[::2],
    "backwards": lambda a: a[::-1].copy()[::-1],
    "read-only": lambda a: np.frombuffer(a.tobytes(), a.dtype),
    "mapped": lambda a: a.view(np.memmap),
    "a column": lambda a: np.tile(a, (3, 1)).T[:, 1],
}


@pytest.mark.parametrize("change", EDITED.values(), ids=list(EDITED))
def test_arrays_in_other_memory(change, sound, engine):
    """Equal values make an equal estimator, whose arrays verbs can write into."""
    state, expected = sound[0].get_state(), model(early_stopping=False)
    expected.set_state(state).partial_fit(X, Y)
    state["theta"] = change(state["theta"])
    for place in "optimizer.m", "optimizer.v", "rng.state.key":
        put(state["state"], place, change)
    other = model(early_stopping=False).set_state(state)
    arrays = [other.theta_, other._state.optimizer["m"], other._state.optimizer["v"]]
    for a in arrays:
        assert type(a) is np.ndarray
        assert a.flags.carray
        assert a.dtype.isnative
    np.testing.assert_array_equal(other.partial_fit(X, Y).theta_, expected.theta_)


@pytest.mark.parametrize(
    ("place", "change"),
    [("epoch", 0), ("epoch", np.int64(9)), ("optimizer", {}), ("optimizer.t", 70), ("history", []),
     ("optimizer.m", np.zeros_like), ("patience", {}), ("best_row", {}),
     ("memory", {"a": {"b": 1}}), ("history.1.loss", NAN), ("patience.best", -INF),
     ("stop_reason", "enough"), ("noise", None)],
)  # fmt: skip
def test_an_edited_state(place, change, sound, engine):
    state = sound[0].get_state()
    put(state["state"], place, change)
    estimator = model().set_state(state)
    estimator.set_params(early_stopping=False).partial_fit(X, Y)
    assert np.isfinite(estimator.theta_).all()


def places_of(tree, at=()):
    items = enumerate(tree) if isinstance(tree, list) else ()
    for key, part in tree.items() if isinstance(tree, dict) else items:
        yield (*at, key)
        yield from places_of(part, (*at, key))


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3),
    st.just([]), st.just({}), st.integers(0, 3).map(np.zeros),
    st.sampled_from(["f4", "f8", ">f8", "i8", "S3", "M8[s]"]).map(lambda d: np.zeros(30, d)),
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_change_is_refused_or_legal(data, sound):
    state = sound[0].get_state()
    place = data.draw(st.sampled_from(list(places_of(state))))
    put(state, ".".join(map(str, place)), data.draw(VALUES))
    estimator = model()
    message = message_of(lambda: estimator.set_state(state))
    assert hasattr(estimator, "theta_") == (message == "")
    if message:
        assert message.startswith("state ")
        return
    estimator.set_params(early_stopping=False)
    message = message_of(lambda: estimator.partial_fit(X, Y))
    assert message == "" or "diverged" in message
    assert np.isfinite(estimator.theta_).all()


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_change_to_a_table_is_refused_or_legal(data, either):
    state = either.get_state()
    place = data.draw(st.sampled_from(list(places_of(state))))
    put(state, ".".join(map(str, place)), data.draw(VALUES))
    estimator = ensemble(type(either))
    message = message_of(lambda: estimator.set_state(state))
    assert hasattr(estimator, "estimators_") == (message == "")
    if message:
        assert message.startswith("state ")
        return
    if place[-2:-1] != ("names",) and place[-1] != "names":  # then columns are others
        assert np.isfinite(estimator.predict(TABLE)).all()


def message_of(call):
    """Return the message of a ValueError, nothing without one."""
    try:
        call()
    except ValueError as error:
        return str(error)
    return ""


# ---------------------------------------------------------------------------------- files
def members(path):
    with zipfile.ZipFile(path) as file:
        return {name: file.read(name) for name in file.namelist()}


def zipped(content, compression=zipfile.ZIP_STORED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as packed:
        for name, data in content.items():
            packed.writestr(name, data)
    return file.getvalue()


def npy(descr, shape, data=b""):
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


def with_header(path, change):
    content = members(path)
    text = change(content["header.npy"][content["header.npy"].index(b"\n") + 1 :])
    return zipped(content | {"header.npy": npy("|u1", f"({len(text)},)", text)})


def many_references(text):
    header = json.loads(text)
    header["tree"]["many"] = ["list"] + [["array", "a0"]] * 3000
    return json.dumps(header).encode()


def flipped(name):
    """Change a legal value for another one."""

    def change(text):
        header = json.loads(text)
        header["tree"]["state"][name] += 1
        return json.dumps(header).encode()

    return change


FILES = {
    "more bytes than there are": (
        lambda path: zipped(members(path) | {"a0.npy": npy("<f8", "(10**9,)".replace("10**9", "1000000000"), bytes(64))}),  # noqa: E501
        "promises 8000000000 bytes and holds 64",
    ),
    "huge items": (
        lambda path: zipped(members(path) | {"a0.npy": npy("|V1000000000", "()", bytes(64))}),
        "promises 1000000000 bytes and holds 64",
    ),
    "fewer bytes than there are": (
        lambda path: zipped(members(path) | {"a0.npy": npy("<f8", "(3,)", bytes(64))}),
        "promises 24 bytes and holds 64",
    ),
    "two negative sides": (
        lambda path: zipped(members(path) | {"a0.npy": npy("<f8", "(-2, -4)", bytes(64))}),
        "negative",
    ),
    "objects": (
        lambda path: zipped(members(path) | {"a0.npy": npy("|O", "(3,)", bytes(64))}),
        "Object arrays cannot be loaded",
    ),
    "no shape": (
        lambda path: zipped(members(path) | {"a0.npy": npy("<f8", "((((1,", bytes(64))}),
        "damaged",
    ),
    "one array 3,000 times": (lambda path: with_header(path, many_references), "twice"),
    "many small values": (
        lambda path: with_header(path, lambda text: b"[" + b"[]," * 2_000_000 + b"0]"),
        "values in JSON are too many",
    ),
    "deep lists": (lambda path: with_header(path, lambda text: b"[" * 10**5), "RecursionError"),
    "deep trees": (
        lambda path: with_header(
            path, lambda t: t.replace(b'"tree": {', b'"tree": {"x": ' + b'["list", ' * 900 + b"1" + b"]" * 900 + b", ", 1)  # noqa: E501
        ),
        "",
    ),
    "a number of 5,000 digits": (
        lambda path: with_header(path, lambda t: t.replace(b'"epoch": 3', b'"epoch": ' + b"9" * 5000)),  # noqa: E501
        "digits",
    ),
    "an epoch more": (lambda path: with_header(path, flipped("epoch")), "as its digest shows"),
    "a stall more": (lambda path: with_header(path, flipped("stalls")), "as its digest shows"),
    "another array": (
        lambda path: zipped(members(path) | {"a0.npy": members(path)["a2.npy"]}),
        "as its digest shows",
    ),
    "compressed": (
        lambda path: zipped({"header.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED), "compressed"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", FILES)
def test_crafted_files(name, sound, tmp_path):
    make, words = FILES[name]
    path = tmp_path / "run.npz"
    path.write_bytes(make(sound[1]))
    start = time.perf_counter()
    message = is_refused(model(), lambda: model().resume(path, X, Y), "The file .*undamaged")
    assert words in message
    assert time.perf_counter() - start < 5


def test_members_that_share_their_bytes(sound, tmp_path):
    """Many names for the same bytes: reading them all would take for ever."""
    path = tmp_path / "run.npz"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("a0.npy", bytes(10**6))
        for k in range(1, 2000):
            info = copy.copy(packed.getinfo("a0.npy"))
            info.filename = f"a{k}.npy"
            packed.filelist.append(info)
    message = is_refused(model(), lambda: model().resume(path, X, Y), "The file .*undamaged")
    assert "more than the" in message


@pytest.mark.slow
def test_sums_of_memory(tmp_path):
    """What is refused takes little memory: in a process of its own, whose peak is known."""
    pytest.importorskip("resource")
    path = tmp_path / "run.npz"
    checkpoint.save(path, {"a": np.zeros(8)})
    bad = zipped(members(path) | {"a0.npy": npy("|u1", "(900000000,)", bytes(64))})
    path.write_bytes(bad)
    code = (
        "import resource, sys\n"
        "from sknn_scratch.training import checkpoint\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "try:\n    checkpoint.load(sys.argv[1])\n"
        "except ValueError:\n    print(peak() - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert int(done.stdout) < 50_000, done.stderr


@pytest.mark.slow
def test_a_long_history_can_be_stored(tmp_path):
    row = {"epoch": 1, "loss": 0.1234567890123, "learning_rate": 0.001, "seconds": 0.00123}
    path = tmp_path / "run.npz"
    checkpoint.save(path, {"history": [dict(row) for _ in range(100_000)]})
    assert len(checkpoint.load(path)["history"]) == 100_000


def test_json_with_more_values_than_bytes_for_them():
    archive.check_json(b"1," * 900_000)
    with pytest.raises(ValueError, match="too many"):
        archive.check_json(b"1," * 1_400_000)


def test_words_for_values():
    assert form.shown(10**400) == "a value of type int"
    assert form.shown("x" * 100) == "a string of 100 characters"
    assert form.shown(np.zeros(3)) == "an array of shape (3,), float64"


# ------------------------------------------------------------ temporary files of dead writers
KILLED = """
import os, sys, signal
from sknn_scratch.training import checkpoint
def die(*args, **more): os.kill(os.getpid(), signal.SIGKILL)
setattr(*{"write": (checkpoint.np, "savez", die), "sync": (os, "fsync", die),
          "replace": (os, "replace", die)}[sys.argv[2]])
checkpoint.save(sys.argv[1], {"n": 1})
"""
needs_locks = pytest.mark.skipif(not temporaries.LOCKS, reason="no locks here")


def left(folder):
    return [name for name in os.listdir(folder) if name.endswith(".tmp")]


@pytest.mark.slow
@needs_locks
@pytest.mark.parametrize(
    ("moment", "next_call"),
    [("write", checkpoint.check_writable), ("sync", "save"), ("replace", "fit")],
)
def test_what_a_killed_writer_left_goes(moment, next_call, tmp_path):
    path = tmp_path / "run.npz"
    subprocess.run([sys.executable, "-c", KILLED, path, moment], check=False)
    assert len(left(tmp_path)) == 1
    if next_call == "fit":
        model(callbacks=[Checkpoint(path)]).fit(X, Y)
    elif next_call == "save":
        checkpoint.save(path, {"n": 2})
    else:
        next_call(path)
    assert left(tmp_path) == []


@needs_locks
def test_what_stays(tmp_path, monkeypatch):
    """Files of other paths, other machines, living writers and other programs."""
    path = tmp_path / "run.npz"
    others = [temporaries.new_name(tmp_path / name) for name in ("run2.npz", "run", "r.npz")]
    others += [tmp_path / ".run.npz-notes.tmp", tmp_path / "run.npz.tmp"]
    with monkeypatch.context() as patch:
        patch.setattr("platform.node", lambda: "elsewhere")
        others.append(temporaries.new_name(path))
    living, dead = temporaries.new_name(path), temporaries.new_name(path)
    for each in [*others, dead]:
        each.write_bytes(b"something")
    with open(living, "xb") as file:
        assert temporaries.lock(file, living)
        checkpoint.save(path, {"n": 1})
        assert sorted(left(tmp_path)) == sorted(p.name for p in [*others, living])
    checkpoint.save(path, {"n": 2})
    assert sorted(left(tmp_path)) == sorted(p.name for p in others)


@needs_locks
def test_a_link_of_that_name_is_not_followed(tmp_path):
    path, precious = tmp_path / "run.npz", tmp_path / "precious"
    precious.write_text("x")
    temporaries.new_name(path).symlink_to(precious)
    checkpoint.save(path, {"n": 1})
    assert precious.read_text() == "x"


@needs_locks
def test_a_file_taken_for_dead_is_begun_again(tmp_path, monkeypatch):
    """Another writer may look at the file after it was opened and before it is locked."""
    path, lock, taken = tmp_path / "run.npz", temporaries.lock, []

    def late(file, name):
        if not taken:
            taken.append(name)
            temporaries.remove_dead(path)
        return lock(file, name)

    monkeypatch.setattr(temporaries, "lock", late)
    checkpoint.save(path, {"n": 1})
    assert len(taken) == 1
    assert checkpoint.load(path) == {"n": 1}
    assert os.listdir(tmp_path) == ["run.npz"]


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    monkeypatch.setattr(temporaries, "LOCKS", False)
    monkeypatch.setattr(temporaries, "fcntl", None)
    dead = temporaries.new_name(path)
    dead.write_bytes(b"x")
    checkpoint.save(path, {"n": 1})
    assert checkpoint.load(path) == {"n": 1}
    assert left(tmp_path) == [dead.name]
