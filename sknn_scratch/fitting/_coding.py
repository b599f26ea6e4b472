"""Encoding of rows for training: the same on one machine and on the workers of a cluster."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.fitting import _validation
from sknn_scratch.fitting._class_weight import row_weights
from sknn_scratch.fitting._scaling import FARTHEST, check_range
from sknn_scratch.fitting._settings import Settings
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Call, Inherited, Rows
from sknn_scratch.fitting._validation import naming

#: Fewer different numbers in float32 between the lowest and the highest y cause a warning.
FEWEST_VALUES = 100


class Coding(NamedTuple):
    """Encoding of the rows of a fit, determined from its training rows."""

    settings: Settings
    targets: ClassTargets | NumericTargets
    loss: Loss
    dtype: Any  #: to compute in

    @property
    def owner(self) -> str:
        """Name of the estimator's class, for messages."""
        return self.settings.owner


def checked(settings: Settings, rows: Rows, is_part: bool = False) -> Rows:
    """Return rows whose X is checked with checked y and weights.

    All weights of a part of the rows, such as a partition, may be 0.
    """
    y = _validation.check_y(settings.owner, rows.y, rows.X, settings.is_numeric)
    weight = _validation.check_weight(settings.owner, rows.sample_weight, rows.X, is_part)
    return Rows(rows.X, y, weight)


def learn(settings: Settings, X: Any, y: Any, call: Call) -> Coding:
    """Return the encoding for checked rows, which may be that of an earlier fit."""
    targets = _targets(settings, y, call)
    if call.one_pass and isinstance(settings.class_weight, str):
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which gets only a part "
            "of the data: pass a dict, for example from "
            "sklearn.utils.class_weight.compute_class_weight."
        )
    dtype = _dtype(settings, X, call.inherited)
    return Coding(settings, targets, settings.loss_for(targets.task), dtype)


def _targets(settings: Settings, y: Any, call: Call) -> ClassTargets | NumericTargets:
    """Return the encoder of y."""
    classes, inherited = _validation.check_classes(settings.owner, call.classes), call.inherited
    if settings.is_numeric:
        return _numeric_targets(y, inherited)
    if inherited is None and call.one_pass and classes is None:
        hint = f" For {y.shape[1]} labels, pass np.arange({y.shape[1]})." if y.ndim > 1 else ""
        raise ValueError(f"classes must be passed on the first call to partial_fit.{hint}")
    with naming("y", settings.owner):
        if inherited is None:
            return ClassTargets.read(y, classes)
        same: ClassTargets = inherited.targets
        same.check_same(classes)
        # The fit of a checkpoint may have been one of partial_fit.
        same.check_known(y, all_of_them=not call.one_pass and call.path is None)
        return same


def _numeric_targets(y: Array, inherited: Inherited | None) -> NumericTargets:
    n_targets = 1 if y.ndim == 1 else y.shape[1]
    # Existing weights have a scale; with another number of targets, they are rejected later.
    if inherited is not None and inherited.targets.n_targets == n_targets:
        same: NumericTargets = inherited.targets
        return same
    return NumericTargets(n_targets)


def _dtype(settings: Settings, X: Any, inherited: Inherited | None) -> Any:
    """Return the dtype to compute in: of existing weights, of ``dtype``, or of X."""
    if inherited is not None:
        return inherited.dtype
    own = X.dtype if X.dtype in _validation.FLOATS else np.dtype(np.float64)
    return own if settings.dtype is None else settings.dtype


def encoded(coding: Coding, rows: Rows) -> Data:
    """Return checked rows, encoded for training."""
    y, one_hot_rows = _encoded_y(coding, rows)
    weight = _weight(coding, rows, rows.y)
    return Data(_validation.cast_X(coding.owner, rows.X, coding.dtype), y, one_hot_rows, weight)


def checked_validation(coding: Coding, given: Rows) -> Rows:
    """Return validation data, whose X is checked, with checked y and weights."""
    if given.X is None:
        return given
    owner = coding.owner
    with naming("X_val", owner):
        X = _validation.cast_X(owner, given.X, coding.dtype)
    with naming("y_val", owner):
        y = _validation.check_y(owner, given.y, X, coding.settings.is_numeric)
        coding.targets.check_validation(y)
    with naming("sample_weight_val", owner):
        return Rows(X, y, _validation.check_weight(owner, given.sample_weight, X))


def encoded_validation(coding: Coding, rows: Rows, train_y: Any) -> Data | None:
    """Return checked validation data, encoded like training data."""
    if rows.X is None:
        return None
    with naming("y_val", coding.owner):
        codes, one_hot_rows = _encoded_y(coding, rows)
    with naming("sample_weight_val", coding.owner):
        weight = _weight(coding, rows, train_y)
        check_weights(coding.settings, weight, "the validation data")
    return Data(rows.X, codes, one_hot_rows, weight)


def _encoded_y(coding: Coding, rows: Rows) -> tuple[Array, Array | None]:
    """Return encoded targets; raise ValueError for those that the loss rejects."""
    owner, loss, y = coding.owner, coding.loss, rows.y
    if coding.settings.scales_targets:
        return _scaled_y(coding, rows), None
    with naming("y", owner):
        encoded, one_hot_rows = coding.targets.encode(y, loss, coding.dtype)
    if one_hot_rows is not None:
        return encoded, one_hot_rows
    _validation.check_finite(owner, "y", encoded)
    # Encoding may round y to the edge of an open range.
    if not loss.target_range.contains(encoded):
        written, wanted = coding.settings.written_loss, str(loss.target_range)
        raise _validation.outside(owner, y, written, wanted)
    is_plain = isinstance(coding.targets, NumericTargets) and coding.targets.scale is None
    if is_plain and coding.dtype == np.float32:
        _warn_if_blurred(owner, y)
    return encoded, one_hot_rows


def _scaled_y(coding: Coding, rows: Rows) -> Array:
    """Return encoded targets of a table, in units of their scale."""
    targets: Any = coding.targets
    loss, y = coding.loss, np.asarray(rows.y, np.float64)
    check_range(coding.settings, y, coding.settings.loss_for(targets.task))
    with naming("y", coding.owner):
        encoded, _ = targets.encode(y, loss, coding.dtype)
    if rows.sample_weight is not None:
        # Rows of zero weight may have any target: 0 times their loss must not be nan.
        typical, _ = targets.encode(targets.typical(), loss, coding.dtype)
        encoded[:, rows.sample_weight == 0] = typical
    limit = np.finfo(encoded.dtype).max if targets.scale is None else FARTHEST
    if not np.abs(encoded).max() <= limit:
        wanted = f"at most {limit:g} units of their scale in fit"
        remedy = "remove wrong values, or transform y"
        raise _validation.outside(
            coding.owner, rows.y, coding.settings.written_loss, wanted, remedy
        )
    return encoded


def _warn_if_blurred(owner: str, y: Array) -> None:
    """Warn if float32 has only a few numbers between the lowest and the highest y."""
    low, high = y.min(axis=0).astype(np.float64), y.max(axis=0).astype(np.float64)
    largest = np.maximum(np.abs(low), np.abs(high))
    n_values = (high - low) / np.spacing(largest.astype(np.float32))
    if np.any((n_values > 0) & (n_values < FEWEST_VALUES)):
        warn(
            f"y of {owner} lies between {low} and {high}, where float32 has "
            f"fewer than {FEWEST_VALUES} different numbers: set dtype='float64' and scale y, for "
            "example with sklearn.compose.TransformedTargetRegressor, or use TabularMLPRegressor."
        )


def _weight(coding: Coding, rows: Rows, reference: Any) -> Array | None:
    """Return the weights of rows times those of their classes, in the dtype to compute in.

    "balanced" uses the classes of ``reference``.
    """
    weight, class_weight, targets = rows.sample_weight, coding.settings.class_weight, coding.targets
    if class_weight is not None and isinstance(targets, ClassTargets):
        with naming("class_weight", coding.owner):
            of_class = row_weights(class_weight, rows.y, reference, targets)
        weight = of_class if weight is None else weight * of_class
    if weight is None:
        return None
    return np.asarray(_validation.cast(coding.owner, "sample_weight", weight, coding.dtype))


def check_weights(settings: Settings, weight: Array | None, part: str) -> None:
    """Raise ValueError unless the weights of a part of the data have a positive, finite sum."""
    _validation.check_weight_sum(settings.owner, weight, part, settings.weights_by_name)
