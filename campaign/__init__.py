"""Attacks on the package: drawn calls, call sequences, kills, damaged files, bad plug-ins.

Run ``python -m campaign --help``. Every case follows from one integer seed, and every finding
prints the lines that replay it.
"""

from campaign._run import PARTS, replay, run

__all__ = ["PARTS", "replay", "run"]
