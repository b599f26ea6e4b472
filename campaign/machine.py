"""Sequences of calls on one estimator: failed calls change nothing, twins go on alike."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone

from campaign._digest import digest
from campaign._draw import ESTIMATORS, draw_params, pick
from campaign._watch import ALLOWED, Case, shown, where

_rng = np.random.default_rng(0)
X = _rng.normal(size=(30, 3))
TARGETS = {
    "three classes": np.arange(30) % 3,
    "text": np.array(["a", "b", "c"])[np.arange(30) % 3],
    "multilabel": (X > 0).astype(int),
    "numbers": X[:, 0],
}
WEIGHT = _rng.uniform(0.1, 2.0, 30)


class Step(NamedTuple):
    """A call: it can be made on the estimator and on its twins."""

    name: str
    method: str
    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def make(self, estimator: Any) -> Any:
        """Make the call."""
        return getattr(estimator, self.method)(*self.args, **self.kwargs)


def play(case: Case) -> None:
    """Make some calls; after each, compare what must be alike."""
    cls = pick(case.rng, ESTIMATORS)
    estimator = cls(**draw_params(case.rng, cls, p=0.0, p_odd=0.0) | {"random_state": 0})
    case.trace.append(cls.__name__)
    for _ in range(case.rng.integers(3, 10)):
        _one_step(case, estimator, _draw_step(case, cls))


def _one_step(case: Case, estimator: Any, step: Step) -> None:
    twin, copy = pickle.loads(pickle.dumps(estimator)), clone(estimator)
    of_copy, heir = digest(vars(copy)), _heir(case, estimator)
    done = case.call(step.name, lambda: step.make(estimator), estimator, (X, *step.args))
    same = _attempt(lambda: step.make(twin))
    if done.ok != (same is None):
        case.found("a pickled twin differs", f"{step.name}: {done.value}; the twin: {same}")
    elif digest(vars(estimator), times=False) != digest(vars(twin), times=False):
        names = [name for name, value in vars(estimator).items() if not _alike(value, twin, name)]
        case.found("a pickled twin differs", f"{step.name}: in {', '.join(names)}")
    if digest(vars(copy)) != of_copy:
        case.found("a clone changed", step.name)
    if heir is not None and done.ok and step.method == "partial_fit":
        _compare_heir(case, estimator, heir, step)


def _alike(value: Any, twin: Any, name: str) -> bool:
    return digest(value, times=False) == digest(getattr(twin, name, None), times=False)


def _attempt(function: Callable[[], Any]) -> Exception | None:
    try:
        function()
    except ALLOWED as error:
        return error
    return None


def _heir(case: Case, estimator: Any) -> Any:
    """Return an estimator with the same parameters and state; None where there is no state."""
    if not hasattr(estimator, "get_state") or not hasattr(estimator, "theta_"):
        return None
    heir, state = clone(estimator), estimator.get_state()
    try:
        return heir.set_state(state)
    except ValueError as error:  # parameters that the state is not of
        case.ledger.count("set_state refused")
        case.trace.append(f"set_state: {shown(error)}")
        return None


def _compare_heir(case: Case, estimator: Any, heir: Any, step: Step) -> None:
    error = _attempt(lambda: step.make(heir))
    if error is not None:
        case.found("an heir by set_state differs", f"{step.name}: {shown(error)}", where(error))
    elif heir.theta_.tobytes() != estimator.theta_.tobytes():
        case.found("an heir by set_state differs", f"{step.name}: other weights")


# --- Drawing a step.


def _draw_step(case: Case, cls: type) -> Step:
    rng, kind = case.rng, case.rng.random()
    y = _draw_target(case, cls)
    more: dict[str, Any] = {}
    if rng.random() < 0.3:
        more["sample_weight"] = WEIGHT
    if rng.random() < 0.2:
        more |= {"X_val": X[:9], "y_val": y[:9]}
    if kind < 0.25:
        return Step("fit", "fit", (X, y), more)
    if kind < 0.5 and hasattr(cls, "partial_fit"):
        return Step("partial_fit", "partial_fit", (X, y), more)
    if kind < 0.75:
        drawn = draw_params(rng, cls, p=0.1, p_odd=0.0)
        name = pick(rng, list(drawn))
        value = drawn[name] if name != "random_state" else int(rng.integers(3))
        return Step(f"set_params({name}={value!r})", "set_params", (), {name: value})
    return pick(rng, _failing(y, cls))


def _draw_target(case: Case, cls: type) -> Any:
    if "Regressor" in cls.__name__:
        return TARGETS["numbers"]
    names = ["three classes", "three classes", "text", "multilabel"]
    return TARGETS[pick(case.rng, names)]


def _failing(y: Any, cls: type) -> list[Step]:
    """Return calls that mostly fail."""
    missing = X.copy()
    missing[0, 0] = np.inf
    steps = [
        Step("fit with inf", "fit", (missing, y), {}),
        Step("fit, too few y", "fit", (X, y[:-1]), {}),
        Step("fit, negative weights", "fit", (X, y), {"sample_weight": -WEIGHT}),
        Step("fit, huge X", "fit", (X * 1e200, y), {}),
        Step("fit, no rows", "fit", (X[:0], y[:0]), {}),
        Step("fit, one row", "fit", (X[:1], y[:1]), {}),
        Step("predict with inf", "predict", (missing,), {}),
        Step("score", "score", (X, y), {}),
        Step("set_params(nope)", "set_params", (), {"nope": 1}),
        Step("set_params, half", "set_params", (), {"learning_rate_init": 0.1, "nope__x": 1}),
        Step("set_params, field", "set_params", (), {"max_iter": 2, "solver__beta_1": 7}),
    ]
    if hasattr(cls, "partial_fit"):
        steps += [
            Step("partial_fit, columns", "partial_fit", (X[:, :2], y), {}),
            Step("partial_fit, half given", "partial_fit", (X, y), {"X_val": X}),
            Step("set_state", "set_state", ({"format": 1},), {}),
            Step("resume", "resume", ("/no/such/file", X, y), {}),
        ]
    return steps
