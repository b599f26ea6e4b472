"""Doctests of modules that need what is not installed are left out."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("numba") else ["sknn_scratch/core/compiled.py"]
