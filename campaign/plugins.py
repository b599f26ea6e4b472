"""Components of users that misbehave: no crash, no silent nonsense, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from campaign._digest import digest
from campaign._draw import COMPONENTS, pick, placed, required
from campaign._watch import Case, limited, shown, where
from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.contracts import Component

X = np.random.default_rng(0).normal(size=(30, 4))
NUMBERS, CLASSES = np.abs(X[:, 0]) + 0.1, np.arange(30) % 2


class Boom(Exception):
    """An error that only a plug-in raises."""


def _raises(error: BaseException) -> Callable[..., Any]:
    def behave(result: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        raise error

    return behave


def _writes(value: float) -> Callable[..., Any]:
    """Return a behaviour that fills all arrays it was handed."""

    def behave(result: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        returned = result()
        for array in args:
            if isinstance(array, np.ndarray) and array.flags.writeable:
                array[...] = value
        return returned

    return behave


def _returns(value: Any) -> Callable[..., Any]:
    def behave(result: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        result()
        return value

    return behave


def _does_not_write(result: Callable[[], Any], args: tuple[Any, ...]) -> Any:
    """Return the right result, and leave ``out`` as it was."""
    kept = [(array, array.copy()) for array in args if isinstance(array, np.ndarray)]
    returned = result()
    returned = returned.copy() if isinstance(returned, np.ndarray) else returned
    for array, before in kept:
        if array.flags.writeable:
            array[...] = before
    return returned


BEHAVIOURS: dict[str, Callable[..., Any]] = {
    "raises": _raises(Boom("boom")),
    "raises ValueError": _raises(ValueError("bad")),
    "raises KeyError": _raises(KeyError("k")),
    "raises StopIteration": _raises(StopIteration("stop")),
    "raises GeneratorExit": _raises(GeneratorExit()),
    "writes nan": _writes(np.nan),
    "writes 7": _writes(7.0),
    "returns None": _returns(None),
    "returns nan": _returns(np.nan),
    "returns inf": _returns(np.inf),
    "returns text": _returns("abc"),
    "returns a wrong shape": _returns(np.zeros((1, 1, 7))),
    "does not write": _does_not_write,
}
RAISING = tuple(name for name in BEHAVIOURS if name.startswith("raises"))


def play(case: Case) -> None:
    """Let one verb of one component misbehave at one of its calls."""
    base = pick(case.rng, [cls for cls in COMPONENTS if _verbs(cls) and _can_be_used(cls)])
    verb, how = pick(case.rng, _verbs(base)), pick(case.rng, list(BEHAVIOURS))
    at = pick(case.rng, [1, 3, 0])
    case.trace.append(f"{base.__name__}.{verb} {how} {f'at call {at}' if at else 'always'}")
    evil = _evil(base, verb, BEHAVIOURS[how], at)
    estimator, y = _estimator(base)
    estimator.fit(X, y)
    estimator.set_params(**placed(evil(**required(base))))
    _fit(case, estimator, y, base, how)


def _verbs(cls: type[Component]) -> list[str]:
    """Return the methods in which a kind of component differs from another."""
    contract = next(base for base in cls.__mro__ if base.__module__ == "sknn_scratch.contracts")
    names = [name for name, value in vars(contract).items() if callable(value)]
    return [name for name in names if not name.startswith("_") or name == "__call__"]


def _can_be_used(cls: type[Component]) -> bool:
    """Tell whether a component works without a file, and on numbers or on two classes."""
    return "path" not in required(cls)


def _evil(base: type, verb: str, behave: Callable[..., Any], at: int) -> type:
    """Return a subclass whose verb misbehaves at call ``at``, or always if that is 0."""
    real, calls = getattr(base, verb), [0]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if at and calls[0] != at:
            return real(self, *args, **kwargs)
        return behave(lambda: real(self, *args, **kwargs), (*args, *kwargs.values()))

    return type(f"Evil{base.__name__}", (base,), {verb: method, "__module__": __name__})


def _estimator(base: type) -> tuple[Any, Any]:
    tasks = getattr(base, "tasks", ("regression",))
    cls, y = (MLPRegressor, NUMBERS) if "regression" in tasks else (MLPClassifier, CLASSES)
    small = {"hidden_layer_sizes": (5,), "max_iter": 4, "batch_size": 10, "random_state": 0}
    return cls(**small), y


def _fit(case: Case, estimator: Any, y: Any, base: type, how: str) -> None:
    before, given = digest(vars(estimator)), digest([X, y])
    try:
        with limited(20), np.errstate(all="ignore"):
            estimator.fit(X, y)
    except BaseException as error:
        case.ledger.count(type(error).__name__)
        _look_at_error(case, error, base, how)
        if digest(vars(estimator)) != before:
            case.found("changed after an error", f"{shown(error)}", where(error))
    else:
        case.ledger.count("returned")
        _look_at_fit(case, estimator)
    if digest([X, y]) != given:
        raise AssertionError(f"{case.trace} changed X or y")


def _look_at_error(case: Case, error: BaseException, base: type, how: str) -> None:
    text = " ".join([str(error), *getattr(error, "__notes__", [])])
    # What nan leads to has a message of its own, with what to do.
    if base.__name__ not in text and "diverged" not in text:
        case.found("error does not name the component", f"{how}: {shown(error)}", where(error))
    if how == "raises" and not isinstance(error, Boom):
        case.found("error of another type", shown(error), where(error))


def _look_at_fit(case: Case, estimator: Any) -> None:
    if not np.isfinite(estimator.theta_).all() or not np.isfinite(estimator.loss_):
        case.found("not finite", f"{case.trace[0]}: weights or loss_")
    y_pred = estimator.predict(X)
    if y_pred.shape != (30,):
        case.found("shape", f"{case.trace[0]}: predict returned {y_pred.shape}")
