"""Threads, Ctrl-C and forks: the same results, and the process as it was."""

from __future__ import annotations

import functools
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from campaign._digest import digest
from campaign._draw import pick
from campaign._watch import Case, shown, surroundings
from sknn_scratch import MLPClassifier
from sknn_scratch import components as parts

_rng = np.random.default_rng(0)
X, MORE = _rng.normal(size=(300, 20)), _rng.normal(size=(2000, 20))
y = X[:, :3].argmax(axis=1)
SOLVERS = ("adam", "sgd", "lbfgs", parts.AdamW())
#: Seconds in which a child process must have ended.
PATIENCE = 60


def work(k: int) -> str:
    """Return a digest of a small fit and its predictions."""
    solver = SOLVERS[k % 4]
    dropout = 0.0 if solver == "lbfgs" else 0.1
    estimator = MLPClassifier((30,), max_iter=4, random_state=k, solver=solver, dropout=dropout)
    estimator.fit(X, y)
    return digest([estimator.theta_, estimator.predict_proba(MORE)])


@functools.cache
def alone(k: int) -> str:
    """Return what :func:`work` returns without company."""
    return work(k)


def play(case: Case) -> None:
    """Play one of the situations."""
    before = _process()
    situations = [_many_fits, _one_shared, _refits, _interrupts]
    # OpenBLAS can wait for ever in fork() while another thread changes its number of threads.
    if all(n_threads == 1 for _, n_threads in _blas()):
        situations.append(_forks)
    pick(case.rng, situations)(case)
    if _process() != before:
        case.found("changed the process", case.trace[0])


def _process() -> tuple[Any, ...]:
    """Return what must be as it was afterwards."""
    return (*surroundings(True), signal.getsignal(signal.SIGINT), _blas())


def _blas() -> list[tuple[str, int]]:
    """Return the BLAS libraries of the process, and their numbers of threads."""
    pools = (one for one in threadpool_info() if one["user_api"] == "blas")
    return sorted((one["filepath"], one["num_threads"]) for one in pools)


def _many_fits(case: Case) -> None:
    case.trace.append("estimators of their own on 8 threads")
    seeds = case.rng.integers(0, 24, 16).tolist()
    expected = [alone(k) for k in seeds]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(work, seeds))
    case.ledger.count("fits on threads", len(seeds))
    if got != expected:
        case.found("threads", "fits on threads have other results")


def _one_shared(case: Case) -> None:
    case.trace.append("one fitted estimator on 8 threads")
    estimator = MLPClassifier((100, 100), max_iter=2, random_state=0).fit(X, y)
    expected = digest(estimator.predict_proba(MORE))
    with ThreadPoolExecutor(8) as pool:
        got = set(pool.map(lambda _: digest(estimator.predict_proba(MORE)), range(40)))
    case.ledger.count("predictions on threads", 40)
    if got != {expected}:
        case.found("threads", "predictions of a shared estimator differ")


def _refits(case: Case) -> None:
    """Predict while another thread fits anew: every prediction is of one fit or the other."""
    case.trace.append("predictions during fits")
    fits = [MLPClassifier((30,), max_iter=2, random_state=k).fit(X, y) for k in (0, 1)]
    legal = {digest(one.predict_proba(MORE)) for one in fits}
    estimator = fits[0]

    def refit() -> None:
        for k in range(20):
            estimator.set_params(random_state=k % 2).fit(X, y)

    thread = threading.Thread(target=refit)
    thread.start()
    while thread.is_alive():
        if digest(estimator.predict_proba(MORE)) not in legal:
            case.found("threads", "a prediction of neither fit")
            break
    thread.join()


def _interrupts(case: Case) -> None:
    """Press Ctrl-C at a random moment: what there is is published, or nothing has changed."""
    case.trace.append("Ctrl-C")
    estimator = MLPClassifier((100, 100), max_iter=10_000, tol=0, n_iter_no_change=10**6)
    timer = threading.Timer(case.rng.uniform(0, 0.15), os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        estimator.set_params(random_state=0).fit(X, y)
    except KeyboardInterrupt:
        case.ledger.count("interrupted")
    except Exception as error:
        case.found("Ctrl-C", shown(error))
    timer.join()
    if hasattr(estimator, "theta_"):
        if not np.isfinite(estimator.predict_proba(X)).all():
            case.found("Ctrl-C", "published weights that are not finite")
        if len(estimator.loss_curve_) != estimator.n_iter_:
            case.found("Ctrl-C", "n_iter_ and loss_curve_ disagree")


def _forks(case: Case) -> None:
    """Fork while other threads fit: the child can fit, too."""
    case.trace.append("forks during fits")
    expected, halt = alone(0), threading.Event()

    def busy() -> None:
        while not halt.is_set():
            MLPClassifier((100, 100), max_iter=2, random_state=0).fit(X, y)

    threads = [threading.Thread(target=busy) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = [_child(expected) for _ in range(3)]
    halt.set()
    for thread in threads:
        thread.join()
    case.ledger.count("forks", len(codes))
    if any(codes):
        case.found("fork", f"children ended with {codes}")


def _child(expected: str) -> int:
    """Fork, fit in the child, and return its exit code."""
    pid = os.fork()
    if pid == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)
        try:
            os._exit(0 if work(0) == expected else 5)
        except BaseException:
            os._exit(6)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
