"""Whole fits with default parameters, and MNIST to 97.5 % of the test rows, beside scikit-learn.

    python -m benchmarks fits [--data DIR] [--quick]

Iris, digits and diabetes come with scikit-learn, their columns scaled. California housing and MNIST
are read from DIR, in the form that ``benchmarks/_data.py`` describes, and are left out without it.
The n-th repetition has seed n on both sides. On MNIST (784-256-128-10, batch 128, adam, float32)
only the epochs are timed, not the look at the test rows after each; PyTorch runs a plain loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from sklearn import neural_network as theirs
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.preprocessing import scale

import sknn_scratch as ours
from benchmarks import _data, _peers
from benchmarks._contest import Contest, Notes, held, transposed
from benchmarks._data import Split
from benchmarks._frame import (
    ENGINES,
    SKLEARN,
    TORCH,
    Case,
    Row,
    Settings,
    clock,
    interleave,
    one_run,
    with_engine,
)
from benchmarks._tables import Table, counts, duration, over, taking_part, times

TARGET = 0.975
MOST_EPOCHS = 40
HIDDEN, BATCH = (256, 128), 128


# -------------------------------------------------------------------------------------- defaults
def contests(settings: Settings) -> Iterator[Contest]:
    """Yield the fits with default parameters."""
    for name, load in ("iris", load_iris), ("digits", load_digits):
        X, y = load(return_X_y=True)
        yield Contest(name, scale(X), y, ours.MLPClassifier, theirs.MLPClassifier)
    X, y = load_diabetes(return_X_y=True)
    yield Contest("diabetes", scale(X), y, ours.MLPRegressor, theirs.MLPRegressor)
    folder = folder_with("MANIFEST.json", settings, "california housing")
    if folder:
        X, y, _, _ = _data.california(folder)
        some = slice(settings.some(len(y)))
        kinds = ours.MLPRegressor, theirs.MLPRegressor
        yield Contest("california housing", X[some], y[some], *kinds)


def folder_with(file: str, settings: Settings, case: str) -> Path | None:
    """Return the folder of data, or say why a case is left out."""
    if settings.data and (settings.data / file).exists():
        return settings.data
    print(f"{case} is left out, as there is no --data with {file}")
    return None


def seeded(contest: Contest) -> Contest:
    """Return a contest whose estimators take the repetition as their seed."""

    def maker(make: Any) -> Callable[[int], Any]:
        return lambda repeat: make(random_state=repeat)

    return contest._replace(ours=maker(contest.ours), theirs=maker(contest.theirs))


# ----------------------------------------------------------------------------------------- MNIST
def until(target: float, train: Callable[[], object], score: Callable[[], float]) -> Row:
    """Train epoch by epoch up to a score; the seconds are those of training."""
    seconds, epochs, reached = 0.0, 0, 0.0
    while reached < target and epochs < MOST_EPOCHS:
        seconds += clock(train)
        reached = score()
        epochs += 1
    return {"seconds": seconds, "epochs": epochs, "score": reached}


def estimator_race(make: Any, split: Split, target: float, notes: Notes, repeat: int) -> float:
    """Return the seconds that an estimator needs up to a score."""
    model = make(HIDDEN, batch_size=BATCH, random_state=repeat)
    found = until(
        target,
        lambda: model.partial_fit(split.X, split.y, classes=range(10)),
        lambda: float((model.predict(split.X_test) == split.y_test).mean()),
    )
    notes[repeat] = found
    return found["seconds"]


def torch_race(split: Split, target: float, notes: Notes, repeat: int) -> float:
    """Return the seconds that a plain loop in PyTorch needs up to a score."""
    import torch

    torch.manual_seed(repeat)
    work = _peers.Work(split.X, split.y, HIDDEN, BATCH, 1, "adam", "relu")
    net, (make, params) = _peers.module(work), _peers.optimizer(work)
    step = make(net.parameters(), **params)
    X, y, X_test = (torch.from_numpy(a) for a in (split.X, split.y.astype(int), split.X_test))

    def score() -> float:
        with torch.no_grad():
            return float((net(X_test).argmax(1).numpy() == split.y_test).mean())

    notes[repeat] = until(target, lambda: _peers.epoch(net, step, X, y, BATCH), score)
    return notes[repeat]["seconds"]


def racers(split: Split, target: float, settings: Settings, notes: dict[str, Notes]) -> Any:
    """Return who runs up to a score."""
    cases: dict[str, Case] = {}
    for name in settings.engines:
        note = notes.setdefault(ENGINES[name], {})
        race = partial(estimator_race, ours.MLPClassifier, split, target, note)
        cases[ENGINES[name]] = with_engine(name, race)
    note = notes.setdefault(SKLEARN, {})
    cases[SKLEARN] = partial(estimator_race, theirs.MLPClassifier, split, target, note)
    if _peers.has_torch():
        cases[TORCH] = partial(torch_race, split, target, notes.setdefault(TORCH, {}))
    return cases


def mnist(folder: Path, settings: Settings) -> Row:
    """Return the row of MNIST; three repetitions are enough, as the seeds differ."""
    target = 0.8 if settings.quick else TARGET
    split = _data.mnist(folder)
    some = slice(settings.some(len(split.y), 2 * BATCH))
    split = split._replace(X=split.X[some], y=split.y[some])
    few = split._replace(X=split.X[:BATCH], y=split.y[:BATCH])
    interleave(racers(few, 0, settings, {}), 1, warm_up=False)  # compiles, fills caches
    notes: dict[str, Notes] = {}
    cases = racers(split, target, settings, notes)
    seconds = interleave(cases, min(settings.repeats, 3), warm_up=False)
    return {"case": f"MNIST to {target:.1%}", "seconds": seconds, **transposed(notes)}


# --------------------------------------------------------------------------------------- measure
def measure(settings: Settings) -> Iterator[Row]:
    """Yield the rows with seconds per fit."""
    _peers.has_torch()  # before the threads are limited
    folder = folder_with("mnist.npz", settings, "MNIST")
    todo = [seeded(contest) for contest in contests(settings) if settings.wants(contest.case)]
    for threads in settings.threads:
        with one_run(threads):
            for contest in todo:
                yield held(contest, settings) | {"threads": threads}
            if folder and settings.wants("MNIST"):
                yield mnist(folder, settings) | {"threads": threads}


def table(rows: list[Row]) -> Table:
    """Return who takes how many times as long as ours, and for how many epochs."""
    mine = taking_part(rows, list(ENGINES.values()))
    peers = taking_part(rows, [SKLEARN, TORCH])
    head = [*over(mine, peers), *mine, "epochs"]
    lines = [
        [
            row["case"],
            str(row["threads"]),
            *(times(row, who, me) for me in mine for who in peers),
            *(duration(row, me) for me in mine),
            counts(row, "epochs"),
        ]
        for row in rows
    ]
    return Table(["case", "threads", *head], lines)
