"""Early stopping on the loss and dropout, beside the same network without either, on noisy labels.

    python -m benchmarks.regularisation --data DIR [--seeds 5] [--sets NAME ...]

DIR holds a MANIFEST.json with a list "datasets" (name, task, file) and the parquet files that it
names, the column "target" being y; reading them needs the extra [bench]. A tenth of the training
labels is made wrong; the labels that are scored are the true ones. For each data set and seed the
table has accuracy (more is better) and log loss (less is better) of both networks.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.impute import SimpleImputer
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier

NOISE = 0.1
TEST = 0.3
REGULARISED = {"early_stopping": True, "scoring": "loss", "dropout": 0.3}


class Result(NamedTuple):
    """How a network did on the test rows."""

    accuracy: float
    log_loss: float
    epochs: int
    seconds: float


def read(folder: Path, wanted: list[str]) -> Iterator[tuple[str, Any, Any]]:
    """Yield (name, X, y) of the data sets for classification."""
    import pandas as pd  # of the extra [bench], with pyarrow

    entries = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["datasets"]
    for entry in entries:
        if entry["task"] == "classification" and (not wanted or entry["name"] in wanted):
            frame = pd.read_parquet(folder / entry["file"])
            yield entry["name"], frame, frame.pop("target").to_numpy(dtype=str)


def with_wrong_labels(y: Any, rng: np.random.Generator) -> Any:
    """Return y with a tenth of the labels changed to another class, any one alike."""
    classes, codes = np.unique(y, return_inverse=True)
    wrong = rng.permutation(len(y))[: round(NOISE * len(y))]
    codes[wrong] += rng.integers(1, len(classes), size=len(wrong))
    return classes[codes % len(classes)]


def network(seed: int, hidden: int, **params: Any) -> Pipeline:
    """Return scaled numbers and one column per category, before a network of two layers."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    encoded = make_column_transformer(
        (numbers, make_column_selector(dtype_include="number")),
        remainder=OneHotEncoder(handle_unknown="ignore", sparse_output=False),
    )
    model = MLPClassifier((hidden, hidden), random_state=seed, dtype="float32", **params)
    return make_pipeline(encoded, model)


def measure(model: Pipeline, train: tuple[Any, Any], test: tuple[Any, Any]) -> Result:
    """Fit and score."""
    start = time.perf_counter()
    model.fit(*train)
    seconds = time.perf_counter() - start
    X, y = test
    loss = log_loss(y, model.predict_proba(X), labels=model.classes_)
    return Result(model.score(X, y), loss, model[-1].n_iter_, seconds)


def compare(X: Any, y: Any, seed: int, rows: int, hidden: int) -> tuple[Result, Result]:
    """Return the results without and with early stopping and dropout."""
    X_train, X_test, y_train, y_test = train_test_split(
        X, y, test_size=TEST, stratify=y, random_state=seed
    )
    noisy = with_wrong_labels(y_train[:rows], np.random.default_rng(seed))
    train, test = (X_train[:rows], noisy), (X_test, y_test)
    plain = measure(network(seed, hidden), train, test)
    return plain, measure(network(seed, hidden, **REGULARISED), train, test)


def line(name: str, seed: Any, plain: Result, other: Result) -> str:
    """Return a row of the table."""
    forms = "8.4f", "8.4f", "5.0f", "5.1f"
    pairs = zip(plain, other, forms, strict=True)
    return "   ".join([f"{name:18} {seed!s:>5}", *(f"{a:{f}} {b:{f}}" for a, b, f in pairs)])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder with MANIFEST.json")
    parser.add_argument("--sets", nargs="*", default=[], help="names; all for classification")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=5000, help="most rows to train on")
    parser.add_argument("--hidden", type=int, default=100, help="units of each of two layers")
    args = parser.parse_args()
    print("Without (first column of a pair) and with early stopping on the loss and dropout")
    heads = ("accuracy", 17), ("log loss", 17), ("epochs", 11), ("seconds", 11)
    print(f"{'data set':18} {'seed':>5}   " + "   ".join(f"{name:>{n}}" for name, n in heads))
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for name, X, y in read(args.data, args.sets):
            results = []
            for seed in range(args.seeds):
                results.append(compare(X, y, seed, args.rows, args.hidden))
                print(line(name, seed, *results[-1]), flush=True)
            means = [Result(*np.mean(side, axis=0)) for side in zip(*results, strict=True)]
            print(line(name, "mean", *means) + "\n", flush=True)


if __name__ == "__main__":
    main()
