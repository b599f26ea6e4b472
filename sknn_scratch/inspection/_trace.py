"""Backpropagation made visible: all arrays of one forward and one backward pass."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array
from sknn_scratch.core import linalg
from sknn_scratch.core.layout import Params
from sknn_scratch.core.objective import Objective
from sknn_scratch.core.workspace import Buffers, Workspace
from sknn_scratch.inspection import _access


@dataclass(frozen=True, repr=False)
class LayerTrace:
    """Arrays of one layer in one pass: ``z = x W + b``, ``a = f(z)``, and derivatives of J.

    Attributes
    ----------
    index : int
        Number of the layer, from 0: its weights are ``coefs_[index]``.
    kind : {"hidden", "output"}
        Kind of the layer.
    activation : str
        Expression of f; for the output layer, the name of the inverse link.
    x : (rows, fan_in)
        Input: X, or ``a`` of the layer below.
    W, b : (fan_in, fan_out) and (fan_out,)
        Weights and biases.
    z : (rows, fan_out)
        Synaptic input.
    a : (rows, fan_out)
        Activation; for the output layer, the prediction.
    delta : (rows, fan_out)
        δ = ∂J/∂z. Each row is divided by the sum of the sample weights, as J is a mean.
    dJ_dW : (fan_in, fan_out)
        ∂J/∂W = xᵀ δ plus the gradient of the penalty, α W / Σ w without ``l1_ratio``.
    dJ_db : (fan_out,)
        ∂J/∂b = Σ δ over rows.
    """

    index: int
    kind: str
    activation: str
    x: Any
    W: Array
    b: Array
    z: Array
    a: Array
    delta: Array
    dJ_dW: Array
    dJ_db: Array

    def __repr__(self) -> str:
        parts = {
            "x": self.x,
            "W": self.W,
            "b": self.b,
            "z": self.z,
            "a": self.a,
            "δ": self.delta,
            "∂J/∂W": self.dJ_dW,
            "∂J/∂b": self.dJ_db,
        }
        head = f"layer {self.index}: {self.kind}, {self.activation}"
        columns = f"  {'':<6}{'shape':<14}{'rms':>10}{'first values':>16}"
        return "\n".join([head, columns, *(_line(*item) for item in parts.items())])


@dataclass(frozen=True, repr=False)
class Trace:
    """Results of one forward and one backward pass; every array is a copy.

    Attributes
    ----------
    J : float
        Objective, ``loss + penalty``.
    loss : float
        Weighted mean of the losses of the rows.
    penalty : float
        α / (2 Σ w) Σ W², without ``l1_ratio``.
    y : (rows, n_targets)
        Encoded targets: classes are columns of 0 and 1, and targets of a member of a tabular
        regressor are divided by its scale.
    sample_weight : (rows,) or None
        Sample weights, multiplied by class weights.
    layers : tuple of LayerTrace
        Arrays of each layer.
    """

    J: float
    loss: float
    penalty: float
    y: Array
    sample_weight: Array | None
    layers: tuple[LayerTrace, ...]

    @property
    def y_pred(self) -> Array:
        """Predictions on the scale of ``y``, which are ``a`` of the output layer."""
        return self.layers[-1].a

    def __repr__(self) -> str:
        rows = "1 row" if len(self.y) == 1 else f"{len(self.y)} rows"
        head = f"J = {self.J:.6g} over {rows}: loss {self.loss:.6g} + penalty {self.penalty:.6g}"
        return "\n\n".join([head, *map(repr, self.layers)])


def trace(estimator: Any, X: Any, y: Any, sample_weight: Any = None) -> Trace:
    """Run one forward and one backward pass over X, and return all intermediate arrays.

    The values are those of a training step on these rows as one batch, without dropout, at
    the current weights of the estimator.

    Parameters
    ----------
    estimator : fitted MLPClassifier or MLPRegressor, or a search for one
        Fitted network, which is not changed. Estimators that transform X or y, such as
        pipelines, are rejected.
    X : {array-like, sparse matrix} of shape (rows, n_features)
        Inputs.
    y : array-like of shape (rows,) or (rows, n_outputs)
        Targets.
    sample_weight : array-like of shape (rows,), default=None
        Sample weights, which are multiplied by the estimator's ``class_weight``; "balanced"
        refers to these rows.

    Returns
    -------
    trace : Trace
        ``trace.layers[k]`` has ``x``, ``W``, ``b``, ``z``, ``a``, ``delta``, ``dJ_dW`` and
        ``dJ_db``; ``trace.J`` is the objective.

    Raises
    ------
    ValueError
        If the estimator is not fitted, or X or y are invalid for it.

    References
    ----------
    S. Dey, *Basic Operations of Neural Networks*: feed-forward (1), δ of the output layer
    (5) and (19), gradients (7) and (11), δ of a hidden layer (13), mini-batches (15).

    Examples
    --------
    >>> from sknn_scratch import MLPRegressor
    >>> from sknn_scratch.inspection import trace
    >>> X, y = [[1.0], [3.0]], [0.0, 1.0]
    >>> est = MLPRegressor(hidden_layer_sizes=(1,), activation="identity", alpha=0)
    >>> est = est.set_params(solver="lbfgs", random_state=0).fit(X, y)
    >>> est.coefs_, est.intercepts_ = [[[2.0]], [[0.5]]], [[0.0], [0.0]]
    >>> t = trace(est, X, y)
    >>> t.layers[1].z.T
    array([[1., 3.]])
    >>> t.layers[1].delta.T  # (z - y) / 2, as J is the mean of ½ (z - y)² over two rows
    array([[0.5, 1. ]])
    >>> t.layers[0].dJ_dW  # xᵀ δ of the output layer, times 0.5
    array([[1.75]])
    """
    estimator = _access.unchanged_data(estimator, "trace")
    objective, data = _access.training_problem(estimator, X, y, sample_weight)
    network = objective.network
    rows = Workspace(network, data.n_samples, data.dtype).rows(data.n_samples)
    batch = data.batch(slice(0, data.n_samples))
    params = network.layout.params(np.array(estimator.theta_))
    grads = network.layout.params(np.empty_like(params.vector))
    with quiet_floats():
        J = objective.value_and_grad(params, batch, rows, grads)
        layers = tuple(_layers(objective, params, grads, batch.x, rows))
        penalty = objective.penalty(params, grads, batch.weight_sum)
    weight = None if batch.weight is None else _copy(batch.weight)
    return Trace(J, J - penalty, penalty, _copy(batch.y), weight, layers)


def _layers(
    objective: Objective, params: Params, grads: Params, x: Any, rows: Buffers
) -> Iterator[LayerTrace]:
    """Yield the arrays of each layer after the backward pass."""
    network, loss = objective.network, objective.loss
    plain = network.plain(params)
    for k, (slot, name) in enumerate(
        zip(rows.slots, _access.activation_names(network, loss), strict=True)
    ):
        (W, b), (dW, db) = params.layers[k][:2], grads.layers[k][:2]
        # z is computed again, because activations that work in place have overwritten it.
        z = linalg.affine_into(x, *plain[k], slot.ones, np.empty_like(slot.z))
        kind = _access.kind(network, k)
        a = loss.predict(z, np.empty_like(z)) if kind == "output" else slot.a
        arrays = map(_copy, (W, b, z, a, slot.delta, dW, db))
        yield LayerTrace(k, kind, name, x.copy(), *arrays)
        x = slot.a


def _copy(a: Array) -> Array:
    """Return a copy in C order."""
    return np.array(a, order="C")


def _line(letter: str, values: Any) -> str:
    """Return one line of the repr: letter, shape, root mean square, first values."""
    is_dense = isinstance(values, np.ndarray)
    numbers = values.ravel() if is_dense else values.data
    rms = np.sqrt(float(np.vdot(numbers, numbers)) / max(1, np.prod(values.shape)))
    first = "".join(f"{value:>11.4g}" for value in numbers[:4]) if is_dense else "     sparse"
    more = " ..." if is_dense and numbers.size > 4 else ""
    return f"  {letter:<6}{values.shape!s:<14}{rms:>10.4g}{first}{more}"
