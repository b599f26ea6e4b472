"""Weights of entries of y: their definition entry by entry, through losses, batches and fits."""

from math import inf

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from sknn_scratch import config_context
from sknn_scratch.components import (
    Adam,
    BinaryLogLoss,
    Constant,
    LogLoss,
    Poisson,
    Quantile,
    Relu,
    SquaredError,
    Tweedie,
)
from sknn_scratch.contracts import Loss
from sknn_scratch.core import weighting
from sknn_scratch.core.data import Batches, Data
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.interop import _distributed
from sknn_scratch.registry import lookup, names
from sknn_scratch.training.lbfgs import LBFGS
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.selection import Validation, loss_score
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import BlockTotal, InMemory
from sknn_scratch.training.stopping import Patience

REGISTERED = [lookup("loss", name)() for name in names("loss")]
SEPARABLE = [loss for loss in REGISTERED if loss.separable]
COUPLED = [loss for loss in REGISTERED if not loss.separable]
FURTHER = [Tweedie(0), Tweedie(3), BinaryLogLoss(0.2), Quantile(0.9)]
every_separable = pytest.mark.parametrize("loss", [*SEPARABLE, *FURTHER], ids=repr)
shapes = st.tuples(st.integers(1, 7), st.integers(1, 5))
seeds = st.integers(0, 99)
orders = st.sampled_from("CF")


def make(loss, shape, seed, order="F"):
    """Return y, raw and weights of entries, about a third of them 0."""
    rng = np.random.default_rng(seed)
    low, high, _ = loss.target_range
    y = rng.uniform(max(low, -2.0) + 0.1, min(high, 3.0), size=shape)
    weight = rng.uniform(0.2, 2.0, size=shape) * (rng.random(shape) > 0.3)
    arrays = y, rng.normal(size=(shape[0], loss.n_raw(shape[1]))), weight
    return [np.asarray(a, order=order) for a in arrays]


def evaluate(loss, y, raw, weight):
    out = np.full_like(raw, np.nan)
    value = weighting.value_and_grad(loss, y, raw, weight, out)
    assert weighting.value(loss, y, raw, weight) == pytest.approx(value, rel=1e-12)
    return value, out


def close(actual, desired, tolerance=1e-12):
    assert_allclose(actual, desired, rtol=tolerance, atol=tolerance)


# ------------------------------------------------------------------------------------- losses
@given(st.sampled_from([*SEPARABLE, *FURTHER]), shapes, seeds, orders)
def test_sum_over_entries(loss, shape, seed, order):
    y, raw, weight = make(loss, shape, seed, order)
    total, slopes = 0.0, np.zeros_like(raw)
    for i, j in np.argwhere(weight):
        part = np.empty((1, 1))
        one = y[i : i + 1, j : j + 1], raw[i : i + 1, j : j + 1]
        total += weight[i, j] * loss.value_and_grad(*one, None, part)
        slopes[i, j] = weight[i, j] * part.item()
    y[weight == 0] = -7.5  # out of the range of some losses
    value, gradient = evaluate(loss, y, raw, weight)
    close(value, total)
    close(gradient, slopes)
    assert not gradient[weight == 0].any()


@given(st.sampled_from([*SEPARABLE, *FURTHER]), shapes, seeds, orders)
def test_equal_columns_are_weights_of_rows(loss, shape, seed, order):
    y, raw, weight = make(loss, shape, seed, order)
    rows = weight[:, 0].copy()
    matrix = np.repeat(rows[:, None], shape[1], axis=1)
    for actual, desired in zip(
        evaluate(loss, y, raw, matrix), evaluate(loss, y, raw, rows), strict=True
    ):
        close(actual, desired)
    close(weighting.total(matrix, shape[0]), weighting.total(rows, shape[0]))


@given(seeds)
def test_levels_of_one_target(seed):
    loss = Quantile((0.1, 0.5, 0.9))
    y, raw, weight = make(loss, (6, 1), seed)
    for actual, desired in zip(
        evaluate(loss, y, raw, weight), evaluate(loss, y, raw, weight[:, 0]), strict=True
    ):
        close(actual, desired)


class NeedsRows(SquaredError):
    """A loss that fails on arrays without rows, which no contract promises to pass."""

    def value_and_grad(self, y, raw, weight, out):
        assert len(y)
        return super().value_and_grad(y, raw, weight, out)


@pytest.mark.parametrize("loss", [*SEPARABLE, NeedsRows()], ids=repr)
def test_nothing_is_there(loss):
    y, raw, weight = make(loss, (4, 3), 0)
    value, gradient = evaluate(loss, y, raw, 0 * weight)
    assert value == 0
    assert not gradient.any()


@every_separable
def test_dtype_and_compiled_engine(loss):
    pytest.importorskip("numba")
    arrays = [a.astype(np.float32) for a in make(loss, (50, 4), 1)]
    value, gradient = evaluate(loss, *arrays)
    assert gradient.dtype == np.float32
    with config_context(engine="compiled"):
        again, gradient_2 = evaluate(loss, *arrays)
    close(again, value, 1e-5)
    close(gradient_2, gradient, 1e-5)


class Two(Loss):
    """Two raw outputs for each target, of which nobody says which belong together."""

    tasks = ("regression",)

    def n_raw(self, n_targets):
        return 2 * n_targets

    def value_and_grad(self, y, raw, weight, out):
        raise NotImplementedError


@pytest.mark.parametrize("loss", [*COUPLED, Two()], ids=repr)
def test_coupled_targets_are_refused(loss):
    raw = np.zeros((3, loss.n_raw(2)))
    for call in (
        lambda: weighting.value(loss, np.eye(3, 2), raw, np.ones((3, 2))),
        lambda: weighting.value_and_grad(loss, np.eye(3, 2), raw, np.ones((3, 2)), raw.copy()),
    ):
        with pytest.raises(TypeError, match=f"{type(loss).__name__} must be a sum over targets"):
            call()


def test_coupled_losses():
    assert LogLoss() in COUPLED
    assert LogLoss().for_task("multilabel") in SEPARABLE


@pytest.mark.parametrize("shape", [(3, 1), (2, 2), (1, 3, 2)], ids=str)
def test_shape_of_weights(shape):
    y = np.zeros((3, 2))
    with pytest.raises(ValueError, match=r"must have shape \(3, 2\), that of y, or \(3,\)\. Got"):
        weighting.value(SquaredError(), y, y, np.ones(shape))


# -------------------------------------------------------------------------- objective and batches
N, TARGETS = 23, 3


def problem(loss=None, alpha=0.3, seed=0):
    """Return an objective, data without weights and parameters."""
    rng, loss = np.random.default_rng(seed), loss or Poisson()
    network = Network.dense(4, (5,), TARGETS, [Relu()])
    data = Data(rng.normal(size=(N, 4)), rng.poisson(2.0, size=(TARGETS, N)) + 0.0)
    return Objective(network, loss, alpha, 0.2), data, rng.normal(size=network.layout.size)


def missing(seed=0):
    """Return weights of which the last row and about a third of the others are 0."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(0.5, 2.0, size=(N, TARGETS)) * (rng.random((N, TARGETS)) > 0.3)
    weight[-1] = 0
    return weight


def over_all_rows(objective, data, theta):
    """Return J and its gradient as a step on all rows computes them."""
    layout = objective.network.layout
    grads, rows = layout.params(np.empty_like(theta)), Workspace(objective.network, N, float)
    batch = data.batch(np.arange(N))
    return objective.value_and_grad(layout.params(theta), batch, rows.rows(N), grads), grads


def test_objective_of_equal_columns():
    objective, data, theta = problem()
    rows = missing()[:, 0]
    value, grads = over_all_rows(objective, data._replace(weight=rows), theta)
    matrix = np.repeat(rows[:, None], TARGETS, axis=1)
    value_2, grads_2 = over_all_rows(objective, data._replace(weight=matrix), theta)
    close(value_2, value)
    close(grads_2.vector, grads.vector)


def test_objective_without_a_column():
    """It trains nothing, and the others train as without it; J stays that of three targets."""
    objective, data, theta = problem(alpha=0.0)
    weight = missing()
    weight[:, 1] = 0
    value, grads = over_all_rows(objective, data._replace(weight=weight), theta)
    W, b = grads.layers[-1]
    assert not W[:, 1].any()
    assert b[1] == 0

    kept = [0, 2]
    network = Network.dense(4, (5,), len(kept), [Relu()])
    params = network.layout.params(np.empty(network.layout.size))
    hidden, (W_out, b_out) = objective.network.layout.params(theta).layers
    for to, source in zip(params.layers, (hidden, (W_out[:, kept], b_out[kept])), strict=True):
        for a, old in zip(to, source, strict=True):
            np.copyto(a, old)
    rest = data._replace(y=data.y[kept], weight=weight[:, kept])
    value_2, grads_2 = over_all_rows(Objective(network, Poisson(), 0.0), rest, params.vector)
    close(value / TARGETS, value_2 / len(kept))
    close(grads.layers[0][0] / TARGETS, grads_2.layers[0][0] / len(kept))
    close(W[:, kept] / TARGETS, grads_2.layers[-1][0] / len(kept))


def test_rows_that_are_missing_altogether():
    objective, data, theta = problem()
    weight = missing()
    some = np.flatnonzero(weight.any(axis=1))
    assert len(some) < N
    value, grads = over_all_rows(objective, data._replace(weight=weight), theta)
    rest = Data(data.X[some], data.y[:, some], None, weight[some])
    total = BlockTotal(objective, rest, float)
    params, again = objective.network.layout.params(theta), np.empty_like(theta)
    grads_2 = objective.network.layout.params(again)
    value_2 = total(params, grads_2, 1 / total.weight_sum)
    close(value, value_2 + objective.penalty(params, grads_2, total.weight_sum))
    close(grads.vector, again)


@pytest.mark.parametrize("size", [1, 4, N, 100])
def test_batches(size):
    _, data, _ = problem()
    weight, order = missing(), np.random.default_rng(1).permutation(N)
    data = data._replace(weight=weight)
    size, seen = min(size, N), 0
    for batch in Batches(data, size).in_order(order):
        rows = order[seen : seen + size]
        assert_array_equal(batch.weight, weight[rows])
        assert_array_equal(batch.y, data.y[:, rows].T)
        assert batch.weight_sum == pytest.approx(weight[rows].sum() / TARGETS)
        seen += size
    whole = data.batch(slice(None))
    assert whole.weight_sum == pytest.approx(weight.mean(axis=1).sum())
    with pytest.raises(ValueError, match="read-only"):
        whole.weight[0] = 1


@pytest.mark.parametrize("cut", [1, 7])
def test_sums_over_blocks_and_partitions(cut, monkeypatch):
    """They add up, even if one of them has no entries."""
    objective, data, theta = problem(alpha=0.0)
    weight = missing()
    weight[:cut] = 0
    data = data._replace(weight=weight)
    value, grads = over_all_rows(objective, data, theta)
    parts = [
        Data(data.X[part], data.y[:, part], None, weight[part])
        for part in (slice(cut), slice(cut, None))
    ]
    sizes, sums = zip(*map(_distributed._size, parts), strict=True)
    assert sizes == (cut, N - cut)
    terms = [_distributed._data_term(objective, part, theta, 1 / sum(sums)) for part in parts]
    added, gradient = _distributed._added(terms)
    close(added, value)
    close(gradient, grads.vector)

    monkeypatch.setattr("sknn_scratch.training.steps.BLOCK_ELEMENTS", 5 * cut)
    total = BlockTotal(objective, data, float)
    assert len(total.blocks) > 1
    out = objective.network.layout.params(np.empty_like(theta))
    close(total(objective.network.layout.params(theta), out, 1 / total.weight_sum), value)
    close(out.vector, grads.vector)


def test_validation():
    """Score and loss are those of the objective without its penalty."""
    objective, data, theta = problem(alpha=0.0)
    data = data._replace(weight=missing())
    desired, _ = over_all_rows(objective, data, theta)
    plan, rows = Plan(objective, objective.network, None), np.arange(N)
    judge = Validation(plan, data, rows, loss_score(objective.loss, objective.loss, data, rows))
    close(judge(theta), (-desired, desired))

    criterion = SquaredError()  # of predictions
    score, _ = Validation(plan, data, rows, loss_score(criterion, objective.loss, data, rows))(
        theta
    )
    raw = judge.raw_at(theta)
    squares = 0.5 * data.weight * (np.exp(raw) - data.y.T) ** 2
    close(score, -TARGETS * squares.sum() / data.weight.sum())


# ------------------------------------------------------------------------------------ whole fits
SOLVERS = {
    "adam": MiniBatch(Adam(), Constant(), Patience(0.0, inf), 0.01, 5, 4),
    "lbfgs": LBFGS(5, 100, 0.0),
}


def trained(how, weight, alpha=0.3):
    objective, data, theta = problem(alpha=alpha)
    plan = Plan(objective, objective.network, how)
    state = TrainingState(theta.copy(), np.random.RandomState(0))
    how.solve(plan, InMemory(data._replace(weight=weight)), state, FitRun(plan, state))
    assert state.epoch > 3
    assert np.isfinite(state.history.curve("loss")).all()
    return theta, state.theta


@pytest.mark.parametrize("how", SOLVERS.values(), ids=SOLVERS)
def test_fit_of_equal_columns(how):
    rows = missing()[:, 0]
    start, theta = trained(how, rows)
    assert np.abs(theta - start).max() > 0.01
    close(trained(how, np.repeat(rows[:, None], TARGETS, axis=1))[1], theta, 1e-7)


@pytest.mark.parametrize("how", SOLVERS.values(), ids=SOLVERS)
def test_fit_without_a_column(how):
    weight = missing()
    weight[:, 1] = 0
    layout = problem()[0].network.layout
    (W0, b0), (W, b) = (layout.params(theta).layers[-1] for theta in trained(how, weight, 0.0))
    assert_array_equal(W[:, 1], W0[:, 1])
    assert b[1] == b0[1]
    assert np.abs(W - W0)[:, [0, 2]].min() > 0
