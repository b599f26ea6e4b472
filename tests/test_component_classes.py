"""A component's class, however it is written and however it is copied, is one frozen dataclass."""

import copy
import pickle
import subprocess
import sys
import textwrap
from dataclasses import FrozenInstanceError, dataclass, field, fields

import cloudpickle
import dill
import numpy as np
import pytest

from sknn_scratch import MLPClassifier
from sknn_scratch.components import SGD
from sknn_scratch.contracts import Activation, Component, Initializer, Optimizer, Schedule
from sknn_scratch.testing import parametrize_with_component_checks

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


class Plain(Activation):
    beta: float = 2.0
    needs_input = True

    def __post_init__(self):
        self.require_number("beta", 0, 9)

    def forward(self, z, out):
        return np.divide(z, self.beta + np.abs(z), out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, self.beta / (self.beta + np.abs(z)) ** 2, out=out)


@dataclass(frozen=True)
class Decorated(Plain):
    kind: str = "decorated"


@dataclass(frozen=True, slots=True)
class Slotted(Plain):
    kind: str = "slotted"


@dataclass(frozen=True, kw_only=True)
class ByKeyword(Plain):
    kind: str = "by keyword"


@dataclass(frozen=True, order=True)
class Ordered(Plain):
    kind: str = "ordered"


class BelowDecorated(Decorated):
    more: int = 1

    def __post_init__(self):
        super().__post_init__()
        self.require_integer("more", 0)


class BelowSlotted(Slotted):
    more: int = 1


@dataclass(frozen=True)
class WithFactory(Plain):
    names: tuple = field(default_factory=tuple)
    hidden: int = field(default=3, repr=False, metadata={"unit": "s"})


@dataclass(frozen=True)
class FirstKind(Schedule):
    """No class between it and the contract."""

    factor: float = 0.5

    def __call__(self, progress):
        return self.factor


@dataclass(frozen=True, slots=True)
class Around(Optimizer):
    """A component within a component."""

    inner: Optimizer = field(default_factory=lambda: SGD(momentum=0.5))

    def init(self, theta, groups):
        return self.inner.init(theta, groups)

    def update(self, direction, state, theta, lr, scratch):
        self.inner.update(direction, state, theta, lr, scratch)


@dataclass(frozen=True)
class NoFields(Initializer):
    def fill(self, W, b, rng, site):
        W[...] = rng.standard_normal(W.shape) / np.sqrt(len(W))
        b[...] = 0.0


FORMS = [
    Plain(beta=0.5),
    Decorated(beta=0.5, kind="x"),
    Slotted(beta=0.5, kind="x"),
    ByKeyword(beta=0.5, kind="x"),
    Ordered(beta=0.5),
    BelowDecorated(more=4),
    BelowSlotted(beta=0.5, more=4),
    WithFactory(names=("a",)),
    FirstKind(factor=0.25),
    Around(SGD(momentum=0.25)),
    NoFields(),
]
each_form = pytest.mark.parametrize("component", FORMS, ids=lambda form: type(form).__name__)


def as_value(component):
    """All that makes a component a value."""
    names = [part.name for part in fields(component)]
    return names, repr(component), component.get_params(), component == component.evolve()


def assert_frozen(component):
    for name in (*component.get_params(deep=False), "an_attribute_of_this_test"):
        with pytest.raises(FrozenInstanceError, match=f"cannot assign to field '{name}'"):
            setattr(component, name, 1)
        with pytest.raises(FrozenInstanceError, match=f"cannot delete field '{name}'"):
            delattr(component, name)


@parametrize_with_component_checks(FORMS)
def test_keeps_its_contract(check):
    check()


@each_form
def test_is_frozen(component):
    assert_frozen(component)


COPIES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    **{f"pickle {n}": lambda one, n=n: pickle.loads(pickle.dumps(one, n)) for n in range(2, 6)},
    "cloudpickle": lambda one: cloudpickle.loads(cloudpickle.dumps(one)),
    "dill": lambda one: dill.loads(dill.dumps(one)),
}


@pytest.mark.parametrize("again", COPIES.values(), ids=list(COPIES))
@each_form
def test_copies_are_equal(component, again):
    found = again(component)
    assert found == component
    assert hash(found) == hash(component)
    assert as_value(found) == as_value(component)
    assert_frozen(found)


@each_form
def test_a_class_without_an_address(component):
    """dill takes it to pieces, and makes one anew of its dict."""
    cls = type(component)
    local = type(f"Local{cls.__name__}", (cls,), {"__module__": "__main__", "__qualname__": "f.L"})
    one = local(**component.get_params(deep=False))
    for found in (dill.loads(dill.dumps(one)), cloudpickle.loads(cloudpickle.dumps(one))):
        assert as_value(found) == as_value(one)
        assert_frozen(found)


def test_what_the_decorator_says_of_fields_is_kept():
    (_, names, hidden) = fields(WithFactory)
    assert names.default_factory is tuple
    assert WithFactory() == WithFactory(names=())
    assert WithFactory().hidden == hidden.default == 3
    assert [part.name for part in fields(ByKeyword) if part.kw_only] == ["kind"]


def test_a_decorator_that_thaws():
    with pytest.raises(TypeError, match="non-frozen dataclass from a frozen one"):

        @dataclass
        class Thawed(Plain):
            kind: str = "thawed"


@pytest.mark.parametrize("name", ["__setattr__", "__delattr__"])
def test_what_would_thaw_it(name):
    with pytest.raises(TypeError, match=name):
        type("Changing", (Plain,), {name: getattr(object, name)})


# ------------------------------------------------------------------------------ another process
HEAD = """
    import sys, pickle, warnings
    from dataclasses import dataclass, field, fields
    import cloudpickle, dill, numpy as np
    from sknn_scratch import MLPClassifier
    from sknn_scratch.contracts import Activation
    """
CLASSES = """
    class Plain(Activation):
        beta: float = 2.0
        def __post_init__(self): self.require_number("beta", 0, 9)
        def forward(self, z, out): return np.multiply(z, self.beta, out=out)
        def backward(self, grad, a, z, out): return np.multiply(grad, self.beta, out=out)
    class Below(Plain):
        gamma: int = 1
        def __post_init__(self):
            super().__post_init__()
            self.require_integer("gamma", 0)
    class Lists(Plain):
        names: tuple = field(default_factory=tuple)
    @dataclass(frozen=True)
    class Decorated(Plain):
        names: tuple = field(default_factory=tuple)
    @dataclass(frozen=True, slots=True)
    class Slotted(Plain):
        gamma: int = 3
    class Last(Slotted):
        delta: int = 4
    def local():
        class Local(Plain):
            gamma: int = 5
        return Local
    forms = [Plain(0.5), Below(gamma=2), Lists(), Decorated(), Slotted(), Last(), local()()]
    """
WRITE = """
    warnings.simplefilter("ignore")
    X = np.linspace(-1, 1, 40).reshape(20, 2)
    model = MLPClassifier(3, activation=Below(0.5), max_iter=2, random_state=0)
    model.fit(X, np.arange(20) % 2)
    whole = forms, model, X, model.predict_proba(X)
    with open(sys.argv[1], "wb") as file:
        ways = dill.dumps(whole), dill.dumps(whole, recurse=True), cloudpickle.dumps(whole)
        pickle.dump(ways, file)
    """
READ = """
    for text in pickle.load(open(sys.argv[1], "rb")):
        forms, model, X, expected = dill.loads(text)
        np.testing.assert_array_equal(model.predict_proba(X), expected)
        model.set_params(activation__beta=0.25).partial_fit(X, np.arange(20) % 2)
        for one in forms:
            (twin,) = {one, one.evolve(**one.get_params())}
            text = repr(one.evolve(beta=9.0)).removeprefix("local.<locals>.")
            print(text, [part.name for part in fields(one)])
            for name in ("beta", "new"):
                try: setattr(one, name, 1)
                except AttributeError: continue
                raise SystemExit(f"{one} can be changed")
    """
EXPECTED = """
    Plain(beta=9.0) ['beta']
    Below(beta=9.0, gamma=2) ['beta', 'gamma']
    Lists(beta=9.0, names=()) ['beta', 'names']
    Decorated(beta=9.0, names=()) ['beta', 'names']
    Slotted(beta=9.0, gamma=3) ['beta', 'gamma']
    Last(beta=9.0, gamma=3, delta=4) ['beta', 'gamma', 'delta']
    Local(beta=9.0, gamma=5) ['beta', 'gamma']
    """


def run(code, *arguments):
    command = [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_classes_of_main_in_another_process(tmp_path):
    file = tmp_path / "components"
    run(HEAD + CLASSES + WRITE, file)
    lines = textwrap.dedent(EXPECTED).strip().splitlines()
    assert run(HEAD + READ, file).splitlines() == 3 * lines


def test_a_fit_with_each_form():
    X, y = np.linspace(-1, 1, 40).reshape(20, 2), np.arange(20) % 2
    reference = MLPClassifier(3, activation=Plain(), max_iter=2, random_state=0).fit(X, y)
    for form in (form for form in FORMS if isinstance(form, Plain)):
        one = MLPClassifier(3, activation=form.evolve(beta=2.0), max_iter=2, random_state=0)
        np.testing.assert_array_equal(one.fit(X, y).theta_, reference.theta_)
    assert all(isinstance(form, Component) for form in FORMS)
