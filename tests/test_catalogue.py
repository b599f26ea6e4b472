"""Every optimizer, activation and loss in an estimator, as scikit-learn's users meet them."""

import re

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import scale
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import check_estimator

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import (
    SGD,
    Adam,
    AdamW,
    AddDecayedWeights,
    Chain,
    ClipByNorm,
    ClipByValue,
    Cosine,
    Focal,
    Gamma,
    Gelu,
    GroupRates,
    HeNormal,
    Huber,
    InvScaling,
    LeakyRelu,
    LinearWarmup,
    LogLoss,
    OneCycle,
    Poisson,
    Quantile,
    Relu,
    SquaredError,
    Tanh,
    Tweedie,
)
from sknn_scratch.contracts import Loss
from sknn_scratch.registry import lookup
from sknn_scratch.registry import names as all_names

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

# ------------------------------------------------------------------- scikit-learn's own checks
# Step sizes that suit small data; 0.01 for what is not named here.
RATES = {"sgd": 0.05, "adagrad": 0.1, "lion": 0.003}
CHAIN = Chain([("clip", ClipByNorm()), ("adam", Adam()), ("decay", AddDecayedWeights())])
SEVERAL_LEVELS = Quantile((0.1, 0.5, 0.9))


def names(kind):
    """Return the names of the built-ins: other tests may have registered their own."""
    return [n for n in all_names(kind) if lookup(kind, n).__module__.startswith("sknn_scratch.")]


def estimator(cls, name="adam", **params):
    return cls(hidden_layer_sizes=(20,), learning_rate_init=RATES.get(name, 0.01), **params)


def class_for(loss):
    """Return the estimator that the loss is for."""
    return MLPRegressor if "regression" in loss.tasks else MLPClassifier


def cases():
    """Yield (id, estimator); classifier and regressor in turn where both will do."""
    both = [MLPClassifier, MLPRegressor]
    for k, name in enumerate(names("optimizer")):
        for cls in both if k % 2 else both[::-1]:
            yield f"{name}-{cls.__name__}", estimator(cls, name, solver=name)
    yield "chain", estimator(MLPClassifier, solver=CHAIN)
    for k, name in enumerate(names("activation")):
        for cls in both if k % 2 else both[::-1]:
            yield f"{name}-{cls.__name__}", estimator(cls, activation=name)
    yield "gelu tanh", estimator(MLPRegressor, activation=Gelu("tanh"))
    for name in names("loss"):
        yield name, estimator(class_for(lookup("loss", name)), loss=name)
    yield "label_smoothing", estimator(MLPClassifier, loss=LogLoss(label_smoothing=0.1))
    yield "0.4 quantile", estimator(MLPRegressor, loss=Quantile(0.4))
    yield "three quantiles", estimator(MLPRegressor, loss=SEVERAL_LEVELS)
    yield "positive and negative", estimator(MLPRegressor, loss=Tweedie(0))


# A few of each kind run always, all of them with the slow tests.
SAMPLE = {
    "adamw-MLPClassifier",
    "lion-MLPRegressor",
    "chain",
    "selu-MLPClassifier",
    "gelu-MLPRegressor",
    "focal",
    "gamma",
    "poisson",
    "three quantiles",
}
CASES = [
    pytest.param(case, id=name, marks=[] if name in SAMPLE else pytest.mark.slow)
    for name, case in cases()
]
# What cannot hold, and why.
COLUMNS = "it asks for predictions in the shape of y; several quantile levels have a column each"
EXEMPT = {
    SEVERAL_LEVELS: {
        "check_regressors_train": COLUMNS,
        "check_estimator_sparse_array": COLUMNS,
        "check_estimator_sparse_matrix": COLUMNS,
    },
    Tweedie(0): {"check_regressors_train": "it scores on negative y; predictions are positive"},
}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("case", CASES)
def test_check_estimator(case):
    exempt = EXEMPT.get(case.loss, {})
    results = check_estimator(case, expected_failed_checks=exempt, on_skip=None, on_fail=None)
    by_status = {}
    for result in results:
        by_status.setdefault(result["status"], []).append(result)
    failed = [(r["check_name"], r["exception"]) for r in by_status.get("failed", [])]
    assert not failed
    assert {r["check_name"] for r in by_status.get("xfail", [])} == set(exempt)
    # The array API needs an environment variable before scipy is imported.
    assert {r["check_name"] for r in by_status.get("skipped", [])} <= {"check_array_api_input"}
    assert len(by_status["passed"]) >= 54


def test_no_component_is_left_out():
    known = {param.id.split("-")[0] for param in CASES}
    assert {*names("optimizer"), *names("activation"), *names("loss")} <= known
    assert {param.id for param in CASES} >= SAMPLE


@pytest.mark.parametrize("name", names("loss"))
def test_tags_follow_the_loss(name):
    loss = lookup("loss", name)()
    tags = get_tags(class_for(loss)(loss=loss))
    if tags.estimator_type == "classifier":
        assert tags.classifier_tags.multi_class == ("multiclass" in loss.tasks)
        assert tags.classifier_tags.multi_label == ("multilabel" in loss.tasks)
    else:
        assert tags.target_tags.positive_only == (name in ("poisson", "gamma", "tweedie"))
    assert get_tags(class_for(loss)(loss=name)) == tags


# ---------------------------------------------------------------------- several quantile levels
LEVELS = (0.1, 0.5, 0.9)


def noisy(n, seed):
    """Return X, and y whose noise grows with the distance from 0."""
    rng = np.random.default_rng(seed)
    X = rng.uniform(-1, 1, size=(n, 1))
    return X, X[:, 0] + (0.2 + np.abs(X[:, 0])) * rng.normal(size=n)


@pytest.fixture(scope="module")
def quantiles():
    regressor = MLPRegressor(Quantile(LEVELS), (20,), learning_rate_init=0.01, random_state=0)
    return regressor.set_params(max_iter=60, n_iter_no_change=np.inf).fit(*noisy(2000, 0))


def test_levels_cover_what_they_say(quantiles):
    X, y = noisy(4000, 1)
    y_pred = quantiles.predict(X)
    assert y_pred.shape == (4000, 3)
    coverage = (y[:, None] <= y_pred).mean(axis=0)
    np.testing.assert_allclose(coverage, LEVELS, atol=0.04)
    for part in (X[:, 0] < -0.5, np.abs(X[:, 0]) < 0.3, X[:, 0] > 0.5):
        np.testing.assert_allclose((y[part, None] <= y_pred[part]).mean(axis=0), LEVELS, atol=0.1)


def test_levels_never_cross():
    X, y = noisy(30, 0)
    regressor = MLPRegressor(Quantile((0.45, 0.5, 0.55)), max_iter=2, random_state=0).fit(X, y)
    y_pred = regressor.predict(noisy(500, 1)[0])
    assert (np.diff(y_pred, axis=1) >= 0).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_score_is_the_mean_d2_pinball_score(quantiles, weighted):
    X, y = noisy(300, 2)
    weight = np.linspace(0, 2, 300) if weighted else None
    y_pred = quantiles.predict(X)
    each = [
        d2_pinball_score(y, y_pred[:, k], alpha=level, sample_weight=weight)
        for k, level in enumerate(LEVELS)
    ]
    assert quantiles.score(X, y, weight) == pytest.approx(np.mean(each), rel=1e-12)
    assert quantiles.score(X, y, weight) > 0.2


def test_levels_in_cross_validation_and_early_stopping():
    X, y = noisy(300, 0)
    regressor = MLPRegressor(
        Quantile(LEVELS), (10,), early_stopping=True, max_iter=20, learning_rate_init=0.01
    ).set_params(random_state=0)
    assert np.isfinite(cross_val_score(regressor, X, y, cv=3)).all()
    regressor.fit(X, y)
    assert len(regressor.validation_scores_) == regressor.n_iter_
    assert regressor.best_validation_score_ <= 1
    regressor.set_params(early_stopping=False).partial_fit(X, y)
    assert regressor.predict(X).shape == (300, 3)


@pytest.mark.parametrize("level", [0.25, (0.25,)])
def test_a_single_level_predicts_in_the_shape_of_y(level):
    X, y = noisy(400, 0)
    regressor = MLPRegressor(Quantile(level), (10,), learning_rate_init=0.02, random_state=0)
    y_pred = regressor.set_params(max_iter=60).fit(X, y).predict(X)
    assert y_pred.shape == (400,)
    assert np.mean(y <= y_pred) == pytest.approx(0.25, abs=0.06)
    assert regressor.score(X, y) == pytest.approx(r2_score(y, y_pred))
    two = MLPRegressor(Quantile(level), max_iter=2).fit(X, np.column_stack([y, -y]))
    assert two.predict(X).shape == (400, 2)


def test_levels_can_be_searched():
    X, y = noisy(60, 0)
    grid = {"loss__level": [LEVELS, 0.5], "hidden_layer_sizes": [(3,), ()]}
    regressor = MLPRegressor(Quantile(), max_iter=2, random_state=0)
    search = GridSearchCV(regressor, grid, cv=2, error_score="raise").fit(X, y)
    assert search.predict(X).shape[0] == 60


# ------------------------------------------------------------- components as nested parameters
IRIS = scale(load_iris().data), load_iris().target
NESTED = {
    "solver": AdamW(weight_decay=0.1),
    "activation": Gelu(),
    "learning_rate": LinearWarmup(Cosine(restarts=1), warmup=0.2),
    "loss": LogLoss(label_smoothing=0.1),
    "initializer": HeNormal(),
}


def nested(**params):
    return MLPClassifier(**{"hidden_layer_sizes": (6,), "max_iter": 3, "random_state": 0} | params)


@pytest.mark.slow
def test_grid_search_over_nested_parameters():
    grid = {
        "solver__weight_decay": [0.0, 0.5],
        "activation": ["relu", Gelu()],
        "learning_rate__warmup": [0.0, 0.5],
    }
    classifier = nested(solver=AdamW(), learning_rate=LinearWarmup(Cosine()))
    search = GridSearchCV(classifier, grid, cv=2, error_score="raise", n_jobs=2).fit(*IRIS)
    assert len(search.cv_results_["params"]) == 8
    assert len(set(search.cv_results_["mean_test_score"])) > 2
    best = search.best_estimator_
    assert best.solver == AdamW(weight_decay=search.best_params_["solver__weight_decay"])
    assert best.learning_rate.warmup == search.best_params_["learning_rate__warmup"]
    assert best.activation == search.best_params_["activation"]
    by_hand = clone(classifier).set_params(**search.best_params_).fit(*IRIS)
    np.testing.assert_array_equal(by_hand.theta_, best.theta_)
    assert classifier.solver == AdamW()
    assert "weight_decay" in repr(search)


def test_grid_search_over_the_parts_of_a_chain():
    grid = {
        "solver__adam__beta_1": [0.5, 0.9],
        "solver__clip": [ClipByNorm(0.1), ClipByValue(0.1)],
    }
    search = GridSearchCV(nested(solver=CHAIN), grid, cv=2, error_score="raise").fit(*IRIS)
    parts = dict(search.best_estimator_.solver.steps)
    assert parts["adam"].beta_1 == search.best_params_["solver__adam__beta_1"]
    assert parts["clip"] == search.best_params_["solver__clip"]


def test_get_params_goes_down():
    deep = nested(**NESTED).get_params(deep=True)
    assert deep["solver__weight_decay"] == 0.1
    assert deep["learning_rate__warmup"] == 0.2
    assert deep["learning_rate__schedule"] == Cosine(restarts=1)
    assert deep["learning_rate__schedule__restarts"] == 1
    assert deep["activation__approximate"] == "none"
    assert deep["loss__label_smoothing"] == 0.1
    shallow = nested(**NESTED).get_params(deep=False)
    assert not any("__" in key for key in shallow)
    assert not any("__" in key for key in nested().get_params())
    chain = nested(solver=CHAIN).get_params()
    assert chain["solver__adam"] == Adam()
    assert chain["solver__clip__max_norm"] == 1.0


def test_set_params_takes_what_get_params_gives():
    classifier, other = nested(**NESTED), nested()
    assert other.set_params(**classifier.get_params(deep=False)).get_params() == (
        classifier.get_params()
    )
    # Nested ones along with the components that they are part of, in any order.
    deep = classifier.get_params()
    backwards = dict(reversed(deep.items()))
    assert nested().set_params(**backwards).get_params() == deep


@pytest.mark.parametrize(
    ("changes", "parameter", "desired"),
    [
        ({"solver__weight_decay": 0.2}, "solver", AdamW(weight_decay=0.2)),
        ({"solver__beta_1": 0.5, "solver__beta_2": 0.9}, "solver", AdamW(0.5, 0.9, 1e-8, 0.1)),
        ({"solver": SGD(), "solver__momentum": 0.5}, "solver", SGD(0.5)),
        ({"solver__momentum": 0.5, "solver": SGD()}, "solver", SGD(0.5)),
        ({"solver": CHAIN, "solver__adam": SGD()}, "solver", CHAIN.evolve(adam=SGD())),
        (
            {"learning_rate__schedule__restarts": 4},
            "learning_rate",
            LinearWarmup(Cosine(restarts=4), 0.2),
        ),
        (
            {"learning_rate__schedule": OneCycle(), "learning_rate__schedule__end": 0.1},
            "learning_rate",
            LinearWarmup(OneCycle(end=0.1), 0.2),
        ),
        ({"activation": "tanh"}, "activation", "tanh"),
    ],
)
def test_set_params_replaces(changes, parameter, desired):
    classifier = nested(**NESTED)
    twin = clone(classifier)
    assert classifier.set_params(**changes) is classifier
    assert getattr(classifier, parameter) == desired
    assert twin.get_params() == nested(**NESTED).get_params()


def test_clones_share_components():
    classifier = nested(**NESTED)
    twin = clone(classifier)
    assert all(getattr(twin, name) is getattr(classifier, name) for name in NESTED)
    layers = nested(hidden_layer_sizes=(3, 3), activation=[Relu(), "tanh"])
    assert clone(layers).activation == layers.activation


def test_repr_shows_components():
    text = re.sub(r"\s+", " ", repr(nested(**NESTED)))
    for component in NESTED.values():
        assert repr(component) in text or repr(component)[:60] in text
    html = nested(**NESTED)._repr_html_()
    assert "AdamW" in html
    assert "weight_decay" in html
    assert "LinearWarmup" in html
    assert "AdamW" in nested(solver=AdamW()).fit(*IRIS)._repr_html_()


# ------------------------------------------------------------------------ what bad input gets
FEATURES = np.random.default_rng(0).normal(size=(30, 2))
TARGETS = {
    "two classes": (FEATURES[:, 0] > 0).astype(int),
    "three classes": np.arange(30) % 3,
    "labels": (FEATURES > 0).astype(int),
    "numbers": FEATURES[:, 0],
    "counts from 0": np.arange(30) % 4,
}
TWO = {"hidden_layer_sizes": (3, 3)}
BAD = [
    # An object of the wrong kind.
    (MLPClassifier, {"solver": Relu()}, r"'solver' .* must be a name .*Got Relu\(\)"),
    (MLPClassifier, {"activation": Adam()}, "'activation' .* an instance of Activation.*Got Adam"),
    (MLPClassifier, {"activation": ["relu", Adam()]}, "'activation' .* one for each hidden layer"),
    (MLPClassifier, {"learning_rate": 0.1}, r"an instance of Schedule.*Got 0\.1"),
    (MLPClassifier, {"learning_rate": SGD()}, "an instance of Schedule.*Got SGD"),
    (MLPClassifier, {"loss": Relu()}, r"an instance of Loss.*Got Relu\(\)"),
    (MLPClassifier, {"initializer": np.zeros}, "an instance of Initializer.*Got <built-in"),
    (MLPClassifier, {"solver": ClipByNorm()}, r"Got ClipByNorm.*Chain\("),
    # A class instead of an instance.
    (MLPClassifier, {"solver": Adam}, r"Write (solver=)?Adam\("),
    (MLPClassifier, {"activation": Relu}, r"Write (activation=)?Relu\("),
    (MLPClassifier, {"activation": [Relu, Gelu()]} | TWO, r"Write (activation=)?.*Relu\("),
    (MLPClassifier, {"learning_rate": Cosine}, r"Write (learning_rate=)?Cosine\("),
    (MLPClassifier, {"loss": LogLoss}, r"Write (loss=)?LogLoss\("),
    (MLPClassifier, {"initializer": HeNormal}, r"Write (initializer=)?HeNormal\("),
    # An unknown name.
    (MLPClassifier, {"solver": "adma"}, r"Did you mean 'adam'\?.*@register\.optimizer\('adma'\)"),
    (MLPClassifier, {"solver": "lbfg"}, r"Did you mean 'lbfgs'\?"),
    (MLPClassifier, {"activation": "gelou"}, r"Did you mean 'gelu'\?.*@register\.activation"),
    (MLPClassifier, {"activation": ("relu", "gelou")} | TWO, r"Did you mean 'gelu'\?"),
    (MLPClassifier, {"learning_rate": "cosin"}, r"Did you mean 'cosine'\?.*@register\.schedule"),
    (MLPClassifier, {"loss": "focall"}, r"Did you mean 'focal'\?.*@register\.loss"),
    (MLPClassifier, {"initializer": "henormal"}, r"Did you mean 'he_normal'\?"),
    # A flat parameter beside an instance.
    (MLPClassifier, {"solver": AdamW(), "beta_1": 0.5}, r"write solver=AdamW\(beta_1=0\.5\)"),
    (MLPClassifier, {"solver": SGD(), "beta_1": 0.5}, "leave beta_1 out"),
    (MLPClassifier, {"solver": CHAIN, "epsilon": 0.5}, "leave epsilon out"),
    (
        MLPClassifier,
        {"learning_rate": InvScaling(), "power_t": 0.3},
        r"write learning_rate=InvScaling\(power_t=0\.3\)",
    ),
    # A flat parameter beside a name that does not listen to it.
    (MLPClassifier, {"solver": "adamw", "beta_1": 0.5}, r"write solver=AdamW\(beta_1=0\.5\)"),
    # Activations that are not one for each layer.
    (MLPClassifier, {"activation": ["relu"] * 3} | TWO, "a single activation or a sequence of 2"),
    (MLPClassifier, {"activation": ()} | TWO, "a single activation or a sequence of 2"),
    # A group that there is not.
    (
        MLPClassifier,
        {"solver": Chain([("sgd", SGD()), ("rates", GroupRates([("W7", 0.1)]))])},
        r"names are among 'W0', 'W1', 'b0', 'b1', 'decayed'",
    ),
]


@pytest.mark.parametrize(
    ("cls", "params", "message"), BAD, ids=[f"{params}" for _, params, _ in BAD]
)
def test_what_bad_input_gets(cls, params, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        cls(**params).fit(FEATURES, TARGETS["two classes"])


@pytest.mark.parametrize(
    ("cls", "loss", "targets", "message"),
    [
        (MLPRegressor, "log_loss", "numbers", "use loss='squared_error'"),
        (MLPRegressor, Focal(), "numbers", "use loss='squared_error'"),
        (MLPClassifier, "squared_error", "two classes", "use loss='log_loss'"),
        (MLPClassifier, Huber(), "three classes", "use loss='log_loss'"),
        (MLPClassifier, Focal(), "labels", "use loss='log_loss'"),
        (MLPClassifier, "binary_log_loss", "three classes", "use loss='log_loss'"),
        (MLPRegressor, "gamma", "counts from 0", "must be > 0 with loss='gamma'.* transform y"),
        (MLPRegressor, Gamma(), "numbers", r"must be > 0 with loss=Gamma\(\)"),
        (MLPRegressor, Tweedie(2.5), "counts from 0", "must be > 0 .* choose another loss"),
        (MLPRegressor, Poisson(), "numbers", "must be >= 0 .* choose another loss"),
        (MLPRegressor, Quantile((0.1, 0.9)), "labels", "fit one estimator for each, or choose"),
    ],
    ids=str,
)
def test_what_a_loss_that_does_not_fit_gets(cls, loss, targets, message):
    with pytest.raises(ValueError, match=message):
        cls(loss=loss).fit(FEATURES, TARGETS[targets])


@pytest.mark.parametrize(
    ("params", "changes", "message"),
    [
        ({}, {"solver__beta_1": 0.5}, "solver is 'adam', which has no parameters of its own. Pass"),
        ({}, {"activation__approximate": "tanh"}, "activation is 'relu', which has no .* Pass an"),
        ({"solver": Adam()}, {"solver__beta1": 0.5}, r"Valid parameters are: \['beta_1', 'beta_2'"),
        ({"solver": Adam()}, {"solver__beta_1": 5}, r"'beta_1' .* of Adam must be a number in"),
        ({"solver": CHAIN}, {"solver__clop": SGD()}, r"\['steps', 'clip', 'adam', 'decay'\]"),
        ({"solver": CHAIN}, {"solver__adam__beta": 1}, r"Valid parameters are: \['beta_1'"),
        ({"solver": Adam()}, {"solver__beta_1__x": 1}, "beta_1__x cannot be set"),
        ({}, {"slover__beta_1": 1}, "Invalid parameter slover"),
        ({"activation": (Tanh(), LeakyRelu())}, {"activation__0": 1}, "Invalid parameter"),
    ],
    ids=str,
)
def test_what_a_wrong_nested_parameter_gets(params, changes, message):
    classifier = MLPClassifier(**params)
    before = classifier.get_params()
    with pytest.raises(ValueError, match=message):
        classifier.set_params(**changes)
    assert classifier.get_params() == before


def test_losses_are_what_the_catalogue_says():
    by_task = {
        task: {name for name in names("loss") if task in lookup("loss", name).tasks}
        for task in ("regression", "binary", "multiclass", "multilabel")
    }
    assert by_task["multiclass"] == {"log_loss", "focal"}
    assert by_task["binary"] == {"log_loss", "focal", "binary_log_loss"}
    assert by_task["multilabel"] == {"log_loss", "binary_log_loss"}
    assert isinstance(SquaredError(), Loss)
    assert len(by_task["regression"]) == 7
