"""Fitted attributes: the only place that sets them, and the only one that reads them all."""

from __future__ import annotations

from typing import Any

import numpy as np

from sknn_scratch.contracts import Array
from sknn_scratch.fitting import _advice
from sknn_scratch.fitting._params import OwnEstimator
from sknn_scratch.fitting._targets import ClassTargets
from sknn_scratch.fitting._types import Fitted, Inherited, Job
from sknn_scratch.training.selection import best, last
from sknn_scratch.training.state import Plan, TrainingState

#: partial_fit keeps this many entries of the curves.
CURVE_LENGTH = 10_000


def publish(estimator: OwnEstimator, job: Job) -> None:
    """Set all fitted attributes of an estimator."""
    theta = _final_theta(job)
    job.state.history.keep(CURVE_LENGTH)
    estimator.__dict__.update(attributes_of(job, job.state, theta))


def _final_theta(job: Job) -> Array:
    """Return the parameters to keep: the best with early stopping, otherwise the last."""
    plan, state = job.plan, job.state
    newest, found = last(plan, state), best(plan, state)
    if not np.isfinite(newest).all():
        state.stop_reason = "diverged"
    if found is not None:
        return found
    if state.stop_reason == "diverged":
        raise ValueError(_advice.diverged(job.settings, state.epoch))
    return newest


def attributes_of(job: Job, state: TrainingState, theta: Array) -> dict[str, Any]:
    """Return the fitted attributes of a job's network in a state of training, by name."""
    return attributes(job.plan, state, job.targets, theta, job.rows_per_step)


def attributes(
    plan: Plan,
    state: TrainingState,
    targets: Any,
    theta: Array,
    rows_per_step: int | None,
) -> dict[str, Any]:
    """Return the fitted attributes of a network with the parameters ``theta``, by name.

    ``rows_per_step`` is None for L-BFGS, or if it is unknown.
    """
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
        "_training_network": plan.objective.network,
        "_loss": loss,
        "_targets": targets,
        "_optimizer": plan.solver.optimizer,
        "_stops_early": plan.early_stopping,
        "_rows_per_step": rows_per_step,
        "_state": state.at_rest(keep_theta=goes_on),
        **({"classes_": targets.classes} if isinstance(targets, ClassTargets) else {}),
    }


def fitted(estimator: OwnEstimator) -> Fitted:
    """Return the fitted network of an estimator."""
    return Fitted(
        estimator.theta_,
        estimator._state,
        estimator._optimizer,
        estimator._network,
        estimator._loss,
        estimator._targets,
        estimator.n_features_in_,
        getattr(estimator, "feature_names_in_", None),
        estimator._rows_per_step,
    )


def features(kept: Inherited) -> dict[str, Any]:
    """Return scikit-learn's attributes for the features of X, by name."""
    names = {} if kept.feature_names is None else {"feature_names_in_": kept.feature_names}
    return {"n_features_in_": kept.n_features, **names}


def restore(estimator: OwnEstimator, attributes: dict[str, Any]) -> None:
    """Set attributes, in which the names of features, or their lack, replace earlier names."""
    estimator.__dict__.pop("feature_names_in_", None)
    estimator.__dict__.update(attributes)
