"""Checks of activations."""

from __future__ import annotations

import warnings

import numpy as np

from sknn_scratch.contracts import Activation, Array
from sknn_scratch.testing._common import assert_close, both_orders, name

UNITS = 7


def _inputs(f: Activation, dtype: type = np.float64) -> Array:
    """Return synaptic inputs from -6 to 6, away from kinks."""
    z = np.linspace(-6.0, 6.0, 40 * UNITS) + 0.0037
    for kink in f.kinks:
        z = np.where(np.abs(z - kink) < 1e-2, z + 0.02, z)
    return np.random.RandomState(0).permutation(z).reshape(-1, UNITS).astype(dtype)


def _forward(f: Activation, z: Array) -> Array:
    return f.forward(z, np.full_like(z, np.nan)).copy()


def _backward(f: Activation, grad: Array, z: Array) -> Array:
    a = _forward(f, z)
    return f.backward(grad, a, z if f.needs_input else None, np.full_like(z, np.nan)).copy()


def check_forward_writes_into_out(f: Activation) -> None:
    """``forward`` fills ``out``, returns it and leaves z alone."""
    z = _inputs(f)
    before, out = z.copy(), np.full_like(z, np.nan)
    result = f.forward(z, out)
    assert result is out, f"{name(f)}.forward must return the array `out` that it was given."
    assert not np.isnan(out).any(), f"{name(f)}.forward must fill all of `out`: write with out=out."
    assert np.array_equal(z, before), f"{name(f)}.forward must not change z unless `out` is z."


def check_backward_writes_into_out(f: Activation) -> None:
    """``backward`` fills ``out``, returns it and leaves its inputs alone."""
    z = _inputs(f)
    a, grad, out = _forward(f, z), np.cos(z), np.full_like(z, np.nan)
    before = a.copy(), z.copy(), grad.copy()
    try:
        result = f.backward(grad, a, z if f.needs_input else None, out)
    except TypeError as error:
        hint = "" if f.needs_input else " If it uses z, set needs_input = True on the class."
        raise AssertionError(f"{name(f)}.backward failed: {error}.{hint}") from error
    assert result is out, f"{name(f)}.backward must return the array `out` that it was given."
    assert not np.isnan(out).any(), f"{name(f)}.backward must fill all of `out`."
    for array, old, what in zip((a, z, grad), before, ("a", "z", "grad"), strict=True):
        assert np.array_equal(array, old), (
            f"{name(f)}.backward must not change {what}: copy before you write."
        )


def check_derivative(f: Activation) -> None:
    """``backward`` is grad times the derivative of ``forward``, by central differences."""
    z, step = _inputs(f), 1e-5
    grad = np.cos(3 * z)
    slope = (_forward(f, z + step) - _forward(f, z - step)) / (2 * step)
    assert_close(
        _backward(f, grad, z),
        grad * slope,
        1e-6,
        f"{name(f)}.backward is not grad times the derivative of forward. Correct the formula, or "
        "declare the points where the derivative jumps: kinks = (...,)",
    )


def check_out_may_be_the_input(f: Activation) -> None:
    """Results are the same when ``out`` is z, or grad."""
    z = _inputs(f)
    desired = _forward(f, z)
    assert_close(
        _in_place_forward(f, z),
        desired,
        0.0,
        f"{name(f)}.forward gives another result when `out` is z: do not read z after writing out",
    )
    grad, kept = np.cos(z), z if f.needs_input else None
    desired = _backward(f, grad, z)
    actual = grad.copy()
    f.backward(actual, _forward(f, z), kept, actual)
    assert_close(
        actual,
        desired,
        0.0,
        f"{name(f)}.backward gives another result when `out` is grad: do not read grad after "
        "writing out",
    )


def _in_place_forward(f: Activation, z: Array) -> Array:
    out = z.copy()
    return f.forward(out, out)


def check_is_elementwise(f: Activation) -> None:
    """Rows, and memory order, do not matter: layers are worked through in parts."""
    z = _inputs(f)
    desired = _forward(f, z)
    assert_close(
        np.concatenate([_forward(f, z[:5]), _forward(f, z[5:])]),
        desired,
        1e-12,
        f"{name(f)} must be applied to each element alone: results depend on the other rows",
    )
    for ordered in both_orders(z):
        message = f"{name(f)} depends on the memory order: no ravel, no reshape"
        assert_close(_forward(f, ordered), desired, 1e-12, message)
        slope = _backward(f, np.cos(ordered), ordered)
        assert_close(slope, _backward(f, np.cos(z), z), 1e-12, message)


def check_float32(f: Activation) -> None:
    """float32 gives float64's results to its precision, without a warning up to ±1e4."""
    z = _inputs(f)
    message = f"{name(f)} in float32 differs from float64: choose a stable formula"
    assert_close(_forward(f, z.astype(np.float32)), _forward(f, z), 1e-5, message)
    extreme = np.array([[-1e4, -100.0, 0.5, 100.0, 1e4]], np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            both = _forward(f, extreme), _backward(f, np.ones_like(extreme), extreme)
        except RuntimeWarning as warning:
            raise AssertionError(
                f"{name(f)} at ±1e4 in float32: {warning}. Choose a form that does not overflow, "
                "for example exp(-|z|) or tanh."
            ) from warning
    assert not np.isnan(both).any(), f"{name(f)} is not a number at ±1e4 in float32."


CHECKS = (
    check_forward_writes_into_out,
    check_backward_writes_into_out,
    check_derivative,
    check_out_may_be_the_input,
    check_is_elementwise,
    check_float32,
)
