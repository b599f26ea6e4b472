"""TabularMLPClassifier."""

import os
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from sknn_scratch.contracts import Array
from sknn_scratch.estimators._classifier import MLPClassifier
from sknn_scratch.estimators._scores import ClassifierScore
from sknn_scratch.estimators._tabular import CONSTRAINTS, BaseTabularMLP
from sknn_scratch.fitting import _resume
from sknn_scratch.fitting._params import CLASS_WEIGHT
from sknn_scratch.fitting._types import Call, Rows


class TabularMLPClassifier(ClassifierScore, BaseTabularMLP):
    """Classifier for mixed-type tabular data: an ensemble of small networks on encoded columns.

    Columns may be numeric, categorical, string, boolean or datetime, with missing values, in a
    DataFrame or an array. There may be two or more classes, or multilabel targets. The estimator
    needs no scaling, no encoding and usually no tuning.

    Each member is a network that holds out a different part of the rows, and keeps the weights
    with the best log-loss on them, at the best temperature. At the end, one temperature for
    all members is fitted to all held-out rows, and the probabilities of members are averaged.
    For multilabel targets, the log-loss is that of all labels, and all have one temperature.

    Parameters
    ----------
    effort : {'fast', 'balanced', 'best'}, default='balanced'
        Preset for the parameters below that are None: more members, units and epochs take more
        time. The table under Notes lists the values.

    n_ensemble : int >= 1, default=None
        Number of members, whose probabilities are averaged. If None, set by ``effort``.

    n_folds : int >= 2, default=8
        Number of folds. Each member holds out a different fold; for more members than folds,
        the rows are split again. Folds have at least 5 rows, so small data has fewer folds.
        Below 10 rows, nothing is held out.

    hidden_layer_sizes : int or array-like of int, default=None
        Number of units in each hidden layer of a member. If None, set by ``effort``.

    activation : str, Activation, or sequence of these, default=None
        Activation function of the hidden layers, one for all or one for each, as for
        ``MLPClassifier``. If None, set by ``effort``.

    loss : str or Loss, default='log_loss'
        Loss: 'log_loss', 'focal', for two classes 'binary_log_loss', or an instance, such as
        ``LogLoss(label_smoothing=0.1)``. For multilabel targets, 'log_loss' has one logistic
        output per label.

    solver : str or Optimizer, default='adam'
        Optimizer, any of ``MLPClassifier`` except 'lbfgs'. 'adam' has ``beta_2=0.95`` here.

    learning_rate : str or Schedule, default='cosine'
        Schedule of factors on ``learning_rate_init`` during training. 'cosine' decreases from
        1 to 0.

    learning_rate_init : float > 0, default=None
        Learning rate at factor 1. Weights use it divided by the root of the number of inputs
        of their layer; biases use a tenth of it; learned feature scales use six times it. If
        None, set by ``effort``.

    batch_size : int or 'auto', default='auto'
        Number of rows per step. 'auto' is about 32 up to 1,024 rows, 128 up to 8,192, 256 up to
        30,000 and 512 beyond, such that all batches have about the same size.

    max_iter : int >= 1, default=None
        Number of epochs, unless ``min_steps`` requires more. If None, set by ``effort``.

    min_steps : int >= 0, default=None
        Minimum number of steps on small data, but at most two per row. If None, set by
        ``effort``.

    ema_decay : float in [0, 1), default=None
        Decay of an exponential moving average of the weights, which is scored and kept instead
        of the weights; 0 disables it. If None, set by ``effort``.

    alpha : float >= 0, default=0.0
        Factor of the L2 penalty on the weights of members, as for ``MLPClassifier``.

    dropout : float in [0, 1) or array-like of these, default=0.0
        Probability of zeroing an output of a hidden layer in training, one for all hidden
        layers or one for each.

    patience : float >= 1, default=3.2
        A member stops after ``patience`` times as many steps as at its best check, but not
        before a sixth of all steps. ``inf`` disables early stopping.

    scoring : str, callable or None, default=None
        Score of held-out rows (or of ``X_val``), by which a member keeps its weights and stops:
        'loss' for the negated loss, the name of a scorer of scikit-learn, or a callable(estimator,
        X, y). It is computed at each of 48 checks per member. A scorer gets the member as an
        ``MLPClassifier``, the rows as encoded by ``preprocessor_``, and y as in ``fit``, with
        sample weights if it accepts them. If None, use the negated log-loss at the best
        temperature.

    input_scaling : bool, default=True
        If True, learn a scale for each encoded feature.

    n_bins : int >= 0, default=None
        Number of bins in the encoding of a numeric feature, see ``TabularPreprocessor``; 0
        disables the encoding. If None, set by ``effort``.

    categorical_features : 'from_dtype', array-like or None, default='from_dtype'
        Categorical columns, see ``TabularPreprocessor``.

    max_categories : int >= 1, default=100
        Maximum number of categories per column that get their own encoded feature.

    class_weight : dict, 'balanced', list or None, default=None
        Weights of classes in training and on held-out rows; 'balanced' gives all classes the
        same total weight. Probabilities are then those of such a population. For multilabel
        targets, a list with a dict, 'balanced' or None per label, whose weights are multiplied.

    calibrate : bool, default=True
        If True, fit one temperature for all members to their held-out rows.

    callbacks : list of Callback or None, default=None
        Callbacks, which run for each member: ``run.member`` and ``run.n_members`` tell which
        one. A call of ``run.stop`` ends the training of that member. With callbacks, members
        are trained in this process, one after the other, whatever ``n_jobs`` is.
        ``Checkpoint`` saves all members in one file, for :meth:`resume`.

    verbose : bool or int, default=False
        If True, print a line for each epoch of each member, as the callback ``PrintProgress``
        does; like all callbacks, it makes ``n_jobs`` have no effect.

    warm_start : bool, default=False
        If True, ``fit`` of a fitted estimator trains its members again from their weights, with
        the encoding of X and y of the first fit. If ``n_ensemble`` has increased, it adds members.

    random_state : int, RandomState instance or None, default=None
        Seed of folds, initial weights and orders of rows. Pass an int for reproducible results.

    n_jobs : int or None, default=None
        Number of processes that train members, as in joblib: None is 1, -1 is all cores; not 0. The
        model is the same up to rounding error. With several processes, Ctrl-C leaves the
        estimator unchanged, as the members' weights are lost with their process.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels, in the order of ``predict_proba``; for multilabel targets, the numbers of
        the labels.

    temperature_ : float
        Temperature dividing the raw outputs; above 1 if members were overconfident.

    preprocessor_ : TabularPreprocessor
        Transformer that encodes X for the members.

    estimators_ : list of MLPClassifier
        Members, as plain networks, whose input is the result of ``preprocessor_`` and whose
        output is a prediction. Learned feature scales and the temperature are included in their
        weights. Their ``history_`` has one row per epoch; rows of epochs in which the held-out
        rows were checked contain the score.

    held_out_ : list of ndarray
        Numbers of the rows of ``fit`` that each member held out (or of the validation rows). Empty
        arrays if only ``partial_fit`` was called.

    n_iter_ : int
        Largest number of epochs of all members, including calls of ``partial_fit``.

    n_features_in_ : int
        Number of columns of X in ``fit``.

    feature_names_in_ : ndarray of str
        Names of the columns, if X is a DataFrame whose names are all strings.

    See Also
    --------
    TabularMLPRegressor : The corresponding regressor.
    MLPClassifier : A single network, for numeric data that is already scaled and encoded.

    Notes
    -----
    Presets of ``effort``:

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

    Without ``X_val``, a sample weight of k is not exactly equivalent to k copies of a row. It is
    for the preprocessor, but copies of a row can be both in a fold and outside it.

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
        alpha=0.0,
        dropout=0.0,
        patience=3.2,
        scoring=None,
        input_scaling=True,
        n_bins=None,
        categorical_features="from_dtype",
        max_categories=100,
        class_weight=None,
        calibrate=True,
        callbacks=None,
        verbose=False,
        warm_start=False,
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
        self.alpha = alpha
        self.dropout = dropout
        self.patience = patience
        self.scoring = scoring
        self.input_scaling = input_scaling
        self.n_bins = n_bins
        self.categorical_features = categorical_features
        self.max_categories = max_categories
        self.class_weight = class_weight
        self.calibrate = calibrate
        self.callbacks = callbacks
        self.verbose = verbose
        self.warm_start = warm_start
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
    ) -> Self:
        """Fit the members to X and y.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Training data.
        y : array-like of shape (n_samples,), or 0/1 indicators of shape (n_samples, n_labels)
            Class labels, or indicators of labels, which may be a sparse matrix.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        X_val, y_val : DataFrame and array-like, default=None
            Validation data. If given, members hold no rows out, and are scored on it instead.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : TabularMLPClassifier
            The fitted estimator.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), Call(given))

    def resume(
        self,
        path: str | os.PathLike[str],
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Resume training from a checkpoint.

        The result equals that of an uninterrupted fit: it keeps the members that were ready,
        continues the one in training, and trains the others.

        Parameters
        ----------
        path : str or path-like
            Path of a file written by the callback ``Checkpoint``.
        X, y, sample_weight, X_val, y_val, sample_weight_val
            Data of the original fit.

        Returns
        -------
        self : TabularMLPClassifier
            The fitted estimator.

        Raises
        ------
        FileNotFoundError
            If the file does not exist.
        TypeError
            If ``path`` is not a path.
        ValueError
            If the file is damaged, or of a fit with other parameters or other data. The
            estimator is then unchanged.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        call = Call(given, path=_resume.check_path(path))
        return self._fit(Rows(X, y, sample_weight), call)

    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        classes: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> Self:
        """Update each member with one pass over X in a new random order.

        The first call, or ``fit`` before it, determines the encoding of X and y, which is kept:
        later categories are unknown. No rows are held out, and the last weights are kept.
        Weights, optimizer state, random number generators and counters are kept between calls.
        The progress passed to a schedule is at most 0.8, where 'cosine' is a tenth, because a
        stream has no end. After ``fit`` it is 0.8.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Training data, with the columns of the first call.
        y : array-like of shape (n_samples,)
            Class labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; needed in the first call, may be left out later.
        X_val, y_val : DataFrame and array-like, default=None
            Validation data, scored after the pass. The temperature of probabilities is fitted to
            it. If None, the earlier temperature stands.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : TabularMLPClassifier
            The fitted estimator.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        call = Call(given, one_pass=True, classes=classes)
        return self._fit(Rows(X, y, sample_weight), call)

    def predict_proba(self, X: Any) -> Array:
        """Predict class probabilities, in the order of ``classes_``.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Data with the columns of ``fit``; in a DataFrame, their order does not matter.

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes)
            Probabilities, which sum to one in each row, except for multilabel targets.
        """
        total = self._sum_of_members("predict_proba", X)
        if self._targets.task == "multilabel":
            return total / len(self.estimators_)
        return total / total.sum(axis=1, keepdims=True)

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of class probabilities.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Data with the columns of ``fit``; in a DataFrame, their order does not matter.

        Returns
        -------
        y_log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        return np.log(self.predict_proba(X))

    def decision_function(self, X: Any) -> Array:
        """Return the scores before the inverse link, which increase with the probability.

        With p the averaged probabilities of ``predict_proba``, the score for two classes is
        log(p₁ / p₀), which is positive if ``classes_[1]`` is predicted. For more classes it is
        log p, and ``predict`` returns the class with the highest score. For multilabel targets,
        it is log(p / (1 - p)) for each label, which is positive if the label is predicted.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Data with the columns of ``fit``; in a DataFrame, their order does not matter.

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_classes)
            Log odds for two classes and for labels, else logarithms of probabilities.
        """
        check_is_fitted(self)
        if self._targets.task == "multilabel":
            log_p, log_q = np.hsplit(np.log(self._sum_of_members("_proba_and_rest", X)), 2)
            return log_p - log_q
        log_proba = self.predict_log_proba(X)
        return log_proba[:, 1] - log_proba[:, 0] if log_proba.shape[1] == 2 else log_proba

    def predict(self, X: Any) -> Any:
        """Predict the most probable class, or all labels with a probability above ½.

        Parameters
        ----------
        X : DataFrame or array-like of shape (n_samples, n_features)
            Data with the columns of ``fit``; in a DataFrame, their order does not matter.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators of labels, in a sparse matrix if y of ``fit`` was one.
        """
        proba = self.predict_proba(X)
        if self._targets.task == "multilabel":
            return self._targets.decode((proba > 0.5).astype(int))
        return self.classes_[proba.argmax(axis=1)]
