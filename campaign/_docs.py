"""The table of stored runs in ``docs/reliability.md``.

python -m campaign page
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from campaign._findings import Total, totals

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
BLOCK = re.compile(r"(<!-- campaign -->\n).*?(<!-- end of campaign -->)", re.DOTALL)
#: So many seeds are written out; the others are counted.
SEEDS = 4
NONE_YET = "No runs are stored yet."


def filled(text: str, runs: list[dict[str, Any]]) -> str:
    """Return the text of the page with the figures of stored runs."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{table(runs)}\n\n{match[2]}", text)


def table(runs: list[dict[str, Any]]) -> str:
    """Return stored runs as a table, with their versions below."""
    if not runs:
        return NONE_YET
    lines = ["| part | cases | hours | seeds | kinds of findings | latest run |"]
    lines += ["|---|--:|--:|---|--:|---|", *map(_line, totals(runs))]
    versions = runs[-1]["versions"]
    words = ", ".join(f"{name} {version}" for name, version in versions.items())
    return "\n".join([*lines, "", f"Versions of the latest run: {words}."])


def _line(one: Total) -> str:
    seeds = ", ".join(map(str, one.seeds[:SEEDS]))
    more = f" and {len(one.seeds) - SEEDS} more" if len(one.seeds) > SEEDS else ""
    return (
        f"| {one.part} | {one.cases:,} | {one.hours:.2f} | {seeds}{more} | {one.findings} | "
        f"{one.latest} |"
    )


def write(runs: list[dict[str, Any]]) -> None:
    """Bring the page up to date."""
    text = PAGE.read_text(encoding="utf-8")
    new = filled(text, runs)
    PAGE.write_text(new, encoding="utf-8")
    print(f"{PAGE.name}: {'as it was' if new == text else 'brought up to date'}")
