"""Access and refresh tokens (JWT, RFC 7519).

A sign-in opens a `Session`. Its refresh token works once and is replaced; a token that comes back
long after its first use was stolen from somebody, so the whole session ends. An access token names
its session, which every request looks up together with the user: a logout, a change of password
or the end of an account hold at once.
"""

import time
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any, TypedDict, cast
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import Token

from config.api.sql.compiled_queries import fetch
from config.errors import InvalidToken

from .models import Session, User
from .notifications.cooldown import end_cooldown
from .signed_tokens import AccessToken, RefreshToken

# A client that sends one refresh twice within this time has made a double call, not a theft.
DOUBLE_CALL_SECONDS = 10


class TokenPair(TypedDict):
    access: str
    refresh: str


def open_session(user: User, *, user_agent: str = "", address: str | None = None) -> TokenPair:
    session = Session.objects.create(
        user=user,
        token_generation=user.token_generation,
        user_agent=user_agent[:255],
        address=address or None,
        expires_at=timezone.now() + _refresh_lifetime(),
    )
    return _tokens_of(session)


def record_device(user: User, *, user_agent: str, address: str) -> None:
    """Somebody proved without a sign-in, at this address, that the account is theirs.

    It is kept as a session that is over, of which there never was a token.
    """
    now = timezone.now()
    if address:
        Session.objects.create(
            user=user,
            token_generation=user.token_generation,
            user_agent=user_agent[:255],
            address=address,
            expires_at=now,
            ended_at=now,
        )


def rotate(refresh: str) -> TokenPair:
    """Replace a refresh token. Raises `InvalidToken`, and ends the session of a stolen one."""
    token_id, session_id = _read(refresh)
    with transaction.atomic():
        session = _live_sessions().select_for_update(of=("self",)).filter(pk=session_id).first()
        if session is None:
            raise InvalidToken
        accepted = session.current_token == token_id
        now = time.time()
        if accepted:
            session.recently_used = {
                **_still_recent(session.recently_used, now),
                token_id.hex: now,
            }
            session.current_token = uuid4()
            session.last_used_at = timezone.now()
            session.expires_at = session.last_used_at + _refresh_lifetime()
        elif token_id.hex not in _still_recent(session.recently_used, now):
            session.ended_at = timezone.now()
        session.save()
    if not accepted:  # raised outside the transaction: the end of a stolen session must commit
        raise InvalidToken
    return _tokens_of(session)


def close_session(user: User, refresh: str) -> None:
    """Log out. Raises `InvalidToken` when the token is not one of this user's."""
    _, session_id = _read(refresh)
    closed = Session.objects.filter(pk=session_id, user=user).update(ended_at=timezone.now())
    if not closed:
        raise InvalidToken


def live_sessions_of(user: User) -> QuerySet[Session]:
    """The sign-ins that still work."""
    return _live_sessions().filter(user=user, expires_at__gt=timezone.now())


def end_session(session: Session) -> None:
    Session.objects.filter(pk=session.pk, ended_at=None).update(ended_at=timezone.now())


def session_id_of(access: Token) -> UUID:
    return UUID(access["sid"])


def network_of(address: str) -> str:
    """An IP address cut to what tells a place but not a person: /24, or /48 of IPv6.

    >>> network_of("203.0.113.77")
    '203.0.113.0/24'
    """
    length = 24 if ip_address(address).version == 4 else 48
    return str(ip_network(f"{address}/{length}", strict=False))


def session_of(access: Token) -> Session | None:
    """The live session, with its user, that an access token belongs to."""
    found = fetch("live session", _session_by_id, [session_id_of(access)], prepare=True)
    return found[0] if found else None


def end_all_sessions(user: User) -> None:
    """End every token issued so far, by whichever login that runs at this moment too."""
    User.objects.filter(pk=user.pk).update(token_generation=F("token_generation") + 1)
    user.refresh_from_db(fields=["token_generation"])
    if user.email_verified:  # else the links that were mailed work on: see `links`
        end_cooldown("password_reset", email=user.email)


def forget_ended_sessions(older_than: timedelta = timedelta(days=30)) -> int:
    """Delete sessions that expired some time ago; returns how many."""
    deleted, _ = Session.objects.filter(expires_at__lt=timezone.now() - older_than).delete()
    return deleted


def _session_by_id(place: list[Any] | None) -> QuerySet[Session]:
    """Every request of somebody who is signed in asks this, so its query is kept."""
    sessions = _live_sessions().defer("recently_used")
    return sessions.filter(pk=(place or [None])[0])[:1]


def _live_sessions() -> QuerySet[Session]:
    return Session.objects.select_related("user").filter(
        ended_at=None,
        user__is_active=True,
        token_generation=F("user__token_generation"),
    )


def _read(refresh: str) -> tuple[UUID, UUID]:
    try:
        token = RefreshToken(refresh)  # type: ignore[arg-type]
        return UUID(token["jti"]), UUID(token["sid"])
    except (TokenError, KeyError, ValueError) as error:
        raise InvalidToken from error


def _still_recent(used: dict[str, float], now: float) -> dict[str, float]:
    return {token: at for token, at in used.items() if now - at <= DOUBLE_CALL_SECONDS}


def _tokens_of(session: Session) -> TokenPair:
    refresh = RefreshToken()
    refresh["jti"] = session.current_token.hex
    access = AccessToken()
    for token in (refresh, access):
        token["sub"] = str(session.user_id)
        token["sid"] = session.pk.hex
    return {"access": str(access), "refresh": str(refresh)}


def _refresh_lifetime() -> timedelta:
    return cast("timedelta", settings.SIMPLE_JWT["REFRESH_TOKEN_LIFETIME"])
