"""Cost of each training feature beside the same fit without it, one BLAS thread.

    python -m benchmarks.features [--pairs 30]

Plain and featured fits take turns in one run; what is reported is the median of the ratios
of their times (featured / plain), and their quartiles.  Early stopping and validation data
also look at rows that training does not, which counts.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from sknn_scratch import MLPClassifier
from sknn_scratch.components import Adam, Chain, Checkpoint, ClipByNorm, Cosine, CSVLog, LogLoss

SHAPES = {
    "20-100-3, batch 32": ((100,), 32, 6400),
    "50-200-100-3, batch 200": ((200, 100), 200, 8000),
}
EPOCHS = 5


def features(folder: Path) -> dict[str, dict[str, Any]]:
    """Return parameters by the name of a feature."""
    return {
        "nothing (the same fit twice)": {},
        "dropout=0.2": {"dropout": 0.2},
        "ema_decay=0.99": {"ema_decay": 0.99},
        "l1_ratio=0.5": {"l1_ratio": 0.5},
        "class_weight='balanced'": {"class_weight": "balanced"},
        "LogLoss(label_smoothing=0.1)": {"loss": LogLoss(label_smoothing=0.1)},
        "Chain: clip by norm, adam": {"solver": Chain([("clip", ClipByNorm()), ("adam", Adam())])},
        "learning_rate=Cosine(), per step": {"learning_rate": Cosine()},
        "early_stopping, accuracy": {"early_stopping": True},
        "early_stopping, scoring='loss'": {"early_stopping": True, "scoring": "loss"},
        "Checkpoint, every epoch": {"callbacks": [Checkpoint(str(folder / "run.npz"))]},
        "CSVLog": {"callbacks": [CSVLog(str(folder / "log.csv"))]},
    }


def seconds_to_fit(params: dict[str, Any], X: Any, y: Any) -> float:
    """Return the time of one fit."""
    start = time.perf_counter()
    MLPClassifier(max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0, **params).fit(X, y)
    return time.perf_counter() - start


def ratios(plain: dict[str, Any], more: dict[str, Any], pairs: int, X: Any, y: Any) -> list[float]:
    """Return featured / plain, pair by pair, after one pair that warms caches up."""
    found = []
    for pair in range(pairs + 1):
        without = seconds_to_fit(plain, X, y)
        ratio = seconds_to_fit(plain | more, X, y) / without
        if pair:
            found.append(ratio)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", type=int, default=30)
    pairs = parser.parse_args().pairs
    rng = np.random.default_rng(0)
    print(f"{'feature':36} {'shape':26} {'ratio':>6} {'(quartiles)':>14}")
    with threadpool_limits(1), warnings.catch_warnings(), tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("ignore", ConvergenceWarning)
        for shape, (hidden, batch, n) in SHAPES.items():
            features_in = int(shape.split("-")[0])
            X = rng.normal(size=(n, features_in)).astype(np.float32)
            y = rng.integers(3, size=n)
            plain = {"hidden_layer_sizes": hidden, "batch_size": batch}
            for name, more in features(Path(folder)).items():
                found = ratios(plain, more, pairs, X, y)
                low, median, high = statistics.quantiles(found, n=4)
                spread = f"({low:.2f} - {high:.2f})"
                print(f"{name:36} {shape:26} {median:6.2f} {spread:>14}", flush=True)


if __name__ == "__main__":
    main()
