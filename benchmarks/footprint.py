"""Time of an import and size of an installation, beside scikit-learn and PyTorch's relatives.

    python -m benchmarks footprint [--quick]

Each import is timed inside a fresh process, with bytecode in a folder of this run's own, which the
turn that does not count fills: pip compiles what it installs, and a source tree is compiled anew
each time where the environment says to write none. Sizes are those of the files that pip recorded
here, for a package and all that it needs; sknn_scratch's are those of its folder. PyTorch is
counted as it is installed: its build for the CPU alone is by far the smallest.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import sknn_scratch
from benchmarks._frame import OURS, SKLEARN, SKORCH, TORCH, Row, Settings, installed, interleave
from benchmarks._tables import Table, duration, size, times

CASE = "import"
#: Module and distribution of each one.
PEERS = {
    OURS: ("sknn_scratch", "sknn-scratch"),
    SKLEARN: ("sklearn.neural_network", "scikit-learn"),
    TORCH: ("torch", "torch"),
    SKORCH: ("skorch", "skorch"),
}
NEEDS = ["numpy", "scikit-learn", "joblib"]


# --------------------------------------------------------------------------------------- imports
def seconds_to_import(module: str, repeat: int, bytecode: str) -> float:
    """Return the time of an import in a fresh process, which keeps bytecode in a folder."""
    code = f"import time; t = time.perf_counter(); import {module}; print(time.perf_counter() - t)"
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    variables = kept | {"PYTHONPYCACHEPREFIX": bytecode}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=variables
    )
    return float(done.stdout)


# ----------------------------------------------------------------------------------------- sizes
def needs(distribution: str) -> list[str]:
    """Return the names of what a distribution requires without extras."""
    found = map(Requirement, importlib.metadata.requires(distribution) or [])
    without_extras = {"extra": ""}
    return [
        canonicalize_name(each.name)
        for each in found
        if each.marker is None or each.marker.evaluate(without_extras)
    ]


def closure(names: list[str]) -> list[str]:
    """Return distributions with all that they need, and that is installed."""
    found: list[str] = []
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in found and installed([name]):
            found.append(name)
            todo += needs(name)
    return sorted(found)


def bytes_of(distribution: str) -> int:
    """Return the bytes of the files that pip recorded, without what Python compiled."""
    files = importlib.metadata.files(distribution) or []
    paths = (Path(str(file.locate())) for file in files if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())


def own_bytes() -> int:
    """Return the bytes of sknn_scratch's own files."""
    folder = Path(str(sknn_scratch.__file__)).parent
    files = (path for path in folder.rglob("*") if path.is_file())
    return sum(path.stat().st_size for path in files if path.parent.name != "__pycache__")


def sizes(who: str) -> dict[str, int]:
    """Return the bytes of all that someone needs, by distribution."""
    distribution = PEERS[who][1]
    if who == OURS:
        return {distribution: own_bytes()} | {name: bytes_of(name) for name in closure(NEEDS)}
    # skorch leaves the choice of a build of PyTorch to its users, and does not require it.
    more = [PEERS[TORCH][1]] if who == SKORCH else []
    return {name: bytes_of(name) for name in closure([distribution, *more])}


# --------------------------------------------------------------------------------------- measure
def measure(settings: Settings) -> Iterator[Row]:
    """Yield one row: seconds of an import, and bytes of each distribution."""
    there = [who for who in PEERS if who == OURS or installed([PEERS[who][1]])]
    with tempfile.TemporaryDirectory() as folder:
        cases = {who: partial(seconds_to_import, PEERS[who][0], bytecode=folder) for who in there}
        seconds = interleave(cases, settings.repeats * (1 if settings.quick else 2))
    yield {"case": CASE, "seconds": seconds, "bytes": {who: sizes(who) for who in there}}


def table(rows: list[Row]) -> Table:
    """Return the import's time divided by scikit-learn's, and the sizes."""
    row = rows[0]
    lines = [
        [
            who,
            duration(row, who),
            times(row, who, SKLEARN),
            size(sum(found.values())),
            ", ".join(f"{name} {n / 1e6:.1f}" for name, n in largest(found)),
        ]
        for who, found in row["bytes"].items()
    ]
    return Table(
        ["package", "import", "time vs scikit-learn", "size", "largest parts, in MB"], lines
    )


def largest(found: dict[str, int]) -> list[tuple[str, int]]:
    """Return what weighs more than a hundredth of the whole, and what is ours."""
    least = 0.01 * sum(found.values())
    some = [(name, n) for name, n in found.items() if n > least or name == PEERS[OURS][1]]
    return sorted(some, key=lambda item: -item[1])
