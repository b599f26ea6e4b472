"""Encoding of y for losses, and decoding of raw outputs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.utils.multiclass import type_of_target, unique_labels

from sknn_scratch._floats import quiet_floats
from sknn_scratch.components import ExpLink, IdentityLink, SortedLink
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core import probe

#: Links whose predictions have the location and scale of raw outputs.
LINEAR = (IdentityLink, SortedLink)


@dataclass(frozen=True)
class NumericTargets:
    """Continuous targets, in one or more columns, unscaled or standardized.

    With ``scale``, a network is trained on (y - ``location``) / ``scale``. Both are stored
    separately from its weights, in float64, because float32 cannot represent 1e9 + 1.
    """

    n_targets: int
    task: str = "regression"
    location: Array | None = None  #: (n_targets,) in float64
    scale: Array | None = None  #: (n_targets,) in float64, above 0; None for unscaled y

    def n_columns(self, loss: Loss) -> int:
        """Return the number of columns of y passed to the loss."""
        return self.n_targets

    def encode(self, y: Any, loss: Loss, dtype: Any) -> tuple[Array, None]:
        """Return y as (n_targets, n_samples), divided by the scale."""
        columns = y.reshape(len(y), -1)
        with quiet_floats():
            if self.scale is not None:
                columns = (columns - self.location) / self.scale
            return np.ascontiguousarray(columns.T, dtype=dtype), None

    def blank(self) -> Array:
        """Return one row of encoded predictions, as a placeholder."""
        return np.zeros((1, self.n_targets))

    def typical(self) -> Array:
        """Return one row of y whose encoding is 0 or 1."""
        if self.location is None or self.scale is None:
            return np.ones((1, self.n_targets))
        return np.where(self.location, self.location, self.scale)[None]

    def check_form(self, y: Any) -> None:
        """Raise ValueError unless y has as many columns as in training."""
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        if n_targets != self.n_targets:
            raise ValueError(
                f"y must have {self.n_targets} column(s), as in training. Got {n_targets}: pass "
                "y with the same columns."
            )

    def check_validation(self, y: Any) -> None:
        """Raise ValueError unless y has as many columns as in training."""
        self.check_form(y)

    def absent(self, truth: Array) -> list[Any]:
        """Return an empty list: continuous targets have no classes."""
        return []

    def strata(self, y: Array) -> None:
        """Return None: the early-stopping split is not stratified."""

    def truth(self, y: Array) -> Array:
        """Return encoded targets in the form of :meth:`predict`."""
        return self.in_units_of_y(y.T)

    def predict(self, raw: Array, loss: Loss) -> Array:
        """Return predictions, (rows, n_targets)."""
        return self.in_units_of_y(probe.predicted(loss, "predict", raw))

    def in_units_of_y(self, values: Array) -> Array:
        """Return (rows, n_targets) values of a network on the scale of y, in float64 if scaled."""
        if self.scale is None:
            return values
        scaled: Array = self.location + self.scale * values.astype(np.float64)
        return scaled

    def in_units(self, loss: Loss, mean: Array, deviation: Array) -> NumericTargets:
        """Return the encoder with a scale for standardized y, if the inverse link allows it."""
        if isinstance(loss.link, ExpLink):
            scale = np.where(mean > 0, mean, 1.0)
            return replace(self, location=np.zeros_like(mean), scale=scale)
        if isinstance(loss.link, LINEAR):
            return replace(self, location=mean, scale=np.where(deviation > 0, deviation, 1.0))
        return self

    def folded(self, W: Array, b: Array, loss: Loss) -> tuple[Array, Array]:
        """Return the weights of the last layer, multiplied by the scale, in float64."""
        if self.scale is None:
            return W, b
        if isinstance(loss.link, ExpLink):
            return W.astype(np.float64), b + np.log(self.scale)
        return W * self.scale, b * self.scale + self.location

    def decode(self, y_pred: Array) -> Array:
        """Return the predictions in the shape of y."""
        return y_pred[:, 0] if y_pred.shape[1] == 1 else y_pred


@dataclass(frozen=True)
class ClassTargets:
    """Class labels, or a matrix of indicators for multilabel targets."""

    classes: Any
    task: str  #: "binary", "multiclass" or "multilabel"
    sparse: bool = False  #: True for indicators in a sparse matrix

    @classmethod
    def read(cls, y: Any, classes: Any = None) -> ClassTargets:
        """Return the targets for y; ``classes``, sorted, includes classes missing in y."""
        if _kind(y) == "multilabel":
            targets = cls(np.arange(y.shape[1]), "multilabel", issparse(y))
            targets.check_numbers(classes)
            return targets
        known = unique_labels(y) if classes is None else classes
        targets = cls(known, "multiclass" if len(known) > 2 else "binary")
        if classes is not None:
            targets.check_known(y, all_of_them=False)
        return targets

    @property
    def n_targets(self) -> int:
        """Number of classes or labels."""
        return len(self.classes)

    def check_numbers(self, classes: Any) -> None:
        """Raise ValueError unless the first call of partial_fit passes the numbers of labels."""
        if classes is not None and not np.array_equal(self.classes, classes):
            n = self.n_targets
            raise ValueError(
                f"classes must be the numbers of the labels, 0 to {n - 1}, if y holds 0/1 "
                f"indicators of {n} labels. Got {classes}: pass classes=np.arange({n})."
            )

    def check_same(self, classes: Any) -> None:
        """Raise ValueError unless a later call of partial_fit passes the same classes."""
        if classes is not None and not np.array_equal(self.classes, classes):
            raise ValueError(
                f"The classes of partial_fit must be the same in every call: {self.classes}. "
                f"Got {classes}; fit again to change them."
            )

    def blank(self) -> Array:
        """Return one row of encoded predictions, as a placeholder."""
        return np.zeros((1, self.n_targets) if self.task == "multilabel" else 1, dtype=int)

    def check_form(self, y: Any) -> None:
        """Raise ValueError unless y holds labels, or indicators of the same number of labels."""
        multilabel = self.task == "multilabel"
        if (_kind(y) == "multilabel") != multilabel or (
            multilabel and y.shape[1] != self.n_targets
        ):
            form = f"0/1 indicators of {self.n_targets} labels" if multilabel else "class labels"
            got = "one column" if y.ndim == 1 else f"{y.shape[1]} columns"
            raise ValueError(
                f"y must hold {form}, as in training. Got {got}: pass y in the same form."
            )
        if multilabel:
            check_indicators(y)

    def check_validation(self, y: Any) -> None:
        """Raise ValueError unless all classes in y_val are known."""
        self.check_known(y, all_of_them=False)

    def check_known(self, y: Any, all_of_them: bool) -> None:
        """Raise ValueError unless the classes of y are among the known ones, or equal to them."""
        self.check_form(y)
        if self.task == "multilabel":
            return
        found = unique_labels(y)
        if all_of_them and set(found) != set(self.classes):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous "
                f"call to fit. Previously got {self.classes}, `y` has {found}"
            )
        if not np.isin(found, self.classes).all():
            raise ValueError(
                "`y` has classes not in `self.classes_`. "
                f"`self.classes_` has {self.classes}. 'y' has {found}."
            )

    def strata(self, y: Array) -> Array | None:
        """Return the classes to stratify the early-stopping split by; None unless binary."""
        if self.task != "binary":
            return None
        return y if y.ndim == 1 else y[0].astype(np.intp)

    def truth(self, y: Array) -> Array:
        """Return encoded targets in the form of :meth:`predict`."""
        if self.task == "multilabel":
            return y.T.astype(int)
        return y if y.ndim == 1 else y[0].astype(int)

    def absent(self, truth: Array) -> list[Any]:
        """Return classes missing in encoded targets; for multilabel, labels without variation."""
        if self.task == "multilabel":
            is_there = truth.any(axis=0) & ~truth.all(axis=0)
        else:
            is_there = np.bincount(truth, minlength=self.n_targets) > 0
        missing: list[Any] = self.classes[~is_there].tolist()
        return missing

    def n_columns(self, loss: Loss) -> int:
        """Return the number of columns of y passed to the loss."""
        return self.n_targets if loss.one_hot or self.task == "multilabel" else 1

    def encode(self, y: Any, loss: Loss, dtype: Any) -> tuple[Array, Array | None]:
        """Return class codes and the identity matrix, or (n_targets, n_samples) of 0 and 1."""
        if self.task == "multilabel":
            check_indicators(y)
            dense = y.toarray() if issparse(y) else y
            return np.ascontiguousarray(dense.T != 0, dtype=dtype), None
        codes = np.searchsorted(self.classes, y).astype(np.intp, copy=False)
        if loss.one_hot:
            return codes, np.eye(self.n_targets, dtype=dtype)
        return codes[None, :].astype(dtype), None

    def predict(self, raw: Array, loss: Loss) -> Array:
        """Return the predicted class numbers, or indicators of labels."""
        if self.task == "multilabel":
            return (raw > 0).astype(int)
        if raw.shape[1] > 1:
            return raw.argmax(axis=1)
        return (loss.link.margin(raw)[:, 0] > 0).astype(int) * (len(self.classes) > 1)

    def decode(self, codes: Array) -> Any:
        """Return the labels of predicted codes, in the shape and type of y."""
        if self.task == "multilabel":
            return csr_matrix(codes) if self.sparse else codes
        return self.classes[codes]


def as_labels(labels: Any, name: str = "y") -> Any:
    """Return class labels, which must be sortable, as an array of strings or of numbers.

    Objects that are all numbers, or all booleans, are converted to an array of these.
    """
    if issparse(labels) or labels.dtype.kind != "O":
        return labels
    kinds = set(map(type, labels.ravel()))
    if type(None) in kinds:
        raise ValueError(
            f"{name} must hold a class label for each sample. Got None: drop these rows, or give "
            "them a label of their own, such as 'unknown'."
        )
    if all(issubclass(kind, str) for kind in kinds):
        return labels
    n_bools = sum(issubclass(kind, bool | np.bool_) for kind in kinds)
    if n_bools == len(kinds) or (not n_bools and all(issubclass(kind, Real) for kind in kinds)):
        numbers = np.array(labels.tolist())
        if numbers.dtype.kind != "O":
            return numbers
    found = " and ".join(sorted(kind.__name__ for kind in kinds))
    raise ValueError(
        f"{name} must hold class labels of one type: strings, booleans, or integers of 64 bits. "
        f"Got objects of type {found}: pass [str(label) for label in {name}], for example."
    )


def check_indicators(y: Any) -> None:
    """Raise ValueError unless a matrix of labels contains only 0 and 1."""
    values = y.data if issparse(y) else y
    others = values[(values != 0) & (values != 1)]
    if others.size:
        found = np.unique(values).tolist()
        raise ValueError(
            "y must hold 0/1 indicators if it has a column for each label. Got the values "
            f"{found}: if {found[-1]} marks a label that a sample has, pass "
            f"(y == {found[-1]}).astype(int)."
        )


def _kind(y: Any) -> str:
    """Return "labels" or "multilabel" for the type of y; raise ValueError for other types."""
    kind = type_of_target(y)
    if kind == "multilabel-indicator":
        return "multilabel"
    if kind.startswith("continuous"):
        raise ValueError(
            f"Unknown label type: {kind}. y must hold class labels; for real numbers, use "
            "MLPRegressor or TabularMLPRegressor."
        )
    if kind.endswith("multioutput"):
        raise ValueError(
            "y must hold one class label for each sample, or multilabel 0/1 indicators. "
            f"Got a target of type {kind!r}: fit one classifier per column, for example with "
            "sklearn.multioutput.MultiOutputClassifier."
        )
    if kind not in ("binary", "multiclass"):
        raise ValueError(
            f"Unknown label type: {kind}. y must hold one class label for each sample, or 0/1 "
            f"multilabel indicators. Got an array of {y.dtype} of shape {y.shape}."
        )
    return "labels"
