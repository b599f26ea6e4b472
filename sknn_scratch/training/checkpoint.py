"""Storage of a tree of plain data in one file, which is replaced atomically.

A tree is a dict with string keys; its values are dicts, lists, arrays of any dtype without
objects, numpy scalars, int, float, bool, str and None. :func:`load` returns the tree passed to
:func:`save`, with identical bits and types.

The file is an .npz without pickles. Each array is a member, "a0", "a1", ...; the member
"header" stores everything else as JSON. In it, a JSON object is a dict, and finite numbers and
strings represent themselves. A JSON array names its type in the first item, as in
``["float", "7ff0000000000000"]``: see ``_DECODERS``. The header also stores a hash of the whole
tree, which detects changes that keep the checksums of the archive valid.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import struct
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from math import isfinite
from pathlib import Path
from typing import IO, Any

import numpy as np

from sknn_scratch.contracts import Array, State
from sknn_scratch.training import temporaries
from sknn_scratch.training.archive import check_array, check_json, check_members

FORMAT = "sknn_scratch checkpoint"
VERSION = 2

_HEADER = "header"
BIT_GENERATORS: dict[str, Any] = {
    kind.__name__: kind
    for kind in (
        np.random.MT19937,
        np.random.PCG64,
        np.random.PCG64DXSM,
        np.random.Philox,
        np.random.SFC64,
    )
}


# --- Files.


def save(path: str | os.PathLike[str], tree: State) -> None:
    """Write ``tree`` to ``path`` atomically.

    The data is written to a hidden temporary file in the same directory, which then replaces
    ``path``. If that fails, or the process is killed, the previous file at ``path`` is
    unchanged. Only a kill or a power failure can leave the temporary file behind
    (``.<name>-<32 digits>.tmp``). The next process on this machine that writes to ``path``
    deletes it.

    Parameters
    ----------
    path : str or path-like
        Path of the file; no extension is added. If it is a symbolic link, its target is
        replaced.
    tree : dict
        Nested dicts of plain data.

    Raises
    ------
    TypeError
        If the tree contains anything else, such as an object or a tuple; the message names the
        place.
    OSError
        If the file cannot be written, for instance because the disk is full.
    ValueError
        If ``path`` can never be a file (see :func:`check_writable`).
    """
    members = _pack(tree)
    where = _target(path)
    with _temporary(where, path) as (file, temporary):
        with suppress(OSError):  # Usually no file exists yet to copy the permissions from.
            shutil.copymode(where, temporary)
        np.savez(file, **members)
        file.flush()
        os.fsync(file.fileno())
        if not temporaries.LOCKS:  # Windows cannot replace an open file.
            file.close()
        os.replace(temporary, where)
    _sync_directory(where.parent)
    temporaries.remove_dead(where)


def load(path: str | os.PathLike[str]) -> State:
    """Return the tree that :func:`save` wrote to ``path``, after checking the whole file.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    TypeError
        If ``path`` is not a path, but an open file, its number, bytes or None.
    ValueError
        If it is not a regular file, or if it is damaged, truncated, of another format or of an
        unknown format version.
    """
    # Reading from a device or a pipe might block, or never end.
    with open(plain_file(path), "rb") as file:
        try:
            return _read(file)
        except Exception as error:  # from zipfile, json or numpy, or for lack of memory
            # A position outside the file means damage; other system errors are passed on.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise damaged(path, _reason(error)) from error


def damaged(path: str | os.PathLike[str], reason: str) -> ValueError:
    """Return the error for a damaged checkpoint; ``reason`` is a clause of the message."""
    return ValueError(
        f"The file {os.fspath(path)!r} must be a whole, undamaged checkpoint that "
        f"sknn_scratch wrote in format version {VERSION}, but {reason}: resume "
        "from another checkpoint, or fit again."
    )


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise an error if :func:`save` cannot write to ``path``; create no file.

    Raises
    ------
    ValueError
        If ``path`` is a directory or a device, or its directory does not exist.
    OSError
        If no file can be created in its directory.
    """
    where = _target(path)
    with _temporary(where, path):
        pass
    temporaries.remove_dead(where)


def plain_file(path: str | os.PathLike[str], of: str = "a checkpoint") -> Path:
    """Return the target of ``path``; raise unless it is, or can become, a regular file."""
    try:
        where = Path(os.path.realpath(Path(path)))
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(
            f"The path of {of} must be a string or a pathlib.Path. Got {path!r}: pass the name of "
            "the file."
        ) from error
    if where.exists() and not where.is_file():
        raise ValueError(
            f"The path of {of} must be that of a file, not of a directory or a device. Got "
            f"{os.fspath(path)!r}: add a file name, or choose another path."
        )
    return where


def _target(path: str | os.PathLike[str]) -> Path:
    """Return the file to write; raise if it cannot be created."""
    where = plain_file(path)
    if not where.parent.is_dir():
        raise ValueError(
            f"The path of a checkpoint must be in an existing directory. Got {os.fspath(path)!r}, "
            f"but {str(where.parent)!r} is not a directory: create it, or choose another path."
        )
    if where.exists() and not os.access(where, os.W_OK):
        raise _write_error(PermissionError(errno.EACCES, "The file is read-only"), path)
    return where


@contextmanager
def _temporary(where: Path, path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a new, locked file in the directory of ``where``; delete it at the end."""
    temporary = temporaries.new_name(where)
    try:
        file = open(temporary, "xb")  # noqa: SIM115
        while not temporaries.lock(file, temporary):
            file.close()
            temporary = temporaries.new_name(where)
            file = open(temporary, "xb")  # noqa: SIM115
        with file:
            yield file, temporary
    except OSError as error:
        raise _write_error(error, path) from error
    finally:
        with suppress(OSError):
            os.unlink(temporary)


def _write_error(error: OSError, path: str | os.PathLike[str]) -> OSError:
    """Return an error of the same kind that names the path."""
    return OSError(
        error.errno,
        f"{error.strerror or error}: the checkpoint cannot be written, and the previous file at "
        "its path is unchanged; free disk space, allow writing there, or choose another path",
        os.fspath(path),
    )


def _sync_directory(directory: Path) -> None:
    """Make the replacement survive a power failure, if the system supports it."""
    # Errors are ignored: the file is whole under either name; Windows cannot open a directory.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- Encoding: from a tree to members of the file.


def _pack(tree: State) -> dict[str, Any]:
    """Return the members of the file by name."""
    from sknn_scratch import __version__

    if type(tree) is not dict:
        raise TypeError(f"A checkpoint must be a dict. Got {type(tree).__name__} instead.")
    encoder = _Encoder()
    root = encoder.encode(tree, "tree")
    header = {"format": FORMAT, "version": VERSION, "written_by": __version__}
    text = _json(header | {"digest": _digest(root, encoder.arrays), "tree": root})
    check_json(text)
    return {_HEADER: np.frombuffer(text, np.uint8)} | encoder.arrays


def _json(value: Any) -> bytes:
    # A lone surrogate is a valid character of a str, though not of UTF-8.
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")


def _digest(root: Any, arrays: dict[str, Array]) -> str:
    """Return a hash of a tree: of its JSON and of its arrays."""
    code = hashlib.blake2b(_json(root), digest_size=16)
    for name, array in arrays.items():
        in_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        form = [name, array.dtype.descr, array.shape, bool(in_fortran)]
        code.update(repr(form).encode("utf-8", "surrogatepass"))
        flat = np.ascontiguousarray(array.T if in_fortran else array).reshape(-1)
        code.update(flat.view(np.uint8).data if flat.nbytes else b"")
    return code.hexdigest()


class _Encoder:
    """Encoder of values as JSON, which collects their arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def encode(self, value: Any, place: str) -> Any:
        """Return JSON for ``value``; ``place`` is its position in the tree."""
        # Exact types: a subclass stored as its base class would load with another type.
        match value:
            case None | bool():
                return value
            case str() if type(value) is str:
                return value
            case int() if type(value) is int:
                return value if value.bit_length() < 64 else ["int", hex(value)]
            case float() if type(value) is float:
                return value if isfinite(value) else ["float", struct.pack(">d", value).hex()]
            case dict() if type(value) is dict:
                return {
                    _check_key(key, place): self.encode(part, f"{place}[{key!r}]")
                    for key, part in value.items()
                }
            case list() if type(value) is list:
                if value and all(type(part) is float for part in value):
                    return ["floats", np.array(value, ">f8").tobytes().hex()]
                parts = (self.encode(part, f"{place}[{i}]") for i, part in enumerate(value))
                return ["list", *parts]
            case np.ndarray() if type(value) in (np.ndarray, np.memmap):
                return ["array", self._store(value, place)]
            case np.generic():
                return self._encode_scalar(value, place)
        raise _not_plain(value, place)

    def _encode_scalar(self, value: np.generic, place: str) -> list[str]:
        """Return JSON for a numpy scalar; only records need a member, which is slow."""
        if isinstance(value, np.str_):
            return ["str_", str.__str__(value)]  # numpy's own __str__ drops trailing zeros.
        if isinstance(value, np.bytes_):
            return ["bytes_", value.hex()]
        if isinstance(value, np.void):
            return ["void", self._store(np.asarray(value), place)]
        return ["scalar", value.dtype.str, value.tobytes().hex()]

    def _store(self, array: Array, place: str) -> str:
        if array.dtype.hasobject:
            raise _not_plain(array, place)
        name = f"a{len(self.arrays)}"
        self.arrays[name] = array
        return name


def _check_key(key: Any, place: str) -> str:
    if type(key) is not str:
        raise TypeError(f"The keys of a checkpoint must be strings. Got {key!r} in {place}.")
    return key


def _not_plain(value: Any, place: str) -> TypeError:
    kind = type(value).__name__
    if isinstance(value, np.ndarray):
        kind = f"{kind} of dtype {value.dtype}"
    return TypeError(
        "A checkpoint must hold plain data only: dicts, lists, numpy arrays and scalars without "
        f"objects, int, float, bool, str and None. Got {kind} at {place}."
    )


# --- Decoding: from members of the file to a tree.


def _read(file: IO[bytes]) -> State:
    """Return the tree in an open file; raise one of ``_DAMAGE`` if it has none."""
    with zipfile.ZipFile(file) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed")
        check_members(archive, os.fstat(file.fileno()).st_size)
        # Verify all checksums before relying on the array headers in the file.
        spoiled = archive.testzip()
        if spoiled is not None:
            raise ValueError(f"its member {spoiled!r} is damaged")
        header, arrays = _read_header(archive), {}

        def read(name: str) -> Array:
            if name in arrays:
                raise ValueError(f"it refers to its array {name!r} twice")
            arrays[name] = _read_array(archive, name)
            return arrays[name]

        tree = _decode(header["tree"], read)
    if type(tree) is not dict:
        raise ValueError("its header holds no tree")
    if header["digest"] != _digest(header["tree"], arrays):
        raise ValueError("its content has changed since it was written, as its digest shows")
    return tree


def _read_array(archive: zipfile.ZipFile, name: str) -> Array:
    member = f"{name}.npy"
    with archive.open(member) as content:
        check_array(content, name, archive.getinfo(member).file_size)
    with archive.open(member) as content:
        array: Array = np.lib.format.read_array(content, allow_pickle=False)
    return array


def _read_header(archive: zipfile.ZipFile) -> dict[str, Any]:
    if f"{_HEADER}.npy" not in archive.namelist():
        raise ValueError("it has no header")
    text = _read_array(archive, _HEADER).tobytes()
    check_json(text)
    header: dict[str, Any] = json.loads(text.decode("utf-8", "surrogatepass"))
    if header["format"] != FORMAT:
        raise ValueError("its header is of another kind")
    if header["version"] != VERSION:
        raise ValueError(
            f"sknn_scratch {header['written_by']} wrote it in format version {header['version']}"
        )
    return header


def _decode(node: Any, read: Callable[[str], Array]) -> Any:
    """Return the value of decoded JSON; ``read`` returns an array by name."""
    if isinstance(node, dict):
        return {key: _decode(part, read) for key, part in node.items()}
    if not isinstance(node, list):
        return node
    kind, *content = node
    if kind == "list":
        return [_decode(part, read) for part in content]
    if kind == "array":
        return read(*content)
    if kind == "void":
        return read(*content)[()]
    return _DECODERS[kind](*content)


_DECODERS: dict[str, Callable[..., Any]] = {
    "int": lambda digits: int(digits, 16),
    "float": lambda digits: struct.unpack(">d", bytes.fromhex(digits))[0],
    "floats": lambda digits: np.frombuffer(bytes.fromhex(digits), ">f8").tolist(),
    "str_": np.str_,
    "bytes_": lambda digits: np.bytes_(bytes.fromhex(digits)),
    "scalar": lambda dtype, digits: np.frombuffer(bytes.fromhex(digits), np.dtype(dtype))[0],
}


def _reason(error: Exception) -> str:
    """Return the reason why a file cannot be read, as the end of a sentence."""
    if type(error) is ValueError:
        return str(error)
    return f"it is of another kind or damaged ({type(error).__name__}: {error})"


# --- Random number generators as trees.


def rng_state(rng: np.random.RandomState) -> State:
    """Return the state of a RandomState as plain data."""
    state: State = rng.get_state(legacy=False)
    return state


def restore_rng(rng_tree: State) -> np.random.RandomState:
    """Return a RandomState that continues from a state of :func:`rng_state`."""
    rng = np.random.RandomState(_bit_generator(rng_tree))
    rng.set_state(rng_tree)
    return rng


def generator_state(generator: np.random.Generator) -> State:
    """Return the state of a Generator as plain data, without its seed sequence for spawning."""
    state: State = dict(generator.bit_generator.state)
    return state


def restore_generator(generator_tree: State) -> np.random.Generator:
    """Return a Generator that continues from a state of :func:`generator_state`."""
    bits = _bit_generator(generator_tree)
    bits.state = generator_tree
    return np.random.Generator(bits)


def _bit_generator(tree: State) -> Any:
    name = tree.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ValueError(
            "The state of a random number generator must name one of numpy's bit generators, "
            f"{', '.join(BIT_GENERATORS)}. Got {name!r} instead."
        )
    return BIT_GENERATORS[name](0)
