"""Warnings that point to the user's line."""

import os
import sys
import warnings
from pathlib import Path

_PACKAGE = str(Path(__file__).parent) + os.sep
#: scikit-learn wraps ``transform`` and similar methods, for ``set_output``.
_WRAPPER = os.path.join("sklearn", "utils", "_set_output.py")


def warn(message: str, category: type[Warning] = UserWarning) -> None:
    """Issue a warning at the line outside this package that called it."""
    level, frame = 1, sys._getframe()
    while frame.f_back is not None and _is_within(frame.f_code.co_filename):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


def _is_within(file: str) -> bool:
    return file.startswith(_PACKAGE) or file.endswith(_WRAPPER)
