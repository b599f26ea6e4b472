"""Limits on the threads of BLAS, for small products and for two BLAS libraries in one step.

numpy and scipy usually have separate BLAS libraries with separate threads, which poll for work.
A step that alternates between both libraries then waits for cores that are busy polling.  In
addition, products of small networks finish before a second thread has started.
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

#: Number of multiplications in a matrix product from which several threads are faster.
LARGE = 2**26
#: Multiplications in a product, and elements of an array, up to which BLAS uses one thread.
SMALL_PRODUCT, SMALL_ARRAY = 2**18, 2**13

#: Held by the thread that has changed the setting, which is global to the process.
_changing = threading.Lock()


@contextmanager
def suited(network: Network, rows: int, trains: bool = True) -> Iterator[None]:
    """Limit BLAS libraries to one thread where that suits a network and a batch size.

    If another thread already holds the limit, leave it in place: restoring the setting found
    in the meantime would restore the limit.
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
    """Return the libraries to limit to one thread, or None."""
    product = rows * max(a * b for a, b in zip(network.units, network.units[1:], strict=False))
    array = max(rows * max(network.units[1:]), network.layout.size if trains else 0)
    if product <= SMALL_PRODUCT and array <= SMALL_ARRAY:
        return None
    if product < LARGE:
        return libraries()
    # Compiled verbs use scipy's library only.
    is_compiled = linalg.affine_into is not linalg.NUMPY["affine_into"]
    return None if is_compiled else libraries(of_scipy=True)


@cache
def libraries(of_scipy: bool = False) -> ThreadpoolController:
    """Return a controller of all BLAS libraries, or of scipy's only."""
    found = ThreadpoolController().select(user_api="blas")
    if not of_scipy:
        return found
    paths = [library.filepath for library in found.lib_controllers]
    return found.select(filepath=[p for p in paths if {"scipy.libs", "scipy"} & {*Path(p).parts}])
