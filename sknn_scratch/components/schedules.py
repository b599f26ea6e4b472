"""Learning-rate schedules: factors on ``learning_rate_init``."""

from __future__ import annotations

from math import inf

from sknn_scratch.contracts import Progress, Schedule
from sknn_scratch.registry import register


@register.schedule("constant")
class Constant(Schedule):
    """The factor 1.

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
    """(samples + 1) to the power ``-power_t``, once per epoch.

    Parameters
    ----------
    power_t : float >= 0, default=0.5

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
        return 1.0 / (progress.samples + 1) ** self.power_t


@register.schedule("adaptive")
class Adaptive(Schedule):
    """A fifth of the rate each time that training stalls, instead of stopping.

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
