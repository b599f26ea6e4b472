"""Files of skops: round trips with no type left to trust, and what a bad file gets."""

import datetime
import json
import pickle
import time
import warnings
import zipfile

import numpy as np
import pytest
from sklearn.compose import make_column_transformer
from sklearn.exceptions import ConvergenceWarning
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sknn_scratch import (
    MLPClassifier,
    MLPRegressor,
    TabularMLPClassifier,
    TabularMLPRegressor,
    components,
)
from sknn_scratch.components import AdamW, Chain, Checkpoint, ClipByNorm, CSVLog, GroupRates
from sknn_scratch.contracts import Activation, Component
from sknn_scratch.interop import TRUSTED_TYPES, load_skops
from sknn_scratch.preprocessing._categories import Levels

io = pytest.importorskip("skops.io")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
SIGNS = (X > 0).astype(int)
WORDS = np.array(["a", "b"])[SIGNS[:, 0]]
# What a component needs to be made.
FIELDS = {
    "CSVLog": {"path": "log.csv"},
    "Chain": {"steps": (("clip", ClipByNorm(1.0)), ("rule", AdamW()))},
    "Checkpoint": {"path": "run.npz"},
    "GroupRates": {"factors": (("W0", 0.5),)},
}


def fitted(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return model.fit(X, y)


def round_trip(value):
    """The value after a round trip in which our list is all that is trusted."""
    data = io.dumps(value)
    assert set(io.get_untrusted_types(data=data)) <= set(TRUSTED_TYPES)
    return io.loads(data, trusted=TRUSTED_TYPES)


@pytest.mark.parametrize("name", components.__all__)
def test_every_component(name):
    component = getattr(components, name)(**FIELDS.get(name, {}))
    assert round_trip(component) == component


@pytest.mark.parametrize(
    ("model", "y"),
    [
        (MLPClassifier((5,), max_iter=3), SIGNS[:, 0]),
        (
            MLPClassifier((5,), max_iter=3, loss="binary_log_loss"),
            np.array(["a", "b"])[SIGNS[:, 0]],
        ),
        (MLPClassifier((5,), max_iter=3, early_stopping=True, dropout=0.1), SIGNS),
        (MLPRegressor("poisson", (5, 4), max_iter=3, activation=["relu", "gelu"]), SIGNS[:, 0]),
        (MLPRegressor(components.Quantile((0.1, 0.9)), max_iter=3, ema_decay=0.9), X[:, 0]),
        (MLPRegressor(max_iter=3, solver="lbfgs"), X[:, :2]),
        (
            MLPClassifier(
                (5,),
                max_iter=3,
                solver=Chain([("clip", ClipByNorm(1.0)), ("rule", AdamW())]),
                learning_rate=components.LinearWarmup(),
                callbacks=[components.PrintProgress()],
                shuffle=components.Blocks(size=7),
            ),
            X.argmax(axis=1),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_fitted_pipeline(model, y):
    columns = make_column_transformer((MinMaxScaler(), [0]), remainder="passthrough")
    before = fitted(make_pipeline(StandardScaler(), columns, model.set_params(random_state=0)), y)
    after = round_trip(before)
    np.testing.assert_array_equal(after.predict(X), before.predict(X))
    np.testing.assert_array_equal(after[-1].theta_, before[-1].theta_)
    assert after[-1].get_params() == before[-1].get_params()
    assert after[-1].history_ == before[-1].history_


@pytest.mark.parametrize("estimator", [TabularMLPClassifier, TabularMLPRegressor])
def test_a_fitted_tabular_estimator(estimator):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abc"))
    frame["word"] = pandas.Categorical(WORDS)
    frame["day"] = pandas.date_range("2020-01-01", periods=len(X))
    before = estimator(effort="fast", max_iter=2, random_state=0).fit(frame, SIGNS[:, 1])
    np.testing.assert_array_equal(round_trip(before).predict(frame), before.predict(frame))


DAYS = [datetime.date(2020, 1, 1 + day) for day in range(3)]
PLACES = X.argmax(axis=1)
CATEGORIES = {
    "bool": lambda pd: PLACES == 1,
    "nullable bool": lambda pd: pd.array([True, False, None], dtype="boolean")[PLACES],
    "int": lambda pd: pd.Categorical(PLACES),
    "float": lambda pd: pd.Categorical(PLACES + 0.5),
    "string": lambda pd: np.array(["a", "b", "c"])[PLACES],
    "bool and string": lambda pd: np.array([True, False, "c"], dtype=object)[PLACES],
    "tuple": lambda pd: pd.Series([(place, True) for place in PLACES]),
    "date": lambda pd: pd.Categorical([DAYS[place] for place in PLACES]),
    "timestamp": lambda pd: pd.Categorical(pd.to_datetime([DAYS[place] for place in PLACES])),
    "time zone": lambda pd: pd.Categorical(
        pd.to_datetime([DAYS[place] for place in PLACES]).tz_localize(datetime.UTC)
    ),
}


@pytest.mark.parametrize("name", CATEGORIES)
def test_categories(name, tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"x": X[:, 0], "level": CATEGORIES[name](pandas)})
    before = TabularMLPClassifier(effort="fast", max_iter=2, random_state=0).fit(frame, PLACES)
    after = load_skops(stored(tmp_path, before))
    np.testing.assert_array_equal(after.predict_proba(frame), before.predict_proba(frame))
    for copied in (after, pickle.loads(pickle.dumps(before))):
        levels = [own for _, own in copied.preprocessor_._levels]
        assert levels == [own for _, own in before.preprocessor_._levels]
        assert levels[0].codes == dict(before.preprocessor_._levels)[1].codes


def test_files_of_levels_hold_no_dict():
    levels = Levels.learn([True, False, True], None, 2)
    assert levels.codes == {False: 0, True: 1}
    assert "codes" in vars(levels)
    assert "codes" not in vars(pickle.loads(pickle.dumps(levels)))
    assert round_trip(levels).codes == levels.codes


def test_training_goes_on_where_it_was():
    models = [MLPClassifier((5,), random_state=0, dropout=0.2) for _ in range(2)]
    for model in models:
        model.partial_fit(X, SIGNS[:, 0], classes=[0, 1])
    models[1] = round_trip(models[1])
    for model in models:
        model.partial_fit(X, SIGNS[:, 0])
    np.testing.assert_array_equal(models[0].theta_, models[1].theta_)


def test_the_list_names_what_is_there():
    import importlib

    for path in TRUSTED_TYPES:
        module, _, name = path.rpartition(".")
        assert module.startswith("sknn_scratch.") or module == "datetime"
        assert isinstance(getattr(importlib.import_module(module), name), type)
    assert isinstance(TRUSTED_TYPES, tuple)


# ---------------------------------------------------------------------------------- load_skops
class Cube(Activation):
    def forward(self, z, out):
        return np.multiply(z, z * z, out=out)

    def backward(self, grad, a, z, out):
        return np.multiply(grad, 3 * np.cbrt(a) ** 2, out=out)


def stored(folder, value):
    path = folder / "model.skops"
    io.dump(value, path)
    return path


def test_load_skops(tmp_path):
    model = fitted(MLPClassifier((5,), max_iter=3, random_state=0), SIGNS[:, 0])
    np.testing.assert_array_equal(load_skops(stored(tmp_path, model)).theta_, model.theta_)


def test_a_component_of_ones_own_must_be_trusted(tmp_path):
    path = stored(tmp_path, Cube())
    with pytest.raises(TypeError, match=r"Got .*test_skops\.Cube: if you trust them"):
        load_skops(path)
    assert load_skops(path, trusted=[f"{Cube.__module__}.Cube"]) == Cube()


def truncated(path):
    path.write_bytes(path.read_bytes()[:-40])


def damaged(path):
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0xFF
    path.write_bytes(data)


def foreign(path):
    path.write_bytes(b"\x93NUMPY nothing of ours")


def another_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "to whom it may concern")


@pytest.mark.parametrize("spoil", [truncated, damaged, foreign, another_archive])
def test_what_a_bad_file_gets(spoil, tmp_path):
    path = stored(tmp_path, fitted(MLPClassifier((5,), max_iter=3), SIGNS[:, 0]))
    spoil(path)
    with pytest.raises(ValueError, match="must be a whole, undamaged file that skops"):
        load_skops(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError):
        load_skops(tmp_path / "none.skops")


def test_all_kinds_of_components_were_tried():
    made = {getattr(components, name) for name in components.__all__}
    assert all(issubclass(cls, Component) for cls in made)
    assert CSVLog in made
    assert Checkpoint in made
    assert GroupRates in made


# ------------------------------------------------------------------------------- crafted files
def members(path):
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(path, content, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in content.items():
            archive.writestr(name, data)


def in_schema(change):
    def spoil(path):
        content = members(path)
        schema = json.loads(content["schema.json"])
        change(schema["content"]["content"])
        packed(path, content | {"schema.json": json.dumps(schema)})

    return spoil


def blanks(path):
    content = members(path)
    content["schema.json"] += b" " * 300_000_000
    packed(path, content, zipfile.ZIP_DEFLATED)


def huge_array(path):
    content = members(path)
    name = next(name for name in content if name.endswith(".npy"))
    head, end = content[name].split(b"'shape': (", 1)
    size = end.index(b")")
    shape = b"'shape': (900000000000,"
    text = head + shape + b"), }" + b" " * (size - len(shape) + 12) + b"\n"
    packed(path, content | {name: text})


def deep(path):
    packed(path, members(path) | {"schema.json": "[" * 100_000})


def many_values(path):
    packed(path, members(path) | {"schema.json": "[" + "[]," * 2_000_000 + "0]"})


def other_size(network):
    network["layout"]["content"]["content"]["size"]["content"] = "3"


def no_weights(model):
    model["theta_"] = dict(model["out_activation_"])


CRAFTED = {
    "300 MB of blanks": blanks,
    "a huge array": huge_array,
    "deep lists": deep,
    "many small values": many_values,
    "no layout": in_schema(lambda model: model["_network"]["content"]["content"].pop("layout")),
    "a string for a node": in_schema(lambda model: model.update(_network="os")),
    "another size": in_schema(lambda model: other_size(model["_network"]["content"]["content"])),
    "no weights": in_schema(no_weights),
    "no moments": in_schema(
        lambda model: model["_state"]["content"]["content"]["optimizer"].update(key_types="")
    ),
    "no state": in_schema(lambda model: model.update(_state=dict(model["out_activation_"]))),
}


@pytest.mark.parametrize("name", CRAFTED)
def test_crafted_files(name, tmp_path):
    path = stored(tmp_path, fitted(MLPClassifier((5,), max_iter=3), SIGNS[:, 0]))
    CRAFTED[name](path)
    start = time.perf_counter()
    with pytest.raises(ValueError, match=r"^The file .*model\.skops' must be a whole, undamaged"):
        load_skops(path)
    assert time.perf_counter() - start < 5


def test_a_damaged_network_in_a_pipeline(tmp_path):
    model = make_pipeline(StandardScaler(), fitted(MLPClassifier((5,), max_iter=3), SIGNS[:, 0]))
    model[-1].theta_ = model[-1].theta_[:-1]
    with pytest.raises(ValueError, match="the size of theta_"):
        load_skops(stored(tmp_path, model))


def test_parameters_may_have_changed_after_fit(tmp_path):
    model = fitted(MLPClassifier((5,), max_iter=3, random_state=0), SIGNS[:, 0])
    model.set_params(solver="sgd", hidden_layer_sizes=(9, 9), loss="binary_log_loss")
    loaded = load_skops(stored(tmp_path, model))
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_compressed_file(tmp_path):
    model = fitted(MLPClassifier((5,), max_iter=300, tol=0.0), SIGNS[:, 0])
    path = tmp_path / "model.skops"
    io.dump(model, path, compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    np.testing.assert_array_equal(load_skops(path).theta_, model.theta_)
