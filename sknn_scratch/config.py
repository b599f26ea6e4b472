"""Settings of the whole package: so far, the engine that its verbs run on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sknn_scratch.core import linalg

#: Environment variable with the engine to begin with; worker processes inherit it.
VARIABLE = "SKNN_SCRATCH_ENGINE"

_config = {"engine": "numpy"}


def get_config() -> dict[str, str]:
    """Return a copy of the settings.

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
    """Change settings of this process.

    All threads share them.  Processes that are forked or spawned later begin with them, through
    the environment variable ``SKNN_SCRATCH_ENGINE``, which this function sets; workers (and fork
    servers) that run already keep theirs.

    Parameters
    ----------
    engine : {"numpy", "compiled"}, default=None
        "numpy" is what the package begins with.  "compiled" runs the hot loops as machine
        code that numba makes of them: the same results to rounding, in less time where
        networks are small.  It needs the extra ``fast``
        (``pip install "sknn-scratch[fast]"``).  The code is made when a loop first runs, and
        kept on disk for later processes, beside this package or in the folder that the
        environment variable ``NUMBA_CACHE_DIR`` names.  None leaves the setting as it is.

    Raises
    ------
    ValueError
        If there is no such engine.
    ImportError
        If numba is not installed, or does not work here.

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
    """Change settings inside a ``with`` block, as :func:`set_config` does, and then back.

    As all threads share the settings, blocks in several threads must not overlap.

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
    """Return the functions that take the place of numpy's verbs."""
    if engine == "numpy":
        return {}
    if engine != "compiled":
        raise ValueError(
            f"The engine of sknn_scratch must be 'numpy' or 'compiled'. Got {engine!r} instead: "
            f"see sknn_scratch.set_config and the environment variable {VARIABLE}."
        )
    try:
        from sknn_scratch.core.compiled import VERBS
    except (ImportError, RuntimeError) as error:  # numba's, where it finds no folder to write to
        raise ImportError(
            "engine='compiled' needs numba, and a folder to keep code in. Install it with "
            '`pip install "sknn-scratch[fast]"`, let the environment variable NUMBA_CACHE_DIR '
            f"name a folder that can be written to, or go on with engine='numpy'. ({error})"
        ) from error
    return VERBS


set_config(engine=os.environ.get(VARIABLE) or None)
