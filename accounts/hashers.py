import bcrypt
from django.contrib.auth.hashers import BCryptPasswordHasher


class LegacyBcryptHasher(BCryptPasswordHasher):
    """Verifies the bcrypt hashes of an older system; a login replaces them with Argon2id.

    Import such a hash as `bcrypt$` and the hash itself (`bcrypt$$2b$12$…`, also `$2a$`, `$2y$`).
    bcrypt reads 72 bytes and the library refuses more, so longer passwords are cut, as the older
    system did.
    """

    def verify(self, password: str, encoded: str) -> bool:
        hashed = encoded.removeprefix("bcrypt$")
        try:
            return bcrypt.checkpw(password.encode()[:72], hashed.encode())
        except ValueError:  # not a bcrypt hash
            return False

    def must_update(self, encoded: str) -> bool:
        return True
