"""Summaries of the partitions of Dask collections, and checks that they are consistent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_classifier
from sklearn.utils.multiclass import unique_labels

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array
from sknn_scratch.estimators import MLPClassifier, MLPRegressor
from sknn_scratch.fitting._class_weight import balanced
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._targets import as_labels
from sknn_scratch.fitting._types import Rows


class Summary(NamedTuple):
    """Summary of one partition, for the client."""

    rows: int
    rows_of_y: int
    form: str  #: columns and dtypes of X
    head: Any  #: the first row of X
    targets: int  #: columns of y; 0 if it is a vector
    labels: Array  #: the classes in a vector y; some values of other targets
    counts: Array  #: number of rows of each class, or of each label in a multilabel y


#: Number of values that summarise targets without classes.
FEW = 5


def check_estimator(estimator: object) -> None:
    """Raise TypeError for other estimators, such as the tabular ones."""
    if not isinstance(estimator, MLPClassifier | MLPRegressor):
        raise TypeError(
            "The estimator of distributed.fit must be an MLPClassifier or MLPRegressor. Got "
            f"{estimator!r:.60}: encode tables with TabularPreprocessor and map_partitions, and "
            "pass one of these."
        )


def split(rows: Rows) -> list[tuple[Any, Any, Any]]:
    """Return delayed (X, y, sample_weight) of each partition."""
    X = _blocks("X", rows.X)
    columns = [X, _blocks("y", rows.y, rows.X)]
    weights = [None] * len(X)
    if rows.sample_weight is not None:
        weights = _blocks("sample_weight", rows.sample_weight, rows.X)
    columns.append(weights)
    for name, blocks in zip(("y", "sample_weight"), columns[1:], strict=True):
        if len(blocks) != len(X):
            raise ValueError(
                f"{name} of distributed.fit must have as many partitions as X, {len(X)}. Got "
                f"{len(blocks)}: repartition or rechunk both in the same way."
            )
    return list(zip(*columns, strict=True))


def _blocks(name: str, collection: Any, like: Any = None) -> list[Any]:
    """Return the delayed partitions of a collection, rechunked like X if chunks are known."""
    import dask

    if not (dask.is_dask_collection(collection) and hasattr(collection, "to_delayed")):
        raise TypeError(
            f"{name} of distributed.fit must be a Dask array, series or dataframe. Got "
            f"{type(collection).__name__}: call the estimator's own fit for data in memory, or "
            "dask.array.from_array."
        )
    if hasattr(collection, "rechunk"):
        wanted = dict.fromkeys(range(1, collection.ndim), -1)
        chunks = getattr(like, "chunks", None)
        if chunks is not None and not np.isnan([*chunks[0], *collection.chunks[0]]).any():
            wanted[0] = chunks[0]
            _check_length(name, collection.shape[0], like.shape[0])
        collection = collection.rechunk(wanted)
    return list(np.ravel(np.array(collection.to_delayed(), dtype=object)))


def _check_length(name: str, n: int, n_X: int) -> None:
    if n != n_X:
        raise ValueError(
            f"{name} of distributed.fit must have one row for each row of X, {n_X} in all. Got "
            f"{n}: pass collections of the same rows."
        )


@quiet_floats()
def summarise(has_classes: bool, X: Any, y: Any, sample_weight: Any) -> Summary:
    """Return the summary of a partition; runs on a worker."""
    y = as_targets(y)
    targets = 0 if y.ndim == 1 else y.shape[1]
    labels, counts = y[:FEW], np.empty(0, dtype=np.intp)
    if has_classes and targets:
        counts = np.count_nonzero(y, axis=0)
    elif has_classes and _is_real(y):
        labels = y[y != np.rint(y)][:FEW]
    elif has_classes and len(y):
        y = as_labels(y)
        labels = unique_labels(y)
        counts = np.bincount(np.searchsorted(labels, y), minlength=len(labels))
    return Summary(X.shape[0], len(y), _form(X), X[:1], targets, labels, counts)


def as_targets(y: Any) -> Array:
    """Return the targets of a partition as an array, with one column as a vector."""
    y = np.asarray(y)
    return y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y


def _is_real(y: Array) -> bool:
    """Return True if y contains nan or numbers that are not class labels, which fit rejects."""
    return y.dtype.kind == "f" and not np.array_equal(y, np.rint(y))


def _form(X: Any) -> str:
    if hasattr(X, "columns"):
        return ", ".join(f"{name}: {kind}" for name, kind in X.dtypes.items())
    return f"{X.shape[1]} columns of {X.dtype}"


def agreed(found: Sequence[Summary]) -> list[int]:
    """Return the numbers of the partitions with rows; raise unless they are consistent."""
    kept = [k for k, part in enumerate(found) if part.rows or part.rows_of_y]
    if not kept:
        raise ValueError(
            "X of distributed.fit must have at least one row. Got empty partitions only."
        )
    first = found[kept[0]]
    for k in kept:
        part = found[k]
        if part.rows != part.rows_of_y:
            raise ValueError(
                f"X and y of distributed.fit must have as many rows in each partition. Got "
                f"{part.rows} and {part.rows_of_y} in partition {k}: pass both with the same rows."
            )
        for what, had, here in (
            ("columns and dtypes of X", first.form, part.form),
            ("number of columns of y", first.targets or 1, part.targets or 1),
        ):
            if had != here:
                raise ValueError(
                    f"The {what} must be the same in all partitions. Got {had} in partition "
                    f"{kept[0]} and {here} in partition {k}: cast or select columns first, for "
                    "example with map_partitions."
                )
    return kept


def read_targets(estimator: OwnEstimator, parts: Sequence[Summary]) -> Array:
    """Return a small y with all classes, or the same form, as the whole one."""
    n = parts[0].targets
    if n:
        return np.array([[0] * n, [1] * n])
    found: Array = np.concatenate([part.labels for part in parts])
    return np.unique(found) if is_classifier(estimator) else found


def check_named(estimator: OwnEstimator, classes: Any, y: Array) -> None:
    """Raise if the option ``classes`` lacks classes of y; ``fit`` rejects real numbers."""
    if classes is None or not is_classifier(estimator) or y.ndim > 1 or _is_real(y):
        return
    known = np.asarray(classes).tolist()
    unknown = [label for label in y.tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"classes of distributed.fit must contain all classes of y. Got {known}, but y also "
            f"has {unknown}: add these."
        )


def class_weight(settings: Settings, parts: Sequence[Summary], targets: Any) -> Any:
    """Return ``class_weight`` with numbers for "balanced", from the counts of all partitions.

    Invalid values are returned unchanged, for the checks of ``fit`` to reject.
    """
    weights = settings.class_weight
    if targets.task != "multilabel":
        if not _is_balanced(weights):
            return weights
        return _weights(targets.classes, _counts(parts, targets.classes))
    if not isinstance(weights, list) or len(weights) != targets.n_targets:
        return weights
    n, ones = sum(part.rows for part in parts), np.sum([part.counts for part in parts], axis=0)
    counts = zip(n - ones, ones, strict=True)
    return [
        _weights(np.arange(2), np.array(pair)) if _is_balanced(one) else one
        for one, pair in zip(weights, counts, strict=True)
    ]


def _is_balanced(class_weight: Any) -> bool:
    return isinstance(class_weight, str) and class_weight == "balanced"


def _counts(parts: Sequence[Summary], classes: Array) -> Array:
    """Return the number of rows of each class in all partitions."""
    counts = np.zeros(len(classes), dtype=np.intp)
    for part in parts:
        if len(part.counts) == len(part.labels):
            counts[np.searchsorted(classes, part.labels)] += part.counts
    return counts


def _weights(classes: Array, counts: Array) -> Any:
    """Return the weights of balanced classes by name."""
    return dict(zip(classes.tolist(), balanced(counts).tolist(), strict=True))


def warn_of_lonely_classes(estimator: OwnEstimator, parts: Sequence[Summary]) -> None:
    """Warn about classes that only one of several partitions has."""
    if not is_classifier(estimator) or len(parts) < 2 or parts[0].targets:
        return
    labels, counts = np.unique(np.concatenate([p.labels for p in parts]), return_counts=True)
    if _is_real(labels):
        return
    lonely = labels[counts == 1].tolist()
    if lonely:
        warn(
            f"y of distributed.fit has classes that are in one partition only: {lonely}. They are "
            "included; pass classes= with all classes if that is expected."
        )
