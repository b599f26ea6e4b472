"""MLPRegressor."""

import os
from typing import Any, Self

import numpy as np
from sklearn.utils.metaestimators import available_if

from sknn_scratch._warning import warn
from sknn_scratch.contracts import Array, Loss
from sknn_scratch.estimators import _aliases
from sknn_scratch.estimators._base import BaseMLP, is_stochastic
from sknn_scratch.estimators._judge import Rows
from sknn_scratch.estimators._scores import RegressorScore
from sknn_scratch.estimators._start import How
from sknn_scratch.estimators._targets import NumericTargets

#: Number of different values of y in a dtype below which rounding hides what is to be learned.
FEWEST_VALUES = 100


class MLPRegressor(RegressorScore, BaseMLP):
    """Multi-layer perceptron regressor, for squared error, quantiles, counts and other losses.

    Parameters
    ----------
    loss : str or Loss, default='squared_error'
        Loss: 'squared_error' (half of it), 'absolute_error', 'huber' and 'quantile' with linear
        outputs; 'poisson', 'gamma' and 'tweedie' (half deviances, for y >= 0 or > 0) with
        exponential outputs; or an instance. ``Quantile((0.1, 0.5, 0.9))`` predicts one
        column per level.

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
        If True, hold rows out, score them after each epoch (R², the coefficient of
        determination), stop when the score stops improving, and keep the best weights.
        Ignored with 'lbfgs'.

    validation_fraction : float in [0, 1), default=0.1
        Fraction of the rows held out by ``early_stopping``.

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

    initializer : str or Initializer, default='glorot_uniform'
        Distribution of the initial weights: 'glorot_uniform' (scikit-learn's),
        'glorot_normal', 'he_uniform', 'he_normal', 'lecun_uniform', 'lecun_normal',
        'orthogonal', 'normal', 'zeros', or an instance.

    scoring : str, callable or None, default=None
        Metric of the validation data: 'loss' for the negated loss, the name of a scorer of
        scikit-learn, or a callable(estimator, X, y). If None, use R².

    dropout : float or sequence of float in [0, 1), default=0.0
        Fraction of the units of hidden layers that is dropped at random in each step, one
        rate for all layers or one for each. Never active in ``predict``.

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
        R² of the validation data after each epoch; None without validation data.

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
    MLPClassifier : The corresponding classifier.
    TabularMLPRegressor : Mixed-type tables without preprocessing.

    Notes
    -----
    With the same integer ``random_state``, the model equals that of scikit-learn's
    ``MLPRegressor`` up to rounding error. Deliberate differences are listed in
    ``docs/differences.md``. ``predict`` processes X in blocks of rows and is thread-safe.

    References
    ----------
    S. Dey, *Basic Operations of Neural Networks*: feed-forward (1), backpropagation (5) to
    (13), mini-batches (15).

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from sknn_scratch import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=5, random_state=0)
    >>> regr = MLPRegressor(random_state=0, solver="lbfgs").fit(X, y / y.std())
    >>> regr.score(X, y / y.std())  # doctest: +ELLIPSIS
    0.99...
    """

    _y_is_numeric = True
    _usual_loss = "squared_error"
    _sklearn_name = "MLPRegressor"

    def __init__(
        self,
        loss="squared_error",
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
        initializer="glorot_uniform",
        scoring=None,
        dropout=0.0,
        l1_ratio=0.0,
        ema_decay=None,
        callbacks=None,
        dtype=None,
    ):
        self.loss = loss
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
        self.initializer = initializer
        self.scoring = scoring
        self.dropout = dropout
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
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        X_val, y_val : array-like, default=None
            Validation data. With ``early_stopping`` it replaces the rows held out; otherwise
            it is scored after each epoch but does not stop training.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPRegressor
            The fitted estimator.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), one_pass=False, given=given)

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
        self : MLPRegressor
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
        return self._resume(path, Rows(X, y, sample_weight), given)

    @available_if(is_stochastic)
    def partial_fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
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
            Training data.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, not negative. If None, all weights are 1.
        X_val, y_val : array-like, default=None
            Validation data, scored after the pass; required for ``early_stopping``.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPRegressor
            The fitted estimator.
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), one_pass=True, given=given)

    def predict(self, X: Any) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
            Inputs.

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predicted targets.
        """
        return self._map_raw(
            X, lambda raw: self._targets.decode(self._targets.predict(raw, self._loss))
        )

    def _read_targets(self, y: Any, how: How, classes: Any) -> NumericTargets:
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        # Existing weights have a scale; with another number of targets, they are rejected later.
        own = how.inherited and how.inherited.targets
        return own if own and own.n_targets == n_targets else NumericTargets(n_targets)

    def _encode_y(self, y: Any, targets: Any, loss: Loss, dtype: Any) -> tuple[Array, Any]:
        encoded, unit = super()._encode_y(y, targets, loss, dtype)
        if dtype == np.float32 and targets.scale is None:
            _warn_if_blurred(self, y)
        return encoded, unit

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.positive_only = _aliases.needs_positive_targets(self)
        return tags


def _warn_if_blurred(estimator: Any, y: Array) -> None:
    """Warn if float32 has only a few numbers between the lowest and the highest y."""
    low, high = y.min(axis=0).astype(np.float64), y.max(axis=0).astype(np.float64)
    largest = np.maximum(np.abs(low), np.abs(high))
    n_values = (high - low) / np.spacing(largest.astype(np.float32))
    if np.any((n_values > 0) & (n_values < FEWEST_VALUES)):
        warn(
            f"y of {type(estimator).__name__} lies between {low} and {high}, where float32 has "
            f"fewer than {FEWEST_VALUES} different numbers: set dtype='float64' and scale y, for "
            "example with sklearn.compose.TransformedTargetRegressor, or use TabularMLPRegressor."
        )
