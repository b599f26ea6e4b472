"""What holds for every component: it is a value."""

from __future__ import annotations

import pickle
from numbers import Number
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Component


def name(component: Component) -> str:
    """Return the name of a component's class."""
    return type(component).__name__


def assert_close(actual: Any, desired: Any, tolerance: float, message: str) -> None:
    """Raise with ``message`` unless both agree, relative to the largest desired value."""
    actual, desired = np.asarray(actual, np.float64), np.asarray(desired, np.float64)
    size = max(float(np.abs(desired).max(initial=0.0)), 1e-3)
    error = float(np.abs(actual - desired).max(initial=0.0))
    assert error <= tolerance * size, f"{message} (largest difference {error:.2g})"


def is_plain(tree: Any) -> bool:
    """Tell whether a state is nested dicts, with string keys, of arrays, numbers, strings, None."""
    if isinstance(tree, dict):
        return all(isinstance(key, str) and is_plain(value) for key, value in tree.items())
    plain_array = isinstance(tree, np.ndarray) and tree.dtype != object
    return plain_array or tree is None or isinstance(tree, str | Number | np.generic)


def is_plain_dict(tree: Any) -> bool:
    """Tell whether a state is a dict of plain data."""
    return isinstance(tree, dict) and is_plain(tree)


def same_state(a: Any, b: Any) -> bool:
    """Tell whether two states are equal."""
    if isinstance(a, dict):
        return (
            isinstance(b, dict) and a.keys() == b.keys() and all(same_state(a[k], b[k]) for k in a)
        )
    return bool(np.array_equal(a, b)) if isinstance(a, np.ndarray) else bool(a == b)


def both_orders(array: Array) -> list[Array]:
    """Return the array in C and in Fortran order."""
    return [np.array(array, order="C"), np.array(array, order="F")]


def check_fields_are_plain(component: Component) -> None:
    """Fields are numbers, strings, None, tuples and components."""

    def plain(value: Any) -> bool:
        if isinstance(value, tuple):
            return all(map(plain, value))
        return value is None or isinstance(value, Number | np.generic | str | Component)

    for field, value in component.get_params(deep=False).items():
        assert plain(value), (
            f"{name(component)}.{field} is {value!r}: fields must be numbers, strings, None, "
            "tuples or components, so that they can be stored, compared and searched over."
        )


def check_pickle(component: Component) -> None:
    """It survives a pickle."""
    try:
        copy = pickle.loads(pickle.dumps(component))
    except Exception as error:
        raise AssertionError(
            f"{name(component)} cannot be pickled ({error}): define its class at the top level of "
            "a module, and keep functions and open files out of its fields."
        ) from error
    assert copy == component, (
        f"{name(component)} differs from its pickled copy: keep all of it in fields."
    )


def check_repr(component: Component) -> None:
    """``repr`` is what one would write to make it again."""
    try:
        copy = eval(repr(component), _classes(component))
    except Exception as error:
        raise AssertionError(
            f"repr of {name(component)} is {component!r}, which cannot be evaluated ({error}): "
            "do not override __repr__, or return the call that makes the component."
        ) from error
    assert copy == component, (
        f"{component!r} evaluates to something else: show every field in repr."
    )


def _classes(component: Component) -> dict[str, Any]:
    """Return the classes that a repr may name."""
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
    """It equals its clone, and itself with the same parameters."""
    assert component.__sklearn_clone__() == component, (
        f"{name(component)} differs from its clone: do not override __sklearn_clone__."
    )
    assert component.evolve(**component.get_params(deep=False)) == component, (
        f"{name(component)} differs from itself evolved with its own parameters: __post_init__ "
        "must not change fields in a way that a second pass changes again."
    )
    hash(component)


def check_frozen(component: Component) -> None:
    """Attributes cannot be set."""
    for field in component.get_params(deep=False):
        try:
            setattr(component, field, getattr(component, field))
        except AttributeError:
            continue
        raise AssertionError(
            f"{name(component)}.{field} can be set: components are immutable, clones share them. "
            "Do not override __setattr__."
        )


CHECKS = (
    check_fields_are_plain,
    check_pickle,
    check_repr,
    check_clone_and_evolve,
    check_frozen,
)
