"""Attack the package, or show what stored runs say.

    python -m campaign                            # all parts, a minute each, seed 0
    python -m campaign calls files --minutes 10   # some, for ten minutes each
    python -m campaign --seed today               # fresh cases each day
    python -m campaign --seed today --report-only # exit code 0 whatever is found
    python -m campaign summary                    # stored runs, added up
    python -m campaign page                       # bring docs/reliability.md up to date

Each finding is printed with its case and the lines that replay it. ``--store`` appends the run to
``campaign/results``. The exit code is 1 if anything is found. Needs the extra [test].
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from campaign import PARTS, run
from campaign._docs import write
from campaign._findings import Ledger, store, stored, summary

#: Seeds of one day are apart from those of the next by more cases than a day can play.
CASES_PER_DAY = 10**7


#: What is no part, and runs nothing.
COMMANDS: dict[str, Callable[[], None]] = {
    "summary": lambda: print(summary(stored())),
    "page": lambda: write(stored()),
}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    formatter = argparse.RawDescriptionHelpFormatter
    made = argparse.ArgumentParser("python -m campaign", None, __doc__, formatter_class=formatter)
    made.add_argument("parts", nargs="*", metavar="part", help=", ".join([*PARTS, *COMMANDS]))
    made.add_argument("--minutes", type=float, default=1.0, help="for each part; default 1")
    made.add_argument("--in-all", type=float, metavar="N", help="minutes that all parts share")
    made.add_argument("--cases", type=int, default=CASES_PER_DAY, help="at most, for each part")
    made.add_argument("--seed", type=_seed, default=0, help="of the first case, or 'today'")
    made.add_argument("--store", action="store_true", help="append to campaign/results")
    made.add_argument("--report-only", action="store_true", help="end with exit code 0")
    return made


def _seed(text: str) -> int:
    return int(time.strftime("%Y%m%d")) * CASES_PER_DAY if text == "today" else int(text)


def main(argv: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; return the exit code."""
    args = parser().parse_args(argv)
    unknown = set(args.parts) - {*PARTS, *COMMANDS}
    if unknown:
        parser().error(f"there is no part {', '.join(sorted(unknown))}")
    commands = [COMMANDS[part] for part in args.parts if part in COMMANDS]
    for command in commands:
        command()
    if commands:
        return 0
    if args.in_all is not None:
        args.minutes = args.in_all / len(args.parts or PARTS)
    ledgers = [_run(part, args) for part in args.parts or PARTS]
    found = sum(len(ledger.findings) for ledger in ledgers)
    print(f"{found} kinds of findings" if found else "no findings")
    return int(bool(found) and not args.report_only)


def _run(part: str, args: argparse.Namespace) -> Ledger:
    """Run one part, and print what it found and what calls ended in."""
    print(f"=== {part}: seed {args.seed}, {args.minutes:g} min ===", flush=True)
    start = time.monotonic()
    ledger = run(part, args.seed, 60 * args.minutes, args.cases, tell=_tell)
    seconds = time.monotonic() - start
    outcomes = ", ".join(f"{count:,} {name}" for name, count in ledger.outcomes.most_common())
    print(f"{ledger.cases:,} cases in {seconds:.0f} s: {outcomes}", flush=True)
    if args.store:
        store(ledger, args.seed, seconds)
    return ledger


def _tell(finding: object) -> None:
    print(finding, flush=True)


if __name__ == "__main__":
    sys.exit(main())
