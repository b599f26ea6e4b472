"""Conversion of fitted networks from and to scikit-learn, with the same predictions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import is_classifier
from sklearn.utils.validation import check_is_fitted

from sknn_scratch import components
from sknn_scratch._floats import quiet_floats
from sknn_scratch.contracts import Activation, Array, Component, Loss
from sknn_scratch.fitting import _aliases
from sknn_scratch.fitting._params import Parameters, plain
from sknn_scratch.fitting._publish import attributes
from sknn_scratch.fitting._settings import settings_of
from sknn_scratch.fitting._start import own_stream, plan_without_data
from sknn_scratch.fitting._targets import ClassTargets, NumericTargets
from sknn_scratch.training.history import History
from sknn_scratch.training.state import TrainingState

#: Attributes with the same meaning in both packages.
COMMON = (
    "t_",
    "n_iter_",
    "n_layers_",
    "n_outputs_",
    "out_activation_",
    "n_features_in_",
    "feature_names_in_",
    "classes_",
)

#: Components that scikit-learn has too, with their names there.
NAMES: dict[type[Component], str] = {
    components.Identity: "identity",
    components.Logistic: "logistic",
    components.Tanh: "tanh",
    components.Relu: "relu",
    components.SquaredError: "squared_error",
    components.Poisson: "poisson",
    components.Constant: "constant",
    components.InvScaling: "invscaling",
    components.Adaptive: "adaptive",
    components.Adam: "adam",
    components.SGD: "sgd",
}


@quiet_floats()
def from_sklearn(cls: type, model: Any) -> Any:
    """Return an estimator of this package with the parameters and weights of ``model``."""
    check_is_fitted(model)
    if is_classifier(model) and len(model.classes_) == 1:
        raise ValueError(_impossible("a classifier with a single class"))
    params = model.get_params(deep=False)
    if is_classifier(model) and model._label_binarizer.y_type_ == "binary":
        params["loss"] = "binary_log_loss"
    ours, targets = cls(**params), _targets(model)
    theta = np.concatenate([np.ravel(a) for a in [*model.coefs_, *model.intercepts_]])
    plan = plan_without_data(settings_of(ours), model.n_features_in_, targets, theta.dtype)
    state = _state(model, theta, ours.random_state)
    plan = replace(plan, early_stopping=bool(state.best_row))
    vars(ours).update(attributes(plan, state, targets, theta, rows_per_step=None))
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(model, name):
            setattr(ours, name, getattr(model, name))
    return ours


def _state(model: Any, theta: Array, random_state: Any) -> TrainingState:
    """Return an equivalent training state: counters and history, without moments."""
    state = TrainingState(theta, own_stream(random_state), epoch=model.n_iter_, samples=model.t_)
    curve = getattr(model, "loss_curve_", [model.loss_])
    first = model.n_iter_ - len(curve) + 1
    state.history = History({"epoch": first + k, "loss": loss} for k, loss in enumerate(curve))
    scores = getattr(model, "validation_scores_", None) or []
    for row, score in zip(state.history, scores, strict=False):
        row["validation_score"] = score
    if scores:  # scikit-learn's loss_ is that of the last epoch
        state.best_row = {"epoch": int(np.argmax(scores)) + 1, "loss": model.loss_}
    return state


def _targets(model: Any) -> ClassTargets | NumericTargets:
    if not is_classifier(model):
        return NumericTargets(model.n_outputs_)
    tasks = {"binary": "binary", "multiclass": "multiclass"}
    task = tasks.get(model._label_binarizer.y_type_, "multilabel")
    return ClassTargets(model.classes_, task, bool(model._label_binarizer.sparse_input_))


@quiet_floats()
def to_sklearn(ours: Any, cls: type) -> Any:
    """Return scikit-learn's estimator with the parameters and weights of ``ours``."""
    check_is_fitted(ours)
    theirs = cls(**_their_params(ours, cls))
    _check_params(theirs)
    attributes = {name: getattr(ours, name) for name in COMMON if hasattr(ours, name)}
    coefs, intercepts = _copies(ours.coefs_), _copies(ours.intercepts_)
    if is_classifier(ours):
        attributes["_label_binarizer"] = _label_binarizer(ours._targets)
        if ours._targets.task == "binary" and ours.n_outputs_ == 2:
            # A softmax over two outputs is the logistic function of their difference.
            coefs[-1], intercepts[-1] = map(ours._loss.link.margin, (coefs[-1], intercepts[-1]))
            attributes |= {"n_outputs_": 1, "out_activation_": components.LogisticLink.name}
    else:
        coefs[-1], intercepts[-1] = ours._targets.folded(coefs[-1], intercepts[-1], ours._loss)
    attributes |= _progress(ours, theirs)
    vars(theirs).update(
        attributes,
        coefs_=coefs,
        intercepts_=intercepts,
        _best_coefs=_copies(coefs),
        _best_intercepts=_copies(intercepts),
    )
    return theirs


def _copies(arrays: Iterable[Array]) -> list[Array]:
    return [np.array(a) for a in arrays]


def _check_params(theirs: Any) -> None:
    """Raise ValueError unless scikit-learn's estimator accepts its parameters."""
    try:
        theirs._validate_params()
    except ValueError as error:
        raise ValueError(_impossible(f"its parameters: {error}")) from error


def _progress(ours: Any, theirs: Any) -> dict[str, Any]:
    """Return the attributes from which training continues in scikit-learn.

    ``loss_`` is the last loss.  Scores of another metric than scikit-learn's are not comparable.
    """
    curve = list(ours.loss_curve_)
    found = {"loss_": (curve or [ours.loss_])[-1], "loss_curve_": curve, "_no_improvement_count": 0}
    if not theirs.early_stopping:
        nothing = {"validation_scores_": None, "best_validation_score_": None}
        return found | nothing | {"best_loss_": min(curve, default=np.inf)}
    scores = list(ours.validation_scores_ or [])
    comparable = [s for s in scores if s == s] if ours.scoring is None else []
    best = {"best_loss_": None, "best_validation_score_": max(comparable, default=-np.inf)}
    return found | best | {"validation_scores_": scores}


def sklearn_class(name: str) -> Any:
    """Return a class of sklearn.neural_network, imported on use because its import is slow."""
    from sklearn import neural_network

    return getattr(neural_network, name)


def _label_binarizer(targets: ClassTargets) -> Any:
    from sklearn.preprocessing import LabelBinarizer

    if targets.task == "multilabel":
        indicators = np.eye(targets.n_targets, dtype=int)
        return LabelBinarizer().fit(csr_array(indicators) if targets.sparse else indicators)
    if targets.n_targets == 1:
        raise ValueError(_impossible("a classifier with a single class"))
    return LabelBinarizer().fit(targets.classes)


def _their_params(ours: Any, cls: type) -> dict[str, Any]:
    """Return the parameters for scikit-learn's estimator; raise if it cannot express them."""
    params = ours.get_params(deep=False)
    activations = [layer.activation for layer in ours._network.layers[:-1]]
    if len(set(activations)) > 1:
        raise ValueError(_impossible(f"different activations, {activations}"))
    if activations:
        params["activation"] = _their_name(activations[0])
    elif not isinstance(params["activation"], str):
        params["activation"] = "identity"
    _check_loss(ours._loss)
    if not is_classifier(ours):
        params["loss"] = _their_name(ours._loss)
    for name, flat in _aliases.FLAT.items():
        value = params[name]
        if isinstance(value, Component):
            params[name] = _their_name(value)
            fields = flat.get(params[name], {})
            params |= {flat_name: getattr(value, field) for field, flat_name in fields.items()}
        elif value not in _aliases.OWN_NAMES[name]:
            raise ValueError(_impossible(f"{name}={value!r}"))
    if params["solver"] == "adam" and not isinstance(
        _aliases.schedule(Parameters.read(ours)), components.Constant
    ):
        raise ValueError(_impossible(f"learning_rate={ours.learning_rate!r} and solver='adam'"))
    # scikit-learn has a single kind of shuffling.
    params["shuffle"] = bool(ours.shuffle)
    return {name: plain(params[name]) for name in cls().get_params()}


def _check_loss(loss: Loss) -> None:
    expressible: tuple[Loss, ...] = (
        components.SquaredError(),
        components.Poisson(),
        components.LogLoss(),
        components.BinaryLogLoss(),
    )
    if loss not in expressible:
        raise ValueError(_impossible(f"loss {loss!r}"))


def _their_name(component: Activation | Component) -> str:
    try:
        return NAMES[type(component)]
    except KeyError:
        raise ValueError(_impossible(repr(component))) from None


def _impossible(what: str) -> str:
    return f"scikit-learn's MLP and ours cannot be turned into each other with {what}."
