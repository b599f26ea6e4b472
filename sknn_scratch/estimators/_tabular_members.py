"""Members of an ensemble: held-out rows, training, and conversion to plain networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs

from sknn_scratch.contracts import Activation, Array, Initializer, Site
from sknn_scratch.core.layers import Dense, ScaledDense
from sknn_scratch.core.network import Network
from sknn_scratch.fitting import _blas_limits
from sknn_scratch.fitting._blame import noting_components
from sknn_scratch.training.members import Member, Task, Together

#: Maximum bytes of parameters, gradients, moments and buffers in a stack. Larger stacks exceed the
#: caches, smaller ones have more call overhead: four members are 10 % faster than eight, or one.
STACK_BYTES = 2**22
#: Minimum number of rows in a fold; with less, nothing is held out.
SMALLEST_FOLD = 5


def make_network(
    n_in: int, hidden: Sequence[int], n_raw: int, activations: Sequence[Activation], scaled: bool
) -> Network:
    """Return dense layers, the first one with learned feature scales if ``scaled``."""
    layers = [Dense(units, f) for units, f in zip(hidden, activations, strict=True)]
    layers.append(Dense(n_raw))
    if scaled:
        layers[0] = ScaledDense(layers[0].units, layers[0].activation)
    return Network(n_in, layers)


def folds(n: int, n_folds: int, strata: Array | None, rng: np.random.RandomState) -> list[Array]:
    """Return ``n_folds`` disjoint lists of row numbers of equal length.

    Rows are distributed class by class; up to ``n_folds`` - 1 rows remain.
    """
    n_folds = min(n_folds, n // SMALLEST_FOLD)
    if n_folds < 2:
        return [np.empty(0, dtype=np.intp)]
    dealt = rng.permutation(n)
    if strata is not None:
        dealt = dealt[np.argsort(strata[dealt], kind="stable")]
    return [np.sort(dealt[k::n_folds][: n // n_folds]) for k in range(n_folds)]


def draw_member(
    network: Network, initializer: Initializer, seed: int, held_out: Array, order: Array
) -> Member:
    """Return an untrained member; its generator draws weights first, then orders of rows."""
    rng = np.random.RandomState(seed)
    return Member(draw(network, initializer, rng), rng, order, held_out)


def draw(network: Network, initializer: Initializer, rng: np.random.RandomState) -> Array:
    """Return initial parameters: weights and biases of the initializer, feature scales of 1."""
    theta = np.ones(network.layout.size, np.float32)
    layers = [layer for layer in network.layers if isinstance(layer, Dense)]
    last = next((x.activation for x in layers[-2::-1] if x.activation is not None), None)
    for k, (layer, arrays) in enumerate(
        zip(layers, network.layout.params(theta).layers, strict=True)
    ):
        activation: Any = layer.activation or last
        initializer.fill(arrays[0], arrays[1], rng, Site(k, len(layers), activation))
    return theta


def train(how: Together, task: Task, members: list[Member], n_jobs: int | None) -> list[Member]:
    """Train all members, in stacks that fit a core's cache and in parallel processes."""
    n_jobs = effective_n_jobs(n_jobs)
    size = stack_size(task.network, how.batch_size)
    size = max(1, min(size, -(-len(members) // n_jobs)))
    stacks = [members[k : k + size] for k in range(0, len(members), size)]
    if n_jobs == 1 or len(stacks) == 1:
        for stack in stacks:
            _train_stack(how, task, stack)
        return members
    done = Parallel(n_jobs=n_jobs)(delayed(_train_stack)(how, task, stack) for stack in stacks)
    return [member for stack in done for member in stack]


def stack_size(network: Network, batch_size: int) -> int:
    """Return the number of members to train together, limited by STACK_BYTES."""
    numbers = 4 * network.layout.size + 2 * batch_size * sum(network.units)
    return max(1, int(STACK_BYTES // (4 * numbers)))


@noting_components()  # here, for a traceback does not leave a process
def _train_stack(how: Together, task: Task, stack: list[Member]) -> list[Member]:
    with _blas_limits.suited(task.network, how.batch_size):
        how.solve(task, stack)
    return stack


def folded(network: Network, theta: Array, factor: Any, shift: Any = 0.0) -> Array:
    """Return the parameters of a plain network that include feature scales, factor and shift.

    (x ∘ s) W = x (diag(s) W), and factor (a W + b) + shift = a (W ∘ factor) + factor b + shift.
    """
    params = [tuple(map(np.array, arrays)) for arrays in network.layout.params(theta).layers]
    if len(params[0]) == 3:
        W, b, s = params[0]
        params[0] = (W * s[:, None], b)
    W, b = params[-1]
    params[-1] = (W * factor, b * factor + shift)
    parts = [arrays[k].ravel() for k in (0, 1) for arrays in params]
    return np.concatenate(parts).astype(theta.dtype)
