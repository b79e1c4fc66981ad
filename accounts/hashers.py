"""Password hashers. A hash is slow by design, so only a few are computed at once.

Further ones raise `TemporarilyUnavailable`: see `config.api.http.work_slots`.
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
    """Argon2id with the minimum parameters of OWASP's Password Storage Cheat Sheet.

    Django's own parameters use five times the memory and eight threads for each hash, so a few
    simultaneous sign-ins use every core. A sign-in replaces a hash with other parameters.
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
    """Verifies the bcrypt hashes of an older system. A sign-in replaces them with Argon2id.

    Import such a hash as `bcrypt$` and the hash itself (`bcrypt$$2b$12$…`, also `$2a$`, `$2y$`).
    bcrypt uses the first 72 bytes and the library refuses more, so longer passwords are truncated.
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
    """`verify` calls `encode`, so only `encode` takes a slot."""

    def encode(self, password: str, salt: Any) -> str:
        with HASHING.one():
            return super().encode(password, salt)


class BoundedPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """`verify` calls `encode`, so only `encode` takes a slot."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        with HASHING.one():
            return super().encode(password, salt, iterations)
