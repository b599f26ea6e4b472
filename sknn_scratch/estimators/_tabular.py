"""What both tabular estimators share: preprocess, train members, publish plain networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import inf, sqrt
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from sknn_scratch.components import Adam, Chain, GroupRates, SpreadBiases
from sknn_scratch.contracts import Activation, Array, Loss, Optimizer
from sknn_scratch.core.data import Data
from sknn_scratch.core.network import Network
from sknn_scratch.estimators import (
    _advice,
    _tabular_members,
    _tabular_presets,
    _tabular_scores,
    _validation,
)
from sknn_scratch.estimators._base import unchanged_on_error
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import (
    ComponentOrName,
    OnePerLayer,
    hidden_sizes,
    invalid,
    positive,
)
from sknn_scratch.estimators._start import own_seed, plan_without_data
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.registry import lookup
from sknn_scratch.training.members import Member, Task, Together
from sknn_scratch.training.state import TrainingState

#: Factors on the learning rate: of the inputs' factors, and of biases.
SCALE_RATE, BIAS_RATE = 6.0, 0.1

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
    "patience": [Interval(Real, 1, None, closed="left"), Options(Real, {inf})],
    "input_scaling": ["boolean"],
    "n_bins": [Interval(Integral, 0, None, closed="left"), None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "max_categories": [positive(Integral)],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


class Encoded(NamedTuple):
    """Training data as networks see it."""

    data: Data
    targets: Any
    loss: Loss
    factor: Any  #: raw outputs times this, plus ``shift``, are those of y as it was given
    shift: Any


class BaseTabularMLP(BaseEstimator, ABC):
    """Base of TabularMLPClassifier and TabularMLPRegressor; not to be used itself."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _task: ClassVar[str]
    _plain_class: ClassVar[type]
    _y_is_numeric: ClassVar[bool]
    _usual_loss: ClassVar[str]

    # --- What the two estimators answer in their own way.

    @abstractmethod
    def _encode(self, Z: Array, y: Any, weight: Array | None) -> Encoded:
        """Return training data."""

    @abstractmethod
    def _encode_validation(self, encoded: Encoded, Z: Array, y: Any, weight: Any) -> Data:
        """Return validation data, encoded as training data is."""

    @abstractmethod
    def _finish(self, encoded: Encoded, task: Task, members: list[Member]) -> dict[str, Any]:
        """Return fitted attributes of its own; ``factor`` and ``shift`` are for the members."""

    # --- Fitting.

    def _fit(self, rows: Rows, given: Rows) -> Any:
        with unchanged_on_error(self):
            self._check_params()
            validate_data(self, rows.X, skip_check_array=True)
            weight = _validation.check_weight(self, rows.sample_weight, rows.X)
            preprocessor = self._preprocessor()
            Z = preprocessor.fit_transform(rows.X, sample_weight=weight)
            y = _validation.check_y(self, rows.y, Z, self._y_is_numeric)
            encoded = self._encode(Z, y, weight)
            validation = self._validation_data(given, preprocessor, encoded)
            self._train(encoded, validation, preprocessor)
        return self

    def _check_params(self) -> None:
        self._validate_params()
        self._activations(len(self._hidden()))

    def _hidden(self) -> tuple[int, ...]:
        """Return the sizes of hidden layers."""
        if self.hidden_layer_sizes is not None:
            return hidden_sizes(self)
        sizes: tuple[int, ...] = self._setting("hidden_layer_sizes")
        return sizes

    def _setting(self, name: str) -> Any:
        """Return a parameter, or what ``effort`` stands for where it is None."""
        value = getattr(self, name)
        if value is not None:
            return value
        return _tabular_presets.preset(self._task, self.effort)[name]

    def _preprocessor(self) -> TabularPreprocessor:
        return TabularPreprocessor(
            categorical_features=self.categorical_features,
            n_bins=self._setting("n_bins"),
            max_categories=self.max_categories,
        )

    def _resolve_loss(self, task: str) -> Loss:
        """Return the loss for a task, or say which ones there are."""
        loss: Loss = _component("loss", self.loss)
        if task in loss.tasks:
            return loss.for_task(task)
        raise ValueError(
            f"The 'loss' parameter of {type(self).__name__} must be a loss for {task} targets. "
            f"Got {self.loss!r} instead, which fits {' and '.join(loss.tasks)} targets: use "
            f"loss={self._usual_loss!r} instead."
        )

    def _validation_data(
        self, given: Rows, preprocessor: TabularPreprocessor, encoded: Encoded
    ) -> Data | None:
        """Return the validation data that the user gave."""
        if given.X is None and given.y is None:
            if given.sample_weight is not None:
                raise ValueError("sample_weight_val must come with X_val and y_val. Got it alone.")
            return None
        if given.X is None or given.y is None:
            missing = "X_val" if given.X is None else "y_val"
            raise ValueError(f"X_val and y_val must come together. {missing} is missing.")
        with _validation.naming("X_val", self):
            Z = preprocessor.transform(given.X)
        with _validation.naming("y_val", self):
            y = _validation.check_y(self, given.y, Z, self._y_is_numeric)
        with _validation.naming("sample_weight_val", self):
            weight = _validation.check_weight(self, given.sample_weight, Z)
        return self._encode_validation(encoded, Z, y, weight)

    def _train(
        self, encoded: Encoded, validation: Data | None, preprocessor: TabularPreprocessor
    ) -> None:
        hidden = self._hidden()
        activations = self._activations(len(hidden))
        shape = (encoded.data.X.shape[1], hidden, encoded.loss.n_raw(encoded.data.n_targets))
        network = _tabular_members.make_network(*shape, activations, self.input_scaling)
        members = self._draw(network, encoded, validation)
        judged_by = encoded.data if validation is None else validation
        judge = _tabular_scores.judge(encoded.loss, judged_by)
        task = Task(network, encoded.loss, encoded.data, judged_by, judge)
        how = self._together(network, len(members[0].order))
        members = _tabular_members.train(how, task, members, self.n_jobs)
        self._check_finite(members)
        self._publish(encoded, task, members, preprocessor)

    def _draw(self, network: Network, encoded: Encoded, validation: Data | None) -> list[Member]:
        """Return untrained members: each with another fold held out, in round after round."""
        n, k = encoded.data.n_samples, int(self._setting("n_ensemble"))
        rng = np.random.RandomState(own_seed(self.random_state))
        seeds = rng.randint(np.iinfo(np.int32).max, size=k).tolist()
        if validation is not None:
            held_out = [np.arange(validation.n_samples)] * k
        else:
            held_out = []
            while len(held_out) < k:
                held_out += _tabular_members.folds(n, self.n_folds, self._strata(encoded), rng)
        return _tabular_members.draw_members(
            network, SpreadBiases(), seeds, held_out[:k], n, splits=validation is None
        )

    def _strata(self, encoded: Encoded) -> Array | None:
        """Return what folds are stratified by."""
        return encoded.data.y if encoded.data.unit is not None else None

    def _together(self, network: Network, n: int) -> Together:
        """Return the strategy for ``n`` training rows of each member."""
        if self.batch_size == "auto":
            batch_size = _tabular_presets.auto_batch_size(n)
        else:
            batch_size = min(int(self.batch_size), n)
        usual = _tabular_presets.preset(self._task, self.effort)["max_iter"]
        return Together(
            self._optimizer(network),
            _component("schedule", self.learning_rate),
            float(self._setting("learning_rate_init")),
            batch_size,
            _tabular_presets.epochs(self.max_iter, usual, -(-n // batch_size)),
            patience=float(self.patience),
        )

    def _optimizer(self, network: Network) -> Optimizer:
        """Return the rule of steps, with a learning rate for each group of parameters.

        A layer's weights have a factor of 1 / √fan_in: together with their initial values it
        makes steps as large as those of weights N(0, 1) behind a division by √fan_in.
        """
        is_usual = isinstance(self.solver, str) and self.solver == "adam"
        inner = Adam(beta_2=0.95) if is_usual else _component("optimizer", self.solver)
        factors = [("b", BIAS_RATE)] + [("s", SCALE_RATE)] * self.input_scaling
        factors += [(f"W{k}", 1.0 / sqrt(max(n, 1))) for k, n in enumerate(network.units[:-1])]
        return Chain((("solver", inner), ("rates", GroupRates(factors))))

    def _activations(self, n_hidden: int) -> list[Activation]:
        """Return one activation for each hidden layer."""
        value = self._setting("activation")
        values = value if isinstance(value, list | tuple) else [value] * n_hidden
        if len(values) != n_hidden:
            must_be = f"one for all hidden layers, or one for each of {n_hidden}"
            raise invalid(self, "activation", must_be, value)
        return [_component("activation", one) for one in values]

    def _check_finite(self, members: Sequence[Member]) -> None:
        """Raise if a member has no weights that can be used."""
        lost = [m for m in members if m.stop_reason == "diverged" and m.best_theta is None]
        if lost or not all(np.isfinite(m.kept).all() for m in members):
            epoch = max(m.step for m in (lost or members))
            raise ValueError(_advice.divergence(epoch, float(self._setting("learning_rate_init"))))

    # --- Publishing.

    def _publish(
        self,
        encoded: Encoded,
        task: Task,
        members: list[Member],
        preprocessor: TabularPreprocessor,
    ) -> None:
        own = self._finish(encoded, task, members)
        factor, shift = own.pop("factor"), own.pop("shift")
        self.preprocessor_ = preprocessor
        self.estimators_ = [
            self._plain(encoded, _tabular_members.folded(task.network, m.kept, factor, shift), m)
            for m in members
        ]
        self.held_out_ = [m.held_out for m in members]
        self.n_iter_ = max(m.epoch for m in members)
        for name, value in own.items():
            setattr(self, name, value)

    def _plain(self, encoded: Encoded, theta: Array, member: Member) -> Any:
        """Return a plain network of this package with a member's weights."""
        plain = self._plain_class(
            hidden_layer_sizes=self._hidden(),
            activation=self._setting("activation"),
            loss=self.loss,
            batch_size=self.batch_size,
            dtype="float32",
        )
        plan = plan_without_data(plain, encoded.data.X.shape[1], encoded.targets, np.float32)
        state = TrainingState(theta, member.rng, step=member.step, stop_reason=member.stop_reason)
        state.history = [
            {"epoch": k + 1, "step": step, "validation_score": score}
            for k, (step, score) in enumerate(member.scores)
        ]
        vars(plain).update(plain._fitted_attributes(plan, state, encoded.targets, theta))
        plain.n_features_in_ = encoded.data.X.shape[1]
        return plain

    # --- Predicting.

    def _transform(self, X: Any) -> Array:
        """Return X as the members take it."""
        check_is_fitted(self)
        Z: Array = self.preprocessor_.transform(X)
        return Z

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags


def _component(kind: str, value: Any) -> Any:
    """Return an instance: the one given, or that of a name."""
    return lookup(kind, value)() if isinstance(value, str) else value
