"""Checkpoints of a fit, and the state of a fitted estimator as plain data."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import asdict, replace
from itertools import chain
from typing import Any

import numpy as np
from scipy.sparse import issparse

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Component, Optimizer, State
from sknn_scratch.core.data import Data
from sknn_scratch.core.layout import Layout
from sknn_scratch.core.network import Network
from sknn_scratch.fitting import _publish
from sknn_scratch.fitting._coding import Coding
from sknn_scratch.fitting._settings import Settings, written
from sknn_scratch.fitting._start import plan_without_data
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Call, Fitted, Inherited, Stored
from sknn_scratch.fitting._validation import CHUNK_ROWS
from sknn_scratch.registry import LBFGS_NAME
from sknn_scratch.training import checkpoint, form
from sknn_scratch.training.snapshot import check_snapshot, restore, snapshot
from sknn_scratch.training.state import Plan, TrainingState

#: The header of a checkpoint, which identifies its fit.
_ORIGIN = {
    "estimator": form.text(),
    "parameters": form.mapping(form.text()),
    "data": form.mapping(form.text()),
}


# numpy scalars are written as their repr, which the legacy print style changes.
@np.printoptions(legacy=False)
def header(
    coding: Coding,
    parameters: dict[str, str],
    data: Data,
    held: Data | None,
    call: Call,
    n_far: int = 0,
) -> State:
    """Return the header of a checkpoint, which identifies its fit; ``held`` is validation data.

    ``parameters`` are those that identify it.
    It also stores the encoding that the fit has not determined from its own rows.
    ``n_far`` is the number of rows on other machines, which the first of ``data`` stands for.
    """
    own = {
        "estimator": coding.owner,
        "parameters": parameters,
        "data": _rows_identity(coding, data, held, n_far),
    }
    seed = repr(coding.settings.random_state)
    own |= {"fingerprint": _digest([(repr(own) + seed).encode()])}
    if call.inherited is None and not call.one_pass:
        return own
    kept = Inherited(coding.targets, data.dtype, data.X.shape[1], call.feature_names)
    return own | {"inherited": _encoding(kept) | {"dtype": str(data.dtype)}}


def _rows_identity(coding: Coding, data: Data, held: Data | None, n_far: int) -> dict[str, str]:
    """Return the text that identifies the rows of a fit."""
    kind = "held out of X" if coding.settings.stops_early else "not given"
    return {
        "shape of X": f"{n_far or data.X.shape[0]} x {data.X.shape[1]}",
        "dtype": str(data.dtype),
        **_digests(data, ""),
        "classes": written(getattr(coding.targets, "classes", None)),
        "kind of validation data": kind if held is None else "given",
        **({} if held is None else _digests(held, "_val")),
    }


#: Arguments of which a header stores hashes, also with the suffix "_val".
_HASHED = ("X", "y", "sample_weight")


def _digests(data: Data, suffix: str) -> dict[str, str]:
    """Return hashes of the data, by argument name."""
    is_sparse = issparse(data.X)
    values = _in_chunks(data.X.data if is_sparse else data.X, data.dtype)
    places = [data.X.indices, data.X.indptr] if is_sparse else []
    weight = [] if data.weight is None else [data.weight]
    parts = (
        chain(values, *map(_in_chunks, places)),
        _in_chunks(data.y),
        chain(*map(_in_chunks, weight)),
    )
    named = zip(_HASHED, parts, strict=True)
    return {name + suffix: _digest(chunks) for name, chunks in named}


def _in_chunks(a: Array, dtype: Any = None) -> Iterator[Any]:
    """Yield the bytes of an array in C order, cast to ``dtype``, without copying it as a whole."""
    for start in range(0, len(a), CHUNK_ROWS):
        yield np.ascontiguousarray(a[start : start + CHUNK_ROWS], dtype).data


def _digest(buffers: Iterable[Any]) -> str:
    code = hashlib.blake2b(digest_size=8)
    for buffer in buffers:
        code.update(buffer)
    return code.hexdigest()


def check_path(path: Any) -> str:
    """Return the path of a checkpoint as a string; raise if it is invalid."""
    checkpoint.plain_file(path)
    return str(os.fspath(path))  # messages show a subclass, such as numpy's, by its own repr


def load(path: str, owner: str, content: str = "state") -> State:
    """Return a checkpoint: its header, and the state of a network or of the members.

    Raises
    ------
    ValueError
        If the file is not the checkpoint of a fit, or that of another estimator.
    """
    tree = checkpoint.load(path)
    if not _ORIGIN.keys() <= tree.keys() or not {"state", "members"} & tree.keys():
        raise ValueError(
            f"{path!r} must be a checkpoint, a file written by the Checkpoint callback: pass such "
            "a file, or use set_state for the result of get_state."
        )
    with undamaged(path):
        for name, part in _ORIGIN.items():
            part(tree[name], name)
        if tree["estimator"] != owner:
            raise ValueError(_refusal(path, "estimator", tree["estimator"], owner))
        if content not in tree:
            raise form.MisfitError(content, "dict", None)
    return tree


@contextmanager
def undamaged(path: str) -> Iterator[None]:
    """Name the file of a checkpoint in errors about its content."""
    try:
        yield
    except form.MisfitError as error:
        raise checkpoint.damaged(path, f"its {error}") from error


def stored(settings: Settings, path: str) -> Stored:
    """Return the checkpoint in a file, after checking that it is of an estimator of this class."""
    tree = load(path, settings.owner)
    if tree.get("inherited") is None:
        return Stored(path, tree, None)
    with undamaged(path):
        return Stored(path, tree, _read_inherited(settings.is_numeric, tree))


def _read_inherited(is_numeric: bool, tree: State) -> Inherited:
    """Return what the fit of a checkpoint kept of an earlier one."""
    any_, dtype = form.plain, form.text("float32", "float64")
    parts = {"n_features": any_, "feature_names": any_, "targets": any_, "dtype": dtype}
    kept = form.record(parts)(tree["inherited"], "inherited")
    state = form.record({"theta": form.vector}, lambda part, _: part)(tree["state"], "state")
    theta = np.empty(state["theta"].size, kept["dtype"])
    return read_encoding(is_numeric, kept, theta)


def stored_state(
    settings: Settings, plan: Plan, origin: Stored, wanted: State, n_rows: int
) -> TrainingState:
    """Return the training state of a checkpoint, after checking it against this fit.

    ``wanted`` is the header of this fit; ``n_rows`` its number of rows, 0 for partitions.
    """
    path = origin.path
    check_same(origin.tree, wanted, path)
    dtype, kind = wanted["data"]["dtype"], wanted["data"]["kind of validation data"]
    with undamaged(path):
        tree = check_snapshot(origin.tree["state"], *_layout(plan), dtype, n_rows)
        if tree["noise"] is None and any(settings.dropout):
            raise form.MisfitError("noise", "dict, which dropout needs", None)
        if (tree["held_out"] is None) == (kind == "held out of X"):
            raise form.MisfitError("held_out", f"value for validation data {kind}", None)
    state = restore(tree)
    check_epoch(settings.max_iter, state, path)
    return state


def _layout(plan: Plan) -> tuple[Layout, Optimizer | None]:
    return plan.network.layout, plan.solver.optimizer


def check_same(stored: State, wanted: State, path: str) -> None:
    """Raise ValueError, naming the first difference, unless both are from the same fit."""
    for group in ("parameters", "data"):
        for name in wanted[group] | stored[group]:
            before, now = stored[group].get(name), wanted[group].get(name)
            # Checkpoints of earlier development versions have (20) for (20,).
            if str(before).replace(",)", ")") != str(now).replace(",)", ")"):
                raise ValueError(_refusal(path, name, before, now))


def check_epoch(max_iter: int, state: TrainingState, path: str) -> None:
    """Raise ValueError if training is already past ``max_iter``."""
    if state.epoch > max_iter:
        raise ValueError(
            f"The checkpoint {path!r} is of epoch {state.epoch}, past max_iter="
            f"{max_iter}: raise max_iter to continue."
        )


def _refusal(path: str, name: str, stored: Any, value: Any) -> str:
    return (
        f"The checkpoint {path!r} is of another fit: its {_difference(name, stored, value)}. "
        "Pass the data and the parameters of that fit, or call fit to start again."
    )


def _difference(name: str, stored: Any, value: Any) -> str:
    """Return how a part of a fit differs; for hashed data, without the hashes."""
    if name.removesuffix("_val") in _HASHED:
        order = "rows or columns" if name.startswith("X") else "rows"
        return f"{name} is different, in the values or in the order of {order}"
    verb, here = ("are", "they are") if name == "classes" else ("is", "it is")
    return f"{name} {verb} {stored}, here {here} {value}"


def warn_lost_curvature(settings: Settings) -> None:
    """Warn that a checkpoint of L-BFGS does not store the curvature history."""
    if settings.is_full_batch:
        warn(
            "solver='lbfgs' resumes from the weights of the checkpoint. Its history of the "
            "curvature is lost, as it is not saved: steps differ from those without interruption."
        )


# --- Fitted estimators as plain data.

#: Version of the layout of get_state's result.
STATE_FORMAT = 1
PARTS = {
    "n_features",
    "feature_names",
    "targets",
    "optimizer",
    "theta",
    "state",
    "rows_per_step",
}


_rows_per_step = form.optional(form.whole(1))


def tree_of(owner: str, fitted: Fitted) -> State:
    """Return a fitted network of the estimator ``owner`` as nested dicts of plain data."""
    tree: State = {
        "format": STATE_FORMAT,
        "estimator": owner,
        **_encoding(fitted.inherited),
        "optimizer": solver_name(fitted.optimizer),
        "theta": np.array(fitted.theta),
        "state": snapshot(fitted.state),
        "rows_per_step": fitted.rows_per_step,
    }
    return deepcopy(tree)


def attributes_of(settings: Settings, tree: State) -> dict[str, Any]:
    """Return the fitted attributes that a result of :func:`tree_of` describes."""
    check_origin(settings.owner, tree, PARTS)
    with as_state(tree):
        return read_network(settings, tree)


@contextmanager
def as_state(tree: State) -> Iterator[None]:
    """Turn errors about the content of a state into messages for the user."""
    try:
        yield
    except form.MisfitError as error:
        raise ValueError(_no_state(error, tree)) from error
    except (RecursionError, MemoryError) as error:
        raise ValueError(
            "state must be a result of get_state, but reading it fails with "
            f"{type(error).__name__}: call get_state again."
        ) from error


def check_fitted(fitted: Fitted, is_numeric: bool) -> None:
    """Raise MisfitError unless the parts of a fitted network are consistent."""
    network, theta = fitted.network, form.vector(fitted.theta, "theta_")
    again = Network(form.whole(1, theta.size)(fitted.n_features, "n_in"), network.layers)
    layout = again.layout
    if vars(network.layout) != vars(layout) or network.units != again.units:
        raise form.MisfitError("_network", "network of its layers", network)
    form.whole(layout.size, layout.size)(theta.size, "the size of theta_")
    read_targets(is_numeric, targets_tree(fitted.targets), theta.size)
    _rows_per_step(fitted.rows_per_step, "_rows_per_step")
    state, optimizer = fitted.state, fitted.optimizer
    check_snapshot(snapshot(state), layout, optimizer, theta.dtype)
    # Training by mini-batches begins both states together.
    if optimizer is not None and state.patience and not state.optimizer:
        raise form.MisfitError("optimizer", f"dict of {type(optimizer).__name__}", {})


def check_origin(name: str, tree: Any, parts: Set[str]) -> None:
    """Raise ValueError unless a state is from an estimator of the class ``name``."""
    missing = parts - (tree.keys() if isinstance(tree, Mapping) else set())
    if missing:
        raise ValueError(
            f"state must come from get_state of a {name}. Got a {type(tree).__name__} that lacks "
            f"{', '.join(sorted(missing))}: pass the result of get_state."
        )
    found = [form.shown(tree.get(key)) for key in ("format", "estimator")]
    if found != [repr(STATE_FORMAT), repr(name)]:
        raise ValueError(
            f"state must come from get_state of a {name}, in format {STATE_FORMAT}. Got format "
            f"{found[0]} of {found[1]}: pass such a state, or load this one with the version of "
            "sknn_scratch that made it."
        )


def read_network(
    settings: Settings, tree: State, decisive: str = "hidden_layer_sizes and loss"
) -> dict[str, Any]:
    """Return the attributes of the fitted network that a state describes.

    ``decisive`` are the parameters that decide the number of weights, for messages.
    """
    theta = form.vector(tree["theta"], "theta")
    read = read_encoding(settings.is_numeric, tree, theta)
    plan = plan_without_data(settings, read.n_features, read.targets, theta.dtype)
    if plan.network.layout.size != theta.size:
        raise ValueError(
            f"state holds {theta.size} parameters, but the parameters of this "
            f"{settings.owner} make a network of {plan.network.layout.size}: "
            f"set {decisive} to the original values."
        )
    _check_optimizer(settings.owner, tree["optimizer"], plan)
    return network_of(plan, read, theta, tree)


def network_of(plan: Plan, read: Inherited, theta: Array, tree: State) -> dict[str, Any]:
    """Return the fitted attributes of a network, with the training state in its tree."""
    state = restore(check_snapshot(tree["state"], *_layout(plan), theta.dtype))
    rows_per_step = _rows_per_step(tree["rows_per_step"], "rows_per_step")
    plan = replace(plan, early_stopping=bool(state.best_row))
    attributes = _publish.attributes(plan, state, read.targets, theta, rows_per_step)
    return attributes | _publish.features(read) | {"_state": state}


def _no_state(error: form.MisfitError, tree: State) -> str:
    """Return the message for a state that is not valid."""
    if error.place.startswith("optimizer") and isinstance(tree.get("optimizer"), str):
        return (
            f"state must hold the state of {tree['optimizer']} for {np.size(tree['theta'])} "
            f"parameters, but {error}: set solver and ema_decay to their original values."
        )
    return (
        f"state must be a result of get_state, in format {STATE_FORMAT}, but its {error}: "
        "call get_state again, or correct this part."
    )


def _check_optimizer(owner: str, stored: Any, plan: Plan) -> None:
    """Raise ValueError unless parameters give the optimizer whose state is stored."""
    made = solver_name(plan.solver.optimizer)
    if form.text()(stored, "optimizer's name") != made:
        raise ValueError(
            f"state must come from get_state of a {owner} with the same "
            f"optimizer. Got the state of {stored}, but solver and ema_decay are for {made} here: "
            "set them to their original values, and change them after set_state."
        )


def solver_name(optimizer: Optimizer | None) -> str:
    """Return the class names of an optimizer; without one, the name of L-BFGS."""
    return _classes(optimizer) or LBFGS_NAME


def _classes(value: Any) -> str:
    """Return the class names of a component and its inner components, such as "Chain(Adam)"."""
    if isinstance(value, Component):
        inner = _classes(tuple(value.get_params(deep=False).values()))
        return type(value).__name__ + (f"({inner})" if inner else "")
    if isinstance(value, tuple):
        return ", ".join(filter(None, map(_classes, value)))
    return ""


# --- The encoding of data: features and targets.


def _encoding(inherited: Inherited) -> State:
    """Return features and targets as plain data."""
    names = inherited.feature_names
    return {
        "n_features": inherited.n_features,
        "feature_names": None if names is None else names.tolist(),
        "targets": targets_tree(inherited.targets),
    }


def read_encoding(is_numeric: bool, tree: State, theta: Array) -> Inherited:
    """Return what :func:`_encoding` wrote for a network with these weights."""
    n_features = form.whole(1, max(1, theta.size))(tree["n_features"], "n_features")
    names = form.optional(form.sequence(form.text(), n_features))
    feature_names = names(tree["feature_names"], "feature_names")
    if feature_names is not None:
        feature_names = np.array(feature_names, dtype=object)
    targets = read_targets(is_numeric, tree["targets"], theta.size)
    return Inherited(targets, theta.dtype, n_features, feature_names)


def targets_tree(targets: ClassTargets | NumericTargets) -> State:
    """Return targets as plain data."""
    if isinstance(targets, NumericTargets):
        return asdict(targets)
    classes = targets.classes
    if classes.dtype == object:
        return {"task": targets.task, "labels": classes.tolist(), "sparse": targets.sparse}
    return {"task": targets.task, "classes": classes, "sparse": targets.sparse}


def read_targets(is_numeric: bool, tree: Any, most: int) -> ClassTargets | NumericTargets:
    """Return the targets that a state describes; ``most`` is a bound of their number."""
    if is_numeric:
        return _numeric_targets(tree, most)
    is_object = isinstance(tree, dict) and "labels" in tree
    task = form.text("binary", "multiclass", "multilabel")
    classes = {"labels": form.sequence(form.text())} if is_object else {"classes": form.plain}
    read = form.record({"task": task, "sparse": form.truth, **classes})(tree, "targets")
    labels = np.array(read["labels"], dtype=object) if is_object else read["classes"]
    place = "targets['labels']" if is_object else "targets['classes']"
    if not _are_classes(labels, most):
        raise form.MisfitError(place, "array of different classes in ascending order", labels)
    n, fits = len(labels), {"binary": range(1, 3), "multiclass": range(3, most + 1)}
    if n not in fits.get(read["task"], range(1, most + 1)):
        raise form.MisfitError("targets['task']", f"task with {n} classes", read["task"])
    if read["task"] == "multilabel" and not np.array_equal(labels, np.arange(n)):
        raise form.MisfitError(place, "array of the labels' numbers", labels)
    return ClassTargets(labels, read["task"], read["sparse"])


def _are_classes(labels: Any, most: int) -> bool:
    """Return True if data is a vector of classes in ascending order."""
    is_vector = isinstance(labels, np.ndarray) and labels.ndim == 1
    if not is_vector or not 0 < len(labels) <= most or labels.dtype.kind not in "biufSUMmO":
        return False
    return bool((labels[:-1] < labels[1:]).all())


def _numeric_targets(tree: Any, most: int) -> NumericTargets:
    n = form.whole(1, most)(tree.get("n_targets") if isinstance(tree, dict) else None, "n_targets")
    column = form.optional(form.array((n,), np.float64))
    parts = {"task": form.text("regression"), "location": column, "scale": column}
    targets = NumericTargets(**form.record({"n_targets": form.whole(), **parts})(tree, "targets"))
    scale = targets.scale
    if (scale is None) != (targets.location is None) or (scale is not None and (scale <= 0).any()):
        raise form.MisfitError("targets['scale']", "array of numbers above 0, as location", scale)
    return targets
