"""A state goes on with the optimizer that it is of, or not at all."""

import copy
import pickle

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.base import clone

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    AdamW,
    AddDecayedWeights,
    Chain,
    ClipByNorm,
    ClipByValue,
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
