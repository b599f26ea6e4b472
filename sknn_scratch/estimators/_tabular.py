"""Base of both tabular estimators: preprocessing, training of members, plain networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, sqrt
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.utils._param_validation import Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.components import Adam, Chain, GroupRates, SpreadBiases, WeightEMA
from sknn_scratch.contracts import Activation, Array, Loss, Optimizer
from sknn_scratch.core import probe
from sknn_scratch.core.data import Data
from sknn_scratch.core.network import Network
from sknn_scratch.estimators import (
    _advice,
    _aliases,
    _tabular_members,
    _tabular_presets,
    _tabular_scores,
    _validation,
)
from sknn_scratch.estimators._base import unchanged_on_error
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import (
    ComponentOrName,
    Interval,
    OnePerLayer,
    hidden_sizes,
    invalid,
    positive,
)
from sknn_scratch.estimators._start import own_seed, plan_without_data
from sknn_scratch.estimators._targets import ClassTargets, NumericTargets
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._columns import read
from sknn_scratch.training.history import History
from sknn_scratch.training.members import Member, Task, Together
from sknn_scratch.training.state import TrainingState

#: Factors on the learning rate of learned feature scales and of biases.
SCALE_RATE, BIAS_RATE = 6.0, 0.1
LARGEST_SEED = np.iinfo(np.int32).max

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
    "patience": [Interval(Real, 1, None, closed="left"), Options(Real, {inf})],
    "input_scaling": ["boolean"],
    "n_bins": [Interval(Integral, 0, None, closed="left"), None],
    "categorical_features": ["array-like", StrOptions({"from_dtype"}), None],
    "max_categories": [positive(Integral)],
    "random_state": ["random_state"],
    "n_jobs": [Integral, None],
}


class Problem(NamedTuple):
    """Learning problem of members, and the encoder of y."""

    loss: Loss
    data: Data
    validation: Data  #: data that held-out row numbers refer to: ``data``, unless given
    judge: _tabular_scores.Judge
    targets: ClassTargets | NumericTargets
    factor: float = 1.0  #: factor on the raw outputs of members in ``estimators_``


class Trained(NamedTuple):
    """Trained member with its network and problem."""

    network: Network
    problem: Problem
    member: Member


class BaseTabularMLP(_aliases.ComponentParams, ABC):
    """Base of TabularMLPClassifier and TabularMLPRegressor; do not use it directly."""

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS
    _task: ClassVar[str]
    _plain_class: ClassVar[type]
    _y_is_numeric: ClassVar[bool]
    _usual_loss: ClassVar[str]

    # --- Hooks each estimator implements.

    @abstractmethod
    def _problems(self, train: Rows, given: Rows) -> list[Problem]:
        """Return the problems that members alternate between, and set attributes for ``score``.

        X is preprocessed and y is checked; ``given`` is all None without validation data.
        """

    @abstractmethod
    def _finish(self, problem: Problem, task: Task, members: list[Member]) -> Problem:
        """Return the problem with the factor for the weights of plain networks."""

    # --- Fitting.

    def _fit(self, rows: Rows, given: Rows) -> Any:
        with quiet_floats(), unchanged_on_error(self):
            self._check_params()
            is_given = _validation.is_given(self, *given)
            train = self._learn_columns(rows)
            given = self._check_given(given) if is_given else given
            problems = self._problems(train, given)
            self._publish(self._train(problems, splits=not is_given))
        return self

    def _learn_columns(self, rows: Rows) -> Rows:
        """Fit the preprocessor; return its encoded columns, with checked y and weights."""
        owner = type(self).__name__
        with _validation.naming("X", self):
            columns = read(rows.X, owner)
        as_many = np.empty((columns.n_rows, 1))
        weight = _validation.check_weight(self, rows.sample_weight, as_many)
        self._float_weight(weight, "all samples")  # raises here, not in the preprocessor
        self.preprocessor_ = self._preprocessor()
        with _validation.naming("X", self):
            Z = self.preprocessor_._fit_transform(columns, weight, owner)
        self._share_names()
        return Rows(Z, _validation.check_y(self, rows.y, Z, self._y_is_numeric), weight)

    def _share_names(self) -> None:
        """Set scikit-learn's attributes for names to those of the preprocessor."""
        for name in ("n_features_in_", "feature_names_in_"):
            self.__dict__.pop(name, None)
            if hasattr(self.preprocessor_, name):
                setattr(self, name, getattr(self.preprocessor_, name))

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
        """Return a parameter, or its preset of ``effort`` if it is None."""
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
        """Return the loss for a task; raise ValueError if it does not support the task."""
        loss: Loss = self._component("loss", "loss")
        if task in loss.tasks:
            return probe.for_task(loss, task)
        raise _aliases.unfit_loss(self, loss, task)

    def _float_weight(self, weight: Array | None, part: str) -> Array | None:
        """Return the weights of rows in float32, after checking their sum."""
        return _validation.encode_weight(self, weight, np.float32, part)

    def _check_given(self, given: Rows) -> Rows:
        """Return the given validation data, preprocessed and checked."""
        with _validation.naming("X_val", self):
            Z = self._transform(given.X)
        with _validation.naming("y_val", self):
            y = _validation.check_y(self, given.y, Z, self._y_is_numeric)
        with _validation.naming("sample_weight_val", self):
            weight = _validation.check_weight(self, given.sample_weight, Z)
            self._float_weight(weight, "the validation data")
        return Rows(Z, y, weight)

    def _train(self, problems: list[Problem], splits: bool) -> list[Trained]:
        """Train members, which alternate between problems; with ``splits`` they hold out folds."""
        members = self._draw(problems[0], splits)
        trained: dict[int, Trained] = {}
        for k, problem in enumerate(problems):
            places = range(k, len(members), len(problems))
            own = [members[place] for place in places]
            if own:
                task = Task(self._network(problem), *problem[:4])
                how = self._together(task.network, len(own[0].order))
                some = problem.data.targets(slice(0, 2))
                probe.check(task.network, task.loss, some, (how.optimizer, how.schedule))
                own = _tabular_members.train(how, task, own, self.n_jobs)
                problem = self._finish(problem, task, own)
                for place, member in zip(places, own, strict=True):
                    trained[place] = Trained(task.network, problem, member)
        return self._usable([trained[place] for place in range(len(members))])

    def _network(self, problem: Problem) -> Network:
        hidden, data = self._hidden(), problem.data
        n_raw = probe.n_raw(problem.loss, data.n_targets)
        activations = self._activations(len(hidden))
        shape = (data.X.shape[1], hidden, n_raw, activations)
        return _tabular_members.make_network(*shape, self.input_scaling)

    def _draw(self, problem: Problem, splits: bool) -> list[Member]:
        """Return untrained members, each holding out the next fold, over repeated splits."""
        n, k = problem.data.n_samples, int(self._setting("n_ensemble"))
        rng = np.random.RandomState(own_seed(self.random_state))
        # Two generators, so that the first members do not depend on the number of members.
        dealer = np.random.RandomState(rng.randint(LARGEST_SEED))
        seeds = rng.randint(LARGEST_SEED, size=k).tolist()
        held_out = [] if splits else [np.arange(problem.validation.n_samples)] * k
        strata = problem.data.y if problem.data.unit is not None else None
        while len(held_out) < k:
            held_out += _tabular_members.folds(n, self.n_folds, strata, dealer)
        network = self._network(problem)
        everything = np.arange(n)
        return [
            _tabular_members.draw_member(
                network,
                SpreadBiases(),
                seed,
                rows,
                np.delete(everything, rows) if splits else everything.copy(),
            )
            for seed, rows in zip(seeds, held_out, strict=False)
        ]

    def _together(self, network: Network, n: int) -> Together:
        """Return the strategy for ``n`` training rows of each member."""
        batch_size = self._rows_per_step(n)
        epochs, steps = int(self._setting("max_iter")), int(self._setting("min_steps"))
        return Together(
            self._optimizer(network),
            self._component("schedule", "learning_rate"),
            float(self._setting("learning_rate_init")),
            batch_size,
            _tabular_presets.enough_epochs(epochs, steps, n, batch_size),
            patience=float(self.patience),
        )

    def _rows_per_step(self, n: int) -> int:
        if self.batch_size != "auto":
            return min(int(self.batch_size), n)
        smallest = _tabular_presets.SMALLEST_BATCH[self._task]
        return _tabular_presets.auto_batch_size(n, smallest)

    def _optimizer(self, network: Network) -> Optimizer:
        """Return the optimizer, with a learning rate for each group of parameters.

        The weights of a layer have a factor of 1 / √fan_in.  With their initial values, this is
        equivalent to weights N(0, 1) whose product is divided by √fan_in.
        """
        is_usual = isinstance(self.solver, str) and self.solver == "adam"
        inner = Adam(beta_2=0.95) if is_usual else self._component("optimizer", "solver")
        factors = [("b", BIAS_RATE)] + [("s", SCALE_RATE)] * bool(self.input_scaling)
        factors += [(f"W{k}", 1.0 / sqrt(max(n, 1))) for k, n in enumerate(network.units[:-1])]
        chain = Chain((("solver", inner), ("rates", GroupRates(factors))))
        decay = float(self._setting("ema_decay"))
        return WeightEMA(chain, decay) if decay else chain

    def _component(self, kind: str, parameter: str) -> Any:
        """Return the component of a parameter, which is an instance or a name."""
        return _aliases.resolved(self, kind, parameter, getattr(self, parameter))

    def _activations(self, n_hidden: int) -> list[Activation]:
        """Return one activation for each hidden layer."""
        value = self._setting("activation")
        values = value if isinstance(value, list | tuple) else [value] * n_hidden
        if len(values) != n_hidden:
            must_be = f"one for all hidden layers, or one for each of {n_hidden}"
            raise invalid(self, "activation", must_be, value)
        return [_aliases.resolved(self, "activation", "activation", one) for one in values]

    def _usable(self, trained: list[Trained]) -> list[Trained]:
        """Return the members with finite weights; raise ValueError if there are none."""
        usable = [one for one in trained if not one.member.is_lost]
        if not usable:
            epoch = max(one.member.epoch for one in trained)
            raise ValueError(_advice.divergence(epoch, float(self._setting("learning_rate_init"))))
        if len(usable) < len(trained):
            warn(
                f"{len(trained) - len(usable)} of {len(trained)} members diverged and are left "
                "out: lower learning_rate_init."
            )
        return usable

    # --- Fitted attributes.

    def _publish(self, trained: list[Trained]) -> None:
        self.estimators_ = [self._plain(*one) for one in trained]
        self.held_out_ = [one.member.held_out for one in trained]
        self.n_iter_ = max(one.member.epoch for one in trained)

    def _plain(self, network: Network, problem: Problem, member: Member) -> Any:
        """Return a plain network of this package with a member's weights."""
        theta = _tabular_members.folded(network, member.kept, problem.factor)
        plain = self._plain_class(
            hidden_layer_sizes=self._hidden(),
            activation=self._setting("activation"),
            loss=problem.loss,
            batch_size=self.batch_size,
            dtype="float32",
        )
        n_in = network.n_in
        plan = plan_without_data(plain, n_in, problem.targets, np.float32)
        state = TrainingState(
            theta,
            member.rng,
            epoch=member.epoch,
            step=member.step,
            stop_reason=member.stop_reason,
            history=History(
                {"epoch": k + 1, "step": step, "validation_score": score}
                for k, (step, score) in enumerate(member.scores)
            ),
        )
        vars(plain).update(plain._fitted_attributes(plan, state, problem.targets, theta))
        plain.n_features_in_ = n_in
        return plain

    # --- Predicting.

    def _transform(self, X: Any) -> Array:
        """Return X, encoded for the members."""
        with _validation.naming("X", self):
            return self.preprocessor_._transform(X, type(self).__name__)

    def _sum_of_members(self, method: str, X: Any) -> Array:
        """Return the sum over members of the results of a method for X, in float64."""
        check_is_fitted(self)
        with quiet_floats():
            Z, total = self._transform(X), np.float64(0.0)
            for member in self.estimators_:
                with _validation.speaking_for(self, member):
                    total = total + getattr(member, method)(Z)
        return np.asarray(total)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        tags.input_tags.string = True
        return tags
