"""Checks of activations."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from sknn_scratch.contracts import Activation, Array
from sknn_scratch.testing._common import both_orders, name, require, require_close

UNITS = 7


def _inputs(f: Activation) -> Array:
    """Return synaptic inputs from -6 to 6 that avoid kinks."""
    z = np.linspace(-6.0, 6.0, 40 * UNITS) + 0.0037
    for kink in f.kinks:
        z = np.where(np.abs(z - kink) < 1e-2, z + 0.02, z)
    return np.random.RandomState(0).permutation(z).reshape(-1, UNITS)


def _forward(f: Activation, z: Array) -> Array:
    """Return f(z), written into an array of z's memory order."""
    out = np.full_like(z, np.nan)
    f.forward(z, out)
    return out


def _backward(f: Activation, grad: Array, z: Array) -> Array:
    """Return grad * f'(z), passing z only if the activation needs it."""
    out = np.full_like(z, np.nan)
    f.backward(grad, _forward(f, z), z if f.needs_input else None, out)
    return out


def _slope(f: Activation, z: Array) -> Array:
    return _backward(f, np.ones_like(z), z)


def check_forward_writes_into_out(f: Activation) -> None:
    """``forward`` fills ``out``, returns it and does not change z."""
    z = _inputs(f)
    before, out = z.copy(), np.full_like(z, np.nan)
    result = f.forward(z, out)
    require(result is out, f"{name(f)}.forward must return the array `out` passed to it.")
    filled = not np.isnan(out).any()
    require(filled, f"{name(f)}.forward must fill all of `out` with numbers: write with out=out.")
    unchanged = np.array_equal(z, before)
    require(unchanged, f"{name(f)}.forward must not change z unless `out` is z.")


def check_backward_writes_into_out(f: Activation) -> None:
    """``backward`` fills ``out``, returns it and does not change its inputs."""
    z = _inputs(f)
    a, grad, out = _forward(f, z), np.cos(z), np.full_like(z, np.nan)
    before = a.copy(), z.copy(), grad.copy()
    result = f.backward(grad, a, z if f.needs_input else None, out)
    require(result is out, f"{name(f)}.backward must return the array `out` passed to it.")
    filled = not np.isnan(out).any()
    require(filled, f"{name(f)}.backward must fill all of `out` with numbers: write with out=out.")
    for array, old, what in zip((a, z, grad), before, ("a", "z", "grad"), strict=True):
        unchanged = np.array_equal(array, old)
        require(unchanged, f"{name(f)}.backward must not change {what}: copy before you write.")


def check_derivative(f: Activation) -> None:
    """``backward`` is grad times the derivative of ``forward``, by central differences."""
    z, step = _inputs(f), 1e-5
    grad = np.cos(3 * z)
    slope = (_forward(f, z + step) - _forward(f, z - step)) / (2 * step)
    require_close(
        _backward(f, grad, z),
        grad * slope,
        1e-6,
        f"{name(f)}.backward is not grad times the derivative of forward: correct one of the two",
    )


def check_kinks_are_declared(f: Activation) -> None:
    """f is continuous, and its derivative is discontinuous only at ``kinks``."""
    z = _largest_changes(lambda z: _forward(f, z), ())
    require(
        len(z) == 0,
        f"{name(f)}.forward jumps at z = {z}: an activation must be continuous, because its "
        "derivative cannot represent a jump.",
    )
    z = _largest_changes(lambda z: _slope(f, z), f.kinks)
    require(
        len(z) == 0,
        f"The derivative of {name(f)} jumps at z = {z}: declare it on the class, "
        f"kinks = {(*f.kinks, *z)}, or correct backward.",
    )


def _largest_changes(function: Callable[[Array], Array], known: tuple[float, ...]) -> list[float]:
    """Return where a function jumps in [-8, 8], by halving 2000 intervals 30 times."""
    ends = np.linspace(-8.0, 8.0, 2001)[None] + 1e-5
    low, high = ends[:, :-1], ends[:, 1:]
    for _ in range(30):
        middle = (low + high) / 2
        at_low, at_middle, at_high = function(low), function(middle), function(high)
        left = np.abs(at_middle - at_low) >= np.abs(at_high - at_middle)
        low, high = np.where(left, low, middle), np.where(left, middle, high)
    change = np.abs(function(high) - function(low))
    jumps = change > 1e-4 * max(float(np.abs(function(ends)).max()), 1e-3)
    found = sorted({round(float(z), 6) + 0.0 for z in low[jumps]})
    return [z for z in found if all(abs(z - kink) > 1e-5 for kink in known)]


def check_out_may_be_the_input(f: Activation) -> None:
    """Results are the same if ``out`` is z, or grad."""
    z = _inputs(f)
    actual = z.copy()
    f.forward(actual, actual)
    require_close(
        actual,
        _forward(f, z),
        0.0,
        f"{name(f)}.forward gives another result if `out` is z: do not read z after writing out",
    )
    actual = np.cos(z)
    f.backward(actual, _forward(f, z), z if f.needs_input else None, actual)
    require_close(
        actual,
        _backward(f, np.cos(z), z),
        0.0,
        f"{name(f)}.backward gives another result if `out` is grad: do not read grad after "
        "writing out",
    )


def check_is_elementwise(f: Activation) -> None:
    """Results do not depend on other rows and columns: layers are processed in parts."""
    z = _inputs(f)
    for what, part in (("rows", np.s_[:5]), ("units", np.s_[:, 3:])):
        alone = z[part].copy()
        message = f"{name(f)} must be elementwise, but results depend on the other {what}"
        require_close(_forward(f, alone), _forward(f, z)[part], 1e-12, message)
        slope = _backward(f, np.cos(alone), alone)
        require_close(slope, _backward(f, np.cos(z), z)[part], 1e-12, message)


def check_memory_order(f: Activation) -> None:
    """Results are the same in C and Fortran order."""
    z = _inputs(f)
    forward, backward = _forward(f, z), _backward(f, np.cos(z), z)
    for ordered in both_orders(z):
        message = f"{name(f)} depends on the memory order: do not use ravel or reshape"
        require_close(_forward(f, ordered), forward, 1e-12, message)
        require_close(_backward(f, np.cos(ordered), ordered), backward, 1e-12, message)


def check_float32(f: Activation) -> None:
    """float32 gives the results of float64 to its precision, without warnings up to ±1e4."""
    z = _inputs(f)
    single = z.astype(np.float32)
    message = f"{name(f)} in float32 differs from float64: choose a stable formula"
    require_close(_forward(f, single), _forward(f, z), 5e-5, message)
    require_close(_slope(f, single), _slope(f, z), 5e-5, message)
    extreme = np.array([[-1e4, -100.0, 0.5, 100.0, 1e4]], np.float32)
    alarms = np.errstate(over="warn", invalid="warn", divide="warn")
    with warnings.catch_warnings(), alarms:
        warnings.simplefilter("error", RuntimeWarning)
        try:
            both = _forward(f, extreme), _slope(f, extreme)
        except RuntimeWarning as warning:
            raise AssertionError(
                f"{name(f)} at ±1e4 in float32: {warning}. Use a formula that does not overflow, "
                "for example exp(-|z|) or tanh."
            ) from warning
    finite = bool(np.isfinite(both).all())
    require(finite, f"{name(f)} is not finite at ±1e4 in float32: use a formula that is.")


CHECKS = (
    check_forward_writes_into_out,
    check_backward_writes_into_out,
    check_derivative,
    check_kinks_are_declared,
    check_out_may_be_the_input,
    check_is_elementwise,
    check_memory_order,
    check_float32,
)
