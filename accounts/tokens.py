"""Access and refresh tokens (JWT, RFC 7519).

A sign-in opens a `Session`. Its refresh token works once and is replaced. A second use of a token
long after the first one indicates theft, so it ends the session. An access token contains the id of
its session, which every request reads together with the user. So a logout, a change of password or
the end of an account takes effect at once.
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

# A second use within this time is a repeated request, not theft.
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
    """Record that the owner of the account used a link at this address.

    The record is an ended session without a token, which `lockout` treats as a sign-in.
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
    """Replace a refresh token. Raises `InvalidToken`, and ends the session of a stolen token."""
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
    """Log out. Raises `InvalidToken` if the token is not one of this user's."""
    _, session_id = _read(refresh)
    closed = Session.objects.filter(pk=session_id, user=user).update(ended_at=timezone.now())
    if not closed:
        raise InvalidToken


def live_sessions_of(user: User) -> QuerySet[Session]:
    """The sessions that are neither ended nor expired."""
    return _live_sessions().filter(user=user, expires_at__gt=timezone.now())


def end_session(session: Session) -> None:
    Session.objects.filter(pk=session.pk, ended_at=None).update(ended_at=timezone.now())


def session_id_of(access: Token) -> UUID:
    return UUID(access["sid"])


def network_of(address: str) -> str:
    """The network of an IP address, which identifies no person: /24, or /48 for IPv6.

    >>> network_of("203.0.113.77")
    '203.0.113.0/24'
    """
    length = 24 if ip_address(address).version == 4 else 48
    return str(ip_network(f"{address}/{length}", strict=False))


def session_of(access: Token) -> Session | None:
    """The live session, with its user, that an access token belongs to."""
    sessions = fetch("live session", _session_by_id, [session_id_of(access)], prepare=True)
    return sessions[0] if sessions else None


def end_all_sessions(user: User) -> None:
    """End every token issued so far, including those of sign-ins in progress."""
    User.objects.filter(pk=user.pk).update(token_generation=F("token_generation") + 1)
    user.refresh_from_db(fields=["token_generation"])
    if user.email_verified:  # otherwise mailed links stay valid: see `links`
        end_cooldown("password_reset", email=user.email)


def forget_ended_sessions(older_than: timedelta = timedelta(days=30)) -> int:
    """Delete sessions that expired some time ago. Returns their number."""
    deleted, _ = Session.objects.filter(expires_at__lt=timezone.now() - older_than).delete()
    return deleted


def _session_by_id(values: list[Any] | None) -> QuerySet[Session]:
    """The query of `session_of`. It is compiled once, since every signed-in request runs it."""
    sessions = _live_sessions().defer("recently_used")
    return sessions.filter(pk=(values or [None])[0])[:1]


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
