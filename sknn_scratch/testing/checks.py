"""Public functions: all checks of a component, by kind."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from traceback import walk_tb
from typing import Any

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import (
    Activation,
    Callback,
    Component,
    Initializer,
    Loss,
    Optimizer,
    Schedule,
    Transform,
)
from sknn_scratch.core import probe
from sknn_scratch.testing import (
    _activation,
    _callback,
    _common,
    _initializer,
    _loss,
    _optimizer,
    _schedule,
)

_BY_KIND: dict[type[Component], tuple[Callable[[Any], None], ...]] = {
    Activation: _activation.CHECKS,
    Loss: _loss.CHECKS,
    Optimizer: _optimizer.CHECKS,
    Schedule: _schedule.CHECKS,
    Initializer: _initializer.CHECKS,
    Callback: _callback.CHECKS,
}


#: Rooms that call methods of components.
_CALLERS = tuple(f"sknn_scratch.{room}." for room in ("testing", "core"))


@dataclass(frozen=True)
class Check:
    """Check of one property of a component; call it to run it.

    Parameters
    ----------
    name : str
        Name of the check.
    component : Component
        Component to check.
    function : callable
        Function of the component that raises AssertionError if the check fails.
    """

    name: str
    component: Component
    function: Callable[[Any], None]

    def __call__(self) -> None:
        """Raise AssertionError, with a remedy, if the component violates the contract."""
        before = _common.remembered(self.component)
        try:
            with quiet_floats():  # as in training
                self.function(self.component)
        except AssertionError as error:
            if _common.name(self.component) in str(error):
                raise
            raise AssertionError(f"{self}: {error}") from error
        except Exception as error:
            message = f"{self}: {type(error).__name__}: {str(error).rstrip('.')}."
            raise AssertionError(f"{message} {_remedy(self.component, error)}") from error
        after = _common.remembered(self.component)
        changed = [key for key in before | after if not _common.same_entry(key, before, after)]
        _common.require(
            not changed,
            f"{self}: using it changed {', '.join(changed)}. Components must be immutable: store "
            "what changes in the state or memory passed to its methods, not on self or the class.",
        )

    def __str__(self) -> str:
        return f"{_common.name(self.component)}: {self.name}"


def _remedy(component: Component, error: Exception) -> str:
    """Return the remedy for an error in a check, which tells its cause by where it was raised."""
    *_, (frame, _) = walk_tb(error.__traceback__)
    at_call = frame.f_globals.get("__name__", "").startswith(_CALLERS)
    if at_call and isinstance(error, TypeError):
        return (
            f"Give the methods of {type(component).__name__} the signatures of its base class in "
            "sknn_scratch.contracts."
        )
    return probe.advice_on_input(component, error) or (
        f"Correct the methods of {type(component).__name__}, one of which raises it."
    )


def checks(component: Component) -> list[Check]:
    """Return all contract checks of a component.

    Parameters
    ----------
    component : instance of an Activation, Loss, Optimizer, Schedule, Initializer or Callback
        Component to check.

    Returns
    -------
    checks : list of Check
        Checks to call; each raises AssertionError, with a remedy, if it fails.

    Raises
    ------
    TypeError
        If ``component`` is a class, or not a component.

    Examples
    --------
    >>> from sknn_scratch.components import Relu
    >>> from sknn_scratch.testing import checks
    >>> for check in checks(Relu()):
    ...     check()
    """
    for kind, functions in _BY_KIND.items():
        if isinstance(component, kind):
            return [
                Check(function.__name__.removeprefix("check_"), component, function)
                for function in (*_common.CHECKS, *functions)
            ]
    raise TypeError(_advice(component))


def _advice(component: object) -> str:
    """Return the error message for an object that cannot be checked."""
    if isinstance(component, type):
        return f"component must be an instance: write {component.__name__}(...)."
    if isinstance(component, Transform):
        part = type(component).__name__
        return (
            f"component must be a whole optimizer, but {part} is only a part of one: write "
            f'Chain([("sgd", SGD()), ("mine", {part}(...))]), with the parts in order.'
        )
    kinds = ", ".join(kind.__name__ for kind in _BY_KIND)
    return (
        f"component must be an instance of a subclass of {kinds} (see sknn_scratch.contracts). "
        f"Got {component!r}."
    )


def check_component(component: Component) -> None:
    """Run all checks of a component; raise one AssertionError that lists all failures.

    Parameters
    ----------
    component : instance of a component
        Component to check.

    Raises
    ------
    AssertionError
        If any check fails.

    Examples
    --------
    >>> from sknn_scratch.components import Adam
    >>> from sknn_scratch.testing import check_component
    >>> check_component(Adam(beta_1=0.8))
    """
    failures = []
    for check in checks(component):
        try:
            check()
        except AssertionError as error:
            failures.append(str(error))
    _common.require(not failures, "\n".join(failures))


def parametrize_with_component_checks(components: Iterable[Component]) -> Any:
    """Return a pytest decorator that runs every check of every component as its own test.

    Parameters
    ----------
    components : iterable of instances of components
        Components to check.

    Returns
    -------
    decorator : pytest.mark.parametrize over the argument ``check``
        Decorator for a test function with the argument ``check``.

    Examples
    --------
    >>> from sknn_scratch.components import Relu, Tanh
    >>> from sknn_scratch.testing import parametrize_with_component_checks
    >>> @parametrize_with_component_checks([Relu(), Tanh()])
    ... def test_components(check):
    ...     check()
    """
    try:
        import pytest
    except ImportError as error:
        raise ImportError(
            "parametrize_with_component_checks requires pytest: run `pip install pytest`, or loop "
            "over sknn_scratch.testing.checks(component)."
        ) from error
    every = [check for component in components for check in checks(component)]
    ids = [f"{_common.label(check.component)}-{check.name}" for check in every]
    return pytest.mark.parametrize("check", every, ids=ids)
