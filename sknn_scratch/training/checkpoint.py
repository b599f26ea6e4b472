"""A tree of plain data in one file that is replaced as a whole or not at all.

A tree is a dict with string keys; its values are dicts, lists, arrays of any dtype without
objects, numpy scalars, int, float, bool, str and None. What :func:`load` returns equals what
:func:`save` was given, bit for bit and type for type.

The file is an .npz without pickles. Arrays are members of their own, "a0", "a1", ...; the
member "header" holds all the rest as JSON. There an object is a dict, finite numbers and
strings are themselves, and an array says what it stands for in its first item, as in
``["float", "7ff0000000000000"]``: see ``_DECODERS``. The header also holds a digest of the whole
tree, so that no part of it can be exchanged unseen.
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
    """Write ``tree`` to ``path``: all of it, or nothing.

    The data goes to a hidden temporary file beside ``path``, which then takes its place. If
    that fails, or the process is killed, what was at ``path`` before is still there; only a
    kill or a power failure can leave the temporary file behind (``.<name>-<32 digits>.tmp``).
    The next writer of ``path`` on the same machine deletes it (see :mod:`.temporaries`).

    Parameters
    ----------
    path : str or path-like
        Used as it is: no ending is added. Of a symbolic link, the file behind it is replaced.
    tree : dict
        Nested dicts of plain data.

    Raises
    ------
    TypeError
        If the tree holds anything else, such as an object or a tuple; says where.
    OSError
        If the file cannot be written, for instance because the disk is full.
    ValueError
        If ``path`` can never be a file (see :func:`check_writable`).
    """
    members = _pack(tree)
    where = _target(path)
    with _temporary(where, path) as (file, temporary):
        with suppress(OSError):  # Most often there is no file yet to take the rights from.
            shutil.copymode(where, temporary)
        np.savez(file, **members)
        file.flush()
        os.fsync(file.fileno())
        if not temporaries.LOCKS:  # Windows replaces no open file; elsewhere the lock is to last.
            file.close()
        os.replace(temporary, where)
    _sync_directory(where.parent)
    temporaries.remove_dead(where)


def load(path: str | os.PathLike[str]) -> State:
    """Return the tree that :func:`save` wrote to ``path``, having checked all of the file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    TypeError
        If ``path`` is no path: an open file, its number, bytes or None.
    ValueError
        If it is no plain file, or damaged, cut short, of another kind or of an unknown format
        version.
    """
    # What is a device or a pipe may never end, or never begin.
    with open(plain_file(path), "rb") as file:
        try:
            return _read(file)
        except Exception as error:  # of zipfile, json, numpy, the memory or the stack
            # A position outside the file is damage; any other error of the system is itself.
            if isinstance(error, OSError) and error.errno != errno.EINVAL:
                raise
            raise damaged(path, _reason(error)) from error


def damaged(path: str | os.PathLike[str], reason: str) -> ValueError:
    """Return the error for a file that is no sound checkpoint; ``reason`` ends "..., but"."""
    return ValueError(
        f"The file {os.fspath(path)!r} must be a whole, undamaged checkpoint that "
        f"sknn_scratch wrote in format version {VERSION}, but {reason}: resume "
        "from another checkpoint, or fit anew."
    )


def check_writable(path: str | os.PathLike[str]) -> None:
    """Raise at once if :func:`save` could not write to ``path``; leave nothing behind.

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
    """Return the file that ``path`` leads to; raise unless it is, or could be, a plain file."""
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
    """Return the file to write; raise unless one can be there."""
    where = plain_file(path)
    if not where.parent.is_dir():
        raise ValueError(
            f"The path of a checkpoint must be in an existing directory. Got {os.fspath(path)!r}, "
            f"but {str(where.parent)!r} is none: create it, or choose another path."
        )
    if where.exists() and not os.access(where, os.W_OK):
        raise _write_error(PermissionError(errno.EACCES, "The file is read-only"), path)
    return where


@contextmanager
def _temporary(where: Path, path: str | os.PathLike[str]) -> Iterator[tuple[IO[bytes], Path]]:
    """Open a new file beside ``where``, locked while its writer lives, and gone in the end."""
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
        f"{error.strerror or error}: the checkpoint cannot be written, and what was at its path "
        "before is unchanged; make room or allow writing there, or choose another path",
        os.fspath(path),
    )


def _sync_directory(directory: Path) -> None:
    """Let a power failure not undo the replacement, where the system can do that."""
    # Not an error: the file is whole under either name, and Windows cannot open a directory.
    with suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


# --- From a tree to members of the file.


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
    """Return a short code of a tree: of its JSON and of its arrays."""
    code = hashlib.blake2b(_json(root), digest_size=16)
    for name, array in arrays.items():
        in_fortran = array.flags.f_contiguous and not array.flags.c_contiguous
        form = [name, array.dtype.descr, array.shape, bool(in_fortran)]
        code.update(repr(form).encode("utf-8", "surrogatepass"))
        flat = np.ascontiguousarray(array.T if in_fortran else array).reshape(-1)
        code.update(flat.view(np.uint8).data if flat.nbytes else b"")
    return code.hexdigest()


class _Encoder:
    """Turns values into what JSON can hold, and collects their arrays."""

    def __init__(self) -> None:
        self.arrays: dict[str, Array] = {}

    def encode(self, value: Any, place: str) -> Any:
        """Return JSON for ``value``; ``place`` is where it stands in the tree."""
        # Exact types: what is stored as its base class would not come back as it was.
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
        """Return JSON for a numpy scalar: text for all but records, a member for each is slow."""
        if isinstance(value, np.str_):
            return ["str_", str.__str__(value)]  # numpy's own __str__ drops zeros at the end.
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


# --- And back.


def _read(file: IO[bytes]) -> State:
    """Return the tree in an open file; raise one of ``_DAMAGE`` if there is none."""
    with zipfile.ZipFile(file) as archive:
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed")
        check_members(archive, os.fstat(file.fileno()).st_size)
        # All checksums first: only then is what the file says about its arrays to be believed.
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
        raise ValueError("it holds something else than when it was written, as its digest shows")
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
    """Return the value that some JSON stands for; ``read`` gives the arrays."""
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
    """Return what is wrong with the file, as the end of a sentence."""
    if type(error) is ValueError:
        return str(error)
    return f"it is of another kind or damaged ({type(error).__name__}: {error})"


# --- Random streams as trees.


def rng_state(rng: np.random.RandomState) -> State:
    """Return the state of a legacy stream as plain data."""
    state: State = rng.get_state(legacy=False)
    return state


def restore_rng(rng_tree: State) -> np.random.RandomState:
    """Return a legacy stream that goes on where :func:`rng_state` was taken."""
    rng = np.random.RandomState(_bit_generator(rng_tree))
    rng.set_state(rng_tree)
    return rng


def generator_state(generator: np.random.Generator) -> State:
    """Return the state of a Generator as plain data; what it could spawn is not part of it."""
    state: State = dict(generator.bit_generator.state)
    return state


def restore_generator(generator_tree: State) -> np.random.Generator:
    """Return a Generator that goes on where :func:`generator_state` was taken."""
    bits = _bit_generator(generator_tree)
    bits.state = generator_tree
    return np.random.Generator(bits)


def _bit_generator(tree: State) -> Any:
    name = tree.get("bit_generator")
    if name not in BIT_GENERATORS:
        raise ValueError(
            "The state of a random stream must name one of numpy's bit generators, "
            f"{', '.join(BIT_GENERATORS)}. Got {name!r} instead."
        )
    return BIT_GENERATORS[name](0)
