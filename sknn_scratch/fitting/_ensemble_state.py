"""A fitted ensemble for tables as plain data, and its validated reading."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from itertools import repeat
from textwrap import shorten
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Loss, State
from sknn_scratch.fitting import _resume
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._publish import fitted, restore
from sknn_scratch.fitting._publish_members import encoding_attributes
from sknn_scratch.fitting._recipe import (
    ENCODING,
    EnsembleSettings,
    changed_encoding,
    encoding_identity,
    of_member,
)
from sknn_scratch.fitting._scaling import possible_losses
from sknn_scratch.fitting._settings import settings_of
from sknn_scratch.fitting._start import plan_without_data
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Fitted
from sknn_scratch.preprocessing import _plain_state
from sknn_scratch.training import form
from sknn_scratch.training.snapshot import row_numbers

_PARTS = {"encoding", "preprocessor", "targets", "target_range", "temperature", "members"}


def tree_of(estimator: OwnEstimator) -> State:
    """Return a fitted ensemble as nested dicts of plain data.

    Each further part is a line here, a name in ``_PARTS``, and a line in :func:`_read`.
    """
    streams = estimator._streams or repeat(None)
    members = zip(estimator.estimators_, estimator.held_out_, streams, strict=False)
    tree: State = {
        "format": _resume.STATE_FORMAT,
        "estimator": type(estimator).__name__,
        "encoding": encoding_identity(estimator.preprocessor_.get_params(deep=False)),
        "preprocessor": _plain_state.tree_of(estimator.preprocessor_),
        "targets": _resume.targets_tree(estimator._targets),
        "target_range": _range_tree(vars(estimator).get("target_range_")),
        "temperature": vars(estimator).get("temperature_"),
        "members": [_member_tree(*member) for member in members],
    }
    return deepcopy(tree)


def _range_tree(span: tuple[Any, Any] | None) -> State | None:
    return None if span is None else dict(zip(_ENDS, map(np.asarray, span), strict=True))


def _member_tree(plain: OwnEstimator, held_out: Array, stream: Fitted | None) -> State:
    owner = type(plain).__name__
    of_stream = {} if stream is None else _resume.tree_of(owner, stream)
    return {
        "loss": type(plain._loss).__name__,
        "held_out": held_out,
        "network": _resume.tree_of(owner, fitted(plain)),
        "stream": {name: of_stream[name] for name in _STREAM} if of_stream else None,
    }


def attributes_of(settings: EnsembleSettings, tree: Any) -> dict[str, Any]:
    """Return the fitted attributes that a result of :func:`tree_of` describes."""
    _resume.check_origin(settings.network.owner, tree, _PARTS)
    with _resume.as_state(tree):
        return _read(settings, tree)


def _read(settings: EnsembleSettings, tree: State) -> dict[str, Any]:
    _check_encoding(settings, tree["encoding"])
    preprocessor = _plain_state.read(settings.preprocessor, tree["preprocessor"], "preprocessor")
    parts, n_features = _member_parts(tree["members"]), preprocessor.n_features_out_
    members, streams = [], []
    for k, part in enumerate(parts):
        with form.part_of(f"members[{k}]"):
            members.append(_read_member(settings, n_features, part))
            streams.append(_read_stream(settings, members[-1], part))
    targets = _read_targets(settings, tree["targets"], members)
    loss, span = settings.network.loss_for(targets.task), None
    if settings.network.is_numeric:
        span = _read_range(tree["target_range"], targets.n_targets)
    form_of_temperature = form.nothing if settings.network.is_numeric else _above_0
    temperature = form_of_temperature(tree["temperature"], "temperature")
    return {
        "estimators_": members,
        "held_out_": [part["held_out"] for part in parts],
        "n_iter_": max(one.n_iter_ for one in members),
        **encoding_attributes(preprocessor, targets, loss, span),
        **({} if temperature is None else {"temperature_": temperature}),
        "_streams": None if None in streams else streams,
    }


def _check_encoding(settings: EnsembleSettings, tree: Any) -> None:
    """Raise ValueError for parameters of the encoding of X other than those of the state."""
    had = form.record(dict.fromkeys(ENCODING, form.text()))(tree, "encoding")
    for name in changed_encoding(settings, had):
        now = encoding_identity(settings.preprocessor)[name]
        raise ValueError(
            f"state must come from get_state of a {settings.network.owner} with the same {name}. "
            f"Got {shorten(had[name], 100)}, but here it is {shorten(now, 100)}: set {name}, or "
            "effort, to its original value."
        )


def _read_targets(
    settings: EnsembleSettings, tree: Any, members: list[OwnEstimator]
) -> ClassTargets | NumericTargets:
    """Return the targets of the ensemble, which are those of its members in their own units."""
    targets = _resume.read_targets(settings.network.is_numeric, tree, members[0].theta_.size)
    for k, one in enumerate(members):
        if not _are_same(targets, one._targets):
            raise form.MisfitError("targets", f"dict of the targets of members[{k}]", tree)
    return targets


def _are_same(one: Any, other: Any) -> bool:
    """Return True for targets of the same form, in any units."""
    if (one.task, one.n_targets) != (other.task, other.n_targets):
        return False
    return isinstance(one, NumericTargets) or np.array_equal(one.classes, other.classes)


_ENDS = ("lowest", "highest")


def _read_range(tree: Any, n_targets: int) -> tuple[Any, Any]:
    """Return the range of y: a vector of several targets, a number of one."""
    shape = () if n_targets == 1 else (n_targets,)
    ends = form.record(dict.fromkeys(_ENDS, form.array(shape, np.float64)))
    low, high = ends(tree, "target_range").values()
    if (low > high).any():
        raise form.MisfitError("target_range", "dict of lowest up to highest", high)
    return low[()], high[()]


def _above_0(found: Any, place: str) -> Any:
    if form.finite(found, place) <= 0:
        raise form.MisfitError(place, "number above 0", found)
    return found


# --- Members.


def _held_out(found: Any, place: str) -> Array:
    rows = row_numbers(found, place)
    if (rows < 0).any():
        raise form.MisfitError(place, "array of row numbers", rows)
    return rows


def _unread(found: Any, place: str) -> Any:
    return found


_NETWORK = form.record(dict.fromkeys(("format", "estimator", *sorted(_resume.PARTS)), _unread))
#: Parts of a member as partial_fit left it that differ from those of its plain network.
_STREAM = ("optimizer", "theta", "state")
_MEMBER = form.record(
    {
        "loss": form.text(),
        "held_out": _held_out,
        "network": _NETWORK,
        "stream": form.optional(form.record(dict.fromkeys(_STREAM, _unread))),
    }
)


def _member_parts(found: Any) -> list[State]:
    parts = form.sequence(_MEMBER)(found, "members")
    if not parts:
        raise form.MisfitError("members", "list of one or more members", parts)
    if len({part["stream"] is None for part in parts}) > 1:
        raise form.MisfitError("members", "list in which all or no member has a stream", parts)
    return parts


def _read_member(settings: EnsembleSettings, n_features: int, part: State) -> OwnEstimator:
    """Return a member as a plain network; errors name its parts alone."""
    tree, version = part["network"], _resume.STATE_FORMAT
    form.whole(version, version)(tree["format"], "format")
    form.text(settings.plain_class.__name__)(tree["estimator"], "estimator")
    form.nothing(tree["feature_names"], "feature_names")
    theta = form.vector(tree["theta"], "theta")
    theta = form.array(theta.shape, np.float32)(theta, "theta")
    read = _resume.read_encoding(settings.network.is_numeric, tree, theta)
    if read.n_features != n_features:
        wanted = f"number of the features that the preprocessor makes, {n_features}"
        raise form.MisfitError("n_features", wanted, read.n_features)
    plain = settings.plain_network(_loss(settings, read.targets.task, part["loss"]))
    plan = plan_without_data(settings_of(plain), n_features, read.targets, theta.dtype)
    if plan.network.layout.size != theta.size:
        raise ValueError(
            f"state holds members of {theta.size} parameters, but the parameters of this "
            f"{settings.network.owner} make networks of {plan.network.layout.size}: set effort, "
            "hidden_layer_sizes and loss to their original values."
        )
    form.text(_resume.solver_name(plan.solver.optimizer))(tree["optimizer"], "optimizer")
    restore(plain, _resume.network_of(plan, read, theta, tree))
    return plain


def _read_stream(settings: EnsembleSettings, plain: OwnEstimator, part: State) -> Fitted | None:
    """Return a member as partial_fit left it: its moments, and its weights without folding."""
    if part["stream"] is None:
        return None
    own = of_member(settings, plain.n_features_in_, 1, 0, one_pass=True)
    own, twin = replace(own, loss=plain.loss), settings.plain_network(plain.loss)
    with form.part_of("stream"):
        theta = form.vector(part["stream"]["theta"], "theta")
        form.array(theta.shape, np.float32)(theta, "theta")
        found = _resume.read_network(own, part["network"] | part["stream"], "input_scaling")
    restore(twin, found | {"_targets": plain._targets})
    return fitted(twin)


def _loss(settings: EnsembleSettings, task: str, name: str) -> Loss:
    """Return the loss of a member by the name of its class."""
    losses = possible_losses(settings.link, settings.network.loss_for(task))
    known = {type(loss).__name__: loss for loss in losses}
    if name not in known:
        decisive = "loss and link" if settings.network.is_numeric else "loss"
        raise ValueError(
            f"state must come from get_state of a {settings.network.owner} with the same "
            f"{decisive}. Got a member trained on {form.shown(name)}, but here members are trained "
            f"on {' or '.join(known)}: set {decisive} to the original values."
        )
    return known[name]
