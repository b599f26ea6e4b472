"""Everything that a component is: the one page that a plug-in author reads.

A *component* is an immutable value: its fields are numbers, strings, tuples or other
components, and what changes during training lives outside it, as plain arrays.  Subclass
one of the six kinds below, write fields as in a dataclass, fill in the verbs, and pass an
instance to an estimator::

    class Swish(Activation):
        beta: float = 1.0
        needs_input = True

        def forward(self, z, out): ...
        def backward(self, grad, a, z, out): ...

Letters (the same everywhere in this package): ``z`` synaptic input and ``a`` activation,
both (rows, units); ``grad`` the gradient with respect to what a verb returned; ``raw``
network outputs before the link, ``y_pred`` after it; ``theta`` the vector of all
parameters; ``lr`` the step size.

Arrays come in C or in Fortran order, and in float32 or float64: work along ``axis=`` and
into ``out=``, never ravel or reshape, and add no float64 array of your own.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, fields, replace
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple, Self, dataclass_transform

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
#: What survives a pickle, a checkpoint or a crash: nested dicts with string keys whose
#: leaves are arrays, numbers, strings or None.
State = dict[str, Any]


def as_float(value: Any) -> float:
    """Return a real number as a float: infinite beyond the range of floats, nan if it is none.

    Parameters
    ----------
    value : object
        Integers of any size, fractions, decimals and numpy's numbers are real numbers.

    Returns
    -------
    x : float

    Examples
    --------
    >>> from sknn_scratch.contracts import as_float
    >>> as_float(3), as_float(10**400), as_float("3")
    (3.0, inf, nan)
    """
    try:
        return float(value) if isinstance(value, Real | Decimal) else np.nan
    except OverflowError:
        return np.inf if value > 0 else -np.inf
    except ValueError:  # a signalling nan
        return np.nan


@dataclass_transform(frozen_default=True)
class Component(ABC):
    """An immutable value with named parameters; every subclass is a frozen dataclass.

    Fields take numbers, strings, tuples and components.  Check them in ``__post_init__``
    with :meth:`require_number` and its like.  An attribute without an annotation is a
    constant of the class.  ``@dataclass(frozen=True)`` may be written on top, and need not be.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # What dill or @dataclass(slots=True) makes of the dict of a dataclass is one already.
        if "__dataclass_fields__" not in vars(cls):
            factories = {key: copy(part) for key, part in vars(cls).items() if _has_factory(part)}
            dataclass(frozen=True)(cls)
            # That took them away, and a decorator on top looks for them again.
            for key, part in factories.items():
                setattr(cls, key, part)
        # The two below do for all, and a class with its own takes no decorator on top.
        for name in {"__setattr__", "__delattr__"} & vars(cls).keys():
            delattr(cls, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the fields by name; with ``deep``, those of inner components as ``a__b``.

        Parameters
        ----------
        deep : bool, default=True
            Whether those of inner components are wanted, too.
        """
        own = {field.name: getattr(self, field.name) for field in fields(self)}  # type: ignore[arg-type]
        if not deep:
            return own
        inner = {
            f"{name}__{key}": part
            for name, value in own.items()
            if isinstance(value, Component)
            for key, part in value.get_params().items()
        }
        return own | inner

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with some fields changed; ``a__b`` changes field b of component a.

        Parameters
        ----------
        **changes : values of fields
            By name, or by ``a__b``.

        Raises
        ------
        ValueError
            If a name is not a field of this component.
        """
        whole: dict[str, Any] = {}
        nested: dict[str, dict[str, Any]] = {}
        for key, value in changes.items():
            name, _, rest = key.partition("__")
            self._check_field(name)
            if rest:
                nested.setdefault(name, {})[rest] = value
            else:
                whole[name] = value
        for name, inner in nested.items():
            part = whole.get(name, getattr(self, name))
            if not isinstance(part, Component):
                raise ValueError(
                    f"Field {name!r} of {type(self).__name__} is {part!r}, which has no "
                    f"parameters of its own: {name}__{next(iter(inner))} cannot be set."
                )
            whole[name] = part.evolve(**inner)
        return replace(self, **whole)  # type: ignore[type-var]

    def require(self, condition: bool, field: str, must: str) -> None:
        """Raise ValueError unless ``condition`` holds: ``field`` must be ``must``.

        Parameters
        ----------
        condition : bool
            What must hold.
        field : str
            Name of the field that it is about.
        must : str
            What the field must be, for the message.
        """
        if not condition:
            raise ValueError(
                f"The {field!r} parameter of {type(self).__name__} must be {must}. "
                f"Got {getattr(self, field)!r} instead."
            )

    def require_number(self, field: str, low: float, high: float, closed: str = "both") -> None:
        """Make ``field`` a float; raise ValueError unless it is one from ``low`` to ``high``.

        Integers and fractions become floats, so that powers and products of fields are those of
        floats: they neither overflow nor take for ever.

        Parameters
        ----------
        field : str
            Name of the field.
        low, high : float
            The ends of the range.
        closed : {"both", "left", "right", "neither"}, default="both"
            Which ends belong to the range.
        """
        value = getattr(self, field)
        x = np.nan if isinstance(value, bool) else as_float(value)
        above = low <= x if closed in ("both", "left") else low < x
        below = x <= high if closed in ("both", "right") else x < high
        left = "[" if closed in ("both", "left") else "("
        right = "]" if closed in ("both", "right") else ")"
        inside = above and below and abs(x) < np.inf
        self.require(inside, field, f"a number in {left}{low:g}, {high:g}{right}")
        object.__setattr__(self, field, x)

    def require_integer(self, field: str, low: int) -> None:
        """Make ``field`` an int; raise ValueError unless it is an integer of at least ``low``.

        numpy's integers become Python's, which do not overflow.

        Parameters
        ----------
        field : str
            Name of the field.
        low : int
            The smallest value.
        """
        value = getattr(self, field)
        is_integer = isinstance(value, Integral) and not isinstance(value, bool)
        self.require(is_integer and int(value) >= low, field, f"an integer >= {low}")
        fits = int(value) <= sys.maxsize
        self.require(fits, field, f"an integer from {low} to {sys.maxsize}")
        object.__setattr__(self, field, int(value))

    def require_bool(self, field: str) -> None:
        """Make ``field`` a bool; raise ValueError unless it is True or False.

        Parameters
        ----------
        field : str
            Name of the field.
        """
        value = getattr(self, field)
        self.require(isinstance(value, bool | np.bool_), field, "True or False")
        object.__setattr__(self, field, bool(value))

    def require_choice(self, field: str, choices: Sequence[str]) -> None:
        """Raise ValueError unless ``field`` is one of some strings.

        Parameters
        ----------
        field : str
            Name of the field.
        choices : sequence of str
            What it may be.
        """
        value = getattr(self, field)
        is_choice = isinstance(value, str) and value in choices
        self.require(is_choice, field, " or ".join(map(repr, choices)))

    def require_path(self, field: str) -> None:
        """Raise ValueError unless ``field`` is a path, not empty; make a string of it.

        Parameters
        ----------
        field : str
            Name of the field, which takes a string or a ``pathlib.Path``.
        """
        path = getattr(self, field)
        # Bytes would be a second spelling of a path, and a number is an open file.
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else b""
        is_path = isinstance(text, str) and text != "" and "\0" not in text
        self.require(is_path, field, "the path of a file, as a string or a pathlib.Path")
        object.__setattr__(self, field, str(text))

    def __sklearn_clone__(self) -> Self:
        """A value needs no copy."""
        return self

    def _check_field(self, name: str) -> None:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        if name not in names:
            raise ValueError(
                f"Invalid parameter {name!r} for {self!r}. Valid parameters are: {names}."
            )


def _has_factory(value: Any) -> bool:
    """Tell whether a class attribute is ``field(default_factory=...)``."""
    return isinstance(value, Field) and value.default_factory is not MISSING


class Activation(Component):
    """A function f applied to each synaptic input of a hidden layer, and its derivative."""

    #: True if the derivative needs z as well as a = f(z); z is then kept until ``backward``.
    needs_input = False
    #: Points where the derivative jumps; the contract checks keep away from them.
    kinks: ClassVar[tuple[float, ...]] = ()

    @abstractmethod
    def forward(self, z: Array, out: Array) -> Array:
        """Write f(z) into ``out`` and return it; ``out`` may be ``z``.

        Parameters
        ----------
        z : (rows, units)
            Synaptic input.
        out : (rows, units)
            Takes f(z).
        """

    @abstractmethod
    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        """Write grad * f'(z) into ``out`` and return it; ``out`` may be ``grad``.

        Parameters
        ----------
        grad : (rows, units)
            ∂J/∂a.
        a : (rows, units)
            f(z), which may not be changed.
        z : (rows, units) or None
            Synaptic input, which may not be changed; None unless ``needs_input``.
        out : (rows, units)
            Takes ∂J/∂z.
        """


class TargetRange(NamedTuple):
    """The targets that a loss accepts: numbers from ``low`` to ``high``.

    Parameters
    ----------
    low, high : float
        The ends; they belong to the range.
    low_is_open : bool, default=False
        Whether ``low`` itself is left out.
    """

    low: float = -np.inf
    high: float = np.inf
    low_is_open: bool = False

    def contains(self, y: Array) -> bool:
        """Tell whether all of ``y`` lies inside.

        Parameters
        ----------
        y : ndarray
            Targets of any shape.
        """
        above = y > self.low if self.low_is_open else y >= self.low
        return bool(np.all(above & (y <= self.high)))

    def __str__(self) -> str:
        above = ">" if self.low_is_open else ">="
        parts = [f"{above} {self.low:g}"] * (self.low > -np.inf)
        parts += [f"<= {self.high:g}"] * (self.high < np.inf)
        return " and ".join(parts) or "any number"


class Loss(Component):
    """A loss of raw outputs, together with the link that turns them into predictions.

    For classes the link must rise with raw, and with a single column for two classes, or
    one for each label, it must be symmetric: p(-raw) = 1 - p(raw).

    Values are *sums* over rows and outputs, weighted by row; the objective divides by the
    sum of the weights once.  So mini-batches, row blocks and partitions simply add up.
    """

    #: What it can fit, among "regression", "binary", "multiclass", "multilabel".
    tasks: ClassVar[tuple[str, ...]] = ()
    #: Name of the inverse link, published as ``out_activation_``.
    out_activation = "identity"
    #: Classes as one column each (True), or two classes as a single column of 0 and 1.
    one_hot = False

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels of a prediction's columns, where there is one column for each."""
        return ()

    @property
    def target_range(self) -> TargetRange:
        """The targets that it accepts; as a rule a constant, ``TargetRange(low=0.0)``."""
        return TargetRange()

    def for_task(self, task: str) -> Loss:
        """Return the loss to use for ``task``, one of ``tasks``: itself, as a rule.

        Parameters
        ----------
        task : {"regression", "binary", "multiclass", "multilabel"}
            What the targets are.
        """
        return self

    def n_raw(self, n_targets: int) -> int:
        """Return the number of raw outputs for ``n_targets`` columns of y.

        Parameters
        ----------
        n_targets : int
            Columns of y; for classes one each, or a single one (``one_hot``).
        """
        return n_targets

    @abstractmethod
    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        """Return the weighted sum of the losses; write its gradient in raw into ``out``.

        Parameters
        ----------
        y : (rows, n_targets)
            Targets, in the dtype of ``raw``.
        raw : (rows, n_raw)
            Outputs of the network; not changed.
        weight : (rows,) or None
            Weights of rows; None stands for ones.
        out : (rows, n_raw)
            Takes the gradient.
        """

    def value(self, y: Array, raw: Array, weight: Array | None) -> float:
        """Return the weighted sum of the losses alone.

        Parameters
        ----------
        y, raw, weight
            As for :meth:`value_and_grad`.
        """
        return self.value_and_grad(y, raw, weight, np.empty_like(raw))

    @abstractmethod
    def predict(self, raw: Array, out: Array) -> Array:
        """Write the inverse link of ``raw`` into ``out`` and return it; ``out`` may be ``raw``.

        Parameters
        ----------
        raw : (rows, n_raw)
            Outputs of the network.
        out : (rows, n_raw)
            Takes the predictions.
        """

    def log_predict(self, raw: Array, out: Array) -> Array:
        """Write the logarithm of the prediction into ``out``; ``out`` may be ``raw``.

        Parameters
        ----------
        raw, out
            As for :meth:`predict`.
        """
        return np.log(self.predict(raw, out), out=out)


class Optimizer(Component):
    """A rule that turns gradients into steps; its memory is a dict that it is handed."""

    @abstractmethod
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        theta : (n_parameters,)
            The parameters to begin with.
        groups : dict of slices
            The parts of ``theta``: "W0", "b0", ..., and "decayed", the weights that
            penalties apply to.
        """

    @abstractmethod
    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        """Replace the gradient in ``direction`` by the signed step; theta += step follows.

        Parameters
        ----------
        direction : (n_parameters,)
            The gradient on entry, the step on exit.
        state : dict
            From :meth:`init`; to be changed in place.
        theta : (n_parameters,)
            Read-only.
        lr : float
            Step size.
        scratch : (n_parameters,)
            Room for work, with undefined contents.
        """

    def continues(self, other: Optimizer) -> bool:
        """Tell whether it can go on with the state of ``other``: if that is of its class.

        Parameters
        ----------
        other : Optimizer
            The one that trained before.
        """
        return type(self) is type(other)

    def readout(self, theta: Array, state: State) -> Array:
        """Return the parameters to evaluate and to publish (an average overrides this).

        Parameters
        ----------
        theta : (n_parameters,)
            The parameters in training.
        state : dict
            The optimizer's state.
        """
        return theta


class Transform(Component):
    """A part of a ``Chain`` beside its one optimizer, such as clipping.

    In front of the optimizer it changes the gradient, behind it the step.  A step is -lr
    times something, and so is a gradient, with lr = -1: that is the ``lr`` it then gets.
    """

    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        """Return the state before the first step, as of :meth:`Optimizer.init`.

        Parameters
        ----------
        theta, groups
            As for an optimizer.
        """
        return {}

    def continues(self, other: Transform) -> bool:
        """Tell whether it can go on with the state of ``other``: if that is of its class.

        Parameters
        ----------
        other : Transform
            The one in its place before.
        """
        return type(self) is type(other)

    @abstractmethod
    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        """Change ``direction``, which is -lr times a gradient or the like, in place.

        Parameters
        ----------
        direction : (n_parameters,)
            What is on its way through the chain.
        state, theta, lr, scratch
            As for an optimizer.
        """


class Progress(NamedTuple):
    """How far training has come.

    Parameters
    ----------
    epoch : int
        Number of this epoch, from 0.
    step : int
        Number of this step since training began, from 0.
    samples : int
        Rows seen when this epoch began.
    fraction : float
        Part of ``max_iter`` epochs done, by step, at most 1.
    stalls : int
        How often training has stalled without stopping.
    """

    epoch: int
    step: int
    samples: int
    fraction: float
    stalls: int


class Schedule(Component):
    """A factor on ``learning_rate_init``: a pure function of the progress.

    One that is at most 0.01 at fraction 1, and with the same other numbers above it at fraction
    0.5, is made for ``max_iter`` epochs: a fit that ends there went as planned, and gets no
    ConvergenceWarning.
    """

    #: False if the factor can change between epochs only; it is then asked once an epoch.
    per_step = True

    @abstractmethod
    def __call__(self, progress: Progress) -> float:
        """Return the factor, finite and not negative.

        Parameters
        ----------
        progress : Progress
            How far training has come.
        """


@dataclass(frozen=True)
class Site:
    """Where in the network a layer stands; the output layer sees the last hidden activation.

    Parameters
    ----------
    index : int
        Number of the layer, from 0.
    n_layers : int
        Number of layers with weights.
    activation : Activation
        What follows the layer, or precedes the output layer.
    """

    index: int
    n_layers: int
    activation: Activation


class Initializer(Component):
    """A distribution of initial weights and biases."""

    @abstractmethod
    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        """Fill ``W`` (fan_in, fan_out) and ``b`` (fan_out,) in place, drawing from ``rng`` only.

        Parameters
        ----------
        W : (fan_in, fan_out)
            Takes the weights.
        b : (fan_out,)
            Takes the biases.
        rng : numpy.random.RandomState
            The stream to draw from.
        site : Site
            Where the layer stands.
        """


class Run(ABC):
    """What a callback may see of a fit, and ask for."""

    max_iter: int  #: The largest number of epochs.
    fingerprint: str  #: A short code of parameters and data, by which the runs of a search differ.

    @property
    @abstractmethod
    def epoch(self) -> int:
        """Epochs done."""

    @property
    @abstractmethod
    def history(self) -> list[dict[str, float]]:
        """One row for each epoch.

        Keys are epoch, loss, learning_rate, gradient_norm (of the last batch) and seconds;
        with validation data also validation_score and validation_loss.
        """

    @property
    def loss(self) -> float:
        """Mean training loss of the last epoch."""
        return self.history[-1]["loss"] if self.history else float("nan")

    @property
    def validation_score(self) -> float | None:
        """Validation score of the last epoch; None without validation data."""
        return self.history[-1].get("validation_score") if self.history else None

    @abstractmethod
    def stop(self, reason: str) -> None:
        """Ask for training to end after this epoch.

        Parameters
        ----------
        reason : str
            What the fit keeps as the reason for its end.
        """

    @abstractmethod
    def check_path(self, path: str | os.PathLike[str]) -> None:
        """Raise now if a checkpoint could not be written there.

        Parameters
        ----------
        path : str or path-like
            The file.
        """

    @abstractmethod
    def save(self, path: str | os.PathLike[str]) -> None:
        """Ask for a checkpoint; it is written when all callbacks of the epoch have run.

        Parameters
        ----------
        path : str or path-like
            The file.
        """


class Callback(Component):
    """Something that looks on while a network trains.

    Clones share callback instances, so what a fit must remember is in ``memory``, a dict
    of plain data of its own, never on ``self``.
    """

    def init(self) -> State:
        """Return this fit's memory."""
        return {}

    def on_fit_begin(self, memory: State, run: Run) -> None:
        """Before the first epoch.

        Parameters
        ----------
        memory : dict
            This fit's memory, from :meth:`init`; to be changed in place.
        run : Run
            What it may see, and ask for.
        """

    def on_epoch_end(self, memory: State, run: Run) -> None:
        """After each epoch.

        Parameters
        ----------
        memory, run
            As for :meth:`on_fit_begin`.
        """

    def on_fit_end(self, memory: State, run: Run) -> None:
        """After the last epoch.

        Parameters
        ----------
        memory, run
            As for :meth:`on_fit_begin`.
        """
