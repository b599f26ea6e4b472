"""Training on a file that is larger than the memory that the process may have.

    python -m benchmarks out_of_core [--quick]

Twenty million rows of fifty float32 features, 4 GB, are drawn once into a file beside the other
temporary ones. A process of its own maps it and trains for one epoch with ``shuffle="blocks"``,
under ``RLIMIT_DATA`` of 1 GB: its private memory cannot grow beyond that. The map itself is shared
memory and does not count, and the system takes its pages back whenever it needs them. Beside it,
the same network trains in memory on the first 500,000 rows, for as many steps. Both are scored on
200,000 rows that none has seen, of the same distribution.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np

from benchmarks import _tables
from benchmarks._frame import Row, Settings, one_run
from benchmarks._tables import Table
from sknn_scratch import MLPClassifier, MLPRegressor

ROWS, FEATURES, SAMPLE, TEST = 20_000_000, 50, 500_000, 200_000
LIMIT = 2**30
CHUNK = 250_000
ROOT = Path(__file__).parents[1]


# ------------------------------------------------------------------------------------- the rows
def drawn(n: int, seed: int) -> tuple[Any, Any]:
    """Return some rows, and their classes: which of two hidden patterns they are nearer to."""
    rng = np.random.default_rng([7, seed])
    X = rng.standard_normal((n, FEATURES), dtype=np.float32)
    hidden = np.random.default_rng(7).normal(size=(2, FEATURES)).astype(np.float32)
    a, b = np.abs(X @ hidden.T).T
    return X, (a > b).astype(np.int8)


def write(folder: Path, n: int) -> Path:
    """Draw the rows into files, a chunk at a time; return that of X."""
    path = folder / f"rows_{n}.npy"
    X = np.lib.format.open_memmap(path, "w+", np.float32, (n, FEATURES))
    y = np.lib.format.open_memmap(targets_of(path), "w+", np.int8, (n,))
    for k, start in enumerate(range(0, n, CHUNK)):
        stop = min(start + CHUNK, n)
        X[start:stop], y[start:stop] = drawn(stop - start, k)
    X.flush()
    return path


def targets_of(path: Path) -> Path:
    return path.with_name(f"{path.stem}_y.npy")


# ---------------------------------------------------------------------- the process with a limit
class Watch(threading.Thread):
    """Looks at the memory of this process ten times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak = {"VmData": 0, "RssAnon": 0}
        self.start()

    def run(self) -> None:
        while True:
            for line in Path("/proc/self/status").read_text().splitlines():
                name, _, rest = line.partition(":")
                if name in self.peak:
                    self.peak[name] = max(self.peak[name], int(rest.split()[0]) * 1024)
            time.sleep(0.1)


def model_for(y: Any, epochs: int = 1) -> Any:
    """Return the network: a classifier for integers, a regressor for real numbers."""
    made = MLPClassifier if y.dtype.kind in "iu" else MLPRegressor
    how = {"batch_size": 1000, "max_iter": epochs, "n_iter_no_change": epochs, "random_state": 0}
    return made(hidden_layer_sizes=(32,), **how)


def train(path: Path, output: Path) -> dict[str, Any]:
    """Map the file and train; return seconds and peaks of memory."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (LIMIT, LIMIT))
    watch = Watch()
    X, y = np.load(path, mmap_mode="r"), np.load(targets_of(path), mmap_mode="r")
    start = time.perf_counter()
    with one_run(1):
        model = model_for(y).set_params(shuffle="blocks").fit(X, y)
    seconds = time.perf_counter() - start
    joblib.dump(model, output)
    return {"epoch": seconds, "data": watch.peak["VmData"], "private": watch.peak["RssAnon"]}


def trained(path: Path, output: Path) -> dict[str, Any]:
    """Do the same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.out_of_core", str(path), str(output)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --------------------------------------------------------------------------------------- measure
def measure(settings: Settings) -> Iterator[Row]:
    """Yield what training on the file took, and what a sample in memory gives."""
    n, n_test = settings.some(ROWS), settings.some(TEST)
    X_test, y_test = drawn(n_test, 10**6)
    with tempfile.TemporaryDirectory(dir=settings.data) as folder:
        path, output = write(Path(folder), n), Path(folder) / "model.joblib"
        if settings.wants("file"):
            found = trained(path, output)
            row = {"case": "file", "rows": n, "bytes": path.stat().st_size, **found}
            yield row | {"score": joblib.load(output).score(X_test, y_test)}
        if settings.wants("sample"):
            yield sample(path, n, settings.some(SAMPLE), (X_test, y_test))


def sample(path: Path, n_file: int, n: int, test: tuple[Any, Any]) -> Row:
    """Train on the first n rows in memory, for as many steps as the file takes."""
    epochs = n_file // n
    X, y = (np.array(np.load(p, mmap_mode="r")[:n]) for p in (path, targets_of(path)))
    start = time.perf_counter()
    with one_run(1):
        model = model_for(y, epochs).fit(X, y)
    seconds = (time.perf_counter() - start) / epochs
    score = model.score(*test)
    return {"case": "sample", "rows": n, "bytes": X.nbytes, "epoch": seconds, "score": score}


def table(rows: list[Row]) -> Table:
    """Return sizes, times, memory and scores."""
    words = {
        "file": f"mapped file, RLIMIT_DATA {LIMIT / 2**30:g} GiB",
        "sample": "sample, in memory",
    }
    lines = [
        [
            words[row["case"]],
            f"{row['rows']:,}",
            _tables.size(row["bytes"]),
            _tables.seconds_as_words(row["epoch"]),
            _tables.size(row.get("data")),
            _tables.size(row.get("private")),
            f"{row['score']:.3f}",
        ]
        for row in rows
    ]
    head = [
        "training on",
        "rows",
        "X",
        "one epoch",
        "peak, as limited",
        "peak, private",
        "accuracy",
    ]
    return Table(head, lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Train under the limit, on a file that is there.")
    parser.add_argument("path", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    print(json.dumps(train(args.path, args.output)))
