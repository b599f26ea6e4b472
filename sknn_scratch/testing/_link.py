"""Checks of inverse links, and of losses that write their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from sknn_scratch.contracts import Array, Link, Loss
from sknn_scratch.testing._common import both_orders, name, require, require_close

ROWS = 9
#: Initial contents of arrays to write into, unlikely as predictions.
_MARK = -7.5
EXTREMES = "use a formula that does not overflow, such as log-sum-exp with the maximum subtracted."


def _cases(link: Link) -> Iterator[Array]:
    """Yield raw outputs with one, two and three columns, if the link accepts them."""
    rng = np.random.RandomState(0)
    each = [rng.normal(scale=2.0, size=(ROWS, n)) for n in (1, 2, 3)]
    accepted = [raw for raw in each if _accepts(link, raw)]
    require(
        bool(accepted),
        f"{name(link)}.predict must accept one, two or three columns of raw outputs, but raises "
        "ValueError for all of them.",
    )
    yield from accepted


def _accepts(link: Link, raw: Array) -> bool:
    try:
        link.predict(raw.copy(), np.empty_like(raw))
    except ValueError:
        return False
    return True


# --- Checks shared with losses.


def written(part: Link | Loss, verb: Callable[[Array, Array], Array], raw: Array) -> Array:
    """Return the result of ``predict`` or ``log_predict``; compare in-place calls and orders."""
    what, before = f"{name(part)}.{verb.__name__}", raw.copy()
    out, inplace = np.full_like(raw, _MARK), raw.copy()
    result = verb(raw, out)
    verb(inplace, inplace)
    ordered = [verb(r, np.full_like(r, _MARK)) for r in both_orders(raw)]
    require(result is out, f"{what} must return the array `out` passed to it.")
    require(not (out == _MARK).any(), f"{what} must fill all of `out`: write with out=out.")
    unchanged = np.array_equal(raw, before)
    require(unchanged, f"{what} must not change raw unless `out` is raw.")
    agree = np.allclose(inplace, out, rtol=1e-10, equal_nan=True)
    require(agree, f"{what} gives another result if `out` is raw: read before you write.")
    agree = all(np.allclose(other, out, rtol=1e-10, equal_nan=True) for other in ordered)
    require(agree, f"{what} depends on the memory order: do not use ravel or reshape.")
    return out


def require_logarithm(part: Link | Loss, raw: Array) -> None:
    """Raise unless ``log_predict`` is the logarithm of ``predict``, where this is defined."""
    y_pred, log_pred = written(part, part.predict, raw), written(part, part.log_predict, raw)
    if (y_pred > 0).all():
        message = f"{name(part)}.log_predict is not the logarithm of predict"
        require_close(log_pred, np.log(y_pred), 1e-8, message)


def extremes(like: Array) -> tuple[Array, Array]:
    """Return raw outputs of ±1e4 in float32, with either sign first."""
    signs = np.where(np.arange(like.size).reshape(like.shape) % 2, 1, -1).astype(np.float32)
    return 1e4 * signs, -1e4 * signs


# --- Checks of links.


def check_name(link: Link) -> None:
    """``name`` is a string."""
    is_name = isinstance(link.name, str) and bool(link.name)
    require(is_name, f"{name(link)}.name must be a string, not empty. Got {link.name!r}.")


def check_predict(link: Link) -> None:
    """``predict`` fills ``out``, which may be ``raw``, and returns it."""
    for raw in _cases(link):
        y_pred = written(link, link.predict, raw)
        require(not np.isnan(y_pred).any(), f"{name(link)}.predict must not return nan.")


def check_log_predict(link: Link) -> None:
    """``log_predict`` is the logarithm of ``predict``."""
    for raw in _cases(link):
        require_logarithm(link, raw)


def check_is_rowwise(link: Link) -> None:
    """Predictions do not depend on other rows: rows are processed in blocks."""
    for raw in _cases(link):
        whole = written(link, link.predict, raw)
        alone = written(link, link.predict, raw[:4].copy())
        message = f"{name(link)}.predict must treat each row alone, but depends on other rows"
        require_close(alone, whole[:4], 1e-12, message)


def check_symmetry(link: Link) -> None:
    """With ``symmetric = True``, p(-raw) is 1 - p(raw)."""
    for raw in _cases(link) if link.symmetric else ():
        p, mirrored = written(link, link.predict, raw), written(link, link.predict, -raw)
        require_close(
            mirrored,
            1.0 - p,
            1e-10,
            f"{name(link)} is declared symmetric, but p(-raw) is not 1 - p(raw): correct predict, "
            "or set symmetric = False on the class",
        )


def check_float32(link: Link) -> None:
    """float32 gives the results of float64 to its precision."""
    for raw in _cases(link):
        single = written(link, link.predict, raw.astype(np.float32))
        message = f"{name(link)} in float32 differs from float64: choose a stable formula"
        require_close(single, written(link, link.predict, raw), 1e-4, message)


def check_extremes(link: Link) -> None:
    """No prediction is nan at raw = ±1e4 in float32."""
    for raw in _cases(link):
        for extreme in extremes(raw):
            y_pred = link.predict(extreme, np.empty_like(extreme))
            message = f"{name(link)}.predict at raw = ±1e4 in float32 is not a number: {EXTREMES}"
            require(not np.isnan(y_pred).any(), message)


CHECKS = (
    check_name,
    check_predict,
    check_log_predict,
    check_is_rowwise,
    check_symmetry,
    check_float32,
    check_extremes,
)
