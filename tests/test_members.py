"""Members of an ensemble: each is the plain trainer's network of its rows, seed and checks."""

import pickle
from dataclasses import replace
from functools import partial
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
from sknn_scratch.contracts import Schedule
from sknn_scratch.core.data import Batch, Data
from sknn_scratch.core.folding import folded
from sknn_scratch.core.inference import Inference
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.fitting._ensemble import train
from sknn_scratch.fitting._holdout import folds
from sknn_scratch.fitting._start import draw, sites
from sknn_scratch.fitting._types import Job
from sknn_scratch.training.calibration import inverse_temperature, scaled_log_loss
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.selection import Validation, class_score, is_lost, kept, loss_score
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import InMemory
from sknn_scratch.training.stopping import Patience, StepPatience

N, N_IN, K = 90, 6, 3


@pytest.fixture(autouse=True)
def as_in_a_fit():
    """Estimators ignore flags of BLAS kernels, some of which mean nothing."""
    with np.errstate(over="ignore", invalid="ignore"):
        yield


def make_network(n_in, hidden, n_raw, activations, scaled):
    return Network.dense(n_in, hidden, n_raw, activations, scaled=scaled)


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


def mini_batches(network, optimizer=None, patience=inf, max_iter=6, least=0, n_checks=48):
    return MiniBatch(
        optimizer or rates(network),
        CosLog4(),
        StepPatience(patience, least),
        0.02,
        20,
        max_iter,
        n_checks=n_checks,
    )


def members(network, solver=None, rows=None, seeds=(1, 2, 3), score=None, held_out=None):
    """Return the jobs of members that hold out a fold each."""
    rows = rows or data()
    parts = folds(N, 5, None, np.random.RandomState(0)) if held_out is None else [held_out] * K
    made = []
    for seed, part in zip(seeds, parts, strict=False):
        layers = [f.activation for f in network.layers[:-1]]
        plan = Plan(
            Objective(network, LogLoss(), 0.0),
            network,
            solver or mini_batches(network),
            sites=sites([*layers, layers[-1]]),
            early_stopping=len(part) > 0,
        )
        rng = np.random.RandomState(seed)
        theta = draw(plan, SpreadBiases(), rng, np.float32)
        if len(part):
            judge = Validation(plan, rows, part, score or class_score(rows, part))
            plan = Plan(**{**vars(plan), "judge": judge})
        state = TrainingState(theta, rng, order=np.delete(np.arange(N), part))
        made.append(Job(None, plan, InMemory(rows), state, None, {}))
    return made


def best_step(state):
    return state.patience["step"]


# --- A step of a layer with learned scales.


@pytest.mark.parametrize("network", networks())
def test_gradient_of_scaled_layers(network):
    theta = np.random.default_rng(0).normal(size=network.layout.size)
    theta[network.layout.groups["b0"]] += 0.1
    rows = data()
    batch = Batch(rows.X.astype(float), rows.one_hot_rows[rows.y].astype(float), None, float(N))
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
    solver = mini_batches(network, patience=patience, max_iter=12)
    crowd = train(members(network, solver), n_jobs=1)
    for k, state in enumerate(crowd):
        (alone,) = train(members(network, solver)[k : k + 1], n_jobs=1)
        assert alone.step == state.step
        assert best_step(alone) == best_step(state)
        assert_array_equal(state.best_theta, alone.best_theta)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("network", networks())
def test_a_member_is_what_the_plain_trainer_makes_of_it(network, weighted):
    weight = np.random.default_rng(3).random(N).astype(np.float32) if weighted else None
    rows = data(weight=weight)
    crowd = train(members(network, rows=rows), n_jobs=1)
    plan = Plan(
        Objective(network, LogLoss(), 0.0),
        network,
        MiniBatch(rates(network), CosLog4(), Patience(0.0, inf), 0.02, 20, 6),
    )
    for state, start in zip(crowd, members(network, rows=rows), strict=True):
        alone = start.state
        plan.solver.solve(plan, InMemory(rows), alone, FitRun(plan, alone))
        assert alone.step == state.step
        assert_array_equal(state.theta, alone.theta)


def test_checks_are_at_equal_distances():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    seen = []
    jobs = members(network, mini_batches(network, n_checks=5), seeds=(0,))
    jobs[0].plan.judge.score = lambda theta, raw, loss: seen.append(jobs[0].state.step) or 0.0
    train(jobs, n_jobs=1)
    assert seen == [5, 10, 15, 20, 24]  # of 6 epochs of 4 steps


def test_members_stop_for_themselves():
    network = make_network(N_IN, (8,), 3, [Relu()], scaled=True)
    solver = mini_batches(network, patience=1.3, max_iter=40, least=26)
    crowd = train(members(network, solver), n_jobs=1)
    assert {state.stop_reason for state in crowd} >= {"stalled"}
    stalled = [state for state in crowd if state.stop_reason == "stalled"]
    assert all(state.step >= max(26, 1.3 * best_step(state)) for state in stalled)
    assert all(state.step < 160 for state in stalled)


class LateAnswer(Schedule):
    """Schedule that answers stalls from the second epoch on."""

    def __call__(self, now):
        return 0.5**now.stalls if now.epoch else 1.0


def test_a_stall_within_an_epoch_is_asked_about_once():
    network = make_network(N_IN, (8,), 3, [Relu()], scaled=True)
    solver = replace(
        mini_batches(network, patience=1.0, least=2, max_iter=3), schedule=LateAnswer()
    )
    (state,) = train(members(network, solver, seeds=(0,)), n_jobs=1)
    # Four batches an epoch: the epoch that the stall cuts short is the last one.
    assert (state.stop_reason, state.stalls, state.epoch) == ("stalled", 0, 1)
    assert 2 <= state.step < 4


@pytest.mark.parametrize("of_classes", [True, False])
def test_scores_can_be_pickled(of_classes):
    network, rows = make_network(N_IN, (4,), 3, [Relu()], scaled=True), data()
    score = class_score if of_classes else partial(loss_score, LogLoss(), LogLoss())
    (job,) = members(network, rows=rows, seeds=(0,))
    part, theta = job.plan.judge.rows, job.state.theta
    judge = Validation(job.plan, rows, part, score(rows, part))
    assert pickle.loads(pickle.dumps(judge))(theta) == judge(theta)


def test_the_last_of_equal_checks_is_kept():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    jobs = members(network, score=lambda theta, raw, loss: 0.0)
    for state in train(jobs, n_jobs=1):
        assert best_step(state) == state.step
        assert_array_equal(state.best_theta, state.theta)


def test_averages_are_judged_and_kept():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    solver = mini_batches(network, WeightEMA(Adam(), 0.9), max_iter=4)
    for part in (None, np.empty(0, int)):
        jobs = members(network, solver, held_out=part)
        train(jobs, n_jobs=1)
        assert not np.allclose(kept(jobs[0].plan, jobs[0].state), jobs[0].state.theta)


def test_a_member_that_diverges_leaves_the_others_alone():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    crowd, alone = members(network), members(network)[:2]
    crowd[2].state.theta[:] = 3e38
    states, others = train(crowd, n_jobs=1), train(alone, n_jobs=1)
    assert [state.stop_reason for state in states] == ["max_iter", "max_iter", "diverged"]
    assert [is_lost(job.plan, job.state) for job in crowd] == [False, False, True]
    assert_array_equal(states[1].best_theta, others[1].best_theta)


def test_processes_change_nothing():
    network = make_network(N_IN, (4,), 3, [Relu()], scaled=True)
    one, two = (train(members(network), n_jobs=jobs) for jobs in (1, 2))
    for a, b in zip(one, two, strict=True):
        assert_allclose(a.best_theta, b.best_theta, rtol=1e-5, atol=1e-6)


# --- What becomes of members.


def raw_of(network, theta, X):
    blocks = Inference(network, len(X), X.dtype).raw_blocks(network.layout.params(theta), X)
    return np.concatenate([raw.copy() for _, raw in blocks])


@pytest.mark.parametrize("scaled", [True, False])
def test_folding(scaled):
    network = make_network(N_IN, (5, 4), 2, [Relu(), Relu()], scaled)
    plain = make_network(N_IN, (5, 4), 2, [Relu(), Relu()], scaled=False)
    rng = np.random.default_rng(0)
    theta = rng.normal(size=network.layout.size).astype(np.float32)
    factor, shift = np.array([2.0, 0.5]), np.array([1.0, -3.0])
    raw = raw_of(network, theta, data().X)
    of_plain = raw_of(plain, folded(network, theta, factor, shift), data().X)
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
    for job in members(network, held_out=np.empty(0, int)):
        (state,) = train([job], n_jobs=1)
        assert "validation_score" not in state.history[-1]
        assert_array_equal(kept(job.plan, state), state.theta)


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
    weights = [None] * 2 if weight is None else weight
    assert_allclose(list(map(scaled_log_loss, raw, codes, weights)), expected)


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
    y, raw = rng.normal(size=(1, 20)), rng.normal(size=(4, 1))
    rows, weight = np.array([4, 5, 6, 7]), rng.random(20)
    expected = -0.5 * np.average((raw[:, 0] - y[0, rows]) ** 2, weights=weight[rows])
    own, another = SquaredError(), SquaredError()
    whole = Data(np.empty((20, 0)), y, None, weight)
    assert_allclose(loss_score(another, own, whole, rows)(None, raw, np.nan), expected)
    assert loss_score(own, own, whole, rows)(None, raw, 3.0) == -3.0
