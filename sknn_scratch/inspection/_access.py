"""Access to estimators; the only file of ``inspection`` that uses their private attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sknn_scratch.contracts import Loss
from sknn_scratch.core.data import Data
from sknn_scratch.core.layers import Dense, Dropout
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective

#: Attributes of scikit-learn's estimators that change the predictions of an inner estimator.
_ONE = ("regressor_", "estimator_")
#: Kinds of columns of a table, and their names.
_KINDS = {"number": "numeric", "category": "categorical", "time": "datetime", "missing": "missing"}
#: Attributes of estimators that transform X or y before the network, with remedies.
_CHANGES = {
    "steps": "of a pipeline, write trace(pipe[-1], pipe[:-1].transform(X), y)",
    "regressor_": "write trace(model.regressor_, X, "
    "model.transformer_.transform(y.reshape(len(y), -1)).squeeze())",
    "preprocessor_": "write trace(model.estimators_[0], model.preprocessor_.transform(X), y)",
}


def chain(estimator: Any) -> Iterator[Any]:
    """Yield an estimator, then its fitted inner estimator, and so on down to the network."""
    while estimator is not None:
        yield estimator
        estimator = _inner(estimator)


def _inner(estimator: Any) -> Any:
    """Return the only fitted estimator inside another, or None if it has none or several."""
    _, members = _members(estimator)
    if members:  # their estimator_ is not fitted
        return members[0] if len(members) == 1 else None
    for name in _ONE:
        if getattr(estimator, name, None) is not None:
            return getattr(estimator, name)
    return passed_on(estimator)


def passed_on(estimator: Any) -> Any:
    """Return the estimator whose predictions another one passes on unchanged, or None.

    It is the last step of a pipeline, the best estimator of a search, or a frozen estimator.
    """
    if type(estimator).__name__ == "FrozenEstimator":  # has all attributes of the inner one
        return estimator.estimator
    steps = getattr(estimator, "steps", None)
    return steps[-1][1] if steps else getattr(estimator, "best_estimator_", None)


def _members(estimator: Any) -> tuple[str, list[Any]]:
    """Return the expression for the first of several fitted estimators, and all of them."""
    if getattr(estimator, "estimators_", None) is not None:
        members = estimator.estimators_
        return "estimators_[0]", list(members.ravel() if hasattr(members, "ravel") else members)
    calibrated = getattr(estimator, "calibrated_classifiers_", ())
    return "calibrated_classifiers_[0].estimator", [one.estimator for one in calibrated]


def last_step(estimator: Any) -> Any:
    """Return the estimator of the network: the best of a search, the last step of a pipeline."""
    return [estimator, *chain(estimator)][-1]


def networks(estimator: Any) -> list[Any]:
    """Return the estimators of networks: a single one, or the members of an ensemble."""
    last = last_step(estimator)
    _, members = _members(last)
    return [network for member in members for network in networks(member)] or [last]


def is_ensemble(estimator: Any) -> bool:
    """Return True if an estimator is an ensemble, of any number of members, or contains one."""
    return any(_members(outer)[1] for outer in chain(estimator))


def table(estimator: Any) -> Any:
    """Return the ensemble on encoded columns in an estimator, or None."""
    found = [outer for outer in chain(estimator) if hasattr(outer, "preprocessor_")]
    return found[-1] if found else None


def alike(estimator: Any) -> list[str | None]:
    """Return the kind of each network of an ensemble: members of one kind can be averaged.

    The kind is the class of the loss. It is None unless members solve one problem, as those of a
    table do: other ensembles have members for different targets, or of any classes.
    """
    members, is_table = networks(estimator), table(estimator) is not None
    return [type(member._loss).__name__ if is_table else None for member in members]


def encoded_columns(preprocessor: Any) -> list[dict[str, Any]]:
    """Return the number of columns and of encoded features of each kind of column that exists."""
    kinds = preprocessor.kinds_
    n_numeric = kinds.count("number")  # numbers of columns, below; those of datetimes follow
    features = dict.fromkeys(_KINDS, 0)
    widths = [(j, 1) for j in (*preprocessor._shown, *preprocessor._indicated)]
    widths += [(j, len(bins.left)) for j, bins in preprocessor._bins]
    for j, width in widths:
        features["number" if j < n_numeric else "time"] += width
    features["category"] = sum(levels.width for _, levels in preprocessor._levels)
    rows: list[dict[str, Any]] = [
        {"kind": name, "columns": kinds.count(kind), "features": features[kind]}
        for kind, name in _KINDS.items()
        if kind in kinds
    ]
    for row in rows:
        is_binned = row["features"] and row["kind"] in ("numeric", "datetime")
        row["bins"] = preprocessor.n_bins_ if is_binned else 0
    return rows


def rows_per_step(network: Any) -> int | None:
    """Return the number of rows in a batch of the last training; None if it is unknown."""
    size: int | None = network._rows_per_step
    return size


def gathers_rows(network: Any) -> bool:
    """Return True if steps of training gather the rows of X of a batch, unlike those of L-BFGS."""
    return network._optimizer is not None


def unchanged_data(estimator: Any, reader: str) -> Any:
    """Return the estimator of the network; raise ValueError if X or y are transformed before."""
    for outer in chain(estimator):
        for mark, advice in _CHANGES.items():
            if getattr(outer, mark, None) is not None:
                raise ValueError(
                    f"The estimator of {reader} must be the network itself. "
                    f"Got {type(outer).__name__}: {advice}."
                )
        if _members(outer)[1]:  # members may have been fitted to other rows and encoded labels
            fitted(outer, "theta_", reader)
    return last_step(estimator)


def fitted(estimator: Any, attribute: str, reader: str) -> Any:
    """Return a fitted attribute; raise ValueError if it does not exist."""
    value = getattr(estimator, attribute, None)
    if value is None and _is_unfitted(estimator):
        raise ValueError(
            f"The estimator of {reader} must be fitted. "
            f"Got an unfitted {type(estimator).__name__}: call fit first."
        )
    if value is None or isinstance(estimator, type):
        name = getattr(estimator, "__name__", type(estimator).__name__)
        raise ValueError(
            f"The estimator of {reader} must be a fitted network with the attribute {attribute}. "
            f"Got {name} without it: {_remedy(estimator, attribute)}."
        )
    return value


def _is_unfitted(estimator: Any) -> bool:
    """Return True for an instance of an estimator without any fitted attribute."""
    if isinstance(estimator, type) or not hasattr(estimator, "fit"):
        return False
    attributes = getattr(estimator, "__dict__", {})
    return not any(name.endswith("_") and not name.startswith("_") for name in attributes)


def _remedy(estimator: Any, attribute: str) -> str:
    """Return the remedy for an estimator that lacks an attribute of a network."""
    if isinstance(estimator, type):
        return f"write {estimator.__name__}(), not the class, and call fit first"
    first, members = _members(estimator)
    if members and hasattr(last_step(members[0]), attribute):
        return f"it holds networks, so pass one of them, such as model.{first}"
    if hasattr(estimator, "coefs_"):
        return f"pass sknn_scratch.{type(estimator).__name__}.from_sklearn(model)"
    if hasattr(estimator, "fit"):
        return "pass the network itself (a search needs refit=True to have one)"
    return "pass an estimator"


def network_and_loss(estimator: Any, reader: str) -> tuple[Network, Loss]:
    """Return the network for predicting and the loss, as resolved during fitting."""
    fitted(estimator, "theta_", reader)
    return estimator._network, estimator._loss


def activation_names(network: Network, loss: Loss) -> list[str]:
    """Return the expression of each layer's activation; for the output, the inverse link."""
    hidden = [layer for layer in network.layers[:-1] if isinstance(layer, Dense)]
    names = [repr(layer.activation).removesuffix("()") for layer in hidden]
    return [*names, loss.out_activation]


def kind(network: Network, k: int) -> str:
    """Return the kind of a layer, "hidden" or "output"."""
    return "output" if k == len(network.layers) - 1 else "hidden"


def training_network(estimator: Any) -> Network:
    """Return the network of training, which may have dropout."""
    network: Network = estimator._training_network
    return network


def dropout_rates(network: Network) -> list[float]:
    """Return one rate for each hidden layer of a network of training."""
    rates: list[float] = []
    for layer in network.layers[:-1]:
        if isinstance(layer, Dropout):
            rates[-1] = layer.rate
        else:
            rates.append(0.0)
    return rates


def n_targets(estimator: Any) -> int:
    """Return the number of columns of y passed to the loss."""
    return int(estimator._targets.n_columns(estimator._loss))


def training_problem(estimator: Any, X: Any, y: Any, sample_weight: Any) -> tuple[Objective, Data]:
    """Return the objective, and the given rows, encoded as for training."""
    network_and_loss(estimator, "trace")
    problem: tuple[Objective, Data] = estimator._problem(X, y, sample_weight)
    return problem
