"""Hashes of passwords. Each is slow on purpose, so that only few are computed at once.

Beyond these `TemporarilyUnavailable` is raised: see `config.api.http.work_slots`.
"""

from typing import Any

import bcrypt
from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BCryptPasswordHasher,
    BCryptSHA256PasswordHasher,
    PBKDF2PasswordHasher,
)

from config.api.http.work_slots import HASHING


class BoundedArgon2PasswordHasher(Argon2PasswordHasher):
    """Argon2id with what OWASP's Password Storage Cheat Sheet asks for at least.

    Django's own parameters take five times the memory and eight threads for each hash, so a few
    sign-ins at once took every core from everybody. A sign-in replaces an older hash.
    """

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    def encode(self, password: str, salt: str) -> str:
        with HASHING.one():
            return super().encode(password, salt)

    def verify(self, password: str, encoded: str) -> bool:
        with HASHING.one():
            return super().verify(password, encoded)


class LegacyBcryptHasher(BCryptPasswordHasher):
    """Verifies the bcrypt hashes of an older system; a login replaces them with Argon2id.

    Import such a hash as `bcrypt$` and the hash itself (`bcrypt$$2b$12$…`, also `$2a$`, `$2y$`).
    bcrypt reads 72 bytes and the library refuses more, so longer passwords are cut, as the older
    system did.
    """

    def verify(self, password: str, encoded: str) -> bool:
        hashed = encoded.removeprefix("bcrypt$")
        try:
            with HASHING.one():
                return bcrypt.checkpw(password.encode()[:72], hashed.encode())
        except ValueError:  # not a bcrypt hash
            return False

    def must_update(self, encoded: str) -> bool:
        return True


class BoundedBCryptSHA256PasswordHasher(BCryptSHA256PasswordHasher):
    """`verify` computes by `encode`, so this alone has the slot."""

    def encode(self, password: str, salt: Any) -> str:
        with HASHING.one():
            return super().encode(password, salt)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """`verify` computes by `encode`, so this alone has the slot."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with HASHING.one():
            return super().encode(password, salt, iterations)
