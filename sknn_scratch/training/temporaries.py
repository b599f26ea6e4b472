"""Temporary files of checkpoints, and deletion of those that killed processes left behind.

A process locks the file that it writes (``flock``).  The system releases the lock when the process
ends, in whatever way; process IDs would not be reliable, because they are reused.  A file is
deleted only if it belongs to the same path, was created on this machine and is not locked.
Without such locks (Windows, some network file systems) files of killed processes remain.
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

#: Whether the system supports these locks.
LOCKS = fcntl is not None


def new_name(where: Path) -> Path:
    """Return a new name in the directory of ``where``, unique per writer and never too long."""
    return where.with_name(f"{_begin(where)}{secrets.token_hex(8)}.tmp")


def lock(file: IO[bytes], name: Path) -> bool:
    """Lock a file that is being written; return True if it still exists.

    Another process may have deleted the file before it was locked.
    """
    _flock(file.fileno(), wait=True)
    return name.exists()


def remove_dead(where: Path) -> None:
    """Delete temporary files that killed processes on this machine left for ``where``."""
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
    """Return the common prefix of temporary files for this path on this machine."""
    origin = f"{platform.node()}\0{where.name}".encode("utf-8", "surrogateescape")
    return f".{where.name[:40]}-{hashlib.blake2b(origin, digest_size=8).hexdigest()}"


def _flock(descriptor: int, wait: bool) -> bool:
    """Lock a file; return True on success."""
    system: Any = fcntl
    try:
        system.flock(descriptor, system.LOCK_EX | (0 if wait else system.LOCK_NB))
    except (OSError, AttributeError):
        return False
    return True
