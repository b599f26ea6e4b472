"""Inverse links: functions that map raw outputs to predictions."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from sknn_scratch.contracts import Array, IdentityLink, Link
from sknn_scratch.core import linalg
from sknn_scratch.registry import register

register.link("identity")(IdentityLink)


@register.link("sorted")
class SortedLink(Link):
    """Raw outputs, sorted in each row, so that predicted quantiles never cross.

    See Also
    --------
    Quantile : Loss with this inverse link, for several quantile levels.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import SortedLink
    >>> SortedLink().predict(np.array([[3.0, 2.0]]), np.empty((1, 2)))
    array([[2., 3.]])
    """

    name = "identity"

    def predict(self, raw: Array, out: Array) -> Array:
        np.copyto(out, raw)
        out.sort(axis=1)
        return out


@register.link("exp")
class ExpLink(Link):
    """Exponential function: y_pred = exp(raw) > 0, the inverse of the log link.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import ExpLink
    >>> ExpLink().predict(np.array([[0.0, 1.0]]), np.empty((1, 2)))
    array([[1.        , 2.71828183]])
    """

    name = "exp"

    def predict(self, raw: Array, out: Array) -> Array:
        return np.exp(raw, out=out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        np.copyto(out, raw)
        return out


@register.link("logistic")
class LogisticLink(Link):
    """Logistic function: p = 1 / (1 + exp(-raw)), clipped to the open interval (0, 1).

    One column of raw outputs stands for two classes: p is the probability of the second.

    See Also
    --------
    SoftmaxLink : One raw output per class.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LogisticLink
    >>> LogisticLink().predict(np.array([[0.0, 2.0]]), np.empty((1, 2)))
    array([[0.5       , 0.88079708]])
    """

    name = "logistic"
    symmetric = True

    def predict(self, raw: Array, out: Array) -> Array:
        limits = np.finfo(raw.dtype)
        expit(raw, out=out)
        return np.clip(out, limits.tiny, 1.0 - limits.epsneg, out=out)


@register.link("softmax")
class SoftmaxLink(Link):
    """Softmax: pₖ = exp(rawₖ) / Σⱼ exp(rawⱼ), with one raw output per class.

    See Also
    --------
    LogisticLink : One raw output for two classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import SoftmaxLink
    >>> SoftmaxLink().predict(np.array([[1.0, 1.0]]), np.empty((1, 2)))
    array([[0.5, 0.5]])
    """

    name = "softmax"

    def predict(self, raw: Array, out: Array) -> Array:
        linalg.subtract_from_rows(raw, linalg.row_maxima(raw), out)
        np.exp(out, out=out)
        linalg.scale_rows(out, 1.0 / linalg.row_sums(out))
        return np.maximum(out, np.finfo(out.dtype).tiny, out=out)

    def log_predict(self, raw: Array, out: Array) -> Array:
        # Clip logarithms where probabilities are clipped, so that both rank classes alike.
        log_softmax(raw, out)
        return np.maximum(out, np.log(np.finfo(out.dtype).tiny), out=out)


def log_softmax(raw: Array, out: Array) -> Array:
    """out = log softmax(raw); ``out`` may be ``raw``."""
    linalg.subtract_from_rows(raw, linalg.row_maxima(raw), out)
    return linalg.subtract_from_rows(out, np.log(linalg.row_sums(np.exp(out))), out)
