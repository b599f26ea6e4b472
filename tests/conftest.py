"""Hypothesis profiles; choose another one with HYPOTHESIS_PROFILE=ci (or slow)."""

import os

# Before numpy is imported: small products gain nothing from threads, and tests that run side
# by side lose by them.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from hypothesis import settings

# Drawn examples are the same in every run: a red test is then a change of the code, never luck.
settings.register_profile("default", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("ci", parent=settings.get_profile("default"), max_examples=200)
settings.register_profile("slow", parent=settings.get_profile("default"), max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))
