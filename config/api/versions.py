"""Versions of rows, for edits that expect one."""

from config.errors import PreconditionFailed


def check_version(version: str, expected: set[str] | None) -> None:
    """Raises `PreconditionFailed` if `version` is not an expected one. None expects any version."""
    if expected is not None and version not in expected:
        raise PreconditionFailed
