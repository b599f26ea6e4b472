"""Chains of an optimizer and transforms, such as clipping and weight decay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import inf
from typing import Any, Self

import numpy as np

from sknn_scratch.contracts import Array, Component, Optimizer, State, Transform, as_float
from sknn_scratch.core import linalg
from sknn_scratch.core.linalg import bounds
from sknn_scratch.registry import register


@register.transform("clip_by_value")
class ClipByValue(Transform):
    """Clipping of each element of u = direction / |lr| to ±max_value.

    Before the optimizer, u is the gradient of the mean loss. After it, u is the step in units
    of the learning rate, so that no parameter changes by more than lr · max_value.

    Parameters
    ----------
    max_value : float > 0, default=1.0
        Largest absolute value of an element of u.

    See Also
    --------
    Chain : Combines transforms with an optimizer.
    ClipByNorm : Clips the norm of the gradient.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import ClipByValue
    >>> gradient = np.array([-5.0, 0.5])
    >>> ClipByValue().update(gradient, {}, np.zeros(2), -1.0, np.empty(2))
    >>> gradient
    array([-1. ,  0.5])
    """

    max_value: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("max_value", 0, inf, closed="neither")

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        limit = self.max_value * abs(lr)
        np.clip(direction, -limit, limit, direction)


@register.transform("clip_by_norm")
class ClipByNorm(Transform):
    """Clipping of u = direction / |lr| to the norm ``max_norm``, taken over all parameters.

    u becomes u · min(1, max_norm / ‖u‖). Before the optimizer, u is the gradient of the mean
    loss. After it, u is the step in units of the learning rate, so that theta changes by at
    most lr · max_norm.

    Parameters
    ----------
    max_norm : float > 0, default=1.0
        Largest Euclidean norm ‖u‖; a u with a smaller norm is unchanged.

    See Also
    --------
    Chain : Combines transforms with an optimizer.
    ClipByValue : Clips each element.

    References
    ----------
    R. Pascanu, T. Mikolov and Y. Bengio, *On the difficulty of training recurrent neural
    networks*, ICML 2013, section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import ClipByNorm
    >>> gradient = np.array([-30.0, 40.0])
    >>> ClipByNorm(max_norm=5.0).update(gradient, {}, np.zeros(2), -1.0, np.empty(2))
    >>> gradient
    array([-3.,  4.])
    """

    max_norm: float = 1.0

    def __post_init__(self) -> None:
        self.require_number("max_norm", 0, inf, closed="neither")

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        limit, length = self.max_norm * abs(lr), linalg.norm(direction)
        if length > limit:
            linalg.scale(limit / length, direction)


@register.transform("add_decayed_weights")
class AddDecayedWeights(Transform):
    """Weight decay: direction - lr · weight_decay · W for the weights W; biases do not decay.

    After the optimizer, it multiplies the weights by 1 - lr · weight_decay in each step.
    Before it, it adds weight_decay · W to the gradient, which is the L2 penalty
    weight_decay/2 ‖W‖². The estimator's ``alpha`` applies in addition.

    Parameters
    ----------
    weight_decay : float >= 0, default=0.01
        Fraction of each weight that a step subtracts, in units of lr; 0 for no decay.

    References
    ----------
    I. Loshchilov and F. Hutter, *Decoupled weight decay regularization*, ICLR 2019.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import AddDecayedWeights
    >>> theta, step = np.array([2.0, 2.0]), np.zeros(2)
    >>> decay = AddDecayedWeights(weight_decay=0.5)
    >>> state = decay.init(theta, {"W0": slice(0, 1), "b0": slice(1, 2), "decayed": slice(0, 1)})
    >>> decay.update(step, state, theta, 0.1, np.empty(2))
    >>> step
    array([-0.1,  0. ])
    """

    weight_decay: float = 0.01

    def __post_init__(self) -> None:
        self.require_number("weight_decay", 0, inf, closed="left")

    # State: decayed, the bounds of the weights.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {"decayed": bounds(groups["decayed"], theta)}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        linalg.decay(direction, state["decayed"], theta, lr * self.weight_decay)


class GroupRates(Transform):
    """Factors on the learning rates of groups of parameters.

    Place it after the optimizer: most optimizers cancel a constant factor on the gradient. If
    several factors apply to a parameter, they are multiplied. A factor of 0 freezes a group.

    Parameters
    ----------
    factors : sequence of (str, float >= 0)
        Pairs of a group's name and its factor. "W0" is the weights of the first layer, "b0" its
        biases. A name without a number, such as "W" or "b", applies to all layers.

    See Also
    --------
    Chain : Combines transforms with an optimizer.

    Examples
    --------
    >>> import numpy as np
    >>> from sknn_scratch.components import GroupRates
    >>> rates = GroupRates(factors=(("b", 0.1), ("W0", 6.0)))
    >>> theta, step = np.zeros(3), np.ones(3)
    >>> groups = {"W0": slice(0, 1), "W1": slice(1, 2), "b0": slice(2, 3)}
    >>> rates.update(step, rates.init(theta, groups), theta, 0.1, np.empty(3))
    >>> step
    array([6. , 1. , 0.1])
    """

    factors: Sequence[tuple[str, float]]

    def __post_init__(self) -> None:
        must_be = 'pairs of a group\'s name and a number >= 0, such as [("b", 0.1)]'
        _make_pairs(self, "factors", must_be)
        factors = tuple((name, as_float(factor)) for name, factor in self.factors)
        self.require(all(0 <= factor < inf for _, factor in factors), "factors", must_be)
        object.__setattr__(self, "factors", factors)

    # State: the bounds of every group, by name.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        state = {name: bounds(group, theta) for name, group in groups.items()}
        self._resolve(state)
        return state

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        for name, factor in self._resolve(state):
            linalg.scale(factor, direction[slice(*state[name])])

    def _resolve(self, state: State) -> list[tuple[str, float]]:
        """Return pairs of a group and a factor that applies to it."""
        found = _factors(self.factors, tuple(state))
        if found is None:
            known = ", ".join(map(repr, state))
            must_be = f"pairs whose names are among {known}, or such a name without its number"
            self.require(False, "factors", must_be)
        return found or []


class Chain(Optimizer):
    """Sequence of transforms and one optimizer.

    Transforms before the optimizer change the gradient, transforms after it the step.
    Every part has a name, so that ``solver__adam__beta_1`` can be set and searched, and
    ``solver__adam`` can be replaced.

    Parameters
    ----------
    steps : sequence of (str, Transform or Optimizer)
        Pairs of a name and a part, in the order of application; exactly one part is an
        optimizer.

    See Also
    --------
    ClipByNorm : Clips the norm of the gradient.
    AddDecayedWeights : Weight decay.
    GroupRates : Learning rates of groups of parameters.

    Examples
    --------
    >>> from sknn_scratch.components import Adam, Chain, ClipByNorm
    >>> chain = Chain([("clip", ClipByNorm()), ("adam", Adam())])
    >>> chain.get_params()["adam__beta_1"]
    0.9
    >>> chain.evolve(clip__max_norm=5.0).steps[0]
    ('clip', ClipByNorm(max_norm=5.0))
    """

    steps: Sequence[tuple[str, Transform | Optimizer]]

    def __post_init__(self) -> None:
        must_be = 'pairs of a name and a part, such as [("clip", ClipByNorm()), ("adam", Adam())]'
        _make_pairs(self, "steps", must_be)
        names, parts = [name for name, _ in self.steps], [part for _, part in self.steps]
        self.require(all(isinstance(p, Transform | Optimizer) for p in parts), "steps", must_be)
        self.require(len(set(names)) == len(names), "steps", "pairs with different names")
        can_be_set = all(name and "__" not in name and name != "steps" for name in names)
        self.require(can_be_set, "steps", "pairs with names without '__', not empty, not 'steps'")
        n = sum(isinstance(part, Optimizer) for part in parts)
        self.require(n == 1, "steps", f"pairs with exactly one optimizer among them, not {n}")

    # State: the state of each part, by name.
    def init(self, theta: Array, groups: Mapping[str, slice]) -> State:
        return {name: part.init(theta, groups) for name, part in self.steps}

    def update(
        self, direction: Array, state: State, theta: Array, lr: float, scratch: Array
    ) -> None:
        is_step = False
        for name, part in self.steps:
            is_step = is_step or isinstance(part, Optimizer)
            part.update(direction, state[name], theta, lr if is_step else -1.0, scratch)

    def continues(self, other: Optimizer) -> bool:
        if not isinstance(other, Chain) or len(self.steps) != len(other.steps):
            return False
        pairs = zip(self.steps, other.steps, strict=True)
        return all(name == old and _continues(part, past) for (name, part), (old, past) in pairs)

    def readout(self, theta: Array, state: State) -> Array:
        inner = {name: part for name, part in self.steps if isinstance(part, Optimizer)}
        ((name, optimizer),) = inner.items()
        return optimizer.readout(theta, state[name])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return ``steps``; with ``deep``, also each part by name, and its fields."""
        named = dict(self.steps) if deep else {}
        inner = {
            f"{name}__{key}": value
            for name, part in named.items()
            for key, value in part.get_params().items()
        }
        return {"steps": self.steps} | named | inner

    def evolve(self, **changes: Any) -> Self:
        """Return a copy with new ``steps``, a new part ``a``, or a new field value ``a__b``."""
        parts: dict[str, Any] = dict(type(self)(changes.pop("steps", self.steps)).steps)
        by_name: dict[str, dict[str, Any]] = {}
        for key, value in changes.items():
            name, _, field = key.partition("__")
            self._check_step(name, list(parts))
            by_name.setdefault(name, {})[field] = value
        for name, fields in by_name.items():
            part = fields.pop("", parts[name])
            parts[name] = part.evolve(**fields) if isinstance(part, Component) else part
        return type(self)(tuple(parts.items()))

    def _check_step(self, name: str, known: list[str]) -> None:
        if name not in known:
            raise ValueError(
                f"Invalid parameter {name!r} for {self!r}. Valid parameters are: "
                f"{['steps', *known]}."
            )


@lru_cache(maxsize=128)
def _factors(factors: Any, groups: tuple[str, ...]) -> list[tuple[str, float]] | None:
    """Return (group, factor) for each match, or None if a name has none; called in every step."""
    matches = [
        [(key, factor) for key in groups if name in (key, key.rstrip("0123456789"))]
        for name, factor in factors
    ]
    return [pair for found in matches for pair in found] if all(matches) else None


def _make_pairs(component: Component, field: str, must_be: str) -> None:
    """Convert a field to a tuple of pairs (str, value), whatever sequence type was passed."""
    pairs = getattr(component, field)
    are_pairs = isinstance(pairs, list | tuple) and all(
        isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str)
        for item in pairs
    )
    component.require(are_pairs, field, must_be)
    object.__setattr__(component, field, tuple(map(tuple, pairs)))


def _continues(part: Transform | Optimizer, past: Transform | Optimizer) -> bool:
    """Return True if a part of a chain can resume with the state of ``past``."""
    if isinstance(part, Optimizer):
        return isinstance(past, Optimizer) and part.continues(past)
    return isinstance(past, Transform) and part.continues(past)
