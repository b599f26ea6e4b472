"""Learning-rate schedules: factors on ``learning_rate_init``.

Training stalls when more than ``n_iter_no_change`` epochs pass without an improvement of ``tol``.
It then ends, unless the schedule lowers the factor at each stall, as ``Adaptive`` does.
"""

from __future__ import annotations

from math import cos, inf, log2, pi

from sknn_scratch.contracts import Progress, Schedule
from sknn_scratch.registry import register


@register.schedule("constant")
class Constant(Schedule):
    """Constant factor 1.

    Notes
    -----
    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    Examples
    --------
    >>> from sknn_scratch.components import Constant
    >>> from sknn_scratch.contracts import Progress
    >>> Constant()(Progress(epoch=3, step=30, samples=300, fraction=0.5, stalls=0))
    1.0
    """

    per_step = False

    def __call__(self, progress: Progress) -> float:
        return 1.0


@register.schedule("invscaling")
class InvScaling(Schedule):
    """Inverse scaling: the factor (samples + 1) to the power ``-power_t``, once per epoch.

    Parameters
    ----------
    power_t : float >= 0, default=0.5
        Exponent. Larger values decrease the learning rate faster; 0 keeps it constant.

    Notes
    -----
    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    As in scikit-learn, the name "invscaling" has no effect with ``solver="adam"``. An instance
    has an effect with every optimizer.

    Examples
    --------
    >>> from sknn_scratch.components import InvScaling
    >>> from sknn_scratch.contracts import Progress
    >>> InvScaling()(Progress(epoch=1, step=1, samples=99, fraction=0.5, stalls=0))
    0.1
    """

    per_step = False
    power_t: float = 0.5

    def __post_init__(self) -> None:
        self.require_number("power_t", 0, inf, closed="left")

    def __call__(self, progress: Progress) -> float:
        try:
            return 1.0 / (progress.samples + 1.0) ** self.power_t
        except OverflowError:  # the inverse of the power is 0
            return 0.0


@register.schedule("adaptive")
class Adaptive(Schedule):
    """Division of the learning rate by 5 at each stall, instead of stopping.

    See Also
    --------
    Cosine : A schedule over ``max_iter`` epochs.

    Notes
    -----
    Training stalls when more than ``n_iter_no_change`` epochs pass without an improvement of
    ``tol``. It ends when it stalls at a learning rate of 1e-6 or less.

    As in scikit-learn, the name "adaptive" has no effect with ``solver="adam"``. An instance
    has an effect with every optimizer.

    Examples
    --------
    >>> from sknn_scratch.components import Adaptive
    >>> from sknn_scratch.contracts import Progress
    >>> Adaptive()(Progress(epoch=9, step=9, samples=99, fraction=0.5, stalls=1))
    0.2
    """

    per_step = False

    def __call__(self, progress: Progress) -> float:
        return 5.0**-progress.stalls


@register.schedule("step")
class Step(Schedule):
    """Step decay: factor^⌊epoch / every⌋.

    Parameters
    ----------
    every : int >= 1, default=10
        Number of epochs between decreases.
    factor : float in [0, 1], default=0.1
        Factor by which each decrease multiplies the learning rate.

    Notes
    -----
    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    Examples
    --------
    >>> from sknn_scratch.components import Step
    >>> from sknn_scratch.contracts import Progress
    >>> Step(factor=0.5)(Progress(epoch=20, step=40, samples=99, fraction=0.5, stalls=0))
    0.25
    """

    per_step = False
    every: int = 10
    factor: float = 0.1

    def __post_init__(self) -> None:
        self.require_integer("every", 1)
        self.require_number("factor", 0, 1)

    def __call__(self, progress: Progress) -> float:
        return self.factor ** (progress.epoch // self.every)


@register.schedule("exponential")
class Exponential(Schedule):
    """Exponential decay: decay^epoch.

    Parameters
    ----------
    decay : float in [0, 1], default=0.95
        Factor by which each epoch multiplies the learning rate.

    Notes
    -----
    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    Examples
    --------
    >>> from sknn_scratch.components import Exponential
    >>> from sknn_scratch.contracts import Progress
    >>> Exponential(decay=0.5)(Progress(epoch=3, step=30, samples=99, fraction=0.5, stalls=0))
    0.125
    """

    per_step = False
    decay: float = 0.95

    def __post_init__(self) -> None:
        self.require_number("decay", 0, 1)

    def __call__(self, progress: Progress) -> float:
        return self.decay**progress.epoch


@register.schedule("cosine")
class Cosine(Schedule):
    """Cosine decay from 1 to ``minimum``, in one cycle or with warm restarts.

    minimum + (1 - minimum) (½ + ½ cos πx), where x increases from 0 to 1 in each of
    ``restarts`` + 1 cycles of equal length.

    Parameters
    ----------
    restarts : int >= 0, default=0
        Number of times that the factor returns to 1.
    minimum : float in [0, 1], default=0.0
        Factor at the end of each cycle.

    See Also
    --------
    OneCycle : A warmup, then a cosine.
    LinearWarmup : A warmup before any schedule.
    Step : A schedule that does not depend on ``max_iter``.

    Notes
    -----
    ``fraction`` is relative to ``max_iter`` epochs: a fit that ends earlier uses only the
    first part of the curve. With ``partial_fit`` each call is one epoch, so the fraction
    reaches 1 after ``max_iter`` calls, and the factor stays at its last value (``minimum``).
    Raise ``max_iter`` to the number of calls, or use a schedule that counts epochs, such as
    :class:`Step`.

    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    References
    ----------
    I. Loshchilov and F. Hutter, *SGDR: stochastic gradient descent with warm restarts*,
    ICLR 2017, equation (5).

    Examples
    --------
    >>> from sknn_scratch.components import Cosine
    >>> from sknn_scratch.contracts import Progress
    >>> half = Progress(epoch=5, step=50, samples=500, fraction=0.5, stalls=0)
    >>> round(Cosine()(half), 6), Cosine(restarts=1)(half)
    (0.5, 1.0)
    """

    restarts: int = 0
    minimum: float = 0.0

    def __post_init__(self) -> None:
        self.require_integer("restarts", 0)
        self.require_number("minimum", 0, 1)

    def __call__(self, progress: Progress) -> float:
        x = progress.fraction * (self.restarts + 1)
        return _half_cosine(1.0, self.minimum, x - min(int(x), self.restarts))


@register.schedule("one_cycle")
class OneCycle(Schedule):
    """One-cycle schedule: half a cosine from ``start`` up to 1, then half a cosine to ``end``.

    Parameters
    ----------
    peak_at : float in (0, 1), default=0.3
        Fraction of training after which the factor is 1.
    start : float in [0, 1], default=0.04
        Factor at the beginning.
    end : float in [0, 1], default=1e-4
        Factor at the end of training.

    See Also
    --------
    Cosine : The same decay without a warmup.

    Notes
    -----
    ``fraction`` is relative to ``max_iter`` epochs: a fit that ends earlier uses only the
    first part of the curve. With ``partial_fit`` each call is one epoch, so the fraction
    reaches 1 after ``max_iter`` calls, and the factor stays at its last value (``end``).
    Raise ``max_iter`` to the number of calls, or use a schedule that counts epochs, such as
    :class:`Step`.

    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    References
    ----------
    L. Smith and N. Topin, *Super-convergence: very fast training of neural networks using
    large learning rates*, arXiv:1708.07120, 2017.

    Examples
    --------
    >>> from sknn_scratch.components import OneCycle
    >>> from sknn_scratch.contracts import Progress
    >>> OneCycle()(Progress(epoch=3, step=30, samples=300, fraction=0.3, stalls=0))
    1.0
    """

    peak_at: float = 0.3
    start: float = 0.04
    end: float = 1e-4

    def __post_init__(self) -> None:
        self.require_number("peak_at", 0, 1, closed="neither")
        self.require_number("start", 0, 1)
        self.require_number("end", 0, 1)

    def __call__(self, progress: Progress) -> float:
        t = progress.fraction
        if t < self.peak_at:
            return _half_cosine(self.start, 1.0, t / self.peak_at)
        return _half_cosine(1.0, self.end, (t - self.peak_at) / (1.0 - self.peak_at))


class RangeTest(Schedule):
    """Learning-rate range test: an exponential increase, low · (high / low)^fraction.

    Train for a few dozen epochs, then plot the loss against ``learning_rate`` in ``history_``.
    Choose a ``learning_rate_init`` well below the rate at which the loss starts to rise.
    ``StopOnRise`` ends the test there. The schedule is not meant for final fits and has no
    registered name: pass an instance.

    Parameters
    ----------
    low : float > 0, default=1e-6
        Factor at the start.
    high : float > 0, default=1.0
        Factor after ``max_iter`` epochs.

    See Also
    --------
    StopOnRise : Ends the fit when the loss rises.

    References
    ----------
    L. Smith, *Cyclical learning rates for training neural networks*, WACV 2017, section 3.3.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sknn_scratch import MLPClassifier
    >>> from sknn_scratch.components import RangeTest, StopOnRise
    >>> est = MLPClassifier(
    ...     learning_rate=RangeTest(1e-5), learning_rate_init=10.0, max_iter=30,
    ...     callbacks=[StopOnRise(2.0)], n_iter_no_change=30, random_state=0,
    ... ).fit(*load_iris(return_X_y=True))
    >>> best = min(est.history_, key=lambda row: row["loss"])
    >>> 1e-4 < best["learning_rate"] < 1.0
    True
    """

    low: float = 1e-6
    high: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("low", 0, inf, closed="neither")
        self.require_number("high", 0, inf, closed="neither")

    def __call__(self, progress: Progress) -> float:
        # Not as a power of the ratio of the ends, which may overflow.
        t = progress.fraction
        return self.low ** (1.0 - t) * self.high**t


@register.schedule("coslog4")
class CosLog4(Schedule):
    """Four cosine cycles, each twice as long as the previous: ½ - ½ cos(2π log₂(1 + 15t)).

    t is the fraction of training done.  The factor is 0 at t = 0, 1/15, 3/15, 7/15 and 1, and
    reaches 1 in between.

    Notes
    -----
    ``fraction`` is relative to ``max_iter`` epochs: a fit that ends earlier uses only the
    first part of the curve. With ``partial_fit`` each call is one epoch, so the fraction
    reaches 1 after ``max_iter`` calls, and the factor stays at its last value (0).
    Raise ``max_iter`` to the number of calls, or use a schedule that counts epochs, such as
    :class:`Step`.

    It does not depend on ``stalls``, so training ends at the first stall; raise
    ``n_iter_no_change`` to train longer.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, *Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data*, NeurIPS 2024.

    Examples
    --------
    >>> from sknn_scratch.components import CosLog4
    >>> from sknn_scratch.contracts import Progress
    >>> CosLog4()(Progress(epoch=0, step=0, samples=0, fraction=0.0, stalls=0))
    0.0
    """

    def __call__(self, progress: Progress) -> float:
        return 0.5 - 0.5 * cos(2.0 * pi * log2(1.0 + 15.0 * progress.fraction))


@register.schedule("linear_warmup")
class LinearWarmup(Schedule):
    """Linear warm-up from 0 to the first factor of another schedule, then that schedule.

    The ``fraction`` passed to the other schedule is 0 during the warm-up and then increases
    to 1, so that a cosine completes as without warm-up. All other counts are passed
    unchanged: epochs count from the start of training.

    Parameters
    ----------
    schedule : Schedule, default=Constant()
        Schedule after the warm-up.
    warmup : float in [0, 1), default=0.05
        Fraction of training used for the warm-up; 0 disables it.

    Notes
    -----
    ``fraction`` is relative to ``max_iter`` epochs: a fit that ends earlier uses only the
    first part of the curve. With ``partial_fit`` each call is one epoch, so the fraction
    reaches 1 after ``max_iter`` calls, and ``schedule`` stays at its last value. Raise
    ``max_iter`` to the number of calls, or use a schedule that counts epochs, such as
    :class:`Step`, without warm-up.

    Unless ``schedule`` depends on ``stalls``, as :class:`Adaptive` does, training ends at
    the first stall; raise ``n_iter_no_change`` to train longer.

    References
    ----------
    P. Goyal et al., *Accurate, large minibatch SGD: training ImageNet in 1 hour*,
    arXiv:1706.02677, 2017, section 2.2.

    Examples
    --------
    >>> from sknn_scratch.components import Cosine, LinearWarmup
    >>> from sknn_scratch.contracts import Progress
    >>> rate = LinearWarmup(Cosine(), warmup=0.2)
    >>> [rate(Progress(0, 0, 0, fraction, 0)) for fraction in (0.0, 0.1, 0.2, 1.0)]
    [0.0, 0.5, 1.0, 0.0]
    """

    schedule: Schedule = Constant()
    warmup: float = 0.05

    def __post_init__(self) -> None:
        fits = isinstance(self.schedule, Schedule)
        self.require(fits, "schedule", "an instance of Schedule, such as Cosine()")
        self.require_number("warmup", 0, 1, closed="left")

    def __call__(self, progress: Progress) -> float:
        t, warmup = progress.fraction, self.warmup
        rest = max(t - warmup, 0.0) / (1.0 - warmup)
        factor = self.schedule(progress._replace(fraction=rest))
        return factor * (t / warmup) if t < warmup else factor


def _half_cosine(start: float, stop: float, x: float) -> float:
    """Interpolate from ``start`` at x = 0 to ``stop`` at x = 1 along half a cosine period."""
    weight = 0.5 + 0.5 * cos(pi * x)
    return start * weight + stop * (1.0 - weight)
