"""Conversion of lazy frames and of tensors of other libraries to data in memory.

All estimators convert X here first, so that each container has the same meaning for all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

#: Remedy for an X without rows and columns.
TO_TABLE = "make it a table of rows and columns, for example with pandas.DataFrame(X)"


def no_table(owner: str, got: str, remedy: str = TO_TABLE) -> str:
    """Return the error message for an X that is no table."""
    return (
        f"X of {owner} must be a DataFrame or a two-dimensional array, with a row for each sample. "
        f"Got {got}: {remedy}."
    )


def in_memory(X: Any, owner: str) -> Any:
    """Return lazy frames collected, tensors as numpy arrays, and other types unchanged.

    ``owner`` is the class or function that the user called, for error messages.
    """
    if isinstance(X, np.ndarray | list | tuple) or issparse(X):
        return X
    if hasattr(type(X), "__dask_graph__"):  # Dask's protocol
        return X.compute()
    if _is_tensor(X):
        return _as_numpy(X, owner)
    return _collected(X, owner)


def _is_tensor(X: Any) -> bool:
    """Return True if X is an array of another library, but not a series."""
    if hasattr(X, "to_frame"):
        return False
    is_array = hasattr(X, "__array__") and hasattr(X, "dtype") and hasattr(X, "shape")
    return is_array or (hasattr(X, "__dlpack__") and not hasattr(X, "__array__"))


def _as_numpy(X: Any, owner: str) -> Any:
    """Return a tensor as an array; raise TypeError, with a remedy, if on another device."""
    try:
        return np.asarray(X) if hasattr(X, "__array__") else np.from_dlpack(X)
    except Exception as error:  # whatever the other library raises
        raise TypeError(
            f"X of {owner} must be an array that numpy can read. Got {_class(X)} ({error}): copy "
            "it to the CPU as a plain array first, for example with X.detach().cpu() or X.get()."
        ) from error


def _collected(X: Any, owner: str) -> Any:
    """Return a lazy frame of polars collected; reject others, whose rows have no fixed order."""
    import narwhals as nw  # scikit-learn brings it

    try:
        native = nw.from_native(X, pass_through=True)
    except nw.exceptions.DuplicateError:  # a frame in memory
        return X
    if not isinstance(native, nw.LazyFrame):
        return X
    if native.implementation.is_polars():
        return native.collect().to_native()
    raise TypeError(
        f"X of {owner} must be in memory, and its rows in the order of y. Got {_class(X)}, which "
        "is lazy and promises no order: sort it, and turn it into a DataFrame of pandas, polars "
        "or pyarrow first, for example with .collect(), .toPandas() or .df()."
    )


def _class(X: Any) -> str:
    """Return the class name of an object, with the name of its library."""
    cls = type(X)
    library = cls.__module__.partition(".")[0]
    return cls.__name__ if library == "builtins" else f"{library}.{cls.__name__}"
