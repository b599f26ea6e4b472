"""Validation data, held out or given, and scores of parameters on them."""

from __future__ import annotations

import copy
import inspect
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.fitting import _holdout
from sknn_scratch.fitting._coding import Coding, check_weights
from sknn_scratch.fitting._settings import Metric
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.training.selection import Score, TrainingLossScore, Validation
from sknn_scratch.training.state import Plan, TrainingState


def with_judge(
    coding: Coding, plan: Plan, data: Data, state: TrainingState, given: Data | None
) -> Plan:
    """Return the plan with a judge, if there are validation rows; split after drawing weights."""
    settings, wanted = coding.settings, coding.settings.stops_early
    if settings.early_stopping and not wanted:
        warn("early_stopping is ignored with solver='lbfgs'.")
    if given is None and not wanted:
        return plan
    if given is None:
        if plan.one_pass:
            raise ValueError(
                "partial_fit does not support early_stopping=True without validation data: pass "
                "X_val and y_val, set early_stopping=False, or call fit."
            )
        if state.held_out is None:
            _hold_out(coding, data, state)
        rows, given = state.held_out, data
    else:
        rows = np.arange(given.n_samples)
    score = _score(coding, plan, given, rows)
    return replace(plan, judge=Validation(plan, given, rows, score), early_stopping=wanted)


def _hold_out(coding: Coding, data: Data, state: TrainingState) -> None:
    """Split off validation rows; the other rows become the order of training."""
    settings = coding.settings
    is_plain = isinstance(settings.shuffle, bool)
    # Stratification needs about 100 bytes per row, too many for rows that stay on disk.
    strata = coding.targets.strata(data.y) if is_plain else None
    state.order, state.held_out = _holdout.split(
        data.n_samples, settings.validation_fraction, state.rng, strata
    )
    if not is_plain:
        state.order.sort()
        state.held_out.sort()
    if data.weight is not None:
        for part, rows in (("training", state.order), ("validation", state.held_out)):
            name = f"the {part} part of the early-stopping split"
            check_weights(settings, data.weight[rows], name)


def _score(coding: Coding, plan: Plan, data: Data, rows: Array) -> Score:
    """Return the metric ``scoring`` as a function of parameters, raw outputs and loss."""
    settings, targets, loss = coding.settings, coding.targets, plan.objective.loss
    if isinstance(settings.scoring, str) and settings.scoring == "loss":
        return TrainingLossScore()
    if settings.scoring is None:
        truth = targets.truth(data.y[..., rows])
        return MetricScore(settings.metric, loss, targets, truth, data.weights(rows))
    return scorer_score(coding, plan, data, rows, "raise validation_fraction")


def scorer_score(coding: Coding, plan: Plan, data: Data, rows: Array, enlarge: str) -> Score:
    """Return the score of a scorer of scikit-learn; ``enlarge`` tells how to hold out more rows."""
    settings, targets = coding.settings, coding.targets
    truth = targets.truth(data.y[..., rows])
    weight = data.weights(rows)
    stand_in = _evaluation_copy(settings.stand_in, plan, targets)
    scorer = check_scoring(stand_in, settings.scoring)
    more = {"sample_weight": weight} if weight is not None and _takes_weight(scorer) else {}
    remedy = _remedy(targets.absent(truth), enlarge)
    X, y = data.X[rows], targets.decode(truth)
    return ScorerScore(settings.scoring, scorer, stand_in, (X, y), more, remedy)


@dataclass(frozen=True)
class MetricScore:
    """Metric of the estimator's ``score``, on predictions."""

    metric: Metric
    loss: Loss
    targets: ClassTargets | NumericTargets
    truth: Array
    weight: Array | None

    def __call__(self, theta: Array, raw: Array, value: float) -> float:
        """Return the score."""
        y_pred = self.targets.predict(raw, self.loss)
        return self.metric(self.loss, self.truth, y_pred, self.weight)


@dataclass(frozen=True)
class ScorerScore:
    """Score of a scorer of scikit-learn, which calls the methods of an estimator."""

    scoring: Any  #: as the user wrote it, for messages
    scorer: Any
    stand_in: Any  #: copy of the estimator, whose weights are set before each call
    rows: tuple[Any, Any]  #: X and decoded y
    more: dict[str, Any]  #: further arguments of the scorer
    remedy: str  #: for a scorer that fails

    def __call__(self, theta: Array, raw: Array, value: float) -> float:
        """Return the score."""
        self.stand_in.theta_ = np.array(theta)
        try:
            score = self.scorer(self.stand_in, *self.rows, **self.more)
        except ValueError as error:
            raise ValueError(
                f"scoring={self.scoring!r} failed on the validation data: "
                f"{str(error).rstrip('.')}. {self.remedy}"
            ) from error
        if not isinstance(score, Real | np.generic):
            raise ValueError(f"scoring={self.scoring!r} must return a number. Got {score!r}.")
        return float(score)


def _remedy(absent: list[Any], enlarge: str) -> str:
    """Return the remedy for a scorer that fails; ``absent`` are missing classes."""
    if absent:
        return (
            f"The validation data lacks a class, as it has no example of {absent}: pass X_val and "
            f"y_val with all classes, {enlarge}, or choose scoring='loss'."
        )
    return (
        "Choose a scorer that suits y and the predictions, for example with "
        "sklearn.metrics.make_scorer, or scoring='loss'."
    )


def _takes_weight(scorer: Any) -> bool:
    """Return True if a scorer, or its metric, accepts sample_weight."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters


def _evaluation_copy(stand_in: Any, plan: Plan, targets: Any) -> Any:
    """Return a fitted copy for scorers, whose weights are set before each call."""
    twin = copy.copy(stand_in)
    vars(twin).update(
        theta_=np.empty(0),
        _network=plan.network,
        _loss=plan.objective.loss,
        _targets=targets,
        n_features_in_=plan.network.n_in,
        n_outputs_=plan.network.units[-1],
        out_activation_=plan.objective.loss.out_activation,
    )
    if hasattr(targets, "classes"):
        twin.classes_ = targets.classes
    return twin
