"""Checks of losses."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np

from sknn_scratch.contracts import Array, Loss, TargetRange
from sknn_scratch.core import probe, weighting
from sknn_scratch.testing._common import both_orders, name, require, require_close
from sknn_scratch.testing._link import EXTREMES, ROWS, extremes, require_logarithm

TASKS = ("regression", "binary", "multiclass", "multilabel")


def _cases(loss: Loss) -> Iterator[tuple[Array, Array]]:
    """Yield (y, raw) with one and with three columns of y, if the loss accepts them."""
    rng = np.random.RandomState(0)
    for n_targets in _numbers_of_columns(loss):
        n_raw = loss.n_raw(n_targets)
        yield _targets(loss, n_targets, rng), rng.normal(size=(ROWS, n_raw))


def _numbers_of_columns(loss: Loss) -> list[int]:
    """Return the numbers of columns of y to try; two classes have one, or two if ``one_hot``."""
    if set(loss.tasks) == {"binary"}:
        return [2] if loss.one_hot else [1]
    accepted = []
    for n_targets in (1, 3):
        try:
            loss.n_raw(n_targets)
        except ValueError:
            continue
        accepted.append(n_targets)
    return accepted


def _targets(loss: Loss, n_targets: int, rng: np.random.RandomState) -> Array:
    """Return targets from the whole range that the loss accepts, including its bounds."""
    if loss.one_hot:
        return np.eye(n_targets)[rng.randint(n_targets, size=ROWS)]
    shape = (ROWS, n_targets)
    if set(loss.tasks) & {"binary", "multilabel"}:
        return rng.randint(2, size=shape).astype(float)
    low, high = loss.target_range.low, loss.target_range.high
    if np.isfinite(low) and np.isfinite(high):
        y = low + (high - low) * rng.uniform(0.05, 0.95, shape)
    else:
        y = rng.gamma(2.0, size=shape) + 0.05
        y = low + y if np.isfinite(low) else high - y if np.isfinite(high) else y - 2.0
    if np.isfinite(low) and not loss.target_range.low_is_open:
        y[0] = low
    if np.isfinite(high):
        y[1] = high
    return y


def _value_and_grad(
    loss: Loss, y: Array, raw: Array, weight: Array | None = None
) -> tuple[float, Array]:
    out = np.full_like(raw, np.nan)
    return loss.value_and_grad(y, raw, weight, out), out


def _weights() -> list[Array | None]:
    return [None, np.random.RandomState(1).uniform(0.2, 2.0, ROWS)]


def check_says_what_it_fits(loss: Loss) -> None:
    """``tasks``, ``for_task``, ``n_raw``, ``target_range`` and ``link`` are valid."""
    require(bool(loss.tasks), f"{name(loss)}.tasks is empty: name some of {TASKS}.")
    known = isinstance(loss.tasks, tuple) and set(loss.tasks) <= set(TASKS)
    must_be = f'a tuple of some of {TASKS}, such as ("regression",)'
    require(known, f"{name(loss)}.tasks must be {must_be}. Got {loss.tasks!r}.")
    for task in loss.tasks:
        other = loss.for_task(task)
        fits = isinstance(other, Loss) and task in other.tasks
        message = f"{name(loss)}.for_task({task!r}) must return a loss whose tasks include it."
        require(fits, f"{message} Got {other!r}.")
    message = f"{name(loss)}.n_raw must accept one column of y, or three, and return an integer."
    require(bool(_numbers_of_columns(loss)), message)
    is_range = isinstance(loss.target_range, TargetRange)
    message = f"{name(loss)}.target_range must be a TargetRange, such as TargetRange(low=0.0)."
    require(is_range, f"{message} Got {loss.target_range!r}.")
    message = probe.unfit_link(loss)
    require(not message, message)


def check_value(loss: Loss) -> None:
    """The value is a number, equal to the result of ``value``."""
    for (y, raw), weight in product(_cases(loss), _weights()):
        value, _ = _value_and_grad(loss, y, raw, weight)
        message = (
            f"{name(loss)}.value_and_grad must return one number, the sum over rows and outputs. "
            f"Got {value!r}"
        )
        require(value is not None and np.ndim(value) == 0, message)
        require(bool(np.isfinite(value)), f"{message} for y from {y.min():g} to {y.max():g}.")
        message = f"{name(loss)}.value differs from the value that value_and_grad returns"
        require_close(loss.value(y, raw, weight), value, 1e-10, message)


def check_gradient(loss: Loss) -> None:
    """The gradient agrees with central differences of the returned value."""
    for (y, raw), weight in product(_cases(loss), _weights()):
        _, gradient = _value_and_grad(loss, y, raw, weight)
        require_close(
            gradient,
            _slopes(loss, y, raw, weight),
            1e-6,
            f"{name(loss)}: the gradient in `out` is not the gradient of the returned value"
            f"{'' if weight is None else ' with weights'}. Both must be sums over rows and "
            "outputs, not means; weights multiply both",
        )


def _slopes(loss: Loss, y: Array, raw: Array, weight: Array | None) -> Array:
    """Return the gradient of the value by central differences."""
    slopes, step = np.empty_like(raw), 1e-5
    for index in np.ndindex(*raw.shape):
        move = np.zeros_like(raw)
        move[index] = step
        up, _ = _value_and_grad(loss, y, raw + move, weight)
        down, _ = _value_and_grad(loss, y, raw - move, weight)
        slopes[index] = (up - down) / (2 * step)
    return slopes


def check_is_a_weighted_sum_over_rows(loss: Loss) -> None:
    """Values of rows add up, and a weight of k is equivalent to k equal rows."""
    times = np.random.RandomState(2).randint(0, 4, ROWS)
    for y, raw in _cases(loss):
        whole, gradient = _value_and_grad(loss, y, raw)
        parts = [_value_and_grad(loss, y[rows], raw[rows]) for rows in (slice(4), slice(4, None))]
        message = f"{name(loss)} must be a sum over rows, but two parts do not add up to the whole"
        require_close(parts[0][0] + parts[1][0], whole, 1e-10, message)
        require_close(np.concatenate([parts[0][1], parts[1][1]]), gradient, 1e-10, message)
        repeated, _ = _value_and_grad(loss, y.repeat(times, axis=0), raw.repeat(times, axis=0))
        weighted, slope = _value_and_grad(loss, y, raw, times.astype(float))
        message = f"{name(loss)}: a weight of k must count as k equal rows"
        require_close(weighted, repeated, 1e-10, message)
        require_close(slope, gradient * times[:, None], 1e-10, message)


def check_is_separable(loss: Loss) -> None:
    """A matrix of equal columns of weights is equivalent to one column as the weights of rows."""
    row = np.random.RandomState(3).uniform(0.2, 2.0, ROWS)
    for y, raw in _cases(loss):
        if not weighting.is_sum_over_targets(loss, y.shape[1], raw.shape[1]):
            continue
        value, gradient = _value_and_grad(loss, y, raw, row)
        matrix, out = np.repeat(row[:, None], y.shape[1], axis=1), np.full_like(raw, np.nan)
        message = (
            f"{name(loss)} must be a sum over targets of the same function for each, or have "
            "separable = False"
        )
        again = weighting.value_and_grad(loss, y, raw, matrix, out)
        require_close(again, value, 1e-10, message)
        require_close(out, gradient, 1e-10, message)


def check_writes_into_out(loss: Loss) -> None:
    """``value_and_grad`` fills ``out`` and does not change its inputs."""
    for (y, raw), weight in product(_cases(loss), _weights()):
        before = [y.copy(), raw.copy(), None if weight is None else weight.copy()]
        _, gradient = _value_and_grad(loss, y, raw, weight)
        filled = not np.isnan(gradient).any()
        require(filled, f"{name(loss)}.value_and_grad must fill all of `out` with numbers.")
        arrays = [y, raw, weight]
        for array, old, what in zip(arrays, before, ("y", "raw", "weight"), strict=True):
            unchanged = array is None or np.array_equal(array, old)  # type: ignore[arg-type]
            require(unchanged, f"{name(loss)}.value_and_grad must not change {what}: copy first.")


def check_memory_order(loss: Loss) -> None:
    """Results are the same in C and Fortran order."""
    for y, raw in _cases(loss):
        value, gradient = _value_and_grad(loss, y, raw)
        for y2, raw2 in product(both_orders(y), both_orders(raw)):
            again, gradient2 = _value_and_grad(loss, y2, raw2, np.ones(ROWS))
            message = f"{name(loss)} depends on the memory order: do not use ravel or reshape"
            require_close(again, value, 1e-10, message)
            require_close(gradient2, gradient, 1e-10, message)


def check_link(loss: Loss) -> None:
    """``predict`` and ``log_predict`` are consistent, and ``out`` may be ``raw``."""
    for _, raw in _cases(loss):
        require_logarithm(loss, raw)


def check_float32(loss: Loss) -> None:
    """float32 gives the results of float64 to its precision."""
    for (y, raw), weight in product(_cases(loss), _weights()):
        value, gradient = _value_and_grad(loss, y, raw, weight)
        weight32 = None if weight is None else weight.astype(np.float32)
        value32, gradient32 = _value_and_grad(
            loss, y.astype(np.float32), raw.astype(np.float32), weight32
        )
        message = f"{name(loss)} in float32 differs from float64: choose a stable formula"
        require_close(value32, value, 1e-4, message)
        require_close(gradient32, gradient, 1e-4, message)


def check_extremes(loss: Loss) -> None:
    """No result is nan at raw = ±1e4 in float32."""
    for y, raw in _cases(loss):
        for extreme in extremes(raw):
            _check_extreme(loss, y.astype(np.float32), extreme)


def _check_extreme(loss: Loss, y: Array, raw: Array) -> None:
    value, gradient = _value_and_grad(loss, y, raw)
    y_pred = loss.predict(raw, np.empty_like(raw))
    where = f"of {name(loss)} at raw = ±1e4 in float32 is not a number"
    for array, what in ((value, "value"), (gradient, "gradient"), (y_pred, "predict")):
        require(not np.isnan(array).any(), f"The {what} {where}: {EXTREMES}")


CHECKS = (
    check_says_what_it_fits,
    check_value,
    check_gradient,
    check_is_a_weighted_sum_over_rows,
    check_is_separable,
    check_writes_into_out,
    check_memory_order,
    check_link,
    check_float32,
    check_extremes,
)
