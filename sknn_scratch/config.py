"""Settings of the whole package: so far, the engine that its verbs run on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from sknn_scratch.core import linalg

ENGINES = ("numpy", "compiled")
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

    All threads share them.  Worker processes that start later begin with them, through the
    environment variable ``SKNN_SCRATCH_ENGINE``, which this function sets; workers that run
    already keep theirs.

    Parameters
    ----------
    engine : {"numpy", "compiled"}, default=None
        "numpy" is what the package begins with.  "compiled" runs the hot loops as machine
        code that numba makes of them: the same results to rounding, in less time where
        networks are small.  It needs the extra ``fast``
        (``pip install "sknn-scratch[fast]"``).  The code is made when a loop first runs, in
        about a second each, and kept on disk for later processes.  None leaves the setting
        as it is.

    Raises
    ------
    ValueError
        If there is no such engine.
    ImportError
        If numba is not installed.

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
    """Change settings inside a ``with`` block, as :func:`set_config` does.

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
        set_config(**before)
        if variable is None:
            os.environ.pop(VARIABLE, None)


def _verbs(engine: str) -> Any:
    """Return the functions that replace numpy's verbs."""
    if engine == "numpy":
        return {}
    if engine != "compiled":
        raise ValueError(
            f"The engine of sknn_scratch must be 'numpy' or 'compiled'. Got {engine!r} instead: "
            f"see sknn_scratch.set_config and the environment variable {VARIABLE}."
        )
    try:
        return import_module("sknn_scratch.core.compiled").VERBS
    except ImportError as error:
        raise ImportError(
            "engine='compiled' needs numba, which cannot be imported here. Install it with "
            "`pip install \"sknn-scratch[fast]\"`, or go on with engine='numpy'."
        ) from error


def begin() -> None:
    """Set the engine that the environment asks for."""
    engine = os.environ.get(VARIABLE)
    if engine:
        set_config(engine=engine)
