"""The frame of every benchmark: who takes turns, what the clock sees, what is stored."""

from __future__ import annotations

import datetime
import gc
import importlib.metadata
import json
import os
import platform
import statistics
import sys
import time
import tracemalloc
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import joblib
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_info, threadpool_limits

import sknn_scratch

#: Who takes part, as tables and plots call them.
OURS, COMPILED = "sknn_scratch", "sknn_scratch, compiled"
SKLEARN, TORCH, SKORCH, BARE = "scikit-learn", "PyTorch", "skorch", "bare products"
ENGINES = {"numpy": OURS, "compiled": COMPILED}

FOLDER = Path(__file__).parent / "results"
PACKAGES = ["numpy", "scipy", "scikit-learn", "joblib", "numba", "torch", "skorch"]
PACKAGES += ["dask", "onnxruntime", "fastapi", "uvicorn", "aiohttp"]

#: Does some work in its n-th repetition, and returns the seconds that it took.
Case = Callable[[int], float]
Row = dict[str, Any]


class Settings(NamedTuple):
    """What a run was asked for."""

    repeats: int = 7
    scale: float = 1.0  # less than 1: fewer cases with fewer steps, to see that all is well
    engines: tuple[str, ...] = ("numpy",)
    threads: tuple[int, ...] = (1,)
    data: Path | None = None
    only: str = ""  # a part of the name of a case

    @property
    def quick(self) -> bool:
        return self.scale < 1

    def some(self, number: float, least: int = 1) -> int:
        """Return that part of a number of steps or rows which the scale asks for."""
        return max(least, round(self.scale * number))

    def wants(self, case: str) -> bool:
        """Tell whether a case was asked for."""
        return self.only in case


# ------------------------------------------------------------------------------------ the clock
def clock(action: Callable[[], object]) -> float:
    """Return the seconds that an action takes; the garbage collector waits."""
    gc.disable()
    try:
        start = time.perf_counter()
        action()
        return time.perf_counter() - start
    finally:
        gc.enable()


def interleave(
    cases: Mapping[str, Case], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Return the seconds of cases that take turns, each time in another order.

    The first turn fills caches and compiles, and does not count.
    """
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    names = list(cases)
    if warm_up:
        for name in names:
            cases[name](0)
    for repeat in range(repeats):
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            seconds[name].append(cases[name](repeat))
    return seconds


@contextmanager
def one_run(threads: int) -> Iterator[None]:
    """Hold BLAS and PyTorch to a number of threads, and training that stops early to silence."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(threads)
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


def peak_memory(action: Callable[[], object]) -> int:
    """Return the most bytes that an action needed at once, beside what was there before it."""
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# -------------------------------------------------------------------------------------- engines
def engine(name: str) -> Any:
    """Return a context in which sknn_scratch, new processes included, computes with an engine."""
    return sknn_scratch.config_context(engine=name)


@contextmanager
def environment_variable(name: str, value: str) -> Iterator[None]:
    """Set a variable, which processes inherit that are started meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def with_engine(name: str, case: Case) -> Case:
    """Return the same case, computed with an engine."""

    def inside(repeat: int) -> float:
        with engine(name):
            return case(repeat)

    return inside


def for_engines(settings: Settings, case: Case) -> dict[str, Case]:
    """Return a case of ours by name, once for each engine."""
    return {ENGINES[name]: with_engine(name, case) for name in settings.engines}


def ready(name: str) -> bool:
    """Tell whether an engine can be had."""
    try:
        with engine(name):
            return True
    except (ImportError, ValueError):
        return False


# ------------------------------------------------------------------------------------- summaries
def quartiles(values: list[float]) -> list[float]:
    """Return the lower quartile, the median and the upper quartile."""
    if len(values) == 1:
        return values * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def ratios(row: Row, over: str, under: str) -> list[float] | None:
    """Return the quartiles of over / under, repetition by repetition; None if one is missing."""
    seconds = row["seconds"]
    if not (seconds.get(over) and seconds.get(under)):
        return None
    return quartiles([a / b for a, b in zip(seconds[over], seconds[under], strict=True)])


def summarised(row: Row) -> Row:
    """Return a row with the medians, and with how many times as long the others take."""
    if "seconds" not in row:
        return row
    seconds = row["seconds"]
    others = {
        mine: {other: ratios(row, other, mine) for other in seconds if other != mine}
        for mine in (OURS, COMPILED)
        if mine in seconds
    }
    medians = {name: statistics.median(values) for name, values in seconds.items()}
    return row | {"medians": medians, "ratios": others}


# ----------------------------------------------------------------------------------------- files
def installed(names: list[str]) -> dict[str, str]:
    """Return the versions of the packages that are there."""
    found = {}
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def processor() -> str:
    """Return the name of the processor, or its kind."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(models, platform.machine())


def blas() -> list[str]:
    """Return name, version and kernels of each BLAS that is loaded."""
    keys = "internal_api", "version", "architecture"
    found = (entry for entry in threadpool_info() if entry["user_api"] == "blas")
    return sorted({" ".join(str(entry.get(key) or "") for key in keys) for entry in found})


def environment() -> dict[str, Any]:
    """Describe what was measured on, without names of machines or folders."""

    return {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "cpus": joblib.cpu_count(),
        "python": platform.python_version(),
        "versions": {"sknn-scratch": sknn_scratch.__version__, **installed(PACKAGES)},
        "blas": blas(),
        "load": load(),
    }


def load() -> float:
    """Return how many processes have been running of late, where the system tells."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else 0.0


def result(name: str, settings: Settings, rows: list[Row]) -> dict[str, Any]:
    """Return what is stored of a benchmark."""
    asked = settings._asdict() | {"data": settings.data is not None}
    return {
        "benchmark": name,
        "environment": environment(),
        "settings": asked,
        "rows": [summarised(row) for row in rows],
    }


def rounded(value: Any) -> Any:
    """Return the same with five digits of each float: less than the clock can tell."""
    if isinstance(value, float):
        return float(f"{value:.5g}")
    if isinstance(value, dict):
        return {key: rounded(item) for key, item in value.items()}
    return [rounded(item) for item in value] if isinstance(value, list | tuple) else value


def write(found: dict[str, Any], folder: Path) -> Path:
    """Store a benchmark's result as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{found['benchmark']}.json"
    path.write_text(one_row_a_line(rounded(found)), encoding="utf-8")
    return path


def one_row_a_line(found: dict[str, Any]) -> str:
    """Return JSON that a person can read, and compare with another."""
    head = json.dumps(found | {"rows": []}, indent=1)
    rows = ",\n  ".join(json.dumps(row) for row in found["rows"])
    return head.removesuffix("[]\n}") + f"[\n  {rows}\n ]\n}}\n"


def read(name: str, folder: Path) -> dict[str, Any] | None:
    """Return a stored result, or None."""
    path = folder / f"{name}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def stored_rows(name: str, folder: Path) -> list[Row] | None:
    """Return the rows of a stored result, or None; those of tables are lines of JSON."""
    lines = folder / f"{name}.jsonl"
    if lines.exists():
        return [json.loads(line) for line in lines.read_text(encoding="utf-8").splitlines()]
    found = read(name, folder)
    return found["rows"] if found else None


def heading(found: dict[str, Any]) -> str:
    """Return the line above a table: what was measured, on what, when."""
    where = found["environment"]
    parts = [f"{name} {version}" for name, version in where["versions"].items()]
    machine = f"{where['processor']}, {where['cpus']} CPUs, Python {where['python']}"
    return f"{machine}, {where['date']}; {', '.join(parts)}; {'; '.join(where['blas'])}"


def is_quick(folder: Path) -> bool:
    """Tell whether a stored result is of a quick run: no figure to keep."""
    found = (json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json"))
    return any(each["settings"]["scale"] < 1 for each in found)
