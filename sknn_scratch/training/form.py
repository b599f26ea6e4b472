"""Forms of plain data, which validate stored data before its first use.

A form is called with data and with its place in a tree.  It returns a copy that is safe for
computation: arrays are contiguous, own their memory and have the required shape, dtype and byte
order.  Otherwise it raises :class:`MisfitError`, whose message is a clause such as "epoch is not
a whole number from 0 to 9 (got -1)".
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from math import inf, isfinite
from numbers import Integral, Real
from typing import Any

import numpy as np

Form = Callable[[Any, str], Any]

#: Largest count: all integers up to it are exact in float64.
MOST = 2**53
#: Maximum number of nested dicts and lists.
DEEPEST = 30


class MisfitError(ValueError):
    """Error for data that differs from its form, at ``place``."""

    def __init__(self, place: str, wanted: str, found: Any) -> None:
        missing = found is None and not wanted.startswith(("array", "dict", "list"))
        article = "an" if wanted[0] in "aeiou" else "a"
        self.place = place
        self.fault = "missing" if missing else f"not {article} {wanted} (got {shown(found)})"
        super().__init__(f"{place} is {self.fault}")


@contextmanager
def part_of(place: str) -> Iterator[None]:
    """Name the tree at ``place`` in errors about its parts, which are read by their own names."""
    try:
        yield
    except MisfitError as error:
        error.place = f"{error.place} of {place}"
        error.args = (f"{error.place} is {error.fault}",)
        raise


def shown(found: Any) -> str:
    """Return a short description of any data."""
    if isinstance(found, np.ndarray):
        return f"an array of shape {found.shape}, {found.dtype}"
    if isinstance(found, float | bool | None) or (isinstance(found, int) and abs(found) < 2**128):
        return repr(found)
    if type(found) is str:
        return repr(found) if len(found) <= 40 else f"a string of {len(found)} characters"
    return f"a value of type {type(found).__name__}"


# --- Numbers and text.


def whole(least: int = 0, most: int = MOST) -> Form:
    """Return the form of integers in a range."""

    def read(found: Any, place: str) -> int:
        if _is_number(found, Integral) and least <= found <= most:
            return int(found)
        raise MisfitError(place, f"whole number from {least} to {most}", found)

    return read


def number(least: float = -inf, most: float = inf) -> Form:
    """Return the form of real numbers in a range, which excludes nan."""

    def read(found: Any, place: str) -> Any:
        if _is_number(found, Real) and least <= found <= most:
            return found
        raise MisfitError(place, f"number from {least} to {most}", found)

    return read


def any_number(found: Any, place: str) -> Any:
    """Read a real number or nan."""
    if not _is_number(found, Real):
        raise MisfitError(place, "number", found)
    return found


def finite(found: Any, place: str) -> Any:
    """Read a finite number."""
    if not _is_number(found, Real) or not isfinite(found):
        raise MisfitError(place, "finite number", found)
    return found


def _is_number(found: Any, kind: type) -> bool:
    """Return True if data is a number in the range of floats, and not a boolean."""
    is_one = isinstance(found, kind) and not isinstance(found, bool)
    return is_one and not (isinstance(found, int) and found.bit_length() > 1000)


def text(*known: str) -> Form:
    """Return the form of strings, or of some strings."""

    def read(found: Any, place: str) -> str:
        if isinstance(found, str) and (not known or found in known):
            return found
        raise MisfitError(place, f"string among {', '.join(known)}" if known else "string", found)

    return read


def truth(found: Any, place: str) -> bool:
    """Read True or False."""
    if not isinstance(found, bool):
        raise MisfitError(place, "boolean", found)
    return found


# --- Arrays.


def array(shape: tuple[int, ...], dtype: Any) -> Form:
    """Return the form of arrays of one shape and dtype; floats must be finite."""
    own = _native(np.dtype(dtype))

    def read(found: Any, place: str) -> Any:
        is_one = isinstance(found, np.ndarray) and found.shape == shape
        if not is_one or _native(found.dtype) != own:
            raise MisfitError(place, f"array of shape {shape}, {own}", found)
        if own.kind in "fc" and not np.isfinite(found).all():
            raise MisfitError(place, "array of finite numbers", found)
        return np.array(found, own, order="C")

    return read


def constant(value: Any) -> Form:
    """Return the form of an array with fixed values."""
    form = array(value.shape, value.dtype)

    def read(found: Any, place: str) -> Any:
        copy = form(found, place)
        if (copy != value).any():
            raise MisfitError(place, f"array of the values {value.tolist()}", copy.tolist())
        return copy

    return read


def _native(dtype: Any) -> Any:
    return dtype if dtype.hasobject else dtype.newbyteorder("=")


def vector(found: Any, place: str) -> Any:
    """Read a vector of finite floats, of any length."""
    is_one = isinstance(found, np.ndarray) and found.ndim == 1
    if not is_one or _native(found.dtype) not in (np.float32, np.float64):
        raise MisfitError(place, "array of one dimension, float32 or float64", found)
    return array(found.shape, found.dtype)(found, place)


# --- Dicts and lists.


def at(place: str, key: Any) -> str:
    """Return the place of a part."""
    return f"{place}[{key!r}]" if place else str(key)


def record(parts: Mapping[str, Form], others: Form | None = None) -> Form:
    """Return the form of dicts with these keys; ``others`` is the form of additional values."""

    def read(found: Any, place: str) -> dict[str, Any]:
        if not isinstance(found, dict):
            raise MisfitError(place, "dict", found)
        unknown = [key for key in found if not (isinstance(key, str) and key in parts)]
        if unknown and (others is None or not all(isinstance(key, str) for key in unknown)):
            raise MisfitError(place or "state", f"dict of only {', '.join(parts)}", unknown[0])
        own = {key: form(found.get(key), at(place, key)) for key, form in parts.items()}
        if others is not None:
            own |= {key: others(found[key], at(place, key)) for key in unknown}
        return own

    return read


def mapping(part: Form) -> Form:
    """Return the form of dicts with any keys, whose values have one form."""
    return record({}, part)


def sequence(part: Form, length: int | None = None) -> Form:
    """Return the form of lists whose items have one form."""
    wanted = "list" if length is None else f"list of {length}"

    def read(found: Any, place: str) -> list[Any]:
        if not isinstance(found, list) or (length is not None and len(found) != length):
            raise MisfitError(place, wanted, found)
        return [part(value, at(place, k)) for k, value in enumerate(found)]

    return read


def optional(form: Form) -> Form:
    """Return the form of values that may be None."""
    return lambda found, place: None if found is None else form(found, place)


def nothing(found: Any, place: str) -> None:
    """Read None."""
    if found is not None:
        raise MisfitError(place, "None value, as required here", found)


def empty_or(form: Form) -> Form:
    """Return the form of dicts that may be empty."""
    return lambda found, place: {} if isinstance(found, dict) and not found else form(found, place)


def plain(found: Any, place: str, depth: int = 0) -> Any:
    """Read plain data of any form, such as the state of a component."""
    if depth > DEEPEST:
        raise MisfitError(place, f"value inside of at most {DEEPEST} dicts or lists", found)
    if isinstance(found, dict):
        return {key: plain(part, place, depth + 1) for key, part in found.items()}
    if isinstance(found, list):
        return [plain(part, place, depth + 1) for part in found]
    if isinstance(found, np.ndarray):
        if found.dtype.hasobject:
            raise MisfitError(place, "array without objects", found)
        return np.array(found, _native(found.dtype), order="C")
    return deepcopy(found)


def like(example: Any, fixed: Collection[tuple[Any, ...]] = ()) -> Form:
    """Return the form of an example, such as an initial state.

    Dicts must have all keys of the example, and may have more; arrays must have its shape and
    dtype; integers are counts.  Vectors with values among ``fixed`` must be equal to it.
    """
    if isinstance(example, dict):
        return record({key: like(part, fixed) for key, part in example.items()}, plain)
    if isinstance(example, np.ndarray) and not example.dtype.hasobject:
        is_fixed = example.ndim == 1 and tuple(example[:3]) in fixed
        return constant(example) if is_fixed else array(example.shape, example.dtype)
    if isinstance(example, bool):
        return truth
    if isinstance(example, int):
        return whole(min(example, 0))
    if isinstance(example, float):
        return finite if isfinite(example) else any_number
    return text() if isinstance(example, str) else plain
