"""Lock files (`flock`), which the kernel frees however their holder ends."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl


def open_lock(path: Path) -> int:
    """A descriptor of the lock file, which is created where there is none."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Hold a lock file exclusively. Blocks until it is free."""
    lock = open_lock(path)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def is_locked_exclusively(path: Path) -> bool:
    """Whether any process holds the lock file exclusively."""
    try:
        lock = os.open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        return not try_lock(lock, fcntl.LOCK_SH)
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)  # A concurrent fork may have copied the descriptor.
        os.close(lock)


def try_lock(lock: int, kind: int) -> bool:
    """Take a lock of `kind` (`LOCK_SH` or `LOCK_EX`) without blocking. False if it is held."""
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
