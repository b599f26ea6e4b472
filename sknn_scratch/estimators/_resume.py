"""Checkpoints of a fit, and the state of a fitted estimator as plain data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Component, State
from sknn_scratch.core.data import Data
from sknn_scratch.estimators._start import plan_without_data
from sknn_scratch.estimators._targets import ClassTargets, NumericTargets
from sknn_scratch.estimators._validation import CHUNK_ROWS
from sknn_scratch.training import checkpoint
from sknn_scratch.training.snapshot import misfit, restore, snapshot
from sknn_scratch.training.state import Plan, TrainingState

#: Parameters that may differ between a checkpoint and the estimator that resumes from it.
FREE = ("max_iter", "max_fun", "verbose", "callbacks", "warm_start", "random_state")


# numpy scalars in a component are written as their repr, which the legacy print style changes.
@np.printoptions(legacy=False)
def header(estimator: Any, data: Data, targets: Any, judge: Any) -> State:
    """Return the header that identifies the fit of a checkpoint."""
    params = estimator.get_params(deep=False).items()
    own: State = {
        "estimator": type(estimator).__name__,
        "parameters": {name: _written(value) for name, value in params if name not in FREE},
        "data": {
            "shape of X": f"{data.X.shape[0]} x {data.X.shape[1]}",
            "dtype": str(data.dtype),
            **_digests(data, ""),
            "classes": _written(getattr(targets, "classes", None)),
            "kind of validation data": _kind(judge, data),
            **(_digests(judge.data, "_val") if _kind(judge, data) == "given" else {}),
        },
    }
    seed = repr(estimator.random_state)
    return own | {"fingerprint": _digest([(repr(own) + seed).encode()])}


def _kind(judge: Any, data: Data) -> str:
    if judge is None:
        return "not given"
    return "held out of X" if judge.data is data else "given"


def _digests(data: Data, suffix: str) -> dict[str, str]:
    """Return hashes of the data, by argument name."""
    X = [data.X.data, data.X.indices, data.X.indptr] if issparse(data.X) else [data.X]
    weight = [] if data.weight is None else [data.weight]
    parts = {"X": X, "y": [data.y], "sample_weight": weight}
    return {
        name + suffix: _digest(chain.from_iterable(map(_in_chunks, arrays)))
        for name, arrays in parts.items()
    }


def _in_chunks(a: Array) -> Iterator[Any]:
    """Yield the bytes of an array in C order, without copying a mapped array as a whole."""
    for start in range(0, len(a), CHUNK_ROWS):
        yield np.ascontiguousarray(a[start : start + CHUNK_ROWS]).data


def _digest(buffers: Iterable[Any]) -> str:
    code = hashlib.blake2b(digest_size=8)
    for buffer in buffers:
        code.update(buffer)
    return code.hexdigest()


def _written(value: Any) -> str:
    """Return a parameter as text, equal in every process and for numpy's scalars."""
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_written, value))})"
    if isinstance(value, np.generic):
        value = value.item()
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


def check_path(path: Any) -> str:
    """Return the path of a checkpoint as a string; raise if it is invalid."""
    checkpoint.plain_file(path)
    return os.fspath(path)


def load(path: str) -> tuple[TrainingState, State]:
    """Return the training state of a checkpoint, and its header.

    Raises
    ------
    ValueError
        If the file is not the checkpoint of a fit.
    """
    tree = checkpoint.load(path)
    if not {"estimator", "parameters", "data", "state"} <= tree.keys():
        raise ValueError(
            f"{path!r} must be a checkpoint, a file written by the Checkpoint callback: pass such "
            "a file, or use set_state for the result of get_state."
        )
    return restore(tree["state"]), tree


def check_same(stored: State, wanted: State, path: str) -> None:
    """Raise ValueError, naming the first difference, unless both are from the same fit."""
    if stored["estimator"] != wanted["estimator"]:
        raise ValueError(_refusal(path, "estimator", stored["estimator"], wanted["estimator"]))
    for group in ("parameters", "data"):
        for name in wanted[group] | stored[group]:
            before, now = stored[group].get(name), wanted[group].get(name)
            if before != now:
                raise ValueError(_refusal(path, name, before, now))


def check_epoch(estimator: Any, state: TrainingState, path: str) -> None:
    """Raise ValueError if training is already past ``max_iter``."""
    if state.epoch > estimator.max_iter:
        raise ValueError(
            f"The checkpoint {path!r} is of epoch {state.epoch}, past max_iter="
            f"{estimator.max_iter}: raise max_iter to continue."
        )


def _refusal(path: str, name: str, stored: Any, value: Any) -> str:
    return (
        f"The checkpoint {path!r} is of another fit: its {name} is {stored}, here it is {value}. "
        "Pass the data and the parameters of that fit, or call fit to start again."
    )


def warn_lost_curvature(estimator: Any) -> None:
    """Warn that a checkpoint of L-BFGS does not store the curvature history."""
    if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":
        warn(
            "solver='lbfgs' resumes from the weights of the checkpoint. Its history of the "
            "curvature is lost, as it is not saved: steps differ from those without interruption."
        )


# --- Fitted estimators as plain data.


def get_state(estimator: Any) -> State:
    """Return weights, training state and targets as nested dicts of plain data."""
    names = getattr(estimator, "feature_names_in_", None)
    tree: State = {
        "format": 1,
        "estimator": type(estimator).__name__,
        "n_features": estimator.n_features_in_,
        "feature_names": None if names is None else names.tolist(),
        "targets": _targets_tree(estimator._targets),
        "optimizer": _classes(estimator._optimizer) or "lbfgs",
        "theta": np.array(estimator.theta_),
        "state": snapshot(estimator._state),
    }
    return deepcopy(tree)


def set_state(estimator: Any, tree: State) -> None:
    """Restore the fitted attributes of an estimator with the same parameters."""
    found = tree.keys() if isinstance(tree, Mapping) else set()
    wanted = {"n_features", "feature_names", "targets", "optimizer", "theta", "state"}
    if wanted - found:
        raise ValueError(
            f"state must come from get_state of a {type(estimator).__name__}. Got a "
            f"{type(tree).__name__} that lacks {', '.join(sorted(wanted - found))}."
        )
    if tree.get("format") != 1 or tree.get("estimator") != type(estimator).__name__:
        raise ValueError(
            f"state must come from get_state of a {type(estimator).__name__}. Got format "
            f"{tree.get('format')!r} of {tree.get('estimator')!r}."
        )
    tree = deepcopy(tree)
    targets, theta = _targets_from(tree["targets"]), np.array(tree["theta"])
    plan = plan_without_data(estimator, tree["n_features"], targets, theta.dtype)
    if plan.network.layout.size != theta.size:
        raise ValueError(
            f"state holds {theta.size} parameters, but the parameters of this "
            f"{type(estimator).__name__} make a network of {plan.network.layout.size}: "
            "set hidden_layer_sizes and loss to their original values."
        )
    _check_optimizer(estimator, tree, plan, theta)
    state = restore(tree["state"])
    plan = replace(plan, early_stopping=bool(estimator.early_stopping and state.best_row))
    attributes = estimator._fitted_attributes(plan, state, targets, theta)
    vars(estimator).update(attributes, n_features_in_=tree["n_features"], _state=state)
    if tree["feature_names"] is not None:
        estimator.feature_names_in_ = np.array(tree["feature_names"], dtype=object)


def _check_optimizer(estimator: Any, tree: State, plan: Plan, theta: Array) -> None:
    """Raise ValueError unless parameters give the optimizer whose state is stored."""
    optimizer = getattr(plan.strategy, "optimizer", None)
    stored, made = tree["optimizer"], _classes(optimizer) or "lbfgs"
    if stored != made:
        raise ValueError(
            f"state must come from get_state of a {type(estimator).__name__} with the same "
            f"optimizer. Got the state of {stored}, but solver and ema_decay are for {made} here: "
            "set them to their original values, and change them after set_state."
        )
    held = tree["state"]["optimizer"]
    # An empty state starts again, for example after conversion from scikit-learn.
    form = optimizer.init(theta, plan.network.layout.groups) if optimizer and held else {}
    difference = misfit(held, form, "optimizer")
    if difference:
        raise ValueError(
            f"state must hold the state of {made} for {theta.size} parameters, but {difference}: "
            "set solver and ema_decay to their original values."
        )


def _classes(value: Any) -> str:
    """Return the class names of a component and its inner components, such as "Chain(Adam)"."""
    if isinstance(value, Component):
        inner = _classes(tuple(value.get_params(deep=False).values()))
        return type(value).__name__ + (f"({inner})" if inner else "")
    if isinstance(value, tuple):
        return ", ".join(filter(None, map(_classes, value)))
    return ""


def _targets_tree(targets: ClassTargets | NumericTargets) -> State:
    if isinstance(targets, NumericTargets):
        return asdict(targets)
    classes = targets.classes
    if classes.dtype == object:
        return {"task": targets.task, "labels": classes.tolist(), "sparse": targets.sparse}
    return {"task": targets.task, "classes": classes, "sparse": targets.sparse}


def _targets_from(tree: State) -> ClassTargets | NumericTargets:
    if tree["task"] == "regression":
        return NumericTargets(**tree)
    classes = tree["classes"] if "classes" in tree else np.array(tree["labels"], dtype=object)
    return ClassTargets(classes, tree["task"], tree["sparse"])
