"""Checks of all components: a component is an immutable value."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping
from copy import deepcopy
from numbers import Number
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Component, State
from sknn_scratch.core import probe

# --- Messages.


def require(condition: bool, message: str) -> None:
    """Raise AssertionError unless the condition is True, also under ``python -O``."""
    if not condition:
        raise AssertionError(message)


def require_close(actual: Any, desired: Any, tolerance: float, message: str) -> None:
    """Raise AssertionError unless both agree, relative to the largest desired value."""
    actual, desired = np.asarray(actual, np.float64), np.asarray(desired, np.float64)
    require(actual.shape == desired.shape, f"{message} (shapes {actual.shape}, {desired.shape})")
    size = max(float(np.abs(desired).max(initial=0.0)), 1e-3)
    error = float(np.abs(actual - desired).max(initial=0.0))
    require(error <= tolerance * size, f"{message} (largest difference {error:.2g})")


def name(component: Component) -> str:
    """Return the class name of a component."""
    return type(component).__name__


def label(component: Component) -> str:
    """Return the repr of a component, or its class name if the repr fails."""
    try:
        return repr(component)
    except Exception:
        return name(component)


# --- Plain data.


def is_plain(tree: Any) -> bool:
    """Return True for nested dicts, with string keys, of arrays, numbers, strings and None."""
    if isinstance(tree, dict):
        return all(isinstance(key, str) and is_plain(value) for key, value in tree.items())
    if isinstance(tree, np.ndarray):
        return not tree.dtype.hasobject
    return tree is None or isinstance(tree, str | Number | np.generic)


def is_plain_dict(tree: Any) -> bool:
    """Return True for a dict of plain data."""
    return isinstance(tree, dict) and is_plain(tree)


def leaves(tree: State) -> Iterator[Any]:
    """Yield the values of a state and of its nested dicts."""
    for value in tree.values():
        if isinstance(value, dict):
            yield from leaves(value)
        else:
            yield value


def same(a: Any, b: Any) -> bool:
    """Return True if two trees are equal, where nan equals nan."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return _same_array(np.asarray(a), np.asarray(b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    both_nan = isinstance(a, Number) and isinstance(b, Number) and bool(a != a and b != b)
    return a is b or both_nan or bool(a == b)


def _same_array(a: Array, b: Array) -> bool:
    return a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")


def both_orders(array: Array) -> list[Array]:
    """Return the array in C and in Fortran order."""
    return [np.array(array, order="C"), np.array(array, order="F")]


# --- Attributes that a component could change, against the contract.


def remembered(component: Component) -> dict[str, Any]:
    """Return copies of the attributes of a component and of its classes."""
    found = {f"self.{key}": _copy(value) for key, value in vars(component).items()}
    for cls in type(component).__mro__:
        if issubclass(cls, Component):
            own = {key: value for key, value in vars(cls).items() if not key.startswith("__")}
            found |= {f"{cls.__name__}.{k}": _copy(v) for k, v in own.items() if _is_data(v)}
    return found


def same_entry(key: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Return True if both have a key, with the same value."""
    return key in before and key in after and same(before[key], after[key])


def _is_data(value: Any) -> bool:
    kinds = Number | str | tuple | list | dict | set | np.ndarray | np.generic | Component
    return value is None or isinstance(value, kinds)


def _copy(value: Any) -> Any:
    return deepcopy(value) if isinstance(value, list | dict | set | np.ndarray) else value


# --- Checks.


def check_fields_are_plain(component: Component) -> None:
    """Fields are numbers, strings, None, tuples and components."""

    def plain(value: Any) -> bool:
        if isinstance(value, tuple):
            return all(map(plain, value))
        return value is None or isinstance(value, Number | np.generic | str | Component)

    for field, value in component.get_params(deep=False).items():
        require(
            plain(value),
            f"{name(component)}.{field} is {value!r}: fields must be numbers, strings, None, "
            "tuples or components, so that they can be stored, compared and searched.",
        )


def check_pickle(component: Component) -> None:
    """A component equals its pickled copy."""
    try:
        copy = _pickled(component)
    except Exception as error:
        raise AssertionError(
            f"{name(component)} cannot be pickled ({error}): define its class at the top level of "
            "a module, and do not store functions or open files in it."
        ) from error
    require(
        copy == component,
        f"{name(component)} differs from its pickled copy: store all its values in fields.",
    )


def _pickled(component: Component) -> Component:
    """Return a pickled copy; classes of ``__main__`` are passed by reference.

    Classes of notebooks and doctests cannot always be imported by name; other processes
    receive them by value.
    """
    known: dict[str, type] = {}

    class Pickler(pickle.Pickler):
        def persistent_id(self, obj: Any) -> str | None:
            if not (isinstance(obj, type) and obj.__module__ == "__main__"):
                return None
            if "<locals>" in obj.__qualname__:
                return None
            known[obj.__qualname__] = obj
            return obj.__qualname__

    class Unpickler(pickle.Unpickler):
        def persistent_load(self, pid: str) -> type:
            return known[pid]

    file = io.BytesIO()
    Pickler(file).dump(component)
    file.seek(0)
    copy: Component = Unpickler(file).load()
    return copy


def check_repr(component: Component) -> None:
    """``repr`` is an expression that evaluates to an equal component."""
    text = label(component)
    try:
        copy = eval(repr(component), _classes(component))
    except Exception as error:
        raise AssertionError(
            f"repr of {name(component)} is {text}, which cannot be evaluated ({error}): do not "
            "override __repr__, or return the call that makes the component."
        ) from error
    require(
        copy == component,
        f"repr of {name(component)}, {text}, evaluates to something else: show every field in it.",
    )


def _classes(component: Component) -> dict[str, Any]:
    """Return the names that a repr may use."""
    found: dict[str, Any] = {
        "inf": np.inf,
        "nan": np.nan,
        "np": np,
        name(component): type(component),
    }

    def visit(value: Any) -> None:
        if isinstance(value, Component):
            found.update(_classes(value))
        elif isinstance(value, tuple):
            for item in value:
                visit(item)

    for value in component.get_params(deep=False).values():
        visit(value)
    return found


def check_clone_and_evolve(component: Component) -> None:
    """A component equals its clone, and its copy evolved with the same parameters."""
    require(
        component.__sklearn_clone__() == component,
        f"{name(component)} differs from its clone: do not override __sklearn_clone__.",
    )
    copy = component.evolve(**component.get_params(deep=False))
    require(
        copy == component,
        f"{name(component)} differs from its copy evolved with the same parameters: __post_init__ "
        "must not change fields in a way that a second pass changes again.",
    )
    require(
        type(component).__hash__ is not None and hash(copy) == hash(component),
        f"{name(component)} and its equal copy have different hashes, or none: do not override "
        "__eq__ and __hash__.",
    )


def check_frozen(component: Component) -> None:
    """Attributes cannot be set."""
    for attribute in (*component.get_params(deep=False), "an_attribute_of_the_contract_checks"):
        try:
            setattr(component, attribute, getattr(component, attribute, None))
        except AttributeError:
            continue
        vars(component).pop("an_attribute_of_the_contract_checks", None)
        raise AssertionError(
            f"Attributes of {name(component)} can be set: components must be immutable, because "
            "clones share them. Do not override __setattr__."
        )


def check_names(component: Component) -> None:
    """No name is a misspelled name of the contract, which would override nothing."""
    for found, near in probe.misnamed(component):
        require(not near, probe.wrong_name(component, found, near))


CHECKS = (
    check_fields_are_plain,
    check_pickle,
    check_repr,
    check_clone_and_evolve,
    check_frozen,
    check_names,
)
