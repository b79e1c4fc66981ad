"""The limit of e-mails that one account may cause by edits, imports, messages, cancellations."""

from accounts.audit import actor_id
from config.api.http.rate_limits import count_many
from config.errors import RateLimited

_DETAIL = (
    "Your account has caused very many e-mails today. Try again later; attendees can be imported "
    "with notify=false."
)


def count_mails(number: int, *, may_refuse: bool = True) -> None:
    """Counts e-mails that the acting account has caused. Guests and the system are not counted.

    Raises `RateLimited` with `Retry-After` if earlier e-mails have used up
    `RATE_LIMITS["caused_mails"]`. Without `may_refuse` the e-mails are only counted: attendees have
    to learn that an event is cancelled, whatever its organizer did before. Call this late in a
    transaction, which locks the shared count until its end.
    """
    actor = actor_id()
    if actor is None or not number:
        return
    seconds = count_many("caused_mails", f"user {actor}", number)
    if seconds and may_refuse:
        raise RateLimited(_DETAIL, retry_after=seconds)
