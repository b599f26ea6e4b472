"""Backpropagation against finite differences, for every activation and loss there is."""

import numpy as np
import pytest
from scipy.sparse import csr_array

from sknn_scratch.core.data import Data
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace
from sknn_scratch.registry import lookup, names

HIDDEN = [(), (4,), (4, 3), (4, 3, 5)]
ROWS, FEATURES = 7, 3


def make_targets(loss, n_targets, rng):
    """Targets inside the loss's range; class labels as unit rows."""
    if loss.one_hot:
        return np.eye(n_targets)[:, rng.integers(n_targets, size=ROWS)]
    low, high, _ = loss.target_range
    y = rng.normal(size=(n_targets, ROWS))
    return np.abs(y) if low == 0 and high == np.inf else np.clip(np.round(y), low, high)


def make_case(activation, loss, hidden, n_targets, sparse, weighted, seed=0):
    """Return an objective, its data and a parameter vector, all float64."""
    rng = np.random.default_rng(seed)
    network = Network.dense(FEATURES, hidden, loss.n_raw(n_targets), [activation] * len(hidden))
    X = rng.normal(size=(ROWS, FEATURES)) * (rng.random((ROWS, FEATURES)) < 0.7)
    weight = rng.uniform(0.1, 3.0, ROWS) if weighted else None
    y = np.ascontiguousarray(make_targets(loss, n_targets, rng))
    data = Data(csr_array(X) if sparse else X, y, None, weight)
    theta = rng.normal(scale=0.7, size=network.layout.size)
    return Objective(network, loss, alpha=0.3), data, theta


def evaluate(objective, data, theta):
    """Return value and gradient over all rows, in the dtype of theta."""
    layout = objective.network.layout
    rows = Workspace(objective.network, ROWS, theta.dtype).rows(ROWS)
    grads = layout.params(np.full_like(theta, np.nan))
    batch = data.batch(np.arange(ROWS))
    # As estimators do: some BLAS kernels raise the flag for lanes that they do not use.
    with np.errstate(invalid="ignore"):
        value = objective.value_and_grad(layout.params(theta), batch, rows, grads)
    assert np.isfinite(value)
    assert np.isfinite(grads.vector).all()
    return value, grads.vector


def central_differences(function, theta, step=1e-5):
    slopes = np.empty_like(theta)
    for i in range(theta.size):
        move = np.zeros_like(theta)
        move[i] = step
        slopes[i] = (function(theta + move) - function(theta - move)) / (2 * step)
    return slopes


def assert_close(actual, desired, tolerance):
    assert np.abs(actual - desired).max() <= tolerance * max(np.abs(desired).max(), 1e-3)


@pytest.mark.parametrize("loss", names("loss"))
@pytest.mark.parametrize("activation", names("activation"))
@pytest.mark.parametrize(
    "sparse",
    [pytest.param(False, id="dense"), pytest.param(True, id="sparse", marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_gradient(activation, loss, sparse, weighted, n_targets):
    for hidden in HIDDEN:
        f, L = lookup("activation", activation)(), lookup("loss", loss)()
        objective, data, theta = make_case(f, L, hidden, n_targets, sparse, weighted)
        value, gradient = evaluate(objective, data, theta)

        slopes = central_differences(lambda t: evaluate(objective, data, t)[0], theta)  # noqa: B023
        assert_close(gradient, slopes, 1e-6)

        single = Data(
            data.X.astype(np.float32),
            data.y.astype(np.float32),
            None,
            None if data.weight is None else data.weight.astype(np.float32),
        )
        value_32, gradient_32 = evaluate(objective, single, theta.astype(np.float32))
        assert gradient_32.dtype == np.float32
        assert_close(gradient_32, gradient, 1e-4)
        assert value_32 == pytest.approx(value, rel=1e-4)


@pytest.mark.parametrize("loss", names("loss"))
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("weighted", [False, True], ids=["equal", "weighted"])
def test_loss_alone(loss, order, weighted):
    """The gradient of the returned sum; weights are repetitions; no input is changed."""
    rng = np.random.default_rng(1)
    L = lookup("loss", loss)()
    y = np.asarray(make_targets(L, 3, rng).T, order=order)
    raw = np.asarray(rng.normal(size=(ROWS, L.n_raw(3))), order=order)
    times = rng.integers(0, 3, ROWS)
    weight = times.astype(float) if weighted else None
    before = y.copy(), raw.copy()
    out = np.full_like(raw, np.nan)
    value = L.value_and_grad(y, raw, weight, out)
    for array, old in zip((y, raw), before, strict=True):
        np.testing.assert_array_equal(array, old)

    def at(flat):
        return L.value(y, np.asarray(flat.reshape(raw.shape), order=order), weight)

    assert_close(out.ravel(), central_differences(at, raw.ravel()), 1e-6)
    if weighted:
        repeated = L.value(np.repeat(y, times, axis=0), np.repeat(raw, times, axis=0), None)
        assert value == pytest.approx(repeated, rel=1e-12)
