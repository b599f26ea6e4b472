"""Components of users that misbehave: no crash, no silent nonsense, nothing lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from campaign._digest import digest
from campaign._draw import COMPONENTS, pick, placed, required
from campaign._watch import Case, limited, shown, where
from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
)
from sknn_scratch.contracts import Component
from sknn_scratch.registry import KINDS

X = np.random.default_rng(0).normal(size=(30, 4))
NUMBERS, CLASSES = np.abs(X[:, 0]) + 0.1, np.arange(30) % 2

PLAIN = MLPClassifier, MLPRegressor
TABULAR = TabularMLPClassifier, TabularMLPRegressor


class Boom(Exception):
    """An error that only a plug-in raises."""


def _raises(error: type[BaseException], *values: Any) -> Callable[..., Any]:
    def behave(result: Callable[[], Any], args: tuple[Any, ...]) -> Any:
        # Not a copy: Dask registers one that shares the notes of other cases.
        raise error(*values)

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


ERRORS: dict[str, tuple[type[BaseException], Any]] = {
    "raises": (Boom, "boom"),
    "raises ValueError": (ValueError, "bad"),
    "raises KeyError": (KeyError, "k"),
    "raises StopIteration": (StopIteration, "stop"),
    "raises GeneratorExit": (GeneratorExit, ""),
    "raises SystemExit": (SystemExit, "exit"),
}
BEHAVIOURS: dict[str, Callable[..., Any]] = {
    **{name: _raises(*error) for name, error in ERRORS.items()},
    "writes nan": _writes(np.nan),
    "writes 7": _writes(7.0),
    "returns None": _returns(None),
    "returns nan": _returns(np.nan),
    "returns inf": _returns(np.inf),
    "returns text": _returns("abc"),
    "returns a wrong shape": _returns(np.zeros((1, 1, 7))),
    "does not write": _does_not_write,
}


def play(case: Case) -> None:
    """Let one verb of one component misbehave at one of its calls."""
    base = pick(case.rng, [cls for cls in COMPONENTS if _verbs(cls) and _can_be_used(cls)])
    verb, how = pick(case.rng, _verbs(base)), pick(case.rng, list(BEHAVIOURS))
    at = int(pick(case.rng, [1, 3, 0]))
    case.trace.append(f"{base.__name__}.{verb} {how} {f'at call {at}' if at else 'always'}")
    evil, struck = _evil(base, verb, BEHAVIOURS[how], at)
    own = placed(evil(**required(base)))
    estimator, y = _estimator(case, base, *own)
    estimator.fit(X, y)
    estimator.set_params(**own)
    given = digest([X, y])
    if _attempt(case, estimator, lambda: estimator.fit(X, y), base, how):
        # A schedule may be a list of factors that ends where training does.
        if struck and how in ERRORS and (verb, how) != ("__call__", "raises KeyError"):
            case.found("error swallowed", how)
        _look_at_fit(case, estimator, base, how)
    if digest([X, y]) != given:
        raise AssertionError(f"{case.trace} changed X or y")


def _verbs(cls: type[Component]) -> list[str]:
    """Return the methods in which a kind of component differs from another."""
    contract = next(base for base in cls.__mro__ if base in (*KINDS.values(), Component))
    # What is of no kind, such as an order of rows, has its own.
    holder = cls if contract is Component else contract
    names = [name for name, value in vars(holder).items() if callable(value)]
    return [name for name in names if not name.startswith("_") or name == "__call__"]


def _can_be_used(cls: type[Component]) -> bool:
    """Tell whether a component works without a file, and on numbers or on two classes."""
    return "path" not in required(cls)


def _evil(base: type, verb: str, behave: Callable[..., Any], at: int) -> tuple[type, list[int]]:
    """Return a subclass whose verb misbehaves at call ``at``, or always if that is 0.

    The numbers of the calls at which it did are added to a list.
    """
    real, calls, struck = getattr(base, verb), [0], list[int]()

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls[0] += 1
        if at and calls[0] != at:
            return real(self, *args, **kwargs)
        struck.append(calls[0])
        return behave(lambda: real(self, *args, **kwargs), (*args, *kwargs.values()))

    evil = type(f"Evil{base.__name__}", (base,), {verb: method, "__module__": __name__})
    return evil, struck


def _estimator(case: Case, base: type, parameter: str) -> tuple[Any, Any]:
    """Return one of the estimators that take a component as this parameter, and its y."""
    tasks = getattr(base, "tasks", ("regression",))
    k, y = (1, NUMBERS) if "regression" in tasks else (0, CLASSES)
    hosts: list[tuple[type, dict[str, Any]]] = [
        (PLAIN[k], {"batch_size": 10}),
        (PLAIN[k], {"batch_size": 10, "early_stopping": True, "ema_decay": 0.5}),
    ]
    if parameter in ("activation", "loss", "initializer", "callbacks"):
        hosts.append((PLAIN[k], {"solver": "lbfgs"}))
    if parameter in TABULAR[k]().get_params():
        hosts.append((TABULAR[k], {"effort": "fast", "n_ensemble": 2, "min_steps": 2}))
    cls, more = pick(case.rng, hosts)
    case.trace.append(f"{cls.__name__} with {more}")
    return cls(hidden_layer_sizes=(5,), max_iter=4, random_state=0, **more), y


def _attempt(case: Case, estimator: Any, call: Callable[[], Any], base: type, how: str) -> bool:
    """Make a call; tell whether it returned."""
    before = digest(vars(estimator))
    try:
        with limited(20), np.errstate(all="ignore"):
            call()
    except BaseException as error:
        case.ledger.count(type(error).__name__)
        _look_at_error(case, error, base, how)
        if digest(vars(estimator)) != before:
            case.found("changed after an error", f"{shown(error)}", where(error))
        return False
    case.ledger.count("returned")
    return True


def _look_at_error(case: Case, error: BaseException, base: type, how: str) -> None:
    text = " ".join([str(error), *getattr(error, "__notes__", [])])
    if f"Evil{base.__name__}" not in text:
        case.found("error does not name the component", f"{how}: {shown(error)}", where(error))
    if how in ERRORS and type(error) is not ERRORS[how][0]:
        case.found("error of another type", f"{how}: {shown(error)}", where(error))


def _look_at_fit(case: Case, estimator: Any, base: type, how: str) -> None:
    for one in getattr(estimator, "estimators_", [estimator]):
        is_usable = one is not estimator or np.isfinite(one.loss_)
        if not (np.isfinite(one.theta_).all() and is_usable):
            case.found("not finite", f"{case.trace[0]}: weights or loss_")
    y_pred: list[Any] = []
    _attempt(case, estimator, lambda: y_pred.append(estimator.predict(X)), base, how)
    if y_pred and np.shape(y_pred[0]) != (30,):
        case.found("shape", f"{case.trace[0]}: predict returned {np.shape(y_pred[0])}")
