"""What the admin's page of an event shows of its people: statistics and the latest ledger."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.template.loader import render_to_string
from django.utils import timezone

from accounts.admin import named_actor
from events.models import Event

from ..forms.questions import questions_of
from ..models import LedgerEntry
from ..statistics.events import event_statistics
from .charts import chart_of

MAX_ENTRIES = 20
_YES_AND_NO = {"true": "Yes", "false": "No"}


def statistics_of(event: Event) -> str:
    """The people of each stage, the registrations by day, and the answers to each question."""
    zone = timezone.get_current_timezone()
    statistics = event_statistics(event, zone)
    totals = statistics.totals
    stages = [
        ("Registered", totals["people"]),
        ("On the waitlist", totals["waitlisted"]),
        ("Cancelled", totals["cancelled"]),
        ("Have a seat", totals["confirmed"]),
        ("Checked in", totals["checked_in"]),
    ]
    context = {
        "funnel": _bars(stages),
        "chart": chart_of(
            [
                (each.begin.astimezone(zone).date(), each.people["registered"])
                for each in statistics.timeline
            ]
        ),
        "questions": _answers(event, statistics.answers),
    }
    return render_to_string("registrations/admin/statistics.html", context)


def _answers(event: Event, answers: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """For each question its title, and the rows of its answers if these are counted."""
    shown = []
    for question in questions_of(event.form).all:
        facts = answers[question.key]
        labels = _YES_AND_NO | {option.value: option.label for option in question.options}
        counts = [(labels.get(value, value), n) for value, n in (facts["counts"] or {}).items()]
        title = f"{question.label} ({facts['answered']} answered)"
        shown.append({"title": title, "rows": _bars(counts)})
    return shown


def _bars(counts: Sequence[tuple[str, int]]) -> list[tuple[str, int, int]]:
    """Name, number, and the length of its bar in percent of the longest."""
    most = max([1, *(people for _, people in counts)])
    return [(name, people, 100 * people // most) for name, people in counts]


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
