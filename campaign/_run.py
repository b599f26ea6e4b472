"""Runs cases in a process of their own, so that a crash or a hang is a finding like any other."""

from __future__ import annotations

import contextlib
import importlib
import multiprocessing
import os
import time
import warnings
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from campaign._findings import Finding, Ledger
from campaign._watch import Case, shown, where

PARTS = ("calls", "machine", "kills", "files", "plugins", "threads", "memory")
#: A process that reports nothing for so long is stopped, in seconds.
SILENCE = 180.0


def run(
    part: str, seed: int, seconds: float, cases: int, tell: Callable[[Finding], None]
) -> Ledger:
    """Run cases ``seed``, ``seed`` + 1, ... until time or cases run out.

    Parameters
    ----------
    part : str
        One of ``PARTS``.
    seed : int
        Seed of the first case.
    seconds : float
        The last case begins before this.
    cases : int
        Largest number of cases.
    tell : callable
        Called with the first finding of each kind, as soon as it is there.

    Returns
    -------
    ledger : Ledger
    """
    ledger, end = Ledger(part, tell=tell), time.monotonic() + seconds
    first = seed
    while time.monotonic() < end and first < seed + cases:
        last = _stretch(ledger, first, end, seed + cases)
        first = last + 1
    return ledger


def _stretch(ledger: Ledger, first: int, end: float, stop: int) -> int:
    """Run cases in one process until it ends, by itself or not; return the last case's seed."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    seconds = end - time.monotonic()
    process = context.Process(target=_work, args=(ledger.part, first, stop, seconds, there))
    process.start()
    there.close()
    at = first
    try:
        while here.poll(SILENCE):
            kind, value = here.recv()
            if kind == "end":
                process.join()
                return stop
            at = _take(ledger, kind, value, at)
        _found(ledger, at, "hang", f"nothing for {SILENCE:.0f} s")
    except EOFError:
        process.join()
        _found(ledger, at, "crash", f"the process ended with {process.exitcode}")
    process.kill()
    process.join()
    return at


def _take(ledger: Ledger, kind: str, value: Any, at: int) -> int:
    """Take in one report; return the seed of the case at work."""
    if kind == "finding":
        ledger.found(value)
    elif kind == "outcomes":
        ledger.outcomes.update(value)
    else:
        ledger.cases += 1
        return int(value)
    return at


def _found(ledger: Ledger, seed: int, kind: str, text: str) -> None:
    ledger.found(Finding(ledger.part, seed, kind, text))


def _work(part: str, first: int, stop: int, seconds: float, reports: Connection) -> None:
    """Play cases, and report each before it begins; what callbacks print is of no interest."""
    warnings.simplefilter("ignore")
    end = time.monotonic() + seconds
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
        module, ledger = importlib.import_module(f"campaign.{part}"), Ledger(part)
        for seed in range(first, stop):
            if time.monotonic() >= end:
                break
            reports.send(("case", seed))
            ledger.outcomes, ledger.findings = Counter(), {}
            play(module, seed, ledger)
            reports.send(("outcomes", ledger.outcomes))
            for each in ledger.findings.values():
                reports.send(("finding", each[0]))
    reports.send(("end", None))


def play(module: Any, seed: int, ledger: Ledger) -> None:
    """Play one case; an error of the campaign's own is a finding, too."""
    case = Case(seed, ledger)
    np.random.seed(seed % 2**32)  # noqa: NPY002  # of estimators without a seed of their own
    try:
        module.play(case)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # of a plug-in: GeneratorExit
        case.found("the campaign itself", f"{shown(error)} at {where(error)}")


def replay(part: str, seed: int) -> Ledger:
    """Play one case in this process, and print what it finds.

    Parameters
    ----------
    part : str
        One of ``PARTS``.
    seed : int
        The case's seed, as a finding names it.

    Returns
    -------
    ledger : Ledger
        With outcomes and findings.
    """
    ledger = Ledger(part, tell=print, cases=1)
    play(importlib.import_module(f"campaign.{part}"), seed, ledger)
    return ledger
