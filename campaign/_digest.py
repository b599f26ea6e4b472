"""A digest of any object by its content, to see what a call has changed."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

#: Fields that hold times, which differ from run to run.
TIMES = frozenset({"seconds"})
DEPTH = 14


def digest(value: Any, *, times: bool = True) -> str:
    """Return a short code of a value's content; without ``times``, measured seconds count as 0."""
    code = hashlib.blake2b(digest_size=12)
    for part in _parts(value, times, frozenset(), 0):
        code.update(part)
    return code.hexdigest()


def _parts(value: Any, times: bool, above: frozenset[int], depth: int) -> Iterator[bytes]:
    yield type(value).__name__.encode()
    if isinstance(value, np.ndarray) and not value.dtype.hasobject:
        yield f"{value.dtype.str}{value.shape}".encode()
        yield np.ascontiguousarray(value).tobytes()
    elif isinstance(value, str | bytes | int | float | complex | np.generic | None):
        yield repr(value).encode("utf-8", "surrogatepass")
    elif id(value) in above or depth > DEPTH:
        yield b"again"
    else:
        for name, part in _inner(value):
            yield name.encode("utf-8", "surrogatepass")
            if times or name not in TIMES:
                yield from _parts(part, times, above | {id(value)}, depth + 1)


def _inner(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield the named parts of what has parts."""
    if isinstance(value, np.random.RandomState):
        yield "state", value.get_state(legacy=False)
    elif isinstance(value, np.random.Generator):
        yield "state", value.bit_generator.state
    elif isinstance(value, dict):
        yield from (
            (key if isinstance(key, str) else repr(key), part) for key, part in value.items()
        )
    elif isinstance(value, Sequence):
        yield from ((str(place), part) for place, part in enumerate(value))
    elif isinstance(value, np.ndarray):
        yield str(value.shape), value.ravel().tolist()
    elif sparse.issparse(value):
        yield from (("format", value.format), ("shape", value.shape), ("cells", _cells(value)))
    elif isinstance(value, pd.DataFrame | pd.Series):
        yield from (
            ("columns", repr(getattr(value, "columns", None))),
            ("types", str(value.dtypes if value.ndim > 1 else value.dtype)),
        )
        yield from (("index", repr(value.index)), ("cells", repr(value.to_numpy(object).tolist())))
    elif hasattr(value, "__dict__") and not callable(value):
        kept = functools.cached_property  # computed when first asked for, which is no change
        of_class = type(value)
        yield from (
            (name, part)
            for name, part in vars(value).items()
            if not isinstance(getattr(of_class, name, None), kept)
        )


def _cells(matrix: Any) -> list[Any]:
    cells = matrix.tocoo()
    return [cells.data, cells.row, cells.col]
