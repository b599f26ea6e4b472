"""Files of skops: trusted types of this package, and a loader that trusts only these."""

from __future__ import annotations

import errno
import os
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta, timezone
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator

from sknn_scratch import components
from sknn_scratch.core.layers import Dense, Dropout, ScaledDense
from sknn_scratch.core.layout import Layout
from sknn_scratch.core.network import Network
from sknn_scratch.estimators import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.fitting._publish import fitted
from sknn_scratch.fitting._resume import check_fitted
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Fitted
from sknn_scratch.interop._extras import require
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._categories import Levels
from sknn_scratch.preprocessing._numeric import Bins, RobustScale
from sknn_scratch.training.archive import check_array, check_json, check_members
from sknn_scratch.training.checkpoint import plain_file
from sknn_scratch.training.form import DEEPEST
from sknn_scratch.training.history import History
from sknn_scratch.training.state import TrainingState

#: Types in a fitted estimator, in addition to its components.
_PARTS: tuple[type, ...] = (
    MLPClassifier,
    MLPRegressor,
    Network,
    Dense,
    Dropout,
    ScaledDense,
    Layout,
    ClassTargets,
    NumericTargets,
    Fitted,
    TrainingState,
    History,
    TabularMLPClassifier,
    TabularMLPRegressor,
    TabularPreprocessor,
    Levels,
    Bins,
    RobustScale,
)
_COMPONENTS: tuple[type, ...] = tuple(getattr(components, name) for name in components.__all__)

#: Types of categories, in addition to those that skops trusts.
_LEVELS: tuple[type, ...] = (date, datetime, time, timedelta, timezone)

#: Names of all types of this package that a stored estimator, pipeline or component can contain,
#: and of the types of ``datetime`` among categories. Creating them runs no other code.
TRUSTED_TYPES: tuple[str, ...] = tuple(
    sorted(f"{cls.__module__}.{cls.__qualname__}" for cls in (*_PARTS, *_COMPONENTS, *_LEVELS))
)
#: Bytes that members may have when unpacked: some, and a multiple of the bytes of the file.
SLACK, RATIO = 2**26, 60
_SCHEMA = "schema.json"


def load_skops(path: str | os.PathLike[str], trusted: Iterable[str] = ()) -> Any:
    """Load an object that ``skops.io.dump`` stored, creating instances of trusted types only.

    skops stores the keys of a dict as strings, so that ``class_weight={True: 1.0, False: 5.0}``
    is loaded incorrectly. Use 0 and 1 for classes that are booleans.

    Parameters
    ----------
    path : str or path-like
        Path of the file.
    trusted : iterable of str, default=()
        Names of types to trust in addition to those of skops and ``TRUSTED_TYPES``, such as
        the classes of your own components.

    Returns
    -------
    object : estimator, pipeline or component
        The stored object.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TypeError
        If the file contains other types, which the message names; or if ``path`` is not a path.
    ValueError
        If the file is not a regular one, damaged, truncated or of another format.

    Examples
    --------
    >>> import os, tempfile
    >>> import skops.io
    >>> from sknn_scratch.components import Gelu
    >>> from sknn_scratch.interop import load_skops
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "gelu.skops")
    ...     skops.io.dump(Gelu(approximate="tanh"), path)
    ...     load_skops(path)
    Gelu(approximate='tanh')
    """
    io = require("skops.io", "skops", "load_skops")
    where, known = plain_file(path, "a file of skops"), [*TRUSTED_TYPES, *trusted]
    with _naming(path):
        _check_whole(where)
        unknown = sorted(set(io.get_untrusted_types(file=where)) - {*known})
    if unknown:
        raise TypeError(_untrusted(path, unknown))
    with _naming(path):
        loaded = io.load(where, trusted=known)
        for network in _networks(loaded):
            check_fitted(network, isinstance(network.targets, NumericTargets))
    return loaded


def _networks(value: Any, depth: int = 0) -> Iterator[Fitted]:
    """Yield the fitted networks in what was loaded, also in pipelines and ensembles."""
    if isinstance(value, MLPClassifier | MLPRegressor):
        yield from [fitted(value)] if hasattr(value, "theta_") else []
        return
    if isinstance(value, Fitted):
        yield value
        return
    parts = value.values() if isinstance(value, dict) else value
    if not isinstance(value, dict | list | tuple):
        parts = vars(value).values() if isinstance(value, BaseEstimator) else ()
    for part in parts if depth < DEEPEST else ():
        yield from _networks(part, depth + 1)


@contextmanager
def _naming(path: str | os.PathLike[str]) -> Iterator[None]:
    """Turn what a damaged file raises in zipfile, json, numpy and skops into one error."""
    try:
        yield
    except Exception as error:
        # A position outside the file is damage; any other error of the system is itself.
        if isinstance(error, OSError) and error.errno not in (None, errno.EINVAL):
            raise
        reason = " ".join(str(error).split())[:200]
        raise ValueError(
            f"The file {os.fspath(path)!r} must be a whole, undamaged file that skops.io.dump "
            f"wrote, but it cannot be read ({type(error).__name__}: {reason}): store the "
            "estimator again, or pass another file."
        ) from error


def _check_whole(path: Path) -> None:
    """Raise an error unless sizes are plausible and all checksums are correct."""
    with zipfile.ZipFile(path) as archive:
        check_members(archive, SLACK + RATIO * path.stat().st_size)
        damaged = archive.testzip()
        if damaged is not None:
            raise zipfile.BadZipFile(f"its part {damaged!r} is damaged")
        check_json(archive.read(_SCHEMA))
        for member in archive.infolist():
            if member.filename.endswith(".npy"):
                with archive.open(member) as content:
                    check_array(content, member.filename, member.file_size)


def _untrusted(path: str | os.PathLike[str], unknown: list[str]) -> str:
    return (
        f"The file {os.fspath(path)!r} must contain only types of skops and sknn_scratch. Got "
        f"{', '.join(unknown)}: if you trust them, pass trusted={unknown!r}."
    )
