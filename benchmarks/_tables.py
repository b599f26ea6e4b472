"""Tables, for a terminal and for a page of documentation."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks._frame import COMPILED, OURS, Row, quartiles, ratios

NONE = "-"


class Table(NamedTuple):
    """A head and rows of words; the first ``left`` columns are aligned to the left."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    left: int = 1

    def text(self) -> str:
        """Return the table for a terminal."""
        lines = [self.head, *self.rows]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join(self._aligned(line, widths) for line in lines)

    def _aligned(self, line: Sequence[str], widths: list[int]) -> str:
        cells = (
            word.ljust(width) if column < self.left else word.rjust(width)
            for column, (word, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    def markdown(self) -> str:
        """Return the table for a page."""
        rule = ["---"] * self.left + ["--:"] * (len(self.head) - self.left)
        lines = [list(self.head), rule, *map(list, self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


# ----------------------------------------------------------------------------------------- words
def times(row: Row, over: str, under: str) -> str:
    """Return over / under as median and quartiles, such as 4.61 (4.52 - 4.65)."""
    found = ratios(row, over, under)
    return spread(found) if found else NONE


def spread(found: Sequence[float], digits: int = 2) -> str:
    """Return a median with its quartiles."""
    low, median, high = (f"{value:.{digits}f}" for value in found)
    return f"{median} ({low} - {high})"


def over(mine: Sequence[str], peers: Sequence[str]) -> list[str]:
    """Return the heads of the columns of speedups."""
    words = {OURS: "", COMPILED: ", compiled"}
    return [f"vs {who}{words[me]}" for me in mine for who in peers]


def duration(row: Row, name: str) -> str:
    """Return the median time of one who takes part, in a fitting unit."""
    seconds = row["seconds"].get(name)
    return seconds_as_words(quartiles(seconds)[1]) if seconds else NONE


def seconds_as_words(seconds: float) -> str:
    """Return a time in a fitting unit."""
    for factor, unit in (1, "s"), (1e3, "ms"):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def size(n_bytes: float | None) -> str:
    """Return bytes as megabytes."""
    return NONE if n_bytes is None else f"{n_bytes / 1e6:,.1f} MB"


def taking_part(rows: Sequence[Row], wanted: Sequence[str]) -> list[str]:
    """Return those who were measured in one row at least, in the order of ``wanted``."""
    return [name for name in wanted if any(name in row.get("seconds", {}) for row in rows)]


def counts(row: Row, key: str) -> str:
    """Return a median that is the same for all, or the medians of all in their order."""
    values = [f"{statistics.median(each):g}" for each in row[key].values()]
    return values[0] if len(set(values)) == 1 else " / ".join(values)
