"""Links to pages about events: an event's own page, and the e-mail of an invitation."""

import unicodedata
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.core import signing
from django.utils.text import slugify

from .access_keys import key_query

_SIGNER = signing.Signer(salt="invitation")
_MAX_SLUG_LENGTH = 60
# Letters that NFKD does not take apart, so that they would be missing in a slug.
_LATIN = str.maketrans(
    {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th"}
    | {"\u0131": "i"}
)


def page_url(event: Any) -> str | None:
    """The address of the event's page for people. None if the pages are switched off."""
    return f"{settings.PUBLIC_URL}{page_link(event)}" if settings.PUBLIC_PAGES else None


def page_link(event: Any) -> str:
    """The path of the event's page, with the key of an unlisted event."""
    return page_path(event) + key_query(event)


def page_path(event: Any) -> str:
    """The path of the event's page, such as `/e/7-jazz-night`."""
    return f"/e/{event.pk}-{slug_of(event.name)}"


@lru_cache(maxsize=4000)
def slug_of(name: str) -> str:
    """The name in the letters of an address: `event` if it has none of them.

    >>> slug_of("Über-Ich: Café & Bar!"), slug_of("Łódź"), slug_of("東京")
    ('uber-ich-cafe-bar', 'lodz', 'event')
    """
    slug = slugify(unicodedata.normalize("NFKD", name.lower().translate(_LATIN)))
    return slug[:_MAX_SLUG_LENGTH].strip("-_") or "event"


def invitation_link(member_id: int) -> str:
    """The URL of the page where an invitation is answered."""
    return f"{settings.PUBLIC_URL}/invitation/?token={_SIGNER.sign(str(member_id))}"


def member_id_of(token: str) -> int | None:
    """None for a token that is not of such a link."""
    try:
        return int(_SIGNER.unsign(token))
    except (signing.BadSignature, ValueError):
        return None
