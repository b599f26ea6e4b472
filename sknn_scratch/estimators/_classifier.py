"""MLPClassifier."""

import os
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from sknn_scratch.contracts import Array
from sknn_scratch.core import probe
from sknn_scratch.estimators._base import BaseMLP, is_stochastic
from sknn_scratch.estimators._scores import ClassifierScore
from sknn_scratch.fitting import _resume
from sknn_scratch.fitting._params import CLASS_WEIGHT, CONSTRAINTS
from sknn_scratch.fitting._types import Call, Rows


class MLPClassifier(ClassifierScore, BaseMLP):
    """Multi-layer perceptron classifier, with softmax outputs and cross-entropy by default.

    It supports binary, multiclass and multilabel classification.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Number of units in each hidden layer; () for a linear model without hidden layers.

    activation : str, Activation, or sequence of these, default='relu'
        Activation function of the hidden layers, one for all or one for each:
        'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu',
        'mish', 'softplus', a name registered by a plug-in, or an instance.

    solver : str or Optimizer, default='adam'
        Optimizer: 'adam', 'sgd', 'lbfgs', 'nadam', 'adamw', 'amsgrad', 'rmsprop', 'adagrad',
        'lion', or an instance, such as a ``Chain``. 'lbfgs' uses all rows in each step and
        suits small data. 'adam' and 'sgd' use the parameters below; an instance uses its own
        parameters.

    alpha : float >= 0, default=0.0001
        Strength of the L2 penalty: alpha / (2 w) times the sum of squared weights, where w
        is the number of rows in the batch (or the sum of their sample weights).

    batch_size : int or 'auto', default='auto'
        Number of rows per step. 'auto' is min(200, n_samples). Not used by 'lbfgs'.

    learning_rate : str or Schedule, default='constant'
        Schedule of factors on ``learning_rate_init`` during training: 'constant',
        'invscaling', 'adaptive', 'step', 'exponential', 'cosine', 'one_cycle',
        'linear_warmup', 'coslog4', or an instance. 'invscaling' divides by
        (rows seen + 1) ** power_t; 'adaptive' divides by 5 at each stall. As in scikit-learn,
        both names are ignored with ``solver='adam'``; instances are not.

    learning_rate_init : float > 0, default=0.001
        Initial learning rate.

    power_t : float >= 0, default=0.5
        Exponent of 'invscaling'.

    max_iter : int, default=200
        Maximum number of epochs; with 'lbfgs', of iterations.

    shuffle : bool, "blocks" or Blocks, default=True
        If True, shuffle the rows in each epoch. "blocks", or ``Blocks(size, window)``, is an
        order for rows on a disk: blocks are shuffled, and rows are shuffled within a window.

    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the early-stopping split and the order of rows. An integer
        gives the same random numbers as in scikit-learn. A RandomState, or the global one for
        None, is used once, to draw the seed of the estimator's own generator.

    tol : float >= 0, default=0.0001
        Smallest improvement of the loss (with early stopping, of the validation score) that
        counts. 'lbfgs' converges when the largest component of the gradient is at most tol.

    verbose : bool or int, default=False
        If True, print the loss of each epoch.

    warm_start : bool, default=False
        If True, ``fit`` starts from the weights of the previous fit. Curves, patience and
        optimizer state start again.

    momentum : float in [0, 1], default=0.9
        Momentum of ``solver='sgd'``.

    nesterovs_momentum : bool, default=True
        If True, use Nesterov momentum.

    early_stopping : bool, default=False
        If True, hold rows out, score them after each epoch (accuracy), stop when the score
        stops improving, and keep the best weights. Ignored with 'lbfgs'.

    validation_fraction : float in [0, 1), default=0.1
        Fraction of the rows held out by ``early_stopping``; with two classes, the same
        fraction of each.

    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients in ``solver='adam'``.

    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients in ``solver='adam'``.

    epsilon : float > 0, default=1e-08
        Constant that keeps the division in ``solver='adam'`` finite.

    n_iter_no_change : int or inf, default=10
        Training stops after more than this number of epochs without an improvement of ``tol``.

    max_fun : int, default=15000
        Maximum number of evaluations by 'lbfgs'.

    loss : str or Loss, default='log_loss'
        Loss: 'log_loss', 'binary_log_loss', 'focal', or an instance. 'log_loss' is softmax
        cross-entropy, with two outputs for two classes, and one logistic output per label
        for multilabel targets. 'binary_log_loss' has a single logistic output for two
        classes, which is exactly scikit-learn's model.

    initializer : str or Initializer, default='glorot_uniform'
        Distribution of the initial weights: 'glorot_uniform' (scikit-learn's),
        'glorot_normal', 'he_uniform', 'he_normal', 'lecun_uniform', 'lecun_normal',
        'orthogonal', 'normal', 'zeros', or an instance.

    scoring : str, callable or None, default=None
        Metric of the validation data: 'loss' for the negated loss, the name of a scorer of
        scikit-learn, or a callable(estimator, X, y). If None, use the accuracy.

    dropout : float or sequence of float in [0, 1), default=0.0
        Fraction of the units of hidden layers that is dropped at random in each step, one
        rate for all layers or one for each. Never active in ``predict``.

    class_weight : dict, 'balanced', list or None, default=None
        Weights of classes, which multiply ``sample_weight``: a dict from class to weight
        (1 for all others), or 'balanced' for n_samples / (n_classes * samples of the class).
        For multilabel targets, a list with one of these per label.

    l1_ratio : float in [0, 1], default=0.0
        Fraction of the penalty that is L1 instead of L2.

    ema_decay : float in [0, 1) or None, default=None
        Decay of an exponential moving average of the weights over steps. The average replaces
        the last weights for scoring and in the fitted attributes. If None, do not average.

    callbacks : sequence of Callback or None, default=None
        Callbacks to run during training; see ``sknn_scratch.components``.

    dtype : {'float32', 'float64'} or None, default=None
        Type to compute in. If None, use the dtype of X.

    Attributes
    ----------
    classes_ : ndarray of shape (n_classes,)
        Class labels; for multilabel targets, the numbers of the labels.

    theta_ : ndarray of shape (n_parameters,)
        All parameters: weight matrices, then biases.

    coefs_ : tuple of ndarray of shape (fan_in, fan_out)
        Weight matrices, layer by layer, as views of ``theta_``. Assigning a sequence of
        arrays copies their values into ``theta_``.

    intercepts_ : tuple of ndarray of shape (fan_out,)
        Biases, layer by layer, as views of ``theta_``.

    loss_ : float
        Loss of the epoch whose weights are kept.

    best_loss_ : float or None
        Lowest loss of all epochs; None with early stopping.

    loss_curve_ : list of float
        Loss of each epoch (iteration of 'lbfgs'), averaged over its batches; for
        ``partial_fit``, of the last 10,000 calls.

    validation_scores_ : list of float or None
        Accuracy of the validation data after each epoch; None without validation data.

    best_validation_score_ : float or None
        Highest validation score; None without validation data.

    validation_loss_curve_ : list of float or None
        Mean loss of the validation data after each epoch, without the penalty; None without
        validation data.

    history_ : list of dict
        One dict per epoch, with the keys epoch, loss, learning_rate, gradient_norm (of the last
        batch) and seconds; with validation data also validation_score and validation_loss.

    best_n_iter_ : int
        Epoch whose weights are kept: with early stopping that of the best score, else the
        last.

    n_iter_ : int
        Number of epochs (iterations of 'lbfgs'), including those of ``partial_fit``.

    t_ : int
        Number of rows seen in training; 0 with 'lbfgs'.

    n_layers_ : int
        Number of layers, including input and output.

    n_outputs_ : int
        Number of raw outputs.

    out_activation_ : str
        Name of the inverse link of the loss.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, if X has feature names that are all strings.

    See Also
    --------
    MLPRegressor : The corresponding regressor.
    TabularMLPClassifier : Mixed-type tables without preprocessing.

    Notes
    -----
    With the same integer ``random_state``, the model equals that of scikit-learn's
    ``MLPClassifier`` up to rounding error (for two classes, with ``loss="binary_log_loss"``).
    Deliberate differences are listed in ``docs/differences.md``. ``predict`` processes X in
    blocks of rows and is thread-safe.

    References
    ----------
    S. Dey, *Basic Operations of Neural Networks*: feed-forward (1), backpropagation (5) to
    (13), mini-batches (15).

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from sknn_scratch import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> clf = make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
    >>> clf.fit(X, y).score(X, y)  # doctest: +ELLIPSIS
    0.9...
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = CONSTRAINTS | CLASS_WEIGHT
    _y_is_numeric = False
    _usual_loss = "log_loss"
    _sklearn_name = "MLPClassifier"

    def __init__(
        self,
        hidden_layer_sizes=(100,),
        activation="relu",
        *,
        solver="adam",
        alpha=0.0001,
        batch_size="auto",
        learning_rate="constant",
        learning_rate_init=0.001,
        power_t=0.5,
        max_iter=200,
        shuffle=True,
        random_state=None,
        tol=1e-4,
        verbose=False,
        warm_start=False,
        momentum=0.9,
        nesterovs_momentum=True,
        early_stopping=False,
        validation_fraction=0.1,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        n_iter_no_change=10,
        max_fun=15000,
        loss="log_loss",
        initializer="glorot_uniform",
        scoring=None,
        dropout=0.0,
        class_weight=None,
        l1_ratio=0.0,
        ema_decay=None,
        callbacks=None,
        dtype=None,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun
        self.loss = loss
        self.initializer = initializer
        self.scoring = scoring
        self.dropout = dropout
        self.class_weight = class_weight
        self.l1_ratio = l1_ratio
        self.ema_decay = ema_decay
        self.callbacks = callbacks
        self.dtype = dtype

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
        """Fit the network to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,), or 0/1 indicators of shape (n_samples, n_labels)
            Class labels, or indicators of labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        X_val, y_val : array-like, default=None
            Validation data. With ``early_stopping`` it replaces the rows held out; otherwise
            it is scored after each epoch but does not stop training.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPClassifier
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

        The result equals that of an uninterrupted fit.

        Parameters
        ----------
        path : str or path-like
            Path of a file written by the callback ``Checkpoint``.
        X, y, sample_weight, X_val, y_val, sample_weight_val
            Data of the original fit.

        Returns
        -------
        self : MLPClassifier
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

    @available_if(is_stochastic)
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
        """Update the model with one pass over X in a new random order.

        Weights, optimizer state, random number generator and counters are kept between calls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.
        y : array-like of shape (n_samples,), or 0/1 indicators of shape (n_samples, n_labels)
            Class labels, or indicators of labels.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        classes : array-like of shape (n_classes,), default=None
            All classes of all calls; needed in the first call, may be left out later. For
            indicators, ``np.arange(n_labels)``.
        X_val, y_val : array-like, default=None
            Validation data, scored after the pass; required for ``early_stopping``.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPClassifier
            The fitted estimator.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        call = Call(given, one_pass=True, classes=classes)
        return self._fit(Rows(X, y, sample_weight), call)

    def predict(self, X: Any) -> Any:
        """Predict the most probable class, or all labels with a probability above ½.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_labels)
            Class labels, or indicators of labels.
        """
        codes = self._map_raw(X, lambda raw: self._targets.predict(raw, self._loss))
        return self._targets.decode(codes)

    def predict_proba(self, X: Any) -> Array:
        """Predict class probabilities, in the order of ``classes_``.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y_proba : ndarray of shape (n_samples, n_classes)
            Rows sum to one, except for multilabel targets.
        """
        return self._map_raw(X, lambda raw: self._proba(raw, "predict", 1.0))

    def predict_log_proba(self, X: Any) -> Array:
        """Predict the logarithms of class probabilities, which are always finite.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y_log_proba : ndarray of shape (n_samples, n_classes)
            Logarithms of probabilities.
        """
        return self._map_raw(X, lambda raw: self._proba(raw, "log_predict", 0.0))

    def decision_function(self, X: Any) -> Array:
        """Return the scores before the inverse link, which increase with the probability.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        scores : ndarray of shape (n_samples,) for two classes, else (n_samples, n_outputs)
            For two classes, the raw output of ``classes_[1]`` minus that of ``classes_[0]``.
        """
        return self._map_raw(X, self._decision)

    def _decision(self, raw: Array) -> Array:
        if self._targets.task != "binary" or len(self.classes_) == 1:
            return raw
        return self._loss.link.margin(raw)[:, 0]

    def _proba(self, raw: Array, verb: str, certain: float) -> Array:
        """Apply an inverse link, a method of the loss, to one column for each class or label.

        ``certain`` is the value for a model with a single class.
        """
        if len(self.classes_) == 1 and self._targets.task == "binary":
            return np.full_like(raw, certain)
        if self._targets.task != "multilabel":
            raw = self._loss.link.per_class(raw)
        return probe.predicted(self._loss, verb, raw)

    def _proba_and_rest(self, X: Any) -> Array:
        """Return probabilities of labels, and next to them of their absence, in float64.

        The latter are accurate where 1 - p would be rounded.
        """
        is_symmetric = self._loss.link.symmetric

        def both(raw: Array) -> Array:
            wide = raw.astype(np.float64)
            rest = self._proba(-wide, "predict", 1.0) if is_symmetric else None
            p = self._proba(wide, "predict", 1.0)
            return np.hstack([p, 1.0 - p if rest is None else rest])

        return self._map_raw(X, both)
