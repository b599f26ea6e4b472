"""Floating-point computation independent of numpy's error settings."""

import numpy as np


def quiet_floats() -> np.errstate:
    """Return a context, or a decorator, in which floating-point exceptions are silent.

    Overflow gives inf, underflow 0 and 0/0 nan, as in IEEE 754: code that depends on it checks
    its results.  Calls of ``np.seterr`` by the user or by imported packages have no effect inside,
    so that they change neither results nor errors.
    """
    return np.errstate(all="ignore")
