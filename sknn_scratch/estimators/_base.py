"""Base of both estimators: validation, encoding, training, fitted attributes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.callback import CallbackSupportMixin, with_callbacks
from sklearn.utils.validation import check_is_fitted

from sknn_scratch import registry
from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Array, Loss, State
from sknn_scratch.core import probe
from sknn_scratch.core.data import Data
from sknn_scratch.core.inference import Inference
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import (
    _advice,
    _aliases,
    _blame,
    _convert,
    _resume,
    _threads,
    _validation,
)
from sknn_scratch.estimators._judge import Rows, with_judge
from sknn_scratch.estimators._params import CONSTRAINTS, check_params
from sknn_scratch.estimators._sklearn_callbacks import listen
from sknn_scratch.estimators._start import (
    How,
    Inherited,
    check_plugins,
    make_plan,
    start,
    warn_if_clipped,
)
from sknn_scratch.training.history import Row
from sknn_scratch.training.run import FitRun
from sknn_scratch.training.state import Plan, TrainingState

#: partial_fit keeps this many entries of the curves.
CURVE_LENGTH = 10_000
#: Number of the layout of pickles; raised whenever an older version could not read them.
FORMAT = 1
_VERSION, _FORMAT = "_sknn_scratch_version", "_sknn_scratch_format"
_PLUGINS = "_sknn_scratch_plugins"


@contextmanager
def unchanged_on_error(estimator: Any) -> Iterator[None]:
    """Restore the estimator if the body of the ``with`` statement raises.

    If ``random_state`` is a RandomState, its state is restored, too.  A note on the error names
    the component that raised it.
    """
    before, stream = dict(vars(estimator)), estimator.random_state
    drawn = stream.get_state() if isinstance(stream, np.random.RandomState) else None
    try:
        yield
    except BaseException as error:
        _blame.add_notes(error, estimator)
        # Ctrl-C sets fitted attributes from the training so far, which must be kept.
        published = vars(estimator).get("theta_") is not before.get("theta_")
        if not (isinstance(error, KeyboardInterrupt) and published):
            vars(estimator).clear()
            vars(estimator).update(before)
            if drawn is not None:
                stream.set_state(drawn)
        raise


class BaseMLP(_aliases.ComponentParams, CallbackSupportMixin, ABC):
    """Base of MLPClassifier and MLPRegressor; do not use it directly."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _y_is_numeric: ClassVar[bool]
    _sklearn_name: ClassVar[str]
    _usual_loss: ClassVar[str]
    theta_: Array
    _state: TrainingState
    _stops_early: bool

    # --- Hooks each estimator implements.

    @abstractmethod
    def _read_targets(self, y: Any, how: How, classes: Any) -> Any:
        """Return the encoder of y."""

    @abstractmethod
    def _score(self, loss: Loss, truth: Array, y_pred: Array, weight: Array | None) -> float:
        """Return the score of predictions; ``truth`` and ``y_pred`` are both encoded or decoded."""

    # --- Fitting.

    def _fit(self, rows: Rows, one_pass: bool, given: Rows, classes: Any = None) -> Any:
        """Implement fit and, with ``one_pass``, partial_fit."""
        return self._run(rows, lambda: self._prepare(rows, self._how(one_pass), given, classes))

    def _resume(self, path: Any, rows: Rows, given: Rows) -> Any:
        """Implement resume: fit from the state in a file."""
        path = _resume.check_path(path)
        self._run(rows, lambda: self._prepare(rows, _resume.resumed(self, path), given))
        _resume.warn_lost_curvature(self)
        return self

    def _run(self, rows: Rows, prepare: "Callable[[], Job]") -> Any:
        """Run the job that ``prepare`` makes of valid parameters and these rows."""
        with quiet_floats(), unchanged_on_error(self):
            check_params(self)
            job = prepare()
            self._solve(job, rows)
            advice = _advice.at_end(self, job.state, job.data)
        # Last, so that no result is lost if warnings are turned into errors.
        _advice.warn_of(advice)
        return self

    def _prepare(self, rows: Rows, how: How, given: Rows, classes: Any = None) -> "Job":
        """Check and encode all arguments; draw weights, or load them from a checkpoint."""
        _aliases.check_names(self)
        X = _validation.check_X(self, rows.X, reset=how.is_new)
        y = _validation.check_y(self, rows.y, X, self._y_is_numeric)
        targets = self._read_targets(y, how, _validation.check_classes(self, classes))
        loss, dtype = self._resolve_loss(targets.task), self._dtype(X, how)
        checked = _validation.check_weight(self, rows.sample_weight, X)
        weight = self._weigh(checked, y, targets, how)
        data = self._encode(X, y, weight, targets, loss, dtype)
        held = self._encode_given(given, y, targets, loss, how, dtype)
        plan = make_plan(self, data, loss, how)
        check_plugins(plan, data)
        is_watched = bool(plan.callbacks) or how.origin is not None
        header = _resume.header(self, data, targets, held, how) if is_watched else {}
        if how.origin is None:
            state = start(self, plan, data, how)
        else:
            state = _resume.stored_state(self, plan, how.origin, header, data.n_samples)
        plan = with_judge(self, plan, data, state, targets, held)
        warn_if_clipped(self, plan, data, state)
        return Job(plan, data, state, targets, header)

    # Not around _fit: after an error, unchanged_on_error would remove the callbacks to tear down.
    @with_callbacks
    def _solve(self, job: "Job", given: Rows) -> None:
        """Train and set fitted attributes, even if Ctrl-C ends training."""
        plan, data, state, targets, header = job
        listener = listen(self, job, given)
        run = FitRun(plan, state, header, listener)
        try:
            rows = getattr(plan.strategy, "batch_size", data.n_samples)
            with _threads.suited(plan.network, rows):
                plan.strategy.solve(plan, data, state, run)
        except KeyboardInterrupt:
            state.stop_reason = "interrupted"
            if state.epoch or state.step:  # before that, there is nothing new
                self._publish(plan, state, targets)
            raise
        self._publish(plan, state, targets)
        if listener is not None:
            listener.on_published()

    def _how(self, one_pass: bool) -> How:
        """Return how a call starts; the only place that uses ``warm_start``."""
        goes_on = hasattr(self, "theta_") and (one_pass or self.warm_start)
        return How(one_pass, Inherited(self._targets, self.theta_.dtype) if goes_on else None)

    def _dtype(self, X: Any, how: How) -> Any:
        """Return the dtype to compute in: of existing weights, of ``dtype``, or of X."""
        if how.inherited is not None:
            return how.inherited.dtype
        own = X.dtype if X.dtype in _validation.FLOATS else np.dtype(np.float64)
        return own if self.dtype is None else np.dtype(self.dtype)

    def _weigh(
        self, weight: Array | None, y: Any, targets: Any, how: How, reference: Any = None
    ) -> Array | None:
        """Return the weights of rows, which the classifier multiplies by class weights.

        ``reference`` is the y whose classes are balanced; None is y itself.
        """
        return weight

    def _encode(
        self, X: Any, y: Any, weight: Array | None, targets: Any, loss: Loss, dtype: Any
    ) -> Data:
        y, unit = self._encode_y(y, targets, loss, dtype)
        weight = _validation.encode_weight(self, weight, dtype, "all samples")
        return Data(_validation.cast_X(self, X, dtype), y, unit, weight)

    def _encode_y(self, y: Any, targets: Any, loss: Loss, dtype: Any) -> tuple[Array, Any]:
        with _validation.naming("y", self):
            encoded, unit = targets.encode(y, loss, dtype)
        if unit is not None:
            return encoded, unit
        _validation.check_finite(self, "y", encoded)
        # Encoding may round y to the edge of an open range.
        if not loss.target_range.contains(encoded):
            raise _validation.outside(self, y, str(loss.target_range))
        return encoded, unit

    def _encode_given(
        self, given: Rows, train_y: Any, targets: Any, loss: Loss, how: How, dtype: Any
    ) -> Data | None:
        """Return the given validation data, checked like training data."""
        if not _validation.is_given(self, *given):
            return None
        with _validation.naming("X_val", self):
            X = _validation.check_X(self, given.X, reset=False)
            X = _validation.cast_X(self, X, dtype)
        with _validation.naming("y_val", self):
            y = _validation.check_y(self, given.y, X, self._y_is_numeric)
            targets.check_validation(y)
            encoded, unit = self._encode_y(y, targets, loss, dtype)
        with _validation.naming("sample_weight_val", self):
            weight = _validation.check_weight(self, given.sample_weight, X)
            weight = self._weigh(weight, y, targets, how, reference=train_y)
            weight = _validation.encode_weight(self, weight, dtype, "the validation data")
        return Data(X, encoded, unit, weight)

    def _resolve_loss(self, task: str) -> Loss:
        loss: Loss = _aliases.component(self, "loss", "loss")
        if task in loss.tasks:
            return probe.for_task(loss, task)
        if task == "multiclass" and "binary" in loss.tasks:
            raise ValueError(
                "Only binary classification is supported. The type of the target is multiclass "
                f"and loss={self.loss!r} fits two classes: use loss='log_loss' instead."
            )
        raise _aliases.unfit_loss(self, loss, task)

    # --- Fitted attributes.

    def _publish(self, plan: Plan, state: TrainingState, targets: Any) -> None:
        """Set all fitted attributes; the only place that does so."""
        theta = self._final_theta(plan, state)
        state.history.keep(CURVE_LENGTH)
        for name, value in self._fitted_attributes(plan, state, targets, theta).items():
            setattr(self, name, value)

    def _final_theta(self, plan: Plan, state: TrainingState) -> Array:
        """Return the parameters to keep: the best with early stopping, otherwise the last."""
        optimizer = getattr(plan.strategy, "optimizer", None)
        theta = state.theta
        last = probe.readout(optimizer, theta, state.optimizer) if optimizer else theta
        if not np.isfinite(last).all():
            state.stop_reason = "diverged"
        if plan.early_stopping and state.best_row and state.best_theta is not None:
            return state.best_theta
        if state.stop_reason == "diverged":
            raise ValueError(_advice.diverged(self, state.epoch))
        return last

    def _fitted_attributes(
        self, plan: Plan, state: TrainingState, targets: Any, theta: Array
    ) -> dict[str, Any]:
        network, loss = plan.network, plan.objective.loss
        kept = state.best_row if plan.early_stopping else {}
        losses = (row["loss"] for row in reversed(state.history) if "loss" in row)
        # True if partial_fit resumes from other weights than theta_.
        goes_on = theta is not state.theta and (plan.one_pass or not plan.early_stopping)
        return {
            "theta_": theta,
            "loss_": kept["loss"] if "loss" in kept else next(losses, float("nan")),
            "n_iter_": state.epoch,
            "best_n_iter_": int(kept.get("epoch", state.epoch)),
            "t_": state.samples,
            "n_layers_": len(network.units),
            "n_outputs_": network.units[-1],
            "out_activation_": loss.out_activation,
            "_network": network,
            "_loss": loss,
            "_targets": targets,
            "_optimizer": getattr(plan.strategy, "optimizer", None),
            "_stops_early": plan.early_stopping,
            "_state": state.at_rest(keep_theta=goes_on),
        }

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
        """Maximum of ``validation_scores_``, without nan; None without validation data."""
        return _best(self.validation_scores_)

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
            shapes, given = [v.shape for v in views], [a.shape for a in arrays]
            if shapes != given:
                raise ValueError(f"{name} must be arrays of the shapes {shapes}. Got {given}.")
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
        calm = _threads.suited(self._network, inference.size, trains=False)
        with quiet_floats(), calm, _blame.noting_components(self):
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

    def summary(self, batch_size: int | None = None) -> Any:
        """Return a table of the layers: shapes, parameters, activation and memory.

        Parameters
        ----------
        batch_size : int, default=None
            Number of rows per step, for the memory of training. If None, use that of the fit.

        Returns
        -------
        summary : sknn_scratch.inspection.Summary
            Table of the layers.
        """
        check_is_fitted(self)
        from sknn_scratch.inspection import summary  # here, because it is rarely used

        return summary(self, batch_size)

    def _problem(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Objective, Data]:
        """Return the objective of training on these rows, without dropout, and the rows."""
        check_is_fitted(self)
        how = How(one_pass=True, inherited=Inherited(self._targets, self.theta_.dtype))
        X = _validation.check_X(self, X, reset=False)
        y = _validation.check_y(self, y, X, self._y_is_numeric)
        targets = self._read_targets(y, how, None)
        checked = _validation.check_weight(self, sample_weight, X)
        weight = self._weigh(checked, y, targets, How(one_pass=False))
        data = self._encode(X, y, weight, targets, self._loss, self.theta_.dtype)
        return Objective(self._network, self._loss, float(self.alpha), float(self.l1_ratio)), data

    def get_state(self) -> State:
        """Return weights and training state as nested dicts of arrays, numbers and strings.

        Use it to store an estimator in a custom format. Parameters are not included.

        Returns
        -------
        state : dict
            State for :meth:`set_state`.
        """
        check_is_fitted(self)
        return _resume.get_state(self)

    def set_state(self, state: State) -> Any:
        """Restore the weights and training state that ``get_state`` returned.

        Parameters
        ----------
        state : dict
            State from ``get_state`` of an estimator with the same parameters.

        Returns
        -------
        self : the estimator
            The estimator itself.

        Raises
        ------
        ValueError
            If the state is of another estimator, another network or another optimizer; the
            estimator is left as it was.
        """
        check_params(self)
        with unchanged_on_error(self):
            _resume.set_state(self, state)
        return self

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


class Job(NamedTuple):
    """Inputs of a fit that is ready to run."""

    plan: Plan
    data: Data
    state: TrainingState
    targets: Any
    header: State  #: identification of this fit in checkpoints


def _best(scores: list[float] | None) -> float | None:
    """Return the highest score that is not nan; nan if all are, None without scores."""
    if not scores:
        return None
    return max((score for score in scores if score == score), default=float("nan"))


def is_stochastic(estimator: Any) -> bool:
    """Return True if partial_fit is available; raise AttributeError for L-BFGS."""
    if isinstance(estimator.solver, str) and estimator.solver == "lbfgs":
        raise AttributeError(
            "partial_fit is only available for stochastic optimizers. lbfgs is not stochastic."
        )
    return True
