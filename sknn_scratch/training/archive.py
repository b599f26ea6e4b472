"""Checks of untrusted zip archives before their members are read."""

from __future__ import annotations

import zipfile
from math import prod
from typing import IO

import numpy as np

#: Maximum number of JSON values, plus one per so many bytes: "[]," takes 64 bytes in memory.
MOST_NODES, BYTES_A_NODE = 1_000_000, 8


def check_members(archive: zipfile.ZipFile, most: int) -> None:
    """Raise ValueError for duplicate names, or more than ``most`` uncompressed bytes."""
    members = archive.infolist()
    if len({member.filename for member in members}) < len(members):
        raise ValueError("two of its members have the same name")
    size = sum(member.file_size for member in members)
    if size > most:
        raise ValueError(f"its members have {size} bytes, more than the {most} that fit its size")


def check_array(member: IO[bytes], name: str, size: int) -> None:
    """Raise ValueError unless a member of ``size`` bytes has the size in its .npy header."""
    version = np.lib.format.read_magic(member)
    # Later versions differ from 2.0 only in the encoding of field names.
    is_first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if is_first else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    promised, there = prod(shape) * dtype.itemsize, size - member.tell()
    if min(shape, default=0) < 0:
        raise ValueError(f"its array {name!r} has a negative size, {shape}")
    if promised != there and not dtype.hasobject:  # objects are refused when they are read
        raise ValueError(f"its array {name!r} promises {promised} bytes and holds {there}")


def check_json(text: bytes) -> None:
    """Raise ValueError if JSON has too many values for its size."""
    nodes = sum(map(text.count, (b",", b"[", b"{")))
    if nodes > MOST_NODES + len(text) // BYTES_A_NODE:
        raise ValueError(f"its {nodes} values in JSON are too many for {len(text)} bytes")
