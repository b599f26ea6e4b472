"""Names for components: ``"relu"`` -> ``Relu``.

Names come from three places: ``@register.activation("name")`` in this process; entry points
of installed distributions, looked up on the first miss; and modules that an estimator from
another process remembers, imported on a miss too.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeVar

from sknn_scratch.contracts import (
    Activation,
    Callback,
    Component,
    Initializer,
    Loss,
    Optimizer,
    Schedule,
)

KINDS: dict[str, type[Component]] = {
    "activation": Activation,
    "loss": Loss,
    "optimizer": Optimizer,
    "schedule": Schedule,
    "initializer": Initializer,
    "callback": Callback,
}
#: Groups of entry points, such as "sknn_scratch.losses".
GROUPS = {
    "activation": "sknn_scratch.activations",
    "loss": "sknn_scratch.losses",
    "optimizer": "sknn_scratch.optimizers",
    "schedule": "sknn_scratch.schedules",
    "initializer": "sknn_scratch.initializers",
    "callback": "sknn_scratch.callbacks",
}

_classes: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
#: Where classes are that another process knew, such as "activation:mine" -> "module:Mine".
_addresses: dict[str, str] = {}
#: Names, such as "activation:mine", of classes that no other process can import.
_in_main: set[str] = set()

C = TypeVar("C", bound=type[Component])


class _Register:
    """Decorators that name a component class: ``@register.activation("swish")``.

    One for each kind: activation, loss, optimizer, schedule, initializer, callback.  The
    same module and qualified name again replaces the class, as when a notebook cell runs
    again; any other class under a known name is an error.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch import register
    >>> from sknn_scratch.contracts import Activation
    >>> @register.activation("square")
    ... class Square(Activation):
    ...     needs_input = True
    ...     def forward(self, z, out):
    ...         return np.multiply(z, z, out=out)
    ...     def backward(self, grad, a, z, out):
    ...         return np.multiply(grad, 2 * z, out=out)
    """

    def __getattr__(self, kind: str) -> Callable[[str], Callable[[C], C]]:
        if kind not in KINDS:
            raise AttributeError(f"There are no components of kind {kind!r}: {list(KINDS)}.")
        return functools.partial(_decorator, kind)


def _decorator(kind: str, name: str) -> Callable[[C], C]:
    if not isinstance(name, str):
        raise TypeError(f"register.{kind} needs a name: write @register.{kind}('name').")
    if (kind, name) == ("optimizer", "lbfgs"):
        raise ValueError("The optimizer 'lbfgs' is built in; choose another name.")
    return functools.partial(_add, kind, name)


register = _Register()


def _add(kind: str, name: Any, cls: C) -> C:
    if not (isinstance(cls, type) and issubclass(cls, KINDS[kind])):
        raise TypeError(
            f"{cls!r} cannot be registered as {kind} {name!r}: it must be a subclass of "
            f"sknn_scratch.contracts.{KINDS[kind].__name__}."
        )
    present = _classes[kind].get(name)
    if present is not None and _address(present) != _address(cls):
        raise ValueError(
            f"The {kind} {name!r} is already {_address(present)}; choose another name "
            f"for {_address(cls)}."
        )
    _classes[kind][name] = cls
    return cls


def _address(cls: type) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


def names(kind: str) -> list[str]:
    """Return the known names of a kind of component, sorted; nothing is imported."""
    return sorted({*_classes[kind], *_entry_points(kind)})


def lookup(kind: str, name: str) -> type[Component]:
    """Return the class called ``name``.

    Raises
    ------
    LookupError
        If there is none; the message suggests a near name and says where to register.
    ImportError
        If the plug-in that has it cannot be imported.
    """
    if name not in _classes[kind]:
        _load(kind, name)
    try:
        return _classes[kind][name]
    except KeyError:
        known = ", ".join(map(repr, names(kind)))
        hint = suggestion(name, names(kind))
        raise LookupError(
            f"There is no {kind} {name!r}.{hint} Known names: {known}.{advice(kind, name)}"
        ) from None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the nearest of the known names, if one is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def advice(kind: str, name: str) -> str:
    """Return where to register a name that is unknown."""
    if f"{kind}:{name}" in _in_main:
        return (
            f" {name!r} was registered in the __main__ of another process, which this one "
            "cannot see: pass the instance, or move the class to a module."
        )
    return f" To add one, decorate its class with @register.{kind}({name!r}), or pass an instance."


# --- Plug-ins: what is imported on a miss.


def _load(kind: str, name: str) -> None:
    """Import what has the name: its entry point, or the module that was remembered."""
    points = _entry_points(kind).get(name, ())
    if len(points) > 1:
        owners = " and ".join(sorted(_owner(point) for point in points))
        raise ValueError(
            f"The {kind} {name!r} is offered by {owners}: uninstall one of them, or pass an "
            "instance."
        )
    remembered_at = _addresses.get(f"{kind}:{name}")
    if not points and remembered_at:
        points = (EntryPoint(name, remembered_at, GROUPS[kind]),)
    for point in points:
        _add_entry_point(kind, point)


@functools.cache
def _entry_points(kind: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a kind by name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUPS[kind]):
        if point not in found.get(point.name, ()):
            found[point.name] = (*found.get(point.name, ()), point)
    return found


def _add_entry_point(kind: str, point: EntryPoint) -> None:
    """Import a class and register it; whatever goes wrong, say whose it is."""
    try:
        cls = point.load()
    except Exception as error:
        raise ImportError(
            f"The {kind} {point.name!r} of {_owner(point)} cannot be loaded from "
            f"{point.value!r}: {type(error).__name__}: {error}"
        ) from error
    try:
        _add(kind, point.name, cls)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{error} It is offered by {_owner(point)}.") from error


def _owner(point: EntryPoint) -> str:
    return f"distribution {point.dist.name!r}" if point.dist else f"module {point.module!r}"


# --- What travels with an estimator to another process.


def remembered() -> dict[str, Any]:
    """Return what another process needs in order to know the names of this one."""
    addresses, in_main = dict(_addresses), set(_in_main)
    for kind, known in _classes.items():
        for name, cls in known.items():
            if cls.__module__.startswith("sknn_scratch."):
                continue
            if cls.__module__ == "__main__" or "<locals>" in cls.__qualname__:
                in_main.add(f"{kind}:{name}")
            else:
                addresses[f"{kind}:{name}"] = _address(cls)
    return {"addresses": addresses, "in_main": sorted(in_main)}


def remember(known: Mapping[str, Any]) -> None:
    """Take in what another process returned from :func:`remembered`."""
    _addresses.update(known["addresses"])
    _in_main.update(known["in_main"])
