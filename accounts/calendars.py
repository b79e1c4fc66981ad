"""The secret link to an account's own calendar.

The link alone gives access to the calendar, since calendar programs send no access tokens. It is
signed and not stored. It contains the account's id and a generation, which the account increments
to end the link. A change of password does not end it, since subscribed programs would stop.
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
    """End the secret link to the user's calendar. A new one replaces it."""
    User.objects.filter(pk=user.pk).update(calendar_generation=F("calendar_generation") + 1)
    user.refresh_from_db(fields=["calendar_generation"])
    return user


def signed_part(token: str) -> str:
    """The signed text, `<account id>.<generation>`. Empty without a valid signature."""
    try:
        return _SIGNER.unsign(token)
    except BadSignature:
        return ""


def owner_of_calendar(token: str) -> User | None:
    """The account of a link. None for an invalid or ended link."""
    user_id, _, generation = signed_part(token).partition(".")
    if not user_id:
        return None
    return User.objects.filter(
        pk=int(user_id), calendar_generation=int(generation), is_active=True
    ).first()
