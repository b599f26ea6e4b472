"""Floating-point computation independent of numpy's error settings."""

import numpy as np


def quiet_floats() -> np.errstate:
    """Return a context, or a decorator, in which floating-point exceptions are silent.

    Overflow gives inf, underflow 0 and 0/0 nan, as in IEEE 754: code that depends on it checks
    its results.  ``np.seterr`` of a user, or of a package that they import, does not reach
    inside, so that it changes neither results nor what is raised.
    """
    return np.errstate(all="ignore")
