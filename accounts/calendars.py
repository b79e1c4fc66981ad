"""The secret link to one's own calendar.

Whoever has it reads the calendar, since calendar programs send no tokens of ours. It is signed and
not stored: it names the account and a generation, which the account raises to end it. It outlives
a change of password, as programs that subscribed to it would fall silent.
"""

from django.conf import settings
from django.core.signing import BadSignature, Signer
from django.db.models import F

from .models import User

_SIGNER = Signer(salt="accounts.calendar", sep=".")


def calendar_url(user: User) -> str:
    token = _SIGNER.sign(f"{user.pk}.{user.calendar_generation}")
    return f"{settings.PUBLIC_URL}/api/me/calendar.ics?token={token}"


def reset_calendar_link(user: User) -> User:
    """End the secret link to the user's calendar; there is a new one."""
    User.objects.filter(pk=user.pk).update(calendar_generation=F("calendar_generation") + 1)
    user.refresh_from_db(fields=["calendar_generation"])
    return user


def named_by(token: str) -> str:
    """What a signature of ours holds, `7.0`: the account and the generation. Empty without one."""
    try:
        return _SIGNER.unsign(token)
    except BadSignature:
        return ""


def owner_of_calendar(token: str) -> User | None:
    """Whose link carries this token; None when it is not one, or not any more."""
    user_id, _, generation = named_by(token).partition(".")
    if not user_id:
        return None
    return User.objects.filter(
        pk=int(user_id), calendar_generation=int(generation), is_active=True
    ).first()
