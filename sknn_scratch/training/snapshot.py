"""A training state as nested dicts of plain data, and back: what a checkpoint holds."""

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
from sknn_scratch.training.state import TrainingState


def snapshot(state: TrainingState) -> State:
    """Return all of the state; arrays are shared, not copied."""
    tree: dict[str, Any] = {part.name: getattr(state, part.name) for part in fields(state)}
    tree["rng"] = rng_state(state.rng)
    tree["noise"] = None if state.noise is None else generator_state(state.noise)
    return tree


def restore(tree: State) -> TrainingState:
    """Return the state that a snapshot was taken of.

    Training that had stalled or diverged stays ended; after any other end it can go on.
    """
    values = dict(tree)
    values["rng"] = restore_rng(values["rng"])
    values["noise"] = None if values["noise"] is None else restore_generator(values["noise"])
    if values["stop_reason"] not in ("stalled", "diverged"):
        values["stop_reason"] = ""
    return TrainingState(**values)


# --- What a snapshot may hold.


def check_snapshot(
    tree: Any, layout: Layout, optimizer: Optimizer | None, dtype: Any, n_rows: int | None = None
) -> State:
    """Return a copy of a snapshot that is safe to train from; raise MisfitError if there is none.

    ``n_rows`` is the number of rows of a fit that goes on; None: between two fits, at rest.
    """
    weights = form.array((layout.size,), dtype)
    memory = _memory(optimizer, np.zeros(layout.size, dtype), layout.groups)
    state: State = _snapshots(weights, memory, n_rows is None)(tree, "")
    if n_rows is not None:
        _check_rows(state["order"], state["held_out"], n_rows)
        if state["best_row"] and state["best_theta"] is None:
            raise form.MisfitError("best_theta", "array, where best_row holds an epoch", None)
    return state


def _snapshots(weights: form.Form, memory: form.Form, at_rest: bool) -> form.Form:
    """Return the form of snapshots: the one description of what they hold."""
    count = form.whole()
    rows = form.nothing if at_rest else form.optional(_row_numbers)
    row = form.record({"epoch": count}, form.any_number)
    patience = {"best": form.number(), "count": count, "of": form.text("loss", "score")}
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
    """Return the form of what an optimizer keeps: empty, or as it begins with."""
    if optimizer is None:
        return form.empty_or(form.record({}))
    bounds = {(part.start, part.stop) for part in groups.values()}
    return form.empty_or(form.like(optimizer.init(theta, groups), bounds))


def _row_numbers(found: Any, place: str) -> Array:
    """Read a vector of row numbers."""
    rows: Array = form.array(getattr(found, "shape", ())[:1], np.intp)(found, place)
    return rows


def _check_rows(order: Array | None, held_out: Array | None, n_rows: int) -> None:
    """Raise unless each row is in one of two vectors, and no row in both."""
    if order is None and held_out is None:
        return
    both = [np.empty(0, np.intp) if part is None else part for part in (order, held_out)]
    is_whole = order is not None and len(order) > 0 and sum(map(len, both)) == n_rows
    if not is_whole or not np.array_equal(np.sort(np.concatenate(both)), np.arange(n_rows)):
        wanted = f"array that holds, with held_out, each row number below {n_rows} once"
        raise form.MisfitError("order", wanted, order)


#: The largest values of what random streams keep beside arrays: numpy reads past its own arrays
#: from larger positions.
_LARGEST = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "has_gauss": 1, "uinteger": 2**32 - 1}


def _stream(state_of: Callable[[Any], State], kind: type) -> form.Form:
    """Return the form of the states of random streams of a kind."""

    def read(found: Any, place: str) -> State:
        name = found.get("bit_generator") if isinstance(found, dict) else None
        generators = form.text(*BIT_GENERATORS)
        example = state_of(kind(BIT_GENERATORS[generators(name, f"{place}['bit_generator']")](0)))
        state: State = _stream_like(example)(found, place)
        key = state["state"].get("key")
        if name == "MT19937" and not key.any():  # numpy would look for a normal number for ever
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
