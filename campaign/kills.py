"""Fits killed at random moments and resumed to the end: the result of a whole fit, bit for bit."""

from __future__ import annotations

import functools
import multiprocessing
import os
import signal
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from campaign._digest import digest
from campaign._draw import pick
from campaign._watch import Case
from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch import components as parts
from sknn_scratch.contracts import Callback, Run

_rng = np.random.default_rng(0)
X = _rng.normal(size=(160, 6))
_linear = X @ _rng.normal(size=(6, 3))
CLASSES, LABELS, NUMBERS = _linear.argmax(axis=1), (_linear > 0) * 1, np.sin(_linear[:, :2])
GIVEN = {"X_val": _rng.normal(size=(40, 6)), "y_val": CLASSES[:40]}
SPARSE = sparse.csr_matrix(np.where(np.abs(X) > 0.8, X, 0.0))
BASE = {
    "hidden_layer_sizes": (8,),
    "batch_size": 20,
    "tol": 0.0,
    "n_iter_no_change": 1000,
    "max_iter": 120,
    "random_state": 3,
}
#: The same for fits of tables, of which each member takes part of the time.
TABULAR = {
    "n_ensemble": 4,
    "hidden_layer_sizes": (8,),
    "batch_size": 20,
    "max_iter": 30,
    "min_steps": 0,
    "n_bins": 4,
    "random_state": 3,
}
TABLE = pd.DataFrame(X, columns=list("abcdef")).assign(
    g=pd.Categorical(_rng.choice(["p", "q", "r"], 160), categories=["p", "q"]),
    b=lambda t: t["b"].where(t["b"] < 1),
)
#: A fit is killed so many times at the most.
MOST_KILLS = 12


OF_TABLES = TabularMLPClassifier, TabularMLPRegressor


class StopFirst(Callback):
    """Stop the first member early."""

    def on_epoch_end(self, memory: Any, run: Run) -> None:
        if run.member == 0 and run.epoch == 7:
            run.stop("enough")


class Fit(NamedTuple):
    """A fit to be killed."""

    cls: type
    params: dict[str, Any]
    X: Any
    y: Any
    more: dict[str, Any]


FITS = {
    "adam": Fit(MLPClassifier, {}, X, CLASSES, {}),
    "sgd, adaptive": Fit(
        MLPClassifier,
        {"solver": "sgd", "learning_rate": "adaptive", "n_iter_no_change": 3, "tol": 1e-3},
        X,
        CLASSES,
        {},
    ),
    "adamw, mean of weights, dropout, float32": Fit(
        MLPClassifier,
        {"solver": parts.AdamW(), "ema_decay": 0.97, "dropout": 0.2, "dtype": "float32"},
        X,
        CLASSES,
        {},
    ),
    "validation data": Fit(
        MLPClassifier, {"early_stopping": True, "n_iter_no_change": 60}, X, CLASSES, GIVEN
    ),
    "held out": Fit(
        MLPClassifier,
        {"early_stopping": True, "n_iter_no_change": 60, "scoring": "loss", "ema_decay": 0.9},
        X,
        CLASSES,
        {},
    ),
    "nadam, cosine, weights": Fit(
        MLPRegressor,
        {"solver": "nadam", "learning_rate": "cosine", "dropout": 0.1},
        X,
        NUMBERS,
        {"sample_weight": _rng.uniform(0, 2, 160)},
    ),
    "sparse, multilabel, blocks": Fit(
        MLPClassifier,
        {"shuffle": parts.Blocks(size=8, window=3), "solver": "rmsprop"},
        SPARSE,
        LABELS,
        {},
    ),
    "balanced, lion, l1": Fit(
        MLPClassifier,
        {"class_weight": "balanced", "solver": "lion", "l1_ratio": 0.5, "alpha": 0.01},
        X,
        CLASSES,
        {},
    ),
    "table of classes": Fit(
        TabularMLPClassifier, {"dropout": 0.2, "class_weight": "balanced"}, TABLE, CLASSES, {}
    ),
    "table of numbers": Fit(
        TabularMLPRegressor,
        {"ema_decay": 0.9, "alpha": 0.01},
        TABLE,
        NUMBERS[:, 0],
        {"sample_weight": _rng.uniform(0, 2, 160)},
    ),
    "table of labels": Fit(TabularMLPClassifier, {"scoring": "accuracy"}, TABLE, LABELS, {}),
    "table, validation data": Fit(
        TabularMLPClassifier,
        {"callbacks": [StopFirst()]},
        TABLE,
        CLASSES,
        {"X_val": TABLE[:40], "y_val": CLASSES[:40]},
    ),
}


def play(case: Case) -> None:
    """Kill one fit at random moments, resume it until it ends, and compare."""
    name = pick(case.rng, list(FITS))
    case.trace.append(name)
    expected, seconds = whole(name)
    with tempfile.TemporaryDirectory() as folder:
        kills = _until_done(case, name, Path(folder), seconds)
        case.ledger.count("kills", kills)
        error = Path(folder) / "error.txt"
        if error.exists():
            case.found("resume failed", error.read_text().strip().splitlines()[-1])
        elif (Path(folder) / "done").read_text() != expected:
            case.found("resumed otherwise", f"{name} after {kills} kills")
        left = [path.name for path in Path(folder).glob(".*.tmp")]
        if left:
            case.found("files left behind", f"{len(left)} temporary files beside the checkpoint")


@functools.cache
def whole(name: str) -> tuple[str, float]:
    """Return the result of a fit without kills, and its seconds."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        return _fit(name, Path(folder)), time.perf_counter() - start


def _fit(name: str, folder: Path) -> str:
    """Fit, or resume where there is a checkpoint; return a digest of all that came out."""
    cls, params, X, y, more = FITS[name]
    path = folder / "run.npz"
    base: dict[str, Any] = TABULAR if issubclass(cls, OF_TABLES) else BASE
    callbacks = [*params.get("callbacks", ()), parts.Checkpoint(str(path))]
    estimator = cls(**base | params | {"callbacks": callbacks})
    if path.exists():
        estimator.resume(str(path), X, y, **more)
    else:
        estimator.fit(X, y, **more)
    members = getattr(estimator, "estimators_", [estimator])
    states = [(one.theta_, one.get_state()) for one in members]
    return digest([states, estimator.predict(X)], times=False)


def _until_done(case: Case, name: str, folder: Path, seconds: float) -> int:
    """Start the fit in a child until one ends by itself; return how many were killed."""
    for kills in range(MOST_KILLS + 1):
        child = multiprocessing.get_context("fork").Process(target=_child, args=(name, folder))
        child.start()
        # One in six comes early, the rest within half a fit; the last one is left alone.
        early = case.rng.random() < 1 / 6
        delay = case.rng.uniform(0, 0.03 if early else 0.55 * seconds)
        child.join(delay if kills < MOST_KILLS else None)
        if child.exitcode is None and child.pid is not None:
            os.kill(child.pid, signal.SIGKILL)
            child.join()
        if child.exitcode != -signal.SIGKILL:
            break
    return kills


def _child(name: str, folder: Path) -> None:
    try:
        result = _fit(name, folder)
    except Exception as error:
        (folder / "error.txt").write_text(f"{type(error).__name__}: {error}")
        return
    (folder / "done.part").write_text(result)
    os.replace(folder / "done.part", folder / "done")
