"""Checks of optimizers."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, State
from sknn_scratch.testing._common import is_plain, name, same_state

RATES = (1e-3, 1e-2, 0.1, 0.5)
Gradient = Callable[[Array], Array]


def _groups(size: int) -> dict[str, slice]:
    half = size // 2
    return {"W0": slice(0, half), "b0": slice(half, size), "decayed": slice(0, half)}


def _start(optimizer: Optimizer, theta: Array) -> State:
    return optimizer.init(theta, _groups(theta.size))


def _run(
    optimizer: Optimizer, gradient: Gradient, theta: Array, state: State, lr: float, steps: int
) -> Array:
    """Take steps from a copy of theta; return where they lead."""
    theta = theta.copy()
    seen = theta.view()
    seen.flags.writeable = False
    for _ in range(steps):
        direction, scratch = gradient(theta), np.full_like(theta, np.nan)
        try:
            optimizer.update(direction, state, seen, lr, scratch)
        except ValueError as error:
            raise AssertionError(
                f"{name(optimizer)}.update failed: {error}. theta is read-only: write the step "
                "into `direction`, the loop adds it."
            ) from error
        theta += direction
    return theta


def _bowl(theta: Array) -> Array:
    """Return the gradient of ½ Σ k θ_k², k = 1 .. n."""
    return (theta * np.arange(1, theta.size + 1)).astype(theta.dtype)


def _rosenbrock(theta: Array) -> Array:
    x, y = theta
    return np.array([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


def check_goes_downhill(optimizer: Optimizer) -> None:
    """It minimises a parabola at some usual step size."""
    theta = np.linspace(0.5, 1.5, 6)
    ends = [_run(optimizer, _bowl, theta, _start(optimizer, theta), lr, 300) for lr in RATES]
    best = min(float(np.abs(end).max()) for end in ends)
    assert best < 0.3, (
        f"{name(optimizer)} does not come near the minimum of a parabola in 300 steps with any of "
        f"the step sizes {RATES}. The loop does theta += direction: the step must be signed, about "
        "-lr * gradient."
    )


def check_rosenbrock(optimizer: Optimizer) -> None:
    """It makes headway in Rosenbrock's valley."""
    theta = np.array([-1.2, 1.0])
    values = []
    for lr in (1e-4, *RATES):
        with np.errstate(all="ignore"):
            x, y = _run(optimizer, _rosenbrock, theta, _start(optimizer, theta), lr, 1000)
        values.append((1 - x) ** 2 + 100 * (y - x * x) ** 2)
    best = min((v for v in values if np.isfinite(v)), default=np.inf)
    assert best < 4.5, (
        f"{name(optimizer)} stays at {best:.3g} in Rosenbrock's valley (24.2 at the start) with "
        f"any of the step sizes {(1e-4, *RATES)}: look at the signs and decays of its moments."
    )


def check_zero_rate(optimizer: Optimizer) -> None:
    """With lr = 0 nothing moves."""
    theta = np.linspace(-1, 1, 6)
    end = _run(optimizer, _bowl, theta, _start(optimizer, theta), 0.0, 5)
    assert np.array_equal(end, theta), (
        f"{name(optimizer)} moves theta at lr = 0: multiply the whole step by lr, decay of "
        "weights included."
    )


def check_state_is_plain_and_its_own(optimizer: Optimizer) -> None:
    """The state is plain data; two fits at once do not touch each other."""
    theta = np.linspace(-1, 1, 6)
    alone, other = _start(optimizer, theta), _start(optimizer, theta)
    assert is_plain(alone), (
        f"{name(optimizer)}.init must return nested dicts with string keys of arrays, numbers, "
        "strings or None: that is what a checkpoint can hold."
    )
    desired = _run(optimizer, _bowl, theta, alone, 0.01, 6)
    a = b = theta
    for _ in range(6):  # interleaved: b runs on another state, from the same start
        b = _run(optimizer, lambda t: -3 * t, b, other, 0.01, 1)
    again = _start(optimizer, theta)
    for _ in range(6):
        a = _run(optimizer, _bowl, a, again, 0.01, 1)
        b = _run(optimizer, lambda t: -3 * t, b, other, 0.01, 1)
    undisturbed = np.array_equal(a, desired) and same_state(again, alone)
    assert undisturbed, (
        f"{name(optimizer)} gives another result when a second fit runs beside: keep all memory "
        "in the state that `init` returns, none on self, the class or the module."
    )


def check_resumes(optimizer: Optimizer) -> None:
    """Saved and loaded midway equals uninterrupted."""
    theta = np.linspace(-1, 1, 6)
    whole = _run(optimizer, _bowl, theta, _start(optimizer, theta), 0.01, 10)
    state = _start(optimizer, theta)
    half = _run(optimizer, _bowl, theta, state, 0.01, 5)
    end = _run(optimizer, _bowl, half, pickle.loads(pickle.dumps(state)), 0.01, 5)
    assert np.array_equal(end, whole), (
        f"{name(optimizer)} goes on differently after its state was saved and loaded: keep "
        "everything, the number of steps too, in the state."
    )


def check_float32_stays(optimizer: Optimizer) -> None:
    """float32 parameters have a float32 state and float32 steps."""
    theta = np.linspace(-1, 1, 6, dtype=np.float32)
    state = _start(optimizer, theta)
    _run(optimizer, _bowl, theta, state, 0.01, 3)

    def arrays(tree: State) -> list[Array]:
        nested = [arrays(v) if isinstance(v, dict) else [v] for v in tree.values()]
        return [leaf for part in nested for leaf in part if isinstance(leaf, np.ndarray)]

    wide = [a.dtype for a in arrays(state) if a.dtype == np.float64 and a.shape == theta.shape]
    assert not wide, (
        f"{name(optimizer)} keeps float64 vectors for float32 parameters: make them with "
        "np.zeros_like(theta) and update in place."
    )


def check_allocates_little(optimizer: Optimizer) -> None:
    """A step allocates less than one vector of theta's size."""
    theta = np.linspace(-1, 1, 300_000)
    state, direction, scratch = _start(optimizer, theta), _bowl(theta), np.empty_like(theta)
    optimizer.update(direction, state, theta, 0.01, scratch)
    tracemalloc.start()
    try:
        optimizer.update(direction, state, theta, 0.01, scratch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < theta.nbytes, (
        f"{name(optimizer)}.update allocates {peak / theta.nbytes:.1f} vectors of theta's size: "
        "work in place, into `direction`, the state's vectors and `scratch`."
    )


def check_readout(optimizer: Optimizer) -> None:
    """``readout`` returns parameters of the same shape and leaves theta alone."""
    theta = np.linspace(-1, 1, 6)
    state = _start(optimizer, theta)
    end = _run(optimizer, _bowl, theta, state, 0.01, 3)
    before = end.copy()
    result = optimizer.readout(end, state)
    assert (result.shape, result.dtype) == (end.shape, end.dtype), (
        f"{name(optimizer)}.readout must return a vector like theta."
    )
    assert np.array_equal(end, before), f"{name(optimizer)}.readout must not change theta."


CHECKS = (
    check_goes_downhill,
    check_rosenbrock,
    check_zero_rate,
    check_state_is_plain_and_its_own,
    check_resumes,
    check_float32_stays,
    check_allocates_little,
    check_readout,
)
