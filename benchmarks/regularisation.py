"""Early stopping on the loss and dropout, beside the same network without either, on noisy labels.

    python -m benchmarks regularisation --data DIR [--quick] [--only NAME]

DIR holds data sets for classification, in the form that ``benchmarks/_data.py`` describes. A tenth
of the training labels is made wrong; the labels that are scored are the true ones. For each data
set the table has the means of accuracy (more is better) and log loss (less is better) over five
seeds, of both networks.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline

from benchmarks import _data
from benchmarks._frame import Row, Settings, engine, one_run
from benchmarks._tables import Table
from sknn_scratch import MLPClassifier

NOISE, TEST = 0.1, 0.3
MOST_ROWS, HIDDEN, SEEDS = 5000, (100, 100), 5
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "regularised": {"early_stopping": True, "scoring": "loss", "dropout": 0.3},
}
MEASURES = {"accuracy": ".4f", "log loss": ".4f", "epochs": ".0f", "train seconds": ".2f"}


def with_wrong_labels(y: Any, rng: np.random.Generator) -> Any:
    """Return y with a tenth of the labels changed to another class, any one alike."""
    classes, codes = np.unique(y, return_inverse=True)
    wrong = rng.permutation(len(y))[: round(NOISE * len(y))]
    codes[wrong] += rng.integers(1, len(classes), size=len(wrong))
    return classes[codes % len(classes)]


def network(seed: int, **params: Any) -> Pipeline:
    """Return scaled numbers and one column per category, before a network of two layers."""
    model = MLPClassifier(HIDDEN, random_state=seed, dtype="float32", **params)
    return make_pipeline(_data.encoder(), model)


def scores(model: Pipeline, train: tuple[Any, Any], test: tuple[Any, Any]) -> list[float]:
    """Fit, and return the measures."""
    start = time.perf_counter()
    model.fit(*train)
    seconds = time.perf_counter() - start
    X, y = test
    loss = log_loss(y, model.predict_proba(X), labels=model.classes_)
    return [float(model.score(X, y)), float(loss), model[-1].n_iter_, seconds]


def compare(X: Any, y: Any, seed: int, rows: int) -> dict[str, list[float]]:
    """Return the measures of both networks."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST, stratify=y, random_state=seed
    )
    noisy = with_wrong_labels(y_train[:rows], np.random.default_rng(seed))
    train, test = (X_train[:rows], noisy), (X_test, y_test)
    return {kind: scores(network(seed, **params), train, test) for kind, params in KINDS.items()}


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with the measures of every seed."""
    if settings.data is None:
        print("left out, as there is no --data")
        return
    for entry in _data.manifest(settings.data):
        if entry["task"] == "classification" and settings.wants(entry["name"]):
            X, y = _data.frame(settings.data, entry)
            with one_run(1), engine("numpy"):
                found = [
                    compare(X, y.astype(str), seed, settings.some(MOST_ROWS))
                    for seed in range(min(settings.repeats, SEEDS))
                ]
            yield {"case": entry["name"]} | {
                kind: [result[kind] for result in found] for kind in KINDS
            }


def table(rows: list[Row]) -> Table:
    """Return the means of the measures, plain and regularised."""
    lines = [[row["case"], *means(row)] for row in rows]
    return Table(["data set", *(f"{m}, {k}" for m in MEASURES for k in KINDS)], lines)


def means(row: Row) -> Iterator[str]:
    """Yield the mean of each measure of each network."""
    for number, form in enumerate(MEASURES.values()):
        for kind in KINDS:
            yield format(statistics.mean(result[number] for result in row[kind]), form)
