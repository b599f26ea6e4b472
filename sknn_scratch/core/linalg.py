"""The in-place verbs that everything else is written in.

Every verb writes into arrays that it is handed.  This is the only file with tricks of
memory layout and BLAS in it, and the only one to exchange for a faster one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from scipy.linalg.blas import daxpy, dnrm2, dscal, saxpy, snrm2, sscal
from scipy.sparse import issparse

from sknn_scratch.contracts import Array

# Level-1 BLAS takes half the time of a ufunc on short vectors and needs no temporary.
# It writes in place only if dtype and layout fit, so these serve contiguous vectors alone.
_AXPY = {"f": saxpy, "d": daxpy}
_SCAL = {"f": sscal, "d": dscal}
_NRM2 = {"f": snrm2, "d": dnrm2}


#: Elements of a part of a long vector, see :func:`blocks`.
BLOCK = 2**14
#: Elements of a run of rows, see :func:`row_runs`; a usual batch of a small network is one.
RUN = 2**15


def is_sparse(x: Any) -> bool:
    """Tell whether x is a scipy sparse matrix or array."""
    return bool(issparse(x))


def scale(factor: float, x: Array) -> None:
    """x *= factor, for a contiguous vector."""
    _SCAL[x.dtype.char](factor, x)


def add_scaled(factor: float, x: Array, y: Array) -> None:
    """y += factor * x, for contiguous vectors."""
    _AXPY[y.dtype.char](x, y, a=factor)


def norm(x: Array) -> float:
    """Return the Euclidean length of a contiguous vector; squares cannot overflow."""
    return float(_NRM2[x.dtype.char](x))


def ema(average: Array, value: Array, decay: float) -> None:
    """average = decay * average + (1 - decay) * value, for contiguous vectors."""
    kind = average.dtype.char
    _SCAL[kind](decay, average)
    _AXPY[kind](value, average, a=1.0 - decay)


def blocks(*vectors: Array) -> Iterable[tuple[Array, ...]]:
    """Split long vectors of one length into parts that stay in a core's cache.

    Several passes over a part then cost little more than one: long vectors are bound by
    memory.  A short vector is one part.
    """
    n = len(vectors[0])
    if n <= BLOCK:
        return (vectors,)
    return [tuple(v[k : k + BLOCK] for v in vectors) for k in range(0, n, BLOCK)]


def row_runs(rows: int, units: int) -> list[slice]:
    """Split the rows of a (rows, units) array into runs, as :func:`blocks` splits vectors."""
    size = max(1, RUN // max(1, units))
    return [slice(k, min(k + size, rows)) for k in range(0, rows, size)]


def keep_where_positive(grad: Array, a: Array, out: Array) -> Array:
    """out = grad where a > 0, else 0; for a >= 0."""
    # A mask of booleans is cheaper to make and to read, but multiplying by it costs a
    # microsecond of casting set-up.
    mask = np.sign(a) if a.size <= 4096 else a > 0
    return np.multiply(grad, mask, out)


def bounds(group: slice, theta: Array) -> Array:
    """Return [start, stop] of a group of parameters: a slice as plain data."""
    return np.array(group.indices(len(theta))[:2])


def decay(direction: Array, group: Array, theta: Array, rate: float) -> None:
    """direction -= rate * theta, inside the bounds of one group."""
    part = slice(*group)
    add_scaled(-rate, theta[part], direction[part])


def inner(a: Array, b: Array) -> float:
    """Return the sum of a * b, both (rows, units) and of one memory order."""
    if not a.flags.c_contiguous:
        a, b = a.T, b.T
    return float(np.vdot(a, b))


def weighted_sum(values: Array, weight: Array | None) -> float:
    """Return the sum of (rows,) ``values``, each times its weight."""
    return float(values.sum() if weight is None else np.dot(values, weight))


def matmul_into(x: Any, W: Array, out: Array) -> Array:
    """out = x @ W, for x dense or CSR."""
    if not isinstance(x, np.ndarray):
        out[...] = x @ W
    elif out.flags.c_contiguous:
        np.dot(x, W, out)
    else:
        np.dot(W.T, x.T, out.T)
    return out


def matmul_transposed_into(x: Any, delta: Array, out: Array) -> Array:
    """out = x.T @ delta, for x dense or CSR and ``out`` in C order."""
    if isinstance(x, np.ndarray):
        return np.dot(x.T, delta, out)
    out[...] = x.T @ delta
    return out


def column_sums_into(a: Array, ones: Array, out: Array) -> Array:
    """out = the sum over rows of (rows, units) ``a``; ``ones`` is a vector of rows ones."""
    return np.dot(ones, a, out)


def row_sums(a: Array) -> Array:
    """Return the sums over the units of each row."""
    return np.add.reduce(a, 1)


def row_maxima(a: Array) -> Array:
    """Return the largest unit of each row."""
    return np.maximum.reduce(a, 1)


def subtract_from_rows(a: Array, offset: Array, out: Array) -> Array:
    """out = a - offset, one offset for each row."""
    np.subtract(a.T, offset, out.T)
    return out


def scale_rows(a: Array, factor: Array | None) -> None:
    """a *= factor, one factor for each row; None stands for ones."""
    if factor is not None:
        np.multiply(a.T, factor, a.T)


def take_rows_into(a: Array, index: Array, out: Array) -> Array:
    """out = a[index]; without the copy of the whole that ``take`` makes of a strided array."""
    if a.flags.c_contiguous:
        return a.take(index, 0, out, "clip")
    out[...] = a[index]
    return out


def take_columns_into(a: Array, index: Array, out: Array) -> Array:
    """out = a[:, index]."""
    return a.take(index, 1, out, "clip")
