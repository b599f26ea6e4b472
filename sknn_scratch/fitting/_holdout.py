"""Rows held out for early stopping, as row numbers instead of copies."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
from sklearn.model_selection import train_test_split

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array

#: Minimum number of rows in a fold; with less, nothing is held out.
SMALLEST_FOLD = 5


def n_held_out(n: int, fraction: float) -> int:
    """Return the number of validation rows among n."""
    return ceil(fraction * n)


def split(
    n: int, fraction: float, rng: np.random.RandomState, strata: Array | None
) -> tuple[Array, Array]:
    """Return (training rows, validation rows), with the same random split as scikit-learn.

    Rows are stratified by ``strata``, if given.  A stratum with a single row stays in the
    training part.  If stratification is impossible, the split is not stratified.
    """
    if n_held_out(n, fraction) < 2:
        raise ValueError(
            "The validation set is too small. Increase 'validation_fraction' or the size of "
            f"your dataset: validation_fraction={fraction} of {n} samples must be at least 2."
        )
    if n_held_out(n, fraction) >= n:
        raise ValueError(
            f"The training part is empty: validation_fraction={fraction} holds out all {n} "
            "samples. Lower 'validation_fraction' or add samples."
        )
    rows = np.arange(n)
    if strata is None:
        return _plain(rows, fraction, rng)
    alone = np.isin(strata, np.flatnonzero(np.bincount(strata) == 1))
    if alone.any():
        warn(
            "A class with a single member stays in the training part of the early-stopping "
            "split. Add samples of that class, or turn early_stopping off.",
        )
    train, held_out = _stratified(rows[~alone], strata, fraction, rng)
    return np.concatenate([train, rows[alone]]), held_out


def _stratified(
    rows: Array, strata: Array, fraction: float, rng: np.random.RandomState
) -> tuple[Array, Array]:
    n_test, n_strata = ceil(fraction * len(rows)), len(np.unique(strata[rows]))
    if min(n_test, len(rows) - n_test) < n_strata:
        change = "increase" if n_test < n_strata else "lower"
        warn(
            f"The early-stopping split cannot be stratified: {n_test} of {len(rows)} samples "
            f"cannot hold all {n_strata} classes. It is drawn without stratification; {change} "
            "validation_fraction to stratify it.",
        )
        return _plain(rows, fraction, rng)
    return _plain(rows, fraction, rng, stratify=strata[rows])


def _plain(
    rows: Array, fraction: float, rng: np.random.RandomState, **how: Any
) -> tuple[Array, Array]:
    train, held_out = train_test_split(rows, random_state=rng, test_size=fraction, **how)
    return train, held_out


def folds(n: int, n_folds: int, strata: Array | None, rng: np.random.RandomState) -> list[Array]:
    """Return ``n_folds`` disjoint lists of row numbers of equal length.

    Rows are distributed class by class; up to ``n_folds`` - 1 rows remain.
    """
    n_folds = min(n_folds, n // SMALLEST_FOLD)
    if n_folds < 2:
        return [np.empty(0, dtype=np.intp)]
    dealt = rng.permutation(n)
    if strata is not None:
        dealt = dealt[np.argsort(strata[dealt], kind="stable")]
    return [np.sort(dealt[k::n_folds][: n // n_folds]) for k in range(n_folds)]
