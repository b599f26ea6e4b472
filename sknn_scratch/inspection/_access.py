"""Access to estimators; the only file of this package that uses their private attributes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sknn_scratch.contracts import Loss
from sknn_scratch.core.data import Data
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective


def last_step(estimator: Any) -> Any:
    """Return the estimator of the network: the best of a search, the last step of a pipeline."""
    inner = getattr(estimator, "best_estimator_", None)
    if inner is None and getattr(estimator, "steps", None):
        inner = estimator.steps[-1][1]
    return estimator if inner is None else last_step(inner)


def fitted(estimator: Any, attribute: str, reader: str) -> Any:
    """Return a fitted attribute; raise ValueError if it does not exist."""
    value = getattr(estimator, attribute, None)
    if value is None:
        raise ValueError(
            f"The estimator of {reader} must be a fitted network with the attribute {attribute}. "
            f"Got {type(estimator).__name__} without it: call fit first."
        )
    return value


def network_and_loss(estimator: Any, reader: str) -> tuple[Network, Loss]:
    """Return the network for predicting and the loss, as resolved during fitting."""
    network: Network = fitted(estimator, "_network", reader)
    return network, estimator._loss


def activation_names(network: Network, loss: Loss) -> list[str]:
    """Return the expression of each layer's activation; for the output, the inverse link."""
    hidden = [layer for layer in network.layers[:-1] if isinstance(layer, Dense)]
    names = [repr(layer.activation).removesuffix("()") for layer in hidden]
    return [*names, loss.out_activation]


def kind(network: Network, k: int) -> str:
    """Return the kind of a layer, "hidden" or "output"."""
    return "output" if k == len(network.layers) - 1 else "hidden"


def dropout_rates(estimator: Any, network: Network) -> list[float]:
    """Return one rate for each hidden layer."""
    given, n_hidden = getattr(estimator, "dropout", 0.0), len(network.units) - 2
    rates = given if isinstance(given, Sequence) else [given] * n_hidden
    return [float(rate) for rate in rates]


def n_targets(estimator: Any) -> int:
    """Return the number of columns of y passed to the loss."""
    targets = estimator._targets
    is_one_column = targets.task == "binary" and not estimator._loss.one_hot
    return 1 if is_one_column else int(targets.n_targets)


def training_problem(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Objective, Data]:
    """Return the objective, and the given rows, encoded as for training."""
    network_and_loss(estimator, "trace")
    problem: tuple[Objective, Data] = estimator._problem(X, y, sample_weight)
    return problem
