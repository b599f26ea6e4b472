"""Base of both estimators: validation, encoding, training, fitted attributes."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, ClassVar

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknn_scratch import registry
from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, Loss, State
from sknn_scratch.core.data import Data
from sknn_scratch.core.inference import Inference
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import _convert
from sknn_scratch.estimators._component_params import ComponentParams
from sknn_scratch.estimators._state import StateMixin
from sknn_scratch.estimators._summary import SummaryMixin
from sknn_scratch.fitting import _advice, _blame, _blas_limits, _resume, _validation
from sknn_scratch.fitting._coding import Coding, check_weights, checked, encoded
from sknn_scratch.fitting._params import CONSTRAINTS, is_lbfgs
from sknn_scratch.fitting._prepare import prepare
from sknn_scratch.fitting._publish import fitted
from sknn_scratch.fitting._settings import settings_of
from sknn_scratch.fitting._sklearn_versions import CallbackSupportMixin
from sknn_scratch.fitting._solve import run_fit
from sknn_scratch.fitting._types import Call, Rows
from sknn_scratch.training.history import Row
from sknn_scratch.training.state import TrainingState

#: Number of the layout of pickles; raised whenever an older version could not read them.
FORMAT = 1
_VERSION, _FORMAT = "_sknn_scratch_version", "_sknn_scratch_format"
_PLUGINS = "_sknn_scratch_plugins"


def _best(scores: list[float] | None) -> float | None:
    """Return the highest score that is not nan; nan if all are, None without scores."""
    if not scores:
        return None
    return max((score for score in scores if score == score), default=float("nan"))


class BaseMLP(ComponentParams, SummaryMixin, StateMixin, CallbackSupportMixin, ABC):
    """Base of MLPClassifier and MLPRegressor; do not use it directly."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _y_is_numeric: ClassVar[bool]
    _sklearn_name: ClassVar[str]
    _usual_loss: ClassVar[str]
    theta_: Array
    _state: TrainingState
    _stops_early: bool
    _rows_per_step: int | None

    # --- Hook each estimator implements.

    @staticmethod
    @abstractmethod
    def _score(loss: Loss, truth: Array, y_pred: Array, weight: Array | None) -> float:
        """Return the score of predictions; ``truth`` and ``y_pred`` are both encoded or decoded."""

    # --- Fitting.

    def _fit(self, rows: Rows, call: Call) -> Any:
        """Implement fit, and partial_fit and resume, which ``call`` tells from it."""
        run_fit(self, rows, call, partial(prepare, self))
        return self

    # --- The history, read from the state: copies would make each partial_fit slower.

    @property
    def history_(self) -> list[Row]:
        """Record of the epochs done, one dict for each, as a new list."""
        return list(self._state.history)

    @property
    def loss_curve_(self) -> list[float]:
        """Mean training loss of each epoch, as a new list."""
        return self._state.history.curve("loss")

    @property
    def best_loss_(self) -> float | None:
        """Minimum of ``loss_curve_``; None with early stopping."""
        return None if self._stops_early else min(self.loss_curve_, default=float("nan"))

    @property
    def validation_scores_(self) -> list[float] | None:
        """Validation score of each epoch, as a new list; None without validation data."""
        return self._state.history.curve("validation_score") or None

    @property
    def validation_loss_curve_(self) -> list[float] | None:
        """Validation loss of each epoch, as a new list; None without validation data."""
        return self._state.history.curve("validation_loss") or None

    @property
    def best_validation_score_(self) -> float | None:
        """Best validation score, without nan; None without validation data."""
        scores = self.validation_scores_
        # The row of the best epoch may have been left out of a long history.
        kept = self._state.best_row.get("validation_score") if self._stops_early else None
        return _best(scores if kept is None else [*(scores or []), kept])

    # --- The fitted network.

    @property
    def coefs_(self) -> tuple[Array, ...]:
        """Weight matrices (fan_in, fan_out), layer by layer, as views of ``theta_``."""
        return self._views(0)

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._set_views("coefs_", 0, values)

    @property
    def intercepts_(self) -> tuple[Array, ...]:
        """Bias vectors (fan_out,), layer by layer, as views of ``theta_``."""
        return self._views(1)

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._set_views("intercepts_", 1, values)

    def _views(self, which: int) -> tuple[Array, ...]:
        theta = self.theta_
        return tuple(arrays[which] for arrays in self._network.layout.params(theta).layers)

    def _set_views(self, name: str, which: int, values: Any) -> None:
        """Set views of a new theta, because the old one may be read-only (mapped from a file)."""
        check_is_fitted(self)
        theta = np.array(self.theta_)
        views = [arrays[which] for arrays in self._network.layout.params(theta).layers]
        with _validation.naming(name, self):
            arrays = [np.asarray(value) for value in values]
            if any(a.dtype.kind not in "biuf" for a in arrays):
                raise ValueError(f"{name} must be arrays of real numbers.")
            arrays = [a.astype(theta.dtype) for a in arrays]
            shapes, found = [v.shape for v in views], [a.shape for a in arrays]
            if shapes != found:
                raise ValueError(f"{name} must be arrays of the shapes {shapes}. Got {found}.")
            if not all(np.isfinite(a).all() for a in arrays):
                raise ValueError(f"{name} must hold finite numbers. Got nan or infinite ones.")
        for view, array in zip(views, arrays, strict=True):
            view[...] = array
        self.theta_ = theta
        self._state = self._state.at_rest(keep_theta=False)

    def _map_raw(self, X: Any, function: Callable[[Array], Array]) -> Array:
        """Return function(raw outputs) for X, concatenated over row blocks."""
        X = _validation.check_X_fitted(self, X)
        params = self._network.layout.params(self.theta_)
        inference = Inference(self._network, X.shape[0], self.theta_.dtype)
        out: Any = None
        blas_limits = _blas_limits.suited(self._network, inference.size, trains=False)
        with quiet_floats(), blas_limits, _blame.noting_components(self):
            for block, raw in inference.raw_blocks(params, X):
                if not np.isfinite(raw).all():
                    raise ValueError(_advice.too_large(self))
                part = function(raw)
                if part.dtype.kind == "f" and not np.isfinite(part).all():
                    raise ValueError(_advice.too_large(self))
                if out is None:
                    out = np.empty((X.shape[0], *part.shape[1:]), part.dtype)
                out[block] = part
        return out

    # --- Parameters, conversion and storage.

    @classmethod
    def from_sklearn(cls, model: Any) -> Any:
        """Convert a fitted estimator of scikit-learn, with the same predictions.

        Parameters, weights and curves are copied. Optimizer state is not, so ``partial_fit``
        starts with new moments.

        Parameters
        ----------
        model : fitted sklearn.neural_network.MLPClassifier or MLPRegressor
            Estimator to convert.

        Returns
        -------
        estimator : instance of this class
            Fitted estimator.

        Raises
        ------
        TypeError
            If ``model`` is not scikit-learn's estimator of the same name.
        """
        if not isinstance(model, _convert.sklearn_class(cls._sklearn_name)):
            raise TypeError(
                f"model must be a fitted sklearn.neural_network.{cls._sklearn_name}. "
                f"Got {type(model).__module__.partition('.')[0]}.{type(model).__name__} instead."
            )
        return _convert.from_sklearn(cls, model)

    def to_sklearn(self) -> Any:
        """Convert to scikit-learn's estimator, with the same predictions.

        A softmax over two classes becomes scikit-learn's single logistic output.  It can be
        fitted further: with scikit-learn's own parameters, so without ``callbacks``,
        ``class_weight``, ``dropout``, ``dtype``, ``ema_decay``, ``initializer``, ``l1_ratio``
        and ``scoring``, which it lacks; with ``shuffle=True`` for an order by blocks; and with
        fresh moments of the optimizer.

        Returns
        -------
        model : sklearn.neural_network.MLPClassifier or MLPRegressor
            Fitted estimator.

        Raises
        ------
        ValueError
            If scikit-learn's MLP cannot express the model: other components than its own,
            different activations in different layers, or a schedule for Adam.
        """
        return _convert.to_sklearn(self, _convert.sklearn_class(self._sklearn_name))

    def _problem(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Objective, Data]:
        """Return the objective of training on these rows, without dropout, and the rows."""
        check_is_fitted(self)
        settings = settings_of(self)
        X = _validation.check_X(self, X, reset=False)
        rows = checked(settings, Rows(X, y, sample_weight))
        with _validation.naming("y", self):
            self._targets.check_validation(rows.y)
        data = encoded(Coding(settings, self._targets, self._loss, self.theta_.dtype), rows)
        check_weights(settings, data.weight, "all samples")
        return Objective(self._network, self._loss, settings.alpha, settings.l1_ratio), data

    def _tree(self) -> State:
        return _resume.tree_of(type(self).__name__, fitted(self))

    def _attributes_of(self, tree: Any) -> dict[str, Any]:
        return _resume.attributes_of(settings_of(self), tree)

    def __getstate__(self) -> dict[str, Any]:
        from sknn_scratch import __version__

        own = {_VERSION: __version__, _FORMAT: FORMAT, _PLUGINS: registry.remembered()}
        return super().__getstate__() | own

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        version, form = state.pop(_VERSION, "unknown"), state.pop(_FORMAT, None)
        if form != FORMAT:
            raise ValueError(
                f"This {type(self).__name__} was stored in format {form!r} by sknn_scratch "
                f"{version}; this version reads format {FORMAT}. Load it with that version, or "
                "fit it again."
            )
        registry.remember(state.pop(_PLUGINS))
        super().__setstate__(state)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def is_stochastic(estimator: Any) -> bool:
    """Return True if partial_fit is available; raise AttributeError for L-BFGS."""
    if is_lbfgs(estimator.solver):
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True
