"""Every activation function alone: values, derivatives, arrays of every kind, extremes."""

from math import inf, nan, pi, sqrt

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.special import erf, expit

from sknn_scratch.components import (
    Elu,
    Gelu,
    LeakyRelu,
    Logistic,
    Mish,
    Relu,
    Selu,
    Silu,
    Softplus,
    Tanh,
)
from sknn_scratch.contracts import Activation
from sknn_scratch.registry import lookup, names


class Softsign(Activation):
    """f(z) = z / (1 + |z|), f' = 1 / (1 + |z|)², which goes to 0 like a power of z."""

    def forward(self, z, out):
        return np.divide(z, 1 + np.abs(z), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, (1 - np.abs(a)) ** 2, out=out)


class Squareplus(Activation):
    """f(z) = (z + √(z² + 4)) / 2, f' = (1 + z / √(z² + 4)) / 2, 1/z² away from its limits."""

    needs_input = True

    def forward(self, z, out):
        return np.multiply(0.5, z + np.hypot(z, 2), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 0.5 + 0.5 * z / np.hypot(z, 2), out=out)


OTHERS = [LeakyRelu(0.0), LeakyRelu(0.3), LeakyRelu(1), Elu(0.0), Elu(0.5), Elu(2), Gelu("tanh")]
OTHERS += [Softsign(), Squareplus()]
ALL = [*(lookup("activation", name)() for name in names("activation")), *OTHERS]
each = pytest.mark.parametrize("f", ALL, ids=repr)
each_order = pytest.mark.parametrize("order", ["C", "F"])
each_dtype = pytest.mark.parametrize("dtype", [np.float32, np.float64])


def forward(f, z):
    return f.forward(z, np.full_like(z, nan))


def backward(f, grad, z):
    """Return grad * f'(z), with no more than the activation asks for."""
    return f.backward(grad, forward(f, z), z if f.needs_input else None, np.full_like(z, nan))


def slope(f, z):
    return backward(f, np.ones_like(z), z)


def make_points(f, low=-6.0, high=6.0, n=240):
    """Points (n / 6, 6) that stay clear of kinks."""
    z = np.linspace(low, high, n)
    for kink in f.kinks:
        z[np.abs(z - kink) < 1e-3] += 0.01
    return z.reshape(-1, 6)


# ------------------------------------------------------------------------- values and slopes
@each
def test_slope_is_the_derivative(f):
    z, step = make_points(f), 1e-5
    numeric = (forward(f, z + step) - forward(f, z - step)) / (2 * step)
    assert_allclose(slope(f, z), numeric, rtol=0, atol=1e-8)


@each
def test_slope_jumps_at_kinks_only(f):
    z = np.linspace(-4, 4, 81)[None]
    jumps = np.abs(slope(f, z + 1e-9) - slope(f, z - 1e-9)) > 1e-6
    assert set(np.round(z[jumps], 6)) <= set(f.kinks)


def tanh_gelu_u(z):
    return sqrt(2 / pi) * (z + 0.044715 * z**3), sqrt(2 / pi) * (1 + 0.134145 * z**2)


def tanh_gelu_slope(z):
    u, du = tanh_gelu_u(z)
    return (1 + np.tanh(u)) / 2 + 2 * z * du * expit(2 * u) * expit(-2 * u)


LAMBDA, ALPHA = Selu._scale, Selu._elu.alpha
# The formulas as their papers have them.
FORMULAS = {
    LeakyRelu(0.3): (lambda z: np.where(z > 0, z, 0.3 * z), lambda z: np.where(z > 0, 1, 0.3)),
    Elu(0.5): (
        lambda z: np.where(z > 0, z, 0.5 * (np.exp(z) - 1)),
        lambda z: np.where(z > 0, 1, 0.5 * np.exp(z)),
    ),
    Selu(): (
        lambda z: LAMBDA * np.where(z > 0, z, ALPHA * (np.exp(z) - 1)),
        lambda z: LAMBDA * np.where(z > 0, 1, ALPHA * np.exp(z)),
    ),
    Softplus(): (lambda z: np.log(1 + np.exp(z)), expit),
    Silu(): (
        lambda z: z * expit(z),
        lambda z: expit(z) + z * expit(z) * expit(-z),
    ),
    Gelu(): (
        lambda z: z * (1 + erf(z / sqrt(2))) / 2,
        lambda z: (1 + erf(z / sqrt(2))) / 2 + z * np.exp(-(z**2) / 2) / sqrt(2 * pi),
    ),
    Gelu("tanh"): (lambda z: z / 2 * (1 + np.tanh(tanh_gelu_u(z)[0])), tanh_gelu_slope),
    Mish(): (
        lambda z: z * np.tanh(np.log(1 + np.exp(z))),
        lambda z: (
            np.tanh(np.log(1 + np.exp(z)))
            + z * expit(z) * (1 - np.tanh(np.log(1 + np.exp(z))) ** 2)
        ),
    ),
}


@pytest.mark.parametrize(("f", "formulas"), FORMULAS.items(), ids=map(repr, FORMULAS))
def test_formulas(f, formulas):
    z = np.linspace(-30, 30, 2401)[:, None]
    assert 0.0 in z
    value, derivative = formulas
    assert_allclose(forward(f, z), value(z), rtol=1e-13, atol=1e-14)
    assert_allclose(slope(f, z), derivative(z), rtol=1e-12, atol=1e-14)


def test_small_values_keep_their_digits():
    z = np.array([[-1e-12, -1e-6, 1e-12]])
    assert_allclose(forward(Elu(), z), [[-1e-12, -1e-6 + 5e-13, 1e-12]], rtol=1e-11)
    z = np.array([[-40.0, -700.0]])
    assert_allclose(forward(Softplus(), z), np.exp(z), rtol=1e-12)
    assert_allclose(slope(Softplus(), z), np.exp(z), rtol=1e-12)


def test_reductions():
    z = np.linspace(-5, 5, 61)[None]
    assert_array_equal(forward(LeakyRelu(0.0), z), forward(Relu(), z))
    assert_array_equal(forward(Elu(0.0), z), forward(Relu(), z))
    assert_array_equal(forward(LeakyRelu(1.0), z), z)
    assert_allclose(forward(Silu(), z), z * forward(Logistic(), z), rtol=1e-15)
    softplus = forward(Softplus(), z)
    assert_allclose(forward(Mish(), z), z * forward(Tanh(), softplus), rtol=1e-13, atol=1e-16)
    assert_allclose(slope(Softplus(), z), forward(Logistic(), z), rtol=1e-13)


def test_selu_keeps_mean_0_and_variance_1():
    def at(z):
        return forward(Selu(), np.array([[z]]))[0, 0]

    def expectation(g):
        parts = [(-inf, 0), (0, inf)]
        density = 1 / sqrt(2 * pi)
        return sum(quad(lambda z: g(z) * density * np.exp(-(z**2) / 2), *p)[0] for p in parts)

    assert expectation(at) == pytest.approx(0, abs=1e-9)
    assert expectation(lambda z: at(z) ** 2) == pytest.approx(1, abs=1e-9)


def test_slope_at_zero():
    """At a kink the slope is the left one, as in PyTorch."""
    expected = {
        LeakyRelu(0.3): 0.3,
        Elu(0.5): 0.5,
        Selu(): LAMBDA * ALPHA,
        Softplus(): 0.5,
        Silu(): 0.5,
        Gelu(): 0.5,
        Gelu("tanh"): 0.5,
        Mish(): 0.6,
    }
    for f, at_0 in expected.items():
        smallest = np.nextafter(0.0, 1.0)
        assert_allclose(slope(f, np.array([[-0.0, 0.0]])), at_0, rtol=1e-14)
        if not f.kinks:
            assert_allclose(slope(f, np.array([[-smallest, smallest]])), at_0, rtol=1e-14)


# ------------------------------------------------------------------------------ PyTorch's own
def torch_twins(torch):
    F = torch.nn.functional
    return {
        Relu(): F.relu,
        Tanh(): torch.tanh,
        Logistic(): torch.sigmoid,
        LeakyRelu(): F.leaky_relu,
        LeakyRelu(0.3): lambda z: F.leaky_relu(z, 0.3),
        Elu(): F.elu,
        Elu(0.5): lambda z: F.elu(z, 0.5),
        Selu(): F.selu,
        Gelu(): F.gelu,
        Gelu("tanh"): lambda z: F.gelu(z, approximate="tanh"),
        Silu(): F.silu,
        Mish(): F.mish,
        Softplus(): F.softplus,
    }


@each_dtype
def test_pytorch(dtype):
    torch = pytest.importorskip("torch")
    z = np.concatenate([np.linspace(-40, 40, 1601), [-1e4, 0.0, 1e4]]).astype(dtype)[:, None]
    grad = np.cos(np.arange(z.size, dtype=dtype))[:, None]
    tolerance = 1e-6 if dtype == np.float32 else 1e-12
    if dtype == np.float64:  # PyTorch's softplus is z itself above 20
        z = z[(z < 20) | (z > 30)][:, None]
        grad = grad[: len(z)]
    for f, twin in torch_twins(torch).items():
        x = torch.from_numpy(z.copy()).requires_grad_()
        y = twin(x)
        y.backward(torch.from_numpy(grad))
        assert_allclose(forward(f, z), y.detach().numpy(), rtol=tolerance, atol=tolerance)
        assert_allclose(
            backward(f, grad, z),
            x.grad.numpy(),
            rtol=tolerance,
            atol=5 * tolerance,
            err_msg=repr(f),
        )


def test_pytorch_has_the_same_defaults():
    torch = pytest.importorskip("torch")
    assert torch.nn.LeakyReLU().negative_slope == LeakyRelu().negative_slope
    assert torch.nn.ELU().alpha == Elu().alpha
    assert torch.nn.GELU().approximate == Gelu().approximate


# ----------------------------------------------------------------------------- kinds of array
@each
@each_order
@each_dtype
def test_out_may_be_the_input_and_nothing_else_changes(f, order, dtype):
    rng = np.random.default_rng(0)
    z, grad = (np.asarray(rng.normal(size=(7, 5)), dtype, order=order) for _ in range(2))
    z[0, 0], grad[1, 1] = 0.0, 0.0
    z_before, grad_before = z.copy(order), grad.copy(order)
    a = forward(f, z)
    assert_array_equal(z, z_before)
    out = z.copy(order)
    assert f.forward(out, out) is out
    assert_array_equal(out, a)

    a_before = a.copy(order)
    slot = z if f.needs_input else None
    result = np.full_like(z, nan)
    assert f.backward(grad, a, slot, result) is result
    for array, before in [(z, z_before), (grad, grad_before), (a, a_before)]:
        assert_array_equal(array, before)
    out = grad.copy(order)
    assert f.backward(out, a, slot, out) is out
    assert_array_equal(out, result)
    for array, before in [(z, z_before), (a, a_before)]:
        assert_array_equal(array, before)
    assert a.dtype == result.dtype == dtype


@each
def test_memory_order_does_not_matter(f):
    z = np.random.default_rng(1).normal(size=(70, 80))
    grad = np.cos(z)
    other = np.asfortranarray(z)
    assert_allclose(forward(f, other), forward(f, z), rtol=1e-14)
    assert_allclose(backward(f, np.asfortranarray(grad), other), backward(f, grad, z), rtol=1e-14)
    strided = np.empty((140, 80))[::2]
    strided[...] = z
    assert_allclose(forward(f, strided), forward(f, z), rtol=1e-14)


@pytest.mark.parametrize("cls", [LeakyRelu, Elu])
def test_fields_may_be_numpy_numbers(cls):
    """As a grid search over np.linspace has them: float32 stays float32 throughout."""
    z = np.linspace(-3, 3, 60, dtype=np.float32)[None]
    for number in (np.float64(0.3), np.float32(0.3)):
        f, plain = cls(number), cls(float(number))
        assert_array_equal(forward(f, z), forward(plain, z))
        assert_array_equal(slope(f, z), slope(plain, z))


@each
def test_float32_agrees_with_float64(f):
    z = np.linspace(-100, 100, 2400).reshape(-1, 6)
    for function in (forward, slope):
        double, single = function(f, z), function(f, z.astype(np.float32))
        assert_allclose(single, double, rtol=1e-5, atol=5e-6)


#: Sizes of z at which exponentials and powers overflow or vanish.
LARGE = np.geomspace(100, 2e4, 54)


def check_large(f, dtype):
    """Assert that values and slopes agree at large |z|, whatever the limits and the way to them.

    By the mean value theorem, f rises between two points with a slope that it has in between:
    one between those at the points, unless f is periodic.
    """
    z = np.array([-LARGE, LARGE], dtype)
    rise, slopes = np.diff(forward(f, z)) / np.diff(z), slope(f, z)
    before, after = slopes[:, :-1], slopes[:, 1:]
    # A value is rounded by up to eps |z|, and neighbours are a tenth of |z| apart.
    rounding = 20 * np.finfo(dtype).eps
    assert (rise >= np.minimum(before, after) - rounding).all()
    assert (rise <= np.maximum(before, after) + rounding).all()
    assert (jumps(f, z[:, :-1], z[:, 1:]) < 0.01).all()


def jumps(f, low, high):
    """Return by how much the slope jumps in each interval, found by bisection."""
    for _ in range(50):
        middle = low + (high - low) / 2
        is_left = abs(slope(f, middle) - slope(f, low)) > abs(slope(f, high) - slope(f, middle))
        low, high = np.where(is_left, low, middle), np.where(is_left, middle, high)
    return abs(slope(f, high) - slope(f, low))


@each
@each_order
@each_dtype
def test_extremes(f, order, dtype):
    sizes = np.logspace(-45, 4, 99)
    z = np.asarray(np.stack([-sizes, sizes, 0 * sizes]), dtype, order=order)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        a, g = forward(f, z), slope(f, z)
        check_large(f, dtype)
    assert np.isfinite(a).all()
    assert np.isfinite(g).all()


class Clipped(Softplus):
    """Softplus of z clipped against overflow, with the slope of z."""

    def forward(self, z, out):
        return super().forward(np.clip(z, -500, 500), out)


class Constant(Clipped):
    """Softplus of z clipped, with the slope 0 from there on."""

    def backward(self, grad, a, z, out):
        return np.multiply(grad, (1 - np.exp(-a)) * (a < 500), out=out)


class Vanishing(Softplus):
    """Softplus with the slope exp(z) / (1 + exp(z)), cut off where exp(z) overflows."""

    def backward(self, grad, a, z, out):
        with np.errstate(over="ignore", invalid="ignore"):
            return np.multiply(grad, np.nan_to_num(np.exp(a) / (1 + np.exp(a))), out=out)


class Steeper(Tanh):
    """Tanh with a slope that does not go to 0."""

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 1.00001 - a * a, out=out)


@each_dtype
@pytest.mark.parametrize("f", [Clipped(), Constant(), Vanishing(), Steeper()], ids=repr)
def test_wrong_extremes_are_found(f, dtype):
    with pytest.raises(AssertionError):
        check_large(f, dtype)


@each
def test_nan_is_not_hidden(f):
    z = np.array([[nan, 1.0]])
    assert_array_equal(np.isnan(forward(f, z)), [[True, False]])


# ---------------------------------------------------------------------------------- bad values
@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LeakyRelu(-0.1), r"'negative_slope' .* LeakyRelu must be a number in \[0, 1\]"),
        (lambda: LeakyRelu(1.5), r"must be a number in \[0, 1\]. Got 1.5 instead"),
        (lambda: LeakyRelu("0.1"), "must be a number"),
        (lambda: Elu(-1.0), r"'alpha' parameter of Elu must be a number in \[0, inf\)"),
        (lambda: Elu(inf), "must be a number"),
        (lambda: Elu(nan), "must be a number"),
        (lambda: Gelu(True), "'approximate' parameter of Gelu must be 'none' or 'tanh'. Got True"),
        (lambda: Gelu("erf"), "Got 'erf' instead"),
    ],
)
def test_bad_values(make, message):
    with pytest.raises(ValueError, match=message):
        make()
