"""Steps of an epoch, made by the source of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from math import isfinite, nan
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg, weighting
from sknn_scratch.core.data import Batch, Batches, Data
from sknn_scratch.core.layout import Params
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Buffers, Workspace
from sknn_scratch.training.state import Plan, TrainingState

if TYPE_CHECKING:
    from sknn_scratch.training.minibatch import MiniBatch

#: Number of elements in the widest layer's buffer, for sums over row blocks.
BLOCK_ELEMENTS = 2**20


class Stretch(NamedTuple):
    """Result of consecutive steps."""

    total: float = 0.0  #: sum of the objective over rows, or its first value that is not finite
    rows: int = 0  #: number of rows in the sum
    learning_rate: float = nan  #: of the last step
    gradient_norm: float = nan  #: of the last batch

    def then(self, later: Stretch) -> Stretch:
        """Return the result of this stretch and the next one."""
        if not isfinite(later.total):
            return later
        return later._replace(total=self.total + later.total, rows=self.rows + later.rows)

    @property
    def loss(self) -> float:
        """Mean of the objective over rows; 0 if none has weight."""
        return self.total / (self.rows or 1)


class Steps(Protocol):
    """Steps of one fit on the rows of a :class:`Source`."""

    seen: int  #: number of rows of this epoch that were used

    def begin_epoch(self) -> int:
        """Determine the order of rows; return the number of batches of the epoch."""

    def run(self, n_batches: int) -> Stretch:
        """Make the steps of the next batches; end at a value that is not finite."""


class Total(Protocol):
    """Sum of the losses over all rows."""

    weight_sum: float

    def __call__(self, params: Params, total: Params, factor: float) -> float:
        """Return ``factor`` times the sum of the losses; write its gradient into ``total``."""


class Source(Protocol):
    """Place that has the rows of a fit, such as memory or the workers of a cluster."""

    @property
    def n_samples(self) -> int:
        """Number of rows."""

    @property
    def sample(self) -> Data:
        """Some rows, or all, which have the form of all rows."""

    def steps(self, solver: MiniBatch, plan: Plan, state: TrainingState) -> Steps:
        """Return the steps of a mini-batch solver."""

    def total(self, objective: Objective, dtype: Any) -> Total:
        """Return the sum over all rows."""


class InMemory(NamedTuple):
    """Rows in memory, or mapped from a file."""

    sample: Data

    @property
    def n_samples(self) -> int:
        """Number of rows."""
        return self.sample.n_samples

    def steps(self, solver: MiniBatch, plan: Plan, state: TrainingState) -> BatchSteps:
        """Return steps on mini-batches."""
        return BatchSteps(solver, plan, self.sample, state)

    def total(self, objective: Objective, dtype: Any) -> BlockTotal:
        """Return the sum over row blocks."""
        return BlockTotal(objective, self.sample, dtype)


class GradientSteps:
    """Base of steps along gradients, with the vectors of a step."""

    def __init__(self, solver: MiniBatch, plan: Plan, state: TrainingState) -> None:
        self.solver, self.state, self.objective = solver, state, plan.objective
        layout = plan.objective.network.layout
        self.params = layout.params(state.theta)
        self.grads = layout.params(np.empty_like(state.theta))
        self.scratch = np.empty_like(state.theta)
        self.rate, self.gradient_norm = nan, nan
        self.seen = 0

    def move(self, value: float, is_last: bool) -> None:
        """Make one step along the gradient in ``grads`` if the objective is finite."""
        state, direction = self.state, self.grads.vector
        if is_last:
            self.gradient_norm = linalg.norm(direction)
        if isfinite(value):
            update = self.solver.optimizer.update
            update(direction, state.optimizer, state.theta, self.rate, self.scratch)
            linalg.add_scaled(1.0, direction, state.theta)
            state.step += 1


class BatchSteps(GradientSteps):
    """Steps on mini-batches, with their buffers."""

    def __init__(self, solver: MiniBatch, plan: Plan, data: Data, state: TrainingState) -> None:
        super().__init__(solver, plan, state)
        self.data = data
        self.order = np.arange(data.n_samples) if state.order is None else state.order
        self.n = len(self.order)
        self.batch_size = min(solver.batch_size, self.n)
        self.batches = Batches(data, self.batch_size)
        self.workspace = Workspace(plan.objective.network, self.batch_size, state.theta.dtype)
        self._coming: Iterator[Batch] = iter(())

    def begin_epoch(self) -> int:
        """Draw the order of rows; return the number of batches."""
        self.begin(self._next_order())
        return -(-self.n // self.batch_size)

    def begin(self, order: Array, seen: int = 0) -> None:
        """Continue with these rows of an epoch, after ``seen`` previous rows."""
        self.seen, self._coming = seen, self.batches.in_order(order)
        self.rate = self._rate(seen)

    def _next_order(self) -> Array:
        """Return the row numbers of an epoch, in order."""
        if not isinstance(self.solver.shuffle, bool):
            order: Array = self.solver.shuffle.draw(self.order, self.state.rng)
            return order
        if self.solver.shuffle:
            self.state.rng.shuffle(self.order)
        return self.order

    def run(self, n_batches: int | None = None) -> Stretch:
        """Make the steps of the next batches, by default of all; skip batches without weight."""
        total, counted, per_step = 0.0, 0, self.solver.schedule.per_step
        seen, self.gradient_norm = self.seen, nan
        for k, batch in enumerate(islice(self._coming, n_batches), 1):
            n = len(batch.y)
            seen += n
            if batch.weight_sum == 0:
                continue
            if per_step:
                self.rate = self._rate(seen - n)
            is_last = k == n_batches or seen == self.n
            value = self.step(batch, self.workspace.rows(n), is_last)
            if not isfinite(value):
                total, counted = value, 1
                break
            total += value * n
            counted += n
        self.seen = seen
        return Stretch(total, counted, self.rate, self.gradient_norm)

    def step(self, batch: Batch, rows: Buffers, is_last: bool) -> float:
        """Return the objective, and make one step if it is finite."""
        noise = self.state.noise
        value = self.objective.value_and_grad(self.params, batch, rows, self.grads, noise)
        self.move(value, is_last)
        return value

    def _rate(self, seen: int) -> float:
        return self.solver.rate(self.state, seen / self.n)


class AllRowsSteps(GradientSteps):
    """One step per epoch, on the gradient over all rows."""

    def __init__(self, solver: MiniBatch, plan: Plan, source: Source, state: TrainingState) -> None:
        super().__init__(solver, plan, state)
        self.total, self.n = source.total(plan.objective, state.theta.dtype), source.n_samples

    def begin_epoch(self) -> int:
        """Return 1, as all rows are one batch."""
        self.seen = 0
        return 1

    def run(self, n_batches: int) -> Stretch:
        """Make the step; return the objective before it."""
        weight_sum = self.total.weight_sum
        self.rate = self.solver.rate(self.state, 0.0)
        value = self.total(self.params, self.grads, 1.0 / weight_sum)
        value += self.objective.penalty(self.params, self.grads, weight_sum)
        self.move(value, is_last=True)
        self.seen = self.n
        return Stretch(value * self.n, self.n, self.rate, self.gradient_norm)


class BlockTotal:
    """Sum of the losses over all rows, and its gradient, as a sum over row blocks."""

    def __init__(self, objective: Objective, data: Data, dtype: Any) -> None:
        self.objective, self.data = objective, data
        network, n = objective.network, data.n_samples
        self.part = network.layout.params(np.empty(network.layout.size, dtype))
        size = max(1, min(n, BLOCK_ELEMENTS // max(network.units[1:])))
        self.blocks = [slice(k, min(k + size, n)) for k in range(0, n, size)]
        # A single block is gathered once; keeping several would duplicate the targets.
        self.only = data.batch(self.blocks[0]) if len(self.blocks) == 1 else None
        self.workspace = Workspace(network, size, dtype)
        self.weight_sum = weighting.total(data.weight, n)

    def __call__(self, params: Params, total: Params, factor: float) -> float:
        """Return ``factor`` times the sum of the losses; write its gradient into ``total``."""
        value = self._block(self.blocks[0], params, total, factor)
        for block in self.blocks[1:]:
            value += self._block(block, params, self.part, factor)
            linalg.add_scaled(1.0, self.part.vector, total.vector)
        return value

    def _block(self, block: slice, params: Params, grads: Params, factor: float) -> float:
        batch = self.only or self.data.batch(block)
        rows = self.workspace.rows(block.stop - block.start)
        return self.objective.data_term(params, batch, rows, grads, factor)
