"""The contracts of components: the only page that a plug-in author has to read.

A *component* is an immutable value.  Its fields are numbers, strings, tuples or other
components.  State that changes during training is stored outside it, as plain arrays.
Subclass one of the kinds below, declare fields as in a dataclass, implement the
methods, and pass an instance to an estimator::

    class Swish(Activation):
        beta: float = 1.0
        needs_input = True

        def forward(self, z, out): ...
        def backward(self, grad, a, z, out): ...

Notation, the same everywhere in this package:

- ``z`` (rows, units): synaptic input of a layer, before its activation function
- ``a`` (rows, units): activation, f(z)
- ``grad``: gradient of the objective J with respect to the result of the forward method
- ``raw`` (rows, n_raw): outputs of the network before the inverse link; ``y_pred`` after it
- ``theta`` (n_parameters,): all weights and biases, as one vector
- ``lr``: learning rate of one step

Arrays are float32 or float64, in C or Fortran order.  Compute along ``axis=`` and write
into ``out=``.  Do not call ``ravel`` or ``reshape``, and do not create float64 arrays: they
would turn a float32 computation into a float64 one.
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
#: State that can be pickled and written to checkpoints: nested dicts with string keys, whose
#: leaves are arrays, numbers, strings or None.
State = dict[str, Any]


def as_float(value: Any) -> float:
    """Convert a real number to a float.

    Parameters
    ----------
    value : object
        Integer of any size, fraction, decimal, numpy number, or another object.

    Returns
    -------
    x : float
        Value as a float; infinite beyond the range of floats, nan if it is not a real number.

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
    """Immutable value with named parameters; every subclass is a frozen dataclass.

    Fields hold numbers, strings, tuples and components.  Validate them in ``__post_init__``
    with :meth:`require` and the methods whose names start with ``require_``.  An attribute
    without a type annotation is a class constant.  The decorator ``@dataclass(frozen=True)``
    is allowed, but not necessary.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # Classes that dill or @dataclass(slots=True) creates are dataclasses already.
        if "__dataclass_fields__" not in vars(cls):
            factories = {key: copy(part) for key, part in vars(cls).items() if _has_factory(part)}
            dataclass(frozen=True)(cls)
            # dataclass removes the factories, but a decorator on the class needs them again.
            for key, part in factories.items():
                setattr(cls, key, part)
        # The base class has both methods, and a class with its own rejects a decorator.
        for name in {"__setattr__", "__delattr__"} & vars(cls).keys():
            delattr(cls, name)

    def __setattr__(self, name: str, value: Any) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the fields by name.

        Parameters
        ----------
        deep : bool, default=True
            If True, include the fields of nested components, as ``component__field``.
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
        """Return a copy with some fields changed.

        Parameters
        ----------
        **changes
            New values of fields; ``component__field`` changes a field of a nested component.

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
                    f"The {name!r} parameter of {type(self).__name__} is {part!r}, which has no "
                    f"parameters of its own: {name}__{next(iter(inner))} cannot be set."
                )
            whole[name] = part.evolve(**inner)
        return replace(self, **whole)  # type: ignore[type-var]

    def require(self, condition: bool, field: str, must: str) -> None:
        """Raise ValueError unless ``condition`` is True.

        Parameters
        ----------
        condition : bool
            Condition that the field must satisfy.
        field : str
            Name of the field.
        must : str
            Requirement, for the error message "The ... parameter of ... must be ...".
        """
        if not condition:
            raise ValueError(
                f"The {field!r} parameter of {type(self).__name__} must be {must}. "
                f"Got {getattr(self, field)!r} instead."
            )

    def require_number(self, field: str, low: float, high: float, closed: str = "both") -> None:
        """Convert ``field`` to a float; raise ValueError unless it is from ``low`` to ``high``.

        Powers and products of floats, unlike those of integers and fractions, take constant time.

        Parameters
        ----------
        field : str
            Name of the field.
        low, high : float
            Bounds of the range.
        closed : {"both", "left", "right", "neither"}, default="both"
            Bounds that are themselves allowed.
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
        """Convert ``field`` to an int; raise ValueError unless it is an integer >= ``low``.

        numpy integers are converted to Python integers, which do not overflow.

        Parameters
        ----------
        field : str
            Name of the field.
        low : int
            Smallest allowed value.
        """
        value = getattr(self, field)
        is_integer = isinstance(value, Integral) and not isinstance(value, bool)
        self.require(is_integer and int(value) >= low, field, f"an integer >= {low}")
        fits = int(value) <= sys.maxsize
        self.require(fits, field, f"an integer from {low} to {sys.maxsize}")
        object.__setattr__(self, field, int(value))

    def require_bool(self, field: str) -> None:
        """Convert ``field`` to a bool; raise ValueError unless it is True or False.

        Parameters
        ----------
        field : str
            Name of the field.
        """
        value = getattr(self, field)
        self.require(isinstance(value, bool | np.bool_), field, "True or False")
        object.__setattr__(self, field, bool(value))

    def require_choice(self, field: str, choices: Sequence[str]) -> None:
        """Raise ValueError unless ``field`` is one of ``choices``.

        Parameters
        ----------
        field : str
            Name of the field.
        choices : sequence of str
            Allowed strings.
        """
        value = getattr(self, field)
        is_choice = isinstance(value, str) and value in choices
        self.require(is_choice, field, " or ".join(map(repr, choices)))

    def require_path(self, field: str) -> None:
        """Convert ``field`` to a string; raise ValueError unless it is a path, and not empty.

        Parameters
        ----------
        field : str
            Name of the field, whose value is a string or a ``pathlib.Path``.
        """
        path = getattr(self, field)
        # Bytes would be a second form of a path, and an integer is an open file.
        text = os.fspath(path) if isinstance(path, str | os.PathLike) else b""
        is_path = isinstance(text, str) and text != "" and "\0" not in text
        self.require(is_path, field, "the path of a file, as a string or a pathlib.Path")
        object.__setattr__(self, field, str(text))

    def __sklearn_clone__(self) -> Self:
        """Return the component itself: an immutable value needs no copy."""
        return self

    def _check_field(self, name: str) -> None:
        names = [field.name for field in fields(self)]  # type: ignore[arg-type]
        if name not in names:
            raise ValueError(
                f"Invalid parameter {name!r} for {self!r}. Valid parameters are: {names}."
            )


def _has_factory(value: Any) -> bool:
    """Return True if a class attribute is ``field(default_factory=...)``."""
    return isinstance(value, Field) and value.default_factory is not MISSING


class Activation(Component):
    """Activation function f of the hidden layers, and its derivative."""

    #: True if the derivative needs z as well as a = f(z); z is then kept until ``backward``.
    needs_input = False
    #: Points where the derivative is discontinuous; the contract checks avoid them.
    kinks: ClassVar[tuple[float, ...]] = ()

    @abstractmethod
    def forward(self, z: Array, out: Array) -> Array:
        """Write f(z) into ``out`` and return it; ``out`` may be ``z``.

        Parameters
        ----------
        z : (rows, units)
            Synaptic input.
        out : (rows, units)
            Array to write f(z) into.
        """

    @abstractmethod
    def backward(self, grad: Array, a: Array, z: Array | None, out: Array) -> Array:
        """Write grad * f'(z) into ``out`` and return it; ``out`` may be ``grad``.

        Parameters
        ----------
        grad : (rows, units)
            ∂J/∂a.
        a : (rows, units)
            f(z); read-only.
        z : (rows, units) or None
            Synaptic input; read-only.  None unless ``needs_input`` is True.
        out : (rows, units)
            Array to write ∂J/∂z into.
        """


class Link(Component):
    """Inverse link: the function that maps raw outputs to predictions.

    For classes, it must increase with raw.
    """

    #: True if p(-raw) = 1 - p(raw), so that one column of raw outputs can stand for two classes.
    symmetric = False

    @property
    def name(self) -> str:
        """Name for the fitted attribute ``out_activation_``, by default that of the class."""
        return type(self).__name__.lower()

    @abstractmethod
    def predict(self, raw: Array, out: Array) -> Array:
        """Write the predictions into ``out`` and return it; ``out`` may be ``raw``.

        Parameters
        ----------
        raw : (rows, n_raw)
            Raw outputs of the network.
        out : (rows, n_raw)
            Array to write the predictions into.
        """

    def log_predict(self, raw: Array, out: Array) -> Array:
        """Write the log of the predictions into ``out`` and return it; ``out`` may be ``raw``.

        Parameters
        ----------
        raw, out
            As for :meth:`predict`.
        """
        return np.log(self.predict(raw, out), out=out)

    def n_columns(self, n_raw: int) -> int:
        """Return the number of classes that ``n_raw`` raw outputs stand for.

        Parameters
        ----------
        n_raw : int
            Number of raw outputs of a network for one class label per sample.
        """
        return 2 if n_raw == 1 and self.symmetric else n_raw

    def per_class(self, raw: Array) -> Array:
        """Return raw outputs with one column for each class.

        Parameters
        ----------
        raw : (rows, n_raw)
            Raw outputs of a network for one class label per sample.
        """
        is_complete = self.n_columns(raw.shape[1]) == raw.shape[1]
        return raw if is_complete else np.concatenate([-raw, raw], axis=1)

    def margin(self, raw: Array) -> Array:
        """Return the raw output of the second of two classes relative to the first.

        Parameters
        ----------
        raw : (..., 1) or (..., 2)
            Raw outputs of a network for two classes.

        Returns
        -------
        margin : (..., 1)
            The only column, or the second minus the first.
        """
        return raw if raw.shape[-1] == 1 else raw[..., 1:] - raw[..., :1]


class IdentityLink(Link):
    """Identity: y_pred = raw.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import IdentityLink
    >>> IdentityLink().predict(np.array([[-1.0, 2.0]]), np.empty((1, 2)))
    array([[-1.,  2.]])
    """

    name = "identity"

    def predict(self, raw: Array, out: Array) -> Array:  # noqa: D102
        if out is not raw:
            np.copyto(out, raw)
        return out


_IDENTITY = IdentityLink()


class _OwnLink(Link):
    """Inverse link that a loss names in ``out_activation`` and writes in its own ``predict``."""

    symmetric = True
    loss: Loss

    @property
    def name(self) -> str:
        return self.loss.out_activation

    def predict(self, raw: Array, out: Array) -> Array:
        if type(self.loss).predict is Loss.predict:
            raise TypeError(
                f"The loss {type(self.loss).__name__} must have an inverse link. Got only its "
                f"name, out_activation={self.name!r}: set link, or write predict."
            )
        return self.loss.predict(raw, out)


class TargetRange(NamedTuple):
    """Range of targets that a loss accepts.

    Parameters
    ----------
    low, high : float
        Smallest and largest target; both are allowed.
    low_is_open : bool, default=False
        If True, targets must be greater than ``low``.
    """

    low: float = -np.inf
    high: float = np.inf
    low_is_open: bool = False

    def contains(self, y: Array) -> bool:
        """Return True if all targets are within the range.

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
    """Loss as a function of raw outputs, with the inverse link that maps them to predictions.

    For classification the inverse link p must increase with raw.  With a single column for
    two classes, or one column per label, it must be symmetric: p(-raw) = 1 - p(raw).

    Set ``link`` to the inverse link.  A loss may also write its own, in :meth:`predict` and,
    if it is not the identity, with its name in :attr:`out_activation`.

    Losses return *sums* over rows and outputs, weighted by row, so that the values of
    mini-batches, row blocks and partitions add up.  The objective divides once by the sum of
    the weights.
    """

    #: Supported tasks, among "regression", "binary", "multiclass", "multilabel".
    tasks: ClassVar[tuple[str, ...]] = ()
    #: True for one column per class, False for two classes as a single column of 0 and 1.
    one_hot = False

    @property
    def link(self) -> Link:
        """Inverse link, by default the identity; a class constant, or a field of the loss."""
        names_its_own = type(self).out_activation is not Loss.out_activation
        return _OwnLink(self) if names_its_own else _IDENTITY

    @property
    def out_activation(self) -> str:
        """Name of the inverse link, stored in the fitted attribute ``out_activation_``."""
        return self.link.name

    @property
    def levels(self) -> tuple[float, ...]:
        """Quantile levels, if predictions have one column for each; else empty."""
        return ()

    @property
    def separable(self) -> bool:
        """True if the loss is a sum over the entries of y, of one function of y and raw for all.

        By default True unless ``one_hot``.  Only such a loss of several targets can have a weight
        for each entry of y, as it needs where targets are missing: the entries that are there are
        then passed to it as rows of one target.
        """
        return not self.one_hot

    @property
    def target_range(self) -> TargetRange:
        """Range of accepted targets, such as ``TargetRange(low=0.0)``."""
        return TargetRange()

    def for_task(self, task: str) -> Loss:
        """Return the loss to use for ``task``, by default the loss itself.

        Parameters
        ----------
        task : {"regression", "binary", "multiclass", "multilabel"}
            Type of the targets, one of ``tasks``.
        """
        return self

    def n_raw(self, n_targets: int) -> int:
        """Return the number of raw outputs for ``n_targets`` columns of y.

        Parameters
        ----------
        n_targets : int
            Number of columns of y, after the encoding of classes that ``one_hot`` selects.
        """
        return n_targets

    @abstractmethod
    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        """Return the weighted sum of the losses; write its gradient ∂/∂raw into ``out``.

        Parameters
        ----------
        y : (rows, n_targets)
            Targets, in the dtype of ``raw``.
        raw : (rows, n_raw)
            Raw outputs of the network; read-only.
        weight : (rows,) or None
            Weights of the rows.  If None, all weights are 1.
        out : (rows, n_raw)
            Array to write the gradient into.
        """

    def value(self, y: Array, raw: Array, weight: Array | None) -> float:
        """Return the weighted sum of the losses, without the gradient.

        Parameters
        ----------
        y, raw, weight
            As for :meth:`value_and_grad`.
        """
        return self.value_and_grad(y, raw, weight, np.empty_like(raw))

    def predict(self, raw: Array, out: Array) -> Array:
        """Write the inverse link of ``raw`` into ``out`` and return it; ``out`` may be ``raw``.

        Parameters
        ----------
        raw, out
            As for :meth:`Link.predict`.
        """
        return self.link.predict(raw, out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        """Write the log of the predictions into ``out`` and return it; ``out`` may be ``raw``.

        Parameters
        ----------
        raw, out
            As for :meth:`predict`.
        """
        if type(self).predict is not Loss.predict:
            return np.log(self.predict(raw, out), out=out)
        return self.link.log_predict(raw, out)


class Optimizer(Component):
    """Rule that turns gradients into steps; its state is a dict passed to each call."""

    @abstractmethod
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        """Return the state before the first step.

        Parameters
        ----------
        theta : (n_parameters,)
            Initial weights and biases.
        groups : dict of slices
            Slices of ``theta`` by name: "W0", "b0", ..., and "decayed" for the weights that
            penalties apply to.
        """

    @abstractmethod
    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        """Replace the gradient in ``direction`` by the step that is then added to ``theta``.

        Parameters
        ----------
        direction : (n_parameters,)
            Gradient on entry; signed step on exit.
        state : dict
            State from :meth:`init`, updated in place.
        theta : (n_parameters,)
            Weights and biases before the step; read-only.
        lr : float
            Learning rate.
        scratch : (n_parameters,)
            Work array with undefined contents.
        """

    def continues(self, other: Optimizer) -> bool:
        """Return True if training can resume with the state of ``other``.

        The default requires the same class.

        Parameters
        ----------
        other : Optimizer
            Optimizer of the training so far.
        """
        return type(self) is type(other)

    def readout(self, theta: Array, state: State) -> Array:
        """Return the parameters to evaluate and to store, by default ``theta``.

        Weight averaging returns its average instead.

        Parameters
        ----------
        theta : (n_parameters,)
            Weights and biases in training.
        state : dict
            State of the optimizer.
        """
        return theta


class Transform(Component):
    """Transformation of the gradient or of the step in a ``Chain``, such as clipping.

    Placed before the optimizer of the chain, it changes the gradient; placed after it, the
    step.  A step is -lr times a direction.  A gradient has the same form with lr = -1, so
    transforms before the optimizer receive ``lr=-1``.
    """

    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        """Return the state before the first step, by default an empty dict.

        Parameters
        ----------
        theta, groups
            As for :meth:`Optimizer.init`.
        """
        return {}

    def continues(self, other: Transform) -> bool:
        """Return True if training can resume with the state of ``other``.

        The default requires the same class.

        Parameters
        ----------
        other : Transform
            Transform at the same position in the training so far.
        """
        return type(self) is type(other)

    @abstractmethod
    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        """Change ``direction`` in place; it is -lr times a gradient or another direction.

        Parameters
        ----------
        direction : (n_parameters,)
            Gradient or step, as left by the previous part of the chain.
        state, theta, lr, scratch
            As for :meth:`Optimizer.update`.
        """


class Progress(NamedTuple):
    """Progress of training.

    Parameters
    ----------
    epoch : int
        Number of the current epoch, from 0.
    step : int
        Number of the current step since training began, from 0.
    samples : int
        Number of rows seen before the current epoch.
    fraction : float
        Fraction of ``max_iter`` epochs done, counted in steps; at most 1.
    stalls : int
        Number of times that training has stalled without stopping.
    """

    epoch: int
    step: int
    samples: int
    fraction: float
    stalls: int


class Schedule(Component):
    """Factor on ``learning_rate_init``, a pure function of the progress.

    A schedule whose factor is at most 0.01 at fraction 1, but above 0.01 at fraction 0.5 with
    all else equal, is designed to end at ``max_iter``: reaching it is expected, and raises no
    ConvergenceWarning.
    """

    #: False if the factor changes only between epochs; it is then computed once per epoch.
    per_step = True

    @abstractmethod
    def __call__(self, progress: Progress) -> float:
        """Return the factor, which must be finite and not negative.

        Parameters
        ----------
        progress : Progress
            Progress of training.
        """


@dataclass(frozen=True)
class Site:
    """Position of a layer in the network.

    Parameters
    ----------
    index : int
        Number of the layer, from 0.
    n_layers : int
        Number of layers with weights.
    activation : Activation
        Activation that follows the layer; for the output layer, the last hidden activation.
    """

    index: int
    n_layers: int
    activation: Activation


class Initializer(Component):
    """Distribution of initial weights and biases."""

    @abstractmethod
    def fill(self, W: Array, b: Array, rng: np.random.RandomState, site: Site) -> None:
        """Fill ``W`` and ``b`` in place, with random numbers from ``rng`` only.

        Parameters
        ----------
        W : (fan_in, fan_out)
            Array to write the weights into.
        b : (fan_out,)
            Array to write the biases into.
        rng : numpy.random.RandomState
            Random number generator.
        site : Site
            Position of the layer in the network.
        """


class Run(ABC):
    """View of a running fit, passed to callbacks."""

    max_iter: int  #: Maximum number of epochs.
    fingerprint: str  #: Short hash of parameters and data, different for each run of a search.
    member: int = 0  #: Number of the network in training among those of an ensemble, from 0.
    n_members: int = 1  #: Number of networks of the ensemble; 1 for a single network.

    @property
    @abstractmethod
    def epoch(self) -> int:
        """Number of epochs done."""

    @property
    @abstractmethod
    def history(self) -> Sequence[dict[str, float]]:
        """Record of the epochs done, one dict for each; read-only.

        Keys are epoch, loss, learning_rate, gradient_norm (of the last batch) and seconds;
        after a check on validation data also validation_score and validation_loss. Of several
        checks in an epoch, they are those with the best score.
        """

    @property
    def loss(self) -> float:
        """Mean training loss of the last epoch."""
        return self.history[-1]["loss"] if self.history else float("nan")

    @property
    def validation_score(self) -> float | None:
        """Validation score of the last epoch; None without a check on validation data.

        A member of a tabular estimator may have epochs without a check, or with several.
        """
        return self.history[-1].get("validation_score") if self.history else None

    @abstractmethod
    def stop(self, reason: str) -> None:
        """Stop training after this epoch.

        Parameters
        ----------
        reason : str
            Reason to record in the fitted attributes.
        """

    @abstractmethod
    def check_path(self, path: str | os.PathLike[str]) -> None:
        """Raise an error if a checkpoint cannot be written to ``path``.

        Parameters
        ----------
        path : str or path-like
            Path of the checkpoint file.
        """

    @abstractmethod
    def save(self, path: str | os.PathLike[str]) -> None:
        """Request a checkpoint, written after all callbacks of the epoch have run.

        Parameters
        ----------
        path : str or path-like
            Path of the checkpoint file.
        """


class Callback(Component):
    """Code to run during training: override the hooks you need.

    Clones of an estimator share its callback instances.  Store what changes during a fit in
    ``memory``, a dict of plain data that belongs to that fit, never on ``self``.
    """

    def init(self) -> State:
        """Return the initial ``memory`` of a fit, by default an empty dict."""
        return {}

    def on_fit_begin(self, memory: State, run: Run) -> None:
        """Run before the first epoch.

        Parameters
        ----------
        memory : dict
            State of the callback in this fit, from :meth:`init`; updated in place.
        run : Run
            View of the running fit.
        """

    def on_epoch_end(self, memory: State, run: Run) -> None:
        """Run after each epoch.

        Parameters
        ----------
        memory, run
            As for :meth:`on_fit_begin`.
        """

    def on_fit_end(self, memory: State, run: Run) -> None:
        """Run after the last epoch.

        Parameters
        ----------
        memory, run
            As for :meth:`on_fit_begin`.
        """
