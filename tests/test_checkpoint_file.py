"""Checkpoint files: back bit for bit, refused when damaged, never half-written."""

import builtins
import collections
import errno
import io
import itertools
import json
import os
import pickle
import random
import re
import struct
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sknn_scratch.training import checkpoint
from sknn_scratch.training.checkpoint import check_writable, load, save

on_posix = pytest.mark.skipif(os.name != "posix", reason="POSIX only")


def same(a, b):
    """Tell whether two trees are equal bit for bit and type for type."""
    if isinstance(a, np.ndarray):
        order = [(x.flags.c_contiguous, x.flags.f_contiguous) for x in (a, b)]
        shapes = (a.dtype, a.shape) == (b.dtype, b.shape)
        return type(b) is np.ndarray and shapes and order[0] == order[1] and bits(a) == bits(b)
    if isinstance(a, np.generic):
        return isinstance(b, np.generic) and a.dtype == b.dtype and bits(a) == bits(b)
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(same, a, b))
    return struct.pack("d", a) == struct.pack("d", b) if isinstance(a, float) else a == b


def bits(array):
    return array.tobytes()


def header_of(tree, /, **changes):
    """Return the members of a checkpoint file, with something else in the header."""
    members = checkpoint._pack(tree)
    header = json.loads(members["header"].tobytes()) | changes
    return members | {"header": as_bytes(json.dumps(header))}


def as_bytes(text):
    return np.frombuffer(text.encode(), np.uint8)


def npz(compressed=False, **members):
    file = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(file, **members)
    return file.getvalue()


def temporaries(directory):
    return [name for name in os.listdir(directory) if name.endswith(".tmp")]


TREE = {
    "theta": np.linspace(-1, 1, 7),
    "stream": checkpoint.rng_state(np.random.RandomState(3)),
    "generator": checkpoint.generator_state(np.random.default_rng(3)),
    "loss_curve": [0.5, float("nan"), -0.0],
    "history": [{"epoch": 1, "loss": np.float64(0.5)}, {"epoch": 2, "loss": None}],
    "best": -np.inf,
    "empty": {"array": np.empty((0, 3), np.float32), "list": [], "dict": {}, "text": ""},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("checkpoints")


@pytest.fixture
def path(tmp_path):
    """A path with a good checkpoint."""
    path = tmp_path / "run.npz"
    save(path, TREE)
    return path


# -------------------------------------------------------------------------------- there and back
DTYPES = "?|i1|u1|<i2|>i4|<i8|>u8|<f2|<f4|>f4|<f8|>f8|<c8|<c16|g|S3|<U2|>U2|<M8[ns]|<M8[D]|<m8[25s]"
dtypes = st.sampled_from(DTYPES.split("|")).map(np.dtype) | st.just(
    np.dtype([("a", "<f4"), ("b", "<U3"), ("c", "<i8", (2,))])
)
arrays = st.tuples(
    dtypes.flatmap(lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, min_side=0, max_side=4))),
    st.sampled_from("CF"),
).map(lambda drawn: np.asarray(drawn[0], order=drawn[1]))
scalars = dtypes.flatmap(lambda dtype: hnp.arrays(dtype, ())).map(lambda array: array[()])
texts = st.text(st.characters(exclude_categories=()), max_size=8)
floats = st.floats() | st.integers(0, 2**64 - 1).map(
    lambda n: struct.unpack("d", n.to_bytes(8, "little"))[0]
)
leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(-(2**130), 2**130)
    | floats
    | texts
    | scalars
    | arrays
)
values = st.recursive(
    leaves | st.lists(floats),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@given(tree=st.dictionaries(texts, values, max_size=5))
@example(tree={})
@example(tree=TREE)
@example(tree={"": [["list"], ["float", "00"], {"header": 1, "a0": [1.0, 2]}]})
@example(tree={"huge": [10**6000, -(2**127), 2**63, -(2**63)], "mixed": [1.0, 1, True]})
@example(tree={"surrogates": "\ud800\udc00 \ud800", "nul": "\0", "numpy": np.str_("a\0")})
@example(tree={"bytes": [np.bytes_(b"a\0"), np.bytes_(), np.str_()], "nat": np.datetime64("NaT")})
@example(
    tree={
        "no bytes": np.empty(2, "V0"),
        "raw": np.void(b"\0a\0"),
        "record": np.zeros(1, "i4,f8")[0],
    }
)
def test_round_trip(tree, folder):
    save(folder / "tree.npz", tree)
    assert same(load(folder / "tree.npz"), tree)


def test_round_trip_of_views(path):
    whole = np.arange(24.0).reshape(4, 6)
    frozen = whole.copy()
    frozen.setflags(write=False)
    mapped = np.memmap(path.with_name("mapped"), np.float64, "w+", shape=(5,))
    views = [whole.T, whole[::2], whole[:, ::-1], frozen, mapped, np.broadcast_to(1.0, (3, 2))]
    save(path, {"views": views})
    for view, loaded in zip(views, load(path)["views"], strict=True):
        np.testing.assert_array_equal(loaded, view)
        assert type(loaded) is np.ndarray
        assert loaded.flags.writeable
        assert loaded.flags.owndata or loaded.base.base is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (object(), "Got object at tree['a'][1]"),
        ((1, 2), "Got tuple at tree['a'][1]"),
        ({1}, "Got set"),
        (1j, "Got complex"),
        (b"bytes", "Got bytes"),
        (errno.errorcode.keys(), "Got dict_keys"),
        (collections.OrderedDict(), "Got OrderedDict"),
        (type("Text", (str,), {})("x"), "Got Text"),
        (type("Number", (float,), {})(1), "Got Number"),
        (np.array([None]), "Got ndarray of dtype object"),
        (np.zeros(2, [("a", object)]), "Got ndarray of dtype [('a', 'O')]"),
        (np.ma.masked_array([1.0], [True]), "Got MaskedArray"),
        (np.array(["x"], np.dtypes.StringDType()), "Got ndarray of dtype StringDType"),
        ({1: 2}, "The keys of a checkpoint must be strings. Got 1 in tree['a'][1]"),
        ({np.str_("x"): 2}, "must be strings"),
    ],
)
def test_what_is_not_plain(value, words, path):
    with pytest.raises(TypeError, match=re.escape(words)):
        save(path, {"a": [0, value]})
    assert same(load(path), TREE)
    assert os.listdir(path.parent) == ["run.npz"]


@pytest.mark.parametrize("tree", [[1], None, np.zeros(1)])
def test_root_is_a_dict(tree, path):
    with pytest.raises(TypeError, match="must be a dict"):
        save(path, tree)


# ----------------------------------------------------------------------------------------- damage
WORDS = "must be a whole, undamaged checkpoint that sknn_scratch wrote in format version 2, but"


def check_damaged(path, data, may_be_ignored=False):
    """Check that damage is seen, or that it does no harm where the format ignores some bytes."""
    path.write_bytes(data)
    try:
        tree = load(path)
    except ValueError as error:
        message = str(error)
    else:
        assert may_be_ignored
        assert same(tree, TREE)
        return
    assert message.startswith(f"The file {str(path)!r} {WORDS}")


@pytest.mark.parametrize("n_zeros", [0, 100])
def test_cut_short(n_zeros, path):
    data = path.read_bytes()
    n_matter = len(data.rstrip(b"\0"))
    for size in [*range(0, len(data), 37), *range(len(data) - 30, len(data))]:
        # A zip ends with zeros, and then other zeros in their place are no damage.
        check_damaged(path, data[:size] + bytes(n_zeros), n_zeros > 0 and size >= n_matter)


def test_lost_blocks(path):
    save(path, {"theta": np.random.default_rng(0).normal(size=4000)})
    data = path.read_bytes()
    for start in range(0, len(data), 4096):
        check_damaged(path, data[:start] + bytes(4096) + data[start + 4096 :])


@pytest.mark.parametrize("step", [17, pytest.param(1, marks=pytest.mark.slow)])
def test_flipped_bits(step, path):
    data, draw = path.read_bytes(), random.Random(0)
    for place in range(0, len(data), step):
        for bit in range(8) if step == 1 else [draw.randrange(8)]:
            flipped = bytearray(data)
            flipped[place] ^= 1 << bit
            check_damaged(path, flipped, may_be_ignored=True)


@pytest.mark.parametrize("n_tries", [200, pytest.param(20000, marks=pytest.mark.slow)])
def test_random_bytes(n_tries, path):
    data, draw = path.read_bytes(), random.Random(1)
    directory = data.index(b"PK\x01\x02")  # The zip directory, where damage can do the most.
    for _ in range(n_tries):
        damaged = bytearray(data)
        for _ in range(draw.choice([1, 2, 4, 8, 30])):
            place = draw.randrange(draw.choice([0, directory]), len(data))
            damaged[place] = draw.randrange(256)
        check_damaged(path, damaged, may_be_ignored=True)


def test_every_array_bit_matters(path):
    value = np.frombuffer(b"some weights in bytes...")
    save(path, {"theta": value})
    data = path.read_bytes()
    start = data.index(value.tobytes())
    for place in range(start, start + value.nbytes):
        flipped = bytearray(data)
        flipped[place] ^= 1
        check_damaged(path, flipped)


@pytest.mark.parametrize("shape", [b"(3000,), }", b"(9000,), }", b"(4000000000000,), }"])
def test_damaged_shape(shape, path):
    save(path, {"theta": np.arange(4000.0)})
    data = path.read_bytes()
    old = b"(4000,), }".ljust(len(shape))
    assert data.count(old) == 1
    check_damaged(path, data.replace(old, shape))


class Bomb:
    """Something that a pickle would run."""

    armed = False

    def __reduce__(self):
        return setattr, (Bomb, "armed", True)


def a_zip():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("notes.txt", "hello")
    return file.getvalue()


def npy():
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def without(name):
    return npz(**{key: value for key, value in checkpoint._pack(TREE).items() if key != name})


# name: (contents, what the message says of it)
FOREIGN = {
    "empty": (b"", "File is not a zip file"),
    "text": (b"epoch,loss\n1,0.5\n", "File is not a zip file"),
    "pickle": (pickle.dumps(Bomb()), "File is not a zip file"),
    "npy": (npy(), "File is not a zip file"),
    "zip": (a_zip(), "it has no header"),
    "no members": (b"PK\5\6" + bytes(18), "it has no header"),
    "other npz": (npz(weights=np.zeros(3)), "it has no header"),
    "npz of objects": (npz(header=np.array([Bomb()])), "Object arrays cannot be loaded"),
    "compressed": (npz(compressed=True, **checkpoint._pack(TREE)), "it is compressed"),
    "header of numbers": (npz(header=np.zeros(3)), "JSONDecodeError"),
    "header of text": (npz(header=as_bytes("hello")), "JSONDecodeError"),
    "header not UTF-8": (npz(header=np.array([255], np.uint8)), "UnicodeDecodeError"),
    "header of a list": (npz(header=as_bytes("[]")), "TypeError"),
    "header without a format": (npz(header=as_bytes("{}")), "KeyError: 'format'"),
    "header too deep": (npz(header=as_bytes("[" * 100_000)), "RecursionError"),
    "other format": (npz(**header_of(TREE, format="tar")), "its header is of another kind"),
    "other version": (
        npz(**header_of(TREE, version=3, written_by="7.5")),
        "sknn_scratch 7.5 wrote it in format version 3",
    ),
    "missing array": (without("a0"), "There is no item named 'a0.npy'"),
    "missing header": (without("header"), "it has no header"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign(name, path):
    contents, words = FOREIGN[name]
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=re.escape(words)) as info:
        load(path)
    assert str(info.value).startswith(f"The file {str(path)!r} {WORDS}")
    assert str(info.value).endswith(": resume from another checkpoint, or fit again.")
    assert not Bomb.armed


def test_the_bomb_is_real():
    pickle.loads(pickle.dumps(Bomb()))
    assert Bomb.armed
    Bomb.armed = False


@pytest.mark.parametrize(
    "node",
    [
        "text",
        ["list", 1],
        *({"a": part} for part in ([], ["nothing", 1], ["int"], ["int", "zz"], ["int", 5])),
        *({"a": part} for part in (["float", "00"], ["floats", "00"], ["float", "x"])),
        *({"a": part} for part in (["scalar", "O", "0" * 16], ["scalar", "<f8", ""])),
        *({"a": part} for part in (["array"], ["array", 5], ["array", "../a0"], [["list"]])),
        {"a": ["scalar", "nonsense", "00"]},
    ],
)
def test_malformed_tree(node, path):
    check_damaged(path, npz(**header_of(TREE, tree=node)))


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError) as info:
        load(tmp_path / "none.npz")
    assert str(tmp_path / "none.npz") in str(info.value)


def test_a_failing_disk_is_not_damage(path, monkeypatch):
    def read(file):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(checkpoint, "_read", read)
    with pytest.raises(OSError, match="Input/output error") as info:
        load(path)
    assert info.value.errno == errno.EIO


# ---------------------------------------------------------------------------------- all or nothing
WRITER = """
import itertools, sys
import numpy as np
from sknn_scratch.training.checkpoint import save

path, start = sys.argv[1], int(sys.argv[2])
for step in itertools.count(start):
    save(path, {"step": step, "theta": np.full(step % 7 * 30_000, step), "last": [step]})
    if step == start:
        print("started", flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("n_kills", [2, 20])
def test_killed_writer(n_kills, tmp_path):
    path, step, draw = tmp_path / "run.npz", 0, random.Random(0)
    for _ in range(n_kills):
        command = [sys.executable, "-c", WRITER, str(path), str(step + 1)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout.readline().strip() == b"started"
            time.sleep(draw.uniform(0, 0.1))
            writer.kill()
        tree = load(path)
        assert tree["step"] > step
        step = tree["step"]
        assert tree["last"] == [step]
        assert same(tree["theta"], np.full(step % 7 * 30_000, step))
    assert len(temporaries(tmp_path)) <= n_kills
    assert len(os.listdir(tmp_path)) == 1 + len(temporaries(tmp_path))
    save(path, TREE)
    assert same(load(path), TREE)


def test_many_writers_and_a_reader(path):
    trees = [{"writer": i, "theta": np.full(1000 * i, i)} for i in range(1, 4)]
    save(path, trees[0])

    def write(tree):
        for _ in range(15):
            save(path, tree)

    writers = [threading.Thread(target=write, args=(tree,)) for tree in trees]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        tree = load(path)
        assert same(tree, trees[tree["writer"] - 1])
    assert os.listdir(path.parent) == ["run.npz"]


@contextmanager
def failing_save(path, error):
    """Check that saving raises, and leaves the old file and nothing else."""
    with pytest.raises(error) as info:
        yield info
    assert same(load(path), TREE)
    assert os.listdir(path.parent) == ["run.npz"]
    if issubclass(error, OSError):
        assert str(path) in str(info.value)
        assert "the previous file at its path is unchanged" in str(info.value)


class FullDisk:
    """An open file on a disk with room for some bytes only."""

    def __init__(self, file, room):
        self.file, self.room = file, room

    def write(self, data):
        if self.file.tell() + len(data) > self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return self.file.write(data)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.file.close()


@pytest.mark.parametrize("room", [0, 1, 100, 300, 3000, 3500, 4000, 4200])
def test_full_disk(room, path, monkeypatch):
    def open_there(name, mode):
        return FullDisk(builtins.open(name, mode), room)

    with failing_save(path, OSError) as info, monkeypatch.context() as patch:
        patch.setattr(checkpoint, "open", open_there, raising=False)
        save(path, TREE | {"new": 1})
    assert info.value.errno == errno.ENOSPC


@pytest.mark.parametrize("room", [0, 100, 100_000])
def test_limited_disk(room, path):
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with failing_save(path, OSError) as info:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
        try:
            save(path, {"theta": np.zeros(1_000_000)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert info.value.errno == errno.EFBIG


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        PermissionError(errno.EACCES, "Permission denied"),
        OSError("something else"),
        KeyboardInterrupt(),
        MemoryError(),
    ],
    ids=repr,
)
def test_failure(function, error, path, monkeypatch):
    def fail(*args):
        raise error

    with failing_save(path, type(error)), monkeypatch.context() as patch:
        patch.setattr(os, function, fail)
        save(path, TREE | {"new": 1})


def test_failure_of_the_first_save(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path / "run.npz", TREE)
    assert os.listdir(tmp_path) == []


@on_posix
def test_order_of_events(path, monkeypatch):
    events = []

    def record(name, function):
        def recorded(*args):
            events.append(name(*args))
            return function(*args)

        return recorded

    def target(descriptor):
        return "sync file" if os.path.isfile(f"/dev/fd/{descriptor}") else "sync directory"

    monkeypatch.setattr(os, "fsync", record(target, os.fsync))
    monkeypatch.setattr(os, "replace", record(lambda *paths: "replace", os.replace))
    save(path, TREE)
    assert events == ["sync file", "replace", "sync directory"]


def test_a_directory_that_cannot_be_synced(path, monkeypatch):
    def fail(*args):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", fail)
    save(path, {"new": 1})
    assert load(path) == {"new": 1}


@on_posix
def test_rights(tmp_path):
    path, plain = tmp_path / "run.npz", tmp_path / "plain"
    plain.touch()
    save(path, TREE)
    assert path.stat().st_mode == plain.stat().st_mode
    path.chmod(0o640)
    save(path, TREE)
    assert path.stat().st_mode & 0o777 == 0o640


@on_posix
def test_links_stay(tmp_path):
    (tmp_path / "data").mkdir()
    link = tmp_path / "latest"
    link.symlink_to(tmp_path / "data" / "run.npz")
    for tree in ({"n": 1}, {"n": 2}):
        save(link, tree)
        assert link.is_symlink()
        assert load(tmp_path / "data" / "run.npz") == tree
    assert os.listdir(tmp_path / "data") == ["run.npz"]


@pytest.mark.parametrize("name", ["run", ".npz", "x" * 250, "é" * 120, "a b%{}.npz"])
def test_names(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable(name)
    save(name, {"n": 1})
    assert os.listdir(tmp_path) == [name]
    assert load(tmp_path / name) == {"n": 1}


# ---------------------------------------------------------------------------------- check_writable
def test_check_writable(path, tmp_path):
    data = path.read_bytes()
    check_writable(path)
    check_writable(str(tmp_path / "new.npz"))
    assert os.listdir(tmp_path) == ["run.npz"]
    assert path.read_bytes() == data


@pytest.mark.parametrize("check", [check_writable, lambda path: save(path, TREE)])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("", "must be that of a file, not of a directory or a device"),
        (".", "must be that of a file, not of a directory or a device"),
        ("folder/", "must be that of a file, not of a directory or a device"),
        ("none/run.npz", "must be in an existing directory"),
        ("none/deep/run.npz", "must be in an existing directory"),
        ("run.npz/run.npz", "must be in an existing directory"),
    ],
)
def test_impossible_paths(check, wrong, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("folder")
    save("run.npz", TREE)
    with pytest.raises(ValueError, match=words) as info:
        check(wrong)
    assert repr(wrong) in str(info.value)
    assert sorted(os.listdir()) == ["folder", "run.npz"]
    assert os.listdir("folder") == []
    assert same(load("run.npz"), TREE)


@on_posix
@pytest.mark.parametrize("check", [check_writable, lambda path: save(path, TREE)])
def test_a_device_is_no_file(check):
    with pytest.raises(ValueError, match="a device"):
        check("/dev/null")


@pytest.mark.parametrize("code", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_directory_that_takes_no_file(code, path, monkeypatch):
    def fail(*args):
        raise OSError(code, os.strerror(code))

    with failing_save(path, OSError) as info, monkeypatch.context() as patch:
        patch.setattr(checkpoint, "open", fail, raising=False)
        check_writable(path)
    assert info.value.errno == code
    assert os.strerror(code) in str(info.value)


@pytest.mark.parametrize("check", [check_writable, lambda path: save(path, {"new": 1})])
def test_read_only_file(check, path, monkeypatch):
    # Permission bits do not stop the superuser, so the answer of the system is replaced.
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with failing_save(path, PermissionError) as info:
        check(path)
    assert "read-only" in str(info.value)


# ---------------------------------------------------------------------------------- random streams
def draws(stream):
    return [stream.normal(), *stream.uniform(size=3), *stream.permutation(9), stream.normal()]


@pytest.mark.parametrize("n_drawn", [0, 1, 2, 700])
@pytest.mark.parametrize(
    "make",
    [
        lambda: np.random.RandomState(5),
        lambda: np.random.RandomState(np.random.MT19937(5)),
        lambda: np.random.RandomState(np.random.PCG64(5)),
    ],
    ids=["legacy", "MT19937", "PCG64"],
)
def test_stream(make, n_drawn, path):
    rng = make()
    rng.normal(size=n_drawn)  # An odd number leaves one in store.
    save(path, {"rng": checkpoint.rng_state(rng)})
    tree = load(path)["rng"]
    again, twice = checkpoint.restore_rng(tree), checkpoint.restore_rng(tree)
    assert type(again) is np.random.RandomState
    assert draws(again) == draws(rng) == draws(twice)
    assert same(load(path)["rng"], tree)


@pytest.mark.parametrize("n_drawn", [0, 1, 2, 701])
@pytest.mark.parametrize("kind", checkpoint.BIT_GENERATORS)
def test_generator(kind, n_drawn, path):
    generator = np.random.Generator(getattr(np.random, kind)(5))
    generator.integers(9, size=n_drawn, dtype=np.uint32)  # An odd number leaves half a word.
    save(path, {"generator": checkpoint.generator_state(generator)})
    tree = load(path)["generator"]
    again, twice = checkpoint.restore_generator(tree), checkpoint.restore_generator(tree)
    assert again.integers(99, dtype=np.uint32) == generator.integers(99, dtype=np.uint32)
    assert twice.integers(99, dtype=np.uint32) >= 0
    assert draws(again) == draws(generator) == draws(twice)
    assert same(load(path)["generator"], tree)


def test_states_are_snapshots():
    rng, generator = np.random.RandomState(0), np.random.Generator(np.random.Philox(0))
    states = checkpoint.rng_state(rng), checkpoint.generator_state(generator)
    expected = draws(rng), draws(generator)
    later = draws(rng), draws(generator)
    restored = checkpoint.restore_rng(states[0]), checkpoint.restore_generator(states[1])
    assert expected == tuple(map(draws, restored)) != later


@pytest.mark.parametrize("restore", [checkpoint.restore_rng, checkpoint.restore_generator])
@pytest.mark.parametrize("tree", [{}, {"bit_generator": "Dice"}, {"bit_generator": None}])
def test_unknown_bit_generator(restore, tree):
    with pytest.raises(ValueError, match="must name one of numpy's bit generators, MT19937"):
        restore(tree)


def test_names_are_generated():
    members = checkpoint._pack({"file": np.zeros(1), "header": np.zeros(2), "x/../y": np.zeros(3)})
    assert list(members) == ["header", *itertools.islice(map("a{}".format, itertools.count()), 3)]
