"""Registry of component names: ``"relu"`` -> ``Relu``.

Names come from three sources: the decorator ``@register.activation("name")`` in this process;
entry points of installed distributions; and addresses stored in an estimator that was pickled
in another process.  The last two are imported when a name is first used.
"""

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
    Link,
    Loss,
    Optimizer,
    Schedule,
    Transform,
)

#: The table of kinds: each is named like its contract, such as "loss".
KINDS: dict[str, type[Component]] = {
    contract.__name__.lower(): contract
    for contract in (
        Activation,
        Loss,
        Link,
        Optimizer,
        Transform,
        Schedule,
        Initializer,
        Callback,
    )
}
#: Groups of entry points, such as "sknn_scratch.losses".
GROUPS = {kind: f"sknn_scratch.{kind}{'es' if kind[-1] == 's' else 's'}" for kind in KINDS}

#: The solver that is no optimizer, but takes the place of one.
LBFGS_NAME = "lbfgs"
#: Names that no component may have.
RESERVED = {"optimizer": (LBFGS_NAME,)}

_classes: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
#: Addresses of classes registered in another process: "activation:mine" -> "module:Mine".
_addresses: dict[str, str] = {}
#: Names, such as "activation:mine", of classes that other processes cannot import.
_in_main: set[str] = set()

C = TypeVar("C", bound=type[Component])


class _Register:
    """Decorators that register a component class by name: ``@register.activation("swish")``.

    There is one for each kind: activation, loss, link, optimizer, transform, schedule, initializer
    and callback.
    Registering a class with the same module and qualified name replaces it, as when a
    notebook cell is run again.  Any other class under a known name raises ValueError.

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
    if name in RESERVED.get(kind, ()):
        raise ValueError(f"The {kind} {name!r} is built in; choose another name.")
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
    """Return the known names of a kind of component, sorted, without importing plug-ins."""
    return sorted({*_classes[kind], *_entry_points(kind)})


def lookup(kind: str, name: str) -> type[Component]:
    """Return the class registered as ``name``.

    Raises
    ------
    LookupError
        If the name is unknown; the message suggests a similar name and how to register one.
    ImportError
        If the plug-in that provides the name cannot be imported.
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
    """Return " Did you mean ...?" with the most similar known name, or an empty string."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def advice(kind: str, name: str) -> str:
    """Return how to register an unknown name; nothing for one that no component may have."""
    if name in RESERVED.get(kind, ()):
        return ""
    if f"{kind}:{name}" in _in_main:
        return (
            f" {name!r} was registered in the __main__ module of another process, which cannot be "
            "imported here: pass an instance, or move the class to a module."
        )
    return f" To add one, decorate its class with @register.{kind}({name!r}), or pass an instance."


# --- Plug-ins: imports of unknown names.


def _load(kind: str, name: str) -> None:
    """Import the class of a name from its entry point, or from its stored address."""
    points = _entry_points(kind).get(name, ())
    if len(points) > 1:
        owners = " and ".join(sorted(_owner(point) for point in points))
        raise ValueError(
            f"The {kind} {name!r} is provided by {owners}: uninstall one of them, or pass an "
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
    """Import a class and register it; errors name the distribution that provides it."""
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
        raise type(error)(f"{error} It is provided by {_owner(point)}.") from error


def _owner(point: EntryPoint) -> str:
    return f"distribution {point.dist.name!r}" if point.dist else f"module {point.module!r}"


# --- Names stored in pickled estimators.


def remembered() -> dict[str, Any]:
    """Return the addresses that another process needs to resolve the names of this one."""
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
    """Add the addresses that another process returned from :func:`remembered`."""
    _addresses.update(known["addresses"])
    _in_main.update(known["in_main"])
