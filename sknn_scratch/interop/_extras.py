"""Imports of optional dependencies, with an error that names the extra to install."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def require(module: str, extra: str, what: str) -> Any:
    """Return a module of an extra, or raise ImportError with the command to install it."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{what} requires {module.partition('.')[0]}, which cannot be imported ({error}): "
            f"run `pip install 'sknn-scratch[{extra}]'`."
        ) from error
