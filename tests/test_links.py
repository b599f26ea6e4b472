"""Inverse links: what losses publish, one column for two classes, and links of one's own."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    register,
    registry,
)
from sknn_scratch.components import (
    BinaryLogLoss,
    ExpLink,
    IdentityLink,
    LogisticLink,
    LogLoss,
    Poisson,
    Quantile,
    SoftmaxLink,
    SortedLink,
    SquaredError,
)
from sknn_scratch.contracts import Link, Loss, TargetRange
from sknn_scratch.registry import lookup, names
from sknn_scratch.testing import check_component

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3))
NUMBERS = X[:, 0] - 2 * X[:, 1]
CLASSES = np.where(NUMBERS + 0.3 * RNG.normal(size=80) > 0, "yes", "no")
SHARES = 1 / (1 + np.exp(-NUMBERS))
SMALL = {"hidden_layer_sizes": (4,), "solver": "lbfgs", "max_iter": 60, "random_state": 0}
TABULAR = {"effort": "fast", "n_ensemble": 2, "min_steps": 50, "random_state": 0}


# ------------------------------------------------------------------------------- built-in links
PUBLISHED = {
    "squared_error": ("identity", IdentityLink()),
    "absolute_error": ("identity", IdentityLink()),
    "huber": ("identity", IdentityLink()),
    "quantile": ("identity", IdentityLink()),
    "poisson": ("exp", ExpLink()),
    "gamma": ("exp", ExpLink()),
    "tweedie": ("exp", ExpLink()),
    "binary_log_loss": ("logistic", LogisticLink()),
    "log_loss": ("softmax", SoftmaxLink()),
    "focal": ("softmax", SoftmaxLink()),
}


def built_in(kind):
    return [n for n in names(kind) if lookup(kind, n).__module__.startswith("sknn_scratch.")]


def test_every_loss_is_listed():
    assert set(PUBLISHED) == set(built_in("loss"))


@pytest.mark.parametrize("name", PUBLISHED)
def test_links_of_losses(name):
    loss = lookup("loss", name)()
    assert (loss.out_activation, loss.link) == PUBLISHED[name]


def test_several_levels_are_sorted_and_still_an_identity():
    assert Quantile((0.1, 0.9)).link == SortedLink()
    assert Quantile((0.1, 0.9)).out_activation == "identity"


@pytest.mark.parametrize("name", built_in("link"))
def test_names_are_those_of_the_registry(name):
    link = lookup("link", name)()
    assert link.name == {"sorted": "identity"}.get(name, name)
    raw = np.array([[0.3, -1.2]])
    assert link.predict(raw, raw) is raw


# --------------------------------------------------------------------- one column, two classes
class Cauchit(Link):
    """arctan(raw) / π + ½."""

    symmetric = True

    def predict(self, raw, out):
        np.arctan(raw, out=out)
        out /= np.pi
        out += 0.5
        return out


class Steep(Link):
    """A logistic function with a slope of its own."""

    symmetric = True
    slope: float = 2.0

    def predict(self, raw, out):
        np.tanh(0.5 * self.slope * raw, out=out)
        out += 1
        out *= 0.5
        tiny = np.finfo(out.dtype).eps
        return np.clip(out, tiny, 1 - tiny, out=out)


class Softplus(Link):
    def predict(self, raw, out):
        return np.logaddexp(0, raw, out=out)


@pytest.mark.parametrize(
    ("link", "n_raw", "n_columns"),
    [
        (LogisticLink(), 1, 2),
        (LogisticLink(), 3, 3),
        (Cauchit(), 1, 2),
        (Steep(), 2, 2),
        (SoftmaxLink(), 1, 1),
        (SoftmaxLink(), 2, 2),
        (SoftmaxLink(), 5, 5),
        (ExpLink(), 1, 1),
    ],
)
def test_columns(link, n_raw, n_columns):
    raw = RNG.normal(size=(6, n_raw))
    whole = link.per_class(raw)
    assert link.n_columns(n_raw) == n_columns == whole.shape[1]
    np.testing.assert_array_equal(whole[:, -1], raw[:, -1])
    if link.symmetric:
        p = link.predict(whole, np.empty_like(whole))
        np.testing.assert_allclose(p.sum(axis=1), 1.0 if n_raw == 1 else p.sum(axis=1), rtol=1e-12)


@pytest.mark.parametrize("link", [LogisticLink(), SoftmaxLink(), Cauchit()], ids=repr)
def test_margin_is_positive_where_the_second_class_is_more_probable(link):
    raw = RNG.normal(size=(40, 1 if link.symmetric else 2))
    whole = link.per_class(raw)
    p = link.predict(whole, np.empty_like(whole))
    np.testing.assert_array_equal(link.margin(raw)[:, 0] > 0, p[:, 1] > p[:, 0])
    # Of weights as of outputs: both are linear.
    W, b = RNG.normal(size=(3, raw.shape[1])), RNG.normal(size=raw.shape[1])
    np.testing.assert_allclose(
        X @ link.margin(W) + link.margin(b), link.margin(X @ W + b), rtol=1e-9, atol=1e-12
    )


# ------------------------------------------------------------------------------ one's own links
class Brier(Loss):
    """½ (p - y)² with a slope by differences, so that any link will do."""

    tasks = ("binary", "multilabel")
    target_range = TargetRange(0.0, 1.0)

    def value_and_grad(self, y, raw, weight, out):
        step = np.cbrt(np.finfo(raw.dtype).eps)
        above, below = raw + step, raw - step
        slope = (self.predict(above, above) - self.predict(below, below)) / (2 * step)
        d = self.predict(raw, np.empty_like(raw)) - y
        w = 1.0 if weight is None else weight[:, None]
        np.multiply(d, slope, out=out)
        out *= w
        return float((0.5 * d**2 * w).sum())


class OwnBrier(Brier):
    link: Link = Cauchit()


class OwnSquares(SquaredError):
    """Gradients of the squared error, and any link behind it."""

    link: Link = IdentityLink()


class WritesItsOwn(Brier):
    """The same as with LogisticLink, written into the loss."""

    out_activation = "own"

    def predict(self, raw, out):
        return LogisticLink().predict(raw, out)


@pytest.mark.parametrize("link", [Cauchit(), Steep(), LogisticLink()], ids=repr)
def test_two_classes_with_any_symmetric_link(link):
    model = MLPClassifier(loss=OwnBrier(link), **SMALL).fit(X, CLASSES)
    assert (model.n_outputs_, model.out_activation_) == (1, link.name)
    p = model.predict_proba(X)
    assert p.shape == (80, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-9)
    np.testing.assert_array_equal(model.predict(X), model.classes_[p.argmax(axis=1)])
    np.testing.assert_allclose(model.predict_log_proba(X), np.log(p), rtol=1e-6)
    np.testing.assert_array_equal(model.decision_function(X) > 0, model.predict(X) == "yes")
    assert model.score(X, CLASSES) > 0.8


def test_labels_have_a_column_each():
    Y = np.column_stack([NUMBERS > 0, X[:, 2] > 0]).astype(int)
    model = MLPClassifier(loss=OwnBrier(), **SMALL).fit(X, Y)
    assert model.predict_proba(X).shape == (80, 2)
    one = MLPClassifier(loss=OwnBrier(), **SMALL).fit(X, Y[:, :1].repeat(3, axis=1))
    assert one.predict_proba(X).shape == (80, 3)


@pytest.mark.parametrize("loss", [OwnBrier(Steep()), BinaryLogLoss(), LogLoss()], ids=repr)
def test_one_class_is_certain(loss):
    model = MLPClassifier(loss=loss, **SMALL).fit(X, np.zeros(80))
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((80, 1)))
    np.testing.assert_array_equal(model.predict_log_proba(X), np.zeros((80, 1)))
    np.testing.assert_array_equal(model.predict(X), np.zeros(80))


def test_tables_take_any_symmetric_link():
    loss = OwnBrier(Steep(1.0))
    model = TabularMLPClassifier(loss=loss, **TABULAR).fit(X, CLASSES)
    p = model.predict_proba(X)
    assert p.shape == (80, 2)
    np.testing.assert_allclose(p.sum(axis=1), 1.0, rtol=1e-6)
    assert model.score(X, CLASSES) > 0.8


def test_a_link_is_searched_and_cloned():
    grid = {"loss__link": [Cauchit(), LogisticLink(), Steep()], "hidden_layer_sizes": [()]}
    model = MLPClassifier(loss=OwnBrier(), **SMALL | {"max_iter": 5})
    search = GridSearchCV(model, grid, cv=2, error_score="raise").fit(X, CLASSES)
    assert search.best_estimator_.loss.link == search.best_params_["loss__link"]
    assert clone(model).set_params(loss__link=Steep(3.0), loss__link__slope=4.0).loss == (
        OwnBrier(Steep(4.0))
    )


def test_a_link_is_registered_and_named(monkeypatch):
    monkeypatch.setitem(registry._classes, "link", dict(registry._classes["link"]))
    assert register.link("steep")(Steep) is Steep
    assert lookup("link", "steep") is Steep
    with pytest.raises(TypeError, match=r"must be a subclass of sknn_scratch\.contracts\.Link"):
        register.link("mine")(LogLoss)


@pytest.mark.parametrize(
    ("loss", "scale"),
    [
        (OwnSquares(), True),
        (OwnSquares(SortedLink()), True),
        (OwnSquares(ExpLink()), True),
        (OwnSquares(Softplus()), False),
        (OwnSquares(Cauchit()), False),
        (Poisson(), True),
    ],
    ids=repr,
)
def test_tables_scale_targets_where_the_link_allows_it(loss, scale):
    model = TabularMLPRegressor(loss=loss, link="identity", **TABULAR).fit(X, SHARES)
    assert all((member._targets.scale is not None) == scale for member in model.estimators_)


# ------------------------------------------------------------------- losses that write their own
def test_a_loss_may_write_its_own_link():
    check_component(WritesItsOwn())
    usual = MLPClassifier(loss=OwnBrier(LogisticLink()), **SMALL).fit(X, CLASSES)
    own = MLPClassifier(loss=WritesItsOwn(), **SMALL).fit(X, CLASSES)
    assert own.out_activation_ == "own"
    np.testing.assert_array_equal(own.predict_proba(X), usual.predict_proba(X))
    raw = np.array([[0.5]])
    assert own.loss.link.predict(raw, raw) is raw
    np.testing.assert_allclose(own.loss.link.per_class(raw), [[-raw[0, 0], raw[0, 0]]])


class Unscaled(SquaredError):
    out_activation = "softplus"

    def predict(self, raw, out):
        return np.logaddexp(0, raw, out=out)


def test_targets_are_not_scaled_for_an_unknown_link():
    model = TabularMLPRegressor(loss=Unscaled(), link="identity", **TABULAR).fit(X, SHARES)
    assert all(member._targets.scale is None for member in model.estimators_)
    np.testing.assert_allclose(
        MLPRegressor(loss=Unscaled(), **SMALL).fit(X, SHARES).predict(X),
        MLPRegressor(loss=OwnSquares(Softplus()), **SMALL).fit(X, SHARES).predict(X),
    )


# ------------------------------------------------------------------------------------ bad input
class OnlyNamed(SquaredError):
    out_activation = "mystery"


class BinarySquares(OwnSquares):
    tasks = ("binary",)


class Elsewhere(Softplus):
    def predict(self, raw, out):
        return np.logaddexp(0, raw)


@pytest.mark.parametrize(
    ("loss", "y", "message"),
    [
        (OwnSquares("logistic"), NUMBERS, "an instance of Link as its link. Got 'logis"),
        (
            OwnSquares(LogisticLink),
            NUMBERS,
            "an instance of Link as its link. Got <class",
        ),
        (OwnSquares(None), NUMBERS, "must have an instance of Link as its link. Got None"),
        (OnlyNamed(), NUMBERS, "Got only its name, out_activation='mystery': set link, or write"),
        (BinarySquares(), CLASSES, r"must have a symmetric .* Got link=IdentityLink\(\)"),
        (BinarySquares(SoftmaxLink()), CLASSES, r"must have a symmetric .* Got link=SoftmaxLink"),
        (OwnSquares(Elsewhere()), NUMBERS, "The link Elsewhere must write the result of predict"),
    ],
    ids=repr,
)
def test_links_that_do_not_fit(loss, y, message):
    for cls in (MLPRegressor, TabularMLPRegressor) if y is NUMBERS else (MLPClassifier,):
        own = SMALL if cls in (MLPRegressor, MLPClassifier) else TABULAR
        with pytest.raises(TypeError, match=message):
            cls(loss=loss, **own).fit(X, y)


# -------------------------------------------------------------------------- exchange of models
def test_scikit_learn_knows_built_in_links_only():
    model = MLPClassifier(loss="log_loss", **SMALL).fit(X, CLASSES).to_sklearn()
    assert (model.out_activation_, model.n_outputs_) == ("logistic", 1)
    with pytest.raises(ValueError, match="OwnBrier"):
        MLPClassifier(loss=OwnBrier(), **SMALL).fit(X, CLASSES).to_sklearn()


@pytest.fixture
def forms(monkeypatch):
    """Give a test forms of its own."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("skl2onnx")
    from sknn_scratch.interop import _onnx_forms

    monkeypatch.setattr(_onnx_forms, "_forms", dict(_onnx_forms._forms))


def exported(model):
    """Return the graph's probabilities, or predictions, for X."""
    import onnxruntime

    from sknn_scratch.onnx import to_onnx

    graph = to_onnx(model, X).SerializeToString()
    return onnxruntime.InferenceSession(graph).run(None, {"X": X})[-1]


def test_a_link_is_exported_by_its_form(forms):
    from sknn_scratch.onnx import onnx_form

    model = MLPClassifier(loss=OwnBrier(), **SMALL).fit(X, CLASSES)
    with pytest.raises(TypeError, match=r"Cauchit has no ONNX form.*onnx_form\(Cauchit\)"):
        exported(model)

    @onnx_form(Cauchit)
    def cauchit(link, graph, raw):
        angle = graph.cast(graph.op("Atan", graph.cast(raw, graph.single)), graph.kind)
        return graph.op("Add", graph.op("Mul", angle, 1 / np.pi), 0.5)

    np.testing.assert_allclose(exported(model), model.predict_proba(X), atol=1e-6)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (OwnSquares(), NUMBERS),
        (OwnSquares(ExpLink()), NUMBERS),
        (OwnBrier(LogisticLink()), CLASSES),
        (Quantile((0.2, 0.5, 0.8)), NUMBERS),
        (Quantile(0.2), NUMBERS),
        (BinaryLogLoss(), CLASSES),
        (LogLoss(), CLASSES),
    ],
    ids=repr,
)
def test_built_in_links_are_exported_with_any_loss(loss, y, forms):
    cls = MLPRegressor if y is NUMBERS else MLPClassifier
    model = cls(loss=loss, **SMALL | {"max_iter": 5}).fit(X, y)
    found = exported(model)
    wanted = model.predict(X) if y is NUMBERS else model.predict_proba(X)
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-6)


def test_the_form_of_a_loss_is_that_of_what_it_computes(forms):
    from sknn_scratch.onnx import onnx_form

    with pytest.raises(TypeError, match="OwnBrier, whose predictions its link computes"):
        onnx_form(OwnBrier)
    model = MLPClassifier(loss=WritesItsOwn(), **SMALL).fit(X, CLASSES)
    with pytest.raises(TypeError, match=r"WritesItsOwn has no ONNX form"):
        exported(model)
    onnx_form(WritesItsOwn)(lambda loss, graph, raw: graph.op("Sigmoid", raw))
    np.testing.assert_allclose(exported(model), model.predict_proba(X), atol=1e-6)


def test_logistic_link_is_that_of_a_logistic_regression():
    theirs = LogisticRegression(C=1e6).fit(X, CLASSES)
    ours = MLPClassifier(loss="binary_log_loss", alpha=0.0, **SMALL | {"hidden_layer_sizes": ()})
    p = ours.set_params(max_iter=500, tol=1e-9).fit(X, CLASSES).predict_proba(X)
    np.testing.assert_allclose(p, theirs.predict_proba(X), atol=0.01)
