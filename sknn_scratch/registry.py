"""Names for components: ``"relu"`` -> ``Relu``."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import TypeVar

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
_classes: dict[str, dict[str, type[Component]]] = {kind: {} for kind in KINDS}

C = TypeVar("C", bound=type[Component])


class _Register:
    """Decorators that name a component class: ``@register.activation("relu")``."""

    def __getattr__(self, kind: str) -> Callable[[str], Callable[[C], C]]:
        if kind not in KINDS:
            raise AttributeError(f"There are no components of kind {kind!r}: {list(KINDS)}.")
        return lambda name: lambda cls: _add(kind, name, cls)


register = _Register()


def _add(kind: str, name: str, cls: C) -> C:
    if not (isinstance(cls, type) and issubclass(cls, KINDS[kind])):
        raise TypeError(f"register.{kind}({name!r}) needs a subclass of {KINDS[kind].__name__}.")
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
    """Return the known names of a kind of component, sorted."""
    return sorted(_classes[kind])


def lookup(kind: str, name: str) -> type[Component]:
    """Return the class called ``name``.

    Raises
    ------
    LookupError
        If there is none; the message suggests a near name.
    """
    try:
        return _classes[kind][name]
    except KeyError:
        known = ", ".join(map(repr, names(kind)))
        hint = suggestion(name, names(kind))
        raise LookupError(f"There is no {kind} {name!r}.{hint} Known names: {known}.") from None


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean ...?" with the nearest of the known names, if one is near."""
    near = difflib.get_close_matches(name.lower(), list(known), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
