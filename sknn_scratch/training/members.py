"""Joint training of several networks of equal shape, each on its own rows.

A member equals the result of the plain trainer for its weights, random numbers and rows.  It
has its own row order, optimizer state and stopping time.  Only the arithmetic of a step is
done for all members at once (:mod:`sknn_scratch.core.stack`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, Loss, Optimizer, Progress, Schedule, State
from sknn_scratch.core import linalg, probe, stack
from sknn_scratch.core.data import Batch, Data
from sknn_scratch.core.network import Network

#: Number of elements in a layer's buffer for scoring held-out rows.
BLOCK_ELEMENTS = 2**17


@dataclass
class Member:
    """State of one network that changes during training."""

    theta: Array
    rng: np.random.RandomState
    order: Array  #: its training rows, in the order of the last epoch
    held_out: Array  #: rows of the validation data to score it on; may be empty
    optimizer: State = field(default_factory=dict)
    best_theta: Array | None = None
    best_score: float = -inf
    best_step: int = 0
    step: int = 0
    epoch: int = 0
    scores: list[tuple[int, float]] = field(default_factory=list)  #: (step, score) of each check
    stop_reason: str = ""

    @property
    def kept(self) -> Array:
        """Parameters to store: the best ones, or the last ones without validation rows."""
        return self.theta if self.best_theta is None else self.best_theta

    @property
    def is_lost(self) -> bool:
        """True if the member has no usable parameters."""
        failed = self.stop_reason == "diverged" or bool(self.scores)
        return (failed and self.best_theta is None) or not np.isfinite(self.kept).all()


@dataclass(frozen=True)
class Task:
    """Objective and validation of all members."""

    network: Network
    loss: Loss
    data: Data
    validation: Data  #: data that ``held_out`` refers to, usually ``data``
    #: (members, rows, n_raw) raw outputs and (members, rows) row numbers -> one score for each.
    judge: Callable[[Array, Array], Array]


@dataclass(frozen=True)
class Together:
    """Mini-batch steps for all members at once, keeping the best of ``n_checks`` checks.

    A member stops after ``patience`` times as many steps as at its best check, but not before
    a sixth of all steps.
    """

    optimizer: Optimizer
    schedule: Schedule
    learning_rate_init: float
    batch_size: int
    max_iter: int
    n_checks: int = 48
    patience: float = inf

    def solve(self, task: Task, members: Sequence[Member]) -> None:
        """Train all members, which have equal numbers of rows."""
        groups = task.network.layout.groups
        probe.check_optimizer(self.optimizer, members[0].theta, groups)
        for member in members:
            member.optimizer = self.optimizer.init(member.theta, groups)
        with quiet_floats():
            _Loop(self, task, members).run()

    def is_over(self, member: Member, first_end: int) -> bool:
        """Return True if a member has not improved for too many steps."""
        return member.step >= max(first_end, self.patience * member.best_step)


class _Loop:
    """Members in training, and their buffers."""

    def __init__(self, how: Together, task: Task, members: Sequence[Member]) -> None:
        self.how, self.task = how, task
        self.n = len(members[0].order)
        self.size = min(how.batch_size, self.n)
        self.epoch = self.step = self.samples = 0
        self.judges = len(members[0].held_out) > 0
        total = how.max_iter * -(-self.n // self.size)
        self.checks = set(np.ceil(np.linspace(0, total, how.n_checks + 1)[1:]).astype(int).tolist())
        self.first_end = total // 6
        self.bind(members)

    def bind(self, members: Sequence[Member]) -> None:
        """Continue with these members; their parameters become the rows of one block."""
        self.members = list(members)
        if not members:
            return
        layout = self.task.network.layout
        self.block = np.stack([member.theta for member in members])
        for member, theta in zip(members, self.block, strict=True):
            member.theta = theta
        self.grads = np.empty_like(self.block)
        self.scratch = np.empty_like(self.block[0])
        self.params = stack.stack_params(layout, self.block)
        self.grad_params = stack.stack_params(layout, self.grads)
        self._buffers: dict[int, stack.StackBuffers] = {}

    def run(self) -> None:
        """Run epochs until every member has stopped."""
        while self.members and self.epoch < self.how.max_iter:
            for member in self.members:
                member.rng.shuffle(member.order)
            for start in range(0, self.n, self.size):
                self.train(start)
                if self.members and self.judges and self.step in self.checks:
                    self.check()
                if not self.members:
                    return
            self.epoch += 1
            self.samples += self.n
        for member in self.members:
            member.stop_reason = "max_iter"

    def train(self, start: int) -> None:
        """Make one step for each member, with the gradient of its own batch."""
        stop = min(start + self.size, self.n)
        buffers = self.buffers(stop - start)
        index = np.concatenate([member.order[start:stop] for member in self.members])
        batch = _gather(self.task.data, index, buffers.x)
        x, task = buffers.of_each(batch.x), self.task
        raw = stack.forward(task.network, self.params, x, buffers)
        value = task.loss.value_and_grad(batch.y, raw, batch.weight, buffers.grad)
        if not isfinite(value):
            self.drop_diverged(raw, batch)
            return self.train(start) if self.members else None
        weight_sums = self.weight_sums(batch)
        factor = np.divide(1.0, weight_sums, out=np.zeros_like(weight_sums), where=weight_sums > 0)
        delta = buffers.raw_of_each(buffers.grad)
        np.multiply(delta, factor[:, None, None], buffers.slots[-1].delta, casting="same_kind")
        stack.backward(task.network, self.params, self.grad_params, x, buffers)
        self.update(weight_sums > 0, start)
        return None

    def update(self, has_weight: Array, start: int) -> None:
        """Make an optimizer step for each member, except for batches of zero weight."""
        rate = self.rate(start)
        self.step += 1
        for member, grad, moves in zip(self.members, self.grads, has_weight, strict=True):
            if moves:
                optimizer = self.how.optimizer
                optimizer.update(grad, member.optimizer, member.theta, rate, self.scratch)
                member.theta += grad
            member.step, member.epoch = self.step, self.epoch + 1

    def rate(self, start: int) -> float:
        """Return the learning rate, as in the plain trainer."""
        fraction = min((self.epoch + start / self.n) / self.how.max_iter, 1.0)
        progress = Progress(self.epoch, self.step, self.samples, fraction, 0)
        return self.how.learning_rate_init * self.how.schedule(progress)

    def weight_sums(self, batch: Batch) -> Array:
        """Return the weight of each member's batch."""
        k, n = len(self.members), len(batch.y) // len(self.members)
        if batch.weight is None:
            return np.full(k, float(n))
        return np.asarray(batch.weight.reshape(k, n).sum(axis=1), dtype=np.float64)

    def buffers(self, n: int) -> stack.StackBuffers:
        """Return the buffers for batches of ``n`` rows of each member."""
        if n not in self._buffers:
            self._buffers[n] = stack.StackBuffers(
                self.task.network, len(self.members), n, self.block.dtype, trains=True
            )
        return self._buffers[n]

    # --- Stopping of members.

    def check(self) -> None:
        """Score all members on their held-out rows, keep the best weights, and stop members."""
        held_out = np.stack([member.held_out for member in self.members])
        thetas = [self.how.optimizer.readout(m.theta, m.optimizer) for m in self.members]
        raw = raw_of_members(self.task.network, self.task.validation.X, thetas, held_out)
        scores = self.task.judge(raw, held_out)
        for member, theta, score in zip(self.members, thetas, scores.tolist(), strict=True):
            member.scores.append((self.step, score))
            if score >= member.best_score and score > -inf:
                member.best_score, member.best_step = score, self.step
                member.best_theta = np.array(theta)
        over = [self.how.is_over(member, self.first_end) for member in self.members]
        self.leave(over, "stalled")

    def drop_diverged(self, raw: Array, batch: Batch) -> None:
        """Stop the members whose loss is not finite; the batch has not been applied."""
        k = len(self.members)
        cut = [slice(j * (len(raw) // k), (j + 1) * (len(raw) // k)) for j in range(k)]
        weights = [None if batch.weight is None else batch.weight[c] for c in cut]
        values = [
            self.task.loss.value(batch.y[c], raw[c], weight)
            for c, weight in zip(cut, weights, strict=True)
        ]
        diverged = [not isfinite(value) for value in values]
        self.leave(diverged if any(diverged) else [True] * k, "diverged")

    def leave(self, who: Sequence[bool], reason: str) -> None:
        """Stop some members, and continue with the others."""
        if not any(who):
            return
        for member, leaves in zip(self.members, who, strict=True):
            member.theta = np.array(member.theta)
            if leaves:
                member.stop_reason = reason
        self.bind([m for m, leaves in zip(self.members, who, strict=True) if not leaves])


def raw_of_members(network: Network, X: Array, thetas: Sequence[Array], index: Array) -> Array:
    """Return (members, rows, n_raw) raw outputs of each member for its row of ``index``."""
    k, n = index.shape
    params = stack.stack_params(network.layout, np.stack(list(thetas)))
    out = np.empty((k, n, network.units[-1]), thetas[0].dtype)
    size = max(1, min(n, BLOCK_ELEMENTS // (k * max(network.units[1:]))))
    made: dict[int, stack.StackBuffers] = {}
    for start in range(0, n, size):
        block = slice(start, min(start + size, n))
        rows = block.stop - start
        if rows not in made:
            made[rows] = stack.StackBuffers(network, k, rows, out.dtype, trains=False)
        x = X[index[:, block].ravel()].reshape(k, rows, -1)
        out[:, block] = made[rows].raw_of_each(stack.forward(network, params, x, made[rows]))
    return out


def _gather(data: Data, index: Array, x: Array) -> Batch:
    """Return the batch of the rows with these numbers; the rows of X are in the buffer ``x``."""
    weight = None if data.weight is None else data.weight[index]
    linalg.take_rows_into(data.X, index, x)
    return Batch(x, data.columns(index).T, weight, float(len(index)))
