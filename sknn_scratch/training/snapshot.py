"""Conversion of a training state to and from plain data, the content of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import Any

import numpy as np

from sknn_scratch.contracts import Array, Optimizer, State
from sknn_scratch.core.layout import Layout
from sknn_scratch.training import form
from sknn_scratch.training.checkpoint import (
    BIT_GENERATORS,
    generator_state,
    restore_generator,
    restore_rng,
    rng_state,
)
from sknn_scratch.training.history import History
from sknn_scratch.training.state import TrainingState


def snapshot(state: TrainingState) -> State:
    """Return the state as nested dicts; arrays are shared, not copied."""
    tree: dict[str, Any] = {part.name: getattr(state, part.name) for part in fields(state)}
    tree["history"] = list(state.history)
    tree["rng"] = rng_state(state.rng)
    tree["noise"] = None if state.noise is None else generator_state(state.noise)
    return tree


def restore(tree: State, ends: tuple[str, ...] = ("stalled", "diverged")) -> TrainingState:
    """Return the training state of a snapshot; it can be resumed, unless it has one of ``ends``."""
    values = dict(tree)
    values["history"] = History(values["history"])
    values["rng"] = restore_rng(values["rng"])
    values["noise"] = None if values["noise"] is None else restore_generator(values["noise"])
    if values["stop_reason"] not in ends:
        values["stop_reason"] = ""
    return TrainingState(**values)


# --- Validation of snapshots.


def check_snapshot(
    tree: Any, layout: Layout, optimizer: Optimizer | None, dtype: Any, n_rows: int | None = None
) -> State:
    """Return a copy of a valid snapshot, which is safe to train from; else raise MisfitError.

    ``n_rows`` is the number of rows of an interrupted fit; None for the state after a fit.
    """
    weights = form.array((layout.size,), dtype)
    memory = _memory(optimizer, np.zeros(layout.size, dtype), layout.groups)
    state: State = _snapshots(weights, memory, n_rows is None)(tree, "")
    if n_rows is not None:
        _check_rows(state["order"], state["held_out"], n_rows)
        if state["best_row"] and state["best_theta"] is None:
            raise form.MisfitError("best_theta", "array, where best_row holds an epoch", None)
    return state


def held_out(tree: Any) -> Array | None:
    """Return the held-out rows of a snapshot that is not checked yet."""
    found = tree.get("held_out") if isinstance(tree, dict) else None
    return None if found is None else row_numbers(found, "held_out")


def _snapshots(weights: form.Form, memory: form.Form, at_rest: bool) -> form.Form:
    """Return the form of snapshots, the only description of their content."""
    count = form.whole()
    rows = form.nothing if at_rest else form.optional(row_numbers)
    row = form.record({"epoch": count}, form.any_number)
    criterion = form.text("loss", "score")
    patience = {"best": form.number(), "step": count, "count": count, "of": criterion}
    return form.record(
        {
            "theta": form.optional(weights) if at_rest else weights,
            "rng": _stream(rng_state, np.random.RandomState),
            "noise": form.optional(_stream(generator_state, np.random.Generator)),
            "optimizer": memory,
            "patience": form.empty_or(form.record(patience)),
            "memory": form.mapping(form.mapping(form.plain)),
            "order": rows,
            "held_out": rows,
            "best_theta": form.optional(weights),
            "best_row": form.empty_or(row),
            "history": form.sequence(row),
            "stop_reason": form.text(),
            **dict.fromkeys(("epoch", "step", "samples", "stalls"), count),
        }
    )


def _memory(optimizer: Optimizer | None, theta: Array, groups: Mapping[str, slice]) -> form.Form:
    """Return the form of an optimizer's state: empty, or like its initial state."""
    if optimizer is None:
        return form.empty_or(form.record({}))
    bounds = {(part.start, part.stop) for part in groups.values()}
    return form.empty_or(form.like(optimizer.init(theta, groups), bounds))


def row_numbers(found: Any, place: str) -> Array:
    """Read a vector of row numbers."""
    rows: Array = form.array(getattr(found, "shape", ())[:1], np.intp)(found, place)
    return rows


def _check_rows(order: Array | None, held_out: Array | None, n_rows: int) -> None:
    """Raise MisfitError unless every row is in exactly one of two vectors."""
    if order is None and held_out is None:
        return
    both = [np.empty(0, np.intp) if part is None else part for part in (order, held_out)]
    is_whole = order is not None and len(order) > 0 and sum(map(len, both)) == n_rows
    if not is_whole or not np.array_equal(np.sort(np.concatenate(both)), np.arange(n_rows)):
        wanted = f"array that contains, together with held_out, each row number below {n_rows} once"
        raise form.MisfitError("order", wanted, order)


#: Largest values in the states of numpy's random number generators: with larger positions, numpy
#: reads beyond its arrays.
_LARGEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "has_gauss": 1, "uinteger": 2**32 - 1}


def _stream(state_of: Callable[[Any], State], kind: type) -> form.Form:
    """Return the form of the states of RandomState or Generator."""

    def read(found: Any, place: str) -> State:
        name = found.get("bit_generator") if isinstance(found, dict) else None
        generators = form.text(*BIT_GENERATORS)
        example = state_of(kind(BIT_GENERATORS[generators(name, f"{place}['bit_generator']")](0)))
        state: State = _stream_like(example)(found, place)
        key = state["state"].get("key")
        if name == "MT19937" and not key.any():  # normal numbers would never be found
            where = f"{place}['state']['key']"
            raise form.MisfitError(where, "array with other numbers than 0", key)
        return state

    return read


def _stream_like(example: State) -> form.Form:
    parts = {
        key: _stream_like(value)
        if isinstance(value, dict)
        else form.whole(0, _LARGEST.get(key, 2**128 - 1))
        if isinstance(value, int)
        else form.like(value)
        for key, value in example.items()
    }
    return form.record(parts)
