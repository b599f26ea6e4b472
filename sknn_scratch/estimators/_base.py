"""What both estimators share: validate, translate, solve, publish."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sknn_scratch import registry
from sknn_scratch.components import PrintProgress
from sknn_scratch.contracts import Array, Component, Loss, Site
from sknn_scratch.core.data import Data
from sknn_scratch.core.inference import Inference
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import _advice, _aliases, _convert, _holdout, _validation
from sknn_scratch.estimators._params import CONSTRAINTS, check_params, hidden_sizes
from sknn_scratch.training.lbfgs import LBFGS
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.stopping import Patience

#: partial_fit keeps this many entries of the curves.
CURVE_LENGTH = 10_000
AUTO_BATCH_SIZE = 200
#: Number of the layout of pickles; raised whenever an older version could not read them.
FORMAT = 1
_VERSION, _FORMAT = "_sknn_scratch_version", "_sknn_scratch_format"
_PLUGINS = "_sknn_scratch_plugins"


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Give the estimator back as it was if the body fails: nothing that it had is lost."""
    before = dict(vars(estimator))
    try:
        yield
    except Exception:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class How(NamedTuple):
    """How a call begins and ends."""

    is_new: bool  #: draw new weights, learn classes and features anew
    one_pass: bool  #: partial_fit


class BaseMLP(BaseEstimator, ABC):
    """Base of MLPClassifier and MLPRegressor; not to be used itself."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _y_is_numeric: ClassVar[bool]
    _sklearn_class: ClassVar[type]
    theta_: Array

    # --- What the two estimators answer in their own way.

    @abstractmethod
    def _read_targets(self, y: Any, how: How, classes: Any) -> Any:
        """Return the codec of y."""

    @abstractmethod
    def _score(self, loss: Loss, truth: Array, y_pred: Array, weight: Array | None) -> float:
        """Return the validation score of predictions, both in the targets' encoded form."""

    # --- Fitting.

    def _fit(self, X: Any, y: Any, sample_weight: Any, one_pass: bool, classes: Any = None) -> Any:
        """Do what fit (to the end) and partial_fit (one pass) do."""
        with unchanged_on_error(self):
            check_params(self)
            _aliases.check_names(self)
            how = self._how(one_pass)
            X = _validation.check_X(self, X, reset=how.is_new)
            y = _validation.check_y(self, y, X, self._y_is_numeric)
            weight = _validation.check_weight(self, sample_weight, X)
            targets = self._read_targets(y, how, _validation.check_classes(self, classes))
            loss = self._resolve_loss(targets.task)
            data = self._encode(X, y, weight, targets, loss, how)
            plan = self._plan(data, loss, how)
            state = self._start(plan, data, how)
            plan = self._hold_out(plan, data, state, targets)
            self._solve(plan, data, state, targets)
        # Last, so that nothing is lost where warnings are turned into errors.
        _advice.warn_at_end(self, state.stop_reason, data)
        return self

    def _solve(self, plan: Plan, data: Data, state: TrainingState, targets: Any) -> None:
        """Train and publish, also what there is when Ctrl-C ends training."""
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                plan.strategy.solve(plan, data, state, FitRun(plan, state))
        except KeyboardInterrupt:
            state.stop_reason = "interrupted"
            raise
        finally:
            if state.stop_reason:
                self._publish(plan, state, targets)

    def _how(self, one_pass: bool) -> How:
        """Tell how a call begins: the only reader of ``warm_start``."""
        goes_on = hasattr(self, "theta_") and (one_pass or self.warm_start)
        return How(is_new=not goes_on, one_pass=one_pass)

    def _encode(
        self, X: Any, y: Any, weight: Array | None, targets: Any, loss: Loss, how: How
    ) -> Data:
        dtype = X.dtype if how.is_new else self.theta_.dtype
        if weight is not None:
            weight = _validation.cast(self, "sample_weight", weight, dtype)
        _validation.check_weight_sum(self, weight, "all samples")
        with _validation.naming("y", self):
            y, unit = targets.encode(y, loss, dtype)
        if unit is None and not (loss.target_range.contains(y) and np.isfinite(y).all()):
            raise ValueError(
                f"The targets y of {type(self).__name__} must be {loss.target_range} with "
                f"loss={self.loss!r}, and within the range of {dtype}. Got values from "
                f"{y.min():g} to {y.max():g}: choose another loss or transform y."
            )
        return Data(_validation.cast(self, "X", X, dtype), y, unit, weight)

    def _resolve_loss(self, task: str) -> Loss:
        loss: Loss = _aliases.component(self, "loss", "loss")
        if task in loss.tasks:
            return loss.for_task(task)
        if task == "multiclass" and "binary" in loss.tasks:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass "
                f"and loss={self.loss!r} fits two classes: use loss='log_loss' instead."
            )
        raise ValueError(
            f"The 'loss' parameter of {type(self).__name__} must be a loss for {task} targets. "
            f"Got {self.loss!r} instead, which fits {' and '.join(loss.tasks)} targets."
        )

    def _plan(self, data: Data, loss: Loss, how: How) -> Plan:
        """Turn parameters into components, once."""
        activations, seen_by_output = _aliases.activations(self)
        network = Network.dense(
            data.X.shape[1], hidden_sizes(self), loss.n_raw(data.n_targets), activations
        )
        return Plan(
            Objective(network, loss, float(self.alpha)),
            self._strategy(data.n_samples, how),
            (PrintProgress(),) if self.verbose else (),
            one_pass=how.one_pass,
            sites=tuple(
                Site(k, len(network.layers), f)
                for k, f in enumerate([*activations, seen_by_output])
            ),
        )

    def _strategy(self, n_samples: int, how: How) -> LBFGS | MiniBatch:
        if self.solver == "lbfgs":
            return LBFGS(self.max_iter, self.max_fun, float(self.tol))
        return MiniBatch(
            _aliases.component(self, "optimizer", "solver"),
            _aliases.schedule(self),
            Patience(float(self.tol), self.n_iter_no_change),
            float(self.learning_rate_init),
            self._batch_size(n_samples, how),
            self.max_iter,
            bool(self.shuffle),
        )

    def _batch_size(self, n_samples: int, how: How) -> int:
        if self.early_stopping:
            n_samples -= _holdout.n_held_out(n_samples, self.validation_fraction)
        if self.batch_size == "auto":
            return min(AUTO_BATCH_SIZE, n_samples)
        if self.batch_size > n_samples and not how.one_pass:
            warnings.warn(
                "Got `batch_size` less than 1 or larger than sample size. It is going to be "
                f"clipped from {self.batch_size} to {n_samples}.",
                stacklevel=5,
            )
        return min(int(self.batch_size), n_samples)

    def _start(self, plan: Plan, data: Data, how: How) -> TrainingState:
        """Return the state before the first step, with the weights drawn or kept."""
        if how.is_new:
            state = self._draw(plan, data)
        else:
            self._check_fits(plan.objective)
            state = self._go_on(plan, how)
        if self.shuffle and self.solver != "lbfgs":
            state.order = np.arange(data.n_samples)
        return state

    def _draw(self, plan: Plan, data: Data) -> TrainingState:
        """Return a state with newly drawn weights."""
        network = plan.objective.network
        theta = np.empty(network.layout.size, data.X.dtype)
        state = TrainingState(theta, _aliases.own_stream(self.random_state))
        initializer = _aliases.component(self, "initializer", "initializer")
        for arrays, site in zip(network.layout.params(theta).layers, plan.sites, strict=True):
            initializer.fill(*arrays, state.rng, site)
        return state

    def _go_on(self, plan: Plan, how: How) -> TrainingState:
        """Return a state with a copy of the weights; partial_fit keeps all the rest too."""
        if not how.one_pass:
            return TrainingState(np.array(self.theta_), _aliases.own_stream(self.random_state))
        state: TrainingState = self._state.wake(self.theta_)
        if self._optimizer is None or not plan.strategy.optimizer.continues(self._optimizer):
            state.optimizer = {}
        return state

    def _check_fits(self, objective: Objective) -> None:
        """Raise if the weights so far are of another shape or meaning."""
        had = (self._network.units, self.out_activation_)
        wants = (objective.network.units, objective.loss.out_activation)
        if had != wants:
            raise ValueError(
                f"{type(self).__name__} was fitted with layers of {had[0]} units and "
                f"{had[1]} outputs, and cannot go on with {wants[0]} and {wants[1]}: keep "
                "hidden_layer_sizes, loss and the number of columns of y as they were, or fit "
                "anew with warm_start=False."
            )

    def _hold_out(self, plan: Plan, data: Data, state: TrainingState, targets: Any) -> Plan:
        """Choose the validation rows of early stopping; after the weights, as scikit-learn."""
        if not self.early_stopping:
            return plan
        if plan.one_pass:
            raise ValueError(
                "partial_fit does not support early_stopping=True: set early_stopping=False, or "
                "call fit."
            )
        if self.solver == "lbfgs":
            warnings.warn("early_stopping is ignored with solver='lbfgs'.", stacklevel=4)
            return plan
        strata = targets.strata(data.y)
        state.order, held_out = _holdout.split(
            data.n_samples, self.validation_fraction, state.rng, strata
        )
        if data.weight is not None:
            for part, rows in (("training", state.order), ("validation", held_out)):
                name = f"the {part} part of the early-stopping split"
                _validation.check_weight_sum(self, data.weight[rows], name)
        return replace(plan, judge=self._judge(plan, data, held_out, targets))

    def _judge(self, plan: Plan, data: Data, rows: Array, targets: Any) -> Callable[[Array], float]:
        """Return the function that scores a vector of parameters on some rows."""
        network = plan.objective.network
        truth = targets.truth(data.y[..., rows])
        weight = None if data.weight is None else data.weight[rows]

        inference = Inference(network, len(rows), data.X.dtype)
        raw = np.empty((len(rows), network.units[-1]), data.X.dtype)

        def judge(theta: Array) -> float:
            params = network.layout.params(theta)
            for block, part in inference.raw_blocks(params, data.X, rows):
                raw[block] = part
            if not np.isfinite(raw).all():
                return float("nan")
            loss = plan.objective.loss
            return self._score(loss, truth, targets.predict(raw, loss), weight)

        return judge

    # --- Publishing.

    def _publish(self, plan: Plan, state: TrainingState, targets: Any) -> None:
        """Set all fitted attributes: the only place that does."""
        state.theta = self._final_theta(plan, state)
        state.trim_curves(CURVE_LENGTH)
        for name, value in self._fitted_attributes(plan, state, targets).items():
            setattr(self, name, value)

    def _final_theta(self, plan: Plan, state: TrainingState) -> Array:
        """Return the parameters to keep: the best ones if there is a validation score."""
        optimizer = getattr(plan.strategy, "optimizer", None)
        last = optimizer.readout(state.theta, state.optimizer) if optimizer else state.theta
        if state.stop_reason != "diverged" and np.isfinite(last).all():
            return last if state.best_theta is None else state.best_theta
        state.stop_reason = "diverged"
        if state.best_theta is None:
            raise ValueError(_advice.divergence(state.epoch, self.learning_rate_init))
        return state.best_theta

    def _fitted_attributes(self, plan: Plan, state: TrainingState, targets: Any) -> dict[str, Any]:
        scores = state.validation_scores
        network, loss = plan.objective.network, plan.objective.loss
        return {
            "theta_": state.theta,
            "loss_": state.loss_curve[-1] if state.loss_curve else float("nan"),
            "loss_curve_": state.loss_curve,
            "best_loss_": None if scores else min(state.loss_curve, default=float("nan")),
            "validation_scores_": scores or None,
            "best_validation_score_": max(scores) if scores else None,
            "n_iter_": state.epoch,
            "t_": state.samples,
            "n_layers_": len(network.units),
            "n_outputs_": network.units[-1],
            "out_activation_": loss.out_activation,
            "_network": network,
            "_loss": loss,
            "_targets": targets,
            "_optimizer": getattr(plan.strategy, "optimizer", None),
            "_state": state.at_rest(),
        }

    # --- The fitted network.

    @property
    def coefs_(self) -> tuple[Array, ...]:
        """Weight matrices (fan_in, fan_out), layer by layer: views of ``theta_``."""
        return self._views(0)

    @coefs_.setter
    def coefs_(self, values: Any) -> None:
        self._set_views("coefs_", 0, values)

    @property
    def intercepts_(self) -> tuple[Array, ...]:
        """Bias vectors (fan_out,), layer by layer: views of ``theta_``."""
        return self._views(1)

    @intercepts_.setter
    def intercepts_(self, values: Any) -> None:
        self._set_views("intercepts_", 1, values)

    def _views(self, which: int) -> tuple[Array, ...]:
        theta = self.theta_
        return tuple(arrays[which] for arrays in self._network.layout.params(theta).layers)

    def _set_views(self, name: str, which: int, values: Any) -> None:
        """Copy new values into a new theta: a read-only one may be mapped from a file."""
        check_is_fitted(self)
        theta = np.array(self.theta_)
        views = [arrays[which] for arrays in self._network.layout.params(theta).layers]
        with _validation.naming(name, self):
            arrays = [np.asarray(value) for value in values]
            if any(a.dtype.kind not in "biuf" for a in arrays):
                raise ValueError(f"{name} must be arrays of real numbers.")
            arrays = [a.astype(theta.dtype) for a in arrays]
            shapes, given = [v.shape for v in views], [a.shape for a in arrays]
            if shapes != given or not all(np.isfinite(a).all() for a in arrays):
                raise ValueError(
                    f"{name} must be finite arrays of the shapes {shapes}. Got the shapes {given}."
                )
        for view, array in zip(views, arrays, strict=True):
            view[...] = array
        self.theta_ = theta

    def _map_raw(self, X: Any, function: Callable[[Array], Array]) -> Array:
        """Return function(raw outputs) of valid X, collected over row blocks."""
        X = _validation.check_X_fitted(self, X)
        params = self._network.layout.params(self.theta_)
        inference = Inference(self._network, X.shape[0], self.theta_.dtype)
        out: Any = None
        with np.errstate(over="ignore", invalid="ignore"):
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

    def _checked_score(self, X: Any, y: Any, sample_weight: Any) -> float:
        """Return the score of predictions, with messages that name y."""
        y_pred = self.predict(X)
        y = _validation.check_y(self, y, X, self._y_is_numeric)
        with _validation.naming("y", self):
            return self._score(self._loss, y, y_pred, sample_weight)

    # --- scikit-learn's manners.

    def set_params(self, **params: Any) -> Any:
        """Set parameters: plain names first, then ``a__b`` inside the component ``a``."""
        plain = {key: value for key, value in params.items() if "__" not in key}
        inner: dict[str, dict[str, Any]] = {}
        for key in params.keys() - plain.keys():
            name, _, rest = key.partition("__")
            inner.setdefault(name, {})[rest] = params[key]
        for name, changes in inner.items():
            plain[name] = self._evolved(name, plain.get(name, getattr(self, name, None)), changes)
        known = self.get_params(deep=False)
        # Unknown names first: they raise before anything has been set.
        return super().set_params(**dict(sorted(plain.items(), key=lambda item: item[0] in known)))

    def _evolved(self, name: str, value: Any, changes: dict[str, Any]) -> Component:
        """Return the component with changed parameters."""
        if isinstance(value, Component):
            return value.evolve(**changes)
        raise ValueError(
            f"Invalid parameter {name}__{next(iter(changes))} for {type(self).__name__}: {name} "
            f"is {value!r}, which has no parameters of its own. Pass an instance of a component "
            "from sknn_scratch.components to set them, or use the estimator's flat parameters."
        )

    @classmethod
    def from_sklearn(cls, model: Any) -> Any:
        """Return an estimator of this class from a fitted one of scikit-learn's.

        Parameters, weights and curves are taken over; predictions are the same. The
        optimizer's memory is not: ``partial_fit`` begins with fresh moments.

        Parameters
        ----------
        model : fitted sklearn.neural_network.MLPClassifier or MLPRegressor

        Returns
        -------
        estimator : instance of this class, fitted

        Raises
        ------
        TypeError
            If ``model`` is not scikit-learn's estimator of the same name.
        """
        if not isinstance(model, cls._sklearn_class):
            raise TypeError(
                f"model must be a fitted sklearn.neural_network.{cls._sklearn_class.__name__}. "
                f"Got {type(model).__name__} instead."
            )
        return _convert.from_sklearn(cls, model)

    def to_sklearn(self) -> Any:
        """Return scikit-learn's estimator with these weights: the same predictions.

        A softmax over two classes becomes scikit-learn's single logistic output.

        Returns
        -------
        model : fitted sklearn.neural_network.MLPClassifier or MLPRegressor

        Raises
        ------
        ValueError
            If scikit-learn's MLP cannot express the model: other components than its own,
            or different activations in different layers.
        """
        return _convert.to_sklearn(self, self._sklearn_class)

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
    """Tell whether partial_fit is there: for all solvers but L-BFGS."""
    if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True
