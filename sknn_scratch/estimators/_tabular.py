"""Base of both tabular estimators: preprocessing, training of members, plain networks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from itertools import cycle
from math import inf, sqrt
from numbers import Integral, Real
from typing import Any, ClassVar, NamedTuple

import numpy as np
from sklearn.utils._param_validation import Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from sknn_scratch._floats import quiet_floats
from sknn_scratch._warning import warn
from sknn_scratch.components import (
    Adam,
    Chain,
    GroupRates,
    Identity,
    PrintProgress,
    SpreadBiases,
    WeightEMA,
)
from sknn_scratch.contracts import Activation, Array, Callback, Loss, Optimizer, State
from sknn_scratch.core import probe
from sknn_scratch.core.data import Data
from sknn_scratch.core.folding import folded
from sknn_scratch.core.network import Network
from sknn_scratch.core.objective import Objective
from sknn_scratch.estimators import _tabular_presets
from sknn_scratch.estimators._component_params import ComponentParams
from sknn_scratch.estimators._summary import SummaryMixin
from sknn_scratch.fitting import _advice, _aliases, _resume, _validation
from sknn_scratch.fitting._ensemble import StoredMembers, train
from sknn_scratch.fitting._holdout import folds
from sknn_scratch.fitting._listener import listen_to_members
from sknn_scratch.fitting._params import CONSTRAINTS as PLAIN
from sknn_scratch.fitting._params import (
    ComponentOrName,
    Interval,
    OnePerLayer,
    Parameters,
    hidden_sizes,
    invalid,
    positive,
)
from sknn_scratch.fitting._publish import attributes
from sknn_scratch.fitting._settings import settings_of, without_ones, written
from sknn_scratch.fitting._sklearn_versions import CallbackSupportMixin, with_callbacks
from sknn_scratch.fitting._solve import unchanged_on_error
from sknn_scratch.fitting._start import (
    check_plugins,
    draw,
    noise_for,
    own_seed,
    plan_without_data,
    sites,
)
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.fitting._types import Job, Rows
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.preprocessing._columns import read
from sknn_scratch.training.minibatch import MiniBatch
from sknn_scratch.training.selection import Score, Validation, is_lost, kept
from sknn_scratch.training.state import Plan, TrainingState
from sknn_scratch.training.steps import InMemory
from sknn_scratch.training.stopping import StepPatience

#: Factors on the learning rate of learned feature scales and of biases.
SCALE_RATE, BIAS_RATE = 6.0, 0.1
LARGEST_SEED = np.iinfo(np.int32).max
#: Number of checks of the held-out rows, and the part of all steps, 1 in so many, that every member
#: makes.
N_CHECKS, LEAST_PART = 48, 6
#: Parameters that may differ between a checkpoint and the estimator that resumes from it; those of
#: a preset are compared by their values.
FREE = ("effort", "callbacks", "verbose", "random_state", "n_jobs")

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
    **{name: PLAIN[name] for name in ("alpha", "dropout", "callbacks", "verbose")},
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
    score: Callable[[Array], Score]  #: from held-out row numbers
    targets: ClassTargets | NumericTargets


class Member(NamedTuple):
    """Job of a member, with its held-out rows, and the factor on its raw outputs."""

    job: Job
    held_out: Array
    factor: float = 1.0


def _with_states(members: list[Member], states: Sequence[TrainingState]) -> list[Member]:
    return [
        member._replace(job=member.job._replace(state=state))
        for member, state in zip(members, states, strict=True)
    ]


def _is_usable(member: Member) -> bool:
    """Return True for finite weights of a member that has been trained, if only for a while."""
    state = member.job.state
    has_begun = bool(state.step) or state.stop_reason not in ("", "interrupted")
    return has_begun and not is_lost(member.job.plan, state)


class BaseTabularMLP(ComponentParams, SummaryMixin, CallbackSupportMixin, ABC):
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

    def _factor(self, problem: Problem, members: list[Member]) -> float:
        """Return the factor on the raw outputs of trained members."""
        return 1.0

    # --- Fitting.

    def _fit(self, rows: Rows, given: Rows, path: str | None = None) -> Any:
        """Implement fit, and resume from the checkpoint at ``path``."""
        with quiet_floats(), unchanged_on_error(self):
            self._check_params()
            is_given = _validation.is_given(self, *given)
            stored = None if path is None else StoredMembers(path, type(self).__name__)
            train = self._learn_columns(rows)
            given = self._check_given(given) if is_given else given
            problems = self._problems(train, given)
            shown = train._replace(X=rows.X)
            self._train(problems, self._members(problems, not is_given, stored), shown)
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
            return hidden_sizes(self, self.hidden_layer_sizes)
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
        raise _aliases.unfit_loss(self, self.loss, self._usual_loss, loss, task)

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

    def _members(
        self, problems: list[Problem], splits: bool, stored: StoredMembers | None
    ) -> list[Member]:
        """Return members to train, which alternate between problems.

        With ``splits``, they hold out folds.
        """
        watched = stored is not None or self._callbacks()
        header = self._header(problems[0], splits) if watched else {}
        trees: list[Any] = []
        if stored is None:
            deals = self._deal(problems[0], splits)
        else:
            trees = stored.members(header, int(self._setting("n_ensemble")))
            deals = [(0, stored.held_out(tree)) for tree in trees]
        if not splits:
            everything = np.arange(problems[0].validation.n_samples)
            deals = [(seed, everything) for seed, _ in deals]
        members = [
            self._member(problems[k % len(problems)], seed, held_out, splits)
            for k, (seed, held_out) in enumerate(deals)
        ]
        for member, problem in zip(members, problems, strict=False):
            check_plugins(member.job.plan, problem.data)
        if stored is not None:
            n = problems[0].data.n_samples
            pairs = zip(trees, members, strict=True)
            states = [stored.state(tree, one.job.plan, n) for tree, one in pairs]
            members = _with_states(members, states)
        return [one._replace(job=one.job._replace(header=header)) for one in members]

    # Not around a whole fit, whose unchanged_on_error would remove the callbacks to tear down.
    @with_callbacks
    def _train(self, problems: list[Problem], members: list[Member], shown: Rows) -> None:
        """Train members and set fitted attributes, even if Ctrl-C ends training.

        ``shown`` are the rows for callbacks of scikit-learn.
        """

        def so_far(states: Sequence[TrainingState]) -> State | None:
            return self._so_far(problems, _with_states(members, states))

        listener = listen_to_members(self, shown, so_far)
        try:
            states = train([member.job for member in members], self.n_jobs, listener)
        except KeyboardInterrupt:
            if any(map(_is_usable, members)):
                self._publish(problems, members)
            raise
        # A callback of scikit-learn may end training before the last members have begun.
        members = [one for one in _with_states(members, states) if one.job.state.stop_reason]
        self._publish(problems, members)
        if listener is not None:
            listener.on_ended()
        n_lost = sum(not _is_usable(one) for one in members)
        if n_lost:  # last, so that no result is lost if warnings are turned into errors
            warn(
                f"{n_lost} of {len(members)} members diverged and are left "
                "out: lower learning_rate_init."
            )

    def _header(self, problem: Problem, splits: bool) -> State:
        """Return the header that identifies this fit in checkpoints."""
        params = self.get_params(deep=False)
        hidden = self._hidden()
        params |= {
            name: self._setting(name)
            for name, value in params.items()
            if value is None and name in _tabular_presets.preset(self._task, self.effort)
        }
        params |= {
            "hidden_layer_sizes": hidden,
            "activation": self._activations(len(hidden)),
            "dropout": self._dropout(len(hidden)),
            "loss": self._component("loss", "loss"),
            "solver": self._solver(),
            "learning_rate": self._component("schedule", "learning_rate"),
        }
        if "class_weight" in params:
            params["class_weight"] = without_ones(params["class_weight"])
        compared = {k: written(v) for k, v in params.items() if k not in FREE}
        kind = "held out of X" if splits else "given"
        who = _resume.Identity(type(self).__name__, compared, kind, self.random_state)
        held = None if splits else problem.validation
        return _resume.origin_of(who, problem.data, problem.targets, held)

    def _deal(self, problem: Problem, splits: bool) -> list[tuple[int, Array]]:
        """Return seed and held-out rows of each member, which are folds of repeated splits."""
        n, k = problem.data.n_samples, int(self._setting("n_ensemble"))
        rng = np.random.RandomState(own_seed(self.random_state))
        # Two generators, so that the first members do not depend on the number of members.
        dealer = np.random.RandomState(rng.randint(LARGEST_SEED))
        seeds = rng.randint(LARGEST_SEED, size=k).tolist()
        held_out: list[Array] = [] if splits else [np.empty(0, np.intp)] * k
        strata = problem.data.y if problem.data.unit is not None else None
        while len(held_out) < k:
            held_out += folds(n, self.n_folds, strata, dealer)
        return list(zip(seeds, held_out, strict=False))

    def _member(self, problem: Problem, seed: int, held_out: Array, splits: bool) -> Member:
        """Return an untrained member; its generator draws weights first, then orders of rows."""
        order = np.arange(problem.data.n_samples)
        order = np.delete(order, held_out) if splits else order
        plan = self._plan(problem, len(order))
        rng = np.random.RandomState(seed)
        theta = draw(plan, SpreadBiases(), rng, np.float32)
        if len(held_out):
            score = problem.score(held_out)
            judge = Validation(plan, problem.validation, held_out, score)
            plan = replace(plan, judge=judge, early_stopping=True)
        own = held_out if splits and len(held_out) else None
        state = TrainingState(theta, rng, noise_for(plan, rng), order=order, held_out=own)
        return Member(Job(None, plan, InMemory(problem.data), state, problem.targets, {}), held_out)

    def _plan(self, problem: Problem, n: int) -> Plan:
        """Return the plan of a member with ``n`` training rows."""
        hidden, data = self._hidden(), problem.data
        n_raw = probe.n_raw(problem.loss, data.n_targets)
        activations = self._activations(len(hidden))
        shape = (data.X.shape[1], hidden, n_raw, activations)
        network = Network.dense(*shape, scaled=bool(self.input_scaling))
        training = Network.dense(*shape, self._dropout(len(hidden)), bool(self.input_scaling))
        return Plan(
            Objective(training, problem.loss, float(self.alpha)),
            network,
            self._strategy(network, n),
            self._callbacks(),
            sites=sites([*activations, *(activations[-1:] or [Identity()])]),
        )

    def _dropout(self, n_hidden: int) -> tuple[float, ...]:
        return _aliases.dropout_rates(Parameters.read(self), n_hidden)

    def _callbacks(self) -> tuple[Callback, ...]:
        return (*(self.callbacks or ()), *([PrintProgress()] if self.verbose else []))

    def _strategy(self, network: Network, n: int) -> MiniBatch:
        """Return the strategy for ``n`` training rows."""
        batch_size = self._rows_per_step(n)
        epochs, steps = int(self._setting("max_iter")), int(self._setting("min_steps"))
        max_iter = _tabular_presets.enough_epochs(epochs, steps, n, batch_size)
        n_steps = max_iter * -(-n // batch_size)
        return MiniBatch(
            self._optimizer(network),
            self._component("schedule", "learning_rate"),
            StepPatience(float(self.patience), n_steps // LEAST_PART),
            float(self._setting("learning_rate_init")),
            batch_size,
            max_iter,
            n_checks=N_CHECKS,
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
        factors = [("b", BIAS_RATE)] + [("s", SCALE_RATE)] * bool(self.input_scaling)
        factors += [(f"W{k}", 1.0 / sqrt(max(n, 1))) for k, n in enumerate(network.units[:-1])]
        chain = Chain((("solver", self._solver()), ("rates", GroupRates(factors))))
        decay = float(self._setting("ema_decay"))
        return WeightEMA(chain, decay) if decay else chain

    def _solver(self) -> Optimizer:
        is_usual = isinstance(self.solver, str) and self.solver == "adam"
        made: Optimizer = Adam(beta_2=0.95)
        return made if is_usual else self._component("optimizer", "solver")  # type: ignore[no-any-return]

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

    # --- Fitted attributes.

    def _publish(self, problems: list[Problem], members: list[Member]) -> None:
        """Set fitted attributes from the usable members; raise ValueError if there are none."""
        shares = [filter(_is_usable, members[k :: len(problems)]) for k in range(len(problems))]
        factors = [
            self._factor(problem, own) if own else 1.0
            for problem, own in zip(problems, map(list, shares), strict=True)
        ]
        usable = [
            one._replace(factor=factor)
            for one, factor in zip(members, cycle(factors), strict=False)
            if _is_usable(one)
        ]
        if not usable:
            epoch = max(one.job.state.epoch for one in members)
            raise ValueError(_advice.divergence(epoch, float(self._setting("learning_rate_init"))))
        self.__dict__.update(
            estimators_=[self._plain(one) for one in usable],
            held_out_=[one.held_out for one in usable],
            n_iter_=max(one.job.state.epoch for one in usable),
        )

    def _so_far(self, problems: list[Problem], members: list[Member]) -> State | None:
        """Return the fitted attributes from the usable members; None if there are none."""
        if not any(map(_is_usable, members)):
            return None
        twin, before = copy(self), vars(self)
        twin._publish(problems, members)
        return {k: v for k, v in vars(twin).items() if k not in before or before[k] is not v}

    def _plain(self, member: Member) -> Any:
        """Return a plain network of this package with a member's weights."""
        plan, state, targets = member.job.plan, member.job.state, member.job.targets
        theta = folded(plan.network, kept(plan, state), member.factor)
        plain = self._plain_class(
            hidden_layer_sizes=self._hidden(),
            activation=self._setting("activation"),
            loss=plan.objective.loss,
            batch_size=self.batch_size,
            dtype="float32",
        )
        n_in = plan.network.n_in
        own = plan_without_data(settings_of(plain), n_in, targets, np.float32)
        own = replace(own, early_stopping=plan.early_stopping)
        # The optimizer's state is about weights without folding.
        ended = replace(state, theta=theta, optimizer={}, patience={})
        vars(plain).update(attributes(own, ended, targets, theta))
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
