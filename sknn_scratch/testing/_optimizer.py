"""Checks of optimizers, in part shared with transforms."""

from __future__ import annotations

import pickle
import tracemalloc
from collections.abc import Callable

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, State, Transform
from sknn_scratch.testing._common import is_plain_dict, leaves, name, require, same

RATES = (1e-3, 1e-2, 0.1, 0.5, 1.0)
Gradient = Callable[[Array], Array]
#: A component that changes a direction, with a state.
Rule = Optimizer | Transform


def start(rule: Rule, theta: Array) -> State:
    """Return the state before the first step, for two layers of weights and biases."""
    n, half = theta.size, theta.size // 2
    ends = {"W0": (0, half // 2), "W1": (half // 2, half), "b0": (half, n - half // 2)}
    ends |= {"b1": (n - half // 2, n), "decayed": (0, half)}
    state = rule.init(theta, {group: slice(*pair) for group, pair in ends.items()})
    message = f"{name(rule)}.init must return a dict, the state. Got {state!r}."
    require(isinstance(state, dict), message)
    _require_own_memory(rule, state, {"theta": theta})
    return state


def _require_own_memory(rule: Rule, state: State, buffers: dict[str, Array]) -> None:
    """Raise if the state contains a buffer of the training loop, which overwrites it."""
    for what, buffer in buffers.items():
        for leaf in leaves(state):
            own = not (isinstance(leaf, np.ndarray) and np.shares_memory(leaf, buffer))
            message = f"{name(rule)} stores `{what}` itself in its state, but the loop"
            require(own, f"{message} overwrites it: store {what}.copy(), or use np.copyto.")


def _run(
    rule: Rule, gradient: Gradient, theta: Array, state: State, lr: float, steps: int
) -> Array:
    """Make steps from a copy of theta, like the training loop; return the final theta."""
    theta = theta.copy()
    seen = theta.view()
    seen.flags.writeable = False
    direction, scratch = np.empty_like(theta), np.empty_like(theta)
    for _ in range(steps):
        direction[...] = gradient(theta)
        if isinstance(rule, Transform):  # as after an optimizer without a state
            direction *= -lr
        scratch.fill(np.nan)
        before = theta.copy()
        try:
            result = rule.update(direction, state, seen, lr, scratch)  # type: ignore[func-returns-value]
        except ValueError as error:
            raise AssertionError(
                f"{name(rule)}.update failed: {error}. theta is read-only: write the step "
                "into `direction`, and the loop adds it."
            ) from error
        message = f"{name(rule)}.update must return None: write the step into `direction`."
        require(result is None, message)
        # BLAS ignores the read-only flag.
        message = f"{name(rule)}.update changes theta: write the step into `direction`."
        require(np.array_equal(theta, before, equal_nan=True), message)
        theta += direction
    _require_own_memory(rule, state, {"direction": direction, "scratch": scratch})
    return theta


def _bowl(theta: Array) -> Array:
    """Return the gradient of ½ Σ k (θ_k + ½)², k = 1 .. n; weight decay alone misses -½."""
    return ((theta + 0.5) * np.arange(1, theta.size + 1)).astype(theta.dtype)


def _other_bowl(theta: Array) -> Array:
    return 3 * (theta - 2)


def _rosenbrock(theta: Array) -> Array:
    """Return the gradient of Σ (1 - x)² + 100 (y - x²)² over two pairs (x, y)."""
    x, y = theta[:2], theta[2:]
    return np.concatenate([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)])


def check_steps_are_written_into_direction(rule: Rule) -> None:
    """``update`` writes the step into ``direction``, and changes only the state otherwise."""
    theta = np.linspace(-1, 1, 8)
    before = theta.copy()
    state = start(rule, theta)
    unchanged = np.array_equal(theta, before)
    require(unchanged, f"{name(rule)}.init must not change theta.")
    end = _run(rule, _bowl, theta, state, 0.01, 1)
    message = (
        f"{name(rule)}.update writes values into `direction` that are not finite. `scratch` "
        "has undefined contents: write to it before you read it."
    )
    require(bool(np.isfinite(end).all()), message)


def check_state_is_plain_and_its_own(rule: Rule) -> None:
    """The state is plain data, and concurrent fits do not affect each other."""
    theta = np.linspace(-1, 1, 8)
    alone, again, other = (start(rule, theta) for _ in range(3))
    desired = _run(rule, _bowl, theta, alone, 0.01, 6)
    for state in (again, alone):
        require(
            is_plain_dict(state),
            f"{name(rule)}: the state must be nested dicts with string keys of arrays, "
            "numbers, strings or None, because a checkpoint can store nothing else.",
        )
    a = b = theta
    for _ in range(6):
        a = _run(rule, _bowl, a, again, 0.01, 1)
        b = _run(rule, _other_bowl, b, other, 0.1, 2)
    undisturbed = np.array_equal(a, desired) and same(again, alone)
    require(
        undisturbed,
        f"{name(rule)} gives another result when a second fit runs at the same time: store "
        "all state in the dict that `init` returns, not on self, the class or the module.",
    )


def check_zero_rate(rule: Rule) -> None:
    """With lr = 0, theta does not change."""
    theta = np.linspace(-1, 1, 8)
    end = _run(rule, _bowl, theta, start(rule, theta), 0.0, 5)
    require(
        np.array_equal(end, theta),
        f"{name(rule)} changes theta at lr = 0: multiply the whole step by lr, including "
        "weight decay.",
    )


def check_goes_downhill(optimizer: Optimizer) -> None:
    """The optimizer minimises a parabola at some common learning rate."""
    theta = np.linspace(0.5, 1.5, 6)
    ends = [_run(optimizer, _bowl, theta, start(optimizer, theta), lr, 300) for lr in RATES]
    away = [float(np.abs(end + 0.5).max()) for end in ends]
    require(
        min(filter(np.isfinite, away), default=np.inf) < 0.3,
        f"{name(optimizer)} does not approach the minimum of a parabola in 300 steps with any of "
        f"the learning rates {RATES}. The loop adds the step to theta: it must be signed, about "
        "-lr * gradient.",
    )


def check_rosenbrock(optimizer: Optimizer) -> None:
    """The optimizer lowers the Rosenbrock function below 1.0, which weight decay alone reaches."""
    theta = np.array([-1.2, -1.2, 1.0, 1.0])
    values = []
    for lr in (1e-4, *RATES):
        end = _run(optimizer, _rosenbrock, theta, start(optimizer, theta), lr, 1000)
        x, y = end[:2], end[2:]
        values.append(float(np.max((1 - x) ** 2 + 100 * (y - x * x) ** 2)))
    best = min((v for v in values if np.isfinite(v)), default=np.inf)
    require(
        best < 0.95,
        f"{name(optimizer)} reaches only {best:.3g} on the Rosenbrock function (24.2 at the start) "
        f"with the learning rates {(1e-4, *RATES)}: check the signs and decays of its moments.",
    )


def check_resumes(rule: Rule) -> None:
    """Training resumed from a saved state equals uninterrupted training."""
    theta = np.linspace(-1, 1, 8)
    whole = _run(rule, _bowl, theta, start(rule, theta), 0.01, 10)
    state = start(rule, theta)
    half = _run(rule, _bowl, theta, state, 0.01, 5)
    end = _run(rule, _bowl, half, pickle.loads(pickle.dumps(state)), 0.01, 5)
    require(
        np.array_equal(end, whole),
        f"{name(rule)} continues differently after its state was saved and loaded: store "
        "everything, including the number of steps, in the state.",
    )
    goes_on = rule.continues(rule.evolve())  # type: ignore[arg-type]
    require(goes_on, f"{name(rule)}.continues must return True for an equal one.")


def check_float32_stays(rule: Rule) -> None:
    """float32 parameters have a float32 state, and steps close to those of float64."""
    ends: dict[type, Array] = {}
    for dtype in (np.float32, np.float64):
        theta = np.linspace(-1, 1, 8, dtype=dtype)
        state = start(rule, theta)
        ends[dtype] = _run(rule, _bowl, theta, state, 0.01, 3)
        arrays = [leaf for leaf in leaves(state) if isinstance(leaf, np.ndarray)]
        wide = [a for a in arrays if a.dtype.itemsize > theta.itemsize and a.shape == theta.shape]
        require(
            not wide,
            f"{name(rule)} stores float64 vectors for float32 parameters: create them with "
            "np.zeros_like(theta) and update in place.",
        )
    close = np.allclose(ends[np.float32], ends[np.float64], rtol=0, atol=1e-5)
    require(close, f"{name(rule)} in float32 differs from float64: choose a stable formula.")


def check_allocates_little(rule: Rule) -> None:
    """A step allocates less memory than one vector of theta's size."""
    theta = np.linspace(-1, 1, 300_000)
    state, direction, scratch = start(rule, theta), _bowl(theta), np.empty_like(theta)
    rule.update(direction, state, theta, 0.01, scratch)
    tracemalloc.start()
    try:
        rule.update(direction, state, theta, 0.01, scratch)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    require(
        peak < theta.nbytes,
        f"{name(rule)}.update allocates {peak / theta.nbytes:.1f} vectors of theta's size: "
        "work in place, into `direction`, the state's vectors and `scratch`.",
    )


def check_readout(optimizer: Optimizer) -> None:
    """``readout`` returns parameters of the same shape, and changes neither theta nor state."""
    theta = np.linspace(-1, 1, 8)
    state = start(optimizer, theta)
    end = _run(optimizer, _bowl, theta, state, 0.01, 3)
    before = end.copy(), pickle.loads(pickle.dumps(state))
    result = optimizer.readout(end, state)
    alike = isinstance(result, np.ndarray) and (result.shape, result.dtype) == (
        end.shape,
        end.dtype,
    )
    require(alike, f"{name(optimizer)}.readout must return a vector of theta's shape and dtype.")
    unchanged = same((end, state), before)
    require(unchanged, f"{name(optimizer)}.readout must not change theta or the state.")


CHECKS = (
    check_steps_are_written_into_direction,
    check_state_is_plain_and_its_own,
    check_zero_rate,
    check_goes_downhill,
    check_rosenbrock,
    check_resumes,
    check_float32_stays,
    check_allocates_little,
    check_readout,
)
