"""Choices in the hot path, each beside what it was chosen over.

    python -m benchmarks verbs [--quick]

The same numbers come out of both, on one BLAS thread; each figure is the mean of many calls in a
row. What is chosen stands in ``sknn_scratch/core/linalg.py`` and in the buffers that it is handed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from benchmarks._frame import Row, Settings, clock, interleave, one_run
from benchmarks._tables import Table, duration, times
from sknn_scratch.components import Logistic
from sknn_scratch.core import linalg

CHOSEN, INSTEAD = "chosen", "instead"
DTYPES = "float32", "float64"
#: About so many seconds for the calls of one repetition.
WORK = 0.01
Action = Callable[[], object]


class Choice(NamedTuple):
    """What was chosen, and what else it could be; ``make`` draws arrays and returns both."""

    words: str
    instead: str
    shape: tuple[int, ...]
    make: Callable[[Callable[..., Any], tuple[int, ...]], tuple[Action, Action]]


# ------------------------------------------------------------------------------------ the choices
# Each takes a function that draws an array of a shape (in Fortran order if asked to) and a shape.
def largest(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    a, b = draw(*shape, order="F"), draw(*shape)
    return lambda: linalg.row_maxima(a), lambda: linalg.row_maxima(b)


def sums(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    a = draw(*shape, order="F")
    return lambda: linalg.row_sums(a), lambda: np.add.reduce(a, 1)


def product(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    rows, n_in, units = shape
    x, W, out = draw(rows, n_in), draw(n_in, units), draw(rows, units)
    return lambda: x.dot(W, out), lambda: np.matmul(x, W, out=out)


def few_columns(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    rows, n_in, units = shape
    x, W, out = draw(rows, n_in), draw(n_in, units), draw(rows, units, order="F")
    return lambda: linalg.matmul_into(x, W, out), lambda: W.T.dot(x.T, out.T)


def bias(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    ger, a, b = linalg._GER, draw(*shape), draw(shape[1])
    ones, kind = np.ones(shape[0], a.dtype), a.dtype.char
    return lambda: ger[kind](1.0, b, ones, 1, 1, a.T, 1, 1, 1), lambda: np.add(a, b, a)


def relu(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    z, out = draw(*shape), draw(*shape)
    return lambda: linalg.relu(z, out), lambda: np.maximum(z, 0.0, out=out)


def mask(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    grad, a, out = (draw(*shape) for _ in range(3))
    return (
        lambda: linalg.keep_where_positive(grad, a, out),
        lambda: np.multiply(grad, a > 0, out),
    )


def column_sums(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    delta, out = draw(*shape), draw(shape[1])
    ones = np.ones(shape[0], delta.dtype)
    return lambda: ones.dot(delta, out), lambda: np.add.reduce(delta, 0, out=out)


def add_scaled(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    x, y = draw(*shape), draw(*shape)
    return lambda: linalg.add_scaled(1e-3, x, y), lambda: np.add(y, 1e-3 * x, y)


def adam(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    g, m, v = (np.abs(draw(*shape)) for _ in range(3))

    def in_blocks() -> None:
        linalg.NUMPY["adam_step"](g, m, v, (0.9, 0.999), 1e-3, 1e-8)

    def at_once() -> None:
        np.add(0.9 * m, 0.1 * g, m)
        np.add(0.999 * v, 0.001 * (g * g), v)
        np.divide(-1e-3 * m, np.sqrt(v) + 1e-8, g)

    return in_blocks, at_once


def logistic(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    z, out, f = draw(*shape), draw(*shape), Logistic()
    return lambda: f.forward(z, out), lambda: expit(z, out)


def gather(draw: Callable[..., Any], shape: tuple[int, ...]) -> tuple[Action, Action]:
    rows, units, n = shape
    X, out = draw(n, units), draw(rows, units)
    index = np.random.default_rng(0).permutation(n)[:rows]
    return lambda: linalg.take_rows_into(X, index, out), lambda: np.copyto(out, X[index])


CHOICES = (
    Choice("largest of each row: Fortran order", "C order", (200, 10), largest),
    Choice("sum of each row: product with ones", "ufunc", (200, 10), sums),
    Choice("product: x.dot(W, out)", "np.matmul", (32, 10, 32), product),
    Choice("raw outputs: C order, copied", "product in Fortran order", (200, 100, 2), few_columns),
    Choice("bias: outer product of BLAS", "addition of a row", (200, 100), bias),
    Choice("relu: an array of zeros", "the number 0", (200, 100), relu),
    Choice("relu': sign as a mask", "mask of booleans", (32, 32), mask),
    Choice("gradient of the bias: product with ones", "ufunc", (200, 100), column_sums),
    Choice("y += f x: BLAS", "two ufuncs", (451,), add_scaled),
    Choice("y += f x: BLAS", "two ufuncs", (235_146,), add_scaled),
    Choice("Adam: passes over blocks", "passes over the whole", (235_146,), adam),
    Choice("logistic: through tanh", "scipy.special.expit", (200, 100), logistic),
    Choice("rows of a batch: take into a buffer", "indexing, copied", (200, 50, 20_000), gather),
)


# --------------------------------------------------------------------------------------- measure
def measure(settings: Settings) -> Iterator[Row]:
    """Yield the seconds of a call of both, by choice and dtype."""
    for choice in CHOICES:
        for dtype in DTYPES:
            if settings.wants(choice.words):
                shape = " x ".join(f"{n:,}" for n in choice.shape)
                row: Row = {"case": choice.words, "instead": choice.instead, "shape": shape}
                with one_run(1), np.errstate(all="ignore"):
                    yield row | {"dtype": dtype, "seconds": seconds(choice, dtype, settings)}


def seconds(choice: Choice, dtype: str, settings: Settings) -> dict[str, list[float]]:
    """Return the seconds of a call, repetition by repetition."""
    rng = np.random.default_rng(0)

    def draw(*shape: int, order: Any = "C") -> Any:
        return np.asarray(rng.normal(size=shape), dtype, order)

    calls = dict(zip((CHOSEN, INSTEAD), choice.make(draw, choice.shape), strict=True))
    return interleave(
        {name: mean_of_many(call, settings) for name, call in calls.items()}, settings.repeats
    )


def mean_of_many(call: Action, settings: Settings) -> Callable[[int], float]:
    """Return the case that makes the call many times over, and answers with its mean time."""
    call()
    number = settings.some(WORK / clock(call))

    def calls() -> None:
        for _ in range(number):
            call()

    return lambda repeat: clock(calls) / number


def table(rows: list[Row]) -> Table:
    """Return times and ratios."""
    ratio = "time of the alternative / time of the chosen"
    head = ["chosen", "alternative", "shape", "dtype", "chosen takes", ratio]
    lines = [
        [
            row["case"],
            row["instead"],
            row["shape"],
            row["dtype"],
            duration(row, CHOSEN),
            times(row, INSTEAD, CHOSEN),
        ]
        for row in rows
    ]
    return Table(head, lines, left=4)
