"""Every initializer: what it draws, from where, and into which arrays."""

from math import inf, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest

from sknn_scratch import MLPRegressor
from sknn_scratch.components import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    Logistic,
    Normal,
    Orthogonal,
    Relu,
    SpreadBiases,
    Zeros,
)
from sknn_scratch.contracts import Site
from sknn_scratch.registry import lookup, names

BY_NAME = {name: lookup("initializer", name)() for name in names("initializer")}
ALL = [*BY_NAME.values(), Normal(std=2), Orthogonal(gain=np.float64(0.5)), SpreadBiases()]
each = pytest.mark.parametrize("initializer", ALL, ids=repr)
each_shape = pytest.mark.parametrize("shape", [(1, 1), (7, 4), (4, 7), (5, 5), (1, 6), (6, 1)])
each_order = pytest.mark.parametrize("order", ["C", "F"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])
SITE = Site(0, 2, Relu())


def draw(initializer, shape, seed=0, dtype=float, order="C", site=SITE):
    """Return W and b, drawn into arrays of nan."""
    W, b = np.full(shape, np.nan, dtype, order), np.full(shape[1], np.nan, dtype)
    initializer.fill(W, b, np.random.RandomState(seed), site)
    return W, b


# ------------------------------------------------------------------------- what all must keep
@each
@each_shape
@each_order
@each_dtype
def test_fills_everything(initializer, shape, order, dtype):
    W, b = draw(initializer, shape, dtype=dtype, order=order)
    assert np.isfinite(W).all()
    assert np.isfinite(b).all()
    expected = draw(initializer, shape)
    for array, double in zip((W, b), expected, strict=True):
        assert_array_equal(array, double.astype(dtype))


@each
def test_draws_from_its_stream_alone(initializer):
    before = np.random.get_state()  # noqa: NPY002
    first, again, other = (draw(initializer, (6, 5), seed) for seed in (3, 3, 4))
    after = np.random.get_state()  # noqa: NPY002
    assert_array_equal(first[0], again[0])
    assert_array_equal(first[1], again[1])
    if initializer != Zeros():
        assert (first[0] != other[0]).all()
    assert before[2:] == after[2:]
    assert_array_equal(before[1], after[1])


@each
def test_biases_start_at_zero_except_in_the_one_of_scikit_learn_and_where_they_spread(initializer):
    b = draw(initializer, (50, 60))[1]
    if initializer in (GlorotUniform(), SpreadBiases()):
        assert (b != 0).all()
    else:
        assert_array_equal(b, 0.0)


@each
def test_writes_into_views(initializer):
    """The weights of a network are parts of one vector."""
    theta = np.full(30, np.nan)
    initializer.fill(theta[2:14].reshape(4, 3), theta[20:23], np.random.RandomState(0), SITE)
    W, b = draw(initializer, (4, 3))
    assert_array_equal(theta[2:14], W.ravel())
    assert_array_equal(theta[20:23], b)
    assert np.isnan(theta[[*range(2), *range(14, 20), *range(23, 30)]]).all()


# -------------------------------------------------------------------------- what each one draws
FAN_IN, FAN_OUT = 200, 300
VARIANCES = {
    GlorotUniform(): 2 / (FAN_IN + FAN_OUT),
    GlorotNormal(): 2 / (FAN_IN + FAN_OUT),
    HeUniform(): 2 / FAN_IN,
    HeNormal(): 2 / FAN_IN,
    LecunUniform(): 1 / FAN_IN,
    LecunNormal(): 1 / FAN_IN,
    SpreadBiases(): 1 / FAN_IN,
    Normal(): 0.05**2,
    Normal(2): 4,
    Orthogonal(): 1 / FAN_OUT,
    Orthogonal(3): 9 / FAN_OUT,
}


def test_every_name_has_its_variance():
    assert {*BY_NAME.values()} <= {*VARIANCES, Zeros()}


@pytest.mark.parametrize(("initializer", "variance"), VARIANCES.items(), ids=map(repr, VARIANCES))
def test_distribution(initializer, variance):
    W = draw(initializer, (FAN_IN, FAN_OUT), seed=1)[0]
    std = sqrt(variance)
    assert W.std() == pytest.approx(std, rel=0.02)
    assert abs(W.mean()) < 5 * std / sqrt(W.size)
    if "Uniform" in type(initializer).__name__:
        bound = std * sqrt(3)
        assert 0.999 * bound < np.abs(W).max() <= bound
        assert kstest(W.ravel(), "uniform", (-bound, 2 * bound)).pvalue > 1e-3
    else:
        assert kstest(W.ravel(), "norm", (0, std)).pvalue > 1e-3


def test_scaling_is_the_same_draw():
    W = draw(LecunNormal(), (8, 5))[0]
    assert_allclose(draw(HeNormal(), (8, 5))[0], sqrt(2) * W)
    assert_allclose(draw(GlorotNormal(), (8, 5))[0], sqrt(2 * 8 / 13) * W)
    assert_allclose(draw(Normal(sqrt(1 / 8)), (8, 5))[0], W)
    U = draw(LecunUniform(), (8, 5))[0]
    assert_allclose(draw(HeUniform(), (8, 5))[0], sqrt(2) * U)
    assert_allclose(draw(GlorotUniform(), (8, 5))[0], sqrt(2 * 8 / 13) * U)


def test_logistic_has_a_smaller_glorot_uniform_as_in_scikit_learn():
    W = draw(GlorotUniform(), (8, 5))[0]
    smaller = draw(GlorotUniform(), (8, 5), site=Site(0, 2, Logistic()))[0]
    assert_allclose(smaller, W / sqrt(3))


def test_zeros():
    W, b = draw(Zeros(), (3, 4))
    assert_array_equal(W, 0.0)
    assert_array_equal(b, 0.0)


# ------------------------------------------------------------------------------------ orthogonal
@each_shape
@pytest.mark.parametrize("gain", [1.0, 0.5, 3])
def test_orthogonal(shape, gain):
    W = draw(Orthogonal(gain), shape)[0]
    product = W.T @ W if shape[0] >= shape[1] else W @ W.T
    assert_allclose(product, gain**2 * np.eye(min(shape)), atol=1e-13)


def test_orthogonal_wide_is_tall_turned():
    assert_array_equal(draw(Orthogonal(), (3, 8))[0], draw(Orthogonal(), (8, 3))[0].T)


def test_orthogonal_favours_no_direction():
    """Without the signs, Householder's Q has a diagonal of one sign."""
    first = np.array([draw(Orthogonal(), (2, 2), seed)[0] for seed in range(500)])
    angle = np.arctan2(first[:, 1, 0], first[:, 0, 0]) / (2 * np.pi) + 0.5
    assert kstest(angle, "uniform").pvalue > 1e-3
    assert np.mean(np.linalg.det(first) > 0) == pytest.approx(0.5, abs=0.1)


# ------------------------------------------------------------------------------- PyTorch's own
@pytest.mark.parametrize(
    ("initializer", "name", "params"),
    [
        (GlorotUniform(), "xavier_uniform_", {}),
        (GlorotNormal(), "xavier_normal_", {}),
        (HeUniform(), "kaiming_uniform_", {}),
        (HeNormal(), "kaiming_normal_", {}),
        (LecunUniform(), "kaiming_uniform_", {"nonlinearity": "linear"}),
        (LecunNormal(), "kaiming_normal_", {"nonlinearity": "linear"}),
        (Orthogonal(2.0), "orthogonal_", {"gain": 2.0}),
    ],
    ids=repr,
)
def test_pytorch_draws_as_widely(initializer, name, params):
    torch = pytest.importorskip("torch")
    W = torch.empty(FAN_OUT, FAN_IN)  # transposed there
    generator = torch.Generator().manual_seed(0)
    getattr(torch.nn.init, name)(W, generator=generator, **params)
    ours = draw(initializer, (FAN_IN, FAN_OUT))[0]
    assert ours.std() == pytest.approx(float(W.std()), rel=0.02)
    if "uniform" in name:
        assert np.abs(ours).max() == pytest.approx(float(W.abs().max()), rel=1e-3)


# --------------------------------------------------------------------------------- in estimators
@pytest.mark.parametrize("name", BY_NAME)
def test_by_name(name):
    X = np.random.default_rng(0).normal(size=(20, 3))
    fitted = [
        MLPRegressor(hidden_layer_sizes=(4,), initializer=value, random_state=0).partial_fit(
            X, X[:, 0]
        )
        for value in (name, BY_NAME[name])
    ]
    assert_array_equal(fitted[0].coefs_[0], fitted[1].coefs_[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Normal(0.0), r"'std' parameter of Normal must be a number in \(0, inf\). Got 0.0"),
        (lambda: Normal(inf), "must be a number"),
        (
            lambda: Orthogonal(-1.0),
            r"'gain' parameter of Orthogonal must be a number in \(0, inf\)",
        ),
        (lambda: Orthogonal("2"), "Got '2' instead"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_spread_biases():
    b = draw(SpreadBiases(), (10, 2000))[1]
    assert abs(b.mean()) < 0.1
    assert abs(b.std() - 1.0) < 0.1
    for array in draw(SpreadBiases(), (10, 3), site=Site(1, 2, Relu())):
        assert_array_equal(array, 0.0)
