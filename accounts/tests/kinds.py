"""Kinds of notifications for tests."""

from collections.abc import Sequence
from datetime import UTC, datetime

from accounts.models import Notification
from accounts.notifications import Attachment, Kind
from accounts.notifications.kinds import Facts

GIF = b"GIF89a\x01\x00\x01\x00\x00\x00\x00;"


def load(rows: Sequence[Notification]) -> dict[int, dict[str, object]]:
    """Omits rows with the fact `over`. Raises for a batch that has a row with the fact `fault`."""
    facts_by_row = {}
    for row in rows:
        if row.facts.get("fault"):
            raise LookupError("fault")
        facts = {"title": "A & B", "at": datetime(2027, 7, 1, 12, tzinfo=UTC), **row.facts}
        if not facts.get("over"):
            facts_by_row[row.pk] = facts
    return facts_by_row


def attach(row: Notification, facts: Facts) -> list[Attachment]:
    if facts.get("broken"):
        raise ValueError("broken")
    calendar = f"BEGIN:VCALENDAR\r\nSUMMARY:{facts.get('name', '-')}\r\n"
    return [
        Attachment(calendar.encode(), "text/calendar", "event.ics", {"method": "REQUEST"}),
        Attachment(GIF, "image/gif", "ticket.gif", inline="ticket"),
    ]


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
    attach=attach,
)
QUIET = Kind(name="quiet", title="Quiet", template="tests/note.html", load=load, mail=False)
STRANGE = Kind(name="strange", title="Strange", template="tests/strange.html", load=load)
CALLED_OFF = Kind(
    name="called_off",
    title="Cancelled events",
    template="tests/note.html",
    load=load,
    cannot_wait=True,
)
ALL = (NOTE, SECRET, TICKET, QUIET, STRANGE, CALLED_OFF)
