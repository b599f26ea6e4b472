"""Names of columns: assignment of columns to those of ``fit``, and names in parameters.

Names may be of any hashable type, as in pandas: 1 and "1" are different names.  The columns of
an array have no names, and are identified by their numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sknn_scratch._warning import warn
from sknn_scratch.preprocessing._columns import ArrayColumns, FrameColumns
from sknn_scratch.preprocessing._objects import forms, is_hashable

Table = FrameColumns | ArrayColumns
#: Maximum number of names in a message, as in scikit-learn.
_MOST_SHOWN = 5


def places_of(known: Sequence[Any] | None, n: int, columns: Table, owner: str) -> list[int]:
    """Return the positions in X of the ``n`` columns of ``fit``, by name if both have names.

    ``known`` are the names in ``fit``; ``owner`` is the class that the user called.
    """
    names = columns.names
    if known is not None and names is not None:
        place = {name: k for k, name in enumerate(names)}
        if place.keys() != set(known):
            raise ValueError(_mismatch(known, names))
        return [place[name] for name in known]
    if columns.n_columns != n:
        raise ValueError(
            f"X has {columns.n_columns} features, but {owner} is expecting {n} features as input."
        )
    _warn_of_one_side(known, names, owner)
    return list(range(n))


def _mismatch(known: Sequence[Any], names: Sequence[Any]) -> str:
    """Return scikit-learn's message, for names of any type."""
    are_strings = all(isinstance(name, str) for name in (*known, *names))
    message = "The feature names should match those that were passed during fit.\n"
    for title, these, others in (
        ("Feature names unseen at fit time:\n", names, known),
        ("Feature names seen at fit time, yet now missing:\n", known, names),
    ):
        odd = sorted(map(str if are_strings else repr, set(these) - set(others)))
        if odd:
            lines = [f"- {name}\n" for name in odd[:_MOST_SHOWN]]
            message += title + "".join(lines) + "- ...\n" * (len(odd) > _MOST_SHOWN)
    return message


def _warn_of_one_side(known: Sequence[Any] | None, names: Sequence[Any] | None, owner: str) -> None:
    """Warn, as scikit-learn does, if ``fit`` had names and X has none, or the reverse.

    Names that number the columns from 0 do not count: pandas assigns them to an array.
    """
    if known is not None and not _are_places(known):
        warn(f"X does not have valid feature names, but {owner} was fitted with feature names")
    if names is not None and not _are_places(names):
        warn(f"X has feature names, but {owner} was fitted without feature names")


def _are_places(names: Sequence[Any]) -> bool:
    return list(names) == list(range(len(names)))


# --- Names in parameters.


def chosen(value: Any, columns: Table, owner: str) -> list[int]:
    """Return the positions of the columns in ``categorical_features``."""
    if value is None or isinstance(value, str):
        return []
    n, names = columns.n_columns, columns.names
    entries = [value] if isinstance(value, dict) else list(value)
    if entries and all(isinstance(entry, bool | np.bool_) for entry in entries):
        if len(entries) != n:
            raise _unfit(owner, f"one boolean for each of {n} columns", len(entries))
        return [k for k, is_category in enumerate(entries) if is_category]
    places = _places_by_name(columns)
    unknown = [entry for entry in entries if not is_hashable(entry) or entry not in places]
    if unknown:
        known = f"numbers from 0 to {n - 1}" if names is None else f"names among {_listed(names)}"
        raise _unfit(owner, known, _listed(unknown))
    return [places[entry] for entry in entries]


def _places_by_name(columns: Table) -> dict[Any, int]:
    """Return the position of each name, and of each number if no name is a number."""
    names, numbers = columns.names or [], {k: k for k in range(columns.n_columns)}
    places = {name: k for k, name in enumerate(names)}
    return places if "number" in forms(names) else numbers | places


def _unfit(owner: str, must_be: str, value: Any) -> ValueError:
    return ValueError(
        f"The 'categorical_features' parameter of {owner} must hold {must_be}. Got {value}: pass "
        "the categorical columns of X."
    )


def _listed(names: Sequence[Any]) -> str:
    """Return names for a message, limited in number."""
    shown = ", ".join(map(repr, names[: 4 * _MOST_SHOWN]))
    return f"[{shown}{', ...' * (len(names) > 4 * _MOST_SHOWN)}]"
