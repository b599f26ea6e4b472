"""A fitted TabularPreprocessor as nested dicts of plain data, and its validated reading."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sknn_scratch.preprocessing import _calendar
from sknn_scratch.preprocessing._categories import Levels
from sknn_scratch.preprocessing._numeric import Bins, RobustScale
from sknn_scratch.preprocessing._objects import is_missing
from sknn_scratch.preprocessing._plain_values import read_value, write_value
from sknn_scratch.preprocessing._tabular import TabularPreprocessor
from sknn_scratch.training import form

Array = NDArray[Any]


def tree_of(fitted: TabularPreprocessor) -> dict[str, Any]:
    """Return what a preprocessor has learnt; raise TypeError for categories of unknown types.

    Everything else that it has is made from this: numbers of features, and their names.
    """
    names = fitted._names
    return {
        "names": None if names is None else list(map(write_value, names)),
        "kinds": list(fitted.kinds_),
        "origins": list(fitted._origins),
        "time_unit": fitted._time_unit,
        **_arrays(fitted._scale),
        "indicated": fitted._indicated.tolist(),
        "n_bins": fitted.n_bins_,
        "bins": [{"of": j} | _arrays(bins) for j, bins in fitted._bins],
        "levels": [
            {"of": k, **{name: list(map(write_value, getattr(levels, name))) for name in _LEVELS}}
            for k, levels in fitted._levels
        ],
    }


def _arrays(parts: RobustScale | Bins) -> dict[str, Array]:
    return {name: np.array(part) for name, part in parts._asdict().items()}


def read(params: Mapping[str, Any], tree: Any, place: str) -> TabularPreprocessor:
    """Return the preprocessor that :func:`tree_of` wrote; raise MisfitError if it is damaged.

    ``params`` are its parameters, ``place`` is its position in a state.
    """
    found = tree.get("kinds") if isinstance(tree, dict) else None
    kinds = form.sequence(form.text(*_KINDS))(found, form.at(place, "kinds"))
    if not kinds:
        raise form.MisfitError(form.at(place, "kinds"), "list with a kind for each column", kinds)
    known = form.record(_parts(kinds))(tree, place)
    _check(known, place)
    names, scale = known["names"], RobustScale(known["centre"], known["factor"])
    bins = [Bins(*(part[name] for name in Bins._fields)) for part in known["bins"]]
    levels = [Levels(*(tuple(part[name]) for name in _LEVELS)) for part in known["levels"]]
    fitted = TabularPreprocessor(**params)
    fitted._set_names(names, len(kinds))
    fitted.kinds_ = tuple(kinds)
    fitted._origins, fitted._time_unit = known["origins"], known["time_unit"]
    fitted._set_scale(scale)
    fitted._indicated = np.array(known["indicated"], np.intp)
    fitted.n_bins_ = known["n_bins"]
    fitted._bins = list(zip(_columns(known["bins"]), bins, strict=True))
    fitted._levels = list(zip(_columns(known["levels"]), levels, strict=True))
    fitted._count_features()
    return fitted


def _columns(parts: list[dict[str, Any]]) -> list[int]:
    return [part["of"] for part in parts]


# --- Forms.

_KINDS = ("number", "category", "time", "missing")
_LEVELS = ("kept", "rare")


def _parts(kinds: Sequence[str]) -> dict[str, form.Form]:
    """Return the form of each part, for columns of these kinds."""
    n, n_times = len(kinds), kinds.count("time")
    n_numbers = kinds.count("number") + n_times * len(_calendar.PARTS)
    scale, row = form.array((n_numbers,), np.float64), form.whole(0, n_numbers - 1)
    bins = {"of": row, **dict.fromkeys(Bins._fields, _in_float64)}
    levels = {"of": form.whole(0, n - 1), **dict.fromkeys(_LEVELS, form.sequence(_level))}
    return {
        "names": form.optional(form.sequence(read_value, n)),
        "kinds": form.sequence(form.text()),
        "origins": form.sequence(form.whole(-form.MOST), n_times),
        "time_unit": form.text(*_calendar.PER_DAY),
        "centre": scale,
        "factor": scale,
        "indicated": form.sequence(row),
        "n_bins": form.whole(),
        "bins": form.sequence(form.record(bins)),
        "levels": form.sequence(form.record(levels)),
    }


def _in_float64(found: Any, place: str) -> Array:
    vector = form.vector(found, place)
    read: Array = form.array(vector.shape, np.float64)(vector, place)
    return read


def _level(found: Any, place: str) -> Hashable:
    level = read_value(found, place)
    if is_missing(level):
        raise form.MisfitError(place, "category, which is never a missing value", found)
    return level


def _check(known: dict[str, Any], place: str) -> None:
    """Raise MisfitError unless the parts are consistent."""
    names, kinds, factor = known["names"], known["kinds"], known["factor"]
    if names is not None and len(set(names)) < len(names):
        raise form.MisfitError(form.at(place, "names"), "list of different names", names)
    if (factor < 0).any():
        raise form.MisfitError(form.at(place, "factor"), "array of factors from 0", factor)
    of_bins, of_levels = _columns(known["bins"]), _columns(known["levels"])
    for name, of in ("indicated", known["indicated"]), ("bins", of_bins), ("levels", of_levels):
        if any(a >= b for a, b in pairwise(of)):
            raise form.MisfitError(form.at(place, name), "list in the order of the columns", of)
    for k, part in enumerate(known["bins"]):
        if not factor[part["of"]] or not _are_bins(part):
            wanted = "dict of edges in ascending order, slopes above 0 and means, of a column used"
            raise form.MisfitError(form.at(form.at(place, "bins"), k), wanted, part)
    for k, part in enumerate(known["levels"]):
        levels = [*part["kept"], *part["rare"]]
        is_one = kinds[part["of"]] == "category" and len(levels) > 1
        if not is_one or len(set(levels)) < len(levels):
            wanted = "dict of two or more different categories, of a categorical column"
            raise form.MisfitError(form.at(form.at(place, "levels"), k), wanted, part)


def _are_bins(part: dict[str, Array]) -> bool:
    left, slope, mean = (part[name] for name in Bins._fields)
    is_one = 0 < left.size == slope.size == mean.size
    return is_one and bool((np.diff(left) > 0).all() and (slope > 0).all())
