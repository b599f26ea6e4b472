"""Compiled twins of verbs in :mod:`sknn_scratch.core.linalg`: same names, same results.

Only :mod:`sknn_scratch.config` imports this file, on request, because it requires numba.
Verbs that are one call of BLAS have no twin.  The others make one pass over their arrays here
where numpy makes several.  Twins accept matrices (rows, units) of any memory order; loops are
written for the order that the core uses: C for hidden layers, Fortran for raw outputs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numba.extending import overload

from sknn_scratch.core import linalg

# Products and sums may be fused, and long sums may be reordered, as in the loops of numpy and
# BLAS; NaN and infinity are handled as usual.  Compiled code is cached on disk for other
# processes.
_Decorator = Callable[[Callable[..., Any]], Any]
_settings: dict[str, Any] = {"cache": True, "nogil": True, "error_model": "numpy"}
_elementwise: _Decorator = njit(fastmath={"contract", "nsz"}, **_settings)
_summing: _Decorator = njit(fastmath={"contract", "nsz", "reassoc"}, **_settings)

#: Up to this number of elements, one compiled call takes less time than three calls.
SMALL = 512

# --- Matrices.  An in-place loop is vectorised only over one array, not two at one address.


@_elementwise
def _start_from(x: Any, out: Any) -> None:
    """out = x, unless both are the same array."""
    if x.ctypes.data != out.ctypes.data:
        out[...] = x


def _product_into(x: Any, W: Any, out: Any) -> None:
    """out = x @ W."""


@overload(_product_into)
def _product_by_order(x: Any, W: Any, out: Any) -> Callable[..., None]:
    """Choose the code for the memory order of ``out``: BLAS writes in C order."""

    def directly(x: Any, W: Any, out: Any) -> None:
        np.dot(x, W, out)

    def with_copy(x: Any, W: Any, out: Any) -> None:
        out[...] = np.dot(x, W)

    return directly if out.layout == "C" else with_copy


@_elementwise
def _affine(x: Any, W: Any, b: Any, out: Any) -> None:
    _product_into(x, W, out)
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[i, j] += b[j]


def affine_into(x: Any, W: Any, b: Any, ones: Any, out: Any) -> Any:
    """As the verb, with the product by BLAS as well."""
    if type(x) is not np.ndarray:  # sparse
        return linalg.NUMPY["affine_into"](x, W, b, ones, out)
    _affine(x, W, b, out)
    return out


@_summing
def _affine_backward(x: Any, W: Any, delta: Any, dW: Any, db: Any, dx: Any) -> None:
    np.dot(x.T, delta, dW)
    db[:] = 0
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            db[j] += delta[i, j]
    if dx is not None:
        np.dot(delta, W.T, dx)


def affine_backward(x: Any, W: Any, delta: Any, ones: Any, grads: Any, dx: Any) -> None:
    """As the verb: one call for three products."""
    if type(x) is not np.ndarray:
        return linalg.NUMPY["affine_backward"](x, W, delta, ones, grads, dx)
    return _affine_backward(x, W, delta, grads[0], grads[1], dx)


def _matrix(a: Any) -> Any:
    """Return a matrix unchanged, and a vector as a matrix of one row."""


@overload(_matrix)
def _matrix_by_axes(a: Any) -> Callable[..., Any]:
    def itself(a: Any) -> Any:
        return a

    def one_row(a: Any) -> Any:
        return np.expand_dims(a, 0)

    return one_row if a.ndim == 1 else itself


@_elementwise
def relu(z: Any, out: Any) -> None:
    _start_from(z, out)
    x = _matrix(out)
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            x[i, j] = 0 if x[i, j] <= 0 else x[i, j]


@_elementwise
def keep_where_positive(grad: Any, a: Any, out: Any) -> None:
    _start_from(grad, out)
    delta, a_ = _matrix(out), _matrix(a)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= a_[i, j] > 0


@_elementwise
def tanh_backward(grad: Any, a: Any, out: Any) -> None:
    _start_from(grad, out)
    delta, a_, one = _matrix(out), _matrix(a), out.dtype.type(1)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= one - a_[i, j] * a_[i, j]


@_elementwise
def logistic_backward(grad: Any, a: Any, out: Any) -> None:
    _start_from(grad, out)
    delta, a_, one = _matrix(out), _matrix(a), out.dtype.type(1)
    for i in range(delta.shape[0]):
        for j in range(delta.shape[1]):
            delta[i, j] *= a_[i, j] * (one - a_[i, j])


# --- Losses: the loops run along the rows, which are contiguous in Fortran order.


@_summing
def _shift(y: Any, raw: Any, weight: Any, out: Any) -> float:
    """out = raw less the largest of each row; return Σᵢ wᵢ Σ_k y_ik out_ik."""
    largest = raw[:, 0].copy()
    for k in range(1, raw.shape[1]):
        for i in range(raw.shape[0]):
            x = raw[i, k]
            largest[i] = x if x > largest[i] or x != x else largest[i]
    value = 0.0
    for k in range(raw.shape[1]):
        for i in range(raw.shape[0]):
            out[i, k] = raw[i, k] - largest[i]
            value += (1.0 if weight is None else weight[i]) * (y[i, k] * out[i, k])
    return value


@_summing
def _normalise(y: Any, weight: Any, out: Any) -> float:
    """Turn exponentials in ``out`` into the gradient; return Σᵢ wᵢ Σ_k y_ik log Σ_k out_ik."""
    total, normaliser = np.zeros_like(out[:, 0]), np.zeros_like(out[:, 0])
    for k in range(out.shape[1]):
        for i in range(out.shape[0]):
            total[i] += y[i, k]
            normaliser[i] += out[i, k]
    value = 0.0
    for i in range(out.shape[0]):
        value += (1.0 if weight is None else weight[i]) * (np.log(normaliser[i]) * total[i])
        normaliser[i] = total[i] / normaliser[i]
    for k in range(out.shape[1]):
        for i in range(out.shape[0]):
            out[i, k] = out[i, k] * normaliser[i] - y[i, k]
            if weight is not None:
                out[i, k] *= weight[i]
    return value


@_summing
def _small_softmax_cross_entropy(y: Any, raw: Any, weight: Any, out: Any) -> float:
    linear = _shift(y, raw, weight, out)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            out[i, k] = np.exp(out[i, k])
    return _normalise(y, weight, out) - linear


def softmax_cross_entropy(y: Any, raw: Any, weight: Any, out: Any) -> float:
    """As the verb; for large arrays the exponential is numpy's, which is faster."""
    if out.size <= SMALL:
        return float(_small_softmax_cross_entropy(y, raw, weight, out))
    linear = _shift(y, raw, weight, out)
    np.exp(out, out)
    return float(_normalise(y, weight, out) - linear)


@_summing
def logistic_cross_entropy(y: Any, raw: Any, weight: Any, out: Any) -> float:
    one, value = raw.dtype.type(1), 0.0
    for k in range(raw.shape[1]):
        for i in range(raw.shape[0]):
            x, w = raw[i, k], 1.0 if weight is None else weight[i]
            e = np.exp(-abs(x))
            value += w * (max(x, 0) - y[i, k] * x + np.log1p(e))
            out[i, k] = w * ((one if x >= 0 else e) / (one + e) - y[i, k])
    return value


# --- Vectors of all parameters.


@_elementwise
def ema(average: Any, value: Any, decay: float) -> None:
    kept, new = average.dtype.type(decay), average.dtype.type(1.0 - decay)
    for i in range(len(average)):
        average[i] = kept * average[i] + new * value[i]


@_summing
def add_l2(rate: float, theta: Any, grad: Any) -> float:
    factor, square = grad.dtype.type(rate), grad.dtype.type(0)
    for i in range(len(theta)):
        grad[i] += factor * theta[i]
        square += theta[i] * theta[i]
    return 0.5 * rate * square


@_elementwise
def momentum_step(g: Any, velocity: Any, lr: float, momentum: float, nesterov: bool) -> None:
    rate, kept = g.dtype.type(lr), g.dtype.type(momentum)
    for i in range(len(g)):
        step = -rate * g[i]
        velocity[i] = kept * velocity[i] + step
        g[i] = kept * velocity[i] + step if nesterov else velocity[i]


@_elementwise
def adam_step(g: Any, m: Any, v: Any, betas: Any, rate: float, epsilon: float) -> None:
    T = g.dtype.type
    beta_1, beta_2, eps = T(betas[0]), T(betas[1]), T(epsilon)
    rest_1, rest_2, factor = T(1.0 - betas[0]), T(1.0 - betas[1]), T(-rate)
    for i in range(len(g)):
        m[i] = beta_1 * m[i] + rest_1 * g[i]
        v[i] = beta_2 * v[i] + rest_2 * (g[i] * g[i])
        g[i] = factor * (m[i] / (np.sqrt(v[i]) + eps))


#: Twins by name.
VERBS: dict[str, Callable[..., Any]] = {
    verb.__name__: verb
    for verb in (
        affine_into,
        affine_backward,
        relu,
        keep_where_positive,
        tanh_backward,
        logistic_backward,
        softmax_cross_entropy,
        logistic_cross_entropy,
        ema,
        add_l2,
        momentum_step,
        adam_step,
    )
}
