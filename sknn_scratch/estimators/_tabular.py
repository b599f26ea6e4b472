"""Base of both tabular estimators: parameters, and predictions of members."""

from __future__ import annotations

from functools import partial
from math import inf
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.utils._param_validation import Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, State
from sknn_scratch.estimators._component_params import ComponentParams
from sknn_scratch.estimators._state import StateMixin
from sknn_scratch.estimators._summary import SummaryMixin
from sknn_scratch.estimators._tabular_presets import preset
from sknn_scratch.fitting import _ensemble_state, _validation
from sknn_scratch.fitting._members import run_ensemble_fit
from sknn_scratch.fitting._params import CONSTRAINTS as PLAIN
from sknn_scratch.fitting._params import ComponentOrName, Interval, OnePerLayer, positive
from sknn_scratch.fitting._recipe import ensemble_settings_of
from sknn_scratch.fitting._sklearn_versions import CallbackSupportMixin
from sknn_scratch.fitting._types import Call, Rows

CONSTRAINTS: dict[str, list[Any]] = {
    "effort": [StrOptions({"fast", "balanced", "best"})],
    "n_ensemble": [positive(Integral), None],
    "n_folds": [Interval(Integral, 2, None, closed="left")],
    "hidden_layer_sizes": ["array-like", positive(Integral), None],
    "activation": [OnePerLayer("activation"), None],
    "loss": [ComponentOrName("loss")],
    "solver": [ComponentOrName("optimizer")],
    "learning_rate": [ComponentOrName("schedule")],
    "learning_rate_init": [positive(), None],
    "batch_size": [StrOptions({"auto"}), positive(Integral)],
    "max_iter": [positive(Integral), None],
    "min_steps": [Interval(Integral, 0, None, closed="left"), None],
    "ema_decay": [Interval(Real, 0, 1, closed="left"), None],
    **{name: PLAIN[name] for name in ("alpha", "dropout", "scoring", "callbacks", "verbose")},
    "warm_start": PLAIN["warm_start"],
    "patience": [Interval(Real, 1, None, closed="left"), Options(Real, {inf})],
    "input_scaling": ["boolean"],
    "n_bins": [Interval(Integral, 0, None, closed="left"), None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "max_categories": [positive(Integral)],
    "random_state": ["random_state"],
    "n_jobs": [Interval(Integral, None, -1, closed="right"), positive(Integral), None],
}


class BaseTabularMLP(ComponentParams, SummaryMixin, StateMixin, CallbackSupportMixin):
    """Base of TabularMLPClassifier and TabularMLPRegressor; do not use it directly."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _task: ClassVar[str]
    _plain_class: ClassVar[type]
    _y_is_numeric: ClassVar[bool]
    _usual_loss: ClassVar[str]

    def _fit(self, rows: Rows, call: Call) -> Any:
        """Implement fit, and partial_fit and resume, which ``call`` tells from it."""
        run_ensemble_fit(self, partial(preset, self._task), rows, call)
        return self

    # --- Predicting.

    def _sum_of_members(self, method: str, X: Any) -> Array:
        """Return the sum over members of the results of a method for X, in float64."""
        check_is_fitted(self)
        with quiet_floats():
            with _validation.naming("X", self):
                Z = self.preprocessor_._transform(X, type(self).__name__)
            total = np.float64(0.0)
            for member in self.estimators_:
                with _validation.speaking_for(self, member):
                    total = total + getattr(member, method)(Z)
        return np.asarray(total)

    # --- Storage.

    def _tree(self) -> State:
        return _ensemble_state.tree_of(self)

    def _attributes_of(self, tree: Any) -> dict[str, Any]:
        settings = ensemble_settings_of(self, partial(preset, self._task))
        return _ensemble_state.attributes_of(settings, tree)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
