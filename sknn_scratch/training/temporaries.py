"""Temporary files beside a checkpoint: who writes one, and which have lost their writer.

A writer holds a lock of the system on its file, which ends with the process however that ends;
numbers of processes, which are given again, do not count.  A file is removed only if it is of the
same path, was begun on this machine and is not locked.  Where there are no such locks (Windows,
some network file systems), files of killed writers stay.
"""

from __future__ import annotations

import hashlib
import os
import platform
import secrets
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

#: Whether the system has the locks that tell whether a writer lives.
LOCKS = fcntl is not None


def new_name(where: Path) -> Path:
    """Return a new name beside ``where``, of its own for each writer and never too long."""
    return where.with_name(f"{_begin(where)}{secrets.token_hex(8)}.tmp")


def lock(file: IO[bytes], name: Path) -> bool:
    """Mark a file as one whose writer lives; tell whether it is still there.

    Another writer, which came before the lock, may have taken the file for a dead one's.
    """
    _flock(file.fileno(), wait=True)
    return name.exists()


def remove_dead(where: Path) -> None:
    """Delete what killed writers of ``where`` have left on this machine."""
    if not LOCKS:
        return
    begin = _begin(where)
    with suppress(OSError), os.scandir(where.parent) as entries:
        for entry in entries:
            if entry.name.startswith(begin) and entry.name.endswith(".tmp"):
                with suppress(OSError):
                    _remove_if_dead(entry.path)


def _remove_if_dead(path: str) -> None:
    descriptor = os.open(path, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    try:
        if _flock(descriptor, wait=False):
            os.unlink(path)
    finally:
        os.close(descriptor)


def _begin(where: Path) -> str:
    """Return what names of all temporary files of this path and machine begin with."""
    origin = f"{platform.node()}\0{where.name}".encode("utf-8", "surrogateescape")
    return f".{where.name[:40]}-{hashlib.blake2b(origin, digest_size=8).hexdigest()}"


def _flock(descriptor: int, wait: bool) -> bool:
    """Tell whether the file could be locked."""
    system: Any = fcntl
    try:
        system.flock(descriptor, system.LOCK_EX | (0 if wait else system.LOCK_NB))
    except (OSError, AttributeError):
        return False
    return True
