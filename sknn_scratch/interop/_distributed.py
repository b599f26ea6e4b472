"""Data-parallel training: the objective as a sum over the partitions of a Dask collection.

Workers keep encoded partitions, and return sums of losses and gradients.  Solver, stopping,
callbacks and fitted attributes are those of a fit on one machine.  Every task is a pure function
of its arguments, so that Dask can schedule and repeat it anywhere.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import Any, NamedTuple

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, State
from sknn_scratch.core import weighting
from sknn_scratch.core.data import Data
from sknn_scratch.core.layout import Params
from sknn_scratch.core.objective import Objective
from sknn_scratch.fitting import _resume, _validation
from sknn_scratch.fitting._blame import noting_components
from sknn_scratch.fitting._coding import (
    Coding,
    check_weights,
    checked,
    checked_validation,
    encoded,
    encoded_validation,
    learn,
)
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._prepare import begin, plan_of, with_features
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._solve import run_fit
from sknn_scratch.fitting._targets import ClassTargets
from sknn_scratch.fitting._types import Call, Job, Rows
from sknn_scratch.interop._extras import require
from sknn_scratch.interop._partitions import (
    Summary,
    agreed,
    check_estimator,
    check_named,
    class_weight,
    read_targets,
    split,
    summarise,
    warn_of_lonely_classes,
)
from sknn_scratch.training.history import History
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import AllRowsSteps, BatchSteps, BlockTotal, Steps, Stretch

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


class Partitions(NamedTuple):
    """Encoded rows of a fit, on the workers."""

    parts: Sequence[Any]  #: delayed :class:`Data`
    sizes: Sequence[int]
    weight_sum: float
    sample: Data  #: one row
    average_every: int | None  #: number of local steps; None: one step on all rows

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return sum(self.sizes)

    def steps(self, solver: MiniBatch, plan: Plan, state: TrainingState) -> Steps:
        """Return steps over all rows, or local steps whose results are averaged."""
        if self.average_every is None:
            return AllRowsSteps(solver, plan, self, state)
        return AveragedSteps(self.average_every * solver.batch_size, solver, plan, self, state)

    def total(self, objective: Objective, dtype: Any) -> "PartitionTotal":
        """Return the sum over all partitions."""
        return PartitionTotal(objective, self)


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
    call = Call(asked.given, classes=asked.classes, path=asked.resume)
    run_fit(estimator, Rows(X, y, sample_weight), call, partial(_prepare, estimator, asked))
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


def _check_possible(estimator: OwnEstimator, settings: Settings, asked: Options) -> None:
    """Raise ValueError for settings that are not supported on partitions."""
    if settings.is_full_batch and asked.average_every is not None:
        raise ValueError(
            "average_every of distributed.fit must be None with solver='lbfgs', whose steps need "
            f"the gradient of all rows. Got {asked.average_every}: choose another solver."
        )
    if asked.average_every is None and any(settings.dropout):
        raise ValueError(
            f"The 'dropout' parameter of {settings.owner} must be 0 for steps over all rows. Got "
            f"{estimator.dropout!r}: pass average_every to train on mini-batches."
        )
    if settings.stops_early and asked.X_val is None:
        raise ValueError(
            f"early_stopping of {settings.owner} requires X_val and y_val in distributed.fit, "
            "which holds no rows out. Got none: pass them, or set early_stopping=False."
        )


# --- Preparation: from collections to a job.


def _prepare(
    estimator: OwnEstimator, asked: Options, settings: Settings, rows: Rows, call: Call
) -> Job:
    """Check and encode all parameters and data."""
    _check_possible(estimator, settings, asked)
    raw, found = _summaries(settings, rows)
    coding, call, y = _learn(estimator, settings, found, call)
    # Numbers in place of "balanced", which depends on all partitions.
    weighing = coding._replace(settings=_with_class_weight(coding, found))
    far = _encode(weighing, raw)
    sample = _encoded(weighing, found[0].head, y[:1], None)
    parts = Partitions(*far, sample, asked.average_every)
    held = encoded_validation(weighing, checked_validation(weighing, call.given), y)
    plan = plan_of(coding, sample, call)
    job = begin(coding, plan, sample, held, call, parts.n_samples)
    return job._replace(source=parts)


def _summaries(settings: Settings, rows: Rows) -> tuple[list[Any], list[Summary]]:
    """Return the partitions that have rows, delayed, and their summaries."""
    import dask

    raw = split(rows)
    shared = dask.delayed(settings.portable(), traverse=False)
    seen = dask.compute(*(dask.delayed(_summary)(shared, *part) for part in raw))
    found, weights = zip(*seen, strict=True)
    kept = agreed(found)
    # Raises as ``fit`` does if all weights of all partitions are 0.
    _validation.check_weight(settings.owner, weights, np.empty((len(weights), 0)))
    return [raw[k] for k in kept], [found[k] for k in kept]


@quiet_floats()
def _summary(settings: Settings, X: Any, y: Any, sample_weight: Any) -> tuple[Summary, float]:
    """Return the summary of a partition and its largest weight, after the checks of ``fit``."""
    y, largest = _one_column(y), 0.0
    if X.shape[0]:
        checked_X = _validation.check_rows(settings.owner, X, settings.is_numeric)
        if len(y) == X.shape[0]:
            rows = checked(settings, Rows(checked_X, y, sample_weight), is_part=True)
            y = rows.y
            largest = 1.0 if rows.sample_weight is None else float(rows.sample_weight.max())
    if not settings.is_numeric and y.ndim > 1 and len(y):
        with _validation.naming("y", settings.owner):
            ClassTargets.read(y)
    return summarise(not settings.is_numeric, X, y, sample_weight), largest


def _one_column(y: Any) -> Any:
    """Return the targets of a partition, with one column as a vector."""
    return y.squeeze(axis=1) if y.ndim == 2 and y.shape[1] == 1 else y


def _learn(
    estimator: OwnEstimator, settings: Settings, parts: Sequence[Summary], call: Call
) -> tuple[Coding, Call, Array]:
    """Determine features and targets as in ``fit``; return also a sample of targets."""
    X, call = with_features(estimator, settings, parts[0].head, call)
    y = read_targets(estimator, parts)
    if call.classes is None:
        warn_of_lonely_classes(estimator, parts)
    check_named(estimator, call.classes, y)
    return learn(settings, X, y, call), call, y


def _with_class_weight(coding: Coding, parts: Sequence[Summary]) -> Settings:
    """Return the settings with numbers for the weights of classes, from all partitions."""
    if coding.settings.is_numeric:
        return coding.settings
    numbers = class_weight(coding.settings, parts, coding.targets)
    return replace(coding.settings, class_weight=numbers)


def _encode(
    coding: Coding, raw: Sequence[tuple[Any, ...]]
) -> tuple[Sequence[Any], Sequence[int], float]:
    """Encode partitions on the workers, and keep them there; return them, sizes and weight sum."""
    import dask

    portable = coding._replace(settings=coding.settings.portable())
    shared = dask.delayed(portable, traverse=False)
    parts = dask.persist(*(dask.delayed(_encoded)(shared, *part) for part in raw))
    sizes, weights = zip(*dask.compute(*(dask.delayed(_size)(p) for p in parts)), strict=True)
    total = float(sum(weights))
    check_weights(coding.settings, np.array([total]), "all samples")
    return parts, sizes, total


@quiet_floats()
def _encoded(coding: Coding, X: Any, y: Any, sample_weight: Any) -> Data:
    """Return the rows of a partition, encoded as for training."""
    X = _validation.check_rows(coding.owner, X, coding.settings.is_numeric)
    rows = Rows(X, _one_column(y), sample_weight)
    return encoded(coding, checked(coding.settings, rows, is_part=True))


@quiet_floats()
def _size(data: Data) -> tuple[int, float]:
    """Return the number of rows and the sum of their weights."""
    n = data.n_samples
    return n, weighting.total(data.weight, n)


# --- Sums over partitions.


def reduced(terms: Sequence[Any], add: Callable[[list[Any]], Any]) -> Any:
    """Return the delayed sum of delayed terms, added in a tree."""
    import dask

    while len(terms) > 1:
        groups = (terms[k : k + FAN_IN] for k in range(0, len(terms), FAN_IN))
        terms = [dask.delayed(add)(list(group)) for group in groups]
    return terms[0]


class PartitionTotal:
    """Sum of the losses over all partitions, and its gradient."""

    def __init__(self, objective: Objective, data: Partitions) -> None:
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
    value = BlockTotal(objective, data, theta.dtype)(layout.params(theta), total, factor)
    return value, total.vector


@quiet_floats()
def _added(terms: list[Any]) -> Any:
    """Return the sums of values and of gradients."""
    return sum(value for value, _ in terms), np.sum([grad for _, grad in terms], axis=0)


# --- Local steps.


class Turn(NamedTuple):
    """Position of a partition in an epoch of local steps."""

    seed: int  #: of the epoch
    partition: int
    first: int  #: first row of this turn, in the order of the epoch
    last: int


class AveragedSteps:
    """Local SGD: each partition makes the steps of ``stride`` rows, then all are averaged.

    Weights and the moments of the optimizer are averaged by rows.  A turn is a pure function of
    data on the client, so that Dask can compute a lost partition again.
    """

    def __init__(
        self, stride: int, solver: MiniBatch, plan: Plan, data: Partitions, state: TrainingState
    ) -> None:
        self.solver, self.state, self.data, self.stride = solver, state, data, stride
        self.plan = replace(plan, callbacks=(), judge=None)
        self.seed = self.turn = self.seen = 0

    def begin_epoch(self) -> int:
        """Draw the seed of the epoch; return the number of turns."""
        self.seed = int(self.state.rng.randint(np.iinfo(np.int32).max))
        self.turn = self.seen = 0
        return -(-max(self.data.sizes) // self.stride)

    def run(self, n_batches: int) -> Stretch:
        """Run the next turns of all partitions."""
        whole = Stretch()
        for _ in range(n_batches):
            sums = self._turn(self.seed, self.turn * self.stride)
            whole = whole.then(Stretch(sums.loss, sums.rows))
            self.turn += 1
            self.seen += sums.rows
            if not isfinite(whole.total):
                break
            self._take(sums)
        return whole._replace(learning_rate=self.solver.rate(self.state, 0.0))

    def _turn(self, seed: int, first: int) -> "Sums":
        """Run the steps of every partition that has rows left."""
        import dask

        state = self.state
        begin = replace(
            state, history=History(), memory={}, patience={}, best_theta=None, held_out=None
        )
        work = dask.delayed((self.plan, begin), traverse=False)
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
    plan, begin = work
    solver: Any = plan.solver
    state = begin.wake(begin.theta)
    if state.noise is not None:
        state.noise = np.random.default_rng([turn.seed, turn.partition, turn.first])
    rng = np.random.default_rng([turn.seed, turn.partition])
    order = rng.permutation(data.n_samples) if solver.shuffle else np.arange(data.n_samples)
    steps = BatchSteps(solver, plan, data, state)
    steps.begin(order[turn.first : turn.last], seen=turn.first)
    n = turn.last - turn.first
    return Sums(n, steps.run().loss * n, state.theta * n, _scaled(state.optimizer, n), state.step)


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
