"""The equations of five source notes, each in the letters of its source, against the core.

"Neuron Layers"; S. Dey, "Basic Operations of Neural Networks"; "Types of neurons"; "Deep
Learning"; "Mathematics for Neural Networks".  Our W has one neuron per column, as in the first
and the last; the other three write its transpose.  Our gradients are means over patterns.
"""

from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import SGD, Identity, Logistic, LogLoss, Relu, SquaredError, Tanh
from sknn_scratch.contracts import Array, Initializer
from sknn_scratch.core.data import Batch
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Workspace, inference_slots


def sigma(z):
    return 1 / (1 + np.exp(-z))


def softmax(s):
    return np.exp(s) / np.exp(s).sum()


# Each elementwise neuron with h and h' as the sources write them.
ELEMENTWISE = {
    "linear": (Identity(), lambda z: z, np.ones_like),
    "relu": (Relu(), lambda z: np.where(z >= 0, z, 0.0), lambda z: np.where(z > 0, 1.0, 0.0)),
    "sigmoid": (Logistic(), sigma, lambda z: np.exp(z) / (1 + np.exp(z)) ** 2),
    "tanh": (Tanh(), np.tanh, lambda z: 1 / np.cosh(z) ** 2),
}
each_neuron = pytest.mark.parametrize(
    ("activation", "h", "dh"), list(ELEMENTWISE.values()), ids=list(ELEMENTWISE)
)


# ------------------------------------------------------------------------------------- the core
class Layer(NamedTuple):
    """Weights (fan_in, fan_out), biases and the activation of one layer."""

    W: Array
    b: Array
    f: object = None


class Trace(NamedTuple):
    """What the core computes for a batch; lists have one entry per layer."""

    value: float
    a: list[Array]  # activations, with x before them
    delta: list[Array]
    W: list[Array]  # ∂J/∂W
    b: list[Array]  # ∂J/∂b


def build(layers):
    """Return the network and its parameters."""
    network = Network(len(layers[0].W), [Dense(len(layer.b), layer.f) for layer in layers])
    params = network.layout.params(np.empty(network.layout.size))
    for (W, b), layer in zip(params.layers, layers, strict=True):
        W[...], b[...] = layer.W, layer.b
    return network, params


def forward(layers, X):
    """Return the outputs of the last layer for all rows of X."""
    network, params = build(layers)
    with np.errstate(invalid="ignore"):  # a flag that some BLAS kernels raise for nothing
        return network.forward(params, X, inference_slots(network, len(X), float))


def trace(layers, loss, X, Y):
    """Return all that the core computes in one pass forward and backward."""
    network, params = build(layers)
    grads = network.layout.params(np.empty(network.layout.size))
    rows = Workspace(network, len(X), float).rows(len(X))
    batch = Batch(X, Y, None, float(len(X)))
    with np.errstate(invalid="ignore"):  # as above
        value = Objective(network, loss, 0.0).value_and_grad(params, batch, rows, grads)
    a = [X, *(slot.a for slot in rows.slots)]
    W, b = zip(*grads.layers, strict=True)
    return Trace(value, a, [slot.delta for slot in rows.slots], list(W), list(b))


def draw(units, activations, seed=0):
    """Return layers with drawn weights; the last one is linear if no activation is left."""
    rng = np.random.default_rng(seed)
    return [
        Layer(rng.normal(size=shape), rng.normal(size=shape[1]), f)
        for shape, f in zip(pairwise(units), [*activations, None], strict=False)
    ]


def derivative(f, x, step=1e-6):
    """Return ∂f/∂x by central differences: one column for each element of x."""
    units = np.eye(x.size).reshape(x.size, *x.shape) * step
    columns = [(np.asarray(f(x + e)) - f(x - e)) / (2 * step) for e in units]
    return np.stack(columns, axis=-1)


def same(got, expected):
    """Equal to rounding."""
    assert_allclose(got, expected, rtol=1e-12, atol=1e-14)


def close(got, expected):
    """Equal to the accuracy of central differences."""
    assert_allclose(got, expected, rtol=1e-6, atol=1e-8)


class Waves(Initializer):
    """Known weights, so that training can be followed by hand."""

    def fill(self, W, b, rng, site):
        W[...] = np.sin(1.0 + np.arange(W.size)).reshape(W.shape)
        b[...] = np.cos(1.0 + np.arange(b.size))


def waves(*units):
    """Return what Waves fills in, as [W, b, W, b, ...]."""
    arrays = [np.empty(shape) for n, m in pairwise(units) for shape in ((n, m), m)]
    for W, b in zip(arrays[::2], arrays[1::2], strict=True):
        Waves().fill(W, b, None, None)
    return arrays


def plain_sgd(cls, eta, **params):
    """Return an estimator whose every step is p - η ∇C."""
    common = {"solver": SGD(momentum=0.0), "alpha": 0.0, "shuffle": False, "initializer": Waves()}
    return cls(learning_rate_init=eta, **common, **params)


def flat(W, b):
    """Return [W, b, W, b, ...]."""
    return [p for layer in zip(W, b, strict=True) for p in layer]


def assert_parameters(estimator, arrays):
    """Compare with [W, b, W, b, ...]."""
    fitted = flat(estimator.coefs_, estimator.intercepts_)
    for got, expected in zip(fitted, arrays, strict=True):
        assert_allclose(got, expected, rtol=1e-10, atol=1e-12)


_rng = np.random.default_rng(42)
X5 = _rng.normal(size=(5, 3))
Y5 = _rng.normal(size=(5, 2))


# -------------------------------------------------------------------------------- Neuron Layers
def test_neuron_layers_columns_of_W_are_neurons():
    (layer,) = draw([3, 4], [])
    x = X5[0]
    u = [w_k @ x + b_k for w_k, b_k in zip(layer.W.T, layer.b, strict=True)]
    same(forward([layer], x[None])[0], u)
    same(u, layer.W.T @ x + layer.b)


def test_neuron_layers_synaptic_input_of_a_batch():
    (layer,) = draw([3, 4], [])
    B = np.array([layer.b] * len(X5))
    same(forward([layer], X5), X5 @ layer.W + B)


@each_neuron
def test_neuron_layers_activation_of_a_batch_row_by_row(activation, h, dh):
    (layer,) = draw([3, 4], [activation])
    same(forward([layer], X5), [h(layer.W.T @ x + layer.b) for x in X5])


@each_neuron
def test_neuron_layers_gradient_of_one_pattern(activation, h, dh):
    layers = draw([3, 2], [activation])
    ((W, b, _),), x, d = layers, X5[0], Y5[0]
    u = W.T @ x + b
    grad_u = (h(u) - d) * dh(u)
    core = trace(layers, SquaredError(), x[None], d[None])
    same(core.W[0], np.outer(x, grad_u))
    same(core.b[0], grad_u)


@each_neuron
def test_neuron_layers_gradient_of_a_set_is_the_sum_over_patterns(activation, h, dh):
    layers = draw([3, 2], [activation])
    (W, b, _), P = layers[0], len(X5)
    U = X5 @ W + b
    grad_U = (h(U) - Y5) * dh(U)
    core = trace(layers, SquaredError(), X5, Y5)
    same(P * core.W[0], X5.T @ grad_U)
    same(P * core.b[0], grad_U.T @ np.ones(P))
    one_by_one = [
        trace(layers, SquaredError(), x[None], d[None]) for x, d in zip(X5, Y5, strict=True)
    ]
    same(P * core.W[0], sum(one.W[0] for one in one_by_one))
    same(P * core.b[0], sum(one.b[0] for one in one_by_one))


@pytest.mark.parametrize("size", [1, 2, 5], ids=["one pattern", "mini-batch", "full batch"])
def test_neuron_layers_sgd_and_gd_are_one_algorithm(size):
    W, b = waves(3, 2)
    for start in range(0, 5, size):
        X, D = X5[start : start + size], Y5[start : start + size]
        grad_U = (X @ W + b - D) / len(X)  # a mean, where the source has a sum
        W, b = W - 0.1 * X.T @ grad_U, b - 0.1 * grad_U.sum(axis=0)
    estimator = plain_sgd(MLPRegressor, 0.1, batch_size=size, hidden_layer_sizes=())
    assert_parameters(estimator.partial_fit(X5, Y5), [W, b])


# ------------------------------------------------- S. Dey, Basic Operations of Neural Networks
# A net of 3, 4, 2 and 3 units: tanh and sigmoid neurons, softmax outputs; one input sample.
DEY = draw([3, 4, 2, 3], [Tanh(), Logistic()])
DEY_H = [np.tanh, sigma, softmax]
DEY_DH = [ELEMENTWISE["tanh"][2], ELEMENTWISE["sigmoid"][2]]
X_DEY, Y_DEY = X5[0], np.array([0.0, 1.0, 0.0])


def dey_core(y=Y_DEY):
    """Return what the core computes for the sample, as vectors."""
    value, a, delta, W, b = trace(DEY, LogLoss(), X_DEY[None], y[None])
    return Trace(value, [v[0] for v in a], [v[0] for v in delta], [g.T for g in W], b)


def dey_forward(x, W, b):
    """Equations (1a) and (1b): [s(1), ...] and [a(0), a(1), ...]."""
    s, a = [], [x]
    for W_l, b_l, h in zip(W, b, DEY_H, strict=True):
        s.append(W_l @ a[-1] + b_l)
        a.append(h(s[-1]))
    return s, a


def dey_backward(x, y, W, b):
    """The summary of section 2.2: ∇C for W(1), b(1), W(2), ...; targets sum to one."""
    s, a = dey_forward(x, W, b)
    delta = [a[-1] - y]
    for k in (1, 0):
        delta.insert(0, DEY_DH[k](s[k]) * (W[k + 1].T @ delta[0]))
    return [g for d, a_k in zip(delta, a, strict=False) for g in (np.outer(d, a_k), d)]


W_DEY, B_DEY = [layer.W.T for layer in DEY], [layer.b for layer in DEY]


def full_softmax_jacobian(s):
    """H' below equation (18)."""
    k_i, k = np.exp(s), np.exp(s).sum()
    H = -np.outer(k_i, k_i) / k**2
    np.fill_diagonal(H, k_i * (k - k_i) / k**2)
    return H


@pytest.mark.parametrize("layer", [1, 2, 3])
def test_dey_eq_1a_synaptic_input(layer):
    s, _ = dey_forward(X_DEY, W_DEY, B_DEY)
    linear = [*DEY[: layer - 1], DEY[layer - 1]._replace(f=None)]
    same(forward(linear, X_DEY[None])[0], s[layer - 1])


def test_dey_eq_1b_activations_of_all_layers():
    s, a = dey_forward(X_DEY, W_DEY, B_DEY)
    core = dey_core()
    for got, expected in zip(core.a[:-1], a[:-1], strict=True):
        same(got, expected)
    same(LogLoss().predict(core.a[-1][None], np.empty((1, 3)))[0], a[-1])
    same(s[-1], core.a[-1])  # the core's last layer stops at s: the loss owns the softmax


def test_dey_eq_2_cross_entropy():
    a = dey_forward(X_DEY, W_DEY, B_DEY)[1][-1]
    same(dey_core().value, -np.sum(Y_DEY * np.log(a)))


@pytest.mark.parametrize("y", [Y_DEY, np.array([0.2, 0.5, 0.9])], ids=["one class", "general"])
def test_dey_eq_5_delta_of_the_output_layer(y):
    s, a = dey_forward(X_DEY, W_DEY, B_DEY)
    grad_a = -y / a[-1]  # equation (3)
    H = derivative(softmax, s[-1])
    close(dey_core(y).delta[-1], H.T @ grad_a)


def test_dey_eq_7_gradient_of_biases_is_delta():
    core = dey_core()
    for grad_b, delta in zip(core.b, core.delta, strict=True):
        same(grad_b, delta)


def test_dey_eq_11_gradient_of_weights():
    core = dey_core()
    for grad_W, delta, a in zip(core.W, core.delta, core.a, strict=False):
        same(grad_W, np.outer(delta, a))


def test_dey_eq_11_by_the_tensor_of_eq_10():
    core = dey_core()
    delta, a = core.delta[-1], core.a[-2]
    ds_dW = np.einsum("j,ki->jki", a, np.eye(len(delta)))  # element (j, k): a_j at place k
    same(core.W[-1].T, ds_dW @ delta)


@pytest.mark.parametrize("k", [0, 1])
def test_dey_eq_13_delta_of_a_hidden_layer(k):
    s, _ = dey_forward(X_DEY, W_DEY, B_DEY)
    core = dey_core()
    H = derivative(DEY_H[k], s[k])
    close(core.delta[k], H.T @ W_DEY[k + 1].T @ core.delta[k + 1])


def test_dey_summary_of_backpropagation_against_finite_differences():
    core = dey_core()
    p = flat(W_DEY, B_DEY)

    def C(q, k):  # the cost with p[k] replaced by q
        changed = [*p[:k], q, *p[k + 1 :]]
        return -Y_DEY @ np.log(dey_forward(X_DEY, changed[::2], changed[1::2])[1][-1])

    plain = dey_backward(X_DEY, Y_DEY, W_DEY, B_DEY)
    for k, grad in enumerate(flat(core.W, core.b)):
        same(grad, plain[k])
        close(grad.ravel(), derivative(partial(C, k=k), p[k]))


def test_dey_biases_as_an_augmented_column_of_W():
    core = dey_core()
    for k, (layer, a) in enumerate(zip(DEY, core.a, strict=False)):
        W_aug = np.vstack([layer.W, layer.b])
        augmented = [Layer(W_aug, np.zeros_like(layer.b), layer.f), *DEY[k + 1 :]]
        again = trace(augmented, LogLoss(), np.append(a, 1.0)[None], Y_DEY[None])
        same(again.a[1][0], core.a[k + 1])
        same(again.W[0].T, np.column_stack([core.W[k], core.b[k]]))


def dey_classifier(eta, batch_size):
    net = {"hidden_layer_sizes": (4, 2), "activation": ("tanh", "logistic")}
    return plain_sgd(MLPClassifier, eta, batch_size=batch_size, **net)


def dey_gradients(x, label, p):
    """∇C of one sample for [W, b, W, b, ...] of the package."""
    W, b = [W.T for W in p[::2]], p[1::2]
    return [g.T for g in dey_backward(x, np.eye(3)[label], W, b)]


def test_dey_eq_14_update():
    eta, p = 0.5, waves(3, 4, 2, 3)
    updated = [p_ - eta * g for p_, g in zip(p, dey_gradients(X_DEY, 1, p), strict=True)]
    estimator = dey_classifier(eta, batch_size=1)
    estimator.partial_fit(X_DEY[None], [1], classes=[0, 1, 2])
    assert_parameters(estimator, updated)


def test_dey_eq_14_is_the_step_of_SGD():
    theta, gradient = X5[0], X5[1].copy()
    optimizer = SGD(momentum=0.0)
    state = optimizer.init(theta, {})
    optimizer.update(gradient, state, theta, 0.5, np.empty(3))
    same(gradient, -0.5 * X5[1])


def test_dey_eq_15_update_by_the_mean_of_a_minibatch():
    eta, M, labels, p = 0.5, 3, [2, 0, 1], waves(3, 4, 2, 3)
    each = [dey_gradients(x, label, p) for x, label in zip(X5[:M], labels, strict=True)]
    sums = [sum(gs) for gs in zip(*each, strict=True)]
    updated = [p_ - eta / M * g for p_, g in zip(p, sums, strict=True)]
    estimator = dey_classifier(eta, batch_size=M).partial_fit(X5[:M], labels, classes=[0, 1, 2])
    assert_parameters(estimator, updated)


@each_neuron
def test_dey_eq_17_hidden_layers_have_a_diagonal_jacobian(activation, h, dh):
    s = np.array([-1.5, -0.3, 0.4, 2.0])
    numeric = derivative(lambda s: activation.forward(s[None], np.empty((1, 4)))[0], s)
    close(numeric, np.diag(dh(s)))
    Z = np.tile(s, (4, 1))
    A = activation.forward(Z, np.empty_like(Z))
    same(activation.backward(np.eye(4), A, Z, np.empty_like(Z)), np.diag(dh(s)))


def test_dey_eq_18_softmax_and_its_full_jacobian():
    s = np.array([-1.0, 0.5, 2.0])
    k = np.exp(s)
    same(LogLoss().predict(s[None], np.empty((1, 3)))[0], k / k.sum())
    H = derivative(lambda s: LogLoss().predict(s[None], np.empty((1, 3)))[0], s)
    close(H, full_softmax_jacobian(s))
    same(full_softmax_jacobian(s), full_softmax_jacobian(s).T)


@pytest.mark.parametrize("y", [[1.0, 2.0, 0.5], [0.1, 0.0, 0.3], [0.0, 0.0, 0.0]], ids=str)
def test_dey_eq_19_targets_that_do_not_sum_to_one(y):
    s, y = np.array([-1.0, 0.5, 2.0]), np.array(y)
    a = softmax(s)
    delta = np.empty((1, 3))
    value = LogLoss().value_and_grad(y[None], s[None], None, delta)
    same(value, -np.sum(y * np.log(a)))
    same(delta[0], a * y.sum() - y)
    same(delta[0], full_softmax_jacobian(s) @ (-y / a))
    close(delta[0], derivative(lambda s: -np.sum(y * np.log(softmax(s))), s))


def test_dey_delta_is_a_minus_y_where_targets_sum_to_one():
    a = dey_forward(X_DEY, W_DEY, B_DEY)[1][-1]
    for y in [Y_DEY, np.array([0.25, 0.5, 0.25])]:
        same(dey_core(y).delta[-1], a - y)


# ----------------------------------------------------------------------------- Types of neurons
# Two patterns by hand, f = relu: z = (-1.5, 3) and (2.5, 2); ŷ = -2 and 4; ŷ - y = -3 and 2.
NET3 = {
    "X": np.array([[1.0, 2.0, 3.0], [2.0, -1.0, 0.0]]),
    "y": np.array([1.0, 2.0]),
    "W": np.array([[1.0, 0.0, -1.0], [2.0, 1.0, 0.0]]),
    "b": np.array([0.5, -1.0]),
    "theta": np.array([2.0, -1.0]),
    "c": 1.0,
}
NET3_BY_HAND = {
    "L": 13.0,
    "H": [[0.0, 3.0], [2.5, 2.0]],
    "y_hat": [-2.0, 4.0],
    "theta": [10.0, -10.0],  # ∇_θ L = 2 Hᵀ(ŷ - y)
    "c": -2.0,  # ∇_c L = 2 1ᵀ(ŷ - y)
    "H_grad": [[-12.0, 6.0], [8.0, -4.0]],  # ∇_H L = 2 (ŷ - y) θᵀ
    "W": [[16.0, -8.0, 0.0], [-2.0, 16.0, 18.0]],
    "b": [8.0, 2.0],
}


def net3(f):
    """Return the three-layer net of the source as layers of the package."""
    hidden = Layer(NET3["W"].T, NET3["b"], f)
    return [hidden, Layer(NET3["theta"][:, None], np.array([NET3["c"]]))]


@each_neuron
def test_types_of_neurons_four_elementwise_ones(activation, h, dh):
    (layer,) = draw([3, 1], [activation])
    x, w, b = X5[0], layer.W[:, 0], layer.b[0]
    z = b + sum(w_i * x_i for w_i, x_i in zip(w, x, strict=True))
    same(forward([layer], x[None])[0, 0], h(z))


def test_types_of_neurons_softmax():
    (layer,) = draw([3, 4], [])
    x = X5[0]
    z = [layer.b[j] + sum(x[i] * layer.W[i, j] for i in range(3)) for j in range(4)]
    h = [np.exp(z_j) / sum(map(np.exp, z)) for z_j in z]
    raw = forward([layer], x[None])
    same(LogLoss().predict(raw, np.empty((1, 4)))[0], h)


def test_types_of_neurons_sigma_by_tanh():
    z = np.linspace(-30, 30, 121)[None]
    h = Logistic().forward(z, np.empty_like(z))
    forms = [0.5 + 0.5 * np.tanh(z / 2), np.exp(z) / (1 + np.exp(z)), 1 / (1 + np.exp(-z))]
    for form in forms:
        assert_allclose(h, form, rtol=0, atol=4e-16)


def test_types_of_neurons_sigma_net_is_a_shifted_and_scaled_tanh_net():
    hidden, out = draw([3, 4, 2], [Logistic()])
    shifted = Layer(out.W / 2, out.b + out.W.sum(axis=0) / 2)
    twin = [Layer(hidden.W / 2, hidden.b / 2, Tanh()), shifted]
    same(forward([hidden, out], X5), forward(twin, X5))


def test_types_of_neurons_three_layer_net_worked_by_hand():
    X, y, theta = NET3["X"], NET3["y"], NET3["theta"]
    core = trace(net3(Relu()), SquaredError(), X, y[:, None])
    factor = 2 * len(y)  # from half the mean of squares to their sum
    hand = NET3_BY_HAND
    assert_array_equal(core.a[1], hand["H"])
    assert_array_equal(core.a[2][:, 0], hand["y_hat"])
    assert factor * core.value == hand["L"]
    assert_array_equal(factor * core.W[1][:, 0], hand["theta"])
    assert_array_equal(factor * core.b[1], [hand["c"]])
    assert_array_equal(factor * core.delta[1] @ theta[None], hand["H_grad"])
    assert_array_equal(factor * core.W[0].T, hand["W"])
    assert_array_equal(factor * core.b[0], hand["b"])


@each_neuron
def test_types_of_neurons_three_layer_net_sum_by_sum(activation, h, dh):
    X, y, W, b, theta, c = NET3.values()
    core = trace(net3(activation), SquaredError(), X, y[:, None])
    dW, db, dtheta, dc = np.zeros((2, 3)), np.zeros(2), np.zeros(2), 0.0
    for x, t in zip(X, y, strict=True):
        z = [sum(W[j, i] * x[i] for i in range(3)) + b[j] for j in range(2)]
        dy = 2 * (sum(theta[j] * h(z[j]) for j in range(2)) + c - t)
        dc += dy
        for j in range(2):
            dtheta[j] += h(z[j]) * dy
            db[j] += dh(z[j]) * theta[j] * dy
            dW[j] += [x[i] * dh(z[j]) * theta[j] * dy for i in range(3)]
    got = [core.W[0].T, core.b[0], core.W[1][:, 0], core.b[1]]
    for ours, theirs in zip(got, [dW, db, dtheta, [dc]], strict=True):
        same(4 * ours, theirs)


@pytest.mark.parametrize("size", [1, 6], ids=["stochastic", "batch"])
def test_types_of_neurons_training_repeats_until_convergence(size):
    X = np.linspace(-1, 1, 6)[:, None]
    y = np.sin(2 * X[:, 0])
    net = {"hidden_layer_sizes": (3,), "activation": "tanh"}
    estimator = plain_sgd(MLPRegressor, 0.1, batch_size=size, tol=1e-6, max_iter=5000, **net)
    estimator.fit(X, y)
    assert 100 < estimator.n_iter_ < 5000
    W, b, theta, c = waves(1, 3, 1)
    theta, alpha = theta[:, 0], 0.1 / (2 * size)  # the source sums squares over the batch
    for _ in range(estimator.n_iter_):
        for start in range(0, 6, size):
            x, t = X[start : start + size], y[start : start + size]
            H = np.tanh(x @ W + b)
            dy = 2 * (H @ theta + c - t)
            dz = np.outer(dy, theta) * (1 - H**2)
            W, b = W - alpha * x.T @ dz, b - alpha * dz.sum(axis=0)
            theta, c = theta - alpha * H.T @ dy, c - alpha * dy.sum()
    assert_parameters(estimator, [W, b, theta[:, None], c])
    assert np.abs(estimator.predict(X) - y).max() < 0.1


# -------------------------------------------------------------------------------- Deep Learning
@pytest.mark.parametrize("n", [1, 5000], ids=["one pattern", "many"])
def test_deep_learning_relu(n):
    z = np.tile([-2.0, -0.0, 0.0, 3.0], (n, 1))
    a = Relu().forward(z, np.empty_like(z))
    assert_array_equal(a, np.tile([0.0, 0.0, 0.0, 3.0], (n, 1)))
    assert_array_equal(Relu().backward(z - 1, a, None, np.empty_like(z)), np.where(z > 0, 2.0, 0.0))


def test_deep_learning_two_layer_example_worked_by_hand():
    # z[1] = (1, 2) = x[1]; z[2] = 0, x[2] = σ(0) = ½; φ[2] = -(1 - ½) ¼
    W1, b1 = np.array([[1.0, -1.0], [3.0, -1.0]]), np.array([2.0, 1.0])
    W2, b2 = np.array([[4.0, -1.0]]), np.array([-2.0])
    x0, y = np.array([[1.0, 2.0]]), np.array([[1.0]])
    core = trace([Layer(W1.T, b1, Relu()), Layer(W2.T, b2, Logistic())], SquaredError(), x0, y)
    assert_array_equal(core.a[1], [[1.0, 2.0]])
    assert_array_equal(core.a[2], [[0.5]])
    assert core.value == 1 / 8
    assert_array_equal(core.delta[1], [[-1 / 8]])  # φ[2]
    assert_array_equal(core.W[1].T, [[-1 / 8, -1 / 4]])
    assert_array_equal(core.b[1], [-1 / 8])
    assert_array_equal(core.delta[0], [[-1 / 2, 1 / 8]])  # φ[1]
    assert_array_equal(core.W[0].T, [[-1 / 2, -1.0], [1 / 8, 1 / 4]])
    assert_array_equal(core.b[0], [-1 / 2, 1 / 8])


def test_deep_learning_backward_recursion_with_a_different_activation_in_each_layer():
    kinds = ["relu", "tanh", "sigmoid", "linear"]
    psi, dpsi = [ELEMENTWISE[k][1] for k in kinds], [ELEMENTWISE[k][2] for k in kinds]
    layers = draw([3, 4, 5, 2, 1], [ELEMENTWISE[k][0] for k in kinds])
    core = trace(layers, SquaredError(), X5[:1], Y5[:1, :1])
    W = [layer.W.T for layer in layers]
    x, z = [X5[0]], []
    for k, layer in enumerate(layers):
        z.append(W[k] @ x[-1] + layer.b)
        x.append(psi[k](z[-1]))
    phi = -(Y5[0, 0] - x[-1]) * dpsi[-1](z[-1])
    for k in (3, 2, 1, 0):
        if k < 3:
            phi = W[k + 1].T @ phi * dpsi[k](z[k])
        assert phi.shape == (len(W[k]),)
        same(core.delta[k][0], phi)
        same(core.W[k].T, np.outer(phi, x[k]))
        same(core.b[k], phi)


def test_deep_learning_a_different_activation_in_each_layer_of_an_estimator():
    net = {"hidden_layer_sizes": (4, 2), "activation": ("relu", "tanh")}
    estimator = plain_sgd(MLPRegressor, 0.1, **net).partial_fit(X5[:1], Y5[:1, 0])
    W1, b1, W2, b2, W3, b3 = p = waves(3, 4, 2, 1)
    z1 = X5[0] @ W1 + b1
    x1 = np.maximum(z1, 0)
    x2 = np.tanh(x1 @ W2 + b2)
    phi3 = x2 @ W3 + b3 - Y5[0, 0]
    phi2 = W3 @ phi3 * (1 - x2**2)
    phi1 = W2 @ phi2 * (z1 > 0)
    pairs = [(phi1, X5[0]), (phi2, x1), (phi3, x2)]
    grads = [g for phi, x in pairs for g in (np.outer(x, phi), phi)]
    assert_parameters(estimator, [q - 0.1 * g for q, g in zip(p, grads, strict=True)])


def test_deep_learning_sizes_and_indices():
    estimator = MLPRegressor(hidden_layer_sizes=(8, 5)).partial_fit(X5, Y5)
    sizes = [(8, 3), (5, 8), (2, 5)]  # neurons of this layer, neurons of the one before
    assert [W.T.shape for W in estimator.coefs_] == sizes
    assert [b.shape for b in estimator.intercepts_] == [(m,) for m, _ in sizes]
    (first,) = draw([3, 8], [Tanh()])
    from_8_to_4 = np.zeros((8, 5))
    from_8_to_4[7, 3] = 2.0  # w_48 of the second layer
    x1 = forward([first], X5)
    x2 = forward([first, Layer(from_8_to_4, np.zeros(5))], X5)
    same(x2, np.outer(2.0 * x1[:, 7], np.eye(5)[3]))


# -------------------------------------------------------------- Mathematics for Neural Networks
MATHS = draw([3, 4, 2], [Tanh(), Logistic()])


def test_mathematics_net_input_by_the_kronecker_product():
    (layer,) = draw([3, 4], [])
    j, b = np.ones((5, 1)), layer.b[None]
    same(forward([layer], X5), X5 @ layer.W + np.kron(j, b))


def test_mathematics_error_and_its_gradient_in_the_activations():
    m, delta = len(X5), np.empty((5, 2))
    A = forward(MATHS, X5)
    value = SquaredError().value_and_grad(Y5, A, None, delta)
    same(2 / m * value, np.sum((A - Y5) ** 2) / m)
    same(2 / m * delta, 2 / m * (A - Y5))
    close(2 / m * delta.ravel(), derivative(lambda A: np.sum((A - Y5) ** 2) / m, A))


def maths_gradients():
    """∂E/∂W and ∂E/∂B of both layers, from sections 2.2 and 2.3."""
    (W1, b1, _), (W2, b2, _) = MATHS
    Z1 = X5 @ W1 + b1
    A1 = np.tanh(Z1)
    Z2 = A1 @ W2 + b2
    d2 = 2 / len(X5) * (sigma(Z2) - Y5)  # ∂(L)
    dB2 = ELEMENTWISE["sigmoid"][2](Z2) * d2
    d1 = dB2 @ W2.T  # ∂(l-1)
    dB1 = ELEMENTWISE["tanh"][2](Z1) * d1
    return [X5.T @ dB1, A1.T @ dB2], [dB1, dB2]


def test_mathematics_gradients_in_matrix_form():
    dW, dB = maths_gradients()
    core = trace(MATHS, SquaredError(), X5, Y5)
    for k in (0, 1):
        same(2 * core.W[k], dW[k])
        same(2 * core.delta[k], dB[k])
        same(2 * core.b[k], dB[k].sum(axis=0))


def test_mathematics_update_of_weights_and_biases():
    alpha, m = 0.05, len(X5)
    W1, b1, W2, b2 = waves(3, 4, 2)
    A1 = np.tanh(X5 @ W1 + b1)
    dB2 = 2 / m * (A1 @ W2 + b2 - Y5)
    dB1 = (1 - A1**2) * (dB2 @ W2.T)
    W1, W2 = W1 - alpha * X5.T @ dB1, W2 - alpha * A1.T @ dB2
    b1, b2 = b1 - alpha * dB1.sum(axis=0), b2 - alpha * dB2.sum(axis=0)
    net = {"hidden_layer_sizes": (4,), "activation": "tanh"}
    estimator = plain_sgd(MLPRegressor, 2 * alpha, **net).partial_fit(X5, Y5)
    assert_parameters(estimator, [W1, b1, W2, b2])


# ------------------------------------------------------------ the scalings of the squared error
# source: (its error and ∂error/∂ŷ of N patterns, the factor from ours to it)
SCALINGS = {
    "Types of neurons: sum": (lambda r: np.sum(r**2), lambda r: 2 * r, 2 * 5),
    "Deep Learning: half, by pattern": (lambda r: np.sum(r**2) / 2, lambda r: r, 5),
    "Mathematics: mean": (lambda r: np.sum(r**2) / 5, lambda r: 2 / 5 * r, 2),
}


@pytest.mark.parametrize(("error", "slope", "factor"), SCALINGS.values(), ids=list(SCALINGS))
def test_scaling_of_the_squared_error(error, slope, factor):
    (layer,) = layers = draw([3, 2], [])
    core = trace(layers, SquaredError(), X5, Y5)
    residual = X5 @ layer.W + layer.b - Y5
    same(factor * core.value, error(residual))
    same(factor * core.delta[0], slope(residual))
    same(factor * core.W[0], X5.T @ slope(residual))
    same(factor * core.b[0], slope(residual).sum(axis=0))


def test_scaling_of_ours_is_half_summed_over_outputs_averaged_over_samples():
    W, b = waves(3, 2)
    estimator = plain_sgd(MLPRegressor, 0.1, hidden_layer_sizes=()).partial_fit(X5, Y5)
    by_sample = [np.sum((x @ W + b - y) ** 2) / 2 for x, y in zip(X5, Y5, strict=True)]
    same(estimator.loss_, np.mean(by_sample))
