"""Threads of BLAS: where a product can use them, and never two sets of them by turns.

numpy and scipy bring a BLAS each, as a rule, and each has threads of its own, which wait for work
by asking for it again and again.  A step that goes from one library to the other then waits for
cores that are busy with waiting; and the products of small networks are over before a second
thread has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from sknn_scratch.core import linalg
from sknn_scratch.core.network import Network

#: Multiplications in a product of matrices from which on threads pay.
LARGE = 2**26
#: Elements of a layer's outputs up to which no BLAS wakes a thread.
TINY = 2**13

_lock = threading.Lock()
#: By library: how many hold it to one thread, and how many threads it had before.
_held: dict[str, list[int]] = {}


@contextmanager
def suited(network: Network, rows: int) -> Iterator[None]:
    """Hold libraries to one thread while a network works on batches of so many rows.

    All threads of the process share the setting: the first to come changes it, and the last to
    leave brings back what was there.
    """
    libraries = _to_hold(network, rows)
    for library in libraries:
        _hold(library)
    try:
        yield
    finally:
        for library in libraries:
            _release(library)


def _to_hold(network: Network, rows: int) -> Sequence[Any]:
    """Return the libraries that should work on one thread."""
    if rows * max(network.units[1:]) <= TINY:
        return ()
    everything, of_scipy = _libraries()
    product = rows * max(a * b for a, b in zip(network.units, network.units[1:], strict=False))
    if product < LARGE:
        return everything
    # Compiled verbs call scipy's library for everything.
    is_compiled = linalg.affine_into is not linalg.NUMPY["affine_into"]
    return () if is_compiled else of_scipy


@cache
def _libraries() -> tuple[list[Any], list[Any]]:
    """Return the loaded libraries of BLAS, and those of them that are scipy's alone."""
    found = ThreadpoolController().select(user_api="blas").lib_controllers
    return found, [lib for lib in found if {"scipy.libs", "scipy"} & {*Path(lib.filepath).parts}]


def _hold(library: Any) -> None:
    with _lock:
        holders = _held.setdefault(library.filepath, [0, 0])
        if not holders[0]:
            holders[1] = library.num_threads
            library.set_num_threads(1)
        holders[0] += 1


def _release(library: Any) -> None:
    with _lock:
        holders = _held[library.filepath]
        holders[0] -= 1
        if not holders[0]:
            library.set_num_threads(holders[1])
