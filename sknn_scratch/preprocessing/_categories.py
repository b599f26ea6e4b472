"""Encoding of categorical columns, with rare categories grouped."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sknn_scratch._warning import warn
from sknn_scratch.preprocessing._numeric import smooth_clip
from sknn_scratch.preprocessing._objects import plain

Array = NDArray[Any]
#: Value of a category's own feature in its rows: 2, clipped like numeric features.
HOT = float(smooth_clip(2.0))
#: With at most this number of categories, strings are not taken for numbers.
FEW_LEVELS = 20
#: Pattern of numbers that are identifiers, such as zip codes.
_CODE = re.compile(r"\s*0\d")


@dataclass(frozen=True)
class Levels:
    """Encoding of one categorical column: ±1 for two categories, else one feature for each.

    Categories that are unknown or missing are encoded as zeros.
    """

    kept: tuple[Any, ...]  #: categories with their own feature, by number
    rare: tuple[Any, ...]  #: categories that share one more feature

    @classmethod
    def learn(cls, values: list[Any], weight: Array | None, largest: int) -> Levels:
        """Return the encoding of one value per row, with at most ``largest`` own features."""
        counts: dict[Any, float] = {}
        weights = [1.0] * len(values) if weight is None else weight.tolist()
        for value, w in zip(values, weights, strict=True):
            if value is not None and w > 0:
                counts[value] = counts.get(value, 0.0) + w
        common = sorted(counts, key=lambda level: (-counts[level], _sort_key(level)))[:largest]
        if (
            len(counts) > largest
        ):  # categories that occur once among many, such as names, are not informative
            common = [level for level in common if counts[level] > 1]
        kept, rare = sorted(common, key=_sort_key), counts.keys() - set(common)
        return cls(tuple(map(plain, kept)), tuple(map(plain, sorted(rare, key=_sort_key))))

    def __reduce__(self) -> Any:
        """Store tuples only, because some file formats convert the keys of a dict to strings."""
        return Levels, (self.kept, self.rare)

    @cached_property
    def codes(self) -> dict[Any, int]:
        """Number of each category; all rare categories have the same number."""
        own = {level: k for k, level in enumerate(self.kept)}
        return own | dict.fromkeys(self.rare, len(own))

    @property
    def has_rest(self) -> bool:
        """True if rare categories share one more feature."""
        return bool(self.rare)

    @property
    def width(self) -> int:
        """Number of features; 0 for a single category."""
        n = len(self.kept) + self.has_rest
        return n if n > 2 else n - 1 if n else 0

    def names(self, name: str) -> list[str]:
        """Return the names of the features."""
        names = [f"{name}_{level}" for level in self.kept]
        names += [f"{name}_infrequent"] * self.has_rest
        return names[len(names) - self.width :]

    def write(self, values: list[Any], name: Any, out: Array) -> None:
        """Write (rows, width) features into ``out``, which is zero; ``name`` is for warnings."""
        get = self.codes.get
        codes = np.fromiter((get(value, -1) for value in values), np.intp, len(values))
        if (codes < 0).all():
            self._warn_of_other_types(values, name)
        if self.width == 1:
            out[codes == 0, 0], out[codes == 1, 0] = -1.0, 1.0
            return
        known = np.flatnonzero(codes >= 0)
        out[known, codes[known]] = HOT

    def _warn_of_other_types(self, values: list[Any], name: Any) -> None:
        """Warn if all categories are unknown because their type differs from that in fit."""
        known = [plain(value) for value in values if value is not None]
        now, then = ({type(level) for level in levels} for levels in (known, self.codes))
        if now and then and now.isdisjoint(then):
            old, new = (", ".join(sorted(t.__name__ for t in types)) for types in (then, now))
            warn(
                f"Column {name!r} of X has categories of the type {old} in fit, and of the type "
                f"{new} here ({known[0]!r}, ...): all are unknown and encoded as zeros. Convert "
                "the column to the type in fit."
            )


def look_measured(values: list[Any]) -> bool:
    """Return True if strings look like measurements instead of identifiers.

    Measurements are finite numbers with more than ``FEW_LEVELS`` different values, of which one
    has a fraction, or which differ in more than half of the rows. A leading zero means an
    identifier.
    """
    known = [value for value in values if value is not None]
    levels = set(known)
    strings = [level for level in levels if isinstance(level, str)]
    if len(levels) <= FEW_LEVELS or not strings or any(map(_CODE.match, strings)):
        return False
    numbers = [_to_float(level) for level in levels]
    if not all(map(isfinite, numbers)):
        return False
    return 2 * len(levels) > len(known) or any(not x.is_integer() for x in numbers)


def _to_float(level: Any) -> float:
    """Return a category as a number, or nan if it is not one."""
    try:
        return float(level)
    except (TypeError, ValueError):
        return nan


def _sort_key(level: Any) -> tuple[str, Any]:
    """Return a sort key: by value within a type, and by type name between types."""
    is_number = isinstance(level, bool | int | float)
    return ("", level) if is_number else (type(level).__name__, str(level))
