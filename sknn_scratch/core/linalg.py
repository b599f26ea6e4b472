"""Numerical operations ("verbs") of the core; most write into arrays passed as arguments.

Memory layout and BLAS are handled in this file only.  Call a verb as ``linalg.verb(...)``, so
that :func:`exchange` can replace it; never import one by name.  Output arrays must be
contiguous and writable, which is not checked: BLAS writes into a read-only array, and into a
copy of a strided one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from scipy.linalg.blas import daxpy, dger, dnrm2, dscal, saxpy, sger, snrm2, sscal
from scipy.sparse import issparse

from sknn_scratch.contracts import Array

# BLAS takes half the time of a ufunc on short vectors and needs no temporary array.  It writes in
# place only if dtype and layout fit, so these are for contiguous arrays only.  Keyword arguments
# would double the cost of a call.
_AXPY = {"f": saxpy, "d": daxpy}
_SCAL = {"f": sscal, "d": dscal}
_NRM2 = {"f": snrm2, "d": dnrm2}
_GER = {"f": sger, "d": dger}

#: Number of elements in a part of a long vector, see :func:`blocks`.
BLOCK = 2**15
#: Number of elements in a run of rows, see :func:`row_runs`; small batches are a single run.
RUN = 2**15
#: Raw outputs with at most this number of columns, or from at least this number of inputs, are
#: computed in C order and copied: in Fortran order the product takes up to three times as long.
FEW_COLUMNS, MANY_INPUTS = {"f": 6, "d": 12}, 512
#: Up to this number of elements, a float mask takes less time than a boolean mask with its cast.
SMALL_MASK = 2**11


def _constant(value: float, shape: tuple[int, ...], kind: str) -> Array:
    """Return a read-only array, shared by all threads."""
    made = np.full(shape, value, kind)
    made.flags.writeable = False
    return made


_ZERO_OF = {kind: _constant(0.0, (), kind) for kind in "fd"}
_ZEROS_OF = {kind: _constant(0.0, (RUN,), kind) for kind in "fd"}
_ONES_OF = {kind: _constant(1.0, (BLOCK,), kind) for kind in "fd"}


@lru_cache(maxsize=1024)
def _zeros(shape: tuple[int, ...], kind: str) -> Any:
    """Return zeros of a shape: ufuncs of two arrays are 4 times faster than with a scalar."""
    size = prod(shape)
    return _ZEROS_OF[kind][:size].reshape(shape) if size <= RUN and kind in _ZEROS_OF else 0.0


def _ones(n: int, kind: str) -> Array:
    return _ONES_OF[kind][:n] if n <= BLOCK and kind in _ONES_OF else np.ones(n, kind)


def scale(factor: float, x: Array) -> None:
    """x *= factor, for a contiguous vector."""
    _SCAL[x.dtype.char](factor, x)


def add_scaled(factor: float, x: Array, y: Array) -> None:
    """y += factor * x, for contiguous vectors."""
    _AXPY[y.dtype.char](x, y, len(y), factor)


def norm(x: Array) -> float:
    """Return the Euclidean norm of a contiguous vector; squares cannot overflow."""
    return float(_NRM2[x.dtype.char](x))


def ema(average: Array, value: Array, decay: float) -> None:
    """average = decay * average + (1 - decay) * value, for contiguous vectors."""
    kind = average.dtype.char
    _SCAL[kind](decay, average)
    _AXPY[kind](value, average, len(average), 1.0 - decay)


def divide_by_root(x: Array, v: Array, epsilon: float, spare: Array, out: Array) -> None:
    """out = x / (√v + ε), for at most BLOCK elements; ``out`` may be ``x`` or ``spare``."""
    np.sqrt(v, spare)
    kind = spare.dtype.char
    _AXPY[kind](_ONES_OF[kind], spare, len(spare), epsilon)
    np.divide(x, spare, out)


def momentum_step(g: Array, velocity: Array, lr: float, momentum: float, nesterov: bool) -> None:
    """v = momentum v - lr g; then g = v, or momentum v - lr g with Nesterov momentum."""
    for step, v in blocks(g, velocity):
        scale(-lr, step)
        scale(momentum, v)
        add_scaled(1.0, step, v)
        if nesterov:
            add_scaled(momentum, v, step)
        else:
            np.copyto(step, v)


def adam_step(
    g: Array, m: Array, v: Array, betas: tuple[float, float], rate: float, epsilon: float
) -> None:
    """Update the means m of g and v of g²; then g = -rate m / (√v + ε)."""
    kind = g.dtype.char  # BLAS directly, not through verbs: call overhead dominates short vectors
    scal, axpy = _SCAL[kind], _AXPY[kind]
    for part, mean, square in blocks(g, m, v):
        n = len(part)
        scal(betas[0], mean)
        axpy(part, mean, n, 1.0 - betas[0])
        np.multiply(part, part, part)
        scal(betas[1], square)
        axpy(part, square, n, 1.0 - betas[1])
        divide_by_root(mean, square, epsilon, part, part)
        scal(-rate, part)


def add_l2(rate: float, theta: Array, grad: Array) -> float:
    """grad += rate * theta, the gradient of ½ rate Σ theta², which is returned."""
    square = 0.0
    for t, g in blocks(theta, grad):
        _AXPY[g.dtype.char](t, g, len(g), rate)
        square += float(t.dot(t))
    return 0.5 * rate * square


def blocks(*vectors: Array) -> Iterable[tuple[Array, ...]]:
    """Split long vectors of equal length into parts that fit a core's cache.

    Several passes over a part then cost little more than one, as operations on long vectors
    are limited by memory bandwidth.  A short vector is one part.
    """
    n = len(vectors[0])
    if n <= BLOCK:
        return (vectors,)
    return [tuple(v[k : k + BLOCK] for v in vectors) for k in range(0, n, BLOCK)]


def row_runs(rows: int, units: int) -> list[slice]:
    """Split the rows of a (rows, units) array into runs, as :func:`blocks` splits vectors."""
    size = max(1, RUN // max(1, units))
    return [slice(k, min(k + size, rows)) for k in range(0, rows, size)]


def relu(z: Array, out: Array) -> None:
    """out = max(z, 0); ``out`` may be ``z``."""
    np.maximum(z, _zeros(z.shape, z.dtype.char), out=out)


def keep_where_positive(grad: Array, a: Array, out: Array) -> None:
    """out = grad where a > 0, else 0 grad, for a from relu; ``out`` may be ``grad``."""
    mask = np.sign(a) if a.size <= SMALL_MASK else np.greater(a, _ZERO_OF[a.dtype.char])
    np.multiply(grad, mask, out)


def tanh_backward(grad: Array, a: Array, out: Array) -> None:
    """out = grad (1 - a²); ``out`` may be ``grad``."""
    slope = np.multiply(a, a)
    np.subtract(1.0, slope, slope)
    np.multiply(grad, slope, out)


def logistic_backward(grad: Array, a: Array, out: Array) -> None:
    """out = grad a (1 - a); ``out`` may be ``grad``."""
    slope = np.subtract(1.0, a)
    np.multiply(slope, a, slope)
    np.multiply(grad, slope, out)


def bounds(group: slice, theta: Array) -> Array:
    """Return [start, stop] of a group of parameters, a slice as plain data."""
    return np.array(group.indices(len(theta))[:2])


def decay(direction: Array, group: Array, theta: Array, rate: float) -> None:
    """direction -= rate * theta, within the bounds of one group."""
    part = slice(*group)
    add_scaled(-rate, theta[part], direction[part])


def inner(a: Array, b: Array) -> float:
    """Return the sum of a * b, both (rows, units) in the same memory order."""
    if not a.flags.c_contiguous:
        a, b = a.T, b.T
    return float(a.ravel().dot(b.ravel()))


def weighted_sum(values: Array, weight: Array | None) -> float:
    """Return the sum of (rows,) ``values``, each times its weight."""
    return float(values.sum() if weight is None else values.dot(weight))


def matmul_into(x: Any, W: Array, out: Array) -> Array:
    """out = x @ W, for x dense or CSR."""
    if not isinstance(x, np.ndarray):
        out[...] = x @ W
    elif out.flags.c_contiguous:
        x.dot(W, out)  # the method: np.dot costs another 0.2 microseconds
    elif W.shape[1] <= FEW_COLUMNS[W.dtype.char] or W.shape[0] >= MANY_INPUTS:
        out[...] = x.dot(W)
    else:
        W.T.dot(x.T, out.T)
    return out


def affine_into(x: Any, W: Array, b: Array, ones: Array, out: Array) -> Array:
    """out = x @ W + b, for x dense or CSR and a contiguous ``out``; ``ones`` is (rows,) ones."""
    matmul_into(x, W, out)
    # b is added as ones bᵀ: in numpy, broadcasting the addition takes three times as long.
    if out.flags.c_contiguous:
        _GER[out.dtype.char](1.0, b, ones, 1, 1, out.T, 1, 1, 1)
    else:
        _GER[out.dtype.char](1.0, ones, b, 1, 1, out, 1, 1, 1)
    return out


def affine_backward(
    x: Any, W: Array, delta: Array, ones: Array, grads: tuple[Array, ...], dx: Array | None
) -> None:
    """Write the gradients of :func:`affine_into` from δ = ∂J/∂out: xᵀ δ, Σ δ over rows, δ Wᵀ.

    The first two are written into ``grads``.  If ``dx`` is None, the third is not computed.
    """
    if isinstance(x, np.ndarray):
        x.T.dot(delta, grads[0])
    else:
        grads[0][...] = x.T @ delta
    ones.dot(delta, grads[1])
    if dx is not None:
        delta.dot(W.T, dx)


def row_sums(a: Array) -> Array:
    """Return the sum of each row."""
    # In Fortran order a ufunc takes longer than BLAS.  In C order BLAS would sum short rows,
    # for which some of its kernels raise floating-point flags from unused lanes.
    if a.flags.f_contiguous and a.shape[1] > 1:
        return a.dot(_ones(a.shape[1], a.dtype.char))
    return np.add.reduce(a, 1)


def row_maxima(a: Array) -> Array:
    """Return the maximum of each row."""
    return np.maximum.reduce(a, 1)


def subtract_from_rows(a: Array, offset: Array, out: Array) -> Array:
    """out = a - offset, one offset for each row."""
    np.subtract(a.T, offset, out.T)
    return out


def softmax_cross_entropy(y: Array, raw: Array, weight: Array | None, out: Array) -> float:
    """Return -Σᵢ wᵢ Σ_k y_ik log softmax(rawᵢ)_k; write the gradient ∂/∂raw into ``out``."""
    total = row_sums(y)  # Σ_k y_ik; ones for class labels
    if weight is not None:
        y = y * weight[:, None]
        total *= weight
    shifted = out.T
    np.subtract(raw.T, np.maximum.reduce(raw.T), shifted)
    linear = inner(y, out)
    np.exp(shifted, shifted)
    normaliser = row_sums(out)
    value = float(np.log(normaliser).dot(total)) - linear
    np.divide(total, normaliser, normaliser)
    np.multiply(shifted, normaliser, shifted)
    np.subtract(out, y, out)
    return value


def logistic_cross_entropy(y: Array, raw: Array, weight: Array | None, out: Array) -> float:
    """Return Σᵢ wᵢ Σ_k log(1 + exp(raw_ik)) - y_ik raw_ik; write ∂/∂raw into ``out``."""
    # With e = exp(-|raw|) <= 1 nothing overflows: log(1 + exp(raw)) is
    # max(raw, 0) + log1p(e), and its derivative is 1 / (1 + e) or e / (1 + e).
    e = np.exp(-np.abs(raw))
    value = np.maximum(raw, 0.0)
    value -= y * raw
    value += np.log1p(e)
    np.divide(np.where(raw >= 0, 1.0, e), 1.0 + e, out=out)
    np.subtract(out, y, out)
    scale_rows(out, weight)
    return weighted_sum(row_sums(value), weight)


def scale_rows(a: Array, factor: Array | None) -> None:
    """a *= factor, with one factor for each row; nothing if ``factor`` is None."""
    if factor is not None:
        np.multiply(a.T, factor, a.T)


def in_rows(x: Any) -> Any:
    """Return x, copied to C order if it is dense and in another: compiled products need that."""
    return x if issparse(x) else np.ascontiguousarray(x)


def take_rows_into(a: Array, index: Array, out: Array) -> Array:
    """out = a[index], cast to the dtype of ``out``; ``take`` would copy some arrays entirely."""
    if not (a.flags.c_contiguous and a.flags.aligned):
        out[...] = a[index]
    elif a.dtype == out.dtype:
        a.take(index, 0, out, "clip")
    else:
        out[...] = a.take(index, 0, mode="clip")
    return out


#: The verbs of this file, whichever functions currently replace them.
NUMPY = {
    name: verb
    for name, verb in globals().items()
    if getattr(verb, "__module__", "") == __name__ and not name.startswith("_")
}


def exchange(verbs: Mapping[str, Callable[..., Any]]) -> None:
    """Replace verbs by functions of the same names; {} restores those of this file."""
    if not verbs.keys() <= NUMPY.keys():
        raise ValueError(f"There are no verbs {sorted(verbs.keys() - NUMPY.keys())} to exchange.")
    globals().update(NUMPY | dict(verbs))
