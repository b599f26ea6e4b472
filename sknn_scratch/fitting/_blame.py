"""Notes on errors of components: which component, which method, which call.

An error keeps its type and its traceback.  All code here runs only after an error, so it adds no
time to training.
"""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any

from sknn_scratch.contracts import Component
from sknn_scratch.core import probe
from sknn_scratch.fitting._params import OwnEstimator

START = "Raised by the "


@contextmanager
def noting_components(estimator: OwnEstimator | None = None) -> Iterator[None]:
    """Add notes to an error of the ``with`` body, which gets valid data: see :func:`add_notes`."""
    try:
        yield
    except BaseException as error:
        add_notes(error, estimator, is_checked=True)
        raise


def add_notes(
    error: BaseException, estimator: OwnEstimator | None, is_checked: bool = False
) -> None:
    """Name the component that raised an error, or plug-ins whose results may have caused it.

    Plug-ins are those of ``estimator``, which is None in a worker process.  Unless data and
    parameters ``is_checked``, a message with the estimator's name is about these: no plug-in is
    named then.
    """
    if type(error) is KeyboardInterrupt:  # Ctrl-C, at any line
        return
    call = _called(sys._getframe())
    # An error from a worker process has its note already; only the call is missing.
    if not _completes(error, call):
        raiser = _raiser(error) or _raiser(error.__cause__)
        if raiser is not None:
            where = [f"{START}{probe.named(raiser[0])} in {raiser[1]}", call]
            error.add_note(", in ".join(filter(None, where)) + ".")
        is_told = raiser is not None and probe.is_plugin(raiser[0])
        plugins = [] if is_told else sorted(set(_plugins(estimator)))
        if plugins and (is_checked or type(estimator).__name__ not in str(error)):
            error.add_note(_suspects(plugins, call))


def _completes(error: BaseException, call: str) -> bool:
    """Return True if the error has a note; add the call to a note without one."""
    notes = getattr(error, "__notes__", [])
    for k, note in enumerate(notes):
        if note.startswith(START) and ", in " not in note and call:
            notes[k] = f"{note.removesuffix('.')}, in {call}."
    return any(note.startswith(START) for note in notes)


def _raiser(error: BaseException | None) -> tuple[Component, str] | None:
    """Return the innermost component in an error's traceback, and its method."""
    found = None
    for frame, _ in traceback.walk_tb(None if error is None else error.__traceback__):
        component = _first_argument(frame)
        if isinstance(component, Component):
            method = _method(component, frame.f_code)
            found = (component, method) if method else found
    return found


def _first_argument(frame: FrameType) -> Any:
    code = frame.f_code
    return frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None


def _method(component: Component, code: CodeType) -> str:
    """Return the public method whose code this is, or nothing."""
    # Methods of all components check fields, with messages that name the component.
    own = [n for n in dir(type(component)) if n[0] != "_" and not hasattr(Component, n)]
    names = ["__call__", *own]
    if code.co_name in names:
        return code.co_name
    # A function may have another name than the attribute of the class.
    made = ((name, getattr(type(component), name)) for name in names)
    return next((name for name, one in made if getattr(one, "__code__", None) is code), "")


def _called(frame: FrameType | None) -> str:
    """Return the outermost running method of an estimator, as in "fit of MLPRegressor"."""
    call = ""
    while frame is not None:
        if not frame.f_code.co_name.startswith("_"):
            owner = _first_argument(frame)
            if isinstance(owner, OwnEstimator):
                call = f"{frame.f_code.co_name} of {type(owner).__name__}"
        frame = frame.f_back
    return call


def _plugins(estimator: OwnEstimator | None) -> Iterator[str]:
    """Yield the plug-ins among the parameters of an estimator, by name."""
    if estimator is not None:
        for value in estimator.get_params(deep=False).values():
            values = value if isinstance(value, list | tuple) else [value]
            own = [part for part in values if isinstance(part, Component)]
            yield from map(probe.named, probe.parts(own))


def _suspects(plugins: list[str], call: str) -> str:
    what = " and ".join(f"the {name}" for name in plugins)
    return (
        f"Raised in {call or 'a fit'} with {what}. A method of such a component may have "
        "returned or written a wrong result: check it with sknn_scratch.testing.check_component."
    )
