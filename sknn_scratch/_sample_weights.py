"""Checks of sample weights, the same for estimators and transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import _check_sample_weight

from sknn_scratch._floats import quiet_floats

#: Types that are not numbers, although numpy converts some of them to numbers.
_NO_NUMBERS = (str, bytes, dict, set, complex, np.complexfloating, np.datetime64, np.timedelta64)


def as_weight(sample_weight: Any, X: Any, is_part: bool = False) -> NDArray[Any]:
    """Return weights as floats, one for each row of X, not negative.

    All of them may be 0 if X ``is_part`` of the rows.
    """
    values = np.asarray(sample_weight)
    kinds = set(map(type, values.ravel())) if values.dtype.kind == "O" else {values.dtype.type}
    found = sorted(kind.__name__ for kind in kinds if issubclass(kind, _NO_NUMBERS))
    if found:
        raise ValueError(
            f"sample_weight must be a number for each sample. Got {' and '.join(found)}: "
            "pass floats."
        )
    weight: NDArray[Any] = _check_sample_weight(
        sample_weight, X, ensure_non_negative=True, allow_all_zero_weights=is_part
    )
    return weight


@quiet_floats()
def check_sum(weight: NDArray[Any] | None, part: str, owner: str, name: str) -> None:
    """Raise ValueError unless the weights of a part of the data have a positive, finite sum.

    ``owner`` is the class that the user called, and ``name`` that of the parameters that the
    weights are made of.
    """
    total = np.float64(1.0 if weight is None else weight.sum())
    if not (total > 0 and np.isfinite([total, 1.0 / total]).all()):
        raise ValueError(
            f"{name} of {owner} must have a sum above 0 and finite over {part}. Got a sum of "
            f"{total:g}: give other weights."
        )
