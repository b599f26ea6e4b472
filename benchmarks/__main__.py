"""Run benchmarks, or show what stored ones say.

    python -m benchmarks                             # all of them, about half an hour
    python -m benchmarks step predict --quick        # some, with few steps, to see that they work
    python -m benchmarks fits --data DIR             # with data sets of your own
    python -m benchmarks plot tables report          # from the stored results alone

A full run stores each result in ``benchmarks/results``; one with --quick or --only stores nothing,
unless --results says where. ``plot`` draws into ``docs/images/benchmarks``, ``tables`` writes the
figures of the README and of docs/benchmarks.md, ``report`` compares with what was aimed at.
Needs the extra [bench], and a machine with nothing else to do.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import joblib

from benchmarks import _frame
from benchmarks._frame import ENGINES, Row, Settings

SPEED = ["step", "anatomy", "verbs", "fits", "lbfgs", "predict", "search", "growth", "footprint"]
BENCHMARKS = [*SPEED, "features", "regularisation", "out_of_core", "distributed", "serve"]
COMMANDS = ["plot", "tables", "report"]
QUICK = 0.1


# ----------------------------------------------------------------------------------------- parse
def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser("python -m benchmarks", None, __doc__, formatter_class=formatter)
    made.add_argument("names", nargs="*", metavar="name", help=", ".join(BENCHMARKS + COMMANDS))
    made.add_argument("--quick", action="store_true", help="few cases, steps and repetitions")
    made.add_argument("--repeats", type=int, help="repetitions of each case; 7, or 3 with --quick")
    made.add_argument("--only", default="", help="a part of the name of the cases to measure")
    made.add_argument("--engine", choices=[*ENGINES, "both"], help="both, if there are two")
    made.add_argument("--threads", choices=["1", "all", "both"], help="both; 1 with --quick")
    made.add_argument("--data", type=Path, help="folder with data sets")
    made.add_argument("--results", type=Path, help="folder of the stored results")
    return made


def settings(args: argparse.Namespace) -> Settings:
    """Return what the command line asks for."""
    return Settings(
        repeats=args.repeats or (3 if args.quick else 7),
        scale=QUICK if args.quick else 1.0,
        engines=engines(args.engine),
        threads=threads(args.threads or ("1" if args.quick else "both")),
        data=args.data,
        only=args.only,
    )


def engines(asked: str | None) -> tuple[str, ...]:
    """Return the engines to measure."""
    if asked in ENGINES:
        with _frame.engine(asked):  # says what is missing
            return (asked,)
    found = tuple(name for name in ENGINES if _frame.ready(name))
    if asked == "both" and len(found) < 2:
        raise SystemExit("there is no compiled engine here; it needs: pip install '.[fast]'")
    return found


def threads(asked: str) -> tuple[int, ...]:
    """Return the numbers of BLAS threads."""
    every = joblib.cpu_count()
    return {"1": (1,), "all": (every,), "both": tuple(sorted({1, every}))}[asked]


# ------------------------------------------------------------------------------------------- run
def run(name: str, asked: Settings) -> dict[str, Any] | None:
    """Measure, print the table, and return what is to be stored; None if nothing was measured."""
    print(f"\n=== {name} ===", flush=True)
    module, start, rows = importlib.import_module(f"benchmarks.{name}"), time.perf_counter(), []
    for row in module.measure(asked):
        rows.append(row)
        print(progress(row, time.perf_counter() - start), file=sys.stderr, flush=True)
    if not rows:
        return None
    found = _frame.result(name, asked, rows)
    print(f"{_frame.heading(found)}\n\n{module.table(found['rows']).text()}", flush=True)
    return found


def progress(row: Row, seconds: float) -> str:
    """Return a line that says how far a benchmark is."""
    words = (str(value) for value in row.values() if isinstance(value, str | int | float))
    return f"{seconds:6.0f} s: {', '.join(words)}"


def show(command: str, folder: Path) -> None:
    """Do what needs stored results only."""
    from benchmarks import _docs, _plots, _report

    {"plot": _plots.draw, "tables": _docs.write, "report": _report.show}[command](folder)


def main(argv: Sequence[str] | None = None) -> None:
    """Run what the command line asks for."""
    args = parser().parse_args(argv)
    unknown = set(args.names) - {*BENCHMARKS, *COMMANDS}
    if unknown:
        parser().error(f"there is no {', '.join(sorted(unknown))}")
    asked = settings(args)
    partial = args.quick or args.only
    if _frame.load() > 0.5 and set(args.names) - set(COMMANDS):
        print("other processes are running: figures will be off, with several threads far off")
    for name in args.names or BENCHMARKS:
        if name in COMMANDS:
            show(name, args.results or _frame.FOLDER)
            continue
        found = run(name, asked)
        if found and (args.results or not partial):
            print(f"stored {_frame.write(found, args.results or _frame.FOLDER).name}")


if __name__ == "__main__":
    main()
