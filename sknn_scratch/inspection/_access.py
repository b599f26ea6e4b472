"""What inspection reads of an estimator; the only file here that knows private names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.core.layers import Dense
from sknn_scratch.core.linalg import is_sparse
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective


def last_step(estimator: Any) -> Any:
    """Return the network's estimator: the best one of a search, the last step of a pipeline."""
    inner = getattr(estimator, "best_estimator_", None)
    if inner is None and getattr(estimator, "steps", None):
        inner = estimator.steps[-1][1]
    return estimator if inner is None else last_step(inner)


def fitted(estimator: Any, attribute: str, reader: str) -> Any:
    """Return a fitted attribute; raise ValueError if it is not there."""
    value = getattr(estimator, attribute, None)
    if value is None:
        raise ValueError(
            f"The estimator of {reader} must be a fitted network with the attribute {attribute}. "
            f"Got {type(estimator).__name__} without it: call fit first."
        )
    return value


def network_and_loss(estimator: Any, reader: str) -> tuple[Network, Loss]:
    """Return the network that predicts, and the loss, as they were resolved when fitting."""
    network: Network = fitted(estimator, "_network", reader)
    return network, estimator._loss


def activation_names(network: Network, loss: Loss) -> list[str]:
    """Return how the activation of each layer is written; of the output, the inverse link."""
    hidden = [layer for layer in network.layers[:-1] if isinstance(layer, Dense)]
    names = [repr(layer.activation).removesuffix("()") for layer in hidden]
    return [*names, loss.out_activation]


def kind(network: Network, k: int) -> str:
    """Return what a layer is: hidden, or the output."""
    return "output" if k == len(network.layers) - 1 else "hidden"


def dropout_rates(estimator: Any, network: Network) -> list[float]:
    """Return one rate for each hidden layer."""
    given, n_hidden = getattr(estimator, "dropout", 0.0), len(network.units) - 2
    rates = given if isinstance(given, Sequence) else [given] * n_hidden
    return [float(rate) for rate in rates]


def n_targets(estimator: Any) -> int:
    """Return the columns of y that the loss sees."""
    targets = estimator._targets
    is_one_column = targets.task == "binary" and not estimator._loss.one_hot
    return 1 if is_one_column else int(targets.n_targets)


class _How(NamedTuple):
    """How the estimators' own steps are asked to read more data of a known kind."""

    is_new: bool = False
    one_pass: bool = True


def training_problem(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Objective, Data]:
    """Return the objective, and the given rows in the form in which training sees them."""
    network, loss = network_and_loss(estimator, "trace")
    X = X.tocsr() if is_sparse(X) else np.asarray(X)
    y = y if is_sparse(y) else np.asarray(y)
    weight = None if sample_weight is None else np.asarray(sample_weight, np.float64)
    _check_rows(network, X, y, weight)
    targets = estimator._read_targets(y, _How(), None)
    weight = estimator._weigh(weight, y, targets, _How(one_pass=False))
    data = estimator._encode(X, y, weight, targets, loss, estimator.theta_.dtype)
    return Objective(network, loss, float(estimator.alpha), float(estimator.l1_ratio)), data


def _check_rows(network: Network, X: Any, y: Any, weight: Array | None) -> None:
    """Raise unless X has the network's features, and y and the weights one entry per row."""
    if X.ndim != 2 or X.shape[1] != network.n_in or X.shape[0] == 0:
        raise ValueError(
            f"X of trace must have one row or more of {network.n_in} features. Got shape {X.shape}."
        )
    for name, values in (("y", y), ("sample_weight", weight)):
        if values is not None and values.shape[:1] != X.shape[:1]:
            raise ValueError(
                f"{name} of trace must have one entry for each of the {X.shape[0]} rows of X. "
                f"Got shape {values.shape}."
            )
