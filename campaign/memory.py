"""Memory, files and threads over many rounds: flat."""

from __future__ import annotations

import gc
import os
import tempfile
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from campaign._draw import ESTIMATORS, SMALL, pick
from campaign._watch import ALLOWED, Case
from sknn_scratch import MLPClassifier
from sknn_scratch import components as parts

X = np.random.default_rng(0).normal(size=(40, 4))
y = (X[:, 0] > 0).astype(int)
SPOILT = np.where(np.arange(160).reshape(40, 4) == 7, np.inf, X)
#: Rounds that warm up, and rounds that count; bytes that the latter may add.
WARM_UP, ROUNDS, SLACK = 150, 500, 1_000_000
#: An allocator takes room in steps, once; what leaks grows in each of so many trials.
TRIALS = 4


def play(case: Case) -> None:
    """Repeat one way of using the package, and look at what remains."""
    name = pick(case.rng, list(WAYS))
    case.trace.append(name)
    use, scale = WAYS[name]
    for k in range(WARM_UP // scale):
        use(k)
    for _ in range(TRIALS):
        before = _held()
        for k in range(ROUNDS // scale):
            use(k)
        after = _held()
        case.ledger.count(name, ROUNDS // scale)
        if after[0] - before[0] <= SLACK:
            break
    else:
        case.found("memory grows", f"{name}: {(after[0] - before[0]) / 1e6:.1f} MB, every time")
    if after[1:] != before[1:]:
        case.found("files or threads remain", f"{name}: {before[1:]} before, {after[1:]} after")


def _held() -> tuple[int, int, int]:
    """Return bytes of memory, open files and threads."""
    gc.collect()
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    return pages * 4096, len(os.listdir("/proc/self/fd")), threading.active_count()


def _fits(k: int) -> None:
    solver = ("adam", "sgd", "lbfgs")[k % 3]
    estimator = MLPClassifier((5,), max_iter=3, solver=solver, random_state=k).fit(X, y)
    estimator.predict_proba(X)


def _failing_fits(k: int) -> None:
    for estimator, table in (
        (MLPClassifier((5,), max_iter=3), SPOILT),
        (MLPClassifier(learning_rate_init=1e30, max_iter=3, solver="sgd"), X),
        (MLPClassifier(alpha=-1), X),
    ):
        try:
            estimator.fit(table, y)
        except ALLOWED:
            continue


def _checkpoints(k: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.npz")
        params = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": k}
        MLPClassifier(**params, callbacks=[parts.Checkpoint(path)]).fit(X, y)
        estimator = MLPClassifier(**params | {"max_iter": 4})
        estimator.resume(path, X, y)
        try:
            estimator.resume(path, X + 1, y)
        except ValueError:
            return


def _every_estimator(k: int) -> None:
    for cls in ESTIMATORS:
        own = cls().get_params(deep=False)
        params: dict[str, Any] = {name: value for name, value in SMALL.items() if name in own}
        cls(**params, random_state=k).fit(X, y).predict(X)


def _partial_fits(k: int) -> None:
    estimator = MLPClassifier((5,), random_state=k)
    for _ in range(20):
        estimator.partial_fit(X, y, classes=[0, 1])


#: Ways of use, and how many times as long as the first one they take.
WAYS: dict[str, tuple[Callable[[int], None], int]] = {
    "fits": (_fits, 1),
    "failing fits": (_failing_fits, 1),
    "checkpoints": (_checkpoints, 2),
    "every estimator": (_every_estimator, 5),
    "partial_fit": (_partial_fits, 5),
}
