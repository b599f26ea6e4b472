"""Train on a parquet file that is larger than memory, one row group at a time.

    python examples/streaming/train.py rows.parquet --epochs 1 --limit 1

In each epoch ``partial_fit`` gets each row group once, in a new random order; the last group is
held out. After every few groups the script saves the model and its position in the file. After an
interruption the same command resumes from there and ends with the same model. ``--limit``
restricts the memory of the process in gigabytes (``RLIMIT_DATA``, on Linux). Requires pyarrow.
"""

import argparse
import os
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # threads have stacks, which count as well

import joblib
import numpy as np
import pyarrow.parquet as pq

from sknn_scratch import MLPClassifier

SEED, CLASSES = 0, [0, 1]


def parsed():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("path")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument(
        "--state", default="training.joblib", help="file to save to and resume from"
    )
    parser.add_argument("--every", type=int, default=20, help="row groups between two saves")
    parser.add_argument("--limit", type=float, help="memory limit in gigabytes")
    parser.add_argument("--stop-after", type=int, help="row groups before a trial interruption")
    return parser.parse_args()


def limited(gigabytes):
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (int(gigabytes * 2**30),) * 2)


def read(file, group):
    """Return features and classes of a row group."""
    table = file.read_row_group(group, use_threads=False)
    y = table.column("y").to_numpy()
    X = np.empty((table.num_rows, table.num_columns - 1), np.float32)
    for k, name in enumerate(name for name in table.column_names if name != "y"):
        X[:, k] = table.column(name).to_numpy()
    return X, y


def begun(path):
    """Return the saved model and position, or a new model at the start."""
    if os.path.exists(path):
        return joblib.load(path)
    model = MLPClassifier((32,), batch_size=500, random_state=SEED)
    return {"model": model, "epoch": 0, "done": 0}


def store(state, path):
    """Replace the file atomically: an interruption leaves the old one."""
    joblib.dump(state, f"{path}.tmp")
    os.replace(f"{path}.tmp", path)


def run_epoch(file, state, args, first_group):
    """Train on the remaining row groups of this epoch; return whether to stop."""
    model, n = state["model"], file.num_row_groups - 1
    order = np.random.default_rng([SEED, state["epoch"]]).permutation(n)
    start, rows = time.perf_counter(), 0
    while state["done"] < n:
        X, y = read(file, order[state["done"]])
        model.partial_fit(X, y, classes=CLASSES)
        rows, state["done"] = rows + len(y), state["done"] + 1
        if state["done"] % args.every == 0:
            store(state, args.state)
            speed = rows / (time.perf_counter() - start)
            print(
                f"epoch {state['epoch'] + 1}, {state['done']}/{n} groups, loss {model.loss_:.4f}, "
                f"{speed:,.0f} rows/s, {speed and (n - state['done']) * len(y) / speed:.0f} s left",
                flush=True,
            )
        if args.stop_after and state["done"] - first_group >= args.stop_after:
            return True
    state |= {"epoch": state["epoch"] + 1, "done": 0}
    store(state, args.state)
    return False


def main():
    args = parsed()
    if args.limit:
        limited(args.limit)
    file, state = pq.ParquetFile(args.path), begun(args.state)
    if state["epoch"] or state["done"]:
        print(f"resuming: epoch {state['epoch'] + 1}, {state['done']} groups done")
    while state["epoch"] < args.epochs:
        if run_epoch(file, state, args, state["done"]):
            return print("stopped; run the same command to resume")
    X, y = read(file, file.num_row_groups - 1)
    print(f"accuracy on the last row group: {state['model'].score(X, y):.4f}")


if __name__ == "__main__":
    main()
