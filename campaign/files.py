"""Damaged and crafted files and states: refused within bounds, or equal to the original."""

from __future__ import annotations

import copy
import datetime
import functools
import io
import json
import os
import re
import resource
import struct
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.base import clone

from campaign._digest import digest
from campaign._draw import Rng, pick
from campaign._watch import Case, Hang, limited, shown, where
from sknn_scratch import MLPClassifier, TabularMLPClassifier, TabularMLPRegressor
from sknn_scratch import components as parts
from sknn_scratch.training import checkpoint

X = np.random.default_rng(0).normal(size=(40, 4))
y = (X[:, 0] > 0).astype(int)
PARAMS = {
    "hidden_layer_sizes": (4,),
    "solver": parts.AdamW(),
    "dropout": 0.1,
    "early_stopping": True,
    "batch_size": 8,
    "random_state": 0,
    "n_iter_no_change": 50,
}
#: A column of each kind, with categories of several types.
TABLE = pd.DataFrame(
    {
        "number": X[:, 0],
        "word": [*"abcd"] * 10,
        "day": pd.date_range("2024-02-28", periods=40, freq="13h", tz="Asia/Tokyo"),
        "odd": pd.Series([pd.Interval(0, 1), 1.5, ("a", 1), datetime.date(2024, 2, 28)] * 10),
    }
)
TABLE_PARAMS = {
    "effort": "fast",
    **{"hidden_layer_sizes": (4,), "n_ensemble": 3, "max_iter": 2, "min_steps": 0, "n_bins": 2},
    **{"max_categories": 3, "random_state": 0},
}
#: What a refusal names: the argument or the file.
NAMED = re.compile(r"^state |/(run\.npz|model\.skops)'")
#: Bounds of a refusal, beside the arrays of the file: seconds and bytes.
LONGEST, LARGEST = 5.0, 200e6
HUGE = 10**18
#: How the description of damage begins that has a digest of its own.
SEALED = "sealed"
#: Values for a node of a header.
NODES: list[Any] = [
    *(None, True, -1, 0, 1, HUGE, -HUGE, 1e308, 3.5, "", "x", [], {}, ["list"], {"a": 1}),
    *(["float", "7ff8000000000000"], ["float", "7ff0000000000000"], ["int", "0x" + "f" * 100]),
    *(["array", "a0"], ["array", "a1"], ["array", "header"], ["array", "../x"], ["array", 3]),
    *(["array"], ["floats", ""], ["floats", "7ff8000000000000" * 3], ["list", 1, "a"], ["nope"]),
    *(["scalar", "<f8", "00" * 8], ["scalar", "|O", "00" * 8], ["str_", "q"], ["void", "a0"]),
]
#: Values for a part of a skops schema, or of a state.
LEAVES: list[Any] = [
    *(None, True, -1, HUGE, 1e308, float("nan"), "", "os", "system", "builtins", "eval", [], {}),
    *("ObjectNode", "FunctionNode", "ReduceNode", "MethodNode", "NdArrayNode", "../../etc/passwd"),
]
#: Values for a part of a state of a table, beside: categories and names as they are written.
LEVELS: list[Any] = [
    *(["tuple"], ["tuple", "a", ["date", "2024-02-28"]], ["date", "2024-02-30"], ["date", 3]),
    *(["scalar", "|O", "00" * 8], ["scalar", "<f8", "00" * 8], ["scalar", "(9,)f8", "00" * 72]),
    *(["Decimal", "sNaN"], ["Decimal", "1e999999"], ["Fraction", 1, 0], ["os.system", "ls"]),
    *(["ZoneInfo", "../../etc/passwd"], ["ZoneInfo", ""], ["timedelta", HUGE, 0, 0], HUGE**40),
    *(["pandas.Interval", 2, 1, "both"], ["pandas.Period", HUGE, "ns"], ["pandas.Timedelta", "x"]),
]
#: What may become of an array.
ARRAYS: dict[str, Callable[[Any], Any]] = {
    "shorter": lambda a: a[:-1] if a.ndim and len(a) else a,
    "longer": lambda a: np.concatenate([a.ravel(), a.ravel()]),
    "a dimension more": lambda a: a[None],
    "float32": lambda a: a.astype("f4"),
    "nan": lambda a: a.astype("f8") * np.nan,
    "huge": lambda a: a.astype("f8") * 1e300,
    "complex": lambda a: a.astype(complex),
    "bytes": lambda a: a.astype("S8"),
    "empty": lambda a: np.zeros(0, a.dtype),
    "scalar": lambda a: np.float64(3),
    "negative": lambda a: -a - 1 if a.dtype.kind in "if" else a,
    "far": lambda a: a + 10**6 if a.dtype.kind in "i" else a,
    "big endian": lambda a: a.astype(">f8"),
    "long": lambda a: np.zeros(10**6, a.dtype),
    "zeros": np.zeros_like,
}


class Sound(NamedTuple):
    """Sound files and sound states, and what comes out of them."""

    checkpoint: bytes
    arrays: dict[str, Any]
    header: dict[str, Any]
    resumed: str
    state: dict[str, Any]
    tables: list[tuple[Any, dict[str, Any]]]
    skops: bytes
    loaded: str


@functools.cache
def sound() -> Sound:
    """Return what is to be damaged."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.npz")
        fit = MLPClassifier(max_iter=3, callbacks=[parts.Checkpoint(path)], **PARAMS).fit(X, y)
        raw, arrays = Path(path).read_bytes(), dict(np.load(path))
        resumed = MLPClassifier(max_iter=5, **PARAMS).resume(path, X, y)
        skops, loaded = _skops_file(Path(folder) / "model.skops")
    header = json.loads(arrays["header"].tobytes())
    ends = _result(resumed), fit.get_state(), _tables(), skops, loaded
    return Sound(raw, arrays, header, *ends)


def _tables() -> list[tuple[Any, dict[str, Any]]]:
    """Return estimators for tables that are not fitted, with states of twins that are."""
    targets = ((TabularMLPClassifier, y), (TabularMLPRegressor, np.exp(X[:, 0])))
    pairs = [(cls(**TABLE_PARAMS), target) for cls, target in targets]
    twins = [clone(one).fit(TABLE, target) for one, target in pairs]
    twins[0].partial_fit(TABLE, y)  # then a state has the optimizers' moments, too
    states = [twin.get_state() for twin in twins]
    return [(one, state) for (one, _), state in zip(pairs, states, strict=True)]


def _skops_file(path: Path) -> tuple[bytes, str]:
    try:
        import skops.io
    except ImportError:  # an extra
        return b"", ""
    model = MLPClassifier((4,), max_iter=2, random_state=0, solver="sgd").fit(X, y)
    skops.io.dump(model, path)
    return path.read_bytes(), _arrays(model)


def _arrays(model: Any) -> str:
    """Return a digest of the arrays of a fitted model."""
    state = model._state
    return digest([model.theta_, model.coefs_, model.classes_, state.theta, state.optimizer])


def _result(estimator: Any) -> str:
    """Return a digest of all that a damaged file must not change silently."""
    return digest([estimator.theta_, estimator.get_state()], times=False)


def play(case: Case) -> None:
    """Damage one thing, and load it."""
    kinds = [_try_checkpoint, _try_checkpoint, _try_state, _try_table]
    pick(case.rng, [*kinds, _try_skops] if sound().skops else kinds)(case)


def _try_checkpoint(case: Case) -> None:
    kinds = [_flip, _cut, _header, _header, _array, _shape, _crafted, _sealed, _sealed]
    damage, content = pick(case.rng, kinds)(case.rng)
    case.trace.append(f"checkpoint: {damage}")
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "run.npz")
        Path(path).write_bytes(content)
        estimator = MLPClassifier(max_iter=5, **PARAMS)
        if _refused(case, lambda: estimator.resume(path, X, y), estimator, len(content)):
            return
    if damage.startswith(SEALED):  # as legal as an edited state
        if not np.isfinite(estimator.theta_).all():
            case.found("not finite", "theta_ after resume" + _field(damage))
    elif _result(estimator) != sound().resumed:
        case.found("silently another result", damage.split(":")[0] + _field(damage))


def _field(damage: str) -> str:
    return f" of {damage.split(':')[1].split('=')[0]}" if ":" in damage else ""


def _try_state(case: Case) -> None:
    """Damage a state: refused, or as legal as an edited state may be, with finite predictions."""
    state, what = _damaged(case, sound().state, LEAVES)
    estimator = MLPClassifier(max_iter=5, **PARAMS)
    if _refused(case, lambda: estimator.set_state(state), estimator, 0):
        return
    after = f"after set_state of {what}"
    case.call(f"predict_proba {after}", lambda: estimator.predict_proba(X))
    estimator.set_params(early_stopping=False)  # which partial_fit does not do
    case.call(f"partial_fit {after}", lambda: estimator.partial_fit(X, y))
    if not np.isfinite(estimator.theta_).all():
        case.found("not finite", f"theta_ {after}")


def _try_table(case: Case) -> None:
    """Damage the state of a table, likewise."""
    of_twin, sound_state = sound().tables[int(case.rng.integers(2))]
    state, what = _damaged(case, sound_state, LEAVES + LEVELS)
    estimator = clone(of_twin)
    if _refused(case, lambda: estimator.set_state(state), estimator, 0):
        return
    after = f"after set_state of {what}"
    predicted = case.call(f"predict {after}", lambda: estimator.predict(TABLE))
    if predicted.ok and not np.isfinite(predicted.value).all():
        case.found("not finite", f"predictions {after}")
    target = y if isinstance(estimator, TabularMLPClassifier) else np.exp(X[:, 0])
    case.call(f"partial_fit {after}", lambda: estimator.partial_fit(TABLE, target), estimator)
    again = case.call(f"get_state {after}", estimator.get_state)
    if again.ok:
        case.call(f"set_state again {after}", lambda: clone(estimator).set_state(again.value))


def _damaged(case: Case, sound_state: dict[str, Any], leaves: list[Any]) -> tuple[Any, str]:
    """Return a state with one part exchanged, and what was done."""
    state = copy.deepcopy(sound_state)
    places = [place for place in _places(state) if place]
    place = places[int(case.rng.integers(len(places)))]
    old = _get(state, place)
    name, value = "a leaf", pick(case.rng, leaves)
    if isinstance(old, np.ndarray):
        name = pick(case.rng, list(ARRAYS))
        with np.errstate(all="ignore"):
            value = ARRAYS[name](old)
    _put(state, place, value)
    case.trace.append(f"state: {'.'.join(map(str, place))} {name} {value!r:.60}")
    return state, f"{place[-1]} {name}"


def _try_skops(case: Case) -> None:
    from sknn_scratch.interop import load_skops

    kinds = [_flip_skops, _cut_skops, _schema, _schema, _schema, _schema, _crafted_skops]
    damage, content = pick(case.rng, kinds)(case.rng)
    case.trace.append(f"skops: {damage}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        path.write_bytes(content)
        loaded: list[Any] = []
        if _refused(case, lambda: loaded.append(load_skops(path)), None, len(content)):
            return
    if isinstance(loaded[0], MLPClassifier) and _arrays(loaded[0]) != sound().loaded:
        case.found("silently other arrays", f"of a damaged skops file{_field(damage)}")
    try:
        proba = loaded[0].predict_proba(X)
    except Exception as error:  # fields of the file that loading does not read
        case.ledger.count(f"skops: predict raises {type(error).__name__}")
        return
    if not np.isfinite(proba).all():
        case.found("not finite", f"predictions of a damaged skops file: {damage}")


def _refused(case: Case, load: Callable[[], Any], estimator: Any, n_bytes: int) -> bool:
    """Load; tell whether that was refused, and record a refusal that is out of bounds."""
    before = None if estimator is None else digest(vars(estimator))
    peak, start = _peak(), time.perf_counter()
    try:
        with limited(20), np.errstate(all="ignore"):
            load()
        error: BaseException | None = None
    except (Exception, Hang) as raised:
        error = raised
    seconds, grown = time.perf_counter() - start, _peak() - peak
    if seconds > LONGEST or grown > LARGEST + n_bytes:
        case.found("out of bounds", f"{seconds:.1f} s, {grown / 1e6:.0f} MB")
    case.ledger.count("loaded" if error is None else type(error).__name__)
    if error is not None and not isinstance(error, ValueError) and not _is_untrusted(error):
        case.found("exception type", shown(error), f"{where(error)} {type(error).__name__}")
    if isinstance(error, ValueError) and not NAMED.search(str(error)):
        case.found("message names nothing", shown(error), where(error))
    if error is not None and before is not None and digest(vars(estimator)) != before:
        case.found("changed after an error", shown(error), where(error))
    return error is not None


def _is_untrusted(error: BaseException) -> bool:
    """Tell whether types were refused that a user may trust, as skops itself refuses them."""
    return isinstance(error, TypeError) and "if you trust them, pass trusted=" in str(error)


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


# --- Damage to a checkpoint: each returns what was done, and the file.

Damage = tuple[str, bytes]


def _flipped(rng: Rng, raw: bytes) -> bytes:
    content = bytearray(raw)
    for _ in range(int(pick(rng, [1, 1, 2, 8]))):
        content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
    return bytes(content)


def _flip(rng: Rng) -> Damage:
    return "bits flipped", _flipped(rng, sound().checkpoint)


def _cut(rng: Rng) -> Damage:
    raw = sound().checkpoint
    return "cut", raw[: int(rng.integers(len(raw)))] + rng.bytes(int(rng.integers(50)))


def _header(rng: Rng) -> Damage:
    header = copy.deepcopy(sound().header)
    places = [place for place in _places(header) if place]
    place, value = places[int(rng.integers(len(places)))], pick(rng, NODES)
    _put(header, place, value)
    return f"node: {'.'.join(map(str, place))} = {str(value)[:40]}", _npz(sound().arrays, header)


def _array(rng: Rng) -> Damage:
    arrays = dict(sound().arrays)
    name = pick(rng, [name for name in arrays if name != "header"])
    change = pick(rng, [*ARRAYS, "lost"])
    if change == "lost":
        del arrays[name]
    else:
        with np.errstate(all="ignore"):
            arrays[name] = ARRAYS[change](arrays[name])
    return f"array: {name} = {change}", _npz(arrays, sound().header)


def _sealed(rng: Rng) -> Damage:
    """Exchange a part of the state, and let the digest say that it was ever so."""
    header, arrays = copy.deepcopy(sound().header), dict(sound().arrays)
    places = [place for place in _places(header["tree"]["state"]) if place]
    place, value = places[int(rng.integers(len(places)))], pick(rng, NODES)
    old = _get(header["tree"]["state"], place)
    if isinstance(old, list) and old[:1] == ["array"] and rng.random() < 0.8:
        value = pick(rng, list(ARRAYS))
        with np.errstate(all="ignore"):
            arrays[old[1]] = np.asarray(ARRAYS[value](arrays[old[1]]))
    else:
        _put(header["tree"]["state"], place, value)
    with suppress(Exception):  # of references that lead nowhere
        used: dict[str, Any] = {}
        checkpoint._decode(header["tree"], lambda name: used.setdefault(name, arrays[name]))
        header["digest"] = checkpoint._digest(header["tree"], used)
    text = f"{SEALED}: {'.'.join(map(str, place))} = {str(value)[:40]}"
    return text, _npz(arrays, header)


def _shape(rng: Rng) -> Damage:
    """Let an array's header promise what is not there."""
    name = pick(rng, [name for name in sound().arrays if name != "header"])
    shapes = [f"({10 ** int(rng.integers(1, 20))},)", "(-1,)", "(2**40, 2)", "(1e3,)", "()"]
    descr, shape = pick(rng, ["<f8", "|O", "|u1", "|V1000000000", "<U100000000"]), pick(rng, shapes)
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (len(text) + 10) % 64) + b"\n"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text + bytes(64)
    return f"shape: {name} = {descr} {shape}", _zip(
        {**_members(sound().checkpoint), f"{name}.npy": member}
    )


def _crafted(rng: Rng) -> Damage:
    """Return one of the files that someone made on purpose."""
    whole, deep = sound().header, b"[" * 100_000 + b"]" * 100_000
    many = copy.deepcopy(whole)
    many["tree"]["state"]["memory"] = ["list"] + [["array", "zz"]] * 100_000
    digits = json.dumps(whole).encode().replace(b'"epoch": 3', b'"epoch": ' + b"9" * 5000)
    files: dict[str, Callable[[], bytes]] = {
        "deep header": lambda: _npz(sound().arrays, None, deep),
        "one array named 100,000 times": lambda: _npz(
            {**sound().arrays, "zz": np.zeros(2000)}, many
        ),
        "integer of 5,000 digits": lambda: _npz(sound().arrays, None, digits),
        "compressed zeros": lambda: _zip({"header.npy": bytes(10**8)}, zipfile.ZIP_DEFLATED),
        "20,000 members": lambda: _zip({f"a{k}.npy": b"" for k in range(20_000)}),
        "objects": lambda: _npz({**sound().arrays, "a0": np.array([{}], dtype=object)}, whole),
        "text": lambda: b"hello",
        "empty": lambda: b"",
        "twice": lambda: sound().checkpoint * 2,
    }
    name = pick(rng, list(files))
    if name not in _made:  # some take a second
        _made[name] = files[name]()
    return f"crafted: {name}", _made[name]


#: Crafted files by their names.
_made: dict[str, bytes] = {}


def _npz(arrays: dict[str, Any], header: Any, text: bytes = b"") -> bytes:
    text = text or json.dumps(header).encode()
    file = io.BytesIO()
    np.savez(file, **{**arrays, "header": np.frombuffer(text, np.uint8)})
    return file.getvalue()


def _zip(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _members(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# --- Damage to a skops file.


def _flip_skops(rng: Rng) -> Damage:
    return "bits flipped", _flipped(rng, sound().skops)


def _cut_skops(rng: Rng) -> Damage:
    return "cut", sound().skops[: int(rng.integers(len(sound().skops)))]


def _crafted_skops(rng: Rng) -> Damage:
    """Return a file whose schema someone made on purpose."""
    schema = _members(sound().skops)["schema.json"]
    texts = {
        "300 MB of blanks": lambda: schema + b" " * 300_000_000,
        "deep lists": lambda: b"[" * 100_000,
        "many values": lambda: b"[" + b"[]," * 10_000_000 + b"0]",
        "deep nodes": lambda: schema.replace(b"{", b'{"a":' * 500 + b"{", 1) + b"}" * 500,
    }
    name = pick(rng, list(texts))
    if name not in _made:
        members = _members(sound().skops) | {"schema.json": texts[name]()}
        _made[name] = _zip(members, zipfile.ZIP_DEFLATED)
    return f"crafted: {name}", _made[name]


def _schema(rng: Rng) -> Damage:
    members = _members(sound().skops)
    schema = json.loads(members["schema.json"])
    places = [place for place in _places(schema) if place]
    place, value = places[int(rng.integers(len(places)))], pick(rng, LEAVES)
    _put(schema, place, value)
    members["schema.json"] = json.dumps(schema).encode()
    return f"schema: {'.'.join(map(str, place))[-70:]} = {value!r}", _zip(members)


# --- Trees.

Place = tuple[Any, ...]


def _places(tree: Any, at: Place = ()) -> Iterator[Place]:
    """Yield where the parts of nested dicts and lists are."""
    yield at
    items = enumerate(tree) if isinstance(tree, list) else ()
    for key, part in tree.items() if isinstance(tree, dict) else items:
        yield from _places(part, (*at, key))


def _get(tree: Any, place: Place) -> Any:
    for key in place:
        tree = tree[key]
    return tree


def _put(tree: Any, place: Place, value: Any) -> None:
    _get(tree, place[:-1])[place[-1]] = value
