"""One training step, in everybody's words.

``fit`` of sknn_scratch and of scikit-learn is timed whole, for some epochs. PyTorch runs a plain
eager loop over one epoch of the same data, ready as tensors: batches of shuffled rows, forward,
loss, backward, a fused optimizer; it keeps no loss, and checks nothing. skorch fits one epoch,
without validation, callbacks and printing, on fewer rows, as its loader is slow. The bare products
are the step's matrix products and nothing else, into arrays that are there already. All times are
divided by the number of steps.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse
from sklearn.neural_network import MLPClassifier as TheirMLP

from benchmarks._frame import Case, clock
from sknn_scratch import MLPClassifier

ALPHA = 1e-4
RATE = 1e-3


class Work(NamedTuple):
    """What is trained, on what, how."""

    X: Any
    y: Any
    hidden: tuple[int, ...]
    batch: int
    epochs: int
    solver: str
    activation: str

    @property
    def steps(self) -> int:
        """Steps of one epoch."""
        return len(self.y) // self.batch

    @property
    def units(self) -> tuple[int, ...]:
        return (self.X.shape[1], *self.hidden, int(self.y.max()) + 1)


# ------------------------------------------------------------------------------------ estimators
def settings(work: Work) -> dict[str, Any]:
    """Return parameters that mean the same in both libraries."""
    return {
        "hidden_layer_sizes": work.hidden,
        "batch_size": work.batch,
        "solver": work.solver,
        "activation": work.activation,
        "alpha": ALPHA,
        "learning_rate_init": RATE,
        "max_iter": work.epochs,
        "n_iter_no_change": work.epochs,
        "random_state": 0,
    }


def fit(estimator: Any, work: Work, repeat: int) -> float:
    """Return the seconds of one step of an estimator's ``fit``."""
    return clock(lambda: estimator.fit(work.X, work.y)) / (work.steps * work.epochs)


def ours(work: Work) -> Case:
    return partial(fit, MLPClassifier(**settings(work)), work)


def scikit_learn(work: Work) -> Case:
    return partial(fit, TheirMLP(**settings(work)), work)


# --------------------------------------------------------------------------------------- PyTorch
def has_torch() -> bool:
    """Import PyTorch, or say why it takes no part."""
    try:
        import torch  # noqa: F401
    except ImportError:
        print("PyTorch takes no part, as it is not installed: pip install '.[bench]'")
        return False
    return True


def module(work: Work) -> Any:
    """Return the network as a torch.nn.Sequential."""
    from torch import nn

    made = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}[work.activation]
    layers: list[Any] = []
    for n_in, n_out in pairwise(work.units):
        layers += [nn.Linear(n_in, n_out), made()]
    return nn.Sequential(*layers[:-1]).to(torch_type(work))


def torch_type(work: Work) -> Any:
    import torch

    return getattr(torch, work.X.dtype.name)


def optimizer(work: Work) -> tuple[Any, dict[str, Any]]:
    """Return the class, and the parameters that make it equal ours."""
    import torch

    common = {"lr": RATE, "weight_decay": ALPHA / work.batch, "fused": True}
    if work.solver == "adam":
        return torch.optim.Adam, common
    return torch.optim.SGD, common | {"momentum": 0.9, "nesterov": True}


def epoch(net: Any, step: Any, X: Any, y: Any, batch: int) -> None:
    """Train once on all rows, in a new order."""
    import torch

    loss = torch.nn.functional.cross_entropy
    for index in torch.randperm(len(y)).split(batch):
        step.zero_grad(set_to_none=True)
        loss(net(X[index]), y[index]).backward()
        step.step()


def pytorch(work: Work) -> Case:
    import torch

    net, (make, params) = module(work), optimizer(work)
    step = make(net.parameters(), **params)
    X, y = torch.from_numpy(work.X), torch.from_numpy(work.y)
    return lambda _: clock(lambda: epoch(net, step, X, y, work.batch)) / work.steps


def skorch(work: Work) -> Case:
    from skorch import NeuralNetClassifier
    from torch.nn import CrossEntropyLoss

    make, params = optimizer(work)
    net = NeuralNetClassifier(
        module(work),
        criterion=CrossEntropyLoss,
        optimizer=make,
        **{f"optimizer__{name}": value for name, value in params.items() if name != "lr"},
        lr=RATE,
        batch_size=work.batch,
        iterator_train__shuffle=True,
        max_epochs=1,
        train_split=None,
        callbacks="disable",
        verbose=0,
    )
    steps = max(work.steps // 10, min(work.steps, 10))
    some = slice(steps * work.batch)
    return lambda _: clock(lambda: net.fit(work.X[some], work.y[some])) / steps


# --------------------------------------------------------------------------------- bare products
def products(work: Work) -> list[Callable[[], object]]:
    """Return the matrix products of a step: forward, weight gradients, deltas backward."""
    rng = np.random.default_rng(0)
    first = work.X[: work.batch]

    def full(*shape: int) -> Any:
        return rng.standard_normal(shape).astype(work.X.dtype)

    found: list[Callable[[], object]] = []
    for layer, (n_in, n_out) in enumerate(pairwise(work.units)):
        a, W = full(work.batch, n_in) if layer else first, full(n_in, n_out)
        z = full(work.batch, n_out)
        found += [product(a, W, z), product(a.T, z, np.empty_like(W))]
        if layer:
            found.append(product(z, W.T, np.empty_like(a)))
    return found


def product(a: Any, b: Any, out: Any) -> Callable[[], object]:
    if sparse.issparse(a):
        return lambda: a @ b
    return lambda: np.dot(a, b, out=out)


def bare(work: Work) -> Case:
    todo = products(work)

    def steps() -> None:
        for _ in range(work.steps):
            for each in todo:
                each()

    return lambda _: clock(steps) / work.steps
