"""Global settings of the package: the compute engine."""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sknn_scratch.core import linalg

#: Environment variable with the initial engine; worker processes inherit it.
VARIABLE = "SKNN_SCRATCH_ENGINE"

_config = {"engine": "numpy"}


def get_config() -> dict[str, str]:
    """Return a copy of the current settings.

    Returns
    -------
    dict
        ``{"engine": "numpy" or "compiled"}``.

    Examples
    --------
    >>> import sknn_scratch
    >>> sorted(sknn_scratch.get_config())
    ['engine']
    """
    return dict(_config)


def set_config(*, engine: str | None = None) -> None:
    """Set the global settings of this process.

    All threads share the settings.  This function also sets the environment variable
    ``SKNN_SCRATCH_ENGINE``, so that processes forked or spawned later start with the same
    settings.  Worker processes (and fork servers) that are already running keep their own.

    Parameters
    ----------
    engine : {"numpy", "compiled"}, default=None
        Compute engine; "numpy" at the start.  "compiled" compiles the hot loops with numba.  It
        gives the same results up to rounding error, in less time for small networks, and
        requires the extra ``fast`` (``pip install "sknn-scratch[fast]"``).  Code is compiled
        when a loop first runs, and cached on disk for later processes, in the directory of this
        package or in that of the environment variable ``NUMBA_CACHE_DIR``.  If None, the engine
        is unchanged.

    Raises
    ------
    ValueError
        If the engine is unknown.
    ImportError
        If numba is not installed, or does not work on this machine.

    Examples
    --------
    >>> import sknn_scratch
    >>> sknn_scratch.set_config(engine="numpy")
    """
    if engine is None:
        return
    linalg.exchange(_verbs(engine))
    _config["engine"] = engine
    os.environ[VARIABLE] = engine


@contextmanager
def config_context(*, engine: str | None = None) -> Iterator[None]:
    """Set the global settings inside a ``with`` block, and restore the previous ones after it.

    All threads share the settings, so blocks in several threads must not overlap.

    Parameters
    ----------
    engine : {"numpy", "compiled"}, default=None
        See :func:`set_config`.

    Examples
    --------
    >>> import sknn_scratch
    >>> with sknn_scratch.config_context(engine="numpy"):
    ...     sknn_scratch.get_config()
    {'engine': 'numpy'}
    """
    before, variable = get_config(), os.environ.get(VARIABLE)
    set_config(engine=engine)
    try:
        yield
    finally:
        if engine is not None:
            set_config(**before)
            _restore_variable(variable)


def _restore_variable(value: str | None) -> None:
    if value is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = value


def _verbs(engine: str) -> Mapping[str, Callable[..., Any]]:
    """Return the functions that replace the verbs of ``core.linalg``."""
    if engine == "numpy":
        return {}
    if engine != "compiled":
        raise ValueError(
            f"The engine of sknn_scratch must be 'numpy' or 'compiled'. Got {engine!r} instead: "
            f"see sknn_scratch.set_config and the environment variable {VARIABLE}."
        )
    try:
        from sknn_scratch.core.compiled import VERBS
    except (ImportError, RuntimeError) as error:  # numba raises both if it has no cache directory
        raise ImportError(
            "engine='compiled' requires numba and a cache directory. Install numba with "
            '`pip install "sknn-scratch[fast]"`, set the environment variable NUMBA_CACHE_DIR '
            f"to a writable directory, or keep engine='numpy'. ({error})"
        ) from error
    return VERBS


set_config(engine=os.environ.get(VARIABLE) or None)
