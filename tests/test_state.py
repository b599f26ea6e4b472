"""A state goes on with the optimizer that it is of, or not at all; states of tables."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn import neural_network
from sklearn.base import clone

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    AdamW,
    AddDecayedWeights,
    Chain,
    ClipByNorm,
    ClipByValue,
    LogLoss,
    Quantile,
    WeightEMA,
)
from sknn_scratch.contracts import Optimizer
from sknn_scratch.registry import names
from sknn_scratch.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.default_rng(0).normal(size=(40, 3))
TARGETS = {MLPRegressor: X[:, 0] * X[:, 1], MLPClassifier: (X[:, 0] > 0).astype(int)}
Y = TARGETS[MLPRegressor]


class Moments(Optimizer):
    """Momentum of several kinds: what it keeps depends on a field."""

    n: int = 2

    def init(self, theta, groups):
        return {f"m{k}": np.zeros_like(theta) for k in range(self.n)}

    def update(self, direction, state, theta, lr, scratch):
        for k in range(self.n):
            state[f"m{k}"] *= 0.5**k
            state[f"m{k}"] += direction
        direction[...] = -lr * sum(state.values()) / self.n


class Lazy(Optimizer):
    """Adds to its state in the first step."""

    def init(self, theta, groups):
        return {"t": 0}

    def update(self, direction, state, theta, lr, scratch):
        v = state.setdefault("v", np.zeros_like(theta))
        v *= 0.9
        v += direction
        state["t"] += 1
        np.multiply(v, -lr, out=direction)


#: What makes an optimizer: (name in messages, parameters of an estimator)
OPTIMIZERS = {
    **{
        name: {"solver": name}
        for name in ("sgd", "adam", "adamw", "amsgrad", "nadam", "rmsprop", "adagrad", "lion")
    },
    "lbfgs": {"solver": "lbfgs"},
    "averaged Adam": {"solver": "adam", "ema_decay": 0.9},
    "averaged AdamW": {"solver": AdamW(), "ema_decay": 0.9},
    "twice averaged": {"solver": WeightEMA(Adam()), "ema_decay": 0.9},
    "chain": {"solver": Chain([("clip", ClipByNorm()), ("adam", Adam())])},
    "other chain": {"solver": Chain([("clip", ClipByValue()), ("adam", Adam())])},
    "longer chain": {
        "solver": Chain([("clip", ClipByNorm()), ("adam", Adam()), ("d", AddDecayedWeights(0.1))])
    },
    "chain of SGD": {"solver": Chain([("clip", ClipByNorm()), ("sgd", SGD())])},
    "own": {"solver": Moments()},
    "lazy": {"solver": Lazy()},
}


def test_every_name_is_here():
    assert {*names("optimizer"), "lbfgs"} <= {*OPTIMIZERS}


def model(cls=MLPRegressor, **params):
    defaults = {"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0}
    return cls(**defaults | params)


def fitted(name, cls=MLPRegressor, **params):
    return model(cls, **OPTIMIZERS[name], **params).fit(X, TARGETS[cls])


def refused(estimator, state, match):
    """One sentence, and an estimator as it was."""
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=match):
        estimator.set_state(state)
    assert vars(estimator).keys() == before.keys()
    assert all(vars(estimator)[key] is value for key, value in before.items())


# ------------------------------------------------------------------------------------ set_state
@pytest.mark.parametrize("to", OPTIMIZERS)
@pytest.mark.parametrize("of", OPTIMIZERS)
def test_the_optimizer_that_a_state_is_of(of, to):
    one = fitted(of)
    other = model(**OPTIMIZERS[to])
    if of != to:
        words = r"same optimizer\. Got the state of \w+.*, but solver and ema_decay are for \w+"
        refused(other, one.get_state(), words)
        refused(other.fit(X, Y), one.get_state(), words)
        return
    other.set_state(one.get_state())
    if to != "lbfgs":
        np.testing.assert_array_equal(one.partial_fit(X, Y).theta_, other.partial_fit(X, Y).theta_)


@pytest.mark.parametrize(
    ("of", "to", "words"),
    [
        ("adamw", "lion", "of AdamW, but solver and ema_decay are for Lion here"),
        ("adam", "averaged Adam", r"of Adam, but .* for WeightEMA\(Adam\) here"),
        ("averaged AdamW", "averaged Adam", r"of WeightEMA\(AdamW\), but .* WeightEMA\(Adam\)"),
        ("chain", "longer chain", r"Chain\(ClipByNorm, Adam\), but .*ClipByNorm, Adam, AddDecayed"),
        (
            "lbfgs",
            "sgd",
            "of lbfgs, but .* for SGD here: set them to their original values, and change them",
        ),
    ],
)
@pytest.mark.parametrize("cls", TARGETS)
def test_the_sentence_names_both(cls, of, to, words):
    refused(model(cls, **OPTIMIZERS[to]), fitted(of, cls).get_state(), words)


@pytest.mark.parametrize("cls", TARGETS)
def test_set_params_does_not_change_of_what_a_state_is(cls):
    """The optimizer is that of the last fit, not that of the parameters."""
    y = TARGETS[cls]
    one = fitted("adam", cls).set_params(solver="sgd")
    state = one.get_state()
    refused(model(cls, solver="sgd"), state, "state of Adam, but .* for SGD")
    other = model(cls).set_state(state).set_params(solver="sgd")
    np.testing.assert_array_equal(one.partial_fit(X, y).theta_, other.partial_fit(X, y).theta_)
    assert one.get_state()["optimizer"] == "SGD"
    model(cls, solver="sgd").set_state(one.get_state())


PLAIN_CHANGES = [
    ({}, {"solver": Adam()}),
    ({"solver": Adam(beta_1=0.5)}, {"beta_1": 0.8}),
    ({}, {"solver": Adam(epsilon=1e-4), "learning_rate_init": 0.1}),
    ({"ema_decay": 0.9}, {"ema_decay": 0.5}),
    ({"ema_decay": 0.9}, {"solver": WeightEMA(Adam(), 0.8)}),
    ({"solver": Chain([("a", Adam())])}, {"solver": Chain([("a", Adam(beta_1=0.5))])}),
]


@pytest.mark.parametrize(("before", "now"), PLAIN_CHANGES, ids=str)
def test_numbers_of_an_optimizer_may_change(before, now):
    """As in partial_fit after set_params."""
    one = model(**before).fit(X, Y)
    other = model(**now).set_state(one.get_state())
    one.set_params(**{**model().get_params(), **now})
    np.testing.assert_array_equal(one.partial_fit(X, Y).theta_, other.partial_fit(X, Y).theta_)


@pytest.mark.parametrize(
    ("of", "to", "words"),
    [
        (Moments(1), Moments(2), r"state of Moments .* but optimizer\['m1'\] is not an array"),
        (
            Chain([("x", Moments(2)), ("clip", ClipByNorm())]),
            Chain([("y", Moments(2)), ("clip", ClipByNorm())]),
            r"optimizer\['y'\] is not a dict",
        ),
    ],
)
def test_what_it_remembers_has_another_form(of, to, words):
    refused(model(solver=to), model(solver=of).fit(X, Y).get_state(), words)


def changed(state, change):
    state = copy.deepcopy(state)
    change(state["state"]["optimizer"])
    return state


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (
            "sgd",
            lambda memory: memory.update(velocity=np.zeros(8)),
            r"\['velocity'\] is not an array",
        ),
        ("sgd", lambda memory: memory.update(velocity=None), r"\['velocity'\] is not an array"),
        ("sgd", lambda memory: memory.update(velocity=memory["velocity"][None]), "is not an array"),
        ("adam", lambda memory: memory.pop("t"), r"\['t'\] is missing"),
        (
            "adam",
            lambda memory: memory.pop("v"),
            r"\['v'\] is not an array of shape \(21,\), float64",
        ),
        (
            "adam",
            lambda memory: memory.update(m=memory["m"].astype("f4")),
            r"\['m'\] is not an array",
        ),
        ("averaged Adam", lambda memory: memory.update(inner=3), r"\['inner'\] is not a dict"),
        (
            "averaged Adam",
            lambda memory: memory["inner"].pop("m"),
            r"\['inner'\]\['m'\] is not an arr",
        ),
        ("chain", lambda memory: memory.pop("clip"), r"\['clip'\] is not a dict"),
    ],
)
def test_a_state_with_other_arrays(name, change, words):
    state = changed(fitted(name).get_state(), change)
    refused(
        fitted(name), state, f"21 parameters, but optimizer{words}" if words[0] == "\\" else words
    )


@pytest.mark.parametrize("foreign", [None, 3, [1], "state", (), {}, np.zeros(3), {"theta": 1}])
def test_what_is_no_state(foreign):
    refused(fitted("adam"), foreign, r"must come from get_state of a MLPRegressor\. Got a \w+ that")


def test_states_without_moments():
    """Of scikit-learn's estimators, which do not hand theirs over."""
    theirs = neural_network.MLPRegressor(hidden_layer_sizes=4, max_iter=3, random_state=0)
    ours = MLPRegressor.from_sklearn(theirs.fit(X, Y))
    twin = model().set_state(ours.get_state())
    np.testing.assert_array_equal(ours.partial_fit(X, Y).theta_, twin.partial_fit(X, Y).theta_)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_through_a_file(name, tmp_path):
    one = fitted(name, dtype="float32")
    checkpoint.save(tmp_path / "state.npz", one.get_state())
    state = checkpoint.load(tmp_path / "state.npz")
    other = clone(one).set_state(state)
    np.testing.assert_array_equal(one.predict(X), other.predict(X))
    if name != "lbfgs":
        np.testing.assert_array_equal(one.partial_fit(X, Y).theta_, other.partial_fit(X, Y).theta_)


# ------------------------------------------------------------------- partial_fit and warm_start
@pytest.mark.parametrize("to", [name for name in OPTIMIZERS if name != "lbfgs"])
@pytest.mark.parametrize("of", ["sgd", "adamw", "lbfgs", "averaged Adam", "chain", "own", "lazy"])
def test_another_optimizer_begins_anew(of, to):
    """partial_fit goes on from the weights with an optimizer that remembers nothing."""
    if of == to:
        return
    plain = {"ema_decay": None, **OPTIMIZERS[to]}
    one = fitted(of).set_params(**plain)
    fresh = fitted(of).set_params(**plain)
    fresh._state.optimizer, fresh._optimizer = {}, None
    expected = fresh.partial_fit(X, Y)
    again = pickle.loads(pickle.dumps(one))
    for each in one, again:
        np.testing.assert_array_equal(each.partial_fit(X, Y).theta_, expected.theta_)
        assert each.get_state()["optimizer"] == expected.get_state()["optimizer"]


@pytest.mark.parametrize("to", OPTIMIZERS)
@pytest.mark.parametrize("of", ["sgd", "adamw", "lbfgs", "averaged Adam", "own"])
def test_warm_start_takes_the_weights_alone(of, to):
    plain = {"ema_decay": None, **OPTIMIZERS[to], "warm_start": True}
    one = fitted(of).set_params(**plain).fit(X, Y)
    other = model(**plain).fit(X, Y)
    other.coefs_, other.intercepts_ = fitted(of).coefs_, fitted(of).intercepts_
    np.testing.assert_array_equal(other.fit(X, Y).theta_, one.theta_)


# --------------------------------------------------------------------------------------- tables
N = 60
RNG = np.random.default_rng(1)
TABLE = pd.DataFrame(
    {
        "size": np.where(RNG.random(N) < 0.2, np.nan, RNG.normal(size=N)),
        "kind": RNG.choice(["a", "b", "c"], N),
        "flag": RNG.random(N) < 0.5,
        "day": pd.date_range("2024-02-28", periods=N, freq="13h", tz="Asia/Tokyo"),
        "from": pd.Series([None, *([pd.Interval(0, 1), pd.Interval(1, 2)] * N)][:N], dtype=object),
    }
)
#: Few rows have bins only where there are few columns.
NUMBERS = pd.DataFrame({2024: RNG.normal(size=N)})
COLOURS = RNG.choice(["red", "green", "blue"], N)
COUNTS = RNG.exponential(size=N)
TABLES = {
    "classes": (TabularMLPClassifier, {}, TABLE, COLOURS),
    "classes as objects": (TabularMLPClassifier, {}, TABLE, COLOURS.astype(object)),
    "two classes": (
        TabularMLPClassifier, {"loss": "binary_log_loss", "dropout": 0.1}, NUMBERS, COUNTS > 1,
    ),
    "labels": (TabularMLPClassifier, {}, TABLE, np.column_stack([COUNTS > 1, COUNTS > 0.5]) * 1),
    "one class": (TabularMLPClassifier, {}, TABLE, ["x"] * N),
    "smooth labels": (
        TabularMLPClassifier, {"loss": LogLoss(0.1), "calibrate": False}, TABLE, COLOURS,
    ),
    "exponential outputs too": (TabularMLPRegressor, {}, NUMBERS, COUNTS),
    "few rows": (TabularMLPRegressor, {}, TABLE[:8], COUNTS[:8]),
    "levels": (TabularMLPRegressor, {"loss": Quantile((0.1, 0.9))}, TABLE, COUNTS - 1),
    "targets": (TabularMLPRegressor, {}, TABLE.to_numpy(), np.column_stack([COUNTS, -COUNTS])),
    "no learned scales": (TabularMLPRegressor, {"input_scaling": False}, TABLE, COUNTS),
}  # fmt: skip


def table(cls, params):
    quick = {"n_ensemble": 3, "max_iter": 2, "min_steps": 0, "n_bins": 8, "random_state": 0}
    return cls("fast", **{"hidden_layer_sizes": (5, 4), **quick, **params})


@pytest.mark.parametrize("name", TABLES)
def test_tables_through_a_file(name, tmp_path):
    cls, params, data, y = TABLES[name]
    one = table(cls, params).fit(data, y)
    checkpoint.save(tmp_path / "state.npz", one.get_state())
    other = clone(one).set_state(checkpoint.load(tmp_path / "state.npz"))
    for method in "predict", "predict_proba", "decision_function":
        if hasattr(one, method):
            ours, theirs = (getattr(each, method)(data) for each in (other, one))
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    assert_equal(contents(other), contents(one))
    assert_equal(other.get_state(), one.get_state())


@pytest.mark.parametrize("calls", [0, 1])
@pytest.mark.parametrize("name", ["classes", "classes as objects", "targets"])
def test_tables_through_json_and_npz(name, calls, tmp_path):
    """By the recipe of docs/user_guide/persistence.md."""
    cls, params, data, y = TABLES[name]
    one = table(cls, params).fit(data, y)
    for _ in range(calls):
        one.partial_fit(data, y)
    arrays = {}

    def put(array):
        name = f"array_{len(arrays)}"
        arrays[name] = array
        return {"npz": name}

    text = json.dumps(one.get_state(), default=put)
    np.savez(tmp_path / "arrays.npz", **arrays)
    with np.load(tmp_path / "arrays.npz", allow_pickle=False) as stored:
        read = dict(stored)

    def get(part):
        return read[part["npz"]] if part.keys() == {"npz"} else part

    other = clone(one).set_state(json.loads(text, object_hook=get))
    assert_equal(other.get_state(), one.get_state())
    np.testing.assert_array_equal(other.predict(data), one.predict(data))


@pytest.mark.parametrize("calls", [0, 2])
@pytest.mark.parametrize("name", ["classes", "labels", "exponential outputs too", "targets"])
def test_tables_train_on_after_a_file(name, calls, tmp_path):
    """With the members' moments, if the last call was one of partial_fit."""
    cls, params, data, y = TABLES[name]
    one = table(cls, params).fit(data, y)
    for _ in range(calls):
        one.partial_fit(data, y)
    checkpoint.save(tmp_path / "state.npz", one.get_state())
    other = clone(one).set_state(checkpoint.load(tmp_path / "state.npz"))
    for each in one, other:
        each.partial_fit(data, y)
    assert_equal(contents(other), contents(one))
    if calls:
        state = one.get_state()
        scaled, sgd = {"input_scaling": False}, {"solver": "sgd"}
        refused(table(cls, params | scaled), state, "set input_scaling to the original values")
        refused(table(cls, params | sgd), state, "but solver and ema_decay are for .*SGD")


#: Not kept by states of networks, in which training can go on; and measured anew in each fit.
FORGOTTEN = {"stop_reason", "seconds"}


def contents(value):
    """Return all that a value holds, as nested dicts and lists of what can be compared."""
    if isinstance(value, np.random.RandomState):
        return contents(value.get_state(legacy=False))
    if isinstance(value, np.random.Generator):
        return contents(value.bit_generator.state)
    if isinstance(value, list | tuple):
        return [contents(part) for part in value]
    if not isinstance(value, dict) and hasattr(value, "__dict__") and not callable(value):
        value = vars(value) | {"type": type(value).__name__}
    if isinstance(value, dict):
        return {key: contents(part) for key, part in value.items() if key not in FORGOTTEN}
    return value


def assert_equal(ours, theirs, place="estimator"):
    if isinstance(ours, dict):
        known = ours.keys() - FORGOTTEN
        assert known == theirs.keys() - FORGOTTEN, place
        for key in known:
            assert_equal(ours[key], theirs[key], f"{place}.{key}")
    elif isinstance(ours, list):
        assert len(ours) == len(theirs), place
        for k, (our, their) in enumerate(zip(ours, theirs, strict=True)):
            assert_equal(our, their, f"{place}[{k}]")
    else:
        np.testing.assert_array_equal(ours, theirs, place)
        assert getattr(ours, "dtype", None) == getattr(theirs, "dtype", None), place


def test_names_of_another_table_go():
    one = table(TabularMLPRegressor, {}).fit(NUMBERS, COUNTS)
    other = table(TabularMLPRegressor, {}).fit(TABLE, COUNTS).set_state(one.get_state())
    assert not hasattr(other, "feature_names_in_")
    np.testing.assert_array_equal(other.predict(NUMBERS), one.predict(NUMBERS))


@pytest.mark.parametrize(
    ("name", "now", "words"),
    [
        ("classes", {"hidden_layer_sizes": 3}, "state holds members of .*: set effort, hidden_lay"),
        (
            "classes",
            {"loss": "focal"},
            r"with the same loss\. Got .*'LogLoss', but .* on Focal:",
        ),
        ("levels", {"loss": "absolute_error"}, "same loss and link.*'Quantile'.* on AbsoluteError"),
        ("levels", {"loss": Quantile((0.1, 0.5, 0.9))}, "state holds members of .* and loss"),
        ("exponential outputs too", {"link": "identity"}, "'Poisson', but .* on SquaredError: set"),
        (
            "classes",
            {"n_bins": 3},
            r"with the same n_bins\. Got 8, but here it is 3: set n_bins, or",
        ),
        ("classes", {"max_categories": 1}, r"same max_categories\. Got 100, but here it is 1: set"),
        (
            "classes",
            {"categorical_features": ["size"]},
            r"same categorical_features\. Got 'from_dtype', but here it is \('size',\): set",
        ),
        ("exponential outputs too", {"link": "log"}, "'SquaredError', but .* on Poisson: set loss"),
    ],
)
def test_tables_with_other_parameters(name, now, words):
    cls, params, data, y = TABLES[name]
    state = table(cls, params).fit(data, y).get_state()
    refused(table(cls, params | now), state, words)


@pytest.mark.parametrize(
    "form", [list, tuple, np.array, pd.Index, lambda names: np.array(names, object)]
)
def test_names_of_categorical_columns_in_any_form(form):
    numbers = NUMBERS.assign(half=NUMBERS[2024].round() / 2)
    one = table(TabularMLPRegressor, {"categorical_features": form(["half"])}).fit(numbers, COUNTS)
    state = one.get_state()
    assert state["encoding"]["categorical_features"] == "('half',)"
    other = table(TabularMLPRegressor, {"categorical_features": ["half"]}).set_state(state)
    np.testing.assert_array_equal(other.predict(numbers), one.predict(numbers))
    other.partial_fit(numbers, COUNTS)
    one.set_params(categorical_features=["half"]).partial_fit(numbers, COUNTS)
    with pytest.raises(ValueError, match="'categorical_features' parameter"):
        one.set_params(categorical_features=form([2024])).partial_fit(numbers, COUNTS)


def test_states_of_other_estimators():
    of_table = table(TabularMLPRegressor, {}).fit(NUMBERS, COUNTS)
    refused(table(TabularMLPClassifier, {}), of_table.get_state(), "of 'TabularMLPRegressor'")
    refused(model(), of_table.get_state(), "get_state of a MLPRegressor. Got a dict that lacks")
    refused(of_table, fitted("adam").get_state(), "of a TabularMLPRegressor. Got a dict that lacks")
    refused(of_table, of_table.get_state() | {"format": 99}, "Got format 99 of 'TabularMLPRegr")


@pytest.mark.parametrize("cls", [TabularMLPClassifier, TabularMLPRegressor])
def test_state_of_an_unfitted_table(cls):
    with pytest.raises(ValueError, match="not fitted"):
        cls().get_state()
