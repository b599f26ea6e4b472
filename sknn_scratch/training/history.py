"""Record of the epochs done, which grows at constant cost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

#: One row of the history: quantities of one epoch, by name.
Row = dict[str, float]


class History(Sequence[Row]):
    """Rows of the epochs done.  Its methods ``append`` and ``copy`` take constant time.

    Copies share one list, of which each uses a range.  Rows that one copy appends are outside
    the ranges of the others.
    """

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = list(rows)
        self._range = range(len(self._rows))

    def __len__(self) -> int:
        return len(self._range)

    def __getitem__(self, key: Any) -> Any:
        """Return a row, or a list of the rows in a slice."""
        found = self._range[key]
        if isinstance(found, range):
            return [self._rows[k] for k in found]
        return self._rows[found]

    def __iter__(self) -> Iterator[Row]:
        return islice(self._rows, self._range.start, self._range.stop)

    def curve(self, name: str) -> list[float]:
        """Return one column, of the rows that have it."""
        return [row[name] for row in self if name in row]

    def append(self, row: Row) -> None:
        """Append a row; copy the list only if a copy of this history has appended one before."""
        stop = self._range.stop
        if len(self._rows) == stop:
            self._rows.append(row)
        if self._rows[stop] is row:
            self._range = range(self._range.start, stop + 1)
        else:  # not if the length differs, because another thread may append in between
            History.__init__(self, [*self, row])

    def copy(self) -> History:
        """Return an independent history of the same rows."""
        twin = History()
        twin._rows, twin._range = self._rows, self._range
        return twin

    def keep(self, n: int) -> None:
        """Keep the last ``n`` rows."""
        self._range = self._range[-n:]
        if self._range.start > n:  # rarely, so that a call takes constant time on average
            History.__init__(self, self)

    def __getstate__(self) -> dict[str, Any]:
        return {"rows": list(self)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        History.__init__(self, state["rows"])
