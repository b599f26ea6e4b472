"""Cost of each training feature beside the same fit without it, one BLAS thread.

    python -m benchmarks features [--quick] [--only dropout]

Plain and featured fits take turns in one run, four times as often as --repeats says; what is
reported is the median of the ratios of their times (featured / plain), and their quartiles. Early
stopping and validation data also look at rows that training does not, which counts.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import _data
from benchmarks._frame import OURS, Case, Row, Settings, clock, engine, interleave, one_run
from benchmarks._tables import Table, times
from sknn_scratch import MLPClassifier
from sknn_scratch.components import Adam, Chain, Checkpoint, ClipByNorm, Cosine, CSVLog, LogLoss

SHAPES = {
    "20-100-3, batch 32": ((100,), 32, 6400),
    "50-200-100-3, batch 200": ((200, 100), 200, 8000),
}
EPOCHS = 5
FEATURED = "with it"


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


def fits(params: dict[str, Any], data: tuple[Any, Any]) -> Case:
    """Return a case that fits."""
    model = MLPClassifier(max_iter=EPOCHS, n_iter_no_change=EPOCHS, random_state=0, **params)
    return lambda _: clock(lambda: model.fit(*data))


def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per fit."""
    with one_run(1), engine("numpy"), tempfile.TemporaryDirectory() as folder:
        for shape, (hidden, batch, n) in SHAPES.items():
            data = _data.drawn(settings.some(n, 2 * batch), int(shape.split("-")[0]), 3, "float32")
            plain = {"hidden_layer_sizes": hidden, "batch_size": batch}
            for name, more in features(Path(folder)).items():
                if settings.wants(name):
                    cases = {OURS: fits(plain, data), FEATURED: fits(plain | more, data)}
                    seconds = interleave(cases, 4 * settings.repeats)
                    yield {"case": name, "shape": shape, "seconds": seconds}


def table(rows: list[Row]) -> Table:
    """Return by how much each feature makes a fit longer."""
    lines = [[row["case"], row["shape"], times(row, FEATURED, OURS)] for row in rows]
    return Table(["feature", "shape", "with / without"], lines, left=2)
