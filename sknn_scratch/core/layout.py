"""Layout of all weight matrices and biases in one vector of parameters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import NamedTuple

from sknn_scratch.contracts import Array

Shapes = dict[str, tuple[int, ...]]


class Params(NamedTuple):
    """Vector of parameters (or of their gradient) with views into it."""

    vector: Array
    decayed: Array  #: the part that penalties apply to: all weight matrices
    layers: tuple[tuple[Array, ...], ...]  #: arrays of each layer, such as (W, b)


class Layout:
    """Order of parameters in the vector: weight matrices first, then all others.

    As the penalised parameters are contiguous, the L2 term is one dot product and one slice.
    """

    def __init__(self, layers: Sequence[Shapes]) -> None:
        self.layers = _numbered(layers)
        named = [item for part in self.layers for item in part.items()]
        decayed = [item for item in named if len(item[1]) == 2]
        rest = [item for item in named if len(item[1]) != 2]
        self.groups: dict[str, slice] = {}
        self.size = 0
        for name, shape in decayed + rest:
            self.groups[name] = slice(self.size, self.size + prod(shape))
            self.size += prod(shape)
        self.groups["decayed"] = slice(0, sum(prod(shape) for _, shape in decayed))

    def params(self, vector: Array) -> Params:
        """Return the views of ``vector``."""
        layers = tuple(
            tuple(vector[self.groups[name]].reshape(shape) for name, shape in part.items())
            for part in self.layers
        )
        return Params(vector, vector[self.groups["decayed"]], layers)


def _numbered(layers: Sequence[Shapes]) -> list[Shapes]:
    """Number the parameters of each name separately: "W0" is the first "W"."""
    seen: Counter[str] = Counter()
    numbered: list[Shapes] = []
    for part in layers:
        numbered.append({f"{name}{seen[name]}": shape for name, shape in part.items()})
        seen.update(part.keys())
    return numbered
