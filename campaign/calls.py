"""Drawn data, parameters and calls on all estimators: right results or a clear error."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import clone, is_classifier

from campaign._digest import digest
from campaign._draw import (
    COMPONENTS,
    ESTIMATORS,
    draw_params,
    drawn_component,
    odd_values,
    pick,
    placed,
    required,
)
from campaign._tables import draw_weight, draw_X, draw_y, n_rows, row
from campaign._watch import Case

FURTHER = ("fit", "partial_fit", "predict", "set_params", "clone", "pickle", "state", "to_sklearn")


class Data:
    """The drawn data of a case."""

    def __init__(self, case: Case, classifies: bool, spoilt: bool) -> None:
        rng = case.rng
        X = draw_X(rng, plain=0.6 if spoilt else 0.3)
        self.n = n_rows(X.value)
        y = draw_y(rng, classifies, self.n, plain=0.75 if spoilt else 0.45)
        weight = draw_weight(rng, self.n, none=0.65)
        self.X, self.y, self.weight = X.value, y.value, weight.value
        self.given: dict[str, Any] = {}
        if rng.random() < 0.15:
            self.given = _validation_data(case, classifies, self.X)
        words = f"X: {X.name}; y: {y.name}; weights: {weight.name}; given: {list(self.given)}"
        case.trace.append(words)

    @property
    def inputs(self) -> tuple[Any, ...]:
        """Return what no call may change."""
        return self.X, self.y, self.weight


def _validation_data(case: Case, classifies: bool, X: Any) -> dict[str, Any]:
    rng, n = case.rng, int(pick(case.rng, [0, 1, 2, 5]))
    fits = rng.random() < 0.8 and len(getattr(X, "shape", ())) == 2
    X_val = draw_X(rng, 0.6, n, X.shape[1] if fits else None).value
    out = {"X_val": X_val}
    if rng.random() < 0.95:
        out["y_val"] = draw_y(rng, classifies, n_rows(X_val), plain=0.6).value
    if rng.random() < 0.3:
        out["sample_weight_val"] = draw_weight(rng, n, none=0.0).value
    return out


def play(case: Case) -> None:
    """Draw an estimator and data, call methods, and ask what must hold; or try a component."""
    if case.rng.random() < 0.15:
        _try_component(case)
        return
    cls, spoilt = pick(case.rng, ESTIMATORS), case.rng.random() < 0.5
    params = draw_params(case.rng, cls, p=0.12 if spoilt else 0.08, p_odd=0.3 if spoilt else 0.0)
    case.trace.append(f"{cls.__name__}({_written(params)})")
    data = Data(case, "Classifier" in cls.__name__, spoilt)
    made = case.call("constructor", lambda: cls(**params))
    if not made.ok:
        return
    for method in ["fit", *case.rng.choice(FURTHER, size=case.rng.integers(0, 4))]:
        _STEPS[method](case, made.value, data)


def _written(params: dict[str, Any]) -> str:
    return ", ".join(
        f"{name}={' '.join(repr(value).split())[:60]}" for name, value in params.items()
    )


# --- The steps of a case: each takes the case, the estimator and the data.


def _fit(case: Case, estimator: Any, data: Data) -> None:
    weight = {} if data.weight is None else {"sample_weight": data.weight}
    more = weight | data.given
    done = case.call("fit", lambda: estimator.fit(data.X, data.y, **more), estimator, data.inputs)
    if not done.ok:
        return
    look_at_results(case, estimator, data)
    if case.rng.random() < 0.3 and type(estimator.random_state) is int and not _warm(estimator):
        twin = clone(estimator)
        again = case.call("fit a clone", lambda: twin.fit(data.X, data.y, **more), twin)
        if again.ok and _weights(twin) != _weights(estimator):
            case.found("not deterministic", "fit of a clone has other weights")


def _warm(estimator: Any) -> bool:
    return bool(getattr(estimator, "warm_start", False))


def _weights(estimator: Any) -> list[bytes]:
    """Return the bytes of all weights of a fitted estimator."""
    return [one.theta_.tobytes() for one in getattr(estimator, "estimators_", [estimator])]


def _partial_fit(case: Case, estimator: Any, data: Data) -> None:
    if not hasattr(type(estimator), "partial_fit"):
        return
    more: dict[str, Any] = {}
    if is_classifier(estimator) and case.rng.random() < 0.6:
        choices: list[Any] = [
            [0, 1, 2],
            ["a", "b", "c"],
            [0],
            [],
            None,
            [0, 0, 1],
            3,
            "ab",
            [[0, 1]],
        ]
        more["classes"] = pick(case.rng, choices)
    if not hasattr(estimator, "partial_fit"):
        return
    done = case.call(
        "partial_fit",
        lambda: estimator.partial_fit(data.X, data.y, sample_weight=data.weight, **more),
        estimator,
        data.inputs,
    )
    if done.ok:
        look_at_results(case, estimator, data)


def _predict(case: Case, estimator: Any, data: Data) -> None:
    other = draw_X(case.rng, plain=0.3)
    case.trace.append(other.name)
    case.call(
        "predict of another X", lambda: estimator.predict(other.value), estimator, (other.value,)
    )


def _set_params(case: Case, estimator: Any, data: Data) -> None:
    drawn = draw_params(case.rng, type(estimator), p=0.06, p_odd=0.4)
    name = pick(case.rng, list(drawn))
    params = {name: drawn[name]}
    if case.rng.random() < 0.2:
        odd = ["nope", "solver__beta_1", "loss__x", "callbacks__0", "__", "solver__", "a__b__c"]
        params = {pick(case.rng, odd): pick(case.rng, odd_values())}
    case.call(f"set_params({_written(params)})", lambda: estimator.set_params(**params), estimator)


def _clone(case: Case, estimator: Any, data: Data) -> None:
    copy = case.call("clone", lambda: clone(estimator), estimator)
    if copy.ok and (hasattr(copy.value, "theta_") or hasattr(copy.value, "estimators_")):
        case.found("clone", "the clone is fitted")


def _pickle(case: Case, estimator: Any, data: Data) -> None:
    try:
        stored = pickle.dumps(estimator)
    except (AttributeError, TypeError, pickle.PicklingError):
        return  # a parameter of the user's cannot be pickled
    copy = case.call("unpickle", lambda: pickle.loads(stored), estimator)
    if copy.ok and digest(vars(copy.value)) != digest(vars(estimator)):
        case.found("pickle", "the copy differs")


def _state(case: Case, estimator: Any, data: Data) -> None:
    if not {"theta_", "estimators_"} & vars(estimator).keys():
        return
    state = case.call("get_state", estimator.get_state, estimator)
    if not state.ok:
        return
    other = clone(estimator)
    taken = case.call("set_state", lambda: other.set_state(state.value), other)
    if taken.ok and _weights(other) != _weights(estimator):
        case.found("state", "set_state gives other weights")
    columns = [digest(getattr(one, "preprocessor_", None)) for one in (other, estimator)]
    if taken.ok and columns[0] != columns[1]:
        case.found("state", "set_state gives another encoding of columns")


def _to_sklearn(case: Case, estimator: Any, data: Data) -> None:
    if not hasattr(type(estimator), "to_sklearn") or not hasattr(estimator, "theta_"):
        return
    made = case.call("to_sklearn", estimator.to_sklearn, estimator)
    own = case.call("predict", lambda: estimator.predict(data.X))
    if not (made.ok and own.ok):
        return
    try:
        other = made.value.predict(data.X)
    except Exception:
        return  # scikit-learn's own opinion of X
    if not is_classifier(estimator):
        size = 1e-3 * (np.abs(own.value).max(initial=0.0) + 1.0)
        if not np.allclose(own.value, other, rtol=1e-3, atol=size):
            case.found("to_sklearn", "scikit-learn predicts something else")


_STEPS = {
    "fit": _fit,
    "partial_fit": _partial_fit,
    "predict": _predict,
    "set_params": _set_params,
    "clone": _clone,
    "pickle": _pickle,
    "state": _state,
    "to_sklearn": _to_sklearn,
}


# --- What must hold of a fitted estimator.


def look_at_results(case: Case, estimator: Any, data: Data) -> None:
    """Ask for predictions and scores; record what cannot be right."""
    _look_at_weights(case, estimator)
    first = case.call("predict", lambda: estimator.predict(data.X), estimator, (data.X,))
    if not first.ok:
        case.ledger.count("predict refused what fit took")
        return
    again = case.call("predict again", lambda: estimator.predict(data.X))
    if digest(first.value) != digest(again.value):
        case.found("not deterministic", "predict twice")
    y_pred = first.value.toarray() if sparse.issparse(first.value) else np.asarray(first.value)
    if len(y_pred) != data.n:
        case.found("shape", f"predict returned {y_pred.shape} for {data.n} rows")
    if is_classifier(estimator):
        _look_at_probabilities(case, estimator, data, y_pred)
    else:
        _look_at_numbers(case, estimator, data, y_pred)
    _look_at_score(case, estimator, data)


def _look_at_weights(case: Case, estimator: Any) -> None:
    for one in getattr(estimator, "estimators_", [estimator]):
        loss = getattr(one, "loss_", 0.0)
        if not np.isfinite(one.theta_).all():
            case.found("not finite", "theta_")
        if one is estimator and loss is not None and not np.isfinite(loss):
            case.found("not finite", f"loss_ is {loss}")


def _look_at_numbers(case: Case, estimator: Any, data: Data, y_pred: Any) -> None:
    if not np.isfinite(y_pred).all():
        case.found("not finite", "predict of a regressor")
    size = float(np.abs(y_pred).max(initial=0.0)) + 1e-30
    for place, alone in _alone(case, estimator.predict, data):
        if not np.allclose(alone / size, y_pred[place] / size, atol=1e-3):
            case.found("depends on the batch", f"predict of row {place}")


def _alone(case: Case, predict: Callable[[Any], Any], data: Data) -> Iterator[tuple[int, Any]]:
    """Yield the first and the last row's place, and what is predicted of each alone."""
    for place in sorted({0, data.n - 1}) if data.n > 1 else ():
        one = row(data.X, place)
        if one is None:
            return
        made = case.call(f"{predict.__name__} of one row", partial(predict, one))
        if made.ok:
            yield place, np.asarray(made.value)[0]
        else:
            case.found("a row is refused", f"{made.value}")


def _look_at_probabilities(case: Case, estimator: Any, data: Data, y_pred: Any) -> None:
    made = case.call("predict_proba", lambda: estimator.predict_proba(data.X), estimator, (data.X,))
    if not made.ok:
        return
    proba = np.asarray(made.value)
    if not np.isfinite(proba).all() or proba.min(initial=0) < 0 or proba.max(initial=0) > 1 + 1e-6:
        case.found("probabilities", f"from {proba.min(initial=0)} to {proba.max(initial=0)}")
    elif y_pred.ndim == 2:
        clear = np.abs(proba - 0.5) > 1e-6
        if ((proba > 0.5) != (y_pred > 0))[clear].any():
            case.found("labels", "predict and predict_proba disagree")
    else:
        _look_at_classes(case, estimator, proba, y_pred)
    for place, alone in _alone(case, estimator.predict_proba, data):
        if not np.allclose(alone, proba[place], rtol=1e-4, atol=1e-4):
            case.found("depends on the batch", f"predict_proba of row {place}")


def _look_at_classes(case: Case, estimator: Any, proba: Any, y_pred: Any) -> None:
    if not np.allclose(proba.sum(axis=1), 1, atol=1e-5):
        case.found("probabilities", "do not sum to 1")
    if len(estimator.classes_) > 1:
        two = np.sort(proba, axis=1)[:, -2:]
        is_clear = two[:, 1] - two[:, 0] > 1e-6
        best = np.asarray(estimator.classes_)[proba.argmax(axis=1)]
        if (best != y_pred)[is_clear].any():
            case.found("labels", "predict is not the most probable class")


def _look_at_score(case: Case, estimator: Any, data: Data) -> None:
    made = case.call(
        "score", lambda: estimator.score(data.X, data.y, data.weight), estimator, data.inputs
    )
    if not made.ok:
        return
    score, low = made.value, 0.0 if is_classifier(estimator) else -np.inf
    if not isinstance(score, float | np.floating):
        case.found("score", f"is of type {type(score).__name__}")
    elif data.n > 1 and not low <= score <= 1 + 1e-6:
        case.found("score", f"is {score}")


# --- Components with odd fields.


def _try_component(case: Case) -> None:
    """Give one field of a component an odd value: refused by its name, or good for a fit."""
    cls = pick(case.rng, COMPONENTS)
    plain = required(cls)
    names = list(drawn_component(case.rng, cls).get_params(deep=False))
    if not names or "path" in names:
        return
    name, value = pick(case.rng, names), pick(case.rng, odd_values())
    text = f"{cls.__name__}({name}={' '.join(repr(value).split())[:60]})"
    made = case.call(f"constructor {text}", lambda: cls(**plain | {name: value}))
    if not made.ok:
        if f"{name!r}" not in str(made.value) or cls.__name__ not in str(made.value):
            case.found("message names no field", f"{text}: {made.value}")
        return
    _use_component(case, made.value, text)


def _use_component(case: Case, component: Any, text: str) -> None:
    tasks = getattr(component, "tasks", ("regression",))
    k = 0 if "regression" not in tasks else 1
    cls = [one for one in ESTIMATORS if "Tabular" not in one.__name__][k]
    X = case.rng.normal(size=(20, 3))
    y = np.abs(X[:, 0]) + 0.1 if k else np.arange(20) % 2
    params = {"hidden_layer_sizes": (3,), "max_iter": 3, "batch_size": 8, "random_state": 0}
    estimator = cls(**params | placed(component))
    done = case.call(f"fit with {text}", lambda: estimator.fit(X, y), estimator, (X, y))
    if done.ok:
        _look_at_weights(case, estimator)
        case.call(f"predict with {text}", lambda: estimator.predict(X))
