"""One way to compute with floats, whatever numpy is told to do at overflow and the like."""

import numpy as np


def quiet_floats() -> np.errstate:
    """Return a context, or a decorator, in which floating-point exceptions are silent.

    Overflow gives inf, underflow 0 and 0/0 nan, as IEEE 754 has it: code that minds looks at
    its results.  ``np.seterr`` of a user, or of a package that they import, does not reach
    inside, so that it changes neither results nor what is raised.
    """
    return np.errstate(all="ignore")
