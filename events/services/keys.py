"""The events that an API key is restricted to."""

from collections.abc import Iterable

from accounts.models import User
from config.errors import FieldError, ValidationFailed

from ..models import Event


def check_events_of_key(
    user: User, event_ids: Iterable[int] | None, *, known: Iterable[int] | None = None
) -> None:
    """Raises `ValidationFailed` for an event on which the account has no role.

    `known` are events that the key has already: they stay, even if the role has ended.
    """
    new = set(event_ids or ()) - set(known or ())
    if not new:
        return
    own = Event.objects.with_role(user).filter(pk__in=new).values_list("pk", flat=True)
    missing = sorted(new - set(own))
    if missing:
        raise ValidationFailed(
            FieldError("events", "invalid", f"You have no role on the event {missing[0]}.")
        )
