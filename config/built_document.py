"""The OpenAPI document in a file, made once for each version of the code.

`manage.py collectstatic` and `make serve` write it. The name of the file depends on the code, so a
file of other code is not read.
"""

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import orjson
from django.conf import settings

_PACKAGES = ("accounts", "config", "events", "registrations")
_FILES = ("docs/api-introduction.md", "requirements.txt")


def stored_document() -> dict[str, Any] | None:
    """The document of this code, if it is stored."""
    path = _path()
    return cast("dict[str, Any]", orjson.loads(path.read_bytes())) if path.is_file() else None


def store_document(make: Callable[[], dict[str, Any]]) -> None:
    """Store the document of this code, unless it is stored, and delete those of other code."""
    path = _path()
    if path.is_file():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_bytes(orjson.dumps(make()))
    for other in path.parent.glob("openapi-*.json"):
        other.unlink(missing_ok=True)
    draft.replace(path)


def _path() -> Path:
    """Depends on the names, sizes and times of all source files, which takes 10 ms to read."""
    digest = hashlib.sha256(sys.version.encode())
    for path in _sources():
        stat = path.stat()
        # An image of a container has no fractions of seconds.
        digest.update(f"\n{path} {stat.st_size} {int(stat.st_mtime)}".encode())
    return Path(settings.DATA_DIR) / f"openapi-{digest.hexdigest()[:16]}.json"


def _sources() -> Iterator[Path]:
    base = Path(settings.BASE_DIR)
    for package in _PACKAGES:
        yield from sorted((base / package).rglob("*.py"))
    yield from (base / name for name in _FILES)
