"""Data-parallel training: the objective as a sum over the partitions of a Dask collection.

Workers keep encoded partitions, and return sums of losses and gradients.  Strategy, stopping,
callbacks and fitted attributes are those of a fit on one machine.  Every task is a pure function
of its arguments, so that Dask can schedule and repeat it anywhere.
"""

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from functools import partial
from math import isfinite, nan
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import clone, is_classifier

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, Loss, State
from sknn_scratch.core import linalg
from sknn_scratch.core.data import Data
from sknn_scratch.core.layout import Params
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import _aliases, _resume, _validation
from sknn_scratch.estimators._base import Job
from sknn_scratch.estimators._blame import noting_components
from sknn_scratch.estimators._judge import Rows, with_judge
from sknn_scratch.estimators._start import How, check_plugins, make_plan, start
from sknn_scratch.interop._extras import require
from sknn_scratch.interop._partitions import (
    Summary,
    agreed,
    as_targets,
    check_estimator,
    check_named,
    class_weight,
    read_targets,
    split,
    summarise,
    warn_of_lonely_classes,
)
from sknn_scratch.training.history import History, Row
from sknn_scratch.training.lbfgs import LBFGS, RowSum
from sknn_scratch.training.minibatch import Loop, MiniBatch
from sknn_scratch.training.state import Plan, TrainingState

#: Number of partial sums that one task adds.
FAN_IN = 8
WHAT = "sknn_scratch.distributed"


class Options(NamedTuple):
    """Options of a fit on partitions, in addition to the data."""

    classes: Any = None
    average_every: int | None = None
    resume: str | None = None
    X_val: Any = None
    y_val: Any = None
    sample_weight_val: Any = None

    @property
    def given(self) -> Rows:
        """Validation data."""
        return Rows(self.X_val, self.y_val, self.sample_weight_val)


class Coding(NamedTuple):
    """Encoding of partitions as rows of a fit."""

    estimator: Any  #: unfitted, without callbacks, with a number for each class's weight
    targets: Any
    loss: Loss
    dtype: Any


class Partitions(NamedTuple):
    """Encoded rows of a fit, on the workers."""

    parts: Sequence[Any]  #: delayed :class:`Data`
    sizes: Sequence[int]
    weight_sum: float
    sample: Data  #: one row

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    @property
    def X(self) -> Any:
        """One row, which represents X on the client."""
        return self.sample.X

    @property
    def y(self) -> Any:
        """One target, which represents y on the client."""
        return self.sample.y


def fit(
    estimator: Any,
    X: Any,
    y: Any,
    sample_weight: Any = None,
    **options: Any,
) -> Any:
    """Fit an estimator to Dask collections, without moving their partitions.

    With ``solver="lbfgs"``, and with any other solver if ``average_every`` is None, each
    evaluation computes the gradient over all rows.  The weights are sent to the workers once,
    every partition returns a sum, and the sums are added in a tree.  The model equals that of
    one machine up to rounding error for any partitions; ``batch_size`` is then the number of
    rows.  Partitions are read twice: first to determine their form, then to encode them.

    Parameters
    ----------
    estimator : MLPClassifier or MLPRegressor
        Estimator to fit in place, as by its own ``fit``.
    X : Dask array or dataframe of shape (n_samples, n_features)
        Inputs. Chunk sizes may be unknown, and partitions may be empty.
    y : Dask array, series or dataframe
        Targets, with the same partitions as X.
    sample_weight : Dask array or series, default=None
        Sample weights. ``class_weight="balanced"`` uses the rows of all partitions.
    **options
        ``classes``: all classes of y. If None, they are determined from y, with a warning about
        classes that are in only one partition.
        ``average_every``: int >= 1, number of steps that each partition makes on its own
        mini-batches before weights and optimizer state are averaged (local SGD); default None.
        ``resume``: path of a checkpoint to resume from; default None.
        ``X_val``, ``y_val``, ``sample_weight_val``: validation data, as arrays in memory;
        required for ``early_stopping``.

    Returns
    -------
    estimator : MLPClassifier or MLPRegressor
        The estimator, fitted.

    Raises
    ------
    TypeError
        If X or y is not a Dask collection, or the estimator is of another class, such as
        TabularMLPClassifier.
    ValueError
        If partitions are inconsistent, or a parameter is not supported on partitions.

    Examples
    --------
    >>> import dask.array as da
    >>> from sklearn.datasets import load_iris
    >>> from sknn_scratch import MLPClassifier, distributed
    >>> X, y = load_iris(return_X_y=True)
    >>> X, y = da.from_array(X, chunks=(50, -1)), da.from_array(y, chunks=50)
    >>> model = MLPClassifier(solver="lbfgs", random_state=0)
    >>> model = distributed.fit(model, X, y, classes=[0, 1, 2])
    >>> bool(model.score(X.compute(), y.compute()) > 0.95)
    True
    """
    require("dask", "distributed", WHAT)
    check_estimator(estimator)
    asked = _checked_options(options)
    data = Rows(X, y, sample_weight)
    estimator._run(data, lambda: _prepare(estimator, data, asked))
    if asked.resume is not None:
        _resume.warn_lost_curvature(estimator)
    return estimator


def _checked_options(options: dict[str, Any]) -> Options:
    unknown = options.keys() - set(Options._fields)
    if unknown:
        raise TypeError(
            f"The options of distributed.fit must be among {', '.join(Options._fields)}. Got "
            f"{', '.join(sorted(unknown))}."
        )
    k = options.get("average_every")
    if k is not None and (isinstance(k, bool) or not isinstance(k, int | np.integer) or k < 1):
        raise ValueError(
            f"average_every of distributed.fit must be None or an integer >= 1. Got {k!r}."
        )
    asked = Options(**options)
    return (
        asked if asked.resume is None else asked._replace(resume=_resume.check_path(asked.resume))
    )


def _check_possible(estimator: Any, asked: Options) -> None:
    """Raise ValueError for settings that are not supported on partitions."""
    name = type(estimator).__name__
    is_lbfgs = isinstance(estimator.solver, str) and estimator.solver == "lbfgs"
    if is_lbfgs and asked.average_every is not None:
        raise ValueError(
            "average_every of distributed.fit must be None with solver='lbfgs', whose steps need "
            f"the gradient of all rows. Got {asked.average_every}: choose another solver."
        )
    if asked.average_every is None and np.any(estimator.dropout):
        raise ValueError(
            f"The 'dropout' parameter of {name} must be 0 for steps over all rows. Got "
            f"{estimator.dropout!r}: pass average_every to train on mini-batches."
        )
    if estimator.early_stopping and not is_lbfgs and asked.X_val is None:
        raise ValueError(
            f"early_stopping of {name} requires X_val and y_val in distributed.fit, which holds no "
            "rows out. Got none: pass them, or set early_stopping=False."
        )


# --- Preparation: from collections to a job.


def _prepare(estimator: Any, rows: Rows, asked: Options) -> Job:
    """Check and encode all parameters and data."""
    import dask

    _check_possible(estimator, asked)
    _aliases.check_names(estimator)
    raw = split(rows)
    has_classes = is_classifier(estimator)
    found = dask.compute(*(dask.delayed(summarise)(has_classes, *part) for part in raw))
    kept = agreed(found)
    coding, how, y = _learn(estimator, [found[k] for k in kept], asked)
    sample = _encoded(coding, found[kept[0]].head, y[:1], None)
    parts = _encode(coding, [raw[k] for k in kept], sample)
    plan = make_plan(estimator, sample, coding.loss, how)
    check_plugins(plan, sample)
    weigher = _with_weights_of(estimator, coding)
    held = weigher._encode_given(asked.given, y, coding.targets, coding.loss, how, coding.dtype)
    plan = replace(plan, strategy=_on_partitions(plan.strategy, asked))
    is_watched = bool(plan.callbacks) or how.origin is not None
    header = _header(estimator, held, parts, coding, how) if is_watched else {}
    if how.origin is None:
        state = start(estimator, plan, sample, how)
        state.order = None  # partitions have orders of their own
    else:
        state = _resume.stored_state(estimator, plan, how.origin, header, 0)
    plan = with_judge(estimator, plan, sample, state, coding.targets, held)
    return Job(plan, parts, state, coding.targets, header)  # type: ignore[arg-type]


def _learn(estimator: Any, parts: Sequence[Summary], asked: Options) -> tuple[Coding, How, Array]:
    """Determine features and targets as in ``fit``; return also a sample of targets."""
    path = asked.resume
    how = estimator._how(one_pass=False) if path is None else _resume.resumed(estimator, path)
    X = _validation.check_X(estimator, parts[0].head, reset=how.is_new)
    y = read_targets(estimator, parts)
    if asked.classes is None:
        warn_of_lonely_classes(estimator, parts)
    check_named(estimator, asked.classes, y)
    targets = estimator._read_targets(y, how, _validation.check_classes(estimator, asked.classes))
    stand_in = clone(estimator).set_params(callbacks=None, random_state=0)
    if is_classifier(estimator):
        stand_in.set_params(class_weight=class_weight(estimator, parts, targets))
    loss = estimator._resolve_loss(targets.task)
    return Coding(stand_in, targets, loss, estimator._dtype(X, how)), how, y


def _with_weights_of(estimator: Any, coding: Coding) -> Any:
    """Return a shallow copy with the class weights of all partitions."""
    twin = copy(estimator)
    if is_classifier(estimator):
        twin.class_weight = coding.estimator.class_weight
    return twin


def _encode(coding: Coding, raw: Sequence[tuple[Any, ...]], sample: Data) -> Partitions:
    """Encode partitions on the workers, and keep them there."""
    import dask

    shared = dask.delayed(coding, traverse=False)
    parts = dask.persist(*(dask.delayed(_encoded)(shared, *part) for part in raw))
    sizes, weights = zip(*dask.compute(*(dask.delayed(_size)(p) for p in parts)), strict=True)
    total = float(sum(weights))
    _validation.check_weight_sum(coding.estimator, np.array([total]), "all partitions")
    return Partitions(parts, sizes, total, sample)


@quiet_floats()
def _encoded(coding: Coding, X: Any, y: Any, sample_weight: Any) -> Data:
    """Return the rows of a partition, encoded as for training."""
    estimator, targets, loss, dtype = coding
    estimator = clone(estimator)
    X = _validation.check_X(estimator, X, reset=True)
    y = _validation.check_y(estimator, as_targets(y), X, estimator._y_is_numeric)
    weight = _validation.check_weight(estimator, sample_weight, X)
    weight = estimator._weigh(weight, y, targets, How(one_pass=False))
    codes, unit = estimator._encode_y(y, targets, loss, dtype)
    if weight is not None:
        weight = np.asarray(_validation.cast(estimator, "sample_weight", weight, dtype))
    return Data(_validation.cast_X(estimator, X, dtype), codes, unit, weight)


@quiet_floats()
def _size(data: Data) -> tuple[int, float]:
    """Return the number of rows and the sum of their weights."""
    n = data.n_samples
    return n, float(n if data.weight is None else data.weight.sum())


def _header(
    estimator: Any, held: Data | None, parts: Partitions, coding: Coding, how: How
) -> State:
    """Return what says of which fit a checkpoint is: its first row stands for the data."""
    tree = _resume.header(estimator, parts.sample, coding.targets, held, how)
    tree["data"]["shape of X"] = f"{parts.n_samples} x {parts.X.shape[1]}"
    return tree


def _on_partitions(strategy: LBFGS | MiniBatch, asked: Options) -> LBFGS | MiniBatch:
    """Return the same strategy, with rows on the workers."""
    if isinstance(strategy, LBFGS):
        return replace(strategy, row_sum=PartitionSum)
    loop = partial(AveragingLoop, asked.average_every) if asked.average_every else AllRowsLoop
    return replace(strategy, loop=loop)


# --- Sums over partitions.


def reduced(terms: Sequence[Any], add: Callable[[list[Any]], Any]) -> Any:
    """Return the delayed sum of delayed terms, added in a tree."""
    import dask

    while len(terms) > 1:
        groups = (terms[k : k + FAN_IN] for k in range(0, len(terms), FAN_IN))
        terms = [dask.delayed(add)(list(group)) for group in groups]
    return terms[0]


class PartitionSum:
    """Data term and its gradient over all partitions, as a replacement of :class:`RowSum`."""

    def __init__(self, objective: Objective, data: Partitions, dtype: Any) -> None:
        import dask

        self._objective = dask.delayed(objective, traverse=False)
        self._parts, self.weight_sum = data.parts, data.weight_sum

    def __call__(self, params: Params, total: Params, factor: float) -> float:
        """Return ``factor`` times the sum of the losses; write its gradient into ``total``."""
        import dask

        theta = dask.delayed(np.array(params.vector), traverse=False)
        term = dask.delayed(_data_term)
        terms = [term(self._objective, part, theta, factor) for part in self._parts]
        value, grad = reduced(terms, _added).compute()
        np.copyto(total.vector, grad)
        return float(value)


@noting_components()  # here, for a traceback does not leave a worker
@quiet_floats()
def _data_term(objective: Objective, data: Data, theta: Array, factor: float) -> Any:
    """Return the data term of one partition and its gradient."""
    layout = objective.network.layout
    total = layout.params(np.empty_like(theta))
    value = RowSum(objective, data, theta.dtype)(layout.params(theta), total, factor)
    return value, total.vector


@quiet_floats()
def _added(terms: list[Any]) -> Any:
    """Return the sums of values and of gradients."""
    return sum(value for value, _ in terms), np.sum([grad for _, grad in terms], axis=0)


# --- Epochs over partitions.


class AllRowsLoop:
    """Epoch loop with one step per epoch, on the gradient over all rows."""

    def __init__(self, how: MiniBatch, plan: Plan, data: Any, state: TrainingState) -> None:
        self.how, self.state, self.objective = how, state, plan.objective
        self.row_sum, self.n = PartitionSum(plan.objective, data, state.theta.dtype), data.n_samples
        layout = plan.objective.network.layout
        self.params = layout.params(state.theta)
        self.grads = layout.params(np.empty_like(state.theta))
        self.scratch = np.empty_like(state.theta)

    def run_epoch(self) -> Row:
        """Make the step; return the objective before it."""
        state, how, weight_sum = self.state, self.how, self.row_sum.weight_sum
        rate = how.learning_rate_init * how.schedule(how.progress(state, 0.0))
        value = self.row_sum(self.params, self.grads, 1.0 / weight_sum)
        value += self.objective.penalty(self.params, self.grads, weight_sum)
        direction = self.grads.vector
        norm = linalg.norm(direction)
        if isfinite(value):
            how.optimizer.update(direction, state.optimizer, state.theta, rate, self.scratch)
            linalg.add_scaled(1.0, direction, state.theta)
            state.step += 1
        state.samples += self.n
        return {"loss": value, "learning_rate": rate, "gradient_norm": norm}


class Turn(NamedTuple):
    """Position of a partition in an epoch of local steps."""

    seed: int  #: of the epoch
    partition: int
    first: int  #: first row of this turn, in the order of the epoch
    last: int


class AveragingLoop:
    """Epoch loop of local SGD: each partition makes ``every`` steps, then all are averaged.

    Weights and the moments of the optimizer are averaged by rows.  A turn is a pure function of
    data on the client, so that Dask can compute a lost partition again.
    """

    def __init__(
        self, every: int, how: MiniBatch, plan: Plan, data: Any, state: TrainingState
    ) -> None:
        self.how, self.state, self.data = replace(how, loop=None), state, data
        self.plan = replace(plan, callbacks=(), judge=None, strategy=None)
        self.stride = every * how.batch_size

    def run_epoch(self) -> Row:
        """Run through all partitions; return the mean loss by rows."""
        seed = int(self.state.rng.randint(np.iinfo(np.int32).max))
        total, counted = 0.0, 0
        for first in range(0, max(self.data.sizes), self.stride):
            sums = self._turn(seed, first)
            total, counted = total + sums.loss, counted + sums.rows
            if not isfinite(total):
                break
            self._take(sums)
        self.state.samples += self.data.n_samples
        now = self.how.progress(self.state, 0.0)
        rate = self.how.learning_rate_init * self.how.schedule(now)
        return {"loss": total / counted, "learning_rate": rate, "gradient_norm": nan}

    def _turn(self, seed: int, first: int) -> "Sums":
        """Run the steps of every partition that has rows left."""
        import dask

        state = self.state
        begin = replace(
            state, history=History(), memory={}, patience={}, best_theta=None, held_out=None
        )
        work = dask.delayed((self.how, self.plan, begin), traverse=False)
        turns = [
            (part, Turn(seed, k, first, min(first + self.stride, size)))
            for k, (part, size) in enumerate(zip(self.data.parts, self.data.sizes, strict=True))
            if first < size
        ]
        steps = dask.delayed(local_steps)
        sums: Sums = reduced([steps(work, part, turn) for part, turn in turns], Sums.add).compute()
        return sums

    def _take(self, sums: "Sums") -> None:
        """Continue from the averages."""
        np.copyto(self.state.theta, sums.theta / sums.rows)
        self.state.optimizer = _averaged(sums.optimizer, sums.rows)
        self.state.step = sums.step


class Sums(NamedTuple):
    """Sums over the turns of partitions, weighted by rows."""

    rows: int
    loss: float
    theta: Array
    optimizer: State
    step: int

    @staticmethod
    @quiet_floats()
    def add(terms: "list[Sums]") -> "Sums":
        """Return the sums of sums."""
        rows, losses, thetas, optimizers, steps = zip(*terms, strict=True)
        theta = np.sum(thetas, axis=0)
        return Sums(sum(rows), sum(losses), theta, _summed(list(optimizers)), max(steps))


@noting_components()
@quiet_floats()
def local_steps(work: Any, data: Data, turn: Turn) -> Sums:
    """Make the steps of one partition's turn, starting from the previous averages."""
    how, plan, begin = work
    state = begin.wake(begin.theta)
    if state.noise is not None:
        state.noise = np.random.default_rng([turn.seed, turn.partition, turn.first])
    rng = np.random.default_rng([turn.seed, turn.partition])
    order = rng.permutation(data.n_samples) if how.shuffle else np.arange(data.n_samples)
    row = Loop(how, plan, data, state).run(order[turn.first : turn.last], seen=turn.first)
    n = turn.last - turn.first
    return Sums(n, row["loss"] * n, state.theta * n, _scaled(state.optimizer, n), state.step)


def _is_real(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.kind == "f"


def _scaled(state: State, factor: float) -> State:
    """Return the state with its real arrays times a factor."""
    return {
        key: _scaled(value, factor)
        if isinstance(value, dict)
        else value * value.dtype.type(factor)
        if _is_real(value)
        else value
        for key, value in state.items()
    }


def _summed(states: list[State]) -> State:
    """Return the sums of real arrays, and the maxima of all other values, such as counts."""
    return {key: _summed_leaf([state[key] for state in states]) for key in states[0]}


def _summed_leaf(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return _summed(values)
    if _is_real(values[0]):
        return np.sum(values, axis=0)
    return max(values) if isinstance(values[0], int | float) else values[0]


def _averaged(state: State, rows: int) -> State:
    return _scaled(state, 1.0 / rows)
