"""Names for components: ``"relu"`` -> ``Relu``.

Names come from three places: ``@register.activation("name")`` in this process; entry points
of installed distributions, looked up on the first miss; and modules that an estimator from
another process remembers, imported on a miss too.
"""

from __future__ import annotations

import difflib
import functools
import importlib
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
GROUPS = {kind: f"sknn_scratch.{kind}s".replace("losss", "losses") for kind in KINDS}

_classes: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}
#: Modules to import on a miss, and names that live in another process's ``__main__``.
_modules: set[str] = set()
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
        return lambda name: lambda cls: _add(kind, name, cls)


register = _Register()


def _add(kind: str, name: str, cls: C) -> C:
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
    return f"{cls.__module__}.{cls.__qualname__}"


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
    """Import what may hold the name: its entry point, or the modules that were remembered."""
    points = _entry_points(kind).get(name, ())
    if len(points) > 1:
        owners = " and ".join(sorted(_owner(point) for point in points))
        raise ValueError(
            f"The {kind} {name!r} is offered by {owners}: uninstall one of them, or pass an "
            "instance."
        )
    for point in points:
        _add(kind, name, _import_entry_point(point))
        return
    while _modules and name not in _classes[kind]:
        importlib.import_module(_modules.pop())


@functools.cache
def _entry_points(kind: str) -> Mapping[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a kind by name."""
    found: dict[str, tuple[EntryPoint, ...]] = {}
    for point in entry_points(group=GROUPS[kind]):
        if point not in found.get(point.name, ()):
            found[point.name] = (*found.get(point.name, ()), point)
    return found


def _import_entry_point(point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:
        raise ImportError(
            f"The plug-in {_owner(point)} failed to load {point.name!r} from {point.value!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _owner(point: EntryPoint) -> str:
    return f"distribution {point.dist.name!r}" if point.dist else f"entry point {point.value!r}"


# --- What travels with an estimator to another process.


def remembered() -> dict[str, list[str]]:
    """Return what another process needs in order to know the names of this one."""
    plugins = [
        (f"{kind}:{name}", cls.__module__)
        for kind, known in _classes.items()
        for name, cls in known.items()
        if not cls.__module__.startswith("sknn_scratch.")
    ]
    return {
        "modules": sorted(_modules | {m for _, m in plugins if m != "__main__"}),
        "in_main": sorted(_in_main | {n for n, m in plugins if m == "__main__"}),
    }


def remember(known: Mapping[str, Iterable[str]]) -> None:
    """Take in what another process returned from :func:`remembered`."""
    _modules.update(known.get("modules", ()))
    _in_main.update(known.get("in_main", ()))
