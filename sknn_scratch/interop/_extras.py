"""Optional distributions: imported where they are needed, or a sentence that says how."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str, what: str) -> Any:
    """Return a module of an extra; raise ImportError that says what to install."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} needs {module.partition('.')[0]}, which cannot be imported ({error}): "
            f"pip install 'sknn-scratch[{extra}]'."
        ) from error
