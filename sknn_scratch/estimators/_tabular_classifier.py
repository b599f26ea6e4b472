"""The classifier for tables."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from sknn_scratch.contracts import Array, Loss
from sknn_scratch.core.data import Data
from sknn_scratch.estimators import _validation
from sknn_scratch.estimators._class_weight import row_weights
from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._params import CLASS_WEIGHT
from sknn_scratch.estimators._scores import ClassifierScore
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP, Problem
from sknn_scratch.estimators._tabular_scores import (
    class_judge,
    inverse_temperature,
    loss_judge,
    two_columns,
)
from sknn_scratch.estimators._targets import ClassTargets
from sknn_scratch.training.members import Member, Task, raw_of_members


class TabularMLPClassifier(ClassifierScore, BaseTabularMLP):
    """Classifier for tables as they are: an ensemble of small networks behind a preprocessor.

    Numbers, categories, strings, booleans and times, missing or not, in a frame or an array;
    two classes or more. It needs no scaling, no encoding and, as a rule, no tuning.

    Each member is a network of this package that holds out another part of the rows. The
    checkpoint is kept whose log-loss on them is best, at the best temperature; at the end one
    temperature for all members is fitted to all rows that were held out, and probabilities
    are averaged.

    Parameters
    ----------
    effort : {'fast', 'balanced', 'best'}, default='balanced'
        How much work to do: a set of values for the parameters below that are None. The
        table under Notes has them.

    n_ensemble : int >= 1, default=None
        Number of members, whose probabilities are averaged. None goes by ``effort``.

    n_folds : int >= 2, default=8
        The rows are dealt out to so many folds, and each member holds out another one; more
        members than folds deal anew. Where a fold would have fewer than 5 rows there are
        fewer folds, and below 10 rows nothing is held out.

    hidden_layer_sizes : int or array-like of int, default=None
        Units of each hidden layer of a member. None goes by ``effort``.

    activation : str, Activation, or sequence of these, default=None
        Activation function of the hidden layers: one for all, or one for each; any that
        ``MLPClassifier`` takes. None goes by ``effort``.

    loss : str or Loss, default='log_loss'
        'log_loss', 'focal', for two classes 'binary_log_loss', or an instance, such as
        ``LogLoss(label_smoothing=0.1)``.

    solver : str or Optimizer, default='adam'
        Rule of the steps; any stochastic one that ``MLPClassifier`` takes. 'adam' has
        ``beta_2=0.95`` here.

    learning_rate : str or Schedule, default='cosine'
        Factor on ``learning_rate_init`` in the course of training. 'cosine' sinks from 1 to 0.

    learning_rate_init : float > 0, default=None
        Step size at factor 1. A layer's weights have it divided by the root of its inputs,
        biases a tenth of it, factors on inputs six times it. None goes by ``effort``.

    batch_size : int or 'auto', default='auto'
        Rows per step. 'auto' is about 32 up to 1,024 rows, 128 up to 8,192, 256 up to 30,000
        and 512 beyond, such that all batches are about equal.

    max_iter : int >= 1, default=None
        Passes over the data, unless ``min_steps`` needs more. None goes by ``effort``.

    min_steps : int >= 0, default=None
        Steps that a fit of few rows makes nevertheless, though no more than two for each row.
        None goes by ``effort``.

    ema_decay : float in [0, 1), default=None
        Decay of a running mean of the weights, which is what is judged and kept; 0 for the
        weights themselves. None goes by ``effort``.

    patience : float >= 1, default=3.2
        A member stops when it has made ``patience`` times as many steps as at its best
        check, and a sixth of all at least. ``inf`` goes on to the end.

    input_scaling : bool, default=True
        Whether each input has a factor of its own, which is learnt.

    n_bins : int >= 0, default=None
        Bins in the encoding of a number, see ``TabularPreprocessor``; 0 for none. None
        goes by ``effort``.

    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Which columns are categories, see ``TabularPreprocessor``.

    max_categories : int >= 1, default=100
        Largest number of levels of a category with a column of their own.

    class_weight : dict, 'balanced' or None, default=None
        Weights of classes in training and in what is held out; 'balanced' makes all classes
        weigh the same. Probabilities are then those of such a population.

    calibrate : bool, default=True
        Whether one temperature, for all members, is fitted to the rows that they held out.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, initial weights and orders of rows. Pass an int for the same model in
        each call.

    n_jobs : int or None, default=None
        Number of processes that train members, as in joblib; None is 1, -1 all cores. The
        model is the same, to rounding.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        The classes, in the order of ``predict_proba``.

    temperature_ : float
        What raw outputs were divided by: above 1 where members were too sure.

    preprocessor_ : TabularPreprocessor
        What turns X into what members take.

    estimators_ : list of MLPClassifier
        The members, plain networks: they take what ``preprocessor_`` returns, and give
        predictions on their own. Factors on inputs and the temperature are part of their
        weights. Their ``history_`` has a row for each check of the held-out rows.

    held_out_ : list of ndarray
        The rows that each member held out (or numbers of the validation data's).

    n_iter_ : int
        Passes over the data of the member that made most.

    n_features_in_ : int
        Number of columns in ``fit``.

    feature_names_in_ : ndarray of str
        Their names, of a frame whose names are all strings.

    See Also
    --------
    TabularMLPRegressor : The same for numbers.
    MLPClassifier : One network, for data that are prepared.

    Notes
    -----
    What ``effort`` stands for:

    ==================  ==========  ==========  ==========
    ``effort``          'fast'      'balanced'  'best'
    ==================  ==========  ==========  ==========
    n_ensemble          4           8           24
    hidden_layer_sizes  (64, 64)    (96, 96)    (96, 96)
    activation          silu        silu        silu
    learning_rate_init  0.04        0.035       0.035
    max_iter            20          32          32
    min_steps           400         400         400
    ema_decay           0.0         0.0         0.0
    n_bins              8           8           8
    ==================  ==========  ==========  ==========

    Without ``X_val`` a weight of k is not quite k repetitions of a row: for all that the
    preprocessor learns it is, but repeated rows could stand on both sides of a fold.

    References
    ----------
    D. Holzmüller, L. Grinsztajn and I. Steinwart, *Better by default: strong pre-tuned MLPs
    and boosted trees on tabular data*, NeurIPS 2024; Y. Gorishniy, I. Rubachev and A.
    Babenko, *On embeddings for numerical features in tabular deep learning*, NeurIPS 2022;
    C. Guo et al., *On calibration of modern neural networks*, ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> import pandas as pd
    >>> from sknn_scratch import TabularMLPClassifier
    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame({"size": rng.normal(size=300), "kind": rng.choice(["a", "b"], 300)})
    >>> y = np.where((X["size"] > 0) == (X["kind"] == "a"), "yes", "no")
    >>> model = TabularMLPClassifier("fast", random_state=0).fit(X[:200], y[:200])
    >>> bool(model.score(X[200:], y[200:]) > 0.9)
    True
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = (
        CONSTRAINTS | CLASS_WEIGHT | {"calibrate": ["boolean"]}
    )
    _task = "classification"
    _plain_class = MLPClassifier
    _y_is_numeric = False
    _usual_loss = "log_loss"

    def __init__(
        self,
        effort="balanced",
        *,
        n_ensemble=None,
        n_folds=8,
        hidden_layer_sizes=None,
        activation=None,
        loss="log_loss",
        solver="adam",
        learning_rate="cosine",
        learning_rate_init=None,
        batch_size="auto",
        max_iter=None,
        min_steps=None,
        ema_decay=None,
        patience=3.2,
        input_scaling=True,
        n_bins=None,
        categorical_features="from_dtype",
        max_categories=100,
        class_weight=None,
        calibrate=True,
        random_state=None,
        n_jobs=None,
    ):
        self.effort = effort
        self.n_ensemble = n_ensemble
        self.n_folds = n_folds
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.loss = loss
        self.solver = solver
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.min_steps = min_steps
        self.ema_decay = ema_decay
        self.patience = patience
        self.input_scaling = input_scaling
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> TabularMLPClassifier:
        """Fit the members to X and y.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
        y : array-like of shape (n_samples,)
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; None stands for ones.
        X_val, y_val : data frame and array-like, default=None
            Validation data: with it members hold nothing out, and all are judged by it.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : TabularMLPClassifier
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), given)

    def predict_proba(self, X: Any) -> Array:
        """Predict the probabilities of classes, in the order of ``classes_``.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            With the columns of ``fit``; of frames, in any order.

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes)
        """
        total = self._sum_of_members("predict_proba", X)
        return total / total.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of probabilities.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            With the columns of ``fit``; of frames, in any order.

        Returns
        -------
        y_log_proba : ndarray of shape (n_samples, n_classes)
        """
        return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> Array:
        """Return scores of which ``predict_proba`` is the logistic function or the softmax.

        Members' probabilities, at the temperature of all, are averaged to p. For two classes
        the score is log(p₁ / p₀), above 0 where ``classes_[1]`` is predicted; for more it is
        log p, and ``predict`` returns the class of the highest one.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            With the columns of ``fit``; of frames, in any order.

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
        """
        log_proba = self.predict_log_proba(X)
        return log_proba[:, 1] - log_proba[:, 0] if log_proba.shape[1] == 2 else log_proba

    def predict(self, X: Any) -> Array:
        """Predict the most probable class.

        Parameters
        ----------
        X : data frame or array-like of shape (n_samples, n_features)
            With the columns of ``fit``; of frames, in any order.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,)
        """
        proba = self.predict_proba(X)
        return self.classes_[proba.argmax(axis=1)]

    # --- The parts of a fit.

    def _problems(self, train: Rows, given: Rows) -> list[Problem]:
        with _validation.naming("y", self):
            targets = ClassTargets.read(train.y)
        if targets.task == "multilabel":
            raise ValueError(
                "y must hold one class label for each sample. Got indicators of several labels: "
                "fit one classifier per label with sklearn.multioutput.MultiOutputClassifier."
            )
        loss = self._resolve_loss(targets.task)
        data = self._data(train, train.y, targets, loss)
        validation = data
        if given.X is not None:
            with _validation.naming("y_val", self):
                targets.check_validation(given.y)
                validation = self._data(given, train.y, targets, loss)
        self.classes_, self._loss = targets.classes, loss
        judge = class_judge(validation) if loss.one_hot else loss_judge(loss, loss, validation)
        return [Problem(loss, data, validation, judge, targets)]

    def _data(self, rows: Rows, reference: Any, targets: ClassTargets, loss: Loss) -> Data:
        """Return rows as networks see them; "balanced" goes by the classes in ``reference``."""
        codes, unit = targets.encode(rows.y, loss, np.float32)
        weight = rows.sample_weight
        if self.class_weight is not None:
            with _validation.naming("class_weight", self):
                of_class = row_weights(self.class_weight, rows.y, reference, targets)
            weight = of_class if weight is None else weight * of_class
        return Data(rows.X, codes, unit, self._float_weight(weight, "all samples"))

    def _finish(self, problem: Problem, task: Task, members: list[Member]) -> Problem:
        """Fit the temperature on held-out rows, of all members together."""
        factor = 1.0
        if self.calibrate and len(members[0].held_out):
            index = np.stack([member.held_out for member in members])
            thetas = [member.kept for member in members]
            raw = raw_of_members(task.network, problem.validation.X, thetas, index)
            factor = self._inverse_temperature(problem, raw, index)
        self.temperature_ = 1.0 / factor
        return problem._replace(factor=factor)

    def _inverse_temperature(self, problem: Problem, raw: Array, index: Array) -> float:
        data, flat = problem.validation, raw.reshape(-1, raw.shape[2])
        usable = np.isfinite(flat).all(axis=1)
        if len(self.classes_) < 2 or not usable.any():
            return 1.0
        if not problem.loss.one_hot:
            flat = two_columns(flat)
        rows = index.ravel()[usable]
        codes = data.y[rows] if data.unit is not None else data.y[0][rows].astype(np.intp)
        weight = None if data.weight is None else data.weight[rows]
        if weight is not None and not weight.any():
            return 1.0
        return inverse_temperature(flat[usable], codes, weight)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = False
        return tags
