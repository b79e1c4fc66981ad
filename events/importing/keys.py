"""Keys that identify rows, so that importing a file again creates no second event."""

import hashlib
import unicodedata


def import_key(*parts: str) -> str:
    """A digest that ignores case, outer spaces, and the encoding of accents."""
    folded = (unicodedata.normalize("NFC", part).strip().casefold() for part in parts)
    return identity_key("\x1f".join(folded))


def identity_key(identity: str) -> str:
    """A digest of the exact text, since UIDs are compared exactly (RFC 5545, section 3.8.4.7)."""
    return hashlib.sha256(identity.encode()).hexdigest()
