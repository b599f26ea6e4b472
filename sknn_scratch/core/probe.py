"""Checks of plug-ins before a fit, for errors that training would not reveal.

Training loops ignore the return values of methods.  A method that returns a new array instead of
writing into its argument would leave the old contents there, and a hook with a wrong name is never
called.  Components of this package are skipped: the checks of :mod:`sknn_scratch.testing` cover
them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

import numpy as np

from sknn_scratch import contracts
from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import (
    Array,
    Component,
    Initializer,
    Loss,
    Optimizer,
    Site,
    Transform,
)
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.network import Network

#: Initial contents of arrays, unlikely as results and exact in every dtype.
MARKS = (7.25, -3.625)
#: Similarity to a name of the contract from which a name is an error, such as on_epoch_ends.
NEAR = 0.8


def parts(components: Iterable[Component]) -> Iterator[Component]:
    """Yield the plug-ins among components and their inner components."""
    for component in components:
        inner = [part for part in component.get_params().values() if isinstance(part, Component)]
        yield from (part for part in (component, *inner) if not _is_ours(type(part)))


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
    return next(cls for cls in type(component).__mro__ if cls.__module__ == contracts.__name__)


def wrong_name(component: Component, name: str, near: str) -> str:
    """Return the error message for a misspelled name."""
    return (
        f"{_name(component)} must call what it overrides by its name in sknn_scratch.contracts. "
        f"Got {name!r}, which nothing calls: write {near!r}, or '_{name}' if that is another thing."
    )


# --- Methods that write into arrays.


def check(network: Network, loss: Loss, y: Array, others: Iterable[Component]) -> None:
    """Raise an error if a plug-in violates its contract in a way that no later step reveals.

    ``y`` (rows, n_targets) are targets of a few real rows.  Only the names of ``others`` are
    checked.
    """
    layers = [layer for layer in network.layers if isinstance(layer, Dense)]
    used = [(layer.activation, layer.units) for layer in layers if layer.activation is not None]
    check_names([*(f for f, _ in used), loss, *others])
    with quiet_floats():
        for f, units in used:
            if not _is_ours(type(f)):
                _check_activation(f, _values((2, units), y.dtype))
        if not _is_ours(type(loss)):
            _check_loss(loss, np.array(y), _values((len(y), network.units[-1]), y.dtype))


def _check_activation(f: Any, z: Array) -> None:
    _check_out(f, "forward", z, lambda out: f.forward(z.copy(), out))
    a = np.empty_like(z)
    f.forward(z.copy(), a)
    kept = z if f.needs_input else None
    _check_out(f, "backward", z, lambda out: f.backward(np.ones_like(z), a, kept, out))


def _check_loss(loss: Loss, y: Array, raw: Array) -> None:
    _check_out(loss, "value_and_grad", raw, lambda out: loss.value_and_grad(y, raw, None, out))
    for verb in ["predict"] + ["log_predict"] * ("regression" not in loss.tasks):
        _check_out(loss, verb, raw, partial(getattr(loss, verb), raw.copy()), is_returned=True)


def _values(shape: tuple[int, int], dtype: Any) -> Array:
    """Return different numbers near 0 at which common functions have no kinks."""
    return np.linspace(-0.9, 0.97, shape[0] * shape[1], dtype=dtype).reshape(shape)


def _check_out(
    component: Component,
    verb: str,
    like: Array,
    call: Callable[[Array], Any],
    is_returned: bool = False,
) -> None:
    """Raise unless a method fills an array, and returns it if ``is_returned``."""
    outs = [np.full_like(like, mark) for mark in MARKS]
    results = [call(out) for out in outs]
    untouched = np.logical_and(*(out == mark for out, mark in zip(outs, MARKS, strict=True)))
    got = "a new array" if isinstance(results[0], np.ndarray) else f"{results[0]!r}"
    if untouched.any():
        share = "" if untouched.all() else "parts of "
        raise TypeError(
            f"{_name(component)} must write the result of {verb} into 'out', all of it. Got {share}"
            f"'out' as it was, and {got} returned: write np.tanh(z, out=out), or out[...] = ..., "
            "and return out."
        )
    if is_returned and not _is_part_of(results[0], outs[0]):
        raise TypeError(
            f"{_name(component)} must return the 'out' of {verb}, which holds its result. Got "
            f"{got} returned: end with return out."
        )


def check_optimizer(optimizer: Optimizer, theta: Array, groups: Mapping[str, slice]) -> None:
    """Raise for an optimizer, or a part of one, that does not write into ``direction``."""
    for part in parts([optimizer]):
        if isinstance(part, Optimizer | Transform):
            with quiet_floats():
                _check_update(part, np.array(theta), groups)


def _check_update(part: Any, theta: Array, groups: Mapping[str, slice]) -> None:
    direction = np.cos(np.arange(theta.size)).astype(theta.dtype)
    before, state = direction.copy(), part.init(theta, groups)
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


def _is_part_of(result: Any, array: Array) -> bool:
    return isinstance(result, np.ndarray) and np.may_share_memory(result, array)


def check_filled(initializer: Initializer, arrays: Iterable[Array], site: Site) -> None:
    """Raise if an initializer has left parameters of a layer unfilled, as nan."""
    if _is_ours(type(initializer)) or not any(np.isnan(a).any() for a in arrays):
        return
    raise TypeError(
        f"{_name(initializer)} must write into all of 'W' and 'b' in fill. Got layer {site.index} "
        "with parts of them as they were: write W[...] = ... and b[...] = ..., in place."
    )


def _name(component: Component) -> str:
    return f"The {kind_of(component).__name__.lower()} {type(component).__name__}"
