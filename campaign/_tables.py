"""Draws X, y and weights: mostly plain, often odd, sometimes none at all."""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from campaign._draw import Rng, pick

nan, inf = float("nan"), float("inf")
Draw = Callable[..., Any]


class Drawn(NamedTuple):
    """A value, and the name of the way in which it was drawn."""

    value: Any
    name: str


def _with(A: Any, value: Any) -> Any:
    """Return a copy with one cell changed."""
    B = A.copy()
    if B.size:
        B.flat[B.size // 2] = value
    return B


# --- X, from a plain array (rows, columns).

ARRAYS: dict[str, Draw] = {
    "Fortran order": np.asfortranarray,
    "float32": lambda A: A.astype("f4"),
    "float16": lambda A: A.astype("f2"),
    "longdouble": lambda A: A.astype(np.longdouble),
    "int8": lambda A: A.astype("i1"),
    "uint64": lambda A: np.abs(A).astype("u8") + 2**63,
    "bool": lambda A: A > 0,
    "object": lambda A: A.astype(object),
    "a nan": lambda A: _with(A, nan),
    "an inf": lambda A: _with(A, inf),
    "1e308": lambda A: _with(A, 1e308),
    "1e200": lambda A: _with(A, 1e200),
    "1e38": lambda A: _with(A, 1e38),
    "denormal": lambda A: A * 1e-310,
    "all huge": lambda A: A * 1e300,
    "all 1e30": lambda A: A * 1e30,
    "zeros": lambda A: A * 0,
    "constant": lambda A: np.ones_like(A) * 1e9,
    "float32 near its end": lambda A: (A * 1e37).astype("f4"),
    "strings of numbers": lambda A: A.astype(str),
    "complex": lambda A: A.astype(complex),
    "datetimes": lambda A: (A * 1e6).astype("M8[s]"),
    "durations": lambda A: (A * 1e6).astype("m8[s]"),
    "structured": lambda A: np.zeros(len(A), [("a", "f8"), ("b", "i4")]),
    "masked": lambda A: np.ma.masked_greater(A, 1),
    "matrix": np.asmatrix,
    "reversed view": lambda A: A[::-1],
    "big endian": lambda A: A.astype(">f8"),
    "one dimension": np.ravel,
    "three dimensions": lambda A: A[:, :, None],
    "list": lambda A: A.tolist(),
    "ragged list": lambda A: [[1, 2], [3]],
    "None": lambda A: None,
    "text": lambda A: "abc",
    "dict": lambda A: {"a": 1},
    "empty list": lambda A: [],
    "scalar": lambda A: 1.0,
    "list of bytes": lambda A: [b"ab"] * len(A),
    "None in objects": lambda A: _with(A.astype(object), None),
    "text in objects": lambda A: _with(A.astype(object), "x"),
}

#: A further column for a frame, from the number of rows.
COLUMNS: dict[str, Draw] = {
    "categories": lambda n: pd.Categorical([("u", "v", None)[k % 3] for k in range(n)]),
    "no category": lambda n: pd.Categorical([None] * n),
    "datetimes": lambda n: pd.date_range("2020", periods=n),
    "datetimes of a zone": lambda n: pd.date_range("2020", periods=n, tz="Europe/Berlin"),
    "dates": lambda n: [datetime.date(2020, 1, 1 + k % 20) for k in range(n)],
    "times": lambda n: [datetime.time(k % 24, 3) for k in range(n)],
    "timedeltas": lambda n: pd.to_timedelta(np.arange(n), unit="us"),
    "timedelta objects": lambda n: pd.Series(
        [datetime.timedelta(k) for k in range(n)], dtype=object
    ),
    "periods": lambda n: pd.period_range("2020-01", periods=n, freq="M"),
    "nullable integers": lambda n: pd.array([(1, None, 3)[k % 3] for k in range(n)], dtype="Int64"),
    "nullable booleans": lambda n: pd.array(
        [(True, None)[k % 2] for k in range(n)], dtype="boolean"
    ),
    "strings": lambda n: pd.array([("u", None)[k % 2] for k in range(n)], dtype="string"),
    "text": lambda n: [("u", "v")[k % 2] for k in range(n)],
    "mixed objects": lambda n: [(1, "a", None, 2.5)[k % 4] for k in range(n)],
    "decimals": lambda n: [decimal.Decimal(k) / 7 for k in range(n)],
    "lists": lambda n: [[1, 2]] * n,
    "complex": lambda n: np.full(n, 1 + 2j),
    "all missing": lambda n: [nan] * n,
    "all None": lambda n: pd.Series([None] * n, dtype=object),
}

#: Other names or an other form for a frame with at least one column.
FRAMES: dict[str, Draw] = {
    "duplicate names": lambda F: F.set_axis(["a"] * F.shape[1], axis=1),
    "integer names": lambda F: F.set_axis(range(F.shape[1], 0, -1), axis=1),
    "mixed names": lambda F: F.set_axis(["x", *range(1, F.shape[1])], axis=1),
    "tuples as names": lambda F: F.set_axis(
        pd.MultiIndex.from_tuples([("a", k) for k in range(F.shape[1])]), axis=1
    ),
    "missing values": lambda F: F.mask(F > 0.5),
    "sparse": lambda F: F.astype(pd.SparseDtype("float", 0.0)),
    "index of zeros": lambda F: F.set_axis([0] * len(F), axis=0),
    "a Series": lambda F: F.iloc[:, 0],
    "plain frame": lambda F: F,
}

SPARSE = ("csr", "csc", "coo", "lil", "dok", "bsr", "dia")


def draw_X(rng: Rng, plain: float, n: int | None = None, d: int | None = None) -> Drawn:
    """Return X: a plain array with probability ``plain``."""
    n = int(pick(rng, [0, 1, 2, 3, 8, 12, 12, 20, 20])) if n is None else n
    d = int(pick(rng, [0, 1, 2, 3, 3, 5])) if d is None else d
    A = rng.normal(size=(n, d)) * pick(rng, [1, 1, 10])
    if rng.random() < plain:
        return Drawn(A, f"array {n} x {d}")
    with np.errstate(all="ignore"):
        kind, name, make = pick(rng, [_array, _array, _frame, _sparse])(rng, A)
        try:
            return Drawn(make(), f"{kind} {n} x {d}: {name}")
        except (IndexError, TypeError, ValueError):  # not to be had of this shape
            return Drawn(A, f"array {n} x {d}")


def _array(rng: Rng, A: Any) -> tuple[str, str, Draw]:
    name = pick(rng, list(ARRAYS))
    return "array", name, lambda: ARRAYS[name](A)


def _frame(rng: Rng, A: Any) -> tuple[str, str, Draw]:
    frame = pd.DataFrame(A, columns=[f"c{k}" for k in range(A.shape[1])])
    if rng.random() < 0.6:
        name = pick(rng, list(COLUMNS))
        return "frame with", name, lambda: frame.assign(k=COLUMNS[name](len(A)))
    name = pick(rng, list(FRAMES))
    return "frame", name, lambda: FRAMES[name](frame)


def _sparse(rng: Rng, A: Any) -> tuple[str, str, Draw]:
    name, kind = pick(rng, SPARSE), pick(rng, ["matrix", "array"])
    cells = np.where(np.abs(A) > 0.7, A, 0.0)
    if rng.random() < 0.15:
        cells = _with(cells, pick(rng, [nan, inf, 1e300]))
    return "sparse", f"{name}_{kind}", lambda: getattr(sparse, f"{name}_{kind}")(cells)


# --- y, from classes k2 and k3 and numbers r, each (rows,).

LABELS: dict[str, Draw] = {
    "one class": lambda k2, k3, r: np.zeros(len(k3), int),
    "all different": lambda k2, k3, r: np.arange(len(k3)),
    "numbers": lambda k2, k3, r: r,
    "floats": lambda k2, k3, r: k3.astype("f8"),
    "halves": lambda k2, k3, r: k3 + 0.5,
    "object text": lambda k2, k3, r: np.array(["a", "b", "c"], object)[k3],
    "object integers": lambda k2, k3, r: k3.astype(object),
    "mixed objects": lambda k2, k3, r: np.array([1, "a", 2.5], object)[k3],
    "a None": lambda k2, k3, r: np.array(["a", None, "c"], object)[k3],
    "a nan": lambda k2, k3, r: np.array([nan, 1, 0])[k3],
    "an inf": lambda k2, k3, r: np.array([inf, 1, 0])[k3],
    "bytes": lambda k2, k3, r: np.array([b"a", b"b", b"cc"])[k3],
    "extreme integers": lambda k2, k3, r: np.array([-(2**63), 2**63 - 1, 0])[k3],
    "big integers": lambda k2, k3, r: np.array([10**30, 1, 2], object)[k3],
    "list": lambda k2, k3, r: k3.tolist(),
    "Series of another index": lambda k2, k3, r: pd.Series(k3, index=range(9, 9 + len(k3))),
    "categories": lambda k2, k3, r: pd.Series(pd.Categorical(np.array(list("abc"))[k3])),
    "a column": lambda k2, k3, r: k3[:, None],
    "a frame": lambda k2, k3, r: pd.DataFrame({"y": k3}),
    "multilabel": lambda k2, k3, r: np.c_[k2, 1 - k2],
    "multilabel of -1": lambda k2, k3, r: np.c_[2 * k2 - 1, 1 - 2 * k2],
    "multilabel of 2": lambda k2, k3, r: np.c_[2 * k2, 2 - 2 * k2],
    "multilabel, sparse": lambda k2, k3, r: sparse.csr_matrix(np.c_[k2, 1 - k2]),
    "multilabel zeros": lambda k2, k3, r: np.zeros((len(k2), 2), int),
    "several classes in columns": lambda k2, k3, r: np.c_[k3, k3],
    "nullable": lambda k2, k3, r: pd.Series(pd.array(k3, dtype="Int64")),
    "nullable, missing": lambda k2, k3, r: pd.Series(
        pd.array([(1, None, 2)[k] for k in k3], dtype="Int64")
    ),
    "too short": lambda k2, k3, r: k3[:-1],
    "too long": lambda k2, k3, r: np.r_[k3, 1],
    "empty": lambda k2, k3, r: np.array([]),
    "scalar": lambda k2, k3, r: 3,
    "None": lambda k2, k3, r: None,
    "text": lambda k2, k3, r: "abc",
    "dict": lambda k2, k3, r: {"a": 1},
    "sets": lambda k2, k3, r: [{1}] * len(k3),
    "complex": lambda k2, k3, r: k3.astype(complex),
    "no columns": lambda k2, k3, r: np.zeros((len(k3), 0)),
    "durations": lambda k2, k3, r: k2.astype("m8[s]"),
}
NUMBERS: dict[str, Draw] = {
    "1e308": lambda k2, k3, r: r * 1e308,
    "1e200": lambda k2, k3, r: r * 1e200,
    "1e38": lambda k2, k3, r: r * 1e38,
    "denormal": lambda k2, k3, r: r * 1e-310,
    "large mean": lambda k2, k3, r: r + 1e15,
    "seconds of an epoch": lambda k2, k3, r: 1.7e9 + 3600 * r,
    "float16": lambda k2, k3, r: r.astype("f2"),
    "constant": lambda k2, k3, r: np.ones(len(r)),
    "zeros": lambda k2, k3, r: np.zeros(len(r)),
    "not negative": lambda k2, k3, r: np.abs(r),
    "booleans": lambda k2, k3, r: r > 0,
    "text": lambda k2, k3, r: r.astype(str),
    "decimals": lambda k2, k3, r: np.array([decimal.Decimal("1.5")] * len(r)),
    "objects": lambda k2, k3, r: r.astype(object),
    "a nan": lambda k2, k3, r: np.where(k3 == 0, nan, r),
    "an inf": lambda k2, k3, r: np.where(k3 == 0, inf, r),
    "three targets": lambda k2, k3, r: np.c_[r, r, r],
    "targets of two scales": lambda k2, k3, r: np.c_[r, r * 1e300],
    "nullable, missing": lambda k2, k3, r: pd.Series(
        pd.array([(1.5, None)[k] for k in k2], dtype="Float64")
    ),
    "huge integers": lambda k2, k3, r: np.array([10**400] * len(r), object),
    "near the end": lambda k2, k3, r: np.full(len(r), 1.7e308),
    "both ends": lambda k2, k3, r: np.where(k2 == 0, 1.7e308, -1.7e308),
    "float32's end": lambda k2, k3, r: np.full(len(r), 3e38),
    "many scales": lambda k2, k3, r: np.exp(5 * r),
    "masked": lambda k2, k3, r: np.ma.masked_less(r, 0),
}
WEIGHTS: dict[str, Draw] = {
    "plain": lambda u: u,
    "zeros": np.zeros_like,
    "negative": lambda u: -u,
    "a nan": lambda u: _with(u, nan),
    "an inf": lambda u: _with(u, inf),
    "1e308": lambda u: u * 1e308,
    "denormal": lambda u: u * 1e-310,
    "below float32": lambda u: u * 1e-44,
    "booleans": lambda u: u > 1,
    "text": lambda u: u.astype(str),
    "list": lambda u: u.tolist(),
    "too short": lambda u: u[:-1],
    "a column": lambda u: u[:, None],
    "Series": lambda u: pd.Series(u, index=range(5, 5 + len(u))),
    "objects": lambda u: u.astype(object),
    "one row": lambda u: (np.arange(len(u)) == 0) * 1.0,
    "scalar": lambda u: 2.0,
    "name": lambda u: "a",
    "complex": lambda u: u.astype(complex),
    "two scales": lambda u: np.where(np.arange(len(u)) == 0, 1e300, 1e-300),
}


def draw_y(rng: Rng, classifies: bool, n: int, plain: float) -> Drawn:
    """Return y for ``n`` rows: a plain one with probability ``plain``."""
    k2, k3, r = np.arange(n) % 2, rng.integers(0, 3, n), rng.normal(size=n)
    if rng.random() < plain:
        values = [k2, k3, np.array(["a", "b", "c"])[k3]] if classifies else [r, np.c_[r, -r]]
        return Drawn(pick(rng, values), "plain")
    own, other = (LABELS, NUMBERS) if classifies else (NUMBERS, LABELS)
    table = own if rng.random() < 0.85 else other
    name = pick(rng, list(table))
    with np.errstate(all="ignore"):
        return Drawn(table[name](k2, k3, r), name)


def draw_weight(rng: Rng, n: int, none: float) -> Drawn:
    """Return weights of ``n`` rows: None with probability ``none``."""
    if rng.random() < none:
        return Drawn(None, "none")
    name = pick(rng, list(WEIGHTS))
    with np.errstate(all="ignore"):
        return Drawn(WEIGHTS[name](rng.uniform(0, 2, n)), name)


def n_rows(X: Any) -> int:
    """Return the number of rows of what may be no table at all."""
    shape = getattr(X, "shape", None)
    if shape is not None:
        return int(shape[0]) if len(shape) else 5
    return len(X) if hasattr(X, "__len__") else 5


def row(X: Any, k: int) -> Any:
    """Return row ``k`` as a table of one row; None if X cannot be cut."""
    if isinstance(X, pd.DataFrame):
        return X.iloc[k : k + 1]
    if sparse.issparse(X):
        return X.tocsr()[k : k + 1]
    return X[k : k + 1] if isinstance(X, np.ndarray | list) else None
