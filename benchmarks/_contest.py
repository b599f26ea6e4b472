"""Whole fits of estimators that take turns, on the same data with the same seed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from benchmarks._frame import (
    ENGINES,
    SKLEARN,
    Case,
    Row,
    Settings,
    clock,
    interleave,
    with_engine,
)

#: Makes an estimator from the number of the repetition, which is its seed.
Maker = Callable[[int], Any]
#: What is known of a fit beside its time, by repetition.
Notes = dict[int, Row]


class Contest(NamedTuple):
    """What is fitted, by name of the case."""

    case: str
    X: Any
    y: Any
    ours: Maker
    theirs: Maker


def fitted(contest: Contest, make: Maker, notes: Notes) -> Case:
    """Return a case that fits; ``notes`` gets the epochs and the score."""

    def fit(repeat: int) -> float:
        estimator = make(repeat)
        seconds = clock(lambda: estimator.fit(contest.X, contest.y))
        score = float(estimator.score(contest.X, contest.y))
        notes[repeat] = {"epochs": int(estimator.n_iter_), "score": score}
        return seconds

    return fit


def held(contest: Contest, settings: Settings) -> Row:
    """Return seconds, epochs and scores of a contest."""
    names = [*settings.engines, SKLEARN]
    notes: dict[str, Notes] = {ENGINES.get(name, name): {} for name in names}
    cases = {
        ENGINES[name]: with_engine(name, fitted(contest, contest.ours, notes[ENGINES[name]]))
        for name in settings.engines
    }
    cases[SKLEARN] = fitted(contest, contest.theirs, notes[SKLEARN])
    seconds = interleave(cases, settings.repeats)
    return {"case": contest.case, "seconds": seconds, **transposed(notes)}


def transposed(notes: dict[str, Notes]) -> Row:
    """Return epochs and scores by name, a list over repetitions."""
    return {
        kind: {who: [found[n][kind] for n in sorted(found)] for who, found in notes.items()}
        for kind in ("epochs", "score")
    }
