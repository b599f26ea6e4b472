"""Losses as functions of raw outputs, with their inverse links, in order of complexity.

Every loss returns a weighted sum over rows and outputs, and the gradient of this sum.
"""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import numpy as np
from scipy.special import exprel, xlogy

from sknn_scratch._floats import quiet_floats
from sknn_scratch.components.links import (
    ExpLink,
    IdentityLink,
    LogisticLink,
    SoftmaxLink,
    SortedLink,
    log_softmax,
)
from sknn_scratch.contracts import Array, Link, Loss, TargetRange, as_float
from sknn_scratch.core import linalg
from sknn_scratch.registry import register


@register.loss("squared_error")
class SquaredError(Loss):
    """Half the squared error: L = ½ Σ (raw - y)², ∂L/∂raw = raw - y, y_pred = raw.

    See Also
    --------
    Huber : Less influence of outliers.
    Quantile : Predictions of quantiles and intervals.

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
            return 0.5 * linalg.inner(out, out)
        residual = out.copy(order="K")
        linalg.scale_rows(out, weight)
        return 0.5 * linalg.inner(residual, out)


@register.loss("absolute_error")
class AbsoluteError(Loss):
    """Absolute error: L = Σ |raw - y|, ∂L/∂raw = sign(raw - y), y_pred = raw.

    The optimal prediction is the median of y, which is robust to outliers.  The gradient at
    raw = y is 0.

    See Also
    --------
    Huber : Squared error near zero.
    Quantile : Other quantiles than the median.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import AbsoluteError
    >>> AbsoluteError().value(np.array([[1.0]]), np.array([[3.0]]), None)
    2.0
    """

    tasks = ("regression",)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        residual = raw - y
        np.sign(residual, out=out)
        residual *= out
        return _weighted(residual, weight, out)


@register.loss("huber")
class Huber(Loss):
    """Huber loss: squared error for small residuals, absolute error for large residuals.

    With r = raw - y: L = Σ ½ r² where |r| <= δ, else δ (|r| - ½ δ).  The gradient g is r
    clipped at ±δ, and L = Σ g (r - ½ g) covers both cases; y_pred = raw.

    Parameters
    ----------
    delta : float > 0, default=1.0
        Residual δ at which the loss changes from squared to absolute error, in units of y.

    See Also
    --------
    SquaredError : The default loss.
    AbsoluteError : Predictions of the median.

    References
    ----------
    P. J. Huber, *Robust estimation of a location parameter*, The Annals of Mathematical
    Statistics 35, 1964.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Huber
    >>> Huber().value(np.array([[1.0]]), np.array([[3.0]]), None)
    1.5
    """

    tasks = ("regression",)
    delta: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("delta", 0, np.inf, closed="neither")

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        residual = raw - y
        np.clip(residual, -self.delta, self.delta, out=out)
        residual -= 0.5 * out
        residual *= out
        return _weighted(residual, weight, out)


@register.loss("quantile")
class Quantile(Loss):
    """Pinball loss for quantile regression, at one quantile level or several.

    With r = raw - y and level q: L = Σ (1 - q) max(r, 0) + q max(-r, 0); the gradient is
    g = ½ sign(r) + ½ - q, and L = Σ g r.  At the level ½ it is half the absolute error.

    Several levels share one network with one raw output per level, and L is their sum.
    Predictions then have one column per level.  They are sorted, so that quantiles never
    cross.

    Parameters
    ----------
    level : float in (0, 1), or tuple of these in increasing order, default=0.5
        Quantile level q, the fraction of targets below the prediction. A tuple fits several
        quantiles with one network.

    See Also
    --------
    AbsoluteError : Predictions of the median.

    References
    ----------
    R. Koenker and G. Bassett, *Regression quantiles*, Econometrica 46, 1978; V.
    Chernozhukov, I. Fernández-Val and A. Galichon, *Quantile and probability curves
    without crossing*, Econometrica 78, 2010, for the sorting.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Quantile
    >>> Quantile(0.75).value(np.array([[1.0]]), np.array([[3.0]]), None)
    0.5
    >>> Quantile((0.1, 0.9)).predict(np.array([[3.0, 2.0]]), np.empty((1, 2)))
    array([[2., 3.]])
    """

    tasks = ("regression",)
    level: float | tuple[float, ...] = 0.5

    def __post_init__(self) -> None:
        entries = self.level if isinstance(self.level, tuple) else (self.level,)
        levels = tuple(map(as_float, entries))
        self.require(
            len(levels) > 0 and all(p < q for p, q in pairwise((0, *levels, 1))),
            "level",
            "a number in (0, 1), or a tuple of such numbers in increasing order",
        )
        object.__setattr__(self, "level", levels if entries is self.level else levels[0])

    @property
    def levels(self) -> tuple[float, ...]:
        return self.level if isinstance(self.level, tuple) and len(self.level) > 1 else ()

    @property
    def link(self) -> Link:
        return SortedLink() if self.levels else IdentityLink()

    def n_raw(self, n_targets: int) -> int:
        if self.levels and n_targets > 1:
            raise ValueError(
                f"{self!r} fits several levels of one target. Got {n_targets} targets: fit one "
                "estimator for each, or choose a single level."
            )
        return len(self.levels) or n_targets

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        residual = raw - y
        np.sign(residual, out=out)
        out *= 0.5
        out += 0.5 - np.asarray(self.level, raw.dtype)
        residual *= out
        return _weighted(residual, weight, out)


@register.loss("poisson")
class Poisson(Loss):
    """Half the Poisson deviance with the log link, for counts and rates y >= 0.

    L = Σ y log(y / y_pred) - y + y_pred with y_pred = exp(raw); ∂L/∂raw = y_pred - y.

    See Also
    --------
    Gamma : Positive, skewed targets.
    Tweedie : Targets that are often zero, else positive.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Poisson
    >>> Poisson().value(np.array([[2.0]]), np.log([[2.0]]), None)
    0.0
    """

    tasks = ("regression",)
    link = ExpLink()
    target_range = TargetRange(low=0.0)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        np.exp(raw, out=out)
        deviance = xlogy(y, y)
        deviance -= y * raw
        np.subtract(out, y, out=out)
        deviance += out
        return _weighted(deviance, weight, out)


@register.loss("gamma")
class Gamma(Loss):
    """Half the gamma deviance with the log link, for y > 0 with errors proportional to y.

    With d = raw - log y = log(y_pred / y): L = Σ y / y_pred + log(y_pred / y) - 1, which is
    Σ exp(-d) - 1 + d; ∂L/∂raw = 1 - exp(-d).

    See Also
    --------
    Poisson : Counts.
    Tweedie : Targets that are often zero, else positive.

    References
    ----------
    P. McCullagh and J. Nelder, *Generalized linear models*, 2nd edition, 1989, chapter 8.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Gamma
    >>> Gamma().value(np.array([[2.0]]), np.log([[2.0]]), None)
    0.0
    """

    tasks = ("regression",)
    link = ExpLink()
    target_range = TargetRange(low=0.0, low_is_open=True)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        deviance = raw - np.log(y)
        np.expm1(-deviance, out=out)
        deviance += out
        np.negative(out, out=out)
        return _weighted(deviance, weight, out)


@register.loss("tweedie")
class Tweedie(Loss):
    """Half the Tweedie deviance with the log link, for a variance proportional to y_predᵖ.

    With a = 2 - p and b = 1 - p:
    L = Σ exp(a raw) / a - y exp(b raw) / b + yᵃ / (a b),
    ∂L/∂raw = exp(a raw) - y exp(b raw).
    At p = 1 and p = 2, where a or b is zero, it is ``Poisson`` and ``Gamma``.

    Parameters
    ----------
    power : float, 0 or in [1, 3], default=1.5
        Power p of the variance. With 0, the loss is the squared error of exp(raw), for any y.
        In [1, 2), targets must be >= 0; values between 1 and 2 suit amounts that are often
        exactly 0, such as claims or rainfall. In [2, 3], targets must be > 0; 3 is the inverse
        Gaussian distribution.

    See Also
    --------
    Poisson : Counts.
    Gamma : Positive, skewed targets.

    References
    ----------
    B. Jørgensen, *Exponential dispersion models*, Journal of the Royal Statistical Society
    B 49, 1987.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Tweedie
    >>> Tweedie(power=1.5).value(np.array([[0.0]]), np.log([[4.0]]), None)
    4.0
    """

    tasks = ("regression",)
    link = ExpLink()
    power: float = 1.5
    _limits: ClassVar[dict[float, Loss]] = {1.0: Poisson(), 2.0: Gamma()}

    def __post_init__(self) -> None:
        self.require_number("power", 0, 3)
        exists = not 0 < self.power < 1
        self.require(exists, "power", "0 or in [1, 3]: no such distribution exists in (0, 1)")

    @property
    def target_range(self) -> TargetRange:
        low = 0.0 if self.power > 0 else -np.inf
        return TargetRange(low, low_is_open=self.power >= 2)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        if self.power in self._limits:
            return self._limits[self.power].value_and_grad(y, raw, weight, out)
        a, b = 2.0 - self.power, 1.0 - self.power
        np.exp(a * raw, out=out)
        share = _times_exp(y, b * raw)
        deviance = y**a / (a * b)
        deviance += out / a
        with quiet_floats():
            deviance -= share / b
            out -= share
        # Where both exponentials overflow, replace inf - inf by the larger of the two.
        np.copyto(deviance, np.inf, where=np.isnan(deviance))
        np.copyto(out, np.copysign(np.inf, raw), where=np.isnan(out))
        return _weighted(deviance, weight, out)


@register.loss("binary_log_loss")
class BinaryLogLoss(Loss):
    """Log loss of one logistic output per column of y, each with y in [0, 1].

    L = Σ log(1 + exp(raw)) - y raw, ∂L/∂raw = p - y with p = 1 / (1 + exp(-raw)).
    Two classes have one column; multilabel targets have one column per label.

    Parameters
    ----------
    label_smoothing : float in [0, 1], default=0.0
        Fraction ε of each target that is distributed evenly over both classes: y becomes
        (1 - ε) y + ½ ε.

    See Also
    --------
    LogLoss : Any number of classes.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import BinaryLogLoss
    >>> round(BinaryLogLoss().value(np.array([[1.0]]), np.array([[0.0]]), None), 6)
    0.693147
    """

    tasks = ("binary", "multilabel")
    link = LogisticLink()
    target_range = TargetRange(0.0, 1.0)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self.require_number("label_smoothing", 0, 1)

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        if self.label_smoothing:
            spread = self.label_smoothing
            y = (1.0 - spread) * y + 0.5 * spread
        return linalg.logistic_cross_entropy(y, raw, weight, out)


@register.loss("log_loss")
class LogLoss(Loss):
    """Softmax cross-entropy with one raw output per class, also for two classes.

    L = -Σₖ yₖ log pₖ with p = softmax(raw); ∂L/∂rawₖ = pₖ Σⱼ yⱼ - yₖ, which is
    p - y where the targets of a row sum to one.  For multilabel targets it is replaced by
    :class:`BinaryLogLoss`, with one logistic output per label.

    Parameters
    ----------
    label_smoothing : float in [0, 1], default=0.0
        Fraction ε of the targets that is distributed evenly over the K classes: yₖ becomes
        (1 - ε) yₖ + ε / K Σⱼ yⱼ.

    See Also
    --------
    BinaryLogLoss : Two classes and multilabel targets.
    Focal : More weight on samples that are hard to classify.

    References
    ----------
    S. Dey, *Basic Operations of Neural Networks*, equations (2), (18) and (19); C. Szegedy
    et al., *Rethinking the Inception architecture for computer vision*, CVPR 2016, section
    7, for label smoothing.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import LogLoss
    >>> LogLoss().predict(np.array([[1.0, 1.0]]), np.empty((1, 2)))
    array([[0.5, 0.5]])
    """

    tasks = ("binary", "multiclass", "multilabel")
    link = SoftmaxLink()
    one_hot = True
    target_range = TargetRange(0.0, 1.0)
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        self.require_number("label_smoothing", 0, 1)

    def for_task(self, task: str) -> Loss:
        return BinaryLogLoss(self.label_smoothing) if task == "multilabel" else self

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        if self.label_smoothing:
            y = _smoothed(y, linalg.row_sums(y), self.label_smoothing)
        return linalg.softmax_cross_entropy(y, raw, weight, out)


@register.loss("focal")
class Focal(Loss):
    """Focal loss: log loss that down-weights well-classified samples.

    L = -Σₖ yₖ (1 - pₖ)^γ log pₖ with p = softmax(raw); ∂L/∂rawₖ = pₖ Σⱼ cⱼ - cₖ
    with cₖ = yₖ (1 - pₖ)^γ (1 + γ pₖ log pₖ / (pₖ - 1)).  γ = 0 is the log loss.

    Parameters
    ----------
    gamma : float >= 0, default=2.0
        Focusing parameter γ; larger values down-weight well-classified samples more.

    See Also
    --------
    LogLoss : The default loss of classification.

    References
    ----------
    T.-Y. Lin et al., *Focal loss for dense object detection*, ICCV 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import Focal
    >>> round(Focal().value(np.array([[1.0, 0.0]]), np.zeros((1, 2)), None), 6)
    0.173287
    """

    tasks = ("binary", "multiclass")
    link = SoftmaxLink()
    one_hot = True
    target_range = TargetRange(0.0, 1.0)
    gamma: float = 2.0

    def __post_init__(self) -> None:
        self.require_number("gamma", 0, np.inf, closed="left")

    def value_and_grad(self, y: Array, raw: Array, weight: Array | None, out: Array) -> float:
        log_p, gamma = log_softmax(raw, np.empty_like(raw)), self.gamma
        p = np.exp(log_p)
        # exprel(x) is (exp(x) - 1) / x, and 1 at 0: this avoids 0 / 0 where p is 1.
        c = y * (1.0 - p) ** gamma
        value = c * log_p
        c *= 1.0 + gamma * p / exprel(log_p)
        np.multiply(p.T, linalg.row_sums(c), out.T)
        out -= c
        return -_weighted(value, weight, out)


def _weighted(values: Array, weight: Array | None, grad: Array) -> float:
    """Return the weighted sum of (rows, units) ``values``; multiply ``grad`` by the weights."""
    linalg.scale_rows(grad, weight)
    return linalg.weighted_sum(linalg.row_sums(values), weight)


def _times_exp(y: Array, x: Array) -> Array:
    """Return y exp(x), finite wherever the product is finite, and 0 where y is 0."""
    with quiet_floats():
        x += np.log(np.abs(y))
    np.exp(x, out=x)
    x *= np.sign(y)
    return x


def _smoothed(y: Array, total: Array, spread: float) -> Array:
    """Return y with a fraction of each row's total distributed evenly over its columns."""
    smooth = (1.0 - spread) * y
    smooth.T[...] += total * (spread / y.shape[1])
    return smooth
