"""Losses on raw outputs, each with its link: from simple to complex.

Every loss returns a weighted sum over rows and outputs, and the gradient of that very sum.
"""

from __future__ import annotations

import numpy as np
from scipy.special import expit, log_expit, xlogy

from sknn_scratch.contracts import Array, Loss, TargetRange
from sknn_scratch.core.linalg import (
    inner,
    row_maxima,
    row_sums,
    scale_rows,
    subtract_from_rows,
    weighted_sum,
)
from sknn_scratch.registry import register


@register.loss("squared_error")
class SquaredError(Loss):
    """Half the squared error: L = ½ Σ (raw - y)², ∂L/∂raw = raw - y, y_pred = raw.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import SquaredError
    >>> SquaredError().value(np.array([[1.0]]), np.array([[3.0]]), None)
    2.0
    """

    tasks = ("regression",)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        np.subtract(raw, y, out=out)
        if weight is None:
            return 0.5 * inner(out, out)
        residual = out.copy()
        scale_rows(out, weight)
        return 0.5 * inner(residual, out)

    def predict(self, raw: Array, out: Array) -> Array:
        if out is not raw:
            np.copyto(out, raw)
        return out


@register.loss("poisson")
class Poisson(Loss):
    """Half the Poisson deviance with the log link, for counts and rates y >= 0.

    L = Σ y log(y / y_pred) - y + y_pred with y_pred = exp(raw); ∂L/∂raw = y_pred - y.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Poisson
    >>> Poisson().value(np.array([[2.0]]), np.log([[2.0]]), None)
    0.0
    """

    tasks = ("regression",)
    out_activation = "exp"
    target_range = TargetRange(low=0.0)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        np.exp(raw, out=out)
        deviance = xlogy(y, y)
        deviance -= y * raw
        np.subtract(out, y, out=out)
        deviance += out
        scale_rows(out, weight)
        return weighted_sum(row_sums(deviance), weight)

    def predict(self, raw: Array, out: Array) -> Array:
        return np.exp(raw, out=out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        np.copyto(out, raw)
        return out


@register.loss("binary_log_loss")
class BinaryLogLoss(Loss):
    """Log loss of one logistic output per column of y, each with y in [0, 1].

    L = Σ log(1 + exp(raw)) - y raw, ∂L/∂raw = p - y with p = 1 / (1 + exp(-raw)).
    One column for two classes, one column per label for multilabel targets.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import BinaryLogLoss
    >>> round(BinaryLogLoss().value(np.array([[1.0]]), np.array([[0.0]]), None), 6)
    0.693147
    """

    tasks = ("binary", "multilabel")
    out_activation = "logistic"
    target_range = TargetRange(0.0, 1.0)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        # With e = exp(-|raw|) <= 1 nothing overflows: log(1 + exp(raw)) is
        # max(raw, 0) + log1p(e), and p is 1 / (1 + e) or e / (1 + e).
        e = np.exp(-np.abs(raw))
        value = np.maximum(raw, 0.0)
        value -= y * raw
        value += np.log1p(e)
        np.divide(np.where(raw >= 0, 1.0, e), 1.0 + e, out=out)
        np.subtract(out, y, out=out)
        scale_rows(out, weight)
        return weighted_sum(row_sums(value), weight)

    def predict(self, raw: Array, out: Array) -> Array:
        """Write the probabilities, kept inside the open interval (0, 1)."""
        limits = np.finfo(raw.dtype)
        expit(raw, out=out)
        return np.clip(out, limits.tiny, 1.0 - limits.epsneg, out=out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        log_expit(raw, out=out)
        return np.maximum(out, _log_tiny(out), out=out)


@register.loss("log_loss")
class LogLoss(Loss):
    """Softmax cross-entropy: one raw output per class, two classes included.

    L = -Σ_k y_k log p_k with p = softmax(raw); ∂L/∂raw_k = p_k Σ_j y_j - y_k, which is
    p - y where the targets of a row sum to one.  Multilabel targets get one logistic
    output per label, :class:`BinaryLogLoss`.

    References
    ----------
    S. Dey, *Basic Operations of Neural Networks*, equations (2), (18) and (19).

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LogLoss
    >>> LogLoss().predict(np.array([[1.0, 1.0]]), np.empty((1, 2)))
    array([[0.5, 0.5]])
    """

    tasks = ("binary", "multiclass", "multilabel")
    out_activation = "softmax"
    one_hot = True
    target_range = TargetRange(0.0, 1.0)

    def for_task(self, task: str) -> Loss:
        return BinaryLogLoss() if task == "multilabel" else self

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        total = row_sums(y)  # Σ_j y_j; ones for class labels
        if weight is not None:
            total *= weight
        subtract_from_rows(raw, row_maxima(raw), out)
        linear = _weighted_inner(y, out, weight)
        np.exp(out, out=out)
        normaliser = row_sums(out)
        value = float(np.dot(np.log(normaliser), total)) - linear
        total /= normaliser
        scale_rows(out, total)
        np.subtract(out, y if weight is None else y * weight[:, None], out=out)
        return value

    def predict(self, raw: Array, out: Array) -> Array:
        subtract_from_rows(raw, row_maxima(raw), out)
        np.exp(out, out=out)
        scale_rows(out, 1.0 / row_sums(out))
        return np.maximum(out, np.finfo(out.dtype).tiny, out=out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        subtract_from_rows(raw, row_maxima(raw), out)
        subtract_from_rows(out, np.log(row_sums(np.exp(out))), out)
        return np.maximum(out, _log_tiny(out), out=out)


def _log_tiny(a: Array) -> float:
    """Return the logarithm of the smallest probability: the smallest normal number.

    Probabilities and their logarithms end at the same place, so that they always rank
    classes alike, and none is 0 or -inf.
    """
    return float(np.log(np.finfo(a.dtype).tiny))


def _weighted_inner(a: Array, b: Array, weight: Array | None) -> float:
    """Return the sum of a * b over rows and outputs, each row times its weight."""
    return inner(a, b) if weight is None else weighted_sum(row_sums(a * b), weight)
