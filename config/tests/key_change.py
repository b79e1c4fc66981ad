"""Signs one thing of each kind, or reads them. Run by `test_key_change.py` under different keys.

    python -m config.tests.key_change sign            prints what was signed, as JSON
    python -m config.tests.key_change read <JSON>     prints what of it is valid, as JSON

No database is needed.
"""

import json
import os
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup()

from django.contrib.sessions.backends.db import SessionStore  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from rest_framework_simplejwt.exceptions import TokenError  # noqa: E402

from accounts import calendars, links  # noqa: E402
from accounts.models import Notification, User  # noqa: E402
from accounts.notifications import unsubscribing  # noqa: E402
from accounts.signed_tokens import AccessToken, RefreshToken  # noqa: E402
from config.api.http import idempotency  # noqa: E402
from config.api.models import StoredResponse  # noqa: E402
from config.api.pagination.keyset import Cursor  # noqa: E402
from config.errors import IdempotencyKeyReused, InvalidCursor  # noqa: E402
from registrations import tickets  # noqa: E402

REGISTRATION = UUID("5f0c7b1e-6a52-4d1c-9a3e-0d9c5a4e7f10")
OLGA = User(pk=7, email="olga@example.com", password="x", pending_email="olga@example.org")

RECOVERED = links._to_recover(OLGA.email, OLGA.address_version)


def token_of(url: str) -> str:
    return parse_qs(urlsplit(url).query)["token"][0]


def sign() -> dict[str, str]:
    mail = Notification(email=OLGA.email, kind="event_reminder")
    return {
        "access token": str(AccessToken()),
        "refresh token": str(RefreshToken()),
        "confirmation link": token_of(links.confirmation_link(OLGA)),
        "reset link": token_of(links.reset_link(OLGA)),
        "recovery link": links._token(links.Purpose.RECOVER, OLGA, *RECOVERED),
        "unsubscribe link": token_of(unsubscribing.unsubscribe_url(mail)),
        "calendar link": token_of(calendars.calendar_url(OLGA)),
        "manage token": tickets.manage_token(REGISTRATION, 3),
        "feedback token": tickets.feedback_token(REGISTRATION, 7),
        "page cursor": Cursor("list", "start_time", False, (1,)).encode(),
        "session": SessionStore().encode({"a": 1}),
        "password in a session": OLGA.get_session_auth_hash(),
        "idempotent request": idempotency._digest(b"body").hex(),
    }


def is_read(read: Callable[[], Any], *errors: type[Exception]) -> bool:
    try:
        return bool(read())
    except errors:
        return False


def read(signed: dict[str, str]) -> dict[str, bool]:
    def replayed() -> HttpResponse:
        digest = bytes.fromhex(signed["idempotent request"])
        return idempotency._replay(
            StoredResponse(body_digest=digest, status=204, body=b""), b"body"
        )

    in_session = signed["password in a session"]
    return {
        "access token": is_read(lambda: AccessToken(signed["access token"]).payload, TokenError),
        "refresh token": is_read(lambda: RefreshToken(signed["refresh token"]).payload, TokenError),
        "confirmation link": links.confirms(signed["confirmation link"], OLGA),
        "reset link": links.resets(signed["reset link"], OLGA),
        "recovery link": links._holds(
            links.Purpose.RECOVER, signed["recovery link"], OLGA, *RECOVERED
        ),
        "unsubscribe link": unsubscribing.subscription_of(signed["unsubscribe link"]) is not None,
        "calendar link": calendars.signed_part(signed["calendar link"]) != "",
        "manage token": tickets.is_manage_token(signed["manage token"], REGISTRATION, 3),
        "feedback token": tickets.is_feedback_token(signed["feedback token"], REGISTRATION, 7),
        "page cursor": is_read(lambda: Cursor.decode(signed["page cursor"]), InvalidCursor),
        "session": SessionStore().decode(signed["session"]) == {"a": 1},
        "password in a session": in_session
        in {OLGA.get_session_auth_hash(), *OLGA.get_session_auth_fallback_hash()},
        "idempotent request": is_read(lambda: replayed().status_code, IdempotencyKeyReused),
    }


if __name__ == "__main__":
    result = sign() if sys.argv[1] == "sign" else read(json.loads(sys.argv[2]))
    print(json.dumps(result))
