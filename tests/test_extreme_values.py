"""Extreme finite numbers: results that are finite, or one ValueError that names an argument.

numpy raises at every floating-point exception here, and warnings are errors: neither may show.
"""

import re
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.base import clone, is_classifier
from sklearn.exceptions import ConvergenceWarning

from sknn_scratch import MLPClassifier, MLPRegressor, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch.components import Adam, Constant, LeakyRelu, Normal, Orthogonal
from sknn_scratch.preprocessing import TabularPreprocessor
from sknn_scratch.registry import names

#: Each fit takes milliseconds; there are many tests.
fewer, fewest = (settings(max_examples=settings().max_examples // k) for k in (4, 10))
NAMED = re.compile(r"\b(X|y|sample_weight|Sample weights|class_weight|learning_rate_init)\b")
LARGEST = float(np.finfo(np.float64).max)
#: Ends of ranges: of denormal and of normal numbers, of float32 and of float64, of squares.
ENDS = [0.0, 5e-324, 2.2e-308, 1e-300, 1e-162, 1e-45, 1e-38, 1e-19, 1.0, 1e10, 1e19, 3.4e38]
ENDS += [1e39, 1e154, 1e200, 1e300, 1e308, LARGEST]
numbers = st.sampled_from(ENDS).flatmap(lambda x: st.sampled_from([x, -x])) | st.floats(
    allow_nan=False, allow_infinity=False
)
MODELS = {
    "classifier": MLPClassifier((3,), max_iter=3, random_state=0),
    "classifier, lbfgs": MLPClassifier((3,), solver="lbfgs", max_iter=5, random_state=0),
    "classifier, float32": MLPClassifier((3,), dtype="float32", max_iter=3, random_state=0),
    "balanced": MLPClassifier((3,), class_weight="balanced", max_iter=3, random_state=0),
    "regressor": MLPRegressor(hidden_layer_sizes=(3,), max_iter=3, random_state=0),
    "regressor, lbfgs": MLPRegressor(hidden_layer_sizes=(3,), solver="lbfgs", random_state=0),
    "regressor, huber": MLPRegressor("huber", (3,), "silu", max_iter=3, random_state=0),
    "tabular classifier": TabularMLPClassifier(
        "fast", n_ensemble=2, max_iter=2, min_steps=0, random_state=0
    ),
    "tabular regressor": TabularMLPRegressor(
        "fast", n_ensemble=2, max_iter=2, min_steps=0, random_state=0
    ),
}
each_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS)


@st.composite
def tables(draw, n_rows):
    """Columns of which each is drawn anew, or constant, or of two values."""

    def column():
        values = draw(st.sampled_from([numbers, st.just(draw(numbers)), few()]))
        return draw(arrays(float, n_rows, elements=values, fill=st.nothing()))

    def few():
        return st.sampled_from([draw(numbers), draw(numbers)])

    return np.stack([column() for _ in range(draw(st.integers(1, 3)))], axis=1)


@st.composite
def problems(draw):
    """Return X, rows to predict, y of both kinds, and weights or None."""
    n = draw(st.integers(10, 16))
    X = draw(tables(n))
    far = draw(arrays(float, (4, X.shape[1]), elements=numbers))
    y = draw(arrays(float, n, elements=numbers))
    w = draw(st.none() | arrays(float, n, elements=numbers.map(abs)))
    return X, far, y, w


def answers(model, X, far, y, w):
    """Return all that a model predicts after a fit, and its score."""
    fitted = clone(model).fit(X, y, w)
    verbs = ("predict", "predict_proba", "predict_log_proba", "decision_function")
    predicted = [getattr(fitted, verb)(far) for verb in verbs if hasattr(fitted, verb)]
    assert fitted.score(X, y, w) <= 1
    return predicted


def checked(call):
    """Call with every exception on: return results, None for an error that names an argument."""
    results, message = None, ""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        try:
            results = call()
        except ValueError as error:
            message = str(error)
    assert results is not None or NAMED.search(message), message
    for result in results or ():
        assert result.dtype.kind != "f" or np.isfinite(result).all()
    return results


@each_model
@fewer
@given(problem=problems())
def test_models(model, problem):
    X, far, y, w = problem
    y = (np.arange(len(X)) % 3).astype(int) if is_classifier(model) else y
    checked(lambda: answers(model, X, far, y, w))


@fewer
@given(problem=problems(), n_bins=st.sampled_from([0, 2, 16]))
def test_preprocessor(problem, n_bins):
    X, far, _, w = problem
    made = TabularPreprocessor(n_bins=n_bins)
    results = checked(lambda: [made.fit_transform(X, sample_weight=w), made.transform(far)])
    if w is None:  # X alone is never too large
        assert results is not None
        assert all(np.abs(Z).max() <= 3 for Z in results)


@pytest.mark.parametrize("name", names("activation"))
@fewest
@given(problem=problems())
def test_activations(name, problem):
    X, far, y, w = problem
    model = MLPRegressor("absolute_error", (3,), name, max_iter=2, random_state=0)
    checked(lambda: answers(model, X, far, y, w))


@pytest.mark.parametrize(
    "params",
    [
        {"class_weight": {0: 1e300, 1: 1e-300, 2: 1.0}},
        {"class_weight": {0: 5e-324, 1: 5e-324, 2: 5e-324}},
        {"initializer": Normal(std=1e300), "dtype": "float32"},
        {"initializer": Normal(std=1e-320)},
        {"initializer": Orthogonal(gain=1e308)},
        {"activation": LeakyRelu(negative_slope=1e-320)},
        {"solver": Adam(epsilon=1e-320)},
        {"solver": "sgd", "learning_rate": Constant(), "learning_rate_init": 1e308},
        {"learning_rate_init": 5e-324},
        {"alpha": 1e308},
        {"tol": 1e308},
        {"early_stopping": True, "validation_fraction": 0.3},
    ],
    ids=str,
)
@fewest
@given(problem=problems())
def test_extreme_parameters(params, problem):
    X, far, _, w = problem
    X = np.clip(X, -1e30, 1e30)  # larger ones would be all that an error is about
    model = MLPClassifier((3,), max_iter=3, random_state=0).set_params(**params)
    checked(lambda: answers(model, X, far, np.arange(len(X)) % 3, w))
