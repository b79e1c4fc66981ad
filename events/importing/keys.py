"""What identifies a row, so that importing its file again makes no second event."""

import hashlib
import unicodedata


def import_key(*parts: str) -> str:
    """A digest that ignores case, spaces at the ends, and how accents are encoded."""
    folded = (unicodedata.normalize("NFC", part).strip().casefold() for part in parts)
    return identity_key("\x1f".join(folded))


def identity_key(identity: str) -> str:
    """A digest of exactly this text, as UIDs are compared (RFC 5545, section 3.8.4.7)."""
    return hashlib.sha256(identity.encode()).hexdigest()
