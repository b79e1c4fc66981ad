"""Kinds that only tests know."""

from collections.abc import Sequence
from datetime import UTC, datetime

from accounts.models import Notification
from accounts.notifications import Attachment, Kind

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


def load(rows: Sequence[Notification]) -> dict[int, dict[str, object]]:
    """A row whose facts say `over` no longer holds; one that says `broken` cannot be rendered."""
    found = {}
    for row in rows:
        facts = {"title": "A & B", "at": datetime(2027, 7, 1, 12, tzinfo=UTC), **row.facts}
        if not facts.get("over"):
            found[row.pk] = facts
    return found


NOTE = Kind(name="note", title="Notes", template="tests/note.html", load=load)
SECRET = Kind(
    name="secret",
    title="Account security",
    template="tests/note.html",
    load=load,
    switchable=False,
    in_app=False,
)
TICKET = Kind(
    name="ticket",
    title="Tickets",
    template="tests/note.html",
    load=load,
    attach=lambda row, facts: [
        Attachment(b"BEGIN:VCALENDAR", "text/calendar", "event.ics", {"method": "REQUEST"}),
        Attachment(GIF, "image/gif", "ticket.gif", inline="ticket"),
    ],
)
QUIET = Kind(name="quiet", title="Quiet", template="tests/note.html", load=load, mail=False)
ALL = (NOTE, SECRET, TICKET, QUIET)
