"""The regressor."""

from __future__ import annotations

from typing import Any

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

#: With fewer values of y that a dtype tells apart, rounding takes away what is to be learnt.
FEWEST_VALUES = 100


class MLPRegressor(RegressorScore, BaseMLP):
    """Multi-layer perceptron for regression: squared error, quantiles, counts and more.

    Parameters
    ----------
    loss : str or Loss, default='squared_error'
        'squared_error' (half of it), 'absolute_error', 'huber' and 'quantile' with linear
        outputs; 'poisson', 'gamma' and 'tweedie' (half deviances, for y >= 0 or > 0) with
        exponential outputs; or an instance. ``Quantile((0.1, 0.5, 0.9))`` predicts one
        column per level.

    hidden_layer_sizes : int or array-like of int, default=(100,)
        Units of each hidden layer; () for a model without hidden layers, which is linear.

    activation : str, Activation, or sequence of these, default='relu'
        Activation function of the hidden layers: one for all, or one for each.
        'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu',
        'mish', 'softplus', a name registered by a plug-in, or an instance.

    solver : str or Optimizer, default='adam'
        Rule of the steps: 'adam', 'sgd', 'lbfgs', 'nadam', 'adamw', 'amsgrad', 'rmsprop',
        'adagrad', 'lion', or an instance, such as a ``Chain``. 'lbfgs' looks at all
        rows in each step and suits small data. 'adam' and 'sgd' are configured by the
        parameters below, an instance by its own.

    alpha : float >= 0, default=0.0001
        Strength of the L2 penalty, alpha / (2 w) times the sum of squared weights, where w
        is the number of rows (or the sum of their weights) of the batch.

    batch_size : int or 'auto', default='auto'
        Rows per step. 'auto' is min(200, n_samples). Not used by 'lbfgs'.

    learning_rate : str or Schedule, default='constant'
        Factor on ``learning_rate_init`` in the course of training: 'constant',
        'invscaling', 'adaptive', 'step', 'exponential', 'cosine', 'one_cycle',
        'linear_warmup', 'coslog4', or an instance. 'invscaling' divides by
        (rows seen + 1) ** power_t; 'adaptive' divides by 5 whenever training stalls. Both
        names are ignored with ``solver='adam'``, as in scikit-learn; instances never are.

    learning_rate_init : float > 0, default=0.001
        Step size at the start.

    power_t : float >= 0, default=0.5
        Exponent of 'invscaling'.

    max_iter : int, default=200
        Largest number of epochs; with 'lbfgs', of iterations.

    shuffle : bool, "blocks" or Blocks, default=True
        Whether each epoch sees the rows in a new order. "blocks", or ``Blocks(size, window)``,
        is an order for rows on a disk: shuffled blocks, and shuffled rows within a window.

    random_state : int, RandomState or None, default=None
        Seed of the initial weights, the early-stopping split and the order of rows. The
        same integer gives scikit-learn's draws. A RandomState, or the global one for None,
        gives one seed for a stream of the estimator's own.

    tol : float >= 0, default=0.0001
        Smallest gain in loss (with early stopping: in validation score) that counts; with
        'lbfgs', largest component of the gradient at which it has converged.

    verbose : bool or int, default=False
        Whether to print the loss of each epoch.

    warm_start : bool, default=False
        Whether ``fit`` begins with the weights of the fit before. Curves, patience and
        the optimizer's memory begin anew.

    momentum : float in [0, 1], default=0.9
        Momentum of ``solver='sgd'``.

    nesterovs_momentum : bool, default=True
        Whether that momentum is Nesterov's.

    early_stopping : bool, default=False
        Whether to hold rows out, score them after each epoch (R², the coefficient of
        determination), stop when the
        score gains no more, and keep the best weights. Ignored with 'lbfgs'.

    validation_fraction : float in [0, 1), default=0.1
        Part of the rows held out by ``early_stopping``.

    beta_1 : float in [0, 1), default=0.9
        Decay of the mean of gradients in ``solver='adam'``.

    beta_2 : float in [0, 1), default=0.999
        Decay of the mean of squared gradients in ``solver='adam'``.

    epsilon : float > 0, default=1e-08
        Keeps the division in ``solver='adam'`` finite.

    n_iter_no_change : int or inf, default=10
        Training stops after more than this many epochs without a gain of ``tol``.

    max_fun : int, default=15000
        Largest number of evaluations by 'lbfgs'.

    initializer : str or Initializer, default='glorot_uniform'
        Distribution of the initial weights: 'glorot_uniform' (scikit-learn's),
        'glorot_normal', 'he_uniform', 'he_normal', 'lecun_uniform', 'lecun_normal',
        'orthogonal', 'normal', 'zeros', or an instance.

    scoring : str, callable or None, default=None
        What validation data is scored by: None is R², 'loss' the negated
        loss; else the name of a scorer of scikit-learn's, or a callable(estimator, X, y).

    dropout : float or sequence of float in [0, 1), default=0.0
        Part of the units of hidden layers that is left out at random in each step: one
        rate for all layers, or one for each. Never active in ``predict``.

    l1_ratio : float in [0, 1], default=0.0
        Part of the penalty that is on absolute weights instead of squared ones.

    ema_decay : float in [0, 1) or None, default=None
        Decay of an exponential moving average of the weights over steps, which is then
        scored and published in place of the last weights.

    callbacks : sequence of Callback or None, default=None
        What looks on after each epoch; see ``sknn_scratch.components``.

    dtype : {'float32', 'float64'} or None, default=None
        Type to compute in; None is that of X.

    Attributes
    ----------
    theta_ : ndarray of shape (n_parameters,)
        All parameters: weight matrices, then biases.

    coefs_ : tuple of ndarray of shape (fan_in, fan_out)
        Weight matrices, layer by layer: views of ``theta_``. Assigning a sequence of
        arrays copies them in.

    intercepts_ : tuple of ndarray of shape (fan_out,)
        Biases, layer by layer: views of ``theta_``.

    loss_ : float
        Loss of the epoch whose weights are kept.

    best_loss_ : float or None
        Lowest loss of an epoch; None with early stopping.

    loss_curve_ : list of float
        Loss of each epoch (iteration of 'lbfgs'), averaged over its batches; of the last
        10,000 calls of ``partial_fit``.

    validation_scores_ : list of float or None
        R² of the validation data after each epoch; None without any.

    best_validation_score_ : float or None
        The highest of them.

    validation_loss_curve_ : list of float or None
        Mean loss of the validation data after each epoch, without the penalty.

    history_ : list of dict
        One row for each epoch: epoch, loss, learning_rate, gradient_norm (of the last
        batch), seconds; with validation data validation_score and validation_loss.

    best_n_iter_ : int
        The epoch whose weights are kept: with early stopping that of the best score, else
        the last.

    n_iter_ : int
        Number of epochs (iterations of 'lbfgs'), those of ``partial_fit`` included.

    t_ : int
        Number of rows seen in training; 0 with 'lbfgs'.

    n_layers_ : int
        Number of layers, input and output included.

    n_outputs_ : int
        Number of raw outputs.

    out_activation_ : str
        Name of the inverse link of the loss.

    n_features_in_ : int
        Number of features.

    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Names of the features, if X had names that are all strings.

    See Also
    --------
    MLPClassifier : The same for classification.

    Notes
    -----
    The same integer ``random_state`` gives scikit-learn's ``MLPRegressor`` to rounding; the
    deliberate differences stand in ``docs/differences.md``. ``predict`` works through X in
    blocks of rows and may be called from any number of threads.

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
    >>> bool(regr.score(X, y / y.std()) > 0.99)
    True
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
    ) -> MLPRegressor:
        """Fit the network to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
            Not negative; None stands for ones.
        X_val, y_val : array-like, default=None
            Validation data. With ``early_stopping`` it replaces the rows held out, else it
            is only scored after each epoch.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPRegressor
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), one_pass=False, given=given)

    def resume(
        self,
        path: str,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPRegressor:
        """Go on with a fit from a checkpoint, as if it had never stopped.

        Parameters
        ----------
        path : str
            A file that a ``Checkpoint`` callback wrote.
        X, y, sample_weight, X_val, y_val, sample_weight_val
            The same data as in that fit.

        Returns
        -------
        self : MLPRegressor

        Raises
        ------
        ValueError
            If the file is damaged, or of a fit with other parameters or other data; the
            estimator is left as it was.
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
    ) -> MLPRegressor:
        """Go on training by one pass over X, in a newly drawn order.

        Weights, optimizer state, random stream and counters are kept between calls.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
        sample_weight : array-like of shape (n_samples,), default=None
        X_val, y_val : array-like, default=None
            Validation data, scored after the pass; ``early_stopping`` needs it.
        sample_weight_val : array-like, default=None
            Weights of the validation data.

        Returns
        -------
        self : MLPRegressor
        """
        given = Rows(X_val, y_val, sample_weight_val)
        return self._fit(Rows(X, y, sample_weight), one_pass=True, given=given)

    def predict(self, X: Any) -> Array:
        """Predict targets.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        y_pred : ndarray of shape (n_samples,) or (n_samples, n_outputs)
        """
        return self._map_raw(
            X, lambda raw: self._targets.decode(self._targets.predict(raw, self._loss))
        )

    def _read_targets(self, y: Any, how: How, classes: Any) -> NumericTargets:
        n_targets = 1 if y.ndim == 1 else y.shape[1]
        # Weights that are kept are of a scale; of another width, they are refused later.
        keeps = not how.is_new and self._targets.n_targets == n_targets
        return self._targets if keeps else NumericTargets(n_targets)

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
