"""What the admin's page of an event shows of its people: a funnel, and the latest of its ledger."""

from django.template.loader import render_to_string
from django.utils import timezone

from accounts.admin import named_actor
from events.models import Event

from ..models import LedgerEntry
from ..statistics.events import event_statistics

MAX_ENTRIES = 20


def funnel_of(event: Event) -> str:
    """The people of each stage, with bars in proportion to all who ever registered."""
    totals = event_statistics(event, timezone.get_current_timezone()).totals
    stages = [
        ("Registered", totals["people"]),
        ("On the waitlist", totals["waitlisted"]),
        ("Cancelled", totals["cancelled"]),
        ("Have a seat", totals["confirmed"]),
        ("Checked in", totals["checked_in"]),
    ]
    most = max(1, *(people for _, people in stages))
    rows = [(name, people, 100 * people // most) for name, people in stages]
    return render_to_string("registrations/admin/funnel.html", {"rows": rows})


def latest_ledger_of(event: Event) -> str:
    """In the zone of the staff member. The names are links to the registrations."""
    entries = (
        LedgerEntry.objects.filter(event=event)
        .select_related("registration", "actor", "key")
        .order_by("-id")[: MAX_ENTRIES + 1]
    )
    rows = [(entry, named_actor(entry)) for entry in entries]
    context = {"rows": rows[:MAX_ENTRIES], "has_more": len(rows) > MAX_ENTRIES, "event": event}
    return render_to_string("registrations/admin/ledger.html", context)
