"""Conversion of a training state to and from plain data, the content of a checkpoint."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import numpy as np

from sknn_scratch.contracts import State
from sknn_scratch.training.checkpoint import (
    generator_state,
    restore_generator,
    restore_rng,
    rng_state,
)
from sknn_scratch.training.state import TrainingState


def snapshot(state: TrainingState) -> State:
    """Return the state as nested dicts; arrays are shared, not copied."""
    tree: dict[str, Any] = {part.name: getattr(state, part.name) for part in fields(state)}
    tree["rng"] = rng_state(state.rng)
    tree["noise"] = None if state.noise is None else generator_state(state.noise)
    return tree


def restore(tree: State) -> TrainingState:
    """Return the training state of a snapshot.

    Training that stalled or diverged remains ended; otherwise it can be resumed.
    """
    values = dict(tree)
    values["rng"] = restore_rng(values["rng"])
    values["noise"] = None if values["noise"] is None else restore_generator(values["noise"])
    if values["stop_reason"] not in ("stalled", "diverged"):
        values["stop_reason"] = ""
    return TrainingState(**values)


def misfit(found: Any, form: Any, place: str) -> str:
    """Return how plain data differs in form from ``form``, or an empty string.

    Dicts must have all keys of the form, and may have more; arrays must have its shape and dtype.
    """
    if isinstance(form, dict):
        if not isinstance(found, dict):
            return f"{place} is not a dict"
        parts = (misfit(found.get(key), part, f"{place}[{key!r}]") for key, part in form.items())
        return next(filter(None, parts), "")
    if isinstance(form, np.ndarray):
        kind = (getattr(found, "shape", None), getattr(found, "dtype", None))
        wanted = (form.shape, form.dtype)
        message = f"{place} is not an array of shape {form.shape}, {form.dtype}"
        return "" if kind == wanted else message
    return f"{place} is missing" if found is None and form is not None else ""
