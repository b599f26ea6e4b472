"""Members trained together: the same as each one alone, and as the plain trainer's network."""

from math import inf

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn_scratch.components import (
    Adam,
    Chain,
    CosLog4,
    GroupRates,
    LogLoss,
    Relu,
    Silu,
    SpreadBiases,
    SquaredError,
    WeightEMA,
)
from sknn_scratch.core import stack
from sknn_scratch.core.data import Batch, Data
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.estimators._tabular_members import (
    draw,
    draw_member,
    folded,
    folds,
    make_network,
    train,
)
from sknn_scratch.estimators._tabular_scores import (
    class_judge,
    inverse_temperature,
    loss_judge,
    scaled_log_loss,
)
from sknn_scratch.training.members import Member, Task, Together, raw_of_members
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.stopping import Patience

N, N_IN, K = 90, 6, 3


@pytest.fixture(autouse=True)
def as_in_a_fit():
    """Estimators ignore flags of BLAS kernels, some of which mean nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def rates(network):
    factors = [("b", 0.1)] + [("s", 6.0)] * ("s0" in network.layout.groups)
    return Chain([("adam", Adam(beta_2=0.95)), ("rates", GroupRates(factors))])


def networks():
    return [
        pytest.param(
            make_network(N_IN, (8, 5), 3, [f, f], scaled), id=f"{type(f).__name__}{scaled}"
        )
        for f in (Relu(), Silu())
        for scaled in (True, False)
    ]


def data(seed=0, weight=None):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(N, N_IN)).astype(np.float32)
    codes = (X[:, 0] > 0).astype(int) + (X[:, 1] > 1)
    return Data(X, codes, np.eye(3, dtype=np.float32), weight)


def members(network, seeds=(1, 2, 3)):
    held_out = folds(N, 5, None, np.random.RandomState(0))
    return [
        draw_member(network, SpreadBiases(), seed, rows, np.delete(np.arange(N), rows))
        for seed, rows in zip(seeds, held_out, strict=False)
    ]


def task(network, rows=None):
    rows = rows or data()
    return Task(network, LogLoss(), rows, rows, class_judge(rows))


def together(network, **how):
    usual = {"learning_rate_init": 0.02, "batch_size": 20, "max_iter": 6}
    return Together(rates(network), CosLog4(), **(usual | how))


# --- A step: the same numbers as the plain network's.


@pytest.mark.parametrize("network", networks())
@pytest.mark.parametrize("weighted", [False, True])
def test_stack_is_the_network_for_each(network, weighted):
    rows, rng = data(), np.random.default_rng(1)
    block = np.stack([draw(network, SpreadBiases(), np.random.RandomState(k)) for k in range(K)])
    block += rng.normal(scale=0.1, size=block.shape).astype(np.float32)
    index = rng.integers(0, N, (K, 20))
    weight = rng.random(20).astype(np.float32) if weighted else None
    buffers = stack.StackBuffers(network, K, 20, np.float32, trains=True)
    params, grads = (stack.stack_params(network.layout, a) for a in (block, np.empty_like(block)))
    x = rows.X[index]
    raw = stack.forward(network, params, x, buffers)
    y = rows.unit[rows.y[index.ravel()]]
    tiled = None if weight is None else np.tile(weight, K)
    LogLoss().value_and_grad(y, raw, tiled, buffers.grad)
    np.copyto(buffers.slots[-1].delta, buffers.raw_of_each(buffers.grad))
    stack.backward(network, params, grads, x, buffers)
    objective, workspace = Objective(network, LogLoss(), 0.0), Workspace(network, 20, np.float32)
    for k in range(K):
        alone = network.layout.params(np.empty_like(block[k]))
        batch = Batch(x[k], y[20 * k : 20 * k + 20], weight, 1.0)
        theta = network.layout.params(block[k])
        objective.data_term(theta, batch, workspace.rows(20), alone, 1.0)
        for stacked, own in zip(grads, alone.layers, strict=True):
            for a, b in zip(stacked, own, strict=True):
                assert_allclose(a[k], b, rtol=2e-4, atol=2e-5)


@pytest.mark.parametrize("network", networks())
def test_gradient_of_scaled_layers(network):
    theta = np.random.default_rng(0).normal(size=network.layout.size)
    theta[network.layout.groups["b0"]] += 0.1
    rows = data()
    batch = Batch(rows.X.astype(float), rows.unit[rows.y].astype(float), None, float(N))
    objective, workspace = Objective(network, LogLoss(), 0.0), Workspace(network, N, float)
    grads = network.layout.params(np.empty_like(theta))

    def value(at):
        return objective.value_and_grad(network.layout.params(at), batch, workspace.rows(N), grads)

    value(theta)
    gradient = grads.vector.copy()
    for k in range(0, len(theta), 7):
        step = 1e-6 * np.eye(1, len(theta), k)[0]
        numeric = (value(theta + step) - value(theta - step)) / 2e-6
        assert_allclose(gradient[k], numeric, rtol=1e-4, atol=1e-7)


def test_names_of_parameters_count_for_themselves():
    groups = make_network(4, (3,), 1, [Relu()], scaled=True).layout.groups
    assert list(groups) == ["W0", "W1", "b0", "s0", "b1", "decayed"]
    assert groups["decayed"] == slice(0, 15)


# --- A fit.


@pytest.mark.parametrize("network", networks())
@pytest.mark.parametrize("patience", [inf, 1.5])
def test_a_member_is_the_one_trained_alone(network, patience):
    how = together(network, patience=patience, max_iter=12)
    crowd = train(how, task(network), members(network), n_jobs=1)
    for k, member in enumerate(crowd):
        (alone,) = train(how, task(network), members(network)[k : k + 1], n_jobs=1)
        assert alone.step == member.step
        assert alone.best_step == member.best_step
        assert_allclose(member.kept, alone.kept, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("network", networks())
def test_a_member_is_what_the_plain_trainer_makes_of_it(network, weighted):
    weight = np.random.default_rng(3).random(N).astype(np.float32) if weighted else None
    rows = data(weight=weight)
    crowd = members(network)
    train(together(network), task(network, rows), crowd, n_jobs=1)
    fresh = members(network)
    plan = Plan(
        Objective(network, LogLoss(), 0.0),
        network,
        MiniBatch(rates(network), CosLog4(), Patience(0.0, inf), 0.02, 20, 6),
    )
    for member, start in zip(crowd, fresh, strict=True):
        state = TrainingState(start.theta, start.rng, order=start.order)
        plan.strategy.solve(plan, rows, state, FitRun(plan, state))
        assert state.step == member.step
        assert_allclose(member.theta, state.theta, rtol=2e-3, atol=2e-4)


def test_members_stop_for_themselves():
    network = make_network(N_IN, (8,), 3, [Relu()], scaled=True)
    how = together(network, patience=1.3, max_iter=40)
    crowd = train(how, task(network), members(network), n_jobs=1)
    assert {member.stop_reason for member in crowd} >= {"stalled"}
    assert all(m.step >= 1.3 * m.best_step for m in crowd if m.stop_reason == "stalled")
    assert all(m.best_step in dict(m.scores) for m in crowd)


def test_the_last_of_equal_checks_is_kept():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    rows = data()
    constant = Task(network, LogLoss(), rows, rows, lambda raw, index: np.zeros(len(raw)))
    for member in train(together(network), constant, members(network), n_jobs=1):
        assert member.best_step == member.step
        assert_array_equal(member.kept, member.theta)


def test_averages_are_judged_and_kept():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    how = Together(WeightEMA(Adam(), 0.9), CosLog4(), 0.02, 20, 4)
    crowd = train(how, task(network), members(network), n_jobs=1)
    assert not np.allclose(crowd[0].kept, crowd[0].theta)


def test_a_member_that_diverges_leaves_the_others_alone():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    crowd, alone = members(network), members(network)[:2]
    crowd[2].theta[:] = 3e38
    train(together(network), task(network), crowd, n_jobs=1)
    train(together(network), task(network), alone, n_jobs=1)
    assert [member.stop_reason for member in crowd] == ["max_iter", "max_iter", "diverged"]
    assert_allclose(crowd[1].kept, alone[1].kept, rtol=1e-4, atol=1e-5)


def test_processes_change_nothing():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    one = train(together(network), task(network), members(network), n_jobs=1)
    rows = data()
    picklable = Task(network, SquaredError(), Data(rows.X, rows.X.T[:3].copy()), rows, _zeros)
    one, two = (
        train(together(network), picklable, members(network), n_jobs=jobs) for jobs in (1, 2)
    )
    for a, b in zip(one, two, strict=True):
        assert_allclose(a.kept, b.kept, rtol=1e-5, atol=1e-6)


def _zeros(raw, index):
    return np.zeros(len(raw))


# --- What becomes of members.


@pytest.mark.parametrize("scaled", [True, False])
def test_folding(scaled):
    network = make_network(N_IN, (5, 4), 2, [Relu(), Relu()], scaled)
    plain = make_network(N_IN, (5, 4), 2, [Relu(), Relu()], scaled=False)
    rng = np.random.default_rng(0)
    theta = rng.normal(size=network.layout.size).astype(np.float32)
    factor, shift = np.array([2.0, 0.5]), np.array([1.0, -3.0])
    X, index = data().X, np.arange(N)[None]
    raw = raw_of_members(network, X, [theta], index)[0]
    of_plain = raw_of_members(plain, X, [folded(network, theta, factor, shift)], index)[0]
    assert_allclose(of_plain, raw * factor + shift, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("n", "n_folds"), [(40, 8), (43, 8), (100, 3)])
def test_folds_are_disjoint_equal_and_stratified(n, n_folds):
    strata = np.arange(n) % 4
    parts = folds(n, n_folds, strata, np.random.RandomState(0))
    assert len(parts) == n_folds
    assert {len(part) for part in parts} == {n // n_folds}
    assert len(np.unique(np.concatenate(parts))) == n_folds * (n // n_folds)
    counts = np.array([np.bincount(strata[part], minlength=4) for part in parts])
    assert np.ptp(counts, axis=0).max() <= 1


def test_few_rows_hold_nothing_out():
    assert [len(part) for part in folds(9, 8, None, np.random.RandomState(0))] == [0]


def test_a_member_without_held_out_rows_keeps_its_last_weights():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    start = draw_member(network, SpreadBiases(), 0, np.empty(0, int), np.arange(N))
    (member,) = train(together(network), task(network), [start], n_jobs=1)
    assert member.scores == []
    assert_array_equal(member.kept, member.theta)


# --- Scores.


@pytest.mark.parametrize("weighted", [False, True])
def test_scaled_log_loss(weighted):
    rng = np.random.default_rng(0)
    raw, codes = rng.normal(scale=4, size=(2, 30, 3)), rng.integers(0, 3, (2, 30))
    weight = rng.random((2, 30)) if weighted else None
    expected = [
        min(
            LogLoss().value(np.eye(3)[c], 0.2 * j * z, w) / (30 if w is None else w.sum())
            for j in range(1, 9)
        )
        for z, c, w in zip(raw, codes, weight if weighted else [None] * 2, strict=True)
    ]
    assert_allclose(scaled_log_loss(raw, codes, weight), expected)


def test_the_temperature_is_found():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(20_000, 3))
    p = np.exp(0.5 * raw) / np.exp(0.5 * raw).sum(axis=1, keepdims=True)
    codes = (rng.random((20_000, 1)) > p.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    assert_allclose(inverse_temperature(raw, codes, None), 0.5, atol=0.03)
    weight = (rng.random(20_000) < 0.5).astype(float)
    kept = weight > 0
    of_kept = inverse_temperature(raw[kept], codes[kept], None)
    assert_allclose(inverse_temperature(raw, codes, weight), of_kept, rtol=1e-3)


def test_few_rows_that_are_right_prove_little():
    raw = np.tile([4.0, 0.0], (30, 1))
    assert 1.0 < inverse_temperature(raw, np.zeros(30, int), None) < 1.2


def test_losses_judge():
    rng = np.random.default_rng(0)
    y, raw = rng.normal(size=(1, 20)), rng.normal(size=(2, 4, 1))
    index = np.array([[0, 1, 2, 3], [4, 5, 6, 7]])
    weight = rng.random(20)
    scores = loss_judge(SquaredError(), SquaredError(), Data(np.empty((20, 0)), y, None, weight))(
        raw, index
    )
    expected = -0.5 * np.average((raw[..., 0] - y[0, index]) ** 2, axis=1, weights=weight[index])
    assert_allclose(scores, expected)


def test_a_member_is_plain_data():
    member = Member(np.zeros(2), np.random.RandomState(0), np.arange(3), np.arange(2))
    assert member.kept is member.theta
