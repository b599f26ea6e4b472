"""Optimizers and their chains: one table for all, PyTorch's steps, and what each part does."""

import pickle
import re
import tracemalloc
from math import sqrt
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AddDecayedWeights,
    AMSGrad,
    Chain,
    ClipByNorm,
    ClipByValue,
    GroupRates,
    Lion,
    NAdam,
    Relu,
    RMSProp,
)
from sknn_scratch.contracts import Optimizer
from sknn_scratch.core import linalg
from sknn_scratch.core.layout import Layout
from sknn_scratch.registry import lookup, names

LAYOUT = Layout([{"W": (5, 4), "b": (4,)}, {"W": (4, 3), "b": (3,)}])
GROUPS = LAYOUT.groups
LR = 0.01
X = np.random.default_rng(0).normal(size=(60, 3))
Y = X[:, 0] > 0


def make_chain(**changes):
    return Chain(
        [
            ("clip", ClipByNorm()),
            ("cut", ClipByValue()),
            ("l2", AddDecayedWeights(0.1)),
            ("adam", Adam()),
            ("decay", AddDecayedWeights(0.2)),
            ("rates", GroupRates([("b", 0.1), ("W0", 6.0)])),
        ]
    ).evolve(**changes)


BUILT_IN = [
    name for name in names("optimizer") if lookup("optimizer", name).__module__.startswith("sknn_")
]
EACH = {name: lookup("optimizer", name)() for name in BUILT_IN} | {
    "sgd without nesterov": SGD(nesterov=False),
    "rmsprop with momentum": RMSProp(momentum=0.9),
    "lion with decay": Lion(weight_decay=0.3),
    "chain": make_chain(),
    "chain around nadam": make_chain(adam=NAdam()),
    "chain in a chain": Chain([("inner", make_chain()), ("clip", ClipByNorm())]),
}
ignore_max_iter = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
each = pytest.mark.parametrize("optimizer", EACH.values(), ids=list(EACH))


def draw(dtype=np.float64, steps=10, size=LAYOUT.size, seed=0):
    """Return theta and gradients of very different sizes, some exactly zero."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(size=size)
    gradients = rng.normal(size=(steps, size)) * 10 ** rng.uniform(-4, 1, size)
    gradients[:, ::7] = 0
    return theta.astype(dtype), gradients.astype(dtype)


def walk(optimizer, theta, gradients, lr=LR, state=None, groups=GROUPS):
    """Return theta and the state after a step for each gradient."""
    theta = theta.copy()
    state = optimizer.init(theta, groups) if state is None else state
    for gradient in gradients:
        direction, scratch = gradient.copy(), np.full_like(theta, np.nan)
        theta.flags.writeable = False
        optimizer.update(direction, state, theta, lr, scratch)
        theta.flags.writeable = True
        theta += direction
    return theta, state


def leaves(state):
    """Yield the values of nested dicts."""
    for key, value in state.items():
        assert isinstance(key, str)
        yield from leaves(value) if isinstance(value, dict) else [value]


# ----------------------------------------------------------------------- what all have in common
@each
def test_lr_0_leaves_theta(optimizer):
    theta, gradients = draw()
    assert_array_equal(walk(optimizer, theta, gradients, lr=0.0)[0], theta)


@each
def test_inits_are_independent(optimizer):
    theta, gradients = draw()
    before = theta.copy()
    one, other = optimizer.init(theta, GROUPS), optimizer.init(theta, GROUPS)
    walk(optimizer, theta, gradients[::-1], state=other)
    assert_array_equal(theta, before)
    moved = walk(optimizer, theta, gradients, state=one)[0]
    assert_array_equal(moved, walk(optimizer, theta, gradients)[0])
    assert np.any(moved != theta)


@each
def test_state_is_plain_and_survives_pickle_midway(optimizer):
    theta, gradients = draw()
    half, state = walk(optimizer, theta, gradients[:5])
    assert all(isinstance(leaf, np.ndarray | int | float | str | None) for leaf in leaves(state))
    state, again = pickle.loads(pickle.dumps((state, optimizer)))
    assert again == optimizer
    moved = walk(again, half, gradients[5:], state=state)[0]
    assert_array_equal(moved, walk(optimizer, theta, gradients)[0])


@each
def test_parts_of_a_vector_equal_the_whole(optimizer, monkeypatch):
    theta, gradients = draw()
    whole = walk(optimizer, theta, gradients)[0]
    monkeypatch.setattr(linalg, "BLOCK", 7)
    assert_allclose(walk(optimizer, theta, gradients)[0], whole, rtol=1e-12)


@each
def test_float32_stays(optimizer):
    """Also with parameters that are numpy's float64, as a grid of np.logspace has them."""
    numbers = {k: v for k, v in optimizer.get_params().items() if type(v) is float}
    optimizer = optimizer.evolve(**{k: np.float64(v) for k, v in numbers.items()})
    theta, gradients = draw(np.float32)
    moved, state = walk(optimizer, theta, gradients)
    dtypes = {leaf.dtype for leaf in leaves(state) if isinstance(leaf, np.ndarray)}
    assert moved.dtype == np.float32
    assert not any(dtype == np.float64 for dtype in dtypes)
    double = walk(optimizer, *(a.astype(np.float64) for a in (theta, gradients)))[0]
    assert_allclose(moved, double, rtol=1e-4, atol=1e-5)


@each
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_allocates_nothing_of_the_size_of_theta(optimizer, dtype):
    layout = Layout([{"W": (500, 400), "b": (400,)}])
    theta, (direction,) = draw(dtype, 1, layout.size)
    state, scratch = optimizer.init(theta, layout.groups), np.empty_like(theta)
    tracemalloc.start()
    try:
        optimizer.update(direction, state, theta, LR, scratch)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < theta.nbytes / 8


@each
def test_repr_and_evolve_give_it_back(optimizer):
    assert eval(repr(optimizer)) == optimizer
    assert optimizer.evolve() == optimizer
    assert optimizer.evolve(**optimizer.get_params()) == optimizer
    assert hash(clone(optimizer)) == hash(optimizer)


@ignore_max_iter
@pytest.mark.parametrize("name", BUILT_IN)
def test_estimator_learns_with_it(name):
    rate = {"sgd": 0.1, "adagrad": 0.1, "lion": 0.003}.get(name, 0.01)
    model = MLPRegressor(solver=name, learning_rate_init=rate, batch_size=20, random_state=0)
    assert model.fit(X, X[:, 0]).score(X, X[:, 0]) > 0.9


# ------------------------------------------------------------------------------ ten of their steps
class Peer(NamedTuple):
    """An optimizer, and PyTorch's with the same steps."""

    ours: Optimizer
    theirs: str
    settings: dict
    weight_decay: float = 0.0  #: of weights, not of biases
    bias_rate: float = 1.0  #: factor on the learning rate of biases


B = {"betas": (0.8, 0.9), "eps": 1e-2}
OURS = {"beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-2}
DECAY = AddDecayedWeights(0.1)
PEERS = [
    Peer(SGD(), "SGD", {"momentum": 0.9, "nesterov": True}),
    Peer(SGD(momentum=0.5, nesterov=False), "SGD", {"momentum": 0.5}),
    Peer(SGD(momentum=0), "SGD", {}),
    Peer(Adam(), "Adam", {}),
    Peer(Adam(**OURS), "Adam", B),
    Peer(AdamW(), "AdamW", {}, weight_decay=0.01),
    Peer(AdamW(weight_decay=0.3, **OURS), "AdamW", B, weight_decay=0.3),
    Peer(AMSGrad(), "Adam", {"amsgrad": True}),
    Peer(AMSGrad(**OURS), "Adam", {"amsgrad": True, **B}),
    Peer(NAdam(), "NAdam", {}),
    Peer(NAdam(momentum_decay=0.5, **OURS), "NAdam", {"momentum_decay": 0.5, **B}),
    Peer(RMSProp(), "RMSprop", {}),
    Peer(RMSProp(0.9, 1e-2, 0.8), "RMSprop", {"alpha": 0.9, "eps": 1e-2, "momentum": 0.8}),
    Peer(Adagrad(), "Adagrad", {}),
    Peer(Adagrad(epsilon=0.1), "Adagrad", {"eps": 0.1}),
    Peer(
        Chain([("l2", DECAY), ("sgd", SGD(nesterov=False))]),
        "SGD",
        {"momentum": 0.9},
        weight_decay=0.1,
    ),
    Peer(
        Chain([("l2", DECAY), ("amsgrad", AMSGrad()), ("rates", GroupRates([("b", 0.3)]))]),
        "Adam",
        {"amsgrad": True},
        weight_decay=0.1,
        bias_rate=0.3,
    ),
]


def walk_of_torch(peer, theta, gradients):
    """Return theta after PyTorch's steps; weights and biases are its two groups."""
    torch = pytest.importorskip("torch")
    decayed = GROUPS["decayed"]
    parts = [torch.tensor(theta[decayed]), torch.tensor(theta[decayed.stop :])]
    optimizer = getattr(torch.optim, peer.theirs)(
        [
            {"params": parts[0], "weight_decay": peer.weight_decay, "lr": LR},
            {"params": parts[1], "weight_decay": 0.0, "lr": LR * peer.bias_rate},
        ],
        **peer.settings,
    )
    for t, gradient in enumerate(gradients, 1):
        parts[0].grad = torch.tensor(gradient[decayed])
        parts[1].grad = torch.tensor(gradient[decayed.stop :])
        if isinstance(peer.ours, Adam):  # scikit-learn's epsilon stands elsewhere
            for group in optimizer.param_groups:
                group["eps"] = peer.ours.epsilon / sqrt(1 - peer.ours.beta_2**t)
        optimizer.step()
    return np.concatenate([part.numpy() for part in parts])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: repr(peer.ours)[:60])
def test_ten_steps_are_those_of_torch(peer):
    theta, gradients = draw()
    theirs = walk_of_torch(peer, theta, gradients)
    ours = walk(peer.ours, theta, gradients)[0]
    assert_allclose(ours - theta, theirs - theta, rtol=1e-6, atol=1e-12)


def test_ten_steps_of_lion():
    """Against the formula, on weights and biases apart; PyTorch has none."""
    theta, gradients = draw()
    expected, m = theta.copy(), np.zeros_like(theta)
    is_weight = np.arange(theta.size) < GROUPS["decayed"].stop
    for g in gradients:
        expected = expected - LR * (np.sign(0.8 * m + 0.2 * g) + 0.3 * expected * is_weight)
        m = 0.95 * m + 0.05 * g
    ours = walk(Lion(beta_1=0.8, beta_2=0.95, weight_decay=0.3), theta, gradients)[0]
    assert_allclose(ours, expected, rtol=1e-12)


def test_every_optimizer_has_been_compared():
    compared = {type(peer.ours) for peer in PEERS} | {Lion}
    own = {lookup("optimizer", name) for name in BUILT_IN}
    assert {c for c in own if c.__module__.endswith("components.optimizers")} <= compared


# ------------------------------------------------------------------------------------ transforms
def step(*parts, gradient, lr, theta=None):
    """Return one step of a chain of parts."""
    theta = np.zeros_like(gradient) if theta is None else theta
    chain = Chain([(f"part{k}", part) for k, part in enumerate(parts)])
    return walk(chain, theta, [gradient], lr)[0] - theta


PLAIN = SGD(momentum=0.0)


@pytest.mark.parametrize("lr", [1e-3, 0.5, 3.0])
@pytest.mark.parametrize("transform", [ClipByNorm(2.0), ClipByValue(0.3), DECAY])
def test_units_in_front_and_behind_are_the_same(transform, lr):
    """With plain gradient descent a transform does the same in both places."""
    theta, (gradient,) = draw(steps=1)
    before = step(transform, PLAIN, gradient=gradient, lr=lr, theta=theta)
    behind = step(PLAIN, transform, gradient=gradient, lr=lr, theta=theta)
    assert_allclose(before, behind, rtol=1e-9, atol=1e-15)
    assert np.abs(before + lr * gradient).max() > 1e-3 * lr


def test_clip_by_norm():
    _, (gradient,) = draw(steps=1)
    gradient /= np.linalg.norm(gradient)
    clipped = step(ClipByNorm(0.25), PLAIN, gradient=gradient, lr=2.0)
    assert_allclose(clipped, -2.0 * 0.25 * gradient)
    assert_array_equal(step(ClipByNorm(1.5), PLAIN, gradient=gradient, lr=2.0), -2.0 * gradient)
    n = LAYOUT.size
    behind_adam = step(Adam(), ClipByNorm(0.5), gradient=np.ones(n), lr=0.1)
    assert_allclose(behind_adam, np.full(n, -0.1 * 0.5 / sqrt(n)))


def test_clip_by_norm_of_float32_whose_square_overflows():
    gradient = np.full(LAYOUT.size, 1e30, np.float32)
    clipped = step(ClipByNorm(1.0), PLAIN, gradient=gradient, lr=1.0)
    assert_allclose(np.linalg.norm(clipped), 1.0, rtol=1e-5)


def test_clip_by_value():
    _, (gradient,) = draw(steps=1)
    clipped = step(ClipByValue(0.3), PLAIN, gradient=gradient, lr=2.0)
    assert_array_equal(clipped, -2.0 * np.clip(gradient, -0.3, 0.3))
    assert_array_equal(step(PLAIN, ClipByValue(0.3), gradient=gradient, lr=2.0), clipped)


def test_weights_decay_and_biases_do_not():
    theta, gradient = np.ones(LAYOUT.size), np.zeros(LAYOUT.size)
    for decayed in (
        step(PLAIN, AddDecayedWeights(0.5), gradient=gradient, lr=0.2, theta=theta),
        walk(AdamW(weight_decay=0.5), theta, [gradient], 0.2)[0] - theta,
        walk(Lion(weight_decay=0.5), theta, [gradient], 0.2)[0] - theta,
    ):
        views = LAYOUT.params(decayed).layers
        assert all(np.allclose(W, -0.1) and not b.any() for W, b in views)


def test_adamw_is_adam_and_decay():
    """Up to the place of epsilon, which a small one does not show."""
    theta, gradients = draw()
    gradients = gradients[:, gradients[0] != 0]
    n = gradients.shape[1]
    groups = {"decayed": slice(0, n // 2)}
    chain = Chain([("adam", Adam(epsilon=1e-14)), ("decay", AddDecayedWeights(0.3))])
    one, _ = walk(AdamW(epsilon=1e-14, weight_decay=0.3), theta[:n], gradients, groups=groups)
    assert_allclose(one, walk(chain, theta[:n], gradients, groups=groups)[0], rtol=1e-8)


@pytest.mark.parametrize(
    ("factors", "expected"),
    [
        ([("b", 0.1), ("W0", 6.0)], {"W0": 6.0, "W1": 1.0, "b0": 0.1, "b1": 0.1}),
        ((("W", 2), ("W1", 3)), {"W0": 2.0, "W1": 6.0, "b0": 1.0, "b1": 1.0}),
        ([["decayed", 0.0]], {"W0": 0.0, "W1": 0.0, "b0": 1.0, "b1": 1.0}),
        ([], {"W0": 1.0, "W1": 1.0, "b0": 1.0, "b1": 1.0}),
    ],
)
def test_group_rates(factors, expected):
    moved = step(PLAIN, GroupRates(factors), gradient=np.ones(LAYOUT.size), lr=0.5)
    for group, factor in expected.items():
        assert_allclose(moved[GROUPS[group]], -0.5 * factor)


def test_group_rates_do_not_mix_up_1_and_10():
    layout = Layout([{"W": (2, 2), "b": (2,)}] * 11)
    rates = GroupRates([("W1", 3.0)])
    moved = np.ones(layout.size)
    rates.update(moved, rates.init(moved, layout.groups), moved, 1.0, np.empty_like(moved))
    assert moved.sum() == layout.size + 2 * 4


def test_group_rates_know_the_groups():
    message = (
        "The 'factors' parameter of GroupRates must be pairs whose names are among 'W0', 'W1', "
        "'b0', 'b1', 'decayed', or such a name without its number. Got"
    )
    chain = Chain([("adam", Adam()), ("rates", GroupRates([("b", 0.1), ("W2", 6.0)]))])
    with pytest.raises(ValueError, match=message):
        MLPRegressor(hidden_layer_sizes=3, solver=chain).fit(np.eye(4), np.arange(4.0))


# ------------------------------------------------------------------------------------------ chain
def test_chain_lists_its_parts():
    chain = Chain([["clip", ClipByNorm(2.0)], ["adam", Adam()]])
    assert chain.get_params(deep=False) == {"steps": chain.steps}
    assert chain.get_params() == {
        "steps": (("clip", ClipByNorm(2.0)), ("adam", Adam())),
        "clip": ClipByNorm(2.0),
        "clip__max_norm": 2.0,
        "adam": Adam(),
        "adam__beta_1": 0.9,
        "adam__beta_2": 0.999,
        "adam__epsilon": 1e-8,
    }


def test_chain_evolves():
    chain = Chain([("clip", ClipByNorm()), ("adam", Adam())])
    changed = chain.evolve(adam__beta_1=0.5, clip__max_norm=3.0, adam=NAdam(beta_2=0.9))
    assert changed.steps == (("clip", ClipByNorm(3.0)), ("adam", NAdam(0.5, 0.9)))
    assert chain.steps == (("clip", ClipByNorm()), ("adam", Adam()))
    other = chain.evolve(sgd__momentum=0.5, steps=[("sgd", SGD())])
    assert other.steps == (("sgd", SGD(momentum=0.5)),)
    assert Chain([("inner", chain)]).evolve(inner__adam__beta_1=0.5).steps[0][1] == chain.evolve(
        adam__beta_1=0.5
    )


def test_chain_reads_out_its_optimizer():
    class Twice(Optimizer):
        def init(self, theta, groups):
            return {"factor": 2.0}

        def update(self, direction, state, theta, lr, scratch):
            pass

        def readout(self, theta, state):
            return theta * state["factor"]

    chain = Chain([("clip", ClipByNorm()), ("twice", Twice()), ("decay", DECAY)])
    theta, _ = draw()
    assert_array_equal(chain.readout(theta, chain.init(theta, GROUPS)), 2 * theta)


@ignore_max_iter
def test_chain_in_a_grid_search():
    model = MLPClassifier((4,), solver=make_chain(), max_iter=3, random_state=0)
    grid = {
        "solver__adam__beta_1": [0.5, 0.9],
        "solver__clip__max_norm": [1e-3, 10.0],
        "solver__rates__factors": [(("b", 0.1),)],
        "solver__adam": [Adam(), NAdam()],
    }
    search = GridSearchCV(model, grid, cv=2, scoring="neg_log_loss").fit(X, Y)
    found = search.best_estimator_.solver
    assert found == make_chain(**{k[8:]: v for k, v in search.best_params_.items()})
    assert len(set(search.cv_results_["mean_test_score"])) > 1
    assert model.solver == make_chain() == clone(model).solver


def test_chain_in_an_estimator():
    model = MLPClassifier((4,), solver=make_chain(), random_state=0)
    model.set_params(solver__adam__beta_1=0.5, solver__clip=ClipByNorm(3.0))
    assert model.get_params()["solver__adam"] == Adam(beta_1=0.5)
    assert model.get_params()["solver__clip__max_norm"] == 3.0
    for _ in range(3):
        model.partial_fit(X, Y, classes=[False, True])
    loaded = pickle.loads(pickle.dumps(model))
    for m in (model, loaded):
        m.set_params(solver__rates__factors=[("W", 0.5)]).partial_fit(X, Y)
    assert_array_equal(loaded.theta_, model.theta_)


# -------------------------------------------------------------------------------------- bad input
RANGES = {
    "beta_1": "[0, 1)",
    "beta_2": "[0, 1)",
    "alpha": "[0, 1)",
    "momentum": "[0, 1]",
    "epsilon": "(0, inf)",
    "max_norm": "(0, inf)",
    "max_value": "(0, inf)",
    "weight_decay": "[0, inf)",
    "momentum_decay": "[0, inf)",
}
WITH_NUMBERS = [
    *(lookup("optimizer", name)() for name in BUILT_IN),
    AddDecayedWeights(),
    ClipByNorm(),
    ClipByValue(),
]
FIELDS = [
    (component, field)
    for component in WITH_NUMBERS
    for field in component.get_params()
    if field in RANGES
]


@pytest.mark.parametrize(("component", "field"), FIELDS, ids=repr)
def test_fields_out_of_range(component, field):
    wanted = RANGES[field]
    outside = [-0.1, np.nan, np.inf, "0.5", None, *[0.0] * wanted.startswith("(0")]
    outside += [1.1] * ("1" in wanted) + [1.0] * wanted.endswith("1)")
    for value in outside:
        message = (
            f"The {field!r} parameter of {type(component).__name__} must be a number in {wanted}. "
            f"Got {value!r} instead."
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            component.evolve(**{field: value})


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (Adam(), "pairs of a name and a part, such as"),
        ("adam", "pairs of a name and a part, such as"),
        ([Adam(), ClipByNorm()], "pairs of a name and a part, such as"),
        (["ab", "cd"], "pairs of a name and a part, such as"),
        ([("adam", Adam)], "pairs of a name and a part, such as"),
        ([("adam", "adam")], "pairs of a name and a part, such as"),
        ([("relu", Relu()), ("adam", Adam())], "pairs of a name and a part, such as"),
        ([(1, Adam())], "pairs of a name and a part, such as"),
        ([("a", ClipByNorm()), ("a", Adam())], "pairs with different names"),
        ([("", Adam())], "pairs with names without '__', not empty, not 'steps'"),
        ([("a__b", Adam())], "pairs with names without '__', not empty, not 'steps'"),
        ([("steps", Adam())], "pairs with names without '__', not empty, not 'steps'"),
        ([], "pairs with exactly one optimizer among them, not 0"),
        ([("clip", ClipByNorm())], "pairs with exactly one optimizer among them, not 0"),
        ([("a", Adam()), ("b", SGD())], "pairs with exactly one optimizer among them, not 2"),
    ],
)
def test_steps_that_make_no_chain(steps, message):
    with pytest.raises(ValueError, match=f"^The 'steps' parameter of Chain must be {message}.*Got"):
        Chain(steps)


@pytest.mark.parametrize("name", ["beta_1", "clp__max_norm", "momentum__momentum", ""])
def test_chain_has_no_such_part(name):
    chain = Chain([("clip", ClipByNorm()), ("adam", Adam())])
    with pytest.raises(ValueError, match=r"Invalid parameter .* \['steps', 'clip', 'adam'\]\."):
        chain.evolve(**{name: 0.5})
    with pytest.raises(ValueError, match="Invalid parameter 'gamma' for Adam"):
        chain.evolve(adam__gamma=0.5)
    with pytest.raises(ValueError, match="parameter of Chain must be pairs of a name and a part"):
        chain.evolve(adam="sgd", adam__beta_1=0.5)


@pytest.mark.parametrize(
    "factors", [{"b": 0.1}, "b", [("b",)], [("b", -1.0)], [("b", "1")], [(0, 1.0)], [("b", np.nan)]]
)
def test_factors_that_are_none(factors):
    with pytest.raises(ValueError, match="The 'factors' parameter of GroupRates must be pairs of"):
        GroupRates(factors)


def test_flat_parameter_beside_a_chain():
    with pytest.raises(
        ValueError, match=r"'beta_1' parameter .* must be left at its default with solver=Chain"
    ):
        MLPClassifier(solver=make_chain(), beta_1=0.5).fit(X, Y)
