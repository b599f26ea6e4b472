"""Threads of BLAS: where a product can use them, and never two sets of them by turns.

numpy and scipy bring a BLAS each, as a rule, and each has threads of its own, which wait for work
by asking for it again and again.  A step that goes from one library to the other then waits for
cores that are busy with waiting; and the products of small networks are over before a second
thread has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from threadpoolctl import ThreadpoolController

from sknn_scratch.core import linalg
from sknn_scratch.core.network import Network

#: Multiplications in a product of matrices from which on threads pay.
LARGE = 2**26
#: Multiplications in a product, and elements of an array, up to which no BLAS wakes a thread.
SMALL_PRODUCT, SMALL_ARRAY = 2**18, 2**13

#: Held by the thread that has changed the setting, which is one for the whole process.
_changing = threading.Lock()


@contextmanager
def suited(network: Network, rows: int, trains: bool = True) -> Iterator[None]:
    """Hold libraries to one thread while a network works on batches of so many rows.

    Who comes while another thread's change is in force leaves it at that: whoever restored
    what was there in the meantime would restore the change.
    """
    some = _to_hold(network, rows, trains)
    if some is None or not _changing.acquire(blocking=False):
        yield
        return
    try:
        with some.limit(limits=1):
            yield
    finally:
        _changing.release()


def _to_hold(network: Network, rows: int, trains: bool) -> Any:
    """Return the libraries that should work on one thread; None for none."""
    product = rows * max(a * b for a, b in zip(network.units, network.units[1:], strict=False))
    array = max(rows * max(network.units[1:]), network.layout.size if trains else 0)
    if product <= SMALL_PRODUCT and array <= SMALL_ARRAY:
        return None
    if product < LARGE:
        return libraries()
    # Compiled verbs call scipy's library for everything.
    is_compiled = linalg.affine_into is not linalg.NUMPY["affine_into"]
    return None if is_compiled else libraries(of_scipy=True)


@cache
def libraries(of_scipy: bool = False) -> ThreadpoolController:
    """Return a controller of all libraries of BLAS, or of those that are scipy's alone."""
    found = ThreadpoolController().select(user_api="blas")
    if not of_scipy:
        return found
    paths = [library.filepath for library in found.lib_controllers]
    return found.select(filepath=[p for p in paths if {"scipy.libs", "scipy"} & {*Path(p).parts}])
