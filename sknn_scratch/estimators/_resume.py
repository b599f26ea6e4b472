"""Checkpoints of a fit, and the state of a fitted estimator as plain data."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from sknn_scratch.contracts import State
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _aliases
from sknn_scratch.estimators._advice import warn
from sknn_scratch.estimators._start import How, make_plan
from sknn_scratch.estimators._targets import ClassTargets, NumericTargets
from sknn_scratch.training import checkpoint
from sknn_scratch.training.snapshot import restore, snapshot
from sknn_scratch.training.state import TrainingState

#: Parameters that may differ between a checkpoint and the estimator that goes on from it.
FREE = ("max_iter", "max_fun", "verbose", "callbacks", "warm_start", "random_state")


def header(estimator: Any, data: Data) -> State:
    """Return what says of which fit a checkpoint is."""
    params = estimator.get_params(deep=False).items()
    own: State = {
        "estimator": type(estimator).__name__,
        "parameters": {name: repr(value) for name, value in params if name not in FREE},
        "data": {
            "shape of X": f"{data.X.shape[0]} x {data.X.shape[1]}",
            "dtype": str(data.X.dtype),
            "y": _digest(data.y.tobytes()),
            "sample_weight": _digest(b"" if data.weight is None else data.weight.tobytes()),
        },
    }
    seed = repr(estimator.random_state)
    return own | {"fingerprint": _digest((repr(own) + seed).encode())}


def _digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=8).hexdigest()


def load(estimator: Any, path: str, data: Data) -> TrainingState:
    """Return the state of a checkpoint of the same fit.

    Raises
    ------
    ValueError
        If the file is not such a checkpoint; the message names the first difference.
    """
    tree = checkpoint.load(path)
    wanted = header(estimator, data)
    if tree.get("estimator") != wanted["estimator"]:
        raise ValueError(_refusal(path, "estimator", tree.get("estimator"), wanted["estimator"]))
    for group in ("parameters", "data"):
        for name, value in wanted[group].items():
            stored = tree[group].get(name)
            if stored != value:
                raise ValueError(_refusal(path, name, stored, value))
    return restore(tree["state"])


def _refusal(path: str, name: str, stored: Any, value: Any) -> str:
    return (
        f"The checkpoint {path!r} is of another fit: its {name} is {stored}, here it is {value}. "
        "Pass the data and the parameters of that fit, or call fit to begin anew."
    )


def warn_lost_curvature(estimator: Any) -> None:
    """Say what a checkpoint of L-BFGS does not hold."""
    if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":
        warn(
            "solver='lbfgs' goes on from the weights of the checkpoint; what it had learned of "
            "the curvature is lost, so it takes other steps than without the break."
        )


# --- A fitted estimator as plain data, for those who store it elsewhere.


def get_state(estimator: Any) -> State:
    """Return weights, training state and targets as nested dicts of plain data."""
    return {
        "format": 1,
        "estimator": type(estimator).__name__,
        "n_features": estimator.n_features_in_,
        "targets": _targets_tree(estimator._targets),
        "theta": np.array(estimator.theta_),
        "state": snapshot(estimator._state),
    }


def set_state(estimator: Any, tree: State) -> None:
    """Make an estimator with the same parameters a fitted one."""
    if tree.get("format") != 1 or tree.get("estimator") != type(estimator).__name__:
        raise ValueError(
            f"state must come from get_state of a {type(estimator).__name__}. Got format "
            f"{tree.get('format')!r} of {tree.get('estimator')!r}."
        )
    targets = _targets_from(tree["targets"])
    loss = _aliases.component(estimator, "loss", "loss").for_task(targets.task)
    n_features, theta = tree["n_features"], np.array(tree["theta"])
    y, unit = targets.encode(targets.decode(targets.blank()), loss, theta.dtype)
    data = Data(np.empty((1, n_features), theta.dtype), y, unit)
    plan = make_plan(estimator, data, loss, How(is_new=False, one_pass=True))
    if plan.network.layout.size != theta.size:
        raise ValueError(
            f"state holds {theta.size} parameters, but the parameters of this "
            f"{type(estimator).__name__} make a network of {plan.network.layout.size}: "
            "set hidden_layer_sizes and loss as they were."
        )
    state = restore(tree["state"])
    attributes = estimator._fitted_attributes(plan, state, targets, theta)
    attributes["_state"] = state
    vars(estimator).update(attributes, n_features_in_=n_features)


def _targets_tree(targets: ClassTargets | NumericTargets) -> State:
    if isinstance(targets, NumericTargets):
        return {"task": targets.task, "n_targets": targets.n_targets}
    classes = targets.classes
    if classes.dtype == object:
        return {"task": targets.task, "labels": classes.tolist(), "sparse": targets.sparse}
    return {"task": targets.task, "classes": classes, "sparse": targets.sparse}


def _targets_from(tree: State) -> ClassTargets | NumericTargets:
    if tree["task"] == "regression":
        return NumericTargets(tree["n_targets"])
    classes = tree["classes"] if "classes" in tree else np.array(tree["labels"], dtype=object)
    return ClassTargets(classes, tree["task"], tree["sparse"])
