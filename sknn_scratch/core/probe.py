"""Checks of plug-ins before a fit, for errors that training would not reveal.

Training loops ignore the return values of methods.  A method that returns a new array instead of
writing into its argument would leave the old contents there, and a hook with a wrong name is never
called.  Results that loops do use, they use unchecked, so a wrong type or shape fails far from its
origin.  Components of this package are skipped: the checks of :mod:`sknn_scratch.testing` cover
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from math import inf
from numbers import Integral, Real
from traceback import walk_tb
from typing import Any

import numpy as np

from sknn_scratch import contracts
from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import (
    Activation,
    Array,
    Callback,
    Component,
    Initializer,
    Link,
    Loss,
    Optimizer,
    Progress,
    Schedule,
    Site,
    Transform,
)
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.network import Network

#: Initial contents of arrays, unlikely as results and exact in every dtype.
MARKS = (7.25, -3.625)
#: Similarity to a name of the contract from which a name is an error, such as on_epoch_ends.
NEAR = 0.8
#: Parts of the messages of Python and numpy about None in place of an array.
OF_NONE = re.compile(r"NoneType|dtype\('O'\)")
#: The result of a schedule.
FACTOR = "one number in [0, inf)"


def parts(components: Iterable[Component]) -> Iterator[Component]:
    """Yield the plug-ins among components and their inner components."""
    for component in components:
        inner = [part for part in component.get_params().values() if isinstance(part, Component)]
        yield from filter(is_plugin, (component, *inner))


def is_plugin(component: Component) -> bool:
    """Return True if a component is defined outside this package."""
    return not _is_ours(type(component))


def _is_ours(cls: type) -> bool:
    return cls.__module__.startswith("sknn_scratch.")


# --- Names.


def check_names(components: Iterable[Component]) -> None:
    """Raise TypeError for a public name that is similar to one of the component's contract."""
    for component in parts(components):
        for name, near in misnamed(component):
            if near:
                raise TypeError(wrong_name(component, name, near))


def misnamed(component: Component) -> Iterator[tuple[str, str]]:
    """Yield public names that a contract lacks, each with a similar name of the contract.

    Only names that the class does not define count as similar: with ``forward``, ``forwards`` is
    not an error.
    """
    contract = {name for name in vars(kind_of(component)) if not name.startswith("_")}
    own = (cls for cls in type(component).__mro__ if cls is not object and not _is_ours(cls))
    written = {name for cls in own for name in vars(cls) if not hasattr(Component, name)}
    missed = {_plain(name): name for name in sorted(contract - written)}
    for name in sorted(written - contract - component.get_params(deep=False).keys()):
        if not name.startswith("_"):
            near = get_close_matches(_plain(name), missed, n=1, cutoff=NEAR)
            yield name, missed[near[0]] if near else ""


def _plain(name: str) -> str:
    return name.lower().replace("_", "")


def kind_of(component: Component) -> type[Component]:
    """Return the class of :mod:`sknn_scratch.contracts` that a component extends."""
    bases = type(component).__mro__
    known = [cls for cls in bases if cls.__module__ == contracts.__name__ and cls is not Component]
    return known[-1] if known else Component


def wrong_name(component: Component, name: str, near: str) -> str:
    """Return the error message for a misspelled name."""
    return (
        f"{_name(component)} must call what it overrides by its name in sknn_scratch.contracts. "
        f"Got {name!r}, which nothing calls: write {near!r}, or '_{name}' if that is another thing."
    )


# --- Methods that write into arrays.


def check(network: Network, loss: Loss, y: Array, others: Iterable[Component]) -> None:
    """Raise an error if a plug-in violates its contract in a way that no later step reveals.

    ``y`` (rows, n_targets) are targets of a few real rows.  ``others`` are components outside the
    network.
    """
    others = list(others)
    layers = [layer for layer in network.layers if isinstance(layer, Dense)]
    used = [(layer.activation, layer.units) for layer in layers if layer.activation is not None]
    check_names([*(f for f, _ in used), loss, *others])
    with quiet_floats():
        for f, units in used:
            if not _is_ours(type(f)):
                _check_activation(f, _values((2, units), y.dtype))
        if not _is_ours(type(loss)):
            _check_loss(loss, np.array(y), _values((len(y), network.units[-1]), y.dtype))
    for part in parts(others):
        if isinstance(part, Schedule):
            _check_schedule(part)
        elif isinstance(part, Callback):
            _check_state(part, part.init())


def _check_activation(f: Any, z: Array) -> None:
    _check_out(f, "forward", z, lambda out: f.forward(z.copy(), out))
    a = np.empty_like(z)
    f.forward(z.copy(), a)
    kept = z if f.needs_input else None
    try:
        _check_out(f, "backward", z, lambda out: f.backward(np.ones_like(z), a, kept, out))
    except Exception as error:
        if advice := advice_on_input(f, error):
            error.add_note(advice)
        raise


def advice_on_input(f: Component, error: Exception) -> str:
    """Return advice for an error raised by ``backward`` of an activation that gets no z, or ''."""
    is_of_none = isinstance(error, TypeError | AttributeError) and OF_NONE.search(str(error))
    if not isinstance(f, Activation) or f.needs_input or not is_of_none:
        return ""
    own = getattr(type(f).backward, "__code__", None)
    is_inside = any(frame.f_code is own for frame, _ in walk_tb(error.__traceback__))
    return "If backward uses z, set needs_input = True on the class." if is_inside else ""


def _check_loss(loss: Loss, y: Array, raw: Array) -> None:
    if message := unfit_link(loss):
        raise TypeError(message)
    gradient = partial(loss.value_and_grad, y, raw, None)
    _check_out(loss, "value_and_grad", raw, gradient, returns="the sum of the losses")
    _check_sum(loss, "value_and_grad", loss.value_and_grad(y, raw, None, np.empty_like(raw)))
    _check_sum(loss, "value", loss.value(y, raw, None))
    for verb in ["predict"] + ["log_predict"] * ("regression" not in loss.tasks):
        writer = link_writer(loss, verb)
        _check_out(writer, verb, raw, partial(getattr(loss, verb), raw.copy()), must_return=True)


def link_writer(loss: Loss, verb: str = "predict") -> Loss | Link:
    """Return the component that computes ``predict`` or ``log_predict``: the link, or the loss."""
    has_own = any(getattr(type(loss), own) is not getattr(Loss, own) for own in ("predict", verb))
    return loss if has_own else loss.link


def unfit_link(loss: Loss) -> str:
    """Return the error message for a link that does not fit its loss; empty if it does."""
    if not isinstance(loss.link, Link):
        return (
            f"{_name(loss)} must have an instance of Link as its link. Got {loss.link!r}: write "
            "link = LogisticLink(), for example."
        )
    if "binary" in loss.tasks and not loss.one_hot and not loss.link.symmetric:
        return (
            f"{_name(loss)} must have a symmetric inverse link to fit two classes with one column. "
            f"Got link={loss.link!r}: set symmetric = True on the class of the link if "
            "p(-raw) = 1 - p(raw), or one_hot = True on the loss."
        )
    return ""


def _values(shape: tuple[int, int], dtype: Any) -> Array:
    """Return different numbers near 0 at which common functions have no kinks."""
    return np.linspace(-0.9, 0.97, shape[0] * shape[1], dtype=dtype).reshape(shape)


def _check_out(
    component: Component,
    verb: str,
    like: Array,
    call: Callable[[Array], Any],
    returns: str = "out",
    must_return: bool = False,
) -> None:
    """Raise unless a method fills an array, and returns it if ``must_return``."""
    outs = [np.full_like(like, mark) for mark in MARKS]
    results = [call(out) for out in outs]
    untouched = np.logical_and(*(out == mark for out, mark in zip(outs, MARKS, strict=True)))
    got = "a new array" if isinstance(results[0], np.ndarray) else f"{results[0]!r}"
    if untouched.any():
        share = "" if untouched.all() else "parts of "
        raise TypeError(
            f"{_name(component)} must write the result of {verb} into 'out', all of it. Got {share}"
            f"'out' as it was, and {got} returned: write out[...] = ..., or pass out=out to a "
            f"function of numpy, and return {returns}."
        )
    if must_return and not (
        _is_part_of(results[0], outs[0]) and np.shape(results[0]) == like.shape
    ):
        raise TypeError(
            f"{_name(component)} must return the 'out' of {verb}, which holds its result. Got "
            f"{got} returned: end with return out."
        )


def _check_sum(loss: Loss, verb: str, value: Any) -> None:
    """Raise unless a loss is one real number."""
    if not _is_number(value):
        must_be = "one real number, the weighted sum of the losses"
        raise _wrong_result(loss, verb, must_be, _form(value))


def _is_number(value: Any) -> bool:
    is_array = isinstance(value, np.ndarray)
    return isinstance(value, Real) or (is_array and not value.ndim and value.dtype.kind in "biuf")


def _wrong_result(component: Component, verb: str, must_be: str, got: str) -> TypeError:
    return TypeError(
        f"{_name(component)} must return {must_be} from {verb}. Got {got} instead: see "
        "sknn_scratch.contracts for what each method returns."
    )


def n_raw(loss: Loss, n_targets: int) -> int:
    """Return the number of raw outputs of a loss; raise TypeError if it is not one."""
    n = loss.n_raw(n_targets)
    if not isinstance(n, Integral) or n < 1:
        raise _wrong_result(loss, "n_raw", "an integer >= 1", repr(n))
    return int(n)


def for_task(loss: Loss, task: str) -> Loss:
    """Return the loss to use for a task; raise TypeError if it is not one."""
    own = loss.for_task(task)
    if not isinstance(own, Loss):
        raise _wrong_result(loss, "for_task", "a loss, usually itself", repr(own))
    return own


def _check_schedule(schedule: Schedule) -> None:
    """Raise unless the first factor of a fit is finite and not negative."""
    factor: Any = schedule(Progress(0, 0, 0, 0.0, 0))
    if not _is_number(factor) or not 0 <= factor < inf:
        raise _wrong_result(schedule, "__call__", FACTOR, _form(factor))


def check_rate(schedule: Schedule, rate: float) -> None:
    """Raise if a learning rate is negative or nan; called once per epoch."""
    if not rate >= 0:
        raise _wrong_result(schedule, "__call__", FACTOR, f"a learning rate of {rate:g}")


def _check_state(component: Component, state: Any) -> None:
    """Raise unless ``init`` returned a dict with strings as keys, as checkpoints require."""
    if not isinstance(state, dict):
        raise _wrong_result(component, "init", "a dict", repr(state))
    odd = [key for key in state if not isinstance(key, str)]
    if odd:
        raise _wrong_result(component, "init", "a dict with strings as keys", f"the key {odd[0]!r}")


def readout(optimizer: Optimizer, theta: Array, state: Any) -> Array:
    """Return the result of ``readout``; raise TypeError unless it has the form of ``theta``."""
    read: Any = optimizer.readout(theta, state)
    if _form(read) != _form(theta):
        raise _wrong_result(optimizer, "readout", f"an array of {_form(theta)}", _form(read))
    return np.asarray(read)


def _form(value: Any) -> str:
    is_array = isinstance(value, np.ndarray)
    return f"shape {value.shape} and dtype {value.dtype}" if is_array else repr(value)


def predicted(loss: Loss, verb: str, raw: Array) -> Array:
    """Return the result of ``predict`` or ``log_predict``, which may overwrite ``raw``.

    Raises TypeError if it has another shape than ``raw``.
    """
    y_pred = getattr(loss, verb)(raw, raw)
    if not isinstance(y_pred, np.ndarray) or y_pred.shape != raw.shape:
        must_be = f"an array of shape {raw.shape}"
        raise _wrong_result(link_writer(loss, verb), verb, must_be, _form(y_pred))
    return y_pred


def check_optimizer(optimizer: Optimizer, theta: Array, groups: Mapping[str, slice]) -> None:
    """Raise for an optimizer, or a part of one, that does not write into ``direction``."""
    for part in parts([optimizer]):
        if isinstance(part, Optimizer | Transform):
            with quiet_floats():
                _check_update(part, np.array(theta), groups)


def _check_update(part: Any, theta: Array, groups: Mapping[str, slice]) -> None:
    direction = np.cos(np.arange(theta.size)).astype(theta.dtype)
    before, state = direction.copy(), part.init(theta, groups)
    _check_state(part, state)
    result = part.update(direction, state, theta, 0.01, np.zeros_like(theta))
    is_elsewhere = isinstance(result, np.ndarray) and not _is_part_of(result, direction)
    # A transform may leave a direction unchanged, for example if its norm is small.
    is_gradient = isinstance(part, Optimizer) and np.array_equal(direction, before)
    if is_elsewhere or is_gradient:
        got = "a new array returned" if is_elsewhere else "the gradient left there"
        raise TypeError(
            f"{_name(part)} must write the result of update into 'direction'. Got {got}: write in "
            "place, as direction *= -lr or direction[...] = ..., and return nothing."
        )
    if isinstance(part, Optimizer):
        readout(part, theta, state)


def _is_part_of(result: Any, array: Array) -> bool:
    return isinstance(result, np.ndarray) and np.may_share_memory(result, array)


def check_filled(initializer: Initializer, arrays: Iterable[Array], site: Site) -> None:
    """Raise if an initializer has left parameters of a layer unfilled, as nan, or infinite."""
    if _is_ours(type(initializer)) or all(np.isfinite(a).all() for a in arrays):
        return
    if not any(np.isnan(a).any() for a in arrays):
        raise ValueError(
            f"{_name(initializer)} must write finite numbers into 'W' and 'b' in fill. Got layer "
            f"{site.index} with infinite ones: lower its spread."
        )
    raise TypeError(
        f"{_name(initializer)} must write into all of 'W' and 'b' in fill. Got layer {site.index} "
        "with parts of them as they were: write W[...] = ... and b[...] = ..., in place."
    )


def named(component: Component) -> str:
    """Return a component's kind and class, as in "loss MyLoss"."""
    return f"{kind_of(component).__name__.lower()} {type(component).__name__}"


def _name(component: Component) -> str:
    return f"The {named(component)}"
