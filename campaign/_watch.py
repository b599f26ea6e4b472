"""Calls under watch: which errors are allowed, and what a call must leave as it was."""

from __future__ import annotations

import functools
import re
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from campaign._digest import digest
from campaign._findings import Finding, Ledger

#: A call that takes longer than this hangs, in seconds.
LONGEST_CALL = 20
#: What bad input may raise. NotFittedError is a ValueError, too.
ALLOWED = (ValueError, TypeError, AttributeError, FileNotFoundError)
#: Categories of warnings that no user asked for.
UNWANTED = (RuntimeWarning, DeprecationWarning, FutureWarning, np.exceptions.ComplexWarning)
#: Texts of numpy, scipy and Python that were written for authors of code, not for our users.
BARE = re.compile(
    "operands could not|not aligned|cannot reshape|out of bounds|zero-size|unsupported operand"
    "|ufunc|truth value|only length-1|only 0-dim|must be real number|unhashable"
    "|setting an array|not supported between|not iterable|not subscriptable|has no len"
    "|positional arg|cannot be interpreted|object is not|NoneType|bad operand|can.t convert"
    "|cannot convert|could not convert|not callable|invalid literal|No loop|division by"
    "|Overflow|too large to convert|broadcast|Maximum recursion|has no attribute|Cannot cast",
    re.IGNORECASE,
)
#: What makes a foreign text clear: the argument or the value that it is about.
NAMED = re.compile(r"\(in (\w+ of )?\w+\)$|[Gg]ot |^This '\w+' has no attribute ")
#: Arguments of methods; a message names one of these, a parameter, or the estimator.
ARGUMENTS = frozenset(
    {
        *("X", "y", "sample_weight", "X_val", "y_val", "sample_weight_val", "classes", "state"),
        *("path", "features", "samples", "n_samples", "label", "labels", "target", "targets"),
        *("weights", "column", "columns", "estimator", "classifier", "regressor"),
    }
)


class Hang(BaseException):
    """Raised by the alarm; no ``except Exception`` catches it."""


@contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise Hang in the body after some seconds."""

    def ring(*_: Any) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Outcome(NamedTuple):
    """What a call returned, or raised."""

    ok: bool
    value: Any


class Case:
    """One case: its random stream, its trace, and calls under watch."""

    def __init__(self, seed: int, ledger: Ledger) -> None:
        self.seed, self.ledger = seed, ledger
        self.rng = np.random.default_rng(seed)
        self.trace: list[str] = []

    def found(self, kind: str, text: str, place: str = "") -> None:
        """Record a finding of this case."""
        trace = tuple(self.trace)
        self.ledger.found(Finding(self.ledger.part, self.seed, kind, text, trace, place))

    def call(
        self,
        name: str,
        function: Callable[[], Any],
        estimator: Any = None,
        inputs: Sequence[Any] = (),
    ) -> Outcome:
        """Call a function; record all that it may not do.

        A failed call must leave ``estimator`` as it was, and every call its ``inputs``.
        """
        self.trace.append(name)
        before = None if estimator is None else digest(vars(estimator))
        is_seeded = getattr(estimator, "random_state", 0) is not None
        given, around = [digest(value) for value in inputs], surroundings(is_seeded)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            outcome = self._attempt(name, function)
        for warning in caught:
            self._look_at_warning(name, warning)
        if surroundings(is_seeded) != around:
            self.found("changed the process", name)
            np.seterr(**around[0])
        if not outcome.ok and before is not None and digest(vars(estimator)) != before:
            self.found("changed after an error", f"{name}: {shown(outcome.value)}")
        for place, (value, was) in enumerate(zip(inputs, given, strict=True)):
            if digest(value) != was:
                self.found("changed its input", f"{name}: argument {place}")
        return outcome

    def _attempt(self, name: str, function: Callable[[], Any]) -> Outcome:
        try:
            with limited(LONGEST_CALL):
                value = function()
        except Hang as hang:
            self.found("hang", name)
            return Outcome(False, hang)
        except Exception as error:
            self.ledger.count(type(error).__name__)
            self._look_at_error(name, error)
            return Outcome(False, error)
        self.ledger.count("returned")
        return Outcome(True, value)

    def _look_at_error(self, name: str, error: Exception) -> None:
        text, place, message = f"{name}: {shown(error)}", where(error), str(error)
        if not isinstance(error, ALLOWED):
            self.found("exception type", text, f"{place} {type(error).__name__}")
        elif isinstance(error, OSError) and error.filename:
            pass  # the system's own words, with the path that the user gave
        elif not set(re.findall(r"\w+", message)) & (ARGUMENTS | parameter_names()):
            self.found("message names nothing", text, place)
        elif BARE.search(message) and not NAMED.search(message):
            self.found("bare message", text, place)

    def _look_at_warning(self, name: str, warning: warnings.WarningMessage) -> None:
        if issubclass(warning.category, UNWANTED):
            text = f"{name}: {warning.category.__name__}: {warning.message}"
            self.found("warning", text, f"{Path(warning.filename).name}:{warning.lineno}")
        else:
            self.ledger.count(warning.category.__name__)


def surroundings(is_seeded: bool) -> tuple[Any, ...]:
    """Return the state of the process that a call may not change.

    Estimators without a seed use numpy's global stream, all others leave it alone.
    """
    stream = np.random.get_state(legacy=False) if is_seeded else None  # noqa: NPY002
    return np.geterr(), tuple(map(repr, warnings.filters)), digest(stream)


def shown(error: Any) -> str:
    """Return an error in a line."""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def where(error: BaseException) -> str:
    """Return the package's last line in an error's traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if "/sknn_scratch/" in frame.filename] or frames
    return f"{'/'.join(own[-1].filename.split('/')[-2:])}:{own[-1].lineno}" if own else "no frame"


@functools.cache
def parameter_names() -> frozenset[str]:
    """Return the names of estimators, of components, and of all parameters of estimators."""
    from campaign._draw import COMPONENTS, ESTIMATORS

    names = {name for cls in ESTIMATORS for name in cls().get_params(deep=False)}
    return frozenset(names | {cls.__name__ for cls in (*ESTIMATORS, *COMPONENTS)})
