"""Checks of losses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.testing._common import assert_close, both_orders, name

ROWS = 9
TASKS = ("regression", "binary", "multiclass", "multilabel")


def _cases(loss: Loss) -> Iterator[tuple[Array, Array]]:
    """Yield (y, raw) with one and with three columns of y, as far as the loss takes them."""
    rng = np.random.RandomState(0)
    for n_targets in (1, 3):
        try:
            n_raw = loss.n_raw(n_targets)
        except ValueError:
            continue
        yield _targets(loss, n_targets, rng), rng.normal(size=(ROWS, n_raw))


def _targets(loss: Loss, n_targets: int, rng: np.random.RandomState) -> Array:
    if loss.one_hot:
        return np.eye(n_targets)[rng.randint(n_targets, size=ROWS)]
    low, high = loss.target_range.low, loss.target_range.high
    if set(loss.tasks) & {"binary", "multilabel"}:
        return rng.randint(2, size=(ROWS, n_targets)).astype(float)
    if np.isfinite(low) and np.isfinite(high):
        return low + (high - low) * rng.uniform(0.05, 0.95, (ROWS, n_targets))
    y = rng.gamma(2.0, size=(ROWS, n_targets)) + 0.05
    return low + y if np.isfinite(low) else high - y if np.isfinite(high) else y - 2.0


def _value_and_grad(
    loss: Loss, y: Array, raw: Array, weight: Array | None = None
) -> tuple[float, Array]:
    out = np.full_like(raw, np.nan)
    return loss.value_and_grad(y, raw, weight, out), out


def check_says_what_it_fits(loss: Loss) -> None:
    """``tasks`` and ``for_task`` say what the loss is for."""
    assert loss.tasks, f"{name(loss)}.tasks is empty: name some of {TASKS}."
    assert set(loss.tasks) <= set(TASKS), f"{name(loss)}.tasks must be among {TASKS}."
    for task in loss.tasks:
        assert isinstance(loss.for_task(task), Loss), f"{name(loss)}.for_task must return a loss."


def check_value(loss: Loss) -> None:
    """The value is a number, and ``value`` returns it too."""
    for y, raw in _cases(loss):
        value, _ = _value_and_grad(loss, y, raw)
        assert np.ndim(value) == 0, (
            f"{name(loss)}.value_and_grad must return one number, the sum over rows and outputs."
        )
        assert_close(
            loss.value(y, raw, None),
            value,
            1e-10,
            f"{name(loss)}.value differs from what value_and_grad returns",
        )


def check_gradient(loss: Loss) -> None:
    """The gradient is that of the returned value, by central differences."""
    rng, step = np.random.RandomState(1), 1e-5
    for y, raw in _cases(loss):
        for weight in (None, rng.uniform(0.2, 2.0, ROWS)):
            _, gradient = _value_and_grad(loss, y, raw, weight)
            slopes = np.empty_like(raw)
            for index in np.ndindex(*raw.shape):
                move = np.zeros_like(raw)
                move[index] = step
                up, _ = _value_and_grad(loss, y, raw + move, weight)
                down, _ = _value_and_grad(loss, y, raw - move, weight)
                slopes[index] = (up - down) / (2 * step)
            assert_close(
                gradient,
                slopes,
                1e-6,
                f"{name(loss)}: the gradient in `out` is not that of the returned value"
                f"{'' if weight is None else ' with weights'}. Both are sums over rows and "
                "outputs, not means; weights multiply both",
            )


def check_is_a_weighted_sum_over_rows(loss: Loss) -> None:
    """Rows add up, and a weight of k stands for k rows."""
    times = np.random.RandomState(2).randint(0, 4, ROWS)
    for y, raw in _cases(loss):
        whole, gradient = _value_and_grad(loss, y, raw)
        parts = [_value_and_grad(loss, y[rows], raw[rows]) for rows in (slice(4), slice(4, None))]
        message = f"{name(loss)} must be a sum over rows: that of all is not that of two parts"
        assert_close(parts[0][0] + parts[1][0], whole, 1e-10, message)
        assert_close(np.concatenate([parts[0][1], parts[1][1]]), gradient, 1e-10, message)
        repeated, _ = _value_and_grad(loss, y.repeat(times, axis=0), raw.repeat(times, axis=0))
        weighted, _ = _value_and_grad(loss, y, raw, times.astype(float))
        message = f"{name(loss)}: a weight of k must count as k equal rows"
        assert_close(weighted, repeated, 1e-10, message)
        ones, same = _value_and_grad(loss, y, raw, np.ones(ROWS))
        assert_close(np.append(same, ones), np.append(gradient, whole), 1e-10, message)


def check_writes_into_out(loss: Loss) -> None:
    """All of ``out`` is filled, inputs are left alone, memory order does not matter."""
    for y, raw in _cases(loss):
        value, gradient = _value_and_grad(loss, y, raw)
        assert not np.isnan(gradient).any(), f"{name(loss)}.value_and_grad must fill all of `out`."
        for y2, raw2 in zip(both_orders(y), both_orders(raw), strict=True):
            before = y2.copy(), raw2.copy()
            again, gradient2 = _value_and_grad(loss, y2, raw2, np.ones(ROWS))
            for array, old, what in zip((y2, raw2), before, ("y", "raw"), strict=True):
                assert np.array_equal(array, old), f"{name(loss)} must not change {what}."
            message = f"{name(loss)} depends on the memory order: no ravel, no reshape"
            assert_close(np.append(gradient2, again), np.append(gradient, value), 1e-10, message)


def check_link(loss: Loss) -> None:
    """``predict`` and ``log_predict`` fill ``out``, which may be ``raw``."""
    for _, raw in _cases(loss):
        before = raw.copy()
        for verb in (loss.predict, loss.log_predict):
            what = f"{name(loss)}.{verb.__name__}"
            with np.errstate(invalid="ignore", divide="ignore"):
                out = np.full_like(raw, -7.5)
                assert verb(raw, out) is out, f"{what} must return the array `out`."
                inplace = raw.copy()
                verb(inplace, inplace)
            assert np.array_equal(raw, before), f"{what} must not change raw unless `out` is raw."
            np.testing.assert_allclose(
                inplace, out, rtol=1e-10, err_msg=f"{what} gives another result when out is raw"
            )
    _check_log_predict(loss)


def _check_log_predict(loss: Loss) -> None:
    for _, raw in _cases(loss):
        y_pred = loss.predict(raw, np.empty_like(raw))
        if (y_pred > 0).all():
            assert_close(
                loss.log_predict(raw, np.empty_like(raw)),
                np.log(y_pred),
                1e-8,
                f"{name(loss)}.log_predict is not the logarithm of predict",
            )


def check_float32(loss: Loss) -> None:
    """float32 gives float64's results to its precision; nothing is nan at raw = ±1e4."""
    for y, raw in _cases(loss):
        value, gradient = _value_and_grad(loss, y, raw)
        y32, raw32 = y.astype(np.float32), raw.astype(np.float32)
        value32, gradient32 = _value_and_grad(loss, y32, raw32)
        message = f"{name(loss)} in float32 differs from float64: choose a stable formula"
        assert_close(np.append(gradient32, value32), np.append(gradient, value), 1e-4, message)
        extreme = np.where(np.arange(raw.size).reshape(raw.shape) % 2, 1e4, -1e4)
        with np.errstate(over="ignore"):
            value, gradient = _value_and_grad(loss, y32, extreme.astype(np.float32))
        assert not np.isnan(np.append(gradient, value)).any(), (
            f"{name(loss)} is not a number at raw = ±1e4 in float32: choose a form that does not "
            "overflow, such as log-sum-exp with the maximum taken out."
        )


CHECKS = (
    check_says_what_it_fits,
    check_value,
    check_gradient,
    check_is_a_weighted_sum_over_rows,
    check_writes_into_out,
    check_link,
    check_float32,
)
