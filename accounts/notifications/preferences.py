"""Which mails an account wants. Only what differs from the default, which is yes, is kept."""

from ..models import User
from .kinds import Kind, switchable_kinds


def preferences_of(user: User) -> dict[str, bool]:
    """Every kind that may be switched off, and whether it is on."""
    kept = user.notification_preferences
    return {kind.name: kept.get(kind.name, True) for kind in switchable_kinds()}


def wants_mail(user: User, kind: Kind) -> bool:
    return not kind.switchable or bool(user.notification_preferences.get(kind.name, True))
