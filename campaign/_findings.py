"""What a run found: findings counted by kind, outcomes, and the file that adds up runs."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

#: Where runs are stored, a line of JSON each.
FOLDER = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Finding:
    """One violated promise, with the case that shows it."""

    part: str
    seed: int
    kind: str
    text: str
    trace: tuple[str, ...] = ()
    #: Where in the code it arose, if there is one such place.
    place: str = ""

    @property
    def key(self) -> str:
        """Return what findings of the same fault have in common."""
        return f"{self.part} {self.kind} {self.place or normalised(self.text)}"

    def script(self) -> str:
        """Return the lines that replay the case."""
        return f"from campaign import replay\nreplay({self.part!r}, {self.seed})"

    def __str__(self) -> str:
        steps = "".join(f"\n    {step}" for step in self.trace)
        lines = "".join(f"\n    >>> {line}" for line in self.script().splitlines())
        at = f" at {self.place}" if self.place else ""
        return f"{self.part}: {self.kind}: {self.text}{at}{steps}{lines}"


@dataclass
class Ledger:
    """The outcomes and findings of one run."""

    part: str
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: dict[str, list[Finding]] = field(default_factory=dict)
    cases: int = 0
    #: Called with each finding of a new kind.
    tell: Any = None

    def count(self, outcome: str, n: int = 1) -> None:
        """Count what a call ended in."""
        self.outcomes[outcome] += n

    def found(self, finding: Finding) -> None:
        """Record a finding; tell of the first of its kind."""
        is_new = finding.key not in self.findings
        self.findings.setdefault(finding.key, []).append(finding)
        if is_new and self.tell is not None:
            self.tell(finding)


def normalised(text: str) -> str:
    """Return a message without its numbers and addresses, so that equal faults look equal."""
    text = re.sub(r"0x[0-9a-f]+|[-+]?\d[\d.e+-]*", "#", text)
    text = re.sub(r"[Gg]ot .{0,80}? instead", "Got # instead", text, flags=re.DOTALL)
    return " ".join(text.split())[:160]


def stored(folder: Path = FOLDER) -> list[dict[str, Any]]:
    """Return all stored runs."""
    path = folder / "runs.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def store(ledger: Ledger, seed: int, seconds: float, folder: Path = FOLDER) -> None:
    """Append a run to the stored ones."""
    import numpy
    import sklearn

    import sknn_scratch

    run = {
        "part": ledger.part,
        "date": time.strftime("%Y-%m-%d"),
        "seed": seed,
        "cases": ledger.cases,
        "seconds": round(seconds),
        "outcomes": dict(sorted(ledger.outcomes.items())),
        "findings": [asdict(each[0]) | {"times": len(each)} for each in ledger.findings.values()],
        "versions": {
            module.__name__: module.__version__ for module in (sknn_scratch, numpy, sklearn)
        },
    }
    folder.mkdir(exist_ok=True)
    with (folder / "runs.jsonl").open("a") as file:
        file.write(json.dumps(run) + "\n")


class Total(NamedTuple):
    """The runs of one part, added up."""

    part: str
    cases: int
    hours: float
    seeds: tuple[int, ...]  #: of the first cases
    findings: int  #: kinds of findings
    latest: str


def totals(runs: list[dict[str, Any]]) -> list[Total]:
    """Return what stored runs add up to, by part."""
    by_part: dict[str, list[dict[str, Any]]] = {}
    for run in runs:
        by_part.setdefault(run["part"], []).append(run)
    return [
        Total(
            part,
            sum(run["cases"] for run in own),
            sum(run["seconds"] for run in own) / 3600,
            tuple(dict.fromkeys(run["seed"] for run in own)),
            sum(len(run["findings"]) for run in own),
            max(run["date"] for run in own),
        )
        for part, own in by_part.items()
    ]


def summary(runs: list[dict[str, Any]]) -> str:
    """Return a table of stored runs, added up by part."""
    rows = [f"{'part':<10} {'cases':>10} {'hours':>7} {'findings':>9}  latest"]
    rows += [
        f"{one.part:<10} {one.cases:>10,} {one.hours:>7.2f} {one.findings:>9}  {one.latest}"
        for one in totals(runs)
    ]
    return "\n".join(rows)
