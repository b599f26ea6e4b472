"""Every path that the package takes: strings and pathlib alike, and nothing else."""

import copy
import os
import pickle
import socket
from contextlib import suppress
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from sklearn.base import clone

from sknn_scratch import MLPClassifier, MLPRegressor
from sknn_scratch.components import Checkpoint, CSVLog
from sknn_scratch.contracts import Callback
from sknn_scratch.testing import check_component
from sknn_scratch.training import checkpoint

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
on_posix = pytest.mark.skipif(os.name != "posix", reason="pipes and devices are files there")

X = np.random.default_rng(0).normal(size=(40, 3))
Y = X[:, 0] * X[:, 1]
WRITERS = [Checkpoint, CSVLog]


class Home:
    """What is not pathlib's, but a path."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return self.path


class Text(str):
    """A string of a kind of its own."""


#: name: how a path can be written
SPELLINGS = {
    "str": str,
    "Path": Path,
    "PurePath": PurePosixPath,
    "path-like": Home,
    "numpy's str": np.str_,
    "subclass of str": Text,
}
each_spelling = pytest.mark.parametrize("spell", SPELLINGS.values(), ids=list(SPELLINGS))


def model(**params):
    return MLPRegressor(**{"hidden_layer_sizes": 4, "max_iter": 4, "random_state": 0} | params)


# ------------------------------------------------------------------------------------- paths
@each_spelling
@pytest.mark.parametrize("kind", WRITERS)
def test_all_spellings_are_one_value(kind, spell):
    one, plain = kind(spell("a/run{fingerprint}")), kind("a/run{fingerprint}")
    assert one == plain
    assert hash(one) == hash(plain)
    assert repr(one) == repr(plain)
    assert type(one.path) is str
    assert one.get_params() == plain.get_params()
    for twin in pickle.loads(pickle.dumps(one)), copy.deepcopy(one), clone(one), one.evolve():
        assert twin == plain
    assert kind("b").evolve(path=spell("a/run{fingerprint}")) == plain
    estimator = clone(model(callbacks=[one]))
    assert estimator.get_params()["callbacks"] == [plain]


@each_spelling
@pytest.mark.parametrize("kind", WRITERS)
def test_the_contract(kind, spell, tmp_path):
    check_component(kind(spell(str(tmp_path / "run"))))


@each_spelling
def test_written_read_and_gone_on_with(spell, tmp_path):
    file, log = spell(str(tmp_path / "run.npz")), spell(str(tmp_path / "log.csv"))
    through = model(callbacks=[Checkpoint(file), CSVLog(log)]).fit(X, Y)
    resumed = model(max_iter=6).resume(file, X, Y)
    np.testing.assert_array_equal(resumed.loss_curve_[:4], through.loss_curve_)
    assert len(Path(log).read_text().splitlines()) == 5
    assert checkpoint.load(file)["state"]["epoch"] == 4
    with pytest.raises(ValueError, match=r"checkpoint '[^']*run\.npz' is of another fit"):
        model(alpha=0.5).resume(file, X, Y)


class SaveHere(Callback):
    """A callback of somebody's, with a path of its own."""

    path: str

    def __post_init__(self):
        self.require_path("path")

    def on_fit_begin(self, memory, run):
        run.check_path(Path(self.path))

    def on_epoch_end(self, memory, run):
        run.save(Path(self.path))


def test_paths_of_other_callbacks(tmp_path):
    one = SaveHere(tmp_path / "run.npz")
    assert one == SaveHere(str(tmp_path / "run.npz"))
    through = model(callbacks=[one]).fit(X, Y)
    np.testing.assert_array_equal(model().resume(one.path, X, Y).theta_, through.theta_)


@each_spelling
def test_load_skops(spell, tmp_path):
    io = pytest.importorskip("skops.io")
    from sknn_scratch.interop import load_skops

    io.dump(Checkpoint("a"), tmp_path / "a.skops")
    assert load_skops(spell(str(tmp_path / "a.skops"))) == Checkpoint("a")


# -------------------------------------------------------------------------- what is no path
NO_PATHS = {
    "None": None,
    "int": 3,
    "standard input": 0,
    "True": True,
    "False": False,
    "float": 1.5,
    "bytes": b"run.npz",
    "bytearray": bytearray(b"run.npz"),
    "path-like bytes": Home(b"run.npz"),
    "list": ["run.npz"],
    "tuple of parts": ("folder", "run.npz"),
    "array": np.array("run.npz"),
    "null character": "run\0.npz",
    "class": Path,
}
NO_TEXT = r"^The path of a (checkpoint|file of skops) must be a string or a pathlib.Path\. Got "
each_no_path = pytest.mark.parametrize("wrong", NO_PATHS.values(), ids=list(NO_PATHS))


@each_no_path
@pytest.mark.parametrize("kind", [*WRITERS, SaveHere])
def test_no_path_of_a_callback(kind, wrong):
    with pytest.raises(ValueError, match=rf"'path' parameter of {kind.__name__} must be the path"):
        kind(wrong)


@pytest.mark.parametrize("kind", [*WRITERS, SaveHere])
def test_an_empty_path_of_a_callback(kind):
    with pytest.raises(ValueError, match=r"must be the path of a file.* Got '' instead"):
        kind("")


def unchanged(estimator, error, match, path, *more, **options):
    """The error comes at once, and the estimator is what it was."""
    before = dict(vars(estimator))
    with pytest.raises(error, match=match):
        estimator.resume(path, *more, **options)
    assert vars(estimator) == before


@each_no_path
@pytest.mark.parametrize("cls", [MLPClassifier, MLPRegressor])
def test_no_path_to_resume_from(cls, wrong):
    y = Y if cls is MLPRegressor else Y > 0
    new = cls(hidden_layer_sizes=4, max_iter=2)
    for estimator in new, clone(new).fit(X, y):
        unchanged(estimator, (TypeError, ValueError), NO_TEXT, wrong, X, y)


@each_no_path
def test_no_path_to_write_to(wrong):
    for function in checkpoint.check_writable, lambda path: checkpoint.save(path, {"n": 1}):
        with pytest.raises((TypeError, ValueError), match=NO_TEXT):
            function(wrong)


@each_no_path
def test_no_path_to_a_file_of_skops(wrong):
    pytest.importorskip("skops")
    from sknn_scratch.interop import load_skops

    with pytest.raises((TypeError, ValueError), match=NO_TEXT):
        load_skops(wrong)


def test_an_open_file_is_no_path(tmp_path):
    with (tmp_path / "run.npz").open("wb") as file:
        unchanged(model(), TypeError, NO_TEXT, file, X, Y)


# -------------------------------------------------------------------------- what is no file
def make_pipe(path):
    os.mkfifo(path)


def make_socket(path):
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(str(path))


#: name: (what makes it, or None; its path)
NO_FILES = {
    "empty": (None, ""),
    "empty Path": (None, Path("")),
    "this folder": (None, "."),
    "folder": (os.mkdir, "folder"),
    "folder as Path": (os.mkdir, Path("folder")),
    "link to a folder": (lambda path: os.symlink("/", path), "link"),
    "zeros": (None, "/dev/zero"),
    "nothing": (None, "/dev/null"),
    "random": (None, Path("/dev/urandom")),
    "link to a device": (lambda path: os.symlink("/dev/zero", path), "run.npz"),
    "pipe": (make_pipe, "pipe"),
    "socket": (make_socket, "socket"),
}


@on_posix
@pytest.mark.parametrize(("make", "path"), NO_FILES.values(), ids=list(NO_FILES))
def test_no_file_to_resume_from(make, path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if make is not None:
        make(path)
    match = r"^The path of a checkpoint must be that of a file, not of a directory or a device"
    unchanged(model().fit(X, Y), ValueError, match, path, X, Y)
    with pytest.raises(ValueError, match=match):
        checkpoint.load(path)
    with suppress(ImportError):
        from sknn_scratch.interop import load_skops

        with pytest.raises(ValueError, match="of a file of skops must be that of a file, not of"):
            load_skops(path)


@pytest.mark.parametrize("path", ["none.npz", "none/run.npz", Path("none.npz"), "run.npz/run.npz"])
def test_no_such_file(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run.npz").touch()
    unchanged(model().fit(X, Y), (FileNotFoundError, NotADirectoryError), "npz", path, X, Y)


@on_posix
def test_a_path_that_no_file_system_can_have():
    unchanged(model(), ValueError, NO_TEXT, "\ud800.npz", X, Y)


def test_the_path_is_looked_at_before_the_data():
    unchanged(model(), ValueError, "Got ''", "", "no data", None)


@pytest.mark.parametrize("wrong", ["", b"run.npz", 3, True, Path("/"), "a\0b"], ids=repr)
def test_on_partitions(wrong):
    da = pytest.importorskip("dask.array")
    from sknn_scratch import distributed

    one = model(solver="lbfgs")
    with pytest.raises((TypeError, ValueError), match=r"^The path of a checkpoint must be"):
        distributed.fit(one, da.from_array(X), da.from_array(Y), resume=wrong)
    assert not hasattr(one, "theta_")


@pytest.mark.filterwarnings("ignore:solver='lbfgs' goes on")
def test_partitions_go_on_from_a_path(tmp_path):
    da = pytest.importorskip("dask.array")
    dask = pytest.importorskip("dask")
    from sknn_scratch import distributed

    path = tmp_path / "run.npz"
    one = model(solver="adam", max_iter=3, callbacks=[Checkpoint(path)])
    rows = da.from_array(X), da.from_array(Y)
    with dask.config.set(scheduler="synchronous"):
        distributed.fit(one, *rows)
        more = distributed.fit(model(solver="adam", max_iter=5), *rows, resume=path)
    assert more.n_iter_ == 5
    assert more.loss_curve_[:3] == one.loss_curve_
