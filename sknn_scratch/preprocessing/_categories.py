"""Columns of categories: levels, rare ones together, and their columns of output."""

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
#: What a level's own column holds in its rows: 2, clipped as numbers are.
HOT = float(smooth_clip(2.0))
#: As many levels as this, or fewer, are no reason to think that strings are numbers.
FEW_LEVELS = 20
#: A number that is a name, such as a zip code.
_CODE = re.compile(r"\s*0\d")


@dataclass(frozen=True)
class Levels:
    """The columns of one category: ±1 for two levels, else one for each.

    A level unseen in fit, or a missing one, is a row of zeros.
    """

    kept: tuple[Any, ...]  #: levels with a column of their own, by number
    rare: tuple[Any, ...]  #: levels that share one more column

    @classmethod
    def learn(cls, values: list[Any], weight: Array | None, largest: int) -> Levels:
        """Learn from one value for each row; at most ``largest`` levels have their own column."""
        counts: dict[Any, float] = {}
        weights = [1.0] * len(values) if weight is None else weight.tolist()
        for value, w in zip(values, weights, strict=True):
            if value is not None and w > 0:
                counts[value] = counts.get(value, 0.0) + w
        common = sorted(counts, key=lambda level: (-counts[level], _sort_key(level)))[:largest]
        if (
            len(counts) > largest
        ):  # of what is met once in a long list, such as names, nothing is learnt
            common = [level for level in common if counts[level] > 1]
        kept, rare = sorted(common, key=_sort_key), counts.keys() - set(common)
        return cls(tuple(map(plain, kept)), tuple(map(plain, sorted(rare, key=_sort_key))))

    def __reduce__(self) -> Any:
        """Files hold tuples only: of the keys of a dict, some formats make strings."""
        return Levels, (self.kept, self.rare)

    @cached_property
    def codes(self) -> dict[Any, int]:
        """The number of each level; all rare ones have the same."""
        own = {level: k for k, level in enumerate(self.kept)}
        return own | dict.fromkeys(self.rare, len(own))

    @property
    def has_rest(self) -> bool:
        """Whether rare levels share one more column."""
        return bool(self.rare)

    @property
    def width(self) -> int:
        """Number of columns; none for a single level."""
        n = len(self.kept) + self.has_rest
        return n if n > 2 else n - 1 if n else 0

    def names(self, name: str) -> list[str]:
        """Return the names of the columns."""
        names = [f"{name}_{level}" for level in self.kept]
        names += [f"{name}_infrequent"] * self.has_rest
        return names[len(names) - self.width :]

    def write(self, values: list[Any], name: Any, out: Array) -> None:
        """Write (rows, width) into ``out``, which is zero; ``name`` is the column's."""
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
        """Warn if no level is known because all are of another type than in fit."""
        known = [plain(value) for value in values if value is not None]
        now, then = ({type(level) for level in levels} for levels in (known, self.codes))
        if now and then and now.isdisjoint(then):
            old, new = (", ".join(sorted(t.__name__ for t in types)) for types in (then, now))
            warn(
                f"Column {name!r} of X has categories of the type {old} in fit, and of the type "
                f"{new} here ({known[0]!r}, ...): none of them is known, so that the column says "
                "nothing. Give it the type that it had."
            )


def look_measured(values: list[Any]) -> bool:
    """Tell whether values are strings that measure something, rather than name it.

    That is: all are finite numbers, more than ``FEW_LEVELS`` different ones, and either one has
    a fraction, or more than half of the rows are different. A leading zero makes a name.
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
    """Return a level as a number, nan for what is none."""
    try:
        return float(level)
    except (TypeError, ValueError):
        return nan


def _sort_key(level: Any) -> tuple[str, Any]:
    """Order levels of one type by value; those of different types by its name."""
    is_number = isinstance(level, bool | int | float)
    return ("", level) if is_number else (type(level).__name__, str(level))
